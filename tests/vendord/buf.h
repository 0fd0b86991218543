// SPDX-License-Identifier: MIT
// Growing byte buffers and borrowed spans. Running out of memory ends the process:
// this is a test tool, and a mock that lies about memory would hide bugs.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes owned by somebody else.
struct span {
	const char *at;
	size_t len;
};

struct buf {
	char *data;
	size_t len, cap;
};

#define SPAN(literal) ((struct span){literal, sizeof(literal) - 1})

struct span span_of(const char *text);
bool span_is(struct span span, const char *text);
bool span_starts(struct span span, const char *prefix);
// ASCII case is folded.
bool span_is_nocase(struct span span, const char *text);
bool span_has(struct span span, const char *needle);
// The last `n` bytes, or all of a shorter span.
struct span span_tail(struct span span, size_t n);
// FNV-1a, 64 bit.
uint64_t span_hash(struct span span);
int64_t span_int(struct span span, int64_t otherwise);

void buf_release(struct buf *buf);
// Room for `more` bytes; returns where they go. The caller adds to len.
char *buf_room(struct buf *buf, size_t more);
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_span(struct buf *buf, struct span span);
void buf_text(struct buf *buf, const char *text);
void buf_byte(struct buf *buf, char byte);
void buf_fmt(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_uint(struct buf *buf, uint64_t number);
// Drops the first `n` bytes.
void buf_drop(struct buf *buf, size_t n);
// Puts bytes in the middle; `at` is at most len.
void buf_insert(struct buf *buf, size_t at, struct span bytes);
// A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
void buf_json(struct buf *buf, struct span text);
void buf_base64(struct buf *buf, const void *bytes, size_t len);
struct span buf_view(const struct buf *buf);
bool utf8_valid(struct span text);
