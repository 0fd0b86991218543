// SPDX-License-Identifier: MIT
// The gate that all JSON from outside passes first: validated and counted in one pass before
// anything is built of it, its top-level members found on the way.
#include "shared/jscan.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/num.h"
#include "shared/str.h"
#include "shared/utf8.h"

#define DIGITS_SURE 19 // fewer characters than these are within int64
#define DEPTH_MOST 256u // whatever the limits say
#define NONE UINT_MAX

struct scan {
	const char *p, *end;
	size_t tokens, tokens_max;
	unsigned depth, depth_max;
	uint64_t open[DEPTH_MOST / 64]; // a bit of each depth: it is an object
	bool in_object; // the innermost that is open
	unsigned kept_depth; // whose members are kept: 1, or NONE
	bool lax;
	struct jscan_member *out; // NULL: no members are kept
	size_t n, max;
	struct slice
		key; // of the member at the top that is under way, where its value begins, and what
	const char *from;
	enum jscan_type type;
	struct err *err;
};

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static enum err_code invalid(struct scan *s, const char *what)
{
	return err_set(s->err, ERR_JSON_INVALID, "%s", what);
}

static inline const char *blanks(const char *p, const char *end)
{
	while (p < end && UNLIKELY((unsigned char)*p <= ' ') && is_blank(*p))
		p++;
	return p;
}

static inline enum err_code count(struct scan *s)
{
	if (UNLIKELY(++s->tokens > s->tokens_max))
		return err_set(s->err, ERR_JSON_TOO_COMPLEX,
			"the JSON body has more than %zu values", s->tokens_max);
	return ERR_OK;
}

static bool hex4(const char *p, const char *end, uint32_t *ret)
{
	uint32_t v = 0;
	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9'   ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : -1;
		if (d < 0)
			return false;
		v = v << 4 | (uint32_t)d;
	}
	*ret = v;
	return true;
}

// Behind "\u": checks the code point, with its low surrogate when it needs one.
static enum err_code unicode_escape(struct scan *s)
{
	uint32_t hi;
	if (!hex4(s->p, s->end, &hi))
		return invalid(s, "a \\u escape needs four hex digits");
	s->p += 4;
	if (hi == 0)
		return invalid(s, "a string holds NUL");
	if (hi < 0xd800 || hi > 0xdfff)
		return ERR_OK;
	uint32_t lo;
	if (hi >= 0xdc00 || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u' ||
		!hex4(s->p + 2, s->end, &lo) || lo < 0xdc00 || lo > 0xdfff)
		return invalid(s, "a string holds a lone surrogate");
	s->p += 6;
	return ERR_OK;
}

static enum err_code escape(struct scan *s)
{
	s->p++;
	if (s->p == s->end)
		return invalid(s, "the JSON text ends inside a string");
	if (*s->p == 'u') {
		s->p++;
		return unicode_escape(s);
	}
	if (strchr("\"\\/bfnrt", *s->p) == NULL || !*s->p)
		return invalid(s, "a string has an unknown escape");
	s->p++;
	return ERR_OK;
}

static inline bool tail(const unsigned char *p, ptrdiff_t i)
{
	return (p[i] & 0xc0) == 0x80;
}

// Skips valid UTF-8 beyond ASCII; stops at ASCII, at the end or at what is not valid. Written out
// for the two common lengths, since Chinese text is what most bodies here are made of.
static const char *wide_run(const char *from, const char *end)
{
	const unsigned char *p = (const unsigned char *)from, *stop = (const unsigned char *)end;
	uint32_t cp;
	while (p < stop && *p >= 0x80) {
		size_t len;
		if (stop - p >= 3 && *p > 0xe0 && *p < 0xed && tail(p, 1) && tail(p, 2))
			len = 3;
		else if (stop - p >= 2 && *p >= 0xc2 && *p < 0xe0 && tail(p, 1))
			len = 2;
		else
			len = utf8_decode((const char *)p, (size_t)(stop - p), &cp);
		if (len == 0)
			break;
		p += len;
	}
	return (const char *)p;
}

// One that is not plain to its end: goes on at s->p.
static __attribute__((noinline)) enum err_code string_on(struct scan *s)
{
	for (;; s->p = utf8_plain_run(s->p, s->end)) {
		if (s->p == s->end)
			return invalid(s, "the JSON text ends inside a string");
		if (*s->p == '"') {
			s->p++;
			return ERR_OK;
		}
		enum err_code code;
		if (*s->p == '\\') {
			code = escape(s);
			if (code)
				return code;
			continue;
		}
		if ((unsigned char)*s->p < 0x20)
			return invalid(s, "a string holds a raw control character");
		const char *from = s->p;
		s->p = *from == 0x7f ? from + 1 : wide_run(from, s->end);
		if (s->p == from)
			return invalid(s, "the JSON text is not valid UTF-8");
	}
}

// Behind a string that begins at *at, which stays in a register unless there is more to it.
static inline enum err_code string(struct scan *s, const char **at)
{
	const char *p = utf8_plain_run(*at + 1, s->end);
	if (LIKELY(p < s->end && *p == '"')) {
		*at = p + 1;
		return ERR_OK;
	}
	s->p = p;
	enum err_code code = string_on(s);
	*at = s->p;
	return code;
}

static bool digits(struct scan *s)
{
	const char *start = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > start;
}

// Within the range of double? Only an exponent, or very many digits, can leave it.
static bool fits_double(struct slice text, bool exponent)
{
	double d;
	return (!exponent && text.n < 300) || num_f64(text, &d);
}

static enum err_code number(struct scan *s)
{
	const char *start = s->p;
	bool whole = true, exponent = false;
	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (!digits(s))
		return invalid(s, "a value is not JSON");
	if (s->p < s->end && *s->p == '.') {
		whole = false;
		s->p++;
		if (!digits(s))
			return invalid(s, "a number lacks digits behind its point");
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		whole = false;
		exponent = true;
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!digits(s))
			return invalid(s, "a number lacks its exponent");
	}
	struct slice text = (struct slice){start, (size_t)(s->p - start)};
	if ((whole && text.n < DIGITS_SURE) || s->lax)
		return ERR_OK; // an answer is not lost over a figure that nobody may read
	int64_t i;
	if (whole ? !num_i64(text, INT64_MIN, INT64_MAX, &i) : !fits_double(text, exponent))
		return invalid(s, "a number is out of range");
	return ERR_OK;
}

static enum err_code word(struct scan *s, const char *text, size_t n)
{
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0)
		return invalid(s, "a value is not JSON");
	s->p += n;
	return ERR_OK;
}

// ---- containers: a bit each of those that are open ----

static inline void leave(struct scan *s)
{
	s->depth--;
	s->in_object = s->open[s->depth / 64] >> s->depth % 64 & 1;
}

static inline enum err_code enter(struct scan *s, bool object)
{
	if (UNLIKELY(++s->depth > s->depth_max))
		return err_set(s->err, ERR_JSON_TOO_COMPLEX, "the JSON body nests deeper than %u",
			s->depth_max);
	uint64_t *word = &s->open[s->depth / 64], bit = UINT64_C(1) << s->depth % 64;
	*word = object ? *word | bit : *word & ~bit;
	s->in_object = object;
	return ERR_OK;
}

static enum err_code keep_member(struct scan *s, const char *end)
{
	for (size_t i = 0; i < s->n; i++)
		if (UNLIKELY(slice_eq(s->out[i].key, s->key)))
			return err_set(s->err, ERR_JSON_DUPLICATE_KEY, NULL);
	if (s->n == s->max && s->lax)
		return ERR_OK;
	if (s->n == s->max)
		return err_set(s->err, ERR_JSON_TOO_COMPLEX,
			"the JSON body has more than %zu members", s->max);
	s->out[s->n++] = (struct jscan_member){s->key, {s->from, (size_t)(end - s->from)}, s->type};
	return ERR_OK;
}

// True for a key with an escape that stands for an ASCII character.
static bool disguised(struct slice key)
{
	const char *p = key.p, *end = key.p + key.n;
	uint32_t cp;
	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if (p[1] != 'u' || (hex4(p + 2, end, &cp) && cp < 0x80))
			return true;
		p += 2;
	}
	return false;
}

// A member's name and colon; behind it the value begins.
static inline enum err_code name(struct scan *s, const char **at)
{
	if (UNLIKELY(*at == s->end || **at != '"'))
		return invalid(s, "a member name in quotes is missing");
	const char *from = *at + 1;
	enum err_code code = count(s);
	if (!code)
		code = string(s, at);
	if (code)
		return code;
	struct slice key = (struct slice){from, (size_t)(*at - from) - 1};
	const char *p = blanks(*at, s->end);
	if (UNLIKELY(p == s->end || *p != ':'))
		return invalid(s, "a colon is missing");
	*at = blanks(p + 1, s->end);
	if (s->depth != s->kept_depth)
		return ERR_OK;
	if (!s->lax && key.n && disguised(key))
		return invalid(s, "a member name spells plain characters as escapes");
	s->key = key;
	s->from = *at;
	return ERR_OK;
}

// A value that is no container.
static enum err_code scalar(struct scan *s, enum jscan_type *ret_type)
{
	switch (*s->p) {
	case 't':
		*ret_type = JS_TRUE;
		return word(s, "true", 4);
	case 'f':
		*ret_type = JS_FALSE;
		return word(s, "false", 5);
	case 'n':
		*ret_type = JS_NULL;
		return word(s, "null", 4);
	default:
		*ret_type = JS_NUMBER;
		return number(s);
	}
}

// One value; of a container that is not empty the opening bracket alone.
static inline enum err_code begin_value(struct scan *s, const char **at, enum jscan_type *ret_type)
{
	enum err_code code = count(s);
	if (code)
		return code;
	if (*at == s->end)
		return invalid(s, "the JSON text ends too early");
	char c = **at;
	if (c == '"') {
		*ret_type = JS_STRING;
		return string(s, at);
	}
	if (c != '{' && c != '[') {
		s->p = *at;
		code = scalar(s, ret_type);
		*at = s->p;
		return code;
	}
	*ret_type = c == '{' ? JS_OBJECT : JS_ARRAY;
	code = enter(s, c == '{');
	*at = blanks(*at + 1, s->end);
	return code;
}

// Behind a value: closes what ends here. *ret_more: another one follows in the container that is open.
static inline enum err_code end_value(struct scan *s, const char **at, bool *ret_more)
{
	const char *p = *at;
	*ret_more = false;
	for (; s->depth > 0; leave(s)) {
		enum err_code code;
		if (s->depth == s->kept_depth && (code = keep_member(s, p)))
			return code;
		p = blanks(p, s->end);
		if (p == s->end)
			return invalid(s, "the JSON text ends too early");
		char c = *p++;
		if (c == ',') {
			*at = blanks(p, s->end);
			*ret_more = true;
			return ERR_OK;
		}
		if (c != (s->in_object ? '}' : ']'))
			return invalid(s, "a comma or a closing bracket is missing");
	}
	*at = p;
	return ERR_OK;
}

// A whole value, containers and all. Without recursion: what is open stands in s->open.
static enum err_code value(struct scan *s, enum jscan_type *ret_type)
{
	const char *p = s->p;
	bool more = true;
	for (bool first = true; more; first = false) {
		enum jscan_type type = JS_NULL;
		enum err_code code = s->in_object ? name(s, &p) : ERR_OK;
		unsigned depth = s->depth;
		if (!code)
			code = begin_value(s, &p, &type);
		if (code)
			return code;
		if (first)
			*ret_type = type;
		if (depth == s->kept_depth)
			s->type = type;
		if (type >= JS_ARRAY) {
			if (p == s->end || *p != (type == JS_OBJECT ? '}' : ']'))
				continue;
			p++; // an empty one
			leave(s);
		}
		code = end_value(s, &p, &more);
		if (code)
			return code;
	}
	s->p = p;
	return ERR_OK;
}

static enum err_code run(struct scan *s, struct slice json, struct jscan_limits limits,
	enum jscan_type *ret_type)
{

	s->p = json.p;
	s->end = json.p + json.n;
	s->tokens_max = limits.tokens ? limits.tokens : SIZE_MAX;
	s->lax = limits.lax;
	s->depth_max = limits.depth ? MIN_OF((unsigned)limits.depth, DEPTH_MOST - 1) : JSCAN_DEPTH;
	s->p = blanks(s->p, s->end);
	if (s->p == s->end)
		return invalid(s, "the body is empty");
	s->kept_depth = s->out != NULL && *s->p == '{' ? 1 : NONE;
	enum err_code code = value(s, ret_type);
	if (code)
		return code;
	s->p = blanks(s->p, s->end);
	return s->p == s->end ? ERR_OK : invalid(s, "text follows the JSON value");
}

enum err_code jscan_check(struct slice json, struct jscan_limits limits, struct err *err)
{
	struct scan s = {.err = err};
	enum jscan_type type;
	return run(&s, json, limits, &type);
}

enum err_code jscan_object(struct slice json, struct jscan_limits limits, struct jscan_member *ret,
	size_t max, size_t *ret_n, struct err *err)
{
	struct scan s = {.err = err, .out = ret, .max = max};
	enum jscan_type type = JS_NULL;
	enum err_code code = run(&s, json, limits, &type);
	*ret_n = s.n;
	if (!code && type != JS_OBJECT)
		return err_set(err, ERR_JSON_INVALID, "the body is not a JSON object");
	return code;
}

bool jscan_is_empty(struct slice array)
{
	const char *p = array.p + 1, *end = array.p + array.n;
	while (p < end && is_blank(*p))
		p++;
	return p >= end || *p == ']';
}

bool jscan_next(struct slice *rest, struct slice *ret_item)
{
	struct scan s = {.depth_max = DEPTH_MOST - 1, .tokens_max = SIZE_MAX, .kept_depth = NONE};
	s.end = rest->p + rest->n;
	s.p = blanks(rest->p, s.end);
	if (s.p < s.end && (*s.p == '[' || *s.p == ','))
		s.p = blanks(s.p + 1, s.end);
	if (s.p == s.end || *s.p == ']')
		return false;
	const char *at = s.p;
	enum jscan_type type;
	if (value(&s, &type))
		return false;
	*ret_item = (struct slice){at, (size_t)(s.p - at)};
	s.p = blanks(s.p, s.end);
	*rest = (struct slice){s.p, (size_t)(s.end - s.p)};
	return true;
}

static size_t decode_escape(const char *p, const char *end, char out[4], size_t *ret_used)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	uint32_t hi = 0, lo = 0;
	*ret_used = 2;
	const char *at;
	if (p[1] != 'u') {
		at = strchr(from, p[1]);
		out[0] = at != NULL ? to[at - from] : p[1];
		return 1;
	}
	hex4(p + 2, end, &hi);
	*ret_used = 6;
	if (hi >= 0xd800 && hi <= 0xdbff && hex4(p + 8, end, &lo)) {
		*ret_used = 12;
		hi = 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
	}
	return utf8_encode(hi, out);
}

bool jscan_string(struct slice v, char *buf, size_t size, size_t *ret_n)
{
	const char *p = v.p + 1, *end = v.p + v.n - 1;
	size_t n = 0;
	if (v.n < 2 || v.p[0] != '"' || size == 0)
		return false;
	while (p < end) {
		char out[4] = {*p};
		size_t used = 1, len = 1;
		if (*p == '\\')
			len = decode_escape(p, end, out, &used);
		if (n + len >= size)
			return false;
		memcpy(buf + n, out, len);
		n += len;
		p += used;
	}
	buf[n] = '\0';
	if (ret_n != NULL)
		*ret_n = n;
	return true;
}

bool jscan_int(struct slice v, int64_t *ret)
{
	return num_i64(v, INT64_MIN, INT64_MAX, ret);
}
