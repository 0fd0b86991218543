// SPDX-License-Identifier: MIT
// The plain form, by far the most, is told by one look over its letters; the rest is unescaped first.
#include "agent/protocol/base64.h"

#include <string.h>
#include "agent/protocol/json.h"
#include "shared/text.h"

enum { PAD = 64, SPACE = 65, BAD = 66 };

// The six bits of a letter; letters of the URL-safe alphabet count as those they stand for.
static unsigned value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return c == '=' ? PAD : c == '\n' || c == '\r' || c == ' ' || c == '\t' ? SPACE : BAD;
}

// Letters before the padding; *ret_rest: what stands behind them.
static size_t letters_of(struct slice text, struct slice *ret_rest)
{
	size_t n = 0;
	while (n < text.n && value_of(text.p[n]) < PAD && text.p[n] != '-' && text.p[n] != '_')
		n++;
	*ret_rest = (struct slice){text.p + n, text.n - n};
	return n;
}

static struct slice without_head(struct slice text)
{
	ptrdiff_t comma = slice_starts(text, "data:") ? slice_find(text, ',') : -1;
	if (comma < 0)
		return text;
	return (struct slice){text.p + comma + 1, text.n - (size_t)comma - 1};
}

// Unescaped, one line, padded, the letters of §4; empty when it is no base64.
static void plain_of(struct slice string, struct str *out)
{
	struct str raw = STR_INIT;
	size_t from = out->n, n = 0;
	bool padded = false, fine = true;
	aj_decode(string, &raw);
	struct slice text = without_head(str_slice(&raw));
	str_reserve(out, text.n + 3);
	for (size_t i = 0; fine && i < text.n; i++) {
		unsigned v = value_of(text.p[i]);
		if (v < PAD)
			str_add_c(out, v == 62 ? '+' : v == 63 ? '/' : text.p[i]);
		fine = v != BAD && !(padded && v < PAD);
		padded |= v == PAD;
		n += v < PAD;
	}
	if (!fine || n == 0 || n % 4 == 1)
		out->n = from;
	else
		str_add(out, n % 4 == 2 ? "==" : n % 4 == 3 ? "=" : "");
	out->p[out->n] = '\0';
	str_release(&raw);
}

enum base64 base64_kind(struct slice string, size_t *ret_bytes)
{
	struct slice rest;
	size_t n = letters_of(aj_inner(string), &rest);
	*ret_bytes = n * 3 / 4;
	if (n > 0 && (n + rest.n) % 4 == 0 && n % 4 != 1 &&
		(rest.n == 0 || slice_eq_str(rest, "=") || slice_eq_str(rest, "==")))
		return BASE64_PLAIN;
	struct str plain = STR_INIT;
	plain_of(string, &plain);
	n = letters_of(str_slice(&plain), &rest);
	*ret_bytes = n * 3 / 4;
	str_release(&plain);
	return n > 0 ? BASE64_ODD : BASE64_NOT;
}

void base64_add(struct slice string, struct str *out)
{
	size_t bytes;
	if (base64_kind(string, &bytes) == BASE64_PLAIN)
		str_add_slice(out, aj_inner(string));
	else
		plain_of(string, out);
}

bool base64_read(struct slice inner, struct str *out)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < inner.n && inner.p[i] != '='; i++) {
		if (inner.p[i] == '\\' && i + 1 < inner.n &&
			strchr("nr/", inner.p[i + 1]) != NULL) {
			if (inner.p[++i] != '/')
				continue;
		}
		const char *at = inner.p[i] != '\0' ? strchr(letters, inner.p[i]) : NULL;
		if (at == NULL)
			return false;
		bits = bits << 6 | (unsigned)(at - letters);
		have += 6;
		if (have >= 8) {
			have -= 8;
			str_add_c(out, (char)(bits >> have & 0xff));
		}
	}
	return true;
}
