// SPDX-License-Identifier: MIT
// Calls of tools as servers of OpenAI's protocol write them, and as its SDKs can read them: each with an
// id, its place, and arguments that are a text. In the tables ' stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "agent/protocol/openai_calls.h"
#include "agent/protocol/toolcalls.h"
#include "tests/unit/wire.h"

#define SERIAL 7

// The id that call `at` gets when it has none.
static const char *made(size_t at)
{
	static char ids[4][64];
	struct str id = STR_INIT;
	toolcalls_new_id(SERIAL, at, &id);
	assert_true(id.n < sizeof(ids[0]) && at < ARRAY_LEN(ids));
	strcpy(ids[at], str_text(&id));
	str_release(&id);
	return ids[at];
}

static void test_whole(void **state UNUSED)
{
	static const struct {
		const char *calls, *want; // %s: the id made for the first; NULL: as it came
	} rows[] = {
		{"[{'id':'c','type':'function','function':{'name':'f','arguments':'{}'}}]", NULL},
		{"[]", NULL},
		{"[{'type':'function','function':{'name':'f','arguments':'{}'}}]",
			"[{'id':'%s','type':'function','function':{'name':'f','arguments':'{}'}}]"},
		{"[{'id':'','type':'function','function':{'name':'f','arguments':'{}'}}]",
			"[{'id':'%s','type':'function','function':{'name':'f','arguments':'{}'}}]"},
		{"[{'id':'c','function':{'name':'f','arguments':{'a':1}}}]",
			"[{'id':'c','type':'function','function':{'name':'f','arguments':'{\\'a\\':1}'}}]"},
		{"[{'id':'c','function':{'name':'f'}}]",
			"[{'id':'c','type':'function','function':{'name':'f','arguments':'{}'}}]"},
		{"[{'id':'c','function':{'name':'f','arguments':''}}]",
			"[{'id':'c','type':'function','function':{'name':'f','arguments':'{}'}}]"},
		{"[{'id':'c','function':{'name':'f','arguments':'{}'}},{'id':'d','function':{'name':'g'}}]",
			"[{'id':'c','type':'function','function':{'name':'f','arguments':'{}'}},"
			"{'id':'d','type':'function','function':{'name':'g','arguments':'{}'}}]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str whole = STR_INIT, out = STR_INIT, calls = STR_INIT, want = STR_INIT;
		static const char form[] =
			"{'a':1,'choices':[7,{'message':{'content':null,'tool_calls':%s,'z':2}},"
			"{'message':{'content':'x'}}],'b':2}";
		str_addf(&whole, form, rows[i].calls);
		struct slice body = slice_of(wire(str_text(&whole)));
		const char *list = strstr(body.p, "[7");
		bool odd = openai_calls_whole(body,
			(struct slice){list, (size_t)(strstr(list, "],\"b\"") + 1 - list)},
			SERIAL - 1, &out);
		assert_int_equal(odd, rows[i].want != NULL);
		if (odd) {
			str_addf(&calls, rows[i].want, made(0));
			str_addf(&want, form, str_text(&calls));
			wire_same(str_text(&out), str_text(&want));
		}
		str_release(&whole);
		str_release(&out);
		str_release(&calls);
		str_release(&want);
	}
}

// Each row is the stream's next chunk.
static void play(const char *const rows[][2], size_t n)
{
	struct adapter_stream s = {0};
	adapter_stream_reset(&s, 1000, SERIAL);
	for (size_t i = 0; i < n; i++) {
		struct str whole = STR_INIT, out = STR_INIT, calls = STR_INIT, want = STR_INIT;
		bool last = rows[i][0][0] == '!';
		const char *end = last ? "'finish_reason':'tool_calls'" : "'finish_reason':null";
		static const char form[] =
			"{'id':'x','choices':[{'index':0,'delta':{'tool_calls':%s},%s}],'b':2}";
		str_addf(&whole, form, rows[i][0] + last, end);
		struct slice data = slice_of(wire(str_text(&whole)));
		const char *list = strstr(data.p, "[{\"index\":0,\"delta\"");
		bool odd = openai_calls_chunk(&s, data,
			(struct slice){list, (size_t)(strstr(list, "],\"b\"") + 1 - list)}, &out);
		assert_int_equal(odd, rows[i][1] != NULL);
		if (odd) {
			str_addf(&calls, rows[i][1], made(i == 0 ? 0 : i == 1 ? 1 : 2));
			str_addf(&want, form, str_text(&calls), end);
			wire_same(str_text(&out), str_text(&want));
		}
		str_release(&whole);
		str_release(&out);
		str_release(&calls);
		str_release(&want);
	}
	str_release(&s.text);
}

static void test_pieces_as_they_should_be(void **state UNUSED)
{
	static const char *const rows[][2] = {
		{"[{'index':0,'id':'c','type':'function','function':{'name':'f','arguments':''}}]",
			NULL},
		{"[{'index':0,'function':{'arguments':'{}'}}]", NULL},
		{"[{'index':1,'id':'d','type':'function','function':{'name':'g','arguments':'{'}}]",
			NULL},
		{"![{'index':1,'function':{'arguments':'}'}}]", NULL},
	};
	play(rows, ARRAY_LEN(rows));
}

static void test_pieces_without_ids(void **state UNUSED)
{
	static const char *const rows[][2] = {
		{"[{'index':0,'type':'x','id':null,'function':{'name':'f','arguments':''}}]",
			"[{'index':0,'id':'%s','type':'function','function':{'name':'f','arguments':''}}]"},
		{"[{'index':1,'extra':3,'function':{'name':'g','arguments':'{}'}}]",
			"[{'index':1,'id':'%s','type':'function','extra':3,'function':{'name':'g','arguments':"
			"'{}'}}]"},
		{"[{'index':0,'function':{'arguments':'{}'}}]", NULL},
		{"[{'function':{'name':'h','arguments':'{}'}}]", // the next behind the one under way
			"[{'index':1,'function':{'name':'h','arguments':'{}'}}]"},
	};
	play(rows, ARRAY_LEN(rows));
}

static void test_pieces_without_a_place(void **state UNUSED)
{
	static const char *const rows[][2] = {
		{"[{'id':'c','type':'function','function':{'name':'f','arguments':'{'}}]",
			"[{'index':0,'id':'c','type':'function','function':{'name':'f','arguments':'{'}}]"},
		{"[{'function':{'arguments':'}'}}]", "[{'index':0,'function':{'arguments':'}'}}]"},
		{"[{'id':'d','type':'function','function':{'name':'g','arguments':''}}]",
			"[{'index':1,'id':'d','type':'function','function':{'name':'g','arguments':''}}]"},
		{"[{'id':'d','function':{'arguments':'{}'}}]",
			"[{'index':1,'id':'d','function':{'arguments':'{}'}}]"},
	};
	play(rows, ARRAY_LEN(rows));
}

static void test_arguments_that_are_objects_or_none(void **state UNUSED)
{
	static const char *const rows[][2] = {
		{"[{'index':0,'id':'c','type':'function','function':{'name':'f','arguments':{'a':1}}}]",
			"[{'index':0,'id':'c','type':'function','function':{'name':'f','arguments':"
			"'{\\'a\\':1}'}}]"},
		{"[{'index':1,'id':'d','type':'function','function':{'name':'g','arguments':{}}}]",
			"[{'index':1,'id':'d','type':'function','function':{'name':'g','arguments':'{}'}}]"},
		// Nothing follows it: none is {}.
		{"![{'index':2,'id':'e','type':'function','function':{'name':'h','arguments':''}}]",
			"[{'index':2,'id':'e','type':'function','function':{'name':'h','arguments':'{}'}}]"},
		{"![{'index':0,'function':{'arguments':''}},7]", NULL},
	};
	play(rows, ARRAY_LEN(rows));
}

// Calls that no piece gave arguments get them before the stream ends.
static void test_the_end(void **state UNUSED)
{
	struct adapter_stream s = {0};
	adapter_stream_reset(&s, 1000, SERIAL);
	s.called = 1u << 0 | 1u << 2 | 1u << 3;
	s.argued = 1u << 2;
	const char *last =
		wire("{'object':'chat.completion.chunk','id':'x','model':'m','created':5,"
		     "'usage':{'a':1},'choices':[]}");
	struct jscan_member m[8];
	size_t n;
	assert_true(adapter_object(slice_of(last), m, ARRAY_LEN(m), &n));
	struct str out = STR_INIT;
	openai_calls_end(&s, m, n, &out);
	wire_same(str_text(&out),
		"{'id':'x','object':'chat.completion.chunk','created':5,'model':'m','choices':["
		"{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'arguments':'{}'}},"
		"{'index':3,'function':{'arguments':'{}'}}]},'logprobs':null,'finish_reason':null}]}");
	assert_int_equal(s.argued, s.called);
	str_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_pieces_as_they_should_be),
		cmocka_unit_test(test_pieces_without_ids),
		cmocka_unit_test(test_pieces_without_a_place),
		cmocka_unit_test(test_arguments_that_are_objects_or_none),
		cmocka_unit_test(test_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
