// SPDX-License-Identifier: MIT
// The gate of one loop is arithmetic over its last turns; memory is looked at on a timer, so that a
// request only reads flags.
#include "agent/web/overload.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shared/log.h"
#include "shared/mem.h"
#include "shared/num.h"

#define LOOK_US INT64_C(200000)
#define LAST_PART 8
#define MEMORY_BACK 0.95 // below this part of the limit it is over

const char *overload_name(enum overload why)
{
	static const char *const names[] = {
		"", "inflight", "queue", "memory", "connections", "descriptors", "buffers"};
	return names[why];
}

// ---- a loop's turns ----

size_t overload_turn(struct overload_gate *g, int64_t now_us, size_t waiting, size_t turned_away)
{
	int64_t took_us = g->turn_us ? now_us - g->turn_us : 0;
	if (g->begun > 0)
		g->each_us += ((double)took_us / g->begun - g->each_us) / OVERLOAD_SMOOTH;
	g->turn_us = now_us;
	g->may_begin = OVERLOAD_TURN;
	double due = (double)turned_away * (double)took_us / OVERLOAD_SHED_US;
	size_t tell = MIN_OF(turned_away, due < OVERLOAD_TURN ? (size_t)due + 1 : OVERLOAD_TURN);
	g->begun = waiting > OVERLOAD_TURN ? OVERLOAD_TURN + (double)tell / OVERLOAD_SHED_COST : 0;
	return tell;
}

bool overload_has_room(const struct overload_gate *g, size_t waiting, int64_t max_us)
{
	return max_us <= 0 || (double)waiting * g->each_us <= (double)max_us;
}

// ---- the agent ----

struct load {
	int64_t inflight_max;
	int64_t memory_max; // bytes; 0: none
	int64_t buffers_max; // bytes
	struct load_bytes held[LOAD_LOOPS_MAX];
	int held_n;
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
	char line[512];
	int64_t max = 0;
	if (!read_line("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::", 3) != 0)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	char path[600];
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
	char text[32];
	if (!read_line(path, text, sizeof(text)))
		return 0;
	return num_i64(slice_trim(slice_of(text)), 1, INT64_MAX, &max) ? max / 10 * 9 : 0;
}

struct load *load_new(const struct settings *s)
{
	struct load *o = mem_zalloc(1, sizeof(*o));
	o->inflight_max = s->inflight_max;
	o->memory_max = s->memory_max_mb > 0 ? s->memory_max_mb * 1024 * 1024 : cgroup_share();
	o->buffers_max = s->buffers_max_mb * 1024 * 1024;
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

enum overload load_judge(struct load *o)
{
	if (UNLIKELY(atomic_load_explicit(&o->memory_high, memory_order_relaxed)))
		return OVERLOAD_MEMORY;
	if (UNLIKELY(atomic_load_explicit(&o->inflight, memory_order_relaxed) >= o->inflight_max))
		return OVERLOAD_INFLIGHT;
	return OVERLOAD_NONE;
}

void load_enter(struct load *o)
{
	atomic_fetch_add_explicit(&o->inflight, 1, memory_order_relaxed);
}

void load_leave(struct load *o)
{
	atomic_fetch_sub_explicit(&o->inflight, 1, memory_order_relaxed);
}

// ---- bytes that wait ----

struct load_bytes *load_join(struct load *o)
{
	return &o->held[MIN_OF(o->held_n++, LOAD_LOOPS_MAX - 1)];
}

int64_t load_held(const struct load *o, enum load_held what)
{
	int64_t sum = 0;
	for (int i = 0; i < MIN_OF(o->held_n, LOAD_LOOPS_MAX); i++)
		sum += atomic_load_explicit(&o->held[i].n[what], memory_order_relaxed);
	return sum;
}

bool load_has_room(const struct load *o, enum load_held what, int64_t more, bool last_part)
{
	int64_t max = last_part ? o->buffers_max : o->buffers_max / LAST_PART * (LAST_PART - 1);
	return load_held(o, what) + more <= max;
}

void load_hold(struct load_bytes *mine, enum load_held what, int64_t by)
{
	int64_t n = atomic_load_explicit(&mine->n[what], memory_order_relaxed);
	atomic_store_explicit(&mine->n[what], n + by, memory_order_relaxed);
}
