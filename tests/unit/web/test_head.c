// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/web/head.h"
#include "shared/str.h"

// Length, or -1 with the reason in *ret_why.
static ptrdiff_t found(const char *text, enum err_code *ret_why)
{
	size_t at = 0;
	*ret_why = ERR_OK;
	return head_find(slice_of(text), &at, ret_why);
}

static void test_where_a_head_ends(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	enum err_code why;
	(void)state;
	assert_int_equal(found(head, &why), sizeof(head) - 1);
	assert_int_equal(found("GET / HTTP/1.1\r\nHost: a\r\n", &why), 0);
	assert_int_equal(found("", &why), 0);
	size_t at = 0;
	for (size_t n = 1; n < sizeof(head) - 1; n++) // byte by byte it is the same
		assert_int_equal(head_find((struct slice){head, n}, &at, &why), 0);
	assert_int_equal(head_find((struct slice){head, sizeof(head) - 1}, &at, &why),
		sizeof(head) - 1);
}

static void test_what_is_no_head(void **state)
{
	static const char *const bad[] = {"GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: b\n", "\n",
		"\x16\x03\x01", " GET / HTTP/1.1\r\n", "\r\n"};
	enum err_code why;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(found(bad[i], &why), -1);
		assert_int_equal(why, ERR_BAD_FRAMING);
	}
	static char line[HEAD_LINE_MAX + 2], lines[HEAD_BYTES_MAX + 2];
	memset(line, 'a', sizeof(line) - 1);
	assert_int_equal(found(line, &why), -1);
	assert_int_equal(why, ERR_URI_TOO_LONG);
	memset(lines, 'a', sizeof(lines) - 1);
	memcpy(lines + 20, "\r\n", 2);
	assert_int_equal(found(lines, &why), -1);
	assert_int_equal(why, ERR_HEADERS_TOO_LARGE);
}

static enum err_code parsed(const char *text, struct arena *a, struct head *ret)
{
	return head_parse(arena_strdup(a, text), strlen(text), a, ret);
}

static void test_fields(void **state)
{
	struct arena a = ARENA_INIT;
	struct head h;
	(void)state;
	assert_int_equal(
		parsed("POST /x?y HTTP/1.1\r\nHost:a\r\nX-Two: \t b c \t\r\nEmpty:\r\n\r\n", &a,
			&h),
		ERR_OK);
	assert_true(slice_eq_str(h.method, "POST"));
	assert_true(slice_eq_str(h.target, "/x?y"));
	assert_true(slice_eq_str(h.version, "HTTP/1.1"));
	assert_int_equal(h.n, 3);
	assert_string_equal(head_value(&h, "host"), "a");
	assert_string_equal(head_value(&h, "x-two"), "b c");
	assert_string_equal(head_value(&h, "EMPTY"), "");
	assert_null(head_value(&h, "x"));
	assert_int_equal(parsed("GET / HTTP/1.0\r\n\r\n", &a, &h), ERR_OK);
	assert_int_equal(h.n, 0);
	arena_release(&a);
}

static void test_odd_lines(void **state)
{
	static const char *const bad[] = {"GET /\r\n\r\n", "GET\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nA\r\n\r\n", "GET / HTTP/1.1\r\n: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", "GET / HTTP/1.1\r\n\tA: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\nA(: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "GET / HTTP/1.1\r\nA: b\1\r\n\r\n",
		"GET / HTTP/1.1\r\nA: \x7f\r\nB: c\r\n\r\n"};
	struct arena a = ARENA_INIT;
	struct head h;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parsed(bad[i], &a, &h), ERR_BAD_FRAMING);
	struct str many = STR_INIT;
	str_add(&many, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < HEAD_FIELDS_MAX + 2; i++)
		str_add(&many, "A: b\r\n");
	str_add(&many, "\r\n");
	assert_int_equal(parsed(str_text(&many), &a, &h), ERR_HEADERS_TOO_LARGE);
	str_release(&many);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_a_head_ends),
		cmocka_unit_test(test_what_is_no_head),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_odd_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
