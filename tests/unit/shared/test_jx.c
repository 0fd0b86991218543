// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/jx.h"

struct target {
	const char *vendor;
	int64_t weight;
};
struct doc {
	const char *id, *name;
	struct secret api_key;
	int64_t width;
	double share;
	bool enabled;
	int tier;
	int64_t at;
	struct strv tags;
	struct {
		int64_t rpm;
	} limits;
	struct objv targets;
	const char *params;
	int64_t revision;
};

static const char *const tiers[] = {"primary", "backup", NULL};
static const struct field target_rows[] = {
	{"vendor", FT_STR, FIELD_AT(struct target, vendor), FF_REQUIRED, FC_ID, .min = 1, .max = 8},
	{"weight", FT_INT, FIELD_AT(struct target, weight), .min = 0, .max = 100, .def = 1},
};
static FIELD_SET(target, "Target", struct target);
static const struct field limits_rows[] = {
	{"rpm", FT_INT, 0, .min = 1, .max = 1000, .def = FIELD_NONE},
};
static const struct field_set limits = {"Limits", limits_rows, 1, 0};
static const struct field doc_rows[] = {
	{"id", FT_STR, FIELD_AT(struct doc, id), FF_REQUIRED, FC_ID, .min = 1, .max = 8},
	{"name", FT_STR, FIELD_AT(struct doc, name), FF_NULLABLE, FC_NAME, .min = 1, .max = 4},
	{"api_key", FT_SECRET, FIELD_AT(struct doc, api_key), FF_REQUIRED, FC_SECRET, .min = 8,
		.max = 16},
	{"width", FT_INT, FIELD_AT(struct doc, width), .min = 1, .max = 65535, .def = 1024},
	{"share", FT_NUM, FIELD_AT(struct doc, share), .min = 0, .max = 1},
	{"enabled", FT_BOOL, FIELD_AT(struct doc, enabled), .def = 1},
	{"tier", FT_ENUM, FIELD_AT(struct doc, tier), .choices = tiers},
	{"at", FT_TIME, FIELD_AT(struct doc, at)},
	{"tags", FT_STRV, FIELD_AT(struct doc, tags), .charset = FC_ID, .min = 1, .max = 4},
	{"limits", FT_OBJ, FIELD_AT(struct doc, limits), .sub = &limits},
	{"targets", FT_OBJV, FIELD_AT(struct doc, targets), .sub = &target, .min = 1, .max = 2},
	{"params", FT_JSON, FIELD_AT(struct doc, params)},
	{"revision", FT_INT, FIELD_AT(struct doc, revision), FF_READONLY, .def = FIELD_NONE},
	{"seen", FT_STR, FIELD_NO_HOME, FF_READONLY},
};
static FIELD_SET(doc, "Doc", struct doc);

static int setup(void **state UNUSED)
{
	return secret_setup() ? 0 : -1;
}

static enum err_code decode(const char *text, unsigned mode, struct arena *a, struct doc *d,
	struct err *err)
{
	memset(err, 0, sizeof(*err));
	return jx_decode(&doc, slice_of(text), (struct jscan_limits){0}, mode, a, d, err);
}

static void fills_a_document(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	struct doc d;
	struct err err;

	assert_int_equal(
		decode("{\"id\":\"a1\",\"name\":\"一见钟情\",\"api_key\":\"sk-12345\",\"width\":65535,"
		       "\"share\":1,\"enabled\":false,\"tier\":\"backup\",\"at\":\"1970-01-01T00:00:01Z\","
		       "\"tags\":[\"x\",\"y\"],\"limits\":{\"rpm\":5},\"targets\":[{\"vendor\":\"v\"},"
		       "{\"vendor\":\"w\",\"weight\":0}],\"params\":{\"b\":0.7,\"a\":[1, 2]},"
		       "\"revision\":99,\"seen\":{\"any\":1}}",
			JX_CREATE, &a, &d, &err),
		ERR_OK);
	assert_string_equal(d.id, "a1");
	assert_string_equal(d.name, "一见钟情"); // four code points
	assert_memory_equal(secret_bytes(&d.api_key).p, "sk-12345", 8);
	assert_int_equal(d.width, 65535);
	assert_true(d.share == 1);
	assert_false(d.enabled);
	assert_int_equal(d.tier, 1);
	assert_int_equal(d.at, 1000);
	assert_int_equal(d.tags.n, 2);
	assert_string_equal(d.tags.v[1], "y");
	assert_int_equal(d.limits.rpm, 5);
	assert_int_equal(d.targets.n, 2);
	assert_int_equal(((struct target *)d.targets.v)[0].weight, 1);
	assert_int_equal(((struct target *)d.targets.v)[1].weight, 0);
	assert_string_equal(d.params, "{\"b\":0.7,\"a\":[1,2]}");
	assert_true(d.revision == FIELD_NONE); // the agent's to say
	arena_release(&a);
}

#define BASE "\"id\":\"a\",\"api_key\":\"sk-12345\""

static void says_what_is_wrong(void **state UNUSED)
{
	const struct {
		const char *text;
		enum err_code code;
		const char *field;
	} rows[] = {
		{"", ERR_JSON_INVALID, ""},
		{"{", ERR_JSON_INVALID, ""},
		{"[]", ERR_JSON_INVALID, ""},
		{"7", ERR_JSON_INVALID, ""},
		{"{" BASE ",\"id\":\"b\"}", ERR_JSON_DUPLICATE_KEY, ""},
		{"{" BASE ",\"params\":{\"x\":{\"a\":1,\"a\":2}}}", ERR_JSON_DUPLICATE_KEY, ""},
		{"{" BASE ",\"i\\u0064\":\"b\"}", ERR_JSON_DUPLICATE_KEY, ""},
		{"{}", ERR_FIELD_REQUIRED, "id"},
		{"{\"id\":\"a\"}", ERR_FIELD_REQUIRED, "api_key"},
		{"{" BASE ",\"nme\":1}", ERR_FIELD_UNKNOWN, "nme"},
		{"{" BASE ",\"targets\":[{\"vendor\":\"v\",\"wieght\":1}]}", ERR_FIELD_UNKNOWN,
			"targets[0].wieght"},
		{"{" BASE ",\"\\u001b[31m\":1}", ERR_FIELD_UNKNOWN, ""},
		{"{" BASE ",\"sk-0123456789abcdef0123456789abcdef\":1}", ERR_FIELD_UNKNOWN, ""},
		{"{" BASE ",\"width\":\"1024\"}", ERR_FIELD_TYPE, "width"},
		{"{" BASE ",\"width\":true}", ERR_FIELD_TYPE, "width"},
		{"{" BASE ",\"width\":[1]}", ERR_FIELD_TYPE, "width"},
		{"{" BASE ",\"width\":0}", ERR_FIELD_RANGE, "width"},
		{"{" BASE ",\"width\":-1}", ERR_FIELD_RANGE, "width"},
		{"{" BASE ",\"width\":65536}", ERR_FIELD_RANGE, "width"},
		{"{" BASE ",\"width\":2147483648}", ERR_FIELD_RANGE, "width"},
		{"{" BASE ",\"width\":1.5}", ERR_FIELD_RANGE, "width"},
		{"{" BASE ",\"width\":1e3}", ERR_FIELD_RANGE, "width"},
		{"{" BASE ",\"share\":1.01}", ERR_FIELD_RANGE, "share"},
		{"{" BASE ",\"share\":\"1\"}", ERR_FIELD_TYPE, "share"},
		{"{" BASE ",\"enabled\":1}", ERR_FIELD_TYPE, "enabled"},
		{"{" BASE ",\"tier\":\"Backup\"}", ERR_FIELD_RANGE, "tier"},
		{"{" BASE ",\"tier\":1}", ERR_FIELD_TYPE, "tier"},
		{"{" BASE ",\"at\":\"yesterday\"}", ERR_FIELD_RANGE, "at"},
		{"{" BASE ",\"at\":0}", ERR_FIELD_TYPE, "at"},
		{"{\"id\":null,\"api_key\":\"sk-12345\"}", ERR_FIELD_TYPE, "id"},
		{"{\"id\":\"\",\"api_key\":\"sk-12345\"}", ERR_FIELD_RANGE, "id"},
		{"{\"id\":\"A\",\"api_key\":\"sk-12345\"}", ERR_FIELD_CHARSET, "id"},
		{"{\"id\":\"aaaaaaaaa\",\"api_key\":\"sk-12345\"}", ERR_FIELD_RANGE, "id"},
		{"{" BASE ",\"name\":\"fives\"}", ERR_FIELD_RANGE, "name"},
		{"{" BASE ",\"name\":\"a\\u202e\"}", ERR_FIELD_CHARSET, "name"},
		{"{" BASE ",\"name\":\"\\u200b\"}", ERR_FIELD_CHARSET, "name"},
		{"{\"id\":\"a\",\"api_key\":\"sk 12345 with blanks\"}", ERR_FIELD_CHARSET,
			"api_key"},
		{"{\"id\":\"a\",\"api_key\":\"short\"}", ERR_FIELD_RANGE, "api_key"},
		{"{\"id\":\"a\",\"api_key\":12345678}", ERR_FIELD_TYPE, "api_key"},
		{"{" BASE ",\"tags\":\"x\"}", ERR_FIELD_TYPE, "tags"},
		{"{" BASE ",\"tags\":[\"x\",2]}", ERR_FIELD_TYPE, "tags[1]"},
		{"{" BASE ",\"tags\":[\"x\",\"toolong\"]}", ERR_FIELD_RANGE, "tags[1]"},
		{"{" BASE ",\"limits\":[]}", ERR_FIELD_TYPE, "limits"},
		{"{" BASE ",\"limits\":{\"rpm\":0}}", ERR_FIELD_RANGE, "limits.rpm"},
		{"{" BASE ",\"targets\":[{\"vendor\":\"v\"},{\"vendor\":\"v\",\"weight\":101}]}",
			ERR_FIELD_RANGE, "targets[1].weight"},
		{"{" BASE ",\"targets\":[{}]}", ERR_FIELD_REQUIRED, "targets[0].vendor"},
		{"{" BASE ",\"targets\":[1]}", ERR_FIELD_TYPE, "targets[0]"},
		{"{" BASE ",\"targets\":[]}", ERR_FIELD_RANGE, "targets"},
		{"{" BASE ",\"targets\":[{},{},{}]}", ERR_FIELD_RANGE, "targets"},
		{"{" BASE ",\"params\":\"x\"}", ERR_FIELD_TYPE, "params"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a = ARENA_INIT;
		struct doc d;
		struct err err;

		assert_int_equal(decode(rows[i].text, JX_CREATE, &a, &d, &err), rows[i].code);
		assert_int_equal(err.code, rows[i].code);
		assert_string_equal(err.field, rows[i].field);
		assert_null(strstr(err.message, "12345"));
		assert_null(strstr(err.message, "sk-"));
		assert_null(strchr(err.message, '\x1b'));
		arena_release(&a);
	}
}

static void hints_at_the_right_word(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	struct doc d;
	struct err err;

	decode("{" BASE ",\"widht\":1}", JX_CREATE, &a, &d, &err);
	assert_non_null(strstr(err.hint, "width"));
	decode("{" BASE ",\"zzzzzzzz\":1}", JX_CREATE, &a, &d, &err);
	assert_non_null(strstr(err.hint, "Doc"));
	decode("{" BASE ",\"tier\":\"x\"}", JX_CREATE, &a, &d, &err);
	assert_non_null(strstr(err.hint, "primary, backup"));
	arena_release(&a);
}

static void modes_differ(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	struct doc d;
	struct err err;

	assert_int_equal(decode("{\"id\":\"a\"}", JX_REPLACE, &a, &d, &err), ERR_OK);
	assert_int_equal(d.width, 1024);
	assert_int_equal(d.api_key.n, 0);
	d.width = 7;
	d.name = "kept";
	d.limits.rpm = 9;
	assert_int_equal(decode("{\"share\":0.5}", JX_PATCH, &a, &d, &err), ERR_OK);
	assert_int_equal(d.width, 7);
	assert_string_equal(d.name, "kept");
	assert_int_equal(d.limits.rpm, 9);
	assert_int_equal(decode("{\"name\":null,\"width\":null,\"limits\":{\"rpm\":null}}",
				 JX_PATCH, &a, &d, &err),
		ERR_OK);
	assert_null(d.name);
	assert_int_equal(d.width, 1024);
	assert_true(d.limits.rpm == FIELD_NONE);
	assert_int_equal(decode("{\"targets\":[{\"weight\":1}]}", JX_PATCH, &a, &d, &err),
		ERR_FIELD_REQUIRED); // a list is replaced as a whole
	assert_int_equal(decode("{" BASE ",\"more\":{\"x\":1}}", JX_CREATE | JX_ALLOW_UNKNOWN, &a,
				 &d, &err),
		ERR_OK);
	arena_release(&a);
}

// The arena wipes what it decoded also when the document is long gone, and leaves alone what
// stood in the document before.
static void secrets_belong_to_the_arena(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	struct secret before = {0};
	struct doc *d = calloc(1, sizeof(*d));
	struct err err;

	secret_set(&before, "sk-before", 9);
	d->api_key = before;
	assert_int_equal(decode("{\"api_key\":\"sk-after1\"}", JX_PATCH, &a, d, &err), ERR_OK);
	assert_memory_equal(d->api_key.p, "sk-after1", 9);
	free(d);
	arena_release(&a);
	assert_memory_equal(before.p, "sk-before", 9);
	secret_release(&before);
}

static void wipes_the_trees_copy(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	const struct jx *v;
	struct doc d;

	assert_int_equal(jx_parse(SLICE("{\"api_key\":\"sk-12345\",\"zzz\":1}"),
				 (struct jscan_limits){0}, &a, &v, NULL),
		ERR_OK);
	assert_int_equal(jx_decode_value(&doc, v, JX_CREATE, &a, &d, NULL), ERR_FIELD_UNKNOWN);
	assert_string_equal(jx_str(jx_get(v, "api_key"), NULL), "");
	arena_release(&a);
}

static void limits_json_members(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	struct str text = STR_INIT;
	struct doc d;
	struct err err;

	str_add(&text, "{" BASE ",\"params\":{\"x\":\"");
	for (int i = 0; i < 64 * 1024; i++)
		str_add_c(&text, 'x');
	str_add(&text, "\"}}");
	assert_int_equal(decode(str_text(&text), JX_CREATE, &a, &d, &err), ERR_FIELD_RANGE);
	assert_string_equal(err.field, "params");
	str_release(&text);
	arena_release(&a);
}

static void reads_trees(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	const struct jx *v, *value;
	void *it = NULL;
	const char *key;

	assert_int_equal(
		jx_parse(
			SLICE("{\"z\":{\"list\":[{\"id\":\"x\"},2.5,1e300]},\"b\":true,\"n\":null}"),
			(struct jscan_limits){0}, &a, &v, NULL),
		ERR_OK);
	assert_string_equal(jx_str(jx_path(v, "z.list[0].id"), "none"), "x");
	assert_int_equal(jx_int(jx_path(v, "z.list[1]"), -1), 2);
	assert_int_equal(jx_int(jx_path(v, "z.list[2]"), -1), -1); // no int64 holds it
	assert_true(jx_num(jx_path(v, "z.list[1]"), 0) == 2.5);
	assert_true(jx_bool(jx_get(v, "b"), false));
	assert_true(jx_is_null(jx_get(v, "n")) && jx_is_null(jx_get(v, "absent")));
	assert_null(jx_path(v, "z.list[9].id"));
	assert_null(jx_path(v, "z..list"));
	assert_null(jx_path(v, "b.c[0]"));
	assert_ptr_equal(jx_path(v, ""), v);
	assert_int_equal(jx_len(jx_path(v, "z.list")), 3);
	assert_int_equal(jx_len(NULL), 0);
	assert_string_equal(jx_str(NULL, "absent"), "absent");
	assert_int_equal(jx_int(jx_get(v, "b"), 5), 5);
	assert_true(jx_is_obj(v) && !jx_is_arr(v) && !jx_is_str(NULL) && !jx_is_num(NULL));
	assert_true(jx_next(v, &it, &key, &value));
	assert_string_equal(key, "z"); // in document order
	assert_true(jx_next(v, &it, &key, &value) && jx_next(v, &it, &key, &value));
	assert_false(jx_next(v, &it, &key, &value));
	arena_release(&a);
}

static void writes_trees(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	const struct jx *v;
	struct str out = STR_INIT;
	const char *text =
		"{\"z\":0.7,\"a\":[1,-2.5,1e+300,[],{}],\"s\":\"é\\n\\u009b\",\"t\":[true,null],"
		"\"one\":1.0,\"third\":0.3333333333333333}";

	assert_int_equal(jx_parse(slice_of(text), (struct jscan_limits){0}, &a, &v, NULL), ERR_OK);
	jx_write(v, 0, &out);
	assert_string_equal(str_text(&out), text);
	str_clear(&out);
	jx_write(jx_get(v, "t"), 2, &out);
	assert_string_equal(str_text(&out), "[\n  true,\n  null\n]");
	str_clear(&out);
	jx_write(jx_path(v, "a[4]"), 2, &out);
	assert_string_equal(str_text(&out), "{}");
	str_clear(&out);
	jx_write(NULL, 0, &out);
	assert_string_equal(str_text(&out), "null");
	str_release(&out);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_a_document),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(hints_at_the_right_word),
		cmocka_unit_test(modes_differ),
		cmocka_unit_test(secrets_belong_to_the_arena),
		cmocka_unit_test(wipes_the_trees_copy),
		cmocka_unit_test(limits_json_members),
		cmocka_unit_test(reads_trees),
		cmocka_unit_test(writes_trees),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
