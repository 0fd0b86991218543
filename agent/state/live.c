// SPDX-License-Identifier: MIT
// The table of records that outlive snapshots, and what a record forgets when its object, address
// or secret becomes another.
#include "agent/state/live.h"

#include <pthread.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/map.h"
#include "shared/mem.h"
#include "shared/rows/model.h"

#define SLOT_US 5000000
#define EWMA_DECAY_US 10000000.0 // a peak halves in about seven seconds

#define TURN_US INT64_C(60000000) // longer than any turn of a loop lasts

struct live_table {
	pthread_mutex_t lock;
	_Atomic uint32_t numbers; // of lives
	struct map by_id; // "kind:id" → struct live
	struct map kept; // "kind:id" → struct live_override
};

struct live_table *live_new(void)
{
	struct live_table *t = mem_zalloc(1, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void record_free(struct live *l)
{
	struct live_models *m = atomic_load(&l->models);
	if (m != NULL)
		free(m->before);
	free(m);
	free(l);
}

void live_free(struct live_table *t)
{
	size_t it = 0;
	if (t == NULL)
		return;
	void *l;
	while (map_next(&t->by_id, &it, NULL, &l))
		record_free(l);
	map_release(&t->by_id);
	for (it = 0; map_next(&t->kept, &it, NULL, &l);)
		free(l);
	map_release(&t->kept);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct slice key_of(enum live_kind kind, struct slice id, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%d:%.*s", (int)kind, SLICE_FMT(id));
	return (struct slice){buf, MIN_OF((size_t)n, size - 1)};
}

// Once: what the operator says from now on counts.
static void override_apply(struct live_table *t, struct slice key, struct live *l)
{
	struct live_override *o = map_get(&t->kept, key);
	if (o == NULL)
		return;
	map_del(&t->kept, key);
	int64_t left_ms = o->until_wall_ms ? o->until_wall_ms - clock_wall_ms() : 0;
	if (o->until_wall_ms == 0 || left_ms > 0) {
		atomic_store(&l->drained, o->drained);
		atomic_store(&l->weight_override, o->weight);
		atomic_store(&l->override_until_us,
			o->until_wall_ms ? clock_mono_us() + left_ms * 1000 : 0);
	}
	free(o);
}

void live_override_keep(struct live_table *t, enum live_kind kind, struct slice id,
	const struct live_override *o)
{
	char buf[sizeof(((struct live *)0)->id) + 8];
	struct slice key = key_of(kind, id, buf, sizeof(buf));
	struct live_override *copy = mem_alloc(sizeof(*copy));
	*copy = *o;
	pthread_mutex_lock(&t->lock);
	free(map_get(&t->kept, key));
	map_put(&t->kept, key, copy);
	struct live *l = map_get(&t->by_id, key);
	if (l != NULL)
		override_apply(t, key, l);
	pthread_mutex_unlock(&t->lock);
}

struct live *live_take(struct live_table *t, enum live_kind kind, struct slice id)
{
	char buf[sizeof(((struct live *)0)->id) + 8];
	struct slice key = key_of(kind, id, buf, sizeof(buf));
	pthread_mutex_lock(&t->lock);
	struct live *l = map_get(&t->by_id, key);
	if (l == NULL) {
		l = mem_zalloc(1, sizeof(*l));
		l->kind = kind;
		snprintf(l->id, sizeof(l->id), "%.*s", SLICE_FMT(id));
		atomic_init(&l->weight_override, -1);
		map_put(&t->by_id, key, l);
		override_apply(t, key, l);
	}
	atomic_fetch_add(&l->refs, 1);
	pthread_mutex_unlock(&t->lock);
	return l;
}

void live_drop(struct live_table *t, struct live *l)
{
	char buf[sizeof(l->id) + 8];
	if (l == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	if (atomic_fetch_sub(&l->refs, 1) == 1) {
		map_del(&t->by_id, key_of(l->kind, slice_of(l->id), buf, sizeof(buf)));
		record_free(l);
	}
	pthread_mutex_unlock(&t->lock);
}

struct held {
	struct live_table *table;
	struct live *live;
};

static void let_go(void *arg)
{
	struct held *h = arg;
	live_drop(h->table, h->live);
}

struct live *live_hold(struct arena *a, struct live_table *t, enum live_kind kind, const char *id)
{
	struct held *h = arena_alloc(a, sizeof(*h));
	*h = (struct held){t, live_take(t, kind, slice_of(id))};
	arena_defer(a, let_go, h);
	return h->live;
}

// ---- lives ----

uint64_t live_next(struct live_table *t, uint64_t life, enum live_again what)
{
	uint64_t n = atomic_fetch_add(&t->numbers, 1) + 1;
	return what == LIVE_NEW_SECRET ? (life & ~(uint64_t)UINT32_MAX) | n : n << 32 | n;
}

// What the vendor said of the secret that was shown, and the breaker: it is tried anew.
static void forget_verdicts(struct live *l)
{
	atomic_store(&l->fault, LIVE_OK);
	atomic_store(&l->fault_since_wall_ms, 0);
	atomic_store(&l->cooldown_until_us, 0);
	atomic_store(&l->cooldown_status, 0);
	atomic_store(&l->last_ok_wall_ms, 0);
	atomic_store(&l->fails, 0);
	for (size_t i = 0; i < LIVE_FAILERS; i++)
		atomic_store(&l->failers[i], 0);
	atomic_store(&l->breaker, BREAKER_CLOSED);
	atomic_store(&l->breaker_until_us, 0);
	atomic_store(&l->half_open_busy, 0);
}

static void forget_measures(struct live *l)
{
	atomic_store(&l->fails_since_us, 0);
	atomic_store(&l->retry_debt, 0);
	atomic_store(&l->ewma_us, 0);
	atomic_store(&l->p95_us, 0);
	atomic_store(&l->org, 0);
	atomic_store(&l->last_error_wall_ms, 0);
	atomic_store(&l->last_error_status, 0);
	atomic_store(&l->health, HEALTH_UNKNOWN);
	atomic_store(&l->rise, 0);
	atomic_store(&l->fall, 0);
	atomic_store(&l->health_since_wall_ms, 0);
	atomic_store(&l->last_beat_us, 0);
	atomic_store(&l->told_inflight, 0);
	atomic_store(&l->told_queue, 0);
	atomic_store(&l->probe_us, 0);
	atomic_store(&l->probe_error, 0);
	for (size_t i = 0; i < LIVE_SLOTS; i++) {
		atomic_store(&l->slots[i].ok, 0);
		atomic_store(&l->slots[i].failed, 0);
		atomic_store(&l->slots[i].latency_us, 0);
	}
}

void live_follow(struct live *l, uint64_t life, enum live_again what)
{
	uint64_t was = atomic_load(&l->life);
	while (was < life && !atomic_compare_exchange_weak(&l->life, &was, life))
		;
	if (was >= life || was == 0) // a record just made has learned nothing
		return;
	forget_verdicts(l);
	if (what != LIVE_NEW_SECRET)
		forget_measures(l);
	if (what == LIVE_NEW_OBJECT) {
		atomic_store(&l->drained, 0);
		atomic_store(&l->weight_override, -1);
		atomic_store(&l->override_until_us, 0);
		atomic_store(&l->rr, 0);
		atomic_store(&l->rpm_ns, 0);
		atomic_store(&l->tpm_ns, 0);
		atomic_store(&l->limited, 0);
		atomic_store(&l->spend.pico, 0);
		atomic_store(&l->spend.unpriced, 0);
		atomic_store(&l->spend.window, 0);
		atomic_store(&l->requests, 0);
		atomic_store(&l->failures, 0);
		atomic_store(&l->last_used_wall_ms, 0);
	}
}

void live_unlearn(struct live *l, enum live_match lost)
{
	if (lost != LIVE_SAME)
		forget_verdicts(l);
	if (lost == LIVE_OTHER_ADDRESS)
		forget_measures(l);
}

// ---- what a server serves ----

const struct live_model *live_models_find(const struct live_models *m, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; m != NULL && i < m->n; i++) {
		const char *is = m->v[i].name;
		if (strncmp(is, name, len) == 0 &&
			(is[len] == '\0' || strcmp(is + len, ":latest") == 0))
			return &m->v[i];
	}
	return NULL;
}

static bool same_models(const struct live_models *a, const struct live_models *b)
{
	if (a == NULL || a->n != b->n || a->more != b->more || a->life != b->life)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].name, b->v[i].name) != 0 || a->v[i].window != b->v[i].window)
			return false;
	return true;
}

void live_models_set(struct live *l, struct live_models *m, int64_t now_us)
{
	struct live_models *old = atomic_load(&l->models);
	bool in_use = old != NULL && old->before != NULL && now_us - old->since_us < TURN_US;
	if (same_models(old, m) || in_use) {
		free(m);
		return;
	}
	m->since_us = now_us;
	m->before = old;
	if (old != NULL) {
		free(old->before);
		old->before = NULL;
	}
	atomic_store_explicit(&l->models, m, memory_order_release);
}

void live_count(struct live *l, uint64_t life, int64_t now_us, bool ok, int64_t latency_us)
{

	if (UNLIKELY(live_match(l, life) == LIVE_OTHER_ADDRESS))
		return;
	// The slot of the current period, emptied when it still counts an old one.
	uint32_t epoch = (uint32_t)(now_us / SLOT_US);
	struct live_slot *s = &l->slots[epoch % LIVE_SLOTS];
	uint32_t seen = atomic_load_explicit(&s->epoch, memory_order_relaxed);
	if (seen != epoch && atomic_compare_exchange_strong(&s->epoch, &seen, epoch)) {
		atomic_store_explicit(&s->ok, 0, memory_order_relaxed);
		atomic_store_explicit(&s->failed, 0, memory_order_relaxed);
		atomic_store_explicit(&s->latency_us, 0, memory_order_relaxed);
	}
	atomic_fetch_add_explicit(&l->requests, 1, memory_order_relaxed);
	if (!ok) {
		atomic_fetch_add_explicit(&l->failures, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&s->failed, 1, memory_order_relaxed);
		return;
	}
	atomic_fetch_add_explicit(&s->ok, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->latency_us, (uint64_t)latency_us, memory_order_relaxed);
	// Peak EWMA (Finagle): a slower answer counts at once, a faster one decays towards it.
	int64_t old = atomic_load_explicit(&l->ewma_us, memory_order_relaxed);
	int64_t p95 = atomic_load_explicit(&l->p95_us, memory_order_relaxed);
	double w = 1 - exp(-(double)MAX_OF(latency_us, 1000) / EWMA_DECAY_US);
	if (old == 0 || latency_us > old)
		old = latency_us;
	else
		old += (int64_t)(((double)latency_us - (double)old) * MAX_OF(w, 0.05));
	atomic_store_explicit(&l->ewma_us, MAX_OF(old, 1), memory_order_relaxed);
	// Streaming quantile by stochastic steps: 19 steps down balance one step up at p = 0.95.
	if (p95 == 0)
		p95 = latency_us;
	else if (latency_us > p95)
		p95 += MAX_OF((latency_us - p95) / 8, p95 / 50 + 1);
	else
		p95 -= p95 / 950;
	atomic_store_explicit(&l->p95_us, MAX_OF(p95, 1), memory_order_relaxed);
}

struct live_window live_window(const struct live *l, int64_t now_us, int seconds)
{
	uint32_t epoch = (uint32_t)(now_us / SLOT_US);
	uint32_t slots = (uint32_t)MIN_OF(MAX_OF(seconds / 5, 1), LIVE_SLOTS);
	struct live_window w = {NAN, NAN, NAN, 0, 0};
	uint64_t latency = 0;
	for (uint32_t i = 0; i < slots; i++) {
		const struct live_slot *s = &l->slots[(epoch - i) % LIVE_SLOTS];
		if (atomic_load_explicit(&s->epoch, memory_order_relaxed) != epoch - i)
			continue;
		w.ok += atomic_load_explicit(&s->ok, memory_order_relaxed);
		w.failed += atomic_load_explicit(&s->failed, memory_order_relaxed);
		latency += atomic_load_explicit(&s->latency_us, memory_order_relaxed);
	}
	uint64_t all = w.ok + w.failed;
	if (!all)
		return w;
	w.rate = (double)all / seconds;
	w.ok_rate = (double)w.ok / (double)all;
	if (w.ok)
		w.mean_ms = (double)latency / (double)w.ok / 1000;
	return w;
}
