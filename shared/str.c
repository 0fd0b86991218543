// SPDX-License-Identifier: MIT
// The buffer that every answer is written into, and the escapes by which a text becomes JSON, a
// URL or base64.
#include "shared/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"
#include "shared/num.h"
#include "shared/utf8.h"

static void wipe(struct str *s)
{
	if (s->p != NULL)
		explicit_bzero(s->p, s->cap);
}

void str_wipe(struct str *s)
{
	wipe(s);
	str_release(s);
}

void str_release(struct str *s)
{
	free(s->p);
	*s = STR_INIT;
}

void str_clear(struct str *s)
{
	s->n = 0;
	if (s->p != NULL)
		s->p[0] = '\0';
}

void str_grow(struct str *s, size_t more)
{
	size_t need = s->n + more + 1, cap = s->cap ? s->cap : 64;
	while (cap < need)
		cap += cap / 2 + 64;
	if (s->cap <= STR_MOVED_MAX) { // realloc would leave a copy behind
		char *p = mem_alloc(cap);
		if (s->n)
			memcpy(p, s->p, s->n);
		wipe(s);
		free(s->p);
		s->p = p;
	} else {
		s->p = mem_realloc(s->p, cap, 1);
	}
	s->cap = cap;
	s->p[s->n] = '\0';
}

void str_add_i64(struct str *s, int64_t v)
{
	char buf[NUM_I64_TEXT] FILLED_LATER;
	const char *p = num_text(v, buf);
	str_add_n(s, p, (size_t)(buf + sizeof(buf) - 1 - p));
}

void str_vaddf(struct str *s, const char *fmt, va_list ap)
{

	str_reserve(s, 64);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(s->p + s->n, s->cap - s->n, fmt, ap);
	if (n > 0 && (size_t)n >= s->cap - s->n) {
		str_reserve(s, (size_t)n);
		n = vsnprintf(s->p + s->n, s->cap - s->n, fmt, again);
	}
	va_end(again);
	if (n > 0)
		s->n += (size_t)n;
	s->p[s->n] = '\0';
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_vaddf(s, fmt, ap);
	va_end(ap);
}

static void json_escape(struct str *s, uint32_t cp)
{
	static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
	const char *at = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
	if (at != NULL) {
		str_add_c(s, '\\');
		str_add_c(s, to[at - from]);
	} else if (cp < 0x10000) {
		str_addf(s, "\\u%04x", (unsigned)cp);
	} else {
		cp -= 0x10000;
		str_addf(s, "\\u%04x\\u%04x", 0xd800u + (cp >> 10), 0xdc00u + (cp & 0x3ff));
	}
}

void str_add_json(struct str *s, struct slice v)
{
	size_t run = 0, i = 0;
	str_reserve(s, v.n + 2);
	str_add_c(s, '"');
	uint32_t cp;
	while (i < v.n) {

		i = (size_t)(utf8_plain_run(v.p + i, v.p + v.n) - v.p);
		if (i == v.n)
			break;
		size_t len = utf8_decode(v.p + i, v.n - i, &cp);
		if (len && cp != '"' && cp != '\\' && !utf8_is_unsafe(cp)) {
			i += len;
			continue;
		}
		str_add_n(s, v.p + run, i - run);
		if (len)
			json_escape(s, cp);
		else
			str_add_n(s, "\xef\xbf\xbd", 3);
		i += len ? len : 1;
		run = i;
	}
	str_add_n(s, v.p + run, v.n - run);
	str_add_c(s, '"');
}

void str_add_url(struct str *s, struct slice v)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			c == '-' || c == '.' || c == '_' || c == '~') {
			str_add_c(s, (char)c);
			continue;
		}
		str_add_c(s, '%');
		str_add_c(s, hex[c >> 4]);
		str_add_c(s, hex[c & 15]);
	}
}

void str_add_base64(struct str *s, struct slice v)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	str_reserve(s, (v.n + 2) / 3 * 4);
	for (size_t i = 0; i < v.n; i += 3) {
		size_t left = v.n - i;
		uint32_t bits = (uint32_t)(unsigned char)v.p[i] << 16;
		bits |= left > 1 ? (uint32_t)(unsigned char)v.p[i + 1] << 8 : 0;
		bits |= left > 2 ? (uint32_t)(unsigned char)v.p[i + 2] : 0;
		char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
			left > 1 ? digits[bits >> 6 & 63] : '=',
			left > 2 ? digits[bits & 63] : '='};
		str_add_n(s, four, 4);
	}
}

void str_cut(struct str *s, size_t n)
{
	if (n < s->n) {
		s->n = n;
		s->p[n] = '\0';
	}
}

const char *str_text(const struct str *s)
{
	return s->p != NULL ? s->p : "";
}

char *str_take(struct str *s, size_t *ret_n)
{
	char *p = s->p != NULL ? s->p : mem_strdup("");
	if (ret_n != NULL)
		*ret_n = s->n;
	*s = STR_INIT;
	return p;
}
