// SPDX-License-Identifier: MIT
// One submit: sent once its intention is kept, never twice, and what its end says of the candidate
// and of the work.
#include "agent/tasks/submit.h"

#include <stdio.h>
#include "agent/call/attempt.h"
#include "agent/call/exchange.h"
#include "agent/protocol/images.h"
#include "agent/protocol/scrub.h"
#include "agent/protocol/wish.h"
#include "agent/tasks/attempt.h"
#include "agent/tasks/end.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/keep.h"
#include "agent/tasks/part.h"
#include "agent/tasks/relay.h"
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/text.h"

#define SUBMIT_FIRST_BYTE_MS 60000 // a task's id comes at once

// ---- the end of a submit ----

// Nobody can tell whether it was accepted.
static void doubtful(struct task_run *r, enum err_code code)
{
	if (r->tries.cand->key == NULL) { // one's own bills nothing
		task_booked(r, OUT_FAILED, false, NULL);
		task_next_candidate(r);
		return;
	}
	task_booked(r, OUT_FAILED, true, NULL);
	task_part_over(r, TASK_UNKNOWN);
	task_call_end(r);
	task_blame(r, code, NULL);
	task_wake(r);
}

static bool certain(enum up_end end)
{
	return end == UP_CONNECT || end == UP_FORBIDDEN || end == UP_TIMEOUT_CONNECT ||
		end == UP_NO_ROOM;
}

static void submit_failed(struct task_run *r, enum up_end end, int status)
{
	struct ending e = attempt_failed(&r->tries, end, status);
	r->at[r->part].sent = !r->tries.unsent;
	task_attempt_over(r, &e);
	if (!certain(end)) {
		doubtful(r,
			up_end_code(end) == ERR_UNREACHABLE ? ERR_UPSTREAM_BAD_RESPONSE
							    : up_end_code(end));
		return;
	}
	task_booked(r, OUT_FAILED, false, NULL);
	task_next_candidate(r);
}

// Statuses of things in between, which say nothing of the one behind them.
static bool is_doubtful(int status)
{
	return status == 408 || status == 502 || status == 504 || status >= 520;
}

static void submit_refused(struct task_run *r, int status, struct slice retry_after,
	struct slice body)
{
	if (status != 0 && status < 400) { // a redirect is never followed
		submit_failed(r, UP_OK, status);
		return;
	}
	struct ending e = attempt_refused(&r->tries, task_assumed(r), status, retry_after, body);
	task_attempt_over(r, &e);
	if (is_doubtful(status) && !r->tries.error.final) {
		doubtful(r,
			r->tries.error.code == ERR_UPSTREAM_TIMEOUT ? ERR_UPSTREAM_TIMEOUT
								    : ERR_UPSTREAM_BAD_RESPONSE);
		return;
	}
	task_booked(r, r->tries.error.outcome, false, NULL);
	if (!r->tries.error.final) {
		task_next_candidate(r);
		return;
	}
	task_keep_refusal(r);
	task_part_over(r, TASK_FAILED);
	task_call_end(r);
	if (r->t.parts_n == 1)
		task_fail(r, TASK_FAILED, r->tries.error.code,
			r->tries.error.message[0] != '\0' ? r->tries.error.message : NULL);
	else
		task_wake(r);
}

static void accepted(struct task_run *r)
{
	struct task_part *p = &r->t.part[r->part];
	int64_t now = loop_now_us(r->e->loop);
	snprintf(p->id, sizeof(p->id), "%s", r->e->result.id);
	p->state = TASK_RUNNING;
	r->at[r->part].began_us = now;
	r->at[r->part].next_us = now + r->e->agent->settings->task_poll_ms * 1000;
	task_state(r, TASK_RUNNING);
	task_call_end(r);
	task_store(r, NULL, task_kept);
}

static void take_answer(struct task_run *r, const struct upstream_response *res, struct slice body)
{
	const struct image_adapter *a = image_adapter_for(r->tries.cand);
	const struct ending ok = {.out = OUT_OK, .status = res->status, .end = "ok"};
	struct image_want want = {.format = r->t.format, .n = r->t.part[r->part].n};
	image_result_clear(&r->e->result);
	switch (image_submitted(a, &want, body, &r->e->result)) {
	case IMAGE_ACCEPTED:
		if (scrub_holds(slice_of(r->e->result.id), task_secret(r))) {
			submit_failed(r, UP_OK, res->status); // an id is kept and shown
			return;
		}
		task_attempt_over(r, &ok);
		accepted(r);
		return;
	case IMAGE_DONE:
		task_attempt_over(r, &ok);
		task_booked(r, OUT_OK, true, &r->e->result.usage);
		task_take_items(r, r->part);
		task_call_end(r);
		task_part_done(r);
		return;
	case IMAGE_FAILED: // behind partial pictures nobody can tell what it cost
		submit_refused(r,
			r->e->result.status == 0 && r->relay.shown > 0 ? 502 : r->e->result.status,
			(struct slice){NULL, 0}, r->e->result.error);
		return;
	default:
		submit_failed(r, UP_OK, res->status);
	}
}

// Kept as it came until it may be taken.
static void keep_late(struct task_run *r, enum up_end end, const struct upstream_response *res,
	struct slice body)
{
	struct task_late *late = r->late = mem_zalloc(1, sizeof(*late));
	late->end = end;
	late->status = res->status;
	late->ms = (loop_now_us(r->e->loop) - r->tries.begun_us) / 1000;
	str_add_slice(&late->retry_after, res->retry_after);
	str_add_slice(&late->body, body);
	if (r->e->tell_late != NULL)
		r->e->tell_late(r);
}

void task_submit_ended(struct task_run *r, enum up_end end, const struct upstream_response *res,
	struct slice body)
{
	r->up = NULL;
	if (UNLIKELY(r->e->frozen && r->durable)) {
		keep_late(r, end, res, body);
		return;
	}
	r->doing = DOING_NOTHING;
	atomic_fetch_sub(&r->e->submitting, 1);
	if (end != UP_OK)
		submit_failed(r, end, res->status);
	else if (res->status < 200 || res->status > 299)
		submit_refused(r, res->status, res->retry_after, body);
	else
		take_answer(r, res, body);
}

static void on_submitted(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	task_submit_ended(arg, end, res, body);
}

static const struct upstream_callbacks submit_callbacks = {.done = on_submitted};

// ---- sending ----

// Attempts that are over point to the names: a task may be judged the same again and again.
static void name_dropped(struct task_run *r, struct slice names)
{
	const char *before = r->tries.dropped;
	if (names.n == 0)
		r->tries.dropped = NULL;
	else if (before == NULL || !slice_eq_str(names, before))
		r->tries.dropped = arena_slice(&r->told, names);
}

enum err_code task_ask(struct task_run *r, const struct feature *f, const struct candidate *c,
	int64_t first, int64_t n, struct err *err)
{
	const struct image_adapter *a = image_adapter_for(c);
	struct image_want want;
	struct image_submit s = {.want = &want, .feature = f, .cand = c, .first = first, .n = n};
	struct str names = STR_INIT;
	gw_clear_ask(&r->send);
	enum err_code code = image_read_call(str_slice(&r->type), str_slice(&r->body), r->t.offer,
		false, &r->e->form, &r->e->call, err);
	if (code == ERR_OK)
		code = image_read(&r->e->call, r->draw, &want, err);
	if (code == ERR_OK && !wish_judge(&r->e->call, c, &names, err))
		code = err->code;
	name_dropped(r, code == ERR_OK ? str_slice(&names) : (struct slice){NULL, 0});
	str_release(&names);
	if (code == ERR_OK)
		code = a->submit(&s, &r->send, err);
	if (code == ERR_OK)
		snprintf(r->t.note, sizeof(r->t.note), "%s", s.note);
	return code;
}

static void submit_now(struct task_run *r)
{
	const struct feature *f = &r->tries.feature->doc;
	const struct image_adapter *a = image_adapter_for(r->tries.cand);
	r->life_s = a->life_s;
	r->doing = DOING_SUBMIT;
	r->relay.done = task_submit_ended;
	r->at[r->part].sent = true;
	atomic_fetch_add(&r->e->submitting, 1);
	struct task_exchange x = {.url = r->tries.cand->url,
		.body_max = GW_ANSWER_MAX,
		.once = true,
		.first_byte_ms = f->timeouts.first_byte_ms,
		.total_ms = f->timeouts.total_ms,
		.cb = r->send.stream ? &task_relay_callbacks : &submit_callbacks};
	if (!a->sync)
		x.first_byte_ms = MIN_OF(x.first_byte_ms, SUBMIT_FIRST_BYTE_MS);
	task_call(r, &x);
}

void task_intended(struct task_run *r, enum err_code code)
{
	if (code == ERR_OK) {
		submit_now(r);
		return;
	}
	// It could not be written: nothing was sent.
	const struct image_adapter *a = image_adapter_for(r->tries.cand);
	bool may = !r->stored && !r->async && r->t.idem[0] == '\0' &&
		code != ERR_IDEMPOTENCY_MISMATCH;
	if (may && a->sync) {
		r->durable = false;
		submit_now(r);
		return;
	}
	task_unadmit(r);
	if (may) { // another one may answer at once
		r->unkept = code;
		task_next_candidate(r);
		return;
	}
	task_call_end(r);
	if (!r->stored) {
		task_fail(r, TASK_FAILED, code, NULL);
		return;
	}
	r->t.part[r->part].state = TASK_QUEUED; // it waits on until the store takes it
	task_state(r, TASK_QUEUED);
	task_queue(r);
}
