// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "agent/protocol/adapter.h"
#include "agent/protocol/json.h"

#define CHOICE                                                                                     \
	"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"x\"},\"finish_reason\":\"stop\"}]"

// Where each protocol tells a figure; %s is the figure.
static const struct {
	const struct adapter *adapter;
	enum offer offer;
	const char *request, *reply;
} rows[] = {
	{&adapter_openai_chat, OFFER_CHAT, "{\"messages\":[]}",
		"{" CHOICE ",\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":1}}"},
	{&adapter_openai_chat, OFFER_CHAT, "{\"messages\":[]}",
		"{" CHOICE ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,"
		"\"prompt_tokens_details\":{\"cached_tokens\":%s}}}"},
	{&adapter_openai_responses, OFFER_RESPONSES, "{\"input\":\"x\"}",
		"{\"output\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":%s}}"},
	{&adapter_anthropic_messages, OFFER_CHAT, "{\"messages\":[]}",
		"{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],"
		"\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1,"
		"\"cache_read_input_tokens\":%s}}"},
	{&adapter_ollama_chat, OFFER_CHAT, "{\"messages\":[]}",
		"{\"message\":{\"role\":\"assistant\",\"content\":\"x\"},\"done\":true,\"eval_count\":%s,"
		"\"prompt_eval_count\":1}"},
	{&adapter_dashscope_chat_native, OFFER_CHAT, "{\"messages\":[]}",
		"{\"output\":{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
		"\"content\":\"x\"}}]},\"usage\":{\"input_tokens\":%s,\"output_tokens\":1}}"},
	{&adapter_openai_embeddings, OFFER_EMBEDDINGS, "{\"input\":\"x\"}",
		"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[1]}],\"usage\":{\"prompt_tokens\":%s}}"},
	{&adapter_ollama_embed, OFFER_EMBEDDINGS, "{\"input\":\"x\"}",
		"{\"model\":\"m\",\"embeddings\":[[1]],\"prompt_eval_count\":%s}"},
	{&adapter_openai_rerank, OFFER_RERANK, "{\"query\":\"q\",\"documents\":[\"x\"]}",
		"{\"results\":[{\"index\":0,\"relevance_score\":1}],\"usage\":{\"total_tokens\":%s}}"},
	{&adapter_openai_transcriptions, OFFER_TRANSCRIPTIONS, "{}",
		"{\"text\":\"x\",\"usage\":{\"type\":\"duration\",\"seconds\":%s}}"},
};

static struct adapter_call call;

static struct adapter_usage told(size_t i, const char *figure)
{
	char body[1024];
	struct slice request = slice_of(rows[i].request);
	struct str scratch = STR_INIT;
	struct adapter_answer answer;
	call = (struct adapter_call){.offer = rows[i].offer, .body = request, .items = 1};
	assert_int_equal(jscan_object(request, (struct jscan_limits){0}, call.m, CALL_MEMBERS_MAX,
				 &call.n, NULL),
		ERR_OK);
	snprintf(body, sizeof(body), rows[i].reply, figure);
	struct adapter_reply reply = {
		.status = 200, .content_type = SLICE("application/json"), .body = slice_of(body)};
	if (rows[i].adapter->parse(&call, &reply, &scratch, &answer) != ANSWER_OK)
		fail_msg("row %zu is not understood: %s", i, body);
	str_release(&scratch);
	return answer.usage;
}

static void test_every_protocol_sees_what_is_absurd(void **state)
{
	static const char *const absurd[] = {"4611686018427387904", "9223372036854775808", "-1",
		"1000000001", "1e30", "true", "{}"};
	static const char *const fine[] = {"0", "7", "null"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool seconds = rows[i].offer == OFFER_TRANSCRIPTIONS; // may be parts of one
		for (size_t k = 0; k < ARRAY_LEN(absurd) - (seconds ? 2 : 0); k++) {
			struct adapter_usage u = told(i, absurd[k]);
			if (!usage_is_absurd(&u))
				fail_msg("row %zu believes %s", i, absurd[k]);
			assert_true(u.in <= USAGE_FIGURE_MAX && u.out <= USAGE_FIGURE_MAX);
		}
		for (size_t k = 0; k < ARRAY_LEN(fine); k++) {
			struct adapter_usage u = told(i, fine[k]);
			if (usage_is_absurd(&u))
				fail_msg("row %zu does not believe %s", i, fine[k]);
		}
	}
}

// What is told later takes the place of what was told before, figure by figure; silence leaves it.
static void test_later_words_count(void **state)
{
	(void)state;
	struct adapter_usage u = ADAPTER_USAGE_UNKNOWN, none = ADAPTER_USAGE_UNKNOWN;
	const struct adapter_usage first = {.in = 1,
		.out = 2,
		.cached = 3,
		.cache_write = 4,
		.reasoning = 5,
		.images = 6,
		.chars = 7,
		.audio_ms = 8};
	adapter_usage_merge(&u, &first);
	adapter_usage_merge(&u, &none);
	assert_true(u.in == 1 && u.out == 2 && u.cached == 3 && u.cache_write == 4);
	assert_true(u.reasoning == 5 && u.images == 6 && u.chars == 7 && u.audio_ms == 8);
	none.out = 0;
	adapter_usage_merge(&u, &none);
	assert_true(u.out == 0 && u.in == 1);
}

// Anthropic tells what went in at the start and what came out at the end, to either kind of caller.
static void test_a_stream_tells_its_figures_in_two_places(void **state)
{
	(void)state;
	static const char *const events[] = {
		"{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"usage\":{"
		"\"input_tokens\":3,\"cache_creation_input_tokens\":5,"
		"\"cache_read_input_tokens\":7,\"output_tokens\":1}}}",
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
		"\"usage\":{\"output_tokens\":9}}"};
	static const enum dialect dialects[] = {DIALECT_OPENAI, DIALECT_ANTHROPIC};
	for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
		struct adapter_stream s = {0};
		struct str out = STR_INIT;
		call = (struct adapter_call){.dialect = dialects[i]};
		adapter_stream_reset(&s, 0, 1);
		for (size_t k = 0; k < ARRAY_LEN(events); k++)
			assert_int_equal(adapter_anthropic_messages.chunk(&call, &s,
						 (struct slice){NULL, 0}, slice_of(events[k]),
						 &out),
				CHUNK_MORE);
		assert_int_equal(s.usage.in, 15);
		assert_int_equal(s.usage.cached, 7);
		assert_int_equal(s.usage.cache_write, 5);
		assert_int_equal(s.usage.out, 9);
		str_release(&out);
		str_release(&s.text);
	}
}

// A whole answer passes to who asked in its words, and is told to others; counted it is either way.
static void test_a_message_is_counted_for_everybody(void **state)
{
	(void)state;
	static const char body[] =
		"{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
		"\"text\":\"x\"}],\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}";
	static const enum dialect dialects[] = {DIALECT_OPENAI, DIALECT_ANTHROPIC};
	for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
		struct str scratch = STR_INIT;
		struct adapter_answer answer;
		struct adapter_reply reply = {.status = 200, .body = slice_of(body)};
		call = (struct adapter_call){.dialect = dialects[i]};
		assert_int_equal(adapter_anthropic_messages.parse(&call, &reply, &scratch, &answer),
			ANSWER_OK);
		assert_int_equal(answer.usage.in, 3);
		assert_int_equal(answer.usage.out, 4);
		assert_true(slice_eq_str(answer.body, body) == (dialects[i] == DIALECT_ANTHROPIC));
		str_release(&scratch);
	}
}

// What cannot be read holds nothing, not what stood before the break.
static void test_half_an_object_is_none(void **state)
{
	(void)state;
	struct aj o;
	assert_true(aj_scan(SLICE("{\"a\":1}"), &o));
	assert_non_null(aj_find(&o, "a"));
	assert_false(aj_scan(SLICE("{\"a\":1,"), &o));
	assert_null(aj_find(&o, "a"));
	assert_false(aj_scan(SLICE(""), &o));
	assert_null(aj_find(&o, "a"));
	assert_false(aj_scan(SLICE("[1]"), &o));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_protocol_sees_what_is_absurd),
		cmocka_unit_test(test_later_words_count),
		cmocka_unit_test(test_a_stream_tells_its_figures_in_two_places),
		cmocka_unit_test(test_a_message_is_counted_for_everybody),
		cmocka_unit_test(test_half_an_object_is_none)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
