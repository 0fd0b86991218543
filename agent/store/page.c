// SPDX-License-Identifier: MIT
// The logs of audit rows and of changes as pages of JSON items, and the places between pages:
// what a cursor leads back to, or is told that it is gone.
#include "agent/store/page.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agent/store/change.h"
#include "agent/store/private.h"
#include "shared/jw.h"
#include "shared/num.h"
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

#define CHANGE_COLUMNS "revision,at,actor,action,kind,name,summary,actor_name,object_id,before"

static const char *text_at(struct arena *a, struct sqlite3_stmt *row, int col)
{
	return arena_slice(a, db_text(row, col));
}

static struct store_change read_change(struct sqlite3_stmt *row, struct arena *a)
{
	struct slice before = db_text(row, 9);
	return (struct store_change){.revision = db_int(row, 0),
		.at = db_int(row, 1),
		.actor = text_at(a, row, 2),
		.action = text_at(a, row, 3),
		.kind = text_at(a, row, 4),
		.name = text_at(a, row, 5),
		.summary = text_at(a, row, 6),
		.actor_name = text_at(a, row, 7),
		.id = text_at(a, row, 8),
		.before = {arena_slice(a, before), before.n}};
}

int64_t store_change_until(const struct store_change *c)
{
	static const char was_enabled[] = "\"enabled\":true";
	bool key = strcmp(c->kind, "Key") == 0, client = strcmp(c->kind, "Client") == 0;
	bool made = strcmp(c->action, "create") == 0 || strcmp(c->action, "register") == 0 ||
		strcmp(c->action, "restore") == 0;
	bool deleted = strcmp(c->action, "delete") == 0;
	bool revoked = strcmp(c->kind, "Token") == 0 || (client && deleted) ||
		(key && strcmp(c->action, "rotate") == 0) ||
		(client && memmem(c->before.p, c->before.n, was_enabled, sizeof(was_enabled) - 1));
	bool unknown = strcmp(c->kind, "Price") == 0 || (!made && c->before.n == 0);
	if (revoked || unknown)
		return FIELD_NONE;
	return c->at + (key && deleted ? STORE_UNDO_MS : STORE_CHANGES_KEPT_MS);
}

void store_change_write(struct jw *w, const struct store_change *c, bool whole)
{
	char id[32];
	snprintf(id, sizeof(id), "c-%lld", (long long)c->revision);
	jw_obj(w, NULL);
	jw_str(w, "id", id);
	jw_time(w, "at", c->at);
	jw_str(w, "actor", c->actor);
	jw_str(w, "action", c->action);
	jw_str(w, "kind", c->kind);
	jw_str(w, "name", c->name);
	jw_str(w, "summary", c->summary);
	jw_str(w, "actor_name", c->actor_name[0] ? c->actor_name : NULL);
	jw_str(w, "object_id", c->id[0] ? c->id : NULL);
	jw_int(w, "revision", c->revision);
	jw_time(w, "undoable_until", store_change_until(c));
	if (whole && c->before.n > 0)
		jw_raw(w, "before", c->before);
	else if (whole)
		jw_null(w, "before");
	jw_obj_end(w);
}

static enum err_code change_item(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct list *l = arg;
	struct arena a = ARENA_INIT;
	(void)err;
	if (!take(l, db_int(row, 0)))
		return ERR_OK;
	struct store_change c = read_change(row, &a);
	store_change_write(&l->w, &c, false);
	arena_release(&a);
	return ERR_OK;
}

bool store_change_id(struct slice text, int64_t *ret_revision)
{
	struct slice digits = {text.p + 2, text.n >= 2 ? text.n - 2 : 0};
	return slice_starts(text, "c-") && num_i64(digits, 1, INT64_MAX, ret_revision);
}

struct one_change {
	struct arena *a;
	struct store_change *ret;
};

static enum err_code keep_change(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct one_change *one = arg;
	(void)err;
	*one->ret = read_change(row, one->a);
	return ERR_OK;
}

enum err_code store_change_read(struct store_tx *tx, int64_t revision, struct arena *a,
	struct store_change *ret, struct err *err)
{
	struct one_change one = {a, ret};
	struct db_val v[] = {DB_I(revision)};
	*ret = (struct store_change){0};
	enum err_code code = db_query(tx->db,
		"SELECT " CHANGE_COLUMNS " FROM change WHERE revision=?", v, ARRAY_LEN(v),
		keep_change, &one, err);
	if (code || ret->revision > 0)
		return code;
	return revision > (int64_t)tx->snap->revision
		? err_set(err, ERR_NOT_FOUND, _("no change of this id"))
		: err_set(err, ERR_GONE, _("this change is no longer kept"));
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
		"SELECT " CHANGE_COLUMNS " FROM change WHERE revision < ?"
		" ORDER BY revision DESC LIMIT ?",
		"SELECT at*4+2 FROM change WHERE revision=?", "SELECT count(*) FROM change",
		change_item, before, limit, out, ret_total, ret_next, err);
}
