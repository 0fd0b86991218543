// SPDX-License-Identifier: MIT
#include "tests/vendord/http.h"

#include <string.h>

static struct span trim(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (at < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return (struct span){at, (size_t)(end - at)};
}

static bool note_field(struct http_request *request, struct http_field field)
{
	if (span_is_nocase(field.name, "content-length")) {
		request->content_length = span_int(field.value, -2);
		return request->content_length >= 0 && request->content_length <= HTTP_BODY_MAX;
	}
	if (span_is_nocase(field.name, "transfer-encoding"))
		request->chunked = span_is_nocase(field.value, "chunked");
	else if (span_is_nocase(field.name, "connection"))
		request->keep_alive = span_is_nocase(field.value, "close") ? false
			: span_is_nocase(field.value, "keep-alive")	   ? true
									   : request->keep_alive;
	else if (span_is_nocase(field.name, "expect"))
		request->expect_continue = span_is_nocase(field.value, "100-continue");
	return true;
}

int http_parse_head(struct http_request *request, struct span bytes)
{
	const char *blank = bytes.len ? memmem(bytes.at, bytes.len, "\r\n\r\n", 4) : NULL;

	request->field_n = 0;
	request->content_length = -1;
	request->chunked = request->expect_continue = false;
	request->query = request->body = (struct span){0};
	if (!blank)
		return bytes.len > HTTP_HEAD_MAX ? -1 : 0;
	request->head_len = (size_t)(blank - bytes.at) + 4;
	const char *end = memchr(bytes.at, '\r', bytes.len);
	const char *space = memchr(bytes.at, ' ', (size_t)(end - bytes.at));
	const char *last = memrchr(bytes.at, ' ', (size_t)(end - bytes.at));

	if (!space || last == space || end - last < 9 || memcmp(last, " HTTP/1.", 8) != 0)
		return -1;
	request->method = (struct span){bytes.at, (size_t)(space - bytes.at)};
	request->target = (struct span){space + 1, (size_t)(last - space - 1)};
	request->path = request->target;
	const char *mark = memchr(space + 1, '?', request->target.len);
	if (mark) {
		request->path.len = (size_t)(mark - request->target.at);
		request->query = (struct span){mark + 1, (size_t)(last - mark - 1)};
	}
	request->keep_alive = last[8] != '0';
	for (const char *at = end + 2; at < blank + 2; at = end + 1) {
		end = memchr(at, '\n', (size_t)(blank + 2 - at));
		const char *colon = end ? memchr(at, ':', (size_t)(end - at)) : NULL;
		if (!colon || request->field_n == HTTP_FIELDS_MAX)
			return -1;
		struct http_field field = {{at, (size_t)(colon - at)}, trim(colon + 1, end)};
		request->fields[request->field_n++] = field;
		if (!note_field(request, field))
			return -1;
	}
	return 1;
}

struct span http_field(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->field_n; i++)
		if (span_is_nocase(request->fields[i].name, name))
			return request->fields[i].value;
	return (struct span){0};
}

struct span http_query(const struct http_request *request, const char *name)
{
	const char *at = request->query.at, *end = at + request->query.len;
	size_t len = strlen(name);

	while (at && at < end) {
		const char *amp = memchr(at, '&', (size_t)(end - at));
		const char *stop = amp ? amp : end;
		if ((size_t)(stop - at) > len && at[len] == '=' && memcmp(at, name, len) == 0)
			return (struct span){at + len + 1, (size_t)(stop - at) - len - 1};
		at = stop + 1;
	}
	return (struct span){0};
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_dechunk(struct span bytes, size_t *pos, struct buf *out)
{
	for (;;) {
		const char *at = bytes.at + *pos, *end = bytes.at + bytes.len;
		const char *line = at < end ? memmem(at, (size_t)(end - at), "\r\n", 2) : NULL;
		size_t size = 0;
		if (!line)
			return 0;
		if (line == at || hex_digit(*at) < 0 || line - at > 32)
			return -1;
		for (const char *c = at; c < line && hex_digit(*c) >= 0; c++)
			size = size << 4 | (size_t)hex_digit(*c);
		if (size > HTTP_BODY_MAX || out->len + size > HTTP_BODY_MAX)
			return -1;
		if ((size_t)(end - line) < 2 + size + 2)
			return 0;
		if (memcmp(line + 2 + size, "\r\n", 2) != 0)
			return -1; // trailers are not spoken here
		buf_add(out, line + 2, size);
		*pos += (size_t)(line - at) + 2 + size + 2;
		if (size == 0)
			return 1;
	}
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
		{301, "Moved Permanently"}, {302, "Found"}, {307, "Temporary Redirect"},
		{400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"},
		{403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{408, "Request Timeout"}, {409, "Conflict"}, {413, "Content Too Large"},
		{415, "Unsupported Media Type"}, {422, "Unprocessable Content"},
		{424, "Failed Dependency"}, {429, "Too Many Requests"},
		{500, "Internal Server Error"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
		{504, "Gateway Timeout"}, {529, "Overloaded"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Simulated";
}
