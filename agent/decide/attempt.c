// SPDX-License-Identifier: MIT
// Spreads the end of one attempt over the records it concerns: that of the key or instance, of the
// model, and of the key that opened an instance.
#include "agent/decide/attempt.h"

struct breaker_policy attempt_policy(const struct feature *f)
{
	return (struct breaker_policy){.fails = (int)f->cooldown.fails,
		.window_us = f->cooldown.window_s * 1000000,
		.open_us = f->cooldown.for_s * 1000000};
}

// An address that does not answer is out for the key or instance; what one model does for one feature
// (5xx, garbage, too slow) says nothing of the others there.
static bool is_of_model(const struct candidate *c, const struct attempt_end *e)
{
	if (c->pair == NULL)
		return false;
	if (e->out == OUT_MODEL_GONE)
		return true;
	return e->out == OUT_FAILED && !e->unreachable;
}

static bool tell(struct live *l, uint64_t life, const struct breaker_policy *policy,
	enum outcome out, const struct attempt_end *e)
{
	struct breaker_policy p = *policy;
	p.by = e->unreachable ? 0 : e->by;
	return breaker_outcome(l, life, &p, out, e->now_us, e->wall_ms,
		out == e->out ? e->cooldown_us : 0, e->status);
}

// The instance answered; it is the key it asks for that was refused.
static bool credential_refused(const struct candidate *c, const struct breaker_policy *p,
	const struct attempt_end *e)
{
	tell(c->live, c->life, p, OUT_CLIENT, e);
	if (c->pair != NULL)
		tell(c->pair, LIFE_ANY, p, OUT_CLIENT, e);
	return c->credential != NULL &&
		tell(c->credential->live, c->credential->life, p, OUT_AUTH, e);
}

bool attempt_tell(const struct candidate *c, const struct breaker_policy *p,
	const struct attempt_end *e)
{
	if (e->out != OUT_CLIENT && LIKELY(live_match(c->live, c->life) != LIVE_OTHER_ADDRESS))
		candidate_count(c, e->now_us, e->wall_ms, e->out == OUT_OK, e->us, e->status);
	if (UNLIKELY(e->out == OUT_AUTH && c->key == NULL))
		return credential_refused(c, p, e);
	if (is_of_model(c, e)) {
		if (live_match(c->live, c->life) == LIVE_SAME) {
			atomic_store(&c->live->last_error_wall_ms, e->wall_ms);
			atomic_store(&c->live->last_error_status, e->status);
		}
		breaker_answered(c->live, c->life);
		return tell(c->pair, LIFE_ANY, p, e->out, e);
	}
	bool changed = tell(c->live, c->life, p, e->out, e);
	if (c->pair == NULL)
		return changed;
	return tell(c->pair, LIFE_ANY, p, e->out == OUT_OK ? OUT_OK : OUT_CLIENT, e) || changed;
}

bool attempt_tell_key(const struct key_obj *k, enum outcome out, int64_t now_us, int64_t wall_ms,
	int64_t cooldown_us, int status)
{
	static const struct breaker_policy none;
	return breaker_outcome(k->live, k->life, &none, out, now_us, wall_ms, cooldown_us, status);
}

bool attempt_may(const struct candidate *c, int64_t now_us)
{
	if (!breaker_try(c->live, c->life, now_us))
		return false;
	if (c->pair == NULL || breaker_try(c->pair, LIFE_ANY, now_us))
		return true;
	breaker_let_go(c->live, c->life);
	return false;
}

void attempt_let_go(const struct candidate *c)
{
	breaker_let_go(c->live, c->life);
	if (c->pair != NULL)
		breaker_let_go(c->pair, LIFE_ANY);
}
