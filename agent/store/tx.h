// SPDX-License-Identifier: MIT
// What a running transaction gives the nouns. For this folder alone.
#ifndef YJ_AGENT_STORE_TX_H
#define YJ_AGENT_STORE_TX_H

#include "agent/store/private.h"

// After db_begin: over what is published now. Its snapshot is the caller's until it is published.
void tx_begin(struct store *st, struct store_tx *tx, const struct actor *actor);
// After the commit: the store's audit chain goes on from here.
void tx_keep(struct store_tx *tx);
// Next configuration revision of this transaction.
int64_t tx_revision(struct store_tx *tx);
// ERR_PRECONDITION_FAILED when if_match (FIELD_NONE: none) is not what stands there; old NULL: nothing.
enum err_code tx_match(const struct object *old, int64_t if_match, struct err *err);
// ERR_SEALED while there is no keyring: nothing could be authenticated.
enum err_code tx_unsealed(const struct store_tx *tx, struct err *err);
// Whether the object just made, with the revision taken last, says what the old one says: then
// nothing is to be written, the new one is dropped, its revision is free again, and the old one stands
// as the answer. old NULL: false.
bool tx_unchanged(struct store_tx *tx, const struct field_set *set, const struct object *old,
	const void *old_doc, struct object *now, const void *now_doc);

#endif
