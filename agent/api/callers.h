// SPDX-License-Identifier: MIT
// Use cases of tokens and clients: their documents, how they are made, and how they end.
#ifndef YJ_AGENT_API_CALLERS_H
#define YJ_AGENT_API_CALLERS_H

#include "agent/web/web.h"

void h_client_list(struct req *r);
void h_client_create(struct req *r);
void h_client_get(struct req *r);
void h_client_patch(struct req *r);
void h_client_delete(struct req *r);
void h_client_policy_get(struct req *r);
void h_client_policy_put(struct req *r);
void h_token_list(struct req *r);
void h_token_create(struct req *r);
void h_token_get(struct req *r);
void h_token_delete(struct req *r);

struct callers;

// Writes down every few seconds, through the store, what was spent and who was seen.
struct callers *callers_new(struct agent *a);
void callers_free(struct callers *c);
void callers_start(struct callers *c);
void callers_save_now(struct callers *c);
void callers_stop(struct callers *c); // and once more before the store ends

#endif
