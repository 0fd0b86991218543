// SPDX-License-Identifier: MIT
// The publishing point: one current snapshot, readers that announce their turns, and the retired
// ones freed when nobody can hold them.
#include "agent/state/publish.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state/build.h"
#include "agent/state/private.h"
#include "shared/clock.h"

struct reader {
	_Alignas(64) _Atomic uint64_t seen; // epoch at its last turn; 0: offline
};

struct snapshots {
	_Atomic(struct snapshot *) now;
	_Atomic uint64_t epoch;
	_Atomic int joined;
	struct snapshot *retired;
	pthread_mutex_t lock; // over the waiters
	struct snapshot_waiter *waiters;
	snapshots_observer *observer;
	void *observer_arg;
	struct reader readers[SNAPSHOT_READERS_MAX];
};

struct snapshots *snapshots_new(void)
{
	struct snapshots *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
	if (s == NULL)
		abort();
	memset(s, 0, sizeof(*s));
	atomic_init(&s->epoch, 1);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void snapshots_free(struct snapshots *s)
{
	if (s == NULL)
		return;
	while (s->retired != NULL) {
		struct snapshot *next = s->retired->next_retired;
		snapshot_free(s->retired);
		s->retired = next;
	}
	snapshot_free(atomic_load(&s->now));
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int snapshots_join(struct snapshots *s)
{
	int reader = atomic_fetch_add(&s->joined, 1);
	return reader < SNAPSHOT_READERS_MAX ? reader : -1;
}

void snapshots_offline(struct snapshots *s, int reader)
{
	atomic_store_explicit(&s->readers[reader].seen, 0, memory_order_release);
}

void snapshots_online(struct snapshots *s, int reader)
{
	// Sequentially consistent: the store must be seen before this reader loads the pointer.
	atomic_store(&s->readers[reader].seen, atomic_load(&s->epoch));
}

const struct snapshot *snapshots_now(struct snapshots *s)
{
	return atomic_load(&s->now);
}

void snapshot_hold(const struct snapshot *snap)
{
	atomic_fetch_add_explicit(&((struct snapshot *)(uintptr_t)snap)->refs, 1,
		memory_order_relaxed);
}

void snapshot_drop(const struct snapshot *snap)
{
	atomic_fetch_sub_explicit(&((struct snapshot *)(uintptr_t)snap)->refs, 1,
		memory_order_release);
}

void snapshots_collect(struct snapshots *s)
{
	// The oldest epoch an online reader may still look at.
	uint64_t oldest = UINT64_MAX;
	int n = MIN_OF(atomic_load(&s->joined), SNAPSHOT_READERS_MAX);
	for (int i = 0; i < n; i++) {
		uint64_t seen = atomic_load(&s->readers[i].seen);
		if (seen && seen < oldest)
			oldest = seen;
	}
	struct snapshot **at = &s->retired;
	while (*at != NULL) {
		struct snapshot *snap = *at;
		// Order matters: once no turn can take a new hold, a count of zero is final.
		if (snap->retired_epoch > oldest ||
			atomic_load_explicit(&snap->refs, memory_order_acquire)) {
			at = &snap->next_retired;
			continue;
		}
		*at = snap->next_retired;
		snapshot_free(snap);
	}
}

static void wake_waiters(struct snapshots *s, uint64_t revision, bool all)
{
	struct snapshot_waiter **at = &s->waiters, *woken = NULL;
	pthread_mutex_lock(&s->lock);
	while (*at != NULL) {
		struct snapshot_waiter *w = *at;
		if (w->since == revision && !all) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = woken;
		woken = w;
	}
	pthread_mutex_unlock(&s->lock);
	while (woken != NULL) {
		struct snapshot_waiter *next = woken->next; // its owner may free it once called
		woken->fn(woken->arg);
		woken = next;
	}
}

void snapshots_observe(struct snapshots *s, snapshots_observer *fn, void *arg)
{
	pthread_mutex_lock(&s->lock);
	s->observer = fn;
	s->observer_arg = arg;
	pthread_mutex_unlock(&s->lock);
}

void snapshots_publish(struct snapshots *s, struct snapshot *next)
{

	next->published_wall_ms = clock_wall_ms();
	snapshot_live_on(next);
	struct snapshot *old = atomic_exchange(&s->now, next);
	bool other = old != NULL && old->lineage != next->lineage;
	if (old != NULL) {
		old->retired_epoch = atomic_fetch_add(&s->epoch, 1) + 1;
		old->next_retired = s->retired;
		s->retired = old;
	}
	pthread_mutex_lock(&s->lock);
	snapshots_observer *fn = s->observer;
	void *arg = s->observer_arg;
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; fn != NULL && i < next->again.n; i++)
		fn(arg, &next->again.v[i]);
	snapshot_again_drop(next);
	wake_waiters(s, next->revision, other);
	snapshots_collect(s);
}

void snapshots_wait(struct snapshots *s, uint64_t since, struct snapshot_waiter *w)
{

	w->since = since;
	pthread_mutex_lock(&s->lock);
	bool there = atomic_load(&s->now)->revision != since;
	if (!there) {
		w->next = s->waiters;
		s->waiters = w;
	}
	pthread_mutex_unlock(&s->lock);
	if (there)
		w->fn(w->arg);
}

bool snapshots_unwait(struct snapshots *s, struct snapshot_waiter *w)
{
	struct snapshot_waiter **at = &s->waiters;
	pthread_mutex_lock(&s->lock);
	while (*at != NULL && *at != w)
		at = &(*at)->next;
	bool found = *at != NULL;
	if (found)
		*at = w->next;
	pthread_mutex_unlock(&s->lock);
	return found;
}
