// SPDX-License-Identifier: MIT
// One place where running out of memory is decided: the process says so and ends, so no caller has
// a path for it that is never tried.
#include "shared/mem.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *or_die(void *p)
{
	static const char text[] = "out of memory\n";
	if (LIKELY(p != NULL))
		return p;
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	// Whoever does not read what is said must not keep it from ending.
	if (poll(&out, 1, 0) == 1 && write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(70);
	abort();
}

static size_t product(size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		or_die(NULL);
	return total ? total : 1;
}

void *mem_alloc(size_t size)
{
	return or_die(malloc(size ? size : 1));
}

void mem_clear(void *p, size_t size)
{
	memset(p, 0, size);
}

void *mem_zalloc(size_t n, size_t size)
{
	return or_die(calloc(1, product(n, size)));
}

void *mem_realloc(void *p, size_t n, size_t size)
{
	return or_die(realloc(p, product(n, size)));
}

void *mem_dup(const void *p, size_t size)
{
	void *copy = mem_alloc(size);
	if (size)
		memcpy(copy, p, size);
	return copy;
}

char *mem_strdup(const char *s)
{
	return s != NULL ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	char *copy = mem_alloc(n + 1);
	if (n)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}
