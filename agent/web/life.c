// SPDX-License-Identifier: MIT
// A request's memory from its first byte to its last, and what is counted and logged of it when it
// ends. Used ones are kept with their buffers.
#include "agent/web/life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/web/private.h"
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/secret.h"
#include "shared/text.h"

#define QUEUE_KEPT (64 * 1024)

void web_id(struct web *w, char id[REQ_ID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t v = (uint64_t)w->id_prefix << 32 | w->id_next++;
	id[0] = 'r';
	id[1] = '-';
	for (int i = 17; i >= 2; i--, v >>= 4)
		id[i] = digits[v & 15];
	id[18] = '\0';
}

// A used one keeps its buffers; everything else starts as zeroes.
struct web_req *web_req_new(struct conn *c)
{
	struct web *w = c->web;
	struct web_req *q = w->free_reqs;
	if (q != NULL) {
		struct arena arena = q->r.arena;
		struct str body = q->body, queue = q->queue;
		w->free_reqs = q->next_free;
		w->free_n--;
		mem_clear(q, sizeof(*q));
		q->r.arena = arena;
		q->body = body;
		q->queue = queue;
	} else {
		q = mem_zalloc(1, sizeof(*q));
	}
	q->web = w;
	q->conn = c;
	q->r.agent = w->agent;
	q->r.loop = w->loop;
	q->r.service = c->service;
	q->r.start_us = loop_now_us(w->loop);
	q->r.web = q;
	web_id(w, q->r.id);
	w->reqs_n++;
	return q;
}

static struct metric_cell *requests_cell(struct web *w, const struct web_req *q)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
	int class = q->r.status / 100 - 1;
	if (class < 0 || class > 4)
		class = 4;
	int ep = q->r.ep != NULL ? (int)q->r.ep->id : EP_COUNT;
	struct metric_cell **cell = &w->requests[q->r.service][ep][class];
	if (*cell == NULL) {
		const char *labels[] = {service_row(q->r.service)->name,
			q->r.ep != NULL ? q->r.ep->name : "none", classes[class], NULL};
		*cell = metric_cell(w->agent->metrics, MET_HTTP_REQUESTS, labels);
	}
	return *cell;
}

static void count(struct web *w, const struct web_req *q, int64_t took_us)
{
	struct metric_cell **duration = &w->duration[q->r.service];
	if (*duration == NULL) {
		const char *labels[] = {service_row(q->r.service)->name, NULL};
		*duration = metric_cell(w->agent->metrics, MET_HTTP_DURATION, labels);
	}
	struct metric_cell *requests = requests_cell(w, q);
	if (requests != NULL)
		metric_cell_add(requests, 1);
	if (*duration != NULL && !(q->r.ep != NULL && (q->r.ep->flags & EPF_LONG)))
		metric_cell_observe(*duration, (double)took_us / 1e6);
}

static void log_request(const struct web_req *q, int64_t took_us)
{
	// What is shed is counted; a line for each would be more work than was saved.
	enum log_level level = q->r.status >= 500 && q->r.who.why != ERR_OVERLOADED ? LOG_LVL_WARN
										    : LOG_LVL_DEBUG;
	if (!log_on(level))
		return;
	char status[16];
	snprintf(status, sizeof(status), "%d", q->r.status);
	char took[24];
	snprintf(took, sizeof(took), "%lld", (long long)took_us);
	struct str path = STR_INIT;
	text_add_safe(&path, q->r.path);
	log_line(level, "request", "request_id", q->r.id, "service",
		service_row(q->r.service)->name, "endpoint", q->r.ep != NULL ? q->r.ep->name : NULL,
		"path", str_text(&path), "who", ident_any(&q->r.who.id) ? q->r.who.id.text : NULL,
		"status", status, "took_us", took, NULL);
	str_release(&path);
}

// What callers show, and what platform calls bring and take away, may be a key. The bodies of model
// traffic are none.
static void wipe(struct web_req *q)
{
	secret_wipe(q->head_bytes, q->head_bytes_n);
	if (q->r.ep != NULL && q->r.ep->may == MAY_CALL)
		return;
	if (q->answer_owned != NULL && q->answer.p == q->answer_owned)
		secret_wipe(q->answer_owned, q->answer.n);
	secret_wipe(q->body.p, q->body.n);
	q->r.arena.secret = true;
}

static void req_free(struct web_req *q)
{
	str_release(&q->body);
	str_release(&q->queue);
	arena_release(&q->r.arena);
	free(q);
}

static void recycle(struct web *w, struct web_req *q)
{
	wipe(q);
	free(q->answer_owned);
	q->answer_owned = NULL;
	if (q->chunks != NULL) {
		h1_release(q->chunks);
		free(q->chunks);
		q->chunks = NULL;
	}
	unpack_free(q->unpack);
	q->unpack = NULL;
	load_hold(w->held, HELD_REQUESTS, -(int64_t)q->held);
	if (q->body.cap > WEB_BODY_KEPT)
		str_release(&q->body);
	else
		str_clear(&q->body);
	if (q->queue.cap > QUEUE_KEPT)
		str_release(&q->queue);
	else
		str_clear(&q->queue);
	w->reqs_n--;
	if (w->free_n >= WEB_FREE_REQS) {
		req_free(q);
		return;
	}
	arena_reset(&q->r.arena);
	q->next_free = w->free_reqs;
	w->free_reqs = q;
	w->free_n++;
}

void web_finish(struct web_req *q)
{
	struct web *w = q->web;
	int64_t took_us = clock_mono_us() - q->r.start_us;
	if (q->on_end != NULL)
		q->on_end(&q->r);
	if (q->counted)
		load_leave(w->agent->load);
	if (q->r.status)
		count(w, q, took_us);
	log_request(q, took_us);
	if (q->r.snap != NULL)
		snapshot_drop(q->r.snap);
	recycle(w, q);
}

void web_reqs_free(struct web *w)
{
	for (struct web_req *q; (q = w->free_reqs) != NULL;) {
		w->free_reqs = q->next_free;
		req_free(q);
	}
}
