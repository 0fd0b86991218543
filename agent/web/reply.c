// SPDX-License-Identifier: MIT
#include "agent/web/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "agent/protocol/dialect_anthropic.h"
#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/secret.h"
#include "shared/text.h"

#define QUEUE_KEPT (64 * 1024)
#define STATUS_LOOP_DETECTED 508

// ---- errors ----

bool web_is_openai(const struct web_req *q)
{
	const struct endpoint *ep = q->r.ep;
	if (ep)
		return ep->service == SVC_API_GATEWAY && !strncmp(ep->path, "/v1/", 4);
	return q->r.service == SVC_API_GATEWAY && !slice_starts(q->r.path, "/api") &&
		!(q->match.path_known && q->r.path.n == 1);
}

void web_error_body(const struct req *r, bool openai, const struct err *e, struct str *out)
{
	const struct err_row *row = err_row(e->code);
	struct jw w = jw_to(out);
	if (r->ep != NULL && (r->ep->flags & EPF_ANTHROPIC) != 0) {
		messages_error(row->status, row->code, e->message, r->id, out);
		return;
	}
	jw_obj(&w, NULL);
	jw_obj(&w, "error");
	if (openai) {
		jw_str(&w, "message", e->message);
		jw_str(&w, "type", row->type);
		jw_str(&w, "param", e->field[0] ? e->field : NULL);
		jw_str(&w, "code", row->code);
	} else {
		jw_str(&w, "code", row->code);
		jw_str(&w, "message", e->message);
		if (e->field[0])
			jw_str(&w, "field", e->field);
		if (e->hint[0])
			jw_str(&w, "hint", e->hint);
	}
	jw_str(&w, "request_id", r->id);
	jw_obj_end(&w);
	jw_obj_end(&w);
}

static bool out_has(const struct web_req *q, const char *name)
{
	for (size_t i = 0; i < q->out_n; i++)
		if (!strcasecmp(q->out[i].name, name))
			return true;
	return false;
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
	if ((row->id == ERR_OVERLOADED || row->id == ERR_DRAINING) && !out_has(q, "Retry-After"))
		req_header_add(r, "Retry-After", "1");
	if (web_is_openai(q) && !out_has(q, "x-should-retry"))
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
	web_error_body(r, web_is_openai(r->web), e, &body);
	req_reply_json(r, hop ? STATUS_LOOP_DETECTED : row->status, &body);
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
	err_set(&e, code, detail && detail[0] ? "%s" : NULL, detail);
	q->close_after = true;
	q->conn->linger = true;
	q->conn->deadline_us = 0;
	req_fail(&q->r, &e);
}

// ---- whole answers ----

void req_header_add(struct req *r, const char *name, const char *value)
{
	struct web_req *q = r->web;
	if (q->out_n < REQ_HEADERS_OUT_MAX)
		q->out[q->out_n++] = (struct out_header){name, arena_strdup(&r->arena, value)};
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

size_t req_stream_write(struct req *r, struct slice bytes)
{
	struct web_req *q = r->web;
	if (!q->conn || q->state == RS_OVER || q->stream_abort)
		return 0; // nobody takes it
	str_add_slice(&q->queue, bytes);
	web_conn_mark(q->conn);
	size_t waiting = q->queue.n - q->queue_at + q->conn->out.n - q->conn->out_at;
	q->waits_drain |= waiting > REQ_STREAM_HIGH;
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

// ---- the head of an answer ----

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
		{304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
		{404, "Not Found"}, {405, "Method Not Allowed"}, {408, "Request Timeout"},
		{409, "Conflict"}, {410, "Gone"}, {412, "Precondition Failed"},
		{413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
		{422, "Unprocessable Content"}, {429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
		{501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
		{504, "Gateway Timeout"}, {507, "Insufficient Storage"}, {508, "Loop Detected"}};
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Other";
}

// RFC 9110 5.6.7, made once a second.
static struct slice date_of(struct web *w)
{
	int64_t now_s = clock_wall_ms() / 1000;
	if (now_s != w->date_s) {
		time_t t = (time_t)now_s;
		struct tm tm;
		gmtime_r(&t, &tm);
		w->date_s = now_s;
		strftime(w->date, sizeof(w->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	}
	return slice_of(w->date);
}

// Eight bytes at a time: each answer asks it of all its headers.
static bool has_control(const char *p, size_t n)
{
	const uint64_t ones = UINT64_MAX / 255;
	uint64_t found = 0, x;
	for (; n >= sizeof(x); p += sizeof(x), n -= sizeof(x)) {
		memcpy(&x, p, sizeof(x));
		found |= (x - ones * 0x20) & ~x & ones * 0x80;
	}
	for (; n > 0; p++, n--)
		found |= (unsigned char)*p < 0x20;
	return found != 0;
}

// Header values are ours or an upstream's; a line break in one would begin another header.
static void add_header(struct str *out, const char *name, const char *value)
{
	size_t name_n = strlen(name), n = strlen(value);
	str_reserve(out, name_n + n + 4);
	char *at = mempcpy(mempcpy(out->p + out->n, name, name_n), ": ", 2);
	memcpy(at, value, n);
	for (size_t i = UNLIKELY(has_control(at, n)) ? 0 : n; i < n; i++)
		if ((unsigned char)at[i] < 0x20 && at[i] != '\t')
			at[i] = ' ';
	memcpy(at + n, "\r\n", 3);
	out->n += name_n + n + 4;
}

static void add_framing(const struct web_req *q, struct str *out)
{
	if (q->stream && q->guard.http_1_1) {
		str_add_slice(out, SLICE("Transfer-Encoding: chunked\r\n"));
	} else if (!q->stream && q->r.status != 204 && q->r.status != 304) {
		str_add_slice(out, SLICE("Content-Length: "));
		str_add_i64(out, (int64_t)q->answer.n);
		str_add_slice(out, SLICE("\r\n"));
	}
	if (q->close_after)
		str_add_slice(out, SLICE("Connection: close\r\n"));
	else if (!q->guard.http_1_1)
		str_add_slice(out, SLICE("Connection: keep-alive\r\n"));
}

void web_write_head(struct web_req *q, struct str *out)
{
	q->close_after |= q->conn->web->quiet;
	str_reserve(out, 512);
	str_add_slice(out, SLICE("HTTP/1.1 "));
	str_add_i64(out, q->r.status);
	str_add_c(out, ' ');
	str_add(out, reason(q->r.status));
	str_add_slice(out, SLICE("\r\n"));
	str_add_slice(out, date_of(q->web));
	if (q->content_type)
		add_header(out, "Content-Type", q->content_type);
	str_add_slice(out, SLICE("X-Request-Id: "));
	str_add(out, q->r.id);
	str_add_slice(out, SLICE("\r\nX-Content-Type-Options: nosniff\r\n"));
	if (!out_has(q, "Cache-Control"))
		str_add_slice(out, SLICE("Cache-Control: no-store\r\n"));
	for (size_t i = 0; i < q->out_n; i++)
		add_header(out, q->out[i].name, q->out[i].value);
	add_framing(q, out);
	str_add_slice(out, SLICE("\r\n"));
}

// ---- the end ----

static struct metric_cell *requests_cell(struct web *w, const struct web_req *q)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
	int class = q->r.status / 100 - 1;
	if (class < 0 || class > 4)
		class = 4;
	int ep = q->r.ep ? (int)q->r.ep->id : EP_COUNT;
	struct metric_cell **cell = &w->requests[q->r.service][ep][class];
	if (!*cell) {
		const char *labels[] = {service_row(q->r.service)->name,
			q->r.ep ? q->r.ep->name : "none", classes[class], NULL};
		*cell = metric_cell(w->agent->metrics, MET_HTTP_REQUESTS, labels);
	}
	return *cell;
}

static void count(struct web *w, const struct web_req *q, int64_t took_us)
{
	struct metric_cell **duration = &w->duration[q->r.service];
	if (!*duration) {
		const char *labels[] = {service_row(q->r.service)->name, NULL};
		*duration = metric_cell(w->agent->metrics, MET_HTTP_DURATION, labels);
	}
	struct metric_cell *requests = requests_cell(w, q);
	if (requests)
		metric_cell_add(requests, 1);
	if (*duration && !(q->r.ep && (q->r.ep->flags & EPF_LONG)))
		metric_cell_observe(*duration, (double)took_us / 1e6);
}

static void log_request(const struct web_req *q, int64_t took_us)
{
	// What is shed is counted; a line for each would be more work than was saved.
	enum log_level level = q->r.status >= 500 && q->r.who.why != ERR_OVERLOADED
		? LOG_LVL_WARN : LOG_LVL_DEBUG;
	char status[16], took[24];
	if (!log_on(level))
		return;
	snprintf(status, sizeof(status), "%d", q->r.status);
	snprintf(took, sizeof(took), "%lld", (long long)took_us);
	struct str path = STR_INIT;
	text_add_safe(&path, q->r.path);
	log_line(level, "request", "request_id", q->r.id, "service",
		service_row(q->r.service)->name, "endpoint", q->r.ep ? q->r.ep->name : NULL,
		"path", str_text(&path), "who", ident_any(&q->r.who.id) ? q->r.who.id.text : NULL, "status",
		status, "took_us", took, NULL);
	str_release(&path);
}

// What callers show, and what platform calls bring and take away, may be a key. The bodies of model
// traffic are none.
static void wipe(struct web_req *q)
{
	secret_wipe(q->head_bytes, q->head_bytes_n);
	if (q->r.ep && q->r.ep->may == MAY_CALL)
		return;
	if (q->answer_owned && q->answer.p == q->answer_owned)
		secret_wipe(q->answer_owned, q->answer.n);
	secret_wipe(q->body.p, q->body.n);
	q->r.arena.secret = true;
}

static void recycle(struct web *w, struct web_req *q)
{
	wipe(q);
	free(q->answer_owned);
	q->answer_owned = NULL;
	if (q->chunks) {
		h1_release(q->chunks);
		free(q->chunks);
		q->chunks = NULL;
	}
	load_hold(w->held, HELD_REQUESTS, -(int64_t)q->held);
	if (q->body.cap > WEB_BODY_KEPT)
		str_release(&q->body);
	else
		str_clear(&q->body);
	if (q->queue.cap > QUEUE_KEPT)
		str_release(&q->queue);
	else
		str_clear(&q->queue);
	w->reqs_n--;
	if (w->free_n >= WEB_FREE_REQS) {
		str_release(&q->body);
		str_release(&q->queue);
		arena_release(&q->r.arena);
		free(q);
		return;
	}
	arena_reset(&q->r.arena);
	q->next_free = w->free_reqs;
	w->free_reqs = q;
	w->free_n++;
}

void web_finish(struct web_req *q)
{
	struct web *w = q->web;
	int64_t took_us = clock_mono_us() - q->r.start_us;
	if (q->on_end)
		q->on_end(&q->r);
	if (q->counted)
		load_leave(w->agent->load);
	if (q->r.status)
		count(w, q, took_us);
	log_request(q, took_us);
	if (q->r.snap)
		snapshot_drop(q->r.snap);
	recycle(w, q);
}
