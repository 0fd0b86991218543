// SPDX-License-Identifier: MIT
// What looking at keys cost, a row a key: of the day it names.
#include "agent/store/probe.h"

#include "agent/store/private.h"

#include <string.h>

enum err_code store_probe_put(struct store_tx *tx, const char *key, int64_t day,
	const struct probe_spent *s, struct err *err)
{
	tx->writes++;
	enum err_code code = DB_RUN(tx->db, err, "DELETE FROM probe_spend WHERE day<?", DB_I(day));
	if (code != ERR_OK)
		return code;
	return DB_RUN(tx->db, err,
		"INSERT OR REPLACE INTO probe_spend(key,day,priced,unpriced,pico,currency)"
		" VALUES(?,?,?,?,?,?)",
		DB_T(key), DB_I(day), DB_I(s->priced), DB_I(s->unpriced), DB_I(s->pico),
		DB_T(s->currency));
}

static enum err_code load_row(void *arg, struct sqlite3_stmt *row, struct err *err UNUSED)
{
	const struct snapshot *snap = arg;
	const struct key_obj *k = pmap_get(snap->keys, db_text(row, 0));
	struct probe_spent s = {
		.priced = db_int(row, 2), .unpriced = db_int(row, 3), .pico = db_int(row, 4)};
	struct slice currency = db_text(row, 5);
	memcpy(s.currency, currency.p, MIN_OF(currency.n, sizeof(s.currency) - 1));
	if (k != NULL)
		probe_purse_restore(k->live, db_int(row, 1), &s);
	return ERR_OK;
}

enum err_code store_probe_load(struct load *l, struct err *err)
{
	return db_query(l->st->db, "SELECT key,day,priced,unpriced,pico,currency FROM probe_spend",
		NULL, 0, load_row, l->snap, err);
}
