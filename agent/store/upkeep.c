// SPDX-License-Identifier: MIT
// What the store thread does whether anybody writes or not: rows past their time go, the log stays
// short, the configuration is saved beside the database, and a store that failed is tried again.
#include "agent/store/upkeep.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/caller.h"
#include "agent/store/change.h"
#include "agent/store/idem.h"
#include "agent/store/key.h"
#include "agent/store/save.h"
#include "agent/store/trouble.h"
#include "agent/store/tx.h"
#include "shared/clock.h"

#define LOG_PAGES_MAX 256 // checkpoint beyond this, or after a second without writes
#define LOG_BYTES_KEPT (2 * 1024 * 1024) // a longer file is cut then, a shorter one written over
#define PURGE_EVERY_US (STORE_PURGE_EVERY_MS * INT64_C(1000))
#define OVERDUE_US (STORE_OVERDUE_MS * INT64_C(1000))
#define PURGE_SHARE_US 100000 // of one call, when much is to go
#define RETRY_US 1000000
#define TRIAL_BYTES 1024 // of a write that only shows that writing works
#define SAVE_EVERY_US 5000000 // the snapshot file, at most so often …
#define SAVE_SHARE 50 // … and for at most this part of the time, but …
#define SAVE_WITHIN_US 60000000 // … not later: it still holds what was deleted

// ---- what ends by time ----

#define ROWS_MAX 100 // of a table at once: a long backlog must not fill the log

// secure_delete wipes what a deleted row held in the file; its copies in the log go when that is cut.
// ?1 the moment before which a row's time is over, ?2 how many at most. ?3: no row's time is later but
// for a clock that was set back since; it is not waited for that clock's time to come.
static const struct {
	const char *sql;
	int64_t kept_ms;
} endings[] = {
	// They stand in the order they came: an index of times would be one more page in each write.
	{"DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE rowid <"
	 " coalesce((SELECT rowid FROM idempotency WHERE at BETWEEN ?1 AND ?3 ORDER BY rowid LIMIT 1),"
	 " 9223372036854775807) ORDER BY rowid LIMIT ?2)",
		STORE_IDEM_MS},
	{"DELETE FROM vendor_key WHERE id IN"
	 " (SELECT id FROM vendor_key WHERE deleted_at < ?1 OR deleted_at > ?3 LIMIT ?2)",
		STORE_UNDO_MS},
	{"DELETE FROM caller WHERE id IN (SELECT id FROM caller WHERE revoked_at > 0"
	 " AND (revoked_at < ?1 OR revoked_at > ?3) LIMIT ?2)",
		STORE_REVOKED_MS},
	{"DELETE FROM live_override WHERE (kind,id) IN (SELECT kind,id FROM live_override"
	 " WHERE until_ms > 0 AND until_ms < ?1 LIMIT ?2)",
		0},
};

// The spending of what is no more.
static const char *const orphans[] = {
	"DELETE FROM spend WHERE kind='key' AND id NOT IN (SELECT id FROM vendor_key)",
	"DELETE FROM spend WHERE kind IN ('token','client') AND id NOT IN (SELECT id FROM caller)",
	"DELETE FROM spend WHERE kind='feature' AND id NOT IN (SELECT name FROM feature)",
	"DELETE FROM probe_spend WHERE key NOT IN (SELECT id FROM vendor_key)",
};

static void forget_revoked(struct store_tx *tx)
{
	const struct snapshot *seen = tx->snap;
	struct snapshot *fork = snapshot_fork(seen);
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(seen->tokens, &it, NULL, &obj)) {
		const struct token_obj *t = obj;
		if (t->revoked_at && llabs(t->revoked_at - tx->now_ms) > STORE_REVOKED_MS)
			snapshot_del_token(fork, slice_of(t->doc.id));
	}
	snapshot_free(tx->snap);
	tx->snap = fork;
}

static enum err_code purge_rows(struct store_tx *tx, bool *ret_more, struct err *err)
{
	int64_t gone = 0;
	*ret_more = false;
	enum err_code code = store_usage_expire(tx, ret_more, err);
	for (size_t i = 0; i < ARRAY_LEN(endings) && !code; i++) {
		code = DB_RUN(tx->db, err, endings[i].sql, DB_I(tx->now_ms - endings[i].kept_ms),
			DB_I(ROWS_MAX), DB_I(tx->now_ms + endings[i].kept_ms));
		*ret_more = *ret_more || (!code && db_changed(tx->db) == ROWS_MAX);
		gone += code ? 0 : db_changed(tx->db);
	}
	if (!code)
		code = store_changes_prune(tx, ROWS_MAX, ret_more, err);
	for (size_t i = 0; i < ARRAY_LEN(orphans) && !code && gone > 0; i++)
		code = db_run(tx->db, orphans[i], NULL, 0, err);
	if (!code && gone > 0)
		forget_revoked(tx);
	return code;
}

static enum err_code purge_some(struct store *st, bool *ret_more, struct err *err)
{
	static const struct actor system = ACTOR_SELF("system");
	enum err_code code = db_begin(st->db, err);
	if (code)
		return code;
	struct store_tx tx;
	tx_begin(st, &tx, &system);
	code = db_end(st->db, purge_rows(&tx, ret_more, err), err);
	if (code) {
		snapshot_free(tx.snap);
		return code;
	}
	if (tx.snap->tokens.n == st->tip->tokens.n) {
		snapshot_free(tx.snap);
		return ERR_OK;
	}
	st->tip = tx.snap;
	snapshots_publish(st->snaps, tx.snap);
	st->saved_revision = 0; // what it forgot is in the file still
	return ERR_OK;
}

static enum err_code checkpoint(struct store *st, bool cut, struct err *err)
{
	enum err_code code = db_checkpoint(st->db, cut, err);
	pthread_mutex_lock(&st->lock);
	if (!code)
		st->stats.checkpoint_wall_ms = clock_wall_ms();
	pthread_mutex_unlock(&st->lock);
	return code;
}

// Rows past their time, then the log, which has seen them: it is cut also when nothing was deleted,
// for the copies of what was rotated or deleted at once.
static enum err_code purge(struct store *st, struct err *err)
{
	int64_t start = clock_mono_us();
	bool more = true;
	enum err_code code = ERR_OK;
	while (!code && more && clock_mono_us() - start < PURGE_SHARE_US) {
		code = purge_some(st, &more, err);
		if (!code && db_log_pages(st->db) > LOG_PAGES_MAX)
			code = checkpoint(st, false, err);
	}
	// Also when there was no room for more: what is in the log makes way for it.
	struct err other = {0};
	enum err_code cut = checkpoint(st, true, code ? &other : err);
	if (code || cut)
		return code ? code : cut;
	st->purge_at_us = more ? 0 : start + PURGE_EVERY_US;
	pthread_mutex_lock(&st->lock);
	st->stats.purge_wall_ms = clock_wall_ms();
	pthread_mutex_unlock(&st->lock);
	return ERR_OK;
}

// ---- the log ----

// Often enough that the log stays short; when nobody waits, to nothing. On a full disk its blocks
// are room for others.
static enum err_code shorten_log(struct store *st, bool idle, struct err *err)
{
	bool wanted = idle || st->trouble == ERR_STORAGE_FULL;
	int64_t bytes = db_log_bytes(st->db);
	if (db_log_pages(st->db) > LOG_PAGES_MAX || (wanted && bytes > 0))
		return checkpoint(st, wanted || bytes > LOG_BYTES_KEPT, err);
	return ERR_OK;
}

// ---- the snapshot file ----

void store_save_now(struct store *st)
{
	int64_t start = clock_mono_us();
	struct err err = {0};
	enum err_code code = store_save(st, st->tip, &err);
	st->saved_us = clock_mono_us();
	st->save_took_us = code ? 0 : st->saved_us - start; // how long failing took paces nothing
	store_set_reason(st, st->unsaved, code ? err.message : "");
}

// What opens or closes the gateway is kept before anybody is told of it.
void store_save_policy(struct store *st)
{
	if (st->saved_required != st->tip->clients_required && !st->no_saving && !*st->unsaved)
		store_save_now(st);
}

// ---- at each turn ----

static void tidy(struct store *st, bool idle)
{
	int64_t now = clock_mono_us();
	struct err err = {0};
	enum err_code code = ERR_OK;
	if (now < st->upkeep_at_us)
		return;
	if (now >= st->purge_at_us)
		code = purge(st, &err);
	else
		code = shorten_log(st, idle, &err);
	if (db_log_pages(st->db) == 0)
		st->clean_us = now;
	pthread_mutex_lock(&st->lock);
	st->stats.log_bytes = db_log_bytes(st->db);
	st->stats.checkpoint_overdue = now - st->clean_us > OVERDUE_US;
	st->stats.purge_overdue = st->purge_at_us > 0 && now - st->purge_at_us > OVERDUE_US;
	pthread_mutex_unlock(&st->lock);

	if (code == ERR_STORAGE_MOVED) {
		store_in_trouble(st, &err);
		return;
	}
	st->upkeep_at_us = code ? now + RETRY_US : 0;
	store_set_reason(st, st->upkeep, code ? err.message : "");
}

void store_upkeep(struct store *st, bool idle)
{
	tidy(st, idle);
	int64_t share = MIN_OF(st->save_took_us * SAVE_SHARE, SAVE_WITHIN_US);
	int64_t every = MAX_OF(SAVE_EVERY_US, share);
	if (st->saved_revision != (int64_t)st->tip->revision && !st->no_saving &&
		clock_mono_us() - st->saved_us > every)
		store_save_now(st);
}

// Nobody may come to write; that it works again is found out, not waited for.
void store_try_again(struct store *st)
{
	struct err err = {0};
	enum err_code code = db_begin(st->db, &err);
	if (!code)
		code = DB_RUN(st->db, &err,
			"INSERT OR REPLACE INTO meta(key,value) VALUES('written_at',zeroblob(?))",
			DB_I(TRIAL_BYTES));
	code = db_end(st->db, code, &err);
	if (!code)
		code = db_still_there(st->db, &err);
	if (!code)
		store_out_of_trouble(st);
}
