// SPDX-License-Identifier: MIT
// Texts told apart line by line, as patch would read it.
#include "console/cmd/udiff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *from, const char *to, const char *want)
{
	struct str out = STR_INIT;
	bool differs = udiff(slice_of(from), slice_of(to), &out);
	assert_string_equal(str_text(&out), want);
	assert_int_equal(differs, *want != '\0');
	str_release(&out);
}

static void test_what_is_the_same_says_nothing(void **state)
{
	(void)state;
	check("", "", "");
	check("a\nb\n", "a\nb\n", "");
}

static void test_a_line_among_others(void **state)
{
	(void)state;
	check("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
		"@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
	check("a\n", "a\nb\n", "@@ -1,1 +1,2 @@\n a\n+b\n");
	check("a\nb\n", "b\n", "@@ -1,2 +1,1 @@\n-a\n b\n");
}

static void test_all_of_it(void **state)
{
	(void)state;
	check("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n");
	check("a\n", "", "@@ -1,1 +0,0 @@\n-a\n");
	check("a\n", "b\n", "@@ -1,1 +1,1 @@\n-a\n+b\n");
}

static void test_far_apart_are_two_hunks(void **state)
{
	(void)state;
	check("a\n1\n2\n3\n4\n5\n6\n7\nz\n", "A\n1\n2\n3\n4\n5\n6\n7\nZ\n",
		"@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n"
		"@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-z\n+Z\n");
}

// More lines than the table takes are told as all of both, and nothing is lost.
static void test_long_texts(void **state)
{
	struct str from = STR_INIT, to = STR_INIT, out = STR_INIT;
	(void)state;
	for (int i = 0; i < 5000; i++) {
		str_addf(&from, "from %d\n", i);
		str_addf(&to, "to %d\n", i);
	}
	assert_true(udiff(str_slice(&from), str_slice(&to), &out));
	size_t removed = 0, added = 0;
	struct slice rest = str_slice(&out);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		removed += slice_starts(line, "-from ");
		added += slice_starts(line, "+to ");
	}
	assert_int_equal(removed, 5000);
	assert_int_equal(added, 5000);
	str_release(&from);
	str_release(&to);
	str_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_the_same_says_nothing),
		cmocka_unit_test(test_a_line_among_others),
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_far_apart_are_two_hunks),
		cmocka_unit_test(test_long_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
