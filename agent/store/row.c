// SPDX-License-Identifier: MIT
// From a stored document and the columns beside it to the object that requests read: decoded,
// its live record held, its limits and addresses worked out once. The same for rows and for the
// saved file.
#include "agent/store/row.h"

#include <stdio.h>
#include <string.h>

#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

void object_render(struct object *o, const struct field_set *set, const void *doc)
{
	struct str s = STR_INIT;
	struct jw w = jw_to(&s);
	jw_doc(&w, NULL, set, doc);
	o->json = (struct slice){arena_slice(&o->arena, str_slice(&s)), s.n};
	str_release(&s);
}

enum err_code object_feature(struct store *st, struct slice doc, const struct row_meta *meta,
	struct feature_obj **ret, struct err *err)
{
	struct feature_obj *f = object_new(sizeof(*f));
	struct arena *a = &f->o.arena;
	enum err_code code = jx_decode(&feature_fields, doc, STORED_LIMITS, JX_CREATE | JX_STORED,
		a, &f->doc, err);
	if (code) {
		object_drop(f);
		return code;
	}
	f->doc.revision = f->o.revision = meta->revision;
	f->doc.created_at = meta->created_at;
	f->doc.updated_at = meta->updated_at;
	f->doc.updated_by = arena_slice(a, meta->updated_by);
	f->target_live = arena_zalloc(a, f->doc.targets.n + 1, sizeof(*f->target_live));
	for (size_t i = 0; i < f->doc.targets.n; i++) {
		struct target *t = &((struct target *)f->doc.targets.v)[i];
		if (t->order == FIELD_NONE)
			t->order = t->kind == TARGET_VENDOR;
		if (t->id == NULL)
			t->id = arena_printf(a, "%s/%s",
				t->kind == TARGET_VENDOR ? t->vendor : "self", t->service);
		f->target_live[i] = live_hold(a, st->live, LIVE_TARGET,
			arena_printf(a, "%s|%s", f->doc.name, t->id));
	}
	f->target_life = arena_zalloc(a, f->doc.targets.n + 1, sizeof(*f->target_life));
	f->live = live_hold(a, st->live, LIVE_FEATURE, f->doc.name);
	f->limits = limits_of(f->doc.limits.rpm, f->doc.limits.tpm, f->doc.limits.concurrency,
		FIELD_NONE, &f->doc.limits.budget);
	object_render(&f->o, &feature_fields, &f->doc);
	*ret = f;
	return ERR_OK;
}

const char *key_service(const struct vendor_key *k)
{
	return k->service != NULL ? k->service : k->services.n ? k->services.v[0] : "";
}

enum err_code key_url(const struct vendor_key *k, struct arena *a, struct url *ret, struct err *err)
{
	const struct vendor_row *row = vendor_find(slice_of(k->vendor), slice_of(key_service(k)));
	if (row == NULL)
		return err_field(err, ERR_VENDOR_UNKNOWN, "vendor", NULL);
	if (k->base_url == NULL && row->base_url == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "base_url",
			_("the address of the instance it opens is required"));
	return urlx_parse(slice_of(k->base_url != NULL ? k->base_url : row->base_url), a, ret, err);
}

// What the vendor grants is known for keys of one service: others carry other traffic, too.
static int64_t key_concurrency(const struct vendor_key *k)
{
	const struct vendor_row *v = vendor_find(slice_of(k->vendor), slice_of(key_service(k)));
	if (k->limits.concurrency != FIELD_NONE || v == NULL || v->running == 0 ||
		k->services.n > 1)
		return k->limits.concurrency;
	return v->running;
}

// What the columns know, over a document that is the object's own.
static enum err_code complete_key(struct store *st, struct key_obj *k, const struct row_meta *meta,
	const struct key_row *row, struct key_obj **ret, struct err *err)
{
	struct arena *a = &k->o.arena;
	enum err_code code = key_url(&k->doc, a, &k->url, err);
	if (code) {
		object_drop(k);
		return code;
	}
	k->doc.id = arena_slice(a, row->id);
	k->doc.slug = arena_slice(a, row->slug);
	k->doc.fingerprint = arena_slice(a, row->fingerprint);
	k->doc.api_key_masked = arena_slice(a, row->masked);
	k->doc.rotated_at = row->rotated_at;
	k->doc.revision = k->o.revision = meta->revision;
	k->doc.created_at = meta->created_at;
	k->doc.updated_at = meta->updated_at;
	k->doc.updated_by = arena_slice(a, meta->updated_by);
	k->row_version = row->row_version;
	k->sealed = (struct sealed){
		(unsigned char *)arena_slice(a, row->envelope), row->envelope.n};
	k->ref = arena_printf(a, "%s/%s/%s", k->doc.vendor, key_service(&k->doc), k->doc.slug);
	k->origin = k->url.origin;
	k->live = live_hold(a, st->live, LIVE_KEY, k->doc.id);
	k->limits = limits_of(k->doc.limits.rpm, k->doc.limits.tpm, key_concurrency(&k->doc),
		FIELD_NONE, &k->doc.budget);
	object_render(&k->o, &key_fields, &k->doc);
	*ret = k;
	return ERR_OK;
}

enum err_code object_key(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct key_row *row, struct key_obj **ret, struct err *err)
{
	struct key_obj *k = object_new(sizeof(*k));
	enum err_code code = jx_decode(&key_fields, doc, STORED_LIMITS, JX_REPLACE | JX_STORED,
		&k->o.arena, &k->doc, err);
	if (!code)
		return complete_key(st, k, meta, row, ret, err);
	object_drop(k);
	return code;
}

enum err_code object_key_of(struct store *st, const struct vendor_key *doc,
	const struct row_meta *meta, const struct key_row *row, struct key_obj **ret,
	struct err *err)
{
	struct key_obj *k = object_new(sizeof(*k));
	field_copy(&key_fields, doc, &k->o.arena, &k->doc);
	return complete_key(st, k, meta, row, ret, err);
}

// A member that callers cannot set and no column holds: the row's MAC covers it.
static const char *stored_text(struct slice doc, const char *name, struct arena *a)
{
	struct jscan_member m[64];
	size_t n = 0, len = 0;
	struct err ignored;
	if (jscan_object(doc, STORED_LIMITS, m, ARRAY_LEN(m), &n, &ignored))
		return "";
	const struct jscan_member *found = jscan_find(m, n, name);
	if (found == NULL || found->type != JS_STRING)
		return "";
	char *text = arena_alloc(a, found->value.n + 1);
	if (!jscan_string(found->value, text, found->value.n, &len))
		return "";
	text[len] = '\0';
	return text;
}

// What was registered before this was noted goes where it went, unless a token may have chosen a name
// for what it could not have said as an address.
static const char *stored_reach(struct instance_obj *in, struct slice doc)
{
	const char *reach = stored_text(doc, "reach", &in->o.arena);
	if (reach[0] != '\0')
		return reach;
	struct slice owner = slice_of(in->doc.owner); // of a still older version: a name
	bool token = slice_starts(owner, "yj_a_") || slice_starts(owner, "token:");
	return token && urlx_site_class(in->url.host) != ADDR_PUBLIC ? INSTANCE_SITE
								     : INSTANCE_ANYWHERE;
}

enum err_code object_instance(struct store *st, struct slice doc, const struct row_meta *meta,
	bool draining, struct instance_obj **ret, struct err *err)
{
	struct instance_obj *in = object_new(sizeof(*in));
	struct arena *a = &in->o.arena;
	enum err_code code = jx_decode(&instance_fields, doc, STORED_LIMITS, JX_CREATE | JX_STORED,
		a, &in->doc, err);
	if (!code)
		code = urlx_parse(slice_of(in->doc.url), a, &in->url, err);
	if (code) {
		object_drop(in);
		return code;
	}
	in->doc.draining = draining;
	in->doc.owner = stored_text(doc, "owner", a);
	in->doc.reach = stored_reach(in, doc);
	in->near_only = strcmp(in->doc.reach, INSTANCE_SITE) == 0;
	in->doc.revision = in->o.revision = meta->revision;
	in->doc.created_at = meta->created_at;
	in->doc.updated_at = meta->updated_at;
	in->doc.updated_by = arena_slice(a, meta->updated_by);
	in->live = live_hold(a, st->live, LIVE_INSTANCE,
		arena_printf(a, "%s/%s", in->doc.service, in->doc.id));
	object_render(&in->o, &instance_fields, &in->doc);
	*ret = in;
	return ERR_OK;
}

static void take_hash(unsigned char ret[CALLER_HASH], struct slice hash)
{
	memset(ret, 0, CALLER_HASH);
	if (hash.n == CALLER_HASH)
		memcpy(ret, hash.p, CALLER_HASH);
}

enum err_code object_token(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct caller_row *row, struct token_obj **ret, struct err *err)
{
	struct token_obj *t = object_new(sizeof(*t));
	struct arena *a = &t->o.arena;
	enum err_code code = jx_decode(&token_fields, doc, STORED_LIMITS, JX_CREATE | JX_STORED, a,
		&t->doc, err);
	if (!code && !ident_read(row->id, CREDENTIAL_TOKEN, &t->id))
		code = err_set(err, ERR_STORAGE_CORRUPT, NULL);
	if (code) {
		object_drop(t);
		return code;
	}
	t->doc.id = t->id.text;
	t->doc.revision = t->o.revision = meta->revision;
	t->doc.created_at = meta->created_at;
	t->doc.updated_at = meta->updated_at;
	t->doc.updated_by = arena_slice(a, meta->updated_by);
	take_hash(t->hash, row->hash);
	t->revoked_at = row->revoked_at;
	t->live = live_hold(a, st->live, LIVE_TOKEN, t->doc.id);
	object_render(&t->o, &token_fields, &t->doc);
	*ret = t;
	return ERR_OK;
}

enum err_code object_client(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct caller_row *row, struct client_obj **ret, struct err *err)
{
	struct client_obj *c = object_new(sizeof(*c));
	struct arena *a = &c->o.arena;
	enum err_code code = jx_decode(&client_fields, doc, STORED_LIMITS, JX_CREATE | JX_STORED, a,
		&c->doc, err);
	if (!code && !ident_read(row->id, CREDENTIAL_CLIENT, &c->id))
		code = err_set(err, ERR_STORAGE_CORRUPT, NULL);
	if (code) {
		object_drop(c);
		return code;
	}
	c->doc.id = c->id.text;
	c->doc.revision = c->o.revision = meta->revision;
	c->doc.created_at = meta->created_at;
	c->doc.updated_at = meta->updated_at;
	c->doc.updated_by = arena_slice(a, meta->updated_by);
	take_hash(c->hash, row->hash);
	c->live = live_hold(a, st->live, LIVE_CLIENT, c->doc.id);
	c->limits = limits_of(c->doc.limits.rpm, c->doc.limits.tpm, c->doc.limits.concurrency,
		c->doc.limits.burst, &c->doc.budget);
	object_render(&c->o, &client_fields, &c->doc);
	*ret = c;
	return ERR_OK;
}

void row_mac(const struct seal *seal, const struct slice *parts, size_t n,
	unsigned char ret[SEAL_MAC])
{
	struct str s = STR_INIT;
	for (size_t i = 0; i < n; i++) {
		str_reserve(&s, parts[i].n + NUM_I64_TEXT);
		str_add_i64(&s, (int64_t)parts[i].n);
		str_add_c(&s, ':');
		str_add_slice(&s, parts[i]);
	}
	seal_row_mac(seal, str_slice(&s), ret);
	str_release(&s);
}

bool row_holds(const struct seal *seal, struct slice stored, const struct slice *parts, size_t n)
{

	if (seal == NULL)
		return true; // sealed: nothing can be checked, and nobody is let in by what it says
	unsigned char mac[SEAL_MAC];
	row_mac(seal, parts, n, mac);
	return stored.n == SEAL_MAC && memcmp(stored.p, mac, SEAL_MAC) == 0;
}

bool row_is_object(struct slice text)
{
	struct err ignored;
	return text.n > 0 && text.p[0] == '{' &&
		jscan_check(text, (struct jscan_limits){.depth = 2 * JSCAN_DEPTH}, &ignored) ==
		ERR_OK;
}
