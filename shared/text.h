// SPDX-License-Identifier: MIT
// Text that people read: translation marks, and the one sanitizer between remote strings and a
// terminal or log.
#ifndef YJ_SHARED_TEXT_H
#define YJ_SHARED_TEXT_H

#include <libintl.h>
#include "shared/str.h"

#define _(text) gettext(text)
#define N_(text) text

// Appends `in` with every C0, DEL, C1, bidi control, zero-width character and invalid byte made
// visible (\x1b, \u202e, \xff). The result is valid UTF-8, has no ESC, and sanitizing it again
// changes nothing but backslashes that stand for themselves.
void text_add_safe(struct str *out, struct slice in);
// As text_add_safe, cut to `cells` terminal cells with a trailing ellipsis (… or ~ when !unicode)
// and padded with blanks when pad.
void text_add_fit(struct str *out, struct slice in, int cells, bool pad, bool unicode);
// Closest of the n candidates within edits (a swap counts one) of a third of the word's length,
// at least one; NULL when none is.
const char *text_closest(struct slice word, const char *const *candidates, size_t n);
// "3s", "12m", "5h", "40d": coarse on purpose.
void text_add_age(struct str *out, int64_t age_ms);
// As Go writes durations and the OpenAI API its resets: "12ms", "1.5s", "6m0s", "1h2m3s".
// Fractions are of milliseconds, rounded up.
void text_add_duration(struct str *out, int64_t us);
// Reads the same, and "1us", "2ns"; false for anything else or beyond 1000 hours.
bool text_duration_us(struct slice text, int64_t *ret);
// "1.23k", "3.4M", "12": at most 3 significant digits; "-" for NAN and infinities.
void text_add_si(struct str *out, double v);

#endif
