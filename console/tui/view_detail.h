// SPDX-License-Identifier: MIT
// The sheet of one row, and a decision step by step.
#ifndef YJ_CONSOLE_TUI_VIEW_DETAIL_H
#define YJ_CONSOLE_TUI_VIEW_DETAIL_H

#include "console/tui/chart.h"
#include "console/tui/view_row.h"

#define DETAIL_LINES_MAX 400 // of a sheet; a longer row ends with a word of it

// Every member of the row, nested ones too, a line each from line *top on, which is kept inside
// the sheet; a figure also as a chart. Rows y..y+height-1.
void view_detail_draw(const struct view *v, const struct jx *row, int y, int height, int *top,
	enum chart_style style);
// The steps of a dry run.
void view_explain_draw(const struct jx *decision, int y, int height);

#endif
