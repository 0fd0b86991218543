// SPDX-License-Identifier: MIT
// Allocation that never returns NULL: running out of memory ends the process with a message
// (a half-built request is worse than a restart). Free with free().
#ifndef YJ_SHARED_MEM_H
#define YJ_SHARED_MEM_H

#include "shared/base.h"

// Uninitialised memory of `size` bytes (1 when 0). The caller frees it.
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
// Zeroed array of n * size bytes, overflow checked.
void *mem_zalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
// Fills with zeros, by the C library: a compiler writes a long structure out, word by word.
void mem_clear(void *p, size_t size);
// realloc(p, n * size), overflow checked.
void *mem_realloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
// Copies; the caller frees. mem_strdup(NULL) is NULL.
void *mem_dup(const void *p, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

#endif
