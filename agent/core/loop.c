// SPDX-License-Identifier: MIT
// Waits on descriptors, timers and other threads' calls in one place; the order within a turn is
// events, timers, calls, then what goes out.
#include "agent/core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/vec.h"

#define EVENTS_MAX 128
#define HOOKS_MAX 16
#define WAIT_MAX_MS 60000

struct call {
	void (*fn)(void *arg);
	void *arg;
};

struct calls {
	struct call *v;
	size_t n, cap;
};

struct loop {
	const char *name; // borrowed
	struct loop_hooks wait;
	struct upstream_pool *upstream; // borrowed
	int epoll_fd;
	int64_t now_us, wall_ms; // of this turn; wall_ms 0: not read yet
	_Atomic bool stop;
	struct epoll_event *batch; // events still to be handed out in this turn
	int batch_at, batch_n;
	struct {
		struct loop_timer **v;
		size_t n, cap;
	} timers; // binary heap by due_us
	struct calls later, running;
	struct call hooks[HOOKS_MAX];
	size_t hooks_n;
	// the inbox: any thread
	pthread_mutex_t lock;
	struct calls inbox, taken;
	bool woken; // under lock: the eventfd is already set
	struct loop_watch wake;
};

static void on_wake(void *arg, uint32_t events)
{
	struct loop *l = arg;
	(void)events;
	uint64_t count;
	ssize_t n = read(l->wake.fd, &count, sizeof(count));
	(void)n; // only the wake-up matters
	pthread_mutex_lock(&l->lock);
	struct calls mine = l->inbox;
	l->inbox = l->taken;
	l->inbox.n = 0;
	l->taken = mine;
	l->woken = false;
	pthread_mutex_unlock(&l->lock);
	for (size_t i = 0; i < l->taken.n; i++)
		l->taken.v[i].fn(l->taken.v[i].arg);
}

struct loop *loop_new(const char *name, const struct loop_hooks *hooks)
{
	struct loop *l = mem_zalloc(1, sizeof(*l));
	l->name = name;
	if (hooks != NULL)
		l->wait = *hooks;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&l->lock, NULL);
	l->now_us = clock_mono_us();
	if (l->epoll_fd < 0 || fd < 0 ||
		loop_watch_set(l, &l->wake, fd, EPOLLIN, on_wake, l) != ERR_OK) {
		if (fd >= 0)
			close(fd);
		l->wake.fd = -1;
		loop_free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	if (l->wake.fd >= 0)
		close(l->wake.fd);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	pthread_mutex_destroy(&l->lock);
	VEC_RELEASE(&l->timers);
	VEC_RELEASE(&l->later);
	VEC_RELEASE(&l->running);
	VEC_RELEASE(&l->inbox);
	VEC_RELEASE(&l->taken);
	free(l);
}

int64_t loop_now_us(const struct loop *l)
{
	return l->now_us;
}

int64_t loop_wall_ms(struct loop *l)
{
	if (l->wall_ms == 0)
		l->wall_ms = clock_wall_ms();
	return l->wall_ms;
}

void loop_set_upstream(struct loop *l, struct upstream_pool *p)
{
	l->upstream = p;
}

struct upstream_pool *loop_upstream(struct loop *l)
{
	return l->upstream;
}

// ---- calls from elsewhere and for later ----

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&l->lock);
	VEC_PUSH(&l->inbox, ((struct call){fn, arg}));
	bool wake = !l->woken;
	l->woken = true;
	pthread_mutex_unlock(&l->lock);
	if (!wake)
		return;
	uint64_t one = 1;
	ssize_t n = write(l->wake.fd, &one, sizeof(one));
	(void)n; // a full counter wakes as well
}

static void stop_now(void *arg)
{
	struct loop *l = arg;
	l->stop = true;
}

void loop_stop(struct loop *l)
{
	loop_post(l, stop_now, l);
}

void loop_later(struct loop *l, void (*fn)(void *arg), void *arg)
{
	VEC_PUSH(&l->later, ((struct call){fn, arg}));
}

void loop_each_turn(struct loop *l, void (*fn)(void *arg), void *arg)
{
	if (l->hooks_n < HOOKS_MAX)
		l->hooks[l->hooks_n++] = (struct call){fn, arg};
}

// ---- timers: a binary heap whose entries know their slot ----

static void heap_place(struct loop *l, size_t i, struct loop_timer *t)
{
	l->timers.v[i] = t;
	t->slot = i + 1;
}

static void heap_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->timers.v[i];
	while (i > 0 && l->timers.v[(i - 1) / 2]->due_us > t->due_us) {
		heap_place(l, i, l->timers.v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->timers.v[i];
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= l->timers.n)
			break;
		if (child + 1 < l->timers.n &&
			l->timers.v[child + 1]->due_us < l->timers.v[child]->due_us)
			child++;
		if (l->timers.v[child]->due_us >= t->due_us)
			break;
		heap_place(l, i, l->timers.v[child]);
		i = child;
	}
	heap_place(l, i, t);
}

void loop_timer_clear(struct loop *l, struct loop_timer *t)
{
	if (!t->slot)
		return;
	size_t i = t->slot - 1;
	struct loop_timer *last = l->timers.v[--l->timers.n];
	t->slot = 0;
	if (last == t)
		return;
	heap_place(l, i, last);
	heap_up(l, i);
	heap_down(l, last->slot - 1);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_us, void (*fn)(void *arg),
	void *arg)
{
	loop_timer_clear(l, t);
	t->due_us = l->now_us + MAX_OF(delay_us, 0);
	t->fn = fn;
	t->arg = arg;
	VEC_PUSH(&l->timers, t);
	heap_up(l, l->timers.n - 1);
}

static int wait_ms(const struct loop *l)
{
	if (l->later.n)
		return 0;
	if (!l->timers.n)
		return WAIT_MAX_MS;
	int64_t left = l->timers.v[0]->due_us - clock_mono_us();
	if (left <= 0)
		return 0;
	return (int)MIN_OF((left + 999) / 1000, WAIT_MAX_MS);
}

// ---- watches ----

enum err_code loop_watch_set(struct loop *l, struct loop_watch *w, int fd, uint32_t events,
	void (*fn)(void *arg, uint32_t events), void *arg)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};
	int op = w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (w->events && (!events || w->fd != fd)) {
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
		// Events of this batch for a watch that is gone must not reach it.
		for (int i = l->batch_at; i < l->batch_n; i++)
			if (l->batch[i].data.ptr == w)
				l->batch[i].data.ptr = NULL;
		w->events = 0;
		op = EPOLL_CTL_ADD;
	}
	if (!events)
		return ERR_OK;
	w->fn = fn;
	w->arg = arg;
	w->fd = fd;
	if (op == EPOLL_CTL_MOD && w->events == events)
		return ERR_OK;
	if (epoll_ctl(l->epoll_fd, op, fd, &ev) < 0)
		return ERR_INTERNAL;
	w->events = events;
	return ERR_OK;
}

static void turn(struct loop *l)
{
	int wait = wait_ms(l);
	if (l->wait.before_wait != NULL)
		l->wait.before_wait(l->wait.arg);
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, wait);
	if (l->wait.after_wait != NULL)
		l->wait.after_wait(l->wait.arg);
	l->now_us = clock_mono_us();
	l->wall_ms = 0;
	l->batch = events;
	l->batch_n = n;
	for (l->batch_at = 0; l->batch_at < l->batch_n;) {
		struct epoll_event *ev = &events[l->batch_at++];
		struct loop_watch *w = ev->data.ptr;
		if (w != NULL)
			w->fn(w->arg, ev->events);
	}
	l->batch_at = l->batch_n = 0;
	while (l->timers.n && l->timers.v[0]->due_us <= l->now_us) {
		struct loop_timer *t = l->timers.v[0];
		loop_timer_clear(l, t);
		t->fn(t->arg);
	}
	struct calls now = l->later;
	l->later = l->running;
	l->later.n = 0;
	l->running = now;
	for (size_t i = 0; i < l->running.n; i++)
		l->running.v[i].fn(l->running.v[i].arg);
	for (size_t i = 0; i < l->hooks_n; i++)
		l->hooks[i].fn(l->hooks[i].arg);
}

void loop_run(struct loop *l)
{
	while (!l->stop)
		turn(l);
	if (l->wait.before_wait != NULL)
		l->wait.before_wait(l->wait.arg);
}
