// SPDX-License-Identifier: MIT
// Borrowed text cut, trimmed and compared without copying, by ASCII alone: no locale changes what
// is equal.
#include "shared/slice.h"

#include <string.h>

// Not strcasecmp: that one folds by the locale, and in Turkish I is not i.
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

// Whether eight characters are the same but for the case of letters, all at once.
static inline bool ieq_eight(const char *a, const char *b)
{
	const uint64_t each = UINT64_MAX / 255; // 1 in every byte
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	uint64_t differ = x ^ y;
	if (differ == 0)
		return true;
	if ((differ & ~(each * 0x20)) != 0)
		return false; // in more than a letter's case
	// The top bit of each byte says whether it is a letter: no sum reaches the next byte.
	uint64_t low = (x | each * 0x20) & each * 0x7f;
	uint64_t from_a = low + each * (0x80 - 'a'), above_z = low + each * (0x80 - 'z' - 1);
	uint64_t letter = from_a & ~above_z & ~x & each * 0x80;
	return (differ << 2 & ~letter) == 0;
}

bool slice_ieq_n(struct slice a, const char *s, size_t n)
{
	if (a.n != n)
		return false;
	size_t i = 0;
	for (; n - i >= 8; i += 8)
		if (!ieq_eight(a.p + i, s + i))
			return false;
	if (n >= 8) // the last eight have been looked at in part
		return i == n || ieq_eight(a.p + n - 8, s + n - 8);
	for (; i < n; i++)
		if (lower(a.p[i]) != lower(s[i]))
			return false;
	return true;
}

bool slice_ends(struct slice a, const char *suffix)
{
	size_t n = strlen(suffix);
	return a.n >= n && (n == 0 || memcmp(a.p + a.n - n, suffix, n) == 0);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice slice_trim(struct slice a)
{
	while (a.n && is_blank(a.p[0]))
		a.p++, a.n--;
	while (a.n && is_blank(a.p[a.n - 1]))
		a.n--;
	return a;
}

ptrdiff_t slice_find(struct slice a, char c)
{
	const char *at = a.n ? memchr(a.p, c, a.n) : NULL;
	return at != NULL ? at - a.p : -1;
}

struct slice slice_cut(struct slice *rest, char sep)
{
	ptrdiff_t at = slice_find(*rest, sep);
	struct slice head = *rest;
	if (at < 0) {
		*rest = (struct slice){NULL, 0};
		return head;
	}
	head.n = (size_t)at;
	rest->p += at + 1;
	rest->n -= (size_t)at + 1;
	return head;
}
