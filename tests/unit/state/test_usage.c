// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/state/usage.h"

static struct usage_key key(int64_t minute, const char *feature, const char *model)
{
	return (struct usage_key){.minute = minute,
		.by = {feature, "openai/gpt-4", "local", NULL, model},
		.currency = "USD"};
}

static void count(struct usage_table *t, const struct usage_key *k, int64_t n)
{
	struct usage_sum s = {.requests = n, .attempts = n};
	usage_sum_add(&usage_table_at(t, k)->sum, &s);
}

static int64_t total(const struct usage_table *t)
{
	struct usage_row *r;
	size_t it = 0;
	int64_t n = 0;
	while ((r = usage_table_next(t, &it)) != NULL)
		n += r->sum.attempts;
	return n;
}

static void test_rows_are_told_apart(void **state UNUSED)
{
	struct usage_table t = usage_table(1000);
	struct usage_key a = key(61, "chat", "m"), b = key(61, "chat", "n"),
			 c = key(62, "chat", "m");
	count(&t, &a, 1);
	count(&t, &a, 2);
	count(&t, &b, 4);
	count(&t, &c, 8);
	assert_int_equal(t.n, 3);
	assert_int_equal(usage_table_at(&t, &a)->sum.attempts, 3);
	assert_int_equal(usage_table_at(&t, &b)->sum.attempts, 4);
	assert_string_equal(usage_table_at(&t, &a)->key.by[USAGE_KEY], "");
	assert_string_equal(usage_table_at(&t, &a)->key.by[USAGE_MODEL], "m");
	assert_string_equal(usage_table_at(&t, &a)->key.currency, "USD");
	// Texts do not run into each other.
	struct usage_key x = {.minute = 1, .by = {"ab", "c"}}, y = {.minute = 1, .by = {"a", "bc"}};
	count(&t, &x, 1);
	count(&t, &y, 1);
	assert_int_equal(t.n, 5);
	usage_table_release(&t);
	assert_int_equal(t.n, 0);
}

static void test_it_is_bounded_and_loses_nothing(void **state UNUSED)
{
	struct usage_table t = usage_table(100);
	char model[32];
	for (int i = 0; i < 5000; i++) {
		snprintf(model, sizeof(model), "m%d", i);
		struct usage_key k = key(60 + i % 120, "chat", model);
		count(&t, &k, 1);
	}
	assert_true(t.n <= 100 + 2);
	assert_int_equal(t.overflow, 5000 - 100);
	assert_int_equal(total(&t), 5000);
	struct usage_key o = {.minute = 60,
		.by = {USAGE_OTHER, USAGE_OTHER, USAGE_OTHER, USAGE_OTHER, USAGE_OTHER},
		.currency = "USD"};
	assert_true(usage_table_at(&t, &o)->sum.attempts > 1000);
	usage_table_release(&t);
}

// A store that is away for hours: the same rows for an hour, not new ones for every minute.
static void test_minutes_fold_into_hours(void **state UNUSED)
{
	struct usage_table t = usage_table(200);
	for (int minute = 0; minute < 24 * 60; minute++) {
		struct usage_key k = key(minute, "chat", "m");
		count(&t, &k, 1);
	}
	assert_int_equal(t.overflow, 0);
	assert_int_equal(total(&t), 24 * 60);
	assert_true(t.n <= 124);
	usage_table_release(&t);
}

static void test_merge(void **state UNUSED)
{
	struct usage_table a = usage_table(1000), b = usage_table(1000);
	struct usage_key k = key(61, "chat", "m"), n = key(61, "chat", "n");
	count(&a, &k, 1);
	count(&b, &k, 2);
	count(&b, &n, 3);
	usage_table_merge(&a, &b);
	assert_int_equal(usage_table_at(&a, &k)->sum.attempts, 3);
	assert_int_equal(usage_table_at(&a, &n)->sum.attempts, 3);
	assert_int_equal(usage_table_at(&b, &k)->sum.attempts, 2);
	usage_table_release(&a);
	usage_table_release(&b);
}

static void test_sums_end(void **state UNUSED)
{
	struct usage_sum a = {.requests = INT64_MAX / 2 - 1, .attempts = 1},
			 b = {.requests = 100, .pico = {0, 0, 0, INT64_MAX}};
	usage_sum_add(&a, &b);
	assert_int_equal(a.requests, INT64_MAX / 2);
	assert_int_equal(a.pico[COST_REPORTED], INT64_MAX / 2);
	assert_int_equal(a.attempts, 1);
}

static void test_long_texts_are_cut(void **state UNUSED)
{
	struct usage_table t = usage_table(10);
	char text[1000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct usage_key k = key(1, text, text);
	count(&t, &k, 1);
	assert_int_equal(strlen(usage_table_at(&t, &k)->key.by[USAGE_FEATURE]), USAGE_TEXT_MAX);
	assert_int_equal(t.n, 1);
	usage_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_told_apart),
		cmocka_unit_test(test_it_is_bounded_and_loses_nothing),
		cmocka_unit_test(test_minutes_fold_into_hours),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_sums_end),
		cmocka_unit_test(test_long_texts_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
