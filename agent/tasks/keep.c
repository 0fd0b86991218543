// SPDX-License-Identifier: MIT
// Rows of tasks and who asks for one again. A key that was used before leads to the task of then:
// one that is under way is waited for by the new caller, one that is over is read.
#include "agent/tasks/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/tasks/answer.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/part.h"
#include "shared/mem.h"

// ---- a key that was used before ----

struct look_up {
	struct store_job job;
	struct tasks *e;
	struct task_waiter *w;
	struct task t;
	struct str result;
};

static enum err_code run_look_up(struct store_tx *tx, struct store_job *job)
{
	struct look_up *l = job->arg;
	char id[TASK_ID_MAX];
	snprintf(id, sizeof(id), "%s", l->t.id);
	return store_task_get(tx, slice_of(id), NULL, &l->t, &l->result, &job->err);
}

static void looked_up(struct store_job *job, enum err_code code)
{
	struct look_up *l = job->arg;
	if (code != ERR_OK) { // swept in between, or the store fails now
		l->t.state = TASK_FAILED;
		l->t.code = code;
		snprintf(l->t.message, sizeof(l->t.message), "%s", job->err.message);
	}
	task_tell_stored(l->w, &l->t, &l->result);
	str_release(&l->result);
	free(l);
}

static void look_up(struct tasks *e, struct task_waiter *w, const struct task *t)
{
	struct look_up *l = mem_zalloc(1, sizeof(*l));
	l->e = e;
	l->w = w;
	l->t = *t;
	l->job = (struct store_job){.run = run_look_up,
		.done = looked_up,
		.loop = e->loop,
		.arg = l,
		.actor = ACTOR_SELF("system")};
	w->run = NULL;
	if (!store_submit(e->agent->store, &l->job)) {
		err_set(&l->job.err, ERR_OVERLOADED, NULL);
		looked_up(&l->job, ERR_OVERLOADED);
	}
}

// Its callers are told of that task, this one never was.
static void join_earlier(struct task_run *r, const struct task *found)
{
	struct task_run *earlier = task_find(r->e, found->id);
	struct task_waiter *w = r->waiters;
	task_unadmit(r);
	task_call_end(r);
	r->waiters = NULL;
	while (w != NULL) {
		struct task_waiter *next = w->next;
		if (earlier != NULL && !earlier->over)
			task_join(earlier, w);
		else
			look_up(r->e, w, found);
		w = next;
	}
	task_forget(r);
}

void task_join_known(struct task_run *r)
{
	const struct task found = r->t;
	r->t.id[0] = '\0'; // it is not itself the one that is looked for
	join_earlier(r, &found);
}

// ---- storing ----

struct task_save {
	struct store_job job;
	struct task_run *r;
	struct task t, found;
	bool create, keep_request, hit;
	struct str request, result;
	struct str
		part[TASK_PARTS_MAX]; // what those that are done brought; empty: nothing to write
	void (*then)(struct task_run *r, enum err_code code);
};

static enum err_code run_save(struct store_tx *tx, struct store_job *job)
{
	struct task_save *s = job->arg;
	if (s->create)
		return store_task_create(tx, &s->t, str_slice(&s->request), &s->hit, &s->found,
			&job->err);
	enum err_code code = store_task_update(tx, &s->t, s->keep_request, str_slice(&s->request),
		str_slice(&s->result), &job->err);
	for (size_t i = 0; code == ERR_OK && i < s->t.parts_n; i++) {
		if (s->part[i].n > 0)
			code = store_task_part_put(tx, s->t.id, i, str_slice(&s->part[i]),
				&job->err);
	}
	return code;
}

// The row is as r was when it was stored.
static void row_is(struct task_run *r, const struct task_save *s)
{
	r->row_asks = s->keep_request;
	r->row_submits = task_part_in(&s->t, TASK_SUBMITTING) >= 0;
	for (size_t i = 0; i < s->t.parts_n; i++)
		r->at[i].unsaved &= s->part[i].n == 0;
	if (!s->create)
		return;
	r->stored = true;
	r->unkept = ERR_OK;
	for (struct task_waiter *w = r->waiters; w != NULL; w = w->next)
		atomic_store(&w->kept, true);
	task_tell_accepted(r);
}

static void save_done(struct store_job *job, enum err_code code)
{
	struct task_save *s = job->arg;
	struct task_run *r = s->r;
	if (!r->e->stopped) {
		r->doing = DOING_NOTHING;
		if (code == ERR_OK && !s->hit)
			row_is(r, s);
		if (code == ERR_OK && s->hit)
			join_earlier(r, &s->found);
		else
			s->then(r, code);
	}
	for (size_t i = 0; i < s->t.parts_n; i++)
		str_release(&s->part[i]);
	str_release(&s->request);
	str_release(&s->result);
	free(s);
}

void task_store(struct task_run *r, struct str *result,
	void (*then)(struct task_run *r, enum err_code code))
{
	if (!r->durable) {
		if (result != NULL)
			str_release(result);
		then(r, ERR_OK);
		return;
	}
	struct task_save *s = mem_zalloc(1, sizeof(*s));
	s->r = r;
	s->t = r->t;
	s->create = !r->stored;
	s->keep_request = task_part_in(&r->t, TASK_QUEUED) >= 0;
	s->then = then;
	if (s->keep_request && !r->row_asks) { // the type of the body stands before it
		str_addf(&s->request, "%s\n", str_text(&r->type));
		str_add_slice(&s->request, str_slice(&r->body));
	}
	for (size_t i = 0; i < r->t.parts_n && r->t.finished_ms == 0 && !s->create; i++) {
		if (r->at[i].unsaved)
			task_part_write(r, i, &s->part[i]);
	}
	if (result != NULL) {
		s->result = *result;
		*result = STR_INIT;
	}
	s->job = (struct store_job){.run = run_save,
		.done = save_done,
		.loop = r->e->loop,
		.arg = s,
		.actor = ACTOR_SELF("system")};
	r->doing = DOING_SAVE;
	if (store_submit(r->e->agent->store, &s->job))
		return;
	err_set(&s->job.err, ERR_OVERLOADED, NULL);
	save_done(&s->job, ERR_OVERLOADED);
}

void task_kept(struct task_run *r, enum err_code code)
{
	if (code != ERR_OK) // it is written with the next step
		log_line(LOG_LVL_WARN, "task_not_written", "task", r->t.id, NULL);
	task_wake(r);
}
