// SPDX-License-Identifier: MIT
// Answers of HTTP/1.1 servers (RFC 9112), read incrementally. Pure: bytes in, steps out. Whatever
// could be framed in two ways is refused: two lengths, a length beside chunked, folded lines.
#ifndef YJ_AGENT_UPSTREAM_H1_H
#define YJ_AGENT_UPSTREAM_H1_H

#include "shared/str.h"

#define H1_HEAD_MAX (64 * 1024) // status line, headers, and all interim answers together
#define H1_HEADERS_MAX 100
#define H1_INTERIM_MAX 8 // 1xx answers before the real one
#define H1_CHUNK_LINE_MAX 512 // size with extensions; also each trailer line
#define H1_TRAILER_MAX 8192

enum h1_step {
	H1_MORE, // the input is used up
	H1_HEAD, // status and headers are in
	H1_DATA, // *ret_data is a run of body bytes inside the input
	H1_DONE, // the answer is complete; *in is what follows it
	H1_BAD, // not HTTP, or ambiguous
	H1_TOO_LARGE, // head beyond its limits
};

enum h1_state {
	H1_IN_HEAD,
	H1_AT_HEAD,
	H1_IN_LENGTH,
	H1_IN_CHUNK_LINE,
	H1_IN_CHUNK,
	H1_IN_CHUNK_END,
	H1_IN_TRAILER,
	H1_IN_CLOSE,
	H1_AT_END,
	H1_FAILED
};

struct h1_header {
	struct slice name, value;
};

struct h1 {
	int status;
	bool keep_alive; // the connection may be used again once the answer is complete
	bool has_length;
	uint64_t length; // of Content-Length
	size_t headers_n;
	uint64_t name_lengths; // a bit each that a header has, modulo 64
	struct h1_header headers[H1_HEADERS_MAX]; // into `head`
	// private
	enum h1_state state;
	struct str head;
	size_t line; // where the unfinished line of the head begins
	uint64_t left; // body or chunk bytes to come
	size_t spent; // bytes of heads dropped (1xx), or of trailers
	size_t line_n; // of the chunk line
	int interim;
	bool have_size, in_ext, cr;
	bool blank; // after the size: ';' or the line's end must follow
	bool strict; // a caller's body: not even blanks before the line's end
	bool colon; // of the trailer line
};

// Ready for the next answer; keeps the buffer. A zeroed struct is ready too.
void h1_reset(struct h1 *p);
void h1_release(struct h1 *p);
// Ready for a chunked body alone, whose head was read elsewhere.
void h1_begin_chunked(struct h1 *p);
// Takes from *in up to the next step. After H1_DONE, H1_BAD or H1_TOO_LARGE reset before reuse.
enum h1_step h1_next(struct h1 *p, struct slice *in, struct slice *ret_data);
// The connection ended: H1_DONE when the end delimits the body, H1_BAD otherwise.
enum h1_step h1_eof(struct h1 *p);
// Value of the first header of this name (any case); p NULL when absent.
static inline struct slice h1_header(const struct h1 *p, const char *name)
{
	size_t n = strlen(name); // of a literal: known when this is compiled
	if (LIKELY((p->name_lengths >> n % 64 & 1) == 0))
		return (struct slice){NULL, 0};
	for (size_t i = 0; i < p->headers_n; i++) {
		if (p->headers[i].name.n == n && slice_ieq_n(p->headers[i].name, name, n))
			return p->headers[i].value;
	}
	return (struct slice){NULL, 0};
}

#endif
