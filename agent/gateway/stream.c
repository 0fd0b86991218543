// SPDX-License-Identifier: MIT
// An upstream's stream. Nothing is shown before the first good event, so that until then every
// failure is a real status or a fallback; afterwards the stream ends complete or says that it
// broke. Deadlines apart: the first event within first_byte_ms of the attempt's begin, silence of
// at most idle_ms, which any byte ends, the pace of agent/core/pace.h for an event that has begun,
// and stream_total_ms for the whole.
#include "agent/gateway/private.h"

#include "agent/call/admit.h"
#include "agent/call/attempt.h"
#include "agent/call/exchange.h"
#include "agent/call/sse.h"

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
		due = c->tries.begun_us +
			MAX_OF(f->timeouts.first_byte_ms, c->adapter->patience_ms) * 1000;
		if (c->tries.ask.deadline_us != FIELD_NONE)
			due = MIN_OF(due, c->tries.ask.deadline_us);
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

static const char *const types[] = {
	[FRAMES_SSE] = "text/event-stream", [FRAMES_NDJSON] = "application/x-ndjson"};

static bool head(void *arg, const struct upstream_response *res)
{
	struct gw_call *c = arg;
	c->status = res->status;
	gw_heed_upstream(c, res);
	if (c->sse)
		sse_release(&c->reader);
	c->sse = res->status == 200 && slice_starts(res->content_type, types[c->adapter->frames]);
	c->event_us = loop_now_us(c->gl->loop);
	c->reader = (struct sse){0};
	str_clear(&c->out);
	str_clear(&c->middle);
	str_clear(&c->instead);
	if (c->sse)
		set_timer(c);
	return true;
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
static bool relay_event(struct gw_call *c, struct slice name, struct slice data)
{
	struct str *to = gw_sink_to(c);
	size_t before = to->n;
	if (data.n == 0) // keeps a line open, says nothing
		return true;
	enum chunk_kind kind = c->adapter->chunk(c->call, &c->chunks, name, data, to);
	if (LIKELY(kind == CHUNK_MORE))
		return to->n == before || pass_on(c);
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
		refused(c, data);
	else if (kind == CHUNK_ERROR)
		give_up(c, "error_event", UP_OK);
	else
		give_up(c, kind == CHUNK_DONE ? "unfinished" : "bad_response", UP_OK);
	return false;
}

static bool take_instead(struct gw_call *c, struct slice bytes)
{
	if (c->instead.n + bytes.n <= GW_ERROR_BODY_MAX) {
		str_add_slice(&c->instead, bytes);
		return true;
	}
	give_up(c, "bad_response", UP_TOO_LARGE);
	return false;
}

static bool next_event(struct gw_call *c, struct slice *bytes, struct sse_event *ret)
{
	if (LIKELY(c->adapter->frames == FRAMES_SSE))
		return sse_next(&c->reader, bytes, ret);
	ret->name = (struct slice){NULL, 0};
	return sse_line(&c->reader, bytes, &ret->data);
}

static bool data(void *arg, struct slice bytes)
{
	struct gw_call *c = arg;
	if (c->phase == GS_DONE)
		return true;
	if (!c->sse)
		return take_instead(c, bytes);
	c->event_us = loop_now_us(c->gl->loop); // comments are no silence either
	struct sse_event ev;
	while (c->phase != GS_DONE && next_event(c, &bytes, &ev)) {
		c->read_n++;
		if (!relay_event(c, ev.name, ev.data))
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

// A connection that ends right behind an event without the empty line has still said it.
static void last_event(struct gw_call *c)
{
	struct slice rest = SLICE("\n\n");
	struct sse_event ev;
	if (!c->sse || !sse_partial(&c->reader) || !next_event(c, &rest, &ev) || ev.data.n == 0)
		return;
	struct str *to = gw_sink_to(c);
	if (c->adapter->chunk(c->call, &c->chunks, ev.name, ev.data, to) <= CHUNK_DONE &&
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

// Models of transcription that do not stream answer whole, as OpenAI documents it of whisper-1.
static void answered_whole(struct gw_call *c, const struct upstream_response *res)
{
	c->send.stream = false;
	gw_take_answer(c, res, str_slice(&c->instead));
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
	else if (c->in.offer == OFFER_TRANSCRIPTIONS)
		answered_whole(c, res);
	else
		gw_attempt_failed(c, UP_OK, res->status);
}

static uint64_t unfinished(void *arg)
{
	const struct gw_call *c = arg;
	if (!c->sse)
		return 1; // a document
	return c->phase != GS_DONE && sse_partial(&c->reader) ? c->read_n + 1 : 0;
}

const struct upstream_callbacks gw_stream_callbacks = {head, data, done, unfinished};
