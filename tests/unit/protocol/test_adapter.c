// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/batch.h"
#include "agent/protocol/error.h"
#include "agent/protocol/table.h"

static struct adapter_call call; // large

static enum err_code read_text(const char *body, enum offer offer)
{
	struct err err = {0};
	enum err_code code = adapter_read(slice_of(body), offer, true, &call, &err);
	return code == ERR_OK && offer == OFFER_EMBEDDINGS ? batch_read(&call, &err) : code;
}

// ---- the request's body ----

struct body_row {
	const char *in, *upstream_model, *params, *defaults, *drop, *out;
};

static const struct body_row body_rows[] = {
	{"{\"model\":\"chat\",\"messages\":[1, 2]}", "m-1", NULL, NULL, NULL,
		"{\"model\":\"m-1\",\"messages\":[1, 2]}"},
	{"{ \"messages\" : [] , \"model\":\"chat\" }", NULL, NULL, NULL, NULL,
		"{\"model\":\"chat\",\"messages\":[]}"},
	{"{\"model\":\"chat\",\"messages\":[],\"a\":1}", "m", "{\"a\":2,\"b\":3}",
		"{\"b\":4,\"c\":5}", NULL,
		"{\"model\":\"m\",\"messages\":[],\"a\":2,\"b\":3,\"c\":5}"},
	{"{\"model\":\"chat\",\"messages\":[],\"max_tokens\":9}", "m",
		"{\"max_completion_tokens\":5,\"messages\":[1],\"model\":\"x\",\"stream\":true}",
		NULL, NULL, "{\"model\":\"m\",\"messages\":[],\"max_completion_tokens\":5}"},
	{"{\"model\":\"chat\",\"messages\":[],\"user\":\"x\"}", "m", NULL, "{\"user\":\"y\"}",
		"user", "{\"model\":\"m\",\"messages\":[]}"},
	{"{\"model\":\"chat\",\"messages\":[],\"stream\":true}", "m", NULL, NULL, NULL,
		"{\"model\":\"m\",\"messages\":[],\"stream\":true,"
		"\"stream_options\":{\"include_usage\":true}}"},
	{"{\"model\":\"chat\",\"messages\":[],\"stream\":true,"
	 "\"stream_options\":{\"include_usage\":false,\"x\":1}}",
		"m", NULL, NULL, NULL,
		"{\"model\":\"m\",\"messages\":[],\"stream\":true,"
		"\"stream_options\":{\"include_usage\":true,\"x\":1}}"},
	{"{\"model\":\"chat\",\"messages\":[],\"stream\":true}", "m", NULL, NULL, "stream_options",
		"{\"model\":\"m\",\"messages\":[],\"stream\":true}"},
	{"{\"model\":\"chat\",\"messages\":[]}", "a\"b", NULL, NULL, NULL,
		"{\"model\":\"a\\\"b\",\"messages\":[]}"},
};

static void test_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(body_rows); i++) {
		const struct body_row *r = &body_rows[i];
		struct feature feature = {.defaults = r->defaults};
		const char *drop[] = {r->drop};
		struct target target = {.upstream_model = r->upstream_model, .params = r->params};
		if (r->drop != NULL)
			target.drop_params = (struct strv){drop, 1};
		struct url url = {.path = "/v1"};
		struct candidate cand = {.target = &target, .url = &url};
		struct adapter_ask ask = {0};
		struct err err = {0};
		assert_int_equal(read_text(r->in, OFFER_CHAT), ERR_OK);
		assert_int_equal(adapter_openai_chat.build(&call, &feature, &cand, &ask, &err),
			ERR_OK);
		assert_string_equal(str_text(&ask.body), r->out);
		assert_string_equal(str_text(&ask.path), "/v1/chat/completions");
		assert_int_equal(ask.stream, call.stream);
		str_release(&ask.path);
		str_release(&ask.body);
	}
}

static void test_names_are_written_out(void **state)
{
	(void)state;
	assert_int_equal(read_text("{\"\\u00e9\":1,\"model\":\"m\",\"messages\":[]}", OFFER_CHAT),
		ERR_JSON_INVALID);
	assert_int_equal(read_text("{\"model\":\"m\",\"messages\":[],\"a\\u00e9\":1}", OFFER_CHAT),
		ERR_JSON_INVALID);
	assert_int_equal(read_text("{\"model\":\"m\",\"messages\":[],\"a\xc3\xa9\":1}", OFFER_CHAT),
		ERR_OK);
}

static void test_refused_requests(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		enum offer offer;
		enum err_code code;
	} rows[] = {
		{"{\"messages\":[]}", OFFER_CHAT, ERR_FIELD_REQUIRED},
		{"{\"model\":\"m\"}", OFFER_CHAT, ERR_FIELD_REQUIRED},
		{"{\"model\":\"m\"}", OFFER_EMBEDDINGS, ERR_FIELD_REQUIRED},
		{"{\"model\":1,\"messages\":[]}", OFFER_CHAT, ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"messages\":[],\"api_key\":\"x\"}", OFFER_CHAT,
			ERR_FIELD_FORBIDDEN},
		{"{\"model\":\"m\",\"messages\":[],\"api\\u005fkey\":\"x\"}", OFFER_CHAT,
			ERR_JSON_INVALID},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"n\":0}", OFFER_IMAGES, ERR_FIELD_RANGE},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(read_text(rows[i].in, rows[i].offer), rows[i].code);
}

// A call is read over another one: nothing of that is left.
static void test_nothing_is_left_of_the_call_before(void **state)
{
	(void)state;
	memset(&call, 0x5a, sizeof(call));
	assert_int_equal(read_text("{\"messages\":[]}", OFFER_CHAT), ERR_FIELD_REQUIRED);
	assert_string_equal(call.model, "");
	struct err err = {0};
	memset(&call, 0x5a, sizeof(call));
	assert_int_equal(adapter_read(SLICE("{\"prompt\":\"x\"}"), OFFER_IMAGES, false, &call,
				 &err),
		ERR_OK);
	assert_true(call.offer == OFFER_IMAGES && call.dialect == DIALECT_OPENAI);
	assert_true(call.content_type.n == 0 && call.beta.n == 0 && call.form == NULL &&
		call.n == 1);
	assert_string_equal(call.model, "");
	assert_true(call.items == 0 && call.from == 0 && call.part == 0);
	assert_false(call.translated || call.stream || call.want_usage || call.base64 ||
		call.tokens);
	assert_true(call.images == FIELD_NONE && call.width == FIELD_NONE &&
		call.height == FIELD_NONE);
	assert_true(call.chars == FIELD_NONE);
}

static void test_too_many_members(void **state)
{
	(void)state;
	struct str s = STR_INIT;
	str_add(&s, "{\"model\":\"m\",\"messages\":[]");
	for (int i = 0; i < CALL_MEMBERS_MAX; i++)
		str_addf(&s, ",\"x%d\":1", i);
	str_add(&s, ",\"api_base\":\"hidden behind them\"}");
	assert_int_equal(read_text(str_text(&s), OFFER_CHAT), ERR_JSON_TOO_COMPLEX);
	str_release(&s);
}

// ---- errors ----

static const struct {
	const char *vendor;
	int status;
	const char *body;
	enum outcome outcome;
	enum err_code code;
	bool final;
	const char *message, *wire;
} error_rows[] = {
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"code\":null}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false, "m", ""},
	{"aliyun", 429, "{\"error\":{\"message\":\"m\",\"code\":\"insufficient_quota\"}}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false, "m", "insufficient_quota"},
	{NULL, 400, "{\"error\":{\"message\":\"m\",\"code\":400}}", OUT_CLIENT,
		ERR_UPSTREAM_REJECTED, true, "m", "400"},
	{NULL, 400, "{\"object\":\"error\",\"message\":\"flat\",\"code\":400}", OUT_CLIENT,
		ERR_UPSTREAM_REJECTED, true, "flat", "400"},
	{NULL, 401, "{\"error\":\"Unauthorized\"}", OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false,
		"Unauthorized", ""},
	{NULL, 422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"too short\",\"type\":\"value\"}]}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true, "too short", "value"},
	{NULL, 422, "{\"detail\":\"text\"}", OUT_CLIENT, ERR_UPSTREAM_REJECTED, true, "text", ""},
	{NULL, 503, "<html>", OUT_FAILED, ERR_VENDOR_FAILED, false, "", ""},
	{NULL, 500, "", OUT_FAILED, ERR_VENDOR_FAILED, false, "", ""},
	{"openai", 400, "{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}",
		OUT_CLIENT, ERR_CONTEXT_LENGTH, true, "m", "context_length_exceeded"},
	{"openai", 401, "{\"error\":{\"message\":\"wrong key sk-secret-0001\"}}", OUT_AUTH,
		ERR_UPSTREAM_AUTH_FAILED, false, "", ""},
	{"openai", 401, "{\"error\":{\"message\":\"wrong key sk-s***0001\"}}", OUT_AUTH,
		ERR_UPSTREAM_AUTH_FAILED, false, "", ""},
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
		struct adapter_error e;
		adapter_error_read(error_rows[i].vendor, error_rows[i].status,
			slice_of(error_rows[i].body), SLICE("sk-secret-0001"), &e);
		assert_int_equal(e.outcome, error_rows[i].outcome);
		assert_int_equal(e.code, error_rows[i].code);
		assert_int_equal(e.final, error_rows[i].final);
		assert_string_equal(e.message, error_rows[i].message);
		assert_string_equal(e.wire_code, error_rows[i].wire);
	}
}

static void test_retry_after(void **state)
{
	(void)state;
	assert_int_equal(adapter_retry_after_s(SLICE("30"), 0, 300), 30);
	assert_int_equal(adapter_retry_after_s(SLICE("0"), 0, 300), 1);
	assert_int_equal(adapter_retry_after_s(SLICE("-7"), 0, 300), 1);
	assert_int_equal(adapter_retry_after_s(SLICE("1000000000"), 0, 300), 300);
	assert_int_equal(adapter_retry_after_s(SLICE("soon"), 0, 300), 5);
	assert_int_equal(adapter_retry_after_s((struct slice){NULL, 0}, 0, 300), 5);
	assert_int_equal(adapter_retry_after_s(SLICE("Thu, 01 Jan 1970 00:00:09 GMT"), 0, 300), 9);
}

// ---- streams ----

static void test_chunks(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		enum chunk_kind kind;
		bool finish;
		int64_t out_tokens;
		const char *data; // "": nothing is passed on; NULL: as it came
	} rows[] = {
		{"{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}",
			CHUNK_MORE, false, -1, NULL},
		{"{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", CHUNK_MORE, true, -1,
			NULL},
		{"{\"choices\":[{\"delta\":{},\"finish_reason\" : \"null\"}]}", CHUNK_MORE, false,
			-1, "{\"choices\":[{\"delta\":{},\"finish_reason\" : null}]}"},
		// A text that is the name hides no member of that name, and another's is no choice's.
		{"{\"choices\":[{\"delta\":{\"content\":\"finish_reason\"},\"finish_reason\":\"stop\"}]}",
			CHUNK_MORE, true, -1, NULL},
		{"{\"x\":{\"finish_reason\":\"stop\"},\"choices\":[{\"finish_reason\":null}]}",
			CHUNK_MORE, false, -1, NULL},
		{"{\"choices\":[{\"finish_reason\":\"\"},{\"finish_reason\":\"null\"},"
		 "{\"finish_reason\":null}]}",
			CHUNK_MORE, false, -1,
			"{\"choices\":[{\"finish_reason\":null},{\"finish_reason\":null},"
			"{\"finish_reason\":null}]}"},
		{"{\"choices\":[{\"finish_reason\":\"\"},{\"finish_reason\":\"stop\"}]}",
			CHUNK_MORE, true, -1,
			"{\"choices\":[{\"finish_reason\":null},{\"finish_reason\":\"stop\"}]}"},
		{"{\"choices\":[{\"finish_reason\":\"\"},{\"finish_reason\" : \"stop\"}]}",
			CHUNK_MORE, true, -1,
			"{\"choices\":[{\"finish_reason\":null},{\"finish_reason\" : \"stop\"}]}"},
		{"{\"choices\":[{\"delta\":{\"content\":\"\\\"finish_reason\\\":\\\"stop\\\"\"}}]}",
			CHUNK_MORE, false, -1, NULL},
		{"{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
			CHUNK_MORE, false, 4, ""},
		{"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}", CHUNK_MORE, false, 4,
			""},
		{"{\"choices\":null,\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
			CHUNK_MORE, false, 4, ""},
		{"{\"choices\":[{\"index\":0}],\n \"usage\":null}", CHUNK_MORE, false, -1,
			"{\"choices\":[{\"index\":0}],  \"usage\":null}"},
		{"{\"choices\":[{\"index\":0}], \"usage\":null,\"x\":1}", CHUNK_MORE, false, -1,
			"{\"choices\":[{\"index\":0}],\"x\":1}"},
		{"{\"usage\":null,\"choices\":[{\"index\":0}]}", CHUNK_MORE, false, -1, NULL},
		{"[DONE]", CHUNK_DONE, false, -1, ""},
		{"{\"error\":{\"message\":\"x\"}}", CHUNK_ERROR, false, -1, ""},
		{"{\"message\":\"flat\"}", CHUNK_BAD, false, -1, ""},
		{"{\"choices\":[", CHUNK_BAD, false, -1, ""},
		{"hello", CHUNK_BAD, false, -1, ""},
	};
	struct str out = STR_INIT, want = STR_INIT;
	assert_int_equal(read_text("{\"model\":\"m\",\"messages\":[],\"stream\":true}", OFFER_CHAT),
		ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct adapter_stream s = {0};
		const char *data = rows[i].data != NULL ? rows[i].data : rows[i].in;
		adapter_stream_reset(&s, 0, 0);
		str_clear(&out);
		str_clear(&want);
		if (data[0] != '\0')
			str_addf(&want, "data: %s\n\n", data);
		assert_int_equal(adapter_openai_chat.chunk(&call, &s, SLICE(""),
					 slice_of(rows[i].in), &out),
			rows[i].kind);
		assert_int_equal(s.finish, rows[i].finish);
		assert_int_equal(s.usage.out, rows[i].out_tokens);
		assert_string_equal(str_text(&out), str_text(&want));
	}
	str_release(&out);
	str_release(&want);
}

// ---- embeddings ----

static enum answer_kind parse_vectors(const char *body, struct str *scratch,
	struct adapter_answer *ret)
{
	const struct adapter_reply reply = {.status = 200, .body = slice_of(body)};
	return adapter_openai_embeddings.parse(&call, &reply, scratch, ret);
}

static void test_vectors_both_ways(void **state)
{
	(void)state;
	static const char floats[] = "{\"data\":[{\"index\":0,\"embedding\":[1, -0.5,0.25]}],"
				     "\"usage\":{\"prompt_tokens\":2}}";
	static const char packed[] = "{\"data\":[{\"index\":0,\"embedding\":\"AACAPwAAAL8AAIA+\"}],"
				     "\"usage\":{\"prompt_tokens\":2}}";
	struct str scratch = STR_INIT;
	struct adapter_answer a;
	assert_int_equal(read_text("{\"model\":\"m\",\"input\":\"x\","
				   "\"encoding_format\":\"base64\"}",
				 OFFER_EMBEDDINGS),
		ERR_OK);
	assert_int_equal(parse_vectors(floats, &scratch, &a), ANSWER_OK);
	assert_true(slice_eq_str(a.body, packed));
	assert_int_equal(a.usage.in, 2);
	assert_int_equal(parse_vectors(packed, &scratch, &a), ANSWER_OK);
	assert_ptr_equal(a.body.p, packed);
	assert_int_equal(read_text("{\"model\":\"m\",\"input\":\"x\"}", OFFER_EMBEDDINGS), ERR_OK);
	assert_int_equal(parse_vectors(packed, &scratch, &a), ANSWER_OK);
	assert_true(slice_eq_str(a.body,
		"{\"data\":[{\"index\":0,\"embedding\":[1,-0.5,0.25]}],"
		"\"usage\":{\"prompt_tokens\":2}}"));
	assert_int_equal(parse_vectors("{\"data\":[]}", &scratch, &a), ANSWER_BAD);
	assert_int_equal(parse_vectors("{\"data\":[{\"embedding\":\"AAA!\"}]}", &scratch, &a),
		ANSWER_BAD);
	assert_int_equal(parse_vectors("{\"error\":{\"code\":429}}", &scratch, &a), ANSWER_ERROR);
	assert_int_equal(a.status, 429);
	str_release(&scratch);
}

static void test_paths(void **state)
{
	(void)state;
	static const char *const rows[][2] = {{"", "/v1/chat/completions"},
		{"/v1", "/v1/chat/completions"},
		{"/compatible-mode", "/compatible-mode/v1/chat/completions"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url url = {.path = rows[i][0]};
		struct str out = STR_INIT;
		adapter_path(&url, "/v1/chat/completions", &out);
		assert_string_equal(str_text(&out), rows[i][1]);
		str_release(&out);
	}
}

static void test_protocols(void **state)
{
	(void)state;
	for (int p = 0; p < PROTO_COUNT; p++) {
		const struct adapter *ad = adapter_for((enum protocol)p);
		enum offer offer = protocol_row((enum protocol)p)->offer;
		if (offer != OFFER_IMAGES && offer != OFFER_IMAGE_EDITS)
			assert_int_equal(ad != NULL, protocol_row((enum protocol)p)->spoken);
		if (ad != NULL)
			assert_int_equal(ad->protocol, p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_names_are_written_out),
		cmocka_unit_test(test_refused_requests),
		cmocka_unit_test(test_nothing_is_left_of_the_call_before),
		cmocka_unit_test(test_too_many_members),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_vectors_both_ways),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_protocols),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
