// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/field.h"
#include "shared/jw.h"
#include "shared/secret.h"

struct inner {
	int64_t a;
	bool on;
};
struct doc {
	const char *name;
	bool enabled;
	int64_t count, at;
	double share;
	int tier, mode;
	struct strv tags;
	struct inner inner;
	struct objv list;
	const char *params;
	struct secret key;
	const char *by; // of answers
};

static const char *const tiers[] = {"first", "second", NULL};
static const struct field inner_rows[] = {
	{"a", FT_INT, FIELD_AT(struct inner, a), .def = 7},
	{"on", FT_BOOL, FIELD_AT(struct inner, on), .def = 1},
};
static FIELD_SET(inner, "Inner", struct inner);
static const struct field doc_rows[] = {
	{"name", FT_STR, FIELD_AT(struct doc, name)},
	{"enabled", FT_BOOL, FIELD_AT(struct doc, enabled), .def = 1},
	{"count", FT_INT, FIELD_AT(struct doc, count), .def = FIELD_NONE},
	{"at", FT_TIME, FIELD_AT(struct doc, at)},
	{"share", FT_NUM, FIELD_AT(struct doc, share)},
	{"tier", FT_ENUM, FIELD_AT(struct doc, tier), .choices = tiers, .def = 1},
	{"mode", FT_ENUM, FIELD_AT(struct doc, mode), FF_OMIT_UNSET, .choices = tiers, .def = -1},
	{"tags", FT_STRV, FIELD_AT(struct doc, tags)},
	{"inner", FT_OBJ, FIELD_AT(struct doc, inner), .sub = &inner},
	{"list", FT_OBJV, FIELD_AT(struct doc, list), .sub = &inner},
	{"params", FT_JSON, FIELD_AT(struct doc, params)},
	{"seen", FT_STR, FIELD_NO_HOME, FF_READONLY},
	{"key", FT_SECRET, FIELD_AT(struct doc, key)},
	{"by", FT_STR, FIELD_AT(struct doc, by), FF_READONLY | FF_OMIT_UNSET},
};
static FIELD_SET(doc, "Doc", struct doc);

static void sets_defaults(void **state UNUSED)
{
	struct doc d;

	memset(&d, 0xaa, sizeof(d));
	field_defaults(&doc, &d);
	assert_null(d.name);
	assert_true(d.enabled);
	assert_true(d.count == FIELD_NONE && d.at == FIELD_NONE);
	assert_true(isnan(d.share));
	assert_int_equal(d.tier, 1);
	assert_int_equal(d.mode, -1);
	assert_int_equal(d.tags.n, 0);
	assert_int_equal(d.inner.a, 7);
	assert_true(d.inner.on);
	assert_null(d.params);
}

static void finds_rows_and_choices(void **state UNUSED)
{
	assert_ptr_equal(field_named(&doc, SLICE("tier")), &doc_rows[5]);
	assert_null(field_named(&doc, SLICE("Tier")));
	assert_null(field_named(&doc, SLICE("")));
	assert_int_equal(field_choice(&doc_rows[5], SLICE("second")), 1);
	assert_int_equal(field_choice(&doc_rows[5], SLICE("SECOND ")), -1);
	assert_int_equal(field_choice(&doc_rows[0], SLICE("x")), -1); // a row without choices
}

static void knows_alphabets(void **state UNUSED)
{
	const struct {
		enum field_charset cs;
		struct slice text;
		bool ok;
	} rows[] = {{FC_ID, SLICE("a-1_b.c"), true}, {FC_ID, SLICE("9a"), true},
		{FC_ID, SLICE(""), false}, {FC_ID, SLICE("-a"), false}, {FC_ID, SLICE(".a"), false},
		{FC_ID, SLICE("A"), false}, {FC_ID, SLICE("a b"), false},
		{FC_ID, SLICE("a\0"), false}, {FC_ID, SLICE("é"), false},
		{FC_REF, SLICE("openai/dalle#main"), true}, {FC_REF, SLICE("a\\b"), false},
		{FC_NAME, SLICE("Prod 钥匙 1"), true}, {FC_NAME, SLICE("a\nb"), false},
		{FC_NAME, SLICE("\x1b[1m"), false}, {FC_NAME, SLICE("\xc2\x9b"), false},
		{FC_NAME, SLICE("\xe2\x80\xae"), false}, {FC_NAME, SLICE("\xe2\x80\x8b"), false},
		{FC_NAME, SLICE("\xff"), false}, {FC_NAME, SLICE("=cmd|'/c calc'!A1"), true},
		{FC_ANY, SLICE("a\n\tb"), true}, {FC_ANY, SLICE("a\rb"), false},
		{FC_ANY, SLICE("\x7f"), false}, {FC_ANY, SLICE("\xe2\x80\xae"), true},
		{FC_SECRET, SLICE("sk-Az09!~"), true}, {FC_SECRET, SLICE("sk ab"), false},
		{FC_SECRET, SLICE("sk\r\n"), false}, {FC_SECRET, SLICE("ské"), false},
		{FC_URL, SLICE("https://h/p"), true}, {FC_URL, SLICE("https://h/ p"), false},
		{FC_PATH, SLICE("/"), true}, {FC_PATH, SLICE("/health?full=1&x=%2f"), true},
		{FC_PATH, SLICE("health"), false}, {FC_PATH, SLICE("//evil/x"), false},
		{FC_PATH, SLICE("http://evil/"), false}, {FC_PATH, SLICE("@evil/"), false},
		{FC_PATH, SLICE("/a#b"), false}, {FC_PATH, SLICE("/\\evil"), false},
		{FC_PATH, SLICE("/a b"), false}, {FC_PATH, SLICE("/a\r\n"), false},
		{FC_CURRENCY, SLICE("AED"), true}, {FC_CURRENCY, SLICE("ZWG"), true},
		{FC_CURRENCY, SLICE("USD"), true}, {FC_CURRENCY, SLICE("usd"), false},
		{FC_CURRENCY, SLICE("USDT"), false}, {FC_CURRENCY, SLICE("US"), false},
		{FC_CURRENCY, SLICE("AAA"), false}, {FC_CURRENCY, SLICE("XTS"), false},
		{FC_CURRENCY, SLICE("ZZZ"), false}, {FC_CURRENCY, SLICE(""), false}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(field_charset_ok(rows[i].cs, rows[i].text), rows[i].ok);
}

static void writes_documents(void **state UNUSED)
{
	const char *tags[] = {"x", "y\""};
	struct inner list[] = {{1, true}, {2, false}};
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	struct doc d;

	field_defaults(&doc, &d);
	jw_doc(&w, NULL, &doc, &d);
	assert_string_equal(str_text(&out),
		"{\"name\":null,\"enabled\":true,\"count\":null,\"at\":null,\"share\":null,"
		"\"tier\":\"second\",\"tags\":[],\"inner\":{\"a\":7,\"on\":true},\"list\":[],"
		"\"params\":null}");
	d = (struct doc){
		"n", false, 3, 0, 0.5, 0, 1, {tags, 2}, {8, false}, {list, 2}, "{\"k\":1}"};
	str_clear(&out);
	w = jw_to(&out);
	jw_doc(&w, NULL, &doc, &d);
	assert_string_equal(str_text(&out),
		"{\"name\":\"n\",\"enabled\":false,\"count\":3,\"at\":\"1970-01-01T00:00:00.000Z\","
		"\"share\":0.5,\"tier\":\"first\",\"mode\":\"second\",\"tags\":[\"x\",\"y\\\"\"],"
		"\"inner\":{\"a\":8,\"on\":false},\"list\":[{\"a\":1,\"on\":true},{\"a\":2,\"on\":false}],"
		"\"params\":{\"k\":1}}");
	str_release(&out);
}

// What has no value is left out, an object of nothing with it.
static void writes_what_was_asked_for(void **state UNUSED)
{
	const char *tags[] = {"x"};
	struct inner list[] = {{FIELD_NONE, true}};
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	struct doc d;
	field_defaults(&doc, &d);
	d.tier = -1;
	jw_spec(&w, NULL, &doc, &d);
	assert_string_equal(str_text(&out), "{\"enabled\":true,\"inner\":{\"a\":7,\"on\":true}}");
	d.inner.a = FIELD_NONE;
	d.tags = (struct strv){tags, 1};
	d.list = (struct objv){list, 1};
	str_clear(&out);
	w = jw_to(&out);
	jw_spec(&w, NULL, &doc, &d);
	assert_string_equal(str_text(&out),
		"{\"enabled\":true,\"tags\":[\"x\"],\"inner\":{\"on\":true},\"list\":[{\"on\":true}]}");
	static const struct field number[] = {{"n", FT_INT, 0, .def = FIELD_NONE}};
	static const struct field_set numbers_of = {"N", number, 1, 0};
	static const struct field nested[] = {{"o", FT_OBJ, 0, .sub = &numbers_of},
		{"m", FT_INT, 0, FF_READONLY}, {"z", FT_INT, 8}};
	static const struct field_set outer = {"O", nested, 3, 16};
	int64_t numbers[] = {FIELD_NONE, 5};
	str_clear(&out);
	w = jw_to(&out);
	jw_spec(&w, NULL, &outer, numbers);
	assert_string_equal(str_text(&out), "{\"z\":5}");
	str_release(&out);
}

// Each change of one member makes another document; what answers alone have does not.
static void compares_documents(void **state UNUSED)
{
	static const char *one[] = {"x", "y"}, *other[] = {"x", "z"};
	static struct inner items[] = {{1, true}, {2, false}}, others[] = {{1, true}, {2, true}};
	const struct doc base = {.name = "n",
		.count = 3,
		.at = 4,
		.share = 0.5,
		.mode = 1,
		.tags = {one, 2},
		.inner = {8, false},
		.list = {items, 2},
		.params = "{}"};
	struct doc v[16], same = base, unset = base;
	size_t n = 0;

#define OTHER(change_)                                                                             \
	do {                                                                                       \
		v[n] = base;                                                                       \
		v[n++].change_;                                                                    \
	} while (0)
	OTHER(name = "m");
	OTHER(name = NULL);
	OTHER(enabled = true);
	OTHER(count = FIELD_NONE);
	OTHER(at = 5);
	OTHER(share = NAN);
	OTHER(tier = 1);
	OTHER(mode = -1);
	OTHER(tags.n = 1);
	OTHER(tags.v = other);
	OTHER(inner.on = true);
	OTHER(list.n = 1);
	OTHER(list.v = others);
	OTHER(params = "{\"k\":1}");
	for (size_t i = 0; i < n; i++) {
		assert_false(field_same(&doc, &base, &v[i]));
		assert_false(field_same(&doc, &v[i], &base));
		assert_true(field_same(&doc, &v[i], &v[i]));
	}
	same.by = "somebody";
	same.tags.v = (const char *[]){"x", "y"};
	same.list.v = (struct inner[]){{1, true}, {2, false}};
	assert_true(field_same(&doc, &base, &same));
	secret_set(&same.key, "k", 1);
	assert_false(field_same(&doc, &base, &same));
	secret_release(&same.key);
	unset.share = NAN;
	same.share = NAN;
	assert_true(field_same(&doc, &unset, &same));
}

// A copy says the same and needs nothing of what it was made from.
static void copies_documents(void **state UNUSED)
{
	char name[] = "n", tag[] = "x", params[] = "{}";
	const char *tags[] = {tag};
	struct inner items[] = {{1, true}, {2, false}};
	struct doc d = {.name = name,
			   .by = name,
			   .count = 3,
			   .share = NAN,
			   .tags = {tags, 1},
			   .inner = {8, false},
			   .list = {items, 2},
			   .params = params},
		   was = d, copy;
	struct arena a = ARENA_INIT;

	secret_set(&d.key, "k", 1);
	field_copy(&doc, &d, &a, &copy);
	assert_null(copy.by);
	assert_null(copy.key.p);
	assert_true(field_same(&doc, &was, &copy));
	name[0] = tag[0] = params[0] = '!';
	tags[0] = NULL;
	items[1].on = true;
	assert_string_equal(copy.name, "n");
	assert_string_equal(copy.tags.v[0], "x");
	assert_false(((struct inner *)copy.list.v)[1].on);
	assert_string_equal(copy.params, "{}");
	assert_true(isnan(copy.share));
	secret_release(&d.key);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_defaults),
		cmocka_unit_test(finds_rows_and_choices),
		cmocka_unit_test(knows_alphabets),
		cmocka_unit_test(writes_documents),
		cmocka_unit_test(writes_what_was_asked_for),
		cmocka_unit_test(compares_documents),
		cmocka_unit_test(copies_documents),
	};

	return secret_setup() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
