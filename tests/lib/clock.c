// SPDX-License-Identifier: MIT
// Preloaded into an agent under test: its clocks are ahead of the machine's by what the file
// YIJIAN_TEST_CLOCK says, two int64 in microseconds: the monotonic one and the wall's. Whoever
// writes the file lets time pass. Built by the test that needs it.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define US_PER_S 1000000

static const volatile int64_t nothing[2];
static const volatile int64_t *ahead_us = nothing; // monotonic, wall

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("YIJIAN_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(nothing), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		ahead_us = at;
}

static void move(struct timespec *ts, int64_t us)
{
	int64_t ns = ts->tv_nsec + us % US_PER_S * 1000;
	ts->tv_sec += us / US_PER_S + (ns >= 1000000000) - (ns < 0);
	ts->tv_nsec = ns + (ns < 0 ? 1000000000 : 0) - (ns >= 1000000000 ? 1000000000 : 0);
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*_Atomic real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int ret = real(clock, ts);
	if (ret == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		move(ts, ahead_us[1]);
	else if (ret == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE))
		move(ts, ahead_us[0]);
	return ret;
}

time_t time(time_t *ret)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	*tv = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
	return 0;
}

// The kernel waits by its own clock. The agent's conditions are all monotonic.
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict lock,
	const struct timespec *restrict until)
{
	typedef int (*wait_fn)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	static _Atomic(wait_fn) real;
	struct timespec theirs = *until;
	if (!real) { // the first of its versions is another one; a sanitizer's has none
		bool sanitized = dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;
		wait_fn found = sanitized
			? NULL
			: (wait_fn)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
		real = found ? found : (wait_fn)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	}
	move(&theirs, -ahead_us[0]);
	return real(cond, lock, &theirs);
}
