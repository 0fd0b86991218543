// SPDX-License-Identifier: MIT
// One answer for all who wait, counted, posted to the loop of each. The end of a task is told even
// when nobody is left to take it: the work was done and paid for.
#include "agent/tasks/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/call/account.h"
#include "agent/call/attempt.h"
#include "agent/tasks/canceler.h"
#include "shared/mem.h"
#include "shared/text.h"

#define WAITERS_MAX 64 // callers of one task

// ---- an end that no call has told ----

static void count_tokens(const struct task_answer *a, const char *direction, int64_t n)
{
	const char *const labels[] = {a->t.feature, direction, NULL};
	if (n > 0)
		metric_add(a->agent->metrics, MET_GW_TOKENS, (double)n, labels);
}

static void tell_end(const struct task_answer *a)
{
	struct str scratch = STR_INIT;
	const struct task *t = &a->t;
	bool reported = a->usage.in >= 0 && a->usage.out >= 0;
	struct gw_told told = {.id = t->id,
		.task = t->id,
		.client = &t->client,
		.client_name = t->client_name,
		.feature = t->feature,
		.endpoint =
			endpoint_row(t->offer == OFFER_IMAGES ? EP_IMAGES : EP_IMAGE_EDITS)->name,
		.target = t->target[0] != '\0' ? t->target : NULL,
		.decision = t->decision[0] != '\0' ? t->decision : NULL,
		.reason = a->reason,
		.tries = a->tries,
		.tries_n = a->tries_n,
		.status = a->err.code == ERR_OK ? 200
			: t->status != 0	? t->status
						: err_row(a->err.code)->status,
		.code = a->err.code,
		.total_us = (t->finished_ms - t->created_ms) * 1000,
		.tokens_in = reported ? a->usage.in : a->bill.spent.in,
		.tokens_out = reported ? a->usage.out : a->bill.spent.out,
		.absurd = usage_is_absurd(&a->usage),
		.tokens_source = reported ? COST_REPORTED : a->bill.spent.source,
		.cost = a->bill.cost};
	// The request was counted when it was answered; its work counts now.
	struct history_request q = {.error = gw_is_failure(told.status, a->err.code),
		.fell_back = t->attempts > 1,
		.latency_us = told.total_us,
		.tokens = MAX_OF(a->usage.in, 0) + MAX_OF(a->usage.out, 0)};
	count_tokens(a, "in", a->usage.in);
	count_tokens(a, "out", a->usage.out);
	if (!atomic_load(&a->counted))
		history_count(a->agent->history, slice_of(t->feature), &q);
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
	arena_release(&a->arena);
	free(a);
}

void task_waiter_drop(struct task_waiter *w)
{
	if (atomic_fetch_sub(&w->refs, 1) > 1)
		return;
	task_answer_drop(w->answer);
	free(w);
}

const char *task_waiter_id(const struct task_waiter *w)
{
	return atomic_load(&w->joined) ? w->earlier : w->id;
}

struct task_answer *task_answer_new(const struct task_run *r)
{
	struct task_answer *a = mem_zalloc(1, sizeof(*a));
	a->refs = 1;
	a->t = r->t;
	a->durable = r->durable;
	a->limited_by = r->limited_by;
	a->field = r->field != NULL ? arena_strdup(&a->arena, r->field) : NULL;
	attempts_copy(&a->arena, r->tries.v, r->tries.n, a->tries);
	a->tries_n = r->tries.n;
	a->reason = r->reason;
	a->dropped = r->tries.dropped != NULL ? arena_strdup(&a->arena, r->tries.dropped) : NULL;
	a->error = r->tries.error;
	a->retry_s = r->tries.retry_s;
	a->usage = r->usage;
	a->bill = r->tries.bill;
	return a;
}

void task_answer_fail(struct task_answer *a)
{
	err_set(&a->err, a->t.code != ERR_OK ? a->t.code : ERR_INTERNAL,
		a->t.message[0] != '\0' ? "%s" : NULL, a->t.message);
	if (a->field != NULL)
		snprintf(a->err.field, sizeof(a->err.field), "%s", a->field);
}

static void post_answer(struct task_waiter *w, struct task_answer *a)
{
	w->run = NULL;
	atomic_fetch_add(&a->refs, 1);
	w->answer = a;
	loop_post(w->loop, w->told, w); // with the engine's count
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

void task_tell_accepted(struct task_run *r)
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
	a->bill = (struct bill){.spent = PRICE_USAGE_NONE};
	if (!w->async && t->state == TASK_EXPIRED)
		err_set(&a->err, ERR_GONE, _("the pictures of this task are no longer kept"));
	else if (!w->async && t->state != TASK_SUCCEEDED)
		task_answer_fail(a);
	post_answer(w, a);
	task_answer_drop(a);
}

void task_forget(struct task_run *r)
{
	task_cancel_tell(r, ERR_NOT_FOUND);
	atomic_fetch_sub(&r->e->counts[r->t.state], 1);
	task_drop(r);
}

void task_refuse(struct task_run *r)
{
	struct task_answer *a = task_answer_new(r);
	task_answer_fail(a);
	task_tell(r, a);
	task_forget(r);
}

void task_join(struct task_run *r, struct task_waiter *w)
{
	if (r->waiters_n >= WAITERS_MAX) {
		struct task_answer *a = task_answer_new(r);
		err_set(&a->err, ERR_OVERLOADED, _("too many callers wait for this task"));
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
		task_tell_accepted(r);
}

void task_cancel_tell(struct task_run *r, enum err_code code)
{
	struct task_canceler *c = r->canceler;
	r->canceler = NULL;
	r->canceling = false;
	if (c == NULL)
		return;
	c->code = code;
	loop_post(c->loop, c->told, c);
}
