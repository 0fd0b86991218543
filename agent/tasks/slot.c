// SPDX-License-Identifier: MIT
// What a key or an instance may have at once counts parts of tasks as it counts calls, for as long
// as the vendor works on them and not just for a submit. Who left one is told by the names of the
// row.
#include "agent/tasks/slot.h"

#include "agent/tasks/target.h"

void task_slot_show(struct task_run *r, size_t part, const struct candidate *c)
{
	if (r->at[part].shown != NULL || c->pair == NULL)
		return;
	r->at[part].shown = live_take(r->e->agent->live, c->pair->kind, slice_of(c->pair->id));
	atomic_fetch_add(&r->at[part].shown->inflight, 1);
}

void task_slot_take(struct task_run *r, size_t part)
{
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	const struct key_obj *key = task_key_of(r, snap);
	const struct instance_obj *in = task_instance_of(r, snap);
	if (key == NULL && in == NULL)
		return;
	atomic_fetch_add(&(key != NULL ? key->live : in->live)->inflight, 1);
	r->at[part].slot = r->at[part].sent = true;
	const struct candidate *c = task_candidate_of(r, snap, NULL);
	if (c != NULL)
		task_slot_show(r, part, c);
}

void task_slot_free(struct task_run *r, size_t part)
{
	if (!r->at[part].slot)
		return;
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	const struct key_obj *key = task_key_of(r, snap);
	const struct instance_obj *in = task_instance_of(r, snap);
	r->at[part].slot = false;
	struct live *shown = r->at[part].shown;
	if (shown != NULL) {
		atomic_fetch_sub(&shown->inflight, 1);
		live_drop(r->e->agent->live, shown);
		r->at[part].shown = NULL;
	}
	if (key != NULL && r->at[part].sent)
		limits_release(&key->limits, key->live, r->tries.ask.tokens, -1);
	else if (key != NULL)
		limits_undo(&key->limits, key->live, r->tries.ask.tokens);
	else if (in != NULL)
		atomic_fetch_sub(&in->live->inflight, 1);
	task_wake_queue(r->e);
}
