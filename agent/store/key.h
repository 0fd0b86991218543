// SPDX-License-Identifier: MIT
// Vendor keys: their rows, and the one road to a secret.
#ifndef YJ_AGENT_STORE_KEY_H
#define YJ_AGENT_STORE_KEY_H

#include "agent/store/store.h"

// key->api_key may be empty on update (kept). Computes id, fingerprint, mask, envelope; and the slug, of
// key_name, where key->slug is NULL or taken.
#define STORE_SLUG_MAX 64 // with its end
enum err_code store_key_put(struct store_tx *tx, const struct vendor_key *key, bool create,
	int64_t if_match, const struct key_obj **ret, struct err *err);
// Brings a deleted key back, disabled, under the name it had; ERR_GONE after STORE_UNDO_MS,
// ERR_CONFLICT_EXISTS when its name was taken again.
enum err_code store_key_restore(struct store_tx *tx, const char *id, const struct key_obj **ret,
	struct err *err);
// Where key_name is another one than old's, its slug follows it.
void store_key_rename(const struct key_obj *old, struct vendor_key *key);
// Soft: the row stays STORE_UNDO_MS with its ciphertext.
enum err_code store_key_delete(struct store_tx *tx, struct slice id, int64_t if_match,
	struct err *err);
// The live key with this fingerprint; NULL when none.
const struct key_obj *store_key_known_as(const struct snapshot *snap, const char *fingerprint);
// The AAD of a key's secret.
void store_key_aad(const struct store *st, const struct key_obj *k, struct seal_aad *ret);
// Opens a key's secret (any thread).
enum err_code store_key_open(const struct store *st, const struct key_obj *k, struct secret *ret,
	struct err *err);

// How long its secret may be: servers of one's own take any, vendors have no short ones. An empty one
// says nothing, and fits.
enum err_code store_key_fits(const struct vendor_key *k, struct err *err);

#endif
