// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/clock.h"

static void writes_rfc3339(void **state UNUSED)
{
	const struct {
		int64_t ms;
		const char *want;
	} rows[] = {{0, "1970-01-01T00:00:00.000Z"}, {1795514400123, "2026-11-24T10:00:00.123Z"},
		{-1, "1969-12-31T23:59:59.999Z"}, {951782400000, "2000-02-29T00:00:00.000Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
		{INT64_MAX, "9999-12-31T23:59:59.999Z"}, {INT64_MIN, "0000-01-01T00:00:00.000Z"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[CLOCK_TEXT_MAX];
		int64_t back;

		assert_string_equal(clock_rfc3339(rows[i].ms, buf), rows[i].want);
		assert_true(clock_parse_rfc3339(slice_of(buf), &back));
		assert_true(back == rows[i].ms || rows[i].ms == INT64_MAX ||
			rows[i].ms == INT64_MIN);
	}
}

static void reads_rfc3339(void **state UNUSED)
{
	const struct {
		const char *text;
		int64_t want;
	} rows[] = {{"1970-01-01T00:00:00Z", 0}, {"1970-01-01t00:00:01z", 1000},
		{"1970-01-01T01:00:00+01:00", 0}, {"1970-01-01T00:00:00.5Z", 500},
		{"1970-01-01T00:00:00.123456789Z", 123}, {"1969-12-31T23:30:00-00:30", 0}};
	const char *const bad[] = {"", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z",
		"1970-02-30T00:00:00Z", "1971-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
		"1970-00-01T00:00:00Z", "1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z",
		"1970-01-01T-0:00:00Z", "-000-01-01T00:00:00Z", "1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00+1:00", "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00Zx",
		"1970/01/01T00:00:00Z", "1970-01-01 00:00:00Z"};
	int64_t ms;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(clock_parse_rfc3339(slice_of(rows[i].text), &ms));
		assert_true(ms == rows[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(clock_parse_rfc3339(slice_of(bad[i]), &ms));
}

static void reads_retry_after(void **state UNUSED)
{
	const int64_t now = 784111770000; // Sun, 06 Nov 1994 08:49:30 GMT
	const struct {
		const char *text;
		bool ok;
		int64_t want;
	} rows[] = {{"30", true, 30}, {" 0 ", true, 0}, {"-5", true, -5},
		{"1000000000", true, 1000000000}, {"Sun, 06 Nov 1994 08:49:37 GMT", true, 7},
		{"Sunday, 06-Nov-94 08:49:37 GMT", true, 7}, {"Sun Nov  6 08:49:37 1994", true, 7},
		{"Sun, 06 Nov 1994 08:49:00 GMT", true, -30}, {"", false, 0}, {"soon", false, 0},
		{"1.5", false, 0}, {"Sun, 06 Nov 1994 08:49:37 GMT and more", false, 0},
		{"99999999999999999999", false, 0}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t s = 0;

		assert_int_equal(clock_retry_after_s(slice_of(rows[i].text), now, &s), rows[i].ok);
		assert_true(!rows[i].ok || s == rows[i].want);
	}
}

static void monotonic_does_not_go_back(void **state UNUSED)
{
	int64_t before = clock_mono_us();

	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_us();

		assert_true(now >= before);
		before = now;
	}
	assert_true(clock_wall_ms() > 1577836800000); // after 2020
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_rfc3339),
		cmocka_unit_test(reads_rfc3339),
		cmocka_unit_test(reads_retry_after),
		cmocka_unit_test(monotonic_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
