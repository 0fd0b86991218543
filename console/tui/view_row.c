// SPDX-License-Identifier: MIT
// Which lists the console knows, a row each with its path and columns, and how a cell of each kind
// reads and sorts.
#include "console/tui/view_row.h"

#include <math.h>
#include <string.h>
#include <strings.h>
#include "console/tui/chart.h"
#include "shared/clock.h"
#include "shared/text.h"

// Every column has a head, a member of the answer (or a path to it), a kind and its least cells.
#define COLUMN(TITLE, KEY, KIND, CELLS, ...)                                                       \
	{.title = N_(TITLE), .key = KEY, .kind = KIND, .cells = CELLS, __VA_ARGS__}

static const struct view views[VIEW_COUNT] = {
	[VIEW_DASHBOARD] = {.id = VIEW_DASHBOARD,
		.name = "dashboard",
		.title = N_("Dashboard"),
		.ep = EP_COUNT},
	[VIEW_ROUTES] = {.id = VIEW_ROUTES,
		.name = "routes",
		.title = N_("Routes"),
		.ep = EP_ROUTE_LIST,
		.state = "state",
		.columns = {COLUMN("FEATURE", "feature", CELL_TEXT, 14, .weight = 1, .rank = 5),
			COLUMN("TARGET", "target", CELL_TEXT, 18, .weight = 3),
			COLUMN("STATE", "state", CELL_STATE, 11),
			COLUMN("REQ/S", "rate", CELL_NUM, 6, .right = true, .rank = 2),
			COLUMN("P95 MS", "p95_ms", CELL_NUM, 7, .right = true, .rank = 1),
			COLUMN("ERR%", "error_pct", CELL_NUM, 5, .right = true, .rank = 3),
			COLUMN("WEIGHT", "weight", CELL_INT, 6, .right = true, .rank = 4),
			COLUMN("TIER", "tier", CELL_TEXT, 9, .rank = 7),
			COLUMN("BUSY", "inflight", CELL_INT, 5, .right = true, .rank = 6)}},
	[VIEW_KEYS] = {.id = VIEW_KEYS,
		.name = "keys",
		.title = N_("Keys"),
		.ep = EP_KEY_LIST,
		.state = "state",
		.columns = {COLUMN("KEY", "id", CELL_KEY_REF, 18, .weight = 3),
			COLUMN("STATE", "state", CELL_STATE, 11),
			COLUMN("NAME", "key_name", CELL_TEXT, 12, .weight = 2, .rank = 4),
			COLUMN("TIER", "tier", CELL_TEXT, 9, .rank = 2),
			COLUMN("SECRET", "api_key_masked", CELL_TEXT, 12, .rank = 3),
			COLUMN("USED", "last_used_at", CELL_AGE, 5, .right = true, .rank = 1),
			COLUMN("REQUESTS", "requests", CELL_INT, 8, .right = true, .rank = 5)}},
	[VIEW_SERVICES] = {.id = VIEW_SERVICES,
		.name = "services",
		.title = N_("Services"),
		.ep = EP_SERVICE_LIST,
		.state = "state",
		.columns = {COLUMN("SERVICE", "service", CELL_INSTANCE, 24, .weight = 2),
			COLUMN("STATE", "state", CELL_STATE, 10),
			COLUMN("ADDRESS", "url", CELL_TEXT, 22, .weight = 2, .rank = 4),
			COLUMN("PROBE", "probe_ms", CELL_NUM, 6, .right = true, .rank = 2),
			COLUMN("SINCE", "since", CELL_AGE, 5, .right = true, .rank = 1),
			COLUMN("REQ/S", "rate", CELL_NUM, 6, .right = true, .rank = 5),
			COLUMN("ERR%", "error_pct", CELL_NUM, 5, .right = true, .rank = 6),
			COLUMN("NAME", "display_name", CELL_TEXT, 10, .weight = 1, .rank = 3)}},
	[VIEW_METRICS] = {.id = VIEW_METRICS,
		.name = "metrics",
		.title = N_("Metrics"),
		.ep = EP_SERIES,
		.query = "window=1h",
		.columns = {COLUMN("FIGURE", "name", CELL_TEXT, 8),
			COLUMN("NOW", "points", CELL_NOW, 9, .right = true),
			COLUMN("UNIT", "unit", CELL_TEXT, 8),
			COLUMN("FEATURE", "feature", CELL_TEXT, 10, .weight = 1),
			COLUMN("TREND", "points", CELL_SPARK, VIEW_SPARK_CELLS)}},
	[VIEW_TRAFFIC] = {.id = VIEW_TRAFFIC,
		.name = "traffic",
		.title = N_("Traffic"),
		.ep = EP_EVENTS,
		.query = "kinds=traffic&limit=500",
		.columns = {COLUMN("TIME", "at", CELL_CLOCK, 8, .rank = 3),
			COLUMN("CODE", "status", CELL_INT, 4, .right = true),
			COLUMN("FEATURE", "feature", CELL_TEXT, 10, .weight = 1, .rank = 4),
			COLUMN("TARGET", "target", CELL_TEXT, 16, .weight = 2),
			COLUMN("TOTAL", "total_ms", CELL_NUM, 7, .right = true, .rank = 1),
			COLUMN("TTFB", "ttfb_ms", CELL_NUM, 7, .right = true, .rank = 5),
			COLUMN("CLIENT", "client", CELL_WHO, 10, .weight = 1, .rank = 6),
			COLUMN("NOTE", "code", CELL_NOTE, 12, .weight = 1, .rank = 2)}},
	[VIEW_ALERTS] = {.id = VIEW_ALERTS,
		.name = "alerts",
		.title = N_("Alerts"),
		.ep = EP_ALERT_LIST,
		.query = "limit=500",
		.state = "state",
		.columns = {COLUMN("MESSAGE", "message", CELL_TEXT, 20, .weight = 3),
			COLUMN("STATE", "state", CELL_STATE, 10),
			COLUMN("SINCE", "since", CELL_AGE, 5, .right = true),
			COLUMN("SEVERITY", "severity", CELL_TEXT, 8),
			COLUMN("OBJECT", "object", CELL_TEXT, 16, .weight = 1),
			COLUMN("BY", "acked_by", CELL_TEXT, 8)}},
	[VIEW_TASKS] = {.id = VIEW_TASKS,
		.name = "tasks",
		.title = N_("Image tasks"),
		.ep = EP_TASK_LIST,
		.query = "limit=500",
		.state = "state",
		.columns = {COLUMN("TASK", "id", CELL_TEXT, 18, .weight = 1, .rank = 4),
			COLUMN("STATE", "state", CELL_STATE, 16),
			COLUMN("TARGET", "target", CELL_TEXT, 16, .weight = 2, .rank = 1),
			COLUMN("AGE", "created_at", CELL_AGE, 5, .right = true),
			COLUMN("IMAGES", "n", CELL_INT, 6, .right = true, .rank = 3),
			COLUMN("CLIENT", "client", CELL_TEXT, 10, .weight = 1, .rank = 5),
			COLUMN("NOTE", "error.code", CELL_TEXT, 12, .weight = 1, .rank = 2)}},
	[VIEW_USAGE] = {.id = VIEW_USAGE,
		.name = "usage",
		.title = N_("Usage, last 24 h"),
		.ep = EP_USAGE,
		.query = "by=feature&window=24h",
		.columns = {COLUMN("BY", "feature", CELL_GROUP, 16, .weight = 3),
			COLUMN("COST", "cost", CELL_MONEY, 14, .weight = 1, .right = true),
			COLUMN("REQUESTS", "requests", CELL_INT, 8, .right = true, .rank = 1),
			COLUMN("FAILED", "failures", CELL_INT, 6, .right = true, .rank = 2),
			COLUMN("TOKENS IN", "tokens_in", CELL_INT, 9, .right = true, .rank = 3),
			COLUMN("OUT", "tokens_out", CELL_INT, 7, .right = true, .rank = 3),
			COLUMN("IMAGES", "images", CELL_INT, 6, .right = true, .rank = 4),
			COLUMN("UNPRICED", "cost_unknown", CELL_INT, 8, .right = true, .rank = 5)}},
	[VIEW_CLIENTS] = {.id = VIEW_CLIENTS,
		.name = "clients",
		.title = N_("Clients"),
		.ep = EP_CLIENT_LIST,
		.state = "state",
		.columns = {COLUMN("CLIENT", "name", CELL_TEXT, 14, .weight = 2),
			COLUMN("STATE", "state", CELL_STATE, 10),
			COLUMN("RPM", "limits.rpm", CELL_INT, 7, .right = true, .rank = 3),
			COLUMN("TPM", "limits.tpm", CELL_INT, 8, .right = true, .rank = 4),
			COLUMN("BUSY", "inflight", CELL_INT, 5, .right = true, .rank = 5),
			COLUMN("LIMITED", "limited", CELL_INT, 7, .right = true, .rank = 1),
			COLUMN("SPENT", "spent", CELL_MONEY, 12, .right = true, .rank = 2),
			COLUMN("FEATURES", "features", CELL_LIST, 10, .weight = 1, .rank = 6),
			COLUMN("USED", "last_used_at", CELL_AGE, 5, .right = true, .rank = 7)}},
	[VIEW_FEATURES] = {.id = VIEW_FEATURES,
		.name = "features",
		.title = N_("Features"),
		.ep = EP_FEATURE_LIST,
		.columns = {COLUMN("FEATURE", "name", CELL_TEXT, 16, .weight = 1),
			COLUMN("ENDPOINT", "endpoint", CELL_TEXT, 20, .rank = 2),
			COLUMN("STRATEGY", "strategy", CELL_TEXT, 14, .rank = 1),
			COLUMN("ALIASES", "aliases", CELL_LIST, 12, .weight = 2, .rank = 3),
			COLUMN("CHANGED", "updated_at", CELL_AGE, 7, .right = true, .rank = 4)}},
	[VIEW_PRICES] = {.id = VIEW_PRICES,
		.name = "prices",
		.title = N_("Prices, per million tokens"),
		.ep = EP_PRICE_LIST,
		.query = "limit=1000",
		.columns = {COLUMN("MODEL", "model", CELL_TEXT, 24, .weight = 2),
			COLUMN("VENDOR", "vendor", CELL_TEXT, 10, .rank = 3),
			COLUMN("IN", "input_pico", CELL_PER_MILLION, 9, .right = true),
			COLUMN("OUT", "output_pico", CELL_PER_MILLION, 9, .right = true),
			COLUMN("CUR", "currency", CELL_TEXT, 3, .rank = 2),
			COLUMN("SHUTDOWN", "shutdown_at", CELL_DATE, 10, .rank = 1),
			COLUMN("SOURCE", "source", CELL_TEXT, 10, .weight = 1, .rank = 4)}},
	[VIEW_AUDIT] = {.id = VIEW_AUDIT,
		.name = "audit",
		.title = N_("Audit"),
		.ep = EP_AUDIT_LIST,
		.query = "limit=500",
		.columns = {COLUMN("SEQ", "seq", CELL_INT, 6, .right = true, .rank = 4),
			COLUMN("AGE", "at", CELL_AGE, 5, .right = true),
			COLUMN("ACTOR", "actor", CELL_TEXT, 14, .weight = 1, .rank = 2),
			COLUMN("ACTION", "action", CELL_TEXT, 12),
			COLUMN("OBJECT", "object", CELL_TEXT, 20, .weight = 3),
			COLUMN("RESULT", "result", CELL_TEXT, 12, .rank = 3)}},
};

static const char *const groups[] = {"feature", "target", "client", "key", "model", NULL};

const char *view_usage_query(size_t n)
{
	static const char *const queries[] = {"by=feature&window=24h", "by=target&window=24h",
		"by=client&window=24h", "by=key&window=24h", "by=model&window=24h"};
	_Static_assert(ARRAY_LEN(queries) == ARRAY_LEN(groups) - 1, "a query for each");
	return n < ARRAY_LEN(queries) ? queries[n] : NULL;
}

const struct view *view_row(enum view_id id)
{
	return &views[id];
}

const struct view *view_named(struct slice name)
{
	for (size_t i = 0; i < VIEW_COUNT; i++)
		if (name.n > 0 && name.n <= strlen(views[i].name) &&
			strncasecmp(name.p, views[i].name, name.n) == 0)
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

void view_add_money(struct str *out, const struct jx *v)
{
	size_t n = jx_is_arr(v) ? jx_len(v) : jx_is_obj(v) ? 1 : 0, from = out->n;
	for (size_t i = 0; i < n; i++) {
		const struct jx *m = jx_is_arr(v) ? jx_at(v, i) : v;
		const char *currency = jx_str(jx_get(m, "currency"), "");
		double amount = (double)jx_int(jx_get(m, "pico"), 0) / 1e12;
		if (currency[0] != '\0')
			str_addf(out, amount != 0 && amount < 0.01 ? "%s%.2g %s" : "%s%.2f %s",
				out->n > from ? " " : "", amount, currency);
	}
	if (out->n == from)
		str_add(out, "-");
}

static void add_list(struct str *out, const struct jx *v)
{
	for (size_t i = 0; i < jx_len(v); i++)
		str_addf(out, "%s%s", i > 0 ? "," : "", jx_str(jx_at(v, i), "?"));
}

// Ids that have a name beside them are shown by it.
static const struct {
	const char *id, *name;
} named[] = {{"client", "client_name"}, {"actor", "actor_name"}, {"acked_by", "acked_by_name"}};

static const struct jx *member_of(const struct jx *row, const char *key)
{
	if (strchr(key, '.') != NULL)
		return jx_path(row, key);
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (strcmp(key, named[i].id) == 0 && jx_is_str(jx_get(row, named[i].name)))
			return jx_get(row, named[i].name);
	return jx_get(row, key);
}

static const char *group_of(const struct jx *row)
{
	for (size_t i = 0; groups[i] != NULL; i++)
		if (jx_is_str(jx_get(row, groups[i])))
			return jx_str(member_of(row, groups[i]), "");
	return "-";
}

// Why it failed or was refused, and how often in all.
static void add_note(struct str *out, const struct jx *row, const struct jx *code)
{
	bool refused = strcmp(jx_str(jx_get(row, "outcome"), ""), "refused") == 0;
	int64_t more = jx_int(jx_get(row, "repeated"), 0);
	str_add(out, refused ? jx_str(jx_get(row, "reason"), "-") : jx_str(code, "-"));
	if (more > 0)
		str_addf(out, " x%lld", (long long)more + 1);
}

void view_cell(struct str *out, const struct column *c, const struct jx *row, bool unicode)
{
	const struct jx *v = member_of(row, c->key);
	double points[CHART_POINTS_MAX];
	size_t n = 0;
	switch (c->kind) {
	case CELL_TEXT:
	case CELL_STATE:
		str_add(out, jx_str(v, "-"));
		break;
	case CELL_WHO:
		// Who was refused without an identity is known by its address.
		str_add(out, jx_str(v, jx_str(jx_get(row, "caller"), "-")));
		break;
	case CELL_NOTE:
		add_note(out, row, v);
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
	case CELL_MONEY:
		view_add_money(out, v);
		break;
	case CELL_PER_MILLION: // from pico
		if (isfinite(jx_num(v, NAN)))
			str_addf(out, "%.4g", jx_num(v, NAN) / 1e6);
		else
			str_add_c(out, '-');
		break;
	case CELL_DATE:
		str_addf(out, "%.10s", jx_str(v, "-"));
		break;
	case CELL_LIST:
		add_list(out, v);
		break;
	case CELL_GROUP:
		str_add(out, group_of(row));
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
	case VIEW_USAGE:
		str_add(out, group_of(row));
		break;
	case VIEW_TASKS:
		str_add(out, jx_str(jx_get(row, "id"), "?"));
		break;
	case VIEW_CLIENTS:
	case VIEW_FEATURES:
		str_add(out, jx_str(jx_get(row, "name"), "?"));
		break;
	case VIEW_PRICES:
		str_add(out, jx_str(jx_get(row, "model"), "?"));
		break;
	case VIEW_AUDIT:
		str_addf(out, "%lld", (long long)jx_int(jx_get(row, "seq"), 0));
		break;
	case VIEW_DASHBOARD:
	case VIEW_COUNT:
		break;
	}
}

int view_compare(const struct column *c, const struct jx *a, const struct jx *b)
{
	const struct jx *x = member_of(a, c->key), *y = member_of(b, c->key);
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
