// SPDX-License-Identifier: MIT
// Growable array of T: struct { T *v; size_t n, cap; }. Elements are moved by realloc.
#ifndef YJ_SHARED_VEC_H
#define YJ_SHARED_VEC_H

#include "shared/mem.h"

#define VEC_OF(T)                                                                                  \
	struct {                                                                                   \
		T *v;                                                                              \
		size_t n, cap;                                                                     \
	}

// Room for one more, then the place to write it.
#define VEC_PUSH(vec, item)                                                                        \
	do {                                                                                       \
		if ((vec)->n == (vec)->cap) {                                                      \
			(vec)->cap = (vec)->cap ? (vec)->cap * 2 : 8;                              \
			(vec)->v = mem_realloc((vec)->v, (vec)->cap, sizeof((vec)->v[0]));         \
		}                                                                                  \
		(vec)->v[(vec)->n++] = (item);                                                     \
	} while (0)

#define VEC_RELEASE(vec)                                                                           \
	do {                                                                                       \
		free((vec)->v);                                                                    \
		(vec)->v = NULL;                                                                   \
		(vec)->n = (vec)->cap = 0;                                                         \
	} while (0)

#include <stdlib.h>

#endif
