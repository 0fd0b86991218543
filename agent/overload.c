// SPDX-License-Identifier: MIT
#include "agent/overload.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shared/log.h"
#include "shared/mem.h"
#include "shared/num.h"

#define LOOK_US INT64_C(200000)
#define MEMORY_BACK 0.95 // below this part of the limit it is over

const char *overload_name(enum overload why)
{
	static const char *const names[] = {"", "inflight", "queue", "memory", "connections",
		"descriptors"};
	return names[why];
}

// ---- the gate ----

void overload_turn(struct overload_gate *g, int64_t target_us, int64_t now_us, int64_t queue_us)
{
	if (target_us <= 0)
		return;
	if (g->least_us < 0 || queue_us < g->least_us)
		g->least_us = queue_us;
	if (now_us - g->since_us < OVERLOAD_INTERVAL_US)
		return;
	// A loop that slept through the interval had nothing waiting.
	bool stale = now_us - g->since_us > 2 * OVERLOAD_INTERVAL_US;
	if (g->least_us > target_us && !stale)
		g->share = g->share + 0.05 + g->share / 4 > OVERLOAD_SHARE_MAX
			? OVERLOAD_SHARE_MAX
			: g->share + 0.05 + g->share / 4;
	else
		g->share = stale || g->share < 0.02 ? 0 : g->share * 0.75;
	g->since_us = now_us;
	g->least_us = -1;
}

bool overload_turns_away(struct overload_gate *g)
{
	if (LIKELY(g->share <= 0))
		return false;
	g->due += g->share;
	if (g->due < 1)
		return false;
	g->due -= 1;
	return true;
}

// ---- the agent ----

struct load {
	int64_t inflight_max;
	int64_t memory_max; // bytes; 0: none
	_Atomic int64_t inflight;
	_Atomic bool memory_high;
	struct loop *loop;
	struct loop_timer timer;
	long page;
};

// A small file of the kernel's; false when it is not there.
static bool read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

// Nine tenths of what the control group may take; 0 without a limit.
static int64_t cgroup_share(void)
{
	char line[512], path[600], text[32];
	int64_t max = 0;
	if (!read_line("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::", 3) != 0)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
	if (!read_line(path, text, sizeof(text)))
		return 0;
	return num_i64(slice_trim(slice_of(text)), 1, INT64_MAX, &max) ? max / 10 * 9 : 0;
}

struct load *load_new(const struct settings *s)
{
	struct load *o = mem_zalloc(1, sizeof(*o));
	o->inflight_max = s->inflight_max;
	o->memory_max = s->memory_max_mb > 0 ? s->memory_max_mb * 1024 * 1024 : cgroup_share();
	o->page = sysconf(_SC_PAGESIZE);
	return o;
}

void load_free(struct load *o)
{
	free(o);
}

static int64_t memory_now(const struct load *o)
{
	char line[128];
	int64_t pages = 0;
	if (!read_line("/proc/self/statm", line, sizeof(line)))
		return 0;
	struct slice rest = slice_of(line);
	slice_cut(&rest, ' ');
	return num_i64(slice_cut(&rest, ' '), 0, INT64_MAX / o->page, &pages) ? pages * o->page : 0;
}

static void look(void *arg)
{
	struct load *o = arg;
	int64_t now = memory_now(o);
	bool was = atomic_load(&o->memory_high);
	bool high = was ? (double)now > MEMORY_BACK * (double)o->memory_max : now > o->memory_max;
	if (high != was)
		log_line(LOG_LVL_WARN, high ? "memory_high" : "memory_normal", NULL);
	atomic_store(&o->memory_high, high);
	loop_timer_set(o->loop, &o->timer, LOOK_US, look, o);
}

void load_start(struct load *o, struct loop *l)
{
	o->loop = l;
	if (o->memory_max > 0)
		look(o);
}

void load_stop(struct load *o)
{
	if (o->loop != NULL)
		loop_timer_clear(o->loop, &o->timer);
}

enum overload load_judge(struct load *o, struct overload_gate *g)
{
	if (UNLIKELY(atomic_load_explicit(&o->memory_high, memory_order_relaxed)))
		return OVERLOAD_MEMORY;
	if (UNLIKELY(atomic_load_explicit(&o->inflight, memory_order_relaxed) >= o->inflight_max))
		return OVERLOAD_INFLIGHT;
	return overload_turns_away(g) ? OVERLOAD_QUEUE : OVERLOAD_NONE;
}

void load_enter(struct load *o)
{
	atomic_fetch_add_explicit(&o->inflight, 1, memory_order_relaxed);
}

void load_leave(struct load *o)
{
	atomic_fetch_sub_explicit(&o->inflight, 1, memory_order_relaxed);
}
