// SPDX-License-Identifier: MIT
// JSON written straight into the answer's buffer, a call a member, and whole documents by their
// rows.
#include "shared/jw.h"

#include <stdio.h>
#include <string.h>

#include "shared/clock.h"

static void begin(struct jw *w, const char *key)
{
	if (w->comma)
		str_add_c(w->out, ',');
	w->comma = true;
	if (key == NULL)
		return;
	str_add_c(w->out, '"'); // keys are our own names: nothing to escape
	str_add(w->out, key);
	str_add_n(w->out, "\":", 2);
}

static void open_with(struct jw *w, const char *key, char c)
{
	begin(w, key);
	str_add_c(w->out, c);
	w->comma = false;
}

static void close_with(struct jw *w, char c)
{
	str_add_c(w->out, c);
	w->comma = true;
}

void jw_obj(struct jw *w, const char *key)
{
	open_with(w, key, '{');
}

void jw_obj_end(struct jw *w)
{
	close_with(w, '}');
}

void jw_arr(struct jw *w, const char *key)
{
	open_with(w, key, '[');
}

void jw_arr_end(struct jw *w)
{
	close_with(w, ']');
}

void jw_slice(struct jw *w, const char *key, struct slice value)
{
	begin(w, key);
	str_add_json(w->out, value);
}

void jw_str(struct jw *w, const char *key, const char *value)
{
	if (value != NULL)
		jw_slice(w, key, slice_of(value));
	else
		jw_null(w, key);
}

void jw_int(struct jw *w, const char *key, int64_t value)
{
	begin(w, key);
	str_add_i64(w->out, value);
}

void jw_num(struct jw *w, const char *key, double value)
{

	begin(w, key);
	if (!isfinite(value)) {
		str_add(w->out, "null");
		return;
	}
	char buf[40];
	if (fabs(value) >= 1e15)
		snprintf(buf, sizeof(buf), "%.17g", value);
	else
		snprintf(buf, sizeof(buf), "%.*f", fabs(value) < 1e9 ? 6 : 0, value);
	if (strchr(buf, '.') != NULL && strchr(buf, 'e') == NULL) {
		char *end = buf + strlen(buf);
		while (end[-1] == '0')
			*--end = '\0';
		if (end[-1] == '.')
			end[-1] = '\0';
	}
	str_add(w->out, strcmp(buf, "-0") == 0 ? "0" : buf);
}

void jw_bool(struct jw *w, const char *key, bool value)
{
	begin(w, key);
	str_add(w->out, value ? "true" : "false");
}

void jw_null(struct jw *w, const char *key)
{
	begin(w, key);
	str_add(w->out, "null");
}

void jw_time(struct jw *w, const char *key, int64_t wall_ms)
{
	char buf[CLOCK_TEXT_MAX];
	if (wall_ms == FIELD_NONE)
		jw_null(w, key);
	else
		jw_str(w, key, clock_rfc3339(wall_ms, buf));
}

void jw_time_or_null(struct jw *w, const char *key, int64_t wall_ms)
{
	jw_time(w, key, wall_ms > 0 ? wall_ms : FIELD_NONE);
}

void jw_money(struct jw *w, const char *key, int64_t pico, const char *currency, const char *source)
{
	jw_obj(w, key);
	jw_int(w, "pico", pico);
	jw_str(w, "currency", currency);
	jw_str(w, "source", source);
	jw_obj_end(w);
}

void jw_raw(struct jw *w, const char *key, struct slice value)
{
	begin(w, key);
	str_add_slice(w->out, value);
}

static bool is_unset(const struct field *f, const void *at)
{
	switch (f->type) {
	case FT_STR:
	case FT_JSON:
		return *(const char *const *)at == NULL;
	case FT_INT:
	case FT_TIME:
		return *(const int64_t *)at == FIELD_NONE;
	case FT_NUM:
		return isnan(*(const double *)at);
	case FT_ENUM:
		return *(const int *)at < 0;
	case FT_STRV:
		return ((const struct strv *)at)->n == 0;
	default:
		return false;
	}
}

static void vector(struct jw *w, const struct field *f, const struct objv *v)
{
	jw_arr(w, f->name);
	for (size_t i = 0; i < v->n; i++)
		jw_doc(w, NULL, f->sub, (const char *)v->v + i * f->sub->size);
	jw_arr_end(w);
}

static void strings(struct jw *w, const struct field *f, const struct strv *v)
{
	jw_arr(w, f->name);
	for (size_t i = 0; i < v->n; i++)
		jw_str(w, NULL, v->v[i]);
	jw_arr_end(w);
}

static void member(struct jw *w, const struct field *f, const void *at)
{
	switch (f->type) {
	case FT_STR:
		jw_str(w, f->name, *(const char *const *)at);
		break;
	case FT_BOOL:
		jw_bool(w, f->name, *(const bool *)at);
		break;
	case FT_INT:
		jw_int(w, f->name, *(const int64_t *)at);
		break;
	case FT_NUM:
		jw_num(w, f->name, *(const double *)at);
		break;
	case FT_ENUM:
		jw_str(w, f->name, f->choices[*(const int *)at]);
		break;
	case FT_TIME:
		jw_time(w, f->name, *(const int64_t *)at);
		break;
	case FT_STRV:
		strings(w, f, at);
		break;
	case FT_OBJ:
		jw_doc(w, f->name, f->sub, at);
		break;
	case FT_OBJV:
		vector(w, f, at);
		break;
	case FT_JSON:
		jw_raw(w, f->name, slice_of(*(const char *const *)at));
		break;
	case FT_SECRET:
	case FT_MONEY:
		break;
	}
}

void jw_doc_members(struct jw *w, const struct field_set *set, const void *doc)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct field *f = &set->f[i];
		if (f->offset == FIELD_NO_HOME || f->type == FT_SECRET || f->type == FT_MONEY)
			continue;
		const void *at = field_of(f, doc);
		if (!is_unset(f, at))
			member(w, f, at);
		else if (f->type == FT_STRV && !(f->flags & FF_OMIT_UNSET))
			strings(w, f, at);
		else if (!(f->flags & FF_OMIT_UNSET))
			jw_null(w, f->name);
	}
}

void jw_doc(struct jw *w, const char *key, const struct field_set *set, const void *doc)
{
	jw_obj(w, key);
	jw_doc_members(w, set, doc);
	jw_obj_end(w);
}

static void spec_member(struct jw *w, const struct field *f, const void *at)
{
	const struct objv *v = at;
	if (f->type == FT_OBJ) {
		struct jw before = *w;
		size_t n = w->out->n;
		jw_spec(w, f->name, f->sub, at);
		if (w->out->p[w->out->n - 2] == '{') { // nothing in it
			str_cut(w->out, n);
			*w = before;
		}
	} else if (f->type == FT_OBJV && v->n > 0) {
		jw_arr(w, f->name);
		for (size_t i = 0; i < v->n; i++)
			jw_spec(w, NULL, f->sub, (const char *)v->v + i * f->sub->size);
		jw_arr_end(w);
	} else if (f->type != FT_OBJV) {
		member(w, f, at);
	}
}

void jw_spec(struct jw *w, const char *key, const struct field_set *set, const void *doc)
{
	jw_obj(w, key);
	for (size_t i = 0; i < set->n; i++) {
		const struct field *f = &set->f[i];
		if (f->offset != FIELD_NO_HOME && !(f->flags & FF_READONLY) &&
			!is_unset(f, field_of(f, doc)))
			spec_member(w, f, field_of(f, doc));
	}
	jw_obj_end(w);
}
