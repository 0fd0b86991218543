// SPDX-License-Identifier: MIT
// What the files of the web server share: the server of one loop, its connections and requests.
#ifndef YJ_AGENT_WEB_PRIVATE_H
#define YJ_AGENT_WEB_PRIVATE_H

#include "agent/core/agent.h"
#include "agent/core/metrics.h"
#include "agent/core/pace.h"
#include "agent/core/unpack.h"
#include "agent/upstream/h1.h"
#include "agent/web/answer.h"
#include "agent/web/cond.h"
#include "agent/web/cors.h"
#include "agent/web/denials.h"
#include "agent/web/guard.h"
#include "agent/web/head.h"
#include "agent/web/hold.h"
#include "agent/web/keyless.h"
#include "agent/web/life.h"
#include "agent/web/linger.h"
#include "agent/web/match.h"
#include "agent/web/overload.h"
#include "agent/web/query.h"
#include "agent/web/spare.h"
#include "agent/web/tell.h"
#include "agent/web/tls.h"
#include "agent/web/turn.h"
#include "agent/web/web.h"

#define WEB_LISTENERS_MAX (SVC_COUNT * SETTINGS_ADDRS_MAX + 1)
#define WEB_READ_BYTES (64 * 1024) // all reads of a loop go through one such buffer
#define WEB_BODY_STEP ((size_t)64 * 1024) // room made at once for a body that only says its length
#define WEB_PIPELINE 64 // requests of one connection served in a turn
#define WEB_FREE_REQS 256 // kept for reuse
#define WEB_BODY_KEPT (64 * 1024) // a larger buffer is given back
#define WEB_FRESH_US INT64_C(200000) // from accepting to the first byte, at a stop
#define WEB_HEAD_US (10 * 1000000LL) // first request's head, and any further one once begun
#define WEB_IDLE_US (60 * 1000000LL) // between requests of a kept connection
#define WEB_SLOW_US (30 * 1000000LL) // window for slow readers …
#define WEB_SLOW_BYTES (30 * 1024) // … who must take this much of it
#define WEB_RESERVED(max) MIN_OF((max) / 8, 64)
#define WEB_KEPT 8 // places beyond the last, and descriptors, for who may administer the agent
#define WEB_NEWCOMERS_MAX 32 // who wait for one of them until their role is known
#define WEB_TICK_US 200000
#define WEB_GREETED_US (2 * 1000000LL) // at a stop, for the request a handshake was made for
#define WEB_UNPACK_TURN ((size_t)1024 * 1024) // unpacked bytes after which others get their turn

struct conn;
struct web_passed;

// How the bytes of a connection become requests, and answers bytes. Calls are never made from within
// one of its own callbacks.
struct engine {
	size_t most; // connections of a service, whatever the settings allow; 0 any number
	bool unpacks; // bodies come without their framing
	bool (*begin)(struct conn *c); // watches c->fd; false leaves it open
	void (*work)(struct conn *c); // what there is to do, at the end of a turn
	void (*let_go)(
		struct conn *c); // nothing of it is watched by a library any more; NULL: nothing is
	void (*end)(struct conn *c); // lets go of c->fd: closes it, or lets the last answer be read
};

struct conn { // one client connection
	struct web *web;
	const struct engine *engine;
	struct mhd *mhd; // of the engine that is libmicrohttpd
	struct tls *tls; // of the own engine; NULL: plain
	struct web_req *req; // the one under way; NULL between requests
	struct conn *prev, *next;
	struct conn *next_dirty; // of the list of those with work to do
	struct conn *next_waiting; // of its lane
	int fd;
	enum service_id service;
	enum peer_kind kind;
	char *resumes; // the task whose end its first caller waits for; NULL none
	// What epoll told once, edge triggered: readable and writable hold until the socket says no.
	bool readable, writable;
	bool dirty; // in the list
	bool waits; // in a lane
	bool turned_away; // the request that comes now gets 503
	bool gone; // the caller sends no more, or is away
	bool broken; // nothing can be sent any more
	bool closed; // freed at the end of the turn
	bool began; // bytes of the next head are in
	bool blank; // an empty line was read before it
	bool mounts_all;
	bool linger; // its last answer did not wait for the body: see discard
	bool reserved; // one of the last places: no model traffic
	bool listens; // it has said its end and waits for its answer
	bool awaited; // at a stop: its first request is counted as one
	struct str in; // bytes read and not yet used: a part of a head, or further requests
	size_t in_at, scanned; // of `in`: used; and looked through for the head's end
	struct str out; // bytes the socket has not taken
	size_t out_at;
	int64_t deadline_us; // monotonic; 0 none
	int64_t slow_at_us; // next look at a slow reader
	int64_t slow_taken;
	int64_t sent; // bytes the socket has taken
	struct discard discard;
	size_t held_in, held_out; // of `in` and `out`, as counted in the load
	struct keyless_mark keyless;
	// peer identity, looked up once
	bool uid_asked, uid_known;
	uid_t uid;
	struct loop_watch watch;
};

enum req_state {
	RS_HEAD, // the head is judged
	RS_BODY, // collecting
	RS_IDENTITY, // waits until the peer's role is known
	RS_HELD, // waits while the database changes hands
	RS_HANDLER, // with the handler
	RS_REPLY, // answer decided, not yet sent
	RS_SENDING, // whole answer on its way
	RS_STREAMING,
	RS_OVER // the connection has done with it
};

struct web_req {
	struct req r;
	struct web *web; // borrowed
	struct conn *conn; // valid until state is RS_OVER, then NULL
	struct web_req *next_free;
	struct web_req *next_held;
	const char *resumes; // see conn
	enum req_state state;
	bool in_handler; // the handler is on the stack
	bool handler_done; // it has answered or was told that the caller is gone
	bool close_after; // answer with Connection: close
	bool is_head; // HEAD: no body is sent
	bool preflight; // a page asks what it may, and is told
	bool expects; // 100-continue
	bool owes_continue; // its body may come now, and the caller waits to be told
	bool denied; // counted and audited as a call that its caller may not make
	bool admitted; // its caller and its length were judged: its body may come
	int64_t judged_us; // the turn in which the caller was last judged, by which snapshot
	const struct snapshot *judged_by;
	bool counted; // as a model request under way
	char *head_bytes; // the copy the head's slices point into: credentials are among them
	size_t head_bytes_n;
	struct slice query; // raw
	bool slash; // the path has an encoded one
	struct query_value *values; // of the endpoint's rows, once the caller is known; NULL none
	struct head head;
	struct guard guard;
	struct str body;
	size_t body_limit;
	uint64_t body_left; // of a body with a length
	struct h1 *chunks; // reads a chunked body; NULL otherwise
	struct unpack *unpack; // of a packed body that is coming; NULL otherwise
	size_t unpacked; // bytes that it gave in this turn
	bool rests; // they were many: what has come waits for the next turn
	size_t body_seen; // bytes of a body that does not count down
	struct pace pace; // of a body that is coming
	size_t held; // of the body, as counted in the load
	struct match match;
	// answer
	char *out; // the handler's headers as lines, in the arena
	size_t out_n, out_room;
	uint64_t out_lengths; // of their names, a bit each
	const char *origin; // of a page that may read it, in the arena; NULL: of none
	const char *content_type;
	struct slice answer;
	char *answer_owned; // freed with the request
	// stream
	struct str queue;
	size_t queue_at; // bytes already taken
	bool stream, stream_end, stream_abort;
	bool waits_drain; // the writer was told to stop
	void (*on_gone)(struct req *r);
	void (*on_cut)(struct req *r);
	void (*on_drain)(struct req *r);
	void (*on_end)(struct req *r);
};

struct listener {
	struct web *web;
	enum service_id service;
	const struct engine *engine;
	struct tls_port *tls; // borrowed; NULL: plain
	bool local; // loopback or unix: the gateway mounts everything
	size_t max; // connections; the last WEB_RESERVED of them take no model traffic
	struct loop_watch watch;
};

struct newcomer { // stands at the door of a full service while it is found out who it is
	struct listener *ls;
	struct newcomer *prev, *next;
	int fd;
	uid_t uid;
	enum peer_kind kind;
};

struct farewell { // a closed connection whose last bytes the caller shall still read
	struct web *web;
	struct farewell *prev, *next;
	struct discard discard;
	struct loop_watch watch;
};

struct lane { // connections whose next request has not been looked at, oldest first
	struct conn *first, **end;
	size_t n;
};

struct web {
	struct agent *agent;
	struct loop *loop;
	const req_handler *handlers;
	struct match_tree *tree;
	struct peer_nets trusted;
	struct seal_memo *memo; // hashes of the credentials seen on this loop
	bool gateway_public;
	bool quiet; // quiesced
	struct loop_timer tick;
	struct listener listeners[WEB_LISTENERS_MAX];
	size_t listeners_n;
	struct conn *conns;
	struct conn *dirty, **dirty_end; // connections with work at the end of this turn
	struct conn *dead; // closed in this turn
	struct farewell *lingers, *lingers_last; // newest first
	size_t lingers_n;
	struct newcomer *newcomers;
	size_t newcomers_n;
	struct load_bytes *held;
	_Atomic size_t reqs_n;
	_Atomic size_t awaited_n; // connections of a stop whose first request is waited for
	int64_t handshakes_told_us; // when the log had the last failure
	uint64_t handshakes_untold; // since
	size_t per_service[SVC_COUNT];
	struct overload_gate gate; // for new requests of the gateway
	struct web_req *held_reqs; // while the database changes hands
	bool (*pass)(void *arg, const struct web_passed *p); // to who has it; NULL: we have
	void *pass_arg;
	void (*pass_all)(void *web); // what is held, at the end of a turn
	bool passing; // in this turn
	struct lane served, refused; // those beyond a turn's number
	int64_t queue_max_us;
	struct web_req *free_reqs;
	size_t free_n;
	int spare_fd[WEB_KEPT]; // given up, one by one, when descriptors run out; -1: is given up
	uint32_t id_prefix, id_next;
	char *read_buffer; // WEB_READ_BYTES
	struct str out_head; // scratch of answers
	int64_t date_s; // second that `date` says
	char date[40];
	struct metric_cell *requests[SVC_COUNT][EP_COUNT + 1][6];
	struct metric_cell *shed[SVC_COUNT][OVERLOAD_WHYS];
	struct metric_cell *duration[SVC_COUNT], *connections[SVC_COUNT];
};

// req.c
// A request begins; head bytes (n with the empty line) are copied. NULL head: the connection said
// something else, `why` is answered.
void web_req_begin(struct conn *c, const char *head, size_t n, enum err_code why);
// Takes body bytes; the handler runs once all of it is there.
void web_req_body(struct web_req *q, struct slice *in);
// The same for an engine that reads heads and unpacks bodies itself: it opens a request, sets its head
// (in the request's arena) and has it judged, or says why there is none; gives the bytes of its body,
// false when that has been refused; and says that it is whole.
struct web_req *web_req_open(struct conn *c);
void web_req_judge(struct web_req *q, enum err_code why);
bool web_req_part(struct web_req *q, struct slice bytes);
void web_req_whole(struct web_req *q);
// What was held goes on as if it had come now.
void web_req_go(struct web_req *q);
// The caller has gone while the answer was not complete.
void web_gone(struct web_req *q);
// The connection has no more to do with it.
void web_req_over(struct web_req *q, bool complete);

// reply.c
// Refuses a request and closes the connection behind the answer.
void web_refuse(struct web_req *q, enum err_code code, const char *detail);
// Error body of a call: OpenAI's shape or the platform's, into out.
void web_error_body(const struct req *r, bool openai, const struct err *e, struct str *out);

// read.c
// What If-Match and If-None-Match say, before the handler runs. Platform APIs alone.
enum err_code web_judge_conditions(const struct web_req *q, struct err *err);

// conn.c
// Takes fd over; false leaves it open: descriptors or memory are out.
bool web_conn_open(struct web *w, const struct listener *ls, int fd, enum peer_kind kind);
// Closes now; the memory goes at the end of the turn.
void web_conn_close(struct conn *c);
// The request that a stop waited for has come, or will not.
void web_conn_came(struct conn *c);
// Bytes of requests and answers that it holds now, counted in the load; false: that is too much.
bool web_conn_hold(struct conn *c, size_t of_requests, size_t of_answers);
// Bytes of a head have come: from now on it has to get on.
void web_conn_await(struct conn *c);
// The loop's hook: does what is to be done, frees what was closed.
void web_conns_run(void *arg);

#endif
