// SPDX-License-Identifier: MIT
// A transaction as the nouns see it: the snapshot it is building beside the rows, the number of the
// change it makes, and where the chain of audit rows has come to.
#include "agent/store/tx.h"

#include <string.h>

#include "shared/clock.h"

void tx_begin(struct store *st, struct store_tx *tx, const struct actor *actor)
{
	*tx = (struct store_tx){.st = st,
		.db = st->db,
		.actor = actor,
		.audit_seq = st->audit_seq,
		.now_ms = clock_wall_ms()};
	memcpy(tx->audit_head, st->audit_head, SEAL_MAC);
	tx->snap = snapshot_fork(st->tip);
}

void tx_keep(struct store_tx *tx)
{
	tx->st->audit_seq = tx->audit_seq;
	memcpy(tx->st->audit_head, tx->audit_head, SEAL_MAC);
}

int64_t tx_revision(struct store_tx *tx)
{
	return (int64_t)++tx->snap->revision;
}

enum err_code tx_match(const struct object *old, int64_t if_match, struct err *err)
{
	if (if_match != FIELD_NONE && (old == NULL || old->revision != if_match))
		return err_set(err, ERR_PRECONDITION_FAILED, NULL);
	return ERR_OK;
}

enum err_code tx_unsealed(const struct store_tx *tx, struct err *err)
{
	return tx->st->seal != NULL ? ERR_OK : err_set(err, ERR_SEALED, NULL);
}

bool tx_unchanged(struct store_tx *tx, const struct field_set *set, const struct object *old,
	const void *old_doc, struct object *now, const void *now_doc)
{
	if (old == NULL || !field_same(set, old_doc, now_doc))
		return false;
	object_drop(now);
	tx->snap->revision--;
	return true;
}

// All savepoints have one name: the innermost is meant.
enum err_code store_tx_part(struct store_tx *tx, store_part_fn *run, void *arg, struct err *err)
{
	struct snapshot *before = tx->snap;
	struct store_tx saved = *tx;
	bool keep = true;
	enum err_code code = db_run(tx->db, "SAVEPOINT part", NULL, 0, err);
	if (code)
		return code;
	tx->snap = snapshot_fork(before);
	code = run(tx, arg, &keep, err);
	if (!code && keep)
		code = db_run(tx->db, "RELEASE part", NULL, 0, err);
	if (!code && keep) {
		snapshot_free(before);
		return ERR_OK;
	}
	// A full disk ends the whole transaction, and the savepoint with it.
	if (db_in_transaction(tx->db))
		db_exec(tx->db, "ROLLBACK TO part; RELEASE part", NULL);
	snapshot_free(tx->snap);
	*tx = saved;
	return code;
}

const struct snapshot *store_tx_snapshot(struct store_tx *tx)
{
	return tx->snap;
}

void store_tx_note(struct store_tx *tx, const char *note)
{
	tx->note = note;
}
