// SPDX-License-Identifier: MIT
// Builds the candidates of a feature's route, for the first request that asks after a change.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state/price.h"
#include "agent/state/private.h"
#include "shared/mem.h"

void route_box_free(struct route_box *box)
{
	if (box == NULL)
		return;
	arena_release(&box->arena);
	free(box);
}

struct build {
	const struct snapshot *snap;
	const struct feature_obj *f;
	struct route_box *box;
	size_t cap;
};

static struct candidate *add(struct build *b, const struct target *t, struct live *target_live)
{
	struct route *r = &b->box->route;
	if (r->n == b->cap) {

		b->cap = b->cap ? b->cap * 2 : 8;
		struct candidate *grown = arena_alloc(&b->box->arena, b->cap * sizeof(*grown));
		if (r->n)
			memcpy(grown, r->v, r->n * sizeof(*grown));
		r->v = grown;
	}
	struct candidate *c = &r->v[r->n++];
	*c = (struct candidate){.target = t, .target_live = target_live};
	c->order = t->order != FIELD_NONE ? (int)t->order : t->kind == TARGET_VENDOR;
	c->weight = (int)t->weight;
	return c;
}

// Which protocol its upstream is asked in: the target's, else what vendor or engine speak.
static void settle_protocol(struct build *b, struct candidate *c, const char *vendor,
	const char *engine)
{
	c->protocol = c->target->protocol >= 0
		? (enum protocol)c->target->protocol
		: protocol_default(vendor, engine, (enum offer)b->f->doc.endpoint);
	c->unspoken = !protocol_row(c->protocol)->spoken;
	// An engine is not asked for what it has not, unless the target says how.
	const struct engine_row *e = engine != NULL ? engine_find(slice_of(engine)) : NULL;
	if (e != NULL && c->target->protocol < 0)
		c->unspoken |= !(e->offers >> b->f->doc.endpoint & 1);
}

static int64_t product(int64_t a, int64_t b)
{
	return MIN_OF(a * b, INT32_MAX);
}

static void vendor_candidates(struct build *b, const struct target *t, struct live *target_live)
{
	char buf[2 * ID_MAX + 16];
	const char *vendor = t->vendor != NULL ? t->vendor : "";
	struct arena *a = &b->box->arena;
	const struct group *g = pmap_get(b->snap->groups,
		snapshot_group_key(vendor, t->service, buf, sizeof(buf)));
	const char *target_name = arena_printf(a, "%s/%s", vendor, t->service);
	struct pmap_it it = {0};
	const struct vendor_row *row = vendor_find(slice_of(vendor), slice_of(t->service));
	if (g == NULL || g->members.n == 0) {
		struct candidate *c = add(b, t, target_live);
		c->name = c->target_name = target_name;
		settle_protocol(b, c, vendor, NULL);
		return;
	}
	void *obj;
	while (pmap_next(g->members, &it, NULL, &obj)) {
		const struct key_obj *k = obj;
		struct candidate *c = add(b, t, target_live);
		c->name = arena_printf(a, "%s#%s", target_name, k->doc.slug);
		c->target_name = target_name;
		c->key = k;
		c->vendor = row;
		c->sealed = b->snap->sealed;
		c->live = k->live;
		c->life = k->life;
		c->url = &k->url;
		c->tier = k->doc.tier;
		c->weight = (int)product(c->weight, k->doc.weight);
		settle_protocol(b, c, vendor, NULL);
	}
}

static void instance_candidate(struct build *b, const struct target *t, struct live *target_live,
	const struct instance_obj *in)
{
	struct candidate *c = add(b, t, target_live);
	struct arena *a = &b->box->arena;
	c->target_name = arena_printf(a, "self/%s", t->service);
	c->name = arena_printf(a, "%s#%s", c->target_name, in->doc.id);
	c->instance = in;
	c->live = in->live;
	c->life = in->life;
	c->url = &in->url;
	c->grant = snapshot_grant(b->snap, in, &c->credential);
	c->sealed = c->grant == GRANT_KEY && b->snap->sealed;
	c->weight = (int)product(c->weight, in->doc.weight);
	settle_protocol(b, c, NULL, in->doc.engine);
}

static void self_candidates(struct build *b, const struct target *t, struct live *target_live)
{
	char buf[2 * ID_MAX + 16];
	const struct group *g = pmap_get(b->snap->groups,
		snapshot_group_key("self", t->service, buf, sizeof(buf)));
	struct pmap_it it = {0};
	void *obj;
	while (g != NULL && pmap_next(g->members, &it, NULL, &obj))
		instance_candidate(b, t, target_live, obj);
}

// The target an instance joins by itself, made once per service.
static const struct target *joined_target(struct build *b, const char *service,
	struct live **ret_live)
{
	struct route *r = &b->box->route;
	struct arena *a = &b->box->arena;
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].target->kind == TARGET_SELF_HOSTED &&
			strcmp(r->v[i].target->service, service) == 0) {
			*ret_live = r->v[i].target_live;
			return r->v[i].target;
		}
	}
	struct target *t = arena_alloc(a, sizeof(*t));
	field_defaults(&target_fields, t);
	t->kind = TARGET_SELF_HOSTED;
	t->service = arena_strdup(a, service);
	t->id = arena_printf(a, "self/%s", service);
	*ret_live = live_hold(a, b->snap->live, LIVE_TARGET,
		arena_printf(a, "%s|%s", b->f->doc.name, t->id));
	live_follow(*ret_live, b->f->life, LIVE_NEW_OBJECT);
	return t;
}

static void joined_candidates(struct build *b)
{
	char buf[2 * ID_MAX + 16];
	const struct group *g = pmap_get(b->snap->groups,
		snapshot_group_key("join", b->f->doc.name, buf, sizeof(buf)));
	struct pmap_it it = {0};
	void *obj;
	while (g != NULL && pmap_next(g->members, &it, NULL, &obj)) {
		const struct instance_obj *in = obj;
		if (feature_concerns(&b->f->doc, TARGET_SELF_HOSTED, NULL, in->doc.service))
			continue; // an explicit target has it already
		struct live *live;
		const struct target *t = joined_target(b, in->doc.service, &live);
		instance_candidate(b, t, live, in);
	}
}

static int by_order(const void *x, const void *y)
{
	const struct candidate *a = x, *b = y;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->tier != b->tier)
		return a->tier < b->tier ? -1 : 1;
	return strcmp(a->name, b->name);
}

static const struct price *find_price(const struct snapshot *s, const struct candidate *c,
	const char *feature, const char *model, int64_t now_wall_ms)
{
	struct price_ask ask = {.vendor = c->target->vendor != NULL ? c->target->vendor : "self",
		.model = c->target->upstream_model != NULL ? c->target->upstream_model : model,
		.feature = feature,
		.target = c->target_name,
		.key = c->key != NULL ? c->key->ref : NULL,
		.currency = c->key != NULL ? c->key->doc.currency : NULL};
	return price_book_find(s->prices, &ask, now_wall_ms);
}

const struct price *snapshot_price(const struct snapshot *s, const struct candidate *c,
	const char *feature, const char *model, int64_t now_wall_ms)
{
	if (LIKELY(c->price && price_valid(c->price, now_wall_ms)))
		return c->price;
	if (c->price == NULL && c->target->upstream_model != NULL)
		return NULL;
	return find_price(s, c, feature, model, now_wall_ms);
}

// Thousands of keys have the price of the one before, unless there are prices of single keys.
static void price_candidates(const struct snapshot *s, const char *feature, struct route *r)
{
	const struct candidate *before = NULL;
	for (size_t i = 0; i < r->n; i++) {
		struct candidate *c = &r->v[i];
		if (c->target->upstream_model == NULL)
			continue;
		if (before != NULL && s->key_prices == 0 && c->target == before->target &&
			text_same(c->key != NULL ? c->key->doc.currency : NULL,
				before->key != NULL ? before->key->doc.currency : NULL))
			c->price = before->price;
		else
			c->price = find_price(s, c, feature, NULL, INT64_MAX);
		before = c;
	}
}

static struct route_box *build_route(const struct snapshot *s, const struct feature_obj *f)
{
	struct build b = {.snap = s, .f = f, .box = mem_zalloc(1, sizeof(*b.box))};
	b.box->route.feature = f;
	for (size_t i = 0; i < f->doc.targets.n; i++) {
		const struct target *t = &((const struct target *)f->doc.targets.v)[i];
		if (t->kind == TARGET_VENDOR)
			vendor_candidates(&b, t, f->target_live[i]);
		else
			self_candidates(&b, t, f->target_live[i]);
	}
	if (f->doc.auto_join)
		joined_candidates(&b);
	price_candidates(s, f->doc.name, &b.box->route);
	if (b.box->route.n)
		qsort(b.box->route.v, b.box->route.n, sizeof(*b.box->route.v), by_order);
	route_complete(&b.box->route, s->live, &b.box->arena);
	return b.box;
}

const struct route *snapshot_route(const struct snapshot *s, const struct feature_obj *f)
{
	struct route_cell *c = pmap_get(s->routes,
		slice_of(f->route != NULL ? f->route : f->doc.name));
	struct route_box *box = atomic_load_explicit(&c->box, memory_order_acquire), *none = NULL;
	if (box != NULL)
		return &box->route;
	box = build_route(s, f);
	if (!atomic_compare_exchange_strong(&c->box, &none, box)) {
		route_box_free(box); // another loop was faster
		box = none;
	}
	return &box->route;
}
