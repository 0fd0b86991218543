// SPDX-License-Identifier: MIT
// Tasks come and go, sleep and wake. Who wakes a task does not begin its next step: the engine
// does, once for each at the end of the turn, so that no step stands on another's stack.
#include "agent/tasks/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shared/mem.h"
#include "shared/text.h"

#define QUEUE_LOOK_US INT64_C(200000)

// ---- making and freeing ----

struct task_run *task_run_new(struct tasks *e)
{
	struct task_run *r = mem_zalloc(1, sizeof(*r));
	r->e = e;
	r->durable = true;
	r->send.method = "POST";
	r->hop = 1;
	r->usage = ADAPTER_USAGE_UNKNOWN;
	r->tries.arena = &r->told;
	r->tries.lasting = true;
	r->tries.bill.spent = PRICE_USAGE_NONE;
	r->t.width = r->t.height = FIELD_NONE;
	r->tries.ask.named = "";
	return r;
}

void task_wish(struct task_run *r, const struct decide_request *ask)
{
	struct decide_request *to = &r->tries.ask;
	*to = *ask;
	to->client = &r->t.client;
	to->client_name = r->t.client_name;
	to->model = ask->model != NULL ? arena_strdup(&r->told, ask->model) : NULL;
	to->named = arena_strdup(&r->told, ask->named);
	to->local_only = r->t.local_only;
	to->deadline_us = FIELD_NONE;
	to->stream = false; // whatever makes the pictures is asked for a whole answer
	to->needs &= ~(1u << NEED_STREAM);
}

void task_relay_clear(struct task_relay *y)
{
	sse_release(&y->reader);
	str_release(&y->data);
	str_release(&y->extra);
	str_release(&y->instead);
	*y = (struct task_relay){.done = y->done};
}

void task_run_free(struct task_run *r)
{
	for (size_t i = 0; i < IMAGE_N_MAX; i++) {
		str_release(&r->item_v[i].json);
		str_release(&r->item_v[i].fetch);
		str_release(&r->item_v[i].revised);
	}
	str_release(&r->body);
	str_release(&r->type);
	str_release(&r->extra);
	str_release(&r->headers);
	task_relay_clear(&r->relay);
	str_release(&r->send.path);
	str_release(&r->send.headers);
	str_release(&r->send.body);
	arena_release(&r->arena);
	arena_release(&r->told);
	task_late_free(r);
	free(r);
}

void task_late_free(struct task_run *r)
{
	if (r->late == NULL)
		return;
	str_release(&r->late->retry_after);
	str_release(&r->late->body);
	free(r->late);
	r->late = NULL;
}

// ---- in the engine ----

void task_unlink(struct task_run *r)
{
	struct tasks *e = r->e;
	struct task_run **at = &e->queue;
	while (*at != NULL && *at != r)
		at = &(*at)->q_next;
	if (*at != NULL) {
		*at = r->q_next;
		if (e->queue_tail == &r->q_next)
			e->queue_tail = at;
	}
	*r->back = r->next;
	if (r->next != NULL)
		r->next->back = r->back;
	e->all_n--;
	e->bytes -= r->bytes;
}

void task_link(struct task_run *r)
{
	struct tasks *e = r->e;
	r->tries.gl = e->gl;
	r->next = e->all;
	r->back = &e->all;
	if (e->all != NULL)
		e->all->back = &r->next;
	e->all = r;
	e->all_n++;
	r->bytes = r->body.n;
	e->bytes += r->bytes;
	atomic_fetch_add(&e->counts[r->t.state], 1);
}

static void turn_soon(struct tasks *e)
{
	if (!e->turning)
		loop_later(e->loop, e->turn, e);
	e->turning = true;
}

void task_drop(struct task_run *r)
{
	struct tasks *e = r->e;
	loop_timer_clear(e->loop, &r->timer);
	task_unlink(r);
	turn_soon(e);
	r->over = true;
	r->next = e->dropped;
	e->dropped = r;
}

struct task_run *task_find(struct tasks *e, const char *id)
{
	struct task_run *r = e->all;
	while (r != NULL && strcmp(r->t.id, id) != 0)
		r = r->next;
	return r;
}

void task_state(struct task_run *r, enum task_state s)
{
	atomic_fetch_sub(&r->e->counts[r->t.state], 1);
	atomic_fetch_add(&r->e->counts[s], 1);
	r->t.state = s;
}

void task_blame(struct task_run *r, enum err_code code, const char *text)
{
	const struct err_row *row = err_row(code);
	r->t.code = code;
	r->t.status = row->status;
	snprintf(r->t.message, sizeof(r->t.message), "%s", text != NULL ? text : _(row->message));
}

// ---- awake ----

void task_wake(struct task_run *r)
{
	struct tasks *e = r->e;
	if (r->over || r->awake)
		return;
	r->awake = true;
	r->awake_next = NULL;
	*e->awake_tail = r;
	e->awake_tail = &r->awake_next;
	turn_soon(e);
}

struct task_run *task_take_awake(struct tasks *e)
{
	struct task_run *r = e->awake;
	if (r == NULL)
		return NULL;
	e->awake = r->awake_next;
	if (e->awake == NULL)
		e->awake_tail = &e->awake;
	r->awake = false;
	return r;
}

void task_turn_over(struct tasks *e)
{
	e->turning = false;
	for (struct task_run *r; (r = e->dropped) != NULL;) {
		e->dropped = r->next;
		task_run_free(r);
	}
}

// ---- the queue ----

// Each is tried once; who finds no place stands at the end again, in the same order.
static void look(void *arg)
{
	struct tasks *e = arg;
	e->looking = false;
	for (struct task_run *r = e->queue; r != NULL; r = r->q_next) {
		r->queued = false;
		task_wake(r);
	}
	e->queue = NULL;
	e->queue_tail = &e->queue;
}

void task_queue(struct task_run *r)
{
	struct tasks *e = r->e;
	if (r->queued)
		return;
	r->queued = true;
	r->q_next = NULL;
	*e->queue_tail = r;
	e->queue_tail = &r->q_next;
	if (e->look.slot == 0) // it was tried just now
		loop_timer_set(e->loop, &e->look, QUEUE_LOOK_US, look, e);
}

void task_wake_queue(struct tasks *e)
{
	if (e->looking || e->stopped || e->queue == NULL)
		return;
	e->looking = true;
	loop_timer_clear(e->loop, &e->look);
	loop_timer_set(e->loop, &e->look, 0, look, e);
}
