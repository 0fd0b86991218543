// SPDX-License-Identifier: MIT
// Makes the next snapshot: shares what stays, takes over what is put, and has every route that a
// change concerns built anew.
#include "agent/state/build.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state/caller.h"
#include "agent/state/direct.h"
#include "agent/state/private.h"
#include "shared/mem.h"

static const struct pmap_ops object_ops = {object_hold, object_drop};

void object_put(struct pmap *m, struct slice key, void *obj)
{
	pmap_add(m, key, obj, &object_ops);
}

static void del(struct pmap *m, struct slice key, const struct pmap_ops *ops)
{
	struct pmap next = pmap_del(*m, key, ops);
	pmap_release(*m, ops);
	*m = next;
}

void object_del(struct pmap *m, struct slice key)
{
	del(m, key, &object_ops);
}

static void group_hold(void *value)
{
	((struct group *)value)->refs++;
}

static void group_drop(void *value)
{
	struct group *g = value;
	if (--g->refs)
		return;
	pmap_release(g->members, &object_ops);
	free(g);
}

static void cell_hold(void *value)
{
	((struct route_cell *)value)->refs++;
}

static void cell_drop(void *value)
{
	struct route_cell *c = value;
	if (--c->refs)
		return;
	if (c->was != NULL)
		cell_drop(c->was);
	route_box_free(atomic_load(&c->box));
	free(c);
}

// One that is built needs nothing of what was before it, so that no more than one is kept.
static struct route_cell *cell_before(struct route_cell *old)
{

	if (old == NULL)
		return NULL;
	struct route_cell *was;
	if (atomic_load(&old->box) != NULL) {
		was = old->was;
		old->was = NULL;
		if (was != NULL)
			cell_drop(was);
		was = old;
	} else {
		was = old->was;
	}
	if (was != NULL)
		cell_hold(was);
	return was;
}

static const struct pmap_ops group_ops = {group_hold, group_drop};
static const struct pmap_ops cell_ops = {cell_hold, cell_drop};

// ---- life of a snapshot ----

struct snapshot *snapshot_new(struct live_table *live)
{
	struct snapshot *s = mem_zalloc(1, sizeof(*s));
	s->live = live;
	return s;
}

struct snapshot *snapshot_fork(const struct snapshot *from)
{
	struct snapshot *s = snapshot_new(from->live);
	s->revision = from->revision;
	s->lineage = from->lineage;
	s->published_wall_ms = from->published_wall_ms;
	s->store_state = from->store_state;
	s->sealed = from->sealed;
	s->features = pmap_share(from->features);
	s->aliases = pmap_share(from->aliases);
	s->directs = pmap_share(from->directs);
	s->calls_directs = from->calls_directs;
	s->keys = pmap_share(from->keys);
	s->key_refs = pmap_share(from->key_refs);
	s->instances = pmap_share(from->instances);
	s->tokens = pmap_share(from->tokens);
	s->clients = pmap_share(from->clients);
	s->client_names = pmap_share(from->client_names);
	s->clients_required = from->clients_required;
	s->policy_revision = from->policy_revision;
	s->alert_rules = pmap_share(from->alert_rules);
	s->prices = pmap_share(from->prices);
	s->key_prices = from->key_prices;
	s->groups = pmap_share(from->groups);
	s->routes = pmap_share(from->routes);
	for (size_t i = 0; i < from->again.n; i++) {
		object_hold(from->again.v[i].obj);
		VEC_PUSH(&s->again, from->again.v[i]);
	}
	return s;
}

void snapshot_free(struct snapshot *s)
{
	if (s == NULL)
		return;
	snapshot_again_drop(s);
	pmap_release(s->routes, &cell_ops);
	pmap_release(s->groups, &group_ops);
	pmap_release(s->prices, &object_ops);
	pmap_release(s->aliases, &object_ops);
	pmap_release(s->directs, &object_ops);
	pmap_release(s->features, &object_ops);
	pmap_release(s->key_refs, &object_ops);
	pmap_release(s->keys, &object_ops);
	pmap_release(s->instances, &object_ops);
	pmap_release(s->tokens, &object_ops);
	pmap_release(s->client_names, &object_ops);
	pmap_release(s->clients, &object_ops);
	pmap_release(s->alert_rules, &object_ops);
	free(s);
}

// ---- changing a fork ----

static void group_change(struct snapshot *s, const char *kind, const char *name, struct slice id,
	void *obj)
{
	char buf[2 * ID_MAX + 16];
	struct slice key = snapshot_group_key(kind, name, buf, sizeof(buf));
	const struct group *old = pmap_get(s->groups, key);
	struct group *g = mem_zalloc(1, sizeof(*g));
	struct pmap members = old != NULL ? old->members : (struct pmap){0};
	g->refs = 1;
	g->members = obj != NULL ? pmap_put(members, id, obj, &object_ops)
				 : pmap_del(members, id, &object_ops);
	pmap_add(&s->groups, key, g, &group_ops);
	group_drop(g);
}

static void new_cell(struct snapshot *s, const char *name)
{
	struct route_cell *c = mem_zalloc(1, sizeof(*c));
	c->refs = 1;
	c->was = cell_before(pmap_get(s->routes, slice_of(name)));
	pmap_add(&s->routes, slice_of(name), c, &cell_ops);
	cell_drop(c);
}

// ---- what is called by vendor and service ----

static void direct_cells(struct snapshot *s, const struct direct *d, bool gone)
{
	for (int i = 0; i < OFFER_COUNT; i++) {
		if (d->as[i] == NULL || d->as[i]->doc.endpoint != i)
			continue;
		if (gone)
			del(&s->routes, slice_of(d->as[i]->route), &cell_ops);
		else
			new_cell(s, d->as[i]->route);
	}
}

// renew: what features say of the target may have changed, else only its keys did.
static void touch_direct(struct snapshot *s, const char *vendor, const char *service, bool renew)
{
	char buf[2 * ID_MAX + 16];
	struct slice name = snapshot_group_key(vendor, service, buf, sizeof(buf));
	struct direct *old = pmap_get(s->directs, name);
	if (!s->calls_directs || (renew && old == NULL))
		return;
	if (!renew && old != NULL && direct_has_key(s, vendor, service)) {
		direct_cells(s, old, false);
		return;
	}
	struct direct *d = direct_make(s, vendor, service);
	if (d == NULL) {
		if (old != NULL)
			direct_cells(s, old, true);
		object_del(&s->directs, name);
		return;
	}
	object_put(&s->directs, name, d);
	direct_cells(s, d, false);
	object_drop(d);
}

static void touch_directs_of(struct snapshot *s, const struct feature *f)
{
	for (size_t i = 0; i < f->targets.n; i++) {
		const struct target *t = &((const struct target *)f->targets.v)[i];
		if (t->kind == TARGET_VENDOR && t->vendor != NULL)
			touch_direct(s, t->vendor, t->service, true);
	}
}

// Routes of the features that may choose this key are built anew.
static void touch_key(struct snapshot *s, const struct vendor_key *k)
{
	struct pmap_it it = {0};
	void *obj;
	struct pmap features = pmap_share(s->features);
	while (pmap_next(features, &it, NULL, &obj)) {
		const struct feature *f = &((struct feature_obj *)obj)->doc;
		bool hit = k->service != NULL &&
			feature_concerns(f, TARGET_VENDOR, k->vendor, k->service);
		for (size_t i = 0; !hit && i < k->services.n; i++)
			hit = feature_concerns(f, TARGET_VENDOR, k->vendor, k->services.v[i]);
		if (hit)
			new_cell(s, f->name);
	}
	pmap_release(features, &object_ops);
}

static void touch_instance(struct snapshot *s, const struct instance *in)
{
	struct pmap_it it = {0};
	void *obj;
	struct pmap features = pmap_share(s->features);
	while (pmap_next(features, &it, NULL, &obj)) {
		const struct feature *f = &((struct feature_obj *)obj)->doc;
		if ((f->auto_join && strv_has(&in->features, f->name)) ||
			feature_concerns(f, TARGET_SELF_HOSTED, NULL, in->service))
			new_cell(s, f->name);
	}
	pmap_release(features, &object_ops);
}

// The feature and its aliases; its route stays for the one that comes instead.
static void take_out(struct snapshot *s, struct slice name)
{
	struct feature_obj *f = pmap_get(s->features, name);
	if (f == NULL)
		return;
	object_hold(f);
	for (size_t i = 0; i < f->doc.aliases.n; i++) {
		struct slice alias = slice_of(f->doc.aliases.v[i]);
		if (pmap_get(s->aliases, alias) == f)
			object_del(&s->aliases, alias);
	}
	object_del(&s->features, name);
	object_drop(f);
}

void snapshot_put_feature(struct snapshot *s, struct feature_obj *f)
{
	struct feature_obj *old = pmap_get(s->features, slice_of(f->doc.name));
	snapshot_feature_lives(s, f);
	if (old != NULL)
		object_hold(old);
	take_out(s, slice_of(f->doc.name));
	object_put(&s->features, slice_of(f->doc.name), f);
	for (size_t i = 0; i < f->doc.aliases.n; i++)
		object_put(&s->aliases, slice_of(f->doc.aliases.v[i]), f);
	new_cell(s, f->doc.name);
	if (old != NULL)
		touch_directs_of(s, &old->doc);
	touch_directs_of(s, &f->doc);
	object_drop(old);
	object_drop(f);
}

void snapshot_del_feature(struct snapshot *s, struct slice name)
{
	struct feature_obj *f = pmap_get(s->features, name);
	if (f == NULL)
		return;
	object_hold(f);
	snapshot_feature_gone(s, f);
	take_out(s, name);
	del(&s->routes, name, &cell_ops);
	touch_directs_of(s, &f->doc);
	object_drop(f);
}

static void join_key(struct snapshot *s, struct key_obj *k, void *obj)
{
	struct slice id = slice_of(k->doc.id);
	if (k->doc.service != NULL)
		group_change(s, k->doc.vendor, k->doc.service, id, obj);
	for (size_t i = 0; i < k->doc.services.n; i++)
		group_change(s, k->doc.vendor, k->doc.services.v[i], id, obj);
	if (k->doc.service != NULL)
		touch_direct(s, k->doc.vendor, k->doc.service, false);
	for (size_t i = 0; i < k->doc.services.n; i++)
		touch_direct(s, k->doc.vendor, k->doc.services.v[i], false);
	touch_key(s, &k->doc);
	// A route holds the key that opens its instance: it is built anew whenever the key changes.
	char buf[2 * ID_MAX + 16];
	const struct group *g = pmap_get(s->groups,
		snapshot_group_key("opens", k->doc.id, buf, sizeof(buf)));
	struct pmap_it it = {0};
	void *value;
	while (g != NULL && pmap_next(g->members, &it, NULL, &value))
		touch_instance(s, &((const struct instance_obj *)value)->doc);
}

// Whether it is found where the other one is: by the same ref, in the same groups.
static bool stands_for(const struct key_obj *k, const struct key_obj *old)
{
	const struct vendor_key *a = &k->doc, *b = &old->doc;
	bool same = strcmp(k->ref, old->ref) == 0 && strcmp(a->vendor, b->vendor) == 0 &&
		a->services.n == b->services.n && text_same(a->service, b->service);
	for (size_t i = 0; same && i < a->services.n; i++)
		same = strcmp(a->services.v[i], b->services.v[i]) == 0;
	return same;
}

void snapshot_put_key(struct snapshot *s, struct key_obj *k)
{
	const struct key_obj *old = pmap_get(s->keys, slice_of(k->doc.id));
	snapshot_key_lives(s, k);
	if (old != NULL && !stands_for(k, old))
		snapshot_del_key(s, slice_of(k->doc.id));
	object_put(&s->keys, slice_of(k->doc.id), k);
	object_put(&s->key_refs, slice_of(k->ref), k);
	join_key(s, k, k);
	object_drop(k);
}

void snapshot_del_key(struct snapshot *s, struct slice id)
{
	struct key_obj *k = pmap_get(s->keys, id);
	if (k == NULL)
		return;
	object_hold(k);
	join_key(s, k, NULL);
	object_del(&s->key_refs, slice_of(k->ref));
	object_del(&s->keys, id);
	object_drop(k);
}

static void join_instance(struct snapshot *s, struct instance_obj *in, struct slice key, void *obj)
{
	group_change(s, "self", in->doc.service, key, obj);
	for (size_t i = 0; i < in->doc.features.n; i++)
		group_change(s, "join", in->doc.features.v[i], key, obj);
	if (in->doc.auth.type != INSTANCE_OPEN && in->doc.auth.key != NULL)
		group_change(s, "opens", in->doc.auth.key, key, obj);
	touch_instance(s, &in->doc);
}

void snapshot_put_instance(struct snapshot *s, struct instance_obj *in)
{
	char buf[INSTANCE_KEY_MAX];
	struct slice key = instance_key(slice_of(in->doc.service), slice_of(in->doc.id), buf);
	snapshot_instance_lives(s, in, key);
	snapshot_del_instance(s, slice_of(in->doc.service), slice_of(in->doc.id));
	object_put(&s->instances, key, in);
	join_instance(s, in, key, in);
	object_drop(in);
}

void snapshot_del_instance(struct snapshot *s, struct slice service, struct slice id)
{
	char buf[INSTANCE_KEY_MAX];
	struct slice key = instance_key(service, id, buf);
	struct instance_obj *in = pmap_get(s->instances, key);
	if (in == NULL)
		return;
	object_hold(in);
	join_instance(s, in, key, NULL);
	object_del(&s->instances, key);
	object_drop(in);
}

void snapshot_put_rule(struct snapshot *s, struct rule_obj *r)
{
	object_put(&s->alert_rules, slice_of(r->doc.name), r);
	object_drop(r);
}

void snapshot_del_rule(struct snapshot *s, struct slice name)
{
	object_del(&s->alert_rules, name);
}

void snapshot_put_price(struct snapshot *s, struct price_obj *p)
{
	const struct price_obj *old = pmap_get(s->prices, slice_of(p->doc.id));
	s->key_prices += (p->doc.key != NULL) - (old != NULL && old->doc.key != NULL);
	object_put(&s->prices, slice_of(p->doc.id), p);
	object_drop(p);
}

void snapshot_del_price(struct snapshot *s, struct slice id)
{
	const struct price_obj *old = pmap_get(s->prices, id);
	s->key_prices -= old != NULL && old->doc.key != NULL;
	object_del(&s->prices, id);
}

void snapshot_prices_changed(struct snapshot *s)
{
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(s->features, &it, NULL, &obj))
		new_cell(s, ((const struct feature_obj *)obj)->doc.name);
	it = (struct pmap_it){0};
	while (pmap_next(s->directs, &it, NULL, &obj))
		direct_cells(s, obj, false);
}
