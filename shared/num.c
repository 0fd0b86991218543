// SPDX-License-Identifier: MIT
// Numbers as people write them, with units of time and size: the whole text or nothing, whatever
// the locale says.
#include "shared/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool num_i64(struct slice s, int64_t min, int64_t max, int64_t *ret)
{
	bool neg = s.n && s.p[0] == '-';
	int64_t v = 0;
	if (neg)
		s.p++, s.n--;
	if (s.n == 0 || s.n > 19)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int digit = s.p[i] - '0';
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_sub_overflow(v, digit, &v))
			return false; // counted downwards, so that INT64_MIN fits
	}
	if (!neg && v == INT64_MIN)
		return false;
	v = neg ? v : -v;
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

const char *num_text(int64_t v, char buf[NUM_I64_TEXT])
{
	static const char pairs[] =
		"0001020304050607080910111213141516171819202122232425262728293031"
		"3233343536373839404142434445464748495051525354555657585960616263"
		"6465666768697071727374757677787980818283848586878889909192939495"
		"96979899";
	char *p = buf + NUM_I64_TEXT - 1;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	*p = '\0';
	for (; u > UINT32_MAX; u /= 100) { // two digits a division
		p -= 2;
		memcpy(p, pairs + u % 100 * 2, 2);
	}
	uint32_t rest = (uint32_t)u; // divided in fewer steps
	for (; rest >= 100; rest /= 100) {
		p -= 2;
		memcpy(p, pairs + rest % 100 * 2, 2);
	}
	if (rest >= 10)
		memcpy(p -= 2, pairs + rest * 2, 2);
	else
		*--p = (char)('0' + rest);
	if (v < 0)
		*--p = '-';
	return p;
}

size_t num_hex(uint64_t v, char buf[NUM_HEX_TEXT])
{
	size_t n = v != 0 ? (size_t)(67 - __builtin_clzll(v)) / 4 : 1;
	for (size_t i = n; i-- > 0; v >>= 4)
		buf[i] = "0123456789abcdef"[v & 15];
	return n;
}

struct unit {
	const char *suffix;
	int64_t factor;
};

static bool with_unit(struct slice s, const struct unit *units, size_t n, int64_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		struct slice head = s;
		if (!slice_ends(s, units[i].suffix))
			continue;
		head.n -= strlen(units[i].suffix);
		int64_t v;
		if (num_i64(head, 0, INT64_MAX / units[i].factor, &v)) {
			*ret = v * units[i].factor;
			return true;
		}
	}
	return false;
}

bool num_duration_ms(struct slice s, int64_t *ret_ms)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1000}};
	return with_unit(s, units, ARRAY_LEN(units), ret_ms);
}

bool num_bytes(struct slice s, int64_t *ret)
{
	static const struct unit units[] = {
		{"k", 1 << 10}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"", 1}};
	return with_unit(s, units, ARRAY_LEN(units), ret);
}

bool num_f64(struct slice s, double *ret)
{
	char buf[NUM_TEXT_MAX];
	if (s.n == 0 || s.n >= sizeof(buf))
		return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	if (strspn(buf, "+-.0123456789eE") != s.n)
		return false; // strtod also reads hex, infinities and leading blanks
	char *end;
	double v = strtod(buf,
		&end); // LC_NUMERIC stays "C": programs set only LC_CTYPE and LC_MESSAGES
	if (*end || !isfinite(v))
		return false;
	*ret = v;
	return true;
}
