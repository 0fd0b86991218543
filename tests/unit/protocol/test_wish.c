// SPDX-License-Identifier: MIT
// The table of wishes is held to what is written: each member of a chat request, at each kind of
// target, is in the body, is told as dropped, or its candidate is refused by name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/table.h"
#include "agent/protocol/tools.h"
#include "agent/protocol/wish.h"

static struct adapter_call call; // large
static struct feature feature;

// One value of each member that asks for something, and what says so where it is translated: at
// DashScope, Anthropic and Ollama.
static const struct sample {
	const char *member, *value, *said[3];
} samples[] = {
	{"max_tokens", "77", {0, "\"max_tokens\":77", "\"num_predict\":77"}},
	{"max_completion_tokens", "78",
		{"\"max_tokens\":78", "\"max_tokens\":78", "\"num_predict\":78"}},
	{"temperature", "1.5", {0, "\"temperature\":1,", "\"temperature\":1.5"}},
	{"top_p", "1", {"\"top_p\":0.999", 0, "\"top_p\":1"}},
	{"top_k", "5", {0, 0, "\"top_k\":5"}},
	{"min_p", "0.25", {0, 0, "\"min_p\":0.25"}},
	{"n", "2", {0}},
	{"stop", "\"END\"", {0, "\"stop_sequences\":[\"END\"]", "\"stop\":[\"END\"]"}},
	{"seed", "42", {0, 0, "\"seed\":42"}},
	{"presence_penalty", "0.5", {0, 0, "\"presence_penalty\":0.5"}},
	{"frequency_penalty", "0.5", {0, 0, "\"frequency_penalty\":0.5"}},
	{"logit_bias", "{\"50256\":-100}", {0}},
	{"logprobs", "true", {0}},
	{"top_logprobs", "3", {0}},
	{"tools",
		"[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}]",
		{0, "\"input_schema\":{\"type\":\"object\"}"}},
	{"tool_choice", "\"none\"",
		{0, "\"messages\"", "\"messages\""}}, // without tools: nothing to say
	{"parallel_tool_calls", "false", {0, "\"messages\""}},
	{"functions", "[{\"name\":\"f\"}]", {0}},
	{"function_call", "{\"name\":\"f\"}", {0}},
	{"response_format",
		"{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"p\",\"schema\":{\"type\":\"object\"}}}",
		{0, "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}}",
			"\"format\":{\"type\":\"object\"}"}},
	{"reasoning_effort", "\"high\"", {0, 0, "\"think\":\"high\""}},
	{"verbosity", "\"low\"", {0}},
	{"modalities", "[\"text\",\"audio\"]", {0}},
	{"audio", "{\"voice\":\"alloy\",\"format\":\"wav\"}", {0}},
	{"prediction", "{\"type\":\"content\",\"content\":\"x\"}", {0}},
	{"web_search_options", "{}", {0}},
	{"user", "\"u1\"", {0, "\"metadata\":{\"user_id\":\"u1\"}"}},
	{"safety_identifier", "\"s1\"", {0}},
	{"prompt_cache_key", "\"k\"", {0}},
	{"metadata", "{\"a\":\"b\"}", {0}},
	{"store", "true", {0}},
	{"service_tier", "\"flex\"", {0}},
	{"thinking", "{\"type\":\"enabled\",\"budget_tokens\":2048}", {0}},
	{"enable_thinking", "true", {"\"enable_thinking\":true"}},
	{"think", "true", {0}},
	{"keep_alive", "60", {0}},
	{"options", "{\"mirostat\":2}", {0, 0, "\"mirostat\":2"}},
	{"format", "\"json\"", {0}},
};

static const struct at {
	enum wish_at at;
	enum protocol protocol;
	const char *vendor;
} targets[] = {
	{AT_COMPATIBLE, PROTO_OPENAI_CHAT, NULL},
	{AT_DASHSCOPE, PROTO_DASHSCOPE_CHAT_NATIVE, "aliyun"},
	{AT_ANTHROPIC, PROTO_ANTHROPIC_MESSAGES, "anthropic"},
	{AT_OLLAMA, PROTO_OLLAMA_CHAT, NULL},
};

static void ask(const char *member, const char *value)
{
	struct str body = STR_INIT;
	struct err err = {0};
	str_addf(&body,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"%s\":%s}",
		member, value);
	char *text = strdup(str_text(&body)); // the call points into it
	assert_int_equal(adapter_read(slice_of(text), OFFER_CHAT, true, &call, &err), ERR_OK);
	str_release(&body);
}

static void hold(const struct sample *s, const struct at *at, enum wish_fate fate)
{
	char vendor[16] = "", name[32] = "m";
	struct target target = {.vendor = at->vendor != NULL ? strcpy(vendor, at->vendor) : NULL,
		.upstream_model = name};
	struct url url = {.path = (char[]){""}};
	struct candidate cand = {.target = &target, .url = &url, .protocol = at->protocol};
	struct adapter_ask sent = {0};
	struct err err = {0};
	struct str dropped = STR_INIT;
	char verbatim[512], key[64];
	snprintf(key, sizeof(key), "\"%s\":", s->member);
	snprintf(verbatim, sizeof(verbatim), "\"%s\":%s", s->member, s->value);
	bool fits = wish_judge(&call, &cand, &dropped, &err);
	assert_int_equal(fits, fate != WISH_BINDING);
	if (!fits) {
		assert_string_equal(err.field, s->member);
		str_release(&dropped);
		return;
	}
	assert_int_equal(adapter_for(at->protocol)->build(&call, &feature, &cand, &sent, &err),
		ERR_OK);
	bool there = strstr(str_text(&sent.body), verbatim) != NULL;
	if (fate == WISH_PASSED)
		assert_true(there);
	if (fate == WISH_DROPPED)
		assert_null(strstr(str_text(&sent.body), key));
	if (fate == WISH_TRANSLATED && at->at != AT_COMPATIBLE) {
		const char *said = s->said[at->at - AT_DASHSCOPE];
		assert_non_null(said);
		assert_non_null(strstr(str_text(&sent.body), said));
	}
	assert_string_equal(str_text(&dropped), fate == WISH_DROPPED ? s->member : "");
	str_release(&dropped);
	str_release(&sent.path);
	str_release(&sent.headers);
	str_release(&sent.body);
}

static void test_each_wish_at_each_target(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		for (size_t k = 0; k < ARRAY_LEN(targets); k++) {
			const struct sample *s = &samples[i];
			ask(s->member, s->value);
			hold(s, &targets[k], wish_fate(slice_of(s->member), targets[k].at));
			free((char *)call.body.p);
		}
	}
}

static void test_each_row_has_a_sample(void **state UNUSED)
{
	for (size_t i = 0; i < wish_rows_n; i++) {
		bool found = wish_rows[i].at[AT_OLLAMA] == WISH_OURS ||
			strcmp(wish_rows[i].member, "messages") == 0;
		for (size_t k = 0; k < ARRAY_LEN(samples); k++)
			found |= strcmp(samples[k].member, wish_rows[i].member) == 0;
		assert_true(found);
	}
}

static void test_what_no_row_names_is_dropped_by_name(void **state UNUSED)
{
	static const struct sample odd = {"some_new_member", "1", {0}};
	ask(odd.member, odd.value);
	hold(&odd, &targets[0], WISH_PASSED);
	hold(&odd, &targets[2], WISH_DROPPED);
	hold(&odd, &targets[3], WISH_DROPPED);
	free((char *)call.body.p);
}

static void test_what_asks_for_nothing_binds_nobody(void **state UNUSED)
{
	static const char *const idle[][2] = {{"n", "1"}, {"n", "null"}, {"logprobs", "false"},
		{"modalities", "[\"text\"]"}, {"response_format", "{\"type\":\"text\"}"},
		{"tool_choice", "\"auto\""}, {"store", "false"}};
	for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
		for (size_t k = 0; k < ARRAY_LEN(targets); k++) {
			struct target target = {0};
			struct candidate cand = {
				.target = &target, .protocol = targets[k].protocol};
			struct str dropped = STR_INIT;
			ask(idle[i][0], idle[i][1]);
			assert_true(wish_judge(&call, &cand, &dropped, NULL));
			assert_int_equal(dropped.n, 0);
			str_release(&dropped);
			free((char *)call.body.p);
		}
	}
}

static bool fits(const char *content, enum protocol protocol)
{
	struct target target = {0};
	struct candidate cand = {.target = &target, .protocol = protocol};
	struct str body = STR_INIT;
	struct err err = {0};
	str_addf(&body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[%s]}]}",
		content);
	assert_int_equal(adapter_read(str_slice(&body), OFFER_CHAT, true, &call, &err), ERR_OK);
	bool yes = wish_judge(&call, &cand, NULL, &err);
	if (!yes)
		assert_string_equal(err.field, "messages");
	str_release(&body);
	return yes;
}

static void test_parts_of_messages(void **state UNUSED)
{
	static const char url[] =
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a.example/b.png\"}}";
	static const char data[] =
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA\"}}";
	static const char sound[] =
		"{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\",\"format\":\"wav\"}}";
	assert_true(fits(url, PROTO_ANTHROPIC_MESSAGES));
	assert_false(fits(url, PROTO_OLLAMA_CHAT));
	assert_true(fits(data, PROTO_OLLAMA_CHAT));
	assert_false(fits(sound, PROTO_ANTHROPIC_MESSAGES));
	assert_false(fits(sound, PROTO_OLLAMA_CHAT));
	assert_true(fits(sound, PROTO_OPENAI_CHAT));
}

static void test_long_names_come_back(void **state UNUSED)
{
	static const char tools[] =
		"[{\"name\":\"short\"},{\"name\":\"mcp__server__very_long_very_long_very_long_very_long_very_long_name_a\"},"
		"{\"name\":\"mcp__server__very_long_very_long_very_long_very_long_very_long_name_b\"}]";
	const struct jscan_member m = {.value = SLICE(tools), .type = JS_ARRAY};
	char a[TOOL_NAME_MAX], b[TOOL_NAME_MAX];
	struct slice
		long_a = SLICE(
			"mcp__server__very_long_very_long_very_long_very_long_very_long_name_a"),
		long_b = long_a;
	char other[80];
	memcpy(other, long_a.p, long_a.n);
	other[long_a.n - 1] = 'b';
	long_b.p = other;
	struct slice at = tools_short_name(long_a, a), bt = tools_short_name(long_b, b);
	assert_int_equal(at.n, TOOL_NAME_MAX);
	assert_false(slice_eq(at, bt));
	assert_true(slice_eq(tools_long_name(&m, at), long_a));
	assert_true(slice_eq(tools_long_name(&m, bt), long_b));
	assert_true(slice_eq(tools_long_name(&m, SLICE("short")), SLICE("short")));
	assert_true(slice_eq(tools_short_name(SLICE("short"), a), SLICE("short")));
}

static void test_the_manual_has_each_row(void **state UNUSED)
{
	struct str man = STR_INIT;
	char line[64];
	wish_man(&man);
	for (size_t i = 0; i < wish_rows_n; i++) {
		snprintf(line, sizeof(line), "\n%s\t", wish_rows[i].member);
		bool ours = wish_rows[i].at[AT_OLLAMA] == WISH_OURS;
		assert_int_equal(strstr(str_text(&man), line) != NULL, !ours);
	}
	str_release(&man);
}

static void test_the_length_has_another_name_for_models_that_think(void **state UNUSED)
{
	assert_string_equal(wish_length_name("gpt-5-mini"), "max_completion_tokens");
	assert_string_equal(wish_length_name("o3"), "max_completion_tokens");
	assert_string_equal(wish_length_name("gpt-6-luna"), "max_completion_tokens");
	assert_string_equal(wish_length_name("gpt-4o"), "max_tokens");
	assert_string_equal(wish_length_name("gpt-4.1-mini"), "max_tokens");
	assert_string_equal(wish_length_name("ft:gpt-4o:us::1"), "max_tokens");
	assert_string_equal(wish_length_name("olmo"), "max_tokens");
	assert_string_equal(wish_length_name(NULL), "max_tokens");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_wish_at_each_target),
		cmocka_unit_test(test_each_row_has_a_sample),
		cmocka_unit_test(test_what_no_row_names_is_dropped_by_name),
		cmocka_unit_test(test_what_asks_for_nothing_binds_nobody),
		cmocka_unit_test(test_parts_of_messages),
		cmocka_unit_test(test_long_names_come_back),
		cmocka_unit_test(test_the_manual_has_each_row),
		cmocka_unit_test(test_the_length_has_another_name_for_models_that_think),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
