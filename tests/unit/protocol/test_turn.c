// SPDX-License-Identifier: MIT
// The order in which a model's turn is told, whatever the order of its pieces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent/protocol/dialect.h"
#include "agent/protocol/turn.h"
#include "tests/unit/wire.h"

static struct turn turn;
static struct adapter_call call;
static struct str out;

// [t:text] [h:thinking] [r:refusal] [name:arguments]

static void begin(struct turn *t, struct str *to)
{
	(void)t;
	str_add_c(to, '^');
}

static void open_block(struct turn *t, struct str *to)
{
	static const char *const kinds[] = {"", "h", "t", "r"};
	str_add_c(to, '[');
	if (t->kind == TURN_TOOL)
		str_add_slice(to, turn_call_name(t));
	else
		str_add(to, kinds[t->kind]);
	str_add_c(to, ':');
}

static void piece(struct turn *t, struct slice inner, struct str *to)
{
	(void)t;
	str_add_slice(to, inner);
	str_add_c(to, '|');
}

static void close_block(struct turn *t, struct str *to)
{
	(void)t;
	str_add_c(to, ']');
}

static const struct turn_words words = {begin, open_block, piece, close_block};

static bool hear(const char *delta)
{
	struct str chunk = STR_INIT;
	str_addf(&chunk, "{\"choices\":[{\"delta\":%s}]}", delta);
	bool fine = turn_chunk(&turn, str_slice(&chunk), &out);
	str_release(&chunk);
	return fine;
}

static void fresh(void)
{
	turn_release(&turn);
	turn_begin(&turn, &words, &call, 1, 0);
	str_clear(&out);
}

static const char *told(const char *deltas)
{
	struct slice rest = slice_of(deltas);
	fresh();
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		char delta[400] = "";
		assert_true(line.n < sizeof(delta));
		memcpy(delta, line.p, line.n);
		assert_true(hear(delta));
	}
	turn_end(&turn, &out);
	return str_text(&out);
}

#define TEXT(text) "{\"content\":\"" text "\"}\n"
#define THOUGHT(text) "{\"reasoning_content\":\"" text "\"}\n"
#define CALL(index, name, arguments)                                                               \
	"{\"tool_calls\":[{\"index\":" #index ",\"function\":{\"name\":\"" name                    \
	"\",\"arguments\":\"" arguments "\"}}]}\n"
#define MORE(index, arguments)                                                                     \
	"{\"tool_calls\":[{\"index\":" #index ",\"function\":{\"arguments\":\"" arguments "\"}}]}\n"

static void test_blocks_come_one_behind_the_other(void **state)
{
	(void)state;
	static const struct {
		const char *deltas, *want;
	} rows[] = {
		{"", "^"},
		{TEXT("a") TEXT("b"), "^[t:a|b|]"},
		{THOUGHT("h") TEXT("a") THOUGHT("i"), "^[h:h|][t:a|][h:i|]"},
		// White space makes no block and ends none; it goes with the text behind it.
		{TEXT("\\n") TEXT(" a") TEXT("\\n"), "^[t:\\n| a|\\n|]"},
		{TEXT("\\n\\n") CALL(0, "f", "{}"), "^[f:{}|]"},
		{TEXT(" \\n") THOUGHT("h"), "^[h:h|]"},
		{TEXT(" ") TEXT("\\n"), "^[t: \\n|]"},
		{CALL(0, "f", "{") TEXT("\\n") MORE(0, "}") TEXT(" "), "^[f:{|}|]"},
		// What is said between the pieces of a call waits for its end, and keeps its order.
		{CALL(0, "f", "{") TEXT("a") TEXT(" ") THOUGHT("h") MORE(0, "}") TEXT("b"),
			"^[f:{|}|][t:a |][h:h|][t:b|]"},
		{CALL(0, "f", "{") THOUGHT("h") TEXT("a") MORE(0, "}") TEXT("b"),
			"^[f:{|}|][h:h|][t:a|b|]"},
		{CALL(0, "f", "{") TEXT("a"), "^[f:{|][t:a|]"},
		// A call is told as it comes; others that begin meanwhile wait.
		{CALL(0, "f", "{\\\"x\\\":") MORE(0, "1}") CALL(1, "g", "{") MORE(1, "}"),
			"^[f:{\\\"x\\\":|1}|][g:{|}|]"},
		{CALL(0, "f", "") CALL(1, "g", "") MORE(1, "{") MORE(0, "{") MORE(1, "}")
				MORE(0, "}"),
			"^[f:{|}|][g:{}|]"},
		{CALL(1, "g", "{}") CALL(0, "f", "{}"), "^[g:{}|][f:{}|]"},
		// Its name may come late, or never.
		{MORE(0, "{") CALL(0, "f", "}"), "^[f:{}|]"},
		{MORE(0, "{}"), "^[unknown:{}|]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(told(rows[i].deltas), rows[i].want);
}

static void test_the_end_is_heard(void **state)
{
	(void)state;
	static const struct {
		const char *choice, *finish, *stop;
	} rows[] = {{"\"finish_reason\":\"stop\"", "stop", ""}, {"\"finish_reason\":\"\"", "", ""},
		{"\"finish_reason\":\"null\"", "", ""}, {"\"finish_reason\":null", "", ""},
		{"\"finish_reason\":\"stop\",\"stop_reason\":\"END\"", "stop", "END"},
		{"\"finish_reason\":\"stop\",\"stop_reason\":128009", "stop", ""},
		{"\"finish_reason\":\"stop\",\"matched_stop\":\"X\"", "stop", "X"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str chunk = STR_INIT;
		fresh();
		str_addf(&chunk, "{\"choices\":[{\"delta\":{},%s}]}", rows[i].choice);
		assert_true(turn_chunk(&turn, str_slice(&chunk), &out));
		assert_string_equal(turn.finish, rows[i].finish);
		assert_string_equal(str_text(&turn.stop), rows[i].stop);
		str_release(&chunk);
	}
}

// Parts are what they say they are; thinking may be a list itself.
static void test_parts(void **state UNUSED)
{
	assert_string_equal(
		told("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"h\"}]},"
		     "{\"type\":\"thinking\",\"thinking\":\"m\"},7,{\"type\":\"text\",\"text\":\"a\"},"
		     "{\"type\":\"refusal\",\"refusal\":\"no\"}]}\n"),
		"^[h:h|m|][t:a|][r:no|]");
	assert_string_equal(
		told("{\"content\":[{\"thinking\":[{\"thinking\":[{\"text\":\"x\"}]}]}]}\n"), "^");
}

// White space alone is an answer when there is none else, and never a block beside one.
static void test_blank_answers(void **state UNUSED)
{
	assert_string_equal(told(TEXT(" ")), "^[t: |]");
	assert_string_equal(told(TEXT("\\n") TEXT(" ")), "^[t:\\n |]");
	assert_string_equal(told(CALL(0, "f", "{}") TEXT(" ")), "^[f:{}|]");
	assert_string_equal(told(TEXT("a") CALL(0, "f", "{}") TEXT("\\n")), "^[t:a|][f:{}|]");
	assert_string_equal(told(THOUGHT("h") TEXT(" ")), "^[h:h|]");
}

// A later end is the one that counts, and what ended it.
static void test_the_last_end_counts(void **state UNUSED)
{
	static const struct {
		const char *end, *finish, *stop;
	} rows[] = {
		{"'index':0,'finish_reason':'stop','stop_reason':'END'", "stop", "END"},
		{"'index':0,'finish_reason':''", "stop", "END"},
		{"'index':0,'finish_reason':'null'", "stop", "END"},
		{"'index':0,'finish_reason':null", "stop", "END"},
		{"'index':1,'finish_reason':'length'", "stop", "END"},
		{"'index':0,'finish_reason':'stop','matched_stop':'X'", "stop", "X"},
		{"'index':0,'finish_reason':'length','stop_reason':7", "length", ""},
	};
	static const struct adapter_call nothing;
	struct turn t = {0};
	struct str told = STR_INIT;
	turn_begin(&t, dialect_anthropic.words, &nothing, 1, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str chunk = STR_INIT;
		str_addf(&chunk, "{'choices':[{%s}]}", rows[i].end);
		assert_true(turn_chunk(&t, slice_of(wire(str_text(&chunk))), &told));
		assert_string_equal(t.finish, rows[i].finish);
		assert_true(slice_eq_str(str_slice(&t.stop), rows[i].stop));
		str_release(&chunk);
	}
	turn_release(&t);
	str_release(&told);
}

static void test_what_is_kept_is_bounded(void **state)
{
	(void)state;
	struct str delta = STR_INIT;
	fresh();
	str_add(&delta,
		"{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"");
	for (size_t i = 0; i < (1 << 20); i++)
		str_add_c(&delta, 'x');
	str_add(&delta, "\"}}]}");
	size_t n = 0;
	while (n < 100 && hear(str_text(&delta)))
		n++;
	assert_in_range(n, TURN_BYTES_MAX / (1 << 20) - 1, TURN_BYTES_MAX / (1 << 20));
	str_release(&delta);
}

static int end(void **state)
{
	(void)state;
	turn_release(&turn);
	str_release(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks_come_one_behind_the_other),
		cmocka_unit_test(test_the_end_is_heard), cmocka_unit_test(test_the_last_end_counts),
		cmocka_unit_test(test_parts), cmocka_unit_test(test_blank_answers),
		cmocka_unit_test(test_what_is_kept_is_bounded)};
	return cmocka_run_group_tests(tests, NULL, end);
}
