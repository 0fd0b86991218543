// SPDX-License-Identifier: MIT
// status, health, doctor, api, config and version: the platform as a whole.
#include "console/cmd/status.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/cmd/alert.h"
#include "shared/clock.h"
#include "shared/refusal.h"
#include "shared/table.h"
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

static void routes_table(struct cmd *c, const struct jx *routes)
{
	struct table *t = table_new();
	struct str cell = STR_INIT, out = STR_INIT;
	static const char *const nums[] = {"rate", "p95_ms", "error_pct"};
	table_column(t, "  ROUTE", false);
	table_column(t, "STATE", false);
	table_column(t, "READY", true);
	table_column(t, "REQ/S", true);
	table_column(t, "P95 MS", true);
	table_column(t, "ERR%", true);
	for (size_t i = 0; i < jx_len(routes); i++) {
		const struct jx *r = jx_at(routes, i);
		table_row(t);
		str_clear(&cell);
		str_add(&cell, "  ");
		text_add_safe(&cell, slice_of(text_at(r, "feature", "?")));
		table_cell(t, str_slice(&cell));
		table_cell(t, slice_of(text_at(r, "state", "?")));
		str_clear(&cell);
		str_addf(&cell, "%lld/%lld", (long long)jx_int(jx_get(r, "candidates_ok"), 0),
			(long long)jx_int(jx_get(r, "candidates"), 0));
		table_cell(t, str_slice(&cell));
		for (size_t k = 0; k < ARRAY_LEN(nums); k++) {
			str_clear(&cell);
			text_add_si(&cell, jx_num(jx_get(r, nums[k]), NAN));
			table_cell(t, str_slice(&cell));
		}
	}
	table_text(t, true, c->format.cells, &out);
	cmd_write(c, str_slice(&out));
	str_release(&cell);
	str_release(&out);
	table_free(t);
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

static void status_text(struct cmd *c, const struct jx *s)
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
	str_release(&line);
	routes_table(c, jx_get(s, "routes"));
	problems(c, jx_get(s, "keys"), _("keys"), "key");
	problems(c, jx_get(s, "instances"), _("instances"), "instance");
	cmd_alert_lines(c, s);
	const struct jx *h = jx_get(s, "health_checks");
	const char *source = text_at(h, "cost.source", "unknown");
	double pico = jx_num(jx_get(h, "budget_pico"), 0);
	int64_t unpriced = jx_int(jx_get(h, "budget_unpriced"), 0);
	cmd_writef(c, _("health checks cost %s%.6g %s today: %lld free, %lld paid"),
		strcmp(source, "unknown") == 0 ? ">= " : "",
		jx_num(jx_path(h, "cost.pico"), 0) / 1e12, text_at(h, "cost.currency", ""),
		(long long)jx_int(jx_get(h, "free_today"), 0),
		(long long)jx_int(jx_get(h, "paid_today"), 0));
	if (pico > 0 || unpriced > 0)
		cmd_writef(c, _("; a key and day: up to %.6g, or %lld looks without a price"),
			pico / 1e12, (long long)unpriced);
	cmd_writef(c, "\n");
}

enum err_code cmd_status(struct cmd *c)
{
	struct client_call call = {.ep = EP_STATUS};
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (code)
		return code;
	if (jx_get(a.doc, "agent") == NULL)
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	if (c->format.format != FMT_TABLE && c->format.format != FMT_WIDE)
		code = cmd_show(c, &a);
	else
		status_text(c, a.doc);
	if (!code && strcmp(text_at(a.doc, "agent.state", "ok"), "ok") != 0)
		code = err_set(&c->err, ERR_ANSWER_NO, _("the agent is %s"),
			text_at(a.doc, "agent.state", "?"));
	return code;
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

// What is wrong beyond the services; only for people, scripts ask for alerts by themselves.
static enum err_code health_alerts(struct cmd *c)
{
	struct client_call call = {.ep = EP_STATUS};
	if (c->format.format != FMT_TABLE && c->format.format != FMT_WIDE)
		return ERR_OK;
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (!code)
		cmd_alert_lines(c, a.doc);
	return code;
}

enum err_code cmd_health(struct cmd *c)
{
	struct client_call call = {.ep = EP_SERVICE_LIST};
	struct client_answer a;
	struct str items = STR_INIT;
	struct jw w = jw_to(&items);
	size_t seen = 0, bad = 0;
	enum err_code code = cmd_call(c, &call, &a);
	if (code)
		return code;
	const struct jx *list = jx_get(a.doc, "items");
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < jx_len(list); i++) {
		const struct jx *s = jx_at(list, i);
		const char *state = text_at(s, "state", "?");
		if (!asked_for(c, text_at(s, "service", "")))
			continue;
		seen++;
		bad += !good_state(state);
		jw_obj(&w, NULL);
		jw_str(&w, "service", text_at(s, "service", "?"));
		jw_str(&w, "kind", text_at(s, "kind", NULL));
		jw_str(&w, "state", state);
		jw_int(&w, "passing", jx_int(jx_get(s, "passing"), 0));
		jw_int(&w, "total", jx_int(jx_get(s, "total"), 0));
		jw_str(&w, "url", text_at(s, "url", NULL));
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	code = jx_parse(str_slice(&items), (struct jscan_limits){0, JSCAN_DEPTH}, &c->arena, &a.doc,
		&c->err);
	str_release(&items);
	if (!code && seen < c->arg_n)
		return err_set(&c->err, ERR_NOT_FOUND,
			_("no such service; see yijian service list"));
	if (!code)
		code = cmd_show_items(c, &a, "items");
	if (!code && c->arg_n == 0)
		code = health_alerts(c);
	if (!code && bad)
		code = err_set(&c->err, ERR_ANSWER_NO, _("%zu of %zu services are not OK"), bad,
			seen);
	return code;
}

// ---- doctor ----

#define DOCTOR_KEYS_MAX 10 // named one by one; the rest is counted

struct doctor {
	struct table *t;
	size_t failed;
};

static void finding(struct doctor *d, const char *what, const char *result, const char *detail,
	const char *fix)
{
	struct str safe = STR_INIT;
	table_row(d->t);
	table_cell(d->t, slice_of(result));
	table_cell(d->t, slice_of(what));
	text_add_safe(&safe, slice_of(detail != NULL ? detail : ""));
	table_cell(d->t, str_slice(&safe));
	table_cell(d->t, slice_of(fix != NULL ? fix : ""));
	str_release(&safe);
	d->failed += strcmp(result, "fail") == 0;
}

// What nothing but a person can mend; a key that cools or rests comes back by itself.
static bool key_is_lost(const char *state)
{
	static const char *const lost[] = {
		"invalid", "no_quota", "region_denied", "expired", "sealed"};
	for (size_t i = 0; i < ARRAY_LEN(lost); i++)
		if (strcmp(state, lost[i]) == 0)
			return true;
	return false;
}

static void doctor_keys(struct cmd *c, struct doctor *d, const struct jx *items)
{
	size_t all = jx_len(items), lost = 0;
	for (size_t i = 0; i < all; i++) {
		const struct jx *key = jx_at(items, i);
		const char *state = jx_str(jx_get(key, "state"), "?");
		const char *ref = arena_printf(&c->arena, "%s/%s/%s",
			jx_str(jx_get(key, "vendor"), "?"), jx_str(jx_get(key, "service"), "?"),
			jx_str(jx_get(key, "slug"), "?"));
		if (!key_is_lost(state) || lost++ >= DOCTOR_KEYS_MAX)
			continue;
		finding(d, _("vendor key"), "warn", arena_printf(&c->arena, "%s: %s", ref, state),
			arena_printf(&c->arena, _("yijian key test %s says why"), ref));
	}
	// Keys that no feature has a target for: they are asked by the name of their service alone.
	size_t n = 0;
	for (size_t i = 0; i < jx_len(items) && n < DOCTOR_KEYS_MAX; i++) {
		const struct jx *key = jx_at(items, i), *joins = jx_get(key, "joins");
		const char *vendor = jx_str(jx_get(key, "vendor"), "?");
		const char *service = jx_str(jx_get(key, "service"),
			jx_str(jx_path(key, "services[0]"), "?"));
		const struct vendor_row *row = vendor_find(slice_of(vendor), slice_of(service));
		if (!jx_is_arr(joins) || jx_len(joins) > 0 || row == NULL || row->local)
			continue;
		n++;
		finding(d, _("vendor key in no feature"), "warn",
			arena_printf(&c->arena, "%s/%s/%s", vendor, service,
				jx_str(jx_get(key, "slug"), "?")),
			arena_printf(&c->arena,
				_("call it as the model %s/%s, or give a feature this target"),
				vendor, service));
	}
	if (all == 0)
		finding(d, _("vendor keys"), "warn", _("none stored"),
			_("yijian key add openai/gpt-4 --name NAME --api-key - < FILE"));
	else
		finding(d, _("vendor keys"),
			lost == all    ? "fail"
				: lost ? "warn"
				       : "ok",
			lost ? arena_printf(&c->arena, _("%zu of %zu cannot be used"), lost, all)
			     : arena_printf(&c->arena, "%zu", all),
			NULL);
}

// The log beside the database, and whether what was deleted has left the files.
static void doctor_store(struct cmd *c, struct doctor *d, const struct jx *store)
{
	double bytes = jx_num(jx_get(store, "log_bytes"), 0);
	double max = jx_num(jx_get(store, "log_max_bytes"), 0);
	bool late = jx_bool(jx_get(store, "checkpoint_overdue"), false) || (max > 0 && bytes > max);
	bool unwiped = jx_bool(jx_get(store, "purge_overdue"), false);
	if (store == NULL)
		return; // an older agent
	finding(d, _("database log"), late ? "warn" : "ok",
		arena_printf(&c->arena, _("%.1f of %.0f MiB, last written back %s"),
			bytes / (1024 * 1024), max / (1024 * 1024),
			text_at(store, "checkpoint_at", _("never"))),
		late ? _("is the disk full or slow? yijian status says why; restart the agent if not")
		     : NULL);
	finding(d, _("deleted data wiped"), unwiped ? "warn" : "ok",
		arena_printf(&c->arena, _("last looked for %s"),
			text_at(store, "purge_at", _("never"))),
		unwiped ? _("deleted secrets are in the files still: mend what yijian status names")
			: NULL);
}

static void doctor_tls(struct cmd *c, struct doctor *d, const char *what)
{
	const struct http_trust *trust = client_trusted(c->client);
	const char *said = c->settings->value[CSET_PIN];
	char until[CLOCK_TEXT_MAX];
	if (trust->pin == NULL || !*trust->pin) {
		finding(d, what, "ok",
			*trust->ca_file
				? arena_printf(&c->arena, _("an authority of %s"), trust->ca_file)
				: _("an authority of the system"),
			NULL);
		return;
	}
	struct err ignored;
	bool expired = client_peek(c->client, &ignored) == ERR_OK &&
		client_seen(c->client)->until_ms < clock_wall_ms();
	finding(d, what, expired ? "warn" : "ok",
		arena_printf(&c->arena,
			*said ? _("its pin %s, from %s") : _("its pin %s, kept for %s"), trust->pin,
			*said ? c->settings->origin[CSET_PIN] : client_address(c->client)),
		expired ? arena_printf(&c->arena,
				  _("its certificate has expired on %s: others refuse it"),
				  clock_rfc3339(client_seen(c->client)->until_ms, until))
			: NULL);
}

// By what this console takes the agent for the right one.
static void doctor_judge(struct cmd *c, struct doctor *d)
{
	const char *agent = c->settings->value[CSET_AGENT], *address = client_address(c->client);
	const char *what = _("agent is judged by");
	struct arena a = ARENA_INIT;
	struct url u;
	if (address != NULL) {
		doctor_tls(c, d, what);
		return;
	}
	if (strncmp(agent, "unix:", 5) == 0) {
		finding(d, what, "ok", _("the unix socket's place in the file system"), NULL);
		return;
	}
	bool near = urlx_parse(slice_of(agent), &a, &u, NULL) == ERR_OK &&
		(strcmp(u.host, "localhost") == 0 ||
			urlx_host_class(u.host, &(bool){false}) == ADDR_LOOPBACK);
	finding(d, what, near ? "ok" : "warn",
		near ? _("nothing: plain HTTP on this host") : _("nothing: plain HTTP"),
		near ? NULL
		     : _("others on the way can read and change it: use https:// and the "
			 "gateway's TLS port"));
	arena_release(&a);
}

static void doctor_agent(struct cmd *c, struct doctor *d)
{
	struct client_call health = {.ep = EP_HEALTHZ}, keys = {.ep = EP_KEY_LIST};
	struct client_answer a;
	enum err_code code = cmd_call(c, &health, &a);
	if (code) {
		finding(d, _("agent answers"), "fail", c->err.message,
			strcmp(c->err.hint, _(err_row(ERR_UNREACHABLE)->hint)) != 0
				? c->err.hint
				: _("start it: systemctl start yijiand, or set YIJIAN_AGENT"));
		return;
	}
	finding(d, _("agent answers"), "ok", c->settings->value[CSET_AGENT], NULL);
	doctor_judge(c, d);
	const struct jx *reasons = jx_get(a.doc, "reasons");
	finding(d, _("agent healthy"), jx_len(reasons) ? "fail" : "ok",
		jx_len(reasons) ? jx_str(jx_at(reasons, 0), "") : text_at(a.doc, "status", "?"),
		jx_len(reasons) ? _("man yijiand says what to do about each") : NULL);
	finding(d, _("same version"),
		strcmp(text_at(a.doc, "version", ""), YJ_VERSION) == 0 ? "ok" : "warn",
		text_at(a.doc, "version", "?"), NULL);
	doctor_store(c, d, jx_get(a.doc, "store"));
	if (cmd_call(c, &keys, &a))
		finding(d, _("permission"), "fail", c->err.message, c->err.hint);
	else
		doctor_keys(c, d, jx_get(a.doc, "items"));
}

#define CERTIFICATE_DAYS 14 // before its end

// Which ports others reach; how many those are.
static size_t doctor_doors(struct doctor *d, const struct jx *agent)
{
	const struct jx *open = jx_get(agent, "public");
	bool tls = jx_is_obj(jx_get(agent, "tls"));
	struct str plain = STR_INIT;
	for (size_t i = 0; i < jx_len(open); i++) {
		const char *name = jx_str(jx_at(open, i), "?");
		if (!tls || strcmp(name, "api-gateway") != 0)
			str_addf(&plain, "%s%s", plain.n ? ", " : "", name);
	}
	finding(d, _("reachable from elsewhere"), plain.n ? "warn" : "ok",
		plain.n			   ? str_text(&plain)
			: jx_len(open) > 0 ? _("api-gateway, over TLS")
					   : _("no: loopback only"),
		plain.n ? _("it is plain HTTP: bind 127.0.0.1, and use the gateway's TLS port")
			: NULL);
	str_release(&plain);
	return jx_len(open);
}

static void doctor_certificate(struct cmd *c, struct doctor *d, const struct jx *tls)
{
	int64_t until = 0;
	if (!jx_is_obj(tls) ||
		!clock_parse_rfc3339(slice_of(text_at(tls, "expires_at", "")), &until))
		return;
	bool good = jx_bool(jx_get(tls, "good"), false);
	bool soon = until - clock_wall_ms() < CERTIFICATE_DAYS * INT64_C(86400000);
	finding(d, _("certificate"),
		!good	       ? "fail"
			: soon ? "warn"
			       : "ok",
		good ? arena_printf(&c->arena, _("%s, until %s, pin %s"),
			       text_at(tls, "subject", "?"), text_at(tls, "expires_at", "?"),
			       text_at(tls, "pin", "?"))
		     : text_at(tls, "reason", "?"),
		good && !soon
			? NULL
			: _("put a new pair in place, then: systemctl reload yijiand (SIGHUP)"));
}

// What is open to others, and what guards it.
static void doctor_identity(struct cmd *c, struct doctor *d)
{
	struct client_call status = {.ep = EP_STATUS}, tokens = {.ep = EP_TOKEN_LIST};
	struct client_answer s, t;
	if (cmd_call(c, &status, &s) || cmd_call(c, &tokens, &t))
		return; // "permission" has said it
	const struct jx *agent = jx_get(s.doc, "agent");
	finding(d, _("root key"), jx_bool(jx_get(agent, "sealed"), false) ? "fail" : "ok",
		jx_bool(jx_get(agent, "sealed"), false)
			? text_at(agent, "sealed_reason", _("it does not open the key store"))
			: _("it opens the key store"),
		jx_bool(jx_get(agent, "sealed"), false)
			? _("point YIJIAN_ROOT_KEY_FILE at the right file, mode 0600")
			: NULL);
	size_t doors = doctor_doors(d, agent);
	doctor_certificate(c, d, jx_get(agent, "tls"));
	int64_t dropped = jx_int(jx_path(s.doc, "metrics.series_dropped"), 0);
	finding(d, _("metrics"), dropped ? "warn" : "ok",
		dropped ? arena_printf(&c->arena, _("%lld series have no place"),
				  (long long)dropped)
			: _("every object has its series"),
		dropped ? _("see yijian_metrics_series_dropped: some objects are missing in /metrics")
			: NULL);
	size_t n = jx_len(jx_get(t.doc, "items"));
	finding(d, _("tokens"), doors && !n ? "fail" : "ok", arena_printf(&c->arena, "%zu", n),
		doors && !n
			? _("callers from elsewhere need one: yijian token create NAME --role ROLE")
			: NULL);
}

// The file this console reads its token from is its owner's alone.
static void doctor_token_file(struct cmd *c, struct doctor *d)
{
	const char *path = c->settings->value[CSET_TOKEN_FILE];
	struct stat st;
	if (!*path || stat(path, &st) < 0)
		return;
	finding(d, _("token file"), st.st_mode & 077 ? "warn" : "ok", path,
		st.st_mode & 077 ? _("others may read it: chmod 600") : NULL);
}

enum err_code cmd_doctor(struct cmd *c)
{
	struct doctor d = {.t = table_new()};
	struct str out = STR_INIT;
	table_column(d.t, "RESULT", false);
	table_column(d.t, "CHECK", false);
	table_column(d.t, "SEEN", false);
	table_column(d.t, "NEXT STEP", false);
	doctor_agent(c, &d);
	doctor_identity(c, &d);
	doctor_token_file(c, &d);
	const char *term = getenv("TERM"), *lang = getenv("LC_ALL");
	lang = lang != NULL && *lang ? lang : getenv("LC_CTYPE");
	lang = lang != NULL && *lang ? lang : getenv("LANG");
	finding(&d, _("terminal type"),
		term != NULL && *term && strcmp(term, "dumb") != 0 ? "ok" : "warn",
		term != NULL ? term : _("TERM is not set"),
		term != NULL ? NULL : _("export TERM=xterm-256color"));
	if (lang != NULL && (strstr(lang, "UTF-8") != NULL || strstr(lang, "utf8") != NULL))
		finding(&d, _("UTF-8 locale"), "ok", lang, NULL);
	else
		finding(&d, _("UTF-8 locale"), "warn", lang != NULL ? lang : _("LANG is not set"),
			_("export LANG=C.UTF-8"));
	table_text(d.t, !c->format.no_headers, c->format.cells, &out);
	cmd_write(c, str_slice(&out));
	str_release(&out);
	table_free(d.t);
	c->err = (struct err){0};
	return d.failed ? err_set(&c->err, ERR_ANSWER_NO, _("%zu checks failed"), d.failed)
			: ERR_OK;
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
	struct table *t = table_new();
	struct str out = STR_INIT;
	size_t n;
	const struct console_setting_row *rows = console_settings_all(&n);
	bool origin = cmd_has(c, COPT_ORIGIN);
	table_column(t, "SETTING", false);
	table_column(t, "VALUE", false);
	if (origin)
		table_column(t, "ORIGIN", false);
	for (size_t i = 0; i < n; i++) {
		table_row(t);
		table_cell(t, slice_of(rows[i].name));
		table_cell(t, slice_of(c->settings->value[rows[i].id]));
		if (origin)
			table_cell(t, slice_of(c->settings->origin[rows[i].id]));
	}
	if (c->format.format == FMT_CSV)
		table_csv(t, !c->format.no_headers, c->format.raw, &out);
	else
		table_text(t, !c->format.no_headers, c->format.cells, &out);
	cmd_write(c, str_slice(&out));
	str_release(&out);
	table_free(t);
	return ERR_OK;
}

enum err_code cmd_version(struct cmd *c)
{
	struct client_call call = {.ep = EP_HEALTHZ};
	cmd_writef(c, "yijian %s\n", YJ_VERSION);
	struct client_answer a;
	c->no_input = true; // not a thing to be asked about
	if (cmd_call(c, &call, &a) == ERR_OK)
		cmd_writef(c, "yijiand %s %s\n", text_at(a.doc, "version", "?"),
			c->settings->value[CSET_AGENT]);
	else
		cmd_notef(c, _("agent: %s"), c->err.message);
	c->err = (struct err){0};
	return ERR_OK; // the console's version is the answer, whether an agent runs or not
}
