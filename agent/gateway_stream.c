// SPDX-License-Identifier: MIT
// Event streams. Nothing is shown before the first good event, so that until then every failure
// is a real status or a fallback; afterwards the stream ends with [DONE] or says that it broke.
#include "agent/gateway_call.h"

#include <sys/epoll.h>

static const char interrupted[] =
	"data: {\"error\":{\"message\":\"the upstream's stream ended before it was complete\","
	"\"type\":\"upstream_error\",\"param\":null,\"code\":\"stream_interrupted\"}}\n\n";

static void on_timer(void *arg);

void gw_stream_stop(struct gw_call *c)
{
	loop_timer_clear(c->gl->loop, &c->timer);
}

// ---- to the caller ----

static void on_drain(struct req *r)
{
	struct gw_call *c = r->user;
	if (c->up != NULL)
		upcall_pause(c->up, false);
}

static void flush(struct gw_call *c)
{
	if (c->out.n == 0)
		return;
	c->bytes_out += c->out.n;
	c->wrote_us = loop_now_us(c->gl->loop);
	size_t waiting = req_stream_write(c->r, str_slice(&c->out));
	str_clear(&c->out);
	if (waiting > REQ_STREAM_HIGH && c->up != NULL)
		upcall_pause(c->up, true);
}

static void open_stream(struct gw_call *c)
{
	struct req *r = c->r;
	c->phase = GS_OPEN;
	c->ttfb_us = loop_now_us(c->gl->loop) - r->start_us;
	c->status = 200;
	req_header_add(r, "Cache-Control", "no-cache");
	req_header_add(r, "X-Accel-Buffering", "no");
	gw_headers(c);
	req_on_drain(r, on_drain);
	req_stream_begin(r, 200, "text/event-stream; charset=utf-8");
	loop_timer_set(c->gl->loop, &c->timer, GW_PING_US, on_timer, c);
}

static void end_stream(struct gw_call *c)
{
	gw_stream_stop(c);
	gw_account(c, 200, c->code);
	req_stream_end(c->r);
}

// Complete: the caller has its [DONE]; the upstream may still say the end of its body, and then
// its connection is kept.
static void finish(struct gw_call *c, int status)
{
	if (c->phase == GS_WAIT)
		open_stream(c);
	c->phase = GS_DONE;
	str_add_slice(&c->out, SLICE("data: [DONE]\n\n"));
	flush(c);
	gw_attempt_end(c, OUT_OK, status, ERR_OK, "ok", 0);
	if (c->up != NULL)
		loop_timer_set(c->gl->loop, &c->timer, GW_CLOSE_US, on_timer, c);
}

static void broken(struct gw_call *c, const char *end)
{
	c->code = ERR_STREAM_INTERRUPTED;
	metric_cell_add(c->cells->broken, 1);
	gw_attempt_end(c, OUT_FAILED, c->status, ERR_STREAM_INTERRUPTED, end, 0);
	gw_record_failure(c);
	str_add_slice(&c->out, (struct slice){interrupted, sizeof(interrupted) - 1});
	flush(c);
	end_stream(c);
}

// From within a callback or the timer: the upstream is given up.
static void give_up(struct gw_call *c, const char *end)
{
	struct upcall *up = c->up;
	c->up = NULL;
	upcall_abort(up);
	if (c->phase == GS_WAIT)
		gw_attempt_failed(c, UP_OK, 200);
	else
		broken(c, end);
}

// Silence: a comment keeps the caller's side open, but an upstream that only comments is cut off
// like one that says nothing.
static void on_timer(void *arg)
{
	struct gw_call *c = arg;
	int64_t now = loop_now_us(c->gl->loop);
	int64_t idle_us = c->feature->doc.timeouts.idle_ms * 1000;
	if (c->phase == GS_DONE) {
		if (c->up != NULL)
			upcall_abort(c->up);
		c->up = NULL;
		end_stream(c);
		return;
	}
	if (idle_us > 0 && now - c->event_us >= idle_us) {
		give_up(c, "idle_timeout");
		return;
	}
	if (c->phase == GS_OPEN && now - c->wrote_us >= GW_PING_US) {
		str_add_slice(&c->out, SLICE(": ping\n"));
		flush(c);
	}
	int64_t due = c->phase == GS_OPEN ? c->wrote_us + GW_PING_US : INT64_MAX;
	if (idle_us > 0)
		due = MIN_OF(due, c->event_us + idle_us);
	if (due != INT64_MAX)
		loop_timer_set(c->gl->loop, &c->timer, MAX_OF(due - now, 1000), on_timer, c);
}

// ---- from the upstream ----

static const char *const types[] = {[FRAMES_SSE] = "text/event-stream",
	[FRAMES_NDJSON] = "application/x-ndjson"};

static bool head(void *arg, const struct upstream_response *res)
{
	struct gw_call *c = arg;
	c->status = res->status;
	if (c->sse)
		sse_release(&c->reader);
	c->sse = res->status == 200 && slice_starts(res->content_type, types[c->adapter->frames]);
	c->event_us = loop_now_us(c->gl->loop);
	c->reader = (struct sse){0};
	str_clear(&c->out);
	str_clear(&c->instead);
	int64_t idle_us = c->feature->doc.timeouts.idle_ms * 1000;
	if (c->sse && idle_us > 0)
		loop_timer_set(c->gl->loop, &c->timer, idle_us, on_timer, c);
	return true;
}

// An error instead of the first event is an answer like one with an error's status.
static void refused(struct gw_call *c, struct slice data)
{
	struct upcall *up = c->up;
	c->up = NULL;
	gw_stream_stop(c);
	upcall_abort(up);
	gw_attempt_refused(c, c->chunks.status, (struct slice){NULL, 0}, data);
}

// False when the stream is over.
static bool relay_event(struct gw_call *c, struct slice name, struct slice data)
{
	if (data.n == 0) // keeps a line open, says nothing
		return true;
	enum chunk_kind kind = c->adapter->chunk(&c->in, &c->chunks, name, data, &c->out);
	if (LIKELY(kind == CHUNK_MORE)) {
		if (c->phase == GS_WAIT && c->out.n > 0)
			open_stream(c);
		return true;
	}
	if (kind == CHUNK_DONE && c->chunks.finish) {
		finish(c, 200);
		return true;
	}
	if (kind == CHUNK_ERROR && c->phase == GS_WAIT)
		refused(c, data);
	else
		give_up(c, kind == CHUNK_ERROR ? "error_event" : "bad_response");
	return false;
}

static bool take_instead(struct gw_call *c, struct slice bytes)
{
	if (c->instead.n + bytes.n <= GW_ERROR_BODY_MAX) {
		str_add_slice(&c->instead, bytes);
		return true;
	}
	give_up(c, "bad_response");
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
	struct sse_event ev;
	if (c->phase == GS_DONE)
		return true;
	if (!c->sse)
		return take_instead(c, bytes);
	while (c->phase != GS_DONE && next_event(c, &bytes, &ev)) {
		c->event_us = loop_now_us(c->gl->loop);
		if (!relay_event(c, ev.name, ev.data))
			return false;
	}
	if (c->reader.too_large) {
		give_up(c, "event_too_large");
		return false;
	}
	if (c->phase == GS_OPEN)
		flush(c);
	return true;
}

// A connection that ends right behind an event without the empty line has still said it.
static void last_event(struct gw_call *c)
{
	struct slice rest = SLICE("\n\n");
	struct sse_event ev;
	if (c->phase == GS_OPEN && sse_partial(&c->reader) && next_event(c, &rest, &ev))
		c->adapter->chunk(&c->in, &c->chunks, ev.name, ev.data, &c->out);
}

static void done(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err)
{
	struct gw_call *c = arg;
	(void)body;
	(void)err;
	c->up = NULL;
	gw_stream_stop(c);
	if (c->phase == GS_DONE) {
		end_stream(c);
		return;
	}
	if (c->phase == GS_OPEN) {
		if (end == UP_OK)
			last_event(c);
		if (end == UP_OK && c->chunks.finish) {
			finish(c, 200);
			end_stream(c);
		} else {
			broken(c, end == UP_OK ? "unfinished" : up_end_name(end));
		}
		return;
	}
	if (end != UP_OK)
		gw_attempt_failed(c, end, res->status);
	else if (res->status < 200 || res->status > 299)
		gw_attempt_refused(c, res->status, res->retry_after, str_slice(&c->instead));
	else
		gw_attempt_failed(c, UP_OK, res->status);
}

const struct upstream_callbacks gw_stream_callbacks = {head, data, done};
