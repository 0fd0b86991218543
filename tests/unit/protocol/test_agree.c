// SPDX-License-Identifier: MIT
// The same answer, told as a stream and folded into one document, says the same in every dialect,
// in whatever order its text and the pieces of its tool calls come. YIJIAN_TEST_SEED plays one again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "agent/protocol/fold.h"
#include "agent/protocol/table.h"

#define ANSWERS 400
#define CALLS_MAX 4
#define PIECES_MAX 5

static struct adapter_call asked;
static uint64_t random_state;

static unsigned below(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % n;
}

// What was said: text, and the calls as name:arguments; tools in the order of their names.
struct said {
	struct str text, calls[CALLS_MAX];
	size_t n;
};

static void said_release(struct said *s)
{
	str_release(&s->text);
	for (size_t i = 0; i < CALLS_MAX; i++)
		str_release(&s->calls[i]);
	*s = (struct said){0};
}

// Names are f0, f1 …: where a call belongs.
static void add_call(struct said *s, struct slice name, struct slice arguments)
{
	assert_true(name.n == 2 && name.p[0] == 'f');
	size_t at = (size_t)(name.p[1] - '0');
	assert_true(at < CALLS_MAX && s->calls[at].n == 0);
	str_add_slice(&s->calls[at], arguments);
	s->n++;
}

// ---- the answer ----

static void add_piece(struct str *chunks, unsigned call, bool first, bool numbered,
	struct slice piece)
{
	str_addf(chunks, "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{");
	if (numbered)
		str_addf(chunks, "\"index\":%u,", call);
	if (first)
		str_addf(chunks, "\"id\":\"id_%u\",\"type\":\"function\",", call);
	str_addf(chunks, "\"function\":{");
	if (first)
		str_addf(chunks, "\"name\":\"f%u\",", call);
	str_addf(chunks, "\"arguments\":\"");
	str_add_slice(chunks, piece);
	str_addf(chunks, "\"}}]}}]}\n");
}

static void add_text(struct str *chunks, struct said *want, unsigned number)
{
	str_addf(chunks,
		"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"t%u \"}}]}\n",
		number);
	str_addf(&want->text, "t%u ", number);
}

// Chunks, one a line: calls take turns if they are numbered, else they come one by one.
static void make(struct str *chunks, struct said *want)
{
	struct str arguments[CALLS_MAX] = {STR_INIT};
	size_t at[CALLS_MAX] = {0};
	unsigned calls = below(CALLS_MAX + 1), left = calls, texts = 0;
	bool numbered = below(3) > 0;
	for (unsigned i = 0; i < calls; i++) {
		str_addf(&arguments[i], "{\\\"k%u\\\":%u}", i, below(100000));
		str_addf(&want->calls[i], "{\"k%u\":%.*s}", i, (int)(arguments[i].n - 9),
			str_text(&arguments[i]) + 8);
		want->n++;
	}
	while (left > 0 || below(3) > 0) {
		if (below(4) == 0 || left == 0) {
			add_text(chunks, want, texts++);
			continue;
		}
		unsigned i = 0;
		if (numbered)
			i = below(calls);
		else
			while (at[i] == arguments[i].n)
				i++;
		size_t rest = arguments[i].n - at[i], n = 1 + below(PIECES_MAX);
		if (rest == 0)
			continue;
		n = n > rest ? rest : n;
		if (str_text(&arguments[i])[at[i] + n - 1] == '\\')
			n++; // an escape is one letter
		add_piece(chunks, i, at[i] == 0, numbered,
			(struct slice){str_text(&arguments[i]) + at[i], n});
		at[i] += n;
		left -= at[i] == arguments[i].n;
	}
	str_addf(chunks,
		"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"%s\"}]}\n",
		calls > 0 ? "tool_calls" : "stop");
	for (unsigned i = 0; i < calls; i++)
		str_release(&arguments[i]);
}

// ---- what a dialect says of it ----

static void add_decoded(struct said *s, struct slice name, const struct aj *o, const char *key)
{
	const struct jscan_member *m = aj_typed(o, key, JS_STRING);
	struct str plain = STR_INIT;
	assert_non_null(m);
	aj_decode(m->value, &plain);
	add_call(s, name, str_slice(&plain));
	str_release(&plain);
}

static void read_item(const struct aj *o, struct said *s);

// A list of blocks, items, parts or calls.
static void read_list(const struct aj *o, const char *key, struct said *s)
{
	const struct jscan_member *list = aj_typed(o, key, JS_ARRAY);
	if (list == NULL)
		return;
	struct slice rest = list->value, item;
	while (jscan_next(&rest, &item)) {
		struct aj inner;
		assert_true(aj_scan(item, &inner));
		read_item(&inner, s);
	}
}

static void read_item(const struct aj *o, struct said *s)
{
	struct aj inner;
	if (aj_is(o, "type", "text") || aj_is(o, "type", "output_text"))
		str_add_slice(&s->text, aj_text(o, "text"));
	else if (aj_is(o, "type", "tool_use"))
		add_call(s, aj_text(o, "name"), aj_find(o, "input")->value);
	else if (aj_is(o, "type", "function_call"))
		add_decoded(s, aj_text(o, "name"), o, "arguments");
	else if (aj_is(o, "type", "function") && aj_object(o, "function", &inner))
		add_decoded(s, aj_text(&inner, "name"), &inner, "arguments");
	else if (aj_is(o, "type", "message"))
		read_list(o, "content", s);
}

static void read_document(struct slice document, struct said *s)
{
	struct aj o, message;
	struct slice rest, choice;
	assert_true(aj_scan(document, &o));
	read_list(&o, "content", s); // Messages
	read_list(&o, "output", s); // Responses
	const struct jscan_member *choices = aj_typed(&o, "choices", JS_ARRAY);
	if (choices == NULL)
		return;
	rest = choices->value;
	assert_true(jscan_next(&rest, &choice) && aj_scan(choice, &o) &&
		aj_object(&o, "message", &message));
	str_add_slice(&s->text, aj_text(&message, "content"));
	read_list(&message, "tool_calls", s);
}

// By Anthropic's events: a block that begins, its pieces, its end.
static void read_block(const struct aj *event, struct said *s, struct str *name, struct str *input)
{
	struct aj o;
	const struct jscan_member *piece;
	if (aj_is(event, "type", "content_block_start") && aj_object(event, "content_block", &o)) {
		str_clear(name);
		str_clear(input);
		str_add_slice(name, aj_text(&o, "name"));
	} else if (aj_is(event, "type", "content_block_delta") && aj_object(event, "delta", &o)) {
		str_add_slice(&s->text, aj_text(&o, "text"));
		piece = aj_typed(&o, "partial_json", JS_STRING);
		if (piece != NULL)
			aj_decode(piece->value, input);
	} else if (aj_is(event, "type", "content_block_stop") && name->n > 0) {
		add_call(s, str_slice(name), str_slice(input));
	}
}

static void read_events(struct slice rest, struct said *s)
{
	struct str name = STR_INIT, input = STR_INIT;
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		struct aj event, item;
		if (!slice_starts(line, "data: "))
			continue;
		assert_true(aj_scan((struct slice){line.p + 6, line.n - 6}, &event));
		read_block(&event, s, &name, &input);
		if (aj_is(&event, "type", "response.output_text.delta"))
			str_add_slice(&s->text, aj_text(&event, "delta"));
		else if (aj_is(&event, "type", "response.output_item.done") &&
			aj_object(&event, "item", &item) && aj_is(&item, "type", "function_call"))
			read_item(&item, s);
	}
	str_release(&name);
	str_release(&input);
}

static void same(const struct said *want, struct said *got, const char *what, uint64_t seed)
{
	bool good = slice_eq(str_slice(&want->text), str_slice(&got->text)) && want->n == got->n;
	for (size_t i = 0; i < CALLS_MAX; i++)
		good = good && slice_eq(str_slice(&want->calls[i]), str_slice(&got->calls[i]));
	if (!good)
		fail_msg(
			"%s, YIJIAN_TEST_SEED=%llu: \"%s\" and %zu calls where \"%s\" and %zu were said",
			what, (unsigned long long)seed, str_text(&got->text), got->n,
			str_text(&want->text), want->n);
	said_release(got);
}

// ---- the test ----

static void tell(const struct dialect_row *row, struct slice chunks, struct slice whole,
	const struct said *want, uint64_t seed)
{
	struct turn turn = {0};
	struct said got = {0};
	struct str out = STR_INIT;
	asked.dialect = row->dialect;
	turn_begin(&turn, row->words, &asked, seed, 0);
	while (chunks.n > 0)
		assert_true(turn_chunk(&turn, slice_cut(&chunks, '\n'), &out));
	row->end(&turn, &asked, &out);
	turn_release(&turn);
	read_events(str_slice(&out), &got);
	same(want, &got, "the stream", seed);
	str_clear(&out);
	turn_begin(&turn, row->whole_words, &asked, seed, 0);
	assert_true(row->answer(&turn, whole, &out));
	turn_release(&turn);
	read_document(str_slice(&out), &got);
	same(want, &got, "the document", seed);
	str_release(&out);
}

static void agree(uint64_t seed)
{
	struct str chunks = STR_INIT, whole = STR_INIT;
	struct said want = {0}, got = {0};
	struct fold *f = fold_new(7);
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
	make(&chunks, &want);
	for (struct slice rest = str_slice(&chunks); rest.n > 0;)
		assert_true(fold_add(f, slice_cut(&rest, '\n')));
	fold_write(f, &whole);
	read_document(str_slice(&whole), &got);
	same(&want, &got, "the fold", seed);
	for (int d = DIALECT_OPENAI + 1; d < DIALECT_COUNT; d++)
		tell(dialect_row((enum dialect)d), str_slice(&chunks), str_slice(&whole), &want,
			seed);
	fold_free(f);
	said_release(&want);
	str_release(&chunks);
	str_release(&whole);
}

static void test_stream_and_fold_agree(void **state)
{
	(void)state;
	const char *one = getenv("YIJIAN_TEST_SEED");
	if (one != NULL)
		agree(strtoull(one, NULL, 10));
	for (uint64_t seed = 0; one == NULL && seed < ANSWERS; seed++)
		agree(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stream_and_fold_agree)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
