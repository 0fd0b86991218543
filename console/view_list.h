// SPDX-License-Identifier: MIT
// Draws a view's rows, the sheet of one row, and a decision step by step.
#ifndef YJ_CONSOLE_VIEW_LIST_H
#define YJ_CONSOLE_VIEW_LIST_H

#include "console/listbox.h"
#include "console/view_row.h"

// Rows y..y+height-1: heads, then rows around the cursor. Returns how many columns did not fit.
int view_list_draw(const struct view *v, const struct jx *const *rows, size_t n,
	struct listbox *box, int y, int height, bool unicode);
// Every member of the row, a line each; a figure also as a chart.
void view_detail_draw(const struct view *v, const struct jx *row, int y, int height, bool unicode);
void view_explain_draw(const struct jx *decision, int y, int height);

#endif
