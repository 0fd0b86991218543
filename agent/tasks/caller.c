// SPDX-License-Identifier: MIT
// The caller's side of an image task, on the caller's loop: what is asked, and what is told. A
// caller that leaves, or whose time is over, is forgotten; the task goes on.
#include "agent/tasks/caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/web/idem.h"
#include "agent/call/account.h"
#include "agent/call/admit.h"
#include "agent/call/ask.h"
#include "agent/call/attempt.h"
#include "agent/call/exchange.h"
#include "agent/call/life.h"
#include "agent/call/loop.h"
#include "agent/call/prompt.h"
#include "agent/call/sse.h"
#include "agent/tasks/answer.h"
#include "agent/tasks/enter.h"
#include "agent/tasks/stream.h"
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/text.h"

#define RETRY_AFTER_S "2" // between looks at a task

// ---- leaving ----

// Control loop: the caller does not wait any more.
static void leave(void *arg)
{
	struct task_waiter *w = arg;
	struct task_run *r = w->run;
	if (r != NULL) {
		r->counted |= w->late;
		struct task_waiter **at = &r->waiters;
		while (*at != NULL && *at != w)
			at = &(*at)->next;
		if (*at == w) {
			*at = w->next;
			r->waiters_n--;
			task_waiter_drop(w); // the engine's count
		}
		w->run = NULL;
	}
	task_waiter_drop(w);
}

static void stop_waiting(struct gw_call *c)
{
	struct task_waiter *w = c->task;
	if (w == NULL || w->c == NULL)
		return;
	w->c = NULL;
	loop_timer_clear(c->gl->loop, &w->deadline);
	gw_sse_stop(c);
	atomic_fetch_add(&w->refs, 1);
	loop_post(w->e->loop, leave, w);
}

static void on_gone(struct req *r)
{
	struct gw_call *c = r->user;
	if (c->over)
		return;
	if (c->task != NULL && c->task->c != NULL) {
		c->task_id = arena_strdup(&r->arena, task_waiter_id(c->task));
		c->goes_on = true;
	}
	stop_waiting(c);
	metric_cell_add(c->cells->gone, 1);
	gw_account(c, err_row(ERR_CLIENT_GONE)->status, ERR_CLIENT_GONE);
}

static void on_end(struct req *r)
{
	struct gw_call *c = r->user;
	if (!c->over)
		on_gone(r);
	stop_waiting(c);
	if (c->task != NULL)
		task_waiter_drop(c->task);
	metric_cell_add(c->gl->inflight, -1);
	r->user = NULL;
	gw_call_free(c);
}

// ---- answering ----

static void take_answer(struct gw_call *c, struct task_answer *a)
{
	struct arena *arena = &c->r->arena;
	snprintf(c->id, sizeof(c->id), "%s", a->t.decision);
	c->reason = a->reason;
	c->tries.dropped = a->dropped != NULL ? arena_strdup(arena, a->dropped) : NULL;
	c->tries.error = a->error;
	c->limited_by = a->limited_by;
	if (a->durable && a->t.id[0] != '\0')
		c->task_id = arena_strdup(arena, a->t.id);
	// Of those who wait for one task the first to be answered tells what it used.
	if (a->agent == NULL || !atomic_exchange(&a->told, true)) {
		c->usage = a->usage;
		c->tries.bill.spent = a->bill.spent;
		c->tries.bill.cost = a->bill.cost;
		c->usage_source = a->usage.in >= 0 && a->usage.out >= 0 ? COST_REPORTED
									: COST_UNKNOWN;
	}
	attempts_copy(arena, a->tries, a->tries_n, c->tries.v);
	c->tries.n = a->tries_n;
	// Of a task that was begun before a restart only its target is known.
	if (a->tries_n == 0 && a->t.target[0] != '\0' && a->err.code == ERR_OK)
		c->tries.v[c->tries.n++] = (struct attempt){
			.target = arena_strdup(arena, a->t.target), .end = "ok", .status = 200};
}

static void add_headers(struct gw_call *c, const struct task_answer *a)
{
	struct req *r = c->r;
	if (!c->in.stream || a->err.code != ERR_OK) // a stream has its own
		req_header_add(r, "Cache-Control", "no-store");
	if (a->durable && a->t.id[0] != '\0')
		req_header_add(r, "X-Yijian-Task", a->t.id);
	if (!a->durable)
		req_header_add(r, "X-Yijian-Task-Durable", "false");
	if (a->replayed)
		req_header_add(r, "Idempotent-Replayed", "true");
	if (a->t.note[0] != '\0')
		req_header_add(r, "X-Yijian-Note", a->t.note);
	if (a->err.code != ERR_OK || a->t.failed == 0)
		return;
	char n[24];
	snprintf(n, sizeof(n), "%lld", (long long)a->t.failed);
	req_header_add(r, "X-Yijian-Images-Failed", n);
}

static const char *location_of(struct req *r, const char *id)
{
	return arena_printf(&r->arena, "/v1/images/tasks/%s", id);
}

static void answer_error(struct gw_call *c, const struct task_answer *a)
{
	// A second try without the key would pay again.
	bool paid = a->t.state == TASK_UNKNOWN || a->err.code == ERR_UPSTREAM_TIMEOUT ||
		a->err.code == ERR_OUTCOME_UNKNOWN;
	if (paid)
		req_header_add(c->r, "x-should-retry", "false");
	if (a->retry_s > 0 || a->err.code == ERR_OVERLOADED)
		gw_tell_retry(c, a->retry_s);
	gw_fail(c, &a->err);
}

static void answer_accepted(struct gw_call *c, const struct task_answer *a)
{
	struct req *r = c->r;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	image_task_write(&w, &a->t, (struct slice){NULL, 0});
	req_header_add(r, "Location", location_of(r, a->t.id));
	req_header_add(r, "Retry-After", RETRY_AFTER_S);
	req_header_add(r, "Preference-Applied", "respond-async");
	c->ttfb_us = loop_now_us(c->gl->loop) - r->start_us;
	c->goes_on = !task_is_over(a->t.state);
	gw_headers(c);
	gw_account(c, 202, ERR_OK);
	req_reply_json(r, 202, &out);
}

static void answer_pictures(struct gw_call *c, struct task_answer *a)
{
	struct str body = STR_INIT;
	if (atomic_load(&a->refs) == 1) { // nobody else reads it
		body = a->body;
		a->body = STR_INIT;
	} else {
		str_add_slice(&body, str_slice(&a->body));
	}
	c->bytes_out = body.n;
	c->ttfb_us = loop_now_us(c->gl->loop) - c->r->start_us;
	gw_headers(c);
	gw_account(c, 200, ERR_OK);
	req_reply_str(c->r, 200, "application/json", &body);
}

static void answer(struct gw_call *c, struct task_answer *a)
{
	bool began = c->phase == GS_OPEN;
	take_answer(c, a);
	if (!began)
		add_headers(c, a);
	if (a->err.code != ERR_OK && began)
		task_stream_fail(c, &a->err);
	else if (a->err.code != ERR_OK)
		answer_error(c, a);
	else if (a->accepted)
		answer_accepted(c, a);
	else if (c->in.stream)
		task_stream_pictures(c, a);
	else
		answer_pictures(c, a);
}

static void told(void *arg)
{
	struct task_waiter *w = arg;
	struct gw_call *c = w->c;
	if (c != NULL && !c->over) {
		w->c = NULL;
		loop_timer_clear(c->gl->loop, &w->deadline);
		gw_sse_stop(c);
		answer(c, w->answer);
	} else if (w->late) {
		atomic_store(&w->answer->counted, true);
	}
	task_waiter_drop(w); // the engine's count
}

// The feature's time is over: the caller is told where the result will be.
static void too_late(void *arg)
{
	struct task_waiter *w = arg;
	struct gw_call *c = w->c;
	struct err err = {0};
	const char *id = task_waiter_id(w);
	bool again = req_header(c->r, "Idempotency-Key") != NULL;
	w->late = true;
	stop_waiting(c);
	c->task_id = arena_strdup(&c->r->arena, id);
	err_set(&err, ERR_UPSTREAM_TIMEOUT,
		_("the pictures are still being made; ask for them by the"
		  " task's id, or again with the same Idempotency-Key"));
	if (c->phase == GS_OPEN) {
		task_stream_fail(c, &err);
		return;
	}
	req_header_add(c->r, "X-Yijian-Task", id);
	req_header_add(c->r, "Location", location_of(c->r, id));
	req_header_add(c->r, "Retry-After", RETRY_AFTER_S);
	req_header_add(c->r, "x-should-retry", again ? "true" : "false");
	gw_fail(c, &err);
}

// ---- asking ----

static void fill_run(const struct gw_call *c, const struct image_want *want, struct task_run *run)
{
	struct task *t = &run->t;
	task_id_make(t->id);
	snprintf(t->feature, sizeof(t->feature), "%s", c->feature->doc.name);
	t->client = *c->tries.ask.client;
	snprintf(t->client_name, sizeof(t->client_name), "%s", c->tries.ask.client_name);
	snprintf(t->model, sizeof(t->model), "%s", c->in.model);
	t->offer = c->in.offer;
	t->format = want->format;
	t->n = want->n;
	t->width = c->in.width;
	t->height = c->in.height;
	t->created_ms = clock_wall_ms();
	t->state = TASK_QUEUED;
	t->parts_n = 1;
	t->part[0] = (struct task_part){.state = TASK_QUEUED, .n = want->n};
	idem_hash(c->r, c->in.body, t->hash);
	const struct jscan_member *q = jscan_find(c->in.m, c->in.n, "quality");
	if (q != NULL && q->type == JS_STRING && q->value.n - 2 < sizeof(t->quality))
		snprintf(t->quality, sizeof(t->quality), "%.*s", (int)q->value.n - 2,
			q->value.p + 1);
	run->draw = want->draw;
	run->hop = exchange_hop(c->r);
	t->local_only = c->tries.ask.local_only;
	task_wish(run, &c->tries.ask);
	str_add_slice(&run->body, c->in.body);
	if (c->in.content_type.n > 0)
		str_add_slice(&run->type, c->in.content_type);
}

static void post_run(struct gw_call *c, struct task_run *run, bool async)
{
	struct task_waiter *w = mem_zalloc(1, sizeof(*w));
	int64_t total_ms = c->feature->doc.timeouts.total_ms;
	w->refs = 2;
	w->loop = c->gl->loop;
	w->e = run->e;
	w->c = c;
	w->told = told;
	w->partial = task_stream_partial;
	w->async = async;
	w->streams = c->in.stream;
	w->run = run;
	memcpy(w->id, run->t.id, sizeof(w->id));
	c->task = w;
	run->async = async;
	run->waiters = w;
	run->waiters_n = 1;
	if (!async && total_ms > 0)
		loop_timer_set(w->loop, &w->deadline, total_ms * 1000, too_late, w);
	task_stream_wait(c);
	loop_post(run->e->loop, task_enter, run);
}

static void go(struct gw_call *c, const struct image_want *want, struct err *err)
{
	struct req *r = c->r;
	bool async;
	if (req_prefers(r, "respond-async", &async, err) != ERR_OK)
		return;
	if (gw_check_limits(c, err) != ERR_OK || gw_prepare(c, err) != ERR_OK)
		return;
	if (c->in.stream && async) {
		err_field(err, ERR_FIELD_RANGE, "stream",
			_("a stream is waited for: leave out Prefer: respond-async"));
		return;
	}
	struct slice key;
	if (req_idempotency_key(r, &key, err) != ERR_OK)
		return;
	r->user = c;
	metric_cell_add(c->gl->inflight, 1);
	req_on_gone(r, on_gone);
	req_on_end(r, on_end);
	struct err refused = {0};
	const char *resumes = req_resumes(r); // admitted then
	if (resumes == NULL && gw_admit(c, &refused) != ERR_OK) {
		gw_fail(c, &refused);
		return;
	}
	struct task_run *run = task_run_new(r->agent->tasks);
	_Static_assert(TASK_IDEM_MAX == IDEMPOTENCY_KEY_MAX, "what is taken is kept whole");
	snprintf(run->t.idem, sizeof(run->t.idem), "%.*s", SLICE_FMT(key));
	fill_run(c, want, run);
	if (resumes != NULL) {
		run->resumes = true;
		snprintf(run->t.id, sizeof(run->t.id), "%s", resumes);
	}
	post_run(c, run, async);
	req_suspend(r);
}

static void release_str(void *arg)
{
	str_release(arg);
}

static void serve(struct req *r, enum offer offer, const struct feature_obj *f)
{
	struct gw_call *c = gw_call_new(gw_loop_of(r));
	struct str *form = arena_zalloc(&r->arena, 1, sizeof(*form));
	struct err err = {0};
	arena_defer(&r->arena, release_str, form);
	c->r = r;
	enum err_code code = image_read_call(slice_of(req_header(r, "Content-Type")), r->body,
		offer, f == NULL, form, &c->in, &err);
	if (code == ERR_OK)
		code = prompt_judge(&c->in, &err);
	struct image_want want;
	if (code == ERR_OK)
		code = image_read(&c->in, (int64_t)(gw_random(c->gl) >> 1), &want, &err);
	if (code == ERR_OK) {
		c->feature = f != NULL ? f
				       : snapshot_model_for(r->snap, slice_of(c->in.model), offer);
		if (c->feature == NULL)
			code = err_field(&err, ERR_MODEL_NOT_FOUND, "model", NULL);
	}
	if (code == ERR_OK)
		go(c, &want, &err);
	if (err.code == ERR_OK)
		return;
	gw_call_free(c);
	req_fail(r, &err);
}

void h_images(struct req *r)
{
	serve(r, OFFER_IMAGES, NULL);
}

void h_image_edits(struct req *r)
{
	serve(r, OFFER_IMAGE_EDITS, NULL);
}

void tasks_invoke(struct req *r, const struct feature_obj *f)
{
	serve(r, (enum offer)f->doc.endpoint, f);
}
