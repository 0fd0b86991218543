// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent/call/prompt.h"

static struct adapter_call call;
static struct err err;

static void read_text(enum offer offer, const char *text)
{
	struct slice body = {text, strlen(text)};
	call = (struct adapter_call){.offer = offer, .body = body};
	assert_int_equal(jscan_object(body, (struct jscan_limits){.depth = JSCAN_DEPTH_TRAFFIC},
				 call.m, CALL_MEMBERS_MAX, &call.n, &err),
		ERR_OK);
}

static const struct {
	enum offer offer;
	const char *text;
	int64_t chars;
} counted[] = {
	{OFFER_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\xc3\xa9\\n\\\"\"}]}",
		5},
	{OFFER_CHAT, "{\"messages\":[{\"content\":\"\\ud83d\\ude00\xf0\x9f\x98\x80\"}]}", 2},
	{OFFER_CHAT,
		"{\"messages\":[{\"content\":null},{\"content\":[{\"type\":\"text\",\"text\":\"ab\"},"
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:xxxxxxxxxx\"}}]}]}",
		2},
	{OFFER_CHAT,
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"xx\",\"type\":\"function\","
		"\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}],\"system\":\"abc\"}",
		5},
	{OFFER_CHAT, "{\"messages\":[{\"cont\\u0065nt\":\"abc\"}]}",
		-1}, // read by the upstream alone
	{OFFER_EMBEDDINGS, "{\"input\":[\"a\",\"bc\"]}", 3},
	{OFFER_EMBEDDINGS, "{\"input\":[[1,2],[3]]}", 3},
	{OFFER_RERANK, "{\"query\":\"q\",\"documents\":[\"ab\",{\"text\":\"c\"}],\"top_n\":5}", 4},
	{OFFER_RESPONSES,
		"{\"instructions\":\"a\",\"input\":[{\"role\":\"user\",\"content\":"
		"[{\"type\":\"input_text\",\"text\":\"bc\"}]}]}",
		3},
	{OFFER_IMAGES, "{\"prompt\":\"ab\",\"negative_prompt\":\"c\",\"user\":\"dddd\"}", 3},
	{OFFER_CHAT, "{\"model\":\"x\"}", 0},
};

static void test_texts_are_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		read_text(counted[i].offer, counted[i].text);
		if (prompt_chars(&call) != counted[i].chars)
			fail_msg("row %zu: %lld", i, (long long)prompt_chars(&call));
	}
}

static void test_what_nests_too_deep_is_not_counted(void **state)
{
	char text[256] = "{\"messages\":";
	(void)state;
	for (int i = 0; i < 60; i++)
		strcat(text, "[");
	for (int i = 0; i < 60; i++)
		strcat(text, "]");
	strcat(text, "}");
	read_text(OFFER_CHAT, text);
	assert_true(prompt_chars(&call) < 0);
	struct feature f = {
		.limits = {
			.max_n = FIELD_NONE, .max_prompt_chars = 5, .max_body_bytes = FIELD_NONE}};
	assert_int_equal(prompt_limits(&f, &call, &err), ERR_JSON_TOO_COMPLEX);
}

static void test_who_goes_on_may_say_nothing(void **state)
{
	(void)state;
	read_text(OFFER_RESPONSES, "{\"input\":[],\"previous_response_id\":\"r\"}");
	assert_int_equal(prompt_judge(&call, &err), ERR_OK);
	read_text(OFFER_RESPONSES, "{\"input\":[],\"previous_response_id\":null}");
	assert_int_equal(prompt_judge(&call, &err), ERR_FIELD_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts_are_counted),
		cmocka_unit_test(test_what_nests_too_deep_is_not_counted),
		cmocka_unit_test(test_who_goes_on_may_say_nothing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
