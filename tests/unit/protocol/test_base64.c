// SPDX-License-Identifier: MIT
// base64 in JSON as it is met: padded or not, broken into lines, with its slashes escaped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent/protocol/base64.h"

static void test_what_texts_stand_for(void **state UNUSED)
{
	// RFC 4648 §10, then what JSON makes of it.
	static const struct {
		const char *text, *bytes;
		size_t n;
	} rows[] = {{"", "", 0}, {"Zg==", "f", 1}, {"Zm8=", "fo", 2}, {"Zm9v", "foo", 3},
		{"Zm9vYg==", "foob", 4}, {"Zm9vYmE=", "fooba", 5}, {"Zm9vYmFy", "foobar", 6},
		{"Zg", "f", 1}, {"Zm8", "fo", 2}, {"+/+/", "\xfb\xff\xbf", 3},
		{"+\\/+\\/", "\xfb\xff\xbf", 3}, {"AAAA", "\0\0\0", 3}, {"z39A", "\xcf\x7f\x40", 3},
		{"Zm9v\\nYmFy", "foobar", 6}, {"Zm9v\\r\\nYmFy\\n", "foobar", 6}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		assert_true(base64_read(slice_of(rows[i].text), &out));
		assert_int_equal(out.n, rows[i].n);
		assert_memory_equal(str_text(&out), rows[i].bytes, rows[i].n);
		str_release(&out);
	}
}

static void test_what_is_none(void **state UNUSED)
{
	static const char *const rows[] = {
		"Zm9v!", "Zm 9v", "Zm-_", "Zm9v\\t", "Zm9v\\", "\xc3\xa9", "Zm9v\\u000a"};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		assert_false(base64_read(slice_of(rows[i]), &out));
		str_release(&out);
	}
	struct str out = STR_INIT;
	assert_false(base64_read((struct slice){"Zm\0v", 4}, &out));
	str_release(&out);
}

static void test_what_is_odd_becomes_plain(void **state UNUSED)
{
	static const struct {
		const char *string;
		enum base64 kind;
		const char *plain;
		size_t bytes;
	} rows[] = {{"\"Zm9v\"", BASE64_PLAIN, "Zm9v", 3}, {"\"Zg==\"", BASE64_PLAIN, "Zg==", 1},
		{"\"Zm8=\"", BASE64_PLAIN, "Zm8=", 2}, {"\"Zm8\"", BASE64_ODD, "Zm8=", 2},
		{"\"Zg=\"", BASE64_ODD, "Zg==", 1},
		{"\"Zm9v\\nYmFy\\n\"", BASE64_ODD, "Zm9vYmFy", 6},
		{"\"azAZ09+/\"", BASE64_PLAIN, "azAZ09+/", 6},
		{"\"azAZ09-_\"", BASE64_ODD, "azAZ09+/", 6},
		{"\"Zm9v\\r\\nYmFy\"", BASE64_ODD, "Zm9vYmFy", 6},
		{"\"Zm9v YmFy\"", BASE64_ODD, "Zm9vYmFy", 6},
		{"\"Zm9v\\tYmFy\"", BASE64_ODD, "Zm9vYmFy", 6},
		{"\"Zm9v.YmFy\"", BASE64_NOT, "", 0}, {"\"Zm9v\\u0000\"", BASE64_NOT, "", 0},
		{"\"\\u002b\\/-_\"", BASE64_ODD, "+/+/", 3},
		{"\"data:image/png;base64,Zm9v\"", BASE64_ODD, "Zm9v", 3},
		{"\"\"", BASE64_NOT, "", 0}, {"\"=\"", BASE64_NOT, "", 0},
		{"\"Zm9vY\"", BASE64_NOT, "", 0}, {"\"Zm=9v\"", BASE64_NOT, "", 0},
		{"\"Zm9v====\"", BASE64_ODD, "Zm9v", 3}, {"\"<html>\"", BASE64_NOT, "", 0},
		{"\"data:,\"", BASE64_NOT, "", 0}, {"null", BASE64_NOT, "", 0}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		size_t bytes = 99;
		assert_int_equal(base64_kind(slice_of(rows[i].string), &bytes), rows[i].kind);
		assert_int_equal(bytes, rows[i].bytes);
		base64_add(slice_of(rows[i].string), &out);
		assert_string_equal(str_text(&out), rows[i].plain);
		str_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_odd_becomes_plain),
		cmocka_unit_test(test_what_texts_stand_for),
		cmocka_unit_test(test_what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
