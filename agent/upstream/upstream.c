// SPDX-License-Identifier: MIT
// One exchange from the written head to the last byte: each call has one timer for all its deadlines,
// and is sent again, once, when a kept connection turns out to be dead.
#include "agent/upstream/upstream.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "agent/upstream/h1.h"
#include "agent/core/pace.h"
#include "agent/core/unpack.h"
#include "agent/upstream/conn.h"
#include "shared/mem.h"
#include "shared/num.h"

#define CONNECT_MS 3000 // when the request says none
#define LOOK_US INT64_C(500000) // between looks whether probes found it dead
// A server whose patience with a kept connection ran out closes it without having read the request: its
// close crosses it on the way. Later ones may have worked for it.
#define CROSSING_US INT64_C(100000)
#define READS_MAX 4 // buffers read from a plain connection before others have their turn
#define SPARE_MAX 512 // finished calls kept for their buffers
#define SPARE_BYTES_MAX (64 * 1024) // larger buffers are not kept

struct upcall {
	struct upcall *prev, *next; // of the pool's calls; next alone among the spare
	struct upstream_pool *pool;
	struct upstream_request req;
	struct upstream_callbacks cb;
	void *arg;
	struct conn_origin *origin;
	struct conn *conn;
	struct loop_timer timer;
	struct h1 h1;
	struct str out; // request head with the credential: wiped once sent
	size_t sent; // of head and body
	struct str body; // collected answer when not streaming
	struct slice whole; // answer that stands in the read buffer as it is
	size_t got; // body bytes, unpacked
	struct unpack *unpack; // of a packed answer; NULL none
	struct str plain; // of a packed stream: what the last bytes unpacked to
	char retry_after[32];
	int64_t start_us, connected_us, last_us;
	int64_t sent_us; // when all of the request was; 0 not yet
	struct pace pace; // of what has begun and is not complete
	uint64_t unfinished; // which it is; 0 none
	struct upstream_response res;
	struct err err;
	enum err_code failed; // to be told on a later turn
	bool reused, fresh_only, began, have_head, paused, in_callback, dead;
	bool was_critical; // what is asked, when this began
};
_Static_assert(sizeof(struct upstream_header) == sizeof(struct h1_header), "shown as it is");

static void on_opened(void *owner, enum err_code code, const char *why);
static void on_ready(void *owner, uint32_t events);
static const struct conn_hooks hooks = {on_opened, on_ready};

static const struct {
	const char *name;
	enum err_code code;
} ends[] = {
	[UP_OK] = {"ok", ERR_UPSTREAM_BAD_RESPONSE},
	[UP_CONNECT] = {"connect_failed", ERR_UNREACHABLE},
	[UP_FORBIDDEN] = {"address_forbidden", ERR_UPSTREAM_URL_FORBIDDEN},
	[UP_TIMEOUT_CONNECT] = {"connect_timeout", ERR_UPSTREAM_TIMEOUT},
	[UP_TIMEOUT_FIRST_BYTE] = {"first_byte_timeout", ERR_UPSTREAM_TIMEOUT},
	[UP_TIMEOUT_IDLE] = {"idle_timeout", ERR_UPSTREAM_TIMEOUT},
	[UP_TIMEOUT_SLOW] = {"too_slow", ERR_UPSTREAM_TIMEOUT},
	[UP_TIMEOUT_TOTAL] = {"total_timeout", ERR_UPSTREAM_TIMEOUT},
	[UP_RESET] = {"reset", ERR_UNREACHABLE},
	[UP_DEAD] = {"found_dead", ERR_UNREACHABLE},
	[UP_BAD] = {"bad_response", ERR_UPSTREAM_BAD_RESPONSE},
	[UP_TOO_LARGE] = {"too_large", ERR_UPSTREAM_TOO_LARGE},
	[UP_NO_ROOM] = {"no_room", ERR_OVERLOADED},
};

const char *up_end_name(enum up_end e)
{
	return ends[e].name;
}

enum up_end up_end_of(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (slice_eq_str(name, ends[i].name))
			return (enum up_end)i;
	return UP_RESET;
}

enum err_code up_end_code(enum up_end e)
{
	return ends[e].code;
}

// ---- life of a call ----

static struct upcall *call_new(struct upstream_pool *p)
{
	struct upcall *c = p->spare;
	if (c != NULL) {
		p->spare = c->next;
		p->spare_n--;
	} else {
		c = mem_zalloc(1, sizeof(*c));
	}
	h1_reset(&c->h1);
	c->conn = NULL;
	c->timer = (struct loop_timer){0};
	c->sent = c->got = 0;
	c->whole = (struct slice){NULL, 0};
	c->connected_us = c->sent_us = 0;
	c->unpack = NULL;
	pace_end(&c->pace);
	c->unfinished = 0;
	c->res = (struct upstream_response){0};
	c->err.code = c->failed = ERR_OK;
	c->err.field[0] = c->err.message[0] = c->err.hint[0] = '\0';
	c->reused = c->fresh_only = c->began = c->have_head = c->paused = false;
	c->in_callback = c->dead = false;
	c->pool = p;
	c->prev = NULL;
	c->next = p->calls;
	if (p->calls != NULL)
		p->calls->prev = c;
	p->calls = c;
	return c;
}

static void keep_small(struct str *s)
{
	if (s->cap > SPARE_BYTES_MAX)
		str_release(s);
	else
		str_clear(s);
}

static void call_delete(struct upcall *c)
{
	h1_release(&c->h1);
	str_release(&c->out);
	str_release(&c->body);
	str_release(&c->plain);
	free(c);
}

static void call_free(struct upcall *c)
{
	struct upstream_pool *p = c->pool;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		p->calls = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	if (p->spare_n >= SPARE_MAX) {
		call_delete(c);
		return;
	}
	keep_small(&c->h1.head);
	keep_small(&c->out);
	keep_small(&c->body);
	keep_small(&c->plain);
	c->next = p->spare;
	p->spare = c;
	p->spare_n++;
}

static void wipe_head(struct upcall *c)
{
	if (c->req.auth != NULL && c->out.n > 0)
		secret_wipe(c->out.p, c->out.n);
	str_clear(&c->out);
}

// Gives back all but the memory. The connection is closed unless it was kept before.
static void call_detach(struct upcall *c)
{
	loop_timer_clear(c->pool->loop, &c->timer);
	wipe_head(c);
	if (c->conn != NULL)
		conn_close(c->conn);
	c->conn = NULL;
	unpack_free(c->unpack);
	c->unpack = NULL;
	conn_origin_drop(c->origin);
}

static void call_end(struct upcall *c, enum up_end end)
{
	struct slice body = c->whole.p != NULL ? c->whole : str_slice(&c->body);
	call_detach(c);
	c->dead = true;
	c->cb.done(c->arg, end, &c->res, body, &c->err);
	call_free(c);
}

void upcall_abort(struct upcall *c)
{
	if (c->dead)
		return;
	c->dead = true;
	call_detach(c);
	if (!c->in_callback)
		call_free(c); // otherwise by who called back
}

static void fail(struct upcall *c, enum up_end end, enum err_code code, const char *why)
{
	err_set(&c->err, code, "%s", why);
	call_end(c, end);
}

// ---- deadlines: one timer, set again only when the deadline comes nearer ----

static int64_t later_of(int64_t from_us, int64_t ms)
{
	return ms > 0 ? from_us + ms * 1000 : INT64_MAX;
}

// A whole answer begins with its document, a stream with its head.
static bool answering(const struct upcall *c)
{
	return c->have_head && (c->req.stream || c->unfinished != 0);
}

static int64_t deadline(const struct upcall *c, enum up_end *ret_end)
{
	int64_t at, total = later_of(c->start_us, c->req.total_ms);
	if (c->connected_us == 0) {
		at = later_of(c->start_us, c->req.connect_ms > 0 ? c->req.connect_ms : CONNECT_MS);
		*ret_end = UP_TIMEOUT_CONNECT;
	} else if (!answering(c)) {
		int64_t silence = c->req.stream ? later_of(c->connected_us, c->req.wait_ms)
						: INT64_MAX;
		at = later_of(c->connected_us, c->req.first_byte_ms);
		*ret_end = silence < at ? UP_TIMEOUT_IDLE : UP_TIMEOUT_FIRST_BYTE;
		at = MIN_OF(at, silence);
	} else {
		int64_t pace = c->paused ? INT64_MAX : pace_due_us(&c->pace);
		at = c->paused ? INT64_MAX : later_of(c->last_us, c->req.idle_ms);
		*ret_end = pace < at ? UP_TIMEOUT_SLOW : UP_TIMEOUT_IDLE;
		at = MIN_OF(at, pace);
	}
	if (total >= at)
		return at;
	*ret_end = UP_TIMEOUT_TOTAL;
	return total;
}

static bool looked_at(const struct upcall *c)
{
	return c->req.live != NULL && c->got == 0 && !c->was_critical;
}

static bool found_dead(const struct upcall *c)
{
	return looked_at(c) && atomic_load(&c->req.live->health) == HEALTH_CRITICAL &&
		live_match(c->req.live, c->req.life) != LIVE_OTHER_ADDRESS;
}

// When to look next, for whatever reason; INT64_MAX never.
static int64_t look_at(const struct upcall *c, int64_t now)
{
	enum up_end end;
	int64_t at = deadline(c, &end);
	return looked_at(c) ? MIN_OF(at, now + LOOK_US) : at;
}

static void on_deadline(void *arg)
{
	struct upcall *c = arg;
	enum up_end end;
	int64_t now = loop_now_us(c->pool->loop);
	bool slow = !c->paused && pace_slow(&c->pace, now);
	int64_t at = deadline(c, &end);
	if (c->failed != ERR_OK)
		call_end(c, UP_NO_ROOM);
	else if (slow)
		fail(c, UP_TIMEOUT_SLOW, ERR_UPSTREAM_TIMEOUT, ends[UP_TIMEOUT_SLOW].name);
	else if (at <= now)
		fail(c, end, ERR_UPSTREAM_TIMEOUT, ends[end].name);
	else if (found_dead(c))
		fail(c, UP_DEAD, ERR_UNREACHABLE, "its probes found it dead");
	else if ((at = look_at(c, now)) != INT64_MAX)
		loop_timer_set(c->pool->loop, &c->timer, at - now, on_deadline, c);
}

static void watch_deadline(struct upcall *c)
{
	int64_t now = loop_now_us(c->pool->loop), at = look_at(c, now);
	if (at == INT64_MAX || (c->timer.slot != 0 && c->timer.due_us <= at))
		return;
	loop_timer_set(c->pool->loop, &c->timer, at - now, on_deadline, c);
}

// ---- the request ----

static void add_auth(struct str *s, enum auth_style style, const char *header, struct slice key)
{
	if (style == AUTH_BEARER) {
		str_add_slice(s, SLICE("Authorization: Bearer "));
		str_add_slice(s, key);
	} else if (style == AUTH_X_API_KEY) {
		str_add_slice(s, SLICE("x-api-key: "));
		str_add_slice(s, key);
	} else if (style == AUTH_HEADER) {
		str_add(s, header);
		str_add_slice(s, SLICE(": "));
		str_add_slice(s, key);
	} else {
		str_add_slice(s, SLICE("Authorization: Basic "));
		str_add_base64(s, key);
	}
	str_add_slice(s, SLICE("\r\n"));
}

// Room first: a buffer that grows would leave a copy of the credential behind.
static void write_head(struct upcall *c)
{
	const struct upstream_request *q = &c->req;
	struct slice key = q->auth != NULL ? secret_bytes(q->auth) : (struct slice){NULL, 0};
	struct str *s = &c->out;
	str_clear(s);
	str_reserve(s,
		256 + strlen(q->path) + strlen(q->url->host) + 2 * key.n +
			(q->auth_header != NULL ? strlen(q->auth_header) : 0) +
			(q->headers != NULL ? strlen(q->headers) : 0));
	str_add(s, q->method);
	str_add_c(s, ' ');
	str_add(s, q->path);
	str_add_slice(s, SLICE(" HTTP/1.1\r\n"));
	bool v6 = strchr(q->url->host, ':') != NULL;
	str_add_slice(s, SLICE("Host: "));
	str_add(s, v6 ? "[" : "");
	str_add(s, q->url->host);
	str_add(s, v6 ? "]" : "");
	if (q->url->port != (q->url->tls ? 443 : 80)) {
		str_add_c(s, ':');
		str_add_i64(s, q->url->port);
	}
	// Without it any coding may come (RFC 9110, 12.5.3).
	str_add_slice(s, SLICE("\r\nAccept-Encoding: identity\r\n"));
	if (q->headers != NULL)
		str_add(s, q->headers);
	if (key.n > 0 && q->auth_style != AUTH_NONE)
		add_auth(s, q->auth_style, q->auth_header, key);
	if (q->body.n > 0 || strcmp(q->method, "GET") != 0) {
		str_add_slice(s, SLICE("Content-Length: "));
		str_add_i64(s, (int64_t)q->body.n);
		str_add_slice(s, SLICE("\r\n"));
	}
	str_add_slice(s, SLICE("\r\n"));
	c->sent = 0;
	c->sent_us = 0;
}

static bool all_sent(const struct upcall *c)
{
	return c->out.n == 0 && c->sent >= c->req.body.n;
}

// False when the connection is dead. Sent bytes are counted over the head, then over the body.
static bool send_some(struct upcall *c)
{
	while (!all_sent(c)) {
		struct slice head = {NULL, 0}, body = c->req.body;
		if (c->out.n > 0)
			head = (struct slice){c->out.p + c->sent, c->out.n - c->sent};
		else
			body = (struct slice){body.p + c->sent, body.n - c->sent};
		ssize_t n = conn_send(c->conn, head, body);
		if (n < 0)
			return false;
		if (n == 0) {
			conn_listen(c->conn, EPOLLIN | EPOLLOUT);
			return true;
		}
		if ((size_t)n < head.n) {
			c->sent += (size_t)n;
		} else if (c->out.n > 0) {
			wipe_head(c);
			c->sent = (size_t)n - head.n;
		} else {
			c->sent += (size_t)n;
		}
	}
	c->sent_us = loop_now_us(c->pool->loop);
	conn_listen(c->conn, EPOLLIN);
	return true;
}

static void dial(struct upcall *c)
{
	const struct conn_may may = {.secret = c->req.vendor_key,
		.public_only = c->req.public_only,
		.near_only = c->req.near_only,
		.background = c->req.background};
	c->conn = conn_open(c->pool, c->origin, c->req.url, may, &hooks, c);
	if (c->conn != NULL)
		return;
	c->failed = err_set(&c->err, ERR_OVERLOADED, "no room for another upstream connection");
	loop_timer_set(c->pool->loop, &c->timer, 0, on_deadline, c);
}

// A kept connection may have been closed by the server just now: then the request was not read, and
// goes out again, once, on a new one. Not when the server may have worked for it, which would be paid
// twice. True when it does.
static bool again_on_fresh(struct upcall *c)
{
	if (!c->reused || c->fresh_only || c->began)
		return false;
	if (c->sent_us != 0 && loop_now_us(c->pool->loop) - c->sent_us > CROSSING_US)
		return false;
	conn_close(c->conn);
	c->conn = NULL;
	c->fresh_only = true;
	c->reused = false;
	c->connected_us = 0;
	write_head(c);
	dial(c);
	watch_deadline(c);
	return true;
}

static void lost(struct upcall *c, const char *why)
{
	if (!again_on_fresh(c))
		fail(c, UP_RESET, ERR_UNREACHABLE, why);
}

static void on_opened(void *owner, enum err_code code, const char *why)
{
	struct upcall *c = owner;
	if (code != ERR_OK) {
		c->conn = NULL;
		fail(c,
			code == ERR_UNREACHABLE		 ? UP_CONNECT
				: code == ERR_OVERLOADED ? UP_NO_ROOM
							 : UP_FORBIDDEN,
			code, why);
		return;
	}
	c->connected_us = loop_now_us(c->pool->loop);
	c->res.connect_us = c->connected_us - c->start_us;
	watch_deadline(c);
	if (!send_some(c))
		lost(c, "the connection broke while the request was sent");
}

// ---- the answer ----

// False when the call ends here: the callback said so, or aborted it.
static bool called_back(struct upcall *c, bool go_on)
{
	c->in_callback = false;
	if (!go_on && !c->dead) {
		c->dead = true;
		call_detach(c);
	}
	return !c->dead;
}

// The finer field first (OpenAI, Azure), as seconds with a fraction.
static struct slice retry_after(struct upcall *c)
{
	struct slice ms = {NULL, 0};
	if (UNLIKELY(c->h1.status >= 400))
		ms = h1_header(&c->h1, "retry-after-ms");
	if (UNLIKELY(c->h1.status >= 400) && ms.p == NULL)
		ms = h1_header(&c->h1, "x-ms-retry-after-ms");
	if (LIKELY(ms.p == NULL))
		return h1_header(&c->h1, "retry-after");
	struct slice whole = slice_cut(&ms, '.');
	int64_t n;
	if (!num_i64(slice_trim(whole), 0, INT32_MAX, &n))
		return h1_header(&c->h1, "retry-after");
	int len = snprintf(c->retry_after, sizeof(c->retry_after), "%d.%03d", (int)(n / 1000),
		(int)(n % 1000));
	return (struct slice){c->retry_after, (size_t)len};
}

static bool deliver_head(struct upcall *c)
{
	struct upstream_response *r = &c->res;
	r->status = c->h1.status;
	r->content_type = h1_header(&c->h1, "content-type");
	r->retry_after = retry_after(c);
	r->location = h1_header(&c->h1, "location");
	r->request_id = h1_header(&c->h1, "x-request-id");
	r->headers = (const struct upstream_header *)(const void *)c->h1.headers;
	r->headers_n = c->h1.headers_n;
	r->reused = c->reused;
	r->ttfb_us = loop_now_us(c->pool->loop) - c->start_us;
	c->have_head = true;
	if (c->cb.head == NULL)
		return true;
	c->in_callback = true;
	return called_back(c, c->cb.head(c->arg, r));
}

static bool deliver_data(struct upcall *c, struct slice bytes)
{
	c->in_callback = true;
	return called_back(c, c->cb.data(c->arg, bytes));
}

// What was shown in the read buffer is kept: that is about to be read into again, or more comes.
static void settle_body(struct upcall *c)
{
	if (c->whole.p == NULL)
		return;
	if (c->h1.has_length)
		str_reserve(&c->body, (size_t)c->h1.length);
	str_add_slice(&c->body, c->whole);
	c->whole = (struct slice){NULL, 0};
}

// Most answers come in one piece: then the body is shown where it was read.
static void collect(struct upcall *c, struct slice bytes)
{
	if (c->body.n == 0 && c->whole.p == NULL) {
		c->whole = bytes;
		return;
	}
	settle_body(c);
	str_add_slice(&c->body, bytes);
}

// No coding was asked for; what can be read is read all the same. False when it cannot.
static bool read_coding(struct upcall *c)
{
	struct slice said = h1_header(&c->h1, "content-encoding");
	if (LIKELY(said.p == NULL))
		return true;
	enum coding coding = slice_ieq_str(slice_trim(said), "deflate") ? CODING_DEFLATE
									: coding_read(said);
	if (coding == CODING_OTHER)
		return false;
	if (coding != CODING_NONE) {
		size_t max = c->req.body_max > 0 ? c->req.body_max : SIZE_MAX / 2;
		unpack_free(c->unpack);
		c->unpack = unpack_new(coding, -1, max);
	}
	return true;
}

static void complete(struct upcall *c, bool clean)
{
	if (UNLIKELY(c->unpack != NULL) && unpack_end(c->unpack, &c->err) != ERR_OK) {
		fail(c, UP_BAD, ERR_UPSTREAM_BAD_RESPONSE, "the packed answer is not complete");
		return;
	}
	// A call that is sent once never takes a kept one: of all that it leaves behind one may be of use.
	bool one_more = !c->req.once || c->conn->origin->idle_n == 0;
	if (clean && c->h1.keep_alive && all_sent(c) && one_more) {
		conn_keep(c->conn);
		c->conn = NULL;
	}
	call_end(c, UP_OK);
}

static bool too_much(const struct upcall *c)
{
	return c->req.body_max > 0 &&
		(c->got > c->req.body_max || (c->h1.has_length && c->h1.length > c->req.body_max));
}

// Takes bytes of the body as they came; false when the call is over and gone.
static bool take_body(struct upcall *c, struct slice data)
{
	size_t n = data.n; // on the wire, which its pace is measured by
	if (UNLIKELY(c->unpack != NULL)) {
		struct str *to = c->req.stream ? &c->plain : &c->body;
		struct err err = {0};
		if (c->req.stream)
			str_clear(to);
		size_t before = to->n;
		enum err_code code = unpack_part(c->unpack, data, to, &err);
		if (code) {
			bool large = code == ERR_BODY_TOO_LARGE;
			fail(c, large ? UP_TOO_LARGE : UP_BAD,
				large ? ERR_UPSTREAM_TOO_LARGE : ERR_UPSTREAM_BAD_RESPONSE,
				err.message);
			return false;
		}
		data = (struct slice){to->p + before, to->n - before};
	} else if (!c->req.stream) {
		collect(c, data);
	}
	c->got += data.n;
	if (c->req.stream && data.n > 0 && !too_much(c) && !deliver_data(c, data)) {
		call_free(c);
		return false;
	}
	// What these bytes belong to, as the receiver sees it once it has them; n of them were
	// sent.
	uint64_t which = 0;
	if (c->cb.unfinished != NULL)
		which = c->cb.unfinished(c->arg);
	else if (!c->req.stream) // white space before the document keeps the line open
		which = c->unfinished != 0 || slice_trim(data).n > 0;
	if (which == 0)
		pace_end(&c->pace);
	else if (which != c->unfinished)
		pace_begin(&c->pace, loop_now_us(c->pool->loop));
	else
		pace_add(&c->pace, n);
	c->unfinished = which;
	return true;
}

// Reads what is in the buffer. False when the call is over (and gone).
static bool digest(struct upcall *c, struct slice in)
{
	struct slice data;
	for (;;) {
		enum h1_step step = h1_next(&c->h1, &in, &data);
		switch (step) {
		case H1_MORE:
			return true;
		case H1_HEAD:
			if (!read_coding(c)) {
				fail(c, UP_BAD, ERR_UPSTREAM_BAD_RESPONSE,
					"the answer is packed in a way that was not asked for");
				return false;
			}
			if (!deliver_head(c)) {
				call_free(c);
				return false;
			}
			break;
		case H1_DATA:
			if (!take_body(c, data))
				return false;
			break;
		case H1_DONE:
			complete(c, in.n == 0);
			return false;
		case H1_TOO_LARGE:
			fail(c, UP_TOO_LARGE, ERR_UPSTREAM_TOO_LARGE,
				"the answer's head is too large");
			return false;
		case H1_BAD:
			fail(c, UP_BAD, ERR_UPSTREAM_BAD_RESPONSE,
				"the answer is not proper HTTP/1.1");
			return false;
		}
		if (c->have_head && too_much(c)) {
			fail(c, UP_TOO_LARGE, ERR_UPSTREAM_TOO_LARGE, "the answer is too large");
			return false;
		}
	}
}

static void on_eof(struct upcall *c)
{
	if (c->began && h1_eof(&c->h1) == H1_DONE)
		complete(c, false);
	else
		lost(c,
			c->began ? "the connection was cut before the answer was complete"
				 : "the connection was closed without an answer");
}

// False when the call is over or has no more to read for now.
static bool read_once(struct upcall *c)
{
	struct upstream_pool *p = c->pool;
	bool again, tls = c->conn->tls;
	ssize_t n = conn_recv(c->conn, p->buffer, CONN_BUFFER, &again);
	if (again)
		return false;
	if (n <= 0) {
		if (n < 0)
			lost(c, "the connection broke");
		else
			on_eof(c);
		return false;
	}
	c->began = true;
	c->last_us = loop_now_us(p->loop);
	if (!digest(c, (struct slice){p->buffer, (size_t)n}))
		return false;
	settle_body(c);
	watch_deadline(c);
	// TLS may hold bytes that the socket does not announce: read until there are none.
	return !c->paused && (tls || n == CONN_BUFFER);
}

static void read_on(struct upcall *c)
{
	bool tls = c->conn->tls;
	for (int i = 0; (tls || i < READS_MAX) && read_once(c); i++)
		continue;
}

static void on_ready(void *owner, uint32_t events)
{
	struct upcall *c = owner;
	if ((events & EPOLLOUT) && !send_some(c)) {
		lost(c, "the connection broke while the request was sent");
		return;
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		read_on(c);
}

// ---- the interface ----

struct upcall *upstream_start(struct upstream_pool *p, const struct upstream_request *req,
	const struct upstream_callbacks *cb, void *arg)
{
	struct upcall *c = call_new(p);
	c->req = *req;
	c->cb = *cb;
	c->arg = arg;
	c->start_us = c->last_us = loop_now_us(p->loop);
	c->origin = conn_origin_take(p, req->url, req->pool_key);
	c->was_critical = req->live != NULL && atomic_load(&req->live->health) == HEALTH_CRITICAL;
	write_head(c);
	c->conn = req->once ? NULL : conn_take(c->origin, &hooks, c);
	if (c->conn == NULL) {
		dial(c);
	} else {
		c->reused = true;
		c->connected_us = c->start_us;
		// What cannot be sent here tells itself on a later turn, when the socket is read.
		if (!send_some(c))
			again_on_fresh(c);
	}
	watch_deadline(c);
	return c;
}

static void on_resume(void *arg)
{
	struct upcall *c = arg;
	watch_deadline(c);
	if (!c->paused)
		read_on(c);
}

void upcall_pause(struct upcall *c, bool pause)
{
	if (c->dead || c->conn == NULL || c->paused == pause)
		return;
	c->paused = pause;
	conn_listen(c->conn, (pause ? 0 : EPOLLIN) | (all_sent(c) ? 0 : (uint32_t)EPOLLOUT));
	if (pause)
		return;
	c->last_us = loop_now_us(c->pool->loop);
	if (c->unfinished != 0)
		pace_begin(&c->pace, c->last_us);
	if (c->conn->tls) // what TLS holds back is not announced by the socket
		loop_timer_set(c->pool->loop, &c->timer, 0, on_resume, c);
	else
		watch_deadline(c);
}

struct upstream_pool *upstream_pool_new(struct loop *l, const struct settings *s)
{
	struct upstream_pool *p = mem_zalloc(1, sizeof(*p));
	p->loop = l;
	p->settings = s;
	if (conn_pool_open(p))
		return p;
	free(p);
	return NULL;
}

void upstream_own_ports(struct upstream_pool *p, const int *ports)
{
	p->own_ports = ports;
}

void upstream_pool_free(struct upstream_pool *p)
{
	if (p == NULL)
		return;
	while (p->calls != NULL)
		upcall_abort(p->calls);
	conn_pool_close(p);
	while (p->spare != NULL) {
		struct upcall *c = p->spare;
		p->spare = c->next;
		call_delete(c);
	}
	free(p);
}
