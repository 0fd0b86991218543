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

struct scan {
	const char *p, *end;
	size_t tokens, tokens_max;
	unsigned depth_max;
	bool lax, keeps; // the top is an object whose members are kept
	struct jscan_member *out; // NULL: no members are kept
	size_t n, max;
	struct jscan_seen *seen; // NULL: nothing else is looked for
	uint64_t lengths; // of the names that are looked for, a bit each
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

static enum err_code keep_member(struct scan *s, struct slice key, struct slice value,
	enum jscan_type type)
{
	if (!s->lax && disguised(key))
		return invalid(s, "a member name spells plain characters as escapes");
	for (size_t i = 0; i < s->n; i++)
		if (UNLIKELY(slice_eq(s->out[i].key, key)))
			return err_set(s->err, ERR_JSON_DUPLICATE_KEY, NULL);
	if (s->n == s->max && s->lax)
		return ERR_OK;
	if (s->n == s->max)
		return err_set(s->err, ERR_JSON_TOO_COMPLEX,
			"the JSON body has more than %zu members", s->max);
	s->out[s->n++] = (struct jscan_member){key, value, type};
	return ERR_OK;
}

// A value that is no container and no string.
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

// Behind the string that begins at p; NULL: *ret_code says why.
static inline const char *string_end(struct scan *s, const char *p, enum err_code *ret_code)
{
	const char *quote = utf8_json_run(p + 1, s->end);
	if (LIKELY(quote < s->end && *quote == '"'))
		return quote + 1;
	s->p = quote;
	*ret_code = string_on(s);
	return *ret_code ? NULL : s->p;
}

// Of a container that is known to end with a bracket: white space ends before it.
static inline const char *past_blanks(const char *p)
{
	while (UNLIKELY((unsigned char)*p <= ' ') && is_blank(*p))
		p++;
	return p;
}

struct open { // the containers that are open
	unsigned depth;
	bool object; // the innermost is one
	bool keeps; // its members are kept
	bool within; // the second is the one whose members are kept, too
	uint64_t objects[DEPTH_MOST / 64]; // a bit of each depth
};

// `name`: of the top's member that is under way.
static inline void enter(const struct scan *s, struct open *o, bool object, struct slice name)
{
	uint64_t *word = &o->objects[++o->depth / 64], bit = UINT64_C(1) << o->depth % 64;
	*word = object ? *word | bit : *word & ~bit;
	o->object = object;
	if (o->depth == 1) {
		o->keeps = s->keeps;
	} else if (o->depth == 2) {
		o->within = object && o->keeps && s->seen != NULL &&
			slice_eq(s->seen->inside, name);
		o->keeps = o->within;
	} else {
		o->keeps = false;
	}
}

static inline void leave(const struct scan *s, struct open *o)
{
	o->depth--;
	o->object = o->objects[o->depth / 64] >> o->depth % 64 & 1;
	if (o->depth <= 2)
		o->keeps = o->depth == 2 ? o->within : s->keeps;
}

static enum err_code too_deep(struct scan *s)
{
	return err_set(s->err, ERR_JSON_TOO_COMPLEX, "the JSON body nests deeper than %u",
		s->depth_max);
}

// A member under way whose value is kept.
struct under_way {
	struct slice key;
	const char *from;
	enum jscan_type type;
};

// Of the object that is looked into besides the top: with a name twice it says nothing.
static void keep_within(struct scan *s, const struct under_way *m, const char *end)
{
	struct jscan_seen *seen = s->seen;
	for (size_t i = 0; i < seen->n; i++)
		seen->twice |= slice_eq(seen->m[i].key, m->key);
	if (seen->n < seen->max)
		seen->m[seen->n++] = (struct jscan_member){
			m->key, {m->from, (size_t)(end - m->from)}, m->type};
}

static inline enum err_code keep(struct scan *s, const struct under_way *m, unsigned depth,
	const char *end)
{
	if (LIKELY(depth == 1))
		return keep_member(s, m->key, (struct slice){m->from, (size_t)(end - m->from)},
			m->type);
	keep_within(s, m, end);
	return ERR_OK;
}

static void mark(struct scan *s, struct slice name, const char *value)
{
	struct jscan_seen *seen = s->seen;
	for (size_t i = 0; i < JSCAN_MARKS; i++)
		if (slice_eq(seen->marks[i], name) && seen->times[i]++ == 0)
			seen->at[i] = value;
}

// An object or a list with all it contains, from s->p on. Not by recursion, and with its place in a
// register: this is what every body and every event is looked at with. A bracket stands before s->end,
// so that nothing but a string can run into it.
static enum err_code container(struct scan *s)
{
	struct open o = {0};
	struct under_way
		member[2] FILLED_LATER; // of the top, and of the object within that is kept
	const char *p = s->p;
	size_t tokens = s->tokens;
	enum jscan_type type;
	enum err_code code = ERR_OK;
	for (;;) {
		if (o.object) { // a member's name and colon
			const char *name = p + 1;
			if (UNLIKELY(*p != '"'))
				return invalid(s, "a member name in quotes is missing");
			if (UNLIKELY((p = string_end(s, p, &code)) == NULL))
				return code;
			size_t n = (size_t)(p - name) - 1;
			tokens++;
			if (UNLIKELY(*p != ':'))
				p = past_blanks(p);
			if (UNLIKELY(*p != ':'))
				return invalid(s, "a colon is missing");
			p = past_blanks(p + 1);
			if (o.keeps)
				member[o.depth - 1] = (struct under_way){{name, n}, p, JS_NULL};
			if (UNLIKELY(s->lengths >> n % 64 & 1))
				mark(s, (struct slice){name, n}, p);
		}
		bool opened = false;
		if (UNLIKELY(++tokens > s->tokens_max))
			return err_set(s->err, ERR_JSON_TOO_COMPLEX,
				"the JSON body has more than %zu values", s->tokens_max);
		if (*p == '"') {
			type = JS_STRING;
			if (UNLIKELY((p = string_end(s, p, &code)) == NULL))
				return code;
		} else if (*p == '{' || *p == '[') {
			type = *p == '{' ? JS_OBJECT : JS_ARRAY;
			if (UNLIKELY(o.depth == s->depth_max))
				return too_deep(s);
			opened = true;
			p = past_blanks(p + 1);
		} else {
			s->p = p;
			if (UNLIKELY(code = scalar(s, &type)))
				return code;
			p = s->p;
		}
		if (o.keeps)
			member[o.depth - 1].type = type;
		if (opened) {
			enter(s, &o, type == JS_OBJECT, member[0].key);
			if (*p != (o.object ? '}' : ']'))
				continue; // to its first item
		}
		for (;; opened = false) { // the next item, or the end of what is open
			if (o.keeps && !opened &&
				UNLIKELY(code = keep(s, &member[o.depth - 1], o.depth, p)))
				return code;
			if (UNLIKELY((unsigned char)*p <= ' '))
				p = past_blanks(p);
			char c = *p++;
			if (c == ',')
				break;
			if (UNLIKELY(c != (o.object ? '}' : ']')))
				return invalid(s, "a comma or a closing bracket is missing");
			leave(s, &o);
			if (o.depth == 0) {
				s->p = p;
				s->tokens = tokens;
				return ERR_OK;
			}
			if (UNLIKELY(p == s->end))
				return invalid(s, "the JSON text ends too early");
		}
		p = past_blanks(p);
	}
}

// Whatever begins at s->p. Where it is a container, what follows its last bracket is white space.
static enum err_code value(struct scan *s, enum jscan_type *ret_type)
{
	enum err_code code = ERR_OK;
	char c = *s->p;
	if (c == '"') {
		*ret_type = JS_STRING;
		const char *end = string_end(s, s->p, &code);
		s->p = end != NULL ? end : s->p;
		return code;
	}
	if (c != '{' && c != '[')
		return scalar(s, ret_type);
	*ret_type = c == '{' ? JS_OBJECT : JS_ARRAY;
	return container(s);
}

// No bracket ends it: which of its faults comes first?
static enum err_code cut_off(struct scan *s)
{
	unsigned depth = 0;
	bool in_string = false;
	for (const char *p = s->p; p < s->end; p++) {
		in_string ^= *p == '"';
		if (in_string && *p == '\\')
			p++;
		depth += !in_string && (*p == '{' || *p == '[');
		depth -= !in_string && depth > 0 && (*p == '}' || *p == ']');
		if (depth > s->depth_max)
			return too_deep(s);
	}
	return invalid(s, "the JSON text ends too early");
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
	s->keeps = s->out != NULL && *s->p == '{';
	while (is_blank(s->end[-1]))
		s->end--;
	if ((*s->p == '{' || *s->p == '[') && s->end[-1] != '}' && s->end[-1] != ']')
		return cut_off(s);
	enum err_code code = value(s, ret_type);
	if (code)
		return code;
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
	return jscan_object_seen(json, limits, ret, max, ret_n, NULL, err);
}

enum err_code jscan_object_seen(struct slice json, struct jscan_limits limits,
	struct jscan_member *ret, size_t max, size_t *ret_n, struct jscan_seen *seen,
	struct err *err)
{
	struct scan s = {.err = err, .out = ret, .max = max, .seen = seen};
	for (size_t i = 0; seen != NULL && i < JSCAN_MARKS; i++)
		s.lengths |= seen->marks[i].n > 0 ? UINT64_C(1) << seen->marks[i].n % 64 : 0;
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
	struct scan s = {.depth_max = DEPTH_MOST - 1, .tokens_max = SIZE_MAX};
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

// ---- what is broken, but readable ----

#define REPLACEMENT SLICE("\xef\xbf\xbd")

// An escape at p; *out gets what stands for it. Returns the bytes read; *mended is set when it had to be
// another.
static size_t mend_escape(const char *p, const char *end, struct str *out, bool *mended)
{
	uint32_t hi, lo;
	size_t n = MIN_OF((size_t)(end - p), 2);
	if (n == 2 && p[1] == 'u' && hex4(p + 2, end, &hi)) {
		n = 6;
		bool high = hi >= 0xd800 && hi <= 0xdbff, low = hi >= 0xdc00 && hi <= 0xdfff;
		if (high && end - p >= 12 && p[6] == '\\' && p[7] == 'u' && hex4(p + 8, end, &lo) &&
			lo >= 0xdc00 && lo <= 0xdfff) {
			n = 12;
		} else if (high || low || hi == 0) {
			*mended = true;
			str_add_slice(out, REPLACEMENT);
			return n;
		}
	}
	str_add_n(out, p, n);
	return n;
}

// Bytes at p that are no ASCII; of a character that was cut off, all there is of it.
static size_t mend_wide(const char *p, const char *end, struct str *out, bool *mended)
{
	uint32_t cp;
	size_t n = utf8_decode(p, (size_t)(end - p), &cp);
	if (n > 0) {
		str_add_n(out, p, n);
		return n;
	}
	unsigned char lead = (unsigned char)*p;
	size_t most = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
	for (n = 1; n < most && p + n < end && ((unsigned char)p[n] & 0xc0) == 0x80;)
		n++;
	*mended = true;
	str_add_slice(out, REPLACEMENT);
	return n;
}

bool jscan_mend(struct slice json, struct str *out)
{
	const char *p = json.p, *end = json.p + json.n;
	size_t from = out->n;
	bool mended = slice_starts(json, "\xef\xbb\xbf"), text = false;
	p += mended ? 3 : 0;
	while (p < end) {
		const char *plain = utf8_plain_run(p, end);
		str_add_n(out, p, (size_t)(plain - p));
		p = plain;
		if (p == end)
			break;
		if (text && *p == '\\') {
			p += mend_escape(p, end, out, &mended);
		} else if (text && (unsigned char)*p >= 0x80) {
			p += mend_wide(p, end, out, &mended);
		} else if (text && (unsigned char)*p < 0x20) {
			mended = true;
			str_addf(out, "\\u%04x", (unsigned)*p++);
		} else {
			text ^= *p == '"';
			str_add_c(out, *p++);
		}
	}
	if (!mended)
		str_cut(out, from);
	return mended;
}

bool jscan_int(struct slice v, int64_t *ret)
{
	return num_i64(v, INT64_MIN, INT64_MAX, ret);
}
