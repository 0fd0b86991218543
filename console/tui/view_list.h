// SPDX-License-Identifier: MIT
// Draws a view's rows.
#ifndef YJ_CONSOLE_TUI_VIEW_LIST_H
#define YJ_CONSOLE_TUI_VIEW_LIST_H

#include "console/tui/listbox.h"
#include "console/tui/view_row.h"

struct list_look {
	bool unicode;
	const char *filter; // shown where it matches; "" none
};

// Rows y..y+height-1: heads, then rows around the cursor. Returns how many columns did not fit.
int view_list_draw(const struct view *v, const struct jx *const *rows, size_t n,
	struct listbox *box, int y, int height, const struct list_look *look);

#endif
