// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/decide/breaker.h"

static const struct breaker_policy policy = {
	.fails = 3, .window_us = 60000000, .open_us = 30000000};

static bool end(struct live *l, enum outcome out, int64_t now_us)
{
	return breaker_outcome(l, LIFE_ANY, &policy, out, now_us, 1000 + now_us / 1000, 5000000,
		500);
}

static void opens_after_fails_in_the_window(void **state UNUSED)
{
	struct live l = {0};
	assert_true(breaker_try(&l, LIFE_ANY, 1));
	assert_false(end(&l, OUT_FAILED, 1));
	assert_false(end(&l, OUT_FAILED, 2));
	assert_true(end(&l, OUT_FAILED, 3));
	assert_int_equal(l.breaker, BREAKER_OPEN);
	assert_false(breaker_try(&l, LIFE_ANY, 4));
	assert_int_equal(l.last_error_status, 500);
}

static void old_fails_are_forgotten(void **state UNUSED)
{
	struct live l = {0};
	end(&l, OUT_FAILED, 1000);
	end(&l, OUT_FAILED, 2000);
	assert_false(end(&l, OUT_FAILED, 2000 + policy.window_us));
	assert_int_equal(l.breaker, BREAKER_CLOSED);
	assert_false(end(&l, OUT_FAILED, 2001 + policy.window_us)); // counted anew, from one
	assert_true(end(&l, OUT_FAILED, 2002 + policy.window_us));
}

static void the_windows_last_moment_is_in_it(void **state UNUSED)
{
	struct live l = {0};
	int64_t now = 2 * policy.window_us;
	end(&l, OUT_FAILED, now);
	end(&l, OUT_FAILED, now);
	assert_true(end(&l, OUT_FAILED, now + policy.window_us));
}

static bool fails_by(struct live *l, uint64_t by)
{
	struct breaker_policy p = policy;
	p.by = by;
	return breaker_outcome(l, LIFE_ANY, &p, OUT_FAILED, 1, 1, 0, 500);
}

// One request that is repeated fails once, whoever else failed in between.
static void repeats_are_known_from_each_other(void **state UNUSED)
{
	struct live l = {0};
	for (int i = 0; i < 4; i++) {
		assert_false(fails_by(&l, 11));
		assert_false(fails_by(&l, 12));
	}
	assert_int_equal(l.breaker, BREAKER_CLOSED);
	assert_true(fails_by(&l, 13));
}

static void as_many_fails_as_the_policy_says(void **state UNUSED)
{
	for (int fails = 0; fails <= 3; fails++) {
		struct breaker_policy p = {
			.fails = fails, .window_us = 60000000, .open_us = 30000000};
		struct live l = {0};
		for (int i = 1; i <= 5; i++) {
			bool opened = breaker_outcome(&l, LIFE_ANY, &p, OUT_FAILED, i, i, 0, 500);
			assert_true(opened == (fails > 0 && i == fails));
		}
		assert_true((l.breaker == BREAKER_OPEN) == (fails > 0)); // 0: never
	}
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
	assert_true(breaker_try(&l, LIFE_ANY, later));
	assert_int_equal(l.breaker, BREAKER_HALF_OPEN);
	assert_false(breaker_try(&l, LIFE_ANY, later)); // one at a time
	assert_true(end(&l, OUT_FAILED, later));
	assert_int_equal(l.breaker, BREAKER_OPEN);
	assert_false(breaker_try(&l, LIFE_ANY, later + 1));
	later += policy.open_us;
	assert_true(breaker_try(&l, LIFE_ANY, later));
	assert_true(end(&l, OUT_OK, later));
	assert_int_equal(l.breaker, BREAKER_CLOSED);
	assert_true(breaker_try(&l, LIFE_ANY, later) && breaker_try(&l, LIFE_ANY, later));
}

static void a_caller_who_left_frees_the_trial(void **state UNUSED)
{
	struct live l = {0};
	for (int i = 0; i < 3; i++)
		end(&l, OUT_FAILED, i);
	int64_t later = 3 + policy.open_us;
	assert_true(breaker_try(&l, LIFE_ANY, later));
	assert_false(end(&l, OUT_CLIENT, later));
	assert_true(breaker_try(&l, LIFE_ANY, later));
}

static void a_rate_limit_cools_and_opens_nothing(void **state UNUSED)
{
	struct live l = {0};
	for (int i = 0; i < 10; i++)
		breaker_outcome(&l, LIFE_ANY, &policy, OUT_RATE_LIMITED, 100 + i, 1, 5000000 - i,
			429);
	assert_int_equal(l.breaker, BREAKER_CLOSED);
	assert_true(l.cooldown_until_us == 5000100);
	assert_int_equal(l.cooldown_status, 429);
	// a shorter one later does not shorten it
	breaker_outcome(&l, LIFE_ANY, &policy, OUT_RATE_LIMITED, 200, 1, 10, 429);
	assert_true(l.cooldown_until_us == 5000100);
}

// Its last moment is none of it: who cools it then does so anew, and it is told.
static void a_cooldown_is_told_when_it_begins(void **state UNUSED)
{
	struct live l = {0};
	assert_true(breaker_cool(&l, LIFE_ANY, 100, 50, 429));
	assert_false(breaker_cool(&l, LIFE_ANY, 149, 50, 429));
	assert_true(l.cooldown_until_us == 199);
	assert_true(breaker_cool(&l, LIFE_ANY, 199, 50, 429));
}

static void faults_stay_until_reset_or_success(void **state UNUSED)
{
	struct live l = {0};
	assert_true(breaker_outcome(&l, LIFE_ANY, &policy, OUT_AUTH, 1, 77, 0, 401));
	assert_int_equal(l.fault, LIVE_KEY_INVALID);
	assert_true(l.fault_since_wall_ms == 77);
	assert_false(breaker_outcome(&l, LIFE_ANY, &policy, OUT_AUTH, 2, 78, 0, 401));
	assert_true(l.fault_since_wall_ms == 77);
	assert_true(end(&l, OUT_OK, 3));
	assert_int_equal(l.fault, LIVE_OK);
	assert_true(end(&l, OUT_BILLING, 4));
	assert_int_equal(l.fault, LIVE_KEY_NO_QUOTA);
	breaker_outcome(&l, LIFE_ANY, &policy, OUT_RATE_LIMITED, 5, 5, 1000, 429);
	breaker_outcome(&l, LIFE_ANY, &policy, OUT_BILLING, 5, 80, 0, 402);
	breaker_outcome(&l, LIFE_ANY, &policy, OUT_BILLING, 6, 81, 0, 402);
	assert_true(l.fault_since_wall_ms == 81); // a quota that is still used up counts anew
	assert_true(breaker_proven(&l, LIFE_ANY, 9));
	assert_true(l.last_ok_wall_ms == 9);
	assert_int_equal(l.fault, LIVE_OK);
	assert_true(l.cooldown_until_us == 0);
	assert_true(end(&l, OUT_MODEL_GONE, 6));
	assert_int_equal(l.fault, LIVE_MODEL_GONE);
}

static bool told(struct live *l, uint64_t life, enum outcome out, int status)
{
	return breaker_outcome(l, life, &policy, out, 1, 77, 5000000, status);
}

// High half: the address, low half: the secret.
#define LIFE(address, secret) ((uint64_t)(address) << 32 | (secret))

static void what_was_said_of_another_secret_does_not_count(void **state UNUSED)
{
	struct live l = {0};
	live_follow(&l, LIFE(1, 1), LIVE_NEW_OBJECT);
	live_follow(&l, LIFE(1, 2), LIVE_NEW_SECRET);
	assert_false(told(&l, LIFE(1, 1), OUT_AUTH, 401));
	assert_false(told(&l, LIFE(1, 1), OUT_BILLING, 402));
	assert_false(told(&l, LIFE(1, 1), OUT_REGION, 403));
	assert_int_equal(l.fault, LIVE_OK);
	assert_true(told(&l, LIFE(1, 2), OUT_AUTH, 401));
	assert_false(told(&l, LIFE(1, 1), OUT_OK, 200));
	assert_false(breaker_proven(&l, LIFE(1, 1), 78));
	assert_int_equal(l.fault, LIVE_KEY_INVALID);
	assert_true(l.last_ok_wall_ms == 0);
	assert_true(breaker_proven(&l, LIFE(1, 2), 78));
	assert_true(told(&l, LIFE(1, 1), OUT_RATE_LIMITED,
		429)); // of the account, which is the same
	assert_true(l.cooldown_until_us > 0);
	for (int i = 0; i < 2; i++)
		assert_false(told(&l, LIFE(1, 1), OUT_FAILED, 500));
	assert_true(told(&l, LIFE(1, 1), OUT_FAILED, 500)); // of the address, which is the same
	assert_int_equal(l.breaker, BREAKER_OPEN);
}

static void nothing_of_another_address_counts(void **state UNUSED)
{
	static const enum outcome all[] = {OUT_OK, OUT_FAILED, OUT_RATE_LIMITED, OUT_AUTH,
		OUT_BILLING, OUT_REGION, OUT_MODEL_GONE, OUT_CLIENT};
	struct live l = {0};
	live_follow(&l, LIFE(1, 1), LIVE_NEW_OBJECT);
	for (int i = 0; i < 3; i++)
		told(&l, LIFE(1, 1), OUT_FAILED, 500);
	told(&l, LIFE(1, 1), OUT_RATE_LIMITED, 429);
	live_count(&l, LIFE(1, 1), 1, true, 1000);
	l.inflight = 2;
	l.drained = 1;
	l.spend.pico = 5;
	live_follow(&l, LIFE(2, 2), LIVE_NEW_ADDRESS);
	assert_int_equal(l.breaker, BREAKER_CLOSED);
	assert_true(l.cooldown_until_us == 0 && l.ewma_us == 0 && l.last_error_status == 0);
	assert_true(live_window(&l, 1, 60).ok == 0);
	assert_true(l.inflight == 2 && l.drained == 1 && l.spend.pico == 5);
	l.half_open_busy = 1; // a trial of the new one is out
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (int n = 0; n < 4; n++)
			assert_false(told(&l, LIFE(1, 1), all[i], 500));
	live_count(&l, LIFE(1, 1), 1, false, 1000);
	breaker_let_go(&l, LIFE(1, 1));
	assert_false(breaker_cool(&l, LIFE(1, 1), 1, 5000000, 429));
	assert_true(l.breaker == BREAKER_CLOSED && l.fault == LIVE_OK && l.cooldown_until_us == 0);
	assert_true(live_window(&l, 1, 60).failed == 0 && l.half_open_busy == 1);
	l.breaker = BREAKER_OPEN; // of the new address: a call that began for the old one goes on
	l.breaker_until_us = 1000;
	assert_true(breaker_try(&l, LIFE(1, 1), 1));
	assert_false(breaker_try(&l, LIFE(2, 2), 1));
	live_follow(&l, LIFE(1, 1), LIVE_NEW_OBJECT); // an earlier one never comes back
	assert_true(l.life == LIFE(2, 2) && l.drained == 1);
	live_follow(&l, LIFE(3, 3), LIVE_NEW_OBJECT);
	assert_true(l.drained == 0 && l.spend.pico == 0 && l.weight_override == -1 &&
		l.inflight == 2);
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
		cmocka_unit_test(the_windows_last_moment_is_in_it),
		cmocka_unit_test(repeats_are_known_from_each_other),
		cmocka_unit_test(as_many_fails_as_the_policy_says),
		cmocka_unit_test(an_ok_clears_the_count),
		cmocka_unit_test(one_trial_decides),
		cmocka_unit_test(a_caller_who_left_frees_the_trial),
		cmocka_unit_test(a_rate_limit_cools_and_opens_nothing),
		cmocka_unit_test(a_cooldown_is_told_when_it_begins),
		cmocka_unit_test(what_was_said_of_another_secret_does_not_count),
		cmocka_unit_test(nothing_of_another_address_counts),
		cmocka_unit_test(retries_are_a_tenth_and_a_burst),
		cmocka_unit_test(faults_stay_until_reset_or_success),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
