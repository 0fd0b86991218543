// SPDX-License-Identifier: MIT
// A chain of blocks that double up to 64 KiB, filled from the front and freed together, so that
// what lives for one request is never freed piece by piece.
#include "shared/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"

#define BLOCK_MIN 2048
#define BLOCK_MAX (64 * 1024)
#define ALIGN 16

struct arena_block {
	struct arena_block *next;
	size_t cap, used;
	_Alignas(ALIGN) char data[];
};

struct arena_defer_node {
	struct arena_defer_node *next;
	void (*fn)(void *arg);
	void *arg;
};

static struct arena_block *push_block(struct arena *a, size_t cap)
{
	struct arena_block *b = mem_alloc(sizeof(*b) + cap);
	b->cap = cap;
	b->used = 0;
	b->next = a->head;
	a->head = b;
	return b;
}

static struct arena_block *add_block(struct arena *a, size_t size)
{
	size_t cap = a->head != NULL ? MIN_OF(a->head->cap * 2, BLOCK_MAX) : BLOCK_MIN;
	return push_block(a, MAX_OF(MAX_OF(cap, BLOCK_MIN), size));
}

static size_t rounded(size_t size)
{
	return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void arena_reserve(struct arena *a, size_t size)
{
	if (a->head == NULL && size)
		push_block(a, rounded(size));
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->head;
	if (size > PTRDIFF_MAX)
		size = PTRDIFF_MAX; // fails in the allocator
	size = rounded(size);
	if (b == NULL || b->cap - b->used < size)
		b = add_block(a, size);
	void *p = b->data + b->used;
	b->used += size;
	a->used += size;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		total = SIZE_MAX; // refused below
	void *p = arena_alloc(a, total);
	memset(p, 0, total);
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s != NULL ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_slice(struct arena *a, struct slice s)
{
	return arena_strndup(a, s.p, s.n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
	p[0] = '\0';
	va_start(ap, fmt);
	if (n > 0)
		vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct arena_defer_node *d = arena_alloc(a, sizeof(*d));
	*d = (struct arena_defer_node){a->defers, fn, arg};
	a->defers = d;
}

static void run_defers(struct arena *a)
{
	while (a->defers != NULL) {
		struct arena_defer_node *d = a->defers;
		a->defers = d->next;
		d->fn(d->arg);
	}
}

static void wipe(const struct arena *a)
{
	for (struct arena_block *b = a->secret ? a->head : NULL; b != NULL; b = b->next)
		explicit_bzero(b->data, b->used);
}

void arena_release(struct arena *a)
{
	run_defers(a);
	wipe(a);
	while (a->head != NULL) {
		struct arena_block *b = a->head;
		a->head = b->next;
		free(b);
	}
	*a = ARENA_INIT;
}

void arena_reset(struct arena *a)
{
	run_defers(a);
	wipe(a);
	a->secret = false;
	while (a->head != NULL && a->head->next != NULL) {
		struct arena_block *b = a->head;
		a->head = b->next;
		free(b);
	}
	if (a->head != NULL)
		a->head->used = 0;
	a->used = 0;
}
