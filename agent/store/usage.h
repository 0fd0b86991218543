// SPDX-License-Identifier: MIT
// Sums by minute, hour and day.
#ifndef YJ_AGENT_STORE_USAGE_H
#define YJ_AGENT_STORE_USAGE_H

#include "agent/state/usage.h"
#include "agent/store/store.h"

#define USAGE_MINUTES_KEPT_S (24 * 3600)
#define USAGE_HOURS_KEPT_S (90 * 86400)
#define USAGE_DAYS_KEPT_S (400 * 86400)
// Adds the rows to their minute, hour and day, and drops what is too old. A batch is told by
// (boot, n), n growing from 1: one that is there already, though its commit had seemed to fail, is
// not added again.
enum err_code store_usage_add(struct store_tx *tx, uint64_t boot, uint64_t n,
	const struct usage_table *rows, struct err *err);
struct usage_query {
	int64_t step_s; // of the rows read: 60, 3600, 86400
	int64_t from_s, to_s; // [from, to), multiples of step_s
	int64_t bucket_s; // told apart by; 0: the whole time as one
	bool by[USAGE_BYS];
	const char *only[USAGE_BYS]; // NULL: all
};
// fn gets each group and currency once, its texts valid for the call: key.minute is the bucket's
// start (0 for one bucket). At most `max`; *ret_more when there were others.
enum err_code store_usage_read(struct store_tx *tx, const struct usage_query *q, size_t max,
	void (*fn)(void *arg, const struct usage_key *key, const struct usage_sum *sum), void *arg,
	bool *ret_more, struct err *err);
// The same by currency for the day that begins at day_s, before store_start. Nothing without a
// database.
void store_usage_day(struct store *st, int64_t day_s,
	void (*fn)(void *arg, const struct usage_key *key, const struct usage_sum *sum), void *arg);

#endif
