// SPDX-License-Identifier: MIT
// An end is committed before anybody hears of it. While the store fails callers are told all the
// same, and the row, which still says that it runs, is written again until it is right.
#include "agent/tasks/end.h"

#include <stdio.h>
#include "agent/tasks/answer.h"
#include "agent/tasks/keep.h"
#include "agent/tasks/part.h"
#include "agent/tasks/slot.h"
#include "shared/clock.h"
#include "shared/text.h"

#define RETRY_SAVE_US INT64_C(1000000)

void task_part_done(struct task_run *r)
{
	size_t over = 0;
	r->t.part[r->part].state = TASK_SUCCEEDED;
	r->at[r->part].unsaved = true;
	task_slot_free(r, r->part);
	for (size_t i = 0; i < r->t.parts_n; i++)
		over += task_is_over(r->t.part[i].state);
	if (over == r->t.parts_n && task_next_fetch(r) < 0) {
		task_wake(r);
		return;
	}
	task_state(r, TASK_RUNNING);
	task_store(r, NULL, task_kept);
}

// ---- the answer ----

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
		if (it->fetch.n > 0 &&
			!it->same) { // paid for, and still there for who can reach it
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

// ---- the end ----

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
		task_answer_fail(a);
	if (!r->over) { // not again when it is only saved again
		const char *const labels[] = {r->t.feature, task_state_names[r->t.state], NULL};
		a->agent = r->e->agent;
		metric_add(a->agent->metrics, MET_TASKS, 1, labels);
		if (task_part_in(&r->t, TASK_UNKNOWN) >= 0)
			atomic_fetch_add(&a->agent->tasks_unknown, 1);
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
	r->t.until_ms = 0;
	if (s == TASK_SUCCEEDED) {
		int64_t life_ms = r->life_s > 0 ? r->life_s * 1000 : TASK_RESULT_MS;
		r->t.until_ms = now + MIN_OF(life_ms, TASK_RESULT_MS);
		write_body(r, &body);
	}
	loop_timer_clear(r->e->loop, &r->timer);
	task_store(r, &body, ended);
}

static enum err_code code_of(enum task_state s)
{
	return s == TASK_UNKNOWN     ? ERR_OUTCOME_UNKNOWN
		: s == TASK_CANCELED ? ERR_CANCELED
		: s == TASK_EXPIRED  ? ERR_GONE
				     : ERR_UPSTREAM_BAD_RESPONSE;
}

// Pictures of parts that came to nothing say why.
static void say_why(struct task_run *r, const struct task_part *p)
{
	const struct task *t = &r->t;
	enum err_code code = p->state == TASK_FAILED && t->code != ERR_OK ? t->code
									  : code_of(p->state);
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
		char why[ERR_TEXT_MAX];
		snprintf(why, sizeof(why), _("the pictures were made but could not be fetched: %s"),
			r->item_v[0].message);
		s = TASK_FAILED;
		task_blame(r, ERR_UPSTREAM_BAD_RESPONSE, why);
	}
	if (s == TASK_SUCCEEDED)
		t->code = ERR_OK;
	else if (t->code == ERR_OK)
		task_blame(r, code_of(s), NULL);
	end_as(r, s);
}

void task_fail(struct task_run *r, enum task_state s, enum err_code code, const char *text)
{
	struct task *t = &r->t;
	task_blame(r, code, text);
	if (r->tries.error.final && r->tries.error.code == code)
		t->status = r->tries.error.status;
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
		task_refuse(r);
		return;
	}
	end_as(r, s);
}
