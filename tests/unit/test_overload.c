// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent/overload.h"

#define TARGET 40000
#define START INT64_C(1000000000)

// Turns of 10 ms whose work waited so long, for so many intervals.
static int64_t run(struct overload_gate *g, int64_t now, int64_t queue_us, int intervals)
{
	for (int i = 0; i < intervals * 10; i++, now += 10000)
		overload_turn(g, TARGET, now, queue_us);
	return now;
}

static int shed_of(struct overload_gate *g, int n)
{
	int shed = 0;
	for (int i = 0; i < n; i++)
		shed += overload_turns_away(g);
	return shed;
}

static void a_short_queue_sheds_nobody(void **state UNUSED)
{
	struct overload_gate g = {.since_us = START, .least_us = -1};
	run(&g, START, TARGET, 50);
	assert_int_equal(shed_of(&g, 1000), 0);
}

static void a_burst_that_drains_sheds_nobody(void **state UNUSED)
{
	struct overload_gate g = {.since_us = START, .least_us = -1};
	int64_t now = START;
	for (int i = 0; i < 100; i++) { // nine long turns, and one with nothing waiting
		now = run(&g, now, 9 * TARGET, 0);
		for (int k = 0; k < 9; k++, now += 10000)
			overload_turn(&g, TARGET, now, 9 * TARGET);
		overload_turn(&g, TARGET, now, 10);
		now += 10000;
	}
	assert_int_equal(shed_of(&g, 1000), 0);
}

static void a_standing_queue_sheds_more_and_more(void **state UNUSED)
{
	struct overload_gate g = {.since_us = START, .least_us = -1};
	int64_t now = run(&g, START, 2 * TARGET, 2);
	int first = shed_of(&g, 1000);
	assert_in_range(first, 40, 200);
	now = run(&g, now, 2 * TARGET, 3);
	assert_true(shed_of(&g, 1000) > 2 * first);
	run(&g, now, 2 * TARGET, 100);
	assert_in_range(shed_of(&g, 1000), 440, 460); // most are let through, whoever comes
}

static void it_recovers_by_itself(void **state UNUSED)
{
	struct overload_gate g = {.since_us = START, .least_us = -1};
	int64_t now = run(&g, START, 3 * TARGET, 20);
	assert_true(g.share > 0.4);
	now = run(&g, now, TARGET / 2, 20);
	assert_true(g.share <= 0);
	now = run(&g, now, 3 * TARGET, 20);
	// The loop slept: nobody waits.
	overload_turn(&g, TARGET, now + 60 * 1000000, 3 * TARGET);
	assert_true(g.share <= 0);
}

static void off(void **state UNUSED)
{
	struct overload_gate g = {0};
	for (int i = 0; i < 100; i++)
		overload_turn(&g, 0, START + i * 100000, 1000000);
	assert_int_equal(shed_of(&g, 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_queue_sheds_nobody),
		cmocka_unit_test(a_burst_that_drains_sheds_nobody),
		cmocka_unit_test(a_standing_queue_sheds_more_and_more),
		cmocka_unit_test(it_recovers_by_itself),
		cmocka_unit_test(off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
