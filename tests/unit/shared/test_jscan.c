// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/jscan.h"
#include "shared/mem.h"
#include "shared/str.h"

static enum err_code check(struct slice s)
{
	// A copy without NUL behind it, so that a sanitizer sees every byte read too far.
	char *exact = mem_dup(s.p, s.n);
	struct err err = {0};
	enum err_code code = jscan_check((struct slice){exact, s.n}, (struct jscan_limits){0},
		&err);

	assert_int_equal(err.code, code);
	free(exact);
	return code;
}

static void takes_json(void **state UNUSED)
{
	const char *const rows[] = {"{}", "[]", " \t\r\n{ } ", "null", "true", "false", "\"\"", "0",
		"-0", "-1.5e+10", "1E5", "0.1", "9223372036854775807", "-9223372036854775808",
		"1e308", "1e-400", "[1,2,[3,{\"a\":[]}]]", "{\"a\":1,\"b\":{\"c\":null}}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u4e2d\"", "\"\\ud83d\\ude00\"", "\"一见钟情😀é\"",
		"\"0123456789abcdef0123456789abcdef\"",
		"\"\xf4\x8f\xbf\xbf\xee\x80\x80\xef\xbf\xbd\xe0\xa0\x80\xed\x9f\xbf\"", "{\"\":1}",
		"0.10000000000000000000000000000000000000000000000000000000000000000000000000001",
		"1.5e00000000000000000000000000000000000000000000000000000000000000000001"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(check(slice_of(rows[i])), ERR_OK);
}

static void refuses_what_is_not_json(void **state UNUSED)
{
	const struct slice rows[] = {SLICE(""), SLICE("  "), SLICE("{"), SLICE("}"), SLICE("["),
		SLICE("[1"), SLICE("[1,"), SLICE("[1,]"), SLICE("[,1]"), SLICE("[1 2]"),
		SLICE("{\"a\"}"), SLICE("{\"a\":}"), SLICE("{\"a\":1,}"), SLICE("{a:1}"),
		SLICE("{'a':1}"), SLICE("{1:1}"), SLICE("{\"a\" 1}"), SLICE("[1]]"), SLICE("{}{}"),
		SLICE("nul"), SLICE("nulL"), SLICE("True"), SLICE("NaN"), SLICE("Infinity"),
		SLICE("-Infinity"), SLICE("1e400"), SLICE("-1e400"), SLICE("99999999999999999999"),
		SLICE("9223372036854775808"), SLICE("01"), SLICE("-"), SLICE("+1"), SLICE(".5"),
		SLICE("1."), SLICE("1e"), SLICE("1e+"), SLICE("0x10"), SLICE("1_0"),
		SLICE("\xef\xbb\xbf{}"), SLICE("// c\n{}"), SLICE("{}/* */"), SLICE("\"a"),
		SLICE("\"\\"), SLICE("\"\\x41\""), SLICE("\"\\u12\""), SLICE("\"\\u00g0\""),
		SLICE("\"\\u0000\""), SLICE("\"a\0b\""), SLICE("\"a\nb\""), SLICE("\"\x1f\""),
		SLICE("\"\\ud800\""), SLICE("\"\\udc00\""), SLICE("\"\\ud800\\u0041\""),
		SLICE("\"\\ud800\\ud800\""), SLICE("\"\\ud83d\\ude"), SLICE("\"\xff\""),
		SLICE("\"\xc0\xaf\""), SLICE("\"\xed\xa0\x80\""), SLICE("\"\xe0\x80\x80\""),
		SLICE("\"\xf4\x90\x80\x80\""), SLICE("\"\xe4\xb8\""), SLICE("\"\xe4"),
		SLICE("{}\0"), SLICE("[1\0]"), SLICE("\"12345678\x01\"")};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(check(rows[i]), ERR_JSON_INVALID);
}

// Every byte at every place of the eight the scanner takes at once.
static void sees_every_byte_of_a_word(void **state UNUSED)
{
	for (int at = 0; at < 24; at++) {
		for (int c = 0; c < 256; c++) {
			char text[40] = "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"";
			bool plain = c >= 0x20 && c < 0x80 && c != '\\' && c != '"';

			text[1 + at] = (char)c;
			assert_int_equal(check((struct slice){text, 32}) == ERR_OK, plain);
		}
	}
}

static void keeps_the_limits(void **state UNUSED)
{
	struct str s = STR_INIT;
	struct jscan_limits four = {.tokens = 4};

	for (int i = 0; i < JSCAN_DEPTH; i++)
		str_add_c(&s, '[');
	for (int i = 0; i < JSCAN_DEPTH; i++)
		str_add_c(&s, ']');
	assert_int_equal(check(str_slice(&s)), ERR_OK);
	str_clear(&s);
	for (int i = 0; i < 100000; i++)
		str_add(&s, "{\"a\":");
	assert_int_equal(check(str_slice(&s)), ERR_JSON_TOO_COMPLEX);
	assert_int_equal(jscan_check(str_slice(&s), (struct jscan_limits){.depth = 128}, NULL),
		ERR_JSON_TOO_COMPLEX);
	str_release(&s);
	assert_int_equal(jscan_check(SLICE("[1,2,3]"), four, NULL), ERR_OK);
	assert_int_equal(jscan_check(SLICE("[1,2,3,4]"), four, NULL), ERR_JSON_TOO_COMPLEX);
	assert_int_equal(jscan_check(SLICE("{\"a\":1,\"b\":2}"), four, NULL), ERR_JSON_TOO_COMPLEX);
	assert_int_equal(jscan_check(SLICE("[[],[],[]]"), four, NULL),
		ERR_OK); // depth is given back
	assert_int_equal(jscan_check(SLICE("[[[]],[[]],{}]"), (struct jscan_limits){.depth = 3},
				 NULL),
		ERR_OK);
}

#define OBJECT(text, m, n)                                                                         \
	jscan_object(SLICE(text), (struct jscan_limits){0}, m, ARRAY_LEN(m), &(n), NULL)

static void finds_members(void **state UNUSED)
{
	struct jscan_member m[8];
	size_t n;

	assert_int_equal(
		OBJECT(" {\"model\" : \"gpt\\n\" ,\"n\":3,\"messages\":[{\"model\":1}], \"stream\":true,"
		       "\"x\":{},\"y\":null,\"z\":false}",
			m, n),
		ERR_OK);
	assert_int_equal(n, 7);
	assert_true(slice_eq_str(jscan_find(m, n, "model")->value, "\"gpt\\n\""));
	assert_int_equal(jscan_find(m, n, "model")->type, JS_STRING);
	assert_int_equal(jscan_find(m, n, "n")->type, JS_NUMBER);
	assert_true(slice_eq_str(jscan_find(m, n, "messages")->value, "[{\"model\":1}]"));
	assert_int_equal(jscan_find(m, n, "stream")->type, JS_TRUE);
	assert_int_equal(jscan_find(m, n, "x")->type, JS_OBJECT);
	assert_int_equal(jscan_find(m, n, "y")->type, JS_NULL);
	assert_int_equal(jscan_find(m, n, "z")->type, JS_FALSE);
	assert_null(jscan_find(m, n, "mode"));
}

static void lets_nothing_pass_the_top(void **state UNUSED)
{
	struct jscan_member m[3];
	size_t n;

	assert_int_equal(OBJECT("[]", m, n), ERR_JSON_INVALID);
	assert_int_equal(OBJECT("\"x\"", m, n), ERR_JSON_INVALID);
	assert_int_equal(OBJECT("{\"a\":1,\"a\":2}", m, n), ERR_JSON_DUPLICATE_KEY);
	assert_int_equal(OBJECT("{\"a\":{\"a\":1}}", m, n), ERR_OK);
	assert_int_equal(OBJECT("{\"a\":1,\"b\":2,\"c\":3,\"api_base\":4}", m, n),
		ERR_JSON_TOO_COMPLEX);
	assert_int_equal(OBJECT("{\"api_b\\u0061se\":1}", m, n), ERR_JSON_INVALID);
	assert_int_equal(OBJECT("{\"a\\/b\":1}", m, n), ERR_JSON_INVALID);
	assert_int_equal(OBJECT("{\"\\u4e2d\":1}", m, n), ERR_OK); // as Python's json writes it
	assert_int_equal(OBJECT("{\"k\":{\"\\u0061\":1}}", m, n), ERR_OK);
}

// An upstream's answer is not refused for a member more than we look at.
static void answers_may_have_more(void **state UNUSED)
{
	const struct jscan_limits lax = {.lax = true};
	struct jscan_member m[2];
	size_t n;

	assert_int_equal(jscan_object(SLICE("{\"a\":1,\"b\":2,\"c\":3,\"\\u0064\":4}"), lax, m, 2,
				 &n, NULL),
		ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(jscan_object(SLICE("{\"a\":1,\"b\":2,\"a\":3}"), lax, m, 2, &n, NULL),
		ERR_JSON_DUPLICATE_KEY);
	assert_int_equal(jscan_object(SLICE("{\"a\":1,\"b\":2,\"c\":}"), lax, m, 2, &n, NULL),
		ERR_JSON_INVALID);
}

static void steps_through_arrays(void **state UNUSED)
{
	struct slice rest = SLICE(" [ 1 , [2,3] ,\"a,]\" , {\"b\":[]} ] "), item;

	assert_true(jscan_next(&rest, &item) && slice_eq_str(item, "1"));
	assert_true(jscan_next(&rest, &item) && slice_eq_str(item, "[2,3]"));
	assert_true(jscan_next(&rest, &item) && slice_eq_str(item, "\"a,]\""));
	assert_true(jscan_next(&rest, &item) && slice_eq_str(item, "{\"b\":[]}"));
	assert_false(jscan_next(&rest, &item));
	assert_false(jscan_next(&rest, &item));
	rest = SLICE("[[1],2]");
	assert_true(jscan_next(&rest, &item) && slice_eq_str(item, "[1]"));
	rest = SLICE("[]");
	assert_false(jscan_next(&rest, &item));
	rest = SLICE("[[");
	item = SLICE("as it was");
	assert_false(jscan_next(&rest, &item));
	assert_string_equal(item.p, "as it was");
}

static void decodes_scalars(void **state UNUSED)
{
	char buf[32];
	size_t n;
	int64_t i;

	assert_true(jscan_string(SLICE("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\""), buf,
		32, &n));
	assert_string_equal(buf, "a\"\\/\b\f\n\r\té😀");
	assert_int_equal(n, strlen(buf));
	assert_true(jscan_string(SLICE("\"\""), buf, 1, NULL));
	assert_false(jscan_string(SLICE("\"\""), buf, 0, NULL));
	assert_false(jscan_string(SLICE("\"abc\""), buf, 3, &n));
	assert_true(jscan_string(SLICE("\"abc\""), buf, 4, &n));
	assert_false(jscan_string(SLICE("12"), buf, 32, &n));
	assert_true(jscan_int(SLICE("-12"), &i));
	assert_int_equal(i, -12);
	assert_false(jscan_int(SLICE("1.0"), &i));
	assert_false(jscan_int(SLICE("\"1\""), &i));
}

static void mends_what_is_readable(void **state UNUSED)
{
#define BAD "\xef\xbf\xbd"
	static const struct {
		const char *in, *want; // NULL: nothing to mend
	} rows[] = {
		{"{\"a\":\"plain \\ud83d\\ude00 \\n \xe6\xb8\x90 \xf0\x9f\x8c\x8d\"}", NULL},
		{"{\"a\":\"ok \\ud83d\"}", "{\"a\":\"ok " BAD "\"}"},
		{"{\"a\":\"\\ude00 bye\"}", "{\"a\":\"" BAD " bye\"}"},
		{"{\"a\":\"\\ud83d\\u0041\"}", "{\"a\":\"" BAD "\\u0041\"}"},
		{"{\"a\":\"\\ud83d\\\\ude00\"}", "{\"a\":\"" BAD "\\\\ude00\"}"},
		{"[\"\\u0000\"]", "[\"" BAD "\"]"},
		{"{\"a\":\"ok \xe6\xb8\"}", "{\"a\":\"ok " BAD "\"}"},
		{"{\"a\":\"\x90 bye\"}", "{\"a\":\"" BAD " bye\"}"},
		{"{\"\xff\":1}", "{\"" BAD "\":1}"},
		{"[\"\xf0\x9f\x8c\",\"\xe6\xb8\x90\"]", "[\"" BAD "\",\"\xe6\xb8\x90\"]"},
		{"[\"a\nb\"]", "[\"a\\u000ab\"]"}, {"\xef\xbb\xbf{\"a\":1}", "{\"a\":1}"},
		{"{\"a\":\"\\\"\xff\"}", "{\"a\":\"\\\"" BAD "\"}"}, {"{\"a\":\"cut \\", NULL},
		{"\n {} \xff", NULL}, // no text of JSON's
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice in = {mem_dup(rows[i].in, strlen(rows[i].in)), strlen(rows[i].in)};
		struct str out = STR_INIT;
		str_add(&out, "|");
		assert_int_equal(jscan_mend(in, &out), rows[i].want != NULL);
		assert_string_equal(str_text(&out) + 1, rows[i].want != NULL ? rows[i].want : "");
		struct slice told = {out.p + 1, out.n - 1};
		if (rows[i].want != NULL)
			assert_int_equal(jscan_check(told, (struct jscan_limits){0}, NULL), ERR_OK);
		str_release(&out);
		free((void *)(uintptr_t)in.p);
	}
#undef BAD
}

// The walk that keeps the top's members keeps those of one object in it, and marks names on its way.
static void sees_more_on_the_way(void **state UNUSED)
{
	const struct {
		const char *json;
		size_t inside; // members of "usage"
		bool twice;
		size_t finish, calls; // how often
		const char *first; // what "finish" is first
	} rows[] = {
		{"{\"usage\":{\"in\":1,\"out\":{\"finish\":2}},\"c\":[{\"finish\" : \"a\"}]}", 2,
			false, 2, 0, "2}"},
		{"{\"c\":{\"usage\":{\"in\":1}},\"finish\":null}", 0, false, 1, 0, "null"},
		{"{\"usage\":{\"in\":1,\"in\":2}}", 2, true, 0, 0, NULL},
		{"{\"usage\":[{\"in\":1}],\"a\":\"finish\",\"finish\":\"b\"}", 0, false, 1, 0,
			"\"b\""},
		{"{\"usage\":{},\"a\":{\"in\":1}}", 0, false, 0, 0, NULL},
		{"{\"usage\":{\"a\":1,\"b\":2,\"c\":3,\"d\":{\"e\":4},\"calls\":5}}", 3, false, 0,
			1, NULL},
		{"{\"a\":[[{\"finish\":[]}],{\"calls\":{}}],\"usage\":{\"in\":1}}", 1, false, 1, 1,
			"[]"},
		{"{}", 0, false, 0, 0, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice json = slice_of(rows[i].json);
		struct jscan_member m[8], plain[8], in[3];
		struct jscan_seen seen = {.inside = SLICE("usage"),
			.m = in,
			.max = ARRAY_LEN(in),
			.marks = {SLICE("finish"), SLICE("calls")}};
		size_t n, plain_n;
		assert_int_equal(jscan_object_seen(json, (struct jscan_limits){.lax = true}, m,
					 ARRAY_LEN(m), &n, &seen, NULL),
			ERR_OK);
		assert_int_equal(seen.n, rows[i].inside);
		assert_int_equal(seen.twice, rows[i].twice);
		assert_int_equal(seen.times[0], rows[i].finish);
		assert_int_equal(seen.times[1], rows[i].calls);
		if (rows[i].first != NULL)
			assert_memory_equal(seen.at[0], rows[i].first, strlen(rows[i].first));
		else
			assert_null(seen.at[0]);
		for (size_t k = 0; k < seen.n; k++)
			assert_true(seen.m[k].value.p > seen.m[k].key.p);
		// Nothing of it changes what is kept of the top.
		jscan_object(json, (struct jscan_limits){0}, plain, ARRAY_LEN(plain), &plain_n,
			NULL);
		assert_int_equal(n, plain_n);
		for (size_t k = 0; k < n; k++) {
			assert_ptr_equal(m[k].value.p, plain[k].value.p);
			assert_int_equal(m[k].value.n, plain[k].value.n);
			assert_int_equal(m[k].type, plain[k].type);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_json),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(sees_every_byte_of_a_word),
		cmocka_unit_test(keeps_the_limits),
		cmocka_unit_test(finds_members),
		cmocka_unit_test(lets_nothing_pass_the_top),
		cmocka_unit_test(answers_may_have_more),
		cmocka_unit_test(steps_through_arrays),
		cmocka_unit_test(decodes_scalars),
		cmocka_unit_test(mends_what_is_readable),
		cmocka_unit_test(sees_more_on_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
