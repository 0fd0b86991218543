// SPDX-License-Identifier: MIT
// Pieces of tool calls, as servers are known to write them, and the calls they come to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "agent/protocol/toolcalls.h"

static struct toolcalls calls;
static struct str out;

#define F(name, arguments) "\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}"
#define A(arguments) "\"function\":{\"arguments\":\"" arguments "\"}"
#define CALL(id, name, arguments)                                                                  \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name                  \
	"\",\"arguments\":\"" arguments "\"}}"

// deltas: messages, one a line.
static const char *told(const char *deltas)
{
	struct slice rest = slice_of(deltas);
	toolcalls_reset(&calls, 0xabc);
	while (rest.n > 0) {
		struct aj delta;
		assert_true(aj_scan(slice_cut(&rest, '\n'), &delta));
		assert_true(toolcalls_add_all(&calls, &delta));
	}
	str_clear(&out);
	toolcalls_write(&calls, &out);
	return str_text(&out);
}

static void test_every_piece_finds_its_call(void **state)
{
	(void)state;
	static const char two[] = "[" CALL("a", "f", "{\\\"x\\\":1}") "," CALL("b", "g",
		"{\\\"y\\\":2}") "]";
	static const char *const rows[] = {
		// by index, one after the other, then taking turns
		"{\"tool_calls\":[{\"index\":0,\"id\":\"a\"," F("f",
			"{\\\"x\\\":") "}]}\n"
				       "{\"tool_calls\":[{\"index\":0," A(
					       "1}") "}]}\n"
						     "{\"tool_calls\":[{\"index\":1,\"id\":\"b\"," F(
							     "g", "{\\\"y\\\":2}") "}]}",
		"{\"tool_calls\":[{\"index\":0,\"id\":\"a\"," F("f",
			"") "}]}\n"
			    "{\"tool_calls\":[{\"index\":1,\"id\":\"b\"," F("g",
				    "") "}]}\n"
					"{\"tool_calls\":[{\"index\":0," A("{\\\"x\\\":") "},{\"index\":1," A(
						"{\\\"y\\\":") "}]}\n"
							       "{\"tool_calls\":[{\"index\":1," A(
								       "2}") "},{\"index\":0," A("1}") "}]}",
		// no index: ids, or whole calls of one chunk
		"{\"tool_calls\":[{\"id\":\"a\"," F("f",
			"{\\\"x\\\":") "}]}\n"
				       "{\"tool_calls\":[{" A(
					       "1}") "}]}\n"
						     "{\"tool_calls\":[{\"id\":\"b\"," F("g",
							     "{\\\"y\\\":") "}]}\n"
									    "{\"tool_calls\":[{" A(
										    "2}") "}]}",
		"{\"tool_calls\":[{\"id\":\"a\"," F("f", "{\\\"x\\\":1}") "},{\"id\":\"b\"," F("g",
			"{\\\"y\\\":2}") "}]}",
		// id and name in every piece; one index for all; another id in every piece
		"{\"tool_calls\":[{\"id\":\"a\"," F("f",
			"{\\\"x\\\":") "}]}\n"
				       "{\"tool_calls\":[{\"id\":\"a\"," F("f",
					       "1}") "}]}\n"
						     "{\"tool_calls\":[{\"id\":\"b\"," F("g",
							     "{\\\"y\\\":2}") "}]}",
		"{\"tool_calls\":[{\"index\":0,\"id\":\"a\"," F("f",
			"{\\\"x\\\":1}") "}]}\n"
					 "{\"tool_calls\":[{\"index\":0,\"id\":\"b\"," F("g",
						 "{\\\"y\\\":2}") "}]}",
		"{\"tool_calls\":[{\"index\":0,\"id\":\"a\"," F("f",
			"") "}]}\n"
			    "{\"tool_calls\":[{\"index\":0,\"id\":\"z1\"," A(
				    "{\\\"x\\\":") "}]}\n"
						   "{\"tool_calls\":[{\"index\":0,\"id\":\"z2\"," A(
							   "1}") "}]}\n"
								 "{\"tool_calls\":[{\"index\":1,\"id\":\"b\"," F(
									 "g",
									 "{\\\"y\\\":2}") "}]}",
		// the id before the name, arguments as an object, nulls
		"{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":null}}]}\n"
		"{\"tool_calls\":[{\"index\":0,\"id\":null,\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]}\n"
		"{\"tool_calls\":[{\"index\":1,\"id\":\"b\"," F("g", "{\\\"y\\\":2}") "}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(told(rows[i]), two);
}

static void test_what_is_missing_is_made(void **state)
{
	(void)state;
	// Two calls of one name without id and index are two.
	assert_string_equal(told("{\"tool_calls\":[{" F("f", "{}") "},{" F("f",
				    "{\\\"x\\\":1}") "}]}"),
		"[" CALL("call_0000000000000abc00", "f", "{}") "," CALL("call_0000000000000abc01",
			"f", "{\\\"x\\\":1}") "]");
	// Another name without id and index is another call, though the first has no arguments yet.
	assert_string_equal(told("{\"tool_calls\":[{" F("f", "") "}]}\n{\"tool_calls\":[{" F("g",
				    "{}") "}]}"),
		"[" CALL("call_0000000000000abc00", "f", "{}") "," CALL("call_0000000000000abc01",
			"g", "{}") "]");
	// Two of one id are told apart; no arguments are an empty object.
	assert_string_equal(told("{\"tool_calls\":[{\"index\":0,\"id\":\"a\"," F("f",
				    "") "},{\"index\":1,\"id\":\"a\"," F("g", "") "}]}"),
		"[" CALL("a", "f", "{}") "," CALL("call_0000000000000abc01", "g", "{}") "]");
	assert_string_equal(told("{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}\n"
				 "{\"function_call\":{\"arguments\":\"}\"}}"),
		"[" CALL("call_0000000000000abc00", "f", "{}") "]");
	assert_string_equal(told("{\"tool_calls\":[]}"), "[]");
}

static void test_what_else_a_call_has_is_kept(void **state)
{
	(void)state;
	assert_string_equal(
		told("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"extra\":{\"s\":\"x\"}," F("f",
			"{}") "}]}\n{\"tool_calls\":[{\"index\":0," A("") "}]}"),
		"[{\"id\":\"a\",\"type\":\"function\"," F("f", "{}") ",\"extra\":{\"s\":\"x\"}}]");
	assert_string_equal(told("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"custom\","
				 "\"custom\":{\"name\":\"f\",\"input\":\"a \"}}]}\n"
				 "{\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":\"{b\"}}]}"),
		"[{\"id\":\"a\",\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"input\":\"a {b\"}}]");
}

static void test_the_end_of_an_object_is_seen(void **state)
{
	(void)state;
	static const struct {
		const char *arguments;
		bool whole;
	} rows[] = {{"", false}, {"{", false}, {"{}", true}, {" {} ", true},
		{"{\\\"a\\\":{}", false}, {"{\\\"}\\\":1", false},
		{"{\\\"a\\\":\\\"\\\\\\\"}\\\"", false}, {"{\\\"a\\\":\\\"\\\\\\\\\\\"}", true},
		{"{\\u0022}\\u0022:1", false}, {"\\u007b\\u007d", true}, {"{\\n}", true},
		{"{\\\"a\\\":[{}]}", true}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str line = STR_INIT;
		str_addf(&line,
			"{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"%s\"}}]}",
			rows[i].arguments);
		told(str_text(&line));
		assert_int_equal(toolcall_is_whole(&calls.v[0]), rows[i].whole);
		str_release(&line);
	}
}

static void test_there_are_bounds(void **state)
{
	(void)state;
	toolcalls_reset(&calls, 1);
	size_t at;
	for (int i = 0; i < TOOLCALLS_MAX + 1; i++) {
		char item[64];
		snprintf(item, sizeof(item), "{\"index\":%d,\"function\":{\"name\":\"f\"}}", i);
		assert_int_equal(toolcalls_add(&calls, slice_of(item), &at), i < TOOLCALLS_MAX);
	}
	assert_false(toolcalls_add(&calls, SLICE("7"), &at));
	assert_true(calls.bytes >= TOOLCALLS_MAX);
}

static void test_blocks_have_the_object(void **state)
{
	(void)state;
	static const struct {
		const char *arguments, *input;
	} rows[] = {{"", "{}"}, {" ", "{}"}, {"null", "{}"}, {"{\\\"x\\\":1}", "{\"x\":1}"},
		{"\\\"{\\\\\\\"x\\\\\\\":1}\\\"", "{\"x\":1}"},
		{"{\\\"x\\\":", "{\"raw_arguments\":\"{\\\"x\\\":\"}"},
		{"[1]", "{\"raw_arguments\":\"[1]\"}"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str want = STR_INIT;
		str_clear(&out);
		str_addf(&want, "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":%s}",
			rows[i].input);
		toolcalls_reset(&calls, 1);
		toolcalls_release(&calls);
		char item[160];
		snprintf(item, sizeof(item),
			"{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"%s\"}}",
			rows[i].arguments);
		size_t at;
		assert_true(toolcalls_add(&calls, slice_of(item), &at));
		toolcalls_write_blocks(&calls, &out);
		assert_string_equal(str_text(&out), str_text(&want));
		str_release(&want);
	}
}

static int end(void **state)
{
	(void)state;
	toolcalls_release(&calls);
	str_release(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_piece_finds_its_call),
		cmocka_unit_test(test_what_is_missing_is_made),
		cmocka_unit_test(test_what_else_a_call_has_is_kept),
		cmocka_unit_test(test_the_end_of_an_object_is_seen),
		cmocka_unit_test(test_there_are_bounds),
		cmocka_unit_test(test_blocks_have_the_object)};
	return cmocka_run_group_tests(tests, NULL, end);
}
