// SPDX-License-Identifier: MIT
// Stores, shows and ends vendor keys; a secret comes in and never goes out again, only its mask and
// fingerprint do.
#include "agent/api/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/address.h"
#include "agent/api/change.h"
#include "agent/decide/standing.h"
#include "agent/state/probe_purse.h"
#include "agent/store/key.h"
#include "agent/store/page.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/urlx.h"
#include "shared/rows/vendors.h"

// ---- what a key looks like ----

static bool has_use(const struct feature *f, const struct vendor_key *k)
{
	for (size_t i = 0; i < f->targets.n; i++) {
		const struct target *t = &((const struct target *)f->targets.v)[i];
		if (t->kind == TARGET_VENDOR && t->enabled && text_same(t->vendor, k->vendor) &&
			key_serves(k, t->service))
			return true;
	}
	return false;
}

// The key with its live members, as an item or a whole answer.
static void key_write(struct jw *w, const struct snapshot *snap, const struct key_obj *k,
	bool sealed)
{
	jw_obj(w, NULL);
	// The stored members were rendered when the key was: everything between its braces.
	str_add_n(w->out, k->o.json.p + 1, k->o.json.n - 2);
	w->comma = true;
	struct pmap_it it = {0};
	jw_arr(w, "joins");
	void *obj;
	struct slice name;
	while (pmap_next(snap->features, &it, &name, &obj))
		if (has_use(&((const struct feature_obj *)obj)->doc, &k->doc))
			jw_slice(w, NULL, name);
	jw_arr_end(w);
	const struct live *l = k->live;
	int64_t now = clock_mono_us(), wall = clock_wall_ms();
	enum key_standing standing = key_standing(k, sealed, now, wall);
	int64_t until = key_standing_until_us(k, standing);
	int status = atomic_load(&l->last_error_status);
	char http[32];
	snprintf(http, sizeof(http), "HTTP %d", status);
	jw_str(w, "state", key_standing_row(standing)->name);
	jw_str(w, "state_reason",
		standing == KEY_IS_OK || !status ? NULL
			: status > 0		 ? http
						 : err_row((enum err_code) - status)->code);
	jw_time_or_null(w, "state_until", until ? wall + (until - now) / 1000 : 0);
	jw_int(w, "inflight", atomic_load(&l->inflight));
	jw_int(w, "requests", (int64_t)atomic_load(&l->requests));
	jw_int(w, "failures", (int64_t)atomic_load(&l->failures));
	jw_time_or_null(w, "last_used_at", atomic_load(&l->last_used_wall_ms));
	struct probe_spent s = probe_purse_spent(l, wall / PROBE_DAY_MS);
	jw_money(w, "probes_cost", s.pico, s.currency[0] ? s.currency : "USD",
		cost_source_name(s.unpriced ? COST_UNKNOWN
				: s.priced  ? COST_ESTIMATED
					    : COST_COUNTED));
	jw_int(w, "probes_paid", s.priced + s.unpriced);
	jw_obj_end(w);
}

static void reply_key(struct req *r, const struct key_obj *k)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	if (change_not_modified(r, k->o.revision))
		return;
	key_write(&w, r->snap, k, r->snap->sealed);
	req_reply_json(r, 200, &out);
}

// ---- reading ----

static const struct key_obj *named_key(struct req *r)
{
	const struct key_obj *k = snapshot_key(r->snap, r->param[0]);
	if (k == NULL) {
		struct err err = {0};
		err_set(&err, ERR_NOT_FOUND, _("no key of this id"));
		err_hint(&err, "%s", _("list them: GET /api/v1/keys"));
		req_fail(r, &err);
	}
	return k;
}

void h_key_get(struct req *r)
{
	const struct key_obj *k = named_key(r);
	if (k != NULL)
		reply_key(r, k);
}

static int by_ref(const void *a, const void *b)
{
	return strcmp((*(struct key_obj *const *)a)->ref, (*(struct key_obj *const *)b)->ref);
}

struct key_filter {
	const char *ref, *vendor, *service, *after;
};

// A ref is vendor/service/slug; a bare slug or display name is looked for among all.
static bool ref_matches(const struct key_obj *k, const char *ref)
{
	return strcmp(k->ref, ref) == 0 || strcmp(k->doc.slug, ref) == 0 ||
		strcmp(k->doc.id, ref) == 0 || strcmp(k->doc.key_name, ref) == 0;
}

static bool passes(const struct key_obj *k, const struct key_filter *f)
{
	return (f->vendor == NULL || strcmp(k->doc.vendor, f->vendor) == 0) &&
		(f->service == NULL || key_serves(&k->doc, f->service)) &&
		(f->ref == NULL || ref_matches(k, f->ref));
}

static size_t matching(struct req *r, const struct key_filter *f, const struct key_obj ***ret)
{
	const struct key_obj *one = f->ref != NULL ? snapshot_key_ref(r->snap, slice_of(f->ref))
						   : NULL;
	const struct key_obj **v = arena_zalloc(&r->arena, r->snap->keys.n + 1, sizeof(*v));
	struct pmap_it it = {0};
	size_t n = 0;
	*ret = v;
	if (one != NULL) {
		v[n++] = one;
		return n;
	}
	void *obj;
	while (pmap_next(r->snap->keys, &it, NULL, &obj))
		if (passes(obj, f))
			v[n++] = obj;
	qsort(v, n, sizeof(*v), by_ref);
	return n;
}

void h_key_list(struct req *r)
{
	struct key_filter f = {req_query(r, "ref"), req_query(r, "vendor"), req_query(r, "service"),
		req_query(r, "cursor")};
	size_t at = 0, written = 0;
	int64_t limit = req_query_int(r, "limit");
	struct str out = STR_INIT;
	if (f.after != NULL && slice_find(slice_of(f.after), '/') < 0) {
		req_fail_code(r, ERR_CURSOR_INVALID);
		return;
	}
	const struct key_obj **v;
	size_t n = matching(r, &f, &v);
	while (f.after != NULL && at < n && strcmp(v[at]->ref, f.after) <= 0)
		at++;
	struct jw w;
	list_open(&w, &out);
	for (; at < n && written < (size_t)limit; at++, written++)
		key_write(&w, r->snap, v[at], r->snap->sealed);
	list_close(&w, n, r->snap->revision, at < n ? v[at - 1]->ref : NULL);
	req_reply_json(r, 200, &out);
}

// ---- changing ----

static void answer(struct store_tx *tx, struct change *c, const struct key_obj *k,
	const char *action)
{
	struct jw w = jw_to(&c->body);
	key_write(&w, store_tx_snapshot(tx), k, false);
	c->etag = k->o.revision;
	c->event = EVENT_KEY;
	c->event_action = action;
	c->event_name = slice_of(arena_strdup(&c->r->arena, k->ref));
}

static enum err_code run_create(struct store_tx *tx, struct change *c, struct err *err)
{
	struct vendor_key *doc = c->arg;
	const struct key_obj *obj;
	enum err_code code = store_key_put(tx, doc, true, FIELD_NONE, &obj, err);
	if (code)
		return code;
	answer(tx, c, obj, "create");
	c->status = 201;
	c->location = arena_printf(&c->r->arena, "/api/v1/keys/%s", obj->doc.id);
	return ERR_OK;
}

bool key_decode(struct req *r, struct vendor_key *doc, struct url *ret_url)
{
	struct err err = {0};
	enum err_code code = jx_decode(&key_fields, r->body, change_limits(), JX_CREATE, &r->arena,
		doc, &err);
	if (!code && doc->service == NULL && doc->services.n == 0)
		code = err_field(&err, ERR_FIELD_REQUIRED, "service",
			_("service or services is required"));
	if (!code)
		code = store_key_fits(doc, &err);
	if (!code)
		code = address_of_key(r->agent, doc, &r->arena, ret_url, &err);
	if (code)
		req_fail(r, &err);
	return !code;
}

void h_key_create(struct req *r)
{
	struct vendor_key *doc = arena_zalloc(&r->arena, 1, sizeof(*doc));
	struct url url;
	if (key_decode(r, doc, &url))
		change_begin(r, run_create, doc);
}

// The key that the path names, as it is in the transaction.
static const struct key_obj *key_to_change(struct store_tx *tx, const struct change *c,
	struct err *err)
{
	const struct key_obj *k = snapshot_key(store_tx_snapshot(tx), c->r->param[0]);
	if (k == NULL)
		err_set(err, ERR_NOT_FOUND, _("no key of this id"));
	return k;
}

static enum err_code run_patch(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct key_obj *old = key_to_change(tx, c, err);
	struct arena a = ARENA_INIT;
	if (old == NULL)
		return err->code;
	struct vendor_key doc = old->doc;
	doc.api_key = (struct secret){0};
	enum err_code code = jx_decode(&key_fields, c->r->body, change_limits(), JX_PATCH, &a, &doc,
		err);
	struct url url;
	if (!code)
		store_key_rename(old, &doc);
	if (!code)
		code = address_of_key(c->r->agent, &doc, &a, &url, err);
	if (!code && doc.api_key.n && urlx_same_origin(old->origin, url.origin))
		code = err_field(err, ERR_FIELD_FORBIDDEN, "api_key",
			_("a secret is replaced by POST /api/v1/keys/{id}/rotate; here it only goes "
			  "along with another base_url"));
	const struct key_obj *obj;
	if (!code)
		code = store_key_put(tx, &doc, false, c->if_match, &obj, err);
	if (!code)
		answer(tx, c, obj, "update");
	arena_release(&a);
	return code;
}

void h_key_patch(struct req *r)
{
	if (named_key(r) != NULL)
		change_begin(r, run_patch, NULL);
}

static enum err_code run_delete(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct key_obj *old = key_to_change(tx, c, err);
	if (old == NULL)
		return err->code;
	c->status = 204;
	c->event = EVENT_KEY;
	c->event_action = "delete";
	c->event_name = slice_of(arena_strdup(&c->r->arena, old->ref));
	return store_key_delete(tx, slice_of(old->doc.id), c->if_match, err);
}

void h_key_delete(struct req *r)
{
	if (named_key(r) != NULL)
		change_begin(r, run_delete, NULL);
}

static enum err_code run_rotate(struct store_tx *tx, struct change *c, struct err *err)
{
	struct rotate_body *body = c->arg;
	const struct key_obj *old = key_to_change(tx, c, err);
	if (old == NULL)
		return err->code;
	struct vendor_key doc = old->doc;
	doc.api_key = body->api_key;
	const struct key_obj *obj;
	enum err_code code = store_key_put(tx, &doc, false, c->if_match, &obj, err);
	if (code)
		return code;
	answer(tx, c, obj, "rotate");
	return ERR_OK;
}

void h_key_rotate(struct req *r)
{
	struct rotate_body *body = arena_zalloc(&r->arena, 1, sizeof(*body));
	if (named_key(r) != NULL)
		change_begin_doc(r, &rotate_fields, body, run_rotate);
}

static enum err_code run_wish(struct store_tx *tx, struct change *c, struct err *err)
{
	const bool *enabled = c->arg;
	const struct key_obj *old = key_to_change(tx, c, err);
	if (old == NULL)
		return err->code;
	struct vendor_key doc = old->doc;
	doc.api_key = (struct secret){0};
	doc.enabled = *enabled;
	const struct key_obj *obj;
	enum err_code code = store_key_put(tx, &doc, false, c->if_match, &obj, err);
	if (!code)
		answer(tx, c, obj, *enabled ? "enable" : "disable");
	return code;
}

static void wish(struct req *r, bool enabled)
{
	bool *arg = arena_zalloc(&r->arena, 1, sizeof(*arg));
	*arg = enabled;
	if (named_key(r) != NULL)
		change_begin(r, run_wish, arg);
}

void h_key_enable(struct req *r)
{
	wish(r, true);
}

void h_key_disable(struct req *r)
{
	wish(r, false);
}

// ---- fingerprint, catalogue, audit ----

static enum err_code fingerprint_key(struct req *r, struct vendor_key *doc, struct err *err)
{
	const struct field *f = field_named(&key_fields, SLICE("api_key"));
	// Only the secret is needed, so the document is read as a partial one.
	field_defaults(&key_fields, doc);
	enum err_code code = jx_decode(&key_fields, r->body, change_limits(), JX_PATCH, &r->arena,
		doc, err);
	if (!code && !doc->api_key.n)
		code = err_field(err, ERR_FIELD_REQUIRED, f->name, _("api_key is required"));
	if (!code && store_seal(r->agent->store) == NULL)
		code = err_set(err, ERR_SEALED, NULL);
	return code;
}

void h_key_fingerprint(struct req *r)
{
	struct vendor_key *doc = arena_zalloc(&r->arena, 1, sizeof(*doc));
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	struct err err = {0};
	if (fingerprint_key(r, doc, &err)) {
		req_fail(r, &err);
		return;
	}
	char fp[SEAL_FP_HEX + 1];
	seal_fingerprint(store_seal(r->agent->store), &doc->api_key, fp);
	const struct key_obj *known = store_key_known_as(r->snap, fp);
	jw_obj(&w, NULL);
	jw_str(&w, "fingerprint", fp);
	char mask[SECRET_MASK_MAX];
	jw_str(&w, "api_key_masked", secret_mask(&doc->api_key, mask));
	jw_str(&w, "known_as", known != NULL ? known->ref : NULL);
	jw_obj_end(&w);
	req_reply_json(r, 200, &out);
}

static int64_t keys_of(const struct snapshot *s, const char *vendor, const char *service)
{
	struct pmap_it it = {0};
	int64_t n = 0;
	void *obj;
	while (pmap_next(s->keys, &it, NULL, &obj)) {
		const struct vendor_key *k = &((const struct key_obj *)obj)->doc;
		n += strcmp(k->vendor, vendor) == 0 && key_serves(k, service);
	}
	return n;
}

// What it is there for and how it is asked, in the same order; and whether any of it is spoken.
static void write_offers(struct jw *w, const char *vendor, const char *engine, unsigned offers)
{
	bool spoken = false;
	jw_arr(w, "offers");
	for (int i = 0; i < OFFER_COUNT; i++)
		if (offers >> i & 1)
			jw_str(w, NULL, offer_names[i]);
	jw_arr_end(w);
	jw_arr(w, "protocols");
	for (int i = 0; i < OFFER_COUNT; i++) {
		enum protocol p = protocol_default(vendor, engine, (enum offer)i);
		if (!(offers >> i & 1))
			continue;
		jw_str(w, NULL, protocol_name(p));
		spoken |= protocol_row(p)->spoken;
	}
	jw_arr_end(w);
	jw_bool(w, "spoken", spoken);
}

void h_vendor_list(struct req *r)
{
	size_t vendors_n, engines_n;
	const struct vendor_row *v = vendors_all(&vendors_n);
	const struct engine_row *e = engines_all(&engines_n);
	struct str out = STR_INIT;
	struct jw w;
	list_open(&w, &out);
	for (size_t i = 0; i < vendors_n; i++) {
		jw_obj(&w, NULL);
		jw_str(&w, "vendor", v[i].vendor);
		jw_str(&w, "service", v[i].service);
		jw_str(&w, "title", _(v[i].title));
		jw_str(&w, "kind", "vendor");
		jw_str(&w, "base_url", v[i].base_url);
		jw_str(&w, "key_prefix", v[i].key_prefix);
		jw_str(&w, "docs", v[i].docs);
		write_offers(&w, v[i].vendor, NULL, v[i].offers);
		jw_int(&w, "keys", keys_of(r->snap, v[i].vendor, v[i].service));
		jw_obj_end(&w);
	}
	for (size_t i = 0; i < engines_n; i++) {
		jw_obj(&w, NULL);
		jw_str(&w, "vendor", "self");
		jw_str(&w, "service", e[i].engine);
		jw_str(&w, "title", _(e[i].title));
		jw_str(&w, "kind", "self_hosted");
		jw_null(&w, "base_url");
		write_offers(&w, NULL, e[i].engine, e[i].offers);
		jw_int(&w, "keys", keys_of(r->snap, e[i].engine, LOCAL_SERVICE));
		jw_str(&w, "credentials",
			arena_printf(&r->arena, "%s/" LOCAL_SERVICE, e[i].engine));
		jw_obj_end(&w);
	}
	list_close(&w, vendors_n + engines_n, r->snap->revision, NULL);
	req_reply_json(r, 200, &out);
}

void h_audit_list(struct req *r)
{
	change_page(r, store_audit_list);
}
