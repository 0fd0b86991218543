// SPDX-License-Identifier: MIT
// Keeps a cursor inside a list that changes under it, and the window around the cursor.
#include "console/tui/listbox.h"

void listbox_fit(struct listbox *b, int n, int height)
{
	height = MAX_OF(height, 1);
	b->cursor = MAX_OF(0, MIN_OF(b->cursor, n - 1));
	if (b->cursor < b->top)
		b->top = b->cursor;
	if (b->cursor >= b->top + height)
		b->top = b->cursor - height + 1;
	b->top = MAX_OF(0, MIN_OF(b->top, n - height));
}

void listbox_move(struct listbox *b, int by, int n)
{
	int64_t to = (int64_t)b->cursor + by;
	b->cursor = (int)MAX_OF(0, MIN_OF(to, (int64_t)n - 1));
}
