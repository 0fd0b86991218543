// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent/web/overload.h"

#define MAX_US 100000
#define START INT64_C(1000000000)

static struct overload_gate fresh(void)
{
	return (struct overload_gate){.each_us = OVERLOAD_EACH_US};
}

// Turns of so long each, with so many in the lanes. Returns how many were told.
static size_t run(struct overload_gate *g, int turns, int64_t turn_us, size_t waiting,
	size_t refused)
{
	size_t told = 0;
	int64_t now = g->turn_us ? g->turn_us : START;
	for (int i = 0; i < turns; i++)
		told += overload_turn(g, now += turn_us, waiting, refused);
	return told;
}

static void room_follows_what_one_costs(void **state UNUSED)
{
	struct overload_gate g = fresh();
	assert_true(overload_has_room(&g, 0, MAX_US));
	assert_true(overload_has_room(&g, MAX_US / 20, MAX_US));
	assert_false(overload_has_room(&g, MAX_US / 20 + 1, MAX_US));
	run(&g, 1000, OVERLOAD_TURN * 100, 1000, 0); // 100 us each now
	assert_true(overload_has_room(&g, MAX_US / 100 - 10, MAX_US));
	assert_false(overload_has_room(&g, MAX_US / 100 + 10, MAX_US));
	run(&g, 1000, OVERLOAD_TURN * 10, 1000, 0); // and faster again
	assert_true(overload_has_room(&g, MAX_US / 10 - 100, MAX_US));
}

static void one_long_turn_changes_little(void **state UNUSED)
{
	struct overload_gate g = fresh();
	run(&g, 100, OVERLOAD_TURN * 20, 1000, 0);
	run(&g, 1, OVERLOAD_TURN * 100, 1000, 0);
	assert_true(overload_has_room(&g, 4000, MAX_US));
}

static void an_idle_loop_learns_nothing(void **state UNUSED)
{
	struct overload_gate g = fresh();
	run(&g, 10, 60 * 1000000, 0, 0); // it slept
	run(&g, 10, 1000000, OVERLOAD_TURN, 0); // all that waited had their turn, then it slept
	assert_true(g.each_us > 19 && g.each_us < 21);
	assert_int_equal(g.may_begin, OVERLOAD_TURN);
}

static void refusals_are_not_taken_for_slowness(void **state UNUSED)
{
	struct overload_gate g = fresh();
	// 32 served for 20 us each, 30 told for a third of that
	run(&g, 1000, OVERLOAD_TURN * 20 + 200, 1000, 350);
	assert_true(g.each_us > 18 && g.each_us < 24);
}

static void all_are_told_in_time(void **state UNUSED)
{
	struct overload_gate g = fresh();
	size_t left = 200, turns = 0;
	run(&g, 1, 640, 1000, 0);
	for (; left > 0 && turns < 1000; turns++)
		left -= run(&g, 1, 640, 1000, left);
	assert_in_range(turns, 1, 4 * OVERLOAD_SHED_US / 640);
	// After a turn of a second, nobody waits for a further one.
	assert_int_equal(run(&g, 1, 1000000, 1000, 5), 5);
	assert_int_equal(run(&g, 1, 640, 1000, 0), 0);
}

static void a_crowd_of_them_does_not_eat_the_turn(void **state UNUSED)
{
	struct overload_gate g = fresh();
	assert_int_equal(run(&g, 100, 1000, 1000, 1000000), 1 + 99 * OVERLOAD_TURN);
}

static void off(void **state UNUSED)
{
	struct overload_gate g = fresh();
	assert_true(overload_has_room(&g, 100000000, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_follows_what_one_costs),
		cmocka_unit_test(one_long_turn_changes_little),
		cmocka_unit_test(an_idle_loop_learns_nothing),
		cmocka_unit_test(refusals_are_not_taken_for_slowness),
		cmocka_unit_test(all_are_told_in_time),
		cmocka_unit_test(a_crowd_of_them_does_not_eat_the_turn),
		cmocka_unit_test(off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
