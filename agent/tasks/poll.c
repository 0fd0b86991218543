// SPDX-License-Identifier: MIT
// After acceptance. A poll that fails costs nothing and is made again: within the life of a task
// nothing that was paid for is given up.
#include "agent/tasks/poll.h"

#include "agent/call/attempt.h"
#include "agent/protocol/images.h"
#include "agent/tasks/attempt.h"
#include "agent/tasks/end.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/part.h"
#include "agent/tasks/target.h"
#include "shared/text.h"

#define LIFE_US INT64_C(86400000000) // accepted, then unknown
#define POLLS_PER_STEP 3 // then the interval doubles
#define POLL_MAX_MS 5000
#define POLL_STEP_US INT64_C(50000) // 20 a second per account
#define UNKNOWNS_MAX 3 // the vendor does not know it, in a row
#define REFUSALS_MAX 20 // polls in a row that the upstream refuses
#define BACKOFF_MAX_US INT64_C(60000000)

static int64_t interval_us(const struct task_run *r, size_t part)
{
	int64_t ms = r->e->agent->settings->task_poll_ms;
	int steps = MIN_OF(r->at[part].polls / POLLS_PER_STEP, 16);
	return MIN_OF(ms << steps, MAX_OF(ms, POLL_MAX_MS)) * 1000;
}

// The account's polls follow each other at a distance.
static void poll_later(struct task_run *r, size_t part, int64_t us)
{
	struct task_account *a = task_account_of(r->e, r);
	int64_t at = loop_now_us(r->e->loop) + us;
	at = MAX_OF(at, a->poll_us);
	a->poll_us = MAX_OF(a->poll_us, loop_now_us(r->e->loop)) + POLL_STEP_US;
	r->at[part].next_us = at;
}

static void part_ends(struct task_run *r, enum task_state s)
{
	task_part_over(r, s);
	task_wake(r);
}

static void part_lost(struct task_run *r, enum task_state s, enum err_code code, const char *why)
{
	task_blame(r, code, why);
	part_ends(r, s);
}

// Nothing is lost by asking again, as long as somebody may answer.
static void poll_again(struct task_run *r, bool refused)
{
	size_t i = r->part;
	int64_t age = loop_now_us(r->e->loop) - r->at[i].began_us;
	int64_t us = interval_us(r, i) << MIN_OF(r->at[i].fails, 6);
	r->at[i].fails++;
	if (age > LIFE_US || (refused && r->at[i].fails > REFUSALS_MAX)) {
		part_lost(r, TASK_UNKNOWN, ERR_OUTCOME_UNKNOWN,
			refused ? _("the upstream refuses to tell how far it is")
				: _("the upstream did not answer for a day"));
		return;
	}
	poll_later(r, i, MIN_OF(us, BACKOFF_MAX_US));
	task_wake(r);
}

static void take_poll(struct task_run *r, struct slice body)
{
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	struct image_result *got = &r->e->result;
	size_t i = r->part;
	image_result_clear(got);
	enum image_end end = image_polled(a, r->t.format, r->t.part[i].id, body, got);
	if (end != IMAGE_BAD)
		r->at[i].fails = 0;
	r->at[i].unknowns = end == IMAGE_UNKNOWN ? r->at[i].unknowns + 1 : 0;
	if (end != IMAGE_DONE && end != IMAGE_FAILED)
		task_call_end(r);
	switch (end) {
	case IMAGE_DONE:
		task_take_items(r, i);
		if (task_take_candidate(r))
			task_booked(r, OUT_OK, true, &got->usage);
		task_call_end(r);
		r->life_s = a->life_s;
		task_part_done(r);
		return;
	case IMAGE_FAILED:
		if (task_take_candidate(r)) {
			attempt_read_error(&r->tries, task_assumed(r), got->status, got->error);
			task_keep_refusal(r);
		}
		task_call_end(r);
		part_ends(r, TASK_FAILED);
		return;
	case IMAGE_CANCELED:
		part_ends(r, TASK_CANCELED);
		return;
	case IMAGE_UNKNOWN:
		if (r->at[i].unknowns < UNKNOWNS_MAX) {
			poll_later(r, i, interval_us(r, i));
			task_wake(r);
			return;
		}
		part_lost(r, TASK_EXPIRED, ERR_GONE,
			_("the vendor does not know this task any more: its results are gone"));
		return;
	case IMAGE_BAD:
		poll_again(r, false);
		return;
	default:
		poll_later(r, i, interval_us(r, i));
		task_wake(r);
	}
}

static void on_polled(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	r->up = NULL;
	r->doing = DOING_NOTHING;
	r->at[r->part].polls++;
	struct gw_secret *sent = r->tries.secret;
	r->tries.secret = NULL;
	task_call_end(r);
	r->tries.secret = sent; // until it is known what must not come out of the answer
	if (end == UP_OK && res->status >= 200 && res->status < 300) {
		take_poll(r, body);
		return;
	}
	task_call_end(r);
	poll_again(r,
		end == UP_OK && res->status >= 400 && res->status < 500 && res->status != 408 &&
			res->status != 429);
}

void task_poll(struct task_run *r, size_t part)
{
	static const struct upstream_callbacks callbacks = {.done = on_polled};
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	const struct url *url = task_take_upstream(r);
	r->part = part;
	if (url == NULL || a == NULL || a->poll == NULL) { // it may come back
		task_call_end(r);
		poll_again(r, false);
		return;
	}
	a->poll(url, r->t.part[part].id, &r->send);
	r->doing = DOING_POLL;
	task_call(r,
		&(struct task_exchange){.url = url,
			.first_byte_ms = TASK_FIRST_BYTE_MS,
			.total_ms = 2 * TASK_FIRST_BYTE_MS,
			.body_max = TASK_ANSWER_MAX,
			.cb = &callbacks});
}
