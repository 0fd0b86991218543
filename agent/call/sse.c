// SPDX-License-Identifier: MIT
// The caller's side of an answer that comes as server-sent events: the status line goes out with
// the first of them, what the caller does not read yet holds the upstream back, and silence is
// filled.
#include "agent/call/sse.h"

#include "agent/call/account.h"
#include "agent/call/call.h"
#include "agent/protocol/table.h"

static void on_drain(struct req *r)
{
	struct gw_call *c = r->user;
	c->full = false;
	c->event_us = loop_now_us(c->gl->loop);
	if (c->up != NULL)
		upcall_pause(c->up, false);
}

void gw_sse_open(struct gw_call *c)
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
}

void gw_sse_flush(struct gw_call *c)
{
	if (c->out.n == 0)
		return;
	c->bytes_out += c->out.n;
	c->wrote_us = loop_now_us(c->gl->loop);
	size_t waiting = req_stream_give(c->r, &c->out);
	if (waiting > REQ_STREAM_HIGH && c->up != NULL) {
		c->full = true;
		upcall_pause(c->up, true);
	}
}

void gw_sse_ping(struct gw_call *c)
{
	dialect_row(c->in.dialect)->ping(&c->out);
	gw_sse_flush(c);
}

void gw_sse_stop(struct gw_call *c)
{
	loop_timer_clear(c->gl->loop, &c->timer);
}
