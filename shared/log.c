// SPDX-License-Identifier: MIT
// Log lines that never hold the process up: a ring that a thread of its own empties, which counts
// what the reader was too slow for, and is given its time at a crash.
#include "shared/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/str.h"

#define LOST_EVENT "log_lost"
#define BATCH_BYTES ((size_t)32 * 1024) // of one write, when a single line is that long
#define CRASH_LOOK_MS 5
#define CRASH_LOOKS 200
#define STACK_BYTES ((size_t)128 * 1024)

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int log_max = LOG_LVL_INFO;

void log_open(int fd, enum log_level level)
{
	atomic_store(&log_fd, fd);
	atomic_store(&log_max, (int)level);
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_max, (int)level);
}

bool log_level_named(struct slice name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (slice_eq_str(name, level_names[i])) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_on(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_max, memory_order_relaxed);
}

// ---- the writer ----

static struct {
	pthread_mutex_t lock; // of all that is not atomic
	pthread_cond_t more, over;
	pthread_t thread;
	char ring[LOG_RING_BYTES];
	size_t at, n; // first byte and number of those that wait
	uint64_t told; // of the lost, by the last line that said so
	bool stop, ended;
	bool failing; // the last write came to nothing
	_Atomic bool running;
	_Atomic size_t unwritten; // bytes that wait or are being written
	_Atomic uint64_t lost;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

// Bytes written; less than n when it can go no further.
static size_t write_all(const char *p, size_t n)
{
	size_t done = 0;
	int fd = atomic_load(&log_fd);
	while (done < n) {
		ssize_t k = write(fd, p + done, n - done);
		if (k > 0) {
			done += (size_t)k;
		} else if (k < 0 && errno == EAGAIN) { // somebody else made it so
			struct pollfd room = {.fd = fd, .events = POLLOUT};
			poll(&room, 1, -1);
		} else if (k == 0 || errno != EINTR) {
			break;
		}
	}
	return done;
}

static void put(const char *p, size_t n)
{
	size_t to = (writer.at + writer.n) % LOG_RING_BYTES, first = MIN_OF(n, LOG_RING_BYTES - to);
	memcpy(writer.ring + to, p, first);
	memcpy(writer.ring, p + first, n - first);
	writer.n += n;
	atomic_fetch_add(&writer.unwritten, n);
}

// What is lost is said in its place: behind the lines that were written, before those that come.
static bool put_lost(size_t beside)
{
	uint64_t lost = atomic_load(&writer.lost);
	if (lost == writer.told)
		return true;
	char line[256], at[CLOCK_TEXT_MAX];
	int n = snprintf(line, sizeof(line),
		"{\"at\":\"%s\",\"level\":\"warn\",\"event\":\"" LOST_EVENT
		"\",\"lines\":\"%llu\"}\n",
		clock_rfc3339(clock_wall_ms(), at), (unsigned long long)lost);
	if ((size_t)n + beside > LOG_RING_BYTES - writer.n)
		return false;
	put(line, (size_t)n);
	writer.told = lost;
	return true;
}

static void enqueue(const char *p, size_t n)
{
	pthread_mutex_lock(&writer.lock);
	if (put_lost(n) && n <= LOG_RING_BYTES - writer.n)
		put(p, n);
	else
		atomic_fetch_add(&writer.lost, 1);
	pthread_cond_signal(&writer.more);
	pthread_mutex_unlock(&writer.lock);
}

static size_t copy(char *to, size_t n)
{
	size_t first = MIN_OF(n, LOG_RING_BYTES - writer.at);
	memcpy(to, writer.ring + writer.at, first);
	memcpy(to + first, writer.ring, n - first);
	return n;
}

// Whole lines, as many as a pipe takes in one piece; one that is longer goes alone.
static size_t take(char *to)
{
	size_t n = copy(to, MIN_OF(writer.n, (size_t)PIPE_BUF));
	const char *end = n < writer.n ? memrchr(to, '\n', n) : to + n - 1;
	if (end == NULL) {
		n = copy(to, MIN_OF(writer.n, BATCH_BYTES));
		end = memchr(to, '\n', n);
	}
	if (end != NULL)
		n = (size_t)(end - to) + 1;
	writer.at = (writer.at + n) % LOG_RING_BYTES;
	writer.n -= n;
	return n;
}

// Of bytes that could not be written: lines that said something of their own.
static uint64_t lines_in(struct slice rest)
{
	uint64_t lines = 0;
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');
		lines += memmem(line.p, line.n, LOST_EVENT, sizeof(LOST_EVENT) - 1) == NULL;
	}
	return lines;
}

static void *writer_run(void *arg)
{
	pthread_setname_np(pthread_self(), "log");
	static char batch[BATCH_BYTES];
	pthread_mutex_lock(&writer.lock);
	for (;;) {
		if (writer.n == 0 && !writer.failing)
			put_lost(0);
		if (writer.n == 0 && writer.stop)
			break;
		if (writer.n == 0) {
			pthread_cond_wait(&writer.more, &writer.lock);
			continue;
		}
		size_t n = take(batch);
		pthread_mutex_unlock(&writer.lock);
		size_t done = write_all(batch, n);
		pthread_mutex_lock(&writer.lock);
		writer.failing = done < n;
		if (writer.failing) {
			atomic_fetch_add(&writer.lost,
				lines_in((struct slice){batch + done, n - done}));
			writer.told = 0;
		}
		atomic_fetch_sub(&writer.unwritten, n);
	}
	writer.ended = true;
	pthread_cond_broadcast(&writer.over);
	pthread_mutex_unlock(&writer.lock);
	return arg;
}

// The last lines are those that say why.
static void on_crash(int sig)
{
	const struct timespec look = {.tv_nsec = CRASH_LOOK_MS * 1000000L};
	bool ours = pthread_equal(pthread_self(), writer.thread);
	for (int i = 0; !ours && i < CRASH_LOOKS && atomic_load(&writer.unwritten) > 0; i++)
		nanosleep(&look, NULL);
	raise(sig); // its default action has been restored
}

// A sanitizer's own handlers stay.
static void watch_crashes(void)
{
	static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	struct sigaction act = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND}, old;
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++) {
		if (sigaction(deadly[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(deadly[i], &act, NULL);
	}
}

bool log_start(void)
{
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&writer.over, &clock);
	pthread_condattr_destroy(&clock);
	writer.stop = writer.ended = false;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	bool ok = pthread_create(&writer.thread, &attr, writer_run, NULL) == 0;
	pthread_attr_destroy(&attr);
	atomic_store(&writer.running, ok);
	if (ok)
		watch_crashes();
	return ok;
}

void log_stop(void)
{
	if (!atomic_load(&writer.running))
		return;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOG_FLUSH_MS / 1000;
	pthread_mutex_lock(&writer.lock);
	writer.stop = true;
	pthread_cond_signal(&writer.more);
	while (!writer.ended && pthread_cond_timedwait(&writer.over, &writer.lock, &until) == 0)
		;
	bool ended = writer.ended;
	pthread_mutex_unlock(&writer.lock);
	if (!ended)
		return; // nobody reads: the process ends without it
	atomic_store(&writer.running, false);
	pthread_join(writer.thread, NULL);
}

uint64_t log_lost(void)
{
	return atomic_load(&writer.lost);
}

// ---- lines ----

static void add_pair(struct str *line, const char *key, const char *value)
{
	struct slice v = slice_of(value);
	if (v.n > LOG_FIELD_MAX)
		v.n = LOG_FIELD_MAX;
	str_add(line, ",");
	str_add_json(line, slice_of(key));
	str_add(line, ":");
	str_add_json(line, v);
}

void log_line(enum log_level level, const char *event, ...)
{
	struct str line = STR_INIT;
	if (!log_on(level))
		return;
	char at[CLOCK_TEXT_MAX];
	str_addf(&line,
		"{\"at\":\"%s\",\"level\":\"%s\",\"event\":", clock_rfc3339(clock_wall_ms(), at),
		level_names[level]);
	str_add_json(&line, slice_of(event));
	va_list ap;
	va_start(ap, event);
	const char *key;
	while ((key = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);
		if (value != NULL)
			add_pair(&line, key, value);
	}
	va_end(ap);
	str_add(&line, "}\n");
	// One write per line keeps lines whole.
	if (atomic_load_explicit(&writer.running, memory_order_relaxed))
		enqueue(line.p, line.n);
	else if (write_all(line.p, line.n) < line.n)
		atomic_fetch_add(&writer.lost, 1);
	str_release(&line);
}
