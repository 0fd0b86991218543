// SPDX-License-Identifier: MIT
// What an attempt takes of its candidate and gives back: limits, both breakers, calls in flight;
// and everybody who learns how it ended.
#include "agent/call/attempt.h"

#include "agent/call/account.h"
#include "agent/call/book.h"
#include "agent/call/call.h"
#include "agent/call/cells.h"
#include "agent/call/secret.h"
#include "shared/clock.h"

// ---- its beginning ----

bool gw_attempt_take(struct gw_call *c, int i, bool forced)
{
	const struct candidate *cand = &c->route->v[i];
	int64_t now = loop_now_us(c->gl->loop);
	struct limit_hit hit;
	if (cand->key == NULL)
		atomic_fetch_add_explicit(&cand->live->inflight, 1, memory_order_relaxed);
	else if (!limits_take(&cand->key->limits, cand->live, c->ask.tokens, now,
			 loop_wall_ms(c->gl->loop), &hit))
		return false;
	if (!forced && !attempt_may(cand, now)) {
		if (cand->key == NULL)
			atomic_fetch_sub_explicit(&cand->live->inflight, 1, memory_order_relaxed);
		else
			limits_undo(&cand->key->limits, cand->live, c->ask.tokens);
		return false;
	}
	c->cand = cand;
	c->unreachable = c->unsent = false;
	c->try_us = now;
	if (cand->pair != NULL)
		atomic_fetch_add_explicit(&cand->pair->inflight, 1, memory_order_relaxed);
	atomic_store_explicit(&cand->live->last_used_wall_ms, loop_wall_ms(c->gl->loop),
		memory_order_relaxed);
	return true;
}

// ---- its end ----

enum outcome gw_outcome_at(const struct candidate *c, enum outcome out)
{
	if (c->key != NULL || out < OUT_AUTH || out > OUT_REGION)
		return out;
	return out == OUT_AUTH && c->credential != NULL ? OUT_AUTH : OUT_FAILED;
}

// What the attempt used of its key's tokens: as reported, nothing when it failed or was refused, or
// -1 unknown.
static int64_t tokens_used(const struct gw_call *c, enum outcome out, int status)
{
	if (UNLIKELY(usage_is_absurd(&c->usage)))
		return -1;
	if (c->usage.in >= 0 || c->usage.out >= 0)
		return MAX_OF(c->usage.in, 0) + MAX_OF(c->usage.out, 0);
	return out == OUT_OK || (out == OUT_CLIENT && status < 400) ? -1 : 0;
}

// What gw_attempt_take took, but for what was used.
static void give_back(struct gw_call *c, enum outcome out, int status)
{
	struct live *l = c->cand->live, *pair = c->cand->pair;
	const struct key_obj *key = c->cand->key;
	if (key == NULL)
		atomic_fetch_sub_explicit(&l->inflight, 1, memory_order_relaxed);
	else if (UNLIKELY(c->unsent))
		limits_undo(&key->limits, l, c->ask.tokens);
	else
		limits_release(&key->limits, l, c->ask.tokens, tokens_used(c, out, status));
	if (pair != NULL)
		atomic_fetch_sub_explicit(&pair->inflight, 1, memory_order_relaxed);
}

void gw_attempt_end(struct gw_call *c, enum outcome out, int status, enum err_code code,
	const char *end, int64_t cooldown_us)
{
	if (c->cand == NULL)
		return;
	int64_t now = loop_now_us(c->gl->loop), us = now - c->try_us;
	gw_settle_usage(c);
	give_back(c, out, status);
	const struct attempt_end e = {.out = out,
		.unreachable = c->unreachable,
		.status = status != 0 ? status : -(int)code,
		.now_us = now,
		.wall_ms = loop_wall_ms(c->gl->loop),
		.us = us,
		.cooldown_us = cooldown_us};
	const struct breaker_policy p = attempt_policy(&c->feature->doc);
	if (attempt_tell(c->cand, &p, &e))
		gw_candidate_event(c, out, status);
	gw_ledger(c, out, code);
	c->tries[c->tries_n++] = (struct gw_attempt){.target = c->cand->name,
		.end = end,
		.status = status,
		.code = code,
		.ms = us / 1000};
	gw_count_attempt(c->gl, c->cells, c->cand, out);
	gw_secret_drop(c->gl, c->secret);
	c->secret = NULL;
	c->cand = NULL;
	if (c->kept || c->recorded)
		decisions_attempt(c->gl->agent->decisions, c->id, c->tries[c->tries_n - 1].target,
			status, code, us / 1000);
}
