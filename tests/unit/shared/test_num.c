// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/mem.h"
#include "shared/num.h"

#define NO INT64_MIN + 1

static void reads_integers(void **state UNUSED)
{
	const struct {
		const char *text;
		int64_t want;
	} rows[] = {{"0", 0}, {"-0", 0}, {"42", 42}, {"-42", -42}, {"007", 7},
		{"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN},
		{"9223372036854775808", NO}, {"-9223372036854775809", NO},
		{"99999999999999999999", NO}, {"", NO}, {"-", NO}, {"+1", NO}, {" 1", NO},
		{"1 ", NO}, {"1.5", NO}, {"1e3", NO}, {"0x10", NO}, {"--1", NO}, {"\xd9\xa1", NO}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = NO;

		assert_int_equal(num_i64(slice_of(rows[i].text), INT64_MIN, INT64_MAX, &v),
			rows[i].want != NO);
		assert_true(v == rows[i].want);
	}
}

static void keeps_the_bounds(void **state UNUSED)
{
	int64_t v = 7;

	assert_false(num_i64(SLICE("0"), 1, 65535, &v));
	assert_false(num_i64(SLICE("65536"), 1, 65535, &v));
	assert_int_equal(v, 7);
	assert_true(num_i64(SLICE("65535"), 1, 65535, &v));
	assert_int_equal(v, 65535);
}

static void reads_units(void **state UNUSED)
{
	const struct {
		const char *text;
		int64_t ms, bytes;
	} rows[] = {{"0", 0, 0}, {"250ms", 250, NO}, {"30s", 30000, NO}, {"30", 30000, 30},
		{"5m", 300000, NO}, {"2h", 7200000, NO}, {"7d", 604800000, NO}, {"64k", NO, 65536},
		{"64K", NO, 65536}, {"20M", NO, 20 << 20}, {"1G", NO, 1 << 30}, {"-1s", NO, NO},
		{"s", NO, NO}, {"", NO, NO}, {"1.5h", NO, NO}, {"1 s", NO, NO},
		{"9223372036854775807d", NO, NO}, {"9223372036854775807G", NO, NO}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = NO, bytes = NO;

		num_duration_ms(slice_of(rows[i].text), &ms);
		num_bytes(slice_of(rows[i].text), &bytes);
		assert_true(ms == rows[i].ms);
		assert_true(bytes == rows[i].bytes);
	}
}

static void reads_finite_numbers(void **state UNUSED)
{
	const struct {
		const char *text;
		bool ok;
		double want;
	} rows[] = {{"0.7", true, 0.7}, {"-1e3", true, -1000}, {"1e-400", true, 0},
		{"1e400", false, 0}, {"nan", false, 0}, {"inf", false, 0}, {"0x1p3", false, 0},
		{" 1", false, 0}, {"1 ", false, 0}, {"", false, 0}, {"1.2.3", false, 0},
		{"e5", false, 0}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double v = 0;

		assert_int_equal(num_f64(slice_of(rows[i].text), &v), rows[i].ok);
		assert_true(v == rows[i].want);
	}
}

// The slice is not NUL-terminated: what stands behind it is not read (the sanitizer looks on).
static void stays_inside_the_slice(void **state UNUSED)
{
	char *digits = mem_dup("12345678", 8);
	double d;
	int64_t i;

	assert_true(num_f64((struct slice){digits, 8}, &d));
	assert_true(num_f64((struct slice){digits, 2}, &d));
	assert_true(d == 12);
	assert_true(num_i64((struct slice){digits, 8}, 0, INT64_MAX, &i));
	free(digits);
}

static void refuses_endless_numbers(void **state UNUSED)
{
	char digits[NUM_TEXT_MAX + 1];
	double d;

	memset(digits, '1', sizeof(digits));
	assert_false(num_f64((struct slice){digits, sizeof(digits)}, &d));
	assert_true(num_f64((struct slice){digits, 300}, &d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_integers),
		cmocka_unit_test(keeps_the_bounds),
		cmocka_unit_test(reads_units),
		cmocka_unit_test(reads_finite_numbers),
		cmocka_unit_test(stays_inside_the_slice),
		cmocka_unit_test(refuses_endless_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
