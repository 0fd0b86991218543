// SPDX-License-Identifier: MIT
#include "tests/vendord/answer.h"
#include "tests/vendord/bomb.h"
#include "tests/vendord/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_BLOCK 65536
#define RESET_PAUSE_MS 20 // so that what was sent is read before the RST throws it away

void answer_release(struct answer *answer)
{
	buf_release(&answer->fields);
	buf_release(&answer->body);
	free(answer->event_end);
}

void answer_clear(struct answer *answer)
{
	answer->status = 200;
	answer->content_type = "application/json";
	answer->fields.len = answer->body.len = 0;
	answer->stream = answer->done_mark = answer->control = false;
	answer->event_n = answer->tail_n = 0;
	answer->error_event = NULL;
}

void answer_field(struct answer *answer, const char *name, const char *format, ...)
{
	char value[1024];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(value, sizeof value, format, args);
	va_end(args);
	buf_text(&answer->fields, name);
	buf_add(&answer->fields, ": ", 2);
	buf_add(&answer->fields, value, len < (int)sizeof value ? (size_t)len : sizeof value - 1);
	buf_add(&answer->fields, "\r\n", 2);
}

void answer_event(struct answer *answer)
{
	if (answer->event_n == answer->event_cap) {
		answer->event_cap = answer->event_cap ? answer->event_cap * 2 : 64;
		answer->event_end = realloc(answer->event_end,
			answer->event_cap * sizeof *answer->event_end);
		if (!answer->event_end)
			abort();
	}
	answer->event_end[answer->event_n++] = answer->body.len;
}

static size_t event_start(const struct answer *answer, size_t i)
{
	return i ? answer->event_end[i - 1] : 0;
}

void answer_event_insert(struct answer *answer, size_t at, struct span bytes)
{
	if (at > answer->event_n)
		at = answer->event_n;
	size_t from = event_start(answer, at);
	buf_insert(&answer->body, from, bytes);
	answer_event(answer);
	for (size_t i = answer->event_n - 1; i > at; i--)
		answer->event_end[i] = answer->event_end[i - 1] + bytes.len;
	answer->event_end[at] = from + bytes.len;
}

static void keep_events(struct answer *answer, size_t n)
{
	if (n >= answer->event_n)
		return;
	answer->event_n = n;
	answer->body.len = event_start(answer, n);
}

// ---- content ----

static void spoil_body(struct answer *answer, const struct fault *fault)
{
	if (fault->garbage >= 0) {
		uint64_t x = 0x9e3779b97f4a7c15u;

		answer->body.len = 0;
		answer->stream = false;
		for (int64_t i = 0; i < fault->garbage; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf_byte(&answer->body, (char)(x >> 24));
		}
	}
	if (fault->html >= 0) {
		answer->body.len = 0;
		answer->stream = false;
		answer->content_type = "text/html; charset=utf-8";
		buf_text(&answer->body,
			"<!doctype html><title>simulated gateway page</title>"
			"<p>Simulated by yijian-vendord.</p>\n");
	}
	if (fault->bad_json >= 0 && !answer->stream)
		answer->body.len = answer->body.len * 2 / 3;
	if (fault->duplicate_keys >= 0 && answer->body.len > 0 && answer->body.data[0] == '{')
		buf_insert(&answer->body, 1,
			SPAN("\"id\":\"twice\",\"object\":\"twice\","
			     "\"model\":\"twice\",\"choices\":[],\"data\":[],"));
	if (fault->empty >= 0) {
		answer->body.len = 0;
		answer->event_n = 0;
	}
}

// Where inside the event a character of several bytes can be cut; 0: nowhere.
static size_t utf8_cut(const struct answer *answer, size_t i)
{
	for (size_t at = event_start(answer, i); at < answer->event_end[i]; at++)
		if ((unsigned char)answer->body.data[at] >= 0xc0)
			return at + 1;
	return 0;
}

// Shortens the last event to `len` bytes of body.
static void cut_at(struct answer *answer, size_t event, size_t len)
{
	keep_events(answer, event + 1);
	answer->body.len = answer->event_end[answer->event_n - 1] = len;
}

static void cut_events(struct answer *answer, const struct fault *fault)
{
	size_t n = answer->event_n;

	if (fault->no_done >= 0 && answer->done_mark)
		keep_events(answer, n - 1);
	if (fault->no_finish >= 0)
		keep_events(answer, (size_t)fault->no_finish);
	if (fault->cut_stream >= 0)
		keep_events(answer, (size_t)fault->cut_stream);
	if (fault->cut_mid_event >= 0 && (size_t)fault->cut_mid_event < n) {
		size_t i = (size_t)fault->cut_mid_event;
		cut_at(answer, i, (event_start(answer, i) + answer->event_end[i]) / 2);
	}
	for (size_t i = (size_t)fault->cut_mid_utf8; fault->cut_mid_utf8 >= 0 && i < n; i++)
		if (utf8_cut(answer, i) > 0) {
			cut_at(answer, i, utf8_cut(answer, i));
			break;
		}
}

static void spoil_events(struct answer *answer, const struct fault *fault)
{
	static const char openai_error[] =
		"data: {\"error\":{\"message\":\"Simulated failure in the stream\","
		"\"type\":\"server_error\",\"param\":null,\"code\":\"server_error\"}}\n\n";

	if (fault->sse_error >= 0) {
		keep_events(answer, (size_t)fault->sse_error);
		answer_event_insert(answer, answer->event_n,
			span_of(answer->error_event ? answer->error_event : openai_error));
	}
	if (fault->sse_error_flat >= 0) {
		keep_events(answer, (size_t)fault->sse_error_flat);
		answer_event_insert(answer, answer->event_n,
			SPAN("event: error\ndata: {\"message\":\"Simulated failure in the stream\","
			     "\"code\":\"server_error\"}\n\n"));
	}
	if (fault->endless_comments >= 0)
		keep_events(answer, 1);
	if (fault->bad_json >= 0 && answer->event_n > 2)
		answer_event_insert(answer, 2,
			SPAN("data: {\"id\":\"chatcmpl-sim\",\"choices\":[{\n\n"));
	cut_events(answer, fault);
	if (fault->crlf >= 0) {
		struct buf out = {0};
		size_t event = 0;

		for (size_t i = 0; i < answer->body.len; i++) {
			if (answer->body.data[i] == '\n')
				buf_byte(&out, '\r');
			buf_byte(&out, answer->body.data[i]);
			while (event < answer->event_n && answer->event_end[event] == i + 1)
				answer->event_end[event++] = out.len;
		}
		buf_release(&answer->body);
		answer->body = out;
	}
}

// ---- framing ----

static bool cuts(const struct fault *fault)
{
	return fault->cut_stream >= 0 || fault->cut_mid_event >= 0 || fault->cut_mid_utf8 >= 0;
}

static void head_line(struct buf *out, int status)
{
	if (status == 200) {
		buf_span(out, SPAN("HTTP/1.1 200 OK\r\n"));
		return;
	}
	buf_fmt(out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
}

// Head up to the blank line. length < 0: no Content-Length.
static void compose_head(const struct answer *answer, const struct fault *fault, bool keep_alive,
	int64_t length, struct play *play)
{
	struct buf *out = &play->out;

	head_line(out, answer->status);
	const char *type = fault->content_type[0] ? fault->content_type : answer->content_type;
	if (*type)
		buf_fmt(out, "content-type: %s\r\n", type);
	buf_span(out, SPAN("x-simulated: yijian-vendord\r\n"));
	buf_span(out, buf_view(&answer->fields));
	if (fault->retry_after[0])
		buf_fmt(out, "retry-after: %s\r\n", fault->retry_after);
	if (fault->header[0])
		buf_fmt(out, "%s\r\n", fault->header);
	if (fault->redirect[0])
		buf_fmt(out, "location: %s\r\n", fault->redirect);
	if (fault->wrong_content_encoding >= 0 || fault->gzip_bomb >= 0)
		buf_text(out, "content-encoding: gzip\r\n");
	if (fault->header_huge >= 0) {
		buf_text(out, "x-sim-huge: ");
		memset(buf_room(out, (size_t)fault->header_huge), 'h', (size_t)fault->header_huge);
		out->len += (size_t)fault->header_huge;
		buf_text(out, "\r\n");
	}
	if (length >= 0) {
		buf_span(out, SPAN("content-length: "));
		buf_uint(out, (uint64_t)length);
		buf_span(out, SPAN("\r\n"));
		if (fault->two_content_length >= 0)
			buf_fmt(out, "content-length: %lld\r\n", (long long)length + 7);
	} else if (fault->no_length < 0) {
		buf_span(out, SPAN("transfer-encoding: chunked\r\n"));
	}
	if (!keep_alive)
		buf_span(out, SPAN("connection: close\r\n"));
	buf_span(out, SPAN("\r\n"));
}

static void add_chunk(struct buf *out, struct span bytes)
{
	buf_fmt(out, "%zx\r\n", bytes.len);
	buf_span(out, bytes);
	buf_span(out, SPAN("\r\n"));
}

// An event of `size` bytes, sent as many chunks of the same bytes.
static void compose_huge_event(const struct fault *fault, struct play *play)
{
	char block[HUGE_BLOCK];

	add_chunk(&play->out, SPAN("data: {\"simulated\":\""));
	play_mark(play, 1, 0, true);
	memset(block, 'e', sizeof block);
	add_chunk(&play->out, (struct span){block, sizeof block});
	play_mark(play, fault->huge_event / HUGE_BLOCK + 1, 0, true);
	add_chunk(&play->out, SPAN("\"}\n\n"));
	play_mark(play, 1, 0, true);
}

static void compose_events(const struct answer *answer, const struct fault *fault,
	struct play *play)
{
	int pace = fault->pace_ms > 0 ? (int)fault->pace_ms : 0;

	for (size_t i = 0; i < answer->event_n; i++) {
		size_t from = event_start(answer, i);
		struct span event = {answer->body.data + from, answer->event_end[i] - from};
		if (fault->no_length >= 0)
			buf_span(&play->out, event);
		else
			add_chunk(&play->out, event);
		if (pace || fault->drip_bps > 0)
			play_mark(play, 1, i ? pace : 0, true);
	}
	if (fault->huge_event >= 0)
		compose_huge_event(fault, play);
	if (fault->endless_comments >= 0) {
		play_mark(play, 1, 0, true);
		add_chunk(&play->out, SPAN(": still simulating\n\n"));
		play_mark(play, -1, (int)fault->endless_comments, false);
	}
	if (fault->truncated_chunk >= 0)
		buf_text(&play->out, "400\r\ndata: {\"simu");
	else if (!cuts(fault) && fault->no_length < 0)
		buf_text(&play->out, "0\r\n\r\n");
	play_mark(play, 1, 0, true);
	if (cuts(fault) || fault->truncated_chunk >= 0)
		play->end = END_CLOSE;
}

static void compose_huge(const struct fault *fault, struct play *play)
{
	size_t rest = (size_t)(fault->huge % HUGE_BLOCK);

	memset(buf_room(&play->out, HUGE_BLOCK), ' ', HUGE_BLOCK);
	play->out.len += HUGE_BLOCK;
	if (fault->huge >= HUGE_BLOCK)
		play_mark(play, fault->huge / HUGE_BLOCK, 0, true);
	else
		play->out.len -= HUGE_BLOCK;
	memset(buf_room(&play->out, rest), ' ', rest);
	play->out.len += rest;
	play_mark(play, 1, 0, true);
}

// The end and the reach of answers that stop in their body.
static void compose_stop(const struct fault *fault, size_t head_len, struct play *play)
{
	int64_t keep = fault->reset_mid >= 0 ? fault->reset_mid : fault->close_mid;

	if (keep < 0)
		return;
	// Waits are of no interest in such an answer: one step up to the cut.
	if (play->out.len > head_len + (size_t)keep)
		play->out.len = head_len + (size_t)keep;
	play->step_n = 0;
	play->marked = 0;
	play_mark(play, 1, 0, true);
	play->end = fault->reset_mid >= 0 ? END_RESET : END_CLOSE;
	if (play->end == END_RESET)
		play_mark(play, 1, RESET_PAUSE_MS, false);
}

static void compose_plain(const struct answer *answer, const struct fault *fault, bool keep_alive,
	bool head_only, struct play *play)
{
	int64_t length = (int64_t)answer->body.len;
	struct bomb bomb = {0};

	if (fault->huge >= 0)
		length = fault->huge;
	if (fault->gzip_bomb >= 0) {
		bomb_make(&bomb, (uint64_t)fault->gzip_bomb);
		length = (int64_t)bomb_size(&bomb);
	}
	if (fault->truncated_length >= 0)
		length += fault->truncated_length;
	if (fault->http09 < 0)
		compose_head(answer, fault, keep_alive,
			fault->no_length >= 0 || fault->truncated_chunk >= 0 ? -1 : length, play);
	size_t head_len = play->out.len;
	if (fault->drip_bps > 0 || fault->headers_then_hang >= 0)
		play_mark(play, 1, 0, false);
	if (head_only || fault->headers_then_hang >= 0) {
		play_mark(play, 1, 0, false);
	} else if (fault->huge >= 0) {
		compose_huge(fault, play);
	} else if (fault->gzip_bomb >= 0) {
		bomb_play(&bomb, play);
	} else {
		if (fault->truncated_chunk >= 0)
			buf_text(&play->out, "fffff\r\n");
		buf_span(&play->out, buf_view(&answer->body));
		play_mark(play, 1, 0, true);
	}
	bomb_release(&bomb);
	if (fault->truncated_length >= 0 || fault->truncated_chunk >= 0)
		play->end = END_CLOSE;
	compose_stop(fault, head_len, play);
}

void answer_compose(struct answer *answer, const struct fault *fault, bool keep_alive,
	bool head_only, struct play *play)
{
	spoil_body(answer, fault);
	if (answer->stream)
		spoil_events(answer, fault);
	if (fault->no_length >= 0 || fault->http09 >= 0)
		keep_alive = false;
	play_clear(play);
	play->end = keep_alive ? END_KEEP : END_CLOSE;
	if (fault->delay_ms > 0)
		play_mark(play, 1, (int)fault->delay_ms, false);
	if (fault->continue_flood >= 0) {
		buf_text(&play->out, "HTTP/1.1 100 Continue\r\n\r\n");
		play_mark(play, fault->continue_flood, 0, false);
	}
	if (fault->drip_bps > 0 || fault->drip_all_bps > 0)
		play->drip_bps = fault->drip_all_bps > 0 ? fault->drip_all_bps : fault->drip_bps;
	if (!answer->stream || fault->huge >= 0 || fault->gzip_bomb >= 0) {
		compose_plain(answer, fault, keep_alive, head_only, play);
	} else {
		if (fault->http09 < 0)
			compose_head(answer, fault, keep_alive, -1, play);
		size_t head_len = play->out.len;
		if (fault->drip_bps > 0 || fault->headers_then_hang >= 0)
			play_mark(play, 1, 0, false);
		if (fault->headers_then_hang < 0)
			compose_events(answer, fault, play);
		compose_stop(fault, head_len, play);
	}
	if (fault->headers_then_hang >= 0)
		play->end = END_HANG;
	if (fault->split > 0)
		play_cut(play, (size_t)fault->split, play->out.len);
	else if (fault->piece > 0)
		play_cut(play, (size_t)fault->piece, (size_t)fault->piece);
	for (size_t i = 0; fault->drip_all_bps > 0 && i < play->step_n; i++)
		play->steps[i].slow = true;
}
