// SPDX-License-Identifier: MIT
// What is next for each task that is awake: the one place that looks. A step does its work and
// wakes the task again; it knows of no other.
#include "agent/tasks/tasks.h"

#include <stdlib.h>
#include "agent/call/loop.h"
#include "agent/tasks/answer.h"
#include "agent/tasks/cancel.h"
#include "agent/tasks/end.h"
#include "agent/tasks/enter.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/fetch.h"
#include "agent/tasks/part.h"
#include "agent/tasks/poll.h"
#include "agent/tasks/run.h"
#include "agent/tasks/try.h"
#include "shared/mem.h"

#define SWEEP_US INT64_C(60000000)

// ---- what is next ----

static void on_timer(void *arg)
{
	task_wake(arg);
}

static int soonest(const struct task_run *r)
{
	int at = -1;
	for (size_t i = 0; i < r->t.parts_n; i++) {
		if (r->t.part[i].state == TASK_RUNNING &&
			(at < 0 || r->at[i].next_us < r->at[at].next_us))
			at = (int)i;
	}
	return at;
}

static void step(struct task_run *r)
{
	int64_t now = loop_now_us(r->e->loop);
	int wait = task_part_in(&r->t, TASK_QUEUED), due = soonest(r);
	if (r->doing != DOING_NOTHING || r->over || r->e->stopped || (r->e->frozen && r->durable))
		return;
	if (r->canceling) {
		task_cancel(r);
		return;
	}
	if (wait >= 0 && !r->queued) {
		r->part = (size_t)wait;
		task_try(r);
		if (r->over || r->doing != DOING_NOTHING || !r->queued)
			return; // it goes on, or has ended
	}
	if (due >= 0 && r->at[due].next_us <= now) {
		task_poll(r, (size_t)due);
	} else if (due >= 0) {
		loop_timer_set(r->e->loop, &r->timer, r->at[due].next_us - now, on_timer, r);
	} else if (wait < 0) {
		int fetch = task_next_fetch(r);
		if (fetch >= 0)
			task_fetch(r, (size_t)fetch);
		else
			task_finish(r);
	}
}

static void turn(void *arg)
{
	struct tasks *e = arg;
	for (struct task_run *r; (r = task_take_awake(e)) != NULL;)
		step(r);
	task_turn_over(e);
}

// ---- rows whose time is over ----

static enum err_code run_sweep(struct store_tx *tx, struct store_job *job)
{
	struct tasks *e = job->arg;
	return store_task_sweep(tx, &e->sweep_more, &job->err);
}

static void sweep_share(struct tasks *e);

static void sweep_done(struct store_job *job, enum err_code code)
{
	struct tasks *e = job->arg;
	e->sweeping = false;
	if (code == ERR_OK && e->sweep_more && !e->stopped)
		sweep_share(e);
}

static void sweep_share(struct tasks *e)
{
	e->sweep_more = false;
	e->sweep_job = (struct store_job){.run = run_sweep,
		.done = sweep_done,
		.loop = e->loop,
		.arg = e,
		.actor = ACTOR_SELF("system")};
	e->sweeping = store_submit(e->agent->store, &e->sweep_job);
}

static void sweep(void *arg)
{
	struct tasks *e = arg;
	if (e->stopped)
		return;
	loop_timer_set(e->loop, &e->sweep, SWEEP_US, sweep, e);
	if (!e->sweeping) // what failed is done this time
		sweep_share(e);
}

// ---- the engine ----

struct tasks *tasks_new(struct agent *a)
{
	struct tasks *e = mem_zalloc(1, sizeof(*e));
	e->agent = a;
	e->turn = turn;
	e->awake_tail = &e->awake;
	e->queue_tail = &e->queue;
	return e;
}

void tasks_start(struct tasks *e)
{
	e->loop = e->agent->control;
	e->gl = gw_loop_at(e->agent->gateway, e->loop);
	task_recover(e);
	loop_timer_set(e->loop, &e->sweep, SWEEP_US, sweep, e);
}

void tasks_stop(struct tasks *e)
{
	e->stopped = true;
	for (struct task_run *r = e->all; r != NULL; r = r->next) {
		if (r->up != NULL)
			upcall_abort(r->up);
		r->up = NULL;
		loop_timer_clear(e->loop, &r->timer);
	}
	if (e->loop != NULL) {
		loop_timer_clear(e->loop, &e->look);
		loop_timer_clear(e->loop, &e->sweep);
	}
}

void tasks_free(struct tasks *e)
{
	if (e == NULL)
		return;
	while (e->all != NULL) {
		struct task_run *r = e->all;
		while (r->waiters != NULL) {
			struct task_waiter *w = r->waiters;
			r->waiters = w->next;
			task_waiter_drop(w);
		}
		task_call_end(r);
		task_unlink(r);
		task_run_free(r);
	}
	task_turn_over(e);
	for (struct task_run *r; (r = e->loaded) != NULL;) { // stopped before they were taken up
		e->loaded = r->next;
		task_run_free(r);
	}
	str_release(&e->expected);
	while (e->accounts != NULL) {
		struct task_account *a = e->accounts;
		e->accounts = a->next;
		free(a);
	}
	str_release(&e->result.scratch);
	str_release(&e->result.mended);
	str_release(&e->form);
	free(e);
}

void tasks_cancel(struct task_canceler *c)
{
	loop_post(c->e->loop, task_cancel_ask, c);
}

size_t tasks_submitting(const struct tasks *e)
{
	return atomic_load(&e->submitting);
}

void tasks_counts(const struct tasks *e, int64_t ret[TASK_STATES])
{
	for (int i = 0; i < TASK_STATES; i++)
		ret[i] = atomic_load(&e->counts[i]);
}
