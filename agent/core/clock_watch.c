// SPDX-License-Identifier: MIT
// Compares the wall clock with the monotonic one each second and logs a jump.
#include "agent/core/clock_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include "shared/clock.h"
#include "shared/log.h"

#define LOOK_US INT64_C(1000000)
#define US_PER_S INT64_C(1000000)

static int64_t wall_ahead_us(void)
{
	return clock_wall_ms() * 1000 - clock_mono_us();
}

static void look(void *arg)
{
	struct clock_watch *w = arg;
	int64_t now = wall_ahead_us(), by_s = (now - w->ahead_us) / US_PER_S;
	char text[32];
	if (llabs(by_s) >= CLOCK_JUMP_S) {
		snprintf(text, sizeof(text), "%+lld", (long long)by_s);
		log_line(LOG_LVL_WARN, "clock_jump", "seconds", text, NULL);
	}
	w->ahead_us = now; // drift adds up to no jump
	loop_timer_set(w->loop, &w->timer, LOOK_US, look, w);
}

void clock_watch_start(struct clock_watch *w, struct loop *l)
{
	w->loop = l;
	w->ahead_us = wall_ahead_us();
	loop_timer_set(l, &w->timer, LOOK_US, look, w);
}

void clock_watch_stop(struct clock_watch *w)
{
	if (w->loop != NULL)
		loop_timer_clear(w->loop, &w->timer);
}
