// SPDX-License-Identifier: MIT
// UTF-8 decoding and terminal width. Width table: Unicode East Asian Width (UAX #11) and
// general categories Mn/Me/Cf (shared/utf8_width.py); ambiguous width is narrow.
#ifndef YJ_SHARED_UTF8_H
#define YJ_SHARED_UTF8_H

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
// The first byte from p on that is not printable ASCII, or is '"' or '\\': what may stand in JSON text
// as it is lies before it.
const char *utf8_plain_run(const char *p, const char *end);
// True for C0, DEL, C1, bidi controls and isolates, zero-width and BOM: never shown raw.
bool utf8_is_unsafe(uint32_t cp);
// True for what leaves no mark where it stands alone: those, white space of any kind, fillers,
// variation selectors and tags. A text of nothing else is empty to its reader.
bool utf8_is_invisible(uint32_t cp);

#endif
