// SPDX-License-Identifier: MIT
// Lists on the screen: columns that give way by rank when it is narrow, and the match of the
// filter marked.
#include "console/tui/view_list.h"

#include <string.h>
#include "console/tui/theme.h"
#include "shared/text.h"
#include "shared/utf8.h"

// Widths of the columns that fit; 0 for the others. Returns how many did not.
static int fit_columns(const struct view *v, int cells, int *ret)
{
	int n = 0, used = 1, weights = 0, hidden = 0;
	for (; n < VIEW_COLUMNS_MAX && v->columns[n].title != NULL; n++)
		used += (ret[n] = v->columns[n].cells) + 1;
	for (; used > cells + 1 && hidden < n - 1; hidden++) {
		int last = -1;
		for (int i = 0; i < n; i++)
			if (ret[i] > 0 && (last < 0 || v->columns[i].rank >= v->columns[last].rank))
				last = i;
		used -= ret[last] + 1;
		ret[last] = 0;
	}
	for (int i = 0; i < n; i++)
		weights += ret[i] > 0 ? v->columns[i].weight : 0;
	int left = MAX_OF(0, cells - used);
	for (int i = 0; i < n && weights > 0; i++)
		if (ret[i] > 0)
			ret[i] += left * v->columns[i].weight / weights;
	return hidden;
}

static void put_cell(int y, int x, int cells, bool right, enum skin skin, struct slice text)
{
	int wide = utf8_width(text);
	if (right && wide < cells) {
		x += cells - wide;
		cells = wide;
	}
	term_put(y, x, cells, skin, text);
}

// Shows where the filter's text is in a cell that was drawn at x.
static void mark_match(int y, int x, int cells, struct slice text, const char *filter)
{
	const char *at = filter[0] != '\0' ? strcasestr(text.p, filter) : NULL;
	struct slice before = {text.p, at != NULL ? (size_t)(at - text.p) : 0};
	struct slice match = {at, strlen(filter)};
	if (at == NULL || !utf8_valid(before) || !utf8_valid(match))
		return;
	int skip = utf8_width(before);
	if (skip + utf8_width(match) < cells)
		term_put(y, x + skip, utf8_width(match), SKIN_MATCH, match);
}

static void draw_row(const struct view *v, const int *widths, const struct jx *row, int y,
	bool chosen, const struct list_look *look)
{
	struct str s = STR_INIT, safe = STR_INIT;
	if (chosen)
		term_put(y, 0, term_cols(), SKIN_CURSOR, SLICE(">"));
	for (int i = 0, x = 1; i < VIEW_COLUMNS_MAX && v->columns[i].title != NULL; i++) {
		const struct column *c = &v->columns[i];
		enum skin skin = chosen ? SKIN_CURSOR : SKIN_PLAIN;
		str_clear(&s);
		str_clear(&safe);
		view_cell(&s, c, row, look->unicode);
		if (c->kind == CELL_STATE) {
			const struct look *state = look_of(str_text(&s));
			skin = chosen ? SKIN_CURSOR : state->skin;
			if (state->mark != ' ')
				str_addf(&s, " %c", state->mark);
		}
		if (widths[i] == 0)
			continue;
		text_add_safe(&safe, str_slice(&s));
		// sanitized once for its width; what is drawn is sanitized where it is drawn
		bool same = safe.n == s.n;
		put_cell(y, x, widths[i], c->right && same, skin, str_slice(&s));
		if (same && !chosen && !c->right)
			mark_match(y, x, widths[i], slice_of(str_text(&s)), look->filter);
		x += widths[i] + 1;
	}
	str_release(&s);
	str_release(&safe);
}

int view_list_draw(const struct view *v, const struct jx *const *rows, size_t n,
	struct listbox *box, int y, int height, const struct list_look *look)
{
	int widths[VIEW_COLUMNS_MAX] = {0};
	int hidden = fit_columns(v, term_cols(), widths);
	for (int i = 0, x = 1; i < VIEW_COLUMNS_MAX && v->columns[i].title != NULL; i++) {
		if (widths[i] == 0)
			continue;
		put_cell(y, x, widths[i], v->columns[i].right, SKIN_HEAD,
			slice_of(_(v->columns[i].title)));
		x += widths[i] + 1;
	}
	listbox_fit(box, (int)n, height - 1);
	for (int i = 0; i < height - 1 && box->top + i < (int)n; i++)
		draw_row(v, widths, rows[box->top + i], y + 1 + i, box->top + i == box->cursor,
			look);
	return hidden;
}
