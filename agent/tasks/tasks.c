// SPDX-License-Identifier: MIT
// The life of tasks in the agent: how they enter, wait, are stored, end and are told of.
#include "agent/tasks/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/text.h"

#define SWEEP_US INT64_C(60000000)
#define RETRY_SAVE_US INT64_C(1000000)

// ---- making and freeing ----

struct task_run *task_run_new(struct tasks *e)
{
	struct task_run *r = mem_zalloc(1, sizeof(*r));
	r->e = e;
	r->durable = true;
	r->cand_i = -1;
	r->send.method = "POST";
	r->usage = ADAPTER_USAGE_UNKNOWN;
	r->bill.spent = PRICE_USAGE_NONE;
	r->t.width = r->t.height = FIELD_NONE;
	return r;
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
	free(r);
}

static void unqueue(struct task_run *r)
{
	struct tasks *e = r->e;
	struct task_run **at = &e->queue;
	while (*at != NULL && *at != r)
		at = &(*at)->q_next;
	if (*at == NULL)
		return;
	*at = r->q_next;
	if (e->queue_tail == &r->q_next)
		e->queue_tail = at;
}

static void unlink_run(struct task_run *r)
{
	struct tasks *e = r->e;
	if (r->queued)
		unqueue(r);
	*r->back = r->next;
	if (r->next != NULL)
		r->next->back = r->back;
	e->all_n--;
	e->bytes -= r->bytes;
}

static void link_run(struct task_run *r)
{
	struct tasks *e = r->e;
	r->next = e->all;
	r->back = &e->all;
	if (e->all != NULL)
		e->all->back = &r->next;
	e->all = r;
	e->all_n++;
	r->bytes = r->body.n;
	e->bytes += r->bytes;
}

// ---- who is awake ----

static void turn_soon(struct tasks *e)
{
	if (!e->turning)
		loop_later(e->loop, e->turn, e);
	e->turning = true;
}

void task_wake(struct task_run *r)
{
	struct tasks *e = r->e;
	if (r->over || r->awake)
		return;
	r->awake = true;
	r->ready_next = NULL;
	*e->ready_tail = r;
	e->ready_tail = &r->ready_next;
	turn_soon(e);
}

static struct task_run *take_ready(struct tasks *e)
{
	struct task_run *r = e->ready;
	if (r == NULL)
		return NULL;
	e->ready = r->ready_next;
	if (e->ready == NULL)
		e->ready_tail = &e->ready;
	r->awake = false;
	return r;
}

static void free_dropped(struct tasks *e)
{
	for (struct task_run *r; (r = e->dropped) != NULL;) {
		e->dropped = r->next;
		task_run_free(r);
	}
}

void task_drop(struct task_run *r)
{
	struct tasks *e = r->e;
	loop_timer_clear(e->loop, &r->timer);
	unlink_run(r);
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

struct task_account *task_account_of(struct tasks *e, const struct task_run *r)
{
	const struct key_obj *key = r->t.key[0] != '\0'
		? snapshot_key(snapshots_now(e->agent->snaps), slice_of(r->t.key)) : NULL;
	bool named = key != NULL && key->doc.account != NULL; // people may call it like somebody's id
	const char *name = named ? key->doc.account
			   : r->t.key[0] != '\0' ? r->t.key : r->t.instance;
	struct task_account *a = e->accounts;
	while (a != NULL && (a->named != named || strcmp(a->name, name) != 0))
		a = a->next;
	if (a != NULL || (e->accounts != NULL && e->accounts_n >= TASK_ACCOUNTS_MAX))
		return a != NULL ? a : e->accounts; // beyond the limit strangers share a pace
	a = mem_zalloc(1, sizeof(*a) + strlen(name) + 1);
	a->named = named;
	memcpy(a->name, name, strlen(name) + 1);
	a->next = e->accounts;
	e->accounts = a;
	e->accounts_n++;
	return a;
}

// ---- the queue: first come, first served, as far as there is room at an upstream ----

static void queue_turn(void *arg);

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
		loop_timer_set(e->loop, &e->look, TASK_QUEUE_LOOK_US, queue_turn, e);
}

// Each is tried once; who finds no place stands at the end again, in the same order.
static void queue_turn(void *arg)
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

void task_wake_queue(struct tasks *e)
{
	if (e->looking || e->stopped || e->queue == NULL)
		return;
	e->looking = true;
	loop_timer_clear(e->loop, &e->look);
	loop_timer_set(e->loop, &e->look, 0, queue_turn, e);
}

// ---- the end ----

static int64_t min_until(const struct task_run *r, int64_t now)
{
	return now + MIN_OF(r->life_s > 0 ? r->life_s * 1000 : TASK_RESULT_MS, TASK_RESULT_MS);
}

static void add_failed(const struct task_run *r, struct str *out)
{
	bool any = false;
	for (size_t i = 0; i < (size_t)r->t.n; i++) {
		const struct task_item *it = &r->item_v[i];
		if (it->json.n > 0)
			continue;
		str_addf(out, "%s{\"index\":%zu,\"code\":", any ? "," : ",\"failed\":[", i);
		str_add_json(out, slice_of(it->code[0] != '\0' ? it->code : "not_made"));
		str_add(out, ",\"message\":");
		str_add_json(out, slice_of(it->message));
		if (it->fetch.n > 0 && !it->same) { // paid for, and still there for who can reach it
			str_add(out, ",\"url\":");
			str_add_json(out, str_slice(&it->fetch));
		}
		str_add_c(out, '}');
		any = true;
	}
	if (any)
		str_add_c(out, ']');
}

static void write_body(struct task_run *r, struct str *out)
{
	bool comma = false;
	str_addf(out, "{\"created\":%lld,\"data\":[", (long long)(r->t.finished_ms / 1000));
	for (size_t i = 0; i < (size_t)r->t.n; i++) {
		if (r->item_v[i].json.n == 0)
			continue;
		str_add(out, comma ? "," : "");
		str_add_slice(out, str_slice(&r->item_v[i].json));
		comma = true;
	}
	str_add_c(out, ']');
	str_add_slice(out, str_slice(&r->extra));
	add_failed(r, out);
	str_add_c(out, '}');
}

static void count_end(struct task_run *r)
{
	const char *const labels[] = {r->t.feature, task_state_names[r->t.state], NULL};
	metric_add(r->e->agent->metrics, MET_TASKS, 1, labels);
	if (task_part_in(&r->t, TASK_UNKNOWN) >= 0)
		atomic_fetch_add(&r->e->agent->tasks_unknown, 1);
}

static void ended(struct task_run *r, enum err_code code);

static void save_again(void *arg)
{
	struct task_run *r = arg;
	struct str body = STR_INIT;
	if (r->t.state == TASK_SUCCEEDED)
		write_body(r, &body);
	task_store(r, &body, ended);
}

static void ended(struct task_run *r, enum err_code code)
{
	struct task_answer *a = task_answer_new(r);
	if (r->t.state == TASK_SUCCEEDED)
		write_body(r, &a->body);
	else
		err_set(&a->err, r->t.code != ERR_OK ? r->t.code : ERR_INTERNAL,
			r->t.message[0] != '\0' ? "%s" : NULL, r->t.message);
	if (!r->over) { // not again when it is only saved again
		count_end(r);
		a->agent = r->e->agent;
		a->counted = r->counted;
	}
	r->over = true;
	task_tell(r, a);
	task_cancel_tell(r, r->t.state == TASK_CANCELED ? ERR_OK : ERR_NOT_CANCELABLE);
	if (code == ERR_OK) {
		task_drop(r);
		return;
	}
	// Its row still says that it runs: until that is mended it is kept here.
	loop_timer_set(r->e->loop, &r->timer, RETRY_SAVE_US, save_again, r);
}

static void end_as(struct task_run *r, enum task_state s)
{
	struct str body = STR_INIT;
	int64_t now = clock_wall_ms();
	task_state(r, s);
	r->t.finished_ms = now;
	r->t.until_ms = s == TASK_SUCCEEDED ? min_until(r, now) : 0;
	if (s == TASK_SUCCEEDED)
		write_body(r, &body);
	loop_timer_clear(r->e->loop, &r->timer);
	task_store(r, &body, ended);
}

void task_fail(struct task_run *r, enum task_state s, const struct err *err)
{
	struct task *t = &r->t;
	if (t->code == ERR_OK || err->code != ERR_OK) {
		t->code = err->code != ERR_OK ? err->code : ERR_INTERNAL;
		snprintf(t->message, sizeof(t->message), "%s", err->message);
		t->status = r->error.final && r->error.code == t->code ? r->error.status
								       : err_row(t->code)->status;
	}
	for (size_t i = 0; i < t->parts_n; i++) {
		if (!task_is_over(t->part[i].state))
			t->part[i].state = s;
		task_slot_free(r, i);
	}
	if (task_part_in(t, TASK_SUCCEEDED) >= 0) { // what was made is not given up
		task_finish(r);
		return;
	}
	if (!r->stored && r->durable) { // nothing was kept, nothing was submitted
		atomic_fetch_sub(&r->e->counts[t->state], 1);
		task_refuse(r, err);
		task_drop(r);
		return;
	}
	end_as(r, s);
}

// Pictures of parts that came to nothing say why.
static void say_why(struct task_run *r, const struct task_part *p)
{
	const struct task *t = &r->t;
	enum err_code code = p->state == TASK_UNKNOWN ? ERR_OUTCOME_UNKNOWN
		: p->state == TASK_CANCELED           ? ERR_CANCELED
		: p->state == TASK_EXPIRED            ? ERR_GONE
		: t->code != ERR_OK                   ? t->code
						      : ERR_UPSTREAM_BAD_RESPONSE;
	for (int64_t i = p->first; i < p->first + p->n; i++) {
		struct task_item *it = &r->item_v[i];
		if (it->json.n > 0 || it->code[0] != '\0')
			continue;
		snprintf(it->code, sizeof(it->code), "%s", err_row(code)->code);
		snprintf(it->message, sizeof(it->message), "%.*s", (int)sizeof(it->message) - 1,
			code == t->code && t->message[0] != '\0' ? t->message
								: _(err_row(code)->message));
	}
}

void task_finish(struct task_run *r)
{
	struct task *t = &r->t;
	for (size_t i = 0; i < t->parts_n; i++) {
		if (t->part[i].state != TASK_SUCCEEDED)
			say_why(r, &t->part[i]);
	}
	t->made = 0;
	for (size_t i = 0; i < (size_t)t->n; i++)
		t->made += r->item_v[i].json.n > 0;
	t->failed = t->n - t->made;
	enum task_state s = task_sum(t);
	if (s == TASK_SUCCEEDED && t->made == 0) { // made, and none could be fetched
		s = TASK_FAILED;
		t->code = ERR_UPSTREAM_BAD_RESPONSE;
		t->status = err_row(t->code)->status;
		snprintf(t->message, sizeof(t->message), _("the pictures were made but could not be"
							   " fetched: %s"), r->item_v[0].message);
	}
	if (s == TASK_SUCCEEDED) {
		t->code = ERR_OK;
	} else if (t->code == ERR_OK) {
		t->code = s == TASK_UNKNOWN ? ERR_OUTCOME_UNKNOWN : s == TASK_EXPIRED ? ERR_GONE
			  : s == TASK_CANCELED ? ERR_CANCELED : ERR_UPSTREAM_BAD_RESPONSE;
		t->status = err_row(t->code)->status;
		snprintf(t->message, sizeof(t->message), "%s", _(err_row(t->code)->message));
	}
	end_as(r, s);
}

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

static int first_fetch(const struct task_run *r)
{
	for (size_t i = 0; i < (size_t)r->t.n; i++) {
		const struct task_item *it = &r->item_v[i];
		if (it->fetch.n > 0 && it->json.n == 0 && it->code[0] == '\0')
			return (int)i;
	}
	return -1;
}

static void part_kept(struct task_run *r, enum err_code code)
{
	if (code != ERR_OK) // it is written with the next step
		log_line(LOG_LVL_WARN, "task_not_written", "task", r->t.id, NULL);
	task_wake(r);
}

void task_part_done(struct task_run *r)
{
	size_t over = 0;
	r->t.part[r->part].state = TASK_SUCCEEDED;
	r->at[r->part].unsaved = true;
	task_slot_free(r, r->part);
	for (size_t i = 0; i < r->t.parts_n; i++)
		over += task_is_over(r->t.part[i].state);
	if (over == r->t.parts_n && first_fetch(r) < 0) {
		task_wake(r);
		return;
	}
	task_state(r, TASK_RUNNING);
	task_store(r, NULL, part_kept);
}

static void step(struct task_run *r)
{
	int64_t now = loop_now_us(r->e->loop);
	int wait = task_part_in(&r->t, TASK_QUEUED), due = soonest(r), fetch;
	if (r->doing != DOING_NOTHING || r->over || r->e->stopped)
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
		fetch = first_fetch(r);
		if (fetch >= 0)
			task_fetch(r, (size_t)fetch);
		else
			task_finish(r);
	}
}

static void turn(void *arg)
{
	struct tasks *e = arg;
	for (struct task_run *r; (r = take_ready(e)) != NULL;)
		step(r);
	e->turning = false;
	free_dropped(e);
}

void task_enter(void *arg)
{
	struct task_run *r = arg;
	struct err err = {0};
	link_run(r);
	atomic_fetch_add(&r->e->counts[r->t.state], 1);
	if (r->e->all_n > TASK_OPEN_MAX || r->e->bytes > TASK_BYTES_MAX) {
		err_set(&err, ERR_OVERLOADED, _("too many image tasks are under way"));
		task_fail(r, TASK_FAILED, &err);
		return;
	}
	r->queued_us = loop_now_us(r->e->loop);
	task_wake(r);
}

// ---- taking up what a restart left ----

// Booked and kept before: it is done. What it cost is in the ledger, no longer in the task's bill.
static void take_kept(struct task_run *r, struct task_part *p)
{
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	p->state = TASK_SUCCEEDED;
	r->booked = r->bill.cost_unknown = true;
	r->life_s = a != NULL ? a->life_s : 0;
	for (int64_t i = p->first; i < p->first + p->n; i++) {
		r->bytes += r->item_v[i].json.n;
		r->e->bytes += r->item_v[i].json.n;
	}
}

// Parts that had been accepted are asked for again: results are the upstream's to keep. One that was
// under way when the agent died may have been accepted or not.
static void resume(struct task_run *r)
{
	struct task *t = &r->t;
	int64_t now = loop_now_us(r->e->loop);
	for (size_t i = 0; i < t->parts_n; i++) {
		struct task_part *p = &t->part[i];
		if (r->at[i].kept)
			take_kept(r, p);
		else if (p->state == TASK_SUBMITTING || (p->state == TASK_SUCCEEDED && p->id[0] == '\0'))
			p->state = TASK_UNKNOWN;
		else if (p->state == TASK_SUCCEEDED)
			p->state = TASK_RUNNING;
		else if (p->state == TASK_QUEUED && r->body.n == 0)
			p->state = TASK_FAILED;
		if (p->state == TASK_RUNNING)
			task_slot_take(r, i);
		r->at[i].next_us = r->at[i].began_us = now;
	}
	if (t->state == TASK_SUBMITTING)
		task_state(r, soonest(r) >= 0 ? TASK_RUNNING : t->state);
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
	r->ask = (struct decide_request){.offer = t->offer, .width = t->width, .height = t->height,
		.n = t->n, .deadline_us = FIELD_NONE, .needs = t->n > 1 ? 1u << NEED_N : 0};
	r->ask.client = &r->t.client;
	r->ask.client_name = r->t.client_name;
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
			link_run(r);
			atomic_fetch_add(&e->counts[r->t.state], 1);
			r->draw = (int64_t)(gw_random(e->gl) >> 1);
			r->queued_us = loop_now_us(e->loop);
			resume(r);
		}
		r = next;
	}
}

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
	e->sweep_job = (struct store_job){.run = run_sweep, .done = sweep_done, .loop = e->loop,
		.arg = e, .actor = ACTOR_SELF("system")};
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

struct tasks *tasks_new(struct agent *a)
{
	struct tasks *e = mem_zalloc(1, sizeof(*e));
	e->agent = a;
	e->turn = turn;
	e->ready_tail = &e->ready;
	e->queue_tail = &e->queue;
	return e;
}

void tasks_start(struct tasks *e)
{
	e->loop = e->agent->control;
	e->gl = gw_loop_at(e->agent->gateway, e->loop);
	e->face.gl = e->gl;
	e->loaded_tail = &e->loaded;
	e->load_job = (struct store_job){.run = run_load, .done = load_done, .loop = e->loop,
		.arg = e, .actor = ACTOR_SELF("system")};
	if (!store_submit(e->agent->store, &e->load_job))
		log_line(LOG_LVL_ERROR, "tasks_not_loaded", "detail", "the store's queue is full", NULL);
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
		unlink_run(r);
		task_run_free(r);
	}
	free_dropped(e);
	for (struct task_run *r; (r = e->loaded) != NULL;) { // stopped before they were taken up
		e->loaded = r->next;
		task_run_free(r);
	}
	while (e->accounts != NULL) {
		struct task_account *a = e->accounts;
		e->accounts = a->next;
		free(a);
	}
	str_release(&e->result.scratch);
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
