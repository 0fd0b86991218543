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
	for (size_t i = 0; i < q->out_n; i++) // the first letter tells most of them apart
		if ((q->out[i].name[0] | 0x20) == (name[0] | 0x20) &&
			strcasecmp(q->out[i].name, name) == 0)
			return true;
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

// Inlined, so that the length of a name that is written out is known when this is compiled.
static inline __attribute__((always_inline)) char *put_header(struct str *out, const char *name,
	const char *value, size_t n)
{
	size_t name_n = strlen(name);
	str_reserve(out, name_n + n + 4);
	char *at = mempcpy(mempcpy(out->p + out->n, name, name_n), ": ", 2);
	memcpy(mempcpy(at, value, n), "\r\n", 3);
	out->n += name_n + n + 4;
	return at;
}

// The value is a handler's or an upstream's: a line break in it would begin another header.
static void add_header(struct str *out, const char *name, const char *value, size_t n)
{
	char *at = put_header(out, name, value, n);
	for (size_t i = LIKELY(field_value_is((struct slice){at, n})) ? n : 0; i < n; i++)
		if (!field_value_char(at[i]))
			at[i] = ' ';
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

// `ours`: the value is written by us, whoever asks, and holds no control byte.
typedef void header_fn(void *arg, const char *name, const char *value, size_t n, bool ours);

// Inlined into both of its callers: one of them is on the traffic path.
static inline __attribute__((always_inline)) void each_header(const struct web_req *q,
	header_fn *fn, void *arg)
{
	const char *date = date_of(q->web);
	fn(arg, "Date", date, strlen(date), true);
	if (q->content_type != NULL)
		fn(arg, "Content-Type", q->content_type, strlen(q->content_type), false);
	fn(arg, "X-Request-Id", q->r.id, strlen(q->r.id), true);
	fn(arg, "X-Content-Type-Options", "nosniff", strlen("nosniff"), true);
	if (!web_out_has(q, "Cache-Control"))
		fn(arg, "Cache-Control", "no-store", strlen("no-store"), true);
	if (UNLIKELY(q->origin != NULL)) {
		fn(arg, "Access-Control-Allow-Origin", q->origin, strlen(q->origin), false);
		fn(arg, "Access-Control-Expose-Headers", CORS_EXPOSED, strlen(CORS_EXPOSED), true);
		fn(arg, "Vary", "Origin", strlen("Origin"), true);
	}
	for (size_t i = 0; i < q->out_n; i++)
		fn(arg, q->out[i].name, q->out[i].value, q->out[i].n, q->out[i].ours);
}

struct teller {
	void (*fn)(void *arg, const char *name, const char *value);
	void *arg;
};

static void tell_header(void *arg, const char *name, const char *value, size_t n, bool ours)
{
	const struct teller *to = arg;
	(void)n;
	(void)ours;
	to->fn(to->arg, name, value);
}

void web_each_header(struct web_req *q, void (*fn)(void *arg, const char *name, const char *value),
	void *arg)
{
	struct teller to = {fn, arg};
	q->close_after |= q->web->quiet;
	each_header(q, tell_header, &to);
	if (q->close_after)
		fn(arg, "Connection", "close");
}

static inline __attribute__((always_inline)) void write_header(void *arg, const char *name,
	const char *value, size_t n, bool ours)
{
	if (ours)
		put_header(arg, name, value, n);
	else
		add_header(arg, name, value, n);
}

void web_write_head(struct web_req *q, struct str *out)
{
	q->close_after |= q->web->quiet;
	str_reserve(out, 512);
	str_add_slice(out, SLICE("HTTP/1.1 "));
	str_add_i64(out, q->r.status);
	str_add_c(out, ' ');
	str_add(out, reason(q->r.status));
	str_add_slice(out, SLICE("\r\n"));
	each_header(q, write_header, out);
	add_framing(q, out);
	str_add_slice(out, SLICE("\r\n"));
}
