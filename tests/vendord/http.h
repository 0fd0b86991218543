// SPDX-License-Identifier: MIT
// HTTP/1.1 requests as bytes. Parsing keeps no state, so it is repeated when a buffer moved.
#pragma once
#include "tests/vendord/buf.h"

#define HTTP_FIELDS_MAX 100
#define HTTP_HEAD_MAX (256 * 1024)
#define HTTP_BODY_MAX (512 * 1024 * 1024)

struct http_field {
	struct span name, value;
};

struct http_request {
	struct span method, target, path, query, body;
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t field_n;
	size_t head_len; // with the blank line
	int64_t content_length; // -1: none
	bool chunked, keep_alive, expect_continue;
};

// 1: a whole head was parsed (the body is not looked at), 0: more bytes are needed, -1: bad.
int http_parse_head(struct http_request *request, struct span bytes);
// The value, or an empty span; ASCII case is folded.
struct span http_field(const struct http_request *request, const char *name);
// A query parameter's raw value, or an empty span.
struct span http_query(const struct http_request *request, const char *name);
// Decodes what has arrived of a chunked body from *pos on, which is moved over it.
// 1: the last chunk was seen, 0: more bytes are needed, -1: bad.
int http_dechunk(struct span bytes, size_t *pos, struct buf *out);
const char *http_reason(int status);
