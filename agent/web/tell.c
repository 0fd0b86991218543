// SPDX-License-Identifier: MIT
// What operators are told of requests that no handler saw: model requests that never reach the
// gateway's own accounts, and calls that their caller may not make.
#include "agent/web/tell.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "agent/web/private.h"

#define CALLER_MAX 72
#define HANDSHAKES_EACH_US (10 * 1000000LL) // one line of the log in that time

// Model traffic, as far as its head says: what browsers and scanners ask of the port is none.
static bool is_model_call(const struct web_req *q)
{
	const struct req *r = &q->r;
	if (r->ep != NULL)
		return r->ep->may == MAY_CALL;
	if (r->service != SVC_API_GATEWAY || slice_starts(r->path, "/api"))
		return false;
	return slice_starts(r->path, "/v1/") || slice_eq_str(q->head.method, "POST");
}

// ---- who ----

static bool uid_of(struct conn *c, uid_t *ret)
{
	if (c->kind != PEER_UNIX && c->kind != PEER_LOOPBACK)
		return false;
	if (!c->uid_asked)
		c->uid_known = peer_uid(c->web->agent->roles, c->fd, c->kind, &c->uid);
	c->uid_asked = true;
	*ret = c->uid;
	return c->uid_known;
}

static void address_of(const struct conn *c, char ip[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	snprintf(ip, INET6_ADDRSTRLEN, "unix");
	if (c->kind == PEER_UNIX || getpeername(c->fd, (struct sockaddr *)&ss, &len) != 0)
		return;
	const void *at = ss.ss_family == AF_INET6
		? (const void *)&((struct sockaddr_in6 *)&ss)->sin6_addr
		: (const void *)&((struct sockaddr_in *)&ss)->sin_addr;
	inet_ntop(ss.ss_family, at, ip, INET6_ADDRSTRLEN);
}

// "10.0.0.7", "127.0.0.1 uid:1000", "unix uid:33".
static const char *caller_of(struct web_req *q, bool ask)
{
	struct conn *c = q->conn;
	char ip[INET6_ADDRSTRLEN];
	if (c == NULL) // it has gone
		return NULL;
	address_of(c, ip);
	uid_t uid;
	if ((ask || c->uid_asked) && uid_of(c, &uid))
		return arena_printf(&q->r.arena, "%s uid:%lu", ip, (unsigned long)uid);
	return arena_strdup(&q->r.arena, ip);
}

void web_refused_who(struct web_req *q)
{
	const struct principal *p = &q->r.who;
	if (p->client != NULL) {
		q->r.refused_client = arena_strdup(&q->r.arena, p->client->doc.id);
		q->r.refused_name = arena_strdup(&q->r.arena, p->client->doc.name);
	}
	if (p->why != ERR_INVALID_API_KEY || q->r.refused != REFUSED_NOT)
		return;
	if (p->client != NULL)
		q->r.refused = p->client->doc.enabled ? REFUSED_KEY_EXPIRED : REFUSED_KEY_DISABLED;
	else
		q->r.refused = p->guess ? REFUSED_KEY_UNKNOWN : REFUSED_KEY_MISSING;
}

// ---- denied ----

bool web_is_denial(enum err_code code)
{
	return code == ERR_BAD_HOST || code == ERR_BAD_ORIGIN || code == ERR_INVALID_API_KEY ||
		(code >= ERR_AUTH_REQUIRED && code <= ERR_SCOPE_EXCEEDED);
}

int64_t web_note_denial(struct web_req *q, enum err_code code, bool guess)
{
	const struct principal *who = &q->r.who;
	const char *labels[] = {service_row(q->r.service)->name, err_row(code)->code, NULL};
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	bool known = q->conn != NULL && q->conn->kind != PEER_UNIX &&
		getpeername(q->conn->fd, (struct sockaddr *)&peer, &len) == 0;
	q->denied = true;
	metric_add(q->r.agent->metrics, MET_AUTH_DENIED, 1, labels);
	return denials_note(q->r.agent->denials,
		&(struct denial){.code = code,
			.guess = guess,
			.peer = known ? (struct sockaddr *)&peer : NULL,
			.who = who->id,
			.shown = principal_shown(who),
			.endpoint = q->r.ep != NULL ? q->r.ep->name : "none"},
		loop_now_us(q->web->loop));
}

void web_tell_denied(struct web_req *q, enum err_code code)
{
	bool calls = q->r.ep == NULL || q->r.ep->may == MAY_CALL;
	if (!calls && !q->denied && web_is_denial(code))
		web_note_denial(q, code, false);
}

// ---- refused ----

void req_refused(struct req *r, struct refused *what)
{
	const struct client_obj *client = r->snap != NULL ? r->who.client : NULL;
	r->told = true;
	what->id = r->id;
	what->endpoint = r->ep != NULL ? r->ep->name : NULL;
	what->client_id = client != NULL ? client->doc.id : r->refused_client;
	what->client = client != NULL ? client->doc.name : r->refused_name;
	if (what->client_id == NULL &&
		what->why != REFUSED_OVERLOAD) // then there is no time to ask
		what->caller = caller_of(r->web, true);
	refusals_note(r->agent->refusals, what, loop_now_us(r->loop));
}

void web_tell_refused(struct web_req *q, const struct err *e)
{
	struct req *r = &q->r;
	if (r->told || !is_model_call(q))
		return;
	struct refused what = {.why = r->refused != REFUSED_NOT ? r->refused : refusal_of(e->code),
		.code = e->code,
		.status = err_row(e->code)->status,
		.total_us = loop_now_us(r->loop) - r->start_us};
	if (what.why != REFUSED_NOT)
		req_refused(r, &what);
}

void web_tell_shed(struct web *w, enum service_id service)
{
	if (service == SVC_API_GATEWAY)
		refusals_note(w->agent->refusals,
			&(struct refused){.why = REFUSED_OVERLOAD,
				.code = ERR_OVERLOADED,
				.status = err_row(ERR_OVERLOADED)->status},
			loop_now_us(w->loop));
}

// ---- handshakes ----

static void log_handshake(struct conn *c, const char *reason, const char *detail)
{
	struct web *w = c->web;
	int64_t now_us = loop_now_us(w->loop);
	char ip[INET6_ADDRSTRLEN], untold[24];
	if (w->handshakes_told_us && now_us - w->handshakes_told_us < HANDSHAKES_EACH_US) {
		w->handshakes_untold++;
		return;
	}
	address_of(c, ip);
	snprintf(untold, sizeof(untold), "%llu", (unsigned long long)w->handshakes_untold);
	log_line(LOG_LVL_WARN, "tls_handshake_failed", "reason", reason, "detail", detail, "caller",
		ip, "untold_before", w->handshakes_untold > 0 ? untold : NULL, NULL);
	w->handshakes_told_us = now_us;
	w->handshakes_untold = 0;
}

void web_tell_handshake(struct conn *c)
{
	const char *detail;
	const char *reason = tls_failure(c->tls, &detail);
	if (reason == NULL && tls_stage(c->tls) == TLS_GREETING && !c->web->quiet)
		reason = c->gone ? "cut" : "timeout";
	if (reason == NULL)
		return;
	const char *labels[] = {reason, NULL};
	metric_add(c->web->agent->metrics, MET_TLS_FAILURES, 1, labels);
	log_handshake(c, reason, detail);
}

// ---- without a key ----

static struct slice user_agent(const struct web_req *q)
{
	for (size_t i = 0; i < q->head.n; i++)
		if (slice_ieq_str(q->head.v[i].name, "user-agent"))
			return q->head.v[i].value;
	return (struct slice){"", 0};
}

void web_tell_keyless(struct web_req *q)
{
	struct keyless *k = q->r.agent->keyless;
	int64_t now_us = loop_now_us(q->web->loop);
	if (LIKELY(keyless_count(k, q->conn->keyless, now_us)))
		return;
	const char *caller = caller_of(q, q->conn->kind == PEER_UNIX || keyless_may_ask(k, now_us));
	q->conn->keyless = keyless_first(k, caller, user_agent(q), now_us);
}
