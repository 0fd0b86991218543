// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/mem.h"
#include "shared/sse.h"

// Every event of the text fed in pieces of `step` bytes, as "name|data|id;".
static void read_all(struct slice text, size_t step, struct str *out, struct sse *s)
{
	struct sse_event e;

	str_clear(out);
	while (text.n) {
		char *exact = mem_dup(text.p, MIN_OF(step, text.n));
		struct slice in = {exact, MIN_OF(step, text.n)};

		text.p += in.n;
		text.n -= in.n;
		while (sse_next(s, &in, &e))
			str_addf(out, "%.*s|%.*s|%.*s;", SLICE_FMT(e.name), SLICE_FMT(e.data),
				SLICE_FMT(e.id));
		free(exact);
		if (s->too_large)
			break;
	}
}

static void reads_streams_cut_anywhere(void **state UNUSED)
{
	const struct {
		struct slice text;
		const char *want;
	} rows[] = {
		{SLICE("data: one\n\n"), "|one|;"},
		{SLICE("data: one\r\n\r\ndata: two\r\n\r\n"), "|one|;|two|;"},
		{SLICE("data: one\r\rdata: two\r\r"), "|one|;|two|;"},
		{SLICE("data: a\ndata: b\ndata:\n\n"), "|a\nb\n|;"},
		{SLICE("data:x\ndata:  y\n\n"), "|x\n y|;"},
		{SLICE("event: error\nid: 7\ndata: {}\n\ndata: next\n\n"), "error|{}|7;|next|;"},
		{SLICE(": comment\n:\n\n\n\ndata: [DONE]\n\n"), "|[DONE]|;"},
		{SLICE("event: only\nid: 1\n\ndata: x\n\n"), "|x|;"},
		{SLICE("data\n\n"), "||;"},
		{SLICE("retry: 5\nunknown: x\ndata: a:b: c\n\n"), "|a:b: c|;"},
		{SLICE("\xef\xbb\xbf"
		       "data: bom\n\n\xef\xbb\xbf"
		       "data: not a field\n\n"),
			"|bom|;"},
		{SLICE("data: 一见\n\ndata: cut off\n"), "|一见|;"},
		{SLICE("data: a\n\r\ndata: b\r\n\n"), "|a|;|b|;"},
	};
	struct str out = STR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t step = 1; step <= rows[i].text.n; step++) {
			struct sse s = {0};

			read_all(rows[i].text, step, &out, &s);
			assert_string_equal(str_text(&out), rows[i].want);
			sse_release(&s);
		}
	}
	str_release(&out);
}

static void tells_of_unfinished_events(void **state UNUSED)
{
	struct sse s = {0};
	struct str out = STR_INIT;

	assert_false(sse_partial(&s));
	read_all(SLICE("data: x\n\n"), 100, &out, &s);
	assert_false(sse_partial(&s));
	read_all(SLICE("da"), 100, &out, &s);
	assert_true(sse_partial(&s));
	read_all(SLICE("ta: x\n"), 100, &out, &s);
	assert_true(sse_partial(&s));
	read_all(SLICE("\n"), 100, &out, &s);
	assert_string_equal(str_text(&out), "|x|;");
	assert_false(sse_partial(&s));
	sse_release(&s);
	str_release(&out);
}

static void keeps_the_limit(void **state UNUSED)
{
	struct sse s = {0};
	struct str text = STR_INIT, out = STR_INIT;

	while (text.n < 2 * SSE_EVENT_MAX)
		str_add(&text, "data: 0123456789012345678901234567890123456789\n");
	read_all(str_slice(&text), 16384, &out, &s);
	assert_true(s.too_large);
	assert_string_equal(str_text(&out), "");
	sse_release(&s);
	s = (struct sse){0};
	str_clear(&text);
	for (int i = 0; i < 60000; i++) // many small comments are no event
		str_add(&text, ": keep-alive comment\n\n");
	str_add(&text, "data: x\n\n");
	read_all(str_slice(&text), 16384, &out, &s);
	assert_false(s.too_large);
	assert_string_equal(str_text(&out), "|x|;");
	sse_release(&s);
	s = (struct sse){.max = 8}; // a reader may have a limit of its own
	read_all(SLICE("data: 1\n\ndata: 12345\n\n"), 1, &out, &s);
	assert_true(s.too_large);
	assert_string_equal(str_text(&out), "|1|;");
	sse_release(&s);
	str_release(&text);
	str_release(&out);
}

static void test_lines(void **state)
{
	struct sse s = {0};
	struct slice in = SLICE("{\"a\":1}\n\r\n{\"b\""), more = SLICE(":2}\n{}"), line;

	(void)state;
	assert_true(sse_line(&s, &in, &line));
	assert_true(slice_eq_str(line, "{\"a\":1}"));
	assert_false(sse_line(&s, &in, &line));
	assert_true(sse_line(&s, &more, &line));
	assert_true(slice_eq_str(line, "{\"b\":2}"));
	assert_false(sse_line(&s, &more, &line));
	assert_true(sse_partial(&s));
	sse_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_streams_cut_anywhere),
		cmocka_unit_test(tells_of_unfinished_events),
		cmocka_unit_test(keeps_the_limit),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
