// SPDX-License-Identifier: MIT
// Who comes in: accepting, the places kept for administrators, those turned away, and the reaper of
// callers that neither send nor read.
#include "agent/web/server.h"

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
#include "agent/core/descriptors.h"
#include "agent/web/mhd.h"
#include "agent/web/own.h"
#include "agent/web/pass.h"
#include "agent/web/private.h"
#include "shared/mem.h"
#include "shared/text.h"

#define ACCEPT_BATCH 16 // then other loops get their turn

// ---- callers beyond the limit ----

static void send_all(int fd, const char *p, size_t n)
{
	ssize_t sent = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)sent; // a caller that takes nothing gets nothing
}

static void shed(struct web *w, const struct listener *ls, int fd, enum overload why)
{
	const struct err_row *row = err_row(ERR_OVERLOADED);
	struct req nobody = {0};
	struct err e = {0};
	struct str body = STR_INIT, head = STR_INIT;
	err_set(&e, ERR_OVERLOADED, NULL);
	web_id(w, nobody.id);
	web_shed(w, ls->service, why);
	web_tell_shed(w, ls->service);
	if (ls->tls != NULL) { // an answer would cost the handshake
		send_all(fd, TLS_BUSY_ALERT, sizeof(TLS_BUSY_ALERT) - 1);
		return;
	}
	web_error_body(&nobody, false, &e, &body);
	str_addf(&head,
		"HTTP/1.1 %d Service Unavailable\r\n"
		"Content-Type: application/json; charset=utf-8\r\n"
		"X-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\n"
		"Cache-Control: no-store\r\nContent-Length: %zu\r\nConnection: close\r\n"
		"Retry-After: 1\r\n\r\n",
		row->status, nobody.id, body.n);
	str_add_slice(&head, str_slice(&body));
	send_all(fd, head.p, head.n);
	str_release(&head);
	str_release(&body);
}

// ---- who may come in though there is no place for anybody else ----

// The role as far as it is known at once.
static bool is_admin(struct listener *ls, int fd, enum peer_kind kind)
{
	struct peer_roles *roles = ls->web->agent->roles;
	enum role role = ROLE_NONE;
	uid_t uid;
	return peer_uid(roles, fd, kind, &uid) && peer_role_known(roles, uid, &role) &&
		role == ROLE_ADMIN;
}

static void take_in(struct listener *ls, int fd, enum peer_kind kind)
{
	int on = 1;
	if (kind != PEER_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (web_conn_open(ls->web, ls, fd, kind))
		return;
	if (is_admin(ls, fd, kind) && web_spare_give(ls->web) > 1 &&
		web_conn_open(ls->web, ls, fd, kind))
		return; // an engine may need a descriptor of its own
	shed(ls->web, ls, fd, OVERLOAD_DESCRIPTORS);
	close(fd);
	web_spares_take(ls->web);
}

static void turn_away(struct listener *ls, int fd)
{
	shed(ls->web, ls, fd, OVERLOAD_CONNECTIONS);
	struct discard d;
	discard_begin(&d, NULL, loop_now_us(ls->web->loop));
	web_linger(ls->web, fd, &d);
}

static void newcomer_free(struct newcomer *n)
{
	struct web *w = n->ls->web;
	if (n->prev != NULL)
		n->prev->next = n->next;
	else
		w->newcomers = n->next;
	if (n->next != NULL)
		n->next->prev = n->prev;
	w->newcomers_n--;
	free(n);
}

// Its place is one of those that are kept, as long as there is one.
static void decide(struct listener *ls, int fd, enum peer_kind kind, enum role role)
{
	if (role == ROLE_ADMIN && ls->web->per_service[ls->service] < ls->max + WEB_KEPT)
		take_in(ls, fd, kind);
	else
		turn_away(ls, fd);
}

static void on_newcomer(void *arg)
{
	struct newcomer *n = arg;
	struct peer_roles *roles = n->ls->web->agent->roles;
	enum role role = ROLE_NONE;
	if (!peer_role(roles, n->uid, n->ls->web->loop, on_newcomer, n, &role))
		return; // forgotten meanwhile
	decide(n->ls, n->fd, n->kind, role);
	newcomer_free(n);
}

// Only now is the kernel asked who it is, and only of callers on this host.
static void at_the_door(struct listener *ls, int fd, enum peer_kind kind)
{
	struct web *w = ls->web;
	uid_t uid;
	if (w->quiet || w->newcomers_n >= WEB_NEWCOMERS_MAX ||
		w->per_service[ls->service] >= ls->max + WEB_KEPT ||
		!peer_uid(w->agent->roles, fd, kind, &uid)) {
		turn_away(ls, fd);
		return;
	}
	struct newcomer *n = mem_zalloc(1, sizeof(*n));
	*n = (struct newcomer){.ls = ls, .next = w->newcomers, .fd = fd, .uid = uid, .kind = kind};
	if (n->next != NULL)
		n->next->prev = n;
	w->newcomers = n;
	w->newcomers_n++;
	on_newcomer(n);
}

// ---- accepting ----

static void take(struct listener *ls, int fd, const struct sockaddr_storage *ss)
{
	struct web *w = ls->web;
	enum peer_kind kind = peer_kind_of((const struct sockaddr *)ss, &w->trusted);
	if (w->per_service[ls->service] >= ls->max)
		at_the_door(ls, fd, kind);
	else
		take_in(ls, fd, kind);
}

// One of the last descriptors.
static void take_last(struct listener *ls, int fd, const struct sockaddr_storage *ss)
{
	if (is_admin(ls, fd, peer_kind_of((const struct sockaddr *)ss, &ls->web->trusted))) {
		take(ls, fd, ss);
		return;
	}
	shed(ls->web, ls, fd, OVERLOAD_DESCRIPTORS);
	close(fd);
}

// Out of descriptors: some are kept, all but one of them for who may administer the agent, the last
// to say so instead of leaving callers waiting. False: none is left.
static bool accept_starved(struct listener *ls)
{
	struct web *w = ls->web;
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	if (web_linger_give(w)) // who was answered comes last
		return true;
	size_t left = web_spare_give(w);
	if (left == 0)
		return false;
	int fd = accept4(ls->watch.fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	enum peer_kind kind = peer_kind_of((const struct sockaddr *)&ss, &w->trusted);
	if (fd >= 0 && left > 1 && is_admin(ls, fd, kind)) {
		take(ls, fd, &ss);
		return true;
	}
	if (fd >= 0) {
		shed(w, ls, fd, OVERLOAD_DESCRIPTORS);
		close(fd);
	}
	web_spares_take(w);
	return fd >= 0;
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
			if (UNLIKELY(descriptor_is_kept(fd)))
				take_last(ls, fd, &ss);
			else
				take(ls, fd, &ss);
			continue;
		}
		bool starved = errno == EMFILE || errno == ENFILE;
		if (starved ? !accept_starved(ls) : errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

// ---- the reaper: deadlines are of progress, not of inactivity ----

// Bytes the caller has taken. A unix socket does not count them: what it was given less what still
// stands in it, counted with the kernel's own room for it, so that only differences tell something.
static int64_t bytes_taken(const struct conn *c, int unsent)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	if (c->kind == PEER_UNIX)
		return c->sent - unsent;
	memset(&info, 0, sizeof(info));
	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return (int64_t)info.tcpi_bytes_acked;
}

// True when what stood in the socket a window ago has still not been taken.
static bool reads_too_slowly(struct conn *c, int64_t now_us)
{
	int unsent = 0;
	if (now_us < c->slow_at_us)
		return false;
	bool first = c->slow_at_us == 0;
	if (ioctl(c->fd, SIOCOUTQ, &unsent) < 0)
		unsent = 0;
	int64_t taken = bytes_taken(c, unsent), due = c->slow_taken;
	c->slow_at_us = now_us + WEB_SLOW_US;
	c->slow_taken = taken + MIN_OF(unsent, WEB_SLOW_BYTES);
	return !first && unsent > 0 && taken < due;
}

static void reap_one(struct conn *c, int64_t now_us)
{
	struct web_req *q = c->req;
	if (c->deadline_us && now_us > c->deadline_us) {
		c->deadline_us = 0;
		if (q != NULL && q->state == RS_BODY)
			web_refuse(q, ERR_CLIENT_TIMEOUT, NULL);
		else
			web_conn_close(c);
	} else if (q != NULL && q->state == RS_BODY) {
		if (pace_slow(&q->pace, now_us))
			web_refuse(q, ERR_CLIENT_TIMEOUT, NULL);
	} else if (q != NULL && (q->state == RS_SENDING || q->state == RS_STREAMING)) {
		if (reads_too_slowly(c, now_us))
			web_conn_close(c);
	}
}

static void on_tick(void *arg)
{
	struct web *w = arg;
	int64_t now_us = loop_now_us(w->loop);
	for (struct conn *c = w->conns, *next; c != NULL; c = next) {
		next = c->next;
		reap_one(c, now_us);
	}
	web_lingers_tick(w, now_us);
}

// ---- the server ----

static void on_turn(void *arg)
{
	struct web *w = arg;
	web_lanes_run(w);
	web_conns_run(w);
	if (!w->tick.slot && (w->conns != NULL || w->lingers != NULL))
		loop_timer_set(w->loop, &w->tick, WEB_TICK_US, on_tick, w);
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
	web_spares_begin(w);
	w->held = load_join(a->load);
	if (getrandom(&w->id_prefix, sizeof(w->id_prefix), 0) < 0)
		w->id_prefix = (uint32_t)(uintptr_t)w;
	w->read_buffer = mem_alloc(WEB_READ_BYTES);
	w->dirty_end = &w->dirty;
	if (peer_nets_parse(slice_of(a->settings->trusted_peers), &w->trusted, err) ||
		cors_parse(slice_of(a->settings->cors_origins), err)) {
		web_free(w);
		return NULL;
	}
	w->gate = (struct overload_gate){.each_us = OVERLOAD_EACH_US};
	w->served.end = &w->served.first;
	w->refused.end = &w->refused.first;
	w->queue_max_us = a->settings->queue_max_ms * 1000;
	loop_each_turn(l, on_turn, w);
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
	ls->engine = service == SVC_API_GATEWAY ? &own_engine : &mhd_engine;
	if (ls->engine->most > 0)
		ls->max = MIN_OF(max, ls->engine->most);
	if (service == SVC_API_GATEWAY && ss.ss_family != AF_UNIX)
		ls->tls = w->agent->tls;
	ls->local = ss.ss_family == AF_UNIX || peer_is_loopback((struct sockaddr *)&ss);
	return loop_watch_set(w->loop, &ls->watch, listen_fd, EPOLLIN | EPOLLEXCLUSIVE, on_accept,
		ls);
}

// What was sent and is not read yet is a request as well.
static bool has_unread(const struct conn *c)
{
	char byte;
	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

// A handshake is made for a request that follows: that one is waited for as if it were under way.
// So is a plain connection of this moment, though not for long.
static bool is_awaited(struct conn *c)
{
	int64_t now = loop_now_us(c->web->loop), age = WEB_HEAD_US - (c->deadline_us - now);
	bool fresh = c->tls == NULL && c->sent == 0 && !c->began && !c->gone && age >= 0 &&
		age < WEB_FRESH_US;
	bool greeted = c->tls != NULL && c->sent == 0 && tls_stage(c->tls) != TLS_SILENT;
	if (c->req != NULL || !(fresh || greeted))
		return false;
	int64_t until = now + (fresh ? WEB_FRESH_US : WEB_GREETED_US);
	c->deadline_us = c->deadline_us ? MIN_OF(c->deadline_us, until) : until;
	c->awaited = true;
	c->web->awaited_n++;
	return true;
}

void web_quiesce(struct web *w)
{
	for (size_t i = 0; w->pass == NULL && i < w->listeners_n; i++)
		on_accept(&w->listeners[i], EPOLLIN); // who was let in by the kernel came in time
	w->quiet = true;
	for (size_t i = 0; i < w->listeners_n; i++)
		loop_watch_set(w->loop, &w->listeners[i].watch, w->listeners[i].watch.fd, 0, NULL,
			NULL);
	w->listeners_n = 0;
	if (w->pass != NULL)
		web_pass_idle(w);
	for (struct conn *c = w->conns, *next; c != NULL; c = next) {
		next = c->next;
		bool idle = !is_awaited(c) && c->req == NULL && !c->began && c->in.n == 0 &&
			!c->readable && !has_unread(c) &&
			(c->tls == NULL || !tls_has_pending(c->tls));
		// What waits for news would wait for ever.
		bool waits = c->req != NULL && c->req->r.ep != NULL &&
			(c->req->r.ep->flags & EPF_LONG) && c->req->state >= RS_HANDLER;
		if (idle || waits)
			web_conn_close(c);
	}
}

void web_cut(struct web *w)
{
	for (struct conn *c = w->conns, *next; c != NULL; c = next) {
		struct web_req *q = c->req;
		next = c->next;
		if (q == NULL || q->on_cut == NULL || q->handler_done || q->in_handler)
			continue;
		void (*fn)(struct req *r) = q->on_cut;
		q->on_cut = NULL;
		fn(&q->r);
	}
}

size_t web_open_requests(const struct web *w)
{
	return w->reqs_n + w->awaited_n;
}

void web_free(struct web *w)
{
	if (w == NULL)
		return;
	while (w->conns != NULL) {
		struct conn *c = w->conns;
		struct web_req *q = c->req;
		c->linger = false;
		if (q != NULL) {
			web_gone(q);
			q->handler_done = true; // nobody is left to answer
		}
		web_conn_close(c);
	}
	if (w->dirty_end != NULL) {
		web_lanes_clear(w);
		web_conns_run(w);
	}
	while (w->newcomers != NULL) {
		close(w->newcomers->fd);
		newcomer_free(w->newcomers);
	}
	web_lingers_end(w);
	loop_timer_clear(w->loop, &w->tick);
	web_reqs_free(w);
	str_release(&w->out_head);
	free(w->read_buffer);
	web_spares_end(w);
	seal_memo_free(w->memo);
	match_free(w->tree);
	free(w);
}
