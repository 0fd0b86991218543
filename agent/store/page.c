// SPDX-License-Identifier: MIT
// The logs of audit rows and of changes as pages of JSON items, and the places between pages:
// what a cursor leads back to, or is told that it is gone.
#include "agent/store/page.h"

#include <sodium.h>
#include <stdio.h>

#include "agent/store/private.h"
#include "shared/jw.h"
#include "shared/text.h"

struct list {
	struct jw w;
	size_t n, limit;
	int64_t last;
	bool more;
};

static void hex(struct jw *w, const char *key, struct slice bytes)
{

	if (bytes.n > SEAL_MAC)
		bytes.n = SEAL_MAC;
	char text[2 * SEAL_MAC + 1];
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
	(void)err;
	if (!take(l, db_int(row, 0)))
		return ERR_OK;
	char id[32];
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

enum err_code store_place_find(struct store_tx *tx, const char *sql, struct store_place *at,
	struct err *err)
{
	struct db_val v[] = {DB_I(at->seq)};
	at->mark = 0;
	return at->seq ? db_number(tx->db, sql, v, ARRAY_LEN(v), &at->mark, err) : ERR_OK;
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
	db_row_fn fn, const struct store_place *before, int limit, struct str *out,
	size_t *ret_total, struct store_place *ret_next, struct err *err)
{
	struct list l = {.w = jw_to(out), .limit = (size_t)limit};
	struct db_val v[] = {DB_I(before->seq ? before->seq : INT64_MAX), DB_I(limit + 1)};
	int64_t total = 0;
	enum err_code code = store_place_check(tx, mark, before, err);
	if (!code)
		code = db_query(tx->db, sql, v, ARRAY_LEN(v), fn, &l, err);
	if (!code)
		code = db_number(tx->db, count, NULL, 0, &total, err);
	*ret_total = (size_t)total;
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
		"SELECT at*4+1 FROM audit WHERE seq=?", "SELECT count(*) FROM audit", audit_item,
		before, limit, out, ret_total, ret_next, err);
}

enum err_code store_change_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err)
{
	return page(tx,
		"SELECT revision,at,actor,action,kind,name,summary,actor_name,object_id"
		" FROM change WHERE revision < ?"
		" ORDER BY revision DESC LIMIT ?",
		"SELECT at*4+2 FROM change WHERE revision=?", "SELECT count(*) FROM change",
		change_item, before, limit, out, ret_total, ret_next, err);
}
