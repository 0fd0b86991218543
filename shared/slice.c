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

bool slice_ieq_n(struct slice a, const char *s, size_t n)
{
	if (a.n != n)
		return false;
	size_t i = 0;
	for (uint64_t x, y; n - i >= sizeof(x);
		i += sizeof(x)) { // eight that are the same go at once
		memcpy(&x, a.p + i, sizeof(x));
		memcpy(&y, s + i, sizeof(y));
		if (x == y)
			continue;
		if (((x ^ y) & ~(UINT64_MAX / 255 * 0x20)) != 0)
			return false; // they differ in more than the case of letters
		for (size_t k = i; k < i + sizeof(x); k++)
			if (lower(a.p[k]) != lower(s[k]))
				return false;
	}
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
