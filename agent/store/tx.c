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

const struct snapshot *store_tx_snapshot(struct store_tx *tx)
{
	return tx->snap;
}

void store_tx_note(struct store_tx *tx, const char *note)
{
	tx->note = note;
}
