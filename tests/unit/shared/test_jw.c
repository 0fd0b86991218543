// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/jscan.h"
#include "shared/jw.h"

static void places_commas(void **state UNUSED)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);

	jw_obj(&w, NULL);
	jw_arr(&w, "a");
	jw_arr_end(&w);
	jw_arr(&w, "b");
	jw_int(&w, NULL, -1);
	jw_obj(&w, NULL);
	jw_obj_end(&w);
	jw_str(&w, NULL, NULL);
	jw_arr_end(&w);
	jw_slice(&w, "c", SLICE("x\n"));
	jw_bool(&w, "d", true);
	jw_null(&w, "e");
	jw_time(&w, "f", FIELD_NONE);
	jw_time(&w, "g", 0);
	jw_money(&w, "h", 1500000000000, "USD", "list");
	jw_raw(&w, "i", SLICE("[1]"));
	jw_obj_end(&w);
	assert_string_equal(str_text(&out),
		"{\"a\":[],\"b\":[-1,{},null],\"c\":\"x\\n\",\"d\":true,\"e\":null,\"f\":null,"
		"\"g\":\"1970-01-01T00:00:00.000Z\","
		"\"h\":{\"pico\":1500000000000,\"currency\":\"USD\",\"source\":\"list\"},\"i\":[1]}");
	str_release(&out);
}

static void writes_numbers(void **state UNUSED)
{
	const struct {
		double v;
		const char *want;
	} rows[] = {{0, "0"}, {-0.0, "0"}, {0.5, "0.5"}, {1.0 / 3, "0.333333"}, {-2.25, "-2.25"},
		{1e-9, "0"}, {-1e-9, "0"}, {123456789.5, "123456789.5"}, {100, "100"},
		{1e12, "1000000000000"}, {1e300, "1.0000000000000001e+300"}, {NAN, "null"},
		{INFINITY, "null"}, {-INFINITY, "null"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		struct jw w = jw_to(&out);

		jw_num(&w, NULL, rows[i].v);
		assert_string_equal(str_text(&out), rows[i].want);
		assert_int_equal(jscan_check(str_slice(&out), (struct jscan_limits){0}, NULL),
			ERR_OK);
		str_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_commas),
		cmocka_unit_test(writes_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
