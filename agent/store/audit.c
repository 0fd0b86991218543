// SPDX-License-Identifier: MIT
#include "agent/store/private.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "shared/jscan.h"
#include "shared/jw.h"
#include "shared/text.h"

#define AUDIT_TEXT_MAX 1024 // longest object kept in an audit row: a name, or two origins as well

int64_t tx_revision(struct store_tx *tx)
{
	return (int64_t)++tx->snap->revision;
}

bool tx_unchanged(struct store_tx *tx, const struct field_set *set, const struct object *old,
	const void *old_doc, struct object *now, const void *now_doc)
{
	if (!old || !field_same(set, old_doc, now_doc))
		return false;
	object_drop(now);
	tx->snap->revision--;
	return true;
}

// The actor's display name and the object's id are parts when there is one of them: rows from before
// they were kept hold as they were written.
#define AUDIT_PARTS 7
#define AUDIT_PARTS_ONCE 5

static void canonical(struct str *out, int64_t seq, int64_t at, const struct slice parts[AUDIT_PARTS])
{
	bool more = parts[AUDIT_PARTS_ONCE].n || parts[AUDIT_PARTS_ONCE + 1].n;
	size_t n = more ? AUDIT_PARTS : AUDIT_PARTS_ONCE;

	str_addf(out, "%lld|%lld", (long long)seq, (long long)at);
	for (size_t i = 0; i < n; i++) {
		str_addf(out, "|%zu:", parts[i].n);
		str_add_slice(out, parts[i]);
	}
}

enum err_code store_audit_of(struct store_tx *tx, const char *action, const char *object,
	const char *object_id, const char *result, struct err *err)
{
	struct slice parts[AUDIT_PARTS] = {ident_slice(&tx->actor->id), slice_of(action),
		slice_of(object), slice_of(result), slice_of(tx->actor->request_id),
		slice_of(tx->actor->shown), slice_of(object_id)};
	int64_t seq = tx->audit_seq + 1;
	struct str row = STR_INIT;
	unsigned char mac[SEAL_MAC];
	enum err_code code;

	if (!tx->st->seal)
		return err_set(err, ERR_SEALED, NULL);
	parts[2].n = MIN_OF(parts[2].n, AUDIT_TEXT_MAX);
	canonical(&row, seq, tx->now_ms, parts);
	seal_audit_mac(tx->st->seal, tx->audit_head, str_slice(&row), mac);
	str_release(&row);
	code = DB_RUN(tx->db, err,
		"INSERT INTO audit(seq,at,actor,action,object,result,request_id,actor_name,"
		"object_id,mac) VALUES(?,?,?,?,?,?,?,?,?,?)",
		DB_I(seq), DB_I(tx->now_ms), DB_S(parts[0]), DB_S(parts[1]), DB_S(parts[2]),
		DB_S(parts[3]), DB_S(parts[4]), DB_S(parts[5]), DB_S(parts[6]),
		DB_B(mac, SEAL_MAC));
	if (code)
		return code;
	tx->audit_seq = seq;
	memcpy(tx->audit_head, mac, SEAL_MAC);
	tx->writes++;
	return ERR_OK;
}

enum err_code store_audit(struct store_tx *tx, const char *action, const char *object,
	const char *result, struct err *err)
{
	return store_audit_of(tx, action, object, "", result, err);
}

enum err_code tx_change(struct store_tx *tx, int64_t revision, const char *action, const char *kind,
	const char *name, const char *summary, struct slice before, struct err *err)
{
	return tx_change_of(tx, revision, action, kind, name, "", summary, before, err);
}

enum err_code tx_change_of(struct store_tx *tx, int64_t revision, const char *action,
	const char *kind, const char *name, const char *id, const char *summary,
	struct slice before, struct err *err)
{
	char object[AUDIT_TEXT_MAX];
	enum err_code code = DB_RUN(tx->db, err,
		"INSERT INTO change(revision,at,actor,actor_name,action,kind,name,object_id,"
		"summary,before) VALUES(?,?,?,?,?,?,?,?,?,?)",
		DB_I(revision), DB_I(tx->now_ms), DB_T(tx->actor->id.text), DB_T(tx->actor->shown),
		DB_T(action), DB_T(kind), DB_T(name), DB_T(id), DB_T(summary),
		before.n ? DB_S(before) : DB_NONE);

	if (code)
		return code;
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

		if ((!m || !slice_eq(m->value, was[i].value)) && !follows(was[i].key))
			add_member(out, was[i].key, was[i].value);
	}
	for (size_t i = 0; i < is_n; i++)
		if (!named(is[i].key, was, was_n, i))
			add_member(out, is[i].key, SLICE("null"));
	str_add_slice(out, out->n ? SLICE("}") : SLICE("{}"));
	return true;
}

struct slice tx_before(struct store_tx *tx, const struct object *old, const struct object *now)
{
	struct str *out = &tx->st->before;

	if (!old)
		return (struct slice){0};
	str_clear(out);
	if (!now || !differences(old->json, now->json, out))
		return old->json;
	return str_slice(out);
}

// The oldest change that stays. The newest always does: it says how far counting has come. What a
// clock that was ahead wrote, later than ?4, is not waited for.
#define CHANGES_FROM                                                                               \
	"max((SELECT max(revision) FROM change) - ?1 + 1,"                                         \
	" coalesce((SELECT revision FROM change WHERE at BETWEEN ?2 AND ?4 ORDER BY revision LIMIT 1)," \
	" (SELECT max(revision) FROM change)))"
#define CHANGES_GOING                                                                              \
	"(SELECT revision FROM change WHERE revision < " CHANGES_FROM " ORDER BY revision LIMIT ?3)"

enum err_code store_audit_prune(struct store_tx *tx, int64_t most, bool *more, struct err *err)
{
	struct db_val v[] = {DB_I(STORE_CHANGES_KEPT), DB_I(tx->now_ms - STORE_CHANGES_KEPT_MS),
		DB_I(most), DB_I(tx->now_ms + STORE_CHANGES_KEPT_MS)};
	enum err_code code = db_run(tx->db,
		"DELETE FROM feature_revision WHERE name IN (SELECT name FROM change WHERE revision IN "
		CHANGES_GOING " AND kind='Feature' AND action='delete')"
		" AND name NOT IN (SELECT name FROM feature)",
		v, ARRAY_LEN(v), err);

	if (!code)
		code = db_run(tx->db, "DELETE FROM change WHERE revision IN " CHANGES_GOING, v,
			ARRAY_LEN(v), err);
	*more = *more || (!code && db_changed(tx->db) == most);
	return code;
}

static enum err_code load_revision(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct load *l = arg;

	(void)err;
	l->snap->revision = (uint64_t)db_int(row, 0);
	return ERR_OK;
}

enum err_code store_revision_load(struct load *l, struct err *err)
{
	return db_query(l->st->db, "SELECT coalesce(max(revision),0) FROM change", NULL, 0,
		load_revision, l, err);
}

static enum err_code load_head(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct store *st = arg;
	struct slice mac = db_text(row, 1);

	(void)err;
	st->audit_seq = db_int(row, 0);
	if (mac.n == SEAL_MAC)
		memcpy(st->audit_head, mac.p, SEAL_MAC);
	return ERR_OK;
}

enum err_code store_audit_load(struct store *st, struct err *err)
{
	return db_query(st->db, "SELECT seq,mac FROM audit ORDER BY seq DESC LIMIT 1", NULL, 0,
		load_head, st, err);
}

static enum err_code check_gaps(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	(void)arg;
	if (db_int(row, 0) == 0 || db_int(row, 0) == db_int(row, 1))
		return ERR_OK;
	return err_set(err, ERR_STORAGE_CORRUPT,
		_("rows of the audit log are missing: yijian.db and the log beside it are not of one "
		  "moment"));
}

enum err_code store_audit_gaps(struct store *st, struct err *err)
{
	return db_query(st->db, "SELECT count(*), max(seq)-min(seq)+1 FROM audit", NULL, 0,
		check_gaps, NULL, err);
}

// ---- lists ----

struct list {
	struct jw w;
	size_t n, limit;
	int64_t last;
	bool more;
};

static void hex(struct jw *w, const char *key, struct slice bytes)
{
	char text[2 * SEAL_MAC + 1];

	if (bytes.n > SEAL_MAC)
		bytes.n = SEAL_MAC;
	jw_str(w, key, sodium_bin2hex(text, sizeof(text), (const unsigned char *)bytes.p, bytes.n));
}

// Counts the row in; false when the page is full already.
static bool take(struct list *l, int64_t id)
{
	l->more = l->n == l->limit;
	if (l->more)
		return false;
	l->n++;
	l->last = id;
	return true;
}

// The actor's display name and the object's id, where they are not the same as what is shown anyway.
static void beside(struct jw *w, struct sqlite3_stmt *row, int col)
{
	static const char *const names[] = {"actor_name", "object_id"};

	for (int i = 0; i < (int)ARRAY_LEN(names); i++) {
		if (db_text(row, col + i).n)
			jw_slice(w, names[i], db_text(row, col + i));
		else
			jw_null(w, names[i]);
	}
}

static enum err_code audit_item(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct list *l = arg;
	static const char *const names[] = {"actor", "action", "object", "result", "request_id"};

	(void)err;
	if (!take(l, db_int(row, 0)))
		return ERR_OK;
	jw_obj(&l->w, NULL);
	jw_int(&l->w, "seq", db_int(row, 0));
	jw_time(&l->w, "at", db_int(row, 1));
	beside(&l->w, row, 8);
	for (int i = 0; i < (int)ARRAY_LEN(names); i++)
		jw_slice(&l->w, names[i], db_text(row, 2 + i));
	hex(&l->w, "mac", db_text(row, 7));
	jw_obj_end(&l->w);
	return ERR_OK;
}

static enum err_code change_item(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct list *l = arg;
	static const char *const names[] = {"actor", "action", "kind", "name", "summary"};
	char id[32];

	(void)err;
	if (!take(l, db_int(row, 0)))
		return ERR_OK;
	snprintf(id, sizeof(id), "c-%lld", (long long)db_int(row, 0));
	jw_obj(&l->w, NULL);
	jw_str(&l->w, "id", id);
	jw_time(&l->w, "at", db_int(row, 1));
	for (int i = 0; i < (int)ARRAY_LEN(names); i++)
		jw_slice(&l->w, names[i], db_text(row, 2 + i));
	beside(&l->w, row, 7);
	jw_int(&l->w, "revision", db_int(row, 0));
	jw_obj_end(&l->w);
	return ERR_OK;
}

static enum err_code take_count(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	(void)err;
	*(size_t *)arg = (size_t)db_int(row, 0);
	return ERR_OK;
}

static enum err_code take_mark(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	(void)err;
	((struct store_place *)arg)->mark = db_int(row, 0);
	return ERR_OK;
}

enum err_code store_place_find(struct store_tx *tx, const char *sql, struct store_place *at,
	struct err *err)
{
	struct db_val v[] = {DB_I(at->seq)};

	at->mark = 0;
	return at->seq ? db_query(tx->db, sql, v, ARRAY_LEN(v), take_mark, at, err) : ERR_OK;
}

enum err_code store_place_check(struct store_tx *tx, const char *sql, const struct store_place *at,
	struct err *err)
{
	struct store_place now = {.seq = at->seq};
	enum err_code code = store_place_find(tx, sql, &now, err);

	if (code || now.mark == at->mark)
		return code;
	return err_set(err, ERR_CURSOR_INVALID,
		_("what the cursor stood at is gone, or of another life of the database"));
}

static enum err_code page(struct store_tx *tx, const char *sql, const char *mark, const char *count,
	db_row_fn fn, const struct store_place *before, int limit, struct str *out, size_t *ret_total,
	struct store_place *ret_next, struct err *err)
{
	struct list l = {.w = jw_to(out), .limit = (size_t)limit};
	struct db_val v[] = {DB_I(before->seq ? before->seq : INT64_MAX), DB_I(limit + 1)};
	enum err_code code = store_place_check(tx, mark, before, err);

	if (!code)
		code = db_query(tx->db, sql, v, ARRAY_LEN(v), fn, &l, err);

	if (!code)
		code = db_query(tx->db, count, NULL, 0, take_count, ret_total, err);
	*ret_next = (struct store_place){.seq = l.more ? l.last : 0};
	return code ? code : store_place_find(tx, mark, ret_next, err);
}

enum err_code store_audit_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err)
{
	return page(tx,
		"SELECT seq,at,actor,action,object,result,request_id,mac,actor_name,object_id"
		" FROM audit WHERE seq < ?"
		" ORDER BY seq DESC LIMIT ?",
		"SELECT at*4+1 FROM audit WHERE seq=?", "SELECT count(*) FROM audit", audit_item, before,
		limit, out, ret_total, ret_next, err);
}

enum err_code store_change_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err)
{
	return page(tx,
		"SELECT revision,at,actor,action,kind,name,summary,actor_name,object_id"
		" FROM change WHERE revision < ?"
		" ORDER BY revision DESC LIMIT ?",
		"SELECT at*4+2 FROM change WHERE revision=?", "SELECT count(*) FROM change", change_item,
		before, limit, out, ret_total, ret_next, err);
}

struct verify {
	const struct seal *seal;
	unsigned char head[SEAL_MAC];
	int64_t next, bad;
};

static enum err_code verify_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct verify *v = arg;
	struct slice parts[AUDIT_PARTS], mac = db_text(row, AUDIT_PARTS + 2);
	unsigned char want[SEAL_MAC];
	struct str text = STR_INIT;
	int64_t seq = db_int(row, 0);

	(void)err;
	if (v->bad)
		return ERR_OK;
	for (int i = 0; i < AUDIT_PARTS; i++)
		parts[i] = db_text(row, 2 + i);
	canonical(&text, seq, db_int(row, 1), parts);
	seal_audit_mac(v->seal, v->head, str_slice(&text), want);
	str_release(&text);
	if (seq != v->next || mac.n != SEAL_MAC || memcmp(mac.p, want, SEAL_MAC) != 0)
		v->bad = v->next;
	v->next = seq + 1;
	memcpy(v->head, want, SEAL_MAC);
	return ERR_OK;
}

enum err_code store_audit_verify(struct store_tx *tx, int64_t *ret_bad_seq, struct err *err)
{
	struct verify v = {.seal = tx->st->seal, .next = 1};
	enum err_code code;

	if (!v.seal)
		return err_set(err, ERR_SEALED, NULL);
	code = db_query(tx->db,
		"SELECT seq,at,actor,action,object,result,request_id,actor_name,object_id,mac"
		" FROM audit ORDER BY seq",
		NULL, 0, verify_row, &v, err);
	*ret_bad_seq = v.bad;
	return code;
}

// ---- idempotency ----

struct idem {
	const unsigned char *body_hash;
	bool found, mismatch;
	int *status;
	struct str *body;
};

static enum err_code idem_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct idem *i = arg;
	struct slice hash = db_text(row, 0);

	struct slice body = db_text(row, 2);

	if (db_int(row, 1) < 200 || db_int(row, 1) > 299 || (body.n > 0 && !store_holds_object(body)))
		return err_set(err, ERR_STORAGE_CORRUPT, NULL); // only what succeeded is kept
	i->found = true;
	i->mismatch = hash.n != 32 || memcmp(hash.p, i->body_hash, 32) != 0;
	*i->status = (int)db_int(row, 1);
	str_add_slice(i->body, body);
	return ERR_OK;
}

bool store_holds_object(struct slice text)
{
	struct err ignored;

	return text.n > 0 && text.p[0] == '{' &&
	       jscan_check(text, (struct jscan_limits){.depth = 2 * JSCAN_DEPTH}, &ignored) == ERR_OK;
}

enum err_code store_idem_find(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], bool *ret_found, int *ret_status, struct str *ret_body,
	struct err *err)
{
	struct idem i = {body_hash, false, false, ret_status, ret_body};
	struct db_val v[] = {DB_T(tx->actor->id.text), DB_T(endpoint), DB_S(key)};
	enum err_code code = db_query(tx->db,
		"SELECT body_hash,status,body FROM idempotency WHERE actor=? AND endpoint=? AND key=?",
		v, ARRAY_LEN(v), idem_row, &i, err);

	*ret_found = i.found;
	if (!code && i.mismatch)
		return err_set(err, ERR_IDEMPOTENCY_MISMATCH, NULL);
	return code;
}

enum err_code store_idem_save(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], int status, struct slice body, struct err *err)
{
	return DB_RUN(tx->db, err,
		"INSERT OR REPLACE INTO idempotency(actor,endpoint,key,body_hash,status,body,at)"
		" VALUES(?,?,?,?,?,?,?)",
		DB_T(tx->actor->id.text), DB_T(endpoint), DB_S(key), DB_B(body_hash, 32), DB_I(status),
		DB_S(body), DB_I(tx->now_ms));
}
