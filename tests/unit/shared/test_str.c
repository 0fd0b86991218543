// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/str.h"

static void grows_and_stays_terminated(void **state UNUSED)
{
	struct str s = STR_INIT;
	size_t n;
	char *taken;

	assert_string_equal(str_text(&s), "");
	assert_int_equal(str_slice(&s).n, 0);
	for (int i = 0; i < 10000; i++)
		str_add_c(&s, (char)('a' + i % 26));
	assert_int_equal(s.n, 10000);
	assert_int_equal(strlen(str_text(&s)), 10000);
	str_cut(&s, 3);
	str_cut(&s, 30);
	assert_string_equal(str_text(&s), "abc");
	str_clear(&s);
	assert_string_equal(str_text(&s), "");
	str_add(&s, "x");
	taken = str_take(&s, &n);
	assert_string_equal(taken, "x");
	assert_int_equal(n, 1);
	assert_null(s.p);
	free(taken);
	taken = str_take(&s, NULL);
	assert_string_equal(taken, "");
	free(taken);
}

static void formats_any_length(void **state UNUSED)
{
	struct str s = STR_INIT;
	char long_text[5000];

	memset(long_text, 'y', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	str_addf(&s, "%d-%s|", 42, long_text);
	assert_int_equal(s.n, 4 + sizeof(long_text) - 1);
	str_clear(&s);
	for (int n = 0; n < 200; n++) { // every length around the buffer's end
		str_addf(&s, "%.*s", n, long_text);
		assert_int_equal(strlen(s.p), s.n);
	}
	str_release(&s);
}

static void writes_integers(void **state UNUSED)
{
	struct str s = STR_INIT;

	str_add_i64(&s, 0);
	str_add_c(&s, ' ');
	str_add_i64(&s, INT64_MIN);
	str_add_c(&s, ' ');
	str_add_i64(&s, INT64_MAX);
	assert_string_equal(str_text(&s), "0 -9223372036854775808 9223372036854775807");
	str_release(&s);
}

static void writes_json_strings(void **state UNUSED)
{
	const struct {
		struct slice in;
		const char *want;
	} rows[] = {{SLICE(""), "\"\""}, {{NULL, 0}, "\"\""}, {SLICE("一见 ok"), "\"一见 ok\""},
		{SLICE("\"\\\n\r\t\b\f"), "\"\\\"\\\\\\n\\r\\t\\b\\f\""},
		{SLICE("\0\x1b\x7f"), "\"\\u0000\\u001b\\u007f\""},
		{SLICE("\xc2\x9b[31m"), "\"\\u009b[31m\""}, // C1 is as good as ESC to a terminal
		{SLICE("\xe2\x80\xae"), "\"\\u202e\""},
		{SLICE("\xf3\xa0\x80\x81"), "\"\\udb40\\udc01\""},
		{SLICE("a\xff"
		       "b\xe4\xb8"),
			"\"a\xef\xbf\xbd"
			"b\xef\xbf\xbd\xef\xbf\xbd\""}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str s = STR_INIT;

		str_add_json(&s, rows[i].in);
		assert_string_equal(str_text(&s), rows[i].want);
		str_release(&s);
	}
}

static void encodes_urls(void **state UNUSED)
{
	struct str s = STR_INIT;

	str_add_url(&s, SLICE("aZ9-._~ /?#%\r\n一"));
	assert_string_equal(str_text(&s), "aZ9-._~%20%2F%3F%23%25%0D%0A%E4%B8%80");
	str_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(formats_any_length),
		cmocka_unit_test(writes_integers),
		cmocka_unit_test(writes_json_strings),
		cmocka_unit_test(encodes_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
