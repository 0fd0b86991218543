// SPDX-License-Identifier: MIT
// The head of an HTTP/1.x request (RFC 9112), read strictly: CRLF alone ends a line, no folded
// lines, no blanks before a colon, no control bytes. Pure: bytes in, slices out.
#ifndef YJ_AGENT_WEB_HEAD_H
#define YJ_AGENT_WEB_HEAD_H

#include "shared/arena.h"
#include "shared/err.h"

#define HEAD_LINE_MAX (8192 + 64) // request line: the longest target and room for its neighbours
#define HEAD_BYTES_MAX (HEAD_LINE_MAX + 8192 + 64) // with all header lines
#define HEAD_FIELDS_MAX 100

struct head_field {
	struct slice name;
	struct slice value; // trimmed, and NUL-terminated in place
};

struct head {
	struct slice method, target, version;
	struct head_field *v; // in the arena
	size_t n;
};

// Looks for the end of a head at the beginning of `in`; *at (0 at first) is how far it was looked
// through. Returns its length with the empty line, 0 when more is to come, or -1 and *ret_why.
ptrdiff_t head_find(struct slice in, size_t *at, enum err_code *ret_why);
// Parses a head that head_find has found; `bytes` is changed in place and outlives *ret.
enum err_code head_parse(char *bytes, size_t n, struct arena *a, struct head *ret);
// Without the blanks and tabs around it (RFC 9112, 5).
struct slice head_trim(struct slice value);
// Value of the first field of this name (any case), NULL when absent.
const char *head_value(const struct head *h, const char *name);

#endif
