// SPDX-License-Identifier: MIT
// Lends itself what the first feature with this target says of it (model, protocol, times), and whatever
// any of them forbids; where none has it the catalogue says which model is asked for.
#include "agent/state/direct.h"

#include <stdatomic.h>
#include <string.h>
#include "agent/state/private.h"

bool direct_has_key(const struct snapshot *s, const char *vendor, const char *service)
{
	char buf[2 * ID_MAX + 16];
	const struct group *g = pmap_get(s->groups,
		snapshot_group_key(vendor, service, buf, sizeof(buf)));
	struct pmap_it it = {0};
	void *obj;
	while (g != NULL && pmap_next(g->members, &it, NULL, &obj))
		if (((const struct key_obj *)obj)->doc.enabled)
			return true;
	return false;
}

static const struct target *target_of(const struct feature *f, const struct vendor_row *row)
{
	for (size_t i = 0; i < f->targets.n; i++) {
		const struct target *t = &((const struct target *)f->targets.v)[i];
		if (t->kind == TARGET_VENDOR && t->enabled && t->vendor != NULL &&
			strcmp(t->vendor, row->vendor) == 0 &&
			strcmp(t->service, row->service) == 0)
			return t;
	}
	return NULL;
}

// The first by name of those that offer it by this target.
static struct feature_obj *lender_of(const struct snapshot *s, const struct vendor_row *row,
	enum offer offer)
{
	struct feature_obj *best = NULL;
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(s->features, &it, NULL, &obj)) {
		struct feature_obj *f = obj;
		if (f->doc.enabled && f->doc.endpoint == (int)offer &&
			target_of(&f->doc, row) != NULL &&
			(best == NULL || strcmp(f->doc.name, best->doc.name) < 0))
			best = f;
	}
	return best;
}

static bool is_local_only(const struct snapshot *s, const struct vendor_row *row)
{
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(s->features, &it, NULL, &obj)) {
		const struct feature *f = &((const struct feature_obj *)obj)->doc;
		if (f->data_policy == DATA_LOCAL_ONLY &&
			feature_concerns(f, TARGET_VENDOR, row->vendor, row->service))
			return true;
	}
	return false;
}

static uint64_t life_of(const struct snapshot *s, struct live *l)
{
	uint64_t life = atomic_load(&l->life);
	if (life == 0) {
		life = live_next(s->live, 0, LIVE_NEW_OBJECT);
		live_follow(l, life, LIVE_NEW_OBJECT);
	}
	return life;
}

static struct feature_obj *make_one(const struct snapshot *s, struct direct *d,
	const struct vendor_row *row, enum offer offer)
{
	struct arena *a = &d->o.arena;
	struct feature_obj *f = arena_zalloc(a, 1, sizeof(*f)), *from = lender_of(s, row, offer);
	struct target *t = arena_zalloc(a, 1, sizeof(*t));
	const char *name = arena_printf(a, "%s/%s", row->vendor, row->service);
	field_defaults(&feature_fields, &f->doc);
	field_defaults(&target_fields, t);
	t->order = 1;
	if (from != NULL) {
		object_hold(from);
		arena_defer(&d->o.arena, object_drop, from);
		f->doc.timeouts = from->doc.timeouts;
		f->doc.retry = from->doc.retry;
		f->doc.cooldown = from->doc.cooldown;
		f->doc.regions = from->doc.regions;
		f->doc.force_upstream_stream = from->doc.force_upstream_stream;
		*t = *target_of(&from->doc, row);
	}
	t->id = name;
	t->kind = TARGET_VENDOR;
	t->vendor = row->vendor;
	t->service = row->service;
	t->weight = 1;
	if (t->upstream_model ==
		NULL) // else the caller's text would be asked for, which is this name
		t->upstream_model = vendor_model(row, offer);
	f->doc.name = name;
	f->doc.endpoint = (int)offer;
	f->doc.enabled = true;
	f->doc.auto_join = false;
	f->doc.data_policy = is_local_only(s, row) ? DATA_LOCAL_ONLY : DATA_ANY;
	f->doc.targets = (struct objv){.v = t, .n = 1};
	f->route = arena_printf(a, "%s %s", name, offer_names[offer]);
	f->live = live_hold(a, s->live, LIVE_FEATURE, name);
	f->life = life_of(s, f->live);
	f->target_live = arena_zalloc(a, 1, sizeof(*f->target_live));
	f->target_live[0] = live_hold(a, s->live, LIVE_TARGET,
		arena_printf(a, "%s|%s", name, name));
	f->target_life = arena_zalloc(a, 1, sizeof(*f->target_life));
	f->target_life[0] = life_of(s, f->target_live[0]);
	return f;
}

struct direct *direct_make(const struct snapshot *s, const char *vendor, const char *service)
{
	const struct vendor_row *row = vendor_find(slice_of(vendor), slice_of(service));
	if (row == NULL || row->local || !direct_has_key(s, vendor, service))
		return NULL;
	struct direct *d = object_new(sizeof(*d));
	for (int i = 0; i < OFFER_COUNT; i++) {
		bool translated = i == OFFER_RESPONSES && d->as[OFFER_CHAT] != NULL;
		if (translated)
			d->as[i] = d->as[OFFER_CHAT];
		else if (row->offers >> i & 1)
			d->as[i] = make_one(s, d, row, (enum offer)i);
		if (d->first == NULL)
			d->first = d->as[i];
	}
	return d;
}
