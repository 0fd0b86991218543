// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/breaker.h"

static const struct breaker_policy policy = {.fails = 3, .window_us = 60000000,
	.open_us = 30000000};

static bool end(struct live *l, enum outcome out, int64_t now_us)
{
	return breaker_outcome(l, &policy, out, now_us, 1000 + now_us / 1000, 5000000, 500);
}

static void opens_after_fails_in_the_window(void **state UNUSED)
{
	struct live l = {0};
	assert_true(breaker_try(&l, 1));
	assert_false(end(&l, OUT_FAILED, 1));
	assert_false(end(&l, OUT_FAILED, 2));
	assert_true(end(&l, OUT_FAILED, 3));
	assert_int_equal(l.breaker, BREAKER_OPEN);
	assert_false(breaker_try(&l, 4));
	assert_int_equal(l.last_error_status, 500);
}

static void old_fails_are_forgotten(void **state UNUSED)
{
	struct live l = {0};
	end(&l, OUT_FAILED, 1000);
	end(&l, OUT_FAILED, 2000);
	assert_false(end(&l, OUT_FAILED, 2000 + policy.window_us));
	assert_int_equal(l.breaker, BREAKER_CLOSED);
}

static void an_ok_clears_the_count(void **state UNUSED)
{
	struct live l = {0};
	end(&l, OUT_FAILED, 1);
	end(&l, OUT_FAILED, 2);
	assert_false(end(&l, OUT_OK, 3));
	assert_false(end(&l, OUT_FAILED, 4));
	assert_int_equal(l.breaker, BREAKER_CLOSED);
}

static void one_trial_decides(void **state UNUSED)
{
	struct live l = {0};
	for (int i = 0; i < 3; i++)
		end(&l, OUT_FAILED, i);
	int64_t later = 3 + policy.open_us;
	assert_true(breaker_try(&l, later));
	assert_int_equal(l.breaker, BREAKER_HALF_OPEN);
	assert_false(breaker_try(&l, later)); // one at a time
	assert_true(end(&l, OUT_FAILED, later));
	assert_int_equal(l.breaker, BREAKER_OPEN);
	assert_false(breaker_try(&l, later + 1));
	later += policy.open_us;
	assert_true(breaker_try(&l, later));
	assert_true(end(&l, OUT_OK, later));
	assert_int_equal(l.breaker, BREAKER_CLOSED);
	assert_true(breaker_try(&l, later) && breaker_try(&l, later));
}

static void a_caller_who_left_frees_the_trial(void **state UNUSED)
{
	struct live l = {0};
	for (int i = 0; i < 3; i++)
		end(&l, OUT_FAILED, i);
	int64_t later = 3 + policy.open_us;
	assert_true(breaker_try(&l, later));
	assert_false(end(&l, OUT_CLIENT, later));
	assert_true(breaker_try(&l, later));
}

static void a_rate_limit_cools_and_opens_nothing(void **state UNUSED)
{
	struct live l = {0};
	for (int i = 0; i < 10; i++)
		breaker_outcome(&l, &policy, OUT_RATE_LIMITED, 100 + i, 1, 5000000 - i, 429);
	assert_int_equal(l.breaker, BREAKER_CLOSED);
	assert_true(l.cooldown_until_us == 5000100);
	assert_int_equal(l.cooldown_status, 429);
	// a shorter one later does not shorten it
	breaker_outcome(&l, &policy, OUT_RATE_LIMITED, 200, 1, 10, 429);
	assert_true(l.cooldown_until_us == 5000100);
}

static void faults_stay_until_reset_or_success(void **state UNUSED)
{
	struct live l = {0};
	assert_true(breaker_outcome(&l, &policy, OUT_AUTH, 1, 77, 0, 401));
	assert_int_equal(l.fault, LIVE_KEY_INVALID);
	assert_true(l.fault_since_wall_ms == 77);
	assert_false(breaker_outcome(&l, &policy, OUT_AUTH, 2, 78, 0, 401));
	assert_true(l.fault_since_wall_ms == 77);
	assert_true(end(&l, OUT_OK, 3));
	assert_int_equal(l.fault, LIVE_OK);
	assert_true(end(&l, OUT_BILLING, 4));
	assert_int_equal(l.fault, LIVE_KEY_NO_QUOTA);
	breaker_outcome(&l, &policy, OUT_RATE_LIMITED, 5, 5, 1000, 429);
	breaker_reset(&l);
	assert_int_equal(l.fault, LIVE_OK);
	assert_true(l.cooldown_until_us == 0);
	assert_true(end(&l, OUT_MODEL_GONE, 6));
	assert_int_equal(l.fault, LIVE_MODEL_GONE);
}

static void retries_are_a_tenth_and_a_burst(void **state)
{
	struct live l = {0};
	int made = 0;

	(void)state;
	for (int i = 0; i < BREAKER_RETRIES; i++)
		assert_true(breaker_retry(&l));
	assert_false(breaker_retry(&l));
	for (int i = 0; i < 1000; i++) {
		breaker_first(&l);
		made += breaker_retry(&l);
	}
	assert_int_equal(made, 100);
	for (int i = 0; i < 1000; i++)
		breaker_first(&l); // nothing is saved up beyond the burst
	for (made = 0; breaker_retry(&l);)
		made++;
	assert_int_equal(made, BREAKER_RETRIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_after_fails_in_the_window),
		cmocka_unit_test(old_fails_are_forgotten),
		cmocka_unit_test(an_ok_clears_the_count),
		cmocka_unit_test(one_trial_decides),
		cmocka_unit_test(a_caller_who_left_frees_the_trial),
		cmocka_unit_test(a_rate_limit_cools_and_opens_nothing),
		cmocka_unit_test(retries_are_a_tenth_and_a_burst),
		cmocka_unit_test(faults_stay_until_reset_or_success),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
