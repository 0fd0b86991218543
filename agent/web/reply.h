// SPDX-License-Identifier: MIT
// How a handler answers: once, whole or as a stream.
#ifndef YJ_AGENT_WEB_REPLY_H
#define YJ_AGENT_WEB_REPLY_H

#include <string.h>
#include "agent/web/refusals.h"
#include "shared/err.h"
#include "shared/slice.h"
#include "shared/str.h"

struct req;

// Extra headers first. Both are copied; a control byte in the value becomes a blank.
void req_header_put(struct req *r, struct slice name, struct slice value);
static inline void req_header_add(struct req *r, const char *name, const char *value)
{
	req_header_put(r, (struct slice){name, strlen(name)}, (struct slice){value, strlen(value)});
}
void req_header_number(struct req *r, struct slice name, int64_t value);
// Body bytes are copied into the request's arena unless they already live in it or the snapshot.
void req_reply(struct req *r, int status, const char *content_type, struct slice body);
// Takes *body's buffer (empties it).
void req_reply_str(struct req *r, int status, const char *content_type, struct str *body);
void req_reply_json(struct req *r, int status, struct str *body); // application/json; charset=utf-8
// Platform shape, or OpenAI's on the model traffic paths.
void req_fail(struct req *r, const struct err *e);
void req_fail_code(struct req *r, enum err_code code);
// A model request that is refused before any upstream was asked: adds who called, counts and tells it,
// once. req_fail does it by itself for what nobody told before.
void req_refused(struct req *r, struct refused *what);
void req_suspend(struct req *r);

// Streaming answer: headers go out now, bytes as they are written. Chunked.
void req_stream_begin(struct req *r, int status, const char *content_type);
// Copies; returns bytes not yet taken by the client (backpressure: stop reading upstream above
// REQ_STREAM_HIGH, go on when on_drain runs).
#define REQ_STREAM_HIGH (256 * 1024)
size_t req_stream_write(struct req *r, struct slice bytes);
// The same of a buffer, which is empty afterwards: what is in it is not copied where nothing waits.
size_t req_stream_give(struct req *r, struct str *bytes);
void req_stream_end(struct req *r);
// Cuts the connection without the final chunk (an honest abort of a binary body).
void req_stream_abort(struct req *r);
void req_on_drain(struct req *r, void (*fn)(struct req *r));
// fn runs once when the caller has gone before the answer was complete; the request lives on until
// fn has returned, then ends by itself. Watched while suspended or streaming.
void req_on_gone(struct req *r, void (*fn)(struct req *r));
// fn runs once when the agent stops before the answer was complete, and ends it in its own words.
void req_on_cut(struct req *r, void (*fn)(struct req *r));
// Runs when the request has ended, however (for in-flight counts and log lines).
void req_on_end(struct req *r, void (*fn)(struct req *r));

#endif
