// SPDX-License-Identifier: MIT
// One attempt of a call at one candidate.
#ifndef YJ_AGENT_CALL_ATTEMPT_H
#define YJ_AGENT_CALL_ATTEMPT_H

#include "agent/decide/attempt.h"

struct gw_call;

// Begins one at the route's candidate i: takes what it needs and makes it the attempt under way.
// False when another request was faster. forced: the least bad of those that are out, whatever its
// breakers say.
bool gw_attempt_take(struct gw_call *c, int i, bool forced);
// The attempt under way has ended, and there is none any more; when there is none, nothing happens.
// end: what callers are shown of it, such as "ok" or "http_429".
void gw_attempt_end(struct gw_call *c, enum outcome out, int status, enum err_code code,
	const char *end, int64_t cooldown_us);
// What an upstream's refusal says of this candidate: an instance has no account, and no key but its
// credential; without one it heals like any other failure.
enum outcome gw_outcome_at(const struct candidate *c, enum outcome out);

#endif
