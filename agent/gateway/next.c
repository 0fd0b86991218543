// SPDX-License-Identifier: MIT
// Attempts: decide, begin, judge how it ended, and go on with the next candidate as long as the
// caller has seen no byte.
#include "agent/call/call.h"
#include "agent/core/events.h"
#include "agent/gateway/private.h"

#include <string.h>
#include "agent/protocol/table.h"
#include "agent/call/attempt.h"
#include "agent/call/exchange.h"
#include "agent/call/loop.h"
#include "agent/call/secret.h"
#include "shared/clock.h"
#include "shared/text.h"

#define WAIT_LOOK_US INT64_C(50000) // between looks at what does not tell when it returns
#define AGAIN_US INT64_C(50000) // longest wait before the same candidate is asked again; doubles
#define WAITING_MAX 1024 // callers held back on one loop; further ones are answered at once

// ---- held back ----

void gw_wait_stop(struct gw_call *c)
{
	if (!c->waiting)
		return;
	c->waiting = false;
	c->gl->waiting--;
	loop_timer_clear(c->gl->loop, &c->wait);
}

static void hold(struct gw_call *c, int64_t us, void (*over)(void *call))
{
	c->waiting = true;
	c->gl->waiting++;
	loop_timer_set(c->gl->loop, &c->wait, us, over, c);
}

// ---- the beginning of an attempt ----

static enum stream_end stream_end(const struct candidate *cand)
{
	const struct quirks *q = cand->instance != NULL ? &cand->instance->doc.quirks : NULL;
	if (LIKELY(q == NULL || q->sends_done))
		return ENDS_WITH_DONE;
	return q->stream_options ? ENDS_WITH_USAGE : ENDS_WITH_FINISH;
}

// ---- the same candidate once more ----

static void pause_over(void *arg)
{
	struct gw_call *c = arg;
	gw_wait_stop(c);
	c->paused = true;
	gw_next(c);
}

enum again { AGAIN_NOW, AGAIN_LATER, AGAIN_NOT };

static enum again ask_again(struct gw_call *c, int i, const struct candidate *cand)
{
	int before = c->per_candidate[i];
	bool paused = c->paused;
	c->paused = false;
	if (before == 0) {
		if (c->feature->doc.retry.per_target > 1)
			breaker_first(cand->live);
		return AGAIN_NOW;
	}
	if (paused)
		return AGAIN_NOW;
	if (c->gl->waiting >= WAITING_MAX || !breaker_retry(cand->live))
		return AGAIN_NOT;
	// What failed for many at once is not asked again by all of them at once.
	uint64_t most_us = (uint64_t)AGAIN_US << MIN_OF(before - 1, 4);
	hold(c, 1000 + (int64_t)(gw_random(c->gl) % most_us), pause_over);
	return AGAIN_LATER;
}

// Writes what candidate i is asked. False: it has no words for it, or not the ones that bind.
static bool fits(struct gw_call *c, int i)
{
	const struct candidate *cand = &c->route->v[i];
	ERR_NONE_YET(err);
	c->adapter = adapter_for(protocol_as(cand->protocol, cand->target->vendor, c->in.offer));
	gw_clear_ask(&c->send);
	gw_batch_begin(c, cand, &gw_batch_calls);
	if (LIKELY(gw_sink_choose(c, cand, &err) == ERR_OK &&
		    c->adapter->build(c->call, &c->feature->doc, cand, &c->send, &err) == ERR_OK))
		return true;
	tries_unfit(&c->tries, i, &err);
	return false;
}

// False when the candidate cannot be tried after all (another loop was faster). What it is asked is
// written already.
static bool begin(struct gw_call *c, int i, bool forced)
{
	const struct candidate *cand = &c->route->v[i];
	ERR_NONE_YET(err);
	enum again again = ask_again(c, i, cand);
	if (UNLIKELY(again != AGAIN_NOW)) {
		if (again == AGAIN_NOT)
			decide_tried(&c->tries.ask, i);
		return again == AGAIN_LATER;
	}
	if (!attempt_take(&c->tries, cand, forced)) {
		decide_tried(&c->tries.ask, i);
		return false;
	}
	if (++c->per_candidate[i] >= c->feature->doc.retry.per_target)
		decide_tried(&c->tries.ask, i);
	if (c->tries.n > 0)
		metric_cell_add(c->cells->fallbacks, 1);
	if (!gw_secret_of(c->gl, cand, &c->tries.secret, &err)) {
		c->tries.unsent = true; // nor will it be: the next one may do
		decide_tried(&c->tries.ask, i);
		gw_attempt_end(c, OUT_CLIENT, 0, err.code, err_row(err.code)->code);
		gw_record_failure(c);
		return false;
	}
	c->chunks.grows = c->send.grows;
	c->chunks.end = stream_end(cand);
	c->tries.others = (c->gl->decision.fallback_n > 0 ||
				  c->per_candidate[i] < c->feature->doc.retry.per_target) &&
		(int64_t)c->tries.n + 1 < c->feature->doc.retry.max_attempts;
	c->up = gw_start(c, &c->send, &c->headers,
		c->send.raw		 ? &gw_raw_callbacks
			: c->send.stream ? &gw_stream_callbacks
					 : &gw_whole_callbacks,
		c);
	return true;
}

// ---- nothing left to try ----

static void answer(struct gw_call *c, const struct tries_told *told)
{
	c->refused = told->refused;
	c->limited_by = told->limited_by;
	if (told->retry_s > 0)
		gw_tell_retry(c, told->retry_s);
	gw_fail(c, &told->err);
}

static void answer_untried(struct gw_call *c, const struct decision *d)
{
	struct tries_told told;
	untried_why(&c->tries, c->route, d, &told);
	answer(c, &told);
}

static void answer_tried(struct gw_call *c)
{
	struct tries_told told;
	tries_why(&c->tries, &told);
	answer(c, &told);
}

// ---- decisions ----

// The first decision is the one that is shown; later ones only go on from it. It is copied as far
// as it is filled.
static void keep_first(struct gw_call *c, const struct decision *d,
	const struct decide_request *ask)
{
	size_t n = offsetof(struct decision, v) + d->n * sizeof(d->v[0]);
	struct gw_loop *gl = c->gl;
	c->first = arena_alloc(&c->r->arena, n);
	memcpy(c->first, d, n);
	c->first_ask = *ask;
	c->reason = d->reason;
	bool recorded = decisions_record(gl->agent->decisions, c->id, c->r->snap, c->route, ask, d,
		"live", c->wall_ms, c->decide_us, false);
	c->tries.decision = recorded ? c->id : NULL;
}

static const struct decision *choose(struct gw_call *c)
{
	struct decision *d = &c->gl->decision;
	double draw = (double)(gw_random(c->gl) >> 11) * 0x1p-53;
	bool again = c->wait_from_us != 0 && c->tries.n == 0; // the same decision, made anew
	if (c->id[0] == '\0') {
		c->wall_ms = loop_wall_ms(c->gl->loop);
		c->serial = gw_random(c->gl);
		decision_id(c->id, c->wall_ms, c->serial);
	}
	int64_t before;
	do {
		before = clock_mono_us();
		decide(c->route, &c->tries.ask, loop_now_us(c->gl->loop), loop_wall_ms(c->gl->loop),
			draw, d);
		if (c->first == NULL || again)
			c->decide_us = (double)(clock_mono_us() - before);
	} while (d->chosen >= 0 && UNLIKELY(!fits(c, d->chosen)));
	if (c->first == NULL || again)
		keep_first(c, d, &c->tries.ask);
	if (LIKELY(!again) || d->chosen >= 0)
		tries_decided(&c->tries, c->route, d);
	return d;
}

// ---- waiting while every candidate is out ----

static void wait_over(void *arg)
{
	struct gw_call *c = arg;
	gw_wait_stop(c);
	c->tries.ask.waited_us = loop_now_us(c->gl->loop) - c->wait_from_us;
	gw_next(c);
}

// True when the caller waits now, within what the feature and the request's deadline allow.
static bool wait_for_one(struct gw_call *c, const struct decision *d)
{
	const struct feature *f = &c->feature->doc;
	int64_t now = loop_now_us(c->gl->loop), at;
	if (f->all_down != ALL_DOWN_WAIT || d->feature_skip != SKIP_NONE ||
		!decide_may_return(d, &at) || c->gl->waiting >= WAITING_MAX)
		return false;
	if (c->wait_from_us == 0) {
		c->wait_from_us = now;
		c->wait_until_us = now + f->wait_ms * 1000;
		if (c->tries.ask.deadline_us != FIELD_NONE)
			c->wait_until_us = MIN_OF(c->wait_until_us,
				c->tries.ask.deadline_us - DECIDE_MIN_LEFT_US);
	}
	if (now >= c->wait_until_us)
		return false;
	at = at == FIELD_NONE ? now + WAIT_LOOK_US : MAX_OF(at, now + 1000);
	// An operator's test may bring a candidate back before its time.
	at = MIN_OF(MIN_OF(at, c->wait_until_us), now + 10 * WAIT_LOOK_US);
	hold(c, at - now, wait_over);
	return true;
}

void gw_next(struct gw_call *c)
{
	c->go_on = gw_next;
	if (UNLIKELY(c->in.count) && c->tries.n > 0) {
		gw_count_estimated(c);
		return;
	}
	for (;;) {
		if (tries_enough(&c->tries, &c->feature->doc)) {
			answer_tried(c);
			return;
		}
		const struct decision *d = choose(c);
		if (d->chosen < 0) {
			if (wait_for_one(c, d))
				return;
			if (c->tries.n > 0)
				answer_tried(c);
			else
				answer_untried(c, d);
			return;
		}
		if (UNLIKELY(c->in.count) && gw_count_here(c, &c->route->v[d->chosen]))
			return;
		if (begin(c, d->chosen, d->v[d->chosen].skip != SKIP_NONE))
			return;
	}
}
