// SPDX-License-Identifier: MIT
// One event loop per thread: epoll, timers, an inbox, and the thread's curl multi handle.
// Nothing is shared between loops but what is made for it, and their inboxes. Every call but
// loop_post, loop_stop and loop_wake is for the loop's own thread.
#ifndef YJ_AGENT_CORE_LOOP_H
#define YJ_AGENT_CORE_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include "shared/err.h"

struct loop;
struct upstream_pool;

struct loop_timer { // embedded in its owner; zeroed means idle
	int64_t due_us;
	size_t slot; // place in the heap + 1; 0 idle
	void (*fn)(void *arg);
	void *arg;
};

struct loop_watch { // embedded in its owner
	int fd;
	uint32_t events; // EPOLLIN…, as registered; 0 not registered
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

// What a loop has done on its own thread: before it may block, once more when it has ended, and as
// soon as it wakes. Both or neither.
struct loop_hooks {
	void (*before_wait)(void *arg);
	void (*after_wait)(void *arg);
	void *arg;
};

// hooks: copied; NULL none.
struct loop *loop_new(const char *name, const struct loop_hooks *hooks);
void loop_free(struct loop *l);
// Runs until loop_stop. The calling thread is the loop's.
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
// Monotonic time at the start of this turn, microseconds.
int64_t loop_now_us(const struct loop *l);
// Wall time of this turn, milliseconds: read once, by the first who asks.
int64_t loop_wall_ms(struct loop *l);
// Runs fn(arg) on the loop, in order of posting. Thread-safe.
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);
// At the end of this turn, on this loop (no wake-up needed).
void loop_later(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_us, void (*fn)(void *arg),
	void *arg);
void loop_timer_clear(struct loop *l, struct loop_timer *t);
// Registers or changes; events 0 removes. fn may remove the watch.
enum err_code loop_watch_set(struct loop *l, struct loop_watch *w, int fd, uint32_t events,
	void (*fn)(void *arg, uint32_t events), void *arg);
// Hook run once per turn after events, timers and calls (what goes out); at most 16.
void loop_each_turn(struct loop *l, void (*fn)(void *arg), void *arg);
// Opaque owner slot for agent/upstream/upstream (its pool and curl multi of this loop).
void loop_set_upstream(struct loop *l, struct upstream_pool *p);
struct upstream_pool *loop_upstream(struct loop *l);

#endif
