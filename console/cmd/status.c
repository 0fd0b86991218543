// SPDX-License-Identifier: MIT
// status, health, api, config and version: the platform as a whole.
#include "console/cmd/status.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/cmd/alert.h"
#include "console/cmd/show.h"
#include "shared/clock.h"
#include "shared/refusal.h"
#include "shared/text.h"
#include "shared/urlx.h"
#include "shared/version.h"

#define SPARK_CELLS 30

static const char *text_at(const struct jx *v, const char *path, const char *absent)
{
	return jx_str(jx_path(v, path), absent);
}

static void traffic_line(struct cmd *c, const struct jx *s, const char *label, const char *now,
	const char *history, const char *unit)
{
	static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	struct str line = STR_INIT;
	str_addf(&line, "  %-10s", label);
	struct str value = STR_INIT;
	double v = jx_num(jx_path(s, now), NAN);
	text_add_si(&value, v);
	str_addf(&line, "%8s%-2s ", str_text(&value), isfinite(v) ? unit : "");
	str_release(&value);
	const struct jx *points = jx_path(s, history);
	size_t n = jx_len(points), from = n > SPARK_CELLS ? n - SPARK_CELLS : 0;
	double max = 0;
	for (size_t i = from; i < n; i++)
		max = MAX_OF(max, jx_num(jx_at(points, i), 0));
	for (size_t i = from; i < n; i++) {
		double one = jx_num(jx_at(points, i), 0);
		str_add(&line, bars[max > 0 ? (int)(one / max * 7 + 0.5) : 0]);
	}
	while (line.n > 0 && line.p[line.n - 1] == ' ')
		str_cut(&line, line.n - 1);
	cmd_writef(c, "%s\n", str_text(&line));
	str_release(&line);
}

static void problems(struct cmd *c, const struct jx *group, const char *what, const char *name)
{
	const struct jx *list = jx_get(group, "problems"), *states = jx_get(group, "by_state");
	struct str line = STR_INIT;
	void *it = NULL;
	str_addf(&line, "%s %lld", what, (long long)jx_int(jx_get(group, "total"), 0));
	const struct jx *v;
	const char *key;
	while (jx_next(states, &it, &key, &v)) {
		str_addf(&line, "  %lld ", (long long)jx_int(v, 0));
		text_add_safe(&line, slice_of(key));
	}
	for (size_t i = 0; i < jx_len(list); i++) {
		str_add(&line, "\n  ! ");
		text_add_safe(&line, slice_of(text_at(jx_at(list, i), name, "?")));
		str_add(&line, "  ");
		text_add_safe(&line, slice_of(text_at(jx_at(list, i), "state", "?")));
	}
	cmd_writef(c, "%s\n", str_text(&line));
	str_release(&line);
}

// Of refused requests: how many a second, and why.
static void refused_lines(struct cmd *c, const struct jx *refused)
{
	const struct jx *all = jx_get(refused, "by_reason");
	const struct refusal_row *row;
	struct str line = STR_INIT;
	for (size_t i = 0; i < jx_len(all); i++) {
		const struct jx *one = jx_at(all, i);
		row = refusal_named(slice_of(text_at(one, "reason", "")));
		str_clear(&line);
		text_add_si(&line, jx_num(jx_get(one, "rate_1m"), NAN));
		cmd_writef(c, _("  refused   %8s/s  %lld %s  (%lld in 5 min)\n"), str_text(&line),
			(long long)jx_int(jx_get(one, "status"), 0),
			row != NULL ? _(row->text) : text_at(one, "reason", "?"),
			(long long)jx_int(jx_get(one, "requests_5m"), 0));
		if (row != NULL)
			cmd_writef(c, "    %s\n", _(row->next));
	}
	str_release(&line);
}

static void status_text(struct cmd *c, const struct jx *s, const struct str *routes)
{
	const struct jx *services = jx_get(s, "services");
	struct str line = STR_INIT;
	cmd_writef(c, _("yijian %s at %s: %s%s\n"), text_at(s, "agent.version", "?"),
		client_agent(c->client), text_at(s, "agent.state", "?"),
		jx_bool(jx_path(s, "agent.simulated"), false) ? _("  (simulated vendors)") : "");
	if (text_at(s, "agent.store.reason", NULL) != NULL)
		cmd_writef(c, _("  ! store %s: %s\n"), text_at(s, "agent.store.state", "?"),
			text_at(s, "agent.store.reason", ""));
	if (jx_bool(jx_path(s, "agent.sealed"), false))
		cmd_writef(c, _("  ! sealed: %s\n"),
			text_at(s, "agent.sealed_reason",
				_("the root key does not open the key store")));
	if (text_at(s, "agent.tls.reason", NULL) != NULL)
		cmd_writef(c, _("  ! TLS: %s\n"), text_at(s, "agent.tls.reason", ""));
	cmd_writef(c, "%s\n", _("traffic, last minute"));
	traffic_line(c, s, _("req/s"), "traffic.rate_1m", "traffic.history.rate", "");
	traffic_line(c, s, _("errors"), "traffic.error_pct_1m", "traffic.history.error_pct", "%");
	traffic_line(c, s, _("p95"), "traffic.p95_ms", "traffic.history.p95_ms", "ms");
	refused_lines(c, jx_get(s, "refused"));
	for (size_t i = 0; i < jx_len(services); i++) {
		const struct jx *one = jx_at(services, i);
		str_add(&line, i ? "  " : "");
		text_add_safe(&line, slice_of(text_at(one, "service", "?")));
		str_addf(&line, " %s", text_at(one, "state", "?"));
	}
	cmd_writef(c, _("services\n  %s\n"), str_text(&line));
	str_clear(&line);
	cmd_write(c, str_slice(routes));
	problems(c, jx_get(s, "keys"), _("keys"), "key");
	problems(c, jx_get(s, "instances"), _("instances"), "instance");
	cmd_alert_lines(c, s);
	const struct jx *h = jx_get(s, "health_checks");
	const char *source = text_at(h, "cost.source", "unknown");
	double pico = jx_num(jx_get(h, "budget_pico"), 0);
	int64_t unpriced = jx_int(jx_get(h, "budget_unpriced"), 0);
	format_money(jx_get(h, "cost"), &line);
	cmd_writef(c, _("health checks cost %s%s today: %lld free, %lld paid"),
		strcmp(source, "unknown") == 0 ? ">= " : "", str_text(&line),
		(long long)jx_int(jx_get(h, "free_today"), 0),
		(long long)jx_int(jx_get(h, "paid_today"), 0));
	if (pico > 0 || unpriced > 0)
		cmd_writef(c, _("; a key and day: up to %.6g, or %lld looks without a price"),
			pico / 1e12, (long long)unpriced);
	cmd_writef(c, "\n");
	str_release(&line);
}

// A feature that is on, has somewhere to go, and could serve nobody now; a feature without any target
// is not in use. NULL: there is none.
static const struct jx *route_down(const struct jx *status)
{
	const struct jx *routes = jx_get(status, "routes");
	for (size_t i = 0; i < jx_len(routes); i++)
		if (strcmp(text_at(jx_at(routes, i), "state", ""), "DOWN") == 0 &&
			jx_int(jx_get(jx_at(routes, i), "candidates"), 0) > 0)
			return jx_at(routes, i);
	return NULL;
}

static bool nothing_set_up(const struct jx *status)
{
	return jx_int(jx_path(status, "keys.total"), 1) == 0 &&
		jx_int(jx_path(status, "instances.total"), 1) == 0;
}

// Whether all is in order; otherwise what is not, and where to go on.
static enum err_code judge(struct cmd *c, const struct jx *status)
{
	const struct jx *services = jx_get(status, "services"), *down = route_down(status);
	const char *state = text_at(status, "agent.state", "ok");
	if (strcmp(state, "ok") != 0)
		return err_set(&c->err, ERR_ANSWER_NO, _("the agent is %s"), state);
	for (size_t i = 0; i < jx_len(services); i++) {
		const char *one = text_at(jx_at(services, i), "state", "OK");
		if (strcmp(one, "OK") != 0)
			return err_set(&c->err, ERR_ANSWER_NO, _("the service %s is %s"),
				text_at(jx_at(services, i), "service", "?"), one);
	}
	if (down == NULL)
		return ERR_OK;
	if (nothing_set_up(status)) {
		err_set(&c->err, ERR_ANSWER_NO, "%s",
			_("nothing is set up yet: there is no vendor key and no instance"));
		err_hint(&c->err, "%s",
			_("yijian key add openai/gpt-4 --name NAME, or yijian service register "
			  "NAME --id ID --url URL"));
		return ERR_ANSWER_NO;
	}
	err_set(&c->err, ERR_ANSWER_NO, _("the feature %s is down: no target takes requests"),
		text_at(down, "feature", "?"));
	err_hint(&c->err, _("see why: yijian route explain %s"), text_at(down, "feature", "?"));
	return ERR_ANSWER_NO;
}

enum err_code cmd_status(struct cmd *c)
{
	struct client_call call = {.ep = EP_STATUS};
	struct client_answer a;
	struct str routes = STR_INIT;
	enum err_code code = cmd_call(c, &call, &a);
	if (code)
		return code;
	if (jx_get(a.doc, "agent") == NULL)
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	if (c->format.format == FMT_CSV || c->format.format == FMT_NAME ||
		c->format.columns != NULL)
		code = cmd_show_items(c, &a, "routes");
	else if (!cmd_for_people(c))
		code = cmd_show(c, &a);
	else
		code = format_list(&c->format, c->row->output, a.doc, jx_get(a.doc, "routes"),
			&routes, &c->err);
	if (!code && cmd_for_people(c))
		status_text(c, a.doc, &routes);
	str_release(&routes);
	return code ? code : judge(c, a.doc);
}

// ---- health ----

static bool asked_for(const struct cmd *c, const char *service)
{
	for (size_t i = 0; i < c->arg_n; i++)
		if (strcmp(c->arg[i], service) == 0)
			return true;
	return c->arg_n == 0;
}

static bool good_state(const char *state)
{
	return strcmp(state, "OK") == 0 || strcmp(state, "DISABLED") == 0 ||
		strcmp(state, "DRAIN") == 0 || strcmp(state, "UNKNOWN") == 0; // not probed yet
}

struct checkup {
	struct cmd *c;
	struct jw w;
	size_t seen, bad;
	const char *first; // of what is not OK
};

static void health_row(struct checkup *h, const struct jx *from, const char *name, const char *kind,
	const char *const *counts)
{
	const char *state = text_at(from, "state", "?");
	bool bad = !good_state(state);
	if (!asked_for(h->c, name))
		return;
	h->seen++;
	h->bad += bad;
	if (bad && h->first == NULL)
		h->first = name;
	jw_obj(&h->w, NULL);
	jw_str(&h->w, "service", name);
	jw_str(&h->w, "kind", kind);
	jw_str(&h->w, "state", state);
	jw_int(&h->w, "passing", jx_int(jx_get(from, counts[0]), 0));
	jw_int(&h->w, "total", jx_int(jx_get(from, counts[1]), 0));
	jw_str(&h->w, "url", text_at(from, "url", NULL));
	jw_obj_end(&h->w);
}

// What the services serve is healthy when somebody could be served: the features stand below them.
static void health_features(struct checkup *h, const struct jx *status)
{
	static const char *const counts[] = {"candidates_ok", "candidates"};
	const struct jx *routes = jx_get(status, "routes");
	for (size_t i = 0; i < jx_len(routes); i++) {
		const struct jx *one = jx_at(routes, i);
		if (jx_int(jx_get(one, counts[1]), 0) > 0)
			health_row(h, one, text_at(one, "feature", "?"), "feature", counts);
	}
}

static enum err_code health_said(struct checkup *h, size_t asked)
{
	struct cmd *c = h->c;
	if (h->seen < asked) {
		err_set(&c->err, ERR_NOT_FOUND, _("no such service or feature"));
		err_hint(&c->err, "%s", _("list them: yijian health"));
		return ERR_NOT_FOUND;
	}
	if (!h->bad)
		return ERR_OK;
	err_set(&c->err, ERR_ANSWER_NO, _("%zu of %zu are not OK, %s first"), h->bad, h->seen,
		h->first);
	err_hint(&c->err, "%s", _("yijian status shows keys and instances in trouble"));
	return ERR_ANSWER_NO;
}

// Whether the agent itself answers and can serve, whatever it would serve with.
static enum err_code health_live(struct cmd *c)
{
	struct client_call call = {.ep = EP_HEALTHZ};
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (code)
		return code;
	const struct jx *reasons = jx_get(a.doc, "reasons");
	const char *status = text_at(a.doc, "status", "?");
	if (!cmd_for_people(c))
		code = cmd_show(c, &a);
	else
		cmd_writef(c, "%s\n", status);
	for (size_t i = 0; i < jx_len(reasons); i++)
		cmd_notef(c, "  %s", jx_str(jx_at(reasons, i), "?"));
	if (!code && a.status != 200)
		code = err_set(&c->err, ERR_ANSWER_NO, _("the agent cannot serve: %s"), status);
	return code;
}

enum err_code cmd_health(struct cmd *c)
{
	static const char *const counts[] = {"passing", "total"};
	struct client_call call = {.ep = EP_SERVICE_LIST}, status = {.ep = EP_STATUS};
	struct client_answer a, s;
	struct str items = STR_INIT;
	struct checkup h = {.c = c, .w = jw_to(&items)};
	if (cmd_has(c, COPT_LIVE))
		return health_live(c);
	enum err_code code = cmd_call(c, &call, &a);
	if (!code)
		code = cmd_call(c, &status, &s);
	if (code)
		return code;
	const struct jx *list = jx_get(a.doc, "items");
	jw_obj(&h.w, NULL);
	jw_arr(&h.w, "items");
	for (size_t i = 0; i < jx_len(list); i++) {
		const struct jx *one = jx_at(list, i);
		health_row(&h, one, text_at(one, "service", "?"), text_at(one, "kind", NULL),
			counts);
	}
	health_features(&h, s.doc);
	jw_arr_end(&h.w);
	jw_obj_end(&h.w);
	code = h.seen < c->arg_n ? ERR_OK : cmd_show_made(c, &items, "items");
	if (!code && c->arg_n == 0 && cmd_for_people(c))
		cmd_alert_lines(c, s.doc);
	str_release(&items);
	return code ? code : health_said(&h, c->arg_n);
}

// ---- api, config, version ----

enum err_code cmd_api(struct cmd *c)
{
	struct client_call call = {.method = c->arg[0], .path = c->arg[1]};
	const char *data = cmd_opt(c, COPT_DATA), *path = cmd_opt(c, COPT_FILE);
	struct str out = STR_INIT;
	for (size_t i = 0; i < HTTP_METHODS && call.method != NULL; i++)
		if (slice_ieq_str(slice_of(c->arg[0]), method_names[i]))
			call.method = method_names[i];
	if (c->arg[1][0] != '/')
		return err_set(&c->err, ERR_USAGE, _("PATH begins with /, e.g. /api/v1/features"));
	if (c->read_only && strcmp(call.method, "GET") != 0)
		return err_set(&c->err, ERR_REFUSED, _("this console is read-only"));
	call.body = slice_of(data);
	size_t n;
	char buf[8192];
	if (path != NULL) {
		FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
		if (f == NULL)
			return err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path,
				strerror(errno));
		while ((n = fread(buf, 1, sizeof(buf), f)) > 0 && out.n < HTTP_BODY_MAX)
			str_add_n(&out, buf, n);
		if (f != stdin)
			fclose(f);
		call.body = (struct slice){arena_slice(&c->arena, str_slice(&out)), out.n};
		str_clear(&out);
	}
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (!code && a.doc != NULL && c->format.format == FMT_YAML)
		code = cmd_show(c, &a);
	else if (!code && a.doc != NULL)
		jx_write(a.doc, c->format.format == FMT_NDJSON ? 0 : 2, &out),
			str_add_c(&out, '\n');
	else if (!code && c->io->out_tty)
		text_add_safe(&out, a.body);
	else if (!code)
		str_add_slice(&out, a.body);
	cmd_write(c, str_slice(&out));
	str_release(&out);
	return code;
}

enum err_code cmd_config_list(struct cmd *c)
{
	struct str items = STR_INIT;
	struct jw w = jw_to(&items);
	size_t n;
	const struct console_setting_row *rows = console_settings_all(&n);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < n; i++) {
		jw_obj(&w, NULL);
		jw_str(&w, "name", rows[i].name);
		jw_str(&w, "value", c->settings->value[rows[i].id]);
		if (cmd_has(c, COPT_ORIGIN))
			jw_str(&w, "origin", c->settings->origin[rows[i].id]);
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	if (cmd_has(c, COPT_ORIGIN) && c->format.columns == NULL)
		c->format.format = c->format.format == FMT_TABLE ? FMT_WIDE : c->format.format;
	enum err_code code = cmd_show_made(c, &items, "items");
	str_release(&items);
	return code;
}

enum err_code cmd_version(struct cmd *c)
{
	struct client_call call = {.ep = EP_HEALTHZ};
	struct client_answer a;
	struct str made = STR_INIT;
	struct jw w = jw_to(&made);
	c->no_input = true; // not a thing to be asked about
	bool there = cmd_call(c, &call, &a) == ERR_OK;
	jw_obj(&w, NULL);
	jw_str(&w, "name", YJ_VERSION);
	jw_str(&w, "agent_version", there ? text_at(a.doc, "version", NULL) : NULL);
	jw_str(&w, "agent", c->settings->value[CSET_AGENT]);
	jw_obj_end(&w);
	if (!there)
		cmd_notef(c, _("agent: %s"), c->err.message);
	c->err = (struct err){0};
	enum err_code code = ERR_OK; // the console's is the answer, whether an agent runs or not
	if (cmd_for_people(c)) {
		cmd_writef(c, "yijian %s\n", YJ_VERSION);
		if (there)
			cmd_writef(c, "yijiand %s %s\n", text_at(a.doc, "version", "?"),
				c->settings->value[CSET_AGENT]);
	} else {
		code = cmd_show_made(c, &made, NULL);
	}
	str_release(&made);
	return code;
}
