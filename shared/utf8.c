// SPDX-License-Identifier: MIT
// Code points: valid or not, how many cells they take, and which of them deceive whoever looks at
// them.
#include "shared/utf8.h"

#include "shared/utf8_width.h"

size_t utf8_decode(const char *s, size_t n, uint32_t *ret_cp)
{
	const unsigned char *p = (const unsigned char *)s;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1
		: p[0] < 0xc2	 ? 0
		: p[0] < 0xe0	 ? 2
		: p[0] < 0xf0	 ? 3
		: p[0] < 0xf5	 ? 4
				 : 0;
	uint32_t cp;

	if (len == 0 || len > n)
		return 0;
	if (len == 1) {
		*ret_cp = p[0];
		return 1;
	}
	cp = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_cp = cp;
	return len;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
	if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

bool utf8_valid(struct slice s)
{
	uint32_t cp;

	while (s.n) {
		size_t len = (unsigned char)s.p[0] < 0x80 ? 1 : utf8_decode(s.p, s.n, &cp);

		if (len == 0)
			return false;
		s.p += len;
		s.n -= len;
	}
	return true;
}

static bool in_ranges(uint32_t cp, const struct utf8_range *r, size_t n)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (cp > r[mid].last)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && cp >= r[lo].first;
}

int utf8_cp_width(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
		return 0;
	if (cp < 0x300)
		return 1;
	if (in_ranges(cp, utf8_zero, ARRAY_LEN(utf8_zero)))
		return 0;
	return in_ranges(cp, utf8_wide, ARRAY_LEN(utf8_wide)) ? 2 : 1;
}

size_t utf8_fit(struct slice s, int cells, int *ret_cells)
{
	size_t used = 0;
	int taken = 0;
	uint32_t cp;

	while (used < s.n) {
		size_t len = utf8_decode(s.p + used, s.n - used, &cp);
		int w = len ? utf8_cp_width(cp) : 1;

		if (taken + w > cells)
			break;
		taken += w;
		used += len ? len : 1;
	}
	if (ret_cells)
		*ret_cells = taken;
	return used;
}

int utf8_width(struct slice s)
{
	int cells;

	utf8_fit(s, INT32_MAX, &cells);
	return cells;
}

size_t utf8_count(struct slice s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.n; i++)
		count += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return count;
}

bool utf8_is_unsafe(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
		return true;
	if (cp < 0x61c)
		return false;
	return cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
		(cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb) ||
		(cp >= 0xe0000 && cp <= 0xe007f);
}

bool utf8_is_invisible(uint32_t cp)
{
	static const uint32_t ranges[][2] = {{0x00, 0x20}, {0x7f, 0xa0}, {0xad, 0xad},
		{0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x1680, 0x1680},
		{0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f}, {0x2028, 0x202f},
		{0x205f, 0x206f}, {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},
		{0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
		{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && cp >= ranges[i][0]; i++)
		if (cp <= ranges[i][1])
			return true;
	return false;
}
