// SPDX-License-Identifier: MIT
// Preloaded into an agent under test: what it changes below YIJIAN_TEST_DISK fails as the file
// YIJIAN_TEST_DISK_FAULT says, an int32 errno, 0 for none. EROFS is a read-only file system: nothing
// opens for writing there; any other number fails what writes. Built by the test that needs it.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static const volatile int32_t nothing;
static const volatile int32_t *fault = &nothing;
static const char *place;

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("YIJIAN_TEST_DISK_FAULT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(nothing), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return;
	place = getenv("YIJIAN_TEST_DISK");
	fault = at;
}

static int of_path(const char *path)
{
	return *fault && place && strncmp(path, place, strlen(place)) == 0 ? *fault : 0;
}

static int of_fd(int fd)
{
	char link[64], path[4096];
	if (!*fault)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	return of_path(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_WITH(e)                                                                               \
	do {                                                                                       \
		int why = (e);                                                                     \
		if (why) {                                                                         \
			errno = why;                                                               \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

#define OPENS(name)                                                                                \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;                            \
		va_end(ap);                                                                        \
		if ((flags & O_ACCMODE) != O_RDONLY && of_path(path) == EROFS)                     \
			FAIL_WITH(EROFS);                                                          \
		return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name))(path, flags,     \
			mode);                                                                     \
	}
OPENS(open)
OPENS(open64)

#define WRITES(name, ret, params, args)                                                            \
	ret name params                                                                            \
	{                                                                                          \
		FAIL_WITH(of_fd(fd));                                                              \
		return ((ret(*) params)dlsym(RTLD_NEXT, #name))args;                               \
	}
WRITES(write, ssize_t, (int fd, const void *p, size_t n), (fd, p, n))
WRITES(pwrite, ssize_t, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
WRITES(pwrite64, ssize_t, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRITES(ftruncate, int, (int fd, off_t n), (fd, n))
WRITES(ftruncate64, int, (int fd, off64_t n), (fd, n))

int rename(const char *from, const char *to)
{
	FAIL_WITH(of_path(to) == EROFS ? EROFS : 0);
	return REAL(rename)(from, to);
}

int unlink(const char *path)
{
	FAIL_WITH(of_path(path) == EROFS ? EROFS : 0);
	return REAL(unlink)(path);
}
