// SPDX-License-Identifier: MIT
// Adapters of chat over recorded and documented bytes: what callers get of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/adapter.h"
#include "agent/protocol/fold.h"
#include "agent/protocol/table.h"
#include "shared/sse.h"

static struct adapter_call call; // large

static void ask(const char *body)
{
	struct err err = {0};
	assert_int_equal(adapter_read(slice_of(body), OFFER_CHAT, true, &call, &err), ERR_OK);
}

static void ask_plain(bool stream)
{
	ask(stream ? "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
		   : "{\"model\":\"m\",\"messages\":[]}");
}

static char *file_text(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 64 * 1024);
	assert_non_null(f);
	assert_true(fread(text, 1, 64 * 1024 - 1, f) > 0);
	fclose(f);
	return text;
}

// Plays a stream's bytes in pieces of n; the events appended for the caller and how it ended.
static enum chunk_kind play(const struct adapter *ad, const char *bytes, size_t n,
	struct adapter_stream *s, struct str *out)
{
	enum chunk_kind kind = CHUNK_MORE;
	struct sse reader = {0};
	struct str whole = STR_INIT;
	str_add(&whole, bytes);
	str_add(&whole, "\n\n");
	adapter_stream_reset(s, 1000, 7);
	s->want_usage = true;
	for (size_t at = 0; at < whole.n && kind <= CHUNK_IDLE; at += n) {
		struct slice in = {whole.p + at, MIN_OF(n, whole.n - at)};
		struct sse_event ev = {0};
		while (kind <= CHUNK_IDLE &&
			(ad->frames == FRAMES_SSE ? sse_next(&reader, &in, &ev)
						  : sse_line(&reader, &in, &ev.data)))
			kind = adapter_chunk(ad, &call, s, &ev, out);
	}
	sse_release(&reader);
	str_release(&whole);
	str_release(&s->text);
	return kind;
}

// The document the events fold into.
static void fold_events(const struct str *events, struct str *ret)
{
	struct fold *f = fold_new(7);
	struct sse reader = {0};
	struct slice in = str_slice(events);
	struct sse_event ev;
	while (sse_next(&reader, &in, &ev))
		assert_true(fold_add(f, ev.data));
	fold_write(f, ret);
	assert_int_equal(jscan_check(str_slice(ret), (struct jscan_limits){0}, NULL), ERR_OK);
	sse_release(&reader);
	fold_free(f);
}

static void check_fold(const struct adapter *ad, const char *path, const char *want)
{
	char *bytes = file_text(path);
	for (size_t n = 1; n < 4096; n *= 9) {
		struct adapter_stream s = {0};
		struct str out = STR_INIT, doc = STR_INIT;
		assert_int_equal(play(ad, bytes, n, &s, &out), CHUNK_DONE);
		assert_true(s.finish);
		fold_events(&out, &doc);
		assert_string_equal(str_text(&doc), want);
		str_release(&out);
		str_release(&doc);
		str_release(&s.text);
	}
	free(bytes);
}

static void test_anthropic_streams(void **state)
{
	(void)state;
	ask_plain(true);
	check_fold(&adapter_anthropic_messages, "tests/data/anthropic/basic_response.txt",
		"{\"id\":\"chatcmpl-msg_4QpJur2dWWDjF6C758FbBw5vm12BaVipnK\",\"created\":1,"
		"\"model\":\"claude-3-opus-latest\",\"object\":\"chat.completion\",\"choices\":["
		"{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello there!\","
		"\"refusal\":null},"
		"\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,"
		"\"completion_tokens\":6,\"total_tokens\":17}}");
	check_fold(&adapter_anthropic_messages, "tests/data/anthropic/tool_use_response.txt",
		"{\"id\":\"chatcmpl-msg_019Q1hrJbZG26Fb9BQhrkHEr\",\"created\":1,"
		"\"model\":\"claude-sonnet-4-20250514\",\"object\":\"chat.completion\",\"choices\":["
		"{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
		"\"I'll check the current weather in Paris for you.\",\"refusal\":null,\"tool_calls\":[{\"id\":"
		"\"toolu_01NRLabsLyVHZPKxbKvkfSMn\",\"type\":\"function\",\"function\":{\"name\":"
		"\"get_weather\",\"arguments\":\"{\\\"location\\\": \\\"Paris\\\"}\"}}]},"
		"\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":{"
		"\"prompt_tokens\":377,\"completion_tokens\":65,\"total_tokens\":442,"
		"\"prompt_tokens_details\":{\"cached_tokens\":0}}}");
	check_fold(&adapter_anthropic_messages, "tests/data/anthropic/refusal_response.txt",
		"{\"id\":\"chatcmpl-msg_01RefusalTestMessage123456789\",\"created\":1,"
		"\"model\":\"claude-opus-4-7\",\"object\":\"chat.completion\",\"choices\":["
		"{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},"
		"\"logprobs\":null,\"finish_reason\":\"content_filter\"}],\"usage\":{"
		"\"prompt_tokens\":20,\"completion_tokens\":0,\"total_tokens\":20}}");
}

static void test_dashscope_native_stream(void **state)
{
	(void)state;
	ask_plain(true);
	check_fold(&adapter_dashscope_chat_native, "tests/data/dashscope/native-generation.sse.txt",
		"{\"id\":\"chatcmpl-aaaaaaaa-0001-9000-8000-00000000000e\",\"created\":1,"
		"\"model\":\"m\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
		"\"message\":{\"role\":\"assistant\",\"content\":\"Hello\",\"refusal\":null},"
		"\"logprobs\":null,"
		"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,"
		"\"completion_tokens\":2,\"total_tokens\":12,\"prompt_tokens_details\":{"
		"\"cached_tokens\":0}}}");
}

// What a frame does not say is no piece of the answer.
static void test_no_piece_is_empty(void **state)
{
	(void)state;
	static const char frames[] =
		"data: {\"output\":{\"choices\":[{\"message\":{\"content\":\"\",\"reasoning_content\":\"hm\"},"
		"\"finish_reason\":\"null\"}]},\"request_id\":\"r\"}\n\n"
		"data: {\"output\":{\"choices\":[{\"message\":{\"content\":\"a\",\"reasoning_content\":\"\"},"
		"\"finish_reason\":\"null\"}]},\"request_id\":\"r\"}";
	struct adapter_stream s = {.usage = ADAPTER_USAGE_UNKNOWN};
	struct str out = STR_INIT;
	ask_plain(true);
	assert_true(play(&adapter_dashscope_chat_native, frames, 50, &s, &out) <= CHUNK_IDLE);
	assert_non_null(strstr(str_text(&out), "\"reasoning_content\":\"hm\""));
	assert_non_null(strstr(str_text(&out), "\"content\":\"a\""));
	assert_null(strstr(str_text(&out), "content\":\"\""));
	str_release(&out);
}

static void test_stream_errors(void **state)
{
	(void)state;
	static const struct {
		const struct adapter *ad;
		const char *bytes;
		enum chunk_kind kind;
		int status;
	} rows[] = {
		{&adapter_dashscope_chat_native,
			"event:error\n:HTTP_STATUS/429\ndata:{\"code\":"
			"\"Throttling.RateQuota\",\"message\":\"m\",\"request_id\":\"r\"}",
			CHUNK_ERROR, 429},
		{&adapter_dashscope_chat_native,
			"data:{\"code\":\"InvalidApiKey\",\"message\":\"m\"}", CHUNK_ERROR, 401},
		{&adapter_dashscope_chat_native, "data:{\"x\":1}", CHUNK_BAD, 0},
		{&adapter_anthropic_messages,
			"event: error\ndata: {\"type\":\"error\",\"error\":{"
			"\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
			CHUNK_ERROR, 529},
		{&adapter_anthropic_messages, "event: ping\ndata: {\"type\": \"ping\"}", CHUNK_IDLE,
			0},
		{&adapter_anthropic_messages, "data: {\"x\":1}", CHUNK_BAD, 0},
		{&adapter_ollama_chat, "{\"error\":\"out of memory\"}", CHUNK_ERROR, 0},
		{&adapter_ollama_chat, "{\"message\":", CHUNK_BAD, 0},
		{&adapter_openai_chat,
			"data: {\"error\":{\"message\":\"m\",\"code\":400}}\n\n"
			"data: [DONE]",
			CHUNK_ERROR, 400},
		{&adapter_openai_responses,
			"event: error\ndata: {\"type\":\"error\",\"code\":\"x\"}", CHUNK_ERROR, 0},
		{&adapter_openai_responses, "data: {\"choices\":[]}", CHUNK_BAD, 0},
	};
	ask_plain(true);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct adapter_stream s = {0};
		struct str out = STR_INIT;
		assert_int_equal(play(rows[i].ad, rows[i].bytes, 4096, &s, &out), rows[i].kind);
		assert_int_equal(s.status, rows[i].status);
		assert_int_equal(out.n, 0);
		str_release(&out);
	}
}

static void test_ollama_lines(void **state)
{
	(void)state;
	static const char bytes[] =
		"{\"model\":\"llama\",\"message\":{\"role\":\"assistant\",\"content\":\"\","
		"\"thinking\":\"hm\"},\"done\":false}\n"
		"{\"model\":\"llama\",\"message\":{\"role\":\"assistant\",\"content\":\"a\\nb\"},"
		"\"done\":false}\n"
		"{\"model\":\"llama\",\"message\":{\"role\":\"assistant\",\"content\":\"\","
		"\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}},"
		"{\"id\":\"mine\",\"function\":{\"name\":\"g\",\"arguments\":{}}}]},\"done\":false}\n"
		"{\"model\":\"llama\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},"
		"\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":5,\"eval_count\":7}\n";
	struct adapter_stream s = {0};
	struct str out = STR_INIT, doc = STR_INIT;
	ask_plain(true);
	assert_int_equal(play(&adapter_ollama_chat, bytes, 10, &s, &out), CHUNK_DONE);
	// Ollama has no ids: one is made, and every event has it.
	struct slice rest = str_slice(&out);
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		assert_true(line.n == 0 ||
			slice_starts(line, "data: {\"id\":\"chatcmpl-0000000000000007\","));
	}
	fold_events(&out, &doc);
	assert_string_equal(str_text(&doc),
		"{\"id\":\"chatcmpl-0000000000000007\",\"created\":1,\"model\":\"llama\","
		"\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{"
		"\"role\":\"assistant\",\"reasoning_content\":\"hm\",\"content\":\"a\\nb\","
		"\"refusal\":null,\"tool_calls\":[{\"id\":\"call_000000000000000700\","
		"\"type\":\"function\",\"function\":{"
		"\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"mine\","
		"\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},"
		"\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":{"
		"\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}}");
	str_release(&out);
	str_release(&doc);
}

// What an odd stream becomes; want: a part of the document its events fold into.
static void test_odd_streams(void **state)
{
	(void)state;
#define CALL_START(n, input)                                                                       \
	"data: {\"type\":\"content_block_start\",\"index\":" n ",\"content_block\":{\"type\":"     \
	"\"tool_use\",\"id\":\"t" n "\",\"name\":\"f\",\"input\":" input "}}\n\n"
#define ANTHROPIC_HEAD                                                                             \
	"data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\"}}\n\n"
#define ANTHROPIC_END                                                                              \
	"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"stop_sequence\","          \
	"\"stop_sequence\":\"END\"}}\n\ndata: {\"type\":\"message_stop\"}"
#define OPENAI_END                                                                                 \
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"          \
	"data: [DONE]"
	static const struct {
		const struct adapter *ad;
		const char *bytes, *want;
	} rows[] = {
		{&adapter_anthropic_messages,
			ANTHROPIC_HEAD CALL_START("0",
				"{}") "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n" ANTHROPIC_END,
			"\"arguments\":\"{}\""},
		{&adapter_anthropic_messages, // the end of a block that never came
			ANTHROPIC_HEAD CALL_START("0", "{\"x\":1}") CALL_START("1", "{}")
				ANTHROPIC_END,
			"\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"t1\",\"type\":\"function\","
			"\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"},
		{&adapter_anthropic_messages, // pieces are all there is
			ANTHROPIC_HEAD CALL_START("0",
				"{}") "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
				      "\"input_json_delta\",\"partial_json\":\"{\\\"y\\\":2}\"}}\n\n"
				      "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
				      "data: {\"not\":\"known\"}\n\n" ANTHROPIC_END,
			"\"arguments\":\"{\\\"y\\\":2}\""},
		{&adapter_openai_chat,
			"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"},"
			"\"finish_reason\":\"\"}]}\n\n"
			"data: {\"queue\":3}\n\n"
			"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xe6\xb8 b\"}}]}"
			"\n\n" OPENAI_END,
			"\"content\":\"a\xef\xbf\xbd\xef\xbf\xbd b\""},
		{&adapter_dashscope_chat_native,
			"data: {\"output\":{\"choices\":[{\"message\":{\"content\":[{\"text\":\"a\"}]},"
			"\"finish_reason\":\"\"}]},\"request_id\":\"r\"}\n\n"
			"data: {\"request_id\":\"r\"}\n\n"
			"data: {\"output\":{\"choices\":[{\"message\":{\"content\":[{\"text\":\"b\"}]},"
			"\"finish_reason\":\"stop\"}]},\"request_id\":\"r\"}",
			"\"content\":\"ab\""},
		{&adapter_ollama_chat,
			"{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"note\":1}\n"
			"{\"done\":true,\"done_reason\":\"length\"}\n",
			"\"finish_reason\":\"length\""},
	};
	ask_plain(true);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct adapter_stream s = {0};
		struct str out = STR_INIT, doc = STR_INIT;
		assert_int_equal(play(rows[i].ad, rows[i].bytes, 7, &s, &out), CHUNK_DONE);
		assert_true(s.finish);
		fold_events(&out, &doc);
		if (strstr(str_text(&doc), rows[i].want) == NULL)
			fail_msg("row %zu: %s", i, str_text(&doc));
		str_release(&out);
		str_release(&doc);
	}
#undef CALL_START
#undef ANTHROPIC_HEAD
#undef ANTHROPIC_END
#undef OPENAI_END
}

// ---- whole answers ----

static const struct {
	const struct adapter *ad;
	const char *in, *out; // out NULL: not an answer
	enum answer_kind kind;
	int status;
} answers[] = {
	{&adapter_anthropic_messages,
		"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\","
		"\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},"
		"{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":"
		"\"f\",\"input\":{\"x\":\"y\"}}],\"stop_reason\":\"tool_use\",\"usage\":{"
		"\"input_tokens\":3,\"cache_creation_input_tokens\":4,"
		"\"cache_read_input_tokens\":5,\"output_tokens\":6}}",
		"{\"id\":\"chatcmpl-msg_1\",\"object\":\"chat.completion\",\"created\":9,"
		"\"model\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
		"\"content\":\"a\",\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"t\","
		"\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
		"\"{\\\"x\\\":\\\"y\\\"}\"}}],\"refusal\":null},"
		"\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],"
		"\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":6,\"total_tokens\":18,"
		"\"prompt_tokens_details\":{\"cached_tokens\":5}}}",
		ANSWER_OK, 0},
	{&adapter_anthropic_messages,
		"{\"type\":\"error\",\"error\":{\"type\":"
		"\"rate_limit_error\"}}",
		NULL, ANSWER_ERROR, 429},
	{&adapter_anthropic_messages, "{\"choices\":[]}", NULL, ANSWER_BAD, 0},
	{&adapter_dashscope_chat_native,
		"{\"output\":{\"text\":\"a\",\"finish_reason\":\"stop\"},\"usage\":{"
		"\"input_tokens\":1,\"output_tokens\":2},\"request_id\":\"r\"}",
		"{\"id\":\"chatcmpl-r\",\"object\":\"chat.completion\",\"created\":9,\"model\":\"m\","
		"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\","
		"\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,"
		"\"completion_tokens\":2,\"total_tokens\":3}}",
		ANSWER_OK, 0},
	{&adapter_dashscope_chat_native, "{\"code\":\"Throttling\",\"message\":\"m\"}", NULL,
		ANSWER_ERROR, 429},
	{&adapter_dashscope_chat_native, "[]", NULL, ANSWER_BAD, 0},
	{&adapter_ollama_chat, "{\"error\":\"x\"}", NULL, ANSWER_ERROR, 0},
	// broken off by the server
	{&adapter_ollama_chat, "{\"model\":\"m\",\"message\":{\"content\":\"a\"},\"done\":false}",
		"{\"id\":\"chatcmpl-0000000000000000\",\"object\":\"chat.completion\",\"created\":9,"
		"\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
		"\"content\":\"a\",\"refusal\":null},\"logprobs\":null,"
		"\"finish_reason\":\"length\"}]}",
		ANSWER_OK, 0},
	{&adapter_ollama_chat, "{\"done\":true}", NULL, ANSWER_BAD, 0},
	// arguments as a text, content as a list
	{&adapter_ollama_chat,
		"{\"model\":\"m\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
		"{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]}],"
		"\"tool_calls\":[{\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":"
		"\"{\\\"x\\\":1}\"}}]},\"done\":true}",
		"{\"id\":\"chatcmpl-0000000000000000\",\"object\":\"chat.completion\",\"created\":9,"
		"\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
		"\"content\":\"a\",\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"t\","
		"\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
		"\"{\\\"x\\\":1}\"}}],\"refusal\":null},\"logprobs\":null,"
		"\"finish_reason\":\"tool_calls\"}]}",
		ANSWER_OK, 0},
	// which stop sequence it was; a call's input that is no object
	{&adapter_anthropic_messages,
		"{\"id\":\"m\",\"type\":\"message\",\"model\":\"c\",\"content\":[{\"type\":"
		"\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":null},{\"type\":\"tool_use\","
		"\"id\":\"u\",\"name\":\"g\",\"input\":[1]}],"
		"\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\"}",
		"{\"id\":\"chatcmpl-m\",\"object\":\"chat.completion\",\"created\":9,\"model\":\"c\","
		"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"
		"\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\","
		"\"arguments\":\"{}\"}},{\"id\":\"u\",\"type\":\"function\",\"function\":{"
		"\"name\":\"g\",\"arguments\":\"[1]\"}}],\"refusal\":null},\"logprobs\":null,"
		"\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}]}",
		ANSWER_OK, 0},
	{&adapter_dashscope_chat_native,
		"{\"output\":{\"choices\":[{\"message\":{\"content\":[{\"text\":\"a\"},{\"text\":"
		"\"b\"}]},\"finish_reason\":\"stop\"}]},\"request_id\":\"r\"}",
		"{\"id\":\"chatcmpl-r\",\"object\":\"chat.completion\",\"created\":9,\"model\":\"m\","
		"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"ab\","
		"\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}]}",
		ANSWER_OK, 0},
	{&adapter_openai_chat, "{\"choices\":[{\"message\":{},\"finish_reason\":\"\"}],\"x\":1}",
		"{\"choices\":[{\"message\":{},\"finish_reason\":null}],\"x\":1}", ANSWER_OK, 0},
	// what is odd but readable passes
	{&adapter_openai_chat, "{\"choices\":[{\"message\":{\"content\":\"a\xff \\ud83d\"}}]}",
		"{\"choices\":[{\"message\":{\"content\":\"a\xef\xbf\xbd \xef\xbf\xbd\"}}]}",
		ANSWER_OK, 0},
	{&adapter_openai_chat, "{\"choices\":[\"\xff\"", NULL, ANSWER_BAD, 0},
	{&adapter_openai_chat, "{\"error\":{\"message\":\"m\",\"code\":\"x\"}}", NULL, ANSWER_ERROR,
		0},
	{&adapter_openai_responses, "{\"error\":{\"message\":\"m\"}}", NULL, ANSWER_ERROR, 0},
	{&adapter_openai_responses, "{\"error\":null,\"output\":[]}",
		"{\"error\":null,\"output\":[]}", ANSWER_OK, 0},
};

static void test_answers(void **state)
{
	(void)state;
	ask_plain(false);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct adapter_reply reply = {
			.status = 200, .at_s = 9, .body = slice_of(answers[i].in)};
		struct str scratch = STR_INIT;
		struct adapter_answer a;
		assert_int_equal(adapter_parse(answers[i].ad, &call, &reply, &scratch, &a),
			answers[i].kind);
		assert_int_equal(a.status, answers[i].status);
		if (answers[i].out != NULL) {
			assert_int_equal(a.body.n, strlen(answers[i].out));
			assert_memory_equal(a.body.p, answers[i].out, a.body.n);
		}
		str_release(&scratch);
	}
}

// ---- what an operator sets for a target of DashScope's ----

static void test_dashscope_heeds_the_operator(void **state)
{
	(void)state;
	static const struct {
		const char *params, *drop, *in, *has;
		bool stream;
	} rows[] = {
		{NULL, NULL, "{\"model\":\"m\",\"messages\":[],\"top_p\":1}", "\"top_p\":0.999",
			false},
		{"{\"top_p\":0.5}", NULL, "{\"model\":\"m\",\"messages\":[],\"top_p\":1}",
			"\"top_p\":0.5", false},
		{NULL, NULL, "{\"model\":\"m\",\"messages\":[],\"enable_thinking\":true}",
			"\"enable_thinking\":true", true},
		{"{\"enable_thinking\":false}", NULL,
			"{\"model\":\"m\",\"messages\":[],\"enable_thinking\":true}",
			"\"enable_thinking\":false", false},
		{NULL, "enable_thinking",
			"{\"model\":\"m\",\"messages\":[],\"enable_thinking\":true}",
			"\"messages\":[]", false},
	};
	static const struct adapter *const modes[] = {
		&adapter_dashscope_chat, &adapter_dashscope_chat_native};
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const char *drop[] = {rows[i / 2].drop};
		const struct target target = {.params = rows[i / 2].params,
			.drop_params = {drop, rows[i / 2].drop != NULL}};
		const struct url url = {.path = "/v1"};
		const struct candidate cand = {.target = &target, .url = &url};
		struct adapter_ask to = {0};
		struct err err = {0};
		ask(rows[i / 2].in);
		assert_int_equal(modes[i % 2]->build(&call, &(struct feature){0}, &cand, &to, &err),
			ERR_OK);
		assert_non_null(strstr(str_text(&to.body), rows[i / 2].has));
		assert_int_equal(to.stream, rows[i / 2].stream);
		str_release(&to.path);
		str_release(&to.headers);
		str_release(&to.body);
	}
}

// The type of an error stands for the status that it would have come with.
static void test_types_of_anthropics_errors(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		int status;
	} rows[] = {{"invalid_request_error", 400}, {"authentication_error", 401},
		{"billing_error", 402}, {"permission_error", 403}, {"not_found_error", 404},
		{"request_too_large", 413}, {"rate_limit_error", 429}, {"api_error", 500},
		{"timeout_error", 504}, {"overloaded_error", 529}, {"something_new", 500}};
	ask_plain(false);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char body[200];
		snprintf(body, sizeof(body),
			"{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"m\"}}",
			rows[i].type);
		const struct adapter_reply reply = {.status = 200, .body = slice_of(body)};
		struct str scratch = STR_INIT;
		struct adapter_answer a;
		assert_int_equal(adapter_anthropic_messages.parse(&call, &reply, &scratch, &a),
			ANSWER_ERROR);
		assert_int_equal(a.status, rows[i].status);
		str_release(&scratch);
	}
}

// ---- folds ----

static void test_folds(void **state)
{
	(void)state;
	static const char *const chunks[] = {
		"{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":5,\"model\":\"m\","
		"\"choices\":[{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
		"{\"id\":\"c1\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"\\u00e4\\\"\","
		"\"refusal\":null},\"logprobs\":{\"content\":[{\"token\":\"a\"}]},\"finish_reason\":null}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\","
		"\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\","
		"\"function\":{\"name\":\"f\",\"arguments\":\"}\"}}]},\"finish_reason\":\"tool_calls\"},"
		"{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}",
		"{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"};
	struct fold *f = fold_new(7);
	struct str out = STR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++)
		assert_true(fold_add(f, slice_of(chunks[i])));
	fold_write(f, &out);
	assert_string_equal(str_text(&out),
		"{\"id\":\"c1\",\"created\":5,\"model\":\"m\",\"object\":\"chat.completion\","
		"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"
		"\"refusal\":null,\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\","
		"\"function\":{\"name\":\"f\","
		"\"arguments\":\"{}\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"},"
		"{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"\\u00e4\\\"\",\"refusal\":null},"
		"\"logprobs\":{\"content\":[{\"token\":\"a\"}],\"refusal\":null},"
		"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}");
	assert_false(fold_add(f, SLICE("{\"choices\":[{\"index\":16,\"delta\":{}}]}")));
	assert_false(fold_add(f, SLICE("{\"choices\":")));
	fold_free(f);
	str_release(&out);
}

// Members of servers of their own: texts are joined, of anything else the last word counts.
static void test_members_of_their_own_are_folded(void **state)
{
	(void)state;
#define DELTA_OF(more) "{\"choices\":[{\"index\":0,\"delta\":{" more "}}]}"
	static const char *const chunks[] = {DELTA_OF("\"x\":[1],\"y\":\"a\",\"z\":\"q\""),
		DELTA_OF("\"x\":\"a\",\"y\":{\"k\":1},\"z\":\"r\""), DELTA_OF("\"x\":\"b\"")};
	struct fold *f = fold_new(7);
	struct str out = STR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++)
		assert_true(fold_add(f, slice_of(chunks[i])));
	fold_write(f, &out);
	assert_non_null(strstr(str_text(&out), "\"x\":\"ab\""));
	assert_non_null(strstr(str_text(&out), "\"y\":{\"k\":1}"));
	assert_non_null(strstr(str_text(&out), "\"z\":\"qr\""));
	fold_free(f);
	str_release(&out);
}

static char *folded(const char *const *chunks, size_t n)
{
	struct fold *f = fold_new(7);
	struct str out = STR_INIT;
	for (size_t i = 0; i < n; i++)
		assert_true(fold_add(f, slice_of(chunks[i])));
	fold_write(f, &out);
	fold_free(f);
	return out.p;
}

static void test_odd_pieces_are_folded_as_they_were_meant(void **state)
{
	(void)state;
	static const char *const chunks[] = {
		DELTA_OF(
			"\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]},"
			"{\"type\":\"text\",\"text\":\"so \"}]"),
		DELTA_OF("\"content\":[{\"type\":\"text\",\"text\":\"it is\"}]"),
		DELTA_OF("\"tool_calls\":[{\"function\":{\"name\":\"a\",\"arguments\":{\"x\":1}}},"
			 "{\"id\":\"own\",\"function\":{\"name\":\"b\"}}]"),
		"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"\"}]}"};
	char *text = folded(chunks, ARRAY_LEN(chunks));
	assert_non_null(strstr(text, "\"content\":\"so it is\""));
	assert_non_null(strstr(text, "\"name\":\"a\",\"arguments\":\"{\\\"x\\\":1}\""));
	assert_non_null(strstr(text,
		"{\"id\":\"own\",\"type\":\"function\",\"function\":{\"name\":\"b\","
		"\"arguments\":\"{}\"}}"));
	assert_null(strstr(text, "\"id\":\"\""));
	assert_non_null(strstr(text, "\"finish_reason\":\"stop\",\"stop_reason\":\"END\""));
	free(text);
}

static void test_a_fold_has_a_limit(void **state)
{
	(void)state;
	struct fold *f = fold_new(7);
	struct str chunk = STR_INIT;
	size_t n = 0;
	str_add(&chunk, "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
	for (int i = 0; i < 1024 * 1024; i++)
		str_add_c(&chunk, 'x');
	str_add(&chunk, "\"}}]}");
	while (n < 100 && fold_add(f, str_slice(&chunk)))
		n++;
	assert_int_equal(n, FOLD_MAX / (1024 * 1024));
	fold_free(f);
	str_release(&chunk);
}

// ---- Messages for callers ----

static bool message_of(const char *completion, struct str *out)
{
	struct turn turn;
	turn_begin(&turn, dialect_anthropic.whole_words, &call, 1, 0);
	bool fine = dialect_anthropic.answer(&turn, slice_of(completion), out);
	turn_release(&turn);
	return fine;
}

static void test_messages_answers(void **state)
{
	(void)state;
	struct str out = STR_INIT;
	assert_true(message_of(
		"{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a\","
		"\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"t\",\"function\":{"
		"\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},\"finish_reason\":"
		"\"tool_calls\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
		"\"prompt_tokens_details\":{\"cached_tokens\":4}}}",
		&out));
	assert_string_equal(str_text(&out),
		"{\"id\":\"msg_c\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\","
		"\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},"
		"{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"tool_use\",\"id\":\"t\","
		"\"name\":\"f\",\"input\":{\"x\":1}}],\"stop_reason\":\"tool_use\","
		"\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,"
		"\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,"
		"\"output_tokens\":2}}");
	assert_false(message_of("{\"choices\":[]}", &out));
	str_release(&out);
}

// A recorded answer through OpenAI's chunks and back again is what it was.
static void test_there_and_back(void **state)
{
	(void)state;
	char *bytes = file_text("tests/data/anthropic/tool_use_response.txt");
	struct adapter_stream s = {0};
	struct str chunks = STR_INIT, back = STR_INIT, names = STR_INIT, text = STR_INIT;
	struct sse reader = {0};
	ask_plain(true);
	assert_int_equal(play(&adapter_anthropic_messages, bytes, 100, &s, &chunks), CHUNK_DONE);
	struct turn face;
	turn_begin(&face, dialect_anthropic.words, &call, 1, 0);
	struct sse_event ev;
	for (struct slice in = str_slice(&chunks); sse_next(&reader, &in, &ev);)
		assert_true(turn_chunk(&face, ev.data, &back));
	dialect_anthropic.end(&face, &call, &back);
	turn_release(&face);
	for (struct slice in = str_slice(&back); sse_next(&reader, &in, &ev);) {
		assert_int_equal(jscan_check(ev.data, (struct jscan_limits){0}, NULL), ERR_OK);
		if (!slice_eq_str(ev.name, "content_block_delta"))
			str_addf(&names, "%.*s ", SLICE_FMT(ev.name));
	}
	assert_string_equal(str_text(&names),
		"message_start content_block_start content_block_stop content_block_start "
		"content_block_stop message_delta message_stop ");
	assert_non_null(strstr(str_text(&back), "\"stop_reason\":\"tool_use\""));
	assert_non_null(strstr(str_text(&back), "\"input_tokens\":377"));
	sse_release(&reader);
	str_release(&chunks);
	str_release(&back);
	str_release(&names);
	str_release(&text);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anthropic_streams),
		cmocka_unit_test(test_dashscope_native_stream),
		cmocka_unit_test(test_dashscope_heeds_the_operator),
		cmocka_unit_test(test_no_piece_is_empty),
		cmocka_unit_test(test_stream_errors),
		cmocka_unit_test(test_ollama_lines),
		cmocka_unit_test(test_odd_streams),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_types_of_anthropics_errors),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_members_of_their_own_are_folded),
		cmocka_unit_test(test_odd_pieces_are_folded_as_they_were_meant),
		cmocka_unit_test(test_a_fold_has_a_limit),
		cmocka_unit_test(test_messages_answers),
		cmocka_unit_test(test_there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
