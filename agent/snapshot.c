// SPDX-License-Identifier: MIT
#include "agent/snapshot.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/price.h"
#include "shared/mem.h"

// The members of one service or feature: id → object.
struct group {
	unsigned refs;
	struct pmap members;
};

// A feature's route, built by whoever asks first.
struct route_cell {
	unsigned refs;
	_Atomic(struct route_box *) box;
	// What stood here before a change, when it was built: its candidates' live records stay until the
	// next one takes them, so that figures and breakers outlast a change. The store thread's.
	struct route_cell *was;
};

struct route_box {
	struct arena arena;
	struct route route;
};

static const struct pmap_ops object_ops = {object_hold, object_drop};

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

static void box_free(struct route_box *box)
{
	if (!box)
		return;
	arena_release(&box->arena);
	free(box);
}

static void cell_drop(void *value)
{
	struct route_cell *c = value;

	if (--c->refs)
		return;
	if (c->was)
		cell_drop(c->was);
	box_free(atomic_load(&c->box));
	free(c);
}

// One that is built needs nothing of what was before it, so that no more than one is kept.
static struct route_cell *cell_before(struct route_cell *old)
{
	struct route_cell *was;

	if (!old)
		return NULL;
	if (atomic_load(&old->box)) {
		was = old->was;
		old->was = NULL;
		if (was)
			cell_drop(was);
		was = old;
	} else {
		was = old->was;
	}
	if (was)
		cell_hold(was);
	return was;
}

static const struct pmap_ops group_ops = {group_hold, group_drop};
static const struct pmap_ops cell_ops = {cell_hold, cell_drop};

static void replace(struct pmap *m, struct pmap next, const struct pmap_ops *ops)
{
	pmap_release(*m, ops);
	*m = next;
}

static void put(struct pmap *m, struct slice key, void *value, const struct pmap_ops *ops)
{
	pmap_add(m, key, value, ops);
}

static void del(struct pmap *m, struct slice key, const struct pmap_ops *ops)
{
	replace(m, pmap_del(*m, key, ops), ops);
}

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
	if (!s)
		return;
	snapshot_again_drop(s);
	pmap_release(s->routes, &cell_ops);
	pmap_release(s->groups, &group_ops);
	pmap_release(s->prices, &object_ops);
	pmap_release(s->aliases, &object_ops);
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

static struct slice group_key(const char *kind, const char *name, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/%s", kind, name);

	return (struct slice){buf, MIN_OF((size_t)n, size - 1)};
}

static void group_change(struct snapshot *s, const char *kind, const char *name, struct slice id,
	void *obj)
{
	char buf[2 * ID_MAX + 16];
	struct slice key = group_key(kind, name, buf, sizeof(buf));
	const struct group *old = pmap_get(s->groups, key);
	struct group *g = mem_zalloc(1, sizeof(*g));
	struct pmap members = old ? old->members : (struct pmap){0};

	g->refs = 1;
	g->members = obj ? pmap_put(members, id, obj, &object_ops)
			 : pmap_del(members, id, &object_ops);
	put(&s->groups, key, g, &group_ops);
	group_drop(g);
}

static void new_cell(struct snapshot *s, const char *feature)
{
	struct route_cell *c = mem_zalloc(1, sizeof(*c));

	c->refs = 1;
	c->was = cell_before(pmap_get(s->routes, slice_of(feature)));
	put(&s->routes, slice_of(feature), c, &cell_ops);
	cell_drop(c);
}

static bool concerns(const struct feature *f, int kind, const char *vendor, const char *service)
{
	for (size_t i = 0; i < f->targets.n; i++) {
		const struct target *t = &((const struct target *)f->targets.v)[i];

		if (t->kind == kind && strcmp(t->service, service) == 0 &&
			(kind == TARGET_SELF_HOSTED || (t->vendor && strcmp(t->vendor, vendor) == 0)))
			return true;
	}
	return false;
}

static bool has_text(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i], text) == 0)
			return true;
	return false;
}

// Routes of the features that may choose this key are built anew.
static void touch_key(struct snapshot *s, const struct vendor_key *k)
{
	struct pmap_it it = {0};
	void *obj;
	struct pmap features = pmap_share(s->features);

	while (pmap_next(features, &it, NULL, &obj)) {
		const struct feature *f = &((struct feature_obj *)obj)->doc;
		bool hit = k->service && concerns(f, TARGET_VENDOR, k->vendor, k->service);

		for (size_t i = 0; !hit && i < k->services.n; i++)
			hit = concerns(f, TARGET_VENDOR, k->vendor, k->services.v[i]);
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

		if ((f->auto_join && has_text(&in->features, f->name)) ||
			concerns(f, TARGET_SELF_HOSTED, NULL, in->service))
			new_cell(s, f->name);
	}
	pmap_release(features, &object_ops);
}

// A route holds the key that opens its instance: it is built anew with every change of the key.
static void touch_opened(struct snapshot *s, const char *key_id)
{
	char buf[2 * ID_MAX + 16];
	const struct group *g = pmap_get(s->groups, group_key("opens", key_id, buf, sizeof(buf)));
	struct pmap_it it = {0};
	void *obj;

	while (g && pmap_next(g->members, &it, NULL, &obj))
		touch_instance(s, &((const struct instance_obj *)obj)->doc);
}

// The feature and its aliases; its route stays for the one that comes instead.
static void take_out(struct snapshot *s, struct slice name)
{
	struct feature_obj *f = pmap_get(s->features, name);

	if (!f)
		return;
	object_hold(f);
	for (size_t i = 0; i < f->doc.aliases.n; i++) {
		struct slice alias = slice_of(f->doc.aliases.v[i]);

		if (pmap_get(s->aliases, alias) == f)
			del(&s->aliases, alias, &object_ops);
	}
	del(&s->features, name, &object_ops);
	object_drop(f);
}

void snapshot_put_feature(struct snapshot *s, struct feature_obj *f)
{
	snapshot_feature_lives(s, f);
	take_out(s, slice_of(f->doc.name));
	put(&s->features, slice_of(f->doc.name), f, &object_ops);
	for (size_t i = 0; i < f->doc.aliases.n; i++)
		put(&s->aliases, slice_of(f->doc.aliases.v[i]), f, &object_ops);
	new_cell(s, f->doc.name);
	object_drop(f);
}

void snapshot_del_feature(struct snapshot *s, struct slice name)
{
	struct feature_obj *f = pmap_get(s->features, name);

	if (f)
		snapshot_feature_gone(s, f);
	take_out(s, name);
	del(&s->routes, name, &cell_ops);
}

static void join_key(struct snapshot *s, struct key_obj *k, void *obj)
{
	struct slice id = slice_of(k->doc.id);

	if (k->doc.service)
		group_change(s, k->doc.vendor, k->doc.service, id, obj);
	for (size_t i = 0; i < k->doc.services.n; i++)
		group_change(s, k->doc.vendor, k->doc.services.v[i], id, obj);
	touch_key(s, &k->doc);
	touch_opened(s, k->doc.id);
}

// Whether it is found where the other one is: by the same ref, in the same groups.
static bool stands_for(const struct key_obj *k, const struct key_obj *old)
{
	const struct vendor_key *a = &k->doc, *b = &old->doc;
	bool same = strcmp(k->ref, old->ref) == 0 && strcmp(a->vendor, b->vendor) == 0 &&
		    a->services.n == b->services.n && (a->service != NULL) == (b->service != NULL) &&
		    (!a->service || strcmp(a->service, b->service) == 0);

	for (size_t i = 0; same && i < a->services.n; i++)
		same = strcmp(a->services.v[i], b->services.v[i]) == 0;
	return same;
}

void snapshot_put_key(struct snapshot *s, struct key_obj *k)
{
	const struct key_obj *old = pmap_get(s->keys, slice_of(k->doc.id));

	snapshot_key_lives(s, k);
	if (old && !stands_for(k, old))
		snapshot_del_key(s, slice_of(k->doc.id));
	put(&s->keys, slice_of(k->doc.id), k, &object_ops);
	put(&s->key_refs, slice_of(k->ref), k, &object_ops);
	join_key(s, k, k);
	object_drop(k);
}

void snapshot_del_key(struct snapshot *s, struct slice id)
{
	struct key_obj *k = pmap_get(s->keys, id);

	if (!k)
		return;
	object_hold(k);
	join_key(s, k, NULL);
	del(&s->key_refs, slice_of(k->ref), &object_ops);
	del(&s->keys, id, &object_ops);
	object_drop(k);
}

struct slice instance_key(struct slice service, struct slice id, char buf[INSTANCE_KEY_MAX])
{
	int n = snprintf(buf, INSTANCE_KEY_MAX, "%.*s/%.*s", SLICE_FMT(service), SLICE_FMT(id));

	return (struct slice){buf, MIN_OF((size_t)n, INSTANCE_KEY_MAX - 1)};
}

static void join_instance(struct snapshot *s, struct instance_obj *in, struct slice key, void *obj)
{
	group_change(s, "self", in->doc.service, key, obj);
	for (size_t i = 0; i < in->doc.features.n; i++)
		group_change(s, "join", in->doc.features.v[i], key, obj);
	if (in->doc.auth.type != INSTANCE_OPEN && in->doc.auth.key)
		group_change(s, "opens", in->doc.auth.key, key, obj);
	touch_instance(s, &in->doc);
}

void snapshot_put_instance(struct snapshot *s, struct instance_obj *in)
{
	char buf[INSTANCE_KEY_MAX];
	struct slice key = instance_key(slice_of(in->doc.service), slice_of(in->doc.id), buf);

	snapshot_instance_lives(s, in, key);
	snapshot_del_instance(s, slice_of(in->doc.service), slice_of(in->doc.id));
	put(&s->instances, key, in, &object_ops);
	join_instance(s, in, key, in);
	object_drop(in);
}

void snapshot_del_instance(struct snapshot *s, struct slice service, struct slice id)
{
	char buf[INSTANCE_KEY_MAX];
	struct slice key = instance_key(service, id, buf);
	struct instance_obj *in = pmap_get(s->instances, key);

	if (!in)
		return;
	object_hold(in);
	join_instance(s, in, key, NULL);
	del(&s->instances, key, &object_ops);
	object_drop(in);
}

void snapshot_put_rule(struct snapshot *s, struct rule_obj *r)
{
	put(&s->alert_rules, slice_of(r->doc.name), r, &object_ops);
	object_drop(r);
}

void snapshot_del_rule(struct snapshot *s, struct slice name)
{
	del(&s->alert_rules, name, &object_ops);
}

void snapshot_put_price(struct snapshot *s, struct price_obj *p)
{
	const struct price_obj *old = pmap_get(s->prices, slice_of(p->doc.id));

	s->key_prices += (p->doc.key != NULL) - (old != NULL && old->doc.key != NULL);
	put(&s->prices, slice_of(p->doc.id), p, &object_ops);
	object_drop(p);
}

void snapshot_del_price(struct snapshot *s, struct slice id)
{
	const struct price_obj *old = pmap_get(s->prices, id);

	s->key_prices -= old != NULL && old->doc.key != NULL;
	del(&s->prices, id, &object_ops);
}

void snapshot_prices_changed(struct snapshot *s)
{
	struct pmap_it it = {0};
	void *obj;

	while (pmap_next(s->features, &it, NULL, &obj))
		new_cell(s, ((const struct feature_obj *)obj)->doc.name);
}

// ---- reading ----

const struct rule_obj *snapshot_rule(const struct snapshot *s, struct slice name)
{
	return pmap_get(s->alert_rules, name);
}

const struct feature_obj *snapshot_feature(const struct snapshot *s, struct slice name)
{
	return pmap_get(s->features, name);
}

static const struct feature_obj *feature_with_target(const struct snapshot *s, struct slice model)
{
	const struct feature_obj *best = NULL;
	struct pmap_it it = {0};
	void *obj;

	while (pmap_next(s->features, &it, NULL, &obj)) {
		const struct feature_obj *f = obj;

		for (size_t i = 0; f->doc.enabled && i < f->doc.targets.n; i++) {
			const struct target *t = &((const struct target *)f->doc.targets.v)[i];
			struct slice rest = model, vendor = slice_cut(&rest, '/');

			if (t->vendor && slice_eq_str(vendor, t->vendor) &&
				slice_eq_str(rest, t->service) &&
				(!best || strcmp(f->doc.name, best->doc.name) < 0))
				best = f;
		}
	}
	return best;
}

const struct feature_obj *snapshot_model(const struct snapshot *s, struct slice model)
{
	const struct feature_obj *f = pmap_get(s->features, model);

	if (!f)
		f = pmap_get(s->aliases, model);
	if (!f && slice_find(model, '/') > 0)
		f = feature_with_target(s, model);
	return f;
}

const struct key_obj *snapshot_key(const struct snapshot *s, struct slice id)
{
	return pmap_get(s->keys, id);
}

const struct key_obj *snapshot_key_ref(const struct snapshot *s, struct slice ref)
{
	return pmap_get(s->key_refs, ref);
}

enum grant snapshot_grant(const struct snapshot *s, const struct instance_obj *in,
	const struct key_obj **ret_key)
{
	const struct instance_credential *auth = &in->doc.auth;
	const struct key_obj *k;

	*ret_key = NULL;
	if (LIKELY(auth->type == INSTANCE_OPEN))
		return GRANT_NONE;
	k = auth->key ? snapshot_key(s, slice_of(auth->key)) : NULL;
	if (!k)
		return GRANT_GONE;
	if (!engine_find(slice_of(k->doc.vendor)) || !urlx_same_origin(k->origin, in->url.origin))
		return GRANT_ELSEWHERE;
	if (!k->doc.enabled)
		return GRANT_DISABLED;
	*ret_key = k;
	return GRANT_KEY;
}

enum auth_style snapshot_key_auth(const struct snapshot *s, const struct vendor_row *row,
	const char *id, const char **ret_header)
{
	char buf[2 * ID_MAX + 16];
	const struct group *g;
	struct pmap_it it = {0};
	void *obj;

	*ret_header = NULL;
	if (!row->local || !id)
		return row->auth;
	g = pmap_get(s->groups, group_key("opens", id, buf, sizeof(buf)));
	if (!g || !pmap_next(g->members, &it, NULL, &obj))
		return row->auth;
	return instance_auth(&((const struct instance_obj *)obj)->doc, ret_header);
}

const struct instance_obj *snapshot_instance(const struct snapshot *s, struct slice service,
	struct slice id)
{
	char buf[INSTANCE_KEY_MAX];

	return pmap_get(s->instances, instance_key(service, id, buf));
}

// ---- building a route ----

struct build {
	const struct snapshot *snap;
	const struct feature_obj *f;
	struct route_box *box;
	size_t cap;
};

struct drop_live {
	struct live_table *table;
	struct live *live;
};

static void drop_live(void *arg)
{
	struct drop_live *d = arg;

	live_drop(d->table, d->live);
}

static struct candidate *add(struct build *b, const struct target *t, struct live *target_live)
{
	struct route *r = &b->box->route;
	struct candidate *c;

	if (r->n == b->cap) {
		struct candidate *grown;

		b->cap = b->cap ? b->cap * 2 : 8;
		grown = arena_alloc(&b->box->arena, b->cap * sizeof(*grown));
		if (r->n)
			memcpy(grown, r->v, r->n * sizeof(*grown));
		r->v = grown;
	}
	c = &r->v[r->n++];
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
	const struct engine_row *e = engine ? engine_find(slice_of(engine)) : NULL;
	if (e && c->target->protocol < 0)
		c->unspoken |= !(e->offers >> b->f->doc.endpoint & 1);
}

static int64_t product(int64_t a, int64_t b)
{
	return MIN_OF(a * b, INT32_MAX);
}

static void vendor_candidates(struct build *b, const struct target *t, struct live *target_live)
{
	char buf[2 * ID_MAX + 16];
	const char *vendor = t->vendor ? t->vendor : "";
	struct arena *a = &b->box->arena;
	const struct group *g = pmap_get(
		b->snap->groups, group_key(vendor, t->service, buf, sizeof(buf)));
	const char *target_name = arena_printf(a, "%s/%s", vendor, t->service);
	struct pmap_it it = {0};
	void *obj;

	if (!g || g->members.n == 0) {
		struct candidate *c = add(b, t, target_live);

		c->name = c->target_name = target_name;
		settle_protocol(b, c, vendor, NULL);
		return;
	}
	while (pmap_next(g->members, &it, NULL, &obj)) {
		const struct key_obj *k = obj;
		struct candidate *c = add(b, t, target_live);

		c->name = arena_printf(a, "%s#%s", target_name, k->doc.slug);
		c->target_name = target_name;
		c->key = k;
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
	const struct group *g = pmap_get(
		b->snap->groups, group_key("self", t->service, buf, sizeof(buf)));
	struct pmap_it it = {0};
	void *obj;

	while (g && pmap_next(g->members, &it, NULL, &obj))
		instance_candidate(b, t, target_live, obj);
}

// The target an instance joins by itself, made once per service.
static const struct target *joined_target(struct build *b, const char *service,
	struct live **ret_live)
{
	struct route *r = &b->box->route;
	struct arena *a = &b->box->arena;
	struct drop_live *d;
	struct target *t;

	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].target->kind == TARGET_SELF_HOSTED &&
			strcmp(r->v[i].target->service, service) == 0) {
			*ret_live = r->v[i].target_live;
			return r->v[i].target;
		}
	}
	t = arena_alloc(a, sizeof(*t));
	field_defaults(&target_fields, t);
	t->kind = TARGET_SELF_HOSTED;
	t->service = arena_strdup(a, service);
	t->id = arena_printf(a, "self/%s", service);
	*ret_live = live_take(b->snap->live, LIVE_TARGET,
		slice_of(arena_printf(a, "%s|%s", b->f->doc.name, t->id)));
	live_follow(*ret_live, b->f->life, LIVE_NEW_OBJECT);
	d = arena_alloc(a, sizeof(*d));
	*d = (struct drop_live){b->snap->live, *ret_live};
	arena_defer(a, drop_live, d);
	return t;
}

static void joined_candidates(struct build *b)
{
	char buf[2 * ID_MAX + 16];
	const struct group *g = pmap_get(
		b->snap->groups, group_key("join", b->f->doc.name, buf, sizeof(buf)));
	struct pmap_it it = {0};
	void *obj;

	while (g && pmap_next(g->members, &it, NULL, &obj)) {
		const struct instance_obj *in = obj;
		struct live *live;
		const struct target *t;

		if (concerns(&b->f->doc, TARGET_SELF_HOSTED, NULL, in->doc.service))
			continue; // an explicit target has it already
		t = joined_target(b, in->doc.service, &live);
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
	struct price_ask ask = {.vendor = c->target->vendor ? c->target->vendor : "self",
		.model = c->target->upstream_model ? c->target->upstream_model : model,
		.feature = feature,
		.target = c->target_name,
		.key = c->key ? c->key->ref : NULL,
		.currency = c->key ? c->key->doc.currency : NULL};

	return price_book_find(s->prices, &ask, now_wall_ms);
}

const struct price *snapshot_price(const struct snapshot *s, const struct candidate *c,
	const char *feature, const char *model, int64_t now_wall_ms)
{
	if (LIKELY(c->price && price_valid(c->price, now_wall_ms)))
		return c->price;
	if (!c->price && c->target->upstream_model)
		return NULL;
	return find_price(s, c, feature, model, now_wall_ms);
}

static bool same_currency(const struct key_obj *a, const struct key_obj *b)
{
	const char *x = a ? a->doc.currency : NULL, *y = b ? b->doc.currency : NULL;

	return x == y || (x && y && strcmp(x, y) == 0);
}

// Thousands of keys have the price of the one before, unless there are prices of single keys.
static void price_candidates(const struct snapshot *s, const char *feature, struct route *r)
{
	const struct candidate *before = NULL;

	for (size_t i = 0; i < r->n; i++) {
		struct candidate *c = &r->v[i];

		if (!c->target->upstream_model)
			continue;
		if (before && s->key_prices == 0 && c->target == before->target &&
			same_currency(c->key, before->key))
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
	struct route_cell *c = pmap_get(s->routes, slice_of(f->doc.name));
	struct route_box *box = atomic_load_explicit(&c->box, memory_order_acquire), *none = NULL;

	if (box)
		return &box->route;
	box = build_route(s, f);
	if (!atomic_compare_exchange_strong(&c->box, &none, box)) {
		box_free(box); // another loop was faster
		box = none;
	}
	return &box->route;
}
