// SPDX-License-Identifier: MIT
// What the live records of a snapshot's objects stand for: see live_follow.
#include "agent/state/private.h"

#include <string.h>

void snapshot_again_drop(struct snapshot *s)
{
	for (size_t i = 0; i < s->again.n; i++)
		object_drop(s->again.v[i].obj);
	VEC_RELEASE(&s->again);
}

void snapshot_live_on(struct snapshot *s)
{
	for (size_t i = 0; i < s->again.n; i++)
		if (s->again.v[i].what != LIVE_GONE)
			live_follow(s->again.v[i].live, s->again.v[i].life, s->again.v[i].what);
}

// Another life than `before`. A record that was just made begins with it; any other follows when this
// is published, which may not come about.
static uint64_t live_anew(struct snapshot *s, void *obj, struct live *l, uint64_t before,
	enum live_again what)
{
	struct snapshot_again a = {obj, l, live_next(s->live, before, what), what};
	if (atomic_load(&l->life) == 0) {
		live_follow(l, a.life, what);
		return a.life;
	}
	object_hold(obj);
	VEC_PUSH(&s->again, a);
	return a.life;
}

static void tell(struct snapshot *s, struct feature_obj *f, enum live_again what)
{
	struct snapshot_again a = {f, f->live, f->life, what};
	object_hold(f);
	VEC_PUSH(&s->again, a);
}

void snapshot_feature_gone(struct snapshot *s, struct feature_obj *f)
{
	tell(s, f, LIVE_GONE);
}

static bool same_url(const struct url *a, const struct url *b)
{
	return text_same(a->origin, b->origin) && text_same(a->path, b->path);
}

void snapshot_key_lives(struct snapshot *s, struct key_obj *k)
{
	struct slice id = slice_of(k->doc.id);
	const struct key_obj *old = pmap_get(s->keys, id);
	if (old == NULL && s->before != NULL)
		old = pmap_get(s->before->keys, id);
	if (old == NULL || old->doc.created_at != k->doc.created_at)
		k->life = live_anew(s, k, k->live, 0, LIVE_NEW_OBJECT);
	else if (!same_url(&old->url, &k->url) || !text_same(old->doc.region, k->doc.region))
		k->life = live_anew(s, k, k->live, old->life, LIVE_NEW_ADDRESS);
	else if (old->row_version != k->row_version)
		k->life = live_anew(s, k, k->live, old->life, LIVE_NEW_SECRET);
	else
		k->life = old->life;
}

void snapshot_instance_lives(struct snapshot *s, struct instance_obj *in, struct slice name)
{
	const struct instance_obj *old = pmap_get(s->instances, name);
	if (old == NULL && s->before != NULL)
		old = pmap_get(s->before->instances, name);
	if (old == NULL || old->doc.created_at != in->doc.created_at)
		in->life = live_anew(s, in, in->live, 0, LIVE_NEW_OBJECT);
	else if (!same_url(&old->url, &in->url))
		in->life = live_anew(s, in, in->live, old->life, LIVE_NEW_ADDRESS);
	else
		in->life = old->life;
}

// The same target is one of the same id that leads to the same place.
static uint64_t target_life(const struct feature_obj *old, const struct target *t)
{
	for (size_t i = 0; old != NULL && i < old->doc.targets.n; i++) {
		const struct target *was = &((const struct target *)old->doc.targets.v)[i];
		if (text_same(was->id, t->id) && was->kind == t->kind &&
			text_same(was->vendor, t->vendor) && text_same(was->service, t->service))
			return old->target_life[i];
	}
	return 0;
}

void snapshot_feature_lives(struct snapshot *s, struct feature_obj *f)
{
	struct slice name = slice_of(f->doc.name);
	const struct feature_obj *old = pmap_get(s->features, name);
	if (old == NULL && s->before != NULL)
		old = pmap_get(s->before->features, name);
	if (old != NULL && old->doc.created_at != f->doc.created_at)
		old = NULL;
	f->life = old != NULL ? old->life : live_anew(s, f, f->live, 0, LIVE_NEW_OBJECT);
	if (old == NULL)
		tell(s, f, LIVE_NEW_OBJECT);
	for (size_t i = 0; i < f->doc.targets.n; i++) {
		f->target_life[i] = target_life(old, &((const struct target *)f->doc.targets.v)[i]);
		if (f->target_life[i] == 0)
			f->target_life[i] = live_anew(s, f, f->target_live[i], 0, LIVE_NEW_OBJECT);
	}
}
