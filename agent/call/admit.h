// SPDX-License-Identifier: MIT
// Limits and budgets of a call's client and feature, and what is told of them.
#ifndef YJ_AGENT_CALL_ADMIT_H
#define YJ_AGENT_CALL_ADMIT_H

#include "agent/state/price.h"
#include "agent/state/snapshot.h"
#include "agent/upstream/upstream.h"

struct gw_call;

// Before the decision: takes what the request needs of its client's and its feature's limits, and
// estimates its tokens. Not ERR_OK: it is refused, and limited_by, refused and retry_after_s say
// why; whoever called answers (gw_fail).
enum err_code gw_admit(struct gw_call *c, struct err *err);
// Once, when the request ends: what it really used. Called by gw_account.
void gw_settle(struct gw_call *c, enum err_code code);
// What an attempt cost, for the budgets of client, feature and key, each of which may be NULL;
// unknown is counted as such.
void gw_charge(const struct client_obj *client, const struct feature_obj *f,
	const struct key_obj *key, const struct money *m);
// x-ratelimit-… of the answer, when something is limited. Called by gw_headers.
void gw_limit_headers(struct gw_call *c);
// The upstream says that nothing is left until a time: its key rests until then.
void gw_heed_upstream(struct gw_call *c, const struct upstream_response *res);
// Whether the client's list of features holds this one; NULL: the built-in client may all.
bool gw_client_may(const struct client_obj *client, const struct feature_obj *f);

#endif
