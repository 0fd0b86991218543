// SPDX-License-Identifier: MIT
// Prices: a list is put row by row between begin and end, as one change.
#ifndef YJ_AGENT_STORE_PRICE_H
#define YJ_AGENT_STORE_PRICE_H

#include "agent/store/store.h"

#define STORE_PRICES_MAX 10000
enum price_change { PRICE_CREATED, PRICE_CHANGED, PRICE_UNCHANGED };
// What putting it would do.
enum price_change store_price_compare(const struct snapshot *snap, const struct price *p);
// Whether it may be stored: vendor known, one narrowing, tiers in order.
enum err_code price_check(const struct price *p, struct err *err);
enum err_code store_price_begin(struct store_tx *tx, int64_t *ret_revision, struct err *err);
enum err_code store_price_put(struct store_tx *tx, const struct price *p, int64_t revision,
	struct err *err);
enum err_code store_price_delete(struct store_tx *tx, struct slice id, bool *ret_found,
	struct err *err);
enum err_code store_price_end(struct store_tx *tx, int64_t revision, const char *name,
	const char *summary, struct err *err);

#endif
