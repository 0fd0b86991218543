// SPDX-License-Identifier: MIT
// Features: what one may say, its row, the revisions it had, and what goes with a target or a
// feature that goes.
#include "agent/store/feature.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/change.h"
#include "agent/store/private.h"
#include "agent/store/row.h"
#include "agent/store/schema.h"
#include "agent/store/tx.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

static enum err_code check_target(const struct feature *f, size_t i, struct err *err)
{
	const struct target *t = &((const struct target *)f->targets.v)[i];
	char field[ERR_FIELD_MAX];
	if (t->kind == TARGET_VENDOR) {
		snprintf(field, sizeof(field), "targets[%zu].vendor", i);
		if (t->vendor == NULL)
			return err_field(err, ERR_FIELD_REQUIRED, field, _("%s is required"),
				field);
		const struct vendor_row *row = vendor_find(slice_of(t->vendor),
			slice_of(t->service));
		if (row == NULL ||
			row->local) // keys of engines open instances, and carry nothing else
			return err_field(err, ERR_VENDOR_UNKNOWN, field, NULL);
	}
	for (size_t k = 0; k < t->sizes.n; k++) {

		snprintf(field, sizeof(field), "targets[%zu].sizes[%zu]", i, k);
		int64_t width, height;
		if (!model_size(slice_of(t->sizes.v[k]), &width, &height))
			return err_field(err, ERR_FIELD_RANGE, field, _("must be WIDTHxHEIGHT"));
	}
	for (size_t k = 0; t->id != NULL && k < i; k++) {
		const struct target *other = &((const struct target *)f->targets.v)[k];
		if (other->id != NULL && strcmp(other->id, t->id) == 0) {
			snprintf(field, sizeof(field), "targets[%zu].id", i);
			return err_field(err, ERR_CONFLICT_EXISTS, field,
				_("two targets have the same id"));
		}
	}
	return ERR_OK;
}

// Names and aliases share one space: each leads to one feature.
static enum err_code check_alias(struct store_tx *tx, const struct feature *f, const char *alias,
	struct err *err)
{
	const struct feature_obj *named = pmap_get(tx->snap->features, slice_of(alias));
	const struct feature_obj *aliased = pmap_get(tx->snap->aliases, slice_of(alias));
	if ((named != NULL && strcmp(named->doc.name, f->name) != 0) ||
		(aliased != NULL && strcmp(aliased->doc.name, f->name) != 0))
		return err_field(err, ERR_CONFLICT_EXISTS, "aliases",
			_("another feature has this name or alias"));
	return ERR_OK;
}

static enum err_code check_feature(struct store_tx *tx, const struct feature *f, struct err *err)
{
	const struct feature_obj *taken = pmap_get(tx->snap->aliases, slice_of(f->name));
	enum err_code code = ERR_OK;
	if (taken != NULL && strcmp(taken->doc.name, f->name) != 0)
		return err_field(err, ERR_CONFLICT_EXISTS, "name",
			_("another feature has this name as an alias"));
	for (size_t i = 0; !code && i < f->targets.n; i++)
		code = check_target(f, i, err);
	for (size_t i = 0; !code && i < f->aliases.n; i++)
		code = check_alias(tx, f, f->aliases.v[i], err);
	return code;
}

static enum err_code write_rows(struct store_tx *tx, const char *name, struct slice doc,
	const struct row_meta *m, struct err *err)
{
	struct slice parts[] = {slice_of(name), doc};
	unsigned char mac[SEAL_MAC];
	row_mac(tx->st->seal, parts, ARRAY_LEN(parts), mac);
	enum err_code code = DB_RUN(tx->db, err,
		"INSERT INTO feature(name,revision,doc,created_at,updated_at,updated_by,mac)"
		" VALUES(?,?,?,?,?,?,?) ON CONFLICT(name) DO UPDATE SET revision=excluded.revision,"
		"doc=excluded.doc,updated_at=excluded.updated_at,updated_by=excluded.updated_by,"
		"mac=excluded.mac",
		DB_T(name), DB_I(m->revision), DB_S(doc), DB_I(m->created_at), DB_I(m->updated_at),
		DB_S(m->updated_by), DB_B(mac, SEAL_MAC));
	// First what goes: its pages are used again at once.
	if (!code)
		code = DB_RUN(tx->db, err,
			"DELETE FROM feature_revision WHERE name=?1 AND revision <= (SELECT revision"
			" FROM feature_revision WHERE name=?1 ORDER BY revision DESC LIMIT 1 OFFSET ?2)",
			DB_T(name), DB_I(STORE_REVISIONS_KEPT - 1));
	if (!code)
		code = DB_RUN(tx->db, err,
			"INSERT INTO feature_revision(name,revision,at,actor,actor_name,doc)"
			" VALUES(?,?,?,?,?,?)",
			DB_T(name), DB_I(m->revision), DB_I(m->updated_at), DB_S(m->updated_by),
			DB_T(tx->actor->shown), DB_S(doc));
	return code;
}

static bool has_target(const struct feature_obj *f, const char *id)
{
	const struct target *t = f != NULL ? f->doc.targets.v : NULL;
	for (size_t i = 0; f != NULL && i < f->doc.targets.n; i++)
		if (strcmp(t[i].id, id) == 0)
			return true;
	return false;
}

// What operators said of targets that the feature has no more; now NULL: it is gone itself, with the
// targets that instances joined and what it spent.
static enum err_code forget_targets(struct store_tx *tx, const struct feature_obj *old,
	const struct feature_obj *now, struct err *err)
{
	const struct target *t = old->doc.targets.v;
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && i < old->doc.targets.n; i++)
		if (!has_target(now, t[i].id))
			code = store_override_forget(tx, LIVE_TARGET, old->target_live[i]->id, err);
	if (code || now != NULL)
		return code;
	code = store_spend_forget(tx, LIVE_FEATURE, old->doc.name, err);
	if (!code)
		code = DB_RUN(tx->db, err,
			"DELETE FROM live_override WHERE kind=?1 AND substr(id,1,length(?2)+1)=?2||'|'",
			DB_I(LIVE_TARGET), DB_T(old->doc.name));
	return code;
}

enum err_code store_feature_put(struct store_tx *tx, const struct feature *f, bool create,
	int64_t if_match, const struct feature_obj **ret, struct err *err)
{
	const struct feature_obj *old = snapshot_feature(tx->snap, slice_of(f->name));
	struct str doc = STR_INIT;
	struct jw w = jw_to(&doc);
	struct row_meta meta = {0, old != NULL ? old->doc.created_at : tx->now_ms, tx->now_ms,
		ident_slice(&tx->actor->id)};
	enum err_code code = tx_match(old != NULL ? &old->o : NULL, if_match, err);
	if (!code && create && old != NULL)
		code = err_field(err, ERR_CONFLICT_EXISTS, "name",
			_("a feature of this name exists"));
	if (!code)
		code = tx_unsealed(tx, err);
	if (!code)
		code = check_feature(tx, f, err);
	if (code)
		return code;
	meta.revision = tx_revision(tx);
	jw_doc(&w, NULL, &feature_fields, f);
	struct feature_obj *obj;
	code = object_feature(tx->st, str_slice(&doc), &meta, &obj, err);
	if (!code &&
		tx_unchanged(tx, &feature_fields, old != NULL ? &old->o : NULL,
			old != NULL ? &old->doc : NULL, &obj->o, &obj->doc)) {
		*ret = old;
	} else if (!code) {
		code = write_rows(tx, obj->doc.name, obj->o.json, &meta, err);
		if (!code && old != NULL)
			code = forget_targets(tx, old, obj, err);
		if (!code)
			code = tx_change(tx, meta.revision, old != NULL ? "update" : "create",
				"Feature", obj->doc.name,
				old != NULL ? _("feature changed") : _("feature created"),
				tx_before(tx, old != NULL ? &old->o : NULL, &obj->o), err);
		if (code) {
			object_drop(obj);
		} else {
			snapshot_put_feature(tx->snap, obj);
			*ret = obj;
		}
	}
	str_release(&doc);
	return code;
}

enum err_code store_feature_delete(struct store_tx *tx, struct slice name, int64_t if_match,
	struct err *err)
{
	const struct feature_obj *old = snapshot_feature(tx->snap, name);
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no feature of this name"));
	enum err_code code = tx_match(&old->o, if_match, err);
	if (!code)
		code = DB_RUN(tx->db, err, "DELETE FROM feature WHERE name=?", DB_S(name));
	if (!code)
		code = forget_targets(tx, old, NULL, err);
	if (!code)
		code = tx_change(tx, tx_revision(tx), "delete", "Feature", old->doc.name,
			_("feature deleted"), tx_before(tx, &old->o, NULL), err);
	if (!code)
		snapshot_del_feature(tx->snap, name);
	return code;
}

bool store_feature_is_default(const char *name)
{
	struct jscan_member m[16];
	size_t n;
	struct err ignored;
	char buf[ID_MAX + 1];
	for (size_t i = 0; schema_default_features[i] != NULL; i++) {
		const struct jscan_member *named = NULL;
		size_t len;
		if (jscan_object(slice_of(schema_default_features[i]), STORED_LIMITS, m,
			    ARRAY_LEN(m), &n, &ignored) == ERR_OK)
			named = jscan_find(m, n, "name");
		if (named != NULL && jscan_string(named->value, buf, sizeof(buf), &len) &&
			slice_eq_str((struct slice){buf, len}, name))
			return true;
	}
	return false;
}

// ---- the times of before ----

// Documents up to this revision were written when the defaults were shorter.
static enum err_code take_until(void *arg, struct sqlite3_stmt *row, struct err *err UNUSED)
{
	int64_t *until = arg;
	num_i64(db_text(row, 0), 0, INT64_MAX, until);
	return ERR_OK;
}

static enum err_code times_until(struct db *db, int64_t *ret, struct err *err)
{
	*ret = 0;
	return db_query(db, "SELECT CAST(value AS TEXT) FROM meta WHERE key='times_until'", NULL, 0,
		take_until, ret, err);
}

// One that only holds the defaults of then takes today's. True when it does.
static bool renew_times(struct feature *f)
{
	static const struct {
		const char *name; // NULL: any
		int64_t first_byte_ms, total_ms;
	} were[] = {{NULL, 60000, 300000}, {"text_to_image", 180000, 280000}};
	if (f->timeouts.connect_ms != 3000 || f->timeouts.idle_ms != 60000 ||
		f->timeouts.stream_total_ms != 3600000)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(were); i++) {
		if ((were[i].name != NULL && strcmp(were[i].name, f->name) != 0) ||
			f->timeouts.first_byte_ms != were[i].first_byte_ms ||
			f->timeouts.total_ms != were[i].total_ms)
			continue;
		f->timeouts.first_byte_ms = FEATURE_FIRST_BYTE_MS;
		f->timeouts.total_ms = FEATURE_TOTAL_MS;
		return true;
	}
	return false;
}

// ---- revisions ----

struct found {
	struct arena arena;
	struct feature doc;
	bool hit;
};

static enum err_code revision_doc(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct found *f = arg;
	f->hit = true;
	return jx_decode(&feature_fields, db_text(row, 0), STORED_LIMITS, JX_CREATE, &f->arena,
		&f->doc, err);
}

enum err_code store_feature_rollback(struct store_tx *tx, struct slice name, int64_t revision,
	const struct feature_obj **ret, struct err *err)
{
	struct found f = {.arena = ARENA_INIT};
	struct db_val v[] = {DB_S(name), DB_I(revision)};
	enum err_code code = db_query(tx->db,
		"SELECT doc FROM feature_revision WHERE name=? AND revision=?", v, ARRAY_LEN(v),
		revision_doc, &f, err);
	if (!code && !f.hit) {
		err_field(err, ERR_NOT_FOUND, "revision",
			_("this feature has no such revision, or no longer: its %d newest are kept"),
			STORE_REVISIONS_KEPT);
		err_hint(err, "%s", _("list them: yijian feature history NAME"));
		code = ERR_NOT_FOUND;
	}
	int64_t until;
	if (!code)
		code = times_until(tx->db, &until, err);
	if (!code && revision <= until)
		renew_times(&f.doc);
	if (!code)
		code = store_feature_put(tx, &f.doc, false, FIELD_NONE, ret, err);
	arena_release(&f.arena);
	return code;
}

struct revisions {
	struct jw w;
	size_t n;
	struct slice name;
};

static enum err_code revision_item(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct revisions *r = arg;
	(void)err;
	r->n++;
	jw_obj(&r->w, NULL);
	jw_int(&r->w, "revision", db_int(row, 0));
	jw_time(&r->w, "at", db_int(row, 1));
	jw_slice(&r->w, "actor", db_text(row, 2));
	if (db_text(row, 4).n)
		jw_slice(&r->w, "actor_name", db_text(row, 4));
	else
		jw_null(&r->w, "actor_name");
	jw_slice(&r->w, "name", r->name);
	// No MAC guards it here: what is damaged must not damage the answer.
	if (row_is_object(db_text(row, 3)))
		jw_raw(&r->w, "document", db_text(row, 3));
	else
		jw_null(&r->w, "document");
	jw_obj_end(&r->w);
	return ERR_OK;
}

enum err_code store_feature_revisions(struct store_tx *tx, struct slice name, struct str *out,
	size_t *ret_n, struct err *err)
{
	struct revisions r = {.w = jw_to(out), .name = name};
	struct db_val v[] = {DB_S(name), DB_I(STORE_REVISIONS_KEPT)};
	enum err_code code = db_query(tx->db,
		"SELECT revision,at,actor,doc,actor_name FROM feature_revision WHERE name=?"
		" ORDER BY revision DESC LIMIT ?",
		v, ARRAY_LEN(v), revision_item, &r, err);
	*ret_n = r.n;
	if (!code && !r.n)
		return err_set(err, ERR_NOT_FOUND, _("no feature of this name"));
	return code;
}

struct loading {
	struct load *l;
	int64_t times_until;
};

static enum err_code load_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct loading *g = arg;
	struct load *l = g->l;
	struct slice parts[] = {db_text(row, 0), db_text(row, 2)};
	struct row_meta meta = {db_int(row, 1), db_int(row, 3), db_int(row, 4), db_text(row, 5)};
	struct feature_obj *f;
	if (!row_holds(l->st->seal, db_text(row, 6), parts, ARRAY_LEN(parts)) ||
		object_feature(l->st, parts[1], &meta, &f, err) != ERR_OK) {
		l->bad++;
		return ERR_OK;
	}
	if (meta.revision <= g->times_until && renew_times(&f->doc))
		object_render(&f->o, &feature_fields, &f->doc);
	snapshot_put_feature(l->snap, f);
	return ERR_OK;
}

enum err_code store_features_load(struct load *l, struct err *err)
{
	struct loading g = {l, 0};
	enum err_code code = times_until(l->st->db, &g.times_until, err);
	if (code)
		return code;
	return db_query(l->st->db,
		"SELECT name,revision,doc,created_at,updated_at,updated_by,mac FROM feature", NULL,
		0, load_row, &g, err);
}
