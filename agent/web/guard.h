// SPDX-License-Identifier: MIT
// What must not pass: ambiguous framing, odd request targets, control bytes. Pure functions over a
// parsed head; every refusal of guard_headers and of a bad target closes the connection.
#ifndef YJ_AGENT_WEB_GUARD_H
#define YJ_AGENT_WEB_GUARD_H

#include "shared/arena.h"
#include "shared/err.h"
#include "shared/slice.h"

#define GUARD_HEADERS_MAX 100
#define GUARD_HEADER_BYTES 8192
#define GUARD_URI_MAX 8192

// Headers the server itself looks at, found in the one pass of the guard.
enum guard_header {
	GH_HOST,
	GH_CONTENT_LENGTH,
	GH_TRANSFER_ENCODING,
	GH_AUTHORIZATION,
	GH_X_API_KEY,
	GH_ORIGIN,
	GH_SEC_FETCH_SITE,
	GH_CONTENT_ENCODING,
	GH_EXPECT,
	GH_IF_MATCH,
	GH_IF_NONE_MATCH,
	GH_IDEMPOTENCY_KEY,
	GH_CONTENT_TYPE,
	GH_DATA,
	GH_SESSION,
	GH_HOP,
	GH_CONNECTION,
	GH_COUNT
};

struct guard {
	struct slice h[GH_COUNT]; // p NULL: absent
	bool forwarded; // some proxy's header is there
	bool close, keep_alive; // tokens of Connection
	bool expects; // 100-continue, and nothing else
	bool http_1_1;
	size_t n, bytes;
	enum err_code code; // the first refusal
};

// One header after the other, then the verdict. version: "HTTP/1.1".
void guard_header(struct guard *g, struct slice name, struct slice value);
// The same of a line whose characters have been looked at (head_parse).
void guard_field(struct guard *g, struct slice name, struct slice value);
enum err_code guard_headers(struct guard *g, struct slice version);
// The request target as it came: origin form, length, no control or non-ASCII byte. Cuts it into
// path and query (p NULL when there is none).
enum err_code guard_target(struct slice uri, struct slice *ret_path, struct slice *ret_query);
// Escapes, "..", "//", %5c, %00, UTF-8: ERR_BAD_PATH. *ret_slash: there is a %2f, which is data in few
// endpoints' names (EPF_NAMES) and refused by the others.
enum err_code guard_path(struct slice path, bool *ret_slash);
// Body length said by the request: 0 none, -1 chunked.
int64_t guard_body_length(const struct guard *g);
// Percent-decodes into the arena. False on a bad escape, NUL, control byte or invalid UTF-8.
bool guard_unescape(struct slice in, bool plus_is_blank, struct arena *a, struct slice *ret);
// The byte at *i, decoded when an escape stands there (*i then is its last byte); -1: a bad escape.
int guard_escape(struct slice s, size_t *i);

#endif
