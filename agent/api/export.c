// SPDX-License-Identifier: MIT
// Writes down what stands, kind by kind in the order in which it can be applied and each by name, so
// that the same platform is the same bytes.
#include "agent/api/export.h"

#include <stdlib.h>
#include <string.h>
#include "agent/api/change.h"
#include "shared/rows/identity.h"
#include "shared/text.h"

// ---- what there is ----

static int by_name(const void *a, const void *b)
{
	const struct document *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static const struct pmap *objects_of(const struct snapshot *s, enum document_kind kind)
{
	const struct pmap *const maps[DOC_KINDS] = {[DOC_FEATURE] = &s->features,
		[DOC_KEY] = &s->keys,
		[DOC_SERVICE] = &s->instances,
		[DOC_CLIENT] = &s->clients,
		[DOC_RULE] = &s->alert_rules};
	return maps[kind];
}

static const char *name_of(enum document_kind kind, const void *obj, struct slice key,
	struct arena *a)
{
	switch (kind) {
	case DOC_FEATURE:
		return ((const struct feature_obj *)obj)->doc.name;
	case DOC_KEY:
		return ((const struct key_obj *)obj)->ref;
	case DOC_CLIENT:
		return ((const struct client_obj *)obj)->doc.name;
	case DOC_RULE:
		return ((const struct rule_obj *)obj)->doc.name;
	default:
		return arena_slice(a, key); // service/id
	}
}

struct document *documents_of(const struct snapshot *snap, enum document_kind kind, struct arena *a,
	size_t *ret_n)
{
	const struct pmap *map = objects_of(snap, kind);
	struct document *v = arena_zalloc(a, map->n + 1, sizeof(*v));
	struct pmap_it it = {0};
	struct slice key;
	size_t n = 0;
	void *obj;
	while (pmap_next(*map, &it, &key, &obj)) {
		// As it came with the agent, every agent has it.
		if (kind == DOC_RULE && ((const struct rule_obj *)obj)->o.revision == 0)
			continue;
		v[n++] = (struct document){name_of(kind, obj, key, a), obj};
	}
	qsort(v, n, sizeof(*v), by_name);
	*ret_n = n;
	return v;
}

// ---- what it says ----

// The id of a key is this agent's; its ref is everybody's.
static void write_instance(struct jw *w, const char *key, const struct snapshot *snap,
	const struct instance_obj *in)
{
	struct instance doc = in->doc;
	const struct key_obj *opens = doc.auth.key != NULL
		? snapshot_key(snap, slice_of(doc.auth.key))
		: NULL;
	if (opens != NULL)
		doc.auth.key = opens->ref;
	jw_spec(w, key, &instance_fields, &doc);
}

void document_write(struct jw *w, const char *key, const struct snapshot *snap,
	enum document_kind kind, const void *obj)
{
	if (kind == DOC_FEATURE)
		jw_spec(w, key, &feature_fields, &((const struct feature_obj *)obj)->doc);
	else if (kind == DOC_KEY)
		jw_spec(w, key, &key_fields, &((const struct key_obj *)obj)->doc);
	else if (kind == DOC_SERVICE)
		write_instance(w, key, snap, obj);
	else if (kind == DOC_CLIENT)
		jw_spec(w, key, &client_fields, &((const struct client_obj *)obj)->doc);
	else
		jw_spec(w, key, &alert_rule_fields, &((const struct rule_obj *)obj)->doc);
}

// ---- whose it is ----

enum err_code document_in_scope(const struct principal *who, enum document_kind kind, bool write,
	struct err *err)
{
	static const char *const nouns[DOC_KINDS] = {[DOC_FEATURE] = "features",
		[DOC_KEY] = "keys",
		[DOC_SERVICE] = "services",
		[DOC_CLIENT] = "clients",
		[DOC_RULE] = "alerts"};
	if (who->token == NULL || scope_in(&who->token->doc.scopes, nouns[kind], write))
		return ERR_OK;
	return err_set(err, ERR_SCOPE_EXCEEDED, _("this token does not hold the scope %s:%s"),
		nouns[kind], write ? "write" : "read");
}

// ---- the endpoint ----

static void write_documents(struct str *out, const struct snapshot *snap, int64_t kinds,
	struct arena *a)
{
	struct jw w = jw_to(out);
	jw_obj(&w, NULL);
	jw_arr(&w, "documents");
	for (int kind = 0; kind < DOC_KINDS; kind++) {
		size_t n = 0;
		const struct document *d = kinds & INT64_C(1) << kind
			? documents_of(snap, (enum document_kind)kind, a, &n)
			: NULL;
		for (size_t i = 0; i < n; i++) {
			jw_obj(&w, NULL);
			jw_str(&w, "kind", document_kind_names[kind]);
			jw_str(&w, "name", d[i].name);
			document_write(&w, "spec", snap, (enum document_kind)kind, d[i].obj);
			jw_obj_end(&w);
		}
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
}

static enum err_code run_export(struct store_tx *tx UNUSED, struct change *c,
	struct err *err UNUSED)
{
	write_documents(&c->body, c->r->snap, req_query_int(c->r, "kind"), &c->r->arena);
	return ERR_OK;
}

// Thousands of documents take time that no loop has, so they are written on the store's thread; where
// there is no database any more, here.
void h_export(struct req *r)
{
	struct err err = {0};
	for (int kind = 0; kind < DOC_KINDS; kind++) {
		if ((req_query_int(r, "kind") & INT64_C(1) << kind) &&
			document_in_scope(&r->who, (enum document_kind)kind, false, &err)) {
			req_fail(r, &err);
			return;
		}
	}
	if (change_not_modified(r, (int64_t)r->snap->revision))
		return;
	if (r->snap->store_state != STORE_READONLY) {
		change_begin(r, run_export, NULL);
		return;
	}
	struct str out = STR_INIT;
	write_documents(&out, r->snap, req_query_int(r, "kind"), &r->arena);
	req_reply_json(r, 200, &out);
}
