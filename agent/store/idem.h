// SPDX-License-Identifier: MIT
// Answers kept for calls that are repeated with the same Idempotency-Key.
#ifndef YJ_AGENT_STORE_IDEM_H
#define YJ_AGENT_STORE_IDEM_H

#include "agent/store/store.h"

#define STORE_IDEM_MS (24 * 3600 * 1000LL) // answers kept for repeated calls
// Idempotency: finds the stored answer of (actor, endpoint, key). ERR_OK with *ret_found; or
// ERR_IDEMPOTENCY_MISMATCH when body_hash differs.
enum err_code store_idem_find(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], bool *ret_found, int *ret_status, struct str *ret_body,
	struct err *err);
enum err_code store_idem_save(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], int status, struct slice body, struct err *err);

#endif
