// SPDX-License-Identifier: MIT
#include "agent/web_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "shared/mem.h"
#include "shared/text.h"

#define ACCEPT_BATCH 16 // then other loops get their turn
#define LINGERS_MAX 1024
#define LINGER_US 1000000
#define LINGER_BYTES (1024 * 1024)
#define DAEMON_CONNECTIONS_MAX 1000000 // our own limits are below it

// ---- running libmicrohttpd ----

static void nothing(void *arg)
{
	(void)arg;
}

static void run_if_dirty(void *arg)
{
	struct web *w = arg;
	MHD_UNSIGNED_LONG_LONG wait_ms;
	if (!w->dirty)
		return;
	w->dirty = false;
	MHD_run(w->mhd);
	if (MHD_get_timeout(w->mhd, &wait_ms) == MHD_YES && wait_ms == 0)
		web_wake(w); // it has more to do without waiting for the network
}

void web_wake(struct web *w)
{
	if (w->dirty)
		return;
	w->dirty = true;
	loop_later(w->loop, nothing, NULL); // the next turn does not wait
}

static void on_mhd_ready(void *arg, uint32_t events)
{
	struct web *w = arg;
	(void)events;
	w->dirty = true; // the hook of this turn runs it
}

// ---- connections that are closed but still drained, so that the last answer arrives ----

static void linger_end(struct farewell *g)
{
	struct web *w = g->web;
	loop_watch_set(w->loop, &g->watch, g->watch.fd, 0, NULL, NULL);
	close(g->watch.fd);
	if (g->prev)
		g->prev->next = g->next;
	else
		w->lingers = g->next;
	if (g->next)
		g->next->prev = g->prev;
	w->lingers_n--;
	free(g);
}

static void on_linger(void *arg, uint32_t events)
{
	struct farewell *g = arg;
	char sink[16384];
	(void)events;
	for (;;) {
		ssize_t n = recv(g->watch.fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || (size_t)n >= g->left) {
			linger_end(g);
			return;
		}
		g->left -= (size_t)n;
	}
}

static void tick_arm(struct web *w);

// Takes fd over.
static void linger_begin(struct web *w, int fd)
{
	shutdown(fd, SHUT_WR);
	if (w->lingers_n >= LINGERS_MAX) {
		close(fd);
		return;
	}
	struct farewell *g = mem_zalloc(1, sizeof(*g));
	g->web = w;
	g->until_us = loop_now_us(w->loop) + LINGER_US;
	g->left = LINGER_BYTES;
	g->next = w->lingers;
	if (g->next)
		g->next->prev = g;
	w->lingers = g;
	w->lingers_n++;
	g->watch.fd = fd;
	if (loop_watch_set(w->loop, &g->watch, fd, EPOLLIN | EPOLLRDHUP, on_linger, g) != ERR_OK)
		linger_end(g);
	else
		tick_arm(w);
}

// ---- answers outside libmicrohttpd ----

static void raw_answer(const struct req *r, int fd, enum err_code code, bool openai)
{
	const struct err_row *row = err_row(code);
	struct err e = {.code = code};
	struct str body = STR_INIT, head = STR_INIT;
	err_set(&e, code, NULL);
	web_error_body(r, openai, &e, &body);
	str_addf(&head, "HTTP/1.1 %d %s\r\nContent-Type: application/json; charset=utf-8\r\n"
			"X-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\n"
			"Cache-Control: no-store\r\nContent-Length: %zu\r\nConnection: close\r\n"
			"%s\r\n",
		row->status, row->code, r->id, body.n,
		code == ERR_OVERLOADED ? "Retry-After: 1\r\n" : "");
	str_add_slice(&head, str_slice(&body));
	ssize_t n = send(fd, head.p, head.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n; // a caller that takes nothing gets nothing
	str_release(&head);
	str_release(&body);
}

void web_raw_error(struct conn *c, enum err_code code)
{
	raw_answer(&c->req->r, c->fd, code, web_is_openai(c->req));
	c->linger = true;
}

static void shed(struct web *w, const struct listener *ls, int fd)
{
	const char *labels[] = {service_row(ls->service)->name, NULL};
	struct req nobody = {0};
	web_id(w, nobody.id);
	metric_add(w->agent->metrics, MET_GW_SHED, 1, labels);
	raw_answer(&nobody, fd, ERR_OVERLOADED, false);
}

// ---- connections ----

struct conn *web_conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

static void on_hangup(void *arg, uint32_t events)
{
	struct conn *c = arg;
	(void)events;
	c->gone = true;
	if (c->req)
		web_gone(c->req);
}

static void connections_add(struct web *w, enum service_id service, int by)
{
	struct metric_cell **cell = &w->connections[service];
	const char *labels[] = {service_row(service)->name, NULL};
	if (!*cell)
		*cell = metric_cell(w->agent->metrics, MET_HTTP_CONNECTIONS, labels);
	metric_cell_add(*cell, by);
	w->per_service[service] += (size_t)by;
}

static void conn_open(struct web *w, struct MHD_Connection *mhd, void **socket_context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct conn *c = mem_zalloc(1, sizeof(*c));
	c->web = w;
	c->mhd = mhd;
	c->fd = info->connect_fd;
	c->service = w->accepting->service;
	c->mounts_all = w->accepting->local || w->agent->settings->mount_all;
	c->kind = w->accepting_kind;
	c->deadline_us = loop_now_us(w->loop) + WEB_HEAD_US;
	c->next = w->conns;
	if (c->next)
		c->next->prev = c;
	w->conns = c;
	w->conns_n++;
	connections_add(w, c->service, 1);
	*socket_context = c;
	// Edge triggered and for nothing but the end: silent while the connection lives.
	loop_watch_set(w->loop, &c->watch, c->fd, EPOLLRDHUP | EPOLLET, on_hangup, c);
	tick_arm(w);
}

static void conn_close(struct web *w, struct conn *c)
{
	loop_watch_set(w->loop, &c->watch, c->fd, 0, NULL, NULL);
	if (c->linger) {
		int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
		if (fd >= 0)
			linger_begin(w, fd);
	}
	if (c->prev)
		c->prev->next = c->next;
	else
		w->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	w->conns_n--;
	connections_add(w, c->service, -1);
	free(c);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
	enum MHD_ConnectionNotificationCode toe)
{
	struct web *w = cls;
	if (toe == MHD_CONNECTION_NOTIFY_STARTED)
		conn_open(w, mhd, socket_context);
	else if (*socket_context)
		conn_close(w, *socket_context);
}

// ---- accepting ----

static void take(struct listener *ls, int fd, const struct sockaddr_storage *ss, socklen_t len)
{
	struct web *w = ls->web;
	struct sockaddr_in unix_as = {.sin_family = AF_INET}; // libmicrohttpd knows IP only
	if (w->per_service[ls->service] >= ls->max) {
		shed(w, ls, fd);
		linger_begin(w, fd);
		return;
	}
	const struct sockaddr *sa = (const struct sockaddr *)ss;
	w->accepting = ls;
	w->accepting_kind = peer_kind_of(sa, &w->trusted);
	if (ss->ss_family == AF_UNIX) {
		sa = (const struct sockaddr *)&unix_as;
		len = sizeof(unix_as);
	} else {
		int on = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	MHD_add_connection(w->mhd, fd, sa, len); // closes fd when it refuses
	w->dirty = true;
}

// Out of descriptors: one is kept to say so instead of leaving callers waiting.
static void accept_starved(struct listener *ls)
{
	struct web *w = ls->web;
	if (w->spare_fd < 0)
		return;
	close(w->spare_fd);
	int fd = accept4(ls->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		shed(w, ls, fd);
		close(fd);
	}
	w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_accept(void *arg, uint32_t events)
{
	struct listener *ls = arg;
	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage ss = {0};
		socklen_t len = sizeof(ss);
		int fd = accept4(ls->watch.fd, (struct sockaddr *)&ss, &len,
			SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			take(ls, fd, &ss, len);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			accept_starved(ls);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

// ---- the reaper: libmicrohttpd's timeout is one of inactivity, ours are of progress ----

static uint64_t bytes_acked(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_bytes_acked;
}

// True when what stood in the socket a window ago has still not been taken.
static bool reads_too_slowly(struct conn *c, int64_t now_us)
{
	int unsent = 0;
	if (now_us < c->slow_at_us || c->kind == PEER_UNIX)
		return false;
	bool first = c->slow_at_us == 0;
	uint64_t acked = bytes_acked(c->fd), before = c->slow_acked;
	if (ioctl(c->fd, SIOCOUTQ, &unsent) < 0)
		unsent = 0;
	c->slow_at_us = now_us + WEB_SLOW_US;
	c->slow_acked = acked + (uint64_t)MIN_OF(unsent, WEB_SLOW_BYTES);
	return !first && unsent > 0 && acked < before;
}

static void reap_one(struct conn *c, int64_t now_us)
{
	struct web_req *q = c->req;
	if (c->deadline_us && now_us > c->deadline_us) {
		c->deadline_us = 0;
		if (q && q->state == RS_BODY)
			web_raw_error(c, ERR_CLIENT_TIMEOUT);
		shutdown(c->fd, SHUT_RDWR);
	} else if (q && (q->state == RS_SENDING || q->state == RS_STREAMING)) {
		if (reads_too_slowly(c, now_us))
			shutdown(c->fd, SHUT_RDWR);
	}
}

static void on_tick(void *arg)
{
	struct web *w = arg;
	int64_t now_us = loop_now_us(w->loop);
	for (struct conn *c = w->conns; c; c = c->next)
		reap_one(c, now_us);
	for (struct farewell *g = w->lingers, *next; g; g = next) {
		next = g->next;
		if (now_us > g->until_us)
			linger_end(g);
	}
	tick_arm(w);
}

static void tick_arm(struct web *w)
{
	if (!w->tick.slot && (w->conns || w->lingers))
		loop_timer_set(w->loop, &w->tick, WEB_TICK_US, on_tick, w);
}

// ---- the server ----

static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *s)
{
	(void)cls;
	(void)mhd;
	return strlen(s); // paths and queries are decoded by us, after they were judged
}

static struct MHD_Daemon *daemon_new(struct web *w)
{
	// MHD_ALLOW_SUSPEND_RESUME without its wake-up channel: all calls are on one thread.
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_TURBO |
		((unsigned)MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC);
	return MHD_start_daemon(flags, 0, NULL, NULL, web_access, w,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)WEB_POOL_BYTES,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)DAEMON_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, 0u,
		MHD_OPTION_STRICT_FOR_CLIENT, 0, // the guard asks for Host, and answers in JSON
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
		MHD_OPTION_NOTIFY_COMPLETED, web_completed, w,
		MHD_OPTION_URI_LOG_CALLBACK, web_uri, w,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, w,
		MHD_OPTION_END);
}

struct web *web_new(struct agent *a, struct loop *l, const req_handler *handlers, struct err *err)
{
	struct web *w = mem_zalloc(1, sizeof(*w));
	bool mounted[EP_COUNT];
	for (int i = 0; i < EP_COUNT; i++)
		mounted[i] = handlers[i] != NULL;
	w->agent = a;
	w->loop = l;
	w->handlers = handlers;
	w->tree = match_new(mounted);
	w->memo = seal_memo_new();
	w->gateway_public = settings_public(a->settings, SVC_API_GATEWAY);
	w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (getrandom(&w->id_prefix, sizeof(w->id_prefix), 0) < 0)
		w->id_prefix = (uint32_t)(uintptr_t)w;
	w->mhd = peer_nets_parse(slice_of(a->settings->trusted_peers), &w->trusted, err)
		? NULL
		: daemon_new(w);
	const union MHD_DaemonInfo *info =
		w->mhd ? MHD_get_daemon_info(w->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info || loop_watch_set(l, &w->mhd_watch, info->epoll_fd, EPOLLIN, on_mhd_ready, w)) {
		if (!err || !err->code)
			err_set(err, ERR_INTERNAL, _("cannot start the HTTP server"));
		web_free(w);
		return NULL;
	}
	loop_each_turn(l, run_if_dirty, w);
	return w;
}

enum err_code web_serve(struct web *w, enum service_id service, int listen_fd, size_t max)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	if (w->listeners_n == WEB_LISTENERS_MAX ||
		getsockname(listen_fd, (struct sockaddr *)&ss, &len) < 0)
		return ERR_INTERNAL;
	struct listener *ls = &w->listeners[w->listeners_n++];
	*ls = (struct listener){.web = w, .service = service, .max = max};
	ls->local = ss.ss_family == AF_UNIX || peer_is_loopback((struct sockaddr *)&ss);
	return loop_watch_set(w->loop, &ls->watch, listen_fd, EPOLLIN | EPOLLEXCLUSIVE, on_accept,
		ls);
}

void web_quiesce(struct web *w)
{
	w->quiet = true;
	for (size_t i = 0; i < w->listeners_n; i++)
		loop_watch_set(w->loop, &w->listeners[i].watch, w->listeners[i].watch.fd, 0, NULL,
			NULL);
	w->listeners_n = 0;
	// What waits for news would wait for ever.
	for (struct conn *c = w->conns; c; c = c->next)
		if (c->req && c->req->r.ep && (c->req->r.ep->flags & EPF_LONG) &&
			c->req->state >= RS_HANDLER)
			shutdown(c->fd, SHUT_RDWR);
}

size_t web_open_requests(const struct web *w)
{
	return w->reqs_n;
}

size_t web_connections(const struct web *w)
{
	return w->conns_n;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	for (struct conn *c = w->conns; c; c = c->next) {
		struct web_req *q = c->req;
		c->linger = false;
		if (!q)
			continue;
		web_gone(q);
		q->handler_done = true; // nobody is left to answer
		if (q->suspended)
			MHD_resume_connection(c->mhd);
		q->suspended = false;
	}
	if (w->mhd)
		MHD_stop_daemon(w->mhd);
	while (w->lingers)
		linger_end(w->lingers);
	loop_timer_clear(w->loop, &w->tick);
	for (struct web_req *q; (q = w->free_reqs);) {
		w->free_reqs = q->next_free;
		str_release(&q->body);
		str_release(&q->queue);
		arena_release(&q->r.arena);
		free(q);
	}
	if (w->spare_fd >= 0)
		close(w->spare_fd);
	seal_memo_free(w->memo);
	match_free(w->tree);
	free(w);
}
