// SPDX-License-Identifier: MIT
// CSV comes back cell by cell, no spreadsheet runs a cell of it, and the same cells as a table are
// lines of the asked width that move no cursor.
#include <stdlib.h>
#include <string.h>
#include "shared/num.h"
#include "shared/table.h"
#include "shared/utf8.h"

#define COLUMNS 3

// RFC 4180; false at the end.
static bool next_cell(struct slice *in, struct str *ret)
{
	bool quoted = in->n && in->p[0] == '"';
	size_t i = quoted;
	str_clear(ret);
	if (!in->n)
		return false;
	for (; i < in->n; i++) {
		char c = in->p[i];
		if (quoted && c == '"' && i + 1 < in->n && in->p[i + 1] == '"') {
			i++;
		} else if (quoted && c == '"') {
			i++;
			break;
		} else if (!quoted && (c == ',' || c == '\r')) {
			break;
		} else if (!quoted && (c == '"' || c == '\n')) {
			abort();
		}
		str_add_c(ret, c);
	}
	if (i < in->n && in->p[i] == '\r' && ++i < in->n && in->p[i] != '\n')
		abort();
	else if (i == in->n || (in->p[i] != ',' && in->p[i] != '\n'))
		abort();
	in->p += i + 1;
	in->n -= i + 1;
	return true;
}

static void csv_comes_back(const struct table *t, struct slice cells, bool raw)
{
	struct str out = STR_INIT, cell = STR_INIT;
	struct slice in;
	double number;
	table_csv(t, false, raw, &out);
	in = str_slice(&out);
	while (next_cell(&in, &cell)) {
		struct slice want = cells.p ? slice_cut(&cells, 0) : SLICE(""),
			     got = str_slice(&cell);
		if (!raw && got.n && strchr("=+-@\t\r", got.p[0]) && got.p[0] && got.n > 1 &&
			!num_f64(got, &number))
			abort();
		if (!raw && got.n && got.p[0] == '\'' && !slice_eq(got, want))
			got.p++, got.n--;
		if (!slice_eq(got, want))
			abort();
	}
	str_release(&out);
	str_release(&cell);
}

static void text_is_safe(const struct table *t, int cells)
{
	struct str out = STR_INIT;
	struct slice rest;
	table_text(t, true, cells, &out);
	rest = str_slice(&out);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		if (cells && utf8_width(line) > cells)
			abort();
		while (line.n) {
			uint32_t cp;
			size_t len = utf8_decode(line.p, line.n, &cp);
			if (!len || utf8_is_unsafe(cp))
				abort();
			line.p += len;
			line.n -= len;
		}
	}
	str_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct table *t = table_new();
	struct slice cells = {(const char *)p, n}, rest = cells;
	for (size_t i = 0; i < COLUMNS; i++)
		table_column(t, "TITLE", i == 1);
	for (size_t i = 0; rest.n; i++) {
		if (i % COLUMNS == 0)
			table_row(t);
		table_cell(t, slice_cut(&rest, 0));
	}
	csv_comes_back(t, cells, false);
	csv_comes_back(t, cells, true);
	text_is_safe(t, n ? p[0] % 60 : 0);
	table_free(t);
	return 0;
}
