// SPDX-License-Identifier: MIT
#include "tests/vendord/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct span span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

bool span_is(struct span span, const char *text)
{
	size_t len = strlen(text);

	return span.len == len && (len == 0 || memcmp(span.at, text, len) == 0);
}

bool span_starts(struct span span, const char *prefix)
{
	size_t len = strlen(prefix);

	return span.len >= len && (len == 0 || memcmp(span.at, prefix, len) == 0);
}

bool span_is_nocase(struct span span, const char *text)
{
	size_t len = strlen(text);

	return span.len == len && (len == 0 || strncasecmp(span.at, text, len) == 0);
}

bool span_has(struct span span, const char *needle)
{
	return span.len > 0 && memmem(span.at, span.len, needle, strlen(needle)) != NULL;
}

struct span span_tail(struct span span, size_t n)
{
	if (span.len <= n)
		return span;
	return (struct span){span.at + span.len - n, n};
}

uint64_t span_hash(struct span span)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < span.len; i++)
		hash = (hash ^ (unsigned char)span.at[i]) * 0x100000001b3u;
	return hash;
}

int64_t span_int(struct span span, int64_t otherwise)
{
	char text[24];
	char *end;

	if (span.len == 0 || span.len >= sizeof text)
		return otherwise;
	memcpy(text, span.at, span.len);
	text[span.len] = '\0';
	long long number = strtoll(text, &end, 10);
	return *end == '\0' ? number : otherwise;
}

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}

char *buf_room(struct buf *buf, size_t more)
{
	if (buf->cap - buf->len < more) {
		size_t cap = buf->cap ? buf->cap * 2 : 1024;
		while (cap < buf->len + more)
			cap *= 2;
		char *data = realloc(buf->data, cap);
		if (!data)
			abort();
		buf->data = data;
		buf->cap = cap;
	}
	return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(buf_room(buf, len), bytes, len);
	buf->len += len;
}

void buf_span(struct buf *buf, struct span span)
{
	buf_add(buf, span.at, span.len);
}

void buf_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_byte(struct buf *buf, char byte)
{
	*buf_room(buf, 1) = byte;
	buf->len++;
}

void buf_fmt(struct buf *buf, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	size_t room = buf->cap - buf->len;
	int len = vsnprintf(room ? buf->data + buf->len : NULL, room, format, args);
	if (len >= 0 && (size_t)len >= room) {
		char *at = buf_room(buf, (size_t)len + 1);
		vsnprintf(at, (size_t)len + 1, format, again);
	}
	if (len > 0)
		buf->len += (size_t)len;
	va_end(again);
	va_end(args);
}

void buf_uint(struct buf *buf, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	buf_add(buf, digits + at, sizeof digits - at);
}

void buf_drop(struct buf *buf, size_t n)
{
	if (n < buf->len)
		memmove(buf->data, buf->data + n, buf->len - n);
	buf->len -= n;
}

void buf_insert(struct buf *buf, size_t at, struct span bytes)
{
	buf_room(buf, bytes.len);
	memmove(buf->data + at + bytes.len, buf->data + at, buf->len - at);
	memcpy(buf->data + at, bytes.at, bytes.len);
	buf->len += bytes.len;
}

// How long the UTF-8 character at the front is; 0 when it is none.
static size_t utf8_step(const unsigned char *at, size_t len)
{
	static const unsigned low[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;

	if (n <= 1 || n > len)
		return n > len ? 0 : n;
	unsigned rune = at[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		rune = rune << 6 | (at[i] & 0x3f);
	}
	if (rune < low[n] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		return 0;
	return n;
}

bool utf8_valid(struct span text)
{
	for (size_t i = 0; i < text.len;) {
		size_t step = utf8_step((const unsigned char *)text.at + i, text.len - i);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

void buf_json(struct buf *buf, struct span text)
{
	buf_byte(buf, '"');
	for (size_t i = 0; i < text.len;) {
		unsigned char byte = (unsigned char)text.at[i];
		size_t step = utf8_step((const unsigned char *)text.at + i, text.len - i);
		if (step == 0)
			buf_text(buf, "\xef\xbf\xbd");
		else if (byte == '"' || byte == '\\')
			buf_fmt(buf, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			buf_fmt(buf, "\\u%04x", byte);
		else
			buf_add(buf, text.at + i, step);
		i += step ? step : 1;
	}
	buf_byte(buf, '"');
}

void buf_base64(struct buf *buf, const void *bytes, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = bytes;
	char *out = buf_room(buf, (len + 2) / 3 * 4);

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned bits = (unsigned)in[i] << 16;
		if (left > 1)
			bits |= (unsigned)in[i + 1] << 8;
		if (left > 2)
			bits |= in[i + 2];
		*out++ = digit[bits >> 18];
		*out++ = digit[bits >> 12 & 63];
		*out++ = left > 1 ? digit[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? digit[bits & 63] : '=';
	}
	buf->len += (len + 2) / 3 * 4;
}

struct span buf_view(const struct buf *buf)
{
	return (struct span){buf->data, buf->len};
}
