// SPDX-License-Identifier: MIT
// One exchange with the candidate of a call's attempt.
#ifndef YJ_AGENT_CALL_EXCHANGE_H
#define YJ_AGENT_CALL_EXCHANGE_H

#include "agent/protocol/adapter.h"
#include "agent/upstream/upstream.h"

struct gw_call;
struct req;

// For the next that is built in it; its buffers stay.
void gw_clear_ask(struct adapter_ask *a);
// How many agents a request has passed when a self-hosted upstream gets it, this one included: 1..4.
int exchange_hop(const struct req *r);
// The header lines of *a, which go along beside those of the exchange itself. hop 0: a vendor, which
// is told nothing of agents.
void exchange_headers(const struct adapter_ask *a, int hop, struct str *ret);
// How long the attempt under way may take to say something: what the feature grants, and of what is
// left for all attempts half while further candidates may be asked, so that one that hangs does not
// use up the time of all. now_us: when it begins. 0: no limit.
int64_t gw_first_byte_ms(const struct gw_call *c, int64_t now_us);
// Sends it to the attempt's candidate; *headers is room for lines that are no usual ones. Both stay
// until the callback.
struct upcall *gw_start(struct gw_call *c, const struct adapter_ask *ask, struct str *headers,
	const struct upstream_callbacks *cb, void *arg);
// Gives up what is under way in c->up, if anything is.
void gw_abort(struct gw_call *c);

#endif
