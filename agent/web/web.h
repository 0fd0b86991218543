// SPDX-License-Identifier: MIT
// HTTP server side, HTTP/1.1 (RFC 9112) and 1.0, one server per loop.
// Framing guard, slow-sender reaper, routing by the endpoint table, identity, body limits and
// answers live here; handlers see a struct req. Everything but web_counts is for the loop's thread.
#ifndef YJ_AGENT_WEB_WEB_H
#define YJ_AGENT_WEB_WEB_H

#include "agent/web/auth.h"
#include "agent/web/refusals.h"
#include "agent/store/store.h"
#include "shared/jw.h"

#define REQ_PARAMS_MAX 4
#define REQ_HEADERS_OUT_MAX 24
#define REQ_ID_MAX 24
#define IDEMPOTENCY_KEY_MAX 255

struct agent; // agent/core/agent.h: everything a handler may reach

struct req {
	struct arena arena; // dies with the request
	struct agent *agent; // borrowed
	struct loop *loop; // borrowed
	const struct snapshot *snap; // held until the request ends
	const struct endpoint *ep;
	enum service_id service; // whose port it came in on
	enum http_method method;
	struct slice path; // raw, after the optional /v1 prefix rule
	struct slice param[REQ_PARAMS_MAX]; // of {…} segments, percent-decoded
	struct slice body; // whole; empty when none
	struct principal who;
	// Why it is refused, when that is known better than its error code says.
	enum refusal refused;
	const char *refused_client, *refused_name; // id and name of the client then; in the arena
	bool told; // refused, or failed: counted and told already
	char id[REQ_ID_MAX]; // X-Request-Id
	int64_t start_us; // monotonic
	int status; // set by the reply
	void *user; // the handler's own
	struct web_req *web; // private
};

// A handler replies before it returns, or calls req_suspend and replies later from its loop.
typedef void (*req_handler)(struct req *r);

struct web;

// handlers[EP_COUNT], bound at agent/handlers.c; a NULL one is not mounted.
struct web *web_new(struct agent *a, struct loop *l, const req_handler *handlers, struct err *err);
// Serves connections of a listening socket (agent/web/listen.h) as `service` on this loop; several
// loops may share one socket. The socket stays the caller's and must outlive web_quiesce.
// max: connections of this service on this loop; above it callers get 503 at once.
enum err_code web_serve(struct web *w, enum service_id service, int listen_fd, size_t max);
// Stops accepting; open requests go on, answers carry Connection: close, idle ones are closed.
void web_quiesce(struct web *w);
// Nobody waits any longer: what asked for it by req_on_cut is told to end. On the loop's thread.
void web_cut(struct web *w);
size_t web_open_requests(const struct web *w); // any thread
// Cuts what is left and ends; the loop must not run any more.
void web_free(struct web *w);

// Reading. NULL / empty slice when absent. Header names in any case.
const char *req_header(const struct req *r, const char *name);
// A query value, judged by the endpoint's row of this name before the handler ran: its decoded text,
// NULL when absent; what query_value's num is; and that as a truth.
const char *req_query(const struct req *r, const char *name);
int64_t req_query_int(const struct req *r, const char *name);
bool req_query_bool(const struct req *r, const char *name);
// Of an object that the request changes: its entity tag, NULL when there is none. Says
// ERR_PRECONDITION_FAILED when If-Match or If-None-Match do not let it. Any thread.
enum err_code req_may_change(const struct req *r, const char *etag, struct err *err);
// True when it says If-Match, so that a change needs the object as it was judged.
bool req_has_if_match(const struct req *r);
// True when it says If-None-Match: *, so that something new is to be made or nothing.
bool req_wants_new(const struct req *r);
// Of an answer to GET: adds the ETag. True when the caller has it, or wants another one alone: 304 or
// 412 was sent.
bool req_not_modified(struct req *r, const char *etag);
// Whether a Prefer header (RFC 7240) says `name`, alone and without a value. ERR_PARAM_INVALID when
// one cannot be read.
enum err_code req_prefers(const struct req *r, const char *name, bool *ret, struct err *err);
// Idempotency-Key; empty when absent. ERR_PARAM_INVALID, or ERR_FIELD_RANGE when too long.
enum err_code req_idempotency_key(const struct req *r, struct slice *ret, struct err *err);
// The query as it came.
struct slice req_raw_query(const struct req *r);
struct actor req_actor(const struct req *r);
// The members of an event that say who did it: "actor", and "actor_name" where there is one.
void req_actor_write(const struct req *r, struct jw *w);
// Root, without a token, over the unix socket: what nobody on a network can be.
bool req_is_unix_root(const struct req *r);
// Which endpoints have a handler in this build.
void req_mounted(const struct req *r, bool ret[EP_COUNT]);

// Answering. Exactly once. Extra headers first; values are copied.
void req_header_add(struct req *r, const char *name, const char *value);
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
