// SPDX-License-Identifier: MIT
// Compiler attributes and the few macros everybody needs.
#ifndef YJ_SHARED_BASE_H
#define YJ_SHARED_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
// Of a large variable that is filled before it is read: not zeroed first, as -ftrivial-auto-var-init
// would on each call.
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define FILLED_LATER __attribute__((uninitialized))
#else
#define FILLED_LATER
#endif

#endif
