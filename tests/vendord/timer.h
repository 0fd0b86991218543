// SPDX-License-Identifier: MIT
// A heap of deadlines. An owner keeps its own place in it.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t at_ms;
	size_t place; // 0: not set
};

struct timers {
	struct timer **heap; // from 1 on
	size_t n, cap;
};

void timers_release(struct timers *timers);
void timer_set(struct timers *timers, struct timer *timer, int64_t at_ms);
void timer_stop(struct timers *timers, struct timer *timer);
// The earliest, or NULL.
struct timer *timers_first(const struct timers *timers);
int64_t clock_ms(void);
