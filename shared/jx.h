// SPDX-License-Identifier: MIT
// JSON trees (jansson behind it): parsing under limits, decoding a document by its rows, and
// reading answers. Values live as long as the arena they were parsed into.
#ifndef YJ_SHARED_JX_H
#define YJ_SHARED_JX_H

#include "shared/arena.h"
#include "shared/err.h"
#include "shared/field.h"
#include "shared/jscan.h"
#include "shared/secret.h"
#include "shared/str.h"

struct jx; // a JSON value, opaque

// Counted by jscan before it is built; duplicate members rejected at every depth.
enum err_code jx_parse(struct slice text, struct jscan_limits limits, struct arena *a,
	const struct jx **ret, struct err *err);

enum jx_mode {
	JX_CREATE, // defaults for what is absent, required fields checked
	JX_REPLACE, // as CREATE; secrets may be absent
	JX_PATCH, // only what is present is written into *doc
};
#define JX_ALLOW_UNKNOWN 0x100 // or-ed to the mode: for upstream answers
#define JX_STORED                                                                                  \
	0x200 // was taken once: what is narrower now, or a list of the world, is not asked again

// Decodes the object `text` into *doc (set->size bytes). Strings and secrets belong to the arena
// and end with it, wherever *doc lies; a caller never releases them. Errors name the field:
// json_*, field_unknown/required/type/range/charset. No message echoes a value.
enum err_code jx_decode(const struct field_set *set, struct slice text, struct jscan_limits limits,
	unsigned mode, struct arena *a, void *doc, struct err *err);
enum err_code jx_decode_value(const struct field_set *set, const struct jx *v, unsigned mode,
	struct arena *a, void *doc, struct err *err);

// Once per process, before the first document: what trees held is wiped when they go.
void jx_setup(void);

// Readers; each takes NULL and other types and answers the "absent" value.
const struct jx *jx_get(const struct jx *obj, const char *key);
// Dotted path with [i]: "error.message", "items[0].id".
const struct jx *jx_path(const struct jx *v, const char *path);
size_t jx_len(const struct jx *v); // items of an array, members of an object
const struct jx *jx_at(const struct jx *arr, size_t i);
// Members in document order: start with *it = NULL; false at the end.
bool jx_next(const struct jx *obj, void **it, const char **ret_key, const struct jx **ret_value);
bool jx_is_str(const struct jx *v);
bool jx_is_arr(const struct jx *v);
bool jx_is_obj(const struct jx *v);
bool jx_is_null(const struct jx *v); // absent counts as null
bool jx_is_num(const struct jx *v);
bool jx_is_bool(const struct jx *v);
const char *jx_str(const struct jx *v, const char *absent);
int64_t jx_int(const struct jx *v, int64_t absent);
double jx_num(const struct jx *v, double absent);
bool jx_bool(const struct jx *v, bool absent);
// Compact text; indent > 0 pretty-prints. Order as parsed, numbers in their shortest form.
void jx_write(const struct jx *v, int indent, struct str *out);

#endif
