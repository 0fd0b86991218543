// SPDX-License-Identifier: MIT
// A borrowed run of bytes: pointer and length, not NUL-terminated.
#ifndef YJ_SHARED_SLICE_H
#define YJ_SHARED_SLICE_H

#include <string.h>
#include "shared/base.h"

struct slice {
	const char *p; // borrowed: whoever made the slice
	size_t n;
};

#define SLICE(lit) ((struct slice){(lit), sizeof(lit) - 1})
#define SLICE_FMT(s) (int)(s).n, (s).p // for "%.*s"

// Those that compare are inline: the length of a literal is known when this is compiled.
// Of a C string; NULL gives the empty slice.
static inline struct slice slice_of(const char *s)
{
	return (struct slice){s, s != NULL ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

// FNV-1a, 64 bits, going on from x: it spreads, and keeps nothing secret.
#define SLICE_HASH_BEGIN UINT64_C(14695981039346656037)
#define SLICE_HASH_PRIME UINT64_C(1099511628211)
static inline uint64_t slice_hash(uint64_t x, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		x = (x ^ (unsigned char)s.p[i]) * SLICE_HASH_PRIME;
	return x;
}

// For tables that live no longer than the program and say nothing of their order: eight bytes a step.
static inline uint64_t slice_hash_wide(uint64_t x, struct slice s)
{
	size_t i = 0;
	x ^= s.n;
	uint64_t word;
	for (; s.n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		x = (x ^ word) * SLICE_HASH_PRIME;
		x ^= x >> 32;
	}
	uint32_t low, high;
	if (s.n - i >= sizeof(low)) { // two that may share bytes
		memcpy(&low, s.p + i, sizeof(low));
		memcpy(&high, s.p + s.n - sizeof(high), sizeof(high));
		x = (x ^ ((uint64_t)high << 32 | low)) * SLICE_HASH_PRIME;
		return x ^ x >> 32;
	}
	for (; i < s.n; i++)
		x = (x ^ (unsigned char)s.p[i]) * SLICE_HASH_PRIME;
	return x ^ x >> 32;
}

// Of texts that may be NULL.
static inline bool text_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_of(s));
}

static inline bool slice_starts(struct slice a, const char *prefix)
{
	size_t n = strlen(prefix);
	return a.n >= n && memcmp(a.n ? a.p : "", prefix, n) == 0;
}

// ASCII case folded.
bool slice_ieq_n(struct slice a, const char *s, size_t n);
static inline bool slice_ieq_str(struct slice a, const char *s)
{
	return a.n == strlen(s) && slice_ieq_n(a, s, a.n);
}

bool slice_ends(struct slice a, const char *suffix);
// Without leading and trailing ASCII white space.
struct slice slice_trim(struct slice a);
// Position of `c`, or -1.
ptrdiff_t slice_find(struct slice a, char c);
// Cuts off and returns what stands before the first `sep`; *rest becomes what follows it
// (empty with p == NULL when there was no separator).
struct slice slice_cut(struct slice *rest, char sep);

#endif
