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

struct joined { // the target of a service whose instances join by themselves
	struct joined *next;
	const struct target *target;
	struct live *live;
};

struct build {
	const struct snapshot *snap;
	const struct feature_obj *f;
	struct route_box *box;
	struct candidate *room; // for CANDIDATES_MAX
	struct joined *joined;
};

// By order, tier and name. id: of the key or instance, "" neither.
static int compare(const struct candidate *c, int order, int tier, const char *target_name,
	const char *id)
{
	if (c->order != order)
		return c->order < order ? -1 : 1;
	if (c->tier != tier)
		return c->tier < tier ? -1 : 1;
	int by_target = strcmp(c->target_name, target_name);
	return by_target != 0 ? by_target : strcmp(c->id, id);
}

// In its place among those that come first; NULL: there are enough before it. Of thousands of keys
// only those are built that a decision will look at.
static struct candidate *add(struct build *b, const struct target *t, struct live *target_live,
	const char *target_name, const char *id, int tier)
{
	struct route *r = &b->box->route;
	int order = t->order != FIELD_NONE ? (int)t->order : t->kind == TARGET_VENDOR;
	size_t low = 0, high = r->n;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (compare(&b->room[mid], order, tier, target_name, id) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (r->n == CANDIDATES_MAX) {
		r->left_out++;
		if (low == CANDIDATES_MAX)
			return NULL;
		r->n--;
	}
	struct candidate *c = &b->room[low];
	memmove(c + 1, c, (r->n - low) * sizeof(*c));
	r->n++;
	*c = (struct candidate){.target = t,
		.target_live = target_live,
		.target_name = target_name,
		.id = id,
		.order = order,
		.tier = tier,
		.weight = (int)t->weight};
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
		struct candidate *c = add(b, t, target_live, target_name, "", TIER_PRIMARY);
		if (c != NULL)
			settle_protocol(b, c, vendor, NULL);
		return;
	}
	void *obj;
	while (pmap_next(g->members, &it, NULL, &obj)) {
		const struct key_obj *k = obj;
		struct candidate *c = add(b, t, target_live, target_name, k->doc.slug, k->doc.tier);
		if (c == NULL)
			continue;
		c->key = k;
		c->vendor = row;
		c->sealed = b->snap->sealed;
		c->live = k->live;
		c->life = k->life;
		c->url = &k->url;
		c->weight = (int)product(c->weight, k->doc.weight);
		settle_protocol(b, c, vendor, NULL);
	}
}

static void instance_candidate(struct build *b, const struct target *t, struct live *target_live,
	const char *target_name, const struct instance_obj *in)
{
	struct candidate *c = add(b, t, target_live, target_name, in->doc.id, TIER_PRIMARY);
	if (c == NULL)
		return;
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
	const char *target_name = arena_printf(&b->box->arena, "self/%s", t->service);
	void *obj;
	while (g != NULL && pmap_next(g->members, &it, NULL, &obj))
		instance_candidate(b, t, target_live, target_name, obj);
}

// The target an instance joins by itself, made once per service.
static const struct joined *joined_target(struct build *b, const char *service)
{
	struct arena *a = &b->box->arena;
	for (struct joined *j = b->joined; j != NULL; j = j->next) {
		if (strcmp(j->target->service, service) == 0)
			return j;
	}
	struct joined *j = arena_alloc(a, sizeof(*j));
	struct target *t = arena_alloc(a, sizeof(*t));
	field_defaults(&target_fields, t);
	t->kind = TARGET_SELF_HOSTED;
	t->service = arena_strdup(a, service);
	t->id = arena_printf(a, "self/%s", service);
	*j = (struct joined){.next = b->joined, .target = t};
	j->live = live_hold(a, b->snap->live, LIVE_TARGET,
		arena_printf(a, "%s|%s", b->f->doc.name, t->id));
	live_follow(j->live, b->f->life, LIVE_NEW_OBJECT);
	b->joined = j;
	return j;
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
		const struct joined *j = joined_target(b, in->doc.service);
		instance_candidate(b, j->target, j->live, j->target->id, in);
	}
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
	struct candidate room[CANDIDATES_MAX];
	struct build b = {.snap = s, .f = f, .box = mem_zalloc(1, sizeof(*b.box)), .room = room};
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
	// Those that are there to stay get their names, their prices and room of their own.
	struct route *r = &b.box->route;
	struct arena *a = &b.box->arena;
	r->v = arena_alloc(a, MAX_OF(r->n, 1) * sizeof(*r->v));
	memcpy(r->v, b.room, r->n * sizeof(*r->v));
	for (size_t i = 0; i < r->n; i++) {
		struct candidate *c = &r->v[i];
		c->name = c->id[0] != '\0' ? arena_printf(a, "%s#%s", c->target_name, c->id)
					   : c->target_name;
	}
	price_candidates(b.snap, b.f->doc.name, r);
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
