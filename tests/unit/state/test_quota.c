// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/state/quota.h"

static void no_limit_never_says_no(void **state UNUSED)
{
	struct quota q = quota_per_minute(0, 0);
	_Atomic int64_t tat = INT64_MAX;
	assert_true(quota_take(q, &tat, 1, 0, NULL));
	assert_true(quota_until_us(q, INT64_MAX, 1, 0) == 0);
	assert_true(quota_left(q, INT64_MAX, 0) == 0 && quota_reset_us(q, INT64_MAX, 0) == 0);
}

static void says_when_the_next_fits(void **state UNUSED)
{
	struct quota q = quota_per_minute(60, 1);
	_Atomic int64_t tat = 0;
	int64_t until = 0, now = 5000000;
	assert_true(quota_take(q, &tat, 1, now, &until));
	assert_false(quota_take(q, &tat, 1, now, &until));
	assert_true(until == now + 1000000);
	assert_false(quota_take(q, &tat, 1, until - 1, NULL));
	assert_true(quota_take(q, &tat, 1, until, NULL));
}

// Product promise: in any minute at most limit + burst, burst a tenth of the limit.
static void any_minute_holds_the_bound(void **state UNUSED)
{
	const int limits[] = {1, 7, 60, 600, 6000};
	for (size_t k = 0; k < ARRAY_LEN(limits); k++) {
		struct quota q = quota_per_minute(limits[k], 0);
		int bound = limits[k] + (limits[k] >= 20 ? limits[k] / 10 : 1);
		_Atomic int64_t tat = 0;
		int taken = 0;
		int64_t start = 1000000000; // idle before: the burst is full
		for (int64_t now = start; now < start + 60000000; now += 1000)
			taken += quota_take(q, &tat, 1, now, NULL);
		assert_in_range(taken, limits[k], bound);
	}
}

// A tenth of the limit at once, at least one, unless it is said otherwise.
static void a_burst_is_a_tenth_and_at_least_one(void **state UNUSED)
{
	assert_true(quota_per_minute(5, 0).burst == 1);
	assert_true(quota_per_minute(10, 0).burst == 1);
	assert_true(quota_per_minute(20, 0).burst == 2);
	assert_true(quota_per_minute(600, -1).burst == 60);
	assert_true(quota_per_minute(600, 1).burst == 1);
}

// A step too short would admit more than the limit, however little.
static void steps_fill_the_minute(void **state UNUSED)
{
	const int64_t minute = INT64_C(60000000000);
	for (int64_t limit = 1; limit <= 20000; limit++) {
		struct quota q = quota_per_minute(limit, 0);
		assert_true(q.step_ns * limit >= minute && (q.step_ns - 1) * limit < minute);
	}
}

static void what_is_owed_for_a_moment_is_owed(void **state UNUSED)
{
	struct quota q = quota_per_minute(60, 3);
	const int64_t now = 5000000;
	assert_true(quota_left(q, now * 1000, now) == 3);
	assert_true(quota_left(q, now * 1000 + 1, now) == 2);
	assert_true(quota_left(q, now * 1000 + q.step_ns, now) == 2);
	assert_true(quota_left(q, now * 1000 + q.step_ns + 1, now) == 1);
	assert_true(quota_reset_us(q, 0, now) == 0); // long paid
	assert_true(quota_reset_us(q, now * 1000 + 1000, now) == 1);
	assert_true(quota_until_us(q, now * 1000 + 2 * q.step_ns + 1, 1, now) ==
		now + 1); // not too early
}

static void what_costs_nothing_takes_nothing(void **state UNUSED)
{
	struct quota q = quota_per_minute(60, 3);
	_Atomic int64_t tat = 0;
	const int64_t now = 5000000;
	assert_true(quota_take(q, &tat, 2, now, NULL));
	assert_true(quota_left(q, tat, now) == 1);
	assert_true(quota_take(q, &tat, 0, now, NULL));
	assert_true(quota_left(q, tat, now) == 1);
	assert_true(quota_take(q, &tat, -2, now, NULL)); // nothing comes back by asking for less
	assert_true(quota_left(q, tat, now) == 1);
	assert_true(quota_reset_us(q, tat, now) == 2000000);
	quota_give(q, &tat, 1);
	assert_true(quota_left(q, tat, now) == 2 && quota_reset_us(q, tat, now) == 1000000);
}

// Whatever is asked, used or allowed: no product of units and steps may wrap to a free ride.
static void nothing_wraps(void **state UNUSED)
{
	const int64_t limits[] = {1, 60, 1000000, QUOTA_UNITS_MAX, INT64_MAX};
	const int64_t units[] = {QUOTA_UNITS_MAX, INT64_C(1) << 53, INT64_C(1) << 62, INT64_MAX};
	const int64_t now = INT64_C(4000000000000);
	for (size_t k = 0; k < ARRAY_LEN(limits); k++) {
		for (size_t i = 0; i < ARRAY_LEN(units); i++) {
			struct quota q = quota_per_minute(limits[k], 0);
			_Atomic int64_t tat = 0;
			assert_true(quota_take(q, &tat, units[i], now, NULL)); // nothing was owed
			assert_true(tat > now * 1000);
			assert_false(quota_take(q, &tat, units[i], now, NULL));
			for (int n = 0; n < 5; n++)
				quota_give(q, &tat, -units[i]); // used again and again
			assert_true(tat > now * 1000);
			assert_true(quota_left(q, tat, now) == 0);
			assert_true(quota_until_us(q, tat, 1, now) > now);
			assert_true(quota_reset_us(q, tat, now) > 0);
			for (int n = 0; n < 64; n++)
				quota_give(q, &tat, units[i]);
			assert_true(quota_left(q, tat, now) <= q.burst);
		}
		struct quota wide = quota_per_minute(limits[k], INT64_MAX);
		_Atomic int64_t tat = 0;
		assert_true(quota_take(wide, &tat, 1, now, NULL));
		assert_true(quota_until_us(wide, tat, 1, now) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_never_says_no),
		cmocka_unit_test(says_when_the_next_fits),
		cmocka_unit_test(any_minute_holds_the_bound),
		cmocka_unit_test(a_burst_is_a_tenth_and_at_least_one),
		cmocka_unit_test(steps_fill_the_minute),
		cmocka_unit_test(what_is_owed_for_a_moment_is_owed),
		cmocka_unit_test(what_costs_nothing_takes_nothing),
		cmocka_unit_test(nothing_wraps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
