// SPDX-License-Identifier: MIT
// The snapshot's tokens and clients.
#ifndef YJ_AGENT_STATE_CALLER_H
#define YJ_AGENT_STATE_CALLER_H

#include "agent/state/snapshot.h"

// Small letters, without outer space: "Prod " and "prod" are one name. At most CALLER_NAME_BYTES.
struct slice caller_name_fold(const char *name, char buf[CALLER_NAME_BYTES + 1]);
// Of a fork, as in agent/state/build.h.
void snapshot_put_token(struct snapshot *s, struct token_obj *t);
void snapshot_del_token(struct snapshot *s, struct slice id);
void snapshot_put_client(struct snapshot *s, struct client_obj *c);
void snapshot_del_client(struct snapshot *s, struct slice id);
const struct token_obj *snapshot_token(const struct snapshot *s, const struct ident *id);
const struct client_obj *snapshot_client(const struct snapshot *s, const struct ident *id);

#endif
