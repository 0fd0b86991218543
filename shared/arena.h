// SPDX-License-Identifier: MIT
// Memory that lives as long as one request, document or poll and is freed at once.
// Foreign handles are tied to it with arena_defer.
#ifndef YJ_SHARED_ARENA_H
#define YJ_SHARED_ARENA_H

#include <stdarg.h>
#include "shared/slice.h"

struct arena {
	struct arena_block *head;
	struct arena_defer_node *defers;
	size_t used; // bytes handed out, for limits and the size report
	bool secret; // set by the owner: release and reset wipe what was in it; reset clears it
};

#define ARENA_INIT ((struct arena){0})

// Of an empty arena: the first block has room for just `size` bytes as arena_alloc counts them
// (`used` of another arena that was filled alike). For the many small ones that are kept.
void arena_reserve(struct arena *a, size_t size);
// 16-byte aligned, uninitialised.
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
void *arena_zalloc(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
// NUL-terminated copies.
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_slice(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
// fn(arg) runs at release, last deferred first.
void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg);
// Runs the defers and frees everything; the arena may be used again.
void arena_release(struct arena *a);
// As release, but keeps the first block for the next use.
void arena_reset(struct arena *a);

#endif
