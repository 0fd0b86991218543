// SPDX-License-Identifier: MIT
// The agent's own figures over time, as chunks that record/ packs and unpacks: here they are
// bytes with a moment, kept for as long as their step says.
#include "agent/store/history.h"

#include "agent/store/private.h"

#define TIME_MAX_MS 253402300799999 // the year 9999: arithmetic on it stays within int64

enum err_code store_history_add(struct store_tx *tx, int64_t step_s, int64_t at_ms,
	struct slice chunk, int64_t kept_s, struct err *err)
{
	enum err_code code = DB_RUN(tx->db, err,
		"INSERT OR REPLACE INTO history(step,at,points) VALUES(?,?,?)", DB_I(step_s),
		DB_I(at_ms), DB_B(chunk.p, chunk.n));
	if (!code)
		code = DB_RUN(tx->db, err, "DELETE FROM history WHERE step=? AND (at<? OR at>?)",
			DB_I(step_s), DB_I(at_ms - kept_s * 1000), DB_I(at_ms + kept_s * 1000));
	tx->writes += !code && tx->st->trouble;
	return code;
}

struct history_reader {
	void (*fn)(void *arg, int64_t at_ms, struct slice chunk);
	void *arg;
};

static enum err_code read_chunk(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct history_reader *rd = arg;
	(void)err;
	if (db_int(row, 0) >= 0 && db_int(row, 0) <= TIME_MAX_MS)
		rd->fn(rd->arg, db_int(row, 0), db_text(row, 1));
	return ERR_OK;
}

void store_history_read(struct store *st, int64_t step_s,
	void (*fn)(void *arg, int64_t at_ms, struct slice chunk), void *arg)
{
	struct history_reader rd = {fn, arg};
	struct db_val v[] = {DB_I(step_s)};
	struct err ignored; // it begins empty then
	if (st->db != NULL)
		db_query(st->db, "SELECT at,points FROM history WHERE step=? ORDER BY at", v,
			ARRAY_LEN(v), read_chunk, &rd, &ignored);
}
