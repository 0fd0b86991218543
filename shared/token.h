// SPDX-License-Identifier: MIT
// The characters of HTTP header fields: names are tokens (RFC 9110 §5.6.2), values hold no control
// byte but the tab (§5.5; bytes from 0x80 on are opaque). Inline: each head that comes from a caller
// or an upstream is looked at so.
#ifndef YJ_SHARED_TOKEN_H
#define YJ_SHARED_TOKEN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <string.h>
#include "shared/slice.h"

static inline bool token_char(char c)
{
	static const bool is[256] = {['a' ... 'z'] = true,
		['A' ... 'Z'] = true,
		['0' ... '9'] = true,
		['!'] = true,
		['#'] = true,
		['$'] = true,
		['%'] = true,
		['&'] = true,
		['\''] = true,
		['*'] = true,
		['+'] = true,
		['-'] = true,
		['.'] = true,
		['^'] = true,
		['_'] = true,
		['`'] = true,
		['|'] = true,
		['~'] = true};
	return is[(unsigned char)c];
}

// The first byte from p on that is in no token. Up to `room` (at least `end`) bytes may be read.
static inline const char *token_run(const char *p, const char *end, const char *room)
{
#ifdef __SSE2__
	// Letters and hyphens are what names are made of: those that hold more are looked at one by one.
	for (; p < end && room - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i at = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
		__m128i letter = _mm_cmpeq_epi8(_mm_subs_epu8(at, _mm_set1_epi8(25)),
			_mm_setzero_si128());
		unsigned usual = (unsigned)_mm_movemask_epi8(_mm_or_si128(letter,
			_mm_cmpeq_epi8(v, _mm_set1_epi8('-'))));
		if (usual != 0xffff) {
			p += __builtin_ctz(~usual);
			break;
		}
	}
	if (p >= end)
		return end;
#else
	(void)room;
#endif
	while (p < end && token_char(*p))
		p++;
	return p;
}

static inline bool token_is(struct slice s)
{
	return s.n > 0 && token_run(s.p, s.p + s.n, s.p + s.n) == s.p + s.n;
}

static inline bool field_value_char(char c)
{
	return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

#ifdef __SSE2__
// A bit for each byte that is in no value.
static inline unsigned field_value_stops(__m128i v)
{
	// At most 0x1f, as unsigned bytes.
	__m128i low = _mm_cmpeq_epi8(_mm_subs_epu8(v, _mm_set1_epi8(0x1f)), _mm_setzero_si128());
	__m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low),
		_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}
#endif

// The first byte from p on that is in no value.
static inline const char *field_value_run(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		unsigned stops =
			field_value_stops(_mm_loadu_si128((const __m128i *)(const void *)p));
		if (stops != 0)
			return p + __builtin_ctz(stops);
	}
	if (end - p >= 8) { // the last eight may have been looked at before
		unsigned stops = field_value_stops(
			_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)p),
				_mm_loadl_epi64((const __m128i *)(const void *)(end - 8))));
		int at = stops != 0 ? __builtin_ctz(stops) : 16;
		return at < 8 ? p + at : end - 16 + at;
	}
#endif
	while (p < end && field_value_char(*p))
		p++;
	return p;
}

// Writes a value of somebody else's: a line break in it would begin another field, so control bytes
// become blanks. Returns its end.
static inline char *field_value_put(char *at, struct slice value)
{
	char *end = at + value.n;
	memcpy(at, value.p, value.n);
	for (char *p = LIKELY(field_value_run(at, end) == end) ? end : at; p < end; p++)
		*p = field_value_char(*p) ? *p : ' ';
	return end;
}

static inline bool field_value_is(struct slice s)
{
	return field_value_run(s.p, s.p + s.n) == s.p + s.n;
}

#endif
