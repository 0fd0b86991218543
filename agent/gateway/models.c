// SPDX-License-Identifier: MIT
// What can be called: /v1/models.
#include "agent/gateway/gateway.h"

#include <string.h>
#include "agent/call/admit.h"
#include "agent/decide/standing.h"
#include "agent/state/price_book.h"
#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/rows/lifecycle.h"

#define DATE_LENGTH 10 // of an RFC 3339 time

struct listing {
	struct jw *w;
	const struct snapshot *snap;
	const struct client_obj *client;
	int64_t wall_ms;
	bool anthropic; // an Anthropic SDK asks: its members beside OpenAI's
};

// When the vendor ends a model, and what it names in its place.
struct ending {
	int64_t at; // FIELD_NONE: not known, or nobody's to say
	const char *replacement; // NULL: none named
};

static struct ending target_ends(const struct listing *l, const struct target *t)
{
	struct ending end = {FIELD_NONE, NULL};
	if (t->kind != TARGET_VENDOR || t->vendor == NULL || t->upstream_model == NULL)
		return end;
	const struct price_ask ask = {.vendor = t->vendor, .model = t->upstream_model};
	const struct price *p = price_book_find(l->snap->prices, &ask, l->wall_ms);
	const struct lifecycle_row *row = lifecycle_find(slice_of(t->vendor),
		slice_of(t->upstream_model));
	if (row != NULL)
		end = (struct ending){lifecycle_at(row), row->replacement};
	if (p != NULL && p->shutdown_at != FIELD_NONE)
		end.at = p->shutdown_at;
	return end;
}

// With its last target; none as long as one has no end.
static struct ending feature_ends(const struct listing *l, const struct feature *doc)
{
	const struct target *targets = doc->targets.v;
	struct ending last = {FIELD_NONE, NULL};
	for (size_t i = 0; i < doc->targets.n; i++) {
		if (!targets[i].enabled)
			continue;
		struct ending end = target_ends(l, &targets[i]);
		if (end.at == FIELD_NONE)
			return end;
		if (last.at == FIELD_NONE || end.at > last.at)
			last = end;
	}
	return last;
}

static void add_model(const struct listing *l, const char *id, const struct feature_obj *f,
	const char *owner, struct ending ends)
{
	jw_obj(l->w, NULL);
	jw_str(l->w, "id", id);
	jw_str(l->w, "object", "model");
	jw_int(l->w, "created", f->doc.created_at > 0 ? f->doc.created_at / 1000 : 0);
	jw_str(l->w, "owned_by", owner);
	if (l->anthropic) {
		jw_str(l->w, "type", "model");
		jw_str(l->w, "display_name", id);
		jw_time(l->w, "created_at", MAX_OF(f->doc.created_at, 0));
	}
	char text[CLOCK_TEXT_MAX];
	if (ends.at != FIELD_NONE) {
		clock_rfc3339(ends.at, text);
		text[DATE_LENGTH] = '\0';
		jw_str(l->w, "shutdown_date", text);
		if (ends.replacement != NULL)
			jw_str(l->w, "replacement", ends.replacement);
	}
	jw_obj_end(l->w);
}

// The feature's own name and its aliases.
static void add_feature(const struct listing *l, const struct feature_obj *f)
{
	const struct feature *doc = &f->doc;
	if (!doc->enabled)
		return;
	struct ending ends = feature_ends(l, doc);
	add_model(l, doc->name, f, "yijian", ends);
	for (size_t i = 0; i < doc->aliases.n; i++)
		add_model(l, doc->aliases.v[i], f, "yijian", ends);
}

// Whether some key for it is not out until a person mends it.
static bool has_use(const struct listing *l, const struct feature_obj *f)
{
	const struct route *route = snapshot_route(l->snap, f);
	int64_t now_us = clock_mono_us();
	for (size_t i = 0; i < route->n; i++) {
		const struct key_obj *k = route->v[i].key;
		if (k == NULL)
			continue;
		enum key_use use =
			key_standing_row(key_standing(k, l->snap->sealed, now_us, l->wall_ms))->use;
		if (use == KEY_USABLE || use == KEY_COOLS)
			return true;
	}
	return false;
}

// What vendor/service stands for: not where every call of it would be refused.
static bool shows_direct(const struct listing *l, const struct feature_obj *f)
{
	return f->doc.data_policy != DATA_LOCAL_ONLY && has_use(l, f);
}

static const char *owner_of(const struct feature_obj *f)
{
	const struct target *only = f->route != NULL ? f->doc.targets.v : NULL;
	return only != NULL ? only->vendor : "yijian";
}

// Both families of SDKs read one path; each passes over the other's members.
static bool asks_in_anthropics(const struct req *r)
{
	return req_header(r, "anthropic-version") != NULL;
}

void h_model_list(struct req *r)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	const struct listing l = {
		&w, r->snap, r->who.client, clock_wall_ms(), asks_in_anthropics(r)};
	struct pmap_it it = {0};
	jw_obj(&w, NULL);
	jw_str(&w, "object", "list");
	jw_arr(&w, "data");
	void *value;
	struct slice key;
	while (pmap_next(r->snap->features, &it, &key, &value))
		if (gw_client_may(l.client, value))
			add_feature(&l, value);
	it = (struct pmap_it){0};
	while (pmap_next(r->snap->directs, &it, &key, &value)) {
		const struct feature_obj *f = snapshot_model(r->snap, key);
		// An alias of this name leads to its feature, and is listed there.
		if (f->route != NULL && gw_client_may(l.client, f) && shows_direct(&l, f))
			add_model(&l, f->doc.name, f, owner_of(f), feature_ends(&l, &f->doc));
	}
	jw_arr_end(&w);
	if (l.anthropic)
		jw_bool(&w, "has_more", false);
	jw_obj_end(&w);
	req_reply_json(r, 200, &out);
}

void h_model_get(struct req *r)
{
	const struct feature_obj *f = snapshot_model(r->snap, r->param[0]);
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	const struct listing l = {
		&w, r->snap, r->who.client, clock_wall_ms(), asks_in_anthropics(r)};
	if (f == NULL || !f->doc.enabled || !gw_client_may(l.client, f) ||
		(f->route != NULL && !shows_direct(&l, f))) {
		struct err err = {0};
		err_field(&err, ERR_MODEL_NOT_FOUND, "model", NULL);
		req_fail(r, &err);
		return;
	}
	add_model(&l, arena_slice(&r->arena, r->param[0]), f, owner_of(f),
		feature_ends(&l, &f->doc));
	req_reply_json(r, 200, &out);
}
