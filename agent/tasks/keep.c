// SPDX-License-Identifier: MIT
// What is kept of a task and who is told of it: answers and those who wait for them, the rows, and
// the earlier task of a key that comes again.
#include "agent/tasks/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shared/mem.h"
#include "shared/text.h"

// ---- an end that no call has told ----

static void count_tokens(const struct task_answer *a, const char *direction, int64_t n)
{
	const char *const labels[] = {a->t.feature, direction, NULL};
	if (n > 0)
		metric_add(a->agent->metrics, MET_GW_TOKENS, (double)n, labels);
}

// The request was counted when it was answered; its work counts now.
static void count_work(const struct task_answer *a, int status, int64_t us)
{
	struct history_request q = {.error = gw_is_failure(status, a->err.code),
		.fell_back = a->t.attempts > 1,
		.latency_us = us,
		.tokens = MAX_OF(a->usage.in, 0) + MAX_OF(a->usage.out, 0)};
	count_tokens(a, "in", a->usage.in);
	count_tokens(a, "out", a->usage.out);
	if (!atomic_load(&a->counted))
		history_count(a->agent->history, slice_of(a->t.feature), &q);
}

static void tell_end(const struct task_answer *a)
{
	struct gw_attempt tries[GW_ATTEMPTS_MAX];
	struct str scratch = STR_INIT;
	const struct task *t = &a->t;
	bool reported = a->usage.in >= 0 && a->usage.out >= 0;
	struct gw_told told = {.id = t->id,
		.task = t->id,
		.client = &t->client,
		.client_name = t->client_name,
		.feature = t->feature,
		.endpoint = endpoint_row(t->offer == OFFER_IMAGES ? EP_IMAGES : EP_IMAGE_EDITS)
			->name,
		.target = t->target[0] != '\0' ? t->target : NULL,
		.decision = t->decision[0] != '\0' ? t->decision : NULL,
		.reason = a->reason,
		.tries = tries,
		.tries_n = a->tries_n,
		.status = a->err.code == ERR_OK ? 200
			: t->status != 0 ? t->status : err_row(a->err.code)->status,
		.code = a->err.code,
		.total_us = (t->finished_ms - t->created_ms) * 1000,
		.tokens_in = reported ? a->usage.in : a->bill.spent.in,
		.tokens_out = reported ? a->usage.out : a->bill.spent.out,
		.absurd = usage_is_absurd(&a->usage),
		.tokens_source = reported ? COST_REPORTED : a->bill.spent.source,
		.cost = a->bill.cost};
	for (size_t i = 0; i < a->tries_n; i++) {
		const struct task_try *from = &a->tries[i];
		tries[i] = (struct gw_attempt){.target = from->target, .end = from->end,
			.status = from->status, .code = from->code, .ms = from->ms};
	}
	count_work(a, told.status, told.total_us);
	gw_tell(a->agent, &scratch, &told);
	str_release(&scratch);
}

// ---- callers ----

void task_answer_drop(struct task_answer *a)
{
	if (a == NULL || atomic_fetch_sub(&a->refs, 1) > 1)
		return;
	if (a->agent != NULL && !atomic_load(&a->told))
		tell_end(a);
	str_release(&a->body);
	free(a);
}

void task_waiter_drop(struct task_waiter *w)
{
	if (atomic_fetch_sub(&w->refs, 1) > 1)
		return;
	task_answer_drop(w->answer);
	free(w);
}

struct task_answer *task_answer_new(const struct task_run *r)
{
	struct task_answer *a = mem_zalloc(1, sizeof(*a));
	a->refs = 1;
	a->t = r->t;
	a->durable = r->durable;
	memcpy(a->tries, r->tries, sizeof(a->tries));
	a->tries_n = r->tries_n;
	a->reason = r->reason;
	a->error = r->error;
	a->retry_s = r->retry_s;
	a->usage = r->usage;
	a->bill = r->bill;
	return a;
}

static void post_answer(struct task_waiter *w, struct task_answer *a)
{
	w->run = NULL;
	atomic_fetch_add(&a->refs, 1);
	w->answer = a;
	loop_post(w->loop, w->told, w); // with the engine's count
}

const char *task_waiter_id(const struct task_waiter *w)
{
	return atomic_load(&w->joined) ? w->earlier : w->id;
}

void task_tell(struct task_run *r, struct task_answer *a)
{
	struct task_waiter *w = r->waiters;
	r->waiters = NULL;
	r->waiters_n = 0;
	while (w != NULL) {
		struct task_waiter *next = w->next;
		post_answer(w, a);
		w = next;
	}
	task_answer_drop(a);
}

// Those who only wanted to know that it is kept.
static void tell_accepted(struct task_run *r)
{
	struct task_waiter **at = &r->waiters;
	struct task_answer *a = NULL;
	while (*at != NULL) {
		struct task_waiter *w = *at;
		if (!w->async) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		r->waiters_n--;
		if (a == NULL) {
			a = task_answer_new(r);
			a->accepted = true;
		}
		post_answer(w, a);
	}
	task_answer_drop(a);
}

void task_tell_stored(struct task_waiter *w, const struct task *t, struct str *body)
{
	struct task_answer *a = mem_zalloc(1, sizeof(*a));
	a->refs = 1;
	a->t = *t;
	a->durable = a->replayed = true;
	a->accepted = w->async;
	a->body = *body;
	*body = STR_INIT;
	a->usage = ADAPTER_USAGE_UNKNOWN;
	a->bill = (struct task_bill){.spent = PRICE_USAGE_NONE};
	if (!w->async && t->state == TASK_EXPIRED)
		err_set(&a->err, ERR_GONE, _("the pictures of this task are no longer kept"));
	else if (!w->async && t->state != TASK_SUCCEEDED)
		err_set(&a->err, t->code != ERR_OK ? t->code : ERR_INTERNAL,
			t->message[0] != '\0' ? "%s" : NULL, t->message);
	post_answer(w, a);
	task_answer_drop(a);
}

void task_refuse(struct task_run *r, const struct err *err)
{
	struct task_answer *a = task_answer_new(r);
	a->err = *err;
	task_tell(r, a);
}

void task_join(struct task_run *r, struct task_waiter *w)
{
	struct err err = {0};
	if (r->waiters_n >= TASK_WAITERS_MAX) {
		struct task_answer *a = task_answer_new(r);
		err_set(&err, ERR_OVERLOADED, _("too many callers wait for this task"));
		a->err = err;
		post_answer(w, a);
		task_answer_drop(a);
		return;
	}
	if (strcmp(w->id, r->t.id) != 0) { // of its key there was one before
		memcpy(w->earlier, r->t.id, sizeof(w->earlier));
		atomic_store(&w->joined, true);
	}
	w->run = r;
	w->next = r->waiters;
	r->waiters = w;
	r->waiters_n++;
	if (r->stored && w->async)
		tell_accepted(r);
}

// ---- storing ----

struct task_save {
	struct store_job job;
	struct task_run *r;
	struct task t, found;
	bool create, keep_request, hit;
	struct str request, result;
	struct str part[TASK_PARTS_MAX]; // what those that are done brought; empty: nothing to write
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
			code = store_task_part_put(tx, s->t.id, i, str_slice(&s->part[i]), &job->err);
	}
	return code;
}

// The key was used before: its caller is told of that task, this one never was.
static void join_earlier(struct task_run *r, const struct task_save *s);

static void save_done(struct store_job *job, enum err_code code)
{
	struct task_save *s = job->arg;
	struct task_run *r = s->r;
	bool stopped = r->e->stopped;
	for (size_t i = 0; i < s->t.parts_n; i++) {
		if (code == ERR_OK && s->part[i].n > 0 && !stopped)
			r->at[i].unsaved = false;
		str_release(&s->part[i]);
	}
	if (!stopped && code == ERR_OK && !s->hit) {
		r->row_asks = s->keep_request;
		r->row_submits = task_part_in(&s->t, TASK_SUBMITTING) >= 0;
	}
	if (!stopped) {
		r->doing = DOING_NOTHING;
		if (code == ERR_OK && s->create && s->hit) {
			join_earlier(r, s);
		} else {
			if (code == ERR_OK && s->create) {
				r->stored = true;
				r->unkept = ERR_OK;
				for (struct task_waiter *w = r->waiters; w != NULL; w = w->next)
					atomic_store(&w->kept, true);
				tell_accepted(r);
			}
			s->then(r, code);
		}
	}
	str_release(&s->request);
	str_release(&s->result);
	free(s);
}

// What waits is kept whole: the type of the body stands before it.
static void request_of(const struct task_run *r, struct str *out)
{
	str_addf(out, "%s\n", str_text(&r->type));
	str_add_slice(out, str_slice(&r->body));
}

void task_store(struct task_run *r, struct str *result,
	void (*then)(struct task_run *r, enum err_code code))
{
	struct task_save *s;
	if (!r->durable) {
		if (result != NULL)
			str_release(result);
		then(r, ERR_OK);
		return;
	}
	s = mem_zalloc(1, sizeof(*s));
	s->r = r;
	s->t = r->t;
	s->create = !r->stored;
	s->keep_request = task_part_in(&r->t, TASK_QUEUED) >= 0;
	s->then = then;
	if (s->keep_request && !r->row_asks)
		request_of(r, &s->request);
	for (size_t i = 0; i < r->t.parts_n && r->t.finished_ms == 0 && !s->create; i++) {
		if (r->at[i].unsaved)
			task_part_write(r, i, &s->part[i]);
	}
	if (result != NULL) {
		s->result = *result;
		*result = STR_INIT;
	}
	s->job = (struct store_job){.run = run_save, .done = save_done, .loop = r->e->loop,
		.arg = s, .actor = ACTOR_SELF("system")};
	r->doing = DOING_SAVE;
	if (store_submit(r->e->agent->store, &s->job))
		return;
	err_set(&s->job.err, ERR_OVERLOADED, NULL);
	save_done(&s->job, ERR_OVERLOADED);
}

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
	l->job = (struct store_job){.run = run_look_up, .done = looked_up, .loop = e->loop, .arg = l,
		.actor = ACTOR_SELF("system")};
	w->run = NULL;
	if (!store_submit(e->agent->store, &l->job)) {
		err_set(&l->job.err, ERR_OVERLOADED, NULL);
		looked_up(&l->job, ERR_OVERLOADED);
	}
}

static void join_earlier(struct task_run *r, const struct task_save *s)
{
	struct task_run *earlier = task_find(r->e, s->found.id);
	struct task_waiter *w = r->waiters;
	task_unadmit(r);
	task_call_end(r);
	atomic_fetch_sub(&r->e->counts[r->t.state], 1);
	r->waiters = NULL;
	while (w != NULL) {
		struct task_waiter *next = w->next;
		if (earlier != NULL && !earlier->over)
			task_join(earlier, w);
		else
			look_up(r->e, w, &s->found);
		w = next;
	}
	task_drop(r);
}
