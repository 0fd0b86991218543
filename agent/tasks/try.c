// SPDX-License-Identifier: MIT
// A task's turn: the decision, room at the candidate, and the intention that is committed before
// anything is sent.
#include "agent/tasks/try.h"

#include <stdio.h>
#include <string.h>
#include "agent/call/attempt.h"
#include "agent/call/cells.h"
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
	const char *named = r->tries.ask.named, *model = adapter_own_model(named, c);
	snprintf(t->target, sizeof(t->target), "%s", c->name);
	snprintf(t->target_name, sizeof(t->target_name), "%s", c->target_name);
	snprintf(t->key, sizeof(t->key), "%s", c->key != NULL ? c->key->doc.id : "");
	t->instance[0] = '\0';
	if (c->instance != NULL)
		snprintf(t->instance, sizeof(t->instance), "%s/%s", c->instance->doc.service,
			c->instance->doc.id);
	snprintf(t->model, sizeof(t->model), "%s", model != NULL ? model : named);
	t->protocol = image_adapter_for(c)->protocol;
}

// Cuts the request into submits of what this upstream takes at once.
static void cut(struct task_run *r, const struct candidate *c)
{
	int64_t max = image_adapter_for(c)->n_max(r->tries.ask.named, c), first = 0;
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
	if (!forced && atomic_load(&c->live->cooldown_until_us) > loop_now_us(r->e->loop))
		return false; // decide would not have chosen it; a further part goes there or nowhere
	if (!attempt_take(&r->tries, c, forced))
		return false;
	r->at[r->part].slot = true;
	r->at[r->part].sent = false;
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
	r->tries.dropped = NULL; // it may go elsewhere
	if (waited_too_long(r))
		task_fail(r, TASK_FAILED, ERR_NO_HEALTHY_TARGET, _(too_long));
	else
		wait_in_queue(r);
}

// A caller that waits is told of a failure as one of a request is: only what it waited for before
// anything was tried is waited for on.
static bool may_wait(const struct task_run *r, const struct decision *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].skip == SKIP_CONCURRENCY_FULL)
			return true;
	}
	int64_t at;
	return (r->async || (r->stored && r->tries.n == 0)) && decide_may_return(d, &at);
}

static void fail(struct task_run *r, const struct tries_told *told)
{
	r->tries.retry_s = told->retry_s;
	r->limited_by = told->limited_by;
	if (told->err.field[0] != '\0')
		r->field = arena_strdup(&r->told, told->err.field);
	task_fail(r, TASK_FAILED, told->err.code, told->err.message);
}

static void fail_tried(struct task_run *r)
{
	struct tries_told told;
	tries_why(&r->tries, &told);
	fail(r, &told);
}

static void fail_untried(struct task_run *r, const struct route *route, const struct decision *d)
{
	if (r->unkept != ERR_OK) {
		task_fail(r, TASK_FAILED, r->unkept, NULL);
		return;
	}
	struct tries_told told;
	untried_why(&r->tries, route, d, &told);
	fail(r, &told);
}

static void record(struct task_run *r, const struct snapshot *snap, const struct route *route,
	const struct decision *d, double us)
{
	int64_t wall = clock_wall_ms();
	bool first = r->t.decision[0] == '\0';
	if (first || d->chosen >= 0) // not each look at whether there is room
		tries_decided(&r->tries, route, d);
	if (!first)
		return;
	decision_id(r->t.decision, wall, gw_random(r->e->gl));
	r->reason = d->reason;
	decisions_record(r->e->agent->decisions, r->t.decision, snap, route, &r->tries.ask, d,
		"live", wall, us, true);
}

// False: the candidate has no words for the request.
static bool fits(struct task_run *r, const struct route *route, int i)
{
	const struct candidate *c = &route->v[i];
	struct err err = {0};
	int64_t n = MIN_OF(r->t.n, image_adapter_for(c)->n_max(r->tries.ask.named, c));
	if (task_ask(r, &route->feature->doc, c, 0, n, &err) == ERR_OK)
		return true;
	tries_unfit(&r->tries, i, &err);
	return false;
}

// The candidate that is chosen now, or -1. What it is asked stands in r->send.
static int choose(struct task_run *r, const struct snapshot *snap, const struct route *route,
	struct decision *d)
{
	double draw = (double)(gw_random(r->e->gl) >> 11) * 0x1p-53;
	for (size_t i = 0; i < route->n; i++) {
		for (size_t k = 0; k < r->tries.n; k++) {
			if (strcmp(route->v[i].name, r->tries.v[k].target) == 0)
				decide_tried(&r->tries.ask, (int)i);
		}
		// Without a row only who answers at once is asked.
		const struct image_adapter *a = image_adapter_for(&route->v[i]);
		if (r->unkept != ERR_OK && (a == NULL || !a->sync))
			decide_tried(&r->tries.ask, (int)i);
	}
	double us;
	do {
		int64_t before = clock_mono_us();
		decide(route, &r->tries.ask, loop_now_us(r->e->loop), clock_wall_ms(), draw, d);
		us = (double)(clock_mono_us() - before);
	} while (d->chosen >= 0 && !fits(r, route, d->chosen));
	record(r, snap, route, d, us);
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
			decide_tried(&r->tries.ask, i);
		return NOT_THIS;
	}
	if (!fixed && r->tries.n > 0)
		metric_cell_add(r->tries.cells->fallbacks, 1);
	task_hold(r, snap, c);
	r->pool_key = c->live->id;
	r->style = candidate_auth(c, &r->auth_header);
	if (!gw_secret_of(r->e->gl, c, &r->tries.secret, &err)) {
		task_attempt_over(r,
			&(struct ending){.out = OUT_CLIENT,
				.code = err.code,
				.end = err_row(err.code)->code});
		task_next_candidate(r);
		return BEGUN;
	}
	r->t.part[r->part].state = TASK_SUBMITTING;
	r->t.submitted_ms = clock_wall_ms();
	task_state(r, TASK_SUBMITTING);
	task_store(r, NULL, task_intended);
	return BEGUN;
}

static void give_up(struct task_run *r, enum err_code code, const char *why)
{
	task_blame(r, code, why);
	r->t.part[r->part].state = TASK_FAILED;
	task_wake(r);
}

// A part after the first goes where the first went, as soon as there is room.
static void try_fixed(struct task_run *r, const struct snapshot *snap, const struct route *route)
{
	const struct task_part *p = &r->t.part[r->part];
	struct err err = {0};
	int i;
	const struct candidate *c = task_candidate_of(r, snap, &i);
	if (c == NULL)
		give_up(r, ERR_NO_HEALTHY_TARGET, _("the target of this task is gone"));
	else if (task_ask(r, &route->feature->doc, c, p->first, p->n, &err) != ERR_OK)
		give_up(r, err.code, err.message);
	else if (begin(r, snap, route, i, false) == BEGUN)
		return;
	else if (waited_too_long(r))
		give_up(r, ERR_NO_HEALTHY_TARGET, _(too_long));
	else
		wait_in_queue(r);
}

// True when the one that was chosen cannot be tried after all: another may.
static bool look_for_one(struct task_run *r, const struct snapshot *snap, const struct route *route)
{
	struct decision *d = &r->e->gl->decision;
	if (tries_enough(&r->tries, &route->feature->doc)) {
		fail_tried(r);
		return false;
	}
	int i = choose(r, snap, route, d);
	if (i < 0) {
		if (may_wait(r, d))
			wait_for_room(r);
		else if (r->tries.n > 0)
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
	const struct feature_obj *f = snapshot_feature_for(snap, slice_of(r->t.feature),
		r->t.offer);
	if (f == NULL) {
		task_fail(r, TASK_FAILED, ERR_MODEL_NOT_FOUND, NULL);
		return;
	}
	const struct route *route = snapshot_route(snap, f);
	r->tries.cells = gw_feature_of(r->e->gl, r->t.feature);
	if (task_is_fixed(r)) {
		try_fixed(r, snap, route);
		return;
	}
	// The route may be another one by now.
	memset(r->tries.ask.attempted, 0, sizeof(r->tries.ask.attempted));
	memset(r->tries.ask.unfit, 0, sizeof(r->tries.ask.unfit));
	while (look_for_one(r, snap, route))
		;
}
