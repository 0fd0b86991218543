// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/protocol/error.h"
#include "agent/protocol/scrub.h"
#include "shared/base.h"

#define KEY "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"

static void shows(const char *text, const char *secret)
{
	if (!scrub_shows(slice_of(text), slice_of(secret)))
		fail_msg("passes: %s", text);
}

static void passes(const char *text, const char *secret)
{
	if (scrub_shows(slice_of(text), slice_of(secret)))
		fail_msg("is held back: %s", text);
}

static void test_the_key_in_any_clothes(void **state)
{
	static const char *const texts[] = {KEY,
		"Incorrect API key provided: " KEY ". Find yours at https://x.example.",
		"key sk-proj-Ab3dEf6hIj9kLm2n is unknown", // the first 24
		"no such key: ...p5qRs8tUv1wXy4z", // the last letters
		"hIj9kLm2n", // from within
		"SK-PROJ-AB3DEF6HIJ9KLM2NOP5QRS8TUV1WXY4Z", "sk proj Ab3d Ef6h Ij9k",
		"A-b-3-d-E-f-6-h-I", "sk%2Dproj%2DAb3dEf6hIj9k",
		"sk\\u002dproj\\u002dAb3d\\u0045f6hIj9k", "Ab3d\\x45f6h", "Ab3d&#69;f6hIj",
		"Ab3d&#x45;f6hIj", "Ab3d%45f6h", "Ab3d%2545f6h",
		"c2stcHJvai1BYjNkRWY2aElqOWtMbTJuT3A1cVJzOHRVdjF3WHk0eg==", // base64 of it
		"QmVhcmVyIHNrLXByb2otQWIzZEVmNmhJajlrTG0yTk9wNXFSczh0VXYxd1h5NHo=",
		"eyJrIjogInNrLXByb2otQWIzZEVmNmhJajlrTG0yTk9wNXFSczh0VXYxd1h5NHoifQ==",
		"736b2d70726f6a2d41623364456636684", "736B2D70726F6A2D41623364",
		"sk-proj-Ab**********************Xy4z", "sk-p…Xy4z", "key ending in ...Xy4z",
		"sk-projxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "[REDACTED] Xy4z"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		shows(texts[i], KEY);
}

static void test_what_is_said_of_requests(void **state)
{
	static const char *const texts[] = {"", "The model `gpt-9` does not exist",
		"Rate limit reached for gpt-4o in organization org-x. Please try again in 20s...",
		"Bearer authentication is required", "invalid_api_key", "context_length_exceeded",
		"max_tokens is too large: 123456. This model supports at most 4096 completion tokens",
		"messages.0.content: expected a string", "Keys begin with sk-proj-", "100% of %s",
		"\\u4f60\\u597d", "a & b &amp; c"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		passes(texts[i], KEY);
	passes("The model does not exist", "");
}

static void test_short_and_double_ones(void **state)
{
	(void)state;
	shows("wrong password: hunter2", "operator:hunter2");
	shows("HUNTER2 is wrong", "hunter2");
	passes("the prompt is too long", "hunter2");
	passes("latest", "test");
	shows("not \"test\"", "test");
	shows("b3BlcmF0b3I6dmVyeS1zZWNyZXQtd29yZA==", "operator:very-secret-word"); // basic
	shows("dmVyeS1zZWNyZXQtd29yZA==", "operator:very-secret-word"); // the password alone
	shows("secret: a-b-c-d-e!", "a-b-c-d-e!");
	shows("***1234", "abcd1234"); // the end of one of eight
	shows("abcd****", "abcd1234");
	passes("abcd**", "abc1234"); // of seven letters half is too much to compare
	passes("password", "bcd1"); // no word, and the mask is missing
	shows("the key:a1", "a1"); // at the end
	passes("a10", "a1");
	passes("0a1", "a1");
}

// What is left of a masked key tells of it, whatever the mask; without a mask four letters do not.
static void test_masks(void **state UNUSED)
{
	static const char *const masks[] = {"**", "\xe2\x80\xa2", "\xe2\x80\xa6", "...", "xxx",
		"xXx", "###", "___", " redacted", "\xe2\x97\x8f"};
	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		char text[64];
		snprintf(text, sizeof(text), "key qwer%s", masks[i]);
		shows(text, "qwertyui");
		snprintf(text, sizeof(text), "key %sTYUI", masks[i]);
		shows(text, "qwertyui");
		snprintf(text, sizeof(text), "key %szzzz", masks[i]);
		if (masks[i][0] != '*')
			passes(text, "qwertyui");
	}
	passes("key qwer*tyu", "qwertyui");
	passes("key qwer.. or", "qwertyui");
	passes("key qwer", "qwertyui");
}

// Ten letters behind a credential's beginning, a digit among them.
static void test_forms_of_credentials(void **state UNUSED)
{
	static const char *const begins[] = {"sk-", "sk_", "pk-", "Bearer ", "Basic ", "yj_a_",
		"yj_c_", "AIza", "AKIA", "hf_", "gsk_", "ghp_", "eyJ"};
	for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
		char text[64];
		snprintf(text, sizeof(text), "key %sqwertyuio1", begins[i]);
		shows(text, KEY);
		snprintf(text, sizeof(text), "%s1-_.+/=qwe", begins[i]);
		shows(text, KEY);
		snprintf(text, sizeof(text), "%sqwertyui1 o", begins[i]); // nine
		passes(text, KEY);
		snprintf(text, sizeof(text), "%sqwertyuiop", begins[i]); // no digit
		passes(text, KEY);
		snprintf(text, sizeof(text), "x%sqwertyuio1", begins[i]); // within a word
		passes(text, KEY);
	}
}

static void test_credentials_of_others(void **state)
{
	static const char *const texts[] = {"sk-ant-api03-0123456789abcdef", "Bearer abcdef0123456",
		"yj_c_abcdefghij_0123456789abcdef0123456789abcdef_123456",
		"Basic dXNlcjpwYXNzd29yZA1=", "AIzaSyA1234567890abcdef",
		"jwt eyJhbGciOiJIUzI1NiJ9.e30.x1"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		shows(texts[i], KEY);
}

// Whatever member of whatever shape: nothing of it is left, and what it says of the key is.
static void test_error_answers(void **state)
{
	static const char *const bodies[] = {"{\"error\":{\"message\":\"bad " KEY
					     "\",\"type\":\"t\",\"code\":\"invalid_api_key\"}}",
		"{\"error\":{\"message\":\"m\",\"type\":\"" KEY "\",\"code\":\"invalid_api_key\"}}",
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"" KEY "\"}}",
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":\"" KEY "\"}}",
		"{\"error\":\"" KEY "\"}", "{\"detail\":\"" KEY "\"}", "[{\"error\":\"" KEY "\"}]",
		"{\"detail\":[{\"msg\":\"" KEY "\",\"type\":\"" KEY "\"}]}",
		"{\"message\":\"" KEY "\",\"code\":\"" KEY "\"}",
		"{\"error\":{\"message\":\"\\u0073k-proj-\\u0041b3dEf6hIj9k\"}}"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct adapter_error e = {0};
		adapter_error_read("openai", 401, slice_of(bodies[i]), SLICE(KEY), &e);
		const char *const texts[] = {e.message, e.type, e.wire_code, e.param};
		for (size_t k = 0; k < ARRAY_LEN(texts); k++)
			assert_false(strstr(texts[k], "Ab3dEf6h") != NULL);
		assert_int_equal(e.outcome, OUT_AUTH);
	}
}

// The row is found by what was said, before it is held back.
static void test_meaning_survives(void **state)
{
	struct adapter_error e = {0};
	(void)state;
	adapter_error_read("openai", 429,
		SLICE("{\"error\":{\"message\":\"m\",\"type\":\"t\","
		      "\"code\":\"insufficient_quota\"}}"),
		SLICE("insufficient_quota"), &e);
	assert_int_equal(e.outcome, OUT_BILLING);
	assert_string_equal(e.wire_code, "");
}

// What fills a number up is in keys and ids alike: an honest id must not lose a picture paid for.
static void test_zeros_are_no_part_of_a_key(void **state)
{
	const struct slice key = SLICE("sk-simulated-0000000000000001");
	(void)state;
	assert_false(scrub_holds(SLICE("00000000-0000-4000-8000-000000000042"), key));
	assert_false(scrub_holds(SLICE("task-000000000000000000"), key));
	assert_true(scrub_holds(SLICE("task-sk-simulated-0000000000000001"), key));
	assert_true(scrub_holds(SLICE("simulated-0000"), key));
	assert_true(scrub_holds(SLICE("id 0000000000000001 of"), SLICE("0000000000000001")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_key_in_any_clothes),
		cmocka_unit_test(test_what_is_said_of_requests),
		cmocka_unit_test(test_short_and_double_ones), cmocka_unit_test(test_masks),
		cmocka_unit_test(test_forms_of_credentials),
		cmocka_unit_test(test_credentials_of_others), cmocka_unit_test(test_error_answers),
		cmocka_unit_test(test_meaning_survives),
		cmocka_unit_test(test_zeros_are_no_part_of_a_key)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
