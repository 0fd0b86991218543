// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "shared/jrow.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/rows/model.h"

#define LIMITS ((struct jscan_limits){1000, JSCAN_DEPTH})
#define FULL                                                                                       \
	"{\"vendor\":\"openai\",\"model\":\"g\\u00e9\",\"currency\":null,\"input_pico\":1300,"     \
	"\"images\":[{\"quality\":\"hd\",\"size\":\"1x1\",\"pico\":7},{\"pico\":9}],"              \
	"\"tiers\":[{\"above_tokens\":200000,\"input_pico\":2}],\"valid_from\":"                   \
	"\"2026-01-02T03:04:05.000Z\",\"source\":\"a list\",\"revision\":4,\"updated_by\":\"x\"}"

static bool read_both(const char *text, struct str *ret_row, struct str *ret_tree)
{
	struct arena a = ARENA_INIT;
	struct price p, q;
	struct err err = {0};
	struct slice s = slice_of(text);
	bool ok = jrow_read(&price_fields, s, LIMITS, &a, &p);
	bool tree = jx_decode(&price_fields, s, LIMITS, JX_CREATE, &a, &q, &err) == ERR_OK;
	struct jw w = jw_to(ret_row), v = jw_to(ret_tree);
	if (ok)
		jw_doc(&w, NULL, &price_fields, &p);
	if (tree)
		jw_doc(&v, NULL, &price_fields, &q);
	assert_true(!ok || tree);
	arena_release(&a);
	return ok;
}

static void check(const char *text, bool read)
{
	struct str row = STR_INIT, tree = STR_INIT;
	assert_int_equal(read_both(text, &row, &tree), read);
	if (read)
		assert_string_equal(str_text(&row), str_text(&tree));
	str_release(&row);
	str_release(&tree);
}

static void test_reads_what_the_tree_reads(void **state UNUSED)
{
	check(FULL, true);
	check("{\"model\":\"m\",\"vendor\":\"openai\",\"images\":[],\"tiers\":null}", true);
	check(" { \"vendor\" : \"openai\" , \"model\" : \"*\" , \"input_pico\" : 0 } ", true);
}

static void test_leaves_to_the_tree_what_is_wrong(void **state UNUSED)
{
	static const char *const wrong[] = {"", "[]", "{", "{\"model\":\"m\"}",
		"{\"vendor\":\"openai\",\"model\":null}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"model\":\"n\"}",
		"{\"vendor\":\"Open AI\",\"model\":\"m\"}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"nothing\":1}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"input_pico\":-1}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"input_pico\":1.5}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"input_pico\":\"1\"}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"currency\":\"US\"}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"valid_from\":\"soon\"}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"images\":[{\"size\":\"1x1\"}]}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"images\":[3]}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"images\":{}}",
		"{\"vendor\":\"openai\",\"model\":\"m\",\"revision\":{\"a\":1,\"a\":1}}"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		check(wrong[i], false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_the_tree_reads),
		cmocka_unit_test(test_leaves_to_the_tree_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
