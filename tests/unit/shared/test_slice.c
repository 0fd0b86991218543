// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/slice.h"

static void compares_whole_slices(void **state UNUSED)
{
	const struct {
		struct slice a;
		const char *b;
		bool same, same_folded;
	} rows[] = {
		{SLICE(""), "", true, true}, {{NULL, 0}, "", true, true},
		{SLICE("abc"), "abc", true, true}, {SLICE("ABC"), "abc", false, true},
		{SLICE("abc"), "abcd", false, false}, {SLICE("a\0c"), "a", false, false},
		{SLICE("[@`{"), "{`@[", false, false},
		{SLICE("TITLE"), "title", false, true}, // in every locale
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(slice_eq_str(rows[i].a, rows[i].b), rows[i].same);
		assert_int_equal(slice_ieq_str(rows[i].a, rows[i].b), rows[i].same_folded);
	}
	assert_true(slice_eq(slice_of(NULL), SLICE("")));
	assert_int_equal(slice_of(NULL).n, 0);
}

static void starts_and_ends(void **state UNUSED)
{
	assert_true(slice_starts(SLICE("/api/v1"), "/api"));
	assert_true(slice_starts((struct slice){NULL, 0}, ""));
	assert_false(slice_starts((struct slice){"/api", 3}, "/api"));
	assert_true(slice_ends(SLICE("a.localhost"), ".localhost"));
	assert_true(slice_ends((struct slice){NULL, 0}, ""));
	assert_false(slice_ends(SLICE("t"), "localhost"));
}

static void trims_and_finds(void **state UNUSED)
{
	assert_true(slice_eq_str(slice_trim(SLICE(" \t\r\n a b \v\f")), "a b"));
	assert_int_equal(slice_trim(SLICE("  ")).n, 0);
	assert_int_equal(slice_find(SLICE("abc"), 'c'), 2);
	assert_int_equal(slice_find(SLICE("abc"), 'd'), -1);
	assert_int_equal(slice_find((struct slice){NULL, 0}, 'd'), -1);
}

static void cuts_at_separators(void **state UNUSED)
{
	struct slice rest = SLICE("a,,b");

	assert_true(slice_eq_str(slice_cut(&rest, ','), "a"));
	assert_true(slice_eq_str(slice_cut(&rest, ','), ""));
	assert_non_null(rest.p);
	assert_true(slice_eq_str(slice_cut(&rest, ','), "b"));
	assert_null(rest.p);
	assert_int_equal(slice_cut(&rest, ',').n, 0);
	rest = SLICE("a,");
	slice_cut(&rest, ',');
	assert_non_null(rest.p); // an empty last item is still an item
	assert_int_equal(rest.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_whole_slices),
		cmocka_unit_test(starts_and_ends),
		cmocka_unit_test(trims_and_finds),
		cmocka_unit_test(cuts_at_separators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
