// SPDX-License-Identifier: MIT
// The event ring behind GET /api/v1/events: traffic, health, key, config, alert. Bounded; a reader that
// falls behind is told how many it lost. Writers are loops (short lock on fixed slots).
#ifndef YJ_AGENT_CORE_EVENTS_H
#define YJ_AGENT_CORE_EVENTS_H

#include "agent/core/loop.h"
#include "shared/str.h"

#define EVENTS_RING 8192
#define EVENT_JSON_MAX 1536

enum event_kind { EVENT_TRAFFIC, EVENT_HEALTH, EVENT_KEY, EVENT_CONFIG, EVENT_ALERT, EVENT_KINDS };

struct events;

struct events *events_new(void);
void events_free(struct events *e);
// json: the event's own members, an object; "seq", "at" and "kind" are added by the ring.
// Longer than EVENT_JSON_MAX is cut by its writer beforehand. Thread-safe.
void events_add(struct events *e, enum event_kind kind, struct slice json);
uint64_t events_head(const struct events *e); // seq of the newest, 0 none
// Before the first event: numbers go on from here. The agent begins each life higher than any life
// before it came, so that a cursor says which life it is from.
void events_begin(struct events *e, uint64_t before);
// Where a reader goes on that has everything up to `since` (0: nothing yet). *ret_reset: the cursor is
// of another life, or ahead of this one; the reader begins with this life's first event.
uint64_t events_resume(const struct events *e, uint64_t since, bool *ret_reset);
// Copies up to max events with seq > since into out as SSE frames; "id:" is the seq, which is a cursor. Returns the cursor to go on with; *ret_lost counts what was overwritten.
uint64_t events_read(struct events *e, uint64_t since, uint32_t kinds_mask, size_t max,
	struct str *out, uint64_t *ret_lost);
// As JSON array items for GET without a stream.
uint64_t events_read_json(struct events *e, uint64_t since, uint32_t kinds_mask, size_t max,
	struct str *out, uint64_t *ret_lost);
#define EVENTS_ALL 0xffffffffu
// Wakes fn(arg) on its loop once when something newer than `since` is there.
struct events_waiter {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	struct events_waiter *next;
	bool waiting;
};
void events_wait(struct events *e, uint64_t since, struct events_waiter *w);
// After it a call posted before may still come: free the waiter through loop_post.
void events_unwait(struct events *e, struct events_waiter *w);

#endif
