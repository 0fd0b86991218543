// SPDX-License-Identifier: MIT
// Who changed what, and the way back: a change is undone by one more that leads to what stood before
// it, judged as if somebody made it by hand, and only while nothing has come on top of it.
#include "agent/api/changes.h"

#include <stdio.h>
#include <string.h>

#include "agent/api/address.h"
#include "agent/api/change.h"
#include "agent/api/instances.h"
#include "agent/monitor/probe.h"
#include "agent/state/caller.h"
#include "agent/store/alert.h"
#include "agent/store/audit.h"
#include "agent/store/caller.h"
#include "agent/store/feature.h"
#include "agent/store/instance.h"
#include "agent/store/key.h"
#include "agent/store/policy.h"
#include "agent/web/auth.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/text.h"

#define TAKEN (JX_PATCH | JX_STORED) // what stood before was taken once

// One way back, while its job runs.
struct back {
	struct store_tx *tx;
	struct change *c;
	const struct store_change *was;
	struct arena *a;
	struct err *err;
};

static bool made(const struct back *b)
{
	return strcmp(b->was->action, "create") == 0 || strcmp(b->was->action, "register") == 0 ||
		strcmp(b->was->action, "restore") == 0;
}

// now: the object's revision, FIELD_NONE when there is none. One that was made or changed has to be as
// this change left it.
static enum err_code still(const struct back *b, int64_t now)
{
	if (now == b->was->revision)
		return ERR_OK;
	if (now == FIELD_NONE)
		return err_set(b->err, ERR_CONFLICT_STATE, _("%s %s is not there any more"),
			b->was->kind, b->was->name);
	err_set(b->err, ERR_PRECONDITION_FAILED, _("%s %s was changed since, by c-%lld"),
		b->was->kind, b->was->name, (long long)now);
	err_hint(b->err, _("see it: yijian change get c-%lld"), (long long)now);
	return b->err->code;
}

static enum err_code back_over(const struct back *b, const struct field_set *fields, void *doc)
{
	return jx_decode(fields, b->was->before, change_limits(), TAKEN, b->a, doc, b->err);
}

// ---- a kind each ----

static enum err_code undo_feature(const struct back *b)
{
	struct slice name = slice_of(b->was->name);
	const struct feature_obj *f = snapshot_feature(store_tx_snapshot(b->tx), name);
	struct feature doc;
	if (strcmp(b->was->action, "delete") == 0) {
		enum err_code code = jx_decode(&feature_fields, b->was->before, change_limits(),
			JX_CREATE | JX_STORED, b->a, &doc, b->err);
		return code ? code : store_feature_put(b->tx, &doc, true, FIELD_NONE, &f, b->err);
	}
	enum err_code code = still(b, f != NULL ? f->o.revision : FIELD_NONE);
	if (code)
		return code;
	if (made(b))
		return store_feature_delete(b->tx, name, b->was->revision, b->err);
	doc = f->doc;
	code = back_over(b, &feature_fields, &doc);
	return code ? code : store_feature_put(b->tx, &doc, false, b->was->revision, &f, b->err);
}

static enum err_code undo_key(const struct back *b)
{
	struct slice id = slice_of(b->was->id);
	const struct key_obj *k = snapshot_key(store_tx_snapshot(b->tx), id);
	if (strcmp(b->was->action, "delete") == 0)
		return store_key_restore(b->tx, b->was->id, &k, b->err);
	enum err_code code = still(b, k != NULL ? k->o.revision : FIELD_NONE);
	if (code)
		return code;
	if (made(b))
		return store_key_delete(b->tx, id, b->was->revision, b->err);
	struct vendor_key doc = k->doc;
	struct url url;
	doc.api_key = (struct secret){0}; // it stays, and goes where it may
	code = back_over(b, &key_fields, &doc);
	if (!code)
		store_key_rename(k, &doc);
	if (!code)
		code = address_of_key(b->c->r->agent, &doc, b->a, &url, b->err);
	return code ? code : store_key_put(b->tx, &doc, false, b->was->revision, &k, b->err);
}

// The document as it stands with the members of `before` in their places.
static enum err_code merged(const struct back *b, struct slice now, const struct jx **ret)
{
	const struct jx *is, *was, *value;
	enum err_code code = jx_parse(now, change_limits(), b->a, &is, b->err);
	if (!code)
		code = jx_parse(b->was->before, change_limits(), b->a, &was, b->err);
	if (code)
		return code;
	struct str text = STR_INIT;
	const char *key;
	str_add_c(&text, '{');
	for (void *it = NULL; jx_next(is, &it, &key, &value);) {
		str_add(&text, text.n > 1 ? "," : "");
		str_add_json(&text, slice_of(key));
		str_add_c(&text, ':');
		jx_write(jx_get(was, key) != NULL ? jx_get(was, key) : value, 0, &text);
	}
	str_add_c(&text, '}');
	code = jx_parse((struct slice){arena_slice(b->a, str_slice(&text)), text.n},
		change_limits(), b->a, ret, b->err);
	str_release(&text);
	return code;
}

// A drain is no member that a document sets; nothing else changes with it.
static enum err_code undo_drain(const struct back *b, const struct instance_obj *in)
{
	struct instance doc = in->doc;
	bool created;
	doc.draining = strcmp(b->was->action, "undrain") == 0;
	return store_instance_put(b->tx, &doc, b->was->revision, &created, &in, b->err);
}

static enum err_code undo_instance(const struct back *b)
{
	struct slice id = slice_of(b->was->name), service = slice_cut(&id, '/');
	const struct instance_obj *in = snapshot_instance(store_tx_snapshot(b->tx), service, id);
	const struct jx *v;
	if (strcmp(b->was->action, "deregister") == 0 || strcmp(b->was->action, "reap") == 0) {
		enum err_code code = jx_parse(b->was->before, change_limits(), b->a, &v, b->err);
		return code ? code
			    : instance_put_in(b->tx, b->c, v, service, id, true, &in, b->err);
	}
	enum err_code code = still(b, in != NULL ? in->o.revision : FIELD_NONE);
	if (code)
		return code;
	if (made(b))
		return store_instance_delete(b->tx, service, id, b->err);
	if (strcmp(b->was->action, "drain") == 0 || strcmp(b->was->action, "undrain") == 0)
		return undo_drain(b, in);
	code = merged(b, in->o.json, &v);
	return code ? code : instance_put_in(b->tx, b->c, v, service, id, false, &in, b->err);
}

static enum err_code undo_client(const struct back *b)
{
	struct ident id;
	const struct client_obj *c = ident_read(slice_of(b->was->id), CREDENTIAL_CLIENT, &id)
		? snapshot_client(store_tx_snapshot(b->tx), &id)
		: NULL;
	enum err_code code = still(b, c != NULL ? c->o.revision : FIELD_NONE);
	if (code)
		return code;
	if (made(b))
		return store_client_delete(b->tx, &c->id, b->was->revision, b->err);
	struct client_doc doc = c->doc;
	code = back_over(b, &client_fields, &doc);
	return code ? code : store_client_put(b->tx, &c->id, &doc, b->was->revision, &c, b->err);
}

static enum err_code undo_policy(const struct back *b)
{
	struct client_policy p = {0};
	bool changed;
	enum err_code code = still(b, store_tx_snapshot(b->tx)->policy_revision);
	if (!code)
		code = back_over(b, &client_policy_fields, &p);
	return code ? code
		    : store_policy_put(b->tx, p.required, b->was->revision, &changed, b->err);
}

static enum err_code undo_rule(const struct back *b)
{
	struct slice name = slice_of(b->was->name);
	const struct rule_obj *rule = snapshot_rule(store_tx_snapshot(b->tx), name);
	struct alert_rule doc;
	if (strcmp(b->was->action, "delete") == 0) {
		// A built-in one stands as it came with the agent.
		bool free = rule == NULL || rule->o.revision == 0;
		enum err_code code = jx_decode(&alert_rule_fields, b->was->before, change_limits(),
			JX_CREATE | JX_STORED, b->a, &doc, b->err);
		return code ? code
			    : store_rule_put(b->tx, &doc, !free || rule == NULL, FIELD_NONE, &rule,
				      b->err);
	}
	enum err_code code = still(b, rule != NULL ? rule->o.revision : FIELD_NONE);
	if (code)
		return code;
	if (made(b))
		return store_rule_delete(b->tx, name, b->was->revision, b->err);
	doc = rule->doc;
	code = back_over(b, &alert_rule_fields, &doc);
	return code ? code : store_rule_put(b->tx, &doc, false, b->was->revision, &rule, b->err);
}

static const struct {
	const char *kind;
	enum endpoint_id ep; // who may do this may undo it
	enum event_kind event;
	enum err_code (*undo)(const struct back *b);
} kinds[] = {
	{"Feature", EP_FEATURE_PUT, EVENT_CONFIG, undo_feature},
	{"Key", EP_KEY_PATCH, EVENT_KEY, undo_key},
	{"Instance", EP_INSTANCE_PUT, EVENT_CONFIG, undo_instance},
	{"Client", EP_CLIENT_PATCH, EVENT_CONFIG, undo_client},
	{"ClientPolicy", EP_CLIENT_POLICY_PUT, EVENT_CONFIG, undo_policy},
	{"AlertRule", EP_ALERT_RULE_PATCH, EVENT_CONFIG, undo_rule},
};

// ---- the requests ----

struct undo {
	int64_t revision;
	enum err_code may[ARRAY_LEN(kinds)]; // this caller, each kind
	bool whole; // shown, not undone
};

static enum err_code final(const struct store_change *was, int64_t now_ms, struct err *err)
{
	int64_t until = store_change_until(was);
	if (until == FIELD_NONE)
		return err_set(err, ERR_CONFLICT_STATE,
			_("%s of %s %s is final: it cannot be undone"), was->action, was->kind,
			was->name);
	return now_ms <= until ? ERR_OK
			       : err_set(err, ERR_GONE, _("its time to be undone is over"));
}

static enum err_code undo_it(struct store_tx *tx, struct change *c, const struct store_change *was,
	struct arena *a, struct err *err)
{
	const struct undo *u = c->arg;
	const struct back b = {tx, c, was, a, err};
	int64_t before = (int64_t)store_tx_snapshot(tx)->revision;
	size_t i = 0;
	while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].kind, was->kind) != 0)
		i++;
	enum err_code code = final(was, clock_wall_ms(), err);
	if (!code && i == ARRAY_LEN(kinds))
		code = err_set(err, ERR_CONFLICT_STATE, _("a %s has no way back"), was->kind);
	if (!code && u->may[i])
		code = err_set(err, u->may[i], NULL);
	if (code)
		return code;
	char note[48];
	snprintf(note, sizeof(note), "undoes c-%lld", (long long)was->revision);
	store_tx_note(tx, arena_strdup(&c->r->arena, note));
	code = kinds[i].undo(&b);
	if (!code && (int64_t)store_tx_snapshot(tx)->revision == before)
		code = err_set(err, ERR_CONFLICT_STATE, _("it is as it was before that change"));
	c->event = kinds[i].event;
	c->event_action = "undo";
	c->event_name = slice_of(arena_strdup(&c->r->arena, was->name));
	return code;
}

static enum err_code run(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct undo *u = c->arg;
	struct arena a = ARENA_INIT;
	struct store_change was;
	struct jw w = jw_to(&c->body);
	enum err_code code = store_change_read(tx, u->revision, &a, &was, err);
	if (!code && !u->whole)
		code = undo_it(tx, c, &was, &a, err);
	if (!code && !u->whole)
		code = store_change_read(tx, (int64_t)store_tx_snapshot(tx)->revision, &a, &was,
			err);
	if (!code)
		store_change_write(&w, &was, u->whole);
	arena_release(&a);
	return code;
}

static void undone(struct change *c)
{
	probes_wake(c->r->agent->probes);
}

static void begin(struct req *r, bool whole)
{
	struct undo *u = arena_zalloc(&r->arena, 1, sizeof(*u));
	struct err err = {0};
	u->whole = whole;
	if (!store_change_id(r->param[0], &u->revision)) {
		err_set(&err, ERR_NOT_FOUND, _("this is no change's id"));
		err_hint(&err, "%s", _("list them: yijian change list"));
		req_fail(r, &err);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		u->may[i] = auth_may(&r->who, endpoint_row(kinds[i].ep), NULL);
	struct change *c = change_new(r, run, u);
	c->committed = whole ? NULL : undone;
	change_submit(c);
}

void h_change_get(struct req *r)
{
	begin(r, true);
}

void h_change_undo(struct req *r)
{
	begin(r, false);
}

// ---- the chain of audit rows ----

static enum err_code run_verify(struct store_tx *tx, struct change *c, struct err *err)
{
	int64_t bad = 0;
	size_t rows = 0;
	struct str out = STR_INIT;
	struct store_place from = {0}, next;
	enum err_code code = store_audit_verify(tx, &bad, err);
	if (!code)
		code = store_audit_list(tx, &from, 1, &out, &rows, &next, err);
	str_release(&out);
	if (code)
		return code;
	struct jw w = jw_to(&c->body);
	jw_obj(&w, NULL);
	jw_bool(&w, "ok", bad == 0);
	jw_int(&w, "rows", (int64_t)rows);
	if (bad > 0)
		jw_int(&w, "first_bad", bad);
	else
		jw_null(&w, "first_bad");
	jw_str(&w, "message",
		bad == 0 ? _("every row is as it was written")
			 : _("a row was changed, taken out or put in"));
	jw_obj_end(&w);
	return ERR_OK;
}

void h_audit_verify(struct req *r)
{
	change_begin(r, run_verify, NULL);
}
