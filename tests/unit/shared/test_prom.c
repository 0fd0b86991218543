// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include "shared/prom.h"

static void writes_the_exposition(void **state UNUSED)
{
	const char *labels[] = {"route", "code", NULL}, *values[] = {"a\"b\\c\nd", NULL};
	struct str out = STR_INIT;

	prom_head(&out, "x_total", "counter", "how many\nlines \\ there \"are\"");
	prom_sample(&out, "x_total", "", NULL, NULL, NULL, NULL, 3);
	prom_sample(&out, "x", "_bucket", labels, values, "le", "+Inf", 0.25);
	prom_sample(&out, "x", "_sum", NULL, NULL, "k", "v", 1234567890.123);
	prom_sample(&out, "x", "", NULL, NULL, NULL, NULL, NAN);
	prom_sample(&out, "x", "", NULL, NULL, NULL, NULL, -INFINITY);
	prom_sample(&out, "x", "", NULL, NULL, NULL, NULL, -9007199254740991.0);
	assert_string_equal(str_text(&out),
		"# HELP x_total how many\\nlines \\\\ there \"are\"\n# TYPE x_total counter\n"
		"x_total 3\n"
		"x_bucket{route=\"a\\\"b\\\\c\\nd\",code=\"\",le=\"+Inf\"} 0.25\n"
		"x_sum{k=\"v\"} 1234567890.123\n"
		"x NaN\nx -Inf\nx -9007199254740991\n");
	str_release(&out);
}

static void reads_what_it_writes(void **state UNUSED)
{
	const char *labels[] = {"route", "code", NULL}, *values[] = {"a\"}b\\c\nd,e=", "200"};
	struct str out = STR_INIT, value = STR_INIT;
	struct prom_sample s;
	struct slice rest;

	prom_head(&out, "x", "gauge", "help");
	prom_sample(&out, "x", "_sum", labels, values, NULL, NULL, 0.1);
	rest = str_slice(&out);
	assert_true(prom_next(&rest, &s));
	assert_true(slice_eq_str(s.name, "x_sum"));
	assert_true(s.value == 0.1);
	assert_true(prom_label(&s, "route", &value));
	assert_string_equal(str_text(&value), values[0]);
	str_clear(&value);
	assert_true(prom_label(&s, "code", &value));
	assert_string_equal(str_text(&value), "200");
	assert_false(prom_label(&s, "cod", &value));
	assert_false(prom_next(&rest, &s));
	str_release(&out);
	str_release(&value);
}

static void reads_what_others_write(void **state UNUSED)
{
	struct slice rest =
		SLICE("# HELP a b\n\n  \na 1\nb\t2 1395066363000\n"
		      "c{} 3\nd{x=\"1\", y=\"2\",} 4e3\ne NaN\nf Inf\ng{x=\"unclosed 5\n"
		      "h not-a-number\ni\nj 0x10\r\nk 6");
	const struct {
		const char *name;
		double value;
	} want[] = {
		{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4000}, {"e", NAN}, {"f", INFINITY}, {"k", 6}};
	struct prom_sample s;
	struct str value = STR_INIT;
	size_t i = 0;

	for (; prom_next(&rest, &s); i++) {
		assert_true(i < ARRAY_LEN(want));
		assert_true(slice_eq_str(s.name, want[i].name));
		assert_true(s.value == want[i].value || (isnan(s.value) && isnan(want[i].value)));
		if (*want[i].name == 'd') {
			assert_true(prom_label(&s, "y", &value));
			assert_string_equal(str_text(&value), "2");
		}
	}
	assert_int_equal(i, ARRAY_LEN(want));
	str_release(&value);
}

static void bad_labels_are_absent(void **state UNUSED)
{
	const char *const rows[] = {
		"", "x", "x=", "x=1", "x=\"", "x=\"\\", "x=\"1\\\"", "=\"1\"", ",,x=\"1\""};
	struct str value = STR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prom_sample s = {SLICE("m"), slice_of(rows[i]), 0};

		assert_false(prom_label(&s, "x", &value));
	}
	str_release(&value);
}

static void sums_a_gauge(void **state UNUSED)
{
	const struct slice text = SLICE("# TYPE q gauge\n"
					"q{m=\"a\"} 2\nqq 7\nq{m=\"b\"} 0.5 1700000000\n"
					"q NaN\nq -1\nq +Inf\nq 100\nq{\n");
	double sum;

	assert_true(prom_sum(text, "q", 100, &sum));
	assert_true(sum == 2.5);
	assert_false(prom_sum(text, "r", 100, &sum));
	assert_false(prom_sum(SLICE(""), "q", 100, &sum));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_a_gauge),
		cmocka_unit_test(writes_the_exposition),
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(reads_what_others_write),
		cmocka_unit_test(bad_labels_are_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
