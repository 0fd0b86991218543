// SPDX-License-Identifier: MIT
// One answer in any of the output formats: the document's rows say which columns there are, what
// they are called and how a cell reads.
#include "console/cmd/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/table.h"
#include "shared/text.h"
#include "shared/yamlx.h"

#define COLUMNS_MAX 48

static const char *const names[] = {"table", "wide", "json", "ndjson", "csv", "yaml", "name", NULL};

const char *const *format_names(void)
{
	return names;
}

bool format_named(const char *name, enum format *ret)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum format)i;
			return true;
		}
	}
	return false;
}

// Without the zeros at the end, and never 0 for what is not.
static void decimal(double v, struct str *out)
{
	char text[64];
	int n = snprintf(text, sizeof(text), v != 0 && v < 0.001 ? "%.9f" : "%.4f", v);
	while (n > 1 && text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	if (n > 2 && text[n - 1] == '0')
		n -= 2;
	str_add_n(out, text, (size_t)n);
}

void format_money(const struct jx *value, struct str *out)
{
	if (!jx_is_num(jx_get(value, "pico"))) {
		str_add(out, "unknown");
		return;
	}
	decimal((double)jx_int(jx_get(value, "pico"), 0) / 1e12, out);
	str_add(out, " ");
	text_add_safe(out, slice_of(jx_str(jx_get(value, "currency"), "")));
}

// Amounts in pico, by the row's unit: of a token for a million of them, of others as they are.
static bool pico(const struct field *f, const struct jx *value, struct str *out)
{
	if (f == NULL || f->unit == NULL || strncmp(f->unit, "pico", 4) != 0 || !jx_is_num(value))
		return false;
	decimal((double)jx_int(value, 0) / (strcmp(f->unit, "pico/M") == 0 ? 1e6 : 1e12), out);
	return true;
}

// What stands behind a number; an amount in pico is not shown in pico.
static const char *unit_of(const struct field *f)
{
	if (f == NULL || f->unit == NULL || strncmp(f->unit, "pico", 4) != 0)
		return f != NULL ? f->unit : NULL;
	return strcmp(f->unit, "pico/M") == 0 ? _("for a million") : NULL;
}

static void object_summary(const struct jx *value, struct str *out)
{
	const char *key;
	const struct jx *member;
	void *it = NULL;
	bool first = true;
	while (jx_next(value, &it, &key, &member)) {
		if (jx_is_null(member))
			continue;
		if (!first)
			str_add(out, " ");
		first = false;
		text_add_safe(out, slice_of(key));
		str_add(out, "=");
		if (jx_is_str(member))
			text_add_safe(out, slice_of(jx_str(member, "")));
		else
			jx_write(member, 0, out);
	}
}

void format_cell(const struct field *f, const struct jx *value, int64_t now_ms, struct str *out)
{
	int64_t at;
	if (jx_is_null(value)) {
		str_add(out, "-");
	} else if (f != NULL && f->type == FT_MONEY) {
		format_money(value, out);
	} else if (pico(f, value, out)) {
		; // an amount
	} else if (f != NULL && f->type == FT_TIME && now_ms &&
		clock_parse_rfc3339(slice_of(jx_str(value, "")), &at)) {
		text_add_age(out, at > now_ms ? at - now_ms : now_ms - at);
	} else if (f != NULL && f->type == FT_NUM && jx_is_num(value)) {
		text_add_si(out, jx_num(value, 0));
	} else if (jx_is_str(value)) {
		text_add_safe(out, slice_of(jx_str(value, "")));
	} else if (jx_is_bool(value)) {
		str_add(out, jx_bool(value, false) ? "yes" : "no");
	} else if (jx_is_arr(value)) {
		for (size_t i = 0; i < jx_len(value); i++) {
			const struct jx *item = jx_at(value, i);
			if (i)
				str_add(out, ",");
			if (jx_is_obj(item) && !jx_is_null(jx_get(item, "currency")) &&
				jx_is_num(jx_get(item, "pico")))
				format_money(item, out);
			else if (jx_is_obj(item))
				format_name(item, out);
			else if (jx_is_str(item))
				text_add_safe(out, slice_of(jx_str(item, "")));
			else
				jx_write(item, 0, out);
		}
	} else if (jx_is_obj(value)) {
		object_summary(value, out);
	} else {
		jx_write(value, 0, out);
	}
}

void format_name(const struct jx *doc, struct str *out)
{
	const char *slug = jx_str(jx_get(doc, "slug"), NULL);
	const char *service = jx_str(jx_get(doc, "service"), NULL);
	const char *id = jx_str(jx_get(doc, "id"), NULL);
	const char *name = jx_str(jx_get(doc, "name"), NULL);
	if (slug != NULL && service != NULL)
		str_addf(out, "%s/%s/%s", jx_str(jx_get(doc, "vendor"), "-"), service, slug);
	else if (id == NULL && jx_get(doc, "target") != NULL && jx_get(doc, "feature") != NULL)
		str_addf(out, "%s/%s", jx_str(jx_get(doc, "feature"), ""),
			jx_str(jx_get(doc, "target"), ""));
	else if (service != NULL && id != NULL && strchr(id, '/') == NULL)
		str_addf(out, "%s/%s", service, id);
	else
		text_add_safe(out,
			slice_of(name != NULL		  ? name
					: id != NULL	  ? id
					: service != NULL ? service
							  : "-"));
}

struct columns {
	const struct field *f[COLUMNS_MAX];
	size_t n;
};

static enum err_code named_columns(const char *list, const struct field_set *set,
	struct columns *cols, struct err *err)
{
	struct slice rest = slice_of(list);
	while (rest.n) {
		struct slice word = slice_trim(slice_cut(&rest, ','));
		const struct field *f = field_named(set, word);
		size_t n = 0;
		if (f != NULL && cols->n < COLUMNS_MAX) {
			cols->f[cols->n++] = f;
			continue;
		}
		const char *all[COLUMNS_MAX];
		for (; n < set->n && n < COLUMNS_MAX; n++)
			all[n] = set->f[n].name;
		err_set(err, ERR_USAGE, _("no such column in %s"), set->name);
		if (text_closest(word, all, n) != NULL)
			err_hint(err, _("did you mean %s?"), text_closest(word, all, n));
		return ERR_USAGE;
	}
	return ERR_OK;
}

static enum err_code pick_columns(const struct format_options *o, const struct field_set *set,
	struct columns *cols, struct err *err)
{
	uint32_t want = FF_COLUMN;
	cols->n = 0;
	if (o->columns != NULL)
		return named_columns(o->columns, set, cols, err);
	if (o->format == FMT_WIDE || o->format == FMT_CSV)
		want |= FF_WIDE;
	for (size_t i = 0; i < set->n && cols->n < COLUMNS_MAX; i++)
		if (set->f[i].flags & want)
			cols->f[cols->n++] = &set->f[i];
	return ERR_OK;
}

// Order of rows, so that sorting moves indexes and not documents.
struct sort_row {
	const struct jx *doc, *key;
};

static int compare_values(const struct jx *a, const struct jx *b)
{
	if (jx_is_num(a) && jx_is_num(b)) {
		double x = jx_num(a, 0), y = jx_num(b, 0);
		return x < y ? -1 : x > y;
	}
	if (jx_is_null(a) || jx_is_null(b))
		return jx_is_null(a) - jx_is_null(b);
	return strcmp(jx_str(a, ""), jx_str(b, ""));
}

static int compare_up(const void *a, const void *b)
{
	return compare_values(((const struct sort_row *)a)->key, ((const struct sort_row *)b)->key);
}

static int compare_down(const void *a, const void *b)
{
	return compare_up(b, a);
}

static enum err_code sorted(const struct format_options *o, const struct field_set *set,
	const struct jx *items, struct sort_row *rows, struct err *err)
{
	const char *by = o->sort_by;
	bool down = by != NULL && *by == '-';
	size_t n = jx_len(items);
	if (down)
		by++;
	if (by != NULL && field_named(set, slice_of(by)) == NULL) {
		err_set(err, ERR_USAGE, _("cannot sort by a column %s does not have"), set->name);
		return ERR_USAGE;
	}
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct sort_row){
			jx_at(items, i), by != NULL ? jx_get(jx_at(items, i), by) : NULL};
	if (by != NULL)
		qsort(rows, n, sizeof(*rows), down ? compare_down : compare_up);
	return ERR_OK;
}

static void table_rows(const struct format_options *o, const struct columns *cols,
	const struct sort_row *rows, size_t n, struct str *out)
{
	bool csv = o->format == FMT_CSV;
	struct table *t = table_new();
	struct str cell = STR_INIT;
	for (size_t i = 0; i < cols->n; i++) {
		const struct field *f = cols->f[i];
		struct str title = STR_INIT;
		str_add(&title, f->title != NULL ? f->title : f->name);
		if (f->title == NULL)
			for (char *p = title.p; *p; p++)
				*p = *p == '_' ? ' ' : *p >= 'a' && *p <= 'z' ? *p - 32 : *p;
		table_column(t, str_text(&title), f->type == FT_INT || f->type == FT_NUM);
		str_release(&title);
	}
	for (size_t r = 0; r < n; r++) {
		table_row(t);
		for (size_t i = 0; i < cols->n; i++) {
			const struct jx *value = jx_get(rows[r].doc, cols->f[i]->name);
			str_clear(&cell);
			if (!csv || !jx_is_null(value))
				format_cell(cols->f[i], value, csv ? 0 : o->now_ms, &cell);
			table_cell(t, str_slice(&cell));
		}
	}
	if (csv)
		table_csv(t, !o->no_headers, o->raw, out);
	else
		table_text(t, !o->no_headers, o->cells, out);
	str_release(&cell);
	table_free(t);
}

static enum err_code rows_out(const struct format_options *o, const struct field_set *set,
	const struct sort_row *rows, size_t n, struct str *out, struct err *err)
{

	if (o->format == FMT_NDJSON || o->format == FMT_NAME) {
		for (size_t i = 0; i < n; i++) {
			if (o->format == FMT_NAME)
				format_name(rows[i].doc, out);
			else
				jx_write(rows[i].doc, 0, out);
			str_add(out, "\n");
		}
		return ERR_OK;
	}
	struct columns cols;
	enum err_code code = pick_columns(o, set, &cols, err);
	if (!code)
		table_rows(o, &cols, rows, n, out);
	return code;
}

enum err_code format_list(const struct format_options *o, const struct field_set *set,
	const struct jx *answer, const struct jx *items, struct str *out, struct err *err)
{

	if (o->format == FMT_JSON) {
		jx_write(answer, 2, out);
		str_add(out, "\n");
		return ERR_OK;
	}
	if (o->format == FMT_YAML) {
		yamlx_write(answer, out);
		return ERR_OK;
	}
	struct sort_row *rows = mem_zalloc(jx_len(items) + 1, sizeof(*rows));
	enum err_code code = sorted(o, set, items, rows, err);
	if (!code)
		code = rows_out(o, set, rows, jx_len(items), out, err);
	free(rows);
	return code;
}

// "name   value" lines, nested documents indented below their name.
static void sheet(const struct field_set *set, const struct jx *doc, int indent, int64_t now_ms,
	struct str *out)
{
	const struct jx *value;
	const char *key;
	void *it = NULL;
	while (jx_next(doc, &it, &key, &value)) {
		const struct field *f = set != NULL ? field_named(set, slice_of(key)) : NULL;
		struct str name = STR_INIT;
		text_add_safe(&name, slice_of(key));
		str_addf(out, "%*s%-*s ", indent, "", 18 - indent, str_text(&name));
		str_release(&name);
		if (jx_is_arr(value) && jx_len(value) && jx_is_obj(jx_at(value, 0))) {
			str_addf(out, "(%zu)\n", jx_len(value));
			for (size_t i = 0; i < jx_len(value); i++) {
				str_addf(out, "%*s- ", indent, "");
				format_name(jx_at(value, i), out);
				str_add(out, "\n");
				sheet(f != NULL ? f->sub : NULL, jx_at(value, i), indent + 4,
					now_ms, out);
			}
			continue;
		}
		if (f != NULL && f->type == FT_TIME)
			text_add_safe(out, slice_of(jx_str(value, "-")));
		else
			format_cell(f, value, 0, out);
		if (unit_of(f) != NULL && !jx_is_null(value))
			str_addf(out, " %s", unit_of(f));
		str_add(out, "\n");
	}
}

enum err_code format_doc(const struct format_options *o, const struct field_set *set,
	const struct jx *doc, struct str *out, struct err *err)
{
	struct sort_row row = {doc, NULL};
	switch (o->format) {
	case FMT_JSON:
		jx_write(doc, 2, out);
		str_add(out, "\n");
		return ERR_OK;
	case FMT_YAML:
		yamlx_write(doc, out);
		return ERR_OK;
	case FMT_TABLE:
	case FMT_WIDE:
		if (o->columns == NULL) {
			sheet(set, doc, 0, o->now_ms, out);
			return ERR_OK;
		}
		break;
	default:
		break;
	}
	return rows_out(o, set, &row, 1, out, err);
}
