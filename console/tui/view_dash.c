// SPDX-License-Identifier: MIT
// The first screen: what runs, what it costs and what is in trouble, as much as the height allows.
#include "console/tui/view_dash.h"

#include <math.h>
#include <string.h>
#include "console/tui/chart.h"
#include "console/tui/theme.h"
#include "console/tui/view_row.h"
#include "shared/clock.h"
#include "shared/refusal.h"
#include "shared/text.h"

#define SPARK_CELLS 30
#define PANEL_ROWS 4 // a line of figures above three of chart
#define PANELS_FROM_ROWS 16
#define SMALL_ROWS 10

#define ALERT_ROWS 3

struct part { // a run of lines from y down to end
	int x, y, end, cells;
};

static void put_state(int y, int x, const char *state)
{
	const struct look *look = look_of(state);
	term_putf(y, x, 12, look->skin, "%s %c", state, look->mark);
}

static void put_num(int y, int x, int cells, double v)
{
	if (isfinite(v))
		term_putf(y, x, cells, SKIN_PLAIN, "%*.*f", cells - 1,
			v < 100 && v != floor(v) ? 1 : 0, v);
	else
		term_putf(y, x, cells, SKIN_PLAIN, "%*s", cells - 1, "-");
}

static const struct figure_line {
	const char *title, *now, *history;
} figures[] = {{N_("req/s"), "rate_1m", "rate"}, {N_("p95 ms"), "p95_ms", "p95_ms"},
	{N_("errors %"), "error_pct_1m", "error_pct"}, {N_("fallback %"), "fallback_pct_1m", NULL}};
#define PANELS 3 // of them are drawn as areas

static void draw_panel(const struct jx *traffic, const struct figure_line *f, struct part p,
	enum chart_style style)
{
	double v[CHART_POINTS_MAX], now = jx_num(jx_get(traffic, f->now), NAN);
	size_t n = view_points(jx_get(jx_get(traffic, "history"), f->history), v, CHART_POINTS_MAX);
	size_t shown = MIN_OF(n, chart_points((size_t)p.cells, style));
	double max = chart_max(v + n - shown, shown);
	struct str s = STR_INIT;
	str_addf(&s, "%s ", _(f->title));
	text_add_si(&s, now);
	if (max > 0) {
		str_add(&s, _("   max "));
		text_add_si(&s, max);
	}
	term_put(p.y, p.x, p.cells, SKIN_HEAD, str_slice(&s));
	for (int row = 0; row < PANEL_ROWS - 1; row++) {
		str_clear(&s);
		chart_row(&s, v, n, (size_t)p.cells, row, PANEL_ROWS - 1, max, style);
		term_put(p.y + 1 + row, p.x, p.cells, SKIN_GOOD, str_slice(&s));
	}
	str_release(&s);
}

static int draw_panels(const struct jx *traffic, int y, enum chart_style style)
{
	int cells = (term_cols() - 1) / PANELS;
	for (int i = 0; i < PANELS; i++)
		draw_panel(traffic, &figures[i], (struct part){1 + i * cells, y, 0, cells - 2},
			style);
	return y + PANEL_ROWS;
}

// All of it in one line, for the smallest screens.
static int draw_line(const struct jx *traffic, int y)
{
	struct str s = STR_INIT;
	for (size_t i = 0; i < PANELS; i++) {
		str_addf(&s, "%s%s ", i > 0 ? "  " : "", _(figures[i].title));
		text_add_si(&s, jx_num(jx_get(traffic, figures[i].now), NAN));
	}
	term_put(y, 1, term_cols(), SKIN_PLAIN, str_slice(&s));
	str_release(&s);
	return y + 1;
}

static int draw_lines(const struct jx *traffic, int y, int end, bool unicode)
{
	for (size_t i = 0; i < ARRAY_LEN(figures) && y < end; i++, y++) {
		const struct figure_line *f = &figures[i];
		double v[SPARK_CELLS];
		struct str s = STR_INIT;
		size_t n = f->history == NULL
			? 0
			: view_points(jx_get(jx_get(traffic, "history"), f->history), v,
				  SPARK_CELLS);
		int cells = MIN_OF(SPARK_CELLS, term_cols() - 23);
		chart_spark(&s, v, n, (size_t)MAX_OF(cells, 0), unicode);
		term_put(y, 1, 11, SKIN_PLAIN, slice_of(_(f->title)));
		put_num(y, 12, 9, jx_num(jx_get(traffic, f->now), NAN));
		term_put(y, 22, cells, SKIN_GOOD, str_slice(&s));
		str_release(&s);
	}
	return y;
}

static int draw_reason(int y, int end, const char *what, const char *state, const char *why)
{
	struct str s = STR_INIT;
	if (y >= end)
		return y;
	str_addf(&s, what, state);
	str_add(&s, why);
	term_put(y, 1, term_cols() - 1, SKIN_BAD, str_slice(&s));
	str_release(&s);
	return y + 1;
}

// Why the agent is degraded, in its words.
static int draw_agent(const struct jx *agent, int y, int end)
{
	const char *reason = jx_str(jx_path(agent, "store.reason"), NULL);
	if (reason != NULL)
		y = draw_reason(y, end, _("! store %s: "),
			jx_str(jx_path(agent, "store.state"), "?"), reason);
	if (jx_bool(jx_get(agent, "sealed"), false))
		y = draw_reason(y, end, _("! %s: "), _("sealed"),
			jx_str(jx_get(agent, "sealed_reason"),
				_("the root key does not open the key store")));
	const char *tls = jx_str(jx_path(agent, "tls.reason"), NULL);
	if (tls != NULL)
		y = draw_reason(y, end, _("! %s: "), "TLS", tls);
	return y;
}

// One line, the most frequent reason first, while requests are refused.
static int draw_refused(const struct jx *refused, int y, int end)
{
	const struct jx *all = jx_get(refused, "by_reason");
	double rate = jx_num(jx_get(refused, "rate_1m"), 0);
	struct str s = STR_INIT;
	if (!(rate > 0) || y >= end)
		return y;
	str_add(&s, _("! refused "));
	text_add_si(&s, rate);
	str_add(&s, "/s");
	for (size_t i = 0; i < jx_len(all); i++) {
		const struct jx *one = jx_at(all, i);
		const struct refusal_row *row = refusal_named(slice_of(jx_str(jx_get(one, "reason"),
			"")));
		if (!(jx_num(jx_get(one, "rate_1m"), 0) > 0))
			continue;
		str_addf(&s, "  %lld %s", (long long)jx_int(jx_get(one, "status"), 0),
			row != NULL ? _(row->text) : jx_str(jx_get(one, "reason"), "?"));
	}
	term_put(y, 1, term_cols() - 1, SKIN_WARN, str_slice(&s));
	str_release(&s);
	return y + 1;
}

static int draw_routes(const struct jx *status, struct part p)
{
	const struct jx *all = jx_get(status, "routes");
	bool wide = p.cells >= 47; // else without a latency, which would be cut
	if (p.y + 1 >= p.end)
		return p.y;
	term_put(p.y, p.x, p.cells, SKIN_HEAD,
		slice_of(wide ? _("2 ROUTES         STATE        REQ/S P95 MS UP")
			      : _("2 ROUTES         STATE       UP  REQ/S")));
	for (size_t i = 0; i < jx_len(all) && ++p.y < p.end; i++) {
		const struct jx *r = jx_at(all, i);
		term_put(p.y, p.x, 16, SKIN_PLAIN, slice_of(jx_str(jx_get(r, "feature"), "?")));
		put_state(p.y, p.x + 17, jx_str(jx_get(r, "state"), "?"));
		put_num(p.y, p.x + (wide ? 29 : 33), wide ? 7 : 6, jx_num(jx_get(r, "rate"), NAN));
		if (wide)
			put_num(p.y, p.x + 36, 7, jx_num(jx_get(r, "p95_ms"), NAN));
		term_putf(p.y, p.x + (wide ? 43 : 29), wide ? p.cells - 43 : 5, SKIN_PLAIN,
			"%lld/%lld", (long long)jx_int(jx_get(r, "candidates_ok"), 0),
			(long long)jx_int(jx_get(r, "candidates"), 0));
	}
	return p.y;
}

// What today has used, and the image tasks under way.
static void draw_today(const struct jx *status, struct part p)
{
	static const char *const states[] = {"queued", "running", "outcome_unknown"},
				 *const words[] = {N_("queued"), N_("running"), N_("unknown")};
	const struct jx *today = jx_path(status, "usage.today"), *tasks = jx_get(status, "tasks");
	struct str s = STR_INIT;
	if (today != NULL && p.y < p.end) {
		str_addf(&s, _("9 TODAY %lld req  "),
			(long long)jx_int(jx_get(today, "requests"), 0));
		text_add_si(&s,
			(double)(jx_int(jx_get(today, "tokens_in"), 0) +
				jx_int(jx_get(today, "tokens_out"), 0)));
		str_add(&s, _(" tok  "));
		view_add_money(&s, jx_get(today, "cost"));
		term_put(p.y++, p.x, p.cells, SKIN_HEAD, str_slice(&s));
		int64_t unpriced = jx_int(jx_get(today, "cost_unknown"), 0);
		if (unpriced > 0 && p.y < p.end)
			term_putf(p.y++, p.x, p.cells, SKIN_HEAD,
				_("  of them at an unknown price: %lld"), (long long)unpriced);
	}
	str_clear(&s);
	str_add(&s, _("8 IMAGE TASKS"));
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		str_addf(&s, "  %lld %s", (long long)jx_int(jx_get(tasks, states[i]), 0),
			_(words[i]));
	if (tasks != NULL && p.y < p.end)
		term_put(p.y, p.x, p.cells, SKIN_HEAD, str_slice(&s));
	str_release(&s);
}

static int draw_counts(const struct jx *counts, const char *title, struct part p)
{
	struct str s = STR_INIT;
	void *it = NULL;
	str_addf(&s, "%s %lld ", title, (long long)jx_int(jx_get(counts, "total"), 0));
	const struct jx *n;
	const char *word;
	while (jx_next(jx_get(counts, "by_state"), &it, &word, &n))
		str_addf(&s, " %lld %s", (long long)jx_int(n, 0), word);
	if (p.y < p.end)
		term_put(p.y, p.x, p.cells, SKIN_HEAD, str_slice(&s));
	str_release(&s);
	return p.y + 1;
}

static int draw_problems(const struct jx *counts, const char *name, struct part p)
{
	const struct jx *all = jx_get(counts, "problems");
	for (size_t i = 0; i < jx_len(all) && p.y < p.end; i++, p.y++) {
		const char *state = jx_str(jx_path(jx_at(all, i), "state"), "?");
		term_putf(p.y, p.x, p.cells, look_of(state)->skin, "%c %s  %s",
			look_of(state)->mark, state, jx_str(jx_get(jx_at(all, i), name), "?"));
	}
	return p.y;
}

static void draw_services(const struct jx *status, struct part p)
{
	const struct jx *all = jx_get(status, "services");
	if (p.y + 1 >= p.end)
		return;
	term_put(p.y, p.x, p.cells, SKIN_HEAD, slice_of(_("4 SERVICES       STATE")));
	p.y++;
	for (size_t i = 0; i < jx_len(all) && p.y < p.end; i++, p.y++) {
		term_put(p.y, p.x, 16, SKIN_PLAIN,
			slice_of(jx_str(jx_path(jx_at(all, i), "service"), "?")));
		put_state(p.y, p.x + 17, jx_str(jx_path(jx_at(all, i), "state"), "?"));
	}
	p.y = draw_counts(jx_get(status, "instances"), _("instances"), p);
	p.y = draw_problems(jx_get(status, "instances"), "instance", p) + 1;
	p.y = draw_counts(jx_get(status, "keys"), _("3 KEYS"), p);
	draw_problems(jx_get(status, "keys"), "key", p);
}

// The lowest lines are the alerts'. Returns how many they take.
static int draw_alerts(const struct jx *status, int y, int height)
{
	const struct jx *all = jx_path(status, "alerts.items");
	int firing = (int)jx_int(jx_path(status, "alerts.firing"), 0);
	int rows = MIN_OF(MIN_OF((int)jx_len(all), ALERT_ROWS), height / 5);
	if (firing == 0 || rows == 0)
		return 0;
	int at = y + height - rows - 1;
	term_putf(at++, 1, term_cols(), SKIN_HEAD, _("7 ALERTS %d  %d acked"), firing,
		(int)jx_int(jx_path(status, "alerts.acked"), 0));
	for (int i = 0; i < rows; i++) {
		const struct jx *al = jx_at(all, (size_t)i);
		const char *state = jx_str(jx_get(al, "state"), "");
		const char *severity = jx_str(jx_get(al, "severity"), "");
		const struct look *look = look_of(strcmp(state, "acked") == 0 ? state : severity);
		term_putf(at++, 1, term_cols(), look->skin, "%c %s", look->mark,
			jx_str(jx_get(al, "message"), "?"));
	}
	return rows + 1;
}

void view_dash_draw(const struct jx *status, int y, int height, enum chart_style style)
{
	int end = y + height, cols = term_cols();
	bool narrow = cols < 78;
	if (status == NULL) {
		term_put(y, 1, cols, SKIN_DIM, slice_of(_("waiting for the agent's first answer")));
		return;
	}
	const struct jx *traffic = jx_get(status, "traffic");
	int lowest = draw_alerts(status, y, height);
	end -= lowest;
	y = draw_agent(jx_get(status, "agent"), y, end);
	height = end - y;
	if (!narrow && height >= PANELS_FROM_ROWS)
		y = draw_panels(traffic, y, style);
	else if (height < SMALL_ROWS)
		y = draw_line(traffic, y);
	else
		y = draw_lines(traffic, y, end, style != CHART_ASCII);
	y = draw_refused(jx_get(status, "refused"), y, end);
	if (height >= SMALL_ROWS)
		term_rule(y < end ? y++ : -1);
	int half = narrow ? cols - 1 : 49;
	size_t routes = jx_len(jx_get(status, "routes"));
	int below = draw_routes(status, (struct part){1, y, end, half});
	if (!narrow)
		draw_today(status, (struct part){1, below + 2, end, half});
	if (narrow)
		draw_services(status,
			(struct part){1, y + (int)MIN_OF(routes, 100u) + 2, end, half});
	else
		draw_services(status, (struct part){51, y, end, cols - 52});
}

size_t view_dash_problems(const struct jx *status)
{
	const struct jx *routes = jx_get(status, "routes");
	size_t n = (size_t)jx_int(jx_path(status, "alerts.firing"), 0) -
		(size_t)jx_int(jx_path(status, "alerts.acked"), 0);
	n += jx_len(jx_path(status, "keys.problems")) +
		jx_len(jx_path(status, "instances.problems"));
	for (size_t i = 0; i < jx_len(routes); i++)
		n += look_of(jx_str(jx_path(jx_at(routes, i), "state"), ""))->mark != ' ';
	return n;
}
