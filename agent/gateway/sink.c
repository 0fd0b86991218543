// SPDX-License-Identifier: MIT
// The caller's side of an answer: relayed as the adapter wrote it, translated into the caller's
// dialect, or folded into one document.
#include "agent/gateway/private.h"

#include <string.h>
#include "agent/call/sse.h"
#include "shared/text.h"

static const char broken_text[] = "the upstream's stream ended before it was complete";

// ---- how it gets there ----

// The caller's request in OpenAI's words, made once.
static enum err_code translate(struct gw_call *c, struct err *err)
{
	struct str body = STR_INIT;
	enum err_code code = ERR_OK;
	if (c->chat != NULL)
		return ERR_OK;
	code = messages_to_chat(&c->in, &body, err);
	if (code == ERR_OK) {
		struct slice kept = {arena_slice(&c->r->arena, str_slice(&body)), body.n};
		struct adapter_call *chat = arena_alloc(&c->r->arena, sizeof(*chat));
		code = adapter_read(kept, c->in.offer, false, chat, err);
		memcpy(chat->model, c->in.model, sizeof(chat->model));
		chat->translated = true;
		c->chat = chat;
	}
	str_release(&body);
	return code;
}

enum err_code gw_sink_choose(struct gw_call *c, const struct candidate *cand, struct err *err)
{
	bool speaks = (c->adapter->dialects >> c->in.dialect & 1) != 0;
	enum err_code code = ERR_OK;
	c->call = &c->in;
	// What is folded comes as OpenAI's events.
	c->translate = c->in.dialect != DIALECT_OPENAI &&
		(!speaks || (!c->in.stream && adapter_streams(&c->in, &c->feature->doc, cand)));
	if (UNLIKELY(c->translate)) {
		code = translate(c, err);
		c->call = c->chat;
	}
	adapter_stream_reset(&c->chunks, c->wall_ms, c->serial);
	c->chunks.want_usage = c->in.want_usage || c->translate || !c->in.stream;
	c->first_us = c->events = 0;
	c->usage = ADAPTER_USAGE_UNKNOWN;
	fold_free(c->fold); // of an attempt that failed
	c->fold = NULL;
	messages_stream_reset(&c->face);
	return code;
}

struct str *gw_sink_to(struct gw_call *c)
{
	return c->in.stream && !c->translate ? &c->out : &c->middle;
}

static bool take_event(struct gw_call *c, struct slice data)
{
	if (c->in.stream)
		return messages_chunk(&c->face, data, &c->out);
	if (c->fold == NULL)
		c->fold = fold_new();
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

// Messages, responses and audio end with an event of their own.
void gw_sink_end(struct gw_call *c)
{
	if (c->translate)
		messages_end(&c->face, &c->out);
	else if (c->in.dialect == DIALECT_OPENAI &&
		(c->in.offer == OFFER_CHAT || c->in.offer == OFFER_COMPLETIONS))
		str_add_slice(&c->out, SLICE("data: [DONE]\n\n"));
	gw_sse_flush(c);
}

// SDKs take an event for an error by the member "error"; of responses the type is documented, too.
void gw_sink_broken(struct gw_call *c)
{
	const struct err_row *row = err_row(ERR_STREAM_INTERRUPTED);
	struct str *out = &c->out;
	if (c->in.dialect == DIALECT_ANTHROPIC) {
		messages_error_event(row->code, broken_text, out);
		gw_sse_flush(c);
		return;
	}
	if (c->in.offer == OFFER_RESPONSES)
		str_addf(out,
			"event: error\ndata: {\"type\":\"error\",\"code\":\"%s\","
			"\"message\":\"%s\",\"param\":null,\"sequence_number\":%lld,",
			row->code, broken_text, (long long)c->events);
	else
		str_add_slice(out, SLICE("data: {"));
	str_addf(out,
		"\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,"
		"\"code\":\"%s\"}}\n\n",
		broken_text, row->type, row->code);
	gw_sse_flush(c);
}

// ---- whole answers ----

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
	if (!messages_answer(answer->body, &c->middle))
		return false;
	answer->body = str_slice(&c->middle);
	answer->content_type = "application/json";
	return true;
}
