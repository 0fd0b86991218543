// SPDX-License-Identifier: MIT
// The head of a decided answer as bytes: what every answer of the agent says besides its handler's own
// headers.
#include "agent/web/answer.h"

#include <string.h>
#include <strings.h>
#include <time.h>
#include "agent/web/private.h"
#include "shared/clock.h"
#include "shared/token.h"

bool web_out_has(const struct web_req *q, const char *name)
{
	size_t n = strlen(name);
	if (LIKELY((q->out_lengths >> n % 64 & 1) == 0))
		return false;
	struct slice rest = {q->out, q->out_n};
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0)
			return true;
	}
	return false;
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
		{304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"},
		{403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"},
		{412, "Precondition Failed"}, {413, "Content Too Large"}, {414, "URI Too Long"},
		{415, "Unsupported Media Type"}, {422, "Unprocessable Content"},
		{429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
		{503, "Service Unavailable"}, {504, "Gateway Timeout"},
		{507, "Insufficient Storage"}, {508, "Loop Detected"}};
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Other";
}

// RFC 9110 5.6.7, made once a second.
static const char *date_of(struct web *w)
{
	int64_t now_s = loop_wall_ms(w->loop) / 1000;
	if (now_s != w->date_s) {
		time_t t = (time_t)now_s;
		struct tm tm;
		gmtime_r(&t, &tm);
		w->date_s = now_s;
		strftime(w->date, sizeof(w->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return w->date;
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

#define LITERAL_MAX 160 // of what put_headers() writes itself

// What every answer says, and the handler's own.
static void put_headers(struct web_req *q, struct str *out)
{
	struct slice type = slice_of(q->content_type != NULL ? q->content_type : "");
	struct slice date = slice_of(date_of(q->web)), id = slice_of(q->r.id);
	str_reserve(out, LITERAL_MAX + date.n + id.n + type.n + q->out_n);
	char *at = mempcpy(mempcpy(out->p + out->n, "Date: ", 6), date.p, date.n);
	if (q->content_type != NULL)
		at = field_value_put(mempcpy(at, "\r\nContent-Type: ", 16), type);
	at = mempcpy(mempcpy(at, "\r\nX-Request-Id: ", 16), id.p, id.n);
	at = mempcpy(at, "\r\nX-Content-Type-Options: nosniff\r\n", 35);
	if (!web_out_has(q, "Cache-Control"))
		at = mempcpy(at, "Cache-Control: no-store\r\n", 25);
	if (q->out_n > 0)
		at = mempcpy(at, q->out, q->out_n);
	out->n = (size_t)(at - out->p);
	*at = '\0';
	if (UNLIKELY(q->origin != NULL)) {
		str_add_slice(out, SLICE("Access-Control-Allow-Origin: "));
		str_reserve(out, strlen(q->origin));
		out->n = (size_t)(field_value_put(out->p + out->n, slice_of(q->origin)) - out->p);
		str_add_slice(out,
			SLICE("\r\nAccess-Control-Expose-Headers: " CORS_EXPOSED
			      "\r\nVary: Origin\r\n"));
	}
}

void web_each_header(struct web_req *q, void (*fn)(void *arg, const char *name, const char *value),
	void *arg)
{
	struct str *text = &q->web->out_head;
	q->close_after |= q->web->quiet;
	str_clear(text);
	put_headers(q, text);
	for (char *line = text->p, *next; *line != '\0'; line = next) {
		char *colon = strchr(line, ':');
		next = strchr(colon, '\n') + 1;
		*colon = next[-2] = '\0';
		fn(arg, line, colon + 2);
	}
	if (q->close_after)
		fn(arg, "Connection", "close");
}

void web_write_head(struct web_req *q, struct str *out)
{
	q->close_after |= q->web->quiet;
	if (LIKELY(q->r.status == 200)) {
		str_add_slice(out, SLICE("HTTP/1.1 200 OK\r\n"));
	} else {
		str_add_slice(out, SLICE("HTTP/1.1 "));
		str_add_i64(out, q->r.status);
		str_add_c(out, ' ');
		str_add(out, reason(q->r.status));
		str_add_slice(out, SLICE("\r\n"));
	}
	put_headers(q, out);
	add_framing(q, out);
	str_add_slice(out, SLICE("\r\n"));
}
