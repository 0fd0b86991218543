// SPDX-License-Identifier: MIT
// An answer is decided here and goes out at the end of the turn: what it is made of outlives the
// handler, and errors take the shape of the dialect that was asked in.
#include "agent/web/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/web/private.h"
#include <strings.h>
#include <time.h>
#include "agent/protocol/table.h"
#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/secret.h"
#include "shared/text.h"
#include "shared/token.h"

#define STATUS_LOOP_DETECTED 508
#define OUT_ROOM 512 // of the headers of most answers

// ---- errors ----

static bool is_openai(const struct web_req *q)
{
	const struct endpoint *ep = q->r.ep;
	if (ep != NULL)
		return ep->service == SVC_API_GATEWAY && !strncmp(ep->path, "/v1/", 4);
	return q->r.service == SVC_API_GATEWAY && !slice_starts(q->r.path, "/api") &&
		!(q->match.path_known && q->r.path.n == 1);
}

// Whose shape an error has on the model traffic's paths, a path that is none of ours included.
static const struct dialect_row *dialect_of(const struct req *r)
{
	bool anthropic = r->ep != NULL
		? (r->ep->flags & EPF_ANTHROPIC) != 0
		: slice_starts(r->path, "/v1/messages") || slice_starts(r->path, "/messages") ||
			slice_starts(r->path, "/v1/v1/messages");
	return dialect_row(anthropic ? DIALECT_ANTHROPIC : DIALECT_OPENAI);
}

static int status_of(const struct web_req *q, const struct err_row *row)
{
	const struct dialect_row *d = dialect_of(&q->r);
	return is_openai(q) && d->status != NULL ? d->status(row->status) : row->status;
}

void web_error_body(const struct req *r, bool openai, const struct err *e, struct str *out)
{
	const struct err_row *row = err_row(e->code);
	const struct dialect_error told = {.status = row->status,
		.type = row->type,
		.code = row->code,
		.param = e->field[0] ? e->field : NULL,
		.message = e->message,
		.request_id = r->id};
	if (openai) {
		dialect_of(r)->error(&told, out);
		return;
	}
	struct jw w = jw_to(out);
	jw_obj(&w, NULL);
	jw_obj(&w, "error");
	jw_str(&w, "code", row->code);
	jw_str(&w, "message", e->message);
	if (e->field[0])
		jw_str(&w, "field", e->field);
	if (e->hint[0])
		jw_str(&w, "hint", e->hint);
	jw_str(&w, "request_id", r->id);
	jw_obj_end(&w);
	jw_obj_end(&w);
}

static void error_headers(struct req *r, const struct err_row *row)
{
	struct web_req *q = r->web;
	if (row->status == 401)
		req_header_add(r, "WWW-Authenticate", "Bearer");
	if (row->status == 405) {
		char allow[64];
		match_allow(q->match.allow, allow, sizeof(allow));
		req_header_add(r, "Allow", allow);
	}
	if ((row->id == ERR_OVERLOADED || row->id == ERR_DRAINING) &&
		!web_out_has(q, "Retry-After"))
		req_header_add(r, "Retry-After", "1");
	if (is_openai(q) && !web_out_has(q, "x-should-retry"))
		req_header_add(r, "x-should-retry", row->retryable ? "true" : "false");
}

void req_fail(struct req *r, const struct err *e)
{
	const struct err_row *row = err_row(e->code);
	struct str body = STR_INIT;
	// A loop seen by its hop count is the caller's network, not a field of a document.
	bool hop = row->id == ERR_UPSTREAM_LOOP && r->web->state < RS_HANDLER;
	web_tell_refused(r->web, e);
	web_tell_denied(r->web, e->code);
	error_headers(r, row);
	web_error_body(r, is_openai(r->web), e, &body);
	req_reply_json(r, hop ? STATUS_LOOP_DETECTED : status_of(r->web, row), &body);
}

void req_fail_code(struct req *r, enum err_code code)
{
	struct err e = {0};
	err_set(&e, code, NULL);
	req_fail(r, &e);
}

void web_refuse(struct web_req *q, enum err_code code, const char *detail)
{
	struct err e = {0};
	err_set(&e, code, detail != NULL && detail[0] ? "%s" : NULL, detail);
	q->close_after = true;
	q->conn->linger = true;
	q->conn->deadline_us = 0;
	discard_begin(&q->conn->discard, q->r.ep != NULL ? body_limit(q->r.ep->body) : NULL,
		loop_now_us(q->web->loop));
	req_fail(&q->r, &e);
}

// ---- whole answers ----

static void make_room(struct web_req *q, size_t more)
{
	size_t room = MAX_OF(2 * q->out_room, MAX_OF(more, OUT_ROOM));
	char *out = arena_alloc(&q->r.arena, room);
	if (q->out_n > 0)
		memcpy(out, q->out, q->out_n);
	q->out = out;
	q->out_room = room;
}

// Where a value of n bytes goes, its line end behind it already.
static inline char *begin_header(struct web_req *q, struct slice name, size_t n)
{
	size_t all = name.n + n + 4;
	if (UNLIKELY(q->out_room - q->out_n < all))
		make_room(q, q->out_n + all);
	char *at = mempcpy(q->out + q->out_n, name.p, name.n);
	memcpy(at, ": ", 2);
	memcpy(at + 2 + n, "\r\n", 2);
	q->out_n += all;
	q->out_lengths |= UINT64_C(1) << name.n % 64;
	return at + 2;
}

void req_header_put(struct req *r, struct slice name, struct slice value)
{
	field_value_put(begin_header(r->web, name, value.n), value);
}

void req_header_number(struct req *r, struct slice name, int64_t value)
{
	char buf[NUM_I64_TEXT] FILLED_LATER;
	const char *text = num_text(value, buf);
	size_t n = (size_t)(buf + sizeof(buf) - 1 - text);
	memcpy(begin_header(r->web, name, n), text, n);
}

static void finish_later(void *arg)
{
	web_finish(arg);
}

// The answer is decided; it goes out at the end of the turn, when the handler is off the stack.
static void deliver(struct web_req *q)
{
	q->handler_done = true;
	if (q->state == RS_OVER) {
		loop_later(q->r.loop, finish_later, q); // the handler may still look at it
		return;
	}
	q->state = RS_REPLY;
	web_conn_mark(q->conn);
}

static bool may_answer(const struct web_req *q)
{
	return !q->handler_done && q->state != RS_STREAMING;
}

void req_reply(struct req *r, int status, const char *content_type, struct slice body)
{
	struct web_req *q = r->web;
	if (!may_answer(q))
		return;
	r->status = status;
	q->content_type = content_type;
	q->answer = (struct slice){arena_slice(&r->arena, body), body.n};
	deliver(q);
}

void req_reply_str(struct req *r, int status, const char *content_type, struct str *body)
{
	struct web_req *q = r->web;
	if (!may_answer(q)) {
		str_release(body);
		return;
	}
	r->status = status;
	q->content_type = content_type;
	q->answer_owned = str_take(body, &q->answer.n);
	q->answer.p = q->answer_owned;
	deliver(q);
}

void req_reply_json(struct req *r, int status, struct str *body)
{
	req_reply_str(r, status, "application/json; charset=utf-8", body);
}

void req_suspend(struct req *r)
{
	(void)r; // a handler that returns without an answer is suspended
}

// ---- streams ----

void req_stream_begin(struct req *r, int status, const char *content_type)
{
	struct web_req *q = r->web;
	if (!may_answer(q))
		return;
	r->status = status;
	q->content_type = content_type;
	if (q->state == RS_OVER)
		return;
	deliver(q);
	q->handler_done = false;
	q->stream = true;
}

static bool takes_bytes(const struct web_req *q)
{
	return q->conn != NULL && q->state != RS_OVER && !q->stream_abort;
}

static size_t queued(struct web_req *q)
{
	web_conn_mark(q->conn);
	size_t waiting = q->queue.n - q->queue_at + q->conn->out.n - q->conn->out_at;
	q->waits_drain |= waiting > REQ_STREAM_HIGH;
	return waiting;
}

size_t req_stream_write(struct req *r, struct slice bytes)
{
	if (!takes_bytes(r->web))
		return 0; // nobody takes it
	str_add_slice(&r->web->queue, bytes);
	return queued(r->web);
}

size_t req_stream_give(struct req *r, struct str *bytes)
{
	struct web_req *q = r->web;
	size_t waiting = 0;
	if (takes_bytes(q) && q->queue.n == 0) {
		struct str mine = q->queue;
		q->queue = *bytes;
		*bytes = mine;
		waiting = queued(q);
	} else {
		waiting = req_stream_write(r, str_slice(bytes));
	}
	str_clear(bytes);
	return waiting;
}

static void stream_close(struct web_req *q)
{
	if (q->handler_done)
		return;
	q->handler_done = true;
	if (q->state == RS_OVER)
		loop_later(q->r.loop, finish_later, q);
	else
		web_conn_mark(q->conn);
}

void req_stream_end(struct req *r)
{
	r->web->stream_end = true;
	stream_close(r->web);
}

void req_stream_abort(struct req *r)
{
	r->web->stream_abort = true;
	stream_close(r->web);
}

void req_on_drain(struct req *r, void (*fn)(struct req *r))
{
	r->web->on_drain = fn;
}

void req_on_gone(struct req *r, void (*fn)(struct req *r))
{
	r->web->on_gone = fn;
}

void req_on_cut(struct req *r, void (*fn)(struct req *r))
{
	r->web->on_cut = fn;
}

void req_on_end(struct req *r, void (*fn)(struct req *r))
{
	r->web->on_end = fn;
}
