// SPDX-License-Identifier: MIT
// A plain connection to an address is made without libcurl, whose handles cost ten times the call;
// names are looked up by resolve first, so that libcurl never starts a thread.
#include "agent/upstream/conn.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/core/descriptors.h"
#include "shared/mem.h"
#include "shared/str.h"
#include "shared/text.h"

#define SWEEP_ORIGINS_MAX 64 // empty buckets freed in one sweep

// ---- libcurl's multi in our loop ----

static void finish(struct conn *c, CURLcode res);

static void act(struct upstream_pool *p, curl_socket_t fd, int what)
{
	int running;
	curl_multi_socket_action(p->multi, fd, what, &running);
	CURLMsg *msg;
	int left;
	while ((msg = curl_multi_info_read(p->multi, &left)) != NULL) {
		struct conn *c = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode res = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &c);
		finish(c, res);
	}
}

struct curl_watch {
	struct loop_watch watch;
	struct upstream_pool *pool;
};

static void on_watch(void *arg, uint32_t events)
{
	struct curl_watch *w = arg;
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		(events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		(events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	act(w->pool, w->watch.fd, what);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct upstream_pool *p = arg;
	struct curl_watch *w = assigned;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL) {
			loop_watch_set(p->loop, &w->watch, fd, 0, on_watch, w);
			curl_multi_assign(p->multi, fd, NULL);
			free(w);
		}
		return 0;
	}
	if (w == NULL) {
		w = mem_zalloc(1, sizeof(*w));
		w->pool = p;
		curl_multi_assign(p->multi, fd, w);
	}
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
		(what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
	loop_watch_set(p->loop, &w->watch, fd, events, on_watch, w);
	return 0;
}

static void on_timer_due(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct upstream_pool *p = arg;
	(void)multi;
	if (ms < 0)
		loop_timer_clear(p->loop, &p->timer);
	else
		loop_timer_set(p->loop, &p->timer, (int64_t)ms * 1000, on_timer_due, p);
	return 0;
}

// ---- the address that is really dialled ----

static bool is_own_port(const struct upstream_pool *p, const struct sockaddr *sa)
{
	int port = ntohs(sa->sa_family == AF_INET6
			? ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port
			: ((const struct sockaddr_in *)(const void *)sa)->sin_port);
	for (int i = 0; p->own_ports != NULL && i < SVC_COUNT; i++) {
		if (p->own_ports[i] == port)
			return true;
	}
	return false;
}

static enum err_code judge(const struct conn *c, const struct sockaddr *sa)
{
	const struct settings *s = c->pool->settings;
	enum addr_class class = urlx_addr_class(sa);
	if (class == ADDR_PUBLIC ? c->may.near_only : c->may.public_only)
		return ERR_UPSTREAM_URL_FORBIDDEN;
	switch (class) {
	case ADDR_LOOPBACK:
		if (is_own_port(c->pool, sa))
			return ERR_UPSTREAM_LOOP;
		return s->allow_loopback_upstreams ? ERR_OK : ERR_UPSTREAM_URL_FORBIDDEN;
	case ADDR_PRIVATE:
		return s->allow_private_upstreams ? ERR_OK : ERR_UPSTREAM_URL_FORBIDDEN;
	case ADDR_PUBLIC:
		return c->may.secret && !c->tls ? ERR_TLS_REQUIRED : ERR_OK;
	case ADDR_FORBIDDEN:
		break;
	}
	return ERR_UPSTREAM_URL_FORBIDDEN;
}

static const char *refusal(const struct conn *c)
{
	return c->may.near_only
		? _("its address is public or never dialled: a public one takes an admin to register")
		: _("its address is one that is not dialled from here");
}

// A socket, or -1; when it is this host that has none left, the peer is not to blame.
static int new_socket(struct conn *c, int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);
	bool none = fd < 0 &&
		(errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
	if (descriptor_is_kept(fd)) {
		close(fd);
		fd = -1;
		none = true;
	}
	if (none)
		c->refused = ERR_OVERLOADED;
	if (fd >= 0) {
		// A peer that died without a word is found within a minute: by probes of an idle
		// connection, and by what it does not acknowledge.
		static const int on = 1, idle_s = 15, every_s = 10, probes = 3, unheard_ms = 45000;
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_ms, sizeof(unheard_ms));
	}
	return fd;
}

static curl_socket_t on_dial(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct conn *c = arg;
	(void)purpose;
	enum err_code code = judge(c, &addr->addr);
	if (code != ERR_OK) {
		c->refused = code;
		return CURL_SOCKET_BAD;
	}
	return new_socket(c, addr->family, addr->socktype, addr->protocol);
}

// A socket that was taken over outlives libcurl's connection.
static int on_close(void *arg, curl_socket_t fd)
{
	struct conn *c = arg;
	return c->taken && c->fd == fd ? 0 : close(fd);
}

// ---- opening ----

static bool set_options(struct conn *c, const struct url *url)
{
	struct str text = STR_INIT;
	CURL *e = c->easy;
	str_addf(&text, "%s/", url->origin);
	bool fine = curl_easy_setopt(e, CURLOPT_URL, str_text(&text)) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_dial) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, c) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, c) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
		curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK; // no environment decides it
	str_release(&text);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	// A name that is still being looked up is left to its thread: without this the loop would
	// wait for it when the call is given up.
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	const char *authorities = c->pool->settings->upstream_ca_file;
	if (authorities[0] != '\0')
		fine = fine && curl_easy_setopt(e, CURLOPT_CAINFO, authorities) == CURLE_OK;
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
	// ALPN must not choose HTTP/2: the framing is ours.
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	// Long streams are not "too old to be used again".
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, 86400L);
	return fine;
}

// ---- plain HTTP to an address: nothing of libcurl is needed, whose handles cost ten times the call ----

static socklen_t numeric(const struct url *url, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, url->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)url->port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, url->host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)url->port);
		return sizeof(*v6);
	}
	return 0;
}

// False: libcurl shall try, and say what is wrong.
static bool dial_plain(struct conn *c, const struct url *url)
{
	struct sockaddr_storage ss;
	socklen_t len = c->tls ? 0 : numeric(url, &ss);
	int on = 1;
	if (len == 0 || judge(c, (const struct sockaddr *)&ss) != ERR_OK)
		return false;
	int fd = new_socket(c, ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		close(fd);
		return false;
	}
	c->fd = fd;
	c->taken = c->connecting = true;
	conn_listen(c, EPOLLOUT);
	if (c->watch.events != 0)
		return true;
	close(fd);
	c->fd = -1;
	c->taken = c->connecting = false;
	return false;
}

// why must not be the connection's own.
static void give_up(struct conn *c, enum err_code code, const char *why)
{
	void *owner = c->owner;
	const struct conn_hooks *hooks = c->hooks;
	conn_close(c);
	hooks->opened(owner, code, why);
}

static void on_dialled(struct conn *c)
{
	int why = 0;
	socklen_t len = sizeof(why);
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	if (why != 0) {
		give_up(c, ERR_UNREACHABLE, strerror(why));
		return;
	}
	c->connecting = false;
	conn_listen(c, EPOLLIN);
	c->hooks->opened(c->owner, ERR_OK, "");
}

// ---- everything else: the addresses of a name are found first, so that libcurl needs no thread ----

// "+host:port:address,address": what libcurl shall hold to be the name's addresses.
static struct curl_slist *addresses_of(const struct url *url, const struct resolved *res)
{
	struct str text = STR_INIT;
	str_addf(&text, "+%s:%d:", url->host, url->port);
	char ip[INET6_ADDRSTRLEN];
	for (size_t i = 0; i < res->n; i++) {
		const struct sockaddr *sa = (const void *)&res->v[i];
		bool v6 = sa->sa_family == AF_INET6;
		const void *addr = v6
			? (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr
			: &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		if (inet_ntop(sa->sa_family, addr, ip, sizeof(ip)) != NULL)
			str_addf(&text, v6 ? "%s[%s]" : "%s%s", i > 0 ? "," : "", ip);
	}
	struct curl_slist *list = curl_slist_append(NULL, str_text(&text));
	str_release(&text);
	return list;
}

static bool dial_by_curl(struct conn *c, const struct resolved *res)
{
	c->why = mem_zalloc(1, CURL_ERROR_SIZE);
	c->easy = curl_easy_init();
	if (c->easy == NULL || !set_options(c, c->url))
		return false;
	if (res != NULL) {
		c->addresses = addresses_of(c->url, res);
		if (c->addresses == NULL ||
			curl_easy_setopt(c->easy, CURLOPT_RESOLVE, c->addresses) != CURLE_OK)
			return false;
	}
	return curl_multi_add_handle(c->pool->multi, c->easy) == CURLM_OK;
}

static void on_resolved(void *arg, const struct resolved *res)
{
	struct conn *c = arg;
	c->asks = NULL;
	if (res->n > 0 && dial_by_curl(c, res))
		return;
	struct str why = STR_INIT;
	if (res->n > 0)
		str_add(&why, "no room for another upstream connection");
	else
		str_addf(&why, "Could not resolve host: %s", res->why);
	give_up(c, res->n > 0 ? ERR_OVERLOADED : ERR_UNREACHABLE, str_text(&why));
	str_release(&why);
}

struct conn *conn_open(struct upstream_pool *p, struct conn_origin *o, const struct url *url,
	struct conn_may may, const struct conn_hooks *hooks, void *owner)
{
	if (p->conns >= CONNS_MAX)
		return NULL;
	struct conn *c = mem_zalloc(1, sizeof(*c));
	c->pool = p;
	c->origin = o;
	c->fd = -1;
	c->tls = url->tls;
	c->may = may;
	c->hooks = hooks;
	c->owner = owner;
	p->conns++;
	if (dial_plain(c, url))
		return c;
	c->url = url;
	struct sockaddr_storage ss;
	if (numeric(url, &ss) > 0) {
		if (dial_by_curl(c, NULL))
			return c;
	} else {
		c->asks = resolve_start(p->loop, url->host, may.background, on_resolved, c);
		if (c->asks != NULL)
			return c;
	}
	conn_close(c);
	return NULL;
}

static void on_ready(void *arg, uint32_t events)
{
	struct conn *c = arg;
	if (UNLIKELY(c->connecting))
		on_dialled(c);
	else if (c->owner != NULL)
		c->hooks->ready(c->owner, events);
	else
		conn_close(c); // idle: the server closed it, or sent what nobody asked for
}

void conn_listen(struct conn *c, uint32_t events)
{
	if (c->fd >= 0 && c->watch.events != events)
		loop_watch_set(c->pool->loop, &c->watch, c->fd, events, on_ready, c);
}

static void let_go_of_curl(struct conn *c)
{
	if (c->easy == NULL)
		return;
	curl_multi_remove_handle(c->pool->multi, c->easy);
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->addresses);
	c->addresses = NULL;
	c->easy = NULL;
}

static void finish(struct conn *c, CURLcode res)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	if (res == CURLE_OK)
		res = curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (res != CURLE_OK || fd == CURL_SOCKET_BAD) {
		enum err_code code = c->refused != ERR_OK ? c->refused : ERR_UNREACHABLE;
		const char *said = c->why[0] != '\0' ? c->why : curl_easy_strerror(res);
		char *why = mem_strdup(code == ERR_UPSTREAM_URL_FORBIDDEN ? refusal(c) : said);
		if (code == ERR_UNREACHABLE)
			resolve_forget(c->url->host);
		give_up(c, code, why);
		free(why);
		return;
	}
	c->fd = fd;
	if (!c->tls) {
		c->taken = true;
		let_go_of_curl(c);
		free(c->why);
		c->why = NULL;
	}
	conn_listen(c, EPOLLIN);
	c->hooks->opened(c->owner, ERR_OK, "");
}

// ---- idle ones ----

struct conn_origin *conn_origin_take(struct upstream_pool *p, const struct url *url,
	const char *pool_key)
{
	char name[1024] FILLED_LATER;
	size_t n = strlen(url->origin), m = strlen(pool_key);
	if (n + m + 2 > sizeof(name)) {
		n = MIN_OF(n, sizeof(name) / 2);
		m = MIN_OF(m, sizeof(name) - n - 2);
	}
	memcpy(name, url->origin, n);
	name[n] = '\n';
	memcpy(name + n + 1, pool_key, m);
	struct slice key = {name, n + 1 + m};
	struct conn_origin *o = map_get(&p->origins, key);
	if (o == NULL) {
		o = mem_zalloc(1, sizeof(*o));
		o->name = mem_strndup(key.p, key.n);
		map_put(&p->origins, key, o);
	}
	o->used++;
	return o;
}

void conn_origin_drop(struct conn_origin *o)
{
	o->used--;
}

static void unlink_idle(struct conn *c)
{
	struct conn_origin *o = c->origin;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		o->idle = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->prev = c->next = NULL;
	o->idle_n--;
}

struct conn *conn_take(struct conn_origin *o, const struct conn_hooks *hooks, void *owner)
{
	struct conn *c = o->idle;
	if (c == NULL)
		return NULL;
	unlink_idle(c);
	c->hooks = hooks;
	c->owner = owner;
	return c;
}

void conn_keep(struct conn *c)
{
	struct conn_origin *o = c->origin;
	if (o->idle_n >= CONNS_IDLE_PER_ORIGIN) {
		conn_close(c);
		return;
	}
	c->owner = NULL;
	c->idle_us = loop_now_us(c->pool->loop);
	c->prev = NULL;
	c->next = o->idle;
	if (o->idle != NULL)
		o->idle->prev = c;
	o->idle = c;
	o->idle_n++;
	conn_listen(c, EPOLLIN);
}

void conn_close(struct conn *c)
{
	if (c->asks != NULL)
		resolve_cancel(c->asks);
	if (c->owner == NULL)
		unlink_idle(c);
	if (c->fd >= 0)
		conn_listen(c, 0);
	let_go_of_curl(c);
	if (c->taken)
		close(c->fd);
	c->pool->conns--;
	free(c->why);
	free(c);
}

static void sweep(struct upstream_pool *p, int64_t before_us)
{
	struct conn_origin *empty[SWEEP_ORIGINS_MAX];
	size_t n = 0, it = 0;
	struct slice key;
	void *value;
	while (map_next(&p->origins, &it, &key, &value)) {
		struct conn_origin *o = value;
		for (struct conn *c = o->idle, *next; c != NULL; c = next) {
			next = c->next;
			if (c->idle_us < before_us)
				conn_close(c);
		}
		if (o->idle == NULL && o->used == 0 && n < SWEEP_ORIGINS_MAX)
			empty[n++] = o;
	}
	for (size_t i = 0; i < n; i++) {
		map_del(&p->origins, slice_of(empty[i]->name));
		free(empty[i]->name);
		free(empty[i]);
	}
}

static void on_sweep(void *arg)
{
	struct upstream_pool *p = arg;
	sweep(p, loop_now_us(p->loop) - CONN_IDLE_US);
	loop_timer_set(p->loop, &p->sweep, CONN_SWEEP_US, on_sweep, p);
}

// ---- bytes ----

static ssize_t send_tls(struct conn *c, struct slice s)
{
	size_t n = 0;
	CURLcode res = curl_easy_send(c->easy, s.p, s.n, &n);
	if (res == CURLE_AGAIN)
		return 0;
	return res == CURLE_OK ? (ssize_t)n : -1;
}

ssize_t conn_send(struct conn *c, struct slice a, struct slice b)
{
	if (c->tls) {
		ssize_t n = a.n > 0 ? send_tls(c, a) : 0;
		if (n < 0 || (size_t)n < a.n || b.n == 0)
			return n;
		ssize_t m = send_tls(c, b);
		return m < 0 ? -1 : n + m;
	}
	struct iovec iov[2] = {{(void *)a.p, a.n}, {(void *)b.p, b.n}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;
	do {
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	return n;
}

ssize_t conn_recv(struct conn *c, char *buf, size_t n, bool *ret_again)
{
	*ret_again = false;
	if (c->tls) {
		size_t got = 0;
		CURLcode res = curl_easy_recv(c->easy, buf, n, &got);
		*ret_again = res == CURLE_AGAIN;
		return res == CURLE_OK ? (ssize_t)got : *ret_again ? 0 : -1;
	}
	ssize_t got;
	do {
		got = recv(c->fd, buf, n, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN) {
		*ret_again = true;
		return 0;
	}
	return got;
}

// ---- the pool ----

static void curl_setup(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool conn_pool_open(struct upstream_pool *p)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, curl_setup);
	p->multi = curl_multi_init();
	if (p->multi == NULL)
		return false;
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
	curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)CONNS_MAX);
	p->buffer = mem_alloc(CONN_BUFFER);
	loop_timer_set(p->loop, &p->sweep, CONN_SWEEP_US, on_sweep, p);
	return true;
}

void conn_pool_close(struct upstream_pool *p)
{
	loop_timer_clear(p->loop, &p->sweep);
	while (p->origins.n > 0)
		sweep(p, INT64_MAX);
	map_release(&p->origins);
	if (p->multi != NULL)
		curl_multi_cleanup(p->multi);
	loop_timer_clear(p->loop, &p->timer);
	free(p->buffer);
}
