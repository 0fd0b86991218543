// SPDX-License-Identifier: MIT
// What connections have in common whoever frames them: their birth and death, what their buffers
// hold, and their work, which is done once a turn however often they were marked.
#include "agent/web/private.h"

#include <stdlib.h>
#include "shared/mem.h"

// ---- birth and death ----

static void connections_add(struct web *w, enum service_id service, int by)
{
	struct metric_cell **cell = &w->connections[service];
	const char *labels[] = {service_row(service)->name, NULL};
	if (*cell == NULL)
		*cell = metric_cell(w->agent->metrics, MET_HTTP_CONNECTIONS, labels);
	metric_cell_add(*cell, by);
	w->per_service[service] += (size_t)by;
}

// ---- what its buffers hold ----

// Of an answer those who need not say who they are may hold less.
static bool may_hold(const struct conn *c, enum load_held what, size_t more)
{
	const struct principal *who = c->req != NULL ? &c->req->r.who : NULL;
	bool known = who != NULL && (who->role != ROLE_NONE || who->client != NULL);
	return load_has_room(c->web->agent->load, what, (int64_t)more, known);
}

static bool hold(struct conn *c, enum load_held what, size_t *held, size_t now)
{
	size_t before = *held;
	if (LIKELY(now == before))
		return true;
	bool fits = now < before || may_hold(c, what, now - before);
	load_hold(c->web->held, what, (int64_t)now - (int64_t)before);
	*held = now;
	return fits;
}

bool web_conn_hold(struct conn *c, size_t of_requests, size_t of_answers)
{
	bool in = hold(c, HELD_REQUESTS, &c->held_in, of_requests);
	bool out = hold(c, HELD_ANSWERS, &c->held_out, of_answers);
	return in && out;
}

bool web_conn_open(struct web *w, const struct listener *ls, int fd, enum peer_kind kind)
{
	struct conn *c = mem_zalloc(1, sizeof(*c));
	c->web = w;
	c->engine = ls->engine;
	c->service = ls->service;
	c->mounts_all = ls->local || w->agent->settings->mount_all;
	c->kind = kind;
	c->writable = true;
	c->reserved = w->per_service[ls->service] >= ls->max - WEB_RESERVED(ls->max);
	c->deadline_us = loop_now_us(w->loop) + WEB_HEAD_US;
	c->fd = fd;
	if (ls->tls != NULL)
		c->tls = tls_new(ls->tls, fd);
	if (!c->engine->begin(c)) {
		tls_free(c->tls, false);
		free(c);
		return false;
	}
	c->next = w->conns;
	if (c->next != NULL)
		c->next->prev = c;
	w->conns = c;
	connections_add(w, c->service, 1);
	return true;
}

void web_conn_close(struct conn *c)
{
	struct web *w = c->web;
	if (c->closed)
		return;
	c->closed = true;
	web_conn_came(c);
	c->engine->end(c);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		w->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = w->dead;
	w->dead = c;
	connections_add(w, c->service, -1);
	web_spares_take(w);
	if (c->req != NULL)
		web_req_over(c->req, false);
	c->req = NULL;
}

void web_conn_came(struct conn *c)
{
	if (LIKELY(!c->awaited))
		return;
	c->awaited = false;
	c->web->awaited_n--;
}

void web_conn_await(struct conn *c)
{
	int64_t until = loop_now_us(c->web->loop) + WEB_HEAD_US;
	if (!c->began && (c->deadline_us == 0 || until < c->deadline_us))
		c->deadline_us = until; // bytes trickling in do not move it further
	c->began = true;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void free_dead(struct web *w)
{
	struct conn **at = &w->dead;
	for (struct conn *c; (c = *at) != NULL;) {
		if (c->dirty || c->waits) { // still in a list
			at = &c->next;
			continue;
		}
		*at = c->next;
		web_conn_hold(c, 0, 0);
		free(c->resumes);
		free(c);
	}
}

void web_conns_run(void *arg)
{
	struct web *w = arg;
	struct conn *c = w->dirty;
	w->dirty = NULL;
	w->dirty_end = &w->dirty;
	while (c != NULL) {
		struct conn *next = c->next_dirty;
		c->dirty = false;
		if (!c->closed)
			c->engine->work(c);
		c = next;
	}
	if (w->dirty != NULL || w->served.n > 0 || w->refused.n > 0)
		loop_later(w->loop, nothing, NULL); // the next turn does not wait
	free_dead(w);
}
