// SPDX-License-Identifier: MIT
// The way of a request to its handler: framing, route, load, caller, length, body, parameters, in this
// order, so that nothing is read or held for who may not ask.
#include "agent/web/private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/multipart.h"
#include "shared/num.h"
#include "shared/text.h"

#define HOPS_MAX 3

static const char *const other_methods[] = {"OPTIONS", "TRACE", "CONNECT"};

// HTTP_METHODS: a known one that no endpoint has; -1: unknown.
static int method_of(struct slice text, bool *ret_head)
{
	*ret_head = slice_eq_str(text, "HEAD");
	if (*ret_head)
		return HTTP_GET;
	for (int m = 0; m < HTTP_METHODS; m++)
		if (slice_eq_str(text, method_names[m]))
			return m;
	for (size_t i = 0; i < ARRAY_LEN(other_methods); i++)
		if (slice_eq_str(text, other_methods[i]))
			return HTTP_METHODS;
	return -1;
}

static __attribute__((noinline)) void certificate_of(struct req *r, struct tls *t,
	struct auth_call *ret)
{
	const struct tls_caller *caller = tls_caller(t, ret->now_wall_ms);
	ret->certificate_shown = caller->shown;
	if (caller->who == NULL)
		return;
	ret->certificate = caller->who;
	ret->certificate_id = caller->id;
	ret->certificate_subject = arena_strdup(&r->arena,
		caller->subject); // outlives the connection
}

// Everything the verdict depends on. Addresses are asked of the kernel only where they matter: a
// token may be bound to networks, a trusted peer may call us by our address.
static void auth_call_of(struct web_req *q, struct auth_call *ret, struct sockaddr_storage *peer,
	char ip[48])
{
	const struct slice *h = q->guard.h;
	const struct web *w = q->conn->web;
	struct sockaddr_storage ss FILLED_LATER;
	socklen_t len = sizeof(ss), peer_len = sizeof(*peer);
	*ret = (struct auth_call){.ep = q->r.ep,
		.kind = q->conn->kind,
		.peer_trust = q->r.agent->settings->peer_trust,
		.gateway_public = w->gateway_public,
		.forwarded = q->guard.forwarded,
		.host = h[GH_HOST],
		.origin = h[GH_ORIGIN],
		.origin_listed = q->origin != NULL,
		.fetch_site = h[GH_SEC_FETCH_SITE],
		.authorization = h[GH_AUTHORIZATION],
		.api_key = h[GH_X_API_KEY],
		.snap = snapshots_now(q->r.agent->snaps),
		.seal = store_seal(q->r.agent->store),
		.memo = w->memo,
		.now_wall_ms = loop_wall_ms(q->r.loop)};
	if (UNLIKELY(q->conn->tls != NULL))
		certificate_of(&q->r, q->conn->tls, ret);
	if (ret->authorization.p != NULL && q->r.ep->may != MAY_CALL &&
		q->conn->kind != PEER_UNIX &&
		getpeername(q->conn->fd, (struct sockaddr *)peer, &peer_len) == 0)
		ret->peer = (struct sockaddr *)peer;
	if (q->conn->kind != PEER_TRUSTED ||
		getsockname(q->conn->fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	if (ss.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&ss)->sin_addr, ip, 48);
	else if (ss.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&ss)->sin6_addr, ip, 48);
	else
		return;
	ret->local_ip = slice_of(ip);
}

static unsigned services_of(const struct conn *c)
{
	if (c->service == SVC_API_GATEWAY && c->mounts_all)
		return ~0u;
	return 1u << c->service;
}

// The row and what its parameters say; ERR_OK or why not.
static enum err_code route(struct web_req *q)
{
	int m = method_of(q->head.method, &q->is_head);
	if (m < 0)
		return ERR_METHOD_UNKNOWN;
	q->r.method = m < HTTP_METHODS ? (enum http_method)m : HTTP_GET;
	match_path(q->conn->web->tree, q->r.path, q->r.method, services_of(q->conn), &q->match);
	bool data = q->match.ep != NULL && (q->match.ep->flags & EPF_NAMES);
	if (q->slash && !data) {
		q->close_after = true; // others on the way may read another path
		return ERR_BAD_PATH;
	}
	if (!q->match.path_known) {
		bool model = q->conn->service == SVC_API_GATEWAY &&
			!slice_starts(q->r.path, "/api");
		bool twice = slice_starts(q->r.path, "/v1/v1/");
		snprintf(q->r.who.detail, sizeof(q->r.who.detail), "%s",
			twice ? _("the path has /v1 twice: the client adds it to a base URL that ends in it")
				: model ? ""
					: _("this port serves no such path: see GET /api"));
		return model ? ERR_UNKNOWN_URL : ERR_NOT_FOUND;
	}
	if (q->match.ep == NULL || m == HTTP_METHODS)
		return ERR_METHOD_NOT_ALLOWED;
	q->r.ep = q->match.ep;
	for (size_t i = 0; i < q->match.n; i++)
		if (!guard_unescape(q->match.param[i], false, &q->r.arena, &q->r.param[i]))
			return ERR_BAD_PATH;
	return ERR_OK;
}

// New model requests when there is too much to do: before anything else is looked at.
static enum err_code judge_load(struct web_req *q)
{
	enum overload why = q->conn->reserved ? OVERLOAD_CONNECTIONS
		: q->conn->turned_away	      ? OVERLOAD_QUEUE
					      : load_judge(q->r.agent->load);
	if (LIKELY(why == OVERLOAD_NONE))
		return ERR_OK;
	q->conn->turned_away = false;
	web_shed(q->web, q->r.service, why);
	q->close_after |= q->conn->reserved; // the place is for others
	return ERR_OVERLOADED;
}

// Where SDKs of other vendors put a key: whoever shows one there is told where it is read.
static void look_for_key(struct web_req *q)
{
	static const char *const names[] = {"api-key", "x-goog-api-key"};
	const struct slice *h = q->guard.h;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (h[GH_AUTHORIZATION].p == NULL && h[GH_X_API_KEY].p == NULL &&
			head_value(&q->head, names[i]) != NULL)
			snprintf(q->r.who.detail, sizeof(q->r.who.detail),
				_("a client key is not read from %s: send it as Authorization: "
				  "Bearer, or as x-api-key"),
				names[i]);
}

// Counts a refused call and has it audited; who guesses too often is told to wait instead.
static enum err_code denied(struct web_req *q)
{
	struct principal *who = &q->r.who;
	if (!web_is_denial(who->why))
		return who->why;
	web_refused_who(q);
	if (who->why == ERR_INVALID_API_KEY && !who->detail[0])
		look_for_key(q);
	int64_t wait_s = web_note_denial(q, who->why, who->guess);
	char text[24];
	if (wait_s > 0) {
		who->why = ERR_RATE_LIMITED;
		q->r.refused = REFUSED_GUESSING;
		snprintf(who->detail, sizeof(who->detail), "%s",
			_("too many calls with a credential that is not valid"));
		snprintf(text, sizeof(text), "%lld", (long long)wait_s);
		req_header_add(&q->r, "Retry-After", text);
	}
	return who->why;
}

static enum err_code no_such_coding(struct web_req *q)
{
	req_header_add(&q->r, "Accept-Encoding", UNPACK_CODINGS); // RFC 9110, 15.5.16
	return ERR_UNSUPPORTED_MEDIA_TYPE;
}

// Model requests may come packed; platform APIs read their documents as they are.
static enum err_code judge_coding(struct web_req *q)
{
	if (LIKELY(q->guard.h[GH_CONTENT_ENCODING].p == NULL))
		return ERR_OK;
	enum coding coding = coding_read(q->guard.h[GH_CONTENT_ENCODING]);
	if (coding == CODING_NONE)
		return ERR_OK;
	if (endpoint_is_strict(q->r.ep))
		return ERR_UNSUPPORTED_MEDIA_TYPE;
	if (coding != CODING_OTHER)
		return ERR_OK;
	snprintf(q->r.who.detail, sizeof(q->r.who.detail),
		_("this Content-Encoding is not read here: send one of %s, or none"),
		UNPACK_CODINGS);
	return no_such_coding(q);
}

// What can be told from the head alone and lets the connection live.
static enum err_code judge_head(struct web_req *q)
{
	enum err_code code = route(q);
	if (UNLIKELY(q->guard.h[GH_ORIGIN].p != NULL))
		code = web_cors_judge(q, code);
	if (q->query.p != NULL && query_has_credential(q->r.ep, q->query)) {
		q->r.who.why = ERR_TOKEN_IN_URL;
		return denied(q);
	}
	if (code)
		return code;
	if (q->r.ep->may == MAY_CALL && (code = judge_load(q)))
		return code;
	struct sockaddr_storage peer FILLED_LATER;
	struct auth_call call FILLED_LATER;
	char ip[48] FILLED_LATER;
	auth_call_of(q, &call, &peer, ip);
	bool known = auth_judge(&call, &q->r.who);
	if (known && q->r.who.why)
		return denied(q);
	q->judged_us = known ? loop_now_us(q->web->loop) : 0;
	q->judged_by = call.snap;
	if ((code = judge_coding(q)))
		return code;
	int64_t hops;
	if (q->guard.h[GH_HOP].p != NULL && q->r.ep->may == MAY_CALL &&
		(!num_i64(q->guard.h[GH_HOP], 0, INT32_MAX, &hops) || hops > HOPS_MAX))
		return ERR_UPSTREAM_LOOP;
	return ERR_OK;
}

static enum err_code read_head(struct web_req *q, const char *head, size_t n)
{
	char *bytes = arena_alloc(&q->r.arena, n);
	memcpy(bytes, head, n);
	q->head_bytes = bytes;
	q->head_bytes_n = n;
	return head_parse(bytes, n, &q->r.arena, &q->head);
}

static enum err_code judge_framing(struct web_req *q)
{
	q->r.path = q->head.target;
	for (size_t i = 0; i < q->head.n; i++)
		guard_field(&q->guard, q->head.v[i].name, q->head.v[i].value);
	enum err_code code = guard_headers(&q->guard, q->head.version);
	if (!code)
		code = guard_target(q->head.target, &q->r.path, &q->query);
	return code ? code : guard_path(q->r.path, &q->slash);
}

static void dispatch(struct web_req *q);
static bool ask_who(struct web_req *q);

// Who calls is known, now; false: on_role_known comes once it is.
static bool identify(struct web_req *q)
{
	bool known = q->judged_us == loop_now_us(q->web->loop) &&
		q->judged_by == snapshots_now(q->r.agent->snaps);
	return LIKELY(known) || ask_who(q); // known: of this turn, in which nothing has changed
}

// Bodies that are held are too many.
static void no_room(struct web_req *q)
{
	q->r.who.why = ERR_OVERLOADED;
	web_shed(q->web, q->r.service, OVERLOAD_BUFFERS);
	web_refuse(q, ERR_OVERLOADED, NULL);
}

static void begin_body(struct web_req *q, int64_t length)
{
	if (length < 0 && !q->conn->engine->unpacks) {
		q->chunks = mem_zalloc(1, sizeof(*q->chunks));
		h1_begin_chunked(q->chunks);
	}
	q->state = RS_BODY;
	q->body_left = length > 0 ? (uint64_t)length : 0;
	const struct slice *packed = &q->guard.h[GH_CONTENT_ENCODING];
	if (UNLIKELY(packed->p != NULL) && length != 0 && !q->r.who.why &&
		coding_read(*packed) != CODING_NONE)
		q->unpack = unpack_new(coding_read(*packed), length, q->body_limit);
	else if (length > 0 && !q->r.who.why)
		str_reserve(&q->body, MIN_OF((size_t)length, WEB_BODY_STEP) + 1);
	if (length == 0) {
		dispatch(q);
		return;
	}
	pace_begin(&q->pace, loop_now_us(q->web->loop));
	q->owes_continue = q->expects;
}

// What the announced length says, once its caller may call.
static enum err_code judge_length(const struct web_req *q, int64_t length, size_t limit)
{
	if (length > (int64_t)limit)
		return ERR_BODY_TOO_LARGE;
	return length <= LOAD_SMALL || load_has_room(q->r.agent->load, HELD_REQUESTS, length, false)
		? ERR_OK
		: ERR_OVERLOADED;
}

// The one endpoint that takes nothing but a form. Elsewhere bodies are read as JSON whatever they are
// called, since plain "curl -d" calls them something else.
static enum err_code judge_type(struct web_req *q)
{
	if (q->r.ep->id != EP_TRANSCRIPTIONS ||
		multipart_is(slice_of(req_header(&q->r, "Content-Type"))))
		return ERR_OK;
	snprintf(q->r.who.detail, sizeof(q->r.who.detail), "%s",
		_("this endpoint takes multipart/form-data"));
	return ERR_UNSUPPORTED_MEDIA_TYPE;
}

// Head and caller are judged: the body may come, or is not even looked at.
static void admit(struct web_req *q)
{
	struct conn *c = q->conn;
	if (!q->r.who.why)
		q->r.who.why = judge_type(q);
	enum err_code code = q->r.who.why;
	int64_t length = guard_body_length(&q->guard);
	const struct body_limit *limit = body_limit(code || q->r.ep == NULL ? BODY_NONE
									    : q->r.ep->body);
	enum err_code too_much = judge_length(q, length, limit->bytes);
	q->admitted = true;
	if (too_much == ERR_OVERLOADED && !code) {
		no_room(q);
		return;
	}
	if (too_much || (code && (length < 0 || q->expects))) {
		web_refuse(q, code ? code : too_much, q->r.who.detail);
		return;
	}
	q->body_limit =
		limit->bytes; // refused but small: read and dropped, so that the connection lives
	c->deadline_us = length ? loop_now_us(c->web->loop) + limit->deadline_s * 1000000LL : 0;
	begin_body(q, length);
}

struct web_req *web_req_open(struct conn *c)
{
	c->req = web_req_new(c);
	if (UNLIKELY(c->resumes != NULL)) {
		c->req->resumes = arena_strdup(&c->req->r.arena, c->resumes);
		free(c->resumes);
		c->resumes = NULL;
	}
	return c->req;
}

void web_req_begin(struct conn *c, const char *head, size_t n, enum err_code why)
{
	struct web_req *q = web_req_open(c);
	web_req_judge(q, n > 0 ? read_head(q, head, n) : why);
}

void web_req_judge(struct web_req *q, enum err_code code)
{
	struct conn *c = q->conn;
	if (!code)
		code = judge_framing(q);
	if (code && q->guard.h[GH_ORIGIN].p != NULL)
		code = web_cors_judge(q, code); // a page may read this, too
	if (code) {
		web_refuse(q, code, NULL);
		return;
	}
	const struct guard *g = &q->guard;
	q->close_after = c->web->quiet || g->close || (!g->http_1_1 && !g->keep_alive);
	q->expects = g->http_1_1 && g->expects;
	q->r.who.why = judge_head(q);
	c->deadline_us = 0;
	if (q->r.who.why || identify(q))
		admit(q);
}

// ---- the body ----

// Counts that much more; false when it has been refused.
static bool hold(struct web_req *q, size_t more)
{
	size_t held = q->held + more;
	if (UNLIKELY(!load_has_room(q->r.agent->load, HELD_REQUESTS, (int64_t)more,
		    held <= (size_t)LOAD_SMALL))) {
		no_room(q);
		return false;
	}
	load_hold(q->web->held, HELD_REQUESTS, (int64_t)more);
	q->held = held;
	return true;
}

static bool keep_packed(struct web_req *q, struct slice bytes)
{
	struct err err = {0};
	enum err_code code = unpack_part(q->unpack, bytes, &q->body, &err);
	if (code == ERR_UNSUPPORTED_MEDIA_TYPE)
		no_such_coding(q);
	if (code)
		web_refuse(q, code, err.message);
	size_t has = q->body.n + unpack_memory(q->unpack);
	return !code && hold(q, has - MIN_OF(has, q->held));
}

// False when it has been refused.
static bool keep(struct web_req *q, struct slice bytes)
{
	pace_add(&q->pace, bytes.n);
	if (q->r.who.why)
		return true; // dropped
	if (UNLIKELY(q->unpack != NULL))
		return keep_packed(q, bytes);
	if (!hold(q, bytes.n))
		return false;
	str_add_slice(&q->body, bytes);
	return true;
}

void web_req_whole(struct web_req *q)
{
	struct err err = {0};
	q->conn->deadline_us = 0;
	if (UNLIKELY(q->unpack != NULL) && unpack_end(q->unpack, &err) != ERR_OK) {
		req_fail(&q->r, &err);
		return;
	}
	if (UNLIKELY(q->unpack != NULL)) { // its window is let go before the request takes its time
		unpack_free(q->unpack);
		q->unpack = NULL;
		load_hold(q->web->held, HELD_REQUESTS, (int64_t)q->body.n - (int64_t)q->held);
		q->held = q->body.n;
	}
	dispatch(q);
}

bool web_req_part(struct web_req *q, struct slice bytes)
{
	q->body_seen += bytes.n;
	if (q->body_seen <= q->body_limit)
		return keep(q, bytes);
	web_refuse(q, ERR_BODY_TOO_LARGE, NULL);
	return false;
}

static void chunked_part(struct web_req *q, struct slice *in)
{
	struct slice data;
	enum h1_step step = h1_next(q->chunks, in, &data);
	if (step == H1_DATA) {
		web_req_part(q, data);
	} else if (step == H1_DONE) {
		web_req_whole(q);
	} else if (step != H1_MORE) {
		web_refuse(q, ERR_BAD_FRAMING, NULL);
	}
}

static void take_body(struct web_req *q, struct slice *in)
{
	if (q->chunks != NULL) {
		chunked_part(q, in);
		return;
	}
	size_t n = (size_t)MIN_OF((uint64_t)in->n, q->body_left);
	if (!keep(q, (struct slice){in->p, n}))
		return;
	in->p += n;
	in->n -= n;
	q->body_left -= n;
	if (q->body_left == 0)
		web_req_whole(q);
}

void web_req_body(struct web_req *q, struct slice *in)
{
	if (LIKELY(q->unpack == NULL)) {
		take_body(q, in);
		return;
	}
	struct slice some = {in->p, MIN_OF(in->n, UNPACK_STEP)};
	size_t had = q->body.n;
	take_body(q, &some);
	in->n -= (size_t)(some.p - in->p);
	in->p = some.p;
	q->unpacked += q->body.n - had;
	q->rests = q->unpacked >= WEB_UNPACK_TURN;
	if (q->rests)
		web_conn_mark(q->conn);
}

// ---- identity that needs the kernel or the group database, then the handler ----

static void refuse_code(struct web_req *q, enum err_code code, const char *detail)
{
	struct err e = {0};
	err_set(&e, code, detail != NULL && detail[0] ? "%s" : NULL, detail);
	req_fail(&q->r, &e);
}

static void on_role_known(void *arg)
{
	struct web_req *q = arg;
	if (q->state == RS_OVER) { // its connection has ended meanwhile
		web_finish(q);
		return;
	}
	if (q->state != RS_IDENTITY)
		return;
	if (q->admitted)
		dispatch(q);
	else if (identify(q))
		admit(q);
	if (q->state == RS_BODY)
		web_conn_mark(q->conn);
}

static __attribute__((noinline)) bool ask_who(struct web_req *q)
{
	struct conn *c = q->conn;
	struct auth_call call;
	struct sockaddr_storage peer;
	char ip[48];
	auth_call_of(q, &call, &peer, ip);
	q->judged_us = 0; // not yet
	q->judged_by = call.snap;
	if (auth_judge(&call, &q->r.who)) {
		if (q->r.who.why) // revoked while its body came
			denied(q);
		return true;
	}
	if (!c->uid_asked) {
		c->uid_known = peer_uid(q->r.agent->roles, c->fd, c->kind, &c->uid);
		c->uid_asked = true;
	}
	enum role role = ROLE_NONE;
	if (c->uid_known &&
		!peer_role(q->r.agent->roles, c->uid, c->web->loop, on_role_known, q, &role)) {
		q->state = RS_IDENTITY;
		return false;
	}
	auth_by_uid(&call, c->uid_known, c->uid, role, &q->r.who);
	if (q->r.who.why)
		denied(q);
	q->judged_us = loop_now_us(c->web->loop);
	return true;
}

// What stands in the URL and in headers besides the body; false when it has answered.
static __attribute__((noinline)) bool judge_parameters(struct web_req *q)
{
	const struct slice *h = q->guard.h;
	struct err err = {0};
	enum err_code code = query_read(q->r.ep, q->query, &q->r.arena, &q->values, &err);
	if (!code && (h[GH_IF_MATCH].p != NULL || h[GH_IF_NONE_MATCH].p != NULL))
		code = web_judge_conditions(q, &err);
	struct slice key;
	if (!code && h[GH_IDEMPOTENCY_KEY].p != NULL)
		code = req_idempotency_key(&q->r, &key, &err);
	if (code)
		req_fail(&q->r, &err);
	return !code;
}

// A member that is in no row is refused also where there is none: it would be passed over.
static __attribute__((noinline)) bool judge_nothing(struct web_req *q)
{
	struct jscan_limits limits = {.tokens = body_limit(BODY_DOC)->tokens};
	struct err err = {0};
	if (q->body.n == 0 ||
		jx_decode(&nothing_fields, str_slice(&q->body), limits, JX_PATCH, &q->r.arena, NULL,
			&err) == ERR_OK)
		return true;
	req_fail(&q->r, &err);
	return false;
}

static void dispatch(struct web_req *q)
{
	if (!q->r.who.why && !identify(q))
		return;
	if (UNLIKELY(q->preflight)) {
		web_cors_preflight(q);
		return;
	}
	if (q->r.who.why) {
		refuse_code(q, q->r.who.why, q->r.who.detail);
		return;
	}
	if (UNLIKELY(atomic_load_explicit(&q->r.agent->hands, memory_order_relaxed)) && web_hold(q))
		return;
	if (endpoint_is_strict(q->r.ep) && !judge_parameters(q))
		return;
	if (q->r.ep->request == &nothing_fields && !judge_nothing(q))
		return;
	if (q->r.ep->may == MAY_CALL) {
		q->counted = true;
		load_enter(q->r.agent->load);
		if (q->r.who.client == NULL)
			web_tell_keyless(q);
	}
	q->state = RS_HANDLER;
	q->r.snap =
		q->judged_by; // in this turn; by now a newer one may be published, without its caller
	if (q->r.snap != NULL)
		snapshot_hold(q->r.snap);
	q->r.body = str_slice(&q->body);
	q->in_handler = true;
	q->conn->web->handlers[q->r.ep->id](&q->r);
	q->in_handler = false;
	if (q->state == RS_HANDLER && q->conn->gone)
		web_gone(q);
}

void web_req_go(struct web_req *q)
{
	q->judged_us = 0; // who may call can be another by now
	q->state = RS_IDENTITY;
	dispatch(q);
	if (q->state != RS_OVER && q->conn != NULL)
		web_conn_mark(q->conn);
}

// ---- ends ----

void web_gone(struct web_req *q)
{
	void (*fn)(struct req *r) = q->on_gone;
	bool waits = q->state == RS_HANDLER || q->state == RS_STREAMING || q->stream;
	if (q->handler_done || fn == NULL || !waits || q->in_handler)
		return;
	q->on_gone = NULL;
	q->handler_done = true;
	q->r.status = err_row(ERR_CLIENT_GONE)->status;
	fn(&q->r);
	q->stream_abort = true;
	if (q->conn != NULL)
		web_conn_mark(q->conn);
}

void web_req_over(struct web_req *q, bool complete)
{
	bool waits = q->state == RS_IDENTITY;
	if (UNLIKELY(q->state == RS_HELD))
		web_hold_forget(q);
	if (q->state < RS_HANDLER)
		q->handler_done = true; // it never got there
	if (!complete)
		web_gone(q);
	q->state = RS_OVER;
	q->conn = NULL;
	if (q->handler_done && !waits)
		web_finish(q);
}
