// SPDX-License-Identifier: MIT
// Alert rules and the alerts that fired. Rules that come with the agent are rows of
// shared/rows/alert.c; the database holds those that were changed or added.
#include "agent/store/alert.h"

#include "agent/store/change.h"
#include "agent/store/private.h"
#include "agent/store/row.h"
#include "agent/store/tx.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/text.h"

#define TABLE "alert_rule"

static const struct alert_rule *builtin_of(struct slice name)
{
	size_t n;
	const struct alert_rule *rules = alert_rules_builtin(&n);
	for (size_t i = 0; i < n; i++)
		if (slice_eq_str(name, rules[i].name))
			return &rules[i];
	return NULL;
}

enum err_code object_rule(struct slice doc, const struct row_meta *meta, struct rule_obj **ret,
	struct err *err)
{
	struct rule_obj *r = object_new(sizeof(*r));
	struct arena *a = &r->o.arena;
	enum err_code code = jx_decode(&alert_rule_fields, doc, STORED_LIMITS, JX_CREATE, a,
		&r->doc, err);
	if (code) {
		object_drop(r);
		return code;
	}
	r->doc.scope = alert_metric_row((enum alert_metric)r->doc.metric)->scope;
	r->doc.builtin = builtin_of(slice_of(r->doc.name)) != NULL;
	r->doc.revision = r->o.revision = meta->revision;
	r->doc.created_at = meta->created_at;
	r->doc.updated_at = meta->updated_at;
	r->doc.updated_by = arena_slice(a, meta->updated_by);
	object_render(&r->o, &alert_rule_fields, &r->doc);
	*ret = r;
	return ERR_OK;
}

static void put_builtin(struct snapshot *snap, const struct alert_rule *rule)
{
	static const struct row_meta never = {0, FIELD_NONE, FIELD_NONE, {"system", 6}};
	struct str doc = STR_INIT;
	struct jw w = jw_to(&doc);
	jw_doc(&w, NULL, &alert_rule_fields, rule);
	struct rule_obj *obj;
	struct err ignored;
	if (object_rule(str_slice(&doc), &never, &obj, &ignored) == ERR_OK)
		snapshot_put_rule(snap, obj);
	str_release(&doc);
}

void store_rules_builtin(struct snapshot *snap)
{
	size_t n;
	const struct alert_rule *rules = alert_rules_builtin(&n);
	for (size_t i = 0; i < n; i++)
		put_builtin(snap, &rules[i]);
}

static enum err_code load_rule(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct load *l = arg;
	struct slice parts[] = {SLICE(TABLE), db_text(row, 0), db_text(row, 2)};
	struct row_meta meta = {db_int(row, 1), db_int(row, 3), db_int(row, 4), db_text(row, 5)};
	struct rule_obj *obj;
	if (row_holds(l->st->seal, db_text(row, 6), parts, ARRAY_LEN(parts)) &&
		object_rule(parts[2], &meta, &obj, err) == ERR_OK)
		snapshot_put_rule(l->snap, obj);
	else
		l->bad++;
	return ERR_OK;
}

enum err_code store_rules_load(struct load *l, struct err *err)
{
	store_rules_builtin(l->snap);
	return db_query(l->st->db,
		"SELECT name,revision,doc,created_at,updated_at,updated_by,mac FROM alert_rule",
		NULL, 0, load_rule, l, err);
}

static enum err_code check_rule(struct store_tx *tx, const struct rule_obj *old, bool create,
	int64_t if_match, struct err *err)
{
	enum err_code code = tx_match(old != NULL ? &old->o : NULL, if_match, err);
	if (code)
		return code;
	if (create && old != NULL)
		return err_field(err, ERR_CONFLICT_EXISTS, "name", _("a rule of this name exists"));
	if (old == NULL && tx->snap->alert_rules.n >= ALERT_RULES_MAX)
		return err_set(err, ERR_CONFLICT_EXISTS, _("there are %d alert rules already"),
			ALERT_RULES_MAX);
	return tx_unsealed(tx, err);
}

static enum err_code write_rule(struct store_tx *tx, const struct rule_obj *r,
	const struct row_meta *m, struct err *err)
{
	struct slice parts[] = {SLICE(TABLE), slice_of(r->doc.name), r->o.json};
	unsigned char mac[SEAL_MAC];
	row_mac(tx->st->seal, parts, ARRAY_LEN(parts), mac);
	return DB_RUN(tx->db, err,
		"INSERT INTO alert_rule(name,revision,doc,created_at,updated_at,updated_by,mac)"
		" VALUES(?,?,?,?,?,?,?) ON CONFLICT(name) DO UPDATE SET revision=excluded.revision,"
		"doc=excluded.doc,created_at=excluded.created_at,updated_at=excluded.updated_at,"
		"updated_by=excluded.updated_by,mac=excluded.mac",
		DB_T(r->doc.name), DB_I(m->revision), DB_S(r->o.json), DB_I(m->created_at),
		DB_I(m->updated_at), DB_S(m->updated_by), DB_B(mac, SEAL_MAC));
}

enum err_code store_rule_put(struct store_tx *tx, const struct alert_rule *rule, bool create,
	int64_t if_match, const struct rule_obj **ret, struct err *err)
{
	const struct rule_obj *old = snapshot_rule(tx->snap, slice_of(rule->name));
	struct row_meta meta = {0,
		old != NULL && old->doc.created_at != FIELD_NONE ? old->doc.created_at : tx->now_ms,
		tx->now_ms, ident_slice(&tx->actor->id)};
	struct str doc = STR_INIT;
	struct jw w = jw_to(&doc);
	struct rule_obj *obj = NULL;
	enum err_code code = check_rule(tx, old, create, if_match, err);
	if (code)
		return code;
	meta.revision = tx_revision(tx);
	jw_doc(&w, NULL, &alert_rule_fields, rule);
	code = object_rule(str_slice(&doc), &meta, &obj, err);
	str_release(&doc);
	if (!code &&
		tx_unchanged(tx, &alert_rule_fields, old != NULL ? &old->o : NULL,
			old != NULL ? &old->doc : NULL, &obj->o, &obj->doc)) {
		*ret = old;
		return ERR_OK;
	}
	if (!code)
		code = write_rule(tx, obj, &meta, err);
	if (!code)
		code = tx_change(tx, meta.revision, old != NULL ? "update" : "create", "AlertRule",
			obj->doc.name,
			old != NULL ? _("alert rule changed") : _("alert rule created"),
			tx_before(tx, old != NULL ? &old->o : NULL, &obj->o), err);
	if (code) {
		object_drop(obj);
		return code;
	}
	snapshot_put_rule(tx->snap, obj);
	*ret = obj;
	return ERR_OK;
}

enum err_code store_rule_delete(struct store_tx *tx, struct slice name, int64_t if_match,
	struct err *err)
{
	const struct rule_obj *old = snapshot_rule(tx->snap, name);
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no alert rule of this name"));
	enum err_code code = tx_match(&old->o, if_match, err);
	if (!code && old->doc.builtin && old->o.revision == 0) {
		code = err_set(err, ERR_CONFLICT_EXISTS,
			_("this rule came with the agent and is unchanged"));
		err_hint(err, "%s",
			_("switch it off: yijian alert rules set NAME --enabled false"));
	}
	if (!code)
		code = DB_RUN(tx->db, err, "DELETE FROM alert_rule WHERE name=?", DB_S(name));
	if (!code)
		code = tx_change(tx, tx_revision(tx), "delete", "AlertRule", old->doc.name,
			old->doc.builtin ? _("alert rule set back") : _("alert rule deleted"),
			tx_before(tx, &old->o, NULL), err);
	if (code)
		return code;
	snapshot_del_rule(tx->snap, name);
	const struct alert_rule *builtin = builtin_of(name);
	if (builtin != NULL)
		put_builtin(tx->snap, builtin);
	return ERR_OK;
}

// ---- alerts that fired ----

enum err_code store_alert_put(struct store_tx *tx, const char *id, int64_t fired_at,
	int64_t resolved_at, struct slice doc, struct err *err)
{
	tx->writes++;
	return DB_RUN(tx->db, err,
		"INSERT INTO alert(id,fired_at,resolved_at,doc) VALUES(?,?,?,?) ON CONFLICT(id)"
		" DO UPDATE SET fired_at=excluded.fired_at,resolved_at=excluded.resolved_at,"
		"doc=excluded.doc",
		DB_T(id), DB_I(fired_at), resolved_at == FIELD_NONE ? DB_NONE : DB_I(resolved_at),
		DB_S(doc));
}

enum err_code store_alert_prune(struct store_tx *tx, int64_t keep, struct err *err)
{
	return DB_RUN(tx->db, err,
		"DELETE FROM alert WHERE resolved_at IS NOT NULL AND id NOT IN (SELECT id FROM alert"
		" WHERE resolved_at IS NOT NULL ORDER BY resolved_at DESC LIMIT ?)",
		DB_I(keep));
}

struct walk {
	void (*fn)(void *arg, struct slice doc);
	void *arg;
};

static enum err_code walk_doc(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct walk *w = arg;
	(void)err;
	w->fn(w->arg, db_text(row, 0));
	return ERR_OK;
}

enum err_code store_alert_walk(struct store_tx *tx, void (*fn)(void *arg, struct slice doc),
	void *arg, struct err *err)
{
	struct walk w = {fn, arg};
	return db_query(tx->db, "SELECT doc FROM alert ORDER BY coalesce(resolved_at,fired_at)",
		NULL, 0, walk_doc, &w, err);
}
