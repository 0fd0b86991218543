// SPDX-License-Identifier: MIT
// Makes documents what they say, in one transaction: what is to go goes first, then each kind in its
// order; what cannot be yet is tried again once others are there. One that is wrong undoes all, and so
// does a dry run. All of it, reading included, is on the store's thread.
#include "agent/api/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/api/apply_put.h"
#include "agent/api/change.h"
#include "agent/monitor/probe.h"
#include "agent/store/feature.h"
#include "shared/clock.h"
#include "shared/text.h"

#define ROUNDS_MAX 8
#define NAME_BYTES_MAX 1024
#define DOCUMENTS_MAX 10000 // each has its place in memory and in the answer
#define KIND_SHOWN_MAX 32

static struct jscan_limits limits(void)
{
	return (struct jscan_limits){.tokens = body_limit(BODY_APPLY)->tokens};
}

// ---- reading ----

static void wrong(struct apply_item *it, enum err_code code, const char *field, const char *why)
{
	if (it->hopeless)
		return;
	err_field(&it->err, code, field, "%s", why);
	it->hopeless = true;
}

// A text without control characters; NULL for another value.
static const char *text_of(struct arena *a, struct slice value)
{
	char buf[NAME_BYTES_MAX];
	size_t n;
	if (value.n == 0 || value.p[0] != '"' || !jscan_string(value, buf, sizeof(buf), &n))
		return NULL;
	return n > 0 && field_charset_ok(FC_NAME, (struct slice){buf, n}) ? arena_strndup(a, buf, n)
									  : NULL;
}

// What can be nothing else than a word may be repeated.
static bool is_word(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return n <= KIND_SHOWN_MAX && text[n] == '\0';
}

static void read_kind(struct apply_item *it, struct arena *a, const struct jscan_member *m)
{
	const char *text = m != NULL ? text_of(a, m->value) : NULL;
	int kind = 0;
	it->kind_text = text != NULL && is_word(text) ? text : "";
	while (document_kind_names[kind] != NULL &&
		strcmp(it->kind_text, document_kind_names[kind]) != 0)
		kind++;
	it->kind = (enum document_kind)kind;
	if (kind < DOC_KINDS)
		it->kind_text = NULL;
	else if (m == NULL)
		wrong(it, ERR_FIELD_REQUIRED, ".kind", _("kind is required"));
	else
		wrong(it, ERR_FIELD_RANGE, ".kind",
			_("must be Feature, Key, Service, Client or AlertRule"));
}

static void read_members(struct apply_item *it, struct arena *a, const struct jscan_member *m,
	size_t n)
{
	const struct jscan_member *name = jscan_find(m, n, "name"),
				  *spec = jscan_find(m, n, "spec"),
				  *revision = jscan_find(m, n, "revision");
	read_kind(it, a, jscan_find(m, n, "kind"));
	const char *text = name != NULL ? text_of(a, name->value) : NULL;
	it->name = text != NULL ? text : "";
	if (name == NULL)
		wrong(it, ERR_FIELD_REQUIRED, ".name", _("name is required"));
	else if (text == NULL)
		wrong(it, ERR_FIELD_TYPE, ".name", _("must be a printable text"));
	if (spec == NULL)
		wrong(it, ERR_FIELD_REQUIRED, ".spec", _("spec is required"));
	else if (spec->type != JS_OBJECT)
		wrong(it, ERR_FIELD_TYPE, ".spec", _("must be an object"));
	else
		it->spec = spec->value;
	if (revision != NULL && (!jscan_int(revision->value, &it->if_match) || it->if_match < 0))
		wrong(it, ERR_FIELD_TYPE, ".revision", _("must be a whole number"));
	for (size_t i = 0; i < n; i++) {
		char field[ERR_FIELD_MAX] = "";
		if (&m[i] == name || &m[i] == spec || &m[i] == revision ||
			slice_eq_str(m[i].key, "kind"))
			continue;
		// It is repeated only when it looks like a name.
		if (m[i].key.n < ID_MAX && field_charset_ok(FC_ID, m[i].key))
			snprintf(field, sizeof(field), ".%.*s", SLICE_FMT(m[i].key));
		wrong(it, ERR_FIELD_UNKNOWN, field,
			_("a document has kind, name, spec and revision"));
	}
}

static void read_item(struct apply *a, struct apply_item *it, size_t index, struct slice text)
{
	struct jscan_member m[16];
	size_t n = 0;
	*it = (struct apply_item){.kind = DOC_KINDS,
		.kind_text = "",
		.name = "",
		.if_match = FIELD_NONE,
		.revision = FIELD_NONE,
		.index = index};
	if (jscan_object(text, limits(), m, ARRAY_LEN(m), &n, &it->err) != ERR_OK)
		it->hopeless = true;
	else
		read_members(it, &a->r->arena, m, n);
}

// The second one of a name is wrong: no order says which of them is meant.
static void own(struct apply *a, struct apply_item *it)
{
	if (it->hopeless)
		return;
	struct slice key = slice_of(apply_owner_key(a, it->kind, it->name));
	struct apply_item *other = map_get(&a->owners, key);
	if (other == NULL) {
		map_put(&a->owners, key, it);
		return;
	}
	err_field(&it->err, ERR_CONFLICT_EXISTS, ".name", _("documents[%zu] has the same name"),
		other->index);
	it->hopeless = true;
}

static enum err_code read_confirm(struct apply *a, struct slice list, struct err *err)
{
	struct slice one;
	static char yes;
	while (jscan_next(&list, &one)) {
		const char *name = text_of(&a->r->arena, one);
		if (name == NULL)
			return err_field(err, ERR_FIELD_TYPE, "confirm",
				_("must be a list of names"));
		map_put(&a->confirmed, slice_of(name), &yes);
	}
	return ERR_OK;
}

static enum err_code read_body(struct apply *a, const struct snapshot *snap, struct err *err)
{
	struct jscan_member m[8];
	size_t n = 0;
	struct slice one;
	enum err_code code = jscan_object(a->r->body, limits(), m, ARRAY_LEN(m), &n, err);
	if (code)
		return code;
	const struct jscan_member *docs = jscan_find(m, n, "documents"),
				  *names = jscan_find(m, n, "confirm");
	for (size_t i = 0; i < n; i++)
		if (&m[i] != docs && &m[i] != names)
			return err_field(err, ERR_FIELD_UNKNOWN, "", "%s",
				_("the body has documents, and confirm"));
	if (docs == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "documents", _("documents is required"));
	if (docs->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "documents", _("must be a list"));
	if (names != NULL && names->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "confirm", _("must be a list of names"));
	if (names != NULL)
		code = read_confirm(a, names->value, err);
	size_t count = 0;
	for (struct slice rest = docs->value; jscan_next(&rest, &one);)
		count++;
	if (!code && count > DOCUMENTS_MAX)
		code = err_field(err, ERR_JSON_TOO_COMPLEX, "documents", _("at most %d documents"),
			DOCUMENTS_MAX);
	if (code)
		return code;
	a->v = arena_zalloc(&a->r->arena, count + 1, sizeof(*a->v));
	for (struct slice rest = docs->value; jscan_next(&rest, &one); a->n++) {
		read_item(a, &a->v[a->n], a->n, one);
		own(a, &a->v[a->n]);
	}
	for (size_t i = 0; i < a->n; i++)
		apply_adopt(a, snap, &a->v[i]);
	return code;
}

static void index_keys(struct apply *a, const struct snapshot *snap)
{
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(snap->keys, &it, NULL, &obj))
		apply_index(a, obj);
}

static bool is_pruned(const struct apply *a, enum document_kind kind, const char *name,
	const char *key)
{
	bool kept = kind == DOC_FEATURE && store_feature_is_default(name) &&
		map_get(&a->confirmed, slice_of(name)) == NULL;
	return !kept && map_get(&a->owners, slice_of(key)) == NULL;
}

// What stands and is in no document, of the kinds that were named.
static void find_gone(struct apply *a, const struct snapshot *snap, int64_t kinds)
{
	struct arena *arena = &a->r->arena;
	struct document *stands[DOC_KINDS];
	size_t n[DOC_KINDS] = {0}, all = 0;
	for (int kind = 0; kind < DOC_KINDS; kind++) {
		if (kinds & INT64_C(1) << kind)
			stands[kind] = documents_of(snap, (enum document_kind)kind, arena,
				&n[kind]);
		all += n[kind];
	}
	a->gone = arena_zalloc(arena, all + 1, sizeof(*a->gone));
	for (int kind = 0; kind < DOC_KINDS; kind++) {
		for (size_t i = 0; i < n[kind]; i++) {
			enum document_kind k = (enum document_kind)kind;
			const char *name = stands[kind][i].name;
			if (is_pruned(a, k, name, apply_owner_key(a, k, name)))
				a->gone[a->gone_n++] = (struct apply_item){.kind = k,
					.name = arena_strdup(arena, name),
					.if_match = FIELD_NONE,
					.revision = FIELD_NONE,
					.pruned = true};
		}
	}
}

// ---- doing ----

struct step {
	struct apply *a;
	struct apply_item *it;
};

static enum err_code run_step(struct store_tx *tx, void *arg, bool *keep UNUSED, struct err *err)
{
	struct step *s = arg;
	if (document_in_scope(&s->a->r->who, s->it->kind, true, err))
		return err->code;
	return s->it->pruned ? apply_delete(tx, s->a, s->it, err) : apply_put(tx, s->a, s->it, err);
}

// What is no fault of the document ends all of it.
static bool is_ours(enum err_code code)
{
	return err_row(code)->status >= 500 && code != ERR_SECRET_CORRUPT;
}

static enum err_code one(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err)
{
	struct step s = {a, it};
	it->err = (struct err){.code = ERR_OK};
	enum err_code code = store_tx_part(tx, run_step, &s, &it->err);
	it->done = code == ERR_OK;
	if (!code)
		return ERR_OK;
	it->err.code = code;
	if (is_ours(code)) {
		*err = it->err;
		return code;
	}
	// Another document may mend it: free a name, bring a key.
	it->hopeless = code != ERR_CONFLICT_EXISTS && code != ERR_CONFLICT_STATE &&
		code != ERR_FIELD_RANGE && code != ERR_NOT_FOUND;
	return ERR_OK;
}

// *ret_done: whether anything was.
static enum err_code round_of(struct store_tx *tx, struct apply *a, bool *ret_done, struct err *err)
{
	*ret_done = false;
	for (int kind = 0; kind < DOC_KINDS; kind++) {
		for (size_t i = 0; i < a->n; i++) {
			struct apply_item *it = &a->v[i];
			if ((int)it->kind != kind || it->done || it->hopeless)
				continue;
			enum err_code code = one(tx, a, it, err);
			if (code)
				return code;
			*ret_done |= it->done;
		}
	}
	return ERR_OK;
}

static bool is_all_well(const struct apply *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!a->v[i].done)
			return false;
	for (size_t i = 0; i < a->gone_n; i++)
		if (!a->gone[i].done)
			return false;
	return true;
}

static enum err_code run_all(struct store_tx *tx, void *arg, bool *keep, struct err *err)
{
	struct apply *a = arg;
	enum err_code code = ERR_OK;
	bool done = true;
	for (size_t i = 0; i < a->gone_n && !code; i++)
		code = one(tx, a, &a->gone[i], err);
	for (int round = 0; round < ROUNDS_MAX && done && !code; round++)
		code = round_of(tx, a, &done, err);
	a->well = !code && is_all_well(a);
	*keep = a->well && !a->dry_run;
	return code;
}

// ---- answering ----

static void write_error(struct jw *w, const struct err *e, const char *request_id)
{
	const struct err_row *row = err_row(e->code);
	const char *hint = e->hint[0] ? e->hint : row->hint;
	jw_obj(w, "error");
	jw_str(w, "code", row->code);
	jw_str(w, "message", e->message[0] ? e->message : _(row->message));
	if (e->field[0])
		jw_str(w, "field", e->field);
	if (hint != NULL)
		jw_str(w, "hint", hint);
	if (request_id != NULL)
		jw_str(w, "request_id", request_id);
	jw_obj_end(w);
}

static void raw_member(struct jw *w, const char *key, struct slice json)
{
	if (json.n)
		jw_raw(w, key, json);
}

static void write_item(struct jw *w, const struct apply *a, const struct apply_item *it, bool keys)
{
	bool undone = !a->well && !a->dry_run && it->done && it->result != APPLY_UNCHANGED;
	enum apply_result result = !it->done ? APPLY_INVALID
		: undone		     ? APPLY_NOT_APPLIED
					     : it->result;
	bool made = a->well && !a->dry_run;
	jw_obj(w, NULL);
	jw_str(w, "kind", it->kind_text != NULL ? it->kind_text : document_kind_names[it->kind]);
	jw_str(w, "name", it->name);
	jw_str(w, "result", apply_result_names[result]);
	if (it->done && it->revision != FIELD_NONE && (made || it->result == APPLY_UNCHANGED))
		jw_int(w, "revision", it->revision);
	if (result == APPLY_INVALID) {
		write_error(w, &it->err, NULL);
	} else {
		raw_member(w, "changed", it->changed);
		raw_member(w, "before", it->before);
		raw_member(w, "after", it->after);
	}
	if (it->needs_secret)
		jw_bool(w, "needs_secret", true);
	if (it->needs_confirm)
		jw_bool(w, "needs_confirm", true);
	if (it->effect != NULL)
		jw_str(w, "effect", it->effect);
	raw_member(w, "locks_out", it->locks_out);
	if (keys && made && it->result == APPLY_CREATED && it->key != NULL)
		jw_str(w, "key", it->key);
	jw_obj_end(w);
}

static void take_worst(const struct apply_item *v, size_t n, const struct err **ret)
{
	for (size_t i = 0; i < n; i++)
		if (!v[i].done &&
			(*ret == NULL ||
				err_row(v[i].err.code)->status > err_row((*ret)->code)->status))
			*ret = &v[i].err;
}

// The error with the highest status, the first of these; NULL when all is well.
static const struct err *worst(const struct apply *a)
{
	const struct err *e = NULL;
	take_worst(a->v, a->n, &e);
	take_worst(a->gone, a->gone_n, &e);
	return e;
}

static void write_answer(struct str *out, const struct apply *a, bool keys)
{
	struct jw w = jw_to(out);
	jw_obj(&w, NULL);
	if (!a->well && !a->dry_run)
		write_error(&w, worst(a), a->r->id);
	jw_bool(&w, "dry_run", a->dry_run);
	jw_bool(&w, "applied", a->well && !a->dry_run);
	jw_arr(&w, "items");
	for (size_t i = 0; i < a->n; i++)
		write_item(&w, a, &a->v[i], keys);
	for (size_t i = 0; i < a->gone_n; i++)
		write_item(&w, a, &a->gone[i], keys);
	list_close(&w, a->n + a->gone_n, a->revision, NULL);
}

static const char *action_of(const struct apply_item *it)
{
	if (it->result == APPLY_DELETED)
		return it->kind == DOC_SERVICE ? "deregister" : "delete";
	if (it->result == APPLY_CREATED)
		return it->kind == DOC_SERVICE ? "register" : "create";
	return it->kind == DOC_SERVICE ? "replace" : it->rotated ? "rotate" : "update";
}

static bool tell_all(const struct apply *a, const struct apply_item *v, size_t n)
{
	bool probed = false;
	for (size_t i = 0; i < n; i++) {
		const struct apply_item *it = &v[i];
		if (it->result == APPLY_UNCHANGED)
			continue;
		change_tell_one(a->r, it->kind == DOC_KEY ? EVENT_KEY : EVENT_CONFIG, action_of(it),
			it->object, slice_of(it->name), it->revision);
		probed |= it->kind == DOC_SERVICE;
	}
	return probed;
}

// An instance that was just registered lives, as if it had told so.
static void beat(const struct apply *a)
{
	const struct snapshot *snap = snapshots_now(a->r->agent->snaps);
	for (size_t i = 0; i < a->n; i++) {
		struct slice id = slice_of(a->v[i].name);
		if (a->v[i].kind != DOC_SERVICE || a->v[i].result == APPLY_UNCHANGED)
			continue;
		struct slice service = slice_cut(&id, '/');
		const struct instance_obj *in = snapshot_instance(snap, service, id);
		if (in != NULL && in->doc.ttl_s != FIELD_NONE)
			probe_beat(in->live, clock_mono_us());
	}
}

// On the loop, once it is there: the others are told, and new keys shown this once.
static void committed(struct change *c)
{
	const struct apply *a = c->arg;
	if (!a->well || a->dry_run)
		return;
	bool probed = tell_all(a, a->gone, a->gone_n);
	probed |= tell_all(a, a->v, a->n);
	if (probed) {
		beat(a);
		probes_wake(a->r->agent->probes);
	}
	str_clear(&c->body);
	write_answer(&c->body, a, true);
}

// ---- the endpoint ----

static void release(void *arg)
{
	struct apply *a = arg;
	map_release(&a->owners);
	map_release(&a->also);
	map_release(&a->confirmed);
}

static enum err_code run_apply(struct store_tx *tx, struct change *c, struct err *err)
{
	struct apply *a = c->arg;
	const struct snapshot *snap = store_tx_snapshot(tx);
	int64_t revision = req_query_int(a->r, "revision");
	if (revision >= 0 && revision != (int64_t)snap->revision)
		return err_set(err, ERR_PRECONDITION_FAILED,
			_("the configuration changed since you read it"));
	a->actor = c->job.actor;
	index_keys(a, snap);
	enum err_code code = read_body(a, snap, err);
	if (code)
		return code;
	find_gone(a, snap, req_query_int(a->r, "prune"));
	code = store_tx_part(tx, run_all, a, err);
	if (code)
		return code;
	for (size_t i = 0; i < a->n; i++)
		if (!a->v[i].done)
			apply_place_field(i, &a->v[i].err);
	for (size_t i = 0; i < a->gone_n; i++)
		if (a->gone[i].err.field[0] == '^') // it stands in no document
			apply_place_field(0, &a->gone[i].err);
	a->revision = store_tx_snapshot(tx)->revision;
	write_answer(&c->body, a, false);
	c->etag = (int64_t)a->revision;
	c->status = a->well || a->dry_run ? 200 : err_row(worst(a)->code)->status;
	if (!a->well || a->dry_run)
		change_keep_nothing(c);
	return ERR_OK;
}

void h_apply(struct req *r)
{
	struct apply *a = arena_zalloc(&r->arena, 1, sizeof(*a));
	struct change *c = change_new(r, run_apply, a);
	const char *confirm = req_query(r, "confirm");
	a->r = r;
	a->reach = principal_reach(&r->who);
	a->dry_run = req_query_bool(r, "dry_run");
	arena_defer(&r->arena, release, a);
	if (confirm != NULL)
		map_put(&a->confirmed, slice_of(confirm), a);
	c->committed = committed;
	change_submit(c);
}
