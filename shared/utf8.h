// SPDX-License-Identifier: MIT
// UTF-8 decoding and terminal width. Width table: Unicode East Asian Width (UAX #11) and
// general categories Mn/Me/Cf (shared/utf8_width.py); ambiguous width is narrow.
#ifndef YJ_SHARED_UTF8_H
#define YJ_SHARED_UTF8_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "shared/slice.h"

// Decodes one code point at s (n > 0 bytes left); returns bytes used, 0 when invalid
// (overlong, surrogate, > U+10FFFF, cut off).
size_t utf8_decode(const char *s, size_t n, uint32_t *ret_cp);
// Encodes into out[4]; returns bytes written, 0 for an invalid code point.
size_t utf8_encode(uint32_t cp, char out[4]);
bool utf8_valid(struct slice s);
// Cells one code point takes on a terminal: 0, 1 or 2. Control characters count 0.
int utf8_cp_width(uint32_t cp);
// Cells a valid string takes.
int utf8_width(struct slice s);
// Bytes of the longest prefix that fits in `cells`; *ret_cells (may be NULL) is what it takes.
size_t utf8_fit(struct slice s, int cells, int *ret_cells);
// Number of code points of a valid string.
size_t utf8_count(struct slice s);
// True for C0, DEL, C1, bidi controls and isolates, zero-width and BOM: never shown raw.
bool utf8_is_unsafe(uint32_t cp);
// True for what leaves no mark where it stands alone: those, white space of any kind, fillers,
// variation selectors and tags. A text of nothing else is empty to its reader.
bool utf8_is_invisible(uint32_t cp);

// ---- plain runs: inline, as every text that comes or goes is looked at so ----

static inline bool utf8_is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#ifdef __SSE2__
// A bit for each byte that is not plain.
static inline unsigned utf8_stops(__m128i v)
{
	// Signed, so that bytes from 0x80 on are below the blank too.
	__m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
					    _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))),
		_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
			_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
	return (unsigned)_mm_movemask_epi8(stop);
}
#endif

// The first byte from p on that is not printable ASCII, or is '"' or '\\': what may stand in JSON text
// as it is lies before it.
static inline const char *utf8_plain_run(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		unsigned stops = utf8_stops(_mm_loadu_si128((const __m128i *)(const void *)p));
		if (stops != 0)
			return p + __builtin_ctz(stops);
	}
	if (end - p >= 8) { // the last eight may have been looked at before
		unsigned stops = utf8_stops(
			_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)p),
				_mm_loadl_epi64((const __m128i *)(const void *)(end - 8))));
		if (stops == 0)
			return end;
		int at = __builtin_ctz(stops);
		return at < 8 ? p + at : end - 16 + at;
	}
	if (end - p >= 4) {
		int32_t low, high;
		memcpy(&low, p, sizeof(low));
		memcpy(&high, end - sizeof(high), sizeof(high));
		unsigned stops = 0xff &
			utf8_stops(_mm_unpacklo_epi32(_mm_cvtsi32_si128(low),
				_mm_cvtsi32_si128(high)));
		if (stops == 0)
			return end;
		int at = __builtin_ctz(stops);
		return at < 4 ? p + at : end - 8 + at;
	}
#endif
	while (p < end && utf8_is_plain(*p))
		p++;
	return p;
}

// As utf8_plain_run, but may go on over DEL, which JSON's strings hold as it is: a comparison less.
static inline const char *utf8_json_run(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		// Signed, so that bytes from 0x80 on are below the blank too.
		unsigned stops = (unsigned)
			_mm_movemask_epi8(_mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
				_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
					_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')))));
		if (stops != 0)
			return p + __builtin_ctz(stops);
	}
#endif
	return utf8_plain_run(p, end);
}

#endif
