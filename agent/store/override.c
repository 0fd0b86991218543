// SPDX-License-Identifier: MIT
// What an operator says of a live record (drained, another weight) stands in a row until its
// time is over. Not configuration: no revision, no audit row of its own.
#include "agent/store/override.h"

#include "agent/store/private.h"

#define WEIGHT_MAX 1000000

enum err_code store_override_forget(struct store_tx *tx, enum live_kind kind, const char *id,
	struct err *err)
{
	return DB_RUN(tx->db, err, "DELETE FROM live_override WHERE kind=? AND id=?",
		DB_I((int64_t)kind), DB_T(id));
}

enum err_code store_override_put(struct store_tx *tx, int kind, const char *id,
	const struct live_override *o, struct err *err)
{
	tx->writes++;
	if (!o->drained && o->weight < 0)
		return store_override_forget(tx, (enum live_kind)kind, id, err);
	return DB_RUN(tx->db, err,
		"INSERT OR REPLACE INTO live_override(kind,id,drained,weight,until_ms)"
		" VALUES(?,?,?,?,?)",
		DB_I(kind), DB_T(id), DB_I(o->drained), DB_I(o->weight), DB_I(o->until_wall_ms));
}

static enum err_code restore_override(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct store *st = arg;
	int64_t kind = db_int(row, 0), weight = db_int(row, 3);
	struct live_override o = {.drained = db_int(row, 2) != 0,
		.weight = (int32_t)weight,
		.until_wall_ms = db_int(row, 4)};
	(void)err;
	if (kind < LIVE_KEY || kind > LIVE_TOKEN || weight < -1 || weight > WEIGHT_MAX)
		return ERR_OK; // no MAC is over it: nobody of us wrote that
	live_override_keep(st->live, (enum live_kind)db_int(row, 0), db_text(row, 1), &o);
	return ERR_OK;
}

enum err_code store_overrides_load(struct store *st, int64_t now_ms, struct err *err)
{
	struct db_val v[] = {DB_I(now_ms)};
	return db_query(st->db,
		"SELECT kind,id,drained,weight,until_ms FROM live_override"
		" WHERE until_ms <= 0 OR until_ms > ?",
		v, ARRAY_LEN(v), restore_override, st, err);
}
