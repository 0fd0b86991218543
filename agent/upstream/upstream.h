// SPDX-License-Identifier: MIT
// Calls to upstreams over HTTP/1.1. libcurl does DNS, proxy, TLS and connect (CONNECT_ONLY in the
// loop's multi); framing, keep-alive pool, deadlines and byte limits are here. The dialled address
// is judged in the socket callback; redirects are never followed. An answer that is packed although
// identity was asked for is unpacked under the same limits. One pool per loop and per
// (origin, key): connections carrying different keys never mix.
#ifndef YJ_AGENT_UPSTREAM_UPSTREAM_H
#define YJ_AGENT_UPSTREAM_UPSTREAM_H

#include "agent/core/loop.h"
#include "shared/urlx.h"
#include "agent/core/settings.h"
#include "agent/state/live.h"
#include "shared/rows/vendors.h"

struct upstream_pool;
struct upcall; // one exchange

enum up_end { // how an exchange ended
	UP_OK, // complete answer
	UP_CONNECT, // could not connect (DNS, refused, TLS)
	UP_FORBIDDEN, // the dialled address is not allowed
	UP_TIMEOUT_CONNECT,
	UP_TIMEOUT_FIRST_BYTE,
	UP_TIMEOUT_IDLE,
	UP_TIMEOUT_SLOW, // what had begun came at less than agent/core/pace.h asks for
	UP_TIMEOUT_TOTAL,
	UP_RESET, // cut before the answer was complete
	UP_DEAD, // its probes found who is asked dead before the first byte came
	UP_BAD, // framing not understood
	UP_TOO_LARGE, // header or body beyond the limit
	UP_NO_ROOM, // nothing was sent: this agent can open no further connection
};

struct upstream_request {
	const struct url *url; // borrowed for the call's life
	const char *pool_key; // id of the vendor key or instance; borrowed
	const char *method, *path; // path with its prefix, e.g. "/v1/chat/completions"
	const char *headers; // ready "Name: value\r\n" lines from our own strings; borrowed
	const struct secret *auth; // NULL none; written as auth_style says, wiped once sent
	enum auth_style auth_style;
	const char *auth_header; // name, of AUTH_HEADER; borrowed
	struct slice body; // borrowed until done
	// Silence, slowness and length apart (slowness: agent/core/pace.h). first_byte_ms: from the request
	// on to the first byte of a whole answer that is not white space, or to a stream's head. wait_ms: a
	// stream's silence before its head; idle_ms: silence in an answer that has begun, which in a stream
	// every byte ends. total_ms: the whole exchange. 0: none.
	int64_t connect_ms, first_byte_ms, wait_ms, idle_ms, total_ms;
	size_t body_max; // answer bytes; beyond: UP_TOO_LARGE
	bool stream; // deliver as it comes; otherwise the whole body at once
	bool once; // what is paid for: always a fresh connection, so that it is never sent again
	bool public_only; // an address somebody else wrote: none of this network
	bool near_only; // a name given by who may not name public addresses: none of those
	bool background; // no traffic: its name is looked up behind those of requests
	bool vendor_key; // plain http to a public address is refused
	// Of an instance: when its probes find it dead before the first byte came, the exchange ends
	// (UP_DEAD). NULL none; borrowed for the call's life.
	const struct live *live;
	uint64_t life;
};

struct upstream_response { // valid during callbacks only
	int status;
	// retry_after: in seconds with a fraction when the server said milliseconds, too.
	struct slice content_type, retry_after, location, request_id;
	const struct upstream_header *headers;
	size_t headers_n;
	bool reused; // on a kept connection
	int64_t connect_us, ttfb_us; // since start
};
struct upstream_header {
	struct slice name, value;
};

struct upstream_callbacks {
	// Status and headers are in. Returning false aborts quietly (done is not called).
	bool (*head)(void *arg, const struct upstream_response *res);
	// Decoded body bytes, when stream. Return false to abort.
	bool (*data)(void *arg, struct slice bytes);
	// The end. body is the whole answer when not stream. err carries the text for logs.
	void (*done)(void *arg, enum up_end end, const struct upstream_response *res,
		struct slice body, const struct err *err);
	// When stream, after data: which event or document stands unfinished, any number that is
	// another for another one; 0 none. Such a one has to come at agent/core/pace.h's pace. NULL: none.
	// Whole answers are one document, from its first byte that is not white space.
	uint64_t (*unfinished)(void *arg);
};

struct upstream_pool *upstream_pool_new(struct loop *l, const struct settings *s);
void upstream_pool_free(struct upstream_pool *p);
// The bound ports of this agent (SVC_COUNT of them, borrowed): dialling one on loopback is refused.
void upstream_own_ports(struct upstream_pool *p, const int *ports);
// Never fails at once: errors arrive through done (on a later turn). What the request points to is
// borrowed until then.
struct upcall *upstream_start(struct upstream_pool *p, const struct upstream_request *req,
	const struct upstream_callbacks *cb, void *arg);
// Closes the connection at once; no callback runs after it returns.
void upcall_abort(struct upcall *c);
// Stops and resumes reading (backpressure).
void upcall_pause(struct upcall *c, bool pause);
const char *up_end_name(enum up_end e);
enum up_end up_end_of(struct slice name); // UP_RESET for one that there is not
// What failed, for an attempt that ended so; UP_OK: the answer was complete but not what was asked for.
enum err_code up_end_code(enum up_end e);

#endif
