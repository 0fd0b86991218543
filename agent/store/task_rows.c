// SPDX-License-Identifier: MIT
// A task's row changes with every step of its life, and what must stay secret stands beside it
// sealed: the request until it was sent, the results until they end.
#include "agent/store/task_rows.h"

#include <stdio.h>
#include <string.h>
#include "agent/store/private.h"
#include "shared/clock.h"
#include "shared/text.h"

static struct seal_aad aad_of(const struct store *st, const char *id, const char *column)
{
	return (struct seal_aad){.db_uuid = st->uuid, .table = "task", .row = id, .column = column};
}

static void doc_of(const struct task *t, struct str *out)
{
	struct jw w = jw_to(out);
	task_write(&w, t);
}

void task_age(struct task *t, int64_t now_wall_ms)
{
	if (t->state == TASK_SUCCEEDED && t->until_ms > 0 && t->until_ms <= now_wall_ms)
		t->state = TASK_EXPIRED;
}

// ---- one row ----

struct found {
	struct store *st;
	int64_t now_ms;
	struct task *task;
	struct str *result, *request; // NULL: not asked for
	bool hit;
	struct slice hash; // to compare, or empty
	bool same;
};

// What was swept lost its result after its document was written.
static void row_state(struct task *t, struct slice state)
{
	if (slice_eq_str(state, task_state_names[TASK_EXPIRED]))
		t->state = TASK_EXPIRED;
}

static enum err_code take_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct found *f = arg;
	struct slice hash = db_text(row, 1), sealed = db_text(row, 2);
	if (!task_read(db_text(row, 0), f->task))
		return err_set(err, ERR_STORAGE_CORRUPT, NULL);
	row_state(f->task, db_text(row, 3));
	f->hit = true;
	f->same = slice_eq(hash, f->hash);
	if (hash.n == TASK_HASH)
		memcpy(f->task->hash, hash.p, TASK_HASH);
	task_age(f->task, f->now_ms);
	if (f->result == NULL || sealed.n == 0 || f->task->state != TASK_SUCCEEDED)
		return ERR_OK;
	struct seal_aad aad = aad_of(f->st, f->task->id, "result");
	return seal_open_blob(f->st->seal, &aad, sealed, f->result, err);
}

// A task that came to nothing before anybody accepted it does not bind its key.
static bool binds(const struct task *t)
{
	if (t->state != TASK_FAILED && t->state != TASK_CANCELED)
		return true;
	for (size_t i = 0; i < t->parts_n; i++) {
		if (t->part[i].id[0] != '\0' || t->part[i].state == TASK_SUCCEEDED)
			return true;
	}
	return false;
}

static enum err_code find_same(struct store_tx *tx, const struct task *t, bool *ret_found,
	struct task *ret, struct err *err)
{
	struct found f = {.st = tx->st,
		.now_ms = tx->now_ms,
		.task = ret,
		.hash = {(const char *)t->hash, TASK_HASH}};
	struct db_val v[] = {DB_T(t->client.text), DB_T(t->idem)};
	*ret_found = false;
	if (t->idem[0] == '\0')
		return ERR_OK;
	enum err_code code = db_query(tx->db,
		"SELECT doc, body_hash, NULL, state FROM task WHERE client=? AND idem=?", v,
		ARRAY_LEN(v), take_row, &f, err);
	if (code != ERR_OK || !f.hit)
		return code;
	if (!f.same)
		return err_set(err, ERR_IDEMPOTENCY_MISMATCH, NULL);
	*ret_found = binds(ret);
	return *ret_found
		? ERR_OK
		: DB_RUN(tx->db, err, "UPDATE task SET idem=NULL WHERE id=?", DB_T(ret->id));
}

enum err_code store_task_create(struct store_tx *tx, const struct task *t, struct slice request,
	bool *ret_found, struct task *ret, struct err *err)
{
	struct seal_aad aad = aad_of(tx->st, t->id, "request");
	struct str doc = STR_INIT, sealed = STR_INIT;
	enum err_code code = find_same(tx, t, ret_found, ret, err);
	if (code != ERR_OK || *ret_found)
		return code;
	doc_of(t, &doc);
	if (request.n > 0)
		code = seal_blob(tx->st->seal, &aad, request, &sealed, err);
	if (code == ERR_OK)
		code = DB_RUN(tx->db, err,
			"INSERT INTO task(id,state,feature,client,idem,body_hash,doc,request,"
			"result_until,created_at,finished_at) VALUES(?,?,?,?,?,?,?,?,0,?,?)",
			DB_T(t->id), DB_T(task_state_names[t->state]), DB_T(t->feature),
			DB_T(t->client.text), t->idem[0] != '\0' ? DB_T(t->idem) : DB_NONE,
			DB_B(t->hash, TASK_HASH), DB_S(str_slice(&doc)),
			sealed.n > 0 ? DB_B(sealed.p, sealed.n) : DB_NONE, DB_I(t->created_ms),
			DB_I(t->finished_ms));
	str_release(&doc);
	str_release(&sealed);
	return code;
}

enum err_code store_task_update(struct store_tx *tx, const struct task *t, bool keep_request,
	struct slice request, struct slice result, struct err *err)
{
	struct seal_aad aad = aad_of(tx->st, t->id, "result");
	struct seal_aad asked = aad_of(tx->st, t->id, "request");
	struct str doc = STR_INIT, sealed = STR_INIT, ask = STR_INIT;
	enum err_code code = ERR_OK;
	doc_of(t, &doc);
	if (keep_request && request.n > 0)
		code = seal_blob(tx->st->seal, &asked, request, &ask, err);
	if (code == ERR_OK && result.n > 0)
		code = seal_blob(tx->st->seal, &aad, result, &sealed, err);
	if (code == ERR_OK)
		code = DB_RUN(tx->db, err,
			"UPDATE task SET state=?, doc=?, request=CASE WHEN ? THEN coalesce(?, request) END,"
			" result=?, result_until=?, finished_at=? WHERE id=?",
			DB_T(task_state_names[t->state]), DB_S(str_slice(&doc)), DB_I(keep_request),
			ask.n > 0 ? DB_B(ask.p, ask.n) : DB_NONE,
			sealed.n > 0 ? DB_B(sealed.p, sealed.n) : DB_NONE, DB_I(t->until_ms),
			DB_I(t->finished_ms), DB_T(t->id));
	str_release(&doc);
	str_release(&ask);
	str_release(&sealed);
	if (code == ERR_OK && db_changed(tx->db) != 1)
		return err_set(err, ERR_STORAGE_CORRUPT, _("the task's row is gone"));
	if (code == ERR_OK && t->finished_ms > 0) // the result is whole now
		code = DB_RUN(tx->db, err, "DELETE FROM task_part WHERE task=?", DB_T(t->id));
	return code;
}

// ---- parts that are done while others are not ----

#define COLUMN_MAX 24

static struct seal_aad part_aad(const struct store *st, const char *id, size_t part,
	char column[COLUMN_MAX])
{
	snprintf(column, COLUMN_MAX, "result%zu", part);
	return (struct seal_aad){
		.db_uuid = st->uuid, .table = "task_part", .row = id, .column = column};
}

enum err_code store_task_part_put(struct store_tx *tx, const char *id, size_t part,
	struct slice result, struct err *err)
{
	char column[COLUMN_MAX];
	struct seal_aad aad = part_aad(tx->st, id, part, column);
	struct str sealed = STR_INIT;
	enum err_code code = seal_blob(tx->st->seal, &aad, result, &sealed, err);
	if (code == ERR_OK)
		code = DB_RUN(tx->db, err,
			"INSERT OR REPLACE INTO task_part(task,part,result) VALUES(?,?,?)",
			DB_T(id), DB_I((int64_t)part), DB_B(sealed.p, sealed.n));
	str_release(&sealed);
	return code;
}

struct parts {
	struct store *st;
	const char *id;
	void (*fn)(void *arg, size_t part, struct slice result);
	void *arg;
};

static enum err_code part_item(void *arg, struct sqlite3_stmt *row, struct err *err UNUSED)
{
	const struct parts *p = arg;
	int64_t part = db_int(row, 0);
	struct str result = STR_INIT;
	if (part < 0 || part >= TASK_PARTS_MAX)
		return ERR_OK;
	char column[COLUMN_MAX];
	struct seal_aad aad = part_aad(p->st, p->id, (size_t)part, column);
	if (seal_open_blob(p->st->seal, &aad, db_text(row, 1), &result, NULL) == ERR_OK)
		p->fn(p->arg, (size_t)part, str_slice(&result));
	str_release(&result);
	return ERR_OK;
}

enum err_code store_task_parts(struct store_tx *tx, const char *id,
	void (*fn)(void *arg, size_t part, struct slice result), void *arg, struct err *err)
{
	struct parts p = {tx->st, id, fn, arg};
	struct db_val v[] = {DB_T(id)};
	return db_query(tx->db, "SELECT part, result FROM task_part WHERE task=? ORDER BY part", v,
		ARRAY_LEN(v), part_item, &p, err);
}

enum err_code store_task_get(struct store_tx *tx, struct slice id, const struct ident *client,
	struct task *ret, struct str *result, struct err *err)
{
	struct found f = {.st = tx->st, .now_ms = tx->now_ms, .task = ret, .result = result};
	struct db_val v[] = {DB_S(id), client != NULL ? DB_T(client->text) : DB_NONE};
	enum err_code code = db_query(tx->db,
		"SELECT doc, body_hash, result, state FROM task WHERE id=?1 AND (?2 IS NULL OR client=?2)",
		v, ARRAY_LEN(v), take_row, &f, err);
	if (code == ERR_OK && !f.hit)
		return err_set(err, ERR_NOT_FOUND, _("there is no task of this id"));
	return code;
}

// ---- lists ----

struct list {
	struct jw w;
	size_t n;
	int limit;
	int64_t last, now_ms;
	bool more;
};

static enum err_code list_item(void *arg, struct sqlite3_stmt *row, struct err *err UNUSED)
{
	struct list *l = arg;
	l->more = (int)l->n == l->limit;
	struct task t;
	if (l->more || !task_read(db_text(row, 1), &t))
		return ERR_OK;
	l->n++;
	l->last = db_int(row, 0);
	row_state(&t, db_text(row, 2));
	task_age(&t, l->now_ms);
	task_write(&l->w, &t);
	return ERR_OK;
}

#define FILTER " FROM task WHERE (?1 IS NULL OR state=?1) AND (?2 IS NULL OR feature=?2)"

enum err_code store_task_list(struct store_tx *tx, struct slice state, struct slice feature,
	const struct store_place *before, int limit, struct str *out, size_t *ret_total,
	struct store_place *ret_next, struct err *err)
{
	static const char mark[] = "SELECT created_at*4+3 FROM task WHERE seq=?";
	struct list l = {.w = jw_to(out), .limit = limit, .now_ms = tx->now_ms};
	struct db_val v[] = {state.n > 0 ? DB_S(state) : DB_NONE,
		feature.n > 0 ? DB_S(feature) : DB_NONE,
		DB_I(before->seq > 0 ? before->seq : INT64_MAX), DB_I(limit + 1)};
	int64_t total = 0;
	enum err_code code = store_place_check(tx, mark, before, err);
	if (code == ERR_OK)
		code = db_number(tx->db, "SELECT count(*)" FILTER, v, 2, &total, err);
	*ret_total = (size_t)total;
	if (code == ERR_OK)
		code = db_query(tx->db,
			"SELECT seq, doc, state" FILTER " AND seq < ?3 ORDER BY seq DESC LIMIT ?4",
			v, ARRAY_LEN(v), list_item, &l, err);
	*ret_next = (struct store_place){.seq = l.more ? l.last : 0};
	return code == ERR_OK ? store_place_find(tx, mark, ret_next, err) : code;
}

struct open {
	struct store *st;
	void (*fn)(void *arg, const struct task *t, struct slice request);
	void *arg;
};

// A row that cannot be read is left for people to look at; it is submitted by nobody.
static enum err_code open_item(void *arg, struct sqlite3_stmt *row, struct err *err UNUSED)
{
	struct open *o = arg;
	struct slice hash = db_text(row, 1), idem = db_text(row, 3);
	struct str request = STR_INIT;
	struct task t;
	if (!task_read(db_text(row, 0), &t) || hash.n != TASK_HASH || idem.n > TASK_IDEM_MAX)
		return ERR_OK;
	memcpy(t.hash, hash.p, TASK_HASH);
	memcpy(t.idem, idem.n > 0 ? idem.p : "", idem.n);
	struct seal_aad aad = aad_of(o->st, t.id, "request");
	if (db_text(row, 2).n > 0 &&
		seal_open_blob(o->st->seal, &aad, db_text(row, 2), &request, NULL) != ERR_OK)
		str_clear(&request);
	o->fn(o->arg, &t, str_slice(&request));
	str_release(&request);
	return ERR_OK;
}

enum err_code store_task_open(struct store_tx *tx,
	void (*fn)(void *arg, const struct task *t, struct slice request), void *arg,
	struct err *err)
{
	struct open o = {tx->st, fn, arg};
	struct db_val v[] = {DB_I(TASK_OPEN_MAX)};
	return db_query(tx->db,
		"SELECT doc, body_hash, request, idem FROM task WHERE finished_at=0"
		" ORDER BY seq LIMIT ?",
		v, ARRAY_LEN(v), open_item, &o, err);
}

// ---- the end of what was kept ----

// Where secrets are wiped, a row costs the log what it holds: few at once, the oldest first.
#define SHARE_OF(condition)                                                                           \
	"seq IN (SELECT seq FROM (SELECT seq, sum(n) OVER (ORDER BY seq) - n AS before FROM"          \
	" (SELECT seq, 2048 + length(doc) + coalesce(length(result),0) + coalesce(length(request),0)" \
	" AS n FROM task WHERE " condition " ORDER BY seq LIMIT 100)) WHERE before < 131072)"

enum err_code store_task_sweep(struct store_tx *tx, bool *ret_more, struct err *err)
{
	static const char *const sql[] = {
		"UPDATE task SET state='expired', result=NULL WHERE " // later: a clock that was ahead
		SHARE_OF("state='succeeded' AND finished_at > 0"
			 " AND (result_until <= ?1 OR result_until > ?1 + ?2)"),
		"UPDATE task SET state='expired', result=NULL, result_until=?1 WHERE seq IN" // the newest stay
		" (SELECT seq FROM (SELECT seq, sum(length(result)) OVER (ORDER BY seq DESC) AS total"
		" FROM task WHERE result IS NOT NULL) WHERE total > ?3 ORDER BY seq LIMIT 1)",
		"DELETE FROM task WHERE " SHARE_OF(
			"finished_at > 0 AND (finished_at < ?1 - ?4 OR finished_at > ?1 + ?4)"),
		"DELETE FROM task WHERE " SHARE_OF(
			"finished_at > 0 AND seq <="
			" (SELECT seq FROM task ORDER BY seq DESC LIMIT 1 OFFSET ?5)"),
	};
	struct db_val v[] = {DB_I(tx->now_ms), DB_I(TASK_RESULT_MS), DB_I(TASK_RESULTS_MAX),
		DB_I(TASK_KEPT_MS), DB_I(TASKS_KEPT_MAX)};
	enum err_code code = ERR_OK;
	*ret_more = false;
	for (size_t i = 0; i < ARRAY_LEN(sql) && code == ERR_OK; i++) {
		code = db_run(tx->db, sql[i], v, ARRAY_LEN(v), err);
		*ret_more = *ret_more || (code == ERR_OK && db_changed(tx->db) > 0);
	}
	return code;
}
