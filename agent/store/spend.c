// SPDX-License-Identifier: MIT
// What was spent, and when callers were last seen: kept in live records, written down every few
// seconds by those that changed, and read back at the next start. Not part of the configuration:
// no revision, no audit row.
#include "agent/store/spend.h"

#include "agent/state/price.h"
#include "agent/store/private.h"

static const char *const kinds[] = {[LIVE_KEY] = "key",
	[LIVE_FEATURE] = "feature",
	[LIVE_CLIENT] = "client",
	[LIVE_TOKEN] = "token"};

static enum err_code save_one(struct store_tx *tx, struct live *l, struct err *err)
{

	if (!atomic_exchange_explicit(&l->spend.dirty, 0, memory_order_acquire))
		return ERR_OK;
	enum err_code code = DB_RUN(tx->db, err,
		"INSERT OR REPLACE INTO spend(kind,id,window,pico,unpriced,seen_at)"
		" VALUES(?,?,?,?,?,?)",
		DB_T(kinds[l->kind]), DB_T(l->id), DB_I(atomic_load(&l->spend.window)),
		DB_I(atomic_load(&l->spend.pico)), DB_I(atomic_load(&l->spend.unpriced)),
		DB_I(atomic_load(&l->last_used_wall_ms)));
	if (code)
		atomic_store(&l->spend.dirty, 1); // again the next time
	return code;
}

enum err_code store_spend_save(struct store_tx *tx, struct err *err)
{
	struct pmap maps[] = {
		tx->snap->clients, tx->snap->tokens, tx->snap->features, tx->snap->keys};
	enum err_code code = ERR_OK;
	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		struct pmap_it it = {0};
		void *obj;
		while (!code && pmap_next(maps[i], &it, NULL, &obj))
			code = save_one(tx,
				i == 0		 ? ((struct client_obj *)obj)->live
					: i == 1 ? ((struct token_obj *)obj)->live
					: i == 2 ? ((struct feature_obj *)obj)->live
						 : ((struct key_obj *)obj)->live,
				err);
	}
	return code;
}

enum err_code store_spend_forget(struct store_tx *tx, enum live_kind kind, const char *id,
	struct err *err)
{
	return DB_RUN(tx->db, err, "DELETE FROM spend WHERE kind=? AND id=?", DB_T(kinds[kind]),
		DB_T(id));
}

static struct live *live_of(const struct snapshot *snap, struct slice kind, struct slice id)
{
	const struct client_obj *c;
	if (slice_eq_str(kind, kinds[LIVE_CLIENT]))
		return (c = pmap_get(snap->clients, id)) != NULL ? c->live : NULL;
	const struct token_obj *t;
	if (slice_eq_str(kind, kinds[LIVE_TOKEN]))
		return (t = pmap_get(snap->tokens, id)) != NULL ? t->live : NULL;
	const struct feature_obj *f;
	if (slice_eq_str(kind, kinds[LIVE_FEATURE]))
		return (f = pmap_get(snap->features, id)) != NULL ? f->live : NULL;
	const struct key_obj *k;
	return (k = pmap_get(snap->keys, id)) != NULL ? k->live : NULL;
}

static enum err_code load_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct live *l = live_of(arg, db_text(row, 0), db_text(row, 1));
	int64_t none = 0;
	(void)err;
	// A record that has counted since is newer than its row.
	if (l == NULL || atomic_load(&l->spend.window) != 0)
		return ERR_OK;
	// Less than nothing was never spent: the sum had wrapped, and what it limits stays used up.
	int64_t pico = db_int(row, 3);
	atomic_store(&l->spend.pico, pico >= 0 ? pico : PICO_SUM_MAX);
	atomic_store(&l->spend.unpriced, db_int(row, 4));
	atomic_store(&l->spend.window, db_int(row, 2));
	atomic_compare_exchange_strong(&l->last_used_wall_ms, &none, db_int(row, 5));
	return ERR_OK;
}

enum err_code store_spend_load(struct load *l, struct err *err)
{
	return db_query(l->st->db, "SELECT kind,id,window,pico,unpriced,seen_at FROM spend", NULL,
		0, load_row, l->snap, err);
}
