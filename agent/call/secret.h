// SPDX-License-Identifier: MIT
// The secret that goes along with an exchange.
#ifndef YJ_AGENT_CALL_SECRET_H
#define YJ_AGENT_CALL_SECRET_H

#include "agent/state/snapshot.h"

struct gw_loop;

struct gw_secret { // an opened key; freed once expired and unused
	struct secret key;
	char id[ID_MAX];
	uint64_t version;
	int64_t until_us;
	unsigned refs;
	bool listed;
};

// The key in clear, counted; NULL (and *err) when it does not open.
struct gw_secret *gw_secret_take(struct gw_loop *gl, const struct key_obj *key, struct err *err);
// What goes along to the candidate: *ret is NULL when it asks for nothing. False: it asks for a
// secret that is not to be had, and must not be called.
bool gw_secret_of(struct gw_loop *gl, const struct candidate *c, struct gw_secret **ret,
	struct err *err);
void gw_secret_drop(struct gw_loop *gl, struct gw_secret *s);
void gw_secrets_free(struct gw_loop *gl); // all that are kept

#endif
