// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include "console/tui/chart.h"
#include "console/tui/keymap.h"
#include "console/tui/listbox.h"
#include "console/tui/view_row.h"

static void test_one_meaning_per_key(void **state)
{
	size_t n = 0;
	const struct key_row *rows = keymap_all(&n);
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (rows[i].key == rows[k].key)
				assert_int_equal(rows[i].views & rows[k].views, 0);
	(void)state;
}

static void test_every_action_has_help(void **state)
{
	size_t n = 0;
	const struct key_row *rows = keymap_all(&n);
	for (int a = ACT_NONE + 1; a < ACT_COUNT; a++) {
		bool found = false;
		for (size_t i = 0; i < n; i++)
			found = found || ((int)rows[i].action == a && rows[i].help[0] != '\0');
		assert_true(found);
	}
	(void)state;
}

static void test_read_only_has_no_changes(void **state)
{
	assert_non_null(keymap_find('D', VIEW_KEYS, false));
	assert_null(keymap_find('D', VIEW_KEYS, true));
	assert_null(keymap_find('x', VIEW_ROUTES, true));
	assert_null(keymap_find('D', VIEW_ROUTES, false));
	(void)state;
}

static void test_spark(void **state)
{
	const double v[] = {0, 1, 2, 4, NAN, 8};
	struct str s = STR_INIT;
	chart_spark(&s, v, 6, 8, true);
	assert_string_equal(str_text(&s), "  ▁▁▂▄ █");
	str_clear(&s);
	chart_spark(&s, v, 6, 2, false);
	assert_string_equal(str_text(&s), " #");
	str_clear(&s);
	chart_row(&s, v, 6, 6, 0, 2, 8, CHART_BLOCKS);
	assert_string_equal(str_text(&s), "     █");
	str_release(&s);
	(void)state;
}

static void test_braille(void **state)
{
	const double v[] = {0, 8, 4, NAN};
	struct str s = STR_INIT;
	chart_row(&s, v, 4, 3, 0, 2, 8, CHART_BRAILLE);
	assert_string_equal(str_text(&s), " ⢸ ");
	str_clear(&s);
	chart_row(&s, v, 4, 3, 1, 2, 8, CHART_BRAILLE);
	assert_string_equal(str_text(&s), " ⣸⡇"); // a zero has a dot, no figure has none
	str_clear(&s);
	chart_row(&s, v, 3, 2, 1, 2, 8,
		CHART_BRAILLE); // an odd number of points stays at the right
	assert_string_equal(str_text(&s), "⢀⣿");
	assert_int_equal(chart_points(10, CHART_BRAILLE), 20);
	str_release(&s);
	(void)state;
}

static void test_listbox(void **state)
{
	struct listbox b = {0};
	listbox_move(&b, 100, 30);
	listbox_fit(&b, 30, 10);
	assert_int_equal(b.cursor, 29);
	assert_int_equal(b.top, 20);
	listbox_move(&b, -4096, 30);
	listbox_fit(&b, 30, 10);
	assert_int_equal(b.cursor, 0);
	assert_int_equal(b.top, 0);
	b.cursor = 7;
	listbox_fit(&b, 0, 10);
	assert_int_equal(b.cursor, 0);
	(void)state;
}

static void cell(const struct column *c, const char *json, const char *want)
{
	struct arena a = ARENA_INIT;
	struct str s = STR_INIT;
	const struct jx *row = NULL;
	assert_int_equal(jx_parse(slice_of(json), (struct jscan_limits){0}, &a, &row, NULL),
		ERR_OK);
	view_cell(&s, c, row, true);
	assert_string_equal(str_text(&s), want);
	str_release(&s);
	arena_release(&a);
}

static void test_cells(void **state)
{
	const struct column money = {"COST", "cost", CELL_MONEY, 0, 0, true};
	const struct column group = {"BY", "feature", CELL_GROUP, 0, 0, false};
	const struct column nested = {"RPM", "limits.rpm", CELL_INT, 0, 0, true};
	const struct column price = {"IN", "input_pico", CELL_PER_MILLION, 0, 0, true};
	cell(&money,
		"{\"cost\":[{\"pico\":3750000000000,\"currency\":\"USD\"},"
		"{\"pico\":160000000000,\"currency\":\"CNY\"}]}",
		"3.75 USD 0.16 CNY");
	cell(&money, "{\"cost\":{\"pico\":280000,\"currency\":\"USD\"}}", "2.8e-07 USD");
	cell(&money, "{\"cost\":[]}", "-");
	cell(&group, "{\"key\":\"k\"}", "k");
	cell(&nested, "{\"limits\":{\"rpm\":600}}", "600");
	cell(&nested, "{}", "-");
	cell(&price, "{\"input_pico\":50000}", "0.05");
	(void)state;
}

static void test_views_are_named(void **state)
{
	assert_int_equal(view_named(SLICE("ro"))->id, VIEW_ROUTES);
	assert_null(view_named(SLICE("")));
	assert_null(view_named(SLICE("routess")));
	for (int i = 0; i < VIEW_COUNT; i++)
		assert_int_equal((int)view_row((enum view_id)i)->id, i);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_meaning_per_key),
		cmocka_unit_test(test_every_action_has_help),
		cmocka_unit_test(test_read_only_has_no_changes),
		cmocka_unit_test(test_spark),
		cmocka_unit_test(test_braille),
		cmocka_unit_test(test_listbox),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_views_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
