// SPDX-License-Identifier: MIT
// Rows and columns of text as an aligned terminal table or as CSV (RFC 4180). Cells may hold any
// bytes: a table shows them by text_add_safe, CSV keeps them.
#ifndef YJ_SHARED_TABLE_H
#define YJ_SHARED_TABLE_H

#include "shared/str.h"

#define TABLE_COLUMNS_MAX 64

struct table;

struct table *table_new(void);
void table_free(struct table *t);
// All columns come before the first row.
void table_column(struct table *t, const char *title, bool right);
// How much the newest column matters, above 0: where a line has no room for all, the lightest are
// left out first, the others are cut where it costs least, and a last line names what is not there.
// Without any, lines are cut at their end.
void table_weight(struct table *t, int weight);
// Draws with ASCII only: for terminals of another charset.
void table_ascii(struct table *t);
// Titles in bold, and what table_paint says.
void table_color(struct table *t);
void table_row(struct table *t);
// The row's next cell; copied.
void table_cell(struct table *t, struct slice text);
// The newest cell's colour, an SGR parameter such as "31"; a constant. NULL: none.
void table_paint(struct table *t, const char *sgr);
// Two blanks between columns, nothing behind the last. cells > 0 cuts lines to that width.
void table_text(const struct table *t, bool heads, int cells, struct str *out);
// CRLF lines; a cell that begins with = + - @ TAB CR gets a leading ' unless raw, so that no
// spreadsheet runs it. Numbers and a lone - stay as they are.
void table_csv(const struct table *t, bool heads, bool raw, struct str *out);

#endif
