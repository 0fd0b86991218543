// SPDX-License-Identifier: MIT
// What an agent with tasks under way leaves to the next one, and what that one makes of it.
#include "agent/tasks/away.h"

#include <stdio.h>
#include <string.h>
#include "agent/call/account.h"
#include "agent/call/cells.h"
#include "agent/call/exchange.h"
#include "agent/call/loop.h"
#include "agent/call/secret.h"
#include "agent/protocol/images.h"
#include "agent/tasks/answer.h"
#include "agent/tasks/attempt.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/run.h"
#include "agent/tasks/stream.h"
#include "agent/tasks/submit.h"
#include "agent/web/pass.h"
#include "shared/text.h"

// ---- the agent before ----

void tasks_freeze(struct tasks *e)
{
	e->turn(e); // what is awake takes its step: nothing done is left unwritten
	e->frozen = true;
	for (struct task_run *r = e->all; r != NULL; r = r->next) {
		if (!r->durable || (r->doing != DOING_POLL && r->doing != DOING_FETCH))
			continue;
		upcall_abort(r->up);
		r->up = NULL;
		r->doing = DOING_NOTHING;
		task_call_end(r);
	}
}

bool tasks_still(const struct tasks *e)
{
	for (const struct task_run *r = e->all; r != NULL; r = r->next)
		if (r->durable && r->doing == DOING_SAVE)
			return false;
	return true;
}

static void take_late(struct task_run *r)
{
	const struct task_late *late = r->late;
	const struct upstream_response res = {
		.status = late->status, .retry_after = str_slice(&late->retry_after)};
	struct task_late kept = *late;
	r->late->body = r->late->retry_after = STR_INIT;
	task_late_free(r);
	task_submit_ended(r, kept.end, &res, str_slice(&kept.body));
	str_release(&kept.retry_after);
	str_release(&kept.body);
}

void tasks_thaw(struct tasks *e)
{
	e->frozen = false;
	for (struct task_run *r = e->all, *next; r != NULL; r = next) {
		next = r->next;
		if (r->late != NULL)
			take_late(r);
		else
			task_wake(r);
	}
}

void tasks_away(const struct tasks *e, struct str *lines)
{
	for (const struct task_run *r = e->all; r != NULL; r = r->next)
		if (r->durable && r->doing == DOING_SUBMIT)
			str_addf(lines, "%s %zu\n", r->t.id, r->part);
}

// ---- its callers ----

// On the caller's loop. It is told by the successor; one that has been told a part already cannot be.
static void move(void *arg)
{
	struct task_waiter *w = arg;
	struct gw_call *c = w->c;
	struct err err = {0};
	if (c != NULL && !c->over && c->task == w) {
		bool kept = atomic_load(&w->kept) || atomic_load(&w->joined);
		c->over = true; // not told here
		if (c->phase == GS_OPEN || !web_pass_caller(c->r, kept ? task_waiter_id(w) : "")) {
			c->over = false;
			err_set(&err, ERR_DRAINING,
				_("the agent is being replaced: ask for the pictures by the task's "
				  "id, or again with the same Idempotency-Key"));
			if (c->phase == GS_OPEN)
				task_stream_fail(c, &err);
			else
				gw_fail(c, &err);
		}
	}
	task_waiter_drop(w);
}

static bool tell(struct task_run *r)
{
	const struct task_late *late = r->late;
	const struct task_end end = {.id = r->t.id,
		.part = r->part,
		.end = up_end_name(late->end),
		.status = late->status,
		.ms = late->ms,
		.retry_after = str_slice(&late->retry_after),
		.body = str_slice(&late->body)};
	return r->e->tell(r->e->tell_arg, &end);
}

static void tell_late(struct task_run *r)
{
	if (!tell(r))
		log_line(LOG_LVL_ERROR, "task_not_told", "task", r->t.id, "detail",
			"the agent that has the database does not take how its submit ended", NULL);
	task_late_free(r);
	r->doing = DOING_NOTHING;
	task_call_end(r);
	atomic_fetch_sub(&r->e->submitting, 1);
}

void tasks_give(struct tasks *e, task_tell_fn fn, void *arg)
{
	e->tell = fn;
	e->tell_arg = arg;
	e->tell_late = tell_late;
	for (struct task_run *r = e->all; r != NULL; r = r->next) {
		if (!r->durable)
			continue; // it has no row: it ends here
		for (struct task_waiter *w = r->waiters; w != NULL; w = w->next) {
			atomic_fetch_add(&w->refs, 1);
			loop_post(w->loop, move, w);
		}
		if (r->late != NULL)
			tell_late(r);
	}
}

// ---- the one after ----

bool tasks_ready(const struct tasks *e)
{
	return e->ready;
}

void tasks_expect(struct tasks *e, struct slice lines)
{
	str_add_slice(&e->expected, lines);
}

// The candidate may be gone by now: then nobody can tell what the answer means.
static bool take_up(struct task_run *r, int64_t ms)
{
	struct err err = {0};
	if (!task_take_candidate(r))
		return false;
	const struct image_adapter *a = image_adapter_for(r->tries.cand);
	r->tries.cells = gw_feature_of(r->e->gl, r->t.feature);
	r->tries.begun_us = loop_now_us(r->e->loop) - ms * 1000;
	r->at[r->part].sent = true;
	r->life_s = a != NULL ? a->life_s : 0;
	gw_secret_of(r->e->gl, r->tries.cand, &r->tries.secret,
		&err); // not to come out of the answer
	return a != NULL;
}

static void ended(struct task_run *r, const struct task_end *end)
{
	const struct upstream_response res = {
		.status = end->status, .retry_after = end->retry_after};
	r->away = false;
	if (take_up(r, end->ms)) {
		task_submit_ended(r, up_end_of(slice_of(end->end)), &res, end->body);
		return;
	}
	r->doing = DOING_NOTHING;
	atomic_fetch_sub(&r->e->submitting, 1);
	task_call_end(r);
	task_part_over(r, TASK_UNKNOWN);
	task_wake(r);
}

void tasks_ended(struct tasks *e, const struct task_end *end)
{
	struct task_run *r = task_find(e, end->id);
	if (r != NULL && r->away && r->part == end->part)
		ended(r, end);
	else
		log_line(LOG_LVL_WARN, "task_not_awaited", "task", end->id, NULL);
}

void tasks_expect_none(struct tasks *e)
{
	str_clear(&e->expected);
	for (struct task_run *r = e->all, *next; r != NULL; r = next) {
		next = r->next;
		if (r->away)
			ended(r, &(struct task_end){.end = up_end_name(UP_RESET)});
	}
}
