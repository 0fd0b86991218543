// SPDX-License-Identifier: MIT
// The scanner and the library that builds the tree must agree on what JSON is: what one lets pass
// and the other refuses is a request that two parsers read differently.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "shared/jscan.h"
#include "shared/num.h"
#include "shared/str.h"

#define SIZE_MAX_TRIED 4096 // smaller than what makes jansson's own nesting limit matter
#define MEMBERS 8

// Numbers longer than we take are refused by us alone.
static bool has_long_number(struct slice s)
{
	size_t run = 0;
	for (size_t i = 0; i < s.n; i++) {
		run = strchr("+-.0123456789eE", s.p[i]) && s.p[i] ? run + 1 : 0;
		if (run > NUM_TEXT_MAX - 2)
			return true;
	}
	return false;
}

static void members_agree(struct slice text, const json_t *tree)
{
	struct jscan_member m[MEMBERS];
	size_t n = 0;
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	switch (jscan_object(text, limits, m, MEMBERS, &n, NULL)) {
	case ERR_OK:
		break;
	case ERR_JSON_INVALID: // a disguised name
		if (!memchr(text.p, '\\', text.n))
			abort();
		return;
	case ERR_JSON_TOO_COMPLEX:
		if (json_object_size(tree) <= MEMBERS)
			abort();
		return;
	default:
		abort(); // the tree has no duplicates
	}
	for (size_t i = 0; i < n; i++) {
		static char key[SIZE_MAX_TRIED], value[SIZE_MAX_TRIED];
		struct slice quoted = {m[i].key.p - 1, m[i].key.n + 2};
		const json_t *in_tree;
		if (!jscan_string(quoted, key, sizeof(key), NULL))
			abort();
		in_tree = json_object_get(tree, key);
		if (!in_tree ||
			(!memchr(quoted.p, '\\', quoted.n) && jscan_find(m, n, key) != &m[i]) ||
			json_is_string(in_tree) != (m[i].type == JS_STRING) ||
			json_is_array(in_tree) != (m[i].type == JS_ARRAY) ||
			json_is_object(in_tree) != (m[i].type == JS_OBJECT))
			abort();
		if (m[i].type == JS_STRING &&
			(!jscan_string(m[i].value, value, sizeof(value), NULL) ||
				strcmp(value, json_string_value(in_tree)) != 0))
			abort();
	}
}

static size_t items_of(struct slice text)
{
	size_t n = 0;
	struct slice item;
	while (jscan_next(&text, &item))
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = {(const char *)p, n};
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	json_error_t why = {0};
	enum err_code code;
	json_t *tree;
	if (n == 0 || n > SIZE_MAX_TRIED || has_long_number(text))
		return 0;
	code = jscan_check(text, limits, NULL);
	if (memchr(p, 0, n)) { // jansson takes a NUL behind the value for its end
		if (code == ERR_OK)
			abort();
		return 0;
	}
	tree = json_loadb(text.p, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
	if (code == ERR_OK && !tree && json_error_code(&why) != json_error_duplicate_key)
		abort();
	if (code == ERR_JSON_INVALID && tree)
		abort();
	if (code == ERR_OK && json_is_object(tree))
		members_agree(text, tree);
	if (code == ERR_OK && json_is_array(tree) && items_of(text) != json_array_size(tree))
		abort();
	json_decref(tree);
	return 0;
}
