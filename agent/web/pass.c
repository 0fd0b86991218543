// SPDX-License-Identifier: MIT
// Requests that were held go on here, or leave with their connection for the process that has the
// database now, where they are read and judged anew.
#include "agent/web/pass.h"

#include <sys/socket.h>
#include "agent/web/own.h"
#include "agent/web/private.h"
#include "shared/text.h"

// ---- passing on ----

// Its body is whole and unpacked by now, and no more is waited for.
static bool is_framing(struct slice name)
{
	static const char *const framing[] = {
		"content-length", "transfer-encoding", "content-encoding", "expect", "trailer"};
	for (size_t i = 0; i < ARRAY_LEN(framing); i++)
		if (slice_ieq_str(name, framing[i]))
			return true;
	return false;
}

static void write_again(const struct web_req *q, struct str *out)
{
	const struct head *h = &q->head;
	const struct conn *c = q->conn;
	str_addf(out, "%.*s %.*s %.*s\r\n", SLICE_FMT(h->method), SLICE_FMT(h->target),
		SLICE_FMT(h->version));
	for (size_t i = 0; i < h->n; i++)
		if (!is_framing(h->v[i].name))
			str_addf(out, "%.*s: %.*s\r\n", SLICE_FMT(h->v[i].name),
				SLICE_FMT(h->v[i].value));
	if (q->body.n > 0 || q->r.method != HTTP_GET)
		str_addf(out, "Content-Length: %zu\r\n", q->body.n);
	str_add(out, "\r\n");
	str_add_slice(out, str_slice(&q->body));
	str_add_n(out, c->in.p + c->in_at, c->in.n - c->in_at);
}

// Closing it here says nothing to the caller: the other process has the connection.
static bool pass(struct web *w, struct web_req *q)
{
	struct conn *c = q->conn;
	struct str bytes = STR_INIT;
	if (c->tls != NULL)
		return false; // its keys are in this process alone
	write_again(q, &bytes);
	const struct web_passed p = {.service = c->service,
		.mounts_all = c->mounts_all,
		.fd = c->fd,
		.bytes = str_slice(&bytes)};
	bool passed = w->pass(w->pass_arg, &p);
	str_wipe(&bytes);
	if (!passed)
		return false;
	c->linger = false;
	c->broken = true;
	web_conn_close(c);
	return true;
}

static void pass_all(void *arg)
{
	struct web *w = arg;
	struct web_req *q = w->held_reqs;
	w->held_reqs = NULL;
	w->passing = false;
	while (q != NULL) {
		struct web_req *next = q->next_held;
		if (!pass(w, q)) {
			q->state = RS_IDENTITY;
			req_header_add(&q->r, "Retry-After", "1");
			req_fail_code(&q->r, ERR_STORAGE_READONLY);
			web_conn_mark(q->conn);
		}
		q = next;
	}
}

void web_pass_on(struct web *w, web_pass_fn fn, void *arg)
{
	w->pass_all = pass_all;
	w->pass = fn;
	w->pass_arg = arg;
	pass_all(w);
}

// ---- here ----

void web_release(struct web *w)
{
	struct web_req *q = w->held_reqs;
	w->held_reqs = NULL;
	while (q != NULL) {
		struct web_req *next = q->next_held;
		web_req_go(q);
		q = next;
	}
}

bool web_adopt(struct web *w, const struct web_passed *p)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	const struct listener ls = {.web = w,
		.service = p->service,
		.engine = &own_engine,
		.local = p->mounts_all,
		.max = SIZE_MAX};
	if (getpeername(p->fd, (struct sockaddr *)&ss, &len) < 0 ||
		!web_conn_open(w, &ls, p->fd,
			peer_kind_of((const struct sockaddr *)&ss, &w->trusted)))
		return false;
	own_feed(w->conns, p->bytes); // the newest stands first
	return true;
}
