// SPDX-License-Identifier: MIT
// Breakers, metrics, decisions, ledger and limits learn of a task's attempt as they do of a call's;
// what it cost goes on the task's bill, too, which its end tells.
#include "agent/tasks/attempt.h"

#include <stdio.h>
#include "agent/call/account.h"
#include "agent/call/admit.h"
#include "agent/call/attempt.h"
#include "agent/call/book.h"
#include "agent/call/cells.h"
#include "agent/record/ledger.h"
#include "agent/state/caller.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/slot.h"
#include "shared/clock.h"
#include "shared/text.h"

// ---- what it cost ----

// A task's cost is that of all its attempts; with one of unknown cost the rest is a guess.
static void add_to_bill(struct task_bill *b, const struct price_usage *u, const struct money *m)
{
	b->spent = *u;
	if (m->source == COST_UNKNOWN)
		b->cost_unknown = true;
	else
		money_add(&b->cost, m);
	if (b->cost_unknown && b->cost.source != COST_UNKNOWN)
		b->cost.source = COST_ESTIMATED;
}

void task_booked(struct task_run *r, enum outcome out, bool used, const struct adapter_usage *usage)
{
	static const struct adapter_usage unknown = ADAPTER_USAGE_UNKNOWN;
	const struct feature_obj *f = snapshot_feature(r->snap, slice_of(r->t.feature));
	if (f == NULL || r->cand->live == NULL)
		return;
	if (usage == NULL)
		usage = &unknown;
	char size[48];
	int64_t wall = clock_wall_ms();
	const struct price *p = snapshot_price(r->snap, r->cand, f->doc.name, r->t.model, wall);
	struct ledger_entry e = {.wall_ms = wall,
		.feature = f->doc.name,
		.target = r->cand->target_name,
		.client = &r->t.client,
		.key = r->cand->live->id,
		.model = r->t.model,
		.first = !r->booked,
		.failed = out != OUT_OK && out != OUT_CLIENT,
		.used = used,
		.paid = p != NULL && price_paid(p),
		.usage = PRICE_USAGE_NONE};
	struct price_picture picture = {
		r->quality[0] != '\0' ? r->quality : NULL, r->t.width != FIELD_NONE ? size : NULL};
	if (used) {
		snprintf(size, sizeof(size), "%lldx%lld", (long long)r->t.width,
			(long long)r->t.height);
		e.usage.in = usage->in;
		e.usage.out = usage->out;
		e.usage.cached = usage->cached;
		e.usage.images = usage->images;
		if (usage_is_absurd(usage))
			gw_usage_absurd(r->e->agent, f->doc.name, r->cand->target_name);
		e.usage.source = usage->in >= 0 && usage->out >= 0 ? COST_REPORTED
			: usage->images >= 0			   ? COST_COUNTED
								   : COST_UNKNOWN;
		e.cost = price_cost(p, &e.usage, &picture);
		gw_charge(snapshot_client(r->snap, &r->t.client), f, r->cand->key, &e.cost);
		add_to_bill(&r->bill, &e.usage, &e.cost);
	}
	r->booked = true;
	ledger_add(r->e->agent->ledger, &e);
}

// ---- what it says of the candidate ----

void task_attempt_over(struct task_run *r, enum outcome out, int status, enum err_code code,
	const char *end, bool unreachable, int64_t cooldown_us)
{
	const struct feature_obj *f = snapshot_feature(r->snap, slice_of(r->t.feature));
	int64_t now = loop_now_us(r->e->loop), us = now - r->try_us;
	const struct attempt_end e = {.out = out,
		.unreachable = unreachable,
		.status = status != 0 ? status : -(int)code,
		.now_us = now,
		.wall_ms = clock_wall_ms(),
		.us = us,
		.cooldown_us = cooldown_us};
	// Of a feature that is gone no policy is known: what the vendor said of the key still counts.
	const struct breaker_policy p = f != NULL ? attempt_policy(&f->doc)
						  : (struct breaker_policy){0};
	bool changed = attempt_tell(r->cand, &p, &e);
	if (f != NULL && changed) {
		r->e->face.cand = r->cand;
		r->e->face.feature = f;
		gw_candidate_event(&r->e->face, out, status);
		r->e->face.cand = NULL;
	}
	gw_count_attempt(r->e->gl, gw_feature_of(r->e->gl, r->t.feature), r->cand, out);
	if (r->tries_n < GW_ATTEMPTS_MAX) {
		struct task_try *t = &r->tries[r->tries_n++];
		*t = (struct task_try){.status = status, .code = code, .ms = us / 1000};
		snprintf(t->target, sizeof(t->target), "%s", r->cand->name);
		snprintf(t->end, sizeof(t->end), "%s", end);
	}
	r->t.attempts++;
	decisions_attempt(r->e->agent->decisions, r->t.decision, r->cand->name, status, code,
		us / 1000);
}

void task_read_refusal(struct task_run *r, int status, struct slice body)
{
	struct adapter_error *e = &r->error;
	adapter_error_read(r->cand->key != NULL ? r->cand->key->doc.vendor
						: r->cand->instance->doc.engine,
		status, body, task_secret(r), e);
	e->outcome = gw_outcome_at(r->cand, e->outcome);
	if (e->outcome == OUT_MODEL_GONE && r->cand->target->upstream_model == NULL)
		e->outcome = OUT_CLIENT;
}

void task_keep_refusal(struct task_run *r)
{
	const struct adapter_error *e = &r->error;
	struct task *t = &r->t;
	t->code = e->code;
	t->status = e->final ? e->status : err_row(e->code)->status;
	snprintf(t->message, sizeof(t->message), "%.*s", (int)sizeof(t->message) - 1,
		e->message[0] != '\0' ? e->message : err_row(e->code)->message);
	snprintf(t->wire_type, sizeof(t->wire_type), "%s", e->type);
	snprintf(t->wire_code, sizeof(t->wire_code), "%s", e->wire_code);
}

// ---- what becomes of the part ----

void task_part_over(struct task_run *r, enum task_state s)
{
	r->t.part[r->part].state = s;
	task_slot_free(r, r->part);
}

bool task_is_fixed(const struct task_run *r)
{
	for (size_t i = 0; i < r->t.parts_n; i++) {
		if (i != r->part && r->t.part[i].state != TASK_QUEUED)
			return true;
	}
	return false;
}

// It certainly was not accepted: the part waits for another candidate. One whose neighbours have
// gone somewhere goes there or nowhere, and is not tried for ever.
void task_next_candidate(struct task_run *r)
{
	bool enough = task_is_fixed(r) && ++r->at[r->part].refused >= GW_ATTEMPTS_MAX;
	if (enough && r->tries_n > 0 && r->t.code == ERR_OK) {
		const struct task_try *last = &r->tries[r->tries_n - 1];
		task_blame(r, last->code != ERR_OK ? last->code : ERR_ALL_UPSTREAMS_FAILED, NULL);
	}
	task_part_over(r, enough ? TASK_FAILED : TASK_QUEUED);
	task_call_end(r);
	task_wake(r);
}
