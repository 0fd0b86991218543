// SPDX-License-Identifier: MIT
#include "agent/quota.h"

#define MINUTE_US INT64_C(60000000)

struct quota quota_per_minute(int64_t per_minute, int64_t burst)
{
	if (per_minute <= 0)
		return (struct quota){0};
	if (burst <= 0)
		burst = MAX_OF(per_minute / 10, 1);
	int64_t step = MAX_OF(MINUTE_US / per_minute, 1);
	return (struct quota){.step_us = step, .slack_us = (burst - 1) * step};
}

int64_t quota_until_us(struct quota q, int64_t tat_us, int64_t now_us)
{
	if (q.step_us == 0 || tat_us - q.slack_us <= now_us)
		return 0;
	return tat_us - q.slack_us;
}

int64_t quota_next_us(struct quota q, int64_t tat_us, int64_t now_us)
{
	return MAX_OF(tat_us, now_us) + q.step_us;
}

bool quota_take(struct quota q, _Atomic int64_t *tat_us, int64_t now_us, int64_t *ret_until_us)
{
	if (q.step_us == 0)
		return true;
	int64_t tat = atomic_load_explicit(tat_us, memory_order_relaxed);
	for (;;) {
		int64_t until = quota_until_us(q, tat, now_us);
		if (until != 0) {
			if (ret_until_us != NULL)
				*ret_until_us = until;
			return false;
		}
		if (atomic_compare_exchange_weak(tat_us, &tat, quota_next_us(q, tat, now_us)))
			return true;
	}
}
