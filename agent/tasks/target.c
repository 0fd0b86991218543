// SPDX-License-Identifier: MIT
// A task outlives its request and the agent: a snapshot is held for an exchange alone, and in
// between key, instance and candidate are names that may stand for something else by now, or for
// nothing.
#include "agent/tasks/target.h"

#include <string.h>
#include "shared/mem.h"

#define ACCOUNTS_MAX 1024

const struct key_obj *task_key_of(const struct task_run *r, const struct snapshot *snap)
{
	return r->t.key[0] != '\0' ? snapshot_key(snap, slice_of(r->t.key)) : NULL;
}

const struct instance_obj *task_instance_of(const struct task_run *r, const struct snapshot *snap)
{
	struct slice id = slice_of(r->t.instance), service = slice_cut(&id, '/');
	return r->t.instance[0] != '\0' ? snapshot_instance(snap, service, id) : NULL;
}

const struct candidate *task_candidate_of(const struct task_run *r, const struct snapshot *snap,
	int *ret_at)
{
	const struct feature_obj *f = snapshot_feature_for(snap, slice_of(r->t.feature),
		r->t.offer);
	const struct route *route = f != NULL ? snapshot_route(snap, f) : NULL;
	for (size_t i = 0; route != NULL && i < route->n; i++) {
		if (strcmp(route->v[i].name, r->t.target) != 0)
			continue;
		if (ret_at != NULL)
			*ret_at = (int)i;
		return &route->v[i];
	}
	return NULL;
}

struct task_account *task_account_of(struct tasks *e, const struct task_run *r)
{
	const struct key_obj *key = task_key_of(r, snapshots_now(e->agent->snaps));
	bool named = key != NULL &&
		key->doc.account != NULL; // people may call it like somebody's id
	const char *name = named      ? key->doc.account
		: r->t.key[0] != '\0' ? r->t.key
				      : r->t.instance;
	struct task_account *a = e->accounts;
	while (a != NULL && (a->named != named || strcmp(a->name, name) != 0))
		a = a->next;
	if (a != NULL || (e->accounts != NULL && e->accounts_n >= ACCOUNTS_MAX))
		return a != NULL ? a : e->accounts; // beyond the limit strangers share a pace
	a = mem_zalloc(1, sizeof(*a) + strlen(name) + 1);
	a->named = named;
	memcpy(a->name, name, strlen(name) + 1);
	a->next = e->accounts;
	e->accounts = a;
	e->accounts_n++;
	return a;
}
