// SPDX-License-Identifier: MIT
// Reads a document by its kind's rows, with what its name says put in, hands it to the store, and
// notes what became of the object.
#include "agent/api/apply_put.h"

#include <stdio.h>
#include <string.h>
#include "agent/api/address.h"
#include "agent/api/instances.h"
#include "agent/api/services.h"
#include "agent/state/caller.h"
#include "agent/store/alert.h"
#include "agent/store/caller.h"
#include "agent/store/feature.h"
#include "agent/store/instance.h"
#include "agent/store/key.h"
#include "agent/web/keyless.h"
#include "shared/clock.h"
#include "shared/credential.h"
#include "shared/jx.h"
#include "shared/rows/alert.h"
#include "shared/text.h"

#define SPEC_MEMBERS_MAX 96

static struct jscan_limits limits(void)
{
	return (struct jscan_limits){.tokens = body_limit(BODY_APPLY)->tokens};
}

// ---- names ----

// vendor/service/slug, or service/id.
static bool name_parts(const char *name, struct slice *part, size_t n)
{
	struct slice rest = slice_of(name);
	for (size_t i = 0; i < n; i++) {
		part[i] = rest.p != NULL ? slice_cut(&rest, '/') : (struct slice){NULL, 0};
		if (part[i].n == 0 || part[i].n > ID_MAX)
			return false;
	}
	return rest.p == NULL;
}

static bool is_slug(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
			    strchr("._-", s.p[i]) != NULL))
			return false;
	return s.n > 0 && s.n < STORE_SLUG_MAX;
}

const char *apply_owner_key(struct apply *a, enum document_kind kind, const char *name)
{
	char folded[CALLER_NAME_BYTES + 1];
	bool folds = kind == DOC_CLIENT && strlen(name) <= CALLER_NAME_BYTES;
	struct slice said = folds ? caller_name_fold(name, folded) : slice_of(name);
	return arena_printf(&a->r->arena, "%d/%.*s", (int)kind, SLICE_FMT(said));
}

static bool is_anothers(struct apply *a, const struct apply_item *it, const struct key_obj *k)
{
	const struct apply_item *owner = map_get(&a->owners,
		slice_of(apply_owner_key(a, DOC_KEY, k->ref)));
	return owner != NULL && owner != it;
}

// By its ref; or with another of its services in the place of the first, where no document has it by
// its ref.
static const struct key_obj *find_key(struct apply *a, const struct snapshot *snap,
	const struct apply_item *it)
{
	const struct key_obj *k = snapshot_key_ref(snap, slice_of(it->name));
	if (k != NULL)
		return k;
	const char *id = map_get(&a->also, slice_of(it->name));
	k = id != NULL ? snapshot_key(snap, slice_of(id)) : NULL;
	struct slice part[3];
	if (k == NULL || !name_parts(it->name, part, 3) || is_anothers(a, it, k))
		return NULL;
	// It may have had the service until a document before this one.
	return key_serves(&k->doc, arena_slice(&a->r->arena, part[1])) ? k : NULL;
}

void apply_index(struct apply *a, const struct key_obj *k)
{
	struct arena *arena = &a->r->arena;
	for (size_t i = 0; i < k->doc.services.n; i++) {
		struct slice ref = slice_of(arena_printf(arena, "%s/%s/%s", k->doc.vendor,
			k->doc.services.v[i], k->doc.slug));
		if (map_get(&a->also, ref) == NULL)
			map_put(&a->also, ref, arena_strdup(arena, k->doc.id));
	}
}

void apply_adopt(struct apply *a, const struct snapshot *snap, struct apply_item *it)
{
	const struct key_obj *k = NULL;
	if (it->kind == DOC_KEY && !it->hopeless)
		k = find_key(a, snap, it);
	if (k != NULL)
		map_put(&a->owners, slice_of(apply_owner_key(a, DOC_KEY, k->ref)), it);
}

void apply_place_field(size_t index, struct err *err)
{
	char field[ERR_FIELD_MAX];
	snprintf(field, sizeof(field), "%s", err->field);
	if (field[0] == '^')
		snprintf(err->field, sizeof(err->field), "%.80s", field + 1);
	else if (field[0] == '.')
		snprintf(err->field, sizeof(err->field), "documents[%zu]%.64s", index, field);
	else if (field[0] != '\0')
		snprintf(err->field, sizeof(err->field), "documents[%zu].spec.%.64s", index, field);
	else
		snprintf(err->field, sizeof(err->field), "documents[%zu]", index);
}

// ---- reading ----

// What the name says of the spec.
struct given {
	const char *member;
	struct slice value;
	bool binds; // said otherwise it is wrong; else it is only the default
};

static enum err_code check_given(const struct jscan_member *m, const struct given *g,
	struct err *err)
{
	char buf[4 * NAME_MAX_CP + 1];
	size_t n = 0;
	if (!g->binds)
		return ERR_OK;
	if (m->type == JS_STRING && jscan_string(m->value, buf, sizeof(buf), &n) &&
		slice_eq((struct slice){buf, n}, g->value))
		return ERR_OK;
	return err_field(err, ERR_FIELD_RANGE, g->member,
		_("is another one than in the document's name"));
}

// The spec with what the name says and it leaves out.
static enum err_code spec_text(const struct apply_item *it, const struct given *g, size_t n,
	struct str *out, struct err *err)
{
	struct jscan_member m[SPEC_MEMBERS_MAX];
	size_t members = 0;
	enum err_code code = jscan_object(it->spec, limits(), m, ARRAY_LEN(m), &members, err);
	str_add_c(out, '{');
	for (size_t i = 0; i < n && !code; i++) {
		const struct jscan_member *said = jscan_find(m, members, g[i].member);
		if (said != NULL) {
			code = check_given(said, &g[i], err);
			continue;
		}
		str_add_json(out, slice_of(g[i].member));
		str_add_c(out, ':');
		str_add_json(out, g[i].value);
		str_add_c(out, ',');
	}
	struct slice rest = it->spec;
	slice_cut(&rest, '{');
	if (!members)
		str_cut(out, out->n - (out->n > 1)); // no comma before the end
	str_add_slice(out, rest);
	return code;
}

static enum err_code read_spec(const struct apply_item *it, const struct field_set *fields,
	const struct given *g, size_t n, struct arena *arena, void *doc, struct err *err)
{
	struct str text = STR_INIT;
	enum err_code code = spec_text(it, g, n, &text, err);
	if (!code)
		code = jx_decode(fields, str_slice(&text), limits(), JX_REPLACE, arena, doc, err);
	str_wipe(&text);
	return code;
}

static enum err_code read_named(const struct apply_item *it, const struct field_set *fields,
	struct arena *arena, void *doc, struct err *err)
{
	struct given g = {"name", slice_of(it->name), true};
	return read_spec(it, fields, &g, 1, arena, doc, err);
}

// ---- what became of it ----

static bool is_set_by_agent(const struct field_set *fields, struct slice member)
{
	const struct field *f = field_named(fields, member);
	return f == NULL || (f->flags & FF_READONLY);
}

static struct slice kept(struct apply *a, struct str *s)
{
	struct slice text = {arena_slice(&a->r->arena, str_slice(s)), s->n};
	str_release(s);
	return text;
}

// The names of the top members that are others now.
static struct slice differences(struct apply *a, const struct field_set *fields,
	const struct object *old, const struct object *now, bool rotated)
{
	struct jscan_member was[SPEC_MEMBERS_MAX], is[SPEC_MEMBERS_MAX];
	struct jscan_limits any = {.tokens = 0, .lax = true};
	size_t was_n = 0, is_n = 0;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	struct err ignored;
	jscan_object(old->json, any, was, ARRAY_LEN(was), &was_n, &ignored);
	jscan_object(now->json, any, is, ARRAY_LEN(is), &is_n, &ignored);
	jw_arr(&w, NULL);
	if (rotated)
		jw_str(&w, NULL, "api_key");
	for (size_t i = 0; i < fields->n; i++) {
		const struct jscan_member *x = jscan_find(was, was_n, fields->f[i].name);
		const struct jscan_member *y = jscan_find(is, is_n, fields->f[i].name);
		bool same = x != NULL && y != NULL ? slice_eq(x->value, y->value) : x == y;
		if (!same && !is_set_by_agent(fields, slice_of(fields->f[i].name)))
			jw_str(&w, NULL, fields->f[i].name);
	}
	jw_arr_end(&w);
	return kept(a, &out);
}

static void note_spec(struct apply *a, const struct snapshot *snap, enum document_kind kind,
	const void *obj, struct slice *ret)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	if (!a->dry_run)
		return;
	if (obj == NULL)
		jw_null(&w, NULL);
	else
		document_write(&w, NULL, snap, kind, obj);
	*ret = kept(a, &out);
}

// old and now are objects, whose first member is struct object; old NULL: it is new.
static void note(struct apply *a, struct store_tx *tx, struct apply_item *it,
	const struct field_set *fields, const void *old, const void *now)
{
	const struct object *was = old, *is = now;
	const struct snapshot *snap = store_tx_snapshot(tx);
	it->result = old == now ? APPLY_UNCHANGED : old != NULL ? APPLY_CONFIGURED : APPLY_CREATED;
	it->revision = is->revision;
	if (old == now)
		return;
	if (old != NULL)
		it->changed = differences(a, fields, was, is, it->rotated);
	note_spec(a, snap, it->kind, now, &it->after);
}

// Before it is written: the old object may be gone afterwards.
static void note_before(struct apply *a, struct store_tx *tx, struct apply_item *it,
	const void *old)
{
	note_spec(a, store_tx_snapshot(tx), it->kind, old, &it->before);
}

// ---- features and rules ----

static enum err_code put_feature(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct arena *arena, struct err *err)
{
	const struct feature_obj *old = snapshot_feature(store_tx_snapshot(tx), slice_of(it->name));
	const struct feature_obj *obj;
	struct feature doc;
	enum err_code code = read_named(it, &feature_fields, arena, &doc, err);
	note_before(a, tx, it, old);
	if (!code)
		code = store_feature_put(tx, &doc, false, it->if_match, &obj, err);
	if (!code)
		note(a, tx, it, &feature_fields, old, obj);
	return code;
}

static enum err_code put_rule(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct arena *arena, struct err *err)
{
	const struct rule_obj *old = snapshot_rule(store_tx_snapshot(tx), slice_of(it->name));
	const struct rule_obj *obj;
	struct alert_rule doc;
	enum err_code code = read_named(it, &alert_rule_fields, arena, &doc, err);
	note_before(a, tx, it, old);
	if (!code)
		code = store_rule_put(tx, &doc, false, it->if_match, &obj, err);
	if (!code)
		note(a, tx, it, &alert_rule_fields, old, obj);
	return code;
}

// ---- keys ----

// Its vendor and services are who it is: the name says one of them, an existing key the others.
static enum err_code fit_services(struct vendor_key *doc, const struct key_obj *old,
	struct slice service, struct arena *arena, struct err *err)
{
	const char *named = arena_slice(arena, service);
	if (doc->service == NULL && doc->services.n == 0) {
		doc->service = old != NULL ? old->doc.service : named;
		if (doc->service == NULL)
			doc->services = old->doc.services;
	}
	return key_serves(doc, named)
		? ERR_OK
		: err_field(err, ERR_FIELD_RANGE, doc->service != NULL ? "service" : "services",
			  _("does not have the service of the document's name"));
}

static enum err_code read_key(struct apply *a, struct apply_item *it, const struct key_obj *old,
	const struct slice part[3], struct arena *arena, struct vendor_key *doc, struct err *err)
{
	const struct given g[] = {{"vendor", part[0], true}, {"key_name", part[2], false}};
	enum err_code code = read_spec(it, &key_view_fields, g, ARRAY_LEN(g), arena, doc, err);
	if (!code)
		code = fit_services(doc, old, part[1], arena, err);
	if (code)
		return code;
	doc->slug = arena_slice(arena, part[2]);
	doc->id = old != NULL ? old->doc.id : NULL;
	struct url url;
	code = address_of_key(a->r->agent, doc, arena, &url, err);
	if (code || old != NULL || doc->api_key.n > 0)
		return code;
	it->needs_secret = true;
	err_field(err, ERR_FIELD_REQUIRED, "api_key",
		_("this key is not there yet, and the document does not have its api_key"));
	err_hint(err, "%s", _("documents never come with secrets: give it to this one"));
	return ERR_FIELD_REQUIRED;
}

// Another document may have found it by another of its services.
static enum err_code claim(struct apply *a, struct apply_item *it, const struct key_obj *k,
	struct err *err)
{
	if (is_anothers(a, it, k))
		return err_field(err, ERR_CONFLICT_EXISTS, ".name",
			_("another document names the same key"));
	map_put(&a->owners, slice_of(apply_owner_key(a, DOC_KEY, k->ref)), it);
	return ERR_OK;
}

static enum err_code put_key(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct arena *arena, struct err *err)
{
	struct slice part[3];
	struct vendor_key doc = {0};
	if (!name_parts(it->name, part, 3) || !is_slug(part[2]))
		return err_field(err, ERR_FIELD_CHARSET, ".name",
			_("a key is named vendor/service/slug"));
	const struct key_obj *old = find_key(a, store_tx_snapshot(tx), it);
	const struct key_obj *obj;
	enum err_code code = old != NULL ? claim(a, it, old, err) : ERR_OK;
	if (!code)
		code = read_key(a, it, old, part, arena, &doc, err);
	note_before(a, tx, it, old);
	if (!code)
		code = store_key_put(tx, &doc, old == NULL, it->if_match, &obj, err);
	if (!code && !slice_eq_str(part[2], obj->doc.slug))
		code = err_field(err, ERR_CONFLICT_EXISTS, ".name",
			_("another key of this vendor has this name"));
	if (!code)
		code = claim(a, it, obj, err);
	if (code)
		return code;
	apply_index(a, obj);
	it->rotated = old != NULL && strcmp(old->doc.fingerprint, obj->doc.fingerprint) != 0;
	note(a, tx, it, &key_fields, old, obj);
	return ERR_OK;
}

// ---- services ----

static enum err_code put_service(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct arena *arena, struct err *err)
{
	struct slice part[2];
	struct instance_wish wish = {.agent = a->r->agent,
		.arena = arena,
		.role = a->r->who.role,
		.reach = a->reach,
		.fields = &instance_view_fields,
		.keeps_reach = true};
	if (!name_parts(it->name, part, 2))
		return err_field(err, ERR_FIELD_CHARSET, ".name",
			_("an instance is named service/id"));
	const struct instance_obj *old = snapshot_instance(store_tx_snapshot(tx), part[0], part[1]);
	const struct instance_obj *obj;
	const struct jx *spec;
	note_before(a, tx, it, old);
	enum err_code code = jx_parse(it->spec, limits(), arena, &spec, err);
	if (!code)
		code = instance_read(&wish, spec, part[0], part[1], err);
	wish.says_enabled = wish.says_auth = true; // what is left out is said, too
	if (!code)
		code = instance_register(tx, &wish, &a->actor, it->if_match, &obj, err);
	if (code)
		return code;
	it->object = it->name;
	note(a, tx, it, &instance_fields, old, obj);
	return ERR_OK;
}

// ---- clients ----

static const struct client_obj *find_client(const struct snapshot *snap, const char *name)
{
	char folded[CALLER_NAME_BYTES + 1];
	return strlen(name) <= CALLER_NAME_BYTES
		? pmap_get(snap->client_names, caller_name_fold(name, folded))
		: NULL;
}

static bool is_confirmed(const struct apply *a, const char *name)
{
	return map_get(&a->confirmed, slice_of(name)) != NULL;
}

// A dry run only says that it is wanted.
static enum err_code confirm(const struct apply *a, struct apply_item *it, const char *why,
	struct err *err)
{
	it->needs_confirm = !is_confirmed(a, it->name);
	if (!it->needs_confirm || a->dry_run)
		return ERR_OK;
	err_field(err, ERR_CONFLICT_STATE, "^confirm", "%s", why);
	err_hint(err, "%s", _("say its name in confirm"));
	return ERR_CONFLICT_STATE;
}

static enum err_code confirm_first(struct apply *a, struct apply_item *it, struct err *err)
{
	struct keyless *keyless = a->r->agent->keyless;
	int64_t now = clock_mono_us();
	uint64_t requests;
	size_t callers = keyless_lately(keyless, now, &requests);
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	keyless_write(keyless, &w, now);
	jw_obj_end(&w);
	it->locks_out = kept(a, &out);
	it->effect = arena_printf(&a->r->arena,
		_("callers without a key get 401: %zu in the last %d min"), callers,
		KEYLESS_WINDOW_S / 60);
	return confirm(a, it, it->effect, err);
}

static void wipe_key(void *arg)
{
	secret_wipe(arg, CREDENTIAL_LEN + 1);
}

static enum err_code make_client(struct store_tx *tx, struct apply *a, struct apply_item *it,
	const struct client_doc *doc, const struct client_obj **ret, struct err *err)
{
	const struct snapshot *snap = store_tx_snapshot(tx);
	enum err_code code = ERR_OK;
	if (it->if_match != FIELD_NONE)
		return err_set(err, ERR_PRECONDITION_FAILED, NULL);
	if (snap->clients.n == 0 && !snap->clients_required)
		code = confirm_first(a, it, err);
	if (code)
		return code;
	if (it->key == NULL) {
		it->key = arena_zalloc(&a->r->arena, 1, CREDENTIAL_LEN + 1);
		arena_defer(&a->r->arena, wipe_key, it->key);
	}
	return store_client_create(tx, doc, it->key, ret, err);
}

static enum err_code put_client(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct arena *arena, struct err *err)
{
	const struct client_obj *old = find_client(store_tx_snapshot(tx), it->name);
	const struct client_obj *obj = NULL;
	struct client_doc doc = {0};
	enum err_code code = read_named(it, &client_view_fields, arena, &doc, err);
	note_before(a, tx, it, old);
	if (!code && old != NULL)
		code = store_client_put(tx, &old->id, &doc, it->if_match, &obj, err);
	else if (!code)
		code = make_client(tx, a, it, &doc, &obj, err);
	if (!code)
		note(a, tx, it, &client_fields, old, obj);
	return code;
}

// ---- all of them ----

typedef enum err_code put_fn(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct arena *arena, struct err *err);

enum err_code apply_put(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err)
{
	static put_fn *const puts[DOC_KINDS] = {[DOC_FEATURE] = put_feature,
		[DOC_KEY] = put_key,
		[DOC_SERVICE] = put_service,
		[DOC_CLIENT] = put_client,
		[DOC_RULE] = put_rule};
	struct arena arena = ARENA_INIT;
	arena.secret = true;
	it->needs_secret = it->needs_confirm = false;
	enum err_code code = puts[it->kind](tx, a, it, &arena, err);
	arena_release(&arena);
	return code;
}

// ---- deleting ----

static enum err_code delete_caller(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err)
{
	const struct client_obj *c = find_client(store_tx_snapshot(tx), it->name);
	enum err_code code = confirm(a, it, _("its key ends at once, and no other is it again"),
		err);
	return code ? code : store_client_delete(tx, &c->id, FIELD_NONE, err);
}

static enum err_code delete_key(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err)
{
	const struct key_obj *k = snapshot_key_ref(store_tx_snapshot(tx), slice_of(it->name));
	enum err_code code = confirm(a, it, _("requests have this key no more"), err);
	return code ? code : store_key_delete(tx, slice_of(k->doc.id), FIELD_NONE, err);
}

static enum err_code delete_service(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err)
{
	struct slice part[2];
	const struct instance_obj *in = NULL;
	if (name_parts(it->name, part, 2))
		in = snapshot_instance(store_tx_snapshot(tx), part[0], part[1]);
	if (!services_may_touch(in, a->actor.role, &a->actor.id, err))
		return err->code;
	it->object = it->name;
	return store_instance_delete(tx, part[0], part[1], err);
}

static enum err_code delete_rule(struct store_tx *tx, struct apply_item *it, struct err *err)
{
	enum err_code code = store_rule_delete(tx, slice_of(it->name), FIELD_NONE, err);
	if (!code && snapshot_rule(store_tx_snapshot(tx), slice_of(it->name)) != NULL)
		it->effect = _("it came with the agent: it is set back");
	return code;
}

enum err_code apply_delete(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err)
{
	enum err_code code;
	if (it->kind == DOC_FEATURE)
		code = store_feature_delete(tx, slice_of(it->name), FIELD_NONE, err);
	else if (it->kind == DOC_KEY)
		code = delete_key(tx, a, it, err);
	else if (it->kind == DOC_SERVICE)
		code = delete_service(tx, a, it, err);
	else if (it->kind == DOC_CLIENT)
		code = delete_caller(tx, a, it, err);
	else
		code = delete_rule(tx, it, err);
	it->result = APPLY_DELETED;
	return code;
}
