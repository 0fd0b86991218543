// SPDX-License-Identifier: MIT
// One validating pass over JSON text (RFC 8259) without a tree: counts values before anything is
// built, rejects what must not pass, and finds the top-level members the traffic path needs.
#ifndef YJ_SHARED_JSCAN_H
#define YJ_SHARED_JSCAN_H

#include "shared/err.h"
#include "shared/slice.h"
#include "shared/str.h"

struct jscan_limits {
	size_t tokens; // values, keys included; 0: no limit
	size_t depth; // 0: JSCAN_DEPTH
	bool lax; // of an answer: members that do not fit in are passed over, numbers may be of any size
};

#define JSCAN_DEPTH 32
#define JSCAN_DEPTH_TRAFFIC 128

enum jscan_type { JS_NULL, JS_TRUE, JS_FALSE, JS_NUMBER, JS_STRING, JS_ARRAY, JS_OBJECT };

struct jscan_member {
	struct slice key; // raw text between the quotes (escapes not decoded)
	struct slice value; // raw text, quotes included for strings
	enum jscan_type type;
};

// Validates the whole text: UTF-8, grammar, no NUL or lone surrogate escapes, numbers within
// double range and integers within int64, limits. ERR_OK, ERR_JSON_INVALID or ERR_JSON_TOO_COMPLEX.
enum err_code jscan_check(struct slice json, struct jscan_limits limits, struct err *err);
// As jscan_check, the top value must be an object; writes its members. Duplicate top-level keys:
// ERR_JSON_DUPLICATE_KEY. Unless lax, so that nothing escapes the caller's rules: more than max
// members are ERR_JSON_TOO_COMPLEX, and a top-level key that spells an ASCII character as \u00xx
// is ERR_JSON_INVALID (as it stands it would pass for another name than it is upstream).
enum err_code jscan_object(struct slice json, struct jscan_limits limits, struct jscan_member *ret,
	size_t max, size_t *ret_n, struct err *err);

// What is looked for on the way besides the top's members.
#define JSCAN_MARKS 2
struct jscan_seen {
	// Of the top's member of this name, where it is an object: its own members, those that fit in.
	struct slice inside;
	struct jscan_member *m;
	size_t max, n;
	bool twice; // it has a name twice
	// Members of these names at whatever depth: how many, and where the value of the first begins.
	struct slice marks[JSCAN_MARKS];
	size_t times[JSCAN_MARKS];
	const char *at[JSCAN_MARKS];
};
// As jscan_object, with what *seen asks for; NULL: nothing.
enum err_code jscan_object_seen(struct slice json, struct jscan_limits limits,
	struct jscan_member *ret, size_t max, size_t *ret_n, struct jscan_seen *seen,
	struct err *err);

// Member by key among the n found; NULL when absent.
static inline const struct jscan_member *jscan_find(const struct jscan_member *m, size_t n,
	const char *key)
{
	size_t length = strlen(key); // of a literal: known when this is compiled
	for (size_t i = 0; i < n; i++)
		if (m[i].key.n == length && memcmp(m[i].key.p, key, length) == 0)
			return &m[i];
	return NULL;
}
// Steps through the items of array text (already validated); false at the end, *ret_item untouched.
bool jscan_next(struct slice *rest, struct slice *ret_item);
// True for array text (already validated) without items.
bool jscan_is_empty(struct slice array);
// Decodes a string value (with its quotes) into buf; false when it does not fit.
bool jscan_string(struct slice value, char *buf, size_t size, size_t *ret_n);
bool jscan_int(struct slice value, int64_t *ret);
// Appends the text with U+FFFD for what no text of JSON may hold in its strings though parsers let it
// pass: bytes that are not UTF-8, halves of surrogate pairs and NUL; control characters are escaped, and
// a mark of byte order before it is left out. False, and nothing is appended, when it has none of these.
bool jscan_mend(struct slice json, struct str *out);

#endif
