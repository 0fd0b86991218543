// SPDX-License-Identifier: MIT
// Refused requests of one kind wait in a group, which is told when it begins and then at most every ten
// seconds; counting never waits for telling.
#include "agent/web/refusals.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/state/publish.h"
#include "agent/state/caller.h"
#include "agent/core/metrics.h"
#include "agent/core/events.h"
#include "agent/state/snapshot.h"
#include "shared/mem.h"
#include "shared/text.h"

#define LOOK_US INT64_C(1000000)
#define SLOT_US INT64_C(5000000)
#define SLOTS 64 // 300 s and the one under way
#define ID_TEXT 32
#define TEXT_MAX 72

struct slot {
	int64_t epoch;
	uint32_t n;
};

struct group {
	enum refusal why;
	enum err_code code;
	int status;
	bool others; // of this reason, that found no room
	char client_id[TEXT_MAX], client[TEXT_MAX], caller[TEXT_MAX], feature[TEXT_MAX],
		endpoint[40], limited_by[40];
	char id[ID_TEXT], decision[TEXT_MAX]; // of the last one
	int64_t total_us;
	int64_t told_us; // 0: the place is free
	uint64_t waiting; // since then
};

struct client {
	char id[TEXT_MAX];
};

struct refusals {
	struct agent *agent; // borrowed
	refusals_seen *seen;
	struct loop *loop;
	struct loop_timer timer;
	pthread_mutex_t lock;
	struct slot slots[REFUSED_COUNT][SLOTS];
	struct group groups[REFUSALS_GROUPS], others[REFUSED_COUNT];
	struct client clients[REFUSALS_CLIENTS];
	size_t clients_n;
};

struct refusals *refusals_new(struct agent *a, refusals_seen *seen)
{
	struct refusals *r = mem_zalloc(1, sizeof(*r));
	r->agent = a;
	r->seen = seen;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void refusals_free(struct refusals *r)
{
	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

// As much as there is room for, in whole characters.
static void put_text(char *ret, size_t size, const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0;
	if (n >= size)
		for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
			;
	if (n > 0)
		memcpy(ret, text, n);
	ret[n] = '\0';
}

// ---- counting ----

static void count_slot(struct refusals *r, enum refusal why, int64_t now_us)
{
	int64_t epoch = now_us / SLOT_US;
	struct slot *s = &r->slots[why][epoch % SLOTS];
	if (s->epoch != epoch)
		*s = (struct slot){.epoch = epoch};
	s->n++;
}

static uint64_t sum_slots(const struct refusals *r, enum refusal why, int64_t now_us, int seconds)
{
	int64_t epoch = now_us / SLOT_US, n = MIN_OF(MAX_OF(seconds / 5, 1), SLOTS - 1);
	uint64_t sum = 0;
	for (int64_t e = epoch; e > epoch - n && e >= 0; e--)
		sum += r->slots[why][e % SLOTS].epoch == e ? r->slots[why][e % SLOTS].n : 0;
	return sum;
}

uint64_t refusals_lately(struct refusals *r, enum refusal why, int64_t now_us, int seconds)
{
	uint64_t sum = 0;
	pthread_mutex_lock(&r->lock);
	for (int i = 1; i < REFUSED_COUNT; i++)
		if (why == REFUSED_NOT || why == (enum refusal)i)
			sum += sum_slots(r, (enum refusal)i, now_us, seconds);
	pthread_mutex_unlock(&r->lock);
	return sum;
}

// A series is its client's, whatever that is called.
static const char *label_of(struct refusals *r, const struct refused *what)
{
	if (what->client_id == NULL)
		return "";
	for (size_t i = 0; i < r->clients_n; i++)
		if (strncmp(r->clients[i].id, what->client_id, TEXT_MAX - 1) == 0)
			return r->clients[i].id;
	if (r->clients_n == REFUSALS_CLIENTS)
		return "other";
	struct client *c = &r->clients[r->clients_n++];
	snprintf(c->id, sizeof(c->id), "%s", what->client_id);
	return c->id;
}

// A feature answers for its limits, its load and for what nothing may serve; who may not call it at all, or
// says something else, is none of its errors.
static bool is_of_feature(enum refusal why)
{
	return (why >= REFUSED_RPM && why <= REFUSED_OVERLOAD) || why == REFUSED_FEATURE_OFF ||
		why == REFUSED_POLICY;
}

// ---- groups ----

static bool is_text(const char *kept, size_t size, const char *text)
{
	return strncmp(kept, text != NULL ? text : "", size - 1) == 0;
}

static bool is_like(const struct group *g, const struct refused *w)
{
	return g->told_us != 0 && g->why == w->why && g->code == w->code &&
		is_text(g->client_id, sizeof(g->client_id), w->client_id) &&
		is_text(g->caller, sizeof(g->caller), w->caller) &&
		is_text(g->feature, sizeof(g->feature), w->feature) &&
		is_text(g->endpoint, sizeof(g->endpoint), w->endpoint);
}

static void fill(struct group *g, const struct refused *w)
{
	g->why = w->why;
	g->code = w->code;
	g->status = w->status;
	if (!g->others) {
		put_text(g->client_id, sizeof(g->client_id), w->client_id);
		put_text(g->client, sizeof(g->client), w->client);
		put_text(g->caller, sizeof(g->caller), w->caller);
		put_text(g->feature, sizeof(g->feature), w->feature);
		put_text(g->endpoint, sizeof(g->endpoint), w->endpoint);
	}
}

// What changes from one of them to the next.
static void note_last(struct group *g, const struct refused *w)
{
	put_text(g->id, sizeof(g->id), w->id);
	put_text(g->decision, sizeof(g->decision), w->decision);
	put_text(g->limited_by, sizeof(g->limited_by), w->limited_by);
	g->total_us = w->total_us;
	g->waiting++;
}

static struct group *group_of(struct refusals *r, const struct refused *w)
{
	struct group *room = NULL;
	for (size_t i = 0; i < REFUSALS_GROUPS; i++) {
		struct group *g = &r->groups[i];
		if (is_like(g, w))
			return g;
		if (room == NULL && g->told_us == 0)
			room = g;
	}
	if (room != NULL) {
		*room = (struct group){0};
	} else {
		room = &r->others[w->why];
		room->others = true;
	}
	fill(room, w);
	return room;
}

static void add_text(struct jw *w, const char *key, const char *text)
{
	jw_str(w, key, text[0] != '\0' ? text : NULL);
}

// Takes what waits in the group into an event. Under the lock; told outside of it.
static void take_event(struct group *g, int64_t now_us, struct str *ret)
{
	struct jw w = jw_to(ret);
	jw_obj(&w, NULL);
	jw_str(&w, "id", g->id);
	add_text(&w, "client", g->client_id);
	if (g->client[0] != '\0')
		jw_str(&w, "client_name", g->client);
	add_text(&w, "caller", g->caller);
	add_text(&w, "feature", g->feature);
	add_text(&w, "endpoint", g->endpoint);
	jw_int(&w, "status", g->status);
	jw_str(&w, "outcome", "refused");
	jw_str(&w, "code", err_row(g->code)->code);
	jw_str(&w, "reason", refusal_row(g->why)->name);
	if (g->limited_by[0] != '\0')
		jw_str(&w, "limited_by", g->limited_by);
	if (g->decision[0] != '\0')
		jw_str(&w, "decision", g->decision);
	jw_num(&w, "total_ms", (double)g->total_us / 1000);
	jw_int(&w, "repeated", (int64_t)g->waiting - 1);
	jw_arr(&w, "attempts");
	jw_arr_end(&w);
	jw_obj_end(&w);
	g->waiting = 0;
	g->told_us = MAX_OF(now_us, 1);
}

static bool is_due(const struct group *g, int64_t now_us)
{
	return g->told_us == 0 || now_us - g->told_us >= REFUSALS_EVERY_US;
}

void refusals_note(struct refusals *r, const struct refused *what, int64_t now_us)
{
	struct str event = STR_INIT;
	pthread_mutex_lock(&r->lock);
	count_slot(r, what->why, now_us);
	char label[TEXT_MAX];
	snprintf(label, sizeof(label), "%s", label_of(r, what));
	struct group *g = group_of(r, what);
	note_last(g, what);
	if (is_due(g, now_us))
		take_event(g, now_us, &event);
	pthread_mutex_unlock(&r->lock);
	metric_add(r->agent->metrics, MET_GW_REFUSED, 1,
		(const char *const[]){refusal_row(what->why)->name, label, NULL});
	bool known = what->feature != NULL && is_of_feature(what->why);
	r->seen(r->agent, slice_of(known ? what->feature : ""));
	if (event.n > 0)
		events_add(r->agent->events, EVENT_TRAFFIC, str_slice(&event));
	str_release(&event);
}

// A group that is due is told when something waits, and its place is free when nothing does.
static void tell_due(struct refusals *r, struct group *g, int64_t now_us)
{
	struct str event = STR_INIT;
	pthread_mutex_lock(&r->lock);
	if (g->told_us != 0 && is_due(g, now_us)) {
		if (g->waiting > 0)
			take_event(g, now_us, &event);
		else
			g->told_us = 0;
	}
	pthread_mutex_unlock(&r->lock);
	if (event.n > 0)
		events_add(r->agent->events, EVENT_TRAFFIC, str_slice(&event));
	str_release(&event);
}

void refusals_tell(struct refusals *r, int64_t now_us)
{
	for (size_t i = 0; i < REFUSALS_GROUPS; i++)
		tell_due(r, &r->groups[i], now_us);
	for (size_t i = 0; i < REFUSED_COUNT; i++)
		tell_due(r, &r->others[i], now_us);
}

// Clients that are gone make room for others; their series end with them (agent/monitor/departed).
static void forget_gone(struct refusals *r, const struct snapshot *snap)
{
	size_t n = 0;
	pthread_mutex_lock(&r->lock);
	struct ident id;
	for (size_t i = 0; i < r->clients_n; i++)
		if (ident_read(slice_of(r->clients[i].id), CREDENTIAL_CLIENT, &id) &&
			snapshot_client(snap, &id) != NULL)
			r->clients[n++] = r->clients[i];
	r->clients_n = n;
	pthread_mutex_unlock(&r->lock);
}

static void look(void *arg)
{
	struct refusals *r = arg;
	loop_timer_set(r->loop, &r->timer, LOOK_US, look, r);
	forget_gone(r, snapshots_now(r->agent->snaps));
	refusals_tell(r, loop_now_us(r->loop));
}

void refusals_start(struct refusals *r, struct loop *control)
{
	r->loop = control;
	look(r);
}

void refusals_stop(struct refusals *r)
{
	if (r->loop != NULL)
		loop_timer_clear(r->loop, &r->timer);
}

// ---- status ----

struct lately {
	enum refusal why;
	uint64_t minute, five;
};

static int by_number(const void *a, const void *b)
{
	const struct lately *x = a, *y = b;
	if (x->five != y->five)
		return x->five < y->five ? 1 : -1;
	return (int)x->why - (int)y->why;
}

static size_t take_lately(struct refusals *r, int64_t now_us, struct lately *ret)
{
	size_t n = 0;
	pthread_mutex_lock(&r->lock);
	for (int i = 1; i < REFUSED_COUNT; i++) {
		enum refusal why = (enum refusal)i;
		struct lately one = {
			why, sum_slots(r, why, now_us, 60), sum_slots(r, why, now_us, 300)};
		if (one.five > 0)
			ret[n++] = one;
	}
	pthread_mutex_unlock(&r->lock);
	qsort(ret, n, sizeof(ret[0]), by_number);
	return n;
}

static double per_second(const struct refusals *r, uint64_t n, int64_t now_us)
{
	double up_s = (double)(now_us - r->agent->started_us) / 1e6;
	return round((double)n / fmin(fmax(up_s, 1), 60) * 100) / 100;
}

void refusals_write_status(struct refusals *r, struct jw *w, int64_t now_us)
{
	struct lately v[REFUSED_COUNT];
	size_t n = take_lately(r, now_us, v);
	uint64_t minute = 0, five = 0;
	for (size_t i = 0; i < n; i++) {
		minute += v[i].minute;
		five += v[i].five;
	}
	jw_obj(w, "refused");
	jw_num(w, "rate_1m", per_second(r, minute, now_us));
	jw_int(w, "requests_5m", (int64_t)five);
	jw_arr(w, "by_reason");
	for (size_t i = 0; i < n; i++) {
		const struct refusal_row *row = refusal_row(v[i].why);
		jw_obj(w, NULL);
		jw_str(w, "reason", row->name);
		jw_int(w, "status", row->status);
		jw_str(w, "text", _(row->text));
		jw_num(w, "rate_1m", per_second(r, v[i].minute, now_us));
		jw_int(w, "requests_5m", (int64_t)v[i].five);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_obj_end(w);
}
