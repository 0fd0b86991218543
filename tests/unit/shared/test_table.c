// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/table.h"

static struct table *sample(void)
{
	struct table *t = table_new();

	table_column(t, "NAME", false);
	table_column(t, "N", true);
	table_column(t, "STATE", false);
	table_row(t);
	table_cell(t, SLICE("一见"));
	table_cell(t, SLICE("7"));
	table_cell(t, SLICE("ok"));
	table_row(t);
	table_cell(t, SLICE("plain"));
	table_cell(t, SLICE("12345"));
	return t; // the last cell is missing
}

static void aligns_by_cells(void **state UNUSED)
{
	struct table *t = sample();
	struct str out = STR_INIT;

	table_text(t, true, 0, &out);
	assert_string_equal(str_text(&out),
		"NAME       N  STATE\n"
		"一见       7  ok\n"
		"plain  12345\n");
	str_clear(&out);
	table_text(t, false, 8, &out);
	assert_string_equal(str_text(&out),
		"一见   …\n"
		"plain  …\n");
	str_release(&out);
	table_free(t);
	table_free(NULL);
}

static void shows_no_raw_control(void **state UNUSED)
{
	struct table *t = table_new();
	struct str out = STR_INIT;

	table_column(t, "A", false);
	table_column(t, "B", false);
	table_row(t);
	table_cell(t, SLICE("\x1b[2J\n"));
	table_cell(t, SLICE("x\0y"));
	table_cell(t, SLICE("one too many"));
	table_text(t, false, 0, &out);
	assert_string_equal(str_text(&out), "\\x1b[2J\\x0a  x\\x00y\n");
	str_release(&out);
	table_free(t);
}

static void writes_csv(void **state UNUSED)
{
	const struct {
		struct slice cell;
		const char *guarded, *raw;
	} rows[] = {{SLICE(""), "", ""}, {SLICE("a b"), "a b", "a b"},
		{SLICE("a,b"), "\"a,b\"", "\"a,b\""},
		{SLICE("say \"x\""), "\"say \"\"x\"\"\"", "\"say \"\"x\"\"\""},
		{SLICE("a\r\nb"), "\"a\r\nb\"", "\"a\r\nb\""},
		{SLICE("=cmd|'/c calc'!A1"), "\"'=cmd|'/c calc'!A1\"", "=cmd|'/c calc'!A1"},
		{SLICE("+1+1"), "\"'+1+1\"", "+1+1"}, {SLICE("-2+3"), "\"'-2+3\"", "-2+3"},
		{SLICE("@SUM(A1)"), "\"'@SUM(A1)\"", "@SUM(A1)"},
		{SLICE("\t=1"), "\"'\t=1\"", "\t=1"}, {SLICE("\r=1"), "\"'\r=1\"", "\"\r=1\""},
		{SLICE("-5"), "-5", "-5"}, {SLICE("-0.25"), "-0.25", "-0.25"},
		{SLICE("-"), "-", "-"}, {SLICE("一见"), "一见", "一见"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int raw = 0; raw < 2; raw++) {
			struct table *t = table_new();
			struct str out = STR_INIT, want = STR_INIT;

			table_column(t, "A", false);
			table_column(t, "=B", false);
			table_row(t);
			table_cell(t, rows[i].cell);
			table_csv(t, true, raw, &out);
			str_addf(&want, "A,%s\r\n%s,\r\n", raw ? "=B" : "\"'=B\"",
				raw ? rows[i].raw : rows[i].guarded);
			assert_string_equal(str_text(&out), str_text(&want));
			str_release(&out);
			str_release(&want);
			table_free(t);
		}
	}
}

static void bounds_its_columns(void **state UNUSED)
{
	struct table *t = table_new();
	struct str out = STR_INIT;

	for (int i = 0; i < TABLE_COLUMNS_MAX + 10; i++)
		table_column(t, "c", false);
	table_row(t);
	for (int i = 0; i < TABLE_COLUMNS_MAX + 10; i++)
		table_cell(t, SLICE("1"));
	table_csv(t, false, false, &out);
	assert_int_equal(out.n, 2 * TABLE_COLUMNS_MAX + 1);
	str_release(&out);
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligns_by_cells),
		cmocka_unit_test(shows_no_raw_control),
		cmocka_unit_test(writes_csv),
		cmocka_unit_test(bounds_its_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
