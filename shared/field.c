// SPDX-License-Identifier: MIT
// What the rows of a document mean in memory: defaults, comparison, copies of one's own, and the
// alphabets that texts are held to.
#include "shared/field.h"

#include "shared/currency.h"

#include <string.h>

#include "shared/secret.h"
#include "shared/text.h"
#include "shared/utf8.h"

const struct field *field_named(const struct field_set *set, struct slice name)
{
	for (size_t i = 0; i < set->n; i++)
		if (slice_eq_str(name, set->f[i].name))
			return &set->f[i];
	return NULL;
}

static void unset(const struct field *f, void *at)
{
	switch (f->type) {
	case FT_BOOL:
		*(bool *)at = f->def != 0;
		break;
	case FT_INT:
		// A zero in the row would make every optional number 0, so "no default" is spelt out
		// by rows as FIELD_NONE.
		*(int64_t *)at = f->def;
		break;
	case FT_TIME:
		*(int64_t *)at = FIELD_NONE;
		break;
	case FT_NUM:
		*(double *)at = NAN;
		break;
	case FT_ENUM:
		*(int *)at = (int)f->def;
		break;
	case FT_OBJ:
		field_defaults(f->sub, at);
		break;
	default:
		break; // pointers, vectors and secrets are unset as zero bytes
	}
}

void field_defaults(const struct field_set *set, void *doc)
{
	// A set without a size of its own lies inside its parent, which has cleared it.
	if (set->size)
		memset(doc, 0, set->size);
	for (size_t i = 0; i < set->n; i++)
		if (set->f[i].offset != FIELD_NO_HOME)
			unset(&set->f[i], field_at(&set->f[i], doc));
}

// ---- two documents ----

static bool is_asked(const struct field *f)
{
	return !(f->flags & FF_READONLY) && f->offset != FIELD_NO_HOME && f->type != FT_MONEY;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_strv(const struct strv *a, const struct strv *b)
{
	for (size_t i = 0; a->n == b->n && i < a->n; i++)
		if (!same_text(a->v[i], b->v[i]))
			return false;
	return a->n == b->n;
}

static bool same_objv(const struct field_set *sub, const struct objv *a, const struct objv *b)
{
	for (size_t i = 0; a->n == b->n && i < a->n; i++)
		if (!field_same(sub, (const char *)a->v + i * sub->size,
			    (const char *)b->v + i * sub->size))
			return false;
	return a->n == b->n;
}

static bool same_member(const struct field *f, const void *a, const void *b)
{
	switch (f->type) {
	case FT_STR:
	case FT_JSON:
		return same_text(*(const char *const *)a, *(const char *const *)b);
	case FT_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case FT_ENUM:
		return *(const int *)a == *(const int *)b;
	case FT_INT:
	case FT_TIME:
		return *(const int64_t *)a == *(const int64_t *)b;
	case FT_NUM:
		return *(const double *)a == *(const double *)b ||
			(isnan(*(const double *)a) && isnan(*(const double *)b));
	case FT_STRV:
		return same_strv(a, b);
	case FT_OBJ:
		return field_same(f->sub, a, b);
	case FT_OBJV:
		return same_objv(f->sub, a, b);
	case FT_SECRET:
		return secret_equal(a, b);
	default:
		return true;
	}
}

bool field_same(const struct field_set *set, const void *a, const void *b)
{
	for (size_t i = 0; i < set->n; i++)
		if (is_asked(&set->f[i]) &&
			!same_member(&set->f[i], field_of(&set->f[i], a), field_of(&set->f[i], b)))
			return false;
	return true;
}

static void own(const struct field_set *set, struct arena *a, void *doc);

static void own_strv(struct arena *a, struct strv *list)
{
	const char **v = list->n ? arena_zalloc(a, list->n, sizeof(*v)) : NULL;
	for (size_t i = 0; i < list->n; i++)
		v[i] = arena_strdup(a, list->v[i]);
	list->v = v;
}

static void own_objv(const struct field_set *sub, struct arena *a, struct objv *list)
{
	char *v = list->n ? arena_zalloc(a, list->n, sub->size) : NULL;
	if (v != NULL)
		memcpy(v, list->v, list->n * sub->size);
	for (size_t i = 0; i < list->n; i++)
		own(sub, a, v + i * sub->size);
	list->v = v;
}

static void own_member(const struct field *f, struct arena *a, void *at)
{
	switch (f->type) {
	case FT_STR:
	case FT_JSON:
		*(const char **)at = arena_strdup(a, *(const char **)at);
		break;
	case FT_STRV:
		own_strv(a, at);
		break;
	case FT_OBJ:
		own(f->sub, a, at);
		break;
	case FT_OBJV:
		own_objv(f->sub, a, at);
		break;
	case FT_SECRET:
		*(struct secret *)at = (struct secret){0};
		break;
	default:
		break;
	}
}

static void own(const struct field_set *set, struct arena *a, void *doc)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct field *f = &set->f[i];
		if (is_asked(f))
			own_member(f, a, field_at(f, doc));
		else if (f->offset != FIELD_NO_HOME && (f->type == FT_STR || f->type == FT_JSON))
			*(const char **)field_at(f, doc) = NULL;
		else if (f->offset != FIELD_NO_HOME)
			unset(f, field_at(f, doc));
	}
}

void field_copy(const struct field_set *set, const void *from, struct arena *a, void *to)
{
	memcpy(to, from, set->size);
	own(set, a, to);
}

int field_choice(const struct field *f, struct slice value)
{
	for (int i = 0; f->choices != NULL && f->choices[i] != NULL; i++)
		if (slice_eq_str(value, f->choices[i]))
			return i;
	return -1;
}

static bool ascii_in(struct slice v, const char *extra)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			    (c && strchr(extra, c) != NULL)))
			return false;
	}
	return true;
}

static bool visible_ascii(struct slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] <= 0x20 || (unsigned char)v.p[i] >= 0x7f)
			return false;
	return true;
}

static bool printable(struct slice v, bool name)
{
	uint32_t cp;
	while (v.n) {
		size_t len = utf8_decode(v.p, v.n, &cp);
		if (len == 0)
			return false;
		if (name ? utf8_is_unsafe(cp)
			 : (cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7f && cp < 0xa0))
			return false;
		v.p += len;
		v.n -= len;
	}
	return true;
}

const char *field_charset_text(enum field_charset cs)
{
	switch (cs) {
	case FC_ID:
		return N_("must be a-z 0-9 . _ - and begin with a letter or digit");
	case FC_REF:
		return N_("must be a-z 0-9 . _ - / #");
	case FC_NAME:
		return N_(
			"must be printable text, without control, invisible and bidirectional characters");
	case FC_PATH:
		return N_(
			"must begin with one / and have ASCII letters, digits and signs, without blanks, # and \\");
	case FC_URL:
	case FC_SECRET:
		return N_("must be ASCII letters, digits and signs, without blanks");
	case FC_CURRENCY:
		return N_(
			"must be an active code of ISO 4217 in capital letters, as USD, EUR or CNY");
	default:
		return N_("must be text, without control characters but tab and line feed");
	}
}

bool field_charset_ok(enum field_charset cs, struct slice v)
{
	switch (cs) {
	case FC_ID:
		return v.n && ascii_in(v, "._-") && v.p[0] != '.' && v.p[0] != '_' && v.p[0] != '-';
	case FC_REF:
		return v.n && ascii_in(v, "._-/#");
	case FC_CURRENCY:
		return currency_known(v);
	case FC_NAME:
		return printable(v, true);
	case FC_PATH:
		return slice_starts(v, "/") && !slice_starts(v, "//") && slice_find(v, '#') < 0 &&
			slice_find(v, '\\') < 0 && visible_ascii(v);
	case FC_URL:
	case FC_SECRET:
		return visible_ascii(v);
	default:
		return printable(v, false);
	}
}
