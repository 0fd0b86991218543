// SPDX-License-Identifier: MIT
// Rate limits as GCRA (ITU-T I.371): one theoretical arrival time (TAT) says everything. Pure but
// for quota_take and quota_give. In any minute at most limit + burst units are admitted; a single
// charge larger than the burst is admitted only when nothing is owed, and then it is the bound.
// TATs are monotonic nanoseconds, so that a million per minute is still an exact step; the times
// callers give and get are microseconds.
#ifndef YJ_AGENT_STATE_QUOTA_H
#define YJ_AGENT_STATE_QUOTA_H

#include <stdatomic.h>
#include "shared/base.h"

struct quota {
	int64_t step_ns; // time one unit costs; 0: no limit
	int64_t burst, limit; // units
};

#define QUOTA_UNITS_MAX INT64_C(1000000000)

// per_minute <= 0: no limit. burst <= 0: a tenth of the limit, at least 1.
struct quota quota_per_minute(int64_t per_minute, int64_t burst);
// 0 when n units fit at now_us, else the time at which they will.
int64_t quota_until_us(struct quota q, int64_t tat_ns, int64_t n, int64_t now_us);
// Takes n units; false (and *ret_until_us, which may be NULL) when they do not fit now. Thread-safe.
bool quota_take(struct quota q, _Atomic int64_t *tat_ns, int64_t n, int64_t now_us,
	int64_t *ret_until_us);
// Gives back n units taken too much, or takes -n more without asking: what was used is used.
void quota_give(struct quota q, _Atomic int64_t *tat_ns, int64_t n);
// Units that would fit at once, and the time until nothing is owed.
int64_t quota_left(struct quota q, int64_t tat_ns, int64_t now_us);
int64_t quota_reset_us(struct quota q, int64_t tat_ns, int64_t now_us);

#endif
