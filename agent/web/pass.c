// SPDX-License-Identifier: MIT
// Requests that were held go on here, or leave with their connection for the process that has the
// database now, where they are read and judged anew.
#include "agent/web/pass.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/web/own.h"
#include "agent/web/private.h"
#include "shared/mem.h"
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

// A library ends what it closes by shutdown(2), which every process that has the socket would see: it
// is given another one, of nobody, under the same number.
static void blind(struct conn *c)
{
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	loop_watch_set(c->web->loop, &c->watch, c->fd, 0, NULL, NULL);
	if (other >= 0) {
		dup3(other, c->fd, O_CLOEXEC);
		close(other);
	}
}

static bool pass(struct conn *c, struct slice bytes, const char *task)
{
	struct web *w = c->web;
	const struct web_passed p = {.service = c->service,
		.mounts_all = c->mounts_all,
		.task = task,
		.fd = c->fd,
		.bytes = bytes};
	if (c->tls != NULL || !w->pass(w->pass_arg, &p))
		return false; // a TLS connection's keys are in this process alone
	if (c->engine->let_go != NULL)
		c->engine->let_go(c);
	blind(c);
	c->linger = false;
	c->broken = true;
	web_conn_close(c);
	return true;
}

static bool pass_request(struct web_req *q, const char *task)
{
	struct str bytes = STR_INIT;
	write_again(q, &bytes);
	bool passed = pass(q->conn, str_slice(&bytes), task);
	str_wipe(&bytes);
	return passed;
}

// Between two requests, or before the first; of the next one nothing is read, or all of it is here.
static bool is_between(const struct conn *c)
{
	return c->req == NULL && !c->closed && !c->gone && !c->broken &&
		(!c->began || c->engine == &own_engine);
}

bool web_pass_caller(struct req *r, const char *task)
{
	struct web_req *q = r->web;
	return q->web->pass != NULL && q->state == RS_HANDLER && q->conn != NULL &&
		!q->in_handler && pass_request(q, task);
}

static void pass_all(void *arg)
{
	struct web *w = arg;
	struct web_req *q = w->held_reqs;
	w->held_reqs = NULL;
	w->passing = false;
	while (q != NULL) {
		struct web_req *next = q->next_held;
		if (!pass_request(q, "")) {
			q->state = RS_IDENTITY;
			req_header_add(&q->r, "Retry-After", "1");
			req_fail_code(&q->r, ERR_STORAGE_READONLY);
			web_conn_mark(q->conn);
		}
		q = next;
	}
}

void web_pass_idle(struct web *w)
{
	for (struct conn *c = w->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (is_between(c))
			pass(c, (struct slice){c->in.p + c->in_at, c->in.n - c->in_at}, "");
	}
}

void web_pass_on(struct web *w, web_pass_fn fn, void *arg)
{
	w->pass_all = pass_all;
	w->pass = fn;
	w->pass_arg = arg;
	pass_all(w);
	web_pass_idle(w);
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
	struct conn *c = w->conns; // the newest stands first
	if (p->task[0] != '\0')
		c->resumes = mem_strdup(p->task);
	if (p->bytes.n > 0)
		own_feed(c, p->bytes);
	else
		c->deadline_us = loop_now_us(w->loop) + WEB_IDLE_US;
	return true;
}
