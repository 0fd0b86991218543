// SPDX-License-Identifier: MIT
// Documents filled in on the screen, a line a field, unfolded from the rows; written back as JSON
// that the agent judges.
#include "console/tui/form.h"

#include <stdio.h>
#include <string.h>
#include "console/tui/term.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/utf8.h"

#define NAME_CELLS 20
#define VALUE_CELLS 40

static bool is_skipped(const struct field *f, const char *const *skip)
{
	for (; skip != NULL && *skip != NULL; skip++)
		if (strcmp(*skip, f->name) == 0)
			return true;
	return false;
}

static bool is_asked(const struct field *f)
{
	return (f->flags & (FF_FORM | FF_REQUIRED)) != 0 && (f->flags & FF_READONLY) == 0 &&
		f->type != FT_SECRET && f->type != FT_JSON && f->type != FT_OBJV &&
		f->type != FT_MONEY;
}

static void add_item(struct form *f, const struct field *field, const struct field *parent)
{
	struct form_item *it = &f->v[f->n];
	if (f->n == FORM_ITEMS_MAX)
		return;
	f->n++;
	*it = (struct form_item){field, parent, STR_INIT};
	if (field->type == FT_ENUM && field->def >= 0 && field->choices != NULL)
		str_add(&it->text, field->choices[field->def]);
	else if (field->type == FT_BOOL)
		str_add(&it->text, field->def != 0 ? "true" : "false");
}

static void add_row(struct form *f, const struct field *row)
{
	if (row->type != FT_OBJ)
		add_item(f, row, NULL);
	for (size_t k = 0; row->type == FT_OBJ && k < row->sub->n; k++)
		if (row->sub->f[k].type == FT_INT || row->sub->f[k].type == FT_STR)
			add_item(f, &row->sub->f[k], row);
}

void form_begin(struct form *f, const struct field_set *set, const char *const *skip)
{
	*f = (struct form){0};
	for (unsigned needed = FF_REQUIRED;; needed = 0) { // what must be said comes first
		for (size_t i = 0; i < set->n; i++) {
			const struct field *row = &set->f[i];
			if (!is_skipped(row, skip) && is_asked(row) &&
				(row->flags & FF_REQUIRED) == needed)
				add_row(f, row);
		}
		if (needed == 0)
			break;
	}
}

void form_release(struct form *f)
{
	for (size_t i = 0; i < f->n; i++)
		str_release(&f->v[i].text);
	f->n = 0;
}

// ---- keys ----

static void turn(struct form_item *it, int by)
{
	static const char *const booleans[] = {"true", "false", NULL};
	const char *const *c = it->field->type == FT_BOOL ? booleans : it->field->choices;
	int n = 0, at = 0;
	while (c[n] != NULL)
		n++;
	for (int i = 0; i < n; i++)
		if (strcmp(c[i], str_text(&it->text)) == 0)
			at = i;
	str_clear(&it->text);
	str_add(&it->text, c[(at + n + by) % n]);
}

static bool type(struct form_item *it, int key)
{
	char out[4];
	struct str *s = &it->text;
	size_t n = key >= ' ' && key != TERM_BACKSPACE && key < 0x110000
		? utf8_encode((uint32_t)key, out)
		: 0;
	if (key == TERM_BACKSPACE) {
		size_t cut = s->n > 0 ? s->n - 1 : 0;
		while (cut > 0 && ((unsigned char)s->p[cut] & 0xc0) == 0x80)
			cut--;
		str_cut(s, cut);
		return true;
	}
	if (n > 0 && s->n + n < FORM_TEXT_MAX)
		str_add_n(s, out, n);
	return n > 0;
}

static bool move(struct form *f, int by, int *ret_leave)
{
	if ((by < 0 && f->at == 0) || (by > 0 && f->at + 1 >= f->n))
		*ret_leave = by;
	else
		f->at += (size_t)by;
	return true;
}

bool form_key(struct form *f, int key, int *ret_leave)
{
	struct form_item *it = &f->v[f->at];
	*ret_leave = 0;
	switch (key) {
	case TERM_UP:
	case TERM_BTAB:
		return move(f, -1, ret_leave);
	case TERM_DOWN:
	case TERM_ENTER:
	case '\t':
		return move(f, 1, ret_leave);
	default:
		break;
	}
	if (it->field->type == FT_ENUM || it->field->type == FT_BOOL) {
		if (key == TERM_LEFT || key == TERM_RIGHT || key == ' ')
			turn(it, key == TERM_LEFT ? -1 : 1);
		return true;
	}
	f->bad[0] = '\0';
	return type(it, key);
}

// ---- on the screen ----

static void item_name(const struct form_item *it, char out[80])
{
	snprintf(out, 80, "%s%s%s", it->parent != NULL ? it->parent->name : "",
		it->parent != NULL ? "." : "", it->field->name);
}

static void draw_item(const struct form *f, size_t i, int y)
{
	const struct form_item *it = &f->v[i];
	bool here = i == f->at, choice = it->field->type == FT_ENUM || it->field->type == FT_BOOL;
	char name[80];
	item_name(it, name);
	bool bad = strcmp(name, f->bad) == 0;
	int cells = MIN_OF(VALUE_CELLS, term_cols() - NAME_CELLS - 4);
	term_putf(y, 1, NAME_CELLS,
		bad	       ? SKIN_BAD
			: here ? SKIN_HEAD
			       : SKIN_PLAIN,
		"%c %s%s", here ? '>' : ' ', name,
		(it->field->flags & FF_REQUIRED) != 0 ? " *" : "");
	term_putf(y, NAME_CELLS + 2, cells, here ? SKIN_CURSOR : SKIN_PLAIN,
		choice ? "< %s >" : "%s%s", str_text(&it->text), here && !choice ? "_" : "");
	if (here || it->text.n == 0)
		term_put(y, NAME_CELLS + cells + 3, term_cols(), SKIN_DIM,
			slice_of(_(it->field->help)));
}

void form_draw(struct form *f, int y, int height)
{
	size_t rows = (size_t)MAX_OF(height, 1);
	if (f->at < f->top)
		f->top = f->at;
	if (f->at >= f->top + rows)
		f->top = f->at - rows + 1;
	for (size_t i = f->top; i < f->n && i < f->top + rows; i++)
		draw_item(f, i, y + (int)(i - f->top));
}

void form_blame(struct form *f, const char *name)
{
	char own[80];
	for (size_t i = 0; i < f->n; i++) {
		item_name(&f->v[i], own);
		if (strcmp(own, name) == 0) {
			f->at = i;
			snprintf(f->bad, sizeof(f->bad), "%s", name);
		}
	}
}

const char *form_text(const struct form *f, const char *name)
{
	char own[80];
	for (size_t i = 0; i < f->n; i++) {
		item_name(&f->v[i], own);
		if (strcmp(own, name) == 0)
			return str_text(&f->v[i].text);
	}
	return "";
}

// ---- as JSON ----

static void write_list(const struct form_item *it, struct str *out)
{
	struct slice rest = str_slice(&it->text);
	bool first = true;
	str_add_c(out, '[');
	while (rest.p != NULL) {
		struct slice one = slice_trim(slice_cut(&rest, ','));
		if (one.n == 0)
			continue;
		str_add(out, first ? "" : ",");
		str_add_json(out, one);
		first = false;
	}
	str_add_c(out, ']');
}

static bool parent_open(const struct form *f, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (f->v[k].parent == f->v[i].parent && f->v[k].text.n > 0)
			return true;
	return false;
}

static bool parent_ends(const struct form *f, size_t i)
{
	for (size_t k = i + 1; k < f->n; k++)
		if (f->v[k].parent == f->v[i].parent && f->v[k].text.n > 0)
			return false;
	return true;
}

void form_write(const struct form *f, struct str *out)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct form_item *it = &f->v[i];
		if (it->text.n == 0)
			continue;
		str_add_c(out, ',');
		if (it->parent != NULL && !parent_open(f, i))
			str_addf(out, "\"%s\":{", it->parent->name);
		str_addf(out, "\"%s\":", it->field->name);
		// What does not read as a number goes as text, so that the agent says what is wrong
		// with it.
		struct slice text = str_slice(&it->text);
		int64_t n;
		if (it->field->type == FT_BOOL)
			str_add_slice(out, text);
		else if (it->field->type == FT_INT && num_i64(text, INT64_MIN, INT64_MAX, &n))
			str_add_i64(out, n);
		else if (it->field->type == FT_STRV)
			write_list(it, out);
		else
			str_add_json(out, text);
		if (it->parent != NULL && parent_ends(f, i))
			str_add_c(out, '}');
	}
}
