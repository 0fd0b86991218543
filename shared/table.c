// SPDX-License-Identifier: MIT
#include "shared/table.h"

#include <stdlib.h>
#include <string.h>

#include "shared/num.h"
#include "shared/text.h"
#include "shared/utf8.h"
#include "shared/vec.h"

struct table {
	char *title[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX];
	size_t columns, rows, at;
	VEC_OF(char *) cell;
};

struct table *table_new(void)
{
	return mem_zalloc(1, sizeof(struct table));
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->columns; i++)
		free(t->title[i]);
	for (size_t i = 0; i < t->cell.n; i++)
		free(t->cell.v[i]);
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
	VEC_PUSH(&t->cell, mem_strndup(text.p, text.n));
	t->at++;
}

static const char *cell_at(const struct table *t, size_t row, size_t col)
{
	size_t i = row * t->columns + col;

	return i < t->cell.n ? t->cell.v[i] : "";
}

static int width_of(const struct table *t, size_t col, bool heads)
{
	int width = heads ? utf8_width(slice_of(t->title[col])) : 0;

	for (size_t r = 0; r < t->rows; r++)
		width = MAX_OF(width, utf8_width(slice_of(cell_at(t, r, col))));
	return width;
}

static void blanks(struct str *out, int n)
{
	for (; n > 0; n--)
		str_add_c(out, ' ');
}

static void text_line(const struct table *t, const int *width, bool head, size_t row, int cells,
	struct str *out)
{
	struct str line = STR_INIT;
	size_t n;

	for (size_t c = 0; c < t->columns; c++) {
		const char *cell = head ? t->title[c] : cell_at(t, row, c);
		int space = width[c] - utf8_width(slice_of(cell));

		if (c)
			str_add(&line, "  ");
		if (t->right[c])
			blanks(&line, space);
		str_add(&line, cell);
		if (!t->right[c])
			blanks(&line, space);
	}
	n = line.n;
	while (n && line.p[n - 1] == ' ')
		n--;
	str_cut(&line, n);
	if (cells > 0 && utf8_width(str_slice(&line)) > cells)
		text_add_fit(out, str_slice(&line), cells, false, true);
	else
		str_add_slice(out, str_slice(&line));
	str_add_c(out, '\n');
	str_release(&line);
}

void table_text(const struct table *t, bool heads, int cells, struct str *out)
{
	int width[TABLE_COLUMNS_MAX];

	for (size_t c = 0; c < t->columns; c++)
		width[c] = width_of(t, c, heads);
	if (heads)
		text_line(t, width, true, 0, cells, out);
	for (size_t r = 0; r < t->rows; r++)
		text_line(t, width, false, r, cells, out);
}

static void csv_cell(const char *cell, bool raw, struct str *out)
{
	double number;
	bool guard = !raw && *cell && strchr("=+-@\t\r", *cell) &&
		     !num_f64(slice_of(cell), &number);

	if (!guard && !strpbrk(cell, ",\"\r\n")) {
		str_add(out, cell);
		return;
	}
	str_add_c(out, '"');
	if (guard)
		str_add_c(out, '\'');
	for (; *cell; cell++) {
		if (*cell == '"')
			str_add_c(out, '"');
		str_add_c(out, *cell);
	}
	str_add_c(out, '"');
}

void table_csv(const struct table *t, bool heads, bool raw, struct str *out)
{
	for (size_t c = 0; heads && c < t->columns; c++) {
		str_add(out, c ? "," : "");
		csv_cell(t->title[c], raw, out);
	}
	if (heads)
		str_add(out, "\r\n");
	for (size_t r = 0; r < t->rows; r++) {
		for (size_t c = 0; c < t->columns; c++) {
			str_add(out, c ? "," : "");
			csv_cell(cell_at(t, r, c), raw, out);
		}
		str_add(out, "\r\n");
	}
}
