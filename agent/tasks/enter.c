// SPDX-License-Identifier: MIT
// A task begins with its caller, or with its row: what an earlier life of the agent left is taken
// up as it stands, and what was on its way when that life ended is never sent again.
#include "agent/tasks/enter.h"

#include <stdio.h>
#include "agent/call/ask.h"
#include "agent/call/loop.h"
#include "agent/protocol/images.h"
#include "agent/tasks/end.h"
#include "agent/tasks/keep.h"
#include "agent/tasks/part.h"
#include "agent/tasks/slot.h"
#include "shared/text.h"

void task_enter(void *arg)
{
	struct task_run *r = arg;
	task_link(r);
	if (r->resumes) {
		r->queued_us = loop_now_us(r->e->loop);
		task_join_known(r);
		return;
	}
	if (r->e->all_n > TASK_OPEN_MAX || r->e->bytes > TASK_BYTES_MAX) {
		task_fail(r, TASK_FAILED, ERR_OVERLOADED, _("too many image tasks are under way"));
		return;
	}
	r->queued_us = loop_now_us(r->e->loop);
	task_wake(r);
}

// Booked and kept before: it is done. What it cost is in the ledger, no longer in the task's bill.
static void take_kept(struct task_run *r, struct task_part *p)
{
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	p->state = TASK_SUCCEEDED;
	r->tries.booked = r->tries.bill.unknown = true;
	r->life_s = a != NULL ? a->life_s : 0;
	for (int64_t i = p->first; i < p->first + p->n; i++) {
		r->bytes += r->item_v[i].json.n;
		r->e->bytes += r->item_v[i].json.n;
	}
}

// What waits is asked for as its caller did.
static void read_wish(struct task_run *r)
{
	struct tasks *e = r->e;
	const struct snapshot *snap = snapshots_now(e->agent->snaps);
	const struct feature_obj *f = snapshot_feature_for(snap, slice_of(r->t.feature),
		r->t.offer);
	struct decide_request ask;
	struct err err = {0};
	if (r->body.n == 0 || f == NULL ||
		image_read_call(str_slice(&r->type), str_slice(&r->body), r->t.offer, false,
			&e->form, &e->call, &err) != ERR_OK)
		return; // its turn tells
	ask_read(&e->call, snapshot_route(snap, f), false, &ask);
	task_wish(r, &ask);
}

// Whether an agent before has sent it, and tells of its end.
static bool is_expected(const struct task_run *r, size_t part)
{
	struct slice rest = str_slice(&r->e->expected);
	char line[TASK_ID_MAX + 24];
	snprintf(line, sizeof(line), "%s %zu", r->t.id, part);
	while (rest.n > 0)
		if (slice_eq_str(slice_cut(&rest, '\n'), line))
			return true;
	return false;
}

static void await(struct task_run *r, size_t part)
{
	r->away = true;
	r->doing = DOING_SUBMIT;
	r->part = part;
	atomic_fetch_add(&r->e->submitting, 1);
	task_slot_take(r, part);
}

// Parts that had been accepted are asked for again: results are the upstream's to keep. One that
// was under way when the agent died may have been accepted or not.
static void resume(struct task_run *r)
{
	struct task *t = &r->t;
	int64_t now = loop_now_us(r->e->loop);
	read_wish(r);
	for (size_t i = 0; i < t->parts_n; i++) {
		struct task_part *p = &t->part[i];
		if (r->at[i].kept)
			take_kept(r, p);
		else if (p->state == TASK_SUBMITTING && is_expected(r, i))
			await(r, i);
		else if (p->state == TASK_SUBMITTING ||
			(p->state == TASK_SUCCEEDED && p->id[0] == '\0'))
			p->state = TASK_UNKNOWN;
		else if (p->state == TASK_SUCCEEDED)
			p->state = TASK_RUNNING;
		else if (p->state == TASK_QUEUED && r->body.n == 0)
			p->state = TASK_FAILED;
		if (p->state == TASK_RUNNING)
			task_slot_take(r, i);
		r->at[i].next_us = r->at[i].began_us = now;
	}
	if (t->state == TASK_SUBMITTING && !r->away)
		task_state(r, task_part_in(t, TASK_RUNNING) >= 0 ? TASK_RUNNING : t->state);
	task_wake(r);
}

static void take_open(void *arg, const struct task *t, struct slice request)
{
	struct tasks *e = arg;
	struct task_run *r = task_run_new(e);
	r->t = *t;
	r->stored = r->async = true;
	r->row_submits = true;
	r->row_asks = request.n > 0;
	struct slice type = slice_cut(&request, '\n');
	str_add_slice(&r->type, type);
	if (request.p != NULL)
		str_add_slice(&r->body, request);
	*e->loaded_tail = r;
	e->loaded_tail = &r->next;
}

static void take_part(void *arg, size_t part, struct slice result)
{
	struct task_run *r = arg;
	if (part < r->t.parts_n && !task_part_read(r, part, result))
		log_line(LOG_LVL_WARN, "task_part_not_read", "task", r->t.id, NULL);
}

static enum err_code run_load(struct store_tx *tx, struct store_job *job)
{
	struct tasks *e = job->arg;
	enum err_code code = store_task_open(tx, take_open, e, &job->err);
	for (struct task_run *r = e->loaded; code == ERR_OK && r != NULL; r = r->next)
		code = store_task_parts(tx, r->t.id, take_part, r, &job->err);
	return code;
}

static void load_done(struct store_job *job, enum err_code code)
{
	struct tasks *e = job->arg;
	struct task_run *r = e->loaded;
	e->loaded = NULL;
	if (code != ERR_OK)
		log_line(LOG_LVL_ERROR, "tasks_not_loaded", "detail", job->err.message, NULL);
	while (r != NULL) {
		struct task_run *next = r->next;
		if (e->stopped) {
			task_run_free(r);
		} else {
			task_link(r);
			r->draw = (int64_t)(gw_random(e->gl) >> 1);
			r->queued_us = loop_now_us(e->loop);
			resume(r);
		}
		r = next;
	}
	e->ready = true;
}

void task_recover(struct tasks *e)
{
	e->loaded_tail = &e->loaded;
	e->load_job = (struct store_job){.run = run_load,
		.done = load_done,
		.loop = e->loop,
		.arg = e,
		.actor = ACTOR_SELF("system")};
	e->ready = !store_submit(e->agent->store, &e->load_job);
	if (e->ready)
		log_line(LOG_LVL_ERROR, "tasks_not_loaded", "detail", "the store's queue is full",
			NULL);
}
