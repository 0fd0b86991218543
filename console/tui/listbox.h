// SPDX-License-Identifier: MIT
// A cursor over rows of which a window is shown.
#ifndef YJ_CONSOLE_TUI_LISTBOX_H
#define YJ_CONSOLE_TUI_LISTBOX_H

#include "shared/base.h"

struct listbox {
	int cursor, top;
};

// Keeps the cursor inside n rows and the window of `height` around it; n == 0 gives cursor 0.
void listbox_fit(struct listbox *b, int n, int height);
void listbox_move(struct listbox *b, int by, int n);

#endif
