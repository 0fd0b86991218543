// SPDX-License-Identifier: MIT
// What the end of an attempt says, and of whom: the key, its model, the instance, or the key that
// opens the instance.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/decide/attempt.h"
#include "tests/unit/routes.h"

#define NOW INT64_C(1000000000)
#define WALL INT64_C(1795000000000)

static const struct breaker_policy two = {.fails = 2, .window_us = 60000000, .open_us = 30000000};

static struct attempt_end ends(enum outcome out, int status)
{
	return (struct attempt_end){.out = out,
		.status = status,
		.now_us = NOW,
		.wall_ms = WALL,
		.us = 20000,
		.cooldown_us = 5000000};
}

static bool tell(struct test_route *t, enum outcome out, int status)
{
	struct attempt_end e = ends(out, status);
	return attempt_tell(&t->v[0], &two, &e);
}

static struct test_route *with_key(void)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	return t;
}

static struct test_route *with_instance(void)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_instance(t, 1, 1);
	return t;
}

static void the_policy_is_the_features(void **state UNUSED)
{
	struct feature f = {.cooldown = {.fails = 5, .window_s = 60, .for_s = 30}};
	struct breaker_policy p = attempt_policy(&f);
	assert_int_equal(p.fails, 5);
	assert_true(p.window_us == 60000000 && p.open_us == 30000000);
}

// What one model does says nothing of the key's others.
static void a_models_failure_is_the_models(void **state UNUSED)
{
	struct test_route *t = with_key();
	assert_false(tell(t, OUT_FAILED, 500));
	assert_true(tell(t, OUT_FAILED, 502));
	assert_int_equal(t->pair[0].breaker, BREAKER_OPEN);
	assert_true(t->pair[0].breaker_until_us == NOW + two.open_us);
	assert_int_equal(t->live[0].breaker, BREAKER_CLOSED);
	assert_int_equal(t->live[0].fails, 0);
	assert_int_equal(t->live[0].last_error_status, 502); // seen all the same
	assert_true(t->live[0].last_error_wall_ms == WALL);
	assert_true(t->live[0].requests == 2 && t->live[0].failures == 2);
	test_route_free(t);
}

static void an_address_that_does_not_answer_is_the_keys(void **state UNUSED)
{
	struct test_route *t = with_key();
	struct attempt_end e = ends(OUT_FAILED, -ERR_UNREACHABLE);
	e.unreachable = true;
	assert_false(attempt_tell(&t->v[0], &two, &e));
	assert_true(attempt_tell(&t->v[0], &two, &e));
	assert_int_equal(t->live[0].breaker, BREAKER_OPEN);
	assert_int_equal(t->pair[0].breaker, BREAKER_CLOSED);
	assert_int_equal(t->pair[0].fails, 0);
	test_route_free(t);
}

// What it does for one feature says nothing of the others; that it does not answer, of all.
static void a_failure_of_an_instance_is_the_features(void **state UNUSED)
{
	struct test_route *t = with_instance();
	tell(t, OUT_FAILED, 500);
	assert_true(tell(t, OUT_FAILED, 500));
	assert_int_equal(t->pair[0].breaker, BREAKER_OPEN);
	assert_int_equal(t->live[0].breaker, BREAKER_CLOSED);
	struct attempt_end e = ends(OUT_FAILED, -ERR_UNREACHABLE);
	e.unreachable = true;
	e.by = 7; // whoever asks: nobody is answered
	assert_false(attempt_tell(&t->v[0], &two, &e));
	assert_true(attempt_tell(&t->v[0], &two, &e));
	assert_int_equal(t->live[0].breaker, BREAKER_OPEN);
	t->v[0].pair = NULL; // one of the many that no decision judges
	t->live[0].breaker = BREAKER_CLOSED;
	assert_false(tell(t, OUT_FAILED, 500));
	assert_true(tell(t, OUT_FAILED, 500));
	test_route_free(t);
}

static bool failed_for(struct test_route *t, uint64_t by, int64_t now_us)
{
	struct attempt_end e = ends(OUT_FAILED, 500);
	e.by = by;
	e.now_us = now_us;
	return attempt_tell(&t->v[0], &two, &e);
}

static void repeats_count_once(void **state UNUSED)
{
	struct test_route *t = with_key();
	for (int i = 0; i < 20; i++)
		assert_false(failed_for(t, 1, NOW));
	assert_int_equal(t->pair[0].fails, 1);
	assert_true(t->pair[0].failures == 20); // they are failures all the same
	assert_true(failed_for(t, 2, NOW)); // of somebody else, or another request
	assert_int_equal(t->pair[0].breaker, BREAKER_OPEN);
	t->pair[0].breaker = BREAKER_CLOSED; // opened: all count again
	assert_false(failed_for(t, 1, NOW));
	assert_true(failed_for(t, 2, NOW));
	t->pair[0].breaker = BREAKER_CLOSED;
	assert_false(failed_for(t, 1, NOW));
	assert_false(failed_for(t, 1, NOW + two.window_us + 1)); // another window's first
	assert_true(failed_for(t, 2, NOW + two.window_us + 1));
	test_route_free(t);
}

static void busy_is_no_failure(void **state UNUSED)
{
	struct test_route *t = with_instance();
	for (int i = 0; i < 5; i++)
		assert_false(tell(t, OUT_BUSY, 503));
	assert_int_equal(t->live[0].breaker, BREAKER_CLOSED);
	assert_int_equal(t->pair[0].breaker, BREAKER_CLOSED);
	assert_true(t->live[0].cooldown_until_us == 0);
	t->live[0].breaker = BREAKER_HALF_OPEN;
	t->live[0].half_open_busy = 1;
	assert_false(tell(t, OUT_BUSY, 503)); // a trial that says nothing, to be made again
	assert_int_equal(t->live[0].breaker, BREAKER_HALF_OPEN);
	assert_int_equal(t->live[0].half_open_busy, 0);
	test_route_free(t);
}

static void a_model_that_is_gone_leaves_its_key(void **state UNUSED)
{
	struct test_route *t = with_key();
	t->live[0].breaker = BREAKER_HALF_OPEN;
	t->live[0].half_open_busy = 1;
	assert_true(tell(t, OUT_MODEL_GONE, 404));
	assert_int_equal(t->pair[0].fault, LIVE_MODEL_GONE);
	assert_true(t->pair[0].fault_since_wall_ms == WALL);
	assert_int_equal(t->live[0].fault, LIVE_OK);
	assert_int_equal(t->live[0].breaker, BREAKER_CLOSED); // the key's address did answer
	assert_int_equal(t->live[0].half_open_busy, 0);
	assert_false(tell(t, OUT_MODEL_GONE, 404)); // known
	test_route_free(t);
}

static void refusals_of_a_key_are_the_keys(void **state UNUSED)
{
	static const struct {
		enum outcome out;
		enum live_fault fault;
	} rows[] = {{OUT_AUTH, LIVE_KEY_INVALID}, {OUT_BILLING, LIVE_KEY_NO_QUOTA},
		{OUT_REGION, LIVE_REGION_DENIED}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct test_route *t = with_key();
		assert_true(tell(t, rows[i].out, 403));
		assert_int_equal(t->live[0].fault, rows[i].fault);
		assert_int_equal(t->pair[0].fault, LIVE_OK);
		assert_true(tell(t, OUT_OK, 200)); // it works again
		assert_int_equal(t->live[0].fault, LIVE_OK);
		test_route_free(t);
	}
}

static void a_rate_limit_cools_the_key(void **state UNUSED)
{
	struct test_route *t = with_key();
	assert_true(tell(t, OUT_RATE_LIMITED, 429));
	assert_true(t->live[0].cooldown_until_us == NOW + 5000000);
	assert_int_equal(t->live[0].cooldown_status, 429);
	assert_true(t->pair[0].cooldown_until_us == 0);
	assert_false(tell(t, OUT_RATE_LIMITED, 429)); // it cools already
	test_route_free(t);
}

static void the_key_of_an_instance_is_blamed_for_itself(void **state UNUSED)
{
	struct test_route *t = with_instance();
	struct live live = {0};
	struct key_obj key = {.live = &live};
	t->v[0].credential = &key;
	t->live[0].breaker = BREAKER_HALF_OPEN;
	t->live[0].half_open_busy = t->pair[0].half_open_busy = 1;
	assert_true(tell(t, OUT_AUTH, 401));
	assert_int_equal(live.fault, LIVE_KEY_INVALID);
	assert_int_equal(live.last_error_status, 401);
	assert_int_equal(t->live[0].fault, LIVE_OK);
	assert_int_equal(t->pair[0].fault, LIVE_OK);
	assert_int_equal(t->live[0].half_open_busy, 0); // the trial is over, without a word
	assert_int_equal(t->pair[0].half_open_busy, 0);
	assert_false(tell(t, OUT_AUTH, 401)); // known
	t->v[0].credential = NULL; // it asks for one that nobody has given it
	assert_false(tell(t, OUT_AUTH, 401));
	assert_int_equal(t->live[0].fault, LIVE_OK);
	t->v[0].pair = NULL;
	assert_false(tell(t, OUT_AUTH, 401));
	test_route_free(t);
}

static void success_clears_both(void **state UNUSED)
{
	struct test_route *t = with_key();
	t->live[0].breaker = t->pair[0].breaker = BREAKER_HALF_OPEN;
	t->pair[0].fault = LIVE_MODEL_GONE;
	assert_true(tell(t, OUT_OK, 200));
	assert_true(t->live[0].breaker == BREAKER_CLOSED && t->pair[0].breaker == BREAKER_CLOSED);
	assert_int_equal(t->pair[0].fault, LIVE_OK);
	assert_true(t->live[0].last_ok_wall_ms == WALL && t->pair[0].last_ok_wall_ms == WALL);
	assert_true(t->live[0].requests == 1 && t->live[0].failures == 0);
	assert_true(t->pair[0].requests == 1 && t->pair[0].ewma_us == 20000);
	assert_false(tell(t, OUT_OK, 200));
	t->pair[0].breaker = BREAKER_OPEN; // the model alone is a change, too
	assert_true(tell(t, OUT_OK, 200));
	test_route_free(t);
}

static void a_callers_fault_says_nothing(void **state UNUSED)
{
	struct test_route *t = with_key();
	t->live[0].breaker = t->pair[0].breaker = BREAKER_HALF_OPEN;
	t->live[0].half_open_busy = t->pair[0].half_open_busy = 1;
	assert_false(tell(t, OUT_CLIENT, 400));
	assert_true(t->live[0].requests == 0 && t->pair[0].requests == 0);
	assert_true(t->live[0].half_open_busy == 0 && t->pair[0].half_open_busy == 0);
	assert_int_equal(t->live[0].breaker, BREAKER_HALF_OPEN); // the next one tries
	assert_int_equal(t->live[0].last_error_status, 0);
	test_route_free(t);
}

// An attempt begun at an address that is no longer the key's.
static void nothing_is_told_of_another_address(void **state UNUSED)
{
	struct test_route *t = with_key();
	t->live[0].life = UINT64_C(2) << 32 | 1;
	t->v[0].life = UINT64_C(1) << 32 | 1;
	tell(t, OUT_FAILED, 500);
	assert_int_equal(t->live[0].last_error_status, 0);
	assert_true(t->live[0].requests == 0 && t->pair[0].requests == 0);
	tell(t, OUT_AUTH, 401);
	assert_int_equal(t->live[0].fault, LIVE_OK);
	test_route_free(t);
}

// The address answered another secret: what it says of that one is nothing about this one.
static void what_another_secret_met_is_the_addresss(void **state UNUSED)
{
	struct test_route *t = with_key();
	struct live *l = &t->live[0];
	l->life = UINT64_C(1) << 32 | 2;
	t->v[0].life = UINT64_C(1) << 32 | 1;
	t->v[0].pair = NULL;
	l->half_open_busy = 1;
	assert_false(tell(t, OUT_CLIENT, 400));
	assert_int_equal(l->half_open_busy, 0);
	assert_false(tell(t, OUT_AUTH, 401));
	assert_int_equal(l->fault, LIVE_OK);
	assert_true(tell(t, OUT_RATE_LIMITED, 429)); // the account's
	assert_true(l->cooldown_until_us == NOW + 5000000);
	assert_false(tell(t, OUT_FAILED, 500));
	assert_true(tell(t, OUT_FAILED, 500)); // the address's
	assert_int_equal(l->breaker, BREAKER_OPEN);
	assert_true(tell(t, OUT_OK, 200)); // it answers
	assert_int_equal(l->breaker, BREAKER_CLOSED);
	assert_true(l->last_ok_wall_ms == 0); // but that was another secret
	test_route_free(t);
}

static void a_key_shown_alone_is_told_alone(void **state UNUSED)
{
	struct live live = {0};
	struct key_obj key = {.live = &live};
	assert_true(attempt_tell_key(&key, OUT_RATE_LIMITED, NOW, WALL, 7000000, 429));
	assert_true(live.cooldown_until_us == NOW + 7000000 && live.cooldown_status == 429);
	for (int i = 0; i < 10; i++) // a check that fails opens no breaker
		assert_false(attempt_tell_key(&key, OUT_FAILED, NOW, WALL, 0, 500));
	assert_int_equal(live.breaker, BREAKER_CLOSED);
	assert_true(live.last_error_wall_ms == WALL);
}

static void both_breakers_let_it_pass(void **state UNUSED)
{
	struct test_route *t = with_key();
	const struct candidate *c = &t->v[0];
	assert_true(attempt_may(c, NOW));
	t->live[0].breaker = t->pair[0].breaker = BREAKER_OPEN; // both may be tried
	assert_true(attempt_may(c, NOW));
	assert_true(t->live[0].half_open_busy == 1 && t->pair[0].half_open_busy == 1);
	assert_false(attempt_may(c, NOW));
	attempt_let_go(c);
	assert_true(t->live[0].half_open_busy == 0 && t->pair[0].half_open_busy == 0);
	t->pair[0].half_open_busy = 1; // the model's trial is another's: the key's is given back
	assert_false(attempt_may(c, NOW));
	assert_int_equal(t->live[0].half_open_busy, 0);
	t->v[0].pair = NULL;
	assert_true(attempt_may(c, NOW));
	attempt_let_go(c);
	assert_int_equal(t->live[0].half_open_busy, 0);
	test_route_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_is_the_features),
		cmocka_unit_test(a_models_failure_is_the_models),
		cmocka_unit_test(an_address_that_does_not_answer_is_the_keys),
		cmocka_unit_test(a_failure_of_an_instance_is_the_features),
		cmocka_unit_test(repeats_count_once),
		cmocka_unit_test(busy_is_no_failure),
		cmocka_unit_test(a_model_that_is_gone_leaves_its_key),
		cmocka_unit_test(refusals_of_a_key_are_the_keys),
		cmocka_unit_test(a_rate_limit_cools_the_key),
		cmocka_unit_test(the_key_of_an_instance_is_blamed_for_itself),
		cmocka_unit_test(success_clears_both),
		cmocka_unit_test(a_callers_fault_says_nothing),
		cmocka_unit_test(nothing_is_told_of_another_address),
		cmocka_unit_test(what_another_secret_met_is_the_addresss),
		cmocka_unit_test(a_key_shown_alone_is_told_alone),
		cmocka_unit_test(both_breakers_let_it_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
