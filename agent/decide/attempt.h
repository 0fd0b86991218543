// SPDX-License-Identifier: MIT
// What the end of an attempt says of its candidate: told to the live records of its key or instance,
// of its target, of its model, and of the key that opens an instance. The one place for requests,
// image tasks and everything else that sends a candidate's secret.
#ifndef YJ_AGENT_DECIDE_ATTEMPT_H
#define YJ_AGENT_DECIDE_ATTEMPT_H

#include "agent/decide/breaker.h"
#include "agent/state/candidate.h"

struct attempt_end {
	enum outcome out;
	bool unreachable; // OUT_FAILED: the address did not answer, whatever model was asked for
	uint64_t by; // hash of caller and request, see struct breaker_policy; 0: not known
	int status; // HTTP status, or -enum err_code
	int64_t now_us, wall_ms;
	int64_t us; // how long it took
	int64_t cooldown_us; // of OUT_RATE_LIMITED
};

struct breaker_policy attempt_policy(const struct feature *f);
// The candidate is the one the attempt was begun with: its lives say whether address and secret are
// still those that were used (agent/decide/breaker.h). True when a breaker, cooldown or fault changed.
bool attempt_tell(const struct candidate *c, const struct breaker_policy *p,
	const struct attempt_end *e);
// Of a key that was shown alone, outside a candidate: a test, a health check, a probe.
bool attempt_tell_key(const struct key_obj *k, enum outcome out, int64_t now_us, int64_t wall_ms,
	int64_t cooldown_us, int status);
// Both breakers let it pass; a half-open trial taken at one is given back when the other refuses.
bool attempt_may(const struct candidate *c, int64_t now_us);
void attempt_let_go(const struct candidate *c);

#endif
