// SPDX-License-Identifier: MIT
// What the files of the web server share: the server of one loop, its connections and requests.
#ifndef YJ_AGENT_WEB_INT_H
#define YJ_AGENT_WEB_INT_H

#include <microhttpd.h>
#include "agent/denials.h"
#include "agent/registry.h"
#include "agent/web.h"
#include "agent/web_guard.h"
#include "agent/web_match.h"

#define WEB_LISTENERS_MAX (SVC_COUNT * SETTINGS_ADDRS_MAX + 1)
#define WEB_POOL_BYTES (10 * 1024) // libmicrohttpd zeroes it for each request: head and answer head
#define WEB_FREE_REQS 256 // kept for reuse
#define WEB_BODY_KEPT (64 * 1024) // a larger buffer is given back
#define WEB_HEAD_US (10 * 1000000LL) // first request's head, and any further one once begun
#define WEB_IDLE_US (60 * 1000000LL) // between requests of a kept connection
#define WEB_SLOW_US (30 * 1000000LL) // window for slow readers …
#define WEB_SLOW_BYTES (30 * 1024) // … who must take this much of it
#define WEB_TICK_US 200000

struct conn { // one client connection
	struct web *web;
	struct MHD_Connection *mhd;
	struct web_req *req; // the one under way; NULL between requests
	struct conn *prev, *next;
	int fd;
	enum service_id service;
	enum peer_kind kind;
	bool mounts_all, gone, linger;
	int64_t deadline_us; // monotonic; 0 none
	int64_t slow_at_us; // next look at a slow reader
	uint64_t slow_acked;
	// peer identity, looked up once
	bool uid_asked, uid_known;
	uid_t uid;
	struct loop_watch watch; // EPOLLRDHUP: a suspended connection's caller has gone
};

enum req_state {
	RS_HEAD, // request line seen
	RS_BODY, // collecting
	RS_IDENTITY, // suspended until the peer's role is known
	RS_HANDLER, // with the handler
	RS_REPLY, // answer decided, not yet handed to libmicrohttpd
	RS_SENDING, // whole answer handed over
	RS_STREAMING,
	RS_OVER // libmicrohttpd is done with it
};

struct out_header {
	const char *name; // borrowed
	const char *value; // in the arena
};

struct web_req {
	struct req r;
	struct web *web; // borrowed
	struct conn *conn; // valid until state is RS_OVER, then NULL
	struct web_req *next_free;
	enum req_state state;
	bool suspended; // with libmicrohttpd
	bool in_handler; // the handler is on the stack: do not resume, return instead
	bool handler_done; // it has answered or was told that the caller is gone
	bool close_after; // answer with Connection: close
	bool head; // HEAD
	bool too_large; // body beyond its limit
	struct slice query; // raw
	struct guard guard;
	struct str body;
	size_t body_limit;
	struct match match;
	// answer
	struct out_header out[REQ_HEADERS_OUT_MAX];
	size_t out_n;
	const char *content_type;
	struct slice answer;
	char *answer_owned; // freed with the request
	// stream
	struct str queue;
	size_t queue_at; // bytes already taken
	bool stream, stream_end, stream_abort;
	void (*on_gone)(struct req *r);
	void (*on_drain)(struct req *r);
	void (*on_end)(struct req *r);
};

struct listener {
	struct web *web;
	enum service_id service;
	bool local; // loopback or unix: the gateway mounts everything
	size_t max;
	struct loop_watch watch;
};

struct farewell { // a closed connection whose last bytes the caller shall still read
	struct web *web;
	struct farewell *prev, *next;
	int64_t until_us;
	size_t left; // bytes still discarded
	struct loop_watch watch;
};

struct web {
	struct agent *agent;
	struct loop *loop;
	const req_handler *handlers;
	struct match_tree *tree;
	struct peer_nets trusted;
	struct seal_memo *memo; // hashes of the credentials seen on this loop
	bool gateway_public;
	struct MHD_Daemon *mhd;
	struct loop_watch mhd_watch;
	bool dirty; // libmicrohttpd must run in this turn
	bool quiet; // quiesced
	struct loop_timer tick;
	struct listener listeners[WEB_LISTENERS_MAX];
	size_t listeners_n;
	const struct listener *accepting;
	enum peer_kind accepting_kind;
	struct conn *conns;
	struct farewell *lingers;
	size_t lingers_n;
	_Atomic size_t conns_n, reqs_n;
	size_t per_service[SVC_COUNT];
	struct web_req *free_reqs;
	size_t free_n;
	int spare_fd; // given up to answer 503 when descriptors run out
	uint32_t id_prefix, id_next;
	struct metric_cell *requests[SVC_COUNT][EP_COUNT + 1][6];
	struct metric_cell *duration[SVC_COUNT], *connections[SVC_COUNT];
};

// web_req.c
enum MHD_Result web_access(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_n, void **cls_req);
void *web_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
void web_completed(void *cls, struct MHD_Connection *mhd, void **cls_req,
	enum MHD_RequestTerminationCode toe);
void web_id(struct web *w, char id[REQ_ID_MAX]);
// The caller has gone while the answer was not complete.
void web_gone(struct web_req *q);

// web_reply.c
// Hands the decided answer to libmicrohttpd; called from its callbacks only.
enum MHD_Result web_flush(struct web_req *q);
// The request ends for everybody: on_end, metrics, log line, memory.
void web_finish(struct web_req *q);
// Refuses a request and closes the connection behind the answer.
void web_refuse(struct web_req *q, enum err_code code, const char *detail);
// Error body of a call: OpenAI's shape or the platform's, into out.
void web_error_body(const struct req *r, bool openai, const struct err *e, struct str *out);
bool web_is_openai(const struct web_req *q);

// web_daemon.c
struct conn *web_conn_of(struct MHD_Connection *mhd);
void web_wake(struct web *w); // run libmicrohttpd before the turn ends
// Answers the request under way on the bare socket, outside libmicrohttpd, when its body must not
// be read further.
void web_raw_error(struct conn *c, enum err_code code);

#endif
