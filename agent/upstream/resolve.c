// SPDX-License-Identifier: MIT
// Lanes of names before a few threads that end when nothing waits. A thread that is out for long is
// counted in the lane of slow names, so that its own lane goes on.
#include "agent/upstream/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "shared/clock.h"
#include "shared/map.h"
#include "shared/mem.h"

#define STACK_BYTES ((size_t)128 * 1024)

enum lane { LANE_TRAFFIC, LANE_BACKGROUND, LANE_SLOW, LANES };
static const int lane_threads[LANES] = {RESOLVE_THREADS, RESOLVE_BACKGROUND, RESOLVE_SLOW};

struct resolve_ask {
	struct resolve_ask *next; // of its name
	struct resolve_ask *after, **back; // of those whose answer is on its way
	struct name *name; // NULL once the answer is on its way
	struct loop *loop;
	void (*done)(void *arg, const struct resolved *res);
	void *arg;
	bool cancelled; // its loop alone
	struct resolved res;
};

struct name {
	char *text;
	struct name *next; // of its queue
	struct resolve_ask *asks;
	enum lane lane;
	bool queued, running;
	bool slow; // took long when it was last looked up, or does now
	int64_t began_us; // running
	int64_t until_us; // what res says holds; 0: nothing is known
	struct resolved res;
};

// One for the process, as its threads are; everything below is under its lock.
static struct {
	pthread_mutex_t lock;
	struct map names;
	struct {
		struct name *first, *last;
		int running;
	} lane[LANES];
	int threads;
	struct resolve_ask *posted;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- answers ----

static void deliver(void *arg)
{
	struct resolve_ask *a = arg;
	pthread_mutex_lock(&all.lock);
	*a->back = a->after;
	if (a->after != NULL)
		a->after->back = a->back;
	pthread_mutex_unlock(&all.lock);
	if (!a->cancelled)
		a->done(a->arg, &a->res);
	free(a);
}

static void answer(struct resolve_ask *a, const struct resolved *res)
{
	a->res = *res;
	a->name = NULL;
	a->after = all.posted;
	a->back = &all.posted;
	if (a->after != NULL)
		a->after->back = &a->after;
	all.posted = a;
	loop_post(a->loop, deliver, a);
}

// ---- queues ----

static void enqueue(struct name *n, enum lane lane)
{
	// Of those that had an answer soon, nobody has to fear another wait.
	n->lane = n->slow ? LANE_SLOW : n->res.n > 0 ? LANE_TRAFFIC : lane;
	n->queued = true;
	n->next = NULL;
	if (all.lane[n->lane].first != NULL)
		all.lane[n->lane].last->next = n;
	else
		all.lane[n->lane].first = n;
	all.lane[n->lane].last = n;
}

static void dequeue(struct name *n)
{
	struct name **at = &all.lane[n->lane].first, *before = NULL;
	while (*at != n) {
		before = *at;
		at = &before->next;
	}
	*at = n->next;
	if (all.lane[n->lane].last == n)
		all.lane[n->lane].last = before;
	n->queued = false;
}

// The next name that may have a thread now.
static struct name *next_name(void)
{
	for (int i = 0; i < LANES; i++) {
		struct name *n = all.lane[i].first;
		if (n != NULL && all.lane[i].running < lane_threads[i]) {
			dequeue(n);
			return n;
		}
	}
	return NULL;
}

// ---- looking up ----

static void look_up(const char *text, struct resolved *ret)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(text, NULL, &hints, &found);
	*ret = (struct resolved){0};
	if (rc != 0)
		ret->why = gai_strerror(rc);
	for (struct addrinfo *a = rc == 0 ? found : NULL; a != NULL; a = a->ai_next) {
		if (ret->n < RESOLVE_ADDRESSES && a->ai_addrlen <= sizeof(ret->v[0]))
			memcpy(&ret->v[ret->n++], a->ai_addr, a->ai_addrlen);
	}
	if (rc == 0)
		freeaddrinfo(found);
	if (ret->n == 0 && ret->why == NULL)
		ret->why = "the name has no address";
}

static void *thread_run(void *arg)
{
	pthread_mutex_lock(&all.lock);
	struct resolved res;
	struct name *n;
	while ((n = next_name()) != NULL) {
		all.lane[n->lane].running++;
		n->running = true;
		n->began_us = clock_mono_us();
		pthread_mutex_unlock(&all.lock);
		look_up(n->text, &res);
		pthread_mutex_lock(&all.lock);
		int64_t now = clock_mono_us();
		all.lane[n->lane].running--;
		n->running = false;
		n->slow = now - n->began_us > RESOLVE_SLOW_US;
		n->res = res;
		n->until_us = now + (res.n > 0 ? RESOLVE_KEEP_US : RESOLVE_FAIL_US);
		while (n->asks != NULL) {
			struct resolve_ask *a = n->asks;
			n->asks = a->next;
			answer(a, &res);
		}
	}
	all.threads--;
	pthread_mutex_unlock(&all.lock);
	return arg;
}

// Threads end when there is nothing to do; a lane that may go on has one at most begun for it here.
static void begin_thread(void)
{
	if (all.threads >= RESOLVE_THREADS)
		return;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	all.threads++;
	pthread_t thread;
	if (pthread_create(&thread, &attr, thread_run, NULL) != 0)
		all.threads--; // those that run go on with what waits
	pthread_attr_destroy(&attr);
}

// ---- names ----

// Those of which nobody wants to know anything.
static void forget_old(int64_t now_us)
{
	struct name *old[64];
	size_t n = 0, it = 0;
	void *value;
	while (n < ARRAY_LEN(old) && map_next(&all.names, &it, NULL, &value)) {
		struct name *name = value;
		if (!name->running && name->asks == NULL && name->until_us <= now_us)
			old[n++] = name;
	}
	for (size_t i = 0; i < n; i++) {
		if (old[i]->queued)
			dequeue(old[i]);
		map_del(&all.names, slice_of(old[i]->text));
		free(old[i]->text);
		free(old[i]);
	}
}

static struct name *name_of(const char *text, int64_t now_us)
{
	struct name *n = map_get(&all.names, slice_of(text));
	if (n != NULL)
		return n;
	if (all.names.n >= RESOLVE_NAMES / 2)
		forget_old(now_us);
	if (all.names.n >= RESOLVE_NAMES)
		return NULL;
	n = mem_zalloc(1, sizeof(*n));
	n->text = mem_strdup(text);
	map_put(&all.names, slice_of(n->text), n);
	return n;
}

// A lane whose threads are all out for long has names that are slow: others have their turn.
static void set_slow_aside(int64_t now_us)
{
	size_t it = 0;
	void *value;
	while (map_next(&all.names, &it, NULL, &value)) {
		struct name *n = value;
		if (all.lane[LANE_SLOW].running >= RESOLVE_ASIDE)
			return;
		if (!n->running || n->slow || now_us - n->began_us <= RESOLVE_SLOW_US)
			continue;
		n->slow = true;
		all.lane[n->lane].running--;
		n->lane = LANE_SLOW;
		all.lane[LANE_SLOW].running++;
	}
}

struct resolve_ask *resolve_start(struct loop *l, const char *text, bool background,
	void (*done)(void *arg, const struct resolved *res), void *arg)
{
	enum lane lane = background ? LANE_BACKGROUND : LANE_TRAFFIC;
	int64_t now = clock_mono_us();
	struct resolve_ask *a = mem_zalloc(1, sizeof(*a));
	*a = (struct resolve_ask){.loop = l, .done = done, .arg = arg};
	pthread_mutex_lock(&all.lock);
	struct name *n = name_of(text, now);
	if (n == NULL) {
		free(a);
		a = NULL;
	} else if (!n->running && n->until_us > now) {
		answer(a, &n->res);
	} else {
		a->name = n;
		a->next = n->asks;
		n->asks = a;
		if (n->queued && lane < n->lane && !n->slow)
			dequeue(n); // so far nobody but a probe asked
		if (!n->queued && !n->running)
			enqueue(n, lane);
		if (all.lane[n->lane].running >= lane_threads[n->lane] ||
			all.threads >= RESOLVE_THREADS)
			set_slow_aside(now);
		if (n->queued)
			begin_thread();
	}
	pthread_mutex_unlock(&all.lock);
	return a;
}

void resolve_cancel(struct resolve_ask *a)
{
	pthread_mutex_lock(&all.lock);
	struct name *n = a->name;
	if (n != NULL) {
		struct resolve_ask **at = &n->asks;
		while (*at != a)
			at = &(*at)->next;
		*at = a->next;
		if (n->asks == NULL && n->queued) {
			dequeue(n);
			n->until_us = 0;
		}
	}
	pthread_mutex_unlock(&all.lock);
	if (n != NULL)
		free(a);
	else
		a->cancelled = true; // it is freed when the answer arrives
}

void resolve_forget(const char *text)
{
	pthread_mutex_lock(&all.lock);
	struct name *n = map_get(&all.names, slice_of(text));
	if (n != NULL && !n->running)
		n->until_us = 0;
	pthread_mutex_unlock(&all.lock);
}
