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

// Nothing was sent to this candidate, and nothing will be: the next one may do.
static void pass_over(struct gw_call *c, int i, enum err_code code, const char *end)
{
	c->unsent = true;
	decide_tried(&c->ask, i);
	gw_attempt_end(c, OUT_CLIENT, 0, code, end, 0);
	gw_record_failure(c);
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

// False when the candidate cannot be tried after all (another loop was faster).
static bool begin(struct gw_call *c, int i, bool forced)
{
	const struct candidate *cand = &c->route->v[i];
	struct err err = {0};
	enum again again = ask_again(c, i, cand);
	if (UNLIKELY(again != AGAIN_NOW)) {
		if (again == AGAIN_NOT)
			decide_tried(&c->ask, i);
		return again == AGAIN_LATER;
	}
	c->ask.no_least_bad |= forced;
	if (!gw_attempt_take(c, i, forced)) {
		decide_tried(&c->ask, i);
		return false;
	}
	if (++c->per_candidate[i] >= c->feature->doc.retry.per_target)
		decide_tried(&c->ask, i);
	if (c->tries_n > 0)
		metric_cell_add(c->cells->fallbacks, 1);
	c->adapter = adapter_for(protocol_as(cand->protocol, cand->target->vendor, c->in.offer));
	if (!gw_secret_of(c->gl, cand, &c->secret, &err)) {
		pass_over(c, i, err.code, err_row(err.code)->code);
		return false;
	}
	gw_clear_ask(&c->send);
	gw_batch_begin(c, cand, &gw_batch_calls);
	if (gw_sink_choose(c, cand, &err) != ERR_OK ||
		c->adapter->build(c->call, &c->feature->doc, cand, &c->send, &err) != ERR_OK) {
		if (c->unfit_n++ == 0) { // its adapter has no words for the request
			c->unfit = arena_alloc(&c->r->arena, sizeof(err));
			*c->unfit = err;
		}
		pass_over(c, i, err.code, "not_sent");
		return false;
	}
	c->chunks.grows = c->send.grows;
	c->chunks.end = stream_end(cand);
	c->up = gw_start(c, &c->send, &c->headers,
		c->send.raw		 ? &gw_raw_callbacks
			: c->send.stream ? &gw_stream_callbacks
					 : &gw_whole_callbacks,
		c);
	return true;
}

// ---- nothing left to try ----

// Soonest end of a cooldown or of an open breaker.
static int64_t soonest_s(const struct gw_call *c, const struct decision *d)
{
	int64_t at = decide_retry_at_us(d), now = loop_now_us(c->gl->loop);
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].skip == SKIP_BREAKER_OPEN &&
			(at == FIELD_NONE || d->v[i].view.until_us < at))
			at = d->v[i].view.until_us;
	}
	return at == FIELD_NONE ? 5 : (at - now + 999999) / 1000000;
}

// Of everything that could be tried, all has spent its money.
static bool all_spent(const struct decision *d)
{
	size_t spent = 0;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		spent += s == SKIP_BUDGET_EXHAUSTED;
		if (s != SKIP_BUDGET_EXHAUSTED && s != SKIP_NO_KEY && s != SKIP_DISABLED &&
			s != SKIP_DRAINED)
			return false;
	}
	return spent > 0;
}

// All that could be tried says the same of this request, and nothing of a failure.
static enum refusal untried_why(const struct decision *d)
{
	static const uint8_t by_skip[SKIP_COUNT] = {[SKIP_RATE_LIMITED_RPM] = REFUSED_RPM,
		[SKIP_RATE_LIMITED_TPM] = REFUSED_TPM,
		[SKIP_CONCURRENCY_FULL] = REFUSED_CONCURRENCY,
		[SKIP_BUDGET_EXHAUSTED] = REFUSED_BUDGET,
		[SKIP_POLICY_DENIED] = REFUSED_POLICY};
	enum refusal why = REFUSED_NOT;
	if (d->feature_skip == SKIP_FEATURE_OFF)
		return REFUSED_FEATURE_OFF;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (s == SKIP_NO_KEY || s == SKIP_DISABLED || s == SKIP_DRAINED)
			continue;
		if (by_skip[s] == REFUSED_NOT)
			return REFUSED_NOT;
		if (why == REFUSED_NOT ||
			why == REFUSED_POLICY) // what a limit keeps back may be allowed
			why = (enum refusal)by_skip[s];
	}
	return why;
}

static void answer_untried(struct gw_call *c, const struct decision *d)
{
	struct err err = {0};
	c->refused = untried_why(d);
	err_set(&err, decide_refusal(c->route, d), NULL);
	if (all_spent(d)) {
		err_set(&err, ERR_BUDGET_EXCEEDED, "%s",
			_("the budgets of all usable vendor keys are used up (key:budget)"));
		c->limited_by = "key:budget";
	}
	if (d->feature_skip == SKIP_FEATURE_OFF)
		err_set(&err, ERR_NO_HEALTHY_TARGET, _("this feature is switched off"));
	gw_tell_retry(c, soonest_s(c, d));
	gw_fail(c, &err);
}

// The code all attempts that were made share, when it says something of its own to the caller.
static enum err_code common_code(const struct gw_call *c)
{
	enum err_code code = ERR_OK;
	for (size_t i = 0; i < c->tries_n; i++) {
		if (strcmp(c->tries[i].end, "not_sent") == 0)
			continue;
		if (code != ERR_OK && c->tries[i].code != code)
			return ERR_ALL_UPSTREAMS_FAILED;
		code = c->tries[i].code;
	}
	switch (code) {
	case ERR_UPSTREAM_RATE_LIMITED:
	case ERR_UPSTREAM_BUSY:
	case ERR_UPSTREAM_AUTH_FAILED:
	case ERR_UPSTREAM_BILLING:
	case ERR_UPSTREAM_TIMEOUT:
	case ERR_UPSTREAM_BAD_RESPONSE:
	case ERR_UPSTREAM_TOO_LARGE:
	case ERR_OVERLOADED:
	case ERR_SEALED:
	case ERR_SECRET_CORRUPT:
		return code;
	default:
		return ERR_ALL_UPSTREAMS_FAILED;
	}
}

static void answer_tried(struct gw_call *c)
{
	if (c->unfit_n > 0 && c->unfit_n == c->tries_n) { // nobody has words for it
		gw_fail(c, c->unfit);
		return;
	}
	enum err_code code = common_code(c);
	struct err err = {0};
	if (code == ERR_ALL_UPSTREAMS_FAILED) {
		struct str text = STR_INIT;
		str_addf(&text, "%s:", _("every attempted upstream failed"));
		for (size_t i = 0; i < c->tries_n; i++)
			str_addf(&text, "%s %s %s", i > 0 ? "," : "", c->tries[i].target,
				c->tries[i].end);
		err_set(&err, code, "%s", str_text(&text));
		str_release(&text);
	} else {
		err_set(&err, code, NULL);
	}
	if (code == ERR_UPSTREAM_RATE_LIMITED || code == ERR_UPSTREAM_BUSY)
		gw_tell_retry(c, c->retry_s);
	if (code == ERR_OVERLOADED)
		gw_tell_retry(c, 1);
	if (code == ERR_UPSTREAM_TIMEOUT && c->in.offer == OFFER_IMAGES)
		req_header_add(c->r, "x-should-retry", "false"); // a second try pays again
	gw_fail(c, &err);
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
	if (c->wait_from_us == 0) { // else it is the same decision, made again
		c->wall_ms = loop_wall_ms(c->gl->loop);
		c->serial = gw_random(gl);
		decision_id(c->id, c->wall_ms, c->serial);
	}
	c->reason = d->reason;
	c->recorded = decisions_record(gl->agent->decisions, c->id, c->r->snap, c->route, ask, d,
		"live", c->wall_ms, c->decide_us, false);
}

static void count_decision(struct gw_call *c, const struct decision *d)
{
	struct gw_loop *gl = c->gl;
	metric_cell_add(d->chosen >= 0 ? c->cells->chosen : c->cells->none, 1);
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (LIKELY(s == SKIP_NONE))
			continue;
		if (gl->skips[s] == NULL) {
			const char *const labels[] = {skip_name(s), NULL};
			gl->skips[s] = metric_cell(gl->agent->metrics, MET_SKIPS, labels);
		}
		metric_cell_add(gl->skips[s], 1);
	}
}

static const struct decision *choose(struct gw_call *c)
{
	struct decision *d = &c->gl->decision;
	double draw = (double)(gw_random(c->gl) >> 11) * 0x1p-53;
	int64_t before = clock_mono_us();
	decide(c->route, &c->ask, loop_now_us(c->gl->loop), loop_wall_ms(c->gl->loop), draw, d);
	bool again = c->wait_from_us != 0 && c->tries_n == 0;
	if (c->first == NULL || again) {
		c->decide_us = (double)(clock_mono_us() - before);
		keep_first(c, d, &c->ask);
	}
	if (LIKELY(!again) || d->chosen >= 0)
		count_decision(c, d);
	if (d->chosen >= 0 && c->feature->doc.strategy == STRAT_ROUND_ROBIN)
		decide_turn(c->route);
	return d;
}

// ---- waiting while every candidate is out ----

static void wait_over(void *arg)
{
	struct gw_call *c = arg;
	gw_wait_stop(c);
	c->ask.waited_us = loop_now_us(c->gl->loop) - c->wait_from_us;
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
		if (c->ask.deadline_us != FIELD_NONE)
			c->wait_until_us = MIN_OF(c->wait_until_us,
				c->ask.deadline_us - DECIDE_MIN_LEFT_US);
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
	int64_t max = MIN_OF(c->feature->doc.retry.max_attempts, GW_ATTEMPTS_MAX);
	c->go_on = gw_next;
	if (UNLIKELY(c->in.count) && c->tries_n > 0) {
		gw_count_estimated(c);
		return;
	}
	for (;;) {
		if (((int64_t)(c->tries_n - c->unfit_n) >= max && c->tries_n > 0) ||
			c->tries_n >= GW_ATTEMPTS_MAX) {
			answer_tried(c);
			return;
		}
		const struct decision *d = choose(c);
		if (d->chosen < 0) {
			if (wait_for_one(c, d))
				return;
			if (c->tries_n > 0)
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
