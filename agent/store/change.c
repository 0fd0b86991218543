// SPDX-License-Identifier: MIT
// The log of configuration changes: one row a revision, with what it takes to lead back to the
// document that stood before. It is bounded; the audit row written beside each change is not.
#include "agent/store/change.h"

#include <stdio.h>

#include "agent/store/audit.h"
#include "shared/jscan.h"
#include "shared/str.h"

enum err_code tx_change(struct store_tx *tx, int64_t revision, const char *action, const char *kind,
	const char *name, const char *summary, struct slice before, struct err *err)
{
	return tx_change_of(tx, revision, action, kind, name, "", summary, before, err);
}

enum err_code tx_change_of(struct store_tx *tx, int64_t revision, const char *action,
	const char *kind, const char *name, const char *id, const char *summary,
	struct slice before, struct err *err)
{
	enum err_code code = DB_RUN(tx->db, err,
		"INSERT INTO change(revision,at,actor,actor_name,action,kind,name,object_id,"
		"summary,before) VALUES(?,?,?,?,?,?,?,?,?,?)",
		DB_I(revision), DB_I(tx->now_ms), DB_T(tx->actor->id.text), DB_T(tx->actor->shown),
		DB_T(action), DB_T(kind), DB_T(name), DB_T(id),
		DB_T(tx->note != NULL ? tx->note : summary), before.n ? DB_S(before) : DB_NONE);
	if (code)
		return code;
	char object[AUDIT_TEXT_MAX];
	snprintf(object, sizeof(object), "%s %s", kind, name);
	return store_audit_of(tx, action, object, id, "ok", err);
}

#define MEMBERS_MAX 128 // of a document

// Each change has them anew, and its own columns say them.
static bool follows(struct slice key)
{
	return slice_eq_str(key, "revision") || slice_eq_str(key, "updated_at") ||
		slice_eq_str(key, "updated_by");
}

// Both are written by the same rows: it mostly stands at `at`. NULL when there is none.
static const struct jscan_member *named(struct slice key, const struct jscan_member *v, size_t n,
	size_t at)
{
	if (at < n && slice_eq(v[at].key, key))
		return &v[at];
	for (size_t i = 0; i < n; i++)
		if (slice_eq(v[i].key, key))
			return &v[i];
	return NULL;
}

static void add_member(struct str *out, struct slice key, struct slice value)
{
	str_add_c(out, out->n ? ',' : '{');
	str_add_c(out, '"');
	str_add_slice(out, key); // as it stood in a document: escaped
	str_add_slice(out, SLICE("\":"));
	str_add_slice(out, value);
}

static bool differences(struct slice old, struct slice now, struct str *out)
{
	struct jscan_member was[MEMBERS_MAX], is[MEMBERS_MAX];
	size_t was_n = 0, is_n = 0;
	struct err ignored;
	if (jscan_object(old, (struct jscan_limits){0}, was, MEMBERS_MAX, &was_n, &ignored) ||
		jscan_object(now, (struct jscan_limits){0}, is, MEMBERS_MAX, &is_n, &ignored))
		return false;
	for (size_t i = 0; i < was_n; i++) {
		const struct jscan_member *m = named(was[i].key, is, is_n, i);
		if ((m == NULL || !slice_eq(m->value, was[i].value)) && !follows(was[i].key))
			add_member(out, was[i].key, was[i].value);
	}
	for (size_t i = 0; i < is_n; i++)
		if (named(is[i].key, was, was_n, i) == NULL)
			add_member(out, is[i].key, SLICE("null"));
	str_add_slice(out, out->n ? SLICE("}") : SLICE("{}"));
	return true;
}

struct slice tx_before(struct store_tx *tx, const struct object *old, const struct object *now)
{
	struct str *out = &tx->st->before;
	if (old == NULL)
		return (struct slice){0};
	str_clear(out);
	if (now == NULL || !differences(old->json, now->json, out))
		return old->json;
	return str_slice(out);
}

// The oldest change that stays. The newest always does: it says how far counting has come. What a
// clock that was ahead wrote, later than ?4, is not waited for.
#define CHANGES_FROM                                                                                    \
	"max((SELECT max(revision) FROM change) - ?1 + 1,"                                              \
	" coalesce((SELECT revision FROM change WHERE at BETWEEN ?2 AND ?4 ORDER BY revision LIMIT 1)," \
	" (SELECT max(revision) FROM change)))"
#define CHANGES_GOING                                                                              \
	"(SELECT revision FROM change WHERE revision < " CHANGES_FROM " ORDER BY revision LIMIT ?3)"

enum err_code store_changes_prune(struct store_tx *tx, int64_t most, bool *more, struct err *err)
{
	struct db_val v[] = {DB_I(STORE_CHANGES_KEPT), DB_I(tx->now_ms - STORE_CHANGES_KEPT_MS),
		DB_I(most), DB_I(tx->now_ms + STORE_CHANGES_KEPT_MS)};
	enum err_code code = db_run(tx->db,
		"DELETE FROM feature_revision WHERE name IN (SELECT name FROM change WHERE revision IN " CHANGES_GOING
		" AND kind='Feature' AND action='delete')"
		" AND name NOT IN (SELECT name FROM feature)",
		v, ARRAY_LEN(v), err);
	if (!code)
		code = db_run(tx->db, "DELETE FROM change WHERE revision IN " CHANGES_GOING, v,
			ARRAY_LEN(v), err);
	*more = *more || (!code && db_changed(tx->db) == most);
	return code;
}

enum err_code store_revision_load(struct load *l, struct err *err)
{
	int64_t newest = 0;
	enum err_code code = db_number(l->st->db, "SELECT coalesce(max(revision),0) FROM change",
		NULL, 0, &newest, err);
	l->snap->revision = (uint64_t)newest;
	return code;
}
