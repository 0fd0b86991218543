// SPDX-License-Identifier: MIT
// A ring of fixed slots under a short lock, so that telling an event costs the same whether nobody
// or a thousand readers listen; readers are woken through their own loops.
#include "agent/core/events.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "shared/clock.h"
#include "shared/mem.h"

#define HEAD_ROOM 96 // of the members that stand before an event's own
#define FRAME_ROOM 64 // of the lines around one in a stream

static const char *const kind_names[EVENT_KINDS] = {"traffic", "health", "key", "config", "alert"};

struct slot {
	uint64_t seq;
	enum event_kind kind;
	struct str json; // the whole event; its buffer is used again
};

struct events {
	pthread_mutex_t lock;
	_Atomic uint64_t head; // seq of the newest
	uint64_t before; // seq before the first of this life
	struct events_waiter *waiters;
	struct slot slots[EVENTS_RING];
};

struct events *events_new(void)
{
	struct events *e = mem_zalloc(1, sizeof(*e));
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

void events_free(struct events *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < EVENTS_RING; i++)
		str_release(&e->slots[i].json);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void events_begin(struct events *e, uint64_t before)
{
	e->before = before;
	e->head = before;
}

uint64_t events_resume(const struct events *e, uint64_t since, bool *ret_reset)
{
	*ret_reset = since != 0 && (since < e->before || since > e->head);
	return since == 0 || *ret_reset ? e->before : since;
}

uint64_t events_head(const struct events *e)
{
	return e->head;
}

static void write_event(struct slot *s, struct slice json)
{
	str_clear(&s->json);
	str_reserve(&s->json, json.n + HEAD_ROOM); // at once: to grow copies and wipes
	str_add_slice(&s->json, SLICE("{\"seq\":"));
	str_add_i64(&s->json, (int64_t)s->seq);
	str_add_slice(&s->json, SLICE(",\"at\":\"")); // a time and a word: nothing to escape
	char at[CLOCK_TEXT_MAX];
	str_add(&s->json, clock_rfc3339(clock_wall_ms(), at));
	str_add_slice(&s->json, SLICE("\",\"kind\":\""));
	str_add(&s->json, kind_names[s->kind]);
	str_add_c(&s->json, '"');
	json = slice_trim(json);
	if (json.n > 2) { // the members between the braces
		str_add_c(&s->json, ',');
		str_add_n(&s->json, json.p + 1, json.n - 2);
	}
	str_add_c(&s->json, '}');
}

void events_add(struct events *e, enum event_kind kind, struct slice json)
{
	if (json.n > EVENT_JSON_MAX)
		return; // its writer cuts it; a longer one would not be JSON any more
	pthread_mutex_lock(&e->lock);
	struct slot *s = &e->slots[(e->head + 1) % EVENTS_RING];
	s->seq = e->head + 1;
	s->kind = kind;
	write_event(s, json);
	e->head = s->seq;
	// Woken under the lock: a waiter taken back is not woken behind its back.
	for (struct events_waiter *w = e->waiters, *next; w != NULL; w = next) {
		next = w->next;
		w->next = NULL;
		w->waiting = false;
		loop_post(w->loop, w->fn, w->arg);
	}
	e->waiters = NULL;
	pthread_mutex_unlock(&e->lock);
}

typedef void write_fn(const struct slot *s, size_t i, struct str *out);

static void as_frame(const struct slot *s, size_t i, struct str *out)
{
	(void)i;
	str_add_slice(out, SLICE("id: "));
	str_add_i64(out, (int64_t)s->seq);
	str_add_slice(out, SLICE("\nevent: "));
	str_add(out, kind_names[s->kind]);
	str_add(out, "\ndata: ");
	str_add_slice(out, str_slice(&s->json));
	str_add(out, "\n\n");
}

static void as_item(const struct slot *s, size_t i, struct str *out)
{
	if (i)
		str_add_c(out, ',');
	str_add_slice(out, str_slice(&s->json));
}

static uint64_t read_events(struct events *e, uint64_t since, uint32_t kinds_mask, size_t max,
	struct str *out, uint64_t *ret_lost, write_fn *write)
{
	pthread_mutex_lock(&e->lock);
	uint64_t head = e->head;
	uint64_t oldest = MAX_OF(head > EVENTS_RING ? head - EVENTS_RING : 0, e->before) + 1;
	uint64_t at = MIN_OF(MAX_OF(since, e->before), head) + 1;
	*ret_lost = at < oldest ? oldest - at : 0;
	at = MAX_OF(at, oldest);
	size_t n = 0, room = 0;
	for (uint64_t i = at; i <= head && i - at < max; i++)
		room += e->slots[i % EVENTS_RING].json.n + FRAME_ROOM;
	str_reserve(out, room); // at once: to grow copies and wipes
	for (; at <= head && n < max; at++) {
		const struct slot *s = &e->slots[at % EVENTS_RING];
		if (kinds_mask & 1u << s->kind)
			write(s, n++, out);
	}
	pthread_mutex_unlock(&e->lock);
	return at - 1;
}

uint64_t events_read(struct events *e, uint64_t since, uint32_t kinds_mask, size_t max,
	struct str *out, uint64_t *ret_lost)
{
	return read_events(e, since, kinds_mask, max, out, ret_lost, as_frame);
}

uint64_t events_read_json(struct events *e, uint64_t since, uint32_t kinds_mask, size_t max,
	struct str *out, uint64_t *ret_lost)
{
	return read_events(e, since, kinds_mask, max, out, ret_lost, as_item);
}

void events_wait(struct events *e, uint64_t since, struct events_waiter *w)
{
	pthread_mutex_lock(&e->lock);
	if (!w->waiting && e->head > since) {
		loop_post(w->loop, w->fn, w->arg);
	} else if (!w->waiting) {
		w->waiting = true;
		w->next = e->waiters;
		e->waiters = w;
	}
	pthread_mutex_unlock(&e->lock);
}

void events_unwait(struct events *e, struct events_waiter *w)
{
	pthread_mutex_lock(&e->lock);
	for (struct events_waiter **at = &e->waiters; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	w->waiting = false;
	w->next = NULL;
	pthread_mutex_unlock(&e->lock);
}
