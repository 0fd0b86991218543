// SPDX-License-Identifier: MIT
// Tells the log when the wall clock was set: deadlines, cooldowns and leases go by the monotonic
// clock and do not notice, but what carries a date does (expiry of keys and tokens, budget windows,
// prices, history), and who wonders about it finds the moment here.
#ifndef YJ_AGENT_CORE_CLOCK_WATCH_H
#define YJ_AGENT_CORE_CLOCK_WATCH_H

#include "agent/core/loop.h"

#define CLOCK_JUMP_S 5 // what is less is the clock being disciplined

struct clock_watch { // embedded in its owner; zeroed means stopped
	struct loop *loop;
	struct loop_timer timer;
	int64_t ahead_us; // of the wall clock, before the monotonic one
};

// Looks every second, on this loop; logs clock_jump with the seconds it was moved by.
void clock_watch_start(struct clock_watch *w, struct loop *l);
void clock_watch_stop(struct clock_watch *w);

#endif
