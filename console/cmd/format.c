// SPDX-License-Identifier: MIT
// One answer in any of the output formats: the document's rows say which columns there are, what
// they are called and how a cell reads.
#include "console/cmd/format.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/base/charset.h"
#include "shared/clock.h"
#include "shared/jw.h"
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

// Pico as a decimal number, without the zeros at the end: all of it, or what a reader needs.
static void amount(int64_t pico, bool exact, struct str *out)
{
	uint64_t v = pico < 0 ? 0 - (uint64_t)pico : (uint64_t)pico, step = 1;
	if (!exact && v >= 1000000000) // from a thousandth on
		step = 100000000;
	else if (!exact)
		while (v / step >= 1000)
			step *= 10;
	v = (v + step / 2) / step * step;
	char text[48];
	int n = snprintf(text, sizeof(text), "%s%" PRIu64 ".%012" PRIu64, pico < 0 ? "-" : "",
		v / 1000000000000, v % 1000000000000);
	while (text[n - 1] == '0')
		n--;
	str_add_n(out, text, (size_t)(text[n - 1] == '.' ? n - 1 : n));
}

void format_money(const struct jx *value, struct str *out)
{
	if (!jx_is_num(jx_get(value, "pico"))) {
		str_add(out, "unknown");
		return;
	}
	amount(jx_int(jx_get(value, "pico"), 0), false, out);
	str_add(out, " ");
	text_add_safe(out, slice_of(jx_str(jx_get(value, "currency"), "")));
}

// Amounts in pico, by the row's unit: of a token for a million of them, of others as they are.
static bool pico(const struct field *f, const struct jx *value, struct str *out)
{
	if (f == NULL || f->unit == NULL || strncmp(f->unit, "pico", 4) != 0 || !jx_is_num(value))
		return false;
	int64_t v = jx_int(value, 0);
	if (strcmp(f->unit, "pico/M") != 0)
		amount(v, false, out);
	else if (v < INT64_MAX / 1000000 && v > INT64_MIN / 1000000)
		amount(v * 1000000, true, out);
	else
		str_addf(out, "%.6g", (double)v / 1e6);
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

// Of what has neither name nor id: what tells it from its neighbours.
static void other_name(const struct jx *doc, struct str *out)
{
	static const char *const members[] = {
		"service", "feature", "target", "client_name", "client", "key", "model", "seq"};
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct jx *v = jx_get(doc, members[i]);
		if (jx_is_str(v)) {
			text_add_safe(out, slice_of(jx_str(v, "")));
			return;
		}
		if (jx_is_num(v)) {
			jx_write(v, 0, out);
			return;
		}
	}
	const struct jx *value;
	const char *key;
	void *it = NULL;
	while (jx_next(doc, &it, &key, &value)) // or what it says first
		if (jx_is_bool(value) || jx_is_num(value)) {
			jx_write(value, 0, out);
			return;
		}
	str_add(out, "-");
}

void format_name(const struct jx *doc, struct str *out)
{
	const char *slug = jx_str(jx_get(doc, "slug"), NULL);
	const char *service = jx_str(jx_get(doc, "service"), NULL);
	const char *id = jx_str(jx_get(doc, "id"), NULL);
	const char *name = jx_str(jx_get(doc, "name"), NULL);
	if (slug != NULL && service != NULL)
		str_addf(out, "%s/%s/%s", jx_str(jx_get(doc, "vendor"), "-"), service, slug);
	else if (id == NULL && jx_is_str(jx_get(doc, "target")) &&
		jx_is_str(jx_get(doc, "feature")))
		str_addf(out, "%s/%s", jx_str(jx_get(doc, "feature"), ""),
			jx_str(jx_get(doc, "target"), ""));
	else if (service != NULL && id != NULL && strchr(id, '/') == NULL)
		str_addf(out, "%s/%s", service, id);
	else if (name != NULL || id != NULL)
		text_add_safe(out, slice_of(name != NULL ? name : id));
	else
		other_name(doc, out);
}

struct columns {
	const struct field *f[COLUMNS_MAX];
	size_t n;
};

// The column as it is called in documents or as its head reads: "p95_ms", "P95 MS", "p95-ms".
static bool same_name(struct slice a, const char *b)
{
	if (a.n != strlen(b))
		return false;
	for (size_t i = 0; i < a.n; i++) {
		char x = strchr("-_ ", a.p[i]) != NULL ? ' ' : (char)tolower((unsigned char)a.p[i]);
		char y = strchr("-_ ", b[i]) != NULL ? ' ' : (char)tolower((unsigned char)b[i]);
		if (x != y)
			return false;
	}
	return true;
}

static void add_head(const struct field *f, struct str *out)
{
	size_t from = out->n;
	str_add(out, f->title != NULL ? _(f->title) : f->name);
	if (f->title == NULL)
		for (char *p = out->p + from; *p; p++)
			*p = *p == '_' ? ' ' : *p >= 'a' && *p <= 'z' ? *p - 32 : *p;
}

static const struct field *column_named(const struct field_set *set, struct slice word)
{
	const struct field *f = field_named(set, word);
	for (size_t i = 0; f == NULL && i < set->n; i++) {
		const struct field *one = &set->f[i];
		if (same_name(word, one->name) ||
			(one->title != NULL &&
				(same_name(word, one->title) || same_name(word, _(one->title)))))
			f = one;
	}
	return f;
}

static enum err_code no_column(const struct field_set *set, struct slice word, const char *what,
	struct err *err)
{
	const char *all[COLUMNS_MAX];
	size_t n = 0;
	struct str list = STR_INIT;
	for (; n < set->n && n < COLUMNS_MAX; n++) {
		all[n] = set->f[n].name;
		str_addf(&list, "%s%s", n ? ", " : "", all[n]);
	}
	struct str safe = STR_INIT;
	text_add_safe(&safe, word);
	err_set(err, ERR_USAGE, what, str_text(&safe));
	if (text_closest(word, all, n) != NULL)
		err_hint(err, _("did you mean %s?"), text_closest(word, all, n));
	else
		err_hint(err, _("there are: %s"), str_text(&list));
	str_release(&safe);
	str_release(&list);
	return ERR_USAGE;
}

static enum err_code named_columns(const char *list, const struct field_set *set,
	struct columns *cols, struct err *err)
{
	struct slice rest = slice_of(list);
	while (rest.n) {
		struct slice word = slice_trim(slice_cut(&rest, ','));
		const struct field *f = column_named(set, word);
		if (f == NULL)
			return no_column(set, word, _("there is no column %s"), err);
		if (cols->n < COLUMNS_MAX)
			cols->f[cols->n++] = f;
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
	size_t at; // as answered, for equals
};

// Of an amount, or of several the first.
static const struct jx *money_of(const struct jx *v)
{
	v = jx_is_arr(v) ? jx_at(v, 0) : v;
	return jx_is_obj(v) && jx_is_num(jx_get(v, "pico")) ? v : NULL;
}

static int compare_numbers(double x, double y)
{
	return (x > y) - (x < y);
}

static int compare_values(const struct jx *a, const struct jx *b)
{
	const struct jx *x = money_of(a), *y = money_of(b);
	if (jx_is_num(a) && jx_is_num(b))
		return compare_numbers(jx_num(a, 0), jx_num(b, 0));
	if (jx_is_null(a) || jx_is_null(b))
		return jx_is_null(a) - jx_is_null(b);
	if (x != NULL && y != NULL) {
		int by = strcmp(jx_str(jx_get(x, "currency"), ""),
			jx_str(jx_get(y, "currency"), ""));
		return by ? by
			  : compare_numbers(jx_num(jx_get(x, "pico"), 0),
				    jx_num(jx_get(y, "pico"), 0));
	}
	if (jx_is_bool(a) && jx_is_bool(b))
		return jx_bool(a, false) - jx_bool(b, false);
	if (jx_is_arr(a) && jx_is_arr(b))
		return compare_numbers((double)jx_len(a), (double)jx_len(b));
	return strcmp(jx_str(a, ""), jx_str(b, ""));
}

static int compare_up(const void *a, const void *b)
{
	const struct sort_row *x = a, *y = b;
	int by = compare_values(x->key, y->key);
	return by ? by : (x->at > y->at) - (x->at < y->at);
}

// What is not known stays at the end.
static int compare_down(const void *a, const void *b)
{
	const struct sort_row *x = a, *y = b;
	if (jx_is_null(x->key) || jx_is_null(y->key))
		return compare_up(a, b);
	int by = compare_values(y->key, x->key);
	return by ? by : (x->at > y->at) - (x->at < y->at);
}

static enum err_code sorted(const struct format_options *o, const struct field_set *set,
	const struct jx *items, struct sort_row *rows, struct err *err)
{
	const char *by = o->sort_by;
	bool down = by != NULL && *by == '-';
	size_t n = jx_len(items);
	by += down;
	const struct field *f = by != NULL ? column_named(set, slice_of(by)) : NULL;
	if (by != NULL && f == NULL)
		return no_column(set, slice_of(by), _("cannot sort by %s: there is no such column"),
			err);
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct sort_row){
			jx_at(items, i), f != NULL ? jx_get(jx_at(items, i), f->name) : NULL, i};
	if (by != NULL)
		qsort(rows, n, sizeof(*rows), down ? compare_down : compare_up);
	return ERR_OK;
}

static bool is_state(const struct field *f)
{
	static const char *const names_of[] = {"state", "status", "result", "health", "severity"};
	for (size_t i = 0; i < ARRAY_LEN(names_of); i++)
		if (strcmp(f->name, names_of[i]) == 0)
			return true;
	return false;
}

const char *format_state_color(const char *state)
{
	static const char *const good[] = {
		"ok", "passing", "enabled", "live", "succeeded", "created"};
	static const char *const bad[] = {"down", "fail", "failed", "invalid", "critical", "open",
		"no_quota", "expired", "sealed", "error", "gone", "outcome_unknown"};
	static const char *const so_so[] = {"warn", "warning", "cooling", "cooldown", "drain",
		"drained", "draining", "half_open", "limited", "full", "degraded", "no_key",
		"region"};
	struct slice s = slice_of(state);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (slice_ieq_str(s, good[i]))
			return "32";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (slice_ieq_str(s, bad[i]))
			return "31";
	for (size_t i = 0; i < ARRAY_LEN(so_so); i++)
		if (slice_ieq_str(s, so_so[i]))
			return "33";
	return NULL;
}

// The state is the last to go, then the row's name, figures, and the rest from its end on.
static int weight_of(const struct field *f, size_t i)
{
	bool figure = f->type == FT_NUM || f->type == FT_MONEY || f->unit != NULL;
	if (is_state(f))
		return 1000;
	if (i < 2)
		return 900 - (int)i * 100;
	return (figure ? 500 : f->flags & FF_WIDE ? 100 : 300) - (int)i;
}

// Of one amount or several, each with its currency: the numbers alone, or the currencies.
static void money_part(const struct jx *value, bool currency, struct str *out)
{
	size_t n = jx_is_arr(value) ? jx_len(value) : 1;
	for (size_t i = 0; i < n; i++) {
		const struct jx *one = jx_is_arr(value) ? jx_at(value, i) : value;
		if (i)
			str_add_c(out, ';');
		if (currency)
			str_add(out, jx_str(jx_get(one, "currency"), ""));
		else if (jx_is_num(jx_get(one, "pico")))
			amount(jx_int(jx_get(one, "pico"), 0), true, out);
	}
}

// Whether the column holds amounts, by its row or by what stands in it.
static bool has_money(const struct field *f, const struct sort_row *rows, size_t n)
{
	if (f->type == FT_MONEY)
		return true;
	for (size_t r = 0; r < n; r++)
		if (money_of(jx_get(rows[r].doc, f->name)) != NULL)
			return true;
	return false;
}

// Spreadsheets get exact numbers, an amount apart from its currency.
static void csv_rows(const struct format_options *o, const struct columns *cols,
	const struct sort_row *rows, size_t n, struct str *out)
{
	struct table *t = table_new();
	struct str cell = STR_INIT;
	bool money[COLUMNS_MAX];
	for (size_t i = 0; i < cols->n; i++) {
		money[i] = has_money(cols->f[i], rows, n);
		str_clear(&cell);
		add_head(cols->f[i], &cell);
		table_column(t, str_text(&cell), false);
		str_add(&cell, " CURRENCY");
		if (money[i])
			table_column(t, str_text(&cell), false);
	}
	for (size_t r = 0; r < n; r++) {
		table_row(t);
		for (size_t i = 0; i < cols->n; i++) {
			const struct jx *value = jx_get(rows[r].doc, cols->f[i]->name);
			str_clear(&cell);
			if (money[i])
				money_part(value, false, &cell);
			else if (jx_is_num(value) && cols->f[i]->type == FT_NUM)
				jx_write(value, 0, &cell);
			else if (!jx_is_null(value))
				format_cell(cols->f[i], value, 0, &cell);
			table_cell(t, str_slice(&cell));
			str_clear(&cell);
			if (money[i]) {
				money_part(value, true, &cell);
				table_cell(t, str_slice(&cell));
			}
		}
	}
	table_csv(t, !o->no_headers, o->raw, out);
	str_release(&cell);
	table_free(t);
}

static void table_rows(const struct format_options *o, const struct columns *cols,
	const struct sort_row *rows, size_t n, struct str *out)
{
	struct table *t = table_new();
	struct str cell = STR_INIT, plain = STR_INIT;
	if (o->ascii)
		table_ascii(t);
	if (o->color)
		table_color(t);
	for (size_t i = 0; i < cols->n; i++) {
		const struct field *f = cols->f[i];
		str_clear(&cell);
		add_head(f, &cell);
		table_column(t, str_text(&cell),
			f->type == FT_INT || f->type == FT_NUM || f->type == FT_MONEY);
		table_weight(t, weight_of(f, i));
	}
	for (size_t r = 0; r < n; r++) {
		table_row(t);
		for (size_t i = 0; i < cols->n; i++) {
			const struct jx *value = jx_get(rows[r].doc, cols->f[i]->name);
			str_clear(&cell);
			str_clear(&plain);
			format_cell(cols->f[i], value, o->now_ms, &cell);
			if (o->ascii)
				charset_ascii(str_slice(&cell), &plain);
			table_cell(t, str_slice(o->ascii ? &plain : &cell));
			if (is_state(cols->f[i]))
				table_paint(t, format_state_color(str_text(&cell)));
		}
	}
	table_text(t, !o->no_headers, o->cells, out);
	str_release(&cell);
	str_release(&plain);
	table_free(t);
}

// Without rows of their own, documents show what the first of them has; in the arena.
static const struct field_set *set_of(const struct jx *first, struct arena *a)
{
	struct field *f = arena_zalloc(a, COLUMNS_MAX, sizeof(*f));
	struct field_set *set = arena_zalloc(a, 1, sizeof(*set));
	const struct jx *value;
	const char *key;
	void *it = NULL;
	size_t n = 0;
	while (jx_is_obj(first) && n < COLUMNS_MAX && jx_next(first, &it, &key, &value))
		f[n++] = (struct field){.name = arena_strdup(a, key),
			.type = jx_is_num(value) ? FT_NUM : FT_JSON,
			.offset = FIELD_NO_HOME,
			.flags = FF_READONLY | FF_COLUMN};
	*set = (struct field_set){"answer", f, n, 0};
	return set;
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
		(o->format == FMT_CSV ? csv_rows : table_rows)(o, &cols, rows, n, out);
	return code;
}

static void whole_out(const struct format_options *o, const struct jx *doc, struct str *out)
{
	if (o->format == FMT_YAML) {
		yamlx_write(doc, out);
	} else {
		jx_write(doc, 2, out);
		str_add(out, "\n");
	}
}

// The answer with its items in the order asked for.
static enum err_code reordered(const struct jx *answer, const struct jx *items,
	const struct sort_row *rows, struct arena *a, const struct jx **ret, struct err *err)
{
	struct str text = STR_INIT, one = STR_INIT;
	struct jw w = jw_to(&text);
	const struct jx *member;
	const char *key;
	void *it = NULL;
	jw_obj(&w, NULL);
	while (jx_next(answer, &it, &key, &member)) {
		str_clear(&one);
		if (member != items) {
			jx_write(member, 0, &one);
			jw_raw(&w, key, str_slice(&one));
			continue;
		}
		jw_arr(&w, key);
		for (size_t i = 0; i < jx_len(items); i++) {
			str_clear(&one);
			jx_write(rows[i].doc, 0, &one);
			jw_raw(&w, NULL, str_slice(&one));
		}
		jw_arr_end(&w);
	}
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&text),
		(struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC}, a, ret, err);
	str_release(&text);
	str_release(&one);
	return code;
}

static enum err_code one_field(const struct jx *doc, const char *path, struct str *out,
	struct err *err)
{
	const struct jx *value = jx_path(doc, path);
	if (value == NULL) {
		err_set(err, ERR_NOT_FOUND, _("the answer has no field %s"), path);
		err_hint(err, "%s",
			_("-o json shows what there is; a list's rows are items[0] and on"));
		return ERR_NOT_FOUND;
	}
	if (jx_is_str(value))
		text_add_safe(out, slice_of(jx_str(value, "")));
	else
		jx_write(value, 0, out);
	str_add_c(out, '\n');
	return ERR_OK;
}

// Columns are of tables alone: what would do nothing is refused.
static enum err_code check_columns(const struct format_options *o, struct err *err)
{
	if (o->columns == NULL || o->format == FMT_TABLE || o->format == FMT_WIDE ||
		o->format == FMT_CSV)
		return ERR_OK;
	err_set(err, ERR_USAGE, "%s", _("--columns is for tables and CSV"));
	err_hint(err, "%s", _("of a document, --field PATH prints one value"));
	return ERR_USAGE;
}

enum err_code format_list(const struct format_options *o, const struct field_set *set,
	const struct jx *answer, const struct jx *items, struct str *out, struct err *err)
{
	struct arena a = ARENA_INIT;
	size_t n = jx_len(items);
	struct sort_row *rows = mem_zalloc(n + 1, sizeof(*rows));
	const struct jx *doc = answer;
	if (set == NULL)
		set = set_of(jx_at(items, 0), &a);
	enum err_code code = check_columns(o, err);
	if (!code)
		code = sorted(o, set, items, rows, err);
	bool whole = o->field != NULL || o->format == FMT_JSON || o->format == FMT_YAML;
	if (!code && whole && o->sort_by != NULL)
		code = reordered(answer, items, rows, &a, &doc, err);
	if (!code && o->field != NULL)
		code = one_field(doc, o->field, out, err);
	else if (!code && whole)
		whole_out(o, doc, out);
	else if (!code)
		code = rows_out(o, set, rows, n, out, err);
	free(rows);
	arena_release(&a);
	return code;
}

// "name   value" lines, nested documents indented below their name.
static void sheet(const struct format_options *o, const struct field_set *set, const struct jx *doc,
	int indent, struct str *out)
{
	const struct jx *value;
	const char *key;
	void *it = NULL;
	while (jx_next(doc, &it, &key, &value)) {
		const struct field *f = set != NULL ? field_named(set, slice_of(key)) : NULL;
		struct str name = STR_INIT;
		text_add_safe(&name, slice_of(key));
		str_addf(out, "%*s%s%-*s%s ", indent, "", o->color ? "\x1b[1m" : "", 18 - indent,
			str_text(&name), o->color ? "\x1b[0m" : "");
		str_release(&name);
		if (jx_is_arr(value) && jx_len(value) && jx_is_obj(jx_at(value, 0))) {
			str_addf(out, "(%zu)\n", jx_len(value));
			for (size_t i = 0; i < jx_len(value); i++) {
				str_addf(out, "%*s- ", indent, "");
				format_name(jx_at(value, i), out);
				str_add(out, "\n");
				sheet(o, f != NULL ? f->sub : NULL, jx_at(value, i), indent + 4,
					out);
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
	struct sort_row row = {doc, NULL, 0};
	struct arena a = ARENA_INIT;
	enum err_code code = check_columns(o, err);
	if (set == NULL)
		set = set_of(doc, &a);
	if (!code && o->field != NULL)
		code = one_field(doc, o->field, out, err);
	else if (!code && (o->format == FMT_JSON || o->format == FMT_YAML))
		whole_out(o, doc, out);
	else if (!code && o->columns == NULL && (o->format == FMT_TABLE || o->format == FMT_WIDE))
		sheet(o, set, doc, 0, out);
	else if (!code)
		code = rows_out(o, set, &row, 1, out, err);
	arena_release(&a);
	return code;
}
