// SPDX-License-Identifier: MIT
// Rate limits as GCRA (ITU-T I.371): one theoretical arrival time says everything. Pure but for
// quota_take. In any minute at most limit + burst are admitted.
#ifndef YJ_AGENT_QUOTA_H
#define YJ_AGENT_QUOTA_H

#include <stdatomic.h>
#include "shared/base.h"

struct quota {
	int64_t step_us; // time one unit costs; 0: no limit
	int64_t slack_us; // how far arrivals may run ahead: (burst - 1) * step
};

// per_minute <= 0: no limit. burst <= 0: a tenth of the limit, at least 1.
struct quota quota_per_minute(int64_t per_minute, int64_t burst);
// 0 when a unit fits at now_us, else the time at which it will.
int64_t quota_until_us(struct quota q, int64_t tat_us, int64_t now_us);
// The arrival time after taking one unit at now_us.
int64_t quota_next_us(struct quota q, int64_t tat_us, int64_t now_us);
// Takes one unit; false (and *ret_until_us, which may be NULL) when none fits now. Thread-safe.
bool quota_take(struct quota q, _Atomic int64_t *tat_us, int64_t now_us, int64_t *ret_until_us);

#endif
