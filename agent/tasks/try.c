// SPDX-License-Identifier: MIT
// A task's turn: the decision, room at the candidate, and the intention that is committed before
// anything is sent.
#include "agent/tasks/try.h"

#include <stdio.h>
#include <string.h>
#include "agent/call/loop.h"
#include "agent/call/secret.h"
#include "agent/protocol/images.h"
#include "agent/tasks/attempt.h"
#include "agent/tasks/end.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/keep.h"
#include "agent/tasks/slot.h"
#include "agent/tasks/submit.h"
#include "agent/tasks/target.h"
#include "shared/clock.h"
#include "shared/text.h"

#define QUEUE_US INT64_C(3600000000) // longest wait for a turn

// ---- the decision ----

static void fill_target(struct task_run *r, const struct candidate *c)
{
	struct task *t = &r->t;
	const char *model = image_model(c);
	snprintf(t->target, sizeof(t->target), "%s", c->name);
	snprintf(t->target_name, sizeof(t->target_name), "%s", c->target_name);
	snprintf(t->key, sizeof(t->key), "%s", c->key != NULL ? c->key->doc.id : "");
	t->instance[0] = '\0';
	if (c->instance != NULL)
		snprintf(t->instance, sizeof(t->instance), "%s/%s", c->instance->doc.service,
			c->instance->doc.id);
	if (model != NULL)
		snprintf(t->model, sizeof(t->model), "%s", model);
	t->protocol = image_adapter_for(c)->protocol;
}

// Cuts the request into submits of what this upstream takes at once.
static void cut(struct task_run *r, const struct candidate *c)
{
	int64_t max = image_adapter_for(c)->n_max(c), first = 0;
	r->t.parts_n = 0;
	while (first < r->t.n) {
		struct task_part *p = &r->t.part[r->t.parts_n++];
		*p = (struct task_part){
			.state = TASK_QUEUED, .first = first, .n = MIN_OF(r->t.n - first, max)};
		first += p->n;
	}
}

// Breakers and limits of the candidate let it pass; what one took the next refusal gives back.
static bool admit(struct task_run *r, const struct candidate *c, bool forced)
{
	int64_t now = loop_now_us(r->e->loop);
	if (!forced && atomic_load(&c->live->cooldown_until_us) > now)
		return false; // decide would not have chosen it; a further part goes there or nowhere
	if (!forced && !attempt_may(c, now))
		return false;
	struct limit_hit hit;
	if (c->key == NULL) {
		atomic_fetch_add(&c->live->inflight, 1);
	} else if (!limits_take(&c->key->limits, c->live, r->ask.tokens, now, clock_wall_ms(),
			   &hit)) {
		if (!forced)
			attempt_let_go(c);
		return false;
	}
	r->at[r->part].slot = true;
	task_slot_show(r, r->part, c);
	return true;
}

// False when the account's pace asks for a moment.
static bool paced(struct task_run *r, const struct candidate *c)
{
	const struct vendor_row *v = c->key == NULL
		? NULL
		: vendor_find(slice_of(c->key->doc.vendor), slice_of(c->target->service));
	int64_t now = loop_now_us(r->e->loop);
	if (v == NULL || v->submits_per_s == 0 || c->key->doc.limits.rpm > 0)
		return true; // the operator's own limit counts
	struct task_account *a = task_account_of(r->e, r);
	if (a->submit_us > now)
		return false;
	a->submit_us = now + 1000000 / v->submits_per_s;
	return true;
}

static void wait_turn(struct task_run *r, enum err_code code)
{
	if (code == ERR_OK || r->stored)
		task_queue(r);
	else
		task_fail(r, TASK_FAILED, code, NULL);
}

// Its row must not say that it is being submitted meanwhile.
static void wait_in_queue(struct task_run *r)
{
	task_state(r, task_is_fixed(r) ? TASK_RUNNING : TASK_QUEUED);
	if (r->stored && !r->row_submits)
		task_queue(r);
	else
		task_store(r, NULL, wait_turn);
}

static const char too_long[] = N_("no upstream had room for it in an hour");

static bool waited_too_long(const struct task_run *r)
{
	return loop_now_us(r->e->loop) - r->queued_us > QUEUE_US;
}

// Kept with its request until there is room.
static void wait_for_room(struct task_run *r)
{
	task_call_end(r);
	if (waited_too_long(r))
		task_fail(r, TASK_FAILED, ERR_NO_HEALTHY_TARGET, _(too_long));
	else
		wait_in_queue(r);
}

static bool may_wait(const struct task_run *r, const struct decision *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].skip == SKIP_CONCURRENCY_FULL)
			return true;
	}
	int64_t at;
	return (r->async || r->stored) && decide_may_return(d, &at);
}

static enum err_code common_code(const struct task_run *r)
{
	enum err_code code = r->tries[0].code;
	for (size_t i = 1; i < r->tries_n; i++) {
		if (r->tries[i].code != code)
			return ERR_ALL_UPSTREAMS_FAILED;
	}
	return code == ERR_UPSTREAM_RATE_LIMITED || code == ERR_UPSTREAM_BUSY ||
			code == ERR_UPSTREAM_AUTH_FAILED || code == ERR_UPSTREAM_BILLING ||
			code == ERR_UPSTREAM_TIMEOUT || code == ERR_UPSTREAM_BAD_RESPONSE ||
			code == ERR_UPSTREAM_TOO_LARGE || code == ERR_SEALED ||
			code == ERR_SECRET_CORRUPT
		? code
		: ERR_ALL_UPSTREAMS_FAILED;
}

static void fail_tried(struct task_run *r)
{
	enum err_code code = common_code(r);
	if (code != ERR_ALL_UPSTREAMS_FAILED) {
		task_fail(r, TASK_FAILED, code, NULL);
		return;
	}
	struct str text = STR_INIT;
	str_addf(&text, "%s:", _("every attempted upstream failed"));
	for (size_t i = 0; i < r->tries_n; i++)
		str_addf(&text, "%s %s %s", i > 0 ? "," : "", r->tries[i].target, r->tries[i].end);
	task_fail(r, TASK_FAILED, code, str_text(&text));
	str_release(&text);
}

static void fail_untried(struct task_run *r, const struct route *route, const struct decision *d)
{
	if (r->unkept != ERR_OK) {
		task_fail(r, TASK_FAILED, r->unkept, NULL);
		return;
	}
	int64_t at = decide_retry_at_us(d), now = loop_now_us(r->e->loop);
	r->retry_s = at == FIELD_NONE ? 5 : MAX_OF((at - now + 999999) / 1000000, 1);
	if (d->feature_skip == SKIP_FEATURE_OFF)
		task_fail(r, TASK_FAILED, ERR_NO_HEALTHY_TARGET, _("this feature is switched off"));
	else
		task_fail(r, TASK_FAILED, decide_refusal(route, d), NULL);
}

static void record(struct task_run *r, const struct snapshot *snap, const struct route *route,
	const struct decision *d, double us)
{
	const char *const labels[] = {r->t.feature, d->chosen >= 0 ? "chosen" : "none", NULL};
	int64_t wall = clock_wall_ms();
	if (r->t.decision[0] != '\0')
		return;
	decision_id(r->t.decision, wall, gw_random(r->e->gl));
	r->reason = d->reason;
	decisions_record(r->e->agent->decisions, r->t.decision, snap, route, &r->ask, d, "live",
		wall, us, true);
	metric_add(r->e->agent->metrics, MET_DECISIONS, 1, labels);
}

static bool answers_at_once(const struct candidate *c)
{
	const struct image_adapter *a = image_adapter_for(c);
	return a != NULL && a->sync;
}

// The candidate that is chosen now, or -1.
static int choose(struct task_run *r, const struct snapshot *snap, const struct route *route,
	struct decision *d)
{
	double draw = (double)(gw_random(r->e->gl) >> 11) * 0x1p-53;
	int64_t before = clock_mono_us();
	for (size_t i = 0; i < route->n && i < DECIDE_MAX; i++) {
		for (size_t k = 0; k < r->tries_n; k++) {
			if (strcmp(route->v[i].name, r->tries[k].target) == 0)
				decide_tried(&r->ask, (int)i);
		}
		if (r->unkept != ERR_OK && !answers_at_once(&route->v[i]))
			decide_tried(&r->ask, (int)i);
	}
	decide(route, &r->ask, loop_now_us(r->e->loop), clock_wall_ms(), draw, d);
	record(r, snap, route, d, (double)(clock_mono_us() - before));
	return d->chosen;
}

enum begun { BEGUN, NOT_NOW, NOT_THIS }; // NOT_NOW: the account's pace asks for a moment

static enum begun begin(struct task_run *r, const struct snapshot *snap, const struct route *route,
	int i, bool forced)
{
	const struct candidate *c = &route->v[i];
	struct err err = {0};
	bool fixed = task_is_fixed(r);
	fill_target(r, c);
	if (!fixed) {
		cut(r, c);
		r->part = 0;
	}
	if (!paced(r, c))
		return NOT_NOW;
	if (!admit(r, c, forced)) {
		if (!fixed)
			decide_tried(&r->ask, i);
		return NOT_THIS;
	}
	r->at[r->part].sent = false;
	task_hold(r, snap, c);
	r->pool_key = c->live->id;
	r->style = candidate_auth(c, &r->auth_header);
	r->try_us = loop_now_us(r->e->loop);
	atomic_store_explicit(&c->live->last_used_wall_ms, clock_wall_ms(), memory_order_relaxed);
	if (!gw_secret_of(r->e->gl, c, &r->secret, &err)) {
		task_attempt_over(r, OUT_CLIENT, 0, err.code, err_row(err.code)->code, false, 0);
		task_next_candidate(r);
		return BEGUN;
	}
	r->t.part[r->part].state = TASK_SUBMITTING;
	r->t.submitted_ms = clock_wall_ms();
	task_state(r, TASK_SUBMITTING);
	task_store(r, NULL, task_intended);
	return BEGUN;
}

static void give_up(struct task_run *r, const char *why)
{
	task_blame(r, ERR_NO_HEALTHY_TARGET, why);
	r->t.part[r->part].state = TASK_FAILED;
	task_wake(r);
}

// A part after the first goes where the first went, as soon as there is room.
static void try_fixed(struct task_run *r, const struct snapshot *snap, const struct route *route)
{
	int i;
	if (task_candidate_of(r, snap, &i) == NULL)
		give_up(r, _("the target of this task is gone"));
	else if (begin(r, snap, route, i, false) == BEGUN)
		return;
	else if (waited_too_long(r))
		give_up(r, _(too_long));
	else
		wait_in_queue(r);
}

// True when the one that was chosen cannot be tried after all: another may.
static bool look_for_one(struct task_run *r, const struct snapshot *snap, const struct route *route,
	int64_t max)
{
	struct decision *d = &r->e->gl->decision;
	if ((int64_t)r->tries_n >= max && r->tries_n > 0) {
		fail_tried(r);
		return false;
	}
	int i = choose(r, snap, route, d);
	if (i < 0) {
		if (may_wait(r, d))
			wait_for_room(r);
		else if (r->tries_n > 0)
			fail_tried(r);
		else
			fail_untried(r, route, d);
		return false;
	}
	switch (begin(r, snap, route, i, d->v[i].skip != SKIP_NONE)) {
	case BEGUN:
		return false;
	case NOT_NOW:
		wait_for_room(r);
		return false;
	case NOT_THIS:
		break;
	}
	return true;
}

void task_try(struct task_run *r)
{
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	const struct feature_obj *f = snapshot_feature(snap, slice_of(r->t.feature));
	if (f == NULL) {
		task_fail(r, TASK_FAILED, ERR_MODEL_NOT_FOUND, NULL);
		return;
	}
	const struct route *route = snapshot_route(snap, f);
	if (task_is_fixed(r)) {
		try_fixed(r, snap, route);
		return;
	}
	memset(r->ask.attempted, 0, sizeof(r->ask.attempted));
	while (look_for_one(r, snap, route, MIN_OF(f->doc.retry.max_attempts, GW_ATTEMPTS_MAX)))
		;
}
