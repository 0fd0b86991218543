// SPDX-License-Identifier: MIT
#include "shared/slice.h"

#include <string.h>

struct slice slice_of(const char *s)
{
	return (struct slice){s, s ? strlen(s) : 0};
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_of(s));
}

// Not strcasecmp: that one folds by the locale, and in Turkish I is not i.
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool slice_ieq_str(struct slice a, const char *s)
{
	if (a.n != strlen(s))
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(s[i]))
			return false;
	return true;
}

bool slice_starts(struct slice a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && memcmp(a.n ? a.p : "", prefix, n) == 0;
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

	return at ? at - a.p : -1;
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
