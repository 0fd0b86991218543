// SPDX-License-Identifier: MIT
// Breakers, metrics, decisions, ledger and limits learn of a task's attempt as they do of a call's;
// what it cost goes on the task's bill, too, which its end tells.
#include "agent/tasks/attempt.h"

#include <stdio.h>
#include "agent/call/attempt.h"
#include "agent/call/book.h"
#include "agent/call/cells.h"
#include "agent/state/caller.h"
#include "agent/tasks/exchange.h"
#include "agent/tasks/slot.h"
#include "shared/text.h"

// ---- what it cost ----

void task_booked(struct task_run *r, enum outcome out, bool used, const struct adapter_usage *usage)
{
	static const struct adapter_usage unknown = ADAPTER_USAGE_UNKNOWN;
	const struct adapter_usage *u = usage != NULL ? usage : &unknown;
	const struct task *t = &r->t;
	struct booking b = {.used = used,
		.told = usage,
		.usage = PRICE_USAGE_NONE,
		.model = t->model,
		.client = snapshot_client(r->tries.snap, &t->client)};
	if (used)
		b.usage = price_usage_told(u,
			u->in >= 0 && u->out >= 0 ? COST_REPORTED
				: u->images >= 0  ? COST_COUNTED
						  : COST_UNKNOWN);
	char size[48];
	if (t->width != FIELD_NONE) {
		snprintf(size, sizeof(size), "%lldx%lld", (long long)t->width,
			(long long)t->height);
		b.picture.size = size;
	}
	b.picture.quality = t->quality[0] != '\0' ? t->quality : NULL;
	attempt_book(&r->tries, &b, &(struct ending){.out = out});
}

// ---- what it says of the candidate ----

void task_attempt_over(struct task_run *r, const struct ending *e)
{
	r->tries.cells = gw_feature_of(r->e->gl, r->t.feature);
	r->tries.decision = r->t.decision;
	attempt_end(&r->tries, e, NULL);
	r->t.attempts++;
}

bool task_assumed(const struct task_run *r)
{
	return protocol_row(r->tries.cand->protocol)->offer != r->t.offer;
}

void task_keep_refusal(struct task_run *r)
{
	const struct adapter_error *e = &r->tries.error;
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
	if (enough && r->tries.n > 0 && r->t.code == ERR_OK) {
		const struct attempt *last = &r->tries.v[r->tries.n - 1];
		task_blame(r, last->code != ERR_OK ? last->code : ERR_ALL_UPSTREAMS_FAILED, NULL);
	}
	task_part_over(r, enough ? TASK_FAILED : TASK_QUEUED);
	task_call_end(r);
	task_wake(r);
}
