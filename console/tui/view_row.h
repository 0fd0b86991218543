// SPDX-License-Identifier: MIT
// Views as rows: what they ask the agent for, which columns they show, and the cells' text.
#ifndef YJ_CONSOLE_TUI_VIEW_ROW_H
#define YJ_CONSOLE_TUI_VIEW_ROW_H

#include "console/tui/keymap.h"
#include "shared/arena.h"
#include "shared/jx.h"
#include "shared/rows/api.h"

#define VIEW_COLUMNS_MAX 12
#define VIEW_ROWS_MAX 4096
#define VIEW_SPARK_CELLS 20

enum cell_kind {
	CELL_TEXT,
	CELL_STATE,
	CELL_INT,
	CELL_NUM,
	CELL_AGE,
	CELL_CLOCK,
	CELL_KEY_REF,
	CELL_INSTANCE,
	CELL_SPARK,
	CELL_NOW,
	CELL_MONEY,
	CELL_LIST,
	CELL_GROUP,
	CELL_PER_MILLION,
	CELL_DATE,
	CELL_WHO,
	CELL_NOTE
};

struct column {
	const char *title, *key; // key: the answer's member, or a path to it: "limits.rpm"
	enum cell_kind kind;
	int cells, weight; // least width; share of what is left
	bool right;
	int rank; // columns of the highest rank go first when the screen is narrow
};

struct view {
	enum view_id id;
	const char *name; // as ':' takes it
	const char *title;
	enum endpoint_id ep; // of the list, EP_COUNT for none
	const char *query; // of the list, NULL none
	const char *state; // member with the row's state, NULL none
	struct column columns[VIEW_COLUMNS_MAX]; // closed by title NULL
};

const struct view *view_row(enum view_id id);
// By name or the beginning of one; NULL when there is none.
const struct view *view_named(struct slice name);
// Rows of an answer, services with their instances behind them; borrowed from list, the array from
// a. At most VIEW_ROWS_MAX.
size_t view_rows(const struct view *v, const struct jx *list, struct arena *a,
	const struct jx ***ret);
void view_cell(struct str *out, const struct column *c, const struct jx *row, bool unicode);
// The row's state, "" when it has none.
const char *view_state(const struct view *v, const struct jx *row);
// "3.75 USD" of one amount or a list of them; several currencies stand side by side.
void view_add_money(struct str *out, const struct jx *money);
// What usage is told apart by: the n-th of them, NULL behind the last.
const char *view_usage_query(size_t n);
// What tells a row from the others.
void view_name(struct str *out, const struct view *v, const struct jx *row);
// Less than, equal to or greater than 0 by this column; numbers as numbers.
int view_compare(const struct column *c, const struct jx *a, const struct jx *b);
// Numbers of a series, the last `max` of them; NAN where there is none.
size_t view_points(const struct jx *row, double *ret, size_t max);

#endif
