// SPDX-License-Identifier: MIT
// One document for the dashboard: what is up, what is in trouble and since when, small enough to be
// asked for every second and equal as long as nothing changed.
#include "agent/api/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "agent/monitor/alerts.h"
#include "agent/decide/decide.h"
#include "agent/decide/standing.h"
#include "agent/record/history.h"
#include "agent/monitor/keyhealth.h"
#include "agent/web/keyless.h"
#include "agent/record/ledger.h"
#include "agent/web/refusals.h"
#include "agent/web/tls.h"
#include "agent/core/agent.h"
#include "agent/core/metrics.h"
#include "agent/store/store.h"
#include "agent/api/features.h"
#include "agent/api/services.h"
#include "agent/tasks/tasks.h"
#include "shared/clock.h"
#include "shared/text.h"
#include "shared/version.h"

#define SPARK_POINTS 60 // ten minutes
#define PROBLEMS_MAX 20 // named one by one; the counts have all

// What changes without anything having happened (ages, the time) is left out, so that a quiet
// platform answers 304: clients have started_at and clocks of their own.

static double round2(double v)
{
	return round(v * 100) / 100;
}

static double pct(uint64_t part, uint64_t of)
{
	return of == 0 ? NAN : round2(100.0 * (double)part / (double)of);
}

static double per_second(uint64_t n, double seconds)
{
	return seconds <= 0 ? 0 : round2((double)n / seconds);
}

// --- parts of the document ---

static void write_tls(struct jw *w, struct tls_port *port)
{
	struct tls_seen seen;
	if (port == NULL) {
		jw_null(w, "tls");
		return;
	}
	tls_port_look(port, clock_wall_ms(), &seen);
	jw_obj(w, "tls"); // of the gateway's port
	jw_str(w, "subject", seen.subject);
	jw_time(w, "expires_at", seen.expires_wall_ms);
	jw_str(w, "pin", seen.pin);
	jw_bool(w, "good", seen.good);
	jw_str(w, "reason", seen.good ? NULL : seen.why);
	jw_obj_end(w);
}

static void write_agent(struct jw *w, const struct req *r)
{
	static const char *const states[] = {
		[STORE_OK] = "ok", [STORE_DEGRADED] = "degraded", [STORE_READONLY] = "readonly"};
	const struct agent *a = r->agent;
	struct store_stats stats;
	store_stats(a->store, &stats);
	bool ok = stats.state == STORE_OK && !r->snap->sealed;
	jw_obj(w, "agent");
	jw_str(w, "state", ok ? "ok" : "degraded");
	jw_str(w, "version", YJ_VERSION);
	jw_bool(w, "simulated", a->settings->simulated);
	jw_time(w, "started_at", a->started_wall_ms);
	jw_int(w, "revision", (int64_t)r->snap->revision);
	jw_obj(w, "store");
	jw_str(w, "state", states[stats.state]);
	jw_str(w, "reason", stats.reason[0] != '\0' ? stats.reason : NULL);
	jw_obj_end(w);
	jw_bool(w, "sealed", r->snap->sealed);
	jw_str(w, "sealed_reason", stats.sealed[0] != '\0' ? stats.sealed : NULL);
	jw_arr(w, "public"); // services that are reached from beyond this host
	for (int i = 0; i < SVC_COUNT; i++)
		if (settings_public(a->settings, (enum service_id)i))
			jw_str(w, NULL, service_row((enum service_id)i)->name);
	jw_arr_end(w);
	write_tls(w, a->tls);
	jw_obj_end(w);
}

// Steps before the first one with traffic are left out, or an idle agent's document would grow.
static void write_spark(struct jw *w, const char *key, struct req *r, enum figure fig)
{
	float v[SPARK_POINTS];
	int64_t age_us = 0;
	size_t n = history_points(r->agent->history, (struct slice){0}, fig, false, clock_mono_us(),
		v, SPARK_POINTS, &age_us);
	size_t i = 0;
	while (i < n && !(v[i] > 0))
		i++;
	jw_arr(w, key);
	for (; i < n; i++)
		jw_num(w, NULL, round2((double)v[i] * (fig == FIG_ERRORS ? 100 : 1)));
	jw_arr_end(w);
}

static void write_window(struct jw *w, const struct history_sum *s, const char *const keys[3])
{
	jw_num(w, keys[0], per_second(s->requests, s->seconds));
	jw_num(w, keys[1], pct(s->errors, s->requests));
	jw_num(w, keys[2], pct(s->fallbacks, s->requests));
}

static void write_traffic(struct jw *w, struct req *r)
{
	static const char *const one[] = {"rate_1m", "error_pct_1m", "fallback_pct_1m"};
	static const char *const five[] = {"rate_5m", "error_pct_5m", "fallback_pct_5m"};
	struct history *h = r->agent->history;
	int64_t now_us = clock_mono_us();
	struct history_sum minute = history_sum(h, (struct slice){0}, now_us, 60);
	struct history_sum minutes = history_sum(h, (struct slice){0}, now_us, 300);
	jw_obj(w, "traffic");
	write_window(w, &minute, one);
	write_window(w, &minutes, five);
	jw_num(w, "p50_ms", round2(minute.p50_ms));
	jw_num(w, "p95_ms", round2(minute.p95_ms));
	jw_num(w, "tokens_rate", per_second(minute.tokens, minute.seconds));
	jw_obj(w, "history");
	jw_int(w, "step_s", HISTORY_FINE_S);
	write_spark(w, "rate", r, FIG_RATE);
	write_spark(w, "error_pct", r, FIG_ERRORS);
	write_spark(w, "p95_ms", r, FIG_P95);
	jw_obj_end(w);
	jw_obj_end(w);
}

static const char *feature_state(const struct feature_obj *f, const struct decision *d,
	size_t *ret_ok)
{
	bool trouble = false;
	*ret_ok = 0;
	for (size_t i = 0; i < d->n; i++) {
		// What an operator has chosen, or has not set up yet, is no trouble.
		enum skip skip = d->v[i].skip;
		*ret_ok += skip == SKIP_NONE;
		trouble = trouble ||
			(skip != SKIP_NONE && !skip_is(skip, SKIPS_WISH) &&
				skip != SKIP_CAPABILITY_MISSING && skip != SKIP_CONCURRENCY_FULL);
	}
	if (!f->doc.enabled)
		return "OFF";
	if (*ret_ok == 0)
		return "DOWN";
	return trouble ? "WARN" : "OK";
}

static void write_routes(struct jw *w, struct req *r)
{
	struct decision *d = arena_alloc(&r->arena, sizeof(*d));
	struct history *h = r->agent->history;
	size_t n = 0;
	const struct feature_obj **all = features_by_name(r, &n);
	jw_arr(w, "routes");
	for (size_t i = 0; i < n; i++) {
		const struct feature_obj *f = all[i];
		size_t ok = 0;
		int64_t now_us = clock_mono_us();
		decide_plain(snapshot_route(r->snap, f), now_us, clock_wall_ms(), d);
		struct slice name = slice_of(f->doc.name);
		struct history_sum minute = history_sum(h, name, now_us, 60);
		struct history_sum minutes = history_sum(h, name, now_us, 300);

		jw_obj(w, NULL);
		jw_str(w, "feature", f->doc.name);
		jw_str(w, "state", feature_state(f, d, &ok));
		jw_str(w, "strategy", strategy_names[f->doc.strategy]);
		jw_num(w, "rate", per_second(minute.requests, minute.seconds));
		jw_num(w, "error_pct", pct(minutes.errors, minutes.requests));
		jw_num(w, "p95_ms", round2(minutes.p95_ms));
		jw_int(w, "candidates", (int64_t)d->n);
		jw_int(w, "candidates_ok", (int64_t)ok);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

// --- keys and instances: counts, and the troubled ones by name ---

static void write_keys(struct jw *w, const struct snapshot *snap)
{
	int64_t by_state[KEY_STANDINGS] = {0};
	struct pmap_it it = {0};
	int64_t now_us = clock_mono_us(), now_ms = clock_wall_ms();
	size_t problems = 0;
	jw_obj(w, "keys");
	jw_int(w, "total", (int64_t)snap->keys.n);
	jw_arr(w, "problems");
	void *value;
	struct slice name;
	while (pmap_next(snap->keys, &it, &name, &value)) {
		enum key_standing standing = key_standing(value, snap->sealed, now_us, now_ms);
		enum key_use use = key_standing_row(standing)->use;
		by_state[standing]++;
		// What the operator turned off is nothing to see to.
		if (use == KEY_USABLE || use == KEY_OFF || problems++ >= PROBLEMS_MAX)
			continue;
		const struct key_obj *k = value;
		int64_t until_us = key_standing_until_us(k, standing);
		jw_obj(w, NULL);
		jw_str(w, "key", k->ref);
		jw_str(w, "state", key_standing_row(standing)->name);
		if (until_us > now_us) // to the second, or it would change with every look
			jw_time(w, "until", (now_ms + (until_us - now_us) / 1000) / 1000 * 1000);
		else
			jw_null(w, "until");
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_obj(w, "by_state");
	for (int i = 0; i < KEY_STANDINGS; i++)
		if (by_state[i] > 0)
			jw_int(w, key_standing_row((enum key_standing)i)->name, by_state[i]);
	jw_obj_end(w);
	jw_obj_end(w);
}

static void write_instances(struct jw *w, const struct snapshot *snap)
{
	int64_t by_state[INSTANCE_STANDINGS] = {0};
	struct pmap_it it = {0};
	int64_t now_us = clock_mono_us();
	size_t problems = 0;
	jw_obj(w, "instances");
	jw_int(w, "total", (int64_t)snap->instances.n);
	jw_arr(w, "problems");
	void *value;
	struct slice name;
	while (pmap_next(snap->instances, &it, &name, &value)) {
		enum instance_standing standing = instance_standing(value, now_us);
		const struct instance_standing_row *row = instance_standing_row(standing);
		by_state[standing]++;
		if (row->use != INSTANCE_OUT || problems++ >= PROBLEMS_MAX)
			continue;
		const struct instance_obj *in = value;
		char ref[REF_MAX];
		snprintf(ref, sizeof(ref), "%s/%s", in->doc.service, in->doc.id);
		jw_obj(w, NULL);
		jw_str(w, "instance", ref);
		jw_str(w, "state", row->name);
		jw_time_or_null(w, "since", atomic_load(&in->live->health_since_wall_ms));
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_obj(w, "by_state");
	for (int i = 0; i < INSTANCE_STANDINGS; i++)
		if (by_state[i] > 0)
			jw_int(w, instance_standing_row((enum instance_standing)i)->name,
				by_state[i]);
	jw_obj_end(w);
	jw_obj_end(w);
}

static void write_usage(struct jw *w, const struct req *r)
{
	struct ledger_day d = ledger_today(r->agent->ledger);
	jw_obj(w, "usage");
	jw_obj(w, "today");
	jw_int(w, "requests", d.requests);
	jw_int(w, "failures", d.failures);
	jw_int(w, "tokens_in", d.tokens_in);
	jw_int(w, "tokens_out", d.tokens_out);
	jw_int(w, "images", d.images);
	jw_arr(w, "cost");
	for (size_t i = 0; i < d.currencies; i++)
		jw_money(w, NULL, d.cost[i].pico, d.cost[i].currency,
			cost_source_name(d.cost[i].source));
	jw_arr_end(w);
	jw_int(w, "cost_unknown", d.cost_unknown);
	jw_obj_end(w);
	jw_obj_end(w);
}

void h_status(struct req *r)
{
	const struct agent *a = r->agent;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	write_agent(&w, r);
	jw_arr(&w, "services");
	for (int i = 0; i < SVC_COUNT; i++)
		services_write_platform(&w, a, r->snap, (enum service_id)i);
	jw_arr_end(&w);
	write_traffic(&w, r);
	refusals_write_status(a->refusals, &w, clock_mono_us());

	// Who calls without a key is told of while none is asked for: the first client locks them out.
	jw_obj(&w, "clients");
	jw_int(&w, "total", (int64_t)r->snap->clients.n);
	jw_bool(&w, "required", r->snap->clients_required);
	keyless_write(a->keyless, &w, clock_mono_us());
	jw_obj_end(&w);
	write_routes(&w, r);
	write_keys(&w, r->snap);
	write_instances(&w, r->snap);
	alerts_write_status(a->alerts, &w);
	keyhealth_write_status(a->keyhealth, &w);
	write_usage(&w, r);

	int64_t tasks[TASK_STATES];
	tasks_counts(a->tasks, tasks);
	jw_obj(&w, "tasks");
	for (int i = 0; i < TASK_STATES; i++)
		jw_int(&w, task_state_names[i], tasks[i]);
	jw_obj_end(&w);

	jw_obj(&w, "metrics");
	jw_int(&w, "series_max", METRIC_SERIES_MAX);
	jw_int(&w, "series_dropped", (int64_t)metrics_room(a->metrics).missing);
	jw_obj_end(&w);
	jw_obj_end(&w);
	char etag[24];
	snprintf(etag, sizeof(etag), "\"s%016llx\"",
		(unsigned long long)slice_hash(SLICE_HASH_BEGIN, str_slice(&out)));
	if (req_not_modified(r, etag))
		str_release(&out);
	else
		req_reply_json(r, 200, &out);
}
