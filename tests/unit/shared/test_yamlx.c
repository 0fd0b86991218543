// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/yamlx.h"

static enum err_code read_text(const char *text, struct str *out, struct err *err)
{
	str_clear(out);
	memset(err, 0, sizeof(*err));
	return yamlx_read(slice_of(text), out, err);
}

static void reads_the_core_schema(void **state UNUSED)
{
	const struct {
		const char *text, *want;
	} rows[] = {
		{"", ""},
		{"# only a comment\n", ""},
		{"a: 1", "{\"a\":1}\n"},
		{"--- a\n--- b\n", "\"a\"\n\"b\"\n"},
		{"---\n---\n", "null\nnull\n"},
		{"[~, null, Null, NULL, '']", "[null,null,null,null,\"\"]\n"},
		{"[true, True, TRUE, tRUE]", "[true,true,true,\"tRUE\"]\n"},
		{"[false, no, off, yes, on, y, n]",
			"[false,\"no\",\"off\",\"yes\",\"on\",\"y\",\"n\"]\n"},
		{"[0, -1, +1, 012, 0o17, 0x1F]", "[0,-1,1,12,15,31]\n"},
		{"[1.5, .5, 1., 1e3, -1.5E-2, +2.5]", "[1.5,0.5,1,1e3,-1.5E-2,2.5]\n"},
		{"[0.12345678901, 9223372036854775807]", "[0.12345678901,9223372036854775807]\n"},
		{"[1.2.3, 1e, '1', \"2\", 0x, 0o8, 10.0.0.1, 2026-11-24]",
			"[\"1.2.3\",\"1e\",\"1\",\"2\",\"0x\",\"0o8\",\"10.0.0.1\",\"2026-11-24\"]\n"},
		{"a:\n- b: c\n  d:\n    - 1\n- {e: [f]}\n",
			"{\"a\":[{\"b\":\"c\",\"d\":[1]},{\"e\":[\"f\"]}]}\n"},
		{"t: |\n  one\n  two\nf: >\n  a\n  b\n",
			"{\"t\":\"one\\ntwo\\n\",\"f\":\"a b\\n\"}\n"},
		{"q: \"\\e[31m\\u4e2d\"\n", "{\"q\":\"\\u001b[31m中\"}\n"},
		{"1: x\ntrue: y\n", "{\"1\":\"x\",\"true\":\"y\"}\n"},
		{"名: 值\n", "{\"名\":\"值\"}\n"},
		{"{\"json\": [1, {\"a\": null}]}", "{\"json\":[1,{\"a\":null}]}\n"},
		{"\xef\xbb\xbf"
		 "a: 1\n",
			"{\"a\":1}\n"},
		{"x: {}\ny: []\n", "{\"x\":{},\"y\":[]}\n"},
	};
	struct str out = STR_INIT;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(read_text(rows[i].text, &out, &err), ERR_OK);
		assert_string_equal(str_text(&out), rows[i].want);
	}
	str_release(&out);
}

static void refuses(void **state UNUSED)
{
	const struct {
		const char *text, *line;
	} rows[] = {{"a: &x 1\nb: *x\n", "line 1"}, {"&x a: 1\n", "line 1"},
		{"a: 1\nb: *x\n", "line 2"}, {"&x [1]", "line 1"}, {"a: &x {b: c}\n", "line 1"},
		{"a: !!int 1\n", "line 1"}, {"!!set {a}\n", "line 1"}, {"a: !x [1]\n", "line 1"},
		{"! a", "line 1"}, {"a: .inf\n", "line 1"}, {"a: 1\n\nb: .NaN\n", "line 3"},
		{"a: 99999999999999999999\n", "line 1"}, {"a: 1e400\n", "line 1"},
		{"[a]: 1\n", "line 1"}, {"a: [1\n", "line 2"}, {"a: 'x\n", "line"},
		{"\ta: 1\n", "line"}, {"a: b: c\n", "line 1"}, {"\xff\xfe\xff", "line"},
		{"a: \x01\n", "line"}, {"a: 1\nb: \"x\\0\"\n", "line 2"},
		{"\"\\0\": 1\n", "line 1"}};
	struct str out = STR_INIT;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(read_text(rows[i].text, &out, &err), ERR_JSON_INVALID);
		assert_non_null(strstr(err.message, rows[i].line));
	}
	str_release(&out);
}

static void keeps_the_limits(void **state UNUSED)
{
	struct str out = STR_INIT, text = STR_INIT;
	struct err err;

	for (int i = 0; i < 500; i++)
		str_add_c(&text, '[');
	assert_int_equal(read_text(str_text(&text), &out, &err), ERR_JSON_TOO_COMPLEX);
	str_clear(&text);
	for (int i = 0; i < 200; i++)
		str_add(&text, "- ");
	assert_int_equal(read_text(str_text(&text), &out, &err), ERR_JSON_TOO_COMPLEX);
	str_clear(&text);
	str_reserve(&text, YAMLX_TEXT_MAX + 1);
	while (text.n <= YAMLX_TEXT_MAX)
		str_add(&text, "# a comment that fills the file\n");
	assert_int_equal(read_text(str_text(&text), &out, &err), ERR_JSON_TOO_COMPLEX);
	str_release(&text);
	str_release(&out);
}

static void writes_block_style(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	struct str out = STR_INIT;
	const struct jx *v;

	assert_int_equal(
		jx_parse(
			SLICE("{\"name\":\"plain text\",\"count\":7,\"list\":[1,{\"a\":true,\"b\":[]},[2,3]],"
			      "\"obj\":{\"x\":null},\"empty\":{}}"),
			(struct jscan_limits){0}, &a, &v, NULL),
		ERR_OK);
	yamlx_write(v, &out);
	assert_string_equal(str_text(&out),
		"name: plain text\ncount: 7\nlist:\n  - 1\n  - a: true\n    b: []\n"
		"  -\n    - 2\n    - 3\nobj:\n  x: null\nempty: {}\n");
	str_clear(&out);
	assert_int_equal(jx_parse(SLICE("\"x\""), (struct jscan_limits){0}, &a, &v, NULL), ERR_OK);
	yamlx_write(v, &out);
	assert_string_equal(str_text(&out), "x\n");
	str_release(&out);
	arena_release(&a);
}

// Whatever is written reads back as the same JSON, and no byte of it can steer a terminal.
static void reads_back_what_it_writes(void **state UNUSED)
{
	const char *const texts[] = {"", " ", "a b ", " a", "null", "Null", "~", "true", "yes",
		"No", "on", "y", "1", "-1", "+1", "1.5", ".5", "1e3", "0x1F", "0o7", "012",
		"2026-11-24", "12:30", "1_000", "-", "- a", "?", "a: b", "a #b", "#c", "'q'",
		"\\\"q\\\"", "\\\\", "%d", "@x", "`x", "!t", "&a", "*a", "|", ">", "[x]", "{x}",
		"a,b", "<<", "=", ".inf", ".nan", "...", "---", "\\n", "a\\nb", "a\\tb",
		"\\u001b[2J", "\\u0085", "\\u202e", "\\ufeff", "\\u2028", "\\udb40\\udc01",
		"一见 钟情", "😀", "é", "plain", "\\u007f"};
	struct arena a = ARENA_INIT;
	struct str json = STR_INIT, yaml = STR_INIT, back = STR_INIT, want = STR_INIT;
	const struct jx *v;
	struct err err;

	str_add(&json, "{\"list\":[");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		str_addf(&json, "%s\"%s\"", i ? "," : "", texts[i]);
	str_add(&json, "],\"keys\":{");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		str_addf(&json, "%s\"%s\":%zu", i ? "," : "", texts[i], i);
	str_add(&json,
		"},\"n\":[0,-1,0.7,1e+300,true,null,9223372036854775807,[[]],[[1],{}],{\"a\":{\"b\":[{}]}}]}");
	assert_int_equal(jx_parse(str_slice(&json), (struct jscan_limits){0}, &a, &v, &err),
		ERR_OK);
	jx_write(v, 0, &want);
	yamlx_write(v, &yaml);
	for (size_t i = 0; i < yaml.n; i++)
		assert_true(yaml.p[i] == '\n' || (unsigned char)yaml.p[i] >= 0x20);
	assert_null(strstr(str_text(&yaml), "\xe2\x80\xae"));
	assert_int_equal(yamlx_read(str_slice(&yaml), &back, &err), ERR_OK);
	assert_int_equal(jx_parse(str_slice(&back), (struct jscan_limits){0}, &a, &v, &err),
		ERR_OK);
	str_clear(&json);
	jx_write(v, 0, &json);
	assert_string_equal(str_text(&json), str_text(&want));
	str_release(&json);
	str_release(&yaml);
	str_release(&back);
	str_release(&want);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_core_schema),
		cmocka_unit_test(refuses),
		cmocka_unit_test(keeps_the_limits),
		cmocka_unit_test(writes_block_style),
		cmocka_unit_test(reads_back_what_it_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
