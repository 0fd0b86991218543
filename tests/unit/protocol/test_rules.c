// SPDX-License-Identifier: MIT
// What adapters share: a model's name and window, how much goes into one call, schemas and arguments of
// tools, what a request asks of its stream. In the tables ' stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/batch.h"
#include "agent/protocol/table.h"
#include "agent/protocol/tools.h"
#include "tests/unit/wire.h"

// ---- a model's name and its window ----

static void test_names_of_models(void **state UNUSED)
{
	static const struct {
		const char *target, *listed, *asked;
		size_t serves; // so many, the first of them "served"
		bool more;
		const char *name;
		int64_t window; // 4096 is said of "served", 8192 of "other"
	} rows[] = {
		{"t", "l", "a", 1, false, "t", 4096},
		{NULL, "l", "a", 1, false, "l", 4096},
		{NULL, NULL, "a", 1, false, "served", 4096},
		{NULL, NULL, "a", 1, true, "a", 0}, // of several none is chosen for the caller
		{NULL, NULL, "other", 2, false, "other", 8192},
		{NULL, NULL, "a", 2, false, "a", 0},
		{NULL, NULL, "a", 0, false, "a", 0},
		{NULL, NULL, "", 0, false, NULL, 0},
		{NULL, NULL, "", 2, false, NULL, 0},
		{"served", NULL, "a", 2, false, "served", 4096},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *listed[] = {rows[i].listed};
		char name[16] = "";
		struct target target = {.upstream_model = rows[i].target != NULL
				? strcpy(name, rows[i].target)
				: NULL};
		struct instance_obj instance = {
			.doc = {.models = {listed, rows[i].listed != NULL ? 1 : 0}}};
		struct live live = {0};
		struct live_models *m = calloc(1, sizeof(*m) + 2 * sizeof(m->v[0]));
		strcpy(m->v[0].name, "served");
		strcpy(m->v[1].name, "other");
		m->v[0].window = 4096;
		m->v[1].window = 8192;
		m->n = rows[i].serves;
		m->more = rows[i].more;
		m->life = atomic_load(&live.life);
		atomic_store(&live.models, m);
		struct candidate cand = {.target = &target, .instance = &instance, .live = &live};
		static struct adapter_call call;
		strcpy(call.model, rows[i].asked);
		const char *got = adapter_model(&call, &cand);
		if (rows[i].name == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].name);
		assert_int_equal(adapter_window(&call, &cand), rows[i].window);
		target.context_window = 77;
		assert_int_equal(adapter_window(&call, &cand), 77);
		target.context_window = 0;
		cand.instance = NULL; // a key's: nothing is known of what it serves
		assert_int_equal(adapter_window(&call, &cand), 0);
		free(m);
	}
}

// ---- how much goes into one call ----

static void test_batches(void **state UNUSED)
{
	static const struct {
		enum offer offer;
		const char *vendor, *model;
		int64_t quirk; // of an instance; -1: a key's
		size_t max;
	} rows[] = {
		{OFFER_EMBEDDINGS, "aliyun", "text-embedding-v4", -1, 10},
		{OFFER_EMBEDDINGS, "aliyun", "text-embedding-v1", -1, 25},
		{OFFER_EMBEDDINGS, "openai", "text-embedding-3-small", -1, 0},
		{OFFER_RERANK, "aliyun", "r", -1, 0},
		{OFFER_CHAT, "aliyun", "text-embedding-v4", -1, 0},
		{OFFER_EMBEDDINGS, NULL, "m", 32, 32},
		{OFFER_RERANK, NULL, "m", 32, 32},
		{OFFER_RERANK, NULL, "m", 0, 0},
		{OFFER_EMBEDDINGS, NULL, "m", -5, 0},
		{OFFER_CHAT, NULL, "m", 32, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char vendor[16] = "", model[32];
		struct target target = {.upstream_model = strcpy(model, rows[i].model)};
		struct key_obj key = {
			.doc = {.vendor = rows[i].vendor != NULL ? strcpy(vendor, rows[i].vendor)
								 : NULL}};
		struct instance_obj instance = {.doc = {.quirks = {.max_batch = rows[i].quirk}}};
		const struct candidate cand = {.target = &target,
			.key = rows[i].vendor != NULL ? &key : NULL,
			.instance = rows[i].vendor == NULL ? &instance : NULL};
		static struct adapter_call call;
		call.offer = rows[i].offer;
		assert_int_equal(batch_max(&call, &cand), rows[i].max);
	}
}

// ---- vectors and ranks ----

static enum answer_kind answered(const struct adapter *ad, enum offer offer, size_t items,
	const char *body, struct str *told)
{
	static struct adapter_call call;
	struct str text = STR_INIT, request = STR_INIT, scratch = STR_INIT;
	struct adapter_answer a;
	struct err err = {0};
	str_add(&request, "{\"model\":\"m\",\"query\":\"q\",\"documents\":[");
	for (size_t i = 0; i < items; i++)
		str_add(&request, i > 0 ? ",\"a\"" : "\"a\"");
	str_add(&request, "],\"input\":[");
	for (size_t i = 0; i < items; i++)
		str_add(&request, i > 0 ? ",\"a\"" : "\"a\"");
	str_add(&request, "]}");
	assert_int_equal(adapter_read(str_slice(&request), offer, true, &call, &err), ERR_OK);
	assert_int_equal(batch_read(&call, &err), ERR_OK);
	str_add(&text, wire(body));
	const struct adapter_reply reply = {.status = 200, .body = str_slice(&text)};
	enum answer_kind kind = ad->parse(&call, &reply, &scratch, &a);
	str_clear(told);
	if (kind == ANSWER_OK)
		str_add_slice(told, a.body);
	str_release(&text);
	str_release(&request);
	str_release(&scratch);
	return kind;
}

// A wrong vector is found by nobody: one for each text, all of one length, each in its place.
static void test_vectors(void **state UNUSED)
{
#define LIST(items) "{'object':'list','data':[" items "],'model':'m'}"
#define AT(n, vector) "{'index':" n ",'embedding':" vector "}"
	static const struct {
		const char *body, *told; // NULL: no answer
	} rows[] = {
		{LIST(AT("0", "[1,2]") "," AT("1", "[3,4]")),
			LIST(AT("0", "[1,2]") "," AT("1", "[3,4]"))},
		{LIST(AT("1", "[3,4]") "," AT("0", "[1,2]")),
			LIST(AT("0", "[1,2]") "," AT("1", "[3,4]"))},
		{LIST(AT("'0'", "[1,2]") "," AT("1.0", "[3,4]")),
			LIST(AT("0", "[1,2]") "," AT("1", "[3,4]"))},
		{LIST(AT("0", "[1,2]") "," AT("1", "[3]")), NULL},
		{LIST(AT("0", "[1]") "," AT("1", "[3,4]")), NULL},
		{LIST(AT("0", "[1,2]") "," AT("0", "[3,4]")), NULL},
		{LIST(AT("0", "[1,2]") "," AT("2", "[3,4]")), NULL},
		{LIST(AT("0", "[1,2]") "," AT("-1", "[3,4]")), NULL},
		{LIST(AT("0", "[1,2]") "," AT("0.5", "[3,4]")), NULL},
		{LIST(AT("0", "[1,2]")), NULL},
		{LIST(AT("0", "[1]") "," AT("1", "[3]") "," AT("2", "[3]")), NULL},
		{LIST(AT("0", "[]") "," AT("1", "[]")), NULL},
		{LIST(AT("0", "[1,'x']") "," AT("1", "[3,4]")), NULL},
		{LIST(AT("0", "[1,2]") ",{'index':1}"), NULL},
		{LIST(AT("0", "[1,2]") "," AT("1", "null")), NULL},
		{LIST(AT("0", "[1,2]") "," AT("{}", "[3,4]")), NULL},
	};
	struct str told = STR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum answer_kind kind = answered(&adapter_openai_embeddings, OFFER_EMBEDDINGS, 2,
			rows[i].body, &told);
		if (kind != (rows[i].told != NULL ? ANSWER_OK : ANSWER_BAD))
			fail_msg("%s: %d", rows[i].body, (int)kind);
		if (rows[i].told != NULL)
			wire_same(str_text(&told), rows[i].told);
	}
	str_release(&told);
}

// The same of many: each place counts, the 65th as the first.
static void test_many_places(void **state UNUSED)
{
	enum { MANY = 130 };
	static const int wrong[][2] = {{0, 0}, {65, 1}, {64, 0}, {129, 64}, {129, 128}, {70, 66}};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		for (int ranks = 0; ranks < 2; ranks++) {
			struct str body = STR_INIT, told = STR_INIT;
			str_add(&body, ranks ? "{'results':[" : "{'data':[");
			for (int k = 0; k < MANY; k++)
				str_addf(&body, "%s{'index':%d,'%s}", k > 0 ? "," : "",
					k == wrong[i][0] ? wrong[i][1] : k,
					ranks ? "relevance_score':0.5" : "embedding':[1]");
			str_add(&body, "]}");
			enum answer_kind kind = answered(ranks ? &adapter_openai_rerank
							       : &adapter_openai_embeddings,
				ranks ? OFFER_RERANK : OFFER_EMBEDDINGS, MANY, str_text(&body),
				&told);
			assert_int_equal(kind, i == 0 ? ANSWER_OK : ANSWER_BAD);
			str_release(&body);
			str_release(&told);
		}
	}
}

// A part is taken when each of its items is there.
static void test_items_of_parts(void **state UNUSED)
{
	static const struct {
		const char *body;
		bool fine;
	} rows[] = {
		{"{'data':[{'index':0,'embedding':[1]}]}", true},
		{"{'data':[7,{'index':0,'embedding':[1]}]}", false},
		{"{'data':[{'index':'a'},{'index':0,'embedding':[1]}]}", false},
		{"{'data':[{'index':0,'embedding':[1]},{'index':-1}]}", false},
		{"{'data':{}}", false},
		{"7", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct adapter_call call;
		struct batch b = {0};
		batch_reset(&b);
		call.offer = OFFER_EMBEDDINGS;
		call.part = 1;
		const struct adapter_answer a = {.body = slice_of(wire(rows[i].body))};
		if (batch_add(&b, &call, &a) != rows[i].fine)
			fail_msg("%s", rows[i].body);
		batch_release(&b);
	}
}

// ---- tools ----

// Letters, digits, _ and - are an id's; a vendor that knows no others gets _ for them.
static void test_ids_of_tools(void **state UNUSED)
{
	static const struct {
		const char *id, *want;
	} rows[] = {
		{"azAZ09_-", "azAZ09_-"},
		{"`{@[/:", "______"},
		{"a.b c\n\"", "a_b_c__"},
		{"\xc3\xa9", "__"},
		{"", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT, want = STR_INIT;
		tools_add_id("id", slice_of(rows[i].id), &out);
		str_addf(&want, "\"id\":\"%s\"", rows[i].want);
		assert_string_equal(str_text(&out), str_text(&want));
		str_release(&out);
		str_release(&want);
	}
}

static void test_schemas(void **state UNUSED)
{
	static const struct {
		const char *schema;
		bool properties;
		const char *want; // NULL: as it is
	} rows[] = {
		{"{'type':'object','properties':{'a':{}}}", true, NULL},
		{"{'type':'object','properties':{}}", false, NULL},
		{"{'type':'object'}", false, NULL},
		{"{'type':'object'}", true, "{'type':'object','properties':{}}"},
		{"{}", false, "{'type':'object'}"},
		{"{}", true, "{'type':'object','properties':{}}"},
		{"{'properties':{'a':{}}}", true, "{'type':'object','properties':{'a':{}}}"},
		{"{'properties':{'a':{}}}", false, "{'type':'object','properties':{'a':{}}}"},
		{"{'type':'string'}", true, NULL},
		{"{'type':'string'}", false, NULL},
		{"{'type':['object','null']}", true, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		tools_schema(slice_of(wire(rows[i].schema)), rows[i].properties, &out);
		wire_same(str_text(&out), rows[i].want != NULL ? rows[i].want : rows[i].schema);
		str_release(&out);
	}
}

// An input is an object, however its text was written.
static void test_inputs(void **state UNUSED)
{
	static const char *const rows[][2] = {{"", "{}"}, {" \\n\\t\\r", "{}"}, {"null", "{}"},
		{"{\\'a\\':1}", "{'a':1}"}, {"\\'{\\\\\\'a\\\\\\':1}\\'", "{'a':1}"},
		{"[1]", "{'raw_arguments':'[1]'}"}, {"{\\'a\\':", "{'raw_arguments':'{\\'a\\':'}"},
		{"say \\'x\\'", "{'raw_arguments':'say \\'x\\''}"},
		{"nulls", "{'raw_arguments':'nulls'}"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT, want = STR_INIT;
		tools_block(SLICE("i"), SLICE("n"), slice_of(wire(rows[i][0])), &out);
		str_addf(&want, "{'type':'tool_use','id':'i','name':'n','input':%s}", rows[i][1]);
		wire_same(str_text(&out), str_text(&want));
		str_release(&out);
		str_release(&want);
	}
}

// ---- what a request asks of its answer ----

static void test_usage_of_streams(void **state UNUSED)
{
	static const struct {
		const char *more;
		bool stream, usage;
	} rows[] = {{"", false, false}, {",'stream':true", true, false},
		{",'stream':true,'stream_options':{'include_usage':true}", true, true},
		{",'stream':true,'stream_options':{'include_usage':false}", true, false},
		{",'stream':true,'stream_options':{'other':true}", true, false},
		{",'stream':true,'stream_options':{}", true, false},
		{",'stream':null", false, false}, {",'stream':false", false, false}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str body = STR_INIT;
		struct err err = {0};
		str_addf(&body, "{'model':'m','messages':[]%s}", rows[i].more);
		const char *text = wire(str_text(&body));
		struct adapter_call *call = wire_call();
		assert_int_equal(adapter_read(slice_of(text), OFFER_CHAT, true, call, &err),
			ERR_OK);
		assert_int_equal(call->stream, rows[i].stream);
		assert_int_equal(call->want_usage, rows[i].usage);
		str_release(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_models),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_many_places),
		cmocka_unit_test(test_items_of_parts),
		cmocka_unit_test(test_ids_of_tools),
		cmocka_unit_test(test_schemas),
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_usage_of_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
