// SPDX-License-Identifier: MIT
// The fast way from stored JSON to a C struct: no tree between, so that an agent with thousands of
// documents starts quickly. Whatever is unusual is left to jx.
#include "shared/jrow.h"

#include "shared/clock.h"
#include "shared/utf8.h"

#define MEMBERS_MAX 64

struct reader {
	struct arena *a;
	struct jscan_limits limits;
};

static bool doc_in(const struct reader *r, const struct field_set *set, struct slice text,
	void *doc);

static bool text_in(const struct reader *r, const struct jscan_member *m, struct slice *ret)
{
	size_t n = 0;
	if (m->type != JS_STRING)
		return false;
	char *buf = arena_alloc(r->a, m->value.n);
	if (!jscan_string(m->value, buf, m->value.n, &n))
		return false;
	*ret = (struct slice){buf, n};
	return true;
}

static bool str_in(const struct reader *r, const struct field *f, const struct jscan_member *m,
	const char **at)
{
	struct slice s;
	if (!text_in(r, m, &s) || f->choices != NULL ||
		(s.n > 0 && !field_charset_ok(f->charset, s)))
		return false;
	size_t n = utf8_count(s);
	if ((f->min || f->max) && (n < (size_t)f->min || n > (size_t)f->max))
		return false;
	*at = s.p;
	return true;
}

static bool int_in(const struct field *f, const struct jscan_member *m, int64_t *at)
{
	int64_t i;
	if (m->type != JS_NUMBER || !jscan_int(m->value, &i))
		return false;
	*at = i;
	return !(f->min || f->max) || (i >= f->min && i <= f->max);
}

static bool time_in(const struct jscan_member *m, int64_t *at)
{
	if (m->type != JS_STRING || m->value.n < 2)
		return false;
	struct slice plain = {m->value.p + 1, m->value.n - 2}; // an escape is no time
	return clock_parse_rfc3339(plain, at);
}

static bool list_in(const struct reader *r, const struct field *f, const struct jscan_member *m,
	struct objv *at)
{
	struct slice rest = m->value;
	size_t n = 0, most = f->max > 0 ? (size_t)f->max : 0;
	if (m->type != JS_ARRAY)
		return false;
	struct slice item;
	while (n <= most && jscan_next(&rest, &item))
		n++;
	if (n > most || n < (size_t)f->min)
		return false;
	char *items = arena_zalloc(r->a, n + 1, f->sub->size);
	rest = m->value;
	for (size_t i = 0; i < n; i++)
		if (!jscan_next(&rest, &item) || !doc_in(r, f->sub, item, items + i * f->sub->size))
			return false;
	*at = (struct objv){items, n};
	return true;
}

static bool member_in(const struct reader *r, const struct field *f, const struct jscan_member *m,
	void *doc)
{
	void *at = (f->flags & FF_READONLY) || f->offset == FIELD_NO_HOME ? NULL : field_at(f, doc);
	if (at == NULL) // members of a member are not looked at for being there twice
		return m->type != JS_OBJECT && m->type != JS_ARRAY;
	if (m->type == JS_NULL)
		return !(f->flags & FF_REQUIRED); // it has its default
	switch (f->type) {
	case FT_STR:
		return str_in(r, f, m, at);
	case FT_BOOL:
		*(bool *)at = m->type == JS_TRUE;
		return m->type == JS_TRUE || m->type == JS_FALSE;
	case FT_INT:
		return int_in(f, m, at);
	case FT_TIME:
		return time_in(m, at);
	case FT_OBJV:
		return list_in(r, f, m, at);
	default:
		return false;
	}
}

// Members mostly stand in the order of their rows, so each is looked for behind the last.
static const struct field *row_of(const struct field_set *set, struct slice key, size_t *next)
{
	for (size_t k = 0; k < set->n; k++) {
		size_t i = (*next + k) % set->n;
		if (slice_eq_str(key, set->f[i].name)) {
			*next = i + 1;
			return &set->f[i];
		}
	}
	return NULL;
}

static bool doc_in(const struct reader *r, const struct field_set *set, struct slice text,
	void *doc)
{
	struct jscan_member m[MEMBERS_MAX];
	struct err ignored;
	size_t n = 0, next = 0;
	if (jscan_object(text, r->limits, m, ARRAY_LEN(m), &n, &ignored) != ERR_OK)
		return false;
	field_defaults(set, doc);
	for (size_t i = 0; i < n; i++) {
		const struct field *f = row_of(set, m[i].key, &next);
		if (f == NULL || !member_in(r, f, &m[i], doc))
			return false;
	}
	for (size_t i = 0; i < set->n; i++) {
		unsigned flags = set->f[i].flags & (FF_REQUIRED | FF_READONLY);
		if (flags == FF_REQUIRED && jscan_find(m, n, set->f[i].name) == NULL)
			return false;
	}
	return true;
}

bool jrow_read(const struct field_set *set, struct slice text, struct jscan_limits limits,
	struct arena *a, void *doc)
{
	struct reader r = {.a = a, .limits = limits};
	return doc_in(&r, set, text, doc);
}
