// SPDX-License-Identifier: MIT
// Connections to upstreams, kept alive per (origin, key). libcurl resolves, connects and does TLS
// (CONNECT_ONLY in the loop's multi). A plain connection is then taken over as a socket; a TLS one
// stays in the multi, where curl_easy_send and curl_easy_recv reach it. The dialled address is
// judged in the socket callback. Private to agent/upstream/upstream.
#ifndef YJ_AGENT_UPSTREAM_CONN_H
#define YJ_AGENT_UPSTREAM_CONN_H

#include <sys/types.h>
#include "agent/core/loop.h"
#include "shared/urlx.h"
#include "agent/upstream/resolve.h"
#include "agent/core/settings.h"
#include "shared/map.h"

#define CONNS_MAX 8192 // per loop, busy and idle
#define CONNS_IDLE_PER_ORIGIN 4096 // a crowd that ebbs finds its connections again
#define CONN_IDLE_US INT64_C(55000000) // below the 60 s at which most servers close
#define CONN_SWEEP_US INT64_C(5000000)
#define CONN_BUFFER (64 * 1024)

struct conn_origin {
	char *name; // owned: the map's key
	struct conn *idle; // most recently used first
	size_t idle_n, used;
};

struct conn_hooks {
	// Connected (ERR_OK) or not: the connection is gone then, `why` is for logs.
	void (*opened)(void *owner, enum err_code code, const char *why);
	void (*ready)(void *owner, uint32_t events);
};

struct conn_may { // which addresses a connection may be made to, whatever its name says
	bool secret; // plain http to a public address is refused
	bool public_only; // nothing of this network
	bool near_only; // nothing but that
	bool background; // is looked up behind what is traffic
};

struct conn {
	struct upstream_pool *pool;
	struct conn_origin *origin;
	struct resolve_ask *asks; // for the addresses of its name; NULL once they are known
	const struct url *url; // the owner's; while it is connecting
	void *addresses; // struct curl_slist *, of the easy handle
	void *easy; // CURL *; NULL once a plain socket was taken over
	int fd; // -1 until connected
	bool tls, taken;
	struct conn_may may;
	bool connecting; // by ourselves, without libcurl
	struct loop_watch watch;
	struct conn *prev, *next; // idle list
	int64_t idle_us;
	enum err_code refused; // why the dialled address was; ERR_OVERLOADED: no socket left
	const struct conn_hooks *hooks;
	void *owner; // NULL while idle
	char *why; // CURL_ERROR_SIZE bytes while connecting
};

struct upcall;

struct upstream_pool {
	struct loop *loop;
	const struct settings *settings;
	const int *own_ports; // SVC_COUNT of them, NULL: none known
	void *multi; // CURLM *
	struct loop_timer timer, sweep;
	struct map origins; // "origin\npool key" → struct conn_origin
	size_t conns;
	char *buffer; // CONN_BUFFER bytes all reads of this loop go through
	struct upcall *calls, *spare; // agent/upstream/upstream's
	size_t spare_n;
};

bool conn_pool_open(struct upstream_pool *p);
// Every call must be over.
void conn_pool_close(struct upstream_pool *p);
// Counts one use of the bucket until conn_origin_drop.
struct conn_origin *conn_origin_take(struct upstream_pool *p, const struct url *url,
	const char *pool_key);
void conn_origin_drop(struct conn_origin *o);
// The connection used last, or NULL. It belongs to the owner now.
struct conn *conn_take(struct conn_origin *o, const struct conn_hooks *hooks, void *owner);
// Begins to connect; opened() is called later, never from here. NULL: no room.
struct conn *conn_open(struct upstream_pool *p, struct conn_origin *o, const struct url *url,
	struct conn_may may, const struct conn_hooks *hooks, void *owner);
// Hands an unharmed connection back for the next request.
void conn_keep(struct conn *c);
// Closes at once, in whatever state.
void conn_close(struct conn *c);
// Sends from a, then b. Bytes taken, 0 when it would block, -1 when the connection is dead.
ssize_t conn_send(struct conn *c, struct slice a, struct slice b);
// Bytes read, 0 at the end, -1 when dead; *ret_again when there is nothing now (returns 0).
ssize_t conn_recv(struct conn *c, char *buf, size_t n, bool *ret_again);
void conn_listen(struct conn *c, uint32_t events);

#endif
