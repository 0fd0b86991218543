// SPDX-License-Identifier: MIT
#include "tests/vendord/timer.h"

#include <stdlib.h>
#include <time.h>

int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void timers_release(struct timers *timers)
{
	free(timers->heap);
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

static void sift(struct timers *timers, size_t place, struct timer *timer)
{
	while (place > 1 && timers->heap[place / 2]->at_ms > timer->at_ms) {
		put(timers, place, timers->heap[place / 2]);
		place /= 2;
	}
	for (size_t child; (child = place * 2) <= timers->n; place = child) {
		if (child < timers->n &&
			timers->heap[child + 1]->at_ms < timers->heap[child]->at_ms)
			child++;
		if (timers->heap[child]->at_ms >= timer->at_ms)
			break;
		put(timers, place, timers->heap[child]);
	}
	put(timers, place, timer);
}

void timer_set(struct timers *timers, struct timer *timer, int64_t at_ms)
{
	timer_stop(timers, timer);
	if (timers->n + 2 > timers->cap) {
		timers->cap = timers->cap ? timers->cap * 2 : 64;
		timers->heap = realloc(timers->heap, timers->cap * sizeof(struct timer *));
		if (!timers->heap)
			abort();
	}
	timer->at_ms = at_ms;
	sift(timers, ++timers->n, timer);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	if (place == 0)
		return;
	timer->place = 0;
	struct timer *last = timers->heap[timers->n--];
	if (last != timer)
		sift(timers, place, last);
}

struct timer *timers_first(const struct timers *timers)
{
	return timers->n ? timers->heap[1] : NULL;
}
