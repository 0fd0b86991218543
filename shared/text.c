// SPDX-License-Identifier: MIT
// Remote text made safe to be shown, and the short forms (ages, figures, durations, the word that
// was meant) that people read.
#include "shared/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"
#include "shared/num.h"
#include "shared/utf8.h"

#define WORD_MAX 64 // longest word text_closest compares

void text_add_safe(struct str *out, struct slice in)
{
	size_t run = 0, i = 0;
	uint32_t cp;
	while (i < in.n) {
		size_t len = utf8_decode(in.p + i, in.n - i, &cp);
		if (len && !utf8_is_unsafe(cp)) {
			i += len;
			continue;
		}
		str_add_n(out, in.p + run, i - run);
		uint32_t unsafe = len ? cp : (unsigned char)in.p[i];
		str_addf(out,
			unsafe < 0x100		   ? "\\x%02x"
				: unsafe < 0x10000 ? "\\u%04x"
						   : "\\U%06x",
			(unsigned)unsafe);
		i += len ? len : 1;
		run = i;
	}
	str_add_n(out, in.p + run, i - run);
}

void text_add_fit(struct str *out, struct slice in, int cells, bool pad, bool unicode)
{
	struct str safe = STR_INIT;
	if (cells <= 0)
		return;
	text_add_safe(&safe, in);
	int taken;
	size_t fit = utf8_fit(str_slice(&safe), cells, &taken);
	if (fit < safe.n) {
		fit = utf8_fit(str_slice(&safe), cells - 1, &taken);
		str_add_n(out, safe.p, fit);
		str_add(out, unicode ? "…" : "~");
		taken++;
	} else {
		str_add_slice(out, str_slice(&safe));
	}
	for (; pad && taken < cells; taken++)
		str_add_c(out, ' ');
	str_release(&safe);
}

// Edits between two words; two letters swapped are one edit, since that is how people mistype.
static size_t distance(struct slice a, struct slice b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b.n; j++)
		last[j] = j;
	size_t *freed;
	for (size_t i = 1; i <= a.n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
			best = MIN_OF(best, last[j] + 1);
			best = MIN_OF(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				best = MIN_OF(best, before[j - 2] + 1);
			row[j] = best;
		}
		freed = before;
		before = last;
		last = row;
		row = freed;
	}
	return last[b.n];
}

const char *text_closest(struct slice word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t least = MIN_OF(MAX_OF(word.n / 3, 1) + 1, word.n);
	if (word.n == 0 || word.n > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct slice c = slice_of(candidates[i]);
		size_t d = c.n > WORD_MAX ? SIZE_MAX : distance(word, c);
		if (d < least) {
			least = d;
			best = candidates[i];
		}
	}
	return best;
}

void text_add_age(struct str *out, int64_t age_ms)
{
	int64_t s = age_ms < 0 ? 0 : age_ms / 1000;
	if (s < 60)
		str_addf(out, "%llds", (long long)s);
	else if (s < 3600)
		str_addf(out, "%lldm", (long long)(s / 60));
	else if (s < 48 * 3600)
		str_addf(out, "%lldh", (long long)(s / 3600));
	else
		str_addf(out, "%lldd", (long long)(s / 86400));
}

void text_add_si(struct str *out, double v)
{
	static const char *const unit[] = {"", "k", "M", "G", "T", "P"};
	size_t i = 0;
	double a = fabs(v);
	if (!isfinite(v)) {
		str_add(out, "-");
		return;
	}
	for (; a >= 999.5 && i + 1 < ARRAY_LEN(unit); i++) {
		a /= 1000;
		v /= 1000;
	}
	if (a == floor(a) && a < 1000)
		str_addf(out, "%.0f%s", v, unit[i]);
	else if (a < 0.0995)
		str_addf(out, "%.3g", v);
	else
		str_addf(out, "%.*f%s", a < 9.995 ? 2 : a < 99.95 ? 1 : 0, v, unit[i]);
}

void text_add_duration(struct str *out, int64_t us)
{
	int64_t ms = us > 0 ? (us + 999) / 1000 : 0, s = ms / 1000;
	if (ms < 1000) {
		str_add_i64(out, ms);
		str_add(out, ms ? "ms" : "s");
		return;
	}
	if (s >= 3600) {
		str_add_i64(out, s / 3600);
		str_add_c(out, 'h');
	}
	if (s >= 60) {
		str_add_i64(out, s / 60 % 60);
		str_add_c(out, 'm');
	}
	str_add_i64(out, s % 60);
	if (ms % 1000) {
		str_addf(out, ".%03lld", (long long)(ms % 1000));
		while (out->p[out->n - 1] == '0')
			out->p[--out->n] = '\0';
	}
	str_add_c(out, 's');
}

static bool unit_of(struct slice *rest, double *ret_us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = {{"ms", 1e3}, {"us", 1}, {"\xc2\xb5s", 1}, {"ns", 1e-3}, {"h", 3.6e9},
		{"m", 6e7}, {"s", 1e6}};
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].unit);
		if (!slice_starts(*rest, units[i].unit))
			continue;
		*ret_us = units[i].us;
		*rest = (struct slice){rest->p + n, rest->n - n};
		return true;
	}
	return false;
}

bool text_duration_us(struct slice text, int64_t *ret)
{
	double sum = 0;
	if (!text.n || text.n > 32)
		return false;
	double part, unit;
	while (text.n) {
		size_t n = 0;
		while (n < text.n && ((text.p[n] >= '0' && text.p[n] <= '9') || text.p[n] == '.'))
			n++;
		if (!num_f64((struct slice){text.p, n}, &part))
			return false;
		text = (struct slice){text.p + n, text.n - n};
		if (!unit_of(&text, &unit))
			return false;
		sum += part * unit;
	}
	if (sum > 3.6e12)
		return false;
	*ret = (int64_t)sum;
	return true;
}
