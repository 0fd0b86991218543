// SPDX-License-Identifier: MIT
// A pull scanner over JSON text: no tree, no copies. Values are spans into the text.
#pragma once
#include "tests/vendord/buf.h"

struct json_iter {
	const char *at, *end;
	bool first, bad;
	char close;
};

// Opens an object or array; false when the value is neither.
bool json_open(struct json_iter *iter, struct span value);
// Next member; *ret_key is the raw text between the quotes. False at the end or when bad.
bool json_member(struct json_iter *iter, struct span *ret_key, struct span *ret_value);
bool json_item(struct json_iter *iter, struct span *ret_value);
// One whole JSON text without anything behind it.
bool json_valid(struct span text);
// The member of a top-level object, or an empty span.
struct span json_find(struct span object, const char *key);
bool json_is_string(struct span value);
// The raw text between the quotes of a string, escapes and all.
struct span json_raw(struct span value);
// A string's text with escapes resolved, added to `out`.
void json_text(struct buf *out, struct span value);
// A number or a string of digits.
int64_t json_int(struct span value, int64_t otherwise);
bool json_true(struct span value);
