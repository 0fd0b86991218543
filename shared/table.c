// SPDX-License-Identifier: MIT
// Lists for people and spreadsheets: columns aligned by what a terminal shows, not by bytes, or
// CSV in which no cell runs as a formula.
#include "shared/table.h"

#include <stdlib.h>
#include <string.h>

#include "shared/num.h"
#include "shared/text.h"
#include "shared/utf8.h"
#include "shared/vec.h"

struct cell {
	char *text; // owned, NUL behind its n bytes
	size_t n;
};

struct table {
	char *title[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX];
	size_t columns, rows, at;
	VEC_OF(struct cell) cell;
};

struct table *table_new(void)
{
	return mem_zalloc(1, sizeof(struct table));
}

void table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->columns; i++)
		free(t->title[i]);
	for (size_t i = 0; i < t->cell.n; i++)
		free(t->cell.v[i].text);
	VEC_RELEASE(&t->cell);
	free(t);
}

void table_column(struct table *t, const char *title, bool right)
{
	if (t->columns == TABLE_COLUMNS_MAX)
		return;
	t->title[t->columns] = mem_strdup(title);
	t->right[t->columns++] = right;
}

void table_row(struct table *t)
{
	while (t->rows && t->at < t->columns)
		table_cell(t, SLICE(""));
	t->rows++;
	t->at = 0;
}

void table_cell(struct table *t, struct slice text)
{
	if (t->at == t->columns)
		return;
	VEC_PUSH(&t->cell, ((struct cell){mem_strndup(text.p, text.n), text.n}));
	t->at++;
}

#define HEAD SIZE_MAX // the row of titles

static struct slice cell_at(const struct table *t, size_t row, size_t col)
{
	size_t i = row * t->columns + col;
	if (row == HEAD)
		return slice_of(t->title[col]);
	if (i >= t->cell.n)
		return SLICE("");
	return (struct slice){t->cell.v[i].text, t->cell.v[i].n};
}

// The cell as a terminal may see it; valid until the next call with the same buffer.
static struct slice safe_at(const struct table *t, size_t row, size_t col, struct str *buf)
{
	str_clear(buf);
	text_add_safe(buf, cell_at(t, row, col));
	return str_slice(buf);
}

static int width_of(const struct table *t, size_t col, bool heads)
{
	struct str safe = STR_INIT;
	int width = heads ? utf8_width(safe_at(t, HEAD, col, &safe)) : 0;
	for (size_t r = 0; r < t->rows; r++)
		width = MAX_OF(width, utf8_width(safe_at(t, r, col, &safe)));
	str_release(&safe);
	return width;
}

static void blanks(struct str *out, int n)
{
	for (; n > 0; n--)
		str_add_c(out, ' ');
}

static void text_line(const struct table *t, const int *width, size_t row, int cells,
	struct str *out)
{
	struct str line = STR_INIT, safe = STR_INIT;
	for (size_t c = 0; c < t->columns; c++) {
		struct slice cell = safe_at(t, row, c, &safe);
		int space = width[c] - utf8_width(cell);
		if (c)
			str_add(&line, "  ");
		if (t->right[c])
			blanks(&line, space);
		str_add_slice(&line, cell);
		if (!t->right[c])
			blanks(&line, space);
	}
	size_t n = line.n;
	while (n && line.p[n - 1] == ' ')
		n--;
	str_cut(&line, n);
	if (cells > 0 && utf8_width(str_slice(&line)) > cells)
		text_add_fit(out, str_slice(&line), cells, false, true);
	else
		str_add_slice(out, str_slice(&line));
	str_add_c(out, '\n');
	str_release(&line);
	str_release(&safe);
}

void table_text(const struct table *t, bool heads, int cells, struct str *out)
{
	int width[TABLE_COLUMNS_MAX];
	for (size_t c = 0; c < t->columns; c++)
		width[c] = width_of(t, c, heads);
	if (heads)
		text_line(t, width, HEAD, cells, out);
	for (size_t r = 0; r < t->rows; r++)
		text_line(t, width, r, cells, out);
}

static bool runs_as_formula(struct slice cell)
{
	double number;
	return cell.n && cell.p[0] && strchr("=+-@\t\r", cell.p[0]) != NULL &&
		!slice_eq_str(cell, "-") && !num_f64(cell, &number);
}

static bool needs_quotes(struct slice cell)
{
	for (size_t i = 0; i < cell.n; i++)
		if (!cell.p[i] || strchr(",\"\r\n", cell.p[i]) != NULL)
			return true;
	return false;
}

static void csv_cell(struct slice cell, bool raw, struct str *out)
{
	bool guard = !raw && runs_as_formula(cell);
	if (!guard && !needs_quotes(cell)) {
		str_add_slice(out, cell);
		return;
	}
	str_add_c(out, '"');
	if (guard)
		str_add_c(out, '\'');
	for (size_t i = 0; i < cell.n; i++) {
		if (cell.p[i] == '"')
			str_add_c(out, '"');
		str_add_c(out, cell.p[i]);
	}
	str_add_c(out, '"');
}

static void csv_line(const struct table *t, size_t row, bool raw, struct str *out)
{
	for (size_t c = 0; c < t->columns; c++) {
		if (c)
			str_add_c(out, ',');
		csv_cell(cell_at(t, row, c), raw, out);
	}
	str_add(out, "\r\n");
}

void table_csv(const struct table *t, bool heads, bool raw, struct str *out)
{
	if (heads)
		csv_line(t, HEAD, raw, out);
	for (size_t r = 0; r < t->rows; r++)
		csv_line(t, r, raw, out);
}
