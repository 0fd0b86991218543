// SPDX-License-Identifier: MIT
// One daemon of libmicrohttpd for each connection: bytes that it cannot read it answers by itself, in
// HTML, and only its logger hears of it, without a word for whom. Of a daemon with one connection that
// is known, and our document goes out instead. It runs on the loop's thread, at the end of a turn.
#include "agent/web/mhd.h"

#include <fcntl.h>
#include <malloc.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/core/descriptors.h"
#include "agent/web/private.h"
#include "shared/mem.h"
#include "shared/secret.h"
#include "shared/token.h"

#define POOL_BYTES (12 * 1024) // of a connection: the head, a part of the body, the answer's head
#define POOL_STEP 1024
#define ENTRY_BYTES 64 // of it, for each field, argument and cookie
#define ANSWER_BYTES 1536 // of it, kept for the answer's head
#define CONNECTIONS_MAX                                                                            \
	1024 // of a port: each has a pool and a descriptor more than the own engine's
#define STREAM_BLOCK 4096
#define URI_KEPT 128
#define RUNS_AT_ONCE 128 // then others get their turn
#define STUCK_RUNS 8 // for what is longer than its buffer the library waits, and never sleeps

// 0.9.75 joins folded lines, takes a bare LF for CRLF and ends values at a NUL, at every level of
// strictness: its lines are looked at (struct lines). 1.0 refuses all of it at level 1; level 2 drops
// heads that come byte by byte. Which one it is tells the library that runs, not the one built against.
static bool judges_lines(void)
{
	return strverscmp(MHD_get_version(), "0.9.77") >= 0;
}
// Before 1.0 a 304 could not but claim that what it is about is empty; a library without it has NULL.
#if MHD_VERSION < 0x01000000
#define MHD_RF_HEAD_ONLY_RESPONSE (1 << 4) // as its header has it
extern struct MHD_Response *MHD_create_response_empty(int flags) __attribute__((weak));
#else
#pragma weak MHD_create_response_empty
#endif
#define NO_LOCKS (1u << 19) // MHD_USE_NO_THREAD_SAFETY, which headers before 0.9.77 do not have

struct mhd {
	struct MHD_Daemon *daemon;
	struct MHD_Connection *conn; // NULL: it has let go of the socket
	struct str uri; // as it came, of the head that is read
	const char *uri_at; // where it stood
	unsigned stuck; // runs of this turn in which a body did not get on
	unsigned at_end; // runs of this turn since all was read
	bool suspended;
	bool logged; // something went wrong: 1.0 closes in the run after it
	bool in_head; // the library has not asked for the body yet
	bool full; // its head leaves no room for an answer's
	bool said; // the last answer went out past it
	bool ends; // after an answer that says so
	bool stopping; // by us
	bool wiping; // see wipe_freed()
};

// ---- what is left of a head that never became whole ----

// The library frees a connection's pool with what it has read of a head, which no callback has shown.
// While this is on, what malloc gets back is overwritten (M_PERTURB, mallopt(3)). Of all values 0xff alone
// has what is handed out filled with zeros, so that no calloc of another thread meets anything else.
static void wipe_freed(struct mhd *m, bool on)
{
	if (m->wiping == on)
		return;
	m->wiping = on;
	mallopt(M_PERTURB, on ? 0xff : 0);
}

// ---- answers past the library ----

// While a body comes in the library takes no answer, and for bytes that it cannot read it has one of its
// own. Ours is written on the socket, where nothing else can be said afterwards.
static void say_past(struct conn *c)
{
	struct web_req *q = c->req;
	struct str *out = &c->web->out_head;
	str_clear(out);
	web_write_head(q, out);
	if (!q->is_head)
		str_add_slice(out, q->answer);
	ssize_t n = send(c->fd, out->p, out->n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n; // a caller that takes nothing gets nothing
	shutdown(c->fd, SHUT_WR);
	c->mhd->said = true;
	c->req = NULL;
	discard_begin(&c->discard, q->r.ep != NULL ? body_limit(q->r.ep->body) : NULL,
		loop_now_us(c->web->loop));
	c->deadline_us = discard_due_us(&c->discard);
	q->state = RS_SENDING;
	web_req_over(q, true);
}

static void refuse_past(struct conn *c, enum err_code code)
{
	if (c->req == NULL)
		web_req_judge(web_req_open(c), code);
	else
		web_refuse(c->req, code, NULL);
	say_past(c);
}

static enum err_code code_of(unsigned status, bool in_body)
{
	if (in_body)
		return ERR_BAD_FRAMING; // whatever it dislikes of chunks and trailers
	switch (status) {
	case MHD_HTTP_URI_TOO_LONG:
		return ERR_URI_TOO_LONG;
	case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
		return ERR_HEADERS_TOO_LARGE;
	case 413:
		return ERR_BODY_TOO_LARGE; // a length beyond 64 bits
	case MHD_HTTP_INTERNAL_SERVER_ERROR:
		return ERR_INTERNAL;
	default:
		return ERR_BAD_FRAMING;
	}
}

// Told before the library queues its own answer.
static void on_log(void *cls, const char *format, va_list args)
{
	static const char answers[] = "Error processing request";
	struct conn *c = cls;
	c->mhd->logged = true;
	wipe_freed(c->mhd, true); // it may close in this run
	if (c->mhd->said || strncmp(format, answers, sizeof(answers) - 1) != 0)
		return;
	if (c->req == NULL || c->req->state == RS_BODY)
		refuse_past(c, code_of(va_arg(args, unsigned int), c->req != NULL));
}

// ---- answers ----

static void suspend(struct conn *c)
{
	c->mhd->suspended = true;
	MHD_suspend_connection(c->mhd->conn);
}

static ssize_t on_stream(void *cls, uint64_t at, char *buf, size_t max)
{
	struct web_req *q = cls;
	(void)at;
	size_t n = MIN_OF(max, q->queue.n - q->queue_at);
	if (q->stream_abort)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n == 0 && q->stream_end)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0) {
		suspend(q->conn);
		return 0;
	}
	memcpy(buf, q->queue.p + q->queue_at, n);
	q->queue_at += n;
	size_t left = q->queue.n - q->queue_at;
	if (left == 0) {
		str_clear(&q->queue);
		q->queue_at = 0;
	}
	if (q->waits_drain && !q->handler_done && left < REQ_STREAM_HIGH / 2) {
		q->waits_drain = false;
		if (q->on_drain != NULL)
			q->on_drain(&q->r);
	}
	return (ssize_t)n;
}

static void add_header(void *arg, const char *name, const char *value)
{
	MHD_add_response_header(arg, name, value);
}

static enum MHD_Result hand_over(struct conn *c)
{
	struct web_req *q = c->req;
	struct MHD_Response *answer;
	if (q->stream)
		answer = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
			on_stream, q, NULL);
	else if (q->r.status == 304 && MHD_create_response_empty != NULL)
		answer = MHD_create_response_empty(MHD_RF_HEAD_ONLY_RESPONSE);
	else
		answer = MHD_create_response_from_buffer(q->answer.n,
			(void *)(uintptr_t)q->answer.p, MHD_RESPMEM_PERSISTENT);
	if (answer == NULL)
		return MHD_NO;
	if (q->stream && !q->guard.http_1_1)
		q->close_after = true; // its end is the connection's
	web_each_header(q, add_header, answer);
	c->mhd->ends = q->close_after;
	q->state = q->stream ? RS_STREAMING : RS_SENDING;
	enum MHD_Result ok = MHD_queue_response(c->mhd->conn, (unsigned)q->r.status, answer);
	MHD_destroy_response(answer);
	return ok;
}

// ---- heads ----

// Where one line ends the next begins: CR and LF have become NULs, nothing else may lie between.
struct lines {
	struct web_req *q;
	const char *next; // where the next name has to begin
	bool broken;
	bool odd; // a field of characters that may not stand in one
};

static void follow(struct lines *l, const char *at, const char *end, size_t gap)
{
	l->broken |= (uintptr_t)at != (uintptr_t)l->next;
	l->next = end + gap;
}

// What the library has of a secret and does not look at: its memory is not wiped when it goes.
static void wipe_there(const char *p, size_t n)
{
	secret_wipe((void *)(uintptr_t)p, n);
}

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_n,
	const char *value, size_t value_n)
{
	struct lines *l = cls;
	struct head *h = &l->q->head;
	struct arena *a = &l->q->r.arena;
	(void)kind;
	follow(l, name, (value != NULL ? value : name + name_n) + value_n, 2);
	struct slice v = head_trim((struct slice){value != NULL ? value : "", value_n});
	l->odd |= !token_is((struct slice){name, name_n}) || !field_value_is(v);
	h->v[h->n++] = (struct head_field){{arena_slice(a, (struct slice){name, name_n}), name_n},
		{arena_strndup(a, v.p, v.n), v.n}};
	struct slice is = {name, name_n};
	if (slice_ieq_str(is, "authorization") || slice_ieq_str(is, "x-api-key"))
		wipe_there(value, value_n);
	return MHD_YES;
}

static size_t head_size(struct mhd *m)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(m->conn,
		MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	return info != NULL ? info->header_size : 0;
}

// A head that fills the pool would be acted on, and its answer never be made.
static bool leaves_no_room(struct mhd *m)
{
	const char *cookies = NULL;
	size_t cookies_n = 0; // copied to be taken apart
	MHD_lookup_connection_value_n(m->conn, MHD_HEADER_KIND, "Cookie", 6, &cookies, &cookies_n);
	int entries = MHD_get_connection_values_n(m->conn,
		MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND | MHD_COOKIE_KIND, NULL, NULL);
	size_t used = head_size(m) + cookies_n + (size_t)entries * ENTRY_BYTES;
	return used > POOL_BYTES - ANSWER_BYTES;
}

// Reads what the library has read of a head; ERR_OK or why it may not be taken.
static enum err_code take_head(struct mhd *m, struct web_req *q, const char *method,
	const char *version)
{
	struct arena *a = &q->r.arena;
	struct head *h = &q->head;
	struct lines l = {.q = q, .next = method};
	h->method = (struct slice){arena_strdup(a, method), strlen(method)};
	h->target = (struct slice){arena_slice(a, str_slice(&m->uri)), m->uri.n};
	h->version = (struct slice){arena_strdup(a, version), strlen(version)};
	int fields = MHD_get_connection_values_n(m->conn, MHD_HEADER_KIND, NULL, NULL);
	m->full = leaves_no_room(m);
	if (fields > HEAD_FIELDS_MAX || m->full)
		return ERR_HEADERS_TOO_LARGE;
	h->v = arena_alloc(a, (size_t)fields * sizeof(h->v[0]));
	follow(&l, method, method + h->method.n, 1);
	follow(&l, m->uri_at, m->uri_at + m->uri.n, 1);
	bool bad_target = !l.broken && (uintptr_t)version != (uintptr_t)l.next;
	follow(&l, version, version + h->version.n, 2);
	MHD_get_connection_values_n(m->conn, MHD_HEADER_KIND, on_field, &l);
	follow(&l, method + head_size(m) - 2, l.next, 0); // the empty line
	if (slice_find(h->target, ' ') >= 0)
		return ERR_BAD_FRAMING;
	if (l.broken && !judges_lines())
		return bad_target ? ERR_BAD_PATH : ERR_BAD_FRAMING;
	return l.odd ? ERR_BAD_FRAMING : ERR_OK;
}

static enum MHD_Result on_trailer(void *cls, enum MHD_ValueKind kind, const char *name,
	size_t name_n, const char *value, size_t value_n)
{
	(void)kind;
	guard_header(cls, (struct slice){name, name_n},
		head_trim((struct slice){value != NULL ? value : "", value_n}));
	return MHD_YES;
}

// Nobody reads them; but what could be no header is no trailer.
static bool trailers_fit(struct mhd *m)
{
	struct guard g = {0};
	MHD_get_connection_values_n(m->conn, MHD_FOOTER_KIND, on_trailer, &g);
	return g.code == ERR_OK;
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct conn *c = cls;
	(void)conn;
	str_clear(&c->mhd->uri);
	str_add(&c->mhd->uri, uri != NULL ? uri : "");
	c->mhd->uri_at = uri;
	return NULL;
}

// Paths and queries are decoded by us, after they were judged.
static size_t keep_escapes(void *cls, struct MHD_Connection *conn, char *s)
{
	(void)cls, (void)conn;
	return strlen(s);
}

// ---- requests ----

// Behind a head. An answer that the library takes now ends the connection; others are given when it says
// that the request is whole. Of a body that is answered unread it would keep what has come, unwiped; behind
// a head that fills its pool it gives none.
static enum MHD_Result settle_head(struct conn *c)
{
	struct web_req *q = c->req;
	bool has_body = guard_body_length(&q->guard) != 0;
	c->mhd->in_head = has_body && q->state == RS_IDENTITY;
	if (c->mhd->in_head)
		suspend(c); // then this is called again
	else if ((has_body || c->mhd->full) && q->state == RS_REPLY)
		say_past(c);
	else if (q->state == RS_REPLY && q->close_after)
		return hand_over(c);
	return MHD_YES;
}

static enum MHD_Result settle(struct conn *c)
{
	struct web_req *q = c->req;
	if (q->state == RS_REPLY)
		return hand_over(c);
	if (q->stream_abort || q->state > RS_REPLY)
		return MHD_NO; // its caller has gone
	suspend(c);
	return MHD_YES;
}

// Called for a head, for each part of a body, and when all is there; again for each of them after it was
// suspended.
static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_n, void **seen)
{
	struct conn *c = cls;
	struct mhd *m = c->mhd;
	struct web_req *q = c->req;
	(void)conn, (void)url, (void)seen;
	m->stuck = m->at_end = 0;
	if (m->said) {
		bool more = *upload_n > 0 &&
			discard_take(&c->discard, *upload_n, loop_now_us(c->web->loop));
		c->deadline_us = discard_due_us(&c->discard);
		wipe_there(upload, *upload_n);
		*upload_n = 0;
		return more ? MHD_YES : MHD_NO;
	}
	if (q == NULL) {
		m->in_head = true;
		c->began = false;
		q = web_req_open(c);
		web_req_judge(q, take_head(m, q, method, version));
		if (m->uri.cap > URI_KEPT)
			str_release(&m->uri);
	}
	if (m->in_head)
		return settle_head(c);
	if (*upload_n > 0) {
		bool fits = web_req_part(q, (struct slice){upload, *upload_n});
		wipe_there(upload, *upload_n);
		*upload_n = 0;
		if (!fits)
			say_past(c);
		return MHD_YES;
	}
	if (q->state == RS_BODY && !trailers_fit(m))
		web_refuse(q, ERR_BAD_FRAMING, NULL);
	else if (q->state == RS_BODY)
		web_req_whole(q);
	return settle(c);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **seen,
	enum MHD_RequestTerminationCode how)
{
	struct conn *c = cls;
	struct web_req *q = c->req;
	(void)conn, (void)seen;
	if (q == NULL)
		return;
	c->req = NULL;
	c->slow_at_us = 0;
	c->deadline_us = loop_now_us(c->web->loop) + WEB_IDLE_US;
	c->mhd->ends |= how != MHD_REQUEST_TERMINATED_COMPLETED_OK && q->state >= RS_SENDING;
	// HEAD of a stream is answered while its writer goes on: who asked is gone then.
	web_req_over(q, how == MHD_REQUEST_TERMINATED_COMPLETED_OK && q->handler_done);
}

// ---- connections ----

static bool has_left(const struct conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
	return c->gone || c->broken || poll(&p, 1, 0) != 0;
}

// What still comes is read behind the library's back, so that the last answer arrives.
static void read_on(struct conn *c)
{
	int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		web_linger(c->web, fd, &c->discard);
}

// The library closes the socket when this returns. A first line that it cannot read at all ends a
// connection without a word.
static void on_closing(struct conn *c)
{
	struct mhd *m = c->mhd;
	m->conn = NULL;
	loop_watch_set(c->web->loop, &c->watch, c->fd, 0, NULL, NULL);
	web_conn_mark(c);
	if (m->stopping || c->broken)
		return;
	if (!m->said && !m->ends && !has_left(c))
		refuse_past(c, ERR_BAD_FRAMING);
	if (c->linger || m->said)
		read_on(c);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **context,
	enum MHD_ConnectionNotificationCode what)
{
	struct conn *c = cls;
	(void)context;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		c->mhd->conn = conn;
	else
		on_closing(c);
}

static void on_event(void *arg, uint32_t events)
{
	struct conn *c = arg;
	if (events & (EPOLLHUP | EPOLLERR))
		c->broken = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->gone = true;
	else if ((events & EPOLLIN) && c->req == NULL && !c->mhd->said)
		web_conn_await(c);
	if (c->gone && c->req != NULL)
		web_gone(c->req);
	web_conn_mark(c);
}

static struct MHD_Daemon *daemon_of(struct conn *c)
{
	bool judged = judges_lines();
	// MHD_ALLOW_SUSPEND_RESUME without its wake-up channel: all calls are on one thread. TURBO: no
	// shutdown before on_closing is asked.
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_TURBO |
		MHD_USE_ERROR_LOG | MHD_USE_SUPPRESS_DATE_NO_CLOCK | (judged ? NO_LOCKS : 0) |
		((unsigned)MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC);
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, c, MHD_OPTION_EXTERNAL_LOGGER,
		on_log, c, MHD_OPTION_STRICT_FOR_CLIENT, judged ? 1 : 0,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)POOL_STEP,
		MHD_OPTION_CONNECTION_LIMIT, 1u, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
		MHD_OPTION_NONCE_NC_SIZE, 0u, MHD_OPTION_NOTIFY_CONNECTION, on_connection, c,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, c, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
		c, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, c, MHD_OPTION_END);
}

// The last descriptors are for who was let in by one of them.
static bool takes_a_kept_one(struct conn *c)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(c->mhd->daemon,
		MHD_DAEMON_INFO_EPOLL_FD);
	return !descriptor_is_kept(c->fd) && info != NULL && descriptor_is_kept(info->epoll_fd);
}

static void release(struct conn *c)
{
	struct mhd *m = c->mhd;
	wipe_freed(m, false); // the logger has turned it on where no daemon came to be
	str_wipe(&m->uri);
	free(m);
	c->mhd = NULL;
}

static bool begin(struct conn *c)
{
	static const struct sockaddr_in somebody = {
		.sin_family = AF_INET}; // who, the library need not know
	struct mhd *m = c->mhd = mem_zalloc(1, sizeof(*m));
	m->daemon = daemon_of(c);
	if (m->daemon == NULL || takes_a_kept_one(c) ||
		loop_watch_set(c->web->loop, &c->watch, c->fd,
			EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_event, c) != ERR_OK) {
		if (m->daemon != NULL)
			MHD_stop_daemon(m->daemon);
		release(c);
		return false;
	}
	if (MHD_add_connection(m->daemon, c->fd, (const struct sockaddr *)&somebody,
		    sizeof(somebody)) != MHD_YES) { // it has closed the socket
		loop_watch_set(c->web->loop, &c->watch, c->fd, 0, NULL, NULL);
		web_conn_mark(c);
	}
	return true; // and the first event says that it can be written
}

static void end(struct conn *c)
{
	struct mhd *m = c->mhd;
	m->stopping = true;
	if (m->suspended)
		MHD_resume_connection(m->conn);
	wipe_freed(m, true);
	MHD_stop_daemon(m->daemon);
	wipe_freed(m, false);
	release(c);
}

static void let_go(struct conn *c)
{
	struct mhd *m = c->mhd;
	if (m->conn != NULL && !m->suspended)
		suspend(c); // which takes it out of the library's epoll
}

// ---- a turn's work ----

// Whether the library may go on with a request that waited.
static bool has_news(const struct web_req *q)
{
	if (q->state == RS_STREAMING)
		return q->queue.n > q->queue_at || q->stream_end;
	return q->state == RS_BODY || q->state == RS_REPLY;
}

// Counts what waits for the caller; false when that is too much.
static bool hold_answer(struct conn *c)
{
	const struct web_req *q = c->req;
	size_t n = q == NULL ? 0 : q->state == RS_SENDING ? q->answer.n : q->queue.n - q->queue_at;
	if (web_conn_hold(c, 0, n))
		return true;
	web_shed(c->web, c->service, OVERLOAD_BUFFERS);
	return false;
}

static bool reads(const struct conn *c)
{
	const struct web_req *q = c->req;
	return c->mhd->conn != NULL && !c->mhd->suspended && (q == NULL || q->state == RS_BODY);
}

// Amid a chunk's line that does not end; or what comes behind the last answer is one.
static bool is_stuck(const struct conn *c)
{
	return c->mhd->said || (c->req != NULL && c->req->state == RS_BODY);
}

// It would never get on, and run all the while.
static void leave(struct conn *c)
{
	if (!c->mhd->said)
		refuse_past(c, ERR_BAD_FRAMING);
	read_on(c);
	web_conn_close(c);
}

// One step; false when there is nothing left to do now.
static bool step(struct conn *c)
{
	struct mhd *m = c->mhd;
	struct web_req *q = c->req;
	if (m->conn == NULL || c->broken || (q != NULL && q->stream_abort)) {
		web_conn_close(c);
		return false;
	}
	if (m->suspended) {
		if (q == NULL || !has_news(q))
			return false;
		m->suspended = false;
		MHD_resume_connection(m->conn);
	} else if (q != NULL && q->state == RS_REPLY) { // decided while its body comes
		say_past(c);
	}
	m->stuck++;
	if (c->gone || m->said || m->ends || m->logged)
		wipe_freed(m, true);
	MHD_run(m->daemon);
	wipe_freed(m, false);
	MHD_UNSIGNED_LONG_LONG wait_ms;
	bool more = m->logged || (MHD_get_timeout(m->daemon, &wait_ms) == MHD_YES && wait_ms == 0);
	m->logged = false;
	if (more && m->stuck > STUCK_RUNS && m->conn != NULL && is_stuck(c)) {
		leave(c);
		return false;
	}
	if (more || m->conn == NULL || !c->gone || !reads(c))
		return more || m->conn == NULL;
	// It has read all that came and waits for an event that does not come: the end was told with the
	// last bytes.
	if (m->at_end++ == 0)
		return true;
	web_conn_close(c);
	return false;
}

static void work(struct conn *c)
{
	int i = 0;
	c->mhd->stuck = c->mhd->at_end = 0;
	c->dirty = true; // what is marked meanwhile is seen by the next step
	while (i < RUNS_AT_ONCE && step(c))
		i++;
	if (!c->closed && !hold_answer(c))
		web_conn_close(c);
	c->dirty = false;
	if (i == RUNS_AT_ONCE)
		web_conn_mark(c); // others first
}

const struct engine mhd_engine = {.most = CONNECTIONS_MAX,
	.unpacks = true,
	.begin = begin,
	.work = work,
	.let_go = let_go,
	.end = end};
