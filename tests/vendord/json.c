// SPDX-License-Identifier: MIT
#include "tests/vendord/json.h"

#include <string.h>

#define JSON_DEPTH_MAX 128

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	return at;
}

// Behind the closing quote, or NULL.
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\')
			at++;
		else if ((unsigned char)*at < 0x20)
			return NULL;
	}
	return NULL;
}

static const char *skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

static const char *skip_number(const char *at, const char *end)
{
	if (at < end && *at == '-')
		at++;
	const char *digits = at;
	at = skip_digits(at, end);
	if (at == digits)
		return NULL;
	if (at < end && *at == '.')
		at = skip_digits(at + 1, end);
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = skip_digits(at, end);
	}
	return at;
}

// Brackets must match; commas and colons inside are not judged.
static const char *skip_nested(const char *at, const char *end)
{
	char close[JSON_DEPTH_MAX];
	int depth = 0;

	while (at && at < end) {
		if (*at == '"') {
			at = skip_string(at, end);
			continue;
		}
		if (*at == '{' || *at == '[') {
			if (depth == JSON_DEPTH_MAX)
				return NULL;
			close[depth++] = *at == '{' ? '}' : ']';
		} else if (*at == '}' || *at == ']') {
			if (close[depth - 1] != *at)
				return NULL;
			if (--depth == 0)
				return at + 1;
		}
		at++;
	}
	return NULL;
}

// Behind the value, or NULL.
static const char *skip_value(const char *at, const char *end)
{
	if (at >= end)
		return NULL;
	if (*at == '"')
		return skip_string(at, end);
	if (*at == '{' || *at == '[')
		return skip_nested(at, end);
	if (*at == '-' || (*at >= '0' && *at <= '9'))
		return skip_number(at, end);
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t len = strlen(words[i]);
		if ((size_t)(end - at) >= len && memcmp(at, words[i], len) == 0)
			return at + len;
	}
	return NULL;
}

bool json_open(struct json_iter *iter, struct span value)
{
	const char *end = value.at + value.len;
	const char *at = value.len ? skip_space(value.at, end) : end;

	*iter = (struct json_iter){.at = at, .end = end, .first = true};
	if (at >= end || (*at != '{' && *at != '['))
		return false;
	iter->close = *at == '{' ? '}' : ']';
	iter->at++;
	return true;
}

// To the start of the next element; false at the end or when bad.
static bool json_next(struct json_iter *iter)
{
	const char *at = skip_space(iter->at, iter->end);

	if (iter->bad)
		return false;
	if (at < iter->end && *at == iter->close) {
		iter->at = at + 1;
		iter->close = '\0';
		return false;
	}
	if (!iter->first) {
		if (at >= iter->end || *at != ',' || !iter->close) {
			iter->bad = true;
			return false;
		}
		at = skip_space(at + 1, iter->end);
	}
	iter->first = false;
	iter->at = at;
	return true;
}

static bool json_take(struct json_iter *iter, struct span *ret_value)
{
	const char *behind = skip_value(iter->at, iter->end);

	if (!behind) {
		iter->bad = true;
		return false;
	}
	*ret_value = (struct span){iter->at, (size_t)(behind - iter->at)};
	iter->at = behind;
	return true;
}

bool json_item(struct json_iter *iter, struct span *ret_value)
{
	return json_next(iter) && json_take(iter, ret_value);
}

bool json_member(struct json_iter *iter, struct span *ret_key, struct span *ret_value)
{
	struct span key;

	if (!json_next(iter))
		return false;
	iter->bad = iter->at >= iter->end || *iter->at != '"';
	if (iter->bad || !json_take(iter, &key))
		return false;
	iter->at = skip_space(iter->at, iter->end);
	iter->bad = iter->at >= iter->end || *iter->at != ':';
	if (iter->bad)
		return false;
	iter->at = skip_space(iter->at + 1, iter->end);
	*ret_key = (struct span){key.at + 1, key.len - 2};
	return json_take(iter, ret_value);
}

bool json_valid(struct span text)
{
	struct json_iter iter;
	struct span key, value;

	if (!json_open(&iter, text))
		return false;
	if (iter.close == '}')
		while (json_member(&iter, &key, &value))
			;
	else
		while (json_item(&iter, &value))
			;
	return !iter.bad && skip_space(iter.at, iter.end) == iter.end;
}

struct span json_find(struct span object, const char *key)
{
	struct json_iter iter;
	struct span name, value;

	if (!json_open(&iter, object) || iter.close != '}')
		return (struct span){0};
	while (json_member(&iter, &name, &value))
		if (span_is(name, key))
			return value;
	return (struct span){0};
}

bool json_is_string(struct span value)
{
	return value.len >= 2 && value.at[0] == '"';
}

struct span json_raw(struct span value)
{
	if (!json_is_string(value))
		return (struct span){0};
	return (struct span){value.at + 1, value.len - 2};
}

static unsigned hex4(const char *at)
{
	unsigned number = 0;

	for (int i = 0; i < 4; i++) {
		char c = at[i];
		unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
		number = number << 4 | (digit & 15);
	}
	return number;
}

static void add_rune(struct buf *out, unsigned rune)
{
	if (rune < 0x80) {
		buf_byte(out, (char)rune);
	} else if (rune < 0x800) {
		buf_byte(out, (char)(0xc0 | rune >> 6));
		buf_byte(out, (char)(0x80 | (rune & 63)));
	} else if (rune < 0x10000) {
		buf_byte(out, (char)(0xe0 | rune >> 12));
		buf_byte(out, (char)(0x80 | (rune >> 6 & 63)));
		buf_byte(out, (char)(0x80 | (rune & 63)));
	} else {
		buf_byte(out, (char)(0xf0 | rune >> 18));
		buf_byte(out, (char)(0x80 | (rune >> 12 & 63)));
		buf_byte(out, (char)(0x80 | (rune >> 6 & 63)));
		buf_byte(out, (char)(0x80 | (rune & 63)));
	}
}

void json_text(struct buf *out, struct span value)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	struct span raw = json_raw(value);

	for (size_t i = 0; i < raw.len; i++) {
		if (raw.at[i] != '\\' || i + 1 >= raw.len) {
			buf_byte(out, raw.at[i]);
			continue;
		}
		char c = raw.at[++i];
		const char *known = strchr(from, c);
		if (c != 'u' || i + 4 >= raw.len) {
			buf_byte(out, known && c ? to[known - from] : c);
			continue;
		}
		unsigned rune = hex4(raw.at + i + 1);
		i += 4;
		if (rune >> 10 == 0x36 && i + 6 < raw.len && raw.at[i + 1] == '\\') {
			rune = 0x10000 + ((rune & 0x3ff) << 10) + (hex4(raw.at + i + 3) & 0x3ff);
			i += 6;
		}
		add_rune(out, rune);
	}
}

int64_t json_int(struct span value, int64_t otherwise)
{
	return span_int(json_is_string(value) ? json_raw(value) : value, otherwise);
}

bool json_true(struct span value)
{
	return span_is(value, "true");
}
