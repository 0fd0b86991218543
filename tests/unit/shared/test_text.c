// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include "shared/text.h"

static void makes_remote_text_safe(void **state UNUSED)
{
	const struct {
		struct slice in;
		const char *want;
	} rows[] = {{SLICE(""), ""}, {{NULL, 0}, ""}, {SLICE("一见 é 😀"), "一见 é 😀"},
		{SLICE("\x1b[31mred"), "\\x1b[31mred"},
		{SLICE("\x1b]0;title\x07"), "\\x1b]0;title\\x07"},
		{SLICE("a\r\nb\tc"), "a\\x0d\\x0ab\\x09c"}, {SLICE("\0"), "\\x00"},
		{SLICE("\x7f\xc2\x9b"
		       "1m"),
			"\\x7f\\x9b1m"},
		{SLICE("\xe2\x80\xaegpj.exe"), "\\u202egpj.exe"},
		{SLICE("\xe2\x80\x8b"), "\\u200b"}, {SLICE("\xef\xbb\xbf"), "\\ufeff"},
		{SLICE("\xf3\xa0\x80\x81"), "\\U0e0001"}, {SLICE("\xff\xc3"), "\\xff\\xc3"},
		{SLICE("back\\slash"), "back\\slash"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str once = STR_INIT, twice = STR_INIT;

		text_add_safe(&once, rows[i].in);
		assert_string_equal(str_text(&once), rows[i].want);
		text_add_safe(&twice, str_slice(&once));
		assert_string_equal(str_text(&twice), str_text(&once));
		str_release(&once);
		str_release(&twice);
	}
}

static void fits_into_cells(void **state UNUSED)
{
	const struct {
		const char *in;
		int cells;
		bool pad, unicode;
		const char *want;
	} rows[] = {{"abc", 5, true, true, "abc  "}, {"abc", 5, false, true, "abc"},
		{"abc", 3, true, true, "abc"}, {"abcd", 3, false, true, "ab…"},
		{"abcd", 3, false, false, "ab~"}, {"一见钟情", 5, true, true, "一见…"},
		{"一见钟情", 4, true, true, "一… "}, {"一", 1, true, true, "…"},
		{"abc", 0, true, true, ""}, {"abc", -1, true, true, ""},
		{"\x1b[0m", 4, false, true, "\\x1…"}, {"", 2, true, true, "  "}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str s = STR_INIT;

		text_add_fit(&s, slice_of(rows[i].in), rows[i].cells, rows[i].pad, rows[i].unicode);
		assert_string_equal(str_text(&s), rows[i].want);
		str_release(&s);
	}
}

static void finds_the_closest(void **state UNUSED)
{
	static const char *const names[] = {"key", "route", "service", "status", "feature"};
	const struct {
		const char *word, *want;
	} rows[] = {{"key", "key"}, {"kye", "key"}, {"keys", "key"}, {"rout", "route"},
		{"roote", "route"}, {"servcie", "service"}, {"sttaus", "status"},
		{"featuer", "feature"}, {"x", NULL}, {"", NULL}, {"zzzzzz", NULL},
		{"completely-else", NULL}};
	char long_word[200];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *near = text_closest(slice_of(rows[i].word), names, ARRAY_LEN(names));

		if (rows[i].want)
			assert_string_equal(near, rows[i].want);
		else
			assert_null(near);
	}
	memset(long_word, 'a', sizeof(long_word));
	assert_null(text_closest((struct slice){long_word, sizeof(long_word)}, names, 5));
	assert_null(text_closest(SLICE("key"), names, 0));
}

static void says_ages_and_sizes(void **state UNUSED)
{
	const struct {
		int64_t ms;
		const char *want;
	} ages[] = {{-5, "0s"}, {3999, "3s"}, {60000, "1m"}, {3599000, "59m"}, {18000000, "5h"},
		{172800000, "2d"}, {3456000000, "40d"}};
	const struct {
		double v;
		const char *want;
	} sizes[] = {{0, "0"}, {12, "12"}, {999, "999"}, {1000, "1k"}, {1234, "1.23k"},
		{12345, "12.3k"}, {999499, "999k"}, {999600, "1.00M"}, {3400000, "3.40M"},
		{0.5, "0.50"}, {0.0012, "0.0012"}, {-1234, "-1.23k"}, {NAN, "-"}, {INFINITY, "-"},
		{1e18, "1000P"}};

	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		struct str s = STR_INIT;

		text_add_age(&s, ages[i].ms);
		assert_string_equal(str_text(&s), ages[i].want);
		str_release(&s);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct str s = STR_INIT;

		text_add_si(&s, sizes[i].v);
		assert_string_equal(str_text(&s), sizes[i].want);
		str_release(&s);
	}
}

static void durations_as_go_writes_them(void **state UNUSED)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {{0, "0s"}, {-5, "0s"}, {1, "1ms"}, {12000, "12ms"}, {999001, "1s"},
		{1000000, "1s"}, {1500000, "1.5s"}, {6010000, "6.01s"}, {360000000, "6m0s"},
		{3723000000, "1h2m3s"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str s = STR_INIT;
		text_add_duration(&s, cases[i].us);
		assert_string_equal(str_text(&s), cases[i].text);
		str_release(&s);
	}
	int64_t us = 0;
	assert_true(text_duration_us(SLICE("1h2m3.5s"), &us) && us == INT64_C(3723500000));
	assert_true(text_duration_us(SLICE("6ms"), &us) && us == 6000);
	assert_true(text_duration_us(SLICE("250us"), &us) && us == 250);
	static const char *const bad[] = {
		"", "5", "s", "1x", "-1s", "1s1", "1e9h", "nan s", "99999999999999999999h"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(text_duration_us(slice_of(bad[i]), &us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_as_go_writes_them),
		cmocka_unit_test(makes_remote_text_safe),
		cmocka_unit_test(fits_into_cells),
		cmocka_unit_test(finds_the_closest),
		cmocka_unit_test(says_ages_and_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
