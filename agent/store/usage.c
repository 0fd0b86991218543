// SPDX-License-Identifier: MIT
// Usage in the database: every batch is added to the sums of its minutes, hours and days.
#include "agent/store/usage.h"

#include "agent/store/private.h"

// None of it is in the snapshot, so it publishes none; but a store in trouble that takes it takes
// writes again, and says so by the next one: that is what tx->writes is counted for here.
#define MINUTE_S 60
#define HOUR_S 3600
#define DAY_S 86400
#define PARTS 1000000 // sums are read in two parts, or SQLite's sum would refuse to overflow

#define EXPIRE_MAX 100 // rows of a step at once: a long backlog must not fill the log

// In the order of struct usage_sum.
#define REST(X)                                                                                    \
	X(attempts)                                                                                \
	X(failures)                                                                                \
	X(streamed)                                                                                \
	X(interrupted)                                                                             \
	X(usage_unknown)                                                                           \
	X(tokens_in)                                                                               \
	X(tokens_out)                                                                              \
	X(tokens_cached)                                                                           \
	X(tokens_reasoning)                                                                        \
	X(images)                                                                                  \
	X(chars) X(audio_ms) X(cost_zero) X(n_unknown) X(n_estimated) X(n_counted) X(n_reported)
#define PICOS(X) X(pico_unknown) X(pico_estimated) X(pico_counted) X(pico_reported)
#define NAMED(c) "," #c
#define MARKED(c) ",?"
#define ADDED(c) "," #c "=min(" #c "+excluded." #c ",4611686018427387903)"
#define SUMMED_PARTS(c) ",sum(" #c "/1000000),sum(" #c "%1000000)"
#define ONE(c) +1
_Static_assert(1 REST(ONE) PICOS(ONE) == USAGE_COLUMNS, "every column is a member");

// ---- writing ----

static enum err_code add_row(struct store_tx *tx, int64_t step_s, const struct usage_row *r,
	struct err *err)
{
	struct db_val v[2 + USAGE_BYS + 1 + USAGE_COLUMNS];
	int64_t at = r->key.minute * MINUTE_S;
	const int64_t *columns = (const int64_t *)&r->sum;
	size_t n = 0;
	v[n++] = DB_I(step_s);
	v[n++] = DB_I(at - at % step_s);
	for (int i = 0; i < USAGE_BYS; i++)
		v[n++] = DB_T(r->key.by[i]);
	v[n++] = DB_T(r->key.currency);
	for (size_t i = 0; i < USAGE_COLUMNS; i++)
		v[n++] = DB_I(columns[i]);
	return db_run(tx->db,
		"INSERT INTO usage(step,at,feature,target,client,key,model,currency,requests" //
		REST(NAMED) PICOS(NAMED) ") VALUES(?,?,?,?,?,?,?,?,?" REST(MARKED) PICOS(
			MARKED) ") ON CONFLICT DO UPDATE SET"
				" requests=min(requests+excluded.requests,4611686018427387903)" //
		REST(ADDED) PICOS(ADDED),
		v, n, err);
}

enum err_code store_usage_expire(struct store_tx *tx, bool *more, struct err *err)
{
	static const int64_t kept[][2] = {{MINUTE_S, USAGE_MINUTES_KEPT_S},
		{HOUR_S, USAGE_HOURS_KEPT_S}, {DAY_S, USAGE_DAYS_KEPT_S}};
	enum err_code code = ERR_OK;
	for (size_t i = 0; i < ARRAY_LEN(kept) && !code; i++) {
		code = DB_RUN(tx->db, err,
			"DELETE FROM usage WHERE (step,at,feature,target,client,key,model,currency) IN"
			" (SELECT step,at,feature,target,client,key,model,currency FROM usage"
			" WHERE step=? AND at<? ORDER BY at LIMIT ?)",
			DB_I(kept[i][0]), DB_I(tx->now_ms / 1000 - kept[i][1]), DB_I(EXPIRE_MAX));
		*more = *more || (!code && db_changed(tx->db) == EXPIRE_MAX);
	}
	return code;
}

enum err_code store_usage_add(struct store_tx *tx, uint64_t boot, uint64_t n,
	const struct usage_table *rows, struct err *err)
{
	static const int64_t steps[] = {MINUTE_S, HOUR_S, DAY_S};
	struct db_val batch[] = {DB_I((int64_t)boot), DB_I((int64_t)n)};
	int64_t there = 0;
	bool more = false; // the purge goes on
	size_t it = 0;
	enum err_code code = db_number(tx->db, "SELECT 1 FROM usage_batch WHERE boot=? AND n>=?",
		batch, ARRAY_LEN(batch), &there, err);
	if (code || there)
		return code;
	const struct usage_row *r;
	while (!code && (r = usage_table_next(rows, &it)) != NULL) {
		for (size_t i = 0; i < ARRAY_LEN(steps) && !code; i++)
			code = add_row(tx, steps[i], r, err);
	}
	if (!code)
		code = DB_RUN(tx->db, err, "DELETE FROM usage_batch WHERE boot<>?", batch[0]);
	if (!code)
		code = db_run(tx->db, "INSERT OR REPLACE INTO usage_batch(boot,n) VALUES(?,?)",
			batch, ARRAY_LEN(batch), err);
	if (!code)
		code = store_usage_expire(tx, &more, err);
	tx->writes += !code && tx->st->trouble;
	return code;
}

// ---- reading ----

struct reader {
	void (*fn)(void *arg, const struct usage_key *key, const struct usage_sum *sum);
	void *arg;
	size_t left;
	bool more;
};

static int64_t whole(int64_t parts, int64_t rest)
{
	__int128 v = (__int128)parts * PARTS + rest;
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

// Text of a row ends with a NUL: SQLite's text does.
static const char *text(struct sqlite3_stmt *row, int col)
{
	struct slice s = db_text(row, col);
	return s.p != NULL ? s.p : "";
}

static enum err_code read_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct reader *rd = arg;
	struct usage_key key = {.minute = db_int(row, 0) / MINUTE_S};
	struct usage_sum sum;
	int64_t *columns = usage_columns(&sum);
	int col = 1;
	(void)err;
	if (rd->left == 0) {
		rd->more = true;
		return ERR_OK;
	}
	rd->left--;
	for (int i = 0; i < USAGE_BYS; i++)
		key.by[i] = text(row, col++);
	key.currency = text(row, col++);
	for (size_t i = 0; i < USAGE_COLUMNS; i++, col += 2)
		columns[i] = whole(db_int(row, col), db_int(row, col + 1));
	rd->fn(rd->arg, &key, &sum);
	return ERR_OK;
}

static enum err_code read_usage(struct db *db, const struct usage_query *q, struct reader *rd,
	struct err *err)
{
	struct db_val v[5 + 2 * USAGE_BYS];
	size_t n = 0;
	v[n++] = DB_I(q->step_s);
	v[n++] = DB_I(q->from_s);
	v[n++] = DB_I(q->to_s);
	v[n++] = DB_I(q->bucket_s);
	for (int i = 0; i < USAGE_BYS; i++)
		v[n++] = DB_I(q->by[i]);
	for (int i = 0; i < USAGE_BYS; i++)
		v[n++] = DB_T(q->only[i]);
	v[n++] = DB_I((int64_t)rd->left + 1);
	return db_query(db,
		"SELECT CASE WHEN ?4 THEN at-at%?4 ELSE 0 END b,"
		"CASE WHEN ?5 THEN feature ELSE '' END f,CASE WHEN ?6 THEN target ELSE '' END t,"
		"CASE WHEN ?7 THEN client ELSE '' END c,CASE WHEN ?8 THEN key ELSE '' END k,"
		"CASE WHEN ?9 THEN model ELSE '' END m,currency" //
		SUMMED_PARTS(requests) REST(SUMMED_PARTS) PICOS(
			SUMMED_PARTS) " FROM usage WHERE step=?1 AND at>=?2 AND at<?3"
				      " AND (?10 IS NULL OR feature=?10) AND (?11 IS NULL OR target=?11)"
				      " AND (?12 IS NULL OR client=?12) AND (?13 IS NULL OR key=?13)"
				      " AND (?14 IS NULL OR model=?14) GROUP BY b,f,t,c,k,m,currency LIMIT ?15",
		v, n, read_row, rd, err);
}

enum err_code store_usage_read(struct store_tx *tx, const struct usage_query *q, size_t max,
	void (*fn)(void *arg, const struct usage_key *key, const struct usage_sum *sum), void *arg,
	bool *ret_more, struct err *err)
{
	struct reader rd = {fn, arg, max, false};
	enum err_code code = read_usage(tx->db, q, &rd, err);
	*ret_more = rd.more;
	return code;
}

void store_usage_day(struct store *st, int64_t day_s,
	void (*fn)(void *arg, const struct usage_key *key, const struct usage_sum *sum), void *arg)
{
	struct usage_query q = {.step_s = DAY_S, .from_s = day_s, .to_s = day_s + DAY_S};
	struct reader rd = {fn, arg, 64, false};
	struct err ignored; // it begins at zero then
	if (st->db != NULL)
		read_usage(st->db, &q, &rd, &ignored);
}
