// SPDX-License-Identifier: MIT
// Slowness, apart from silence and length: what has begun and is not complete (an event, a document,
// a request's body) comes at PACE_BYTES in PACE_US at least, or is given up. Time that somebody else
// takes, such as between events or while nothing is read, does not count.
#ifndef YJ_AGENT_CORE_PACE_H
#define YJ_AGENT_CORE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_US INT64_C(30000000)
#define PACE_BYTES 3000 // 100 a second

struct pace { // zeroed: nothing is unfinished
	int64_t from_us; // of the window; 0 none
	int64_t bytes; // in it
};

static inline void pace_begin(struct pace *p, int64_t now_us)
{
	*p = (struct pace){.from_us = now_us};
}

static inline void pace_end(struct pace *p)
{
	*p = (struct pace){0};
}

static inline void pace_add(struct pace *p, size_t n)
{
	p->bytes += (int64_t)n;
}

// When to look; INT64_MAX never.
static inline int64_t pace_due_us(const struct pace *p)
{
	return p->from_us != 0 ? p->from_us + PACE_US : INT64_MAX;
}

// True when a window is over in which too little came; else the next one begins when it is due.
static inline bool pace_slow(struct pace *p, int64_t now_us)
{
	if (now_us < pace_due_us(p))
		return false;
	bool slow = p->bytes < PACE_BYTES;
	pace_begin(p, now_us);
	return slow;
}

#endif
