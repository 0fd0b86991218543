// SPDX-License-Identifier: MIT
// Writes JSON into a struct str, commas and escapes by itself. No tree, no allocation of its own.
#ifndef YJ_SHARED_JW_H
#define YJ_SHARED_JW_H

#include "shared/field.h"
#include "shared/str.h"

struct jw {
	struct str *out; // borrowed
	bool comma;
};

static inline struct jw jw_to(struct str *out)
{
	return (struct jw){out, false};
}

// key may be NULL inside arrays and at the top.
void jw_obj(struct jw *w, const char *key);
void jw_obj_end(struct jw *w);
void jw_arr(struct jw *w, const char *key);
void jw_arr_end(struct jw *w);
void jw_str(struct jw *w, const char *key, const char *value); // NULL writes null
void jw_slice(struct jw *w, const char *key, struct slice value);
void jw_int(struct jw *w, const char *key, int64_t value);
// At most 6 decimals; NAN and infinities write null.
void jw_num(struct jw *w, const char *key, double value);
void jw_bool(struct jw *w, const char *key, bool value);
void jw_null(struct jw *w, const char *key);
void jw_time(struct jw *w, const char *key, int64_t wall_ms); // FIELD_NONE writes null
void jw_time_or_null(struct jw *w, const char *key, int64_t wall_ms); // 0 writes null
void jw_money(struct jw *w, const char *key, int64_t pico, const char *currency,
	const char *source);
// value is JSON text already, trusted.
void jw_raw(struct jw *w, const char *key, struct slice value);
// The document *doc by its rows; secrets and rows without a home are left out.
void jw_doc(struct jw *w, const char *key, const struct field_set *set, const void *doc);
// What of it a request says: members that have a value and are not set by the agent alone.
void jw_spec(struct jw *w, const char *key, const struct field_set *set, const void *doc);
// Only the members, for a caller that adds computed ones in the same object.
void jw_doc_members(struct jw *w, const struct field_set *set, const void *doc);

#endif
