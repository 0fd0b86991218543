// SPDX-License-Identifier: MIT
// The first byte picks a protocol of chat, the rest is what its upstream sends, as a stream and as
// a whole. Whatever comes, callers get whole events of one line of valid JSON, in either dialect
// and folded. A number may have any size.
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/adapter.h"
#include "agent/protocol/fold.h"
#include "agent/protocol/table.h"
#include "shared/sse.h"

static const struct adapter *const adapters[] = {&adapter_openai_chat, &adapter_openai_completions,
	&adapter_openai_responses, &adapter_dashscope_chat_native, &adapter_anthropic_messages,
	&adapter_ollama_chat};
static struct adapter_call call;

static void check_json(struct slice json)
{
	if (jscan_check(json, (struct jscan_limits){.depth = 1024, .lax = true}, NULL) != ERR_OK)
		abort();
}

// Every event is "event: …" or nothing, one line of data, an empty line.
static void check_events(const struct str *out, bool named)
{
	struct slice rest = str_slice(out);
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		if (named && slice_starts(line, "event: "))
			line = slice_cut(&rest, '\n');
		if (!slice_starts(line, "data: "))
			abort();
		check_json((struct slice){line.p + 6, line.n - 6});
		if (slice_cut(&rest, '\n').n != 0)
			abort();
	}
}

static void tell_again(const struct dialect_row *d, struct slice rest)
{
	struct turn turn;
	struct str events = STR_INIT;
	turn_begin(&turn, d->words, &call, 1, 0);
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		if (slice_starts(line, "data: "))
			turn_chunk(&turn, (struct slice){line.p + 6, line.n - 6}, &events);
	}
	d->end(&turn, &call, &events);
	check_events(&events, true);
	turn_release(&turn);
	str_release(&events);
}

static void tell_whole(struct slice doc)
{
	for (int d = DIALECT_OPENAI + 1; d < DIALECT_COUNT; d++) {
		const struct dialect_row *row = dialect_row((enum dialect)d);
		struct turn turn;
		struct str message = STR_INIT;
		turn_begin(&turn, row->whole_words, &call, 1, 0);
		if (row->answer(&turn, doc, &message))
			check_json(str_slice(&message));
		turn_release(&turn);
		str_release(&message);
	}
}

static void take_chunks(const struct str *out)
{
	struct fold *f = fold_new(7);
	struct str doc = STR_INIT;
	struct slice rest = str_slice(out);
	bool folds = true;
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		if (!slice_starts(line, "data: "))
			continue;
		line = (struct slice){line.p + 6, line.n - 6};
		folds = folds && fold_add(f, line);
	}
	for (int d = DIALECT_OPENAI + 1; d < DIALECT_COUNT; d++)
		tell_again(dialect_row((enum dialect)d), str_slice(out));
	fold_write(f, &doc);
	if (folds)
		check_json(str_slice(&doc));
	tell_whole(str_slice(&doc));
	fold_free(f);
	str_release(&doc);
}

static void play(const struct adapter *ad, enum dialect dialect, struct slice in)
{
	struct adapter_stream s = {0};
	struct sse reader = {0};
	struct sse_event ev = {0};
	struct str out = STR_INIT;
	enum chunk_kind kind = CHUNK_MORE;
	call.dialect = dialect;
	adapter_stream_reset(&s, 0, 1);
	s.want_usage = true;
	while (kind <= CHUNK_IDLE &&
		(ad->frames == FRAMES_SSE ? sse_next(&reader, &in, &ev)
					  : sse_line(&reader, &in, &ev.data)))
		kind = ad->chunk(&call, &s, ev.name, ev.data, &out);
	check_events(&out, dialect == DIALECT_ANTHROPIC || ad == &adapter_openai_responses);
	if (dialect == DIALECT_OPENAI && ad != &adapter_openai_responses)
		take_chunks(&out);
	sse_release(&reader);
	str_release(&s.text);
	str_release(&out);
}

static void parse(const struct adapter *ad, struct slice body)
{
	const struct adapter_reply reply = {.status = 200, .body = body};
	struct str scratch = STR_INIT;
	call.dialect = DIALECT_OPENAI;
	struct adapter_answer answer;
	if (ad->parse(&call, &reply, &scratch, &answer) == ANSWER_OK) {
		check_json(answer.body);
		tell_whole(answer.body);
	}
	str_release(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 1)
		return 0;
	const struct adapter *ad = adapters[p[0] % ARRAY_LEN(adapters)];
	struct slice bytes = {(const char *)p + 1, n - 1};
	struct err err = {0};
	adapter_read(SLICE("{\"model\":\"m\",\"messages\":[],\"stream\":true}"), OFFER_CHAT, true,
		&call, &err);
	play(ad, DIALECT_OPENAI, bytes);
	if ((ad->dialects >> DIALECT_ANTHROPIC & 1) != 0)
		play(ad, DIALECT_ANTHROPIC, bytes);
	parse(ad, bytes);
	return 0;
}
