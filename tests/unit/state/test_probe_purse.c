// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "agent/state/probe_purse.h"

static const struct probe_budget budget = {.pico = 100, .unpriced = 2};
static const struct money sixty = {60, "USD", COST_ESTIMATED}, forty = {40, "USD", COST_ESTIMATED},
			  yuan = {1, "CNY", COST_ESTIMATED}, unknown = {0, "", COST_UNKNOWN};

static void test_money_ends_and_the_next_day_begins(void **state UNUSED)
{
	struct live key = {0};
	assert_true(probe_purse_take(&key, 7, &sixty, &budget));
	assert_false(probe_purse_take(&key, 7, &sixty, &budget));
	assert_true(probe_purse_take(&key, 7, &forty, &budget));
	assert_false(probe_purse_take(&key, 7, &forty, &budget));
	assert_int_equal(probe_purse_spent(&key, 7).pico, 100);
	assert_int_equal(probe_purse_spent(&key, 8).pico, 0);
	assert_true(probe_purse_take(&key, 8, &sixty, &budget));
	assert_int_equal(probe_purse_spent(&key, 8).pico, 60);
	assert_int_equal(probe_purse_spent(&key, 7).priced, 0);
}

static void test_unknown_prices_are_counted_apart(void **state UNUSED)
{
	struct live key = {0};
	assert_true(probe_purse_take(&key, 1, &unknown, &budget));
	assert_true(probe_purse_take(&key, 1, &unknown, &budget));
	assert_false(probe_purse_take(&key, 1, &unknown, &budget));
	assert_true(probe_purse_take(&key, 1, &sixty, &budget));
	struct probe_spent s = probe_purse_spent(&key, 1);
	assert_int_equal(s.unpriced, 2);
	assert_int_equal(s.priced, 1);
	assert_true(probe_purse_take(&key, 2, &unknown, &budget));
}

static void test_one_currency_a_day(void **state UNUSED)
{
	struct live key = {0};
	assert_true(probe_purse_take(&key, 1, &forty, &budget));
	assert_false(probe_purse_take(&key, 1, &yuan, &budget));
	assert_true(probe_purse_take(&key, 2, &yuan, &budget));
	assert_string_equal(probe_purse_spent(&key, 2).currency, "CNY");
}

static void test_no_budget_buys_nothing(void **state UNUSED)
{
	static const struct probe_budget none = {0};
	static const struct money gift = {0, "USD", COST_ESTIMATED};
	struct live key = {0};
	assert_false(probe_purse_take(&key, 1, &gift, &none));
	assert_false(probe_purse_take(&key, 1, &unknown, &none));
	assert_true(probe_purse_take(&key, 1, &gift, &budget));
}

static void test_what_it_did_cost_counts(void **state UNUSED)
{
	static const struct money real = {5, "USD", COST_REPORTED},
				  huge = {INT64_MAX, "USD", COST_REPORTED};
	struct live key = {0};
	probe_purse_take(&key, 1, &sixty, &budget);
	probe_purse_settle(&key, 1, &sixty, &real);
	assert_int_equal(probe_purse_spent(&key, 1).pico, 5);
	probe_purse_take(&key, 1, &sixty, &budget);
	probe_purse_settle(&key, 1, &sixty, &unknown);
	assert_int_equal(probe_purse_spent(&key, 1).pico, 65);
	probe_purse_settle(&key, 1, &sixty, &huge);
	assert_int_equal(probe_purse_spent(&key, 1).pico, INT64_MAX);
	assert_false(probe_purse_take(&key, 1, &yuan, &budget));
	assert_false(probe_purse_take(&key, 1, &forty, &budget));
	probe_purse_untake(&key, 2, &sixty); // of a day that is over
	assert_int_equal(probe_purse_spent(&key, 2).pico, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_money_ends_and_the_next_day_begins),
		cmocka_unit_test(test_unknown_prices_are_counted_apart),
		cmocka_unit_test(test_one_currency_a_day),
		cmocka_unit_test(test_no_budget_buys_nothing),
		cmocka_unit_test(test_what_it_did_cost_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
