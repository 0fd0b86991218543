// SPDX-License-Identifier: MIT
// The caller's side of an answer: relayed as the adapter wrote it, told again in the caller's dialect,
// or folded into one document.
#include "agent/gateway/private.h"

#include <string.h>
#include "agent/call/life.h"
#include "agent/call/sse.h"
#include "agent/protocol/wish.h"
#include "agent/protocol/table.h"
#include "shared/mem.h"
#include "shared/text.h"

static const char broken_text[] = "the upstream's stream ended before it was complete";

// ---- how it gets there ----

// True when another candidate that was not asked yet speaks the caller's dialect itself: what has no
// word elsewhere is its to take.
static bool native_left(const struct gw_call *c)
{
	for (size_t i = 0; i < c->route->n; i++) {
		const struct candidate *cand = &c->route->v[i];
		const struct adapter *a = cand->unspoken ? NULL : adapter_for(cand->protocol);
		if (a != NULL && (a->dialects >> c->in.dialect & 1) != 0 && cand->live != NULL &&
			c->per_candidate[i] == 0)
			return true;
	}
	return false;
}

// The caller's request in OpenAI's words, made once for all candidates that take the same.
static enum err_code translate(struct gw_call *c, const struct candidate *cand, struct err *err)
{
	unsigned takes = dialect_takes(cand) | (native_left(c) ? 0 : TAKES_LOSS);
	struct str body = STR_INIT, dropped = STR_INIT;
	if (c->chat != NULL && c->chat_takes == takes)
		return ERR_OK;
	struct dialect_chat to = {&c->in, takes, &body, &dropped, false};
	enum err_code code = dialect_row(c->in.dialect)->chat(&to, err);
	if (code == ERR_OK) {
		struct slice kept = {arena_slice(&c->r->arena, str_slice(&body)), body.n};
		struct adapter_call *chat = arena_alloc(&c->r->arena, sizeof(*chat));
		code = adapter_read(kept, OFFER_CHAT, false, chat, err);
		memcpy(chat->model, c->in.model, sizeof(chat->model));
		chat->translated = true;
		c->chat = chat;
		c->chat_takes = takes;
		c->chat_dropped = dropped.n > 0 ? arena_slice(&c->r->arena, str_slice(&dropped))
						: NULL;
	}
	str_release(&body);
	str_release(&dropped);
	return code;
}

// Names what this candidate will not be told: what had no word in a chat, and what it has none for.
static enum err_code judge(struct gw_call *c, const struct candidate *cand, struct err *err)
{
	struct str names = STR_INIT;
	if (c->translate && c->chat_dropped != NULL)
		str_add(&names, c->chat_dropped);
	enum err_code code = wish_judge(c->call, cand, &names, err) ? ERR_OK : err->code;
	c->tries.dropped = names.n > 0 ? arena_slice(&c->r->arena, str_slice(&names)) : NULL;
	str_release(&names);
	return code;
}

enum err_code gw_sink_choose(struct gw_call *c, const struct candidate *cand, struct err *err)
{
	const struct dialect_row *d = dialect_row(c->in.dialect);
	bool speaks = (c->adapter->dialects >> c->in.dialect & 1) != 0;
	enum err_code code = ERR_OK;
	c->call = &c->in;
	c->tries.dropped = NULL;
	gw_face_free(c); // of an attempt that failed
	fold_free(c->fold);
	c->fold = NULL;
	// What is folded comes as OpenAI's events.
	c->translate = d->chat != NULL &&
		(!speaks || (!c->in.stream && adapter_streams(&c->in, &c->feature->doc, cand)));
	if (UNLIKELY(c->translate)) {
		code = translate(c, cand, err);
		c->call = c->chat;
		c->face = mem_zalloc(1, sizeof(*c->face));
		turn_begin(c->face, c->in.stream ? d->words : d->whole_words, &c->in, c->serial,
			c->wall_ms / 1000);
	}
	if (code == ERR_OK)
		code = judge(c, cand, err);
	adapter_stream_reset(&c->chunks, c->wall_ms, c->serial);
	c->chunks.want_usage = c->in.want_usage || c->translate || !c->in.stream;
	c->first_us = c->events = 0;
	c->usage = ADAPTER_USAGE_UNKNOWN;
	return code;
}

struct str *gw_sink_to(struct gw_call *c)
{
	return c->in.stream && !c->translate ? &c->out : &c->middle;
}

static bool take_event(struct gw_call *c, struct slice data)
{
	if (c->in.stream)
		return turn_chunk(c->face, data, &c->out);
	if (c->fold == NULL)
		c->fold = fold_new(c->serial);
	return fold_add(c->fold, data);
}

// Adapters write whole events of one data line.
bool gw_sink_take(struct gw_call *c)
{
	struct slice rest = str_slice(&c->middle);
	bool fine = true;
	while (fine && rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		if (slice_starts(line, "data: "))
			fine = take_event(c, (struct slice){line.p + 6, line.n - 6});
	}
	str_clear(&c->middle);
	return fine;
}

// ---- the ends of streams ----

void gw_sink_end(struct gw_call *c)
{
	dialect_row(c->in.dialect)->end(c->face, &c->in, &c->out);
	gw_sse_flush(c);
}

void gw_sink_broken(struct gw_call *c)
{
	gw_sink_broken_by(c, "");
}

void gw_sink_broken_by(struct gw_call *c, const char *message)
{
	const struct err_row *row = err_row(ERR_STREAM_INTERRUPTED);
	const struct dialect_error e = {.status = row->status,
		.type = row->type,
		.code = row->code,
		.message = message[0] != '\0' ? message : broken_text};
	dialect_row(c->in.dialect)->broken(c->face, &e, c->events, &c->out);
	gw_sse_flush(c);
}

// ---- whole answers ----

static enum answer_kind take_events(struct gw_call *c, struct slice body, struct sse *reader)
{
	struct sse_event ev;
	while (sse_next(reader, &body, &ev)) {
		enum chunk_kind kind = adapter_chunk(c->adapter, c->call, &c->chunks, &ev,
			&c->middle);
		if (kind == CHUNK_ERROR || kind == CHUNK_BAD)
			return kind == CHUNK_ERROR ? ANSWER_ERROR : ANSWER_BAD;
		if (c->middle.n > 0 && !gw_sink_take(c))
			return ANSWER_BAD;
	}
	return c->chunks.finish && c->fold != NULL ? ANSWER_OK : ANSWER_BAD;
}

enum answer_kind gw_sink_events(struct gw_call *c, struct slice body, struct adapter_answer *ret)
{
	struct slice begin = slice_trim(body);
	bool events = slice_starts(begin, "data:") || slice_starts(begin, "event:") ||
		slice_starts(begin, ":");
	// What is folded comes as OpenAI's events.
	bool native = dialect_row(c->in.dialect)->chat != NULL && !c->translate;
	if (!events || native || c->in.stream || c->adapter->chunk == NULL ||
		c->adapter->frames != FRAMES_SSE)
		return ANSWER_BAD;
	struct sse reader = {.max = GW_EVENT_MAX};
	struct slice end = SLICE("\n\n"); // the last event may have no empty line behind it
	str_clear(&c->middle);
	enum answer_kind kind = take_events(c, body, &reader);
	if (kind == ANSWER_BAD && sse_partial(&reader))
		kind = take_events(c, end, &reader);
	sse_release(&reader);
	*ret = (struct adapter_answer){.usage = c->chunks.usage, .status = c->chunks.status};
	return kind;
}

bool gw_sink_whole(struct gw_call *c, struct adapter_answer *answer)
{
	if (c->fold != NULL) {
		str_clear(&c->instead);
		fold_write(c->fold, &c->instead);
		fold_free(c->fold);
		c->fold = NULL;
		answer->body = str_slice(&c->instead);
	}
	if (!c->translate)
		return true;
	str_clear(&c->middle);
	if (!dialect_row(c->in.dialect)->answer(c->face, answer->body, &c->middle))
		return false;
	answer->body = str_slice(&c->middle);
	answer->content_type = "application/json";
	return true;
}
