// SPDX-License-Identifier: MIT
// The arithmetic of one theoretical arrival time: when something fits, what it pushes back.
#include "agent/state/quota.h"

#define MINUTE_NS INT64_C(60000000000)

struct quota quota_per_minute(int64_t per_minute, int64_t burst)
{
	if (per_minute <= 0)
		return (struct quota){0};
	per_minute = MIN_OF(per_minute, QUOTA_UNITS_MAX);
	if (burst <= 0)
		burst = MAX_OF(per_minute / 10, 1);
	// Rounded up: a step too short would admit more than the limit.
	return (struct quota){.step_ns = (MINUTE_NS + per_minute - 1) / per_minute,
		.burst = MIN_OF(burst, QUOTA_UNITS_MAX),
		.limit = per_minute};
}

// n steps, and a time plus some: units and limits of any size end at what a clock never reaches.
#define FAR_NS (INT64_MAX / 4)

static int64_t steps_ns(struct quota q, int64_t n)
{
	__int128 ns = (__int128)n * q.step_ns;
	return ns > FAR_NS ? FAR_NS : ns < -FAR_NS ? -FAR_NS : (int64_t)ns;
}

static int64_t later_ns(int64_t tat_ns, int64_t ns)
{
	int64_t at;
	if (__builtin_add_overflow(tat_ns, ns, &at))
		at = ns > 0 ? FAR_NS : -FAR_NS;
	return MAX_OF(MIN_OF(at, FAR_NS), -FAR_NS);
}

int64_t quota_until_us(struct quota q, int64_t tat_ns, int64_t n, int64_t now_us)
{
	if (q.step_ns == 0)
		return 0;
	// What is more than the burst waits until nothing is owed.
	int64_t at = later_ns(tat_ns, -steps_ns(q, MAX_OF(q.burst - n, 0)));
	return at <= now_us * 1000 ? 0 : (at + 999) / 1000;
}

bool quota_take(struct quota q, _Atomic int64_t *tat_ns, int64_t n, int64_t now_us,
	int64_t *ret_until_us)
{
	if (q.step_ns == 0)
		return true;
	n = MAX_OF(MIN_OF(n, QUOTA_UNITS_MAX), 0);
	int64_t tat = atomic_load_explicit(tat_ns, memory_order_relaxed);
	for (;;) {
		int64_t until = quota_until_us(q, tat, n, now_us);
		if (until != 0) {
			if (ret_until_us != NULL)
				*ret_until_us = until;
			return false;
		}
		if (atomic_compare_exchange_weak_explicit(tat_ns, &tat,
			    later_ns(MAX_OF(tat, now_us * 1000), steps_ns(q, n)),
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	}
}

void quota_give(struct quota q, _Atomic int64_t *tat_ns, int64_t n)
{
	n = MAX_OF(MIN_OF(n, QUOTA_UNITS_MAX), -QUOTA_UNITS_MAX);
	if (q.step_ns == 0 || n == 0)
		return;
	int64_t tat = atomic_load_explicit(tat_ns, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(tat_ns, &tat, later_ns(tat, -steps_ns(q, n)),
		memory_order_relaxed, memory_order_relaxed))
		;
}

int64_t quota_left(struct quota q, int64_t tat_ns, int64_t now_us)
{
	if (q.step_ns == 0)
		return 0;
	int64_t owed = MAX_OF(tat_ns - now_us * 1000, 0);
	return MAX_OF(q.burst - (owed + q.step_ns - 1) / q.step_ns, 0);
}

int64_t quota_reset_us(struct quota q, int64_t tat_ns, int64_t now_us)
{
	return q.step_ns == 0 ? 0 : MAX_OF((tat_ns - now_us * 1000) / 1000, 0);
}
