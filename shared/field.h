// SPDX-License-Identifier: MIT
// A document described as rows. From a row come JSON decoding with every validation message,
// JSON encoding, the OpenAPI schema, CLI and console columns, the detail sheet, the wizard's form
// and completion of choices. The C struct is the document's only other home.
#ifndef YJ_SHARED_FIELD_H
#define YJ_SHARED_FIELD_H

#include <math.h>
#include "shared/arena.h"
#include "shared/slice.h"

// How the member looks in C:
enum field_type {
	FT_STR, // const char *; NULL unset
	FT_BOOL, // bool
	FT_INT, // int64_t; FIELD_NONE unset
	FT_NUM, // double; NAN unset
	FT_ENUM, // int, index into choices; -1 unset
	FT_TIME, // int64_t wall ms; FIELD_NONE unset
	FT_STRV, // struct strv
	FT_OBJ, // nested struct in place, described by sub
	FT_OBJV, // struct objv of sub->size elements
	FT_JSON, // const char *: compact JSON text of an object or array; NULL unset
	FT_SECRET, // struct secret; decoded, never encoded
	FT_MONEY, // answers only: {"pico","currency","source"}
};

enum field_flag {
	FF_REQUIRED = 1 << 0,
	FF_READONLY = 1 << 1, // in answers; accepted and ignored in requests
	FF_COLUMN = 1 << 2, // a column of the default table
	FF_WIDE = 1 << 3, // a column of -o wide
	FF_IMMUTABLE = 1 << 4, // PATCH may repeat but not change it
	FF_NULLABLE = 1 << 5, // null unsets it
	FF_OMIT_UNSET = 1 << 6, // left out of answers when unset (otherwise null)
	FF_FORM = 1 << 7, // asked by the wizard
};

// Which characters a string may have.
enum field_charset {
	FC_ANY, // valid UTF-8 without C0 (but \n \t), DEL, C1
	FC_ID, // [a-z0-9._-], starting with a letter or digit
	FC_NAME, // printable Unicode without control, bidi or zero-width characters
	FC_REF, // [a-z0-9._/#-]
	FC_URL, // printable ASCII without blanks
	FC_PATH, // the same, and begins with one slash: never another address, no fragment
	FC_SECRET, // printable ASCII without blanks
	FC_CURRENCY, // an active code of ISO 4217
};

#define FIELD_NONE INT64_MIN

struct strv {
	const char **v;
	size_t n;
};

static inline bool strv_has(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i], text) == 0)
			return true;
	return false;
}

struct objv {
	void *v; // n elements of sub->size bytes
	size_t n;
};

struct field {
	const char *name;
	enum field_type type;
	uint32_t offset; // of the member; UINT32_MAX: in answers only, no C home
	uint32_t flags;
	enum field_charset charset;
	const struct field_set *sub; // FT_OBJ, FT_OBJV
	const char *const *choices; // FT_ENUM (and FT_STRV of choices), NULL-terminated
	int64_t min, max; // FT_INT, FT_NUM: value; strings, and each of FT_STRV: code
	// points; FT_OBJV: items. 0,0: any
	int64_t def; // FT_INT, FT_BOOL, FT_ENUM: value when absent
	const char *unit; // shown behind numbers; NULL none
	const char *title; // column head; NULL: name in capitals
	const char *help; // one line, marked for translation
};

struct field_set {
	const char *name; // schema name, e.g. "Key"
	const struct field *f;
	size_t n;
	size_t size; // of the C struct; 0 when there is none
};

#define FIELD_AT(type, member) ((uint32_t)offsetof(type, member))
#define FIELD_NO_HOME UINT32_MAX
#define FIELD_SET(id, title, type)                                                                 \
	const struct field_set id = {title, id##_rows, ARRAY_LEN(id##_rows), sizeof(type)}

const struct field *field_named(const struct field_set *set, struct slice name);
// Sets every member of *doc (set->size bytes) to unset or its default.
void field_defaults(const struct field_set *set, void *doc);
// Whether two documents say the same: every member that a request may set. Members of answers alone
// are not looked at.
bool field_same(const struct field_set *set, const void *a, const void *b);
// *to becomes a copy of its own: strings and lists belong to the arena. Secrets and what only answers
// have are unset in it.
void field_copy(const struct field_set *set, const void *from, struct arena *a, void *to);
// Index of `value` among the choices, or -1.
int field_choice(const struct field *f, struct slice value);
// True when every character is in the set's alphabet.
bool field_charset_ok(enum field_charset cs, struct slice value);
// What it allows, for messages: "must be …", untranslated.
const char *field_charset_text(enum field_charset cs);
// The member's address inside doc.
static inline void *field_at(const struct field *f, void *doc)
{
	return (char *)doc + f->offset;
}
static inline const void *field_of(const struct field *f, const void *doc)
{
	return (const char *)doc + f->offset;
}

#endif
