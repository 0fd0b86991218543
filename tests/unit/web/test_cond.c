// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent/web/cond.h"

static enum cond says(const char *one, const char *two, bool weak)
{
	struct head_field v[] = {{SLICE("Host"), SLICE("x")}, {SLICE("iF-mAtCh"), slice_of(one)},
		{SLICE("if-match"), slice_of(two)}};
	struct head h = {.v = v, .n = two ? 3 : one ? 2 : 1};
	return cond_read(&h, IF_MATCH, "\"7\"", weak);
}

static void test_lists(void **state)
{
	static const struct {
		const char *text;
		enum cond strong, weak;
	} rows[] = {
		{"\"7\"", COND_TAG, COND_TAG},
		{"\"8\"", COND_NO, COND_NO},
		{"*", COND_ANY, COND_ANY},
		{" * ", COND_ANY, COND_ANY},
		{"W/\"7\"", COND_NO, COND_TAG},
		{"\"8\",\"7\"", COND_TAG, COND_TAG},
		{"\"7\" ,\t\"8\"", COND_TAG, COND_TAG},
		{",, \"7\" ,,", COND_TAG, COND_TAG},
		{"\"8\", W/\"7\"", COND_NO, COND_TAG},
		{"\"7,8\"", COND_NO, COND_NO},
		{"\"\"", COND_NO, COND_NO},
		{"\"\xc3\xa4\"", COND_NO, COND_NO},
		{"7", COND_BAD, COND_BAD},
		{"\"7", COND_BAD, COND_BAD},
		{"7\"", COND_BAD, COND_BAD},
		{"w/\"7\"", COND_BAD, COND_BAD},
		{"W/ \"7\"", COND_BAD, COND_BAD},
		{"\"7\" \"8\"", COND_BAD, COND_BAD},
		{"\"7\", *", COND_BAD, COND_BAD},
		{"*, \"7\"", COND_BAD, COND_BAD},
		{"**", COND_BAD, COND_BAD},
		{"", COND_BAD, COND_BAD},
		{",", COND_BAD, COND_BAD},
		{"\"7\";\"8\"", COND_BAD, COND_BAD},
		{"\"a b\"", COND_BAD, COND_BAD},
		{"\"7\"x", COND_BAD, COND_BAD},
		{"W/", COND_BAD, COND_BAD},
		{"W/7", COND_BAD, COND_BAD},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(says(rows[i].text, NULL, false), rows[i].strong);
		assert_int_equal(says(rows[i].text, NULL, true), rows[i].weak);
	}
	assert_int_equal(says(NULL, NULL, false), COND_ABSENT);
}

static void test_lines_are_one_list(void **state)
{
	(void)state;
	assert_int_equal(says("\"8\"", "\"7\"", false), COND_TAG);
	assert_int_equal(says("\"7\"", "\"8\"", false), COND_TAG);
	assert_int_equal(says("\"8\"", "\"9\"", false), COND_NO);
	assert_int_equal(says("*", "\"7\"", false), COND_BAD);
	assert_int_equal(says("\"7\"", "*", false), COND_BAD);
	assert_int_equal(says("\"7\"", "7", false), COND_BAD);
}

static void test_nothing_is_like_no_tag(void **state)
{
	struct head_field v[] = {{SLICE("If-Match"), SLICE("\"7\"")}};
	struct head h = {.v = v, .n = 1};
	(void)state;
	assert_int_equal(cond_read(&h, IF_MATCH, NULL, false), COND_NO);
	assert_int_equal(cond_read(&h, IF_NONE_MATCH, NULL, true), COND_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists),
		cmocka_unit_test(test_lines_are_one_list),
		cmocka_unit_test(test_nothing_is_like_no_tag)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
