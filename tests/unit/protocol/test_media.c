// SPDX-License-Identifier: MIT
// What is asked of upstreams for embeddings, rerank and audio, and how their answers are read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "agent/protocol/batch.h"
#include "agent/protocol/openai.h"
#include "shared/multipart.h"

static struct adapter_call call;
static struct multipart form;

static void read_call(enum offer offer, const char *body)
{
	struct err err = {0};
	assert_int_equal(adapter_read(slice_of(body), offer, true, &call, &err), ERR_OK);
	if (offer == OFFER_EMBEDDINGS || offer == OFFER_RERANK)
		assert_int_equal(batch_read(&call, &err), ERR_OK);
}

static enum err_code build(const struct adapter *ad, const char *base, struct target *t,
	const char *defaults, struct adapter_ask *ask)
{
	struct feature feature = {.defaults = defaults};
	struct url url = {.path = base};
	struct candidate cand = {.target = t, .url = &url};
	struct err err = {0};
	return ad->build(&call, &feature, &cand, ask, &err);
}

static void release(struct adapter_ask *ask)
{
	str_release(&ask->path);
	str_release(&ask->headers);
	str_release(&ask->body);
}

// ---- asking ----

static const struct {
	const struct adapter *ad;
	enum offer offer;
	const char *base, *in, *defaults;
	size_t from, part;
	const char *path, *out;
} asks[] = {
	{&adapter_dashscope_embeddings, OFFER_EMBEDDINGS, "/compatible-mode",
		"{\"model\":\"e\",\"input\":[\"hello\",\"world\"],\"dimensions\":1024,"
		"\"encoding_format\":\"base64\"}",
		"{\"text_type\":\"document\",\"output_type\":\"dense\"}", 0, 0,
		"/api/v1/services/embeddings/text-embedding/text-embedding",
		"{\"model\":\"m\",\"input\":{\"texts\":[\"hello\",\"world\"]},\"parameters\":"
		"{\"dimension\":1024,\"text_type\":\"document\",\"output_type\":\"dense\"}}"},
	{&adapter_dashscope_embeddings, OFFER_EMBEDDINGS, "/compatible-mode/v1",
		"{\"model\":\"e\",\"input\":\"one\"}", NULL, 0, 0,
		"/api/v1/services/embeddings/text-embedding/text-embedding",
		"{\"model\":\"m\",\"input\":{\"texts\":[\"one\"]},\"parameters\":{}}"},
	{&adapter_ollama_embed, OFFER_EMBEDDINGS, "",
		"{\"model\":\"e\",\"input\":[\"a\",\"b\",\"c\"],\"dimensions\":2,\"user\":\"u\"}",
		NULL, 1, 2, "/api/embed",
		"{\"model\":\"m\",\"input\":[\"b\",\"c\"],\"dimensions\":2}"},
	{&adapter_tei_embed, OFFER_EMBEDDINGS, "/v1", "{\"model\":\"e\",\"input\":[\"a\"]}",
		"{\"truncate\":true}", 0, 0, "/embed", "{\"inputs\":[\"a\"],\"truncate\":true}"},
	{&adapter_openai_embeddings, OFFER_EMBEDDINGS, "",
		"{\"model\":\"e\",\"input\":[[1,2],[3],[4]],\"user\":\"u\"}", NULL, 2, 1,
		"/v1/embeddings", "{\"model\":\"m\",\"user\":\"u\",\"input\":[[4]]}"},
	{&adapter_tei_rerank, OFFER_RERANK, "",
		"{\"model\":\"r\",\"query\":\"q\\\"\",\"documents\":[\"a\",{\"text\":\"b\"}],\"top_n\":1}",
		NULL, 0, 0, "/rerank",
		"{\"query\":\"q\\\"\",\"texts\":[\"a\",\"b\"],\"truncate\":true}"},
	{&adapter_openai_rerank, OFFER_RERANK, "",
		"{\"model\":\"r\",\"query\":\"q\",\"documents\":[\"a\",\"b\",\"c\"],\"top_n\":1}",
		NULL, 0, 2, "/v1/rerank",
		"{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",\"b\"]}"},
	{&adapter_openai_moderations, OFFER_MODERATIONS, "/v1",
		"{\"model\":\"g\",\"input\":[\"a\"],\"stream\":true}", NULL, 0, 0,
		"/v1/moderations", "{\"model\":\"m\",\"input\":[\"a\"],\"stream\":true}"},
	{&adapter_openai_speech, OFFER_SPEECH, "",
		"{\"model\":\"t\",\"input\":\"x\",\"voice\":\"alloy\"}", "{\"speed\":1.5}", 0, 0,
		"/v1/audio/speech",
		"{\"model\":\"m\",\"input\":\"x\",\"voice\":\"alloy\",\"speed\":1.5}"},
};

static void test_asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		struct target target = {.upstream_model = "m"};
		struct adapter_ask ask = {.method = "POST"};
		read_call(asks[i].offer, asks[i].in);
		call.from = asks[i].from;
		call.part = asks[i].part;
		assert_int_equal(build(asks[i].ad, asks[i].base, &target, asks[i].defaults, &ask),
			ERR_OK);
		assert_string_equal(str_text(&ask.path), asks[i].path);
		assert_string_equal(str_text(&ask.body), asks[i].out);
		release(&ask);
	}
}

static void test_tokens_are_refused_where_texts_are_taken(void **state)
{
	(void)state;
	static const struct adapter *const natives[] = {
		&adapter_dashscope_embeddings, &adapter_ollama_embed, &adapter_tei_embed};
	static const char *const inputs[] = {
		"{\"model\":\"e\",\"input\":[1,2]}", "{\"model\":\"e\",\"input\":[[1],[2]]}"};
	for (size_t i = 0; i < ARRAY_LEN(natives) * ARRAY_LEN(inputs); i++) {
		struct target target = {.upstream_model = "m"};
		struct adapter_ask ask = {0};
		read_call(OFFER_EMBEDDINGS, inputs[i % 2]);
		assert_true(call.tokens);
		assert_int_equal(build(natives[i / 2], "", &target, NULL, &ask), ERR_FIELD_TYPE);
		release(&ask);
	}
}

static void test_speech_is_charged_by_characters(void **state)
{
	(void)state;
	read_call(OFFER_SPEECH,
		"{\"model\":\"t\",\"input\":\"h\xc3\xa9\\u00e9\xf0\x9f\x98\x80\","
		"\"stream_format\":\"sse\"}");
	assert_int_equal(call.chars, 4);
	assert_true(call.stream);
}

static void test_speech_is_asked_for_as_sound_or_events(void **state)
{
	(void)state;
	struct target target = {.upstream_model = "m"};
	struct adapter_ask ask = {0};
	read_call(OFFER_SPEECH, "{\"model\":\"t\",\"input\":\"x\"}");
	assert_int_equal(build(&adapter_openai_speech, "", &target, NULL, &ask), ERR_OK);
	assert_string_equal(ask.accept, "application/octet-stream, audio/*");
	assert_true(ask.raw && ask.stream); // passed on as it comes
	release(&ask);
	ask = (struct adapter_ask){0};
	read_call(OFFER_SPEECH, "{\"model\":\"t\",\"input\":\"x\",\"stream_format\":\"sse\"}");
	assert_int_equal(build(&adapter_openai_speech, "", &target, NULL, &ask), ERR_OK);
	assert_string_equal(ask.accept, "text/event-stream");
	assert_true(!ask.raw && ask.stream);
	release(&ask);
}

// ---- forms ----

#define TYPE "multipart/form-data; boundary=B"
#define FIELD(n, v) "--B\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n" v "\r\n"
#define SOUND                                                                                      \
	"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n\r\ny\r\n"

static void test_forms(void **state)
{
	(void)state;
	static const char in[] = FIELD("user", "me") SOUND FIELD("model", "stt") "--B--\r\n";
	const char *drop[] = {"user"};
	struct target target = {.upstream_model = "whisper-1",
		.drop_params = {drop, 1},
		.params = "{\"language\":\"de\",\"prompt\":\"a--B\"}"};
	struct adapter_ask ask = {0};
	struct err err = {0};
	assert_int_equal(multipart_read(slice_of(TYPE), slice_of(in), &form, &err), ERR_OK);
	assert_int_equal(adapter_read_form(&form, slice_of(TYPE), OFFER_TRANSCRIPTIONS, true, &call,
				 &err),
		ERR_OK);
	assert_string_equal(call.model, "stt");
	assert_int_equal(
		build(&adapter_openai_transcriptions, "", &target,
			"{\"language\":\"fr\",\"temperature\":0.5,\"stream\":true,\"list\":[1]}",
			&ask),
		ERR_OK);
	// What would break the form is left out; the target's word comes before the feature's.
	assert_string_equal(str_text(&ask.body),
		SOUND FIELD("model", "whisper-1") FIELD("language", "de")
			FIELD("temperature", "0.5") "--B--\r\n");
	assert_string_equal(ask.content_type, TYPE);
	release(&ask);
}

// A form that names no model has none, whatever the call before it was.
static void test_a_form_without_a_model(void **state)
{
	(void)state;
	static const char in[] = SOUND "--B--\r\n";
	struct err err = {0};
	assert_int_equal(multipart_read(slice_of(TYPE), slice_of(in), &form, &err), ERR_OK);
	memset(&call, 0x5a, sizeof(call));
	assert_int_equal(adapter_read_form(&form, slice_of(TYPE), OFFER_TRANSCRIPTIONS, false,
				 &call, &err),
		ERR_OK);
	assert_string_equal(call.model, "");
}

// What the gateway writes itself, what a target drops, and what the caller said stay out; so does a
// value that is none, or that would end the form.
static void test_further_fields_of_a_form(void **state)
{
	(void)state;
	static const char in[] = FIELD("user", "me") SOUND "--B--\r\n";
	static const char *drop[] = {"quality"};
	const struct target target = {.drop_params = {drop, 1},
		.params = "{\"seed\":7,\"quality\":\"hd\",\"model\":\"x\",\"n\":2,\"list\":[1],"
			  "\"object\":{},\"nothing\":null}"};
	const struct feature feature = {
		.defaults = "{\"seed\":9,\"user\":\"nobody\",\"style\":\"a\","
			    "\"ends\":\"--B\",\"on\":true}"};
	const struct openai_changes taken = {{{"n", NULL}}, 1};
	struct str fields = STR_INIT;
	struct err err = {0};
	assert_int_equal(multipart_read(slice_of(TYPE), slice_of(in), &form, &err), ERR_OK);
	openai_form_fields(&form, &target, &feature, &taken, &fields);
	assert_string_equal(str_text(&fields),
		FIELD("seed", "7") FIELD("style", "a") FIELD("on", "true"));
	str_clear(&fields);
	openai_form_fields(&form, &target, &feature, NULL, &fields);
	assert_string_equal(str_text(&fields),
		FIELD("seed", "7") FIELD("n", "2") FIELD("style", "a") FIELD("on", "true"));
	str_release(&fields);
}

// ---- answers ----

static const struct {
	const struct adapter *ad;
	enum offer offer;
	const char *in, *type, *reply;
	enum answer_kind kind;
	const char *out; // NULL: as it came
	int64_t tokens, audio_ms;
} replies[] = {
	{&adapter_ollama_embed, OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":[\"a\",\"b\"]}", NULL,
		"{\"model\":\"all-minilm\",\"embeddings\":[[0.5,1],[2,3]],\"prompt_eval_count\":8}",
		ANSWER_OK,
		"{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.5,1]},"
		"{\"object\":\"embedding\",\"index\":1,\"embedding\":[2,3]}],\"model\":\"all-minilm\","
		"\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
		8, -1},
	{&adapter_ollama_embed, OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":\"a\"}", NULL,
		"{\"error\":\"no\"}", ANSWER_ERROR, NULL, -1, -1},
	{&adapter_ollama_embed, OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":[\"a\",\"b\"]}", NULL,
		"{\"embeddings\":[[1]]}", ANSWER_BAD, NULL, -1, -1},
	{&adapter_tei_embed, OFFER_EMBEDDINGS,
		"{\"model\":\"e\",\"input\":\"a\",\"encoding_format\":\"base64\"}", NULL,
		"[[1.0,-2.5]]", ANSWER_OK,
		"{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":"
		"\"AACAPwAAIMA=\"}],\"model\":\"e\",\"usage\":{\"prompt_tokens\":0,\"total_tokens\":0}}",
		-1, -1},
	{&adapter_tei_embed, OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":\"a\"}", NULL,
		"{\"error\":\"x\"}", ANSWER_ERROR, NULL, -1, -1},
	{&adapter_tei_embed, OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":\"a\"}", NULL, "[[]]",
		ANSWER_BAD, NULL, -1, -1},
	{&adapter_tei_embed, OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":\"a\"}", NULL, "7",
		ANSWER_BAD, NULL, -1, -1},
	{&adapter_dashscope_embeddings, OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":\"a\"}", NULL,
		"{\"code\":\"InvalidParameter\",\"message\":\"m\",\"request_id\":\"r\"}",
		ANSWER_ERROR, NULL, -1, -1},
	{&adapter_tei_rerank, OFFER_RERANK,
		"{\"model\":\"r\",\"query\":\"q\",\"documents\":[\"a\",{\"text\":\"b\"},\"c\"],\"top_n\":2,"
		"\"return_documents\":true}",
		NULL,
		"[{\"index\":0,\"score\":0.2},{\"index\":2,\"score\":0.1},{\"index\":1,\"score\":0.9}]",
		ANSWER_OK,
		"{\"results\":[{\"index\":1,\"relevance_score\":0.9,\"document\":{\"text\":\"b\"}},"
		"{\"index\":0,\"relevance_score\":0.2,\"document\":{\"text\":\"a\"}}],\"model\":\"\","
		"\"usage\":{\"total_tokens\":0}}",
		-1, -1},
	{&adapter_tei_rerank, OFFER_RERANK,
		"{\"model\":\"r\",\"query\":\"q\",\"documents\":[\"a\",\"b\"],\"top_n\":1}", NULL,
		"[{\"index\":0,\"score\":0.2},{\"index\":1,\"score\":0.9}]", ANSWER_OK,
		"{\"results\":[{\"index\":1,\"relevance_score\":0.9}],\"model\":\"\","
		"\"usage\":{\"total_tokens\":0}}",
		-1, -1},
	{&adapter_tei_rerank,
		OFFER_RERANK, // equal ones as the caller had them, and no more than there are
		"{\"model\":\"r\",\"query\":\"q\",\"documents\":[\"a\",\"b\"],\"top_n\":9}", NULL,
		"[{\"index\":1,\"score\":0.5},{\"index\":0,\"score\":0.5}]", ANSWER_OK,
		"{\"results\":[{\"index\":0,\"relevance_score\":0.5},"
		"{\"index\":1,\"relevance_score\":0.5}],\"model\":\"\","
		"\"usage\":{\"total_tokens\":0}}",
		-1, -1},
	{&adapter_tei_rerank, OFFER_RERANK,
		"{\"model\":\"r\",\"query\":\"q\",\"documents\":[\"a\",\"b\"]}", NULL,
		"[{\"index\":7,\"score\":1},{\"index\":1,\"score\":1}]", ANSWER_BAD, NULL, -1, -1},
	{&adapter_openai_rerank, OFFER_RERANK,
		"{\"model\":\"r\",\"query\":\"q\",\"documents\":[\"a\"]}", NULL,
		"{\"results\":[{\"index\":0,\"relevance_score\":1}],\"usage\":{\"total_tokens\":5}}",
		ANSWER_OK, NULL, 5, -1},
	{&adapter_openai_rerank, // what it says of the question counts, not a sum
		OFFER_RERANK, "{\"model\":\"r\",\"query\":\"q\",\"documents\":[\"a\"]}", NULL,
		"{\"results\":[{\"index\":0,\"relevance_score\":1}],"
		"\"usage\":{\"prompt_tokens\":0,\"total_tokens\":5}}",
		ANSWER_OK, NULL, 0, -1},
	{&adapter_openai_transcriptions, OFFER_MODERATIONS, "{\"model\":\"x\",\"input\":\"\"}",
		"application/json",
		"{\"text\":\"t\",\"duration\":8.47,\"usage\":{\"type\":\"duration\",\"seconds\":9}}",
		ANSWER_OK, NULL, -1, 9000},
	{&adapter_openai_transcriptions, OFFER_MODERATIONS, "{\"model\":\"x\",\"input\":\"\"}",
		"application/json", "{\"text\":\"t\",\"duration\":\"8.5\"}", ANSWER_OK, NULL, -1,
		8500},
	{&adapter_openai_transcriptions, OFFER_MODERATIONS, "{\"model\":\"x\",\"input\":\"\"}",
		"text/vtt", "WEBVTT\n", ANSWER_OK, NULL, -1, -1},
	{&adapter_openai_transcriptions, OFFER_MODERATIONS, "{\"model\":\"x\",\"input\":\"\"}",
		"text/html", "<p>", ANSWER_BAD, NULL, -1, -1},
};

static enum answer_kind parse(const struct adapter *ad, const char *type, struct slice body,
	struct str *scratch, struct adapter_answer *ret)
{
	struct adapter_reply reply = {.status = 200, .content_type = slice_of(type), .body = body};
	return ad->parse(&call, &reply, scratch, ret);
}

static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		struct str scratch = STR_INIT;
		struct adapter_answer a;
		read_call(replies[i].offer, replies[i].in);
		enum answer_kind kind = parse(replies[i].ad, replies[i].type,
			slice_of(replies[i].reply), &scratch, &a);
		if (kind != replies[i].kind)
			fail_msg("row %zu is taken for %d", i, kind);
		if (kind == ANSWER_OK) {
			const char *want = replies[i].out ? replies[i].out : replies[i].reply;
			assert_int_equal(a.body.n, strlen(want));
			assert_memory_equal(a.body.p, want, a.body.n);
			assert_int_equal(a.usage.in, replies[i].tokens);
			assert_int_equal(a.usage.audio_ms, replies[i].audio_ms);
		}
		str_release(&scratch);
	}
}

// An error under a good status says its own.
static void test_errors_under_a_good_status(void **state)
{
	(void)state;
	static const struct adapter *const ads[] = {
		&adapter_openai_transcriptions, &adapter_openai_speech};
	for (size_t i = 0; i < ARRAY_LEN(ads); i++) {
		struct str scratch = STR_INIT;
		struct adapter_answer a;
		assert_int_equal(parse(ads[i], "application/json",
					 SLICE("{\"error\":{\"code\":503,\"message\":\"m\"}}"),
					 &scratch, &a),
			ANSWER_ERROR);
		assert_int_equal(a.status, 503);
		str_release(&scratch);
	}
}

// Only a number that is a status of a failure says one.
static void test_the_status_in_an_error(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		int status;
	} rows[] = {{"{\"error\":{\"code\":400}}", 400}, {"{\"error\":{\"code\":599}}", 599},
		{"{\"error\":{\"code\":399}}", 0}, {"{\"error\":{\"code\":600}}", 0},
		{"{\"error\":{\"code\":200}}", 0}, {"{\"error\":{\"code\":429.5}}", 0},
		{"{\"error\":{\"code\":\"429\"}}", 0}, {"{\"error\":{\"message\":\"m\"}}", 0},
		{"{\"error\":\"429\"}", 0}, {"{\"data\":[]}", 0}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jscan_member m[8];
		size_t n;
		struct err err;
		assert_int_equal(jscan_object(slice_of(rows[i].body), (struct jscan_limits){0}, m,
					 ARRAY_LEN(m), &n, &err),
			ERR_OK);
		assert_int_equal(openai_error_status(m, n), rows[i].status);
		assert_true(openai_is_error(m, n) == (i < ARRAY_LEN(rows) - 1));
	}
}

static void test_recorded_dashscope(void **state)
{
	(void)state;
	char text[4096];
	FILE *f = fopen("tests/data/dashscope/native-embedding.200.json", "r");
	struct str scratch = STR_INIT;
	struct adapter_answer a;
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text), f);
	fclose(f);
	read_call(OFFER_EMBEDDINGS,
		"{\"model\":\"e\",\"input\":[\"hello\",\"world\"],"
		"\"encoding_format\":\"base64\"}");
	assert_int_equal(parse(&adapter_dashscope_embeddings, NULL, (struct slice){text, n},
				 &scratch, &a),
		ANSWER_OK);
	assert_int_equal(a.usage.in, 4);
	assert_non_null(strstr(str_text(&scratch), "\"index\":1,\"embedding\":\"mpmZPs3MzD4=\""));
	str_release(&scratch);
}

// ---- parts ----

static void test_transcriptions_are_asked_for_as_text_or_events(void **state UNUSED)
{
	static const char *const forms[] = {FIELD("model", "stt") SOUND "--B--\r\n",
		FIELD("model", "stt") FIELD("stream", "true") SOUND "--B--\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct target target = {.upstream_model = "w"};
		struct adapter_ask ask = {0};
		struct multipart in;
		struct err err = {0};
		assert_int_equal(multipart_read(SLICE(TYPE), slice_of(forms[i]), &in, &err),
			ERR_OK);
		assert_int_equal(adapter_read_form(&in, SLICE(TYPE), OFFER_TRANSCRIPTIONS, true,
					 &call, &err),
			ERR_OK);
		assert_int_equal(build(&adapter_openai_transcriptions, "", &target, NULL, &ask),
			ERR_OK);
		assert_string_equal(ask.accept, i == 0 ? "*/*" : "text/event-stream");
		assert_int_equal(ask.stream, i == 1);
		assert_string_equal(ask.content_type, TYPE);
		release(&ask);
	}
}

static void test_parts_are_one_answer(void **state)
{
	(void)state;
	static const char *const parts[] = {
		"{\"data\":[{\"index\":1,\"embedding\":[1]},{\"index\":0,\"embedding\":[0]}],\"model\":\"m\"}",
		"{\"data\":[{\"index\":0,\"embedding\":[2]}],\"model\":\"m\"}"};
	static const char *const bad[] = {"{\"data\":[]}",
		"{\"data\":[{\"index\":1,\"embedding\":[1]}]}", "{\"data\":[{\"embedding\":[1]}]}",
		"{}", "{\"data\":[{\"index\":0},{\"index\":0}]}"};
	struct batch b = {0};
	struct str out = STR_INIT;
	read_call(OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":[\"a\",\"b\",\"c\"]}");
	batch_reset(&b);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct adapter_answer a = {.body = slice_of(parts[i]), .usage = {.in = 3}};
		call.from = 2 * i;
		call.part = 2 - i;
		assert_true(batch_add(&b, &call, &a));
	}
	call.from = call.part = 0;
	batch_write(&b, &call, &out);
	assert_string_equal(str_text(&out),
		"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0]},{\"index\":1,\"embedding\":[1]},"
		"{\"index\":2,\"embedding\":[2]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":6,"
		"\"total_tokens\":6}}");
	// The next answer in the same place: nothing is left of this one.
	struct adapter_answer next = {
		.body = SLICE("{\"data\":[{\"index\":0,\"embedding\":[7]}]}"), .usage = {.in = 1}};
	read_call(OFFER_EMBEDDINGS, "{\"model\":\"e\",\"input\":\"a\"}");
	batch_reset(&b);
	call.part = 1;
	assert_true(batch_add(&b, &call, &next));
	str_clear(&out);
	batch_write(&b, &call, &out);
	assert_string_equal(str_text(&out),
		"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[7]}],\"model\":\"\","
		"\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}");
	for (int64_t twice = 0; twice <= 127;
		twice++) { // no item stands for another, wherever it is
		struct str body = STR_INIT;
		str_add(&body, "{\"data\":[");
		for (int64_t i = 0; i < 128; i++)
			str_addf(&body, "%s{\"index\":%lld}", i > 0 ? "," : "",
				(long long)(i == 127 ? twice : i));
		str_add(&body, "]}");
		struct adapter_answer a = {
			.body = str_slice(&body), .usage = ADAPTER_USAGE_UNKNOWN};
		batch_reset(&b);
		call.part = 128;
		assert_true(batch_add(&b, &call, &a) == (twice == 127));
		str_release(&body);
	}
	call.part = 1;
	for (size_t n = sizeof(b.model) - 1; n <= sizeof(b.model);
		n++) { // a name that fits is kept
		struct str body = STR_INIT, want = STR_INIT;
		str_add(&body, "{\"data\":[{\"index\":0}],\"model\":\"");
		for (size_t i = 0; i < n; i++)
			str_add_c(n < sizeof(b.model) ? &want : &body, 'x');
		if (n < sizeof(b.model))
			str_add_slice(&body, str_slice(&want));
		str_add(&body, "\"}");
		struct adapter_answer named = {
			.body = str_slice(&body), .usage = ADAPTER_USAGE_UNKNOWN};
		batch_reset(&b);
		assert_true(batch_add(&b, &call, &named));
		assert_string_equal(b.model, str_text(&want));
		str_release(&body);
		str_release(&want);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct adapter_answer a = {
			.body = slice_of(bad[i]), .usage = ADAPTER_USAGE_UNKNOWN};
		batch_reset(&b);
		call.part = i == 4 ? 2 : 1;
		assert_false(batch_add(&b, &call, &a));
	}
	str_release(&out);
	batch_release(&b);
}

// ---- events ----

static void test_events(void **state)
{
	(void)state;
	struct adapter_stream s = {.usage = ADAPTER_USAGE_UNKNOWN};
	struct str out = STR_INIT;
	struct slice none = {NULL, 0};
	enum chunk_kind (*chunk)(const struct adapter_call *, struct adapter_stream *, struct slice,
		struct slice, struct str *) = adapter_openai_transcriptions.chunk;
	assert_int_equal(chunk(&call, &s, none,
				 SLICE("{\"type\":\"transcript.text.delta\",\"delta\":\"I\"}"),
				 &out),
		CHUNK_MORE);
	assert_false(s.finish);
	assert_int_equal(
		chunk(&call, &s, none,
			SLICE("{\"type\":\"transcript.text.done\",\"usage\":"
			      "{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":45}}"),
			&out),
		CHUNK_DONE);
	assert_true(s.finish);
	assert_int_equal(s.usage.out, 45);
	assert_int_equal(chunk(&call, &s, none, SLICE("{\"error\":{\"code\":429}}"), &out),
		CHUNK_ERROR);
	assert_int_equal(s.status, 429);
	assert_int_equal(chunk(&call, &s, none, SLICE("{\"x\":1}"), &out), CHUNK_BAD);
	str_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asks),
		cmocka_unit_test(test_tokens_are_refused_where_texts_are_taken),
		cmocka_unit_test(test_speech_is_charged_by_characters),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_a_form_without_a_model),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_speech_is_asked_for_as_sound_or_events),
		cmocka_unit_test(test_further_fields_of_a_form),
		cmocka_unit_test(test_errors_under_a_good_status),
		cmocka_unit_test(test_the_status_in_an_error),
		cmocka_unit_test(test_recorded_dashscope),
		cmocka_unit_test(test_transcriptions_are_asked_for_as_text_or_events),
		cmocka_unit_test(test_parts_are_one_answer),
		cmocka_unit_test(test_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
