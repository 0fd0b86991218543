// SPDX-License-Identifier: MIT
#include "console/view_list.h"

#include <string.h>
#include "console/chart.h"
#include "console/theme.h"
#include "shared/text.h"
#include "shared/utf8.h"

#define NAME_CELLS 20
#define CHART_LABEL_CELLS 9

// Widths of the columns that fit; 0 for the others. Returns how many did not.
static int fit_columns(const struct view *v, int cells, int *ret)
{
	int n = 0, used = 1, weights = 0, hidden = 0;
	for (; n < VIEW_COLUMNS_MAX && v->columns[n].title != NULL; n++) {
		const struct column *c = &v->columns[n];
		bool fits = hidden == 0 && (n == 0 || used + c->cells + 1 <= cells);
		ret[n] = fits ? c->cells : 0;
		hidden += !fits;
		used += fits ? c->cells + 1 : 0;
		weights += fits ? c->weight : 0;
	}
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

static void draw_row(const struct view *v, const int *widths, const struct jx *row, int y,
	bool chosen, bool unicode)
{
	struct str s = STR_INIT, safe = STR_INIT;
	if (chosen)
		term_put(y, 0, term_cols(), SKIN_CURSOR, SLICE(">"));
	for (int i = 0, x = 1; i < VIEW_COLUMNS_MAX && v->columns[i].title != NULL; i++) {
		const struct column *c = &v->columns[i];
		enum skin skin = chosen ? SKIN_CURSOR : SKIN_PLAIN;
		str_clear(&s);
		str_clear(&safe);
		view_cell(&s, c, row, unicode);
		if (c->kind == CELL_STATE) {
			const struct look *look = look_of(str_text(&s));
			skin = chosen ? SKIN_CURSOR : look->skin;
			if (look->mark != ' ')
				str_addf(&s, " %c", look->mark);
		}
		if (widths[i] == 0)
			continue;
		text_add_safe(&safe, str_slice(&s));
		// sanitized once for its width; what is drawn is sanitized where it is drawn
		bool same = safe.n == s.n;
		put_cell(y, x, widths[i], c->right && same, skin, str_slice(&s));
		x += widths[i] + 1;
	}
	str_release(&s);
	str_release(&safe);
}

int view_list_draw(const struct view *v, const struct jx *const *rows, size_t n,
	struct listbox *box, int y, int height, bool unicode)
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
			unicode);
	return hidden;
}

// Returns the rows it took.
static int draw_chart(const struct jx *row, int y, int height, bool unicode)
{
	static double v[CHART_POINTS_MAX]; // too large for a small stack; the console has one thread
	size_t n = view_points(row, v, CHART_POINTS_MAX);
	int rows = MIN_OF(height - 3, 12), cells = term_cols() - CHART_LABEL_CELLS - 2;
	if (n == 0 || rows < 2 || cells < 8)
		return 0;
	size_t first = n > (size_t)cells ? n - (size_t)cells : 0;
	double max = chart_max(v + first, n - first);
	struct str s = STR_INIT, label = STR_INIT;
	for (int i = 0; i < rows; i++) {
		str_clear(&s);
		str_clear(&label);
		if (i == 0)
			text_add_si(&label, max);
		else if (i == rows - 1)
			str_add(&label, "0");
		chart_row(&s, v, n, (size_t)cells, i, rows, max, unicode);
		put_cell(y + i, 1, CHART_LABEL_CELLS - 1, true, SKIN_DIM, str_slice(&label));
		term_put(y + i, CHART_LABEL_CELLS + 1, cells, SKIN_GOOD, str_slice(&s));
	}
	str_release(&s);
	str_release(&label);
	term_putf(y + rows, CHART_LABEL_CELLS + 1, cells, SKIN_DIM, _("%s, a step is %d s, now at the right"),
		jx_str(jx_get(row, "unit"), ""), (int)jx_int(jx_get(row, "step_s"), 0));
	return rows + 2;
}

void view_detail_draw(const struct view *v, const struct jx *row, int y, int height, bool unicode)
{
	const char *key;
	const struct jx *value;
	void *it = NULL;
	int end = y + height;
	if (v->id == VIEW_METRICS)
		y += draw_chart(row, y, height, unicode);
	struct str s = STR_INIT;
	while (y < end && jx_next(row, &it, &key, &value)) {
		if (strcmp(key, "points") == 0 || strcmp(key, "instances") == 0 || jx_is_null(value))
			continue;
		str_clear(&s);
		if (jx_is_str(value))
			str_add(&s, jx_str(value, ""));
		else
			jx_write(value, 0, &s);
		term_put(y, 1, NAME_CELLS, SKIN_DIM, slice_of(key));
		term_put(y, NAME_CELLS + 2, term_cols(), SKIN_PLAIN, str_slice(&s));
		y++;
	}
	str_release(&s);
}

static void draw_candidate(const struct jx *c, int y)
{
	const struct jx *skip = jx_path(c, "skips[0]"), *seen = jx_get(c, "evidence");
	const char *target = jx_str(jx_get(c, "target"), "?");
	int wide = MIN_OF(40, term_cols() / 2);
	term_put(y, 3, wide, SKIN_PLAIN, slice_of(target));
	if (skip != NULL)
		term_putf(y, wide + 4, term_cols(), SKIN_WARN, _("out: %s  %s"),
			jx_str(jx_get(skip, "code"), "?"), jx_str(jx_get(skip, "detail"), ""));
	else
		term_putf(y, wide + 4, term_cols(), SKIN_GOOD,
			_("in: order %lld  tier %s  weight %lld  busy %lld"),
			(long long)jx_int(jx_get(c, "order"), 0), jx_str(jx_get(c, "tier"), "-"),
			(long long)jx_int(jx_get(c, "weight"), 0),
			(long long)jx_int(jx_get(seen, "inflight"), 0));
}

void view_explain_draw(const struct jx *d, int y, int height)
{
	int end = y + height;
	const struct jx *all = jx_get(d, "candidates"), *next = jx_get(d, "fallback");
	term_putf(y++, 1, term_cols(), SKIN_DIM, "%s",
		_("dry run: no vendor is called, nothing is billed"));
	term_putf(y++, 1, term_cols(), SKIN_PLAIN, _("1 request    feature %s, revision %lld"),
		jx_str(jx_get(d, "feature"), "?"), (long long)jx_int(jx_get(d, "revision"), 0));
	term_putf(y++, 1, term_cols(), SKIN_PLAIN, _("2 policy     %s"),
		jx_str(jx_path(d, "policy.strategy"), "?"));
	term_putf(y++, 1, term_cols(), SKIN_PLAIN, _("3 candidates %zu"), jx_len(all));
	for (size_t i = 0; i < jx_len(all) && y < end - 3; i++)
		draw_candidate(jx_at(all, i), y++);
	if (jx_is_obj(jx_get(d, "chosen")))
		term_putf(y++, 1, term_cols(), SKIN_HEAD, _("4 chosen     %s, because %s"),
			jx_str(jx_path(d, "chosen.target"), "?"),
			jx_str(jx_path(d, "chosen.reason"), "?"));
	else
		term_putf(y++, 1, term_cols(), SKIN_BAD, "%s", _("4 chosen     none can take it"));
	for (size_t i = 0; i < jx_len(next) && y < end; i++)
		term_putf(y++, 1, term_cols(), SKIN_PLAIN, _("%s %s"),
			i == 0 ? _("5 then      ") : "            ", jx_str(jx_at(next, i), "?"));
}
