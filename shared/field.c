// SPDX-License-Identifier: MIT
#include "shared/field.h"

#include <string.h>

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

int field_choice(const struct field *f, struct slice value)
{
	for (int i = 0; f->choices && f->choices[i]; i++)
		if (slice_eq_str(value, f->choices[i]))
			return i;
	return -1;
}

static bool ascii_in(struct slice v, const char *extra)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(extra, c))))
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
		return N_("must be printable text, without control, invisible and bidirectional characters");
	case FC_URL:
	case FC_SECRET:
		return N_("must be ASCII letters, digits and signs, without blanks");
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
	case FC_NAME:
		return printable(v, true);
	case FC_URL:
	case FC_SECRET:
		return visible_ascii(v);
	default:
		return printable(v, false);
	}
}
