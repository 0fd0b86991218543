// SPDX-License-Identifier: MIT
#include "console/view_row.h"

#include <math.h>
#include <string.h>
#include <strings.h>
#include "console/chart.h"
#include "shared/clock.h"
#include "shared/text.h"

static const struct view views[VIEW_COUNT] = {
	{VIEW_DASHBOARD, "dashboard", N_("Dashboard"), "", NULL, {{0}}},
	{VIEW_ROUTES, "routes", N_("Routes"), "/api/v1/routes", "state", {
		{N_("FEATURE"), "feature", CELL_TEXT, 14, 1, false, 5},
		{N_("TARGET"), "target", CELL_TEXT, 18, 3, false},
		{N_("STATE"), "state", CELL_STATE, 11, 0, false},
		{N_("REQ/S"), "rate", CELL_NUM, 6, 0, true, 2},
		{N_("P95 MS"), "p95_ms", CELL_NUM, 7, 0, true, 1},
		{N_("ERR%"), "error_pct", CELL_NUM, 5, 0, true, 3},
		{N_("WEIGHT"), "weight", CELL_INT, 6, 0, true, 4},
		{N_("TIER"), "tier", CELL_TEXT, 9, 0, false, 7},
		{N_("BUSY"), "inflight", CELL_INT, 5, 0, true, 6}}},
	{VIEW_KEYS, "keys", N_("Keys"), "/api/v1/keys", "state", {
		{N_("KEY"), "id", CELL_KEY_REF, 18, 3, false},
		{N_("STATE"), "state", CELL_STATE, 11, 0, false},
		{N_("NAME"), "key_name", CELL_TEXT, 12, 2, false, 4},
		{N_("TIER"), "tier", CELL_TEXT, 9, 0, false, 2},
		{N_("SECRET"), "api_key_masked", CELL_TEXT, 12, 0, false, 3},
		{N_("USED"), "last_used_at", CELL_AGE, 5, 0, true, 1},
		{N_("REQUESTS"), "requests", CELL_INT, 8, 0, true, 5}}},
	{VIEW_SERVICES, "services", N_("Services"), "/api/v1/services", "state", {
		{N_("SERVICE"), "service", CELL_INSTANCE, 24, 2, false},
		{N_("STATE"), "state", CELL_STATE, 10, 0, false},
		{N_("ADDRESS"), "url", CELL_TEXT, 22, 2, false, 4},
		{N_("PROBE"), "probe_ms", CELL_NUM, 6, 0, true, 2},
		{N_("SINCE"), "since", CELL_AGE, 5, 0, true, 1},
		{N_("REQ/S"), "rate", CELL_NUM, 6, 0, true, 5},
		{N_("ERR%"), "error_pct", CELL_NUM, 5, 0, true, 6},
		{N_("NAME"), "display_name", CELL_TEXT, 10, 1, false, 3}}},
	{VIEW_METRICS, "metrics", N_("Metrics"), "/api/v1/metrics/series?window=1h", NULL, {
		{N_("FIGURE"), "name", CELL_TEXT, 8, 0, false},
		{N_("NOW"), "points", CELL_NOW, 9, 0, true},
		{N_("UNIT"), "unit", CELL_TEXT, 8, 0, false},
		{N_("FEATURE"), "feature", CELL_TEXT, 10, 1, false},
		{N_("TREND"), "points", CELL_SPARK, VIEW_SPARK_CELLS, 0, false}}},
	{VIEW_TRAFFIC, "traffic", N_("Traffic"), "/api/v1/events?kinds=traffic&limit=500", NULL, {
		{N_("TIME"), "at", CELL_CLOCK, 8, 0, false, 3},
		{N_("CODE"), "status", CELL_INT, 4, 0, true},
		{N_("FEATURE"), "feature", CELL_TEXT, 10, 1, false, 4},
		{N_("TARGET"), "target", CELL_TEXT, 16, 2, false},
		{N_("TOTAL"), "total_ms", CELL_NUM, 7, 0, true, 1},
		{N_("TTFB"), "ttfb_ms", CELL_NUM, 7, 0, true, 5},
		{N_("CLIENT"), "client", CELL_TEXT, 10, 1, false, 6},
		{N_("NOTE"), "code", CELL_TEXT, 12, 1, false, 2}}},
	{VIEW_ALERTS, "alerts", N_("Alerts"), "/api/v1/alerts?limit=500", "state", {
		{N_("MESSAGE"), "message", CELL_TEXT, 20, 3, false},
		{N_("STATE"), "state", CELL_STATE, 10, 0, false},
		{N_("SINCE"), "since", CELL_AGE, 5, 0, true},
		{N_("SEVERITY"), "severity", CELL_TEXT, 8, 0, false},
		{N_("OBJECT"), "object", CELL_TEXT, 16, 1, false},
		{N_("BY"), "acked_by", CELL_TEXT, 8, 0, false}}},
};

const struct view *view_row(enum view_id id)
{
	return &views[id];
}

const struct view *view_named(struct slice name)
{
	for (size_t i = 0; i < VIEW_COUNT; i++)
		if (name.n > 0 && name.n <= strlen(views[i].name)
			&& strncasecmp(name.p, views[i].name, name.n) == 0)
			return &views[i];
	return NULL;
}

size_t view_rows(const struct view *v, const struct jx *list, struct arena *a,
	const struct jx ***ret)
{
	const struct jx *items = jx_get(list, "items");
	const struct jx **rows = arena_zalloc(a, VIEW_ROWS_MAX, sizeof(rows[0]));
	size_t n = 0;
	for (size_t i = 0; i < jx_len(items) && n < VIEW_ROWS_MAX; i++) {
		const struct jx *row = jx_at(items, i);
		const struct jx *sub = v->id == VIEW_SERVICES ? jx_get(row, "instances") : NULL;
		rows[n++] = row;
		for (size_t k = 0; k < jx_len(sub) && n < VIEW_ROWS_MAX; k++)
			rows[n++] = jx_at(sub, k);
	}
	*ret = rows;
	return n;
}

size_t view_points(const struct jx *row, double *ret, size_t max)
{
	const struct jx *points = jx_is_arr(row) ? row : jx_get(row, "points");
	size_t all = jx_len(points), first = all > max ? all - max : 0;
	for (size_t i = first; i < all; i++)
		ret[i - first] = jx_num(jx_at(points, i), NAN);
	return all - first;
}

static void add_number(struct str *out, double v)
{
	if (!isfinite(v))
		str_add(out, "-");
	else if (v >= 10000)
		text_add_si(out, v);
	else
		str_addf(out, "%.*f", fabs(v) < 100 && v != floor(v) ? 1 : 0, v);
}

static void add_age(struct str *out, const char *text)
{
	int64_t at = 0;
	if (clock_parse_rfc3339(slice_of(text), &at))
		text_add_age(out, MAX_OF(0, clock_wall_ms() - at));
	else
		str_add(out, "-");
}

static void add_spark(struct str *out, const struct jx *row, bool unicode)
{
	double v[VIEW_SPARK_CELLS];
	size_t n = view_points(row, v, ARRAY_LEN(v));
	chart_spark(out, v, n, VIEW_SPARK_CELLS, unicode);
}

static void add_key_ref(struct str *out, const struct jx *row)
{
	str_addf(out, "%s/%s/%s", jx_str(jx_get(row, "vendor"), "?"),
		jx_str(jx_get(row, "service"), "*"), jx_str(jx_get(row, "slug"), "?"));
}

static void add_instance(struct str *out, const struct jx *row, bool indent)
{
	const char *id = jx_str(jx_get(row, "id"), NULL);
	const char *service = jx_str(jx_get(row, "service"), "?");
	if (id != NULL)
		str_addf(out, "%s%s/%s", indent ? "  " : "", service, id);
	else
		str_add(out, service);
}

void view_cell(struct str *out, const struct column *c, const struct jx *row, bool unicode)
{
	const struct jx *v = jx_get(row, c->key);
	double points[CHART_POINTS_MAX];
	size_t n = 0;
	switch (c->kind) {
	case CELL_TEXT:
	case CELL_STATE:
		str_add(out, jx_str(v, "-"));
		break;
	case CELL_INT:
	case CELL_NUM:
		add_number(out, jx_num(v, NAN));
		break;
	case CELL_AGE:
		add_age(out, jx_str(v, ""));
		break;
	case CELL_CLOCK:
		str_addf(out, "%.8s", strlen(jx_str(v, "")) > 19 ? jx_str(v, "") + 11 : "-");
		break;
	case CELL_KEY_REF:
		add_key_ref(out, row);
		break;
	case CELL_INSTANCE:
		add_instance(out, row, true);
		break;
	case CELL_SPARK:
		add_spark(out, row, unicode);
		break;
	case CELL_NOW:
		n = view_points(row, points, ARRAY_LEN(points));
		add_number(out, n > 0 ? points[n - 1] : NAN);
		break;
	}
}

const char *view_state(const struct view *v, const struct jx *row)
{
	if (v->id == VIEW_TRAFFIC)
		return jx_int(jx_get(row, "status"), 0) >= 400 ? "critical" : "ok";
	return v->state != NULL ? jx_str(jx_get(row, v->state), "") : "";
}

void view_name(struct str *out, const struct view *v, const struct jx *row)
{
	switch (v->id) {
	case VIEW_ROUTES:
		str_addf(out, "%s/%s", jx_str(jx_get(row, "feature"), "?"),
			jx_str(jx_get(row, "target"), "?"));
		break;
	case VIEW_KEYS:
		add_key_ref(out, row);
		break;
	case VIEW_SERVICES:
		add_instance(out, row, false);
		break;
	case VIEW_METRICS:
		str_addf(out, "%s %s", jx_str(jx_get(row, "name"), "?"),
			jx_str(jx_get(row, "feature"), _("in all")));
		break;
	case VIEW_TRAFFIC:
	case VIEW_ALERTS:
		str_add(out, jx_str(jx_get(row, "id"), "?"));
		break;
	case VIEW_DASHBOARD:
	case VIEW_COUNT:
		break;
	}
}

int view_compare(const struct column *c, const struct jx *a, const struct jx *b)
{
	const struct jx *x = jx_get(a, c->key), *y = jx_get(b, c->key);
	if (c->kind == CELL_INT || c->kind == CELL_NUM) {
		double p = jx_num(x, -1), q = jx_num(y, -1);
		return (p > q) - (p < q);
	}
	struct str s = STR_INIT, t = STR_INIT;
	view_cell(&s, c, a, false);
	view_cell(&t, c, b, false);
	int order = strcmp(str_text(&s), str_text(&t));
	str_release(&s);
	str_release(&t);
	return order;
}
