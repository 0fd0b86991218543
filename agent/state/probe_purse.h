// SPDX-License-Identifier: MIT
// What looking at a key may cost in a day (UTC): money where the price of the model asked is known,
// in the price's currency; a count of looks where it is not. Kept in the key's live record, taken
// before a look and settled after it. Pure but for that record: the day is an argument.
#ifndef YJ_AGENT_STATE_PROBE_PURSE_H
#define YJ_AGENT_STATE_PROBE_PURSE_H

#include "agent/state/live.h"
#include "agent/state/price.h"

#define PROBE_DAY_MS INT64_C(86400000)

struct probe_budget { // of one key and day
	int64_t pico; // of whatever currency the price has
	int64_t unpriced; // looks whose price is not known
};

struct probe_spent {
	int64_t priced, unpriced; // looks
	int64_t pico;
	char currency[4]; // "" when nothing was priced
};

// What the key spent on that day; nothing when the record is of another one.
struct probe_spent probe_purse_spent(const struct live *key, int64_t day);
// Takes `expected` (its source COST_UNKNOWN: one look) when it fits into what is left; false, with
// nothing taken, otherwise. One currency a day: an amount in another one does not fit. One thread
// at a time, as for the two below.
bool probe_purse_take(struct live *key, int64_t day, const struct money *expected,
	const struct probe_budget *budget);
// The look was not sent: gives back what was taken.
void probe_purse_untake(struct live *key, int64_t day, const struct money *expected);
// What it really cost takes the place of what was expected; unknown: the expected stays.
void probe_purse_settle(struct live *key, int64_t day, const struct money *expected,
	const struct money *real);
// As it was written down.
void probe_purse_restore(struct live *key, int64_t day, const struct probe_spent *spent);

#endif
