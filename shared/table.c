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
	const char *sgr; // borrowed; NULL: as the rest
};

struct table {
	char *title[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX];
	int weight[TABLE_COLUMNS_MAX];
	bool weighted, ascii, color;
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

void table_weight(struct table *t, int weight)
{
	if (t->columns == 0)
		return;
	t->weight[t->columns - 1] = weight;
	t->weighted = true;
}

void table_ascii(struct table *t)
{
	t->ascii = true;
}

void table_color(struct table *t)
{
	t->color = true;
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
	VEC_PUSH(&t->cell, ((struct cell){mem_strndup(text.p, text.n), text.n, NULL}));
	t->at++;
}

void table_paint(struct table *t, const char *sgr)
{
	if (t->cell.n > 0)
		t->cell.v[t->cell.n - 1].sgr = sgr;
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

#define FLOOR 12 // cells a text keeps when it is cut
#define FLOOR_FIRST 20 // the name of the row
#define GAP 2

struct layout {
	int width[TABLE_COLUMNS_MAX]; // 0: left out
	size_t shown;
	bool cut; // lines are cut at their end
};

// What a column cannot do without. Figures and the heaviest column are whole or not there.
static int floor_of(const struct table *t, size_t col, int width)
{
	int heaviest = 0;
	for (size_t c = 0; c < t->columns; c++)
		heaviest = MAX_OF(heaviest, t->weight[c]);
	if (t->right[col] || t->weight[col] == heaviest)
		return width;
	return MIN_OF(width, col == 0 ? FLOOR_FIRST : FLOOR);
}

static size_t lightest(const struct table *t, const struct layout *l)
{
	size_t ret = SIZE_MAX;
	for (size_t c = 0; c < t->columns; c++)
		if (l->width[c] > 0 && (ret == SIZE_MAX || t->weight[c] <= t->weight[ret]))
			ret = c;
	return ret;
}

static int total(const struct table *t, const struct layout *l, bool floors)
{
	int sum = -GAP;
	for (size_t c = 0; c < t->columns; c++)
		if (l->width[c] > 0)
			sum += GAP + (floors ? floor_of(t, c, l->width[c]) : l->width[c]);
	return sum;
}

// Takes a cell from the widest column that has one to give.
static bool shrink(const struct table *t, struct layout *l)
{
	size_t widest = SIZE_MAX;
	for (size_t c = 0; c < t->columns; c++)
		if (l->width[c] > 0 && floor_of(t, c, l->width[c]) < l->width[c] &&
			(widest == SIZE_MAX || l->width[c] > l->width[widest]))
			widest = c;
	if (widest == SIZE_MAX)
		return false;
	l->width[widest]--;
	return true;
}

static struct layout lay_out(const struct table *t, bool heads, int cells)
{
	struct layout l = {.shown = t->columns};
	for (size_t c = 0; c < t->columns; c++)
		l.width[c] = MAX_OF(width_of(t, c, heads), 1);
	l.cut = cells > 0 && !t->weighted;
	if (cells <= 0 || l.cut)
		return l;
	while (l.shown > 1 && total(t, &l, true) > cells) {
		l.width[lightest(t, &l)] = 0;
		l.shown--;
	}
	while (total(t, &l, false) > cells && shrink(t, &l))
		;
	l.cut = total(t, &l, false) > cells;
	return l;
}

// A name keeps both its ends, since many differ in the last letters alone; other texts their beginning.
static void add_cut(const struct table *t, struct slice text, int cells, struct str *out)
{
	int all = utf8_width(text), head = cells, taken;
	if (all <= cells) {
		str_add_slice(out, text);
		return;
	}
	if (slice_find(text, ' ') >= 0 || cells < 8) {
		text_add_fit(out, text, cells, false, !t->ascii);
		return;
	}
	head = cells / 2;
	str_add_n(out, text.p, utf8_fit(text, head, &taken));
	str_add(out, t->ascii ? "~" : "\u2026");
	int skip = all - (cells - 1 - taken), from_cells;
	size_t from = utf8_fit(text, skip, &from_cells);
	uint32_t cp;
	if (from_cells < skip && from < text.n) // a wide letter stands across the edge
		from += utf8_decode(text.p + from, text.n - from, &cp);
	str_add_n(out, text.p + from, text.n - from);
}

static void add_painted(const char *sgr, struct slice text, struct str *out)
{
	if (sgr != NULL && text.n > 0)
		str_addf(out, "\x1b[%sm%.*s\x1b[0m", sgr, SLICE_FMT(text));
	else
		str_add_slice(out, text);
}

static void text_line(const struct table *t, const struct layout *l, size_t row, int cells,
	struct str *out)
{
	struct str line = STR_INIT, safe = STR_INIT, cut = STR_INIT;
	size_t begin = out->n, last = 0;
	int blank = 0; // owed, but not at the end of a line
	for (size_t c = 0; c < t->columns; c++)
		last = l->width[c] > 0 ? c : last;
	for (size_t c = 0; c <= last; c++) {
		if (l->width[c] == 0)
			continue;
		str_clear(&cut);
		add_cut(t, safe_at(t, row, c, &safe), l->width[c], &cut);
		int space = l->width[c] - utf8_width(str_slice(&cut));
		size_t i = row * t->columns + c;
		const char *sgr = !t->color ? NULL
			: row == HEAD	    ? "1"
			: i < t->cell.n	    ? t->cell.v[i].sgr
					    : NULL;
		blank += t->right[c] ? space : 0;
		if (cut.n > 0) {
			blanks(&line, blank);
			add_painted(l->cut ? NULL : sgr, str_slice(&cut), &line);
			blank = 0;
		}
		blank += (t->right[c] ? 0 : space) + GAP;
	}
	if (l->cut && utf8_width(str_slice(&line)) > cells)
		text_add_fit(out, str_slice(&line), cells, false, !t->ascii);
	else
		str_add_slice(out, str_slice(&line));
	while (out->n > begin && out->p[out->n - 1] == ' ')
		str_cut(out, out->n - 1);
	str_add_c(out, '\n');
	str_release(&line);
	str_release(&safe);
	str_release(&cut);
}

static void left_out(const struct table *t, const struct layout *l, int cells, struct str *out)
{
	struct str line = STR_INIT, safe = STR_INIT;
	for (size_t c = 0; c < t->columns; c++)
		if (l->width[c] == 0)
			str_addf(&line, "%s%.*s", line.n ? ", " : "",
				SLICE_FMT(safe_at(t, HEAD, c, &safe)));
	struct str whole = STR_INIT;
	str_addf(&whole, _("+%zu columns: %s"), t->columns - l->shown, str_text(&line));
	text_add_fit(out, str_slice(&whole), cells, false, !t->ascii);
	str_add_c(out, '\n');
	str_release(&whole);
	str_release(&line);
	str_release(&safe);
}

void table_text(const struct table *t, bool heads, int cells, struct str *out)
{
	struct layout l = lay_out(t, heads, cells);
	if (heads)
		text_line(t, &l, HEAD, cells, out);
	for (size_t r = 0; r < t->rows; r++)
		text_line(t, &l, r, cells, out);
	if (heads && l.shown < t->columns)
		left_out(t, &l, cells, out);
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
