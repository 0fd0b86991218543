// SPDX-License-Identifier: MIT
#include "tests/vendord/server.h"
#include "tests/vendord/control.h"
#include "tests/vendord/timer.h"
#include "tests/vendord/vendor.h"

#include <signal.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK 65536
#define EVENT_MAX 256
#define BACKLOG 4096
#define KEEP_BUFFER_MAX (1 << 20) // a larger buffer is given back between requests

enum conn_state { CONN_READING, CONN_PLAYING, CONN_HANGING };

struct conn {
	struct timer timer; // first: a due timer is its connection
	int fd;
	enum conn_state state;
	uint32_t events; // asked of epoll
	bool control, stream, continued, dead;
	struct buf in, decoded;
	size_t chunk_pos; // behind the decoded part of a chunked body; 0: at its start
	struct play play;
	struct conn *next, *prev;
};

struct server {
	struct sim *sim;
	int epoll, listener;
	struct sockaddr_storage address;
	socklen_t address_len;
	struct timers timers;
	struct timer relisten;
	struct conn *conns;
	struct conn *dead;	   // freed behind the batch of events, which may still name them
	struct answer answer; // one: handlers run one after the other
};

// ---- listening ----

static int listen_at(struct server *server)
{
	const int one = 1;
	int fd = socket(server->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&server->address, server->address_len) != 0 ||
		listen(fd, BACKLOG) != 0 ||
		getsockname(fd, (struct sockaddr *)&server->address, &server->address_len) != 0 ||
		epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

struct server *server_open(struct sim *sim, const char *host, int port)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char service[16];
	struct server *server;

	snprintf(service, sizeof service, "%d", port);
	if (getaddrinfo(host, service, &hints, &found) != 0) {
		errno = EINVAL;
		return NULL;
	}
	server = calloc(1, sizeof *server);
	if (!server)
		abort();
	server->sim = sim;
	memcpy(&server->address, found->ai_addr, found->ai_addrlen);
	server->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->listener = listen_at(server);
	if (server->listener < 0) {
		close(server->epoll);
		free(server);
		return NULL;
	}
	sim->port = ntohs(((struct sockaddr_in *)&server->address)->sin_port);
	return server;
}

static void refuse_for(struct server *server, int64_t ms)
{
	if (server->listener >= 0)
		close(server->listener);
	server->listener = -1;
	timer_set(&server->timers, &server->relisten, clock_ms() + ms);
}

// ---- connections ----

static void conn_drop(struct server *server, struct conn *conn)
{
	timer_stop(&server->timers, &conn->timer);
	if (!conn->control)
		server->sim->stats.open--;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	close(conn->fd);
	buf_release(&conn->in);
	buf_release(&conn->decoded);
	play_release(&conn->play);
	conn->dead = true;
	conn->next = server->dead;
	server->dead = conn;
}

static void bury(struct server *server)
{
	while (server->dead) {
		struct conn *conn = server->dead;
		server->dead = conn->next;
		free(conn);
	}
}

// The request in flight is over; aborted: the peer went first.
static void conn_account(struct server *server, struct conn *conn, bool aborted)
{
	struct stats *stats = &server->sim->stats;

	if (conn->state == CONN_READING || conn->control)
		return;
	stats->in_flight--;
	if (conn->stream && aborted)
		stats->streams_aborted++;
	else if (conn->stream)
		stats->streams_finished++;
	else if (aborted)
		stats->aborted++;
	conn->stream = false;
}

static void conn_gone(struct server *server, struct conn *conn)
{
	conn_account(server, conn, true);
	conn_drop(server, conn);
}

static void conn_reset(struct server *server, struct conn *conn)
{
	const struct linger now = {1, 0};

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	conn_account(server, conn, false);
	conn_drop(server, conn);
}

// What the peer still sends would turn our FIN into a RST; take it first.
static void conn_finish(struct server *server, struct conn *conn)
{
	char waste[4096];

	shutdown(conn->fd, SHUT_WR);
	while (recv(conn->fd, waste, sizeof waste, MSG_DONTWAIT) > 0)
		;
	conn_account(server, conn, false);
	conn_drop(server, conn);
}

static void conn_ask(struct server *server, struct conn *conn, uint32_t events)
{
	struct epoll_event event = {.events = events | EPOLLRDHUP, .data.ptr = conn};

	if (conn->events == event.events)
		return;
	conn->events = event.events;
	epoll_ctl(server->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

static void conn_accept(struct server *server)
{
	const int one = 1;
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *conn = calloc(1, sizeof *conn);
		struct stats *stats = &server->sim->stats;
		if (!conn)
			abort();
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		conn->fd = fd;
		conn->events = EPOLLIN | EPOLLRDHUP;
		conn->next = server->conns;
		if (conn->next)
			conn->next->prev = conn;
		server->conns = conn;
		stats->accepted++;
		if (++stats->open > stats->open_peak)
			stats->open_peak = stats->open;
		struct epoll_event event = {.events = conn->events, .data.ptr = conn};
		epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

// ---- answering ----

static bool conn_parse(struct server *server, struct conn *conn);

// Everything was sent: what the play ends with. False when the connection is gone.
static bool conn_end(struct server *server, struct conn *conn)
{
	switch (conn->play.end) {
	case END_RESET:
		conn_reset(server, conn);
		return false;
	case END_CLOSE:
		conn_finish(server, conn);
		return false;
	case END_HANG:
		conn->state = CONN_HANGING;
		conn_ask(server, conn, 0);
		return true;
	case END_KEEP:
		break;
	}
	conn_account(server, conn, false);
	conn->state = CONN_READING;
	if (conn->play.out.cap > KEEP_BUFFER_MAX)
		play_release(&conn->play);
	conn_ask(server, conn, EPOLLIN);
	return true;
}

// Sends what can be sent. False when the connection is gone.
static bool conn_play(struct server *server, struct conn *conn)
{
	uint64_t sent = 0;
	int wait_ms = 0;
	enum play_state state = play_run(&conn->play, conn->fd, &wait_ms, &sent);

	if (!conn->control)
		server->sim->stats.bytes_out += sent;
	if (state == PLAY_GONE) {
		conn_gone(server, conn);
		return false;
	}
	if (state == PLAY_BLOCKED) {
		conn_ask(server, conn, EPOLLOUT);
		return true;
	}
	if (state == PLAY_WAIT) {
		conn_ask(server, conn, 0);
		timer_set(&server->timers, &conn->timer, clock_ms() + wait_ms);
		return true;
	}
	return conn_end(server, conn);
}

static void close_idle(struct server *server, const struct conn *except)
{
	struct conn *next;

	for (struct conn *conn = server->conns; conn; conn = next) {
		next = conn->next;
		if (conn != except && conn->state == CONN_READING && conn->in.len == 0)
			conn_finish(server, conn);
	}
}

static bool serve_control(struct server *server, struct conn *conn,
	const struct http_request *request)
{
	struct control_wish wish;
	struct fault none;

	if (!conn->control)
		server->sim->stats.open--;
	conn->control = true;
	fault_clear(&none);
	control_serve(server->sim, request, &server->answer, &wish);
	answer_compose(&server->answer, &none, request->keep_alive, false, &conn->play);
	if (wish.refuse_ms)
		refuse_for(server, wish.refuse_ms);
	if (wish.close_idle)
		close_idle(server, conn);
	return conn_play(server, conn);
}

static void account_start(struct server *server, struct conn *conn, const struct call *call,
	const struct http_request *request)
{
	struct stats *stats = &server->sim->stats;
	char status[16];

	conn->stream = server->answer.stream ||
		(call->stream && fault_breaks(&call->fault) && call->fault.status < 0);
	snprintf(status, sizeof status, "%d", server->answer.status);
	stats->requests++;
	stats->faults += fault_breaks(&call->fault);
	stats->streams_started += conn->stream;
	stats->bytes_in += request->head_len + request->body.len;
	if (++stats->in_flight > stats->in_flight_peak)
		stats->in_flight_peak = stats->in_flight;
	tally_add(&stats->by_path, request->path);
	tally_add(&stats->by_status, span_of(status));
	if (call->key.len)
		tally_add(&stats->by_key, span_tail(call->key, 4));
	if (json_is_string(call->param[P_model]))
		tally_add(&stats->by_model, call_text(call, P_model));
	stats_record(stats, request, (struct span){request->method.at, request->head_len},
		call->serial, server->answer.status);
}

// Faults that answer nothing. True when one was played; *ret_open says whether conn lives.
static bool serve_silent(struct server *server, struct conn *conn, const struct fault *fault,
	bool *ret_open)
{
	if (fault->hang >= 0) {
		conn->state = CONN_HANGING;
		conn_ask(server, conn, 0);
		*ret_open = true;
		return true;
	}
	if (fault->refuse_ms >= 0)
		refuse_for(server, fault->refuse_ms);
	*ret_open = false;
	if (fault->reset >= 0 || fault->refuse_ms >= 0)
		conn_reset(server, conn);
	else if (fault->close >= 0)
		conn_finish(server, conn);
	else
		return false;
	return true;
}

static bool serve(struct server *server, struct conn *conn, const struct http_request *request)
{
	struct call call = {.sim = server->sim, .request = request, .answer = &server->answer};
	bool open;

	conn->state = CONN_PLAYING;
	answer_clear(&server->answer);
	if (control_is(request))
		return serve_control(server, conn, request);
	call.serial = ++server->sim->serial;
	vendor_serve(&call);
	account_start(server, conn, &call, request);
	if (serve_silent(server, conn, &call.fault, &open)) {
		call_release(&call);
		return open;
	}
	answer_compose(&server->answer, &call.fault, request->keep_alive,
		span_is(request->method, "HEAD"), &conn->play);
	call_release(&call);
	return conn_play(server, conn);
}

// ---- reading ----

static bool bad_request(struct server *server, struct conn *conn)
{
	struct fault none;

	fault_clear(&none);
	answer_clear(&server->answer);
	server->answer.status = 400;
	buf_text(&server->answer.body, "{\"error\":\"this is not HTTP the simulator speaks\"}\n");
	conn->state = CONN_PLAYING;
	conn->stream = false;
	server->sim->stats.in_flight += !conn->control;
	answer_compose(&server->answer, &none, false, false, &conn->play);
	return conn_play(server, conn);
}

static bool send_continue(struct server *server, struct conn *conn)
{
	struct span line = SPAN("HTTP/1.1 100 Continue\r\n\r\n");

	conn->continued = true;
	if (send(conn->fd, line.at, line.len, MSG_NOSIGNAL) == (ssize_t)line.len)
		return true;
	conn_gone(server, conn);
	return false;
}

// 1: request->body is whole and *ret_used bytes of `in` are the request, 0: more is needed.
static int take_body(struct conn *conn, struct http_request *request, size_t *ret_used)
{
	if (!request->chunked) {
		size_t len = request->content_length > 0 ? (size_t)request->content_length : 0;
		*ret_used = request->head_len + len;
		request->body = (struct span){conn->in.data + request->head_len, len};
		return conn->in.len >= *ret_used;
	}
	if (conn->chunk_pos == 0) {
		conn->chunk_pos = request->head_len;
		conn->decoded.len = 0;
	}
	int got = http_dechunk(buf_view(&conn->in), &conn->chunk_pos, &conn->decoded);
	*ret_used = conn->chunk_pos;
	request->body = buf_view(&conn->decoded);
	return got;
}

// Serves every whole request in `in`. False when the connection is gone.
static bool conn_parse(struct server *server, struct conn *conn)
{
	struct http_request request;

	while (conn->state == CONN_READING && conn->in.len > 0) {
		size_t used = 0;
		int got = http_parse_head(&request, buf_view(&conn->in));
		if (got == 1)
			got = take_body(conn, &request, &used);
		if (got < 0)
			return bad_request(server, conn);
		if (got == 0 && used && request.expect_continue && !conn->continued)
			return send_continue(server, conn);
		if (got == 0)
			return true;
		conn->chunk_pos = 0;
		conn->continued = false;
		// Handlers are done with the bytes when serve returns; a play has its own copy.
		struct buf in = conn->in;
		conn->in = (struct buf){0};
		bool open = serve(server, conn, &request);
		if (!open) {
			buf_release(&in);
			return false;
		}
		buf_drop(&in, used);
		if (in.len == 0 && in.cap > KEEP_BUFFER_MAX)
			buf_release(&in);
		conn->in = in;
	}
	return true;
}

static void conn_read(struct server *server, struct conn *conn)
{
	for (;;) {
		char *at = buf_room(&conn->in, READ_CHUNK);
		size_t room = conn->in.cap - conn->in.len;
		ssize_t n = recv(conn->fd, at, room, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			conn_gone(server, conn);
			return;
		}
		if (n < 0)
			return;
		conn->in.len += (size_t)n;
		if (!conn_parse(server, conn) || conn->state != CONN_READING)
			return;
		if ((size_t)n < room)
			return;
	}
}

static void conn_resume(struct server *server, struct conn *conn)
{
	if (conn_play(server, conn))
		conn_parse(server, conn);
}

static void conn_event(struct server *server, struct conn *conn, uint32_t events)
{
	if (conn->dead)
		return;
	if (conn->state == CONN_READING) {
		conn_read(server, conn);
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn_gone(server, conn);
	else if (events & EPOLLOUT)
		conn_resume(server, conn);
}

// ---- the loop ----

static void run_timers(struct server *server)
{
	int64_t now = clock_ms();
	struct timer *timer;

	while ((timer = timers_first(&server->timers)) && timer->at_ms <= now) {
		timer_stop(&server->timers, timer);
		if (timer == &server->relisten) {
			server->listener = listen_at(server);
			if (server->listener < 0)
				timer_set(&server->timers, timer, now + 10);
		} else {
			conn_resume(server, (struct conn *)timer);
		}
	}
}

static int next_wait(const struct server *server)
{
	const struct timer *timer = timers_first(&server->timers);
	int64_t left;

	if (!timer)
		return -1;
	left = timer->at_ms - clock_ms();
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

void server_run(struct server *server, const volatile int *stop)
{
	struct epoll_event events[EVENT_MAX];
	sigset_t ends, before;

	// They come while it waits, or not at all: one between the look and the wait would wake nobody.
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, &before);
	while (!*stop) {
		int n = epoll_pwait(server->epoll, events, EVENT_MAX, next_wait(server), &before);
		for (int i = 0; i < n && !*stop; i++) {
			struct conn *conn = events[i].data.ptr;
			if (!conn)
				conn_accept(server);
			else
				conn_event(server, conn, events[i].events);
		}
		run_timers(server);
		bury(server);
	}
}

void server_close(struct server *server)
{
	while (server->conns)
		conn_drop(server, server->conns);
	bury(server);
	if (server->listener >= 0)
		close(server->listener);
	close(server->epoll);
	timers_release(&server->timers);
	answer_release(&server->answer);
	free(server);
}
