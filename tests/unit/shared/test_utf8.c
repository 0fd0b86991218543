// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/utf8.h"
#include "shared/utf8_width.h"

static void refuses_what_is_not_utf8(void **state UNUSED)
{
	const struct slice rows[] = {SLICE("\x80"), SLICE("\xbf"), SLICE("\xc0\x80"),
		SLICE("\xc1\xbf"), SLICE("\xe0\x80\x80"), SLICE("\xe0\x9f\xbf"),
		SLICE("\xed\xa0\x80"), SLICE("\xed\xbf\xbf"), SLICE("\xf0\x80\x80\x80"),
		SLICE("\xf4\x90\x80\x80"), SLICE("\xf5\x80\x80\x80"), SLICE("\xff"), SLICE("\xc3"),
		SLICE("\xe4\xb8"), SLICE("\xf0\x9f\x98"), SLICE("\xe4\xb8 "), SLICE("ok\xfe")};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_false(utf8_valid(rows[i]));
	assert_true(utf8_valid(SLICE("plain, 一见, 😀, \xf4\x8f\xbf\xbf")));
	assert_true(utf8_valid((struct slice){NULL, 0}));
}

static void encodes_what_it_decodes(void **state UNUSED)
{
	for (uint32_t cp = 0; cp <= 0x110010; cp++) {
		char buf[4];
		uint32_t back = 0;
		size_t n = utf8_encode(cp, buf);
		bool scalar = cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);

		assert_int_equal(n != 0, scalar);
		if (!scalar)
			continue;
		assert_int_equal(utf8_decode(buf, n, &back), n);
		assert_int_equal(back, cp);
		assert_true(n == 1 || utf8_decode(buf, n - 1, &back) == 0);
	}
}

static void knows_widths(void **state UNUSED)
{
	const struct {
		uint32_t cp;
		int want;
	} rows[] = {{'a', 1}, {0, 0}, {0x1b, 0}, {0x7f, 0}, {0x85, 0}, {0xa0, 1}, {0xad, 1},
		{0x300, 0}, {0x378, 1}, {0x3b1, 1}, {0x600, 1}, {0x1100, 2}, {0x1160, 0},
		{0x200b, 0}, {0x200d, 0}, {0x2026, 1}, {0x202e, 0}, {0x2500, 1}, {0x2588, 1},
		{0x25cf, 1}, {0x2713, 1}, {0x2714, 1}, {0x26a1, 2}, {0x3000, 2}, {0x4e00, 2},
		{0x9fff, 2}, {0xac00, 2}, {0xfe0f, 0}, {0xff01, 2}, {0xffe6, 2}, {0x1f600, 2},
		{0x2fffd, 2}, {0x30000, 2}, {0x10ffff, 1}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(utf8_cp_width(rows[i].cp), rows[i].want);
	assert_int_equal(utf8_width(SLICE("a一é😀")), 6);
}

static void ascending(const struct utf8_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(r[i].first <= r[i].last);
		assert_true(i == 0 || r[i].first > r[i - 1].last + 1);
	}
}

static void tables_are_in_order(void **state UNUSED)
{
	ascending(utf8_wide, ARRAY_LEN(utf8_wide));
	ascending(utf8_zero, ARRAY_LEN(utf8_zero));
}

static void fits_into_cells(void **state UNUSED)
{
	const struct {
		const char *text;
		int cells, want_cells;
		size_t want;
	} rows[] = {{"abc", 2, 2, 2}, {"abc", 3, 3, 3}, {"abc", 9, 3, 3}, {"一见", 3, 2, 3},
		{"一见", 4, 4, 6}, {"一", 1, 0, 0}, {"e\xcc\x81x", 1, 1, 3}, {"", 5, 0, 0},
		{"\xff\xff", 1, 1, 1}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int taken = -1;

		assert_int_equal(utf8_fit(slice_of(rows[i].text), rows[i].cells, &taken),
			rows[i].want);
		assert_int_equal(taken, rows[i].want_cells);
	}
	assert_int_equal(utf8_count(SLICE("a一é😀")), 4);
}

static void names_what_is_never_shown_raw(void **state UNUSED)
{
	const uint32_t unsafe[] = {0, 7, '\n', '\t', 0x1b, 0x7f, 0x80, 0x9b, 0x9f, 0x61c, 0x200b,
		0x200e, 0x200f, 0x2028, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0xfeff, 0xfff9,
		0xe0001, 0xe007f};
	const uint32_t safe[] = {' ', '~', 0xa0, 0x4e00, 0x1f600, 0x300, 0xfffd};

	for (size_t i = 0; i < ARRAY_LEN(unsafe); i++)
		assert_true(utf8_is_unsafe(unsafe[i]));
	for (size_t i = 0; i < ARRAY_LEN(safe); i++)
		assert_false(utf8_is_unsafe(safe[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_not_utf8),
		cmocka_unit_test(encodes_what_it_decodes),
		cmocka_unit_test(knows_widths),
		cmocka_unit_test(tables_are_in_order),
		cmocka_unit_test(fits_into_cells),
		cmocka_unit_test(names_what_is_never_shown_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
