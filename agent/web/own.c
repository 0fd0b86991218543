// SPDX-License-Identifier: MIT
// The engine of our own: bytes in become requests, answers become bytes. Registered once, edge
// triggered: a read that comes back short has emptied the socket, so no further call asks. What
// is to be sent goes out at the end of the turn, in one call for head and body.
#include "agent/web/own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "agent/web/private.h"
#include "shared/secret.h"
#include "shared/num.h"

#define READS_AT_ONCE 16

static size_t pending(const struct conn *c)
{
	return c->out.n - c->out_at;
}

static bool hold_buffers(struct conn *c)
{
	return web_conn_hold(c, c->in.n, pending(c));
}

// ---- out ----

static void broke(struct conn *c)
{
	c->broken = c->gone = true;
	str_wipe(&c->out);
	c->out_at = 0;
	hold_buffers(c);
}

// Nobody takes what it holds, and there is too much of that.
static void give_up(struct conn *c)
{
	web_shed(c->web, c->service, OVERLOAD_BUFFERS);
	broke(c);
	web_conn_mark(c);
}

// Bytes taken; what went wrong is seen in c.
static size_t push(struct conn *c, struct iovec *v, int n)
{
	struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
	for (;;) {
		ssize_t sent = UNLIKELY(c->tls != NULL)
			? tls_send(c->tls, v, n)
			: sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0) {
			c->sent += sent;
			return (size_t)sent;
		}
		if (errno == EINTR)
			continue;
		c->writable = false;
		if (errno != EAGAIN && errno != ENOBUFS)
			broke(c);
		return 0;
	}
}

static void flush_out(struct conn *c)
{
	struct iovec v = {c->out.p + c->out_at, pending(c)};
	if (v.iov_len == 0 || !c->writable)
		return;
	size_t sent = push(c, &v, 1);
	if (c->broken)
		return;
	c->writable = sent == v.iov_len;
	c->out_at += sent;
	hold_buffers(c);
	if (pending(c) > 0)
		return;
	c->out_at = 0;
	secret_wipe(c->out.p, c->out.n);
	if (c->out.cap > WEB_BODY_KEPT)
		str_release(&c->out);
	else
		str_clear(&c->out);
}

// Sends, and keeps what the socket does not take.
static void send_parts(struct conn *c, struct iovec *v, int n)
{
	size_t sent = 0, all = 0;
	for (int i = 0; i < n; i++)
		all += v[i].iov_len;
	if (c->broken)
		return;
	if (pending(c) == 0 && c->writable)
		sent = push(c, v, n);
	if (sent == all || c->broken)
		return;
	c->writable = false;
	for (int i = 0; i < n; i++) {
		size_t skip = MIN_OF(sent, v[i].iov_len);
		str_add_n(&c->out, (char *)v[i].iov_base + skip, v[i].iov_len - skip);
		sent -= skip;
	}
	if (!hold_buffers(c))
		give_up(c);
}

static struct iovec part(struct slice s)
{
	return (struct iovec){(void *)(uintptr_t)s.p, s.n};
}

// Whoever waits with its body is told that it may come (RFC 9110, 10.1.1).
static void send_continue(struct conn *c)
{
	struct web_req *q = c->req;
	if (q == NULL || !q->owes_continue)
		return;
	q->owes_continue = false;
	struct iovec v = part(SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
	send_parts(c, &v, 1);
}

static bool no_body(const struct web_req *q)
{
	return q->is_head || q->r.status == 204 || q->r.status == 304;
}

static void begin_answer(struct web_req *q)
{
	struct conn *c = q->conn;
	struct str *head = &c->web->out_head;
	if (!q->guard.http_1_1 && q->stream)
		q->close_after = true; // its end is the connection's
	str_clear(head);
	web_write_head(q, head);
	struct iovec v[2] = {part(str_slice(head)), part(q->answer)};
	q->state = q->stream ? RS_STREAMING : RS_SENDING;
	send_parts(c, v, q->stream || no_body(q) || q->answer.n == 0 ? 1 : 2);
}

// What the writer has added since, as one chunk.
static void send_stream(struct web_req *q)
{
	struct conn *c = q->conn;
	struct slice bytes = {q->queue.p + q->queue_at, q->queue.n - q->queue_at};
	bool chunked = q->guard.http_1_1;
	struct slice tail = SLICE("\r\n");
	if (q->stream_end)
		tail = bytes.n > 0 ? SLICE("\r\n0\r\n\r\n") : SLICE("0\r\n\r\n");
	if (bytes.n == 0 && !q->stream_end)
		return;
	char size[NUM_HEX_TEXT + 2];
	size_t n = num_hex(bytes.n, size);
	memcpy(size + n, "\r\n", 2);
	struct iovec v[3] = {{size, bytes.n > 0 ? n + 2 : 0}, part(bytes), part(tail)};
	if (no_body(q))
		; // HEAD of a stream
	else if (chunked)
		send_parts(c, v, 3);
	else
		send_parts(c, v + 1, 1);
	str_clear(&q->queue);
	q->queue_at = 0;
}

static void drain(struct web_req *q)
{
	if (!q->waits_drain || q->handler_done || pending(q->conn) >= REQ_STREAM_HIGH / 2)
		return;
	q->waits_drain = false;
	if (q->on_drain != NULL)
		q->on_drain(&q->r);
}

// ---- in ----

static bool wants_input(const struct conn *c)
{
	const struct web_req *q = c->req;
	return !c->closed && (q == NULL || (q->state == RS_BODY && !q->rests));
}

// Uses what it can of the bytes: heads begin requests, bodies go to them.
static void take_input(struct conn *c, struct slice *in)
{
	enum err_code why = ERR_OK;
	while (in->n > 0 && wants_input(c)) {
		if (c->req != NULL) {
			web_req_body(c->req, in);
			continue;
		}
		if (!c->blank &&
			in->p[0] == '\r') { // RFC 9112 2.2: one empty line before is harmless
			if (in->n < 2)
				return;
			if (in->p[1] == '\n') {
				in->p += 2;
				in->n -= 2;
				c->blank = true;
				continue;
			}
		}
		ptrdiff_t n = head_find(*in, &c->scanned, &why);
		if (n == 0)
			return;
		c->scanned = 0;
		c->began = c->blank = false;
		web_req_begin(c, in->p, n > 0 ? (size_t)n : 0, why);
		web_conn_came(c);
		send_continue(c);
		size_t used = n > 0 ? (size_t)n : in->n;
		in->p += used;
		in->n -= used;
	}
}

static void use_buffered(struct conn *c)
{
	struct slice in = {c->in.p + c->in_at, c->in.n - c->in_at};
	take_input(c, &in);
	c->in_at = c->in.n - in.n;
	if (in.n == 0) {
		c->in_at = 0;
		secret_wipe(c->in.p, c->in.n);
		if (c->in.cap > 0 && c->req == NULL)
			str_release(&c->in);
		else
			str_clear(&c->in);
	} else if (c->req == NULL && !c->closed) {
		web_conn_await(c);
	}
	hold_buffers(c);
}

static void feed(struct conn *c, struct slice bytes)
{
	if (c->in.n > c->in_at) {
		size_t left = c->in.n - c->in_at;
		memmove(c->in.p, c->in.p + c->in_at, left);
		secret_wipe(c->in.p + left, c->in.n - left);
		str_cut(&c->in, left);
		c->in_at = 0;
		str_add_slice(&c->in, bytes);
		if (hold_buffers(c))
			use_buffered(c);
		else
			give_up(c);
		return;
	}
	take_input(c, &bytes);
	if (bytes.n == 0 || c->closed || c->linger) // what is behind a refusal nobody reads
		return;
	str_clear(&c->in);
	c->in_at = 0;
	str_add_slice(&c->in, bytes);
	if (!hold_buffers(c))
		give_up(c);
	else if (c->req == NULL)
		web_conn_await(c);
}

// A caller that speaks plain HTTP to a TLS port is told so in words that it understands.
static __attribute__((noinline)) void refuse_plain(struct conn *c)
{
	web_tell_handshake(c);
	tls_free(c->tls, false);
	c->tls = NULL;
	web_req_begin(c, NULL, 0, ERR_PLAIN_HTTP);
	web_conn_came(c);
}

static void read_failed(struct conn *c)
{
	if (errno == EAGAIN) { // over TLS, where there may be more that was not asked for
		c->readable = tls_rests(c->tls);
		if (c->readable)
			web_conn_mark(c);
		return;
	}
	if (c->tls != NULL && tls_stage(c->tls) == TLS_PLAIN)
		refuse_plain(c);
	else
		broke(c);
}

void own_feed(struct conn *c, struct slice bytes)
{
	feed(c, bytes);
	web_conn_mark(c);
}

static void read_in(struct conn *c)
{
	struct web *w = c->web;
	for (int i = 0; c->readable && wants_input(c); i++) {
		if (i == READS_AT_ONCE) {
			web_conn_mark(c); // others first
			return;
		}
		bool tls = UNLIKELY(c->tls != NULL);
		ssize_t n = tls ? tls_recv(c->tls, w->read_buffer, WEB_READ_BYTES)
				: recv(c->fd, w->read_buffer, WEB_READ_BYTES, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < (tls ? 1 : WEB_READ_BYTES))
			c->readable = false; // emptied: more makes a new edge
		if (n < 0 && (errno != EAGAIN || tls))
			read_failed(c);
		if (n == 0)
			c->gone = true;
		if (n <= 0)
			return;
		feed(c, (struct slice){w->read_buffer, (size_t)n});
		secret_wipe(w->read_buffer, (size_t)n); // everybody's requests pass here
	}
}

// ---- lanes: new requests beyond what a turn begins ----

static void lane_add(struct lane *l, struct conn *c)
{
	c->waits = true;
	c->next_waiting = NULL;
	*l->end = c;
	l->end = &c->next_waiting;
	l->n++;
}

static struct conn *lane_take(struct lane *l)
{
	struct conn *c = l->first;
	if (c == NULL)
		return NULL;
	l->first = c->next_waiting;
	if (l->first == NULL)
		l->end = &l->first;
	l->n--;
	c->waits = false;
	return c;
}

// Whether what comes in on c is read at once; otherwise it has been put into a lane.
static bool has_turn(struct conn *c)
{
	struct web *w = c->web;
	if (c->waits)
		return false;
	if (c->req != NULL || c->service != SVC_API_GATEWAY)
		return true;
	if (w->gate.may_begin > 0 && w->served.n == 0 && w->refused.n == 0) {
		w->gate.may_begin--;
		c->turned_away = false;
		return true;
	}
	bool room = overload_has_room(&w->gate, w->served.n, w->queue_max_us);
	lane_add(room ? &w->served : &w->refused, c);
	return false;
}

static void look_at(struct conn *c, bool turned_away)
{
	if (c->closed)
		return;
	c->turned_away = turned_away;
	if (c->gone) // while it waited: nobody wants the answer any more
		web_conn_close(c);
	else
		read_in(c);
	web_conn_mark(c);
}

void web_lanes_clear(struct web *w)
{
	while (lane_take(&w->served) != NULL || lane_take(&w->refused) != NULL)
		;
}

void web_lanes_run(struct web *w)
{
	size_t tell = overload_turn(&w->gate, loop_now_us(w->loop), w->served.n, w->refused.n);
	for (; tell > 0; tell--)
		look_at(lane_take(&w->refused), true);
	for (; w->served.n > 0 && w->gate.may_begin > 0; w->gate.may_begin--)
		look_at(lane_take(&w->served), false);
}

// ---- a turn's work ----

// The answer is out: what comes next on this connection.
static void answered(struct conn *c)
{
	struct web_req *q = c->req;
	bool close_it = q->close_after || c->broken;
	c->listens = c->gone;
	c->req = NULL;
	c->slow_at_us = 0;
	c->deadline_us = loop_now_us(c->web->loop) + WEB_IDLE_US;
	web_req_over(q, true);
	if (close_it)
		web_conn_close(c);
	else if (c->in.n > c->in_at)
		use_buffered(c);
	else if (UNLIKELY(c->in.cap > 0))
		str_release(&c->in); // an idle connection keeps no buffer
}

// One step; false when there is nothing left to do now.
static bool step(struct conn *c)
{
	struct web_req *q = c->req;
	if (c->broken) {
		web_conn_close(c);
		return false;
	}
	flush_out(c);
	if (q == NULL) {
		if (c->waits)
			return false;
		read_in(c);
		if (c->req == NULL && c->gone && !c->closed)
			web_conn_close(c);
		return c->req != NULL && !c->closed;
	}
	if (q->stream_abort) {
		web_conn_close(c);
		return false;
	}
	switch (q->state) {
	case RS_BODY:
		send_continue(c);
		q->rests = false;
		q->unpacked = 0;
		if (c->in.n >
			c->in_at) // came while it was found out who calls, or in a turn before
			use_buffered(c);
		read_in(c);
		if (q->state == RS_BODY && c->gone && !c->readable && !q->rests && c->req == q)
			web_conn_close(c);
		return !c->closed && c->req == q && q->state != RS_BODY;
	case RS_REPLY:
		begin_answer(q);
		return true;
	case RS_SENDING:
		if (pending(c) > 0)
			return false;
		answered(c);
		return true;
	case RS_STREAMING:
		send_stream(q);
		drain(q);
		if (!q->stream_end || pending(c) > 0 || !q->handler_done)
			return false;
		answered(c);
		return true;
	default:
		return false;
	}
}

static void work(struct conn *c)
{
	for (int i = 0; i < 4 * WEB_PIPELINE; i++)
		if (c->closed || !step(c))
			return;
	web_conn_mark(c); // others first
}

static void on_event(void *arg, uint32_t events)
{
	struct conn *c = arg;
	if (events & EPOLLOUT)
		c->writable = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->readable = true;
	if (UNLIKELY(c->tls != NULL)) { // either may be what the other one waits for
		tls_wake(c->tls);
		c->readable = c->writable = true;
	}
	if (events & (EPOLLHUP | EPOLLERR))
		c->broken = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->gone = true;
	if (wants_input(c) && !c->broken && has_turn(c))
		read_in(c);
	if (c->gone && c->req != NULL)
		web_gone(c->req);
	web_conn_mark(c);
}

// ---- birth and death ----

static bool begin(struct conn *c)
{
	return loop_watch_set(c->web->loop, &c->watch, c->fd,
		       EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_event, c) == ERR_OK;
}

// An alert, as an answer, is lost by a socket that is closed with bytes unread.
static __attribute__((noinline)) void end_tls(struct conn *c)
{
	web_tell_handshake(c);
	if (tls_stage(c->tls) == TLS_FAILED) {
		c->linger = true;
		c->broken = false;
		discard_begin(&c->discard, NULL, loop_now_us(c->web->loop));
	}
	tls_free(c->tls, c->req == NULL && !c->broken && (!c->gone || c->listens));
	c->tls = NULL;
}

static void end(struct conn *c)
{
	loop_watch_set(c->web->loop, &c->watch, c->fd, 0, NULL, NULL);
	if (UNLIKELY(c->tls != NULL))
		end_tls(c);
	if (c->linger && !c->broken)
		web_linger(c->web, c->fd, &c->discard);
	else
		close(c->fd);
	str_wipe(&c->in);
	str_wipe(&c->out);
	c->out_at = 0;
}

const struct engine own_engine = {.begin = begin, .work = work, .end = end};
