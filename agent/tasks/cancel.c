// SPDX-License-Identifier: MIT
// What waits is stopped here, what the vendor has taken by the vendor, if it can and as long as it
// has not begun. A submit under way is never stopped: nobody could tell what became of it.
#include "agent/tasks/cancel.h"

#include "agent/protocol/images.h"
#include "agent/tasks/answer.h"
#include "agent/tasks/attempt.h"
#include "agent/tasks/canceler.h"
#include "agent/tasks/end.h"
#include "agent/tasks/exchange.h"

static void on_canceled(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body UNUSED, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	bool done = end == UP_OK && res->status >= 200 && res->status < 300;
	r->up = NULL;
	r->doing = DOING_NOTHING;
	task_call_end(r);
	if (done)
		task_part_over(r, TASK_CANCELED);
	else // it has begun: it will be finished, and billed
		task_cancel_tell(r, ERR_NOT_CANCELABLE);
	task_wake(r);
}

static void cancel_upstream(struct task_run *r, size_t part)
{
	static const struct upstream_callbacks callbacks = {.done = on_canceled};
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	const struct url *url = a != NULL && a->cancel != NULL ? task_take_upstream(r) : NULL;
	r->part = part;
	if (url == NULL) {
		task_call_end(r);
		task_cancel_tell(r, ERR_NOT_CANCELABLE);
		task_wake(r);
		return;
	}
	a->cancel(url, r->t.part[part].id, &r->send);
	r->doing = DOING_CANCEL;
	task_call(r,
		&(struct task_exchange){.url = url,
			.first_byte_ms = TASK_FIRST_BYTE_MS,
			.total_ms = TASK_FIRST_BYTE_MS,
			.body_max = TASK_ANSWER_MAX,
			.cb = &callbacks});
}

void task_cancel(struct task_run *r)
{
	for (size_t i = 0; i < r->t.parts_n; i++) {
		if (r->t.part[i].state == TASK_QUEUED)
			r->t.part[i].state = TASK_CANCELED;
	}
	int running = task_part_in(&r->t, TASK_RUNNING);
	if (running >= 0) {
		cancel_upstream(r, (size_t)running);
		return;
	}
	if (task_part_in(&r->t, TASK_SUCCEEDED) >= 0 || task_part_in(&r->t, TASK_UNKNOWN) >= 0) {
		r->canceling = false; // some of it is done: that is its end
		task_wake(r);
		return;
	}
	r->tries.error.final = false;
	task_fail(r, TASK_CANCELED, ERR_CANCELED, NULL);
}

void task_cancel_ask(void *arg)
{
	struct task_canceler *c = arg;
	struct task_run *r = task_find(c->e, c->id);
	if (r == NULL || r->over || r->canceler != NULL || r->doing == DOING_SUBMIT ||
		r->t.state == TASK_SUBMITTING) {
		c->code = r == NULL || r->over ? ERR_NOT_FOUND : ERR_NOT_CANCELABLE;
		loop_post(c->loop, c->told, c);
		return;
	}
	r->canceler = c;
	r->canceling = true;
	task_wake(r);
}
