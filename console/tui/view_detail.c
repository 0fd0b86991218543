// SPDX-License-Identifier: MIT
// Everything known of one row, and the steps of one decision, a line each.
#include "console/tui/view_detail.h"

#include <stdio.h>
#include <string.h>
#include "console/tui/theme.h"
#include "shared/text.h"

#define NAME_CELLS 22
#define CHART_LABEL_CELLS 9
#define DEPTH_MAX 4 // of nested members; deeper ones stand as JSON

// ---- the chart of a figure ----

// Returns the rows it took.
static int draw_chart(const struct jx *row, int y, int height, enum chart_style style)
{
	static double
		v[CHART_POINTS_MAX]; // too large for a small stack; the console has one thread
	size_t n = view_points(row, v, CHART_POINTS_MAX);
	int rows = MIN_OF(height - 3, 12), cells = term_cols() - CHART_LABEL_CELLS - 2;
	if (n == 0 || rows < 2 || cells < 8)
		return 0;
	size_t shown = MIN_OF(chart_points((size_t)cells, style), n);
	double max = chart_max(v + n - shown, shown);
	struct str s = STR_INIT, label = STR_INIT;
	for (int i = 0; i < rows; i++) {
		str_clear(&s);
		str_clear(&label);
		if (i == 0)
			text_add_si(&label, max);
		else if (i == rows / 2)
			text_add_si(&label, max * (rows - i) / rows);
		else if (i == rows - 1)
			str_add(&label, "0");
		chart_row(&s, v, n, (size_t)cells, i, rows, max, style);
		term_putf(y + i, 1, CHART_LABEL_CELLS, SKIN_DIM, "%*s", CHART_LABEL_CELLS - 1,
			str_text(&label));
		term_put(y + i, CHART_LABEL_CELLS + 1, cells, SKIN_GOOD, str_slice(&s));
	}
	str_release(&s);
	str_release(&label);
	int step = (int)jx_int(jx_get(row, "step_s"), 0);
	term_putf(y + rows, CHART_LABEL_CELLS + 1, cells, SKIN_DIM,
		_("%s, a step is %d s, %zu min up to now at the right"),
		jx_str(jx_get(row, "unit"), ""), step, shown * (size_t)step / 60);
	return rows + 2;
}

// ---- the sheet ----

struct sheet {
	int y, end, line, top;
};

static void put_line(struct sheet *s, int depth, const char *name, struct slice value)
{
	int at = s->y + s->line++ - s->top;
	if (at < s->y || at >= s->end)
		return;
	term_put(at, 1 + 2 * depth, NAME_CELLS - 2 * depth, SKIN_DIM, slice_of(name));
	term_put(at, NAME_CELLS + 2, term_cols(), SKIN_PLAIN, value);
}

static bool is_flat(const struct jx *list)
{
	for (size_t i = 0; i < jx_len(list); i++)
		if (jx_is_obj(jx_at(list, i)) || jx_is_arr(jx_at(list, i)))
			return false;
	return true;
}

static void add_value(struct str *out, const struct jx *v)
{
	if (jx_is_str(v))
		str_add(out, jx_str(v, ""));
	else if (jx_is_arr(v) && is_flat(v))
		for (size_t i = 0; i < jx_len(v); i++) {
			str_add(out, i > 0 ? ", " : "");
			add_value(out, jx_at(v, i));
		}
	else
		jx_write(v, 0, out);
}

static void put_members(struct sheet *s, int depth, const struct jx *obj);

static void put_value(struct sheet *s, int depth, const char *name, const struct jx *v)
{
	struct str text = STR_INIT;
	if (s->line >= DETAIL_LINES_MAX || jx_is_null(v))
		return;
	char item[80];
	if (jx_is_obj(v) && depth < DEPTH_MAX) {
		put_line(s, depth, name, SLICE(""));
		put_members(s, depth + 1, v);
	} else if (jx_is_arr(v) && !is_flat(v) && depth < DEPTH_MAX) {
		for (size_t i = 0; i < jx_len(v); i++) {
			snprintf(item, sizeof(item), "%s %zu", name, i + 1);
			put_value(s, depth, item, jx_at(v, i));
		}
	} else {
		add_value(&text, v);
		put_line(s, depth, name, str_slice(&text));
	}
	str_release(&text);
}

static void put_members(struct sheet *s, int depth, const struct jx *obj)
{
	const char *key;
	const struct jx *value;
	void *it = NULL;
	while (jx_next(obj, &it, &key, &value))
		if (strcmp(key, "points") != 0 && strcmp(key, "instances") != 0)
			put_value(s, depth, key, value);
}

void view_detail_draw(const struct view *v, const struct jx *row, int y, int height, int *top,
	enum chart_style style)
{
	int end = y + height;
	if (v->id == VIEW_METRICS)
		y += draw_chart(row, y, height, style);
	struct sheet count = {y, y, 0, 0}; // draws nothing
	put_members(&count, 0, row);
	*top = MAX_OF(0, MIN_OF(*top, count.line - (end - y)));
	struct sheet s = {y, end, 0, *top};
	put_members(&s, 0, row);
	if (s.line >= DETAIL_LINES_MAX)
		put_line(&s, 0, _("more"),
			slice_of(_("the rest is in the command line's -o json")));
}

// ---- a decision ----

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
