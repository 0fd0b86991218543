// SPDX-License-Identifier: MIT
// An upstream's stream. Nothing is shown before the first good event, so that until then every
// failure is a real status or a fallback; afterwards the stream ends complete or says that it
// broke. Deadlines apart: the first event within first_byte_ms of the attempt's begin, silence of
// at most idle_ms, which any byte ends, the pace of agent/core/pace.h for an event that has begun,
// and stream_total_ms for the whole. What comes is told by its content type or, where that says nothing
// that fits, by how it begins: servers that answer whole, or with a wrong type, are read all the same.
#include "agent/gateway/private.h"

#include "agent/call/admit.h"
#include "agent/call/attempt.h"
#include "agent/call/exchange.h"
#include "agent/call/sse.h"
#include "agent/protocol/table.h"
#include "agent/protocol/unfold.h"

#include <string.h>

#define CLOSE_US INT64_C(100000) // from [DONE] to the upstream's own end

static void on_timer(void *arg);

// ---- the end ----

// The caller has, or now gets, all there is.
static void end_stream(struct gw_call *c)
{
	gw_sse_stop(c);
	if (!c->in.stream) {
		gw_reply(c, 200, &c->folded);
		return;
	}
	gw_account(c, 200, c->code);
	req_stream_end(c->r);
}

// Complete: the caller has all of it; the upstream may still say the end of its body, and then its
// connection is kept.
static void finish(struct gw_call *c, int status)
{
	if (c->in.stream) {
		if (c->phase == GS_WAIT)
			gw_sse_open(c);
		gw_sink_end(c);
	}
	c->phase = GS_DONE;
	gw_attempt_end(c, OUT_OK, status, ERR_OK, "ok");
	if (c->up != NULL)
		loop_timer_set(c->gl->loop, &c->timer, CLOSE_US, on_timer, c);
}

// True unless a fold's document cannot be written: then it was not an answer.
static bool fold_is_whole(struct gw_call *c)
{
	c->folded = (struct adapter_answer){.body = SLICE("")};
	return c->in.stream || (c->fold != NULL && gw_sink_whole(c, &c->folded));
}

static void broken(struct gw_call *c, const char *end)
{
	c->code = ERR_STREAM_INTERRUPTED;
	gw_count_broken(c, end);
	gw_attempt_end(c, OUT_FAILED, c->status, ERR_STREAM_INTERRUPTED, end);
	gw_record_failure(c);
	gw_sink_broken(c);
	end_stream(c);
}

// From within a callback or the timer: the upstream is given up.
static void give_up(struct gw_call *c, const char *end, enum up_end as)
{
	gw_sse_stop(c);
	gw_abort(c);
	if (c->phase == GS_WAIT)
		gw_attempt_failed(c, as, c->status);
	else
		broken(c, end);
}

// Nobody's fault: the breaker learns nothing of it.
void gw_stream_cut(struct gw_call *c)
{
	gw_abort(c);
	c->code = ERR_STREAM_INTERRUPTED;
	gw_count_broken(c, "draining");
	gw_attempt_end(c, OUT_CLIENT, c->status, ERR_STREAM_INTERRUPTED, "draining");
	gw_sink_broken(c);
	end_stream(c);
}

// ---- deadlines ----

// When the attempt is over unless something is said before; INT64_MAX never.
static int64_t silence_due(const struct gw_call *c)
{
	const struct feature *f = &c->feature->doc;
	int64_t due = INT64_MAX;
	if (c->first_us == 0) {
		due = c->tries.begun_us + gw_first_byte_ms(c, c->tries.begun_us) * 1000;
	} else if (f->timeouts.idle_ms > 0 && !c->full) {
		due = c->event_us + f->timeouts.idle_ms * 1000;
	}
	return due;
}

static int64_t ping_us(const struct gw_call *c)
{
	return c->gl->agent->settings->ping_ms * 1000;
}

static void set_timer(struct gw_call *c)
{
	int64_t now = loop_now_us(c->gl->loop), due = silence_due(c);
	if (c->phase == GS_OPEN)
		due = MIN_OF(due, c->wrote_us + ping_us(c));
	if (due != INT64_MAX)
		loop_timer_set(c->gl->loop, &c->timer, MAX_OF(due - now, 1000), on_timer, c);
}

static void on_timer(void *arg)
{
	struct gw_call *c = arg;
	int64_t now = loop_now_us(c->gl->loop);
	if (c->phase == GS_DONE) {
		gw_abort(c);
		end_stream(c);
		return;
	}
	if (now >= silence_due(c)) {
		give_up(c, "idle_timeout",
			c->first_us == 0 ? UP_TIMEOUT_FIRST_BYTE : UP_TIMEOUT_IDLE);
		return;
	}
	if (c->phase == GS_OPEN && now - c->wrote_us >= ping_us(c))
		gw_sse_ping(c);
	set_timer(c);
}

// ---- from the upstream ----

// Types and their parameters are of either case (RFC 9110, 8.3.1).
static bool is_type(struct slice type, const char *name)
{
	size_t n = strlen(name);
	return type.n >= n && slice_ieq_n(type, name, n) &&
		(type.n == n || strchr("; \t,", type.p[n]) != NULL);
}

static bool head(void *arg, const struct upstream_response *res)
{
	static const char *const types[] = {
		[FRAMES_SSE] = "text/event-stream", [FRAMES_NDJSON] = "application/x-ndjson"};
	struct gw_call *c = arg;
	c->status = res->status;
	gw_heed_upstream(c, res);
	if (c->sse)
		sse_release(&c->reader);
	c->sse = res->status == 200 && is_type(res->content_type, types[c->adapter->frames]);
	c->sniff = !c->sse && res->status >= 200 && res->status <= 299;
	c->event_us = loop_now_us(c->gl->loop);
	c->reader = (struct sse){.max = GW_EVENT_MAX};
	str_clear(&c->out);
	str_clear(&c->middle);
	str_clear(&c->instead);
	set_timer(c);
	return true;
}

enum look { LOOKS_LIKE_EVENTS, LOOKS_LIKE_A_DOCUMENT, LOOKS_LIKE_NOTHING_YET };

// By how it begins, however the network cut it.
static enum look look_at(const struct gw_call *c)
{
	static const char *const begins[] = {
		"data:", "event:", "id:", "retry:", ":", "\xef\xbb\xbf"};
	struct slice said = slice_trim(str_slice(&c->instead));
	if (said.n == 0)
		return LOOKS_LIKE_NOTHING_YET;
	if (c->adapter->frames == FRAMES_NDJSON)
		return said.p[0] == '{' ? LOOKS_LIKE_EVENTS : LOOKS_LIKE_A_DOCUMENT;
	for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
		size_t n = strlen(begins[i]);
		if (memcmp(said.p, begins[i], MIN_OF(n, said.n)) == 0)
			return said.n >= n ? LOOKS_LIKE_EVENTS : LOOKS_LIKE_NOTHING_YET;
	}
	return LOOKS_LIKE_A_DOCUMENT;
}

// An error instead of the first event is an answer like one with an error's status.
static void refused(struct gw_call *c, struct slice data)
{
	str_clear(&c->instead);
	str_add_slice(&c->instead, data); // which may lie in the call's own buffer
	gw_sse_stop(c);
	gw_abort(c);
	gw_attempt_refused(c, c->chunks.status, (struct slice){NULL, 0}, str_slice(&c->instead));
}

// In the middle of a stream it is told of, and says of the candidate what it says.
static void broken_by(struct gw_call *c, struct slice data)
{
	struct ending e = attempt_refused(&c->tries, false, c->chunks.status,
		(struct slice){NULL, 0}, data);
	gw_sse_stop(c);
	gw_abort(c);
	c->code = e.code = ERR_STREAM_INTERRUPTED;
	e.status = c->status;
	e.end = "error_event";
	gw_count_broken(c, e.end);
	gw_attempt_over(c, &e);
	gw_record_failure(c);
	gw_sink_broken_by(c, c->tries.error.message);
	end_stream(c);
}

// The adapter appended something, or nothing.
static bool pass_on(struct gw_call *c)
{
	struct str *to = gw_sink_to(c);
	if (to == &c->middle && to->n > 0 && !gw_sink_take(c)) {
		give_up(c, "bad_response", c->fold != NULL ? UP_TOO_LARGE : UP_OK);
		return false;
	}
	c->first_us = c->event_us;
	c->events++;
	if (c->phase == GS_WAIT && c->out.n > 0) {
		gw_sse_open(c);
		set_timer(c);
	}
	return true;
}

// False when the stream is over.
static bool relay_event(struct gw_call *c, const struct sse_event *ev)
{
	struct str *to = gw_sink_to(c);
	size_t before = to->n;
	if (ev->data.n == 0) // keeps a line open, says nothing
		return true;
	enum chunk_kind kind = adapter_chunk(c->adapter, c->call, &c->chunks, ev, to);
	if (LIKELY(kind == CHUNK_MORE))
		return to->n == before || pass_on(c);
	if ((kind == CHUNK_IDLE || kind == CHUNK_BAD) && adapter_is_error(ev->data))
		kind = CHUNK_ERROR;
	if (kind == CHUNK_IDLE)
		return true;
	if (kind == CHUNK_DONE && c->chunks.finish) {
		if (to->n > before && !pass_on(c))
			return false;
		if (!fold_is_whole(c)) {
			give_up(c, "bad_response", UP_OK);
			return false;
		}
		finish(c, 200);
		return true;
	}
	if (kind == CHUNK_ERROR && c->phase == GS_WAIT)
		refused(c, ev->data);
	else if (kind == CHUNK_ERROR)
		broken_by(c, ev->data);
	else
		give_up(c, kind == CHUNK_DONE ? "unfinished" : "bad_response", UP_OK);
	return false;
}

static bool next_event(struct gw_call *c, struct slice *bytes, struct sse_event *ret)
{
	if (LIKELY(c->adapter->frames == FRAMES_SSE))
		return sse_next(&c->reader, bytes, ret);
	ret->name = (struct slice){NULL, 0};
	return sse_line(&c->reader, bytes, &ret->data);
}

// False when the stream is over.
static bool take_events(struct gw_call *c, struct slice bytes)
{
	struct sse_event ev;
	while (c->phase != GS_DONE && next_event(c, &bytes, &ev)) {
		c->read_n++;
		if (!relay_event(c, &ev))
			return false;
	}
	if (c->reader.too_large) {
		give_up(c, "event_too_large", UP_TOO_LARGE);
		return false;
	}
	if (c->phase == GS_OPEN)
		gw_sse_flush(c);
	return true;
}

// What is no stream, or not known to be one. False as above.
static bool take_instead(struct gw_call *c, struct slice bytes)
{
	size_t max = c->status < 300 ? GW_ANSWER_MAX : GW_ERROR_BODY_MAX;
	if (c->instead.n + bytes.n > max) {
		give_up(c, "bad_response", UP_TOO_LARGE);
		return false;
	}
	str_add_slice(&c->instead, bytes);
	enum look look = c->sniff ? look_at(c) : LOOKS_LIKE_A_DOCUMENT;
	c->sniff = look == LOOKS_LIKE_NOTHING_YET;
	if (look != LOOKS_LIKE_EVENTS)
		return true;
	struct str begun = c->instead; // the events' own use of it comes
	c->instead = (struct str)STR_INIT;
	c->sse = true;
	bool fine = take_events(c, str_slice(&begun));
	str_release(&begun);
	return fine;
}

static bool data(void *arg, struct slice bytes)
{
	struct gw_call *c = arg;
	if (c->phase == GS_DONE)
		return true;
	c->event_us = loop_now_us(c->gl->loop); // comments are no silence either
	return LIKELY(c->sse) ? take_events(c, bytes) : take_instead(c, bytes);
}

// A connection that ends right behind an event without the empty line has still said it.
static void last_event(struct gw_call *c)
{
	struct slice rest = SLICE("\n\n");
	struct sse_event ev;
	if (!c->sse || !sse_partial(&c->reader) || !next_event(c, &rest, &ev) || ev.data.n == 0)
		return;
	struct str *to = gw_sink_to(c);
	if (adapter_chunk(c->adapter, c->call, &c->chunks, &ev, to) <= CHUNK_DONE &&
		to == &c->middle && !gw_sink_take(c))
		c->chunks.finish = false;
}

// The connection ended by itself behind a stream's events.
static void ended(struct gw_call *c, enum up_end end, int status)
{
	if (end == UP_OK)
		last_event(c);
	if (end == UP_OK && c->chunks.finish && fold_is_whole(c)) {
		finish(c, 200);
		end_stream(c);
	} else if (c->phase == GS_OPEN) {
		broken(c, end == UP_OK ? "unfinished" : up_end_name(end));
	} else {
		gw_attempt_failed(c, end, status);
	}
}

// It answered whole, as some servers do whatever they are asked, and as OpenAI documents it of whisper-1.
// Who asked for a stream gets one where such an answer can be told as events.
static void answered_whole(struct gw_call *c, const struct upstream_response *res)
{
	const struct adapter_reply got = {.status = res->status,
		.content_type = res->content_type,
		.body = str_slice(&c->instead),
		.at_s = c->wall_ms / 1000,
		.serial = c->serial};
	if (!c->in.stream || c->in.offer == OFFER_TRANSCRIPTIONS) {
		c->send.stream = false;
		gw_take_answer(c, res, got.body);
		return;
	}
	struct adapter_answer answer;
	enum answer_kind kind = adapter_parse(c->adapter, c->call, &got, &c->scratch, &answer);
	if (kind == ANSWER_ERROR || (kind == ANSWER_BAD && adapter_is_error(got.body))) {
		gw_attempt_refused(c, kind == ANSWER_ERROR ? answer.status : 0, res->retry_after,
			got.body);
		return;
	}
	struct str *to = gw_sink_to(c);
	// Another dialect's answer that passes untouched would need its own events.
	bool own = dialect_row(c->in.dialect)->chat != NULL && !c->translate &&
		c->in.offer == OFFER_CHAT;
	if (kind == ANSWER_BAD || own ||
		!unfold(c->translate ? OFFER_CHAT : c->in.offer, answer.body, c->chunks.want_usage,
			to) ||
		(to == &c->middle && !gw_sink_take(c))) {
		gw_attempt_failed(c, UP_OK, res->status);
		return;
	}
	c->chunks.usage = answer.usage;
	c->first_us = c->event_us;
	c->events++;
	finish(c, 200);
	end_stream(c);
}

static void done(void *arg, enum up_end end, const struct upstream_response *res, struct slice body,
	const struct err *err)
{
	struct gw_call *c = arg;
	(void)body;
	(void)err;
	c->up = NULL;
	gw_sse_stop(c);
	if (c->phase == GS_DONE)
		end_stream(c);
	else if (c->sse)
		ended(c, end, res->status);
	else if (end != UP_OK)
		gw_attempt_failed(c, end, res->status);
	else if (res->status < 200 || res->status > 299)
		gw_attempt_refused(c, res->status, res->retry_after, str_slice(&c->instead));
	else
		answered_whole(c, res);
}

static uint64_t unfinished(void *arg)
{
	const struct gw_call *c = arg;
	if (!c->sse) // a document, from its first byte that is not white space
		return slice_trim(str_slice(&c->instead)).n > 0;
	return c->phase != GS_DONE && sse_partial(&c->reader) ? c->read_n + 1 : 0;
}

const struct upstream_callbacks gw_stream_callbacks = {head, data, done, unfinished};
