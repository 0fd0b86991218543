// SPDX-License-Identifier: MIT
// Walks the objects a rule is about and measures each: a number from live state or history, or
// unknown.
#include "agent/monitor/alert_scan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "agent/record/history.h"
#include "agent/decide/standing.h"
#include "agent/store/store.h"
#include "agent/state/price_book.h"
#include "agent/web/refusals.h"
#include "agent/web/tls.h"
#include "shared/rows/lifecycle.h"

#define DAY_MS 86400000.0

static bool wanted(const struct alert_rule *rule, const char *object)
{
	return rule->only.n == 0 || strv_has(&rule->only, object);
}

static void tell(const struct alert_scan *s, const struct alert_rule *rule, const char *object,
	double value)
{
	if (wanted(rule, object))
		s->found(s->arg, object, "", value);
}

// ---- features ----

static double candidates_up(const struct alert_scan *s, const struct feature_obj *f)
{
	struct decision *d = s->decision;
	size_t up = 0, set_up = 0;
	decide_plain(snapshot_route(s->snap, f), s->now_us, s->wall_ms, d);
	for (size_t i = 0; i < d->n; i++) {
		enum skip skip = d->v[i].skip;
		up += skip == SKIP_NONE || skip_is(skip, SKIPS_LOAD);
		// The operator's wish, or what is not set up, is no outage.
		set_up += !skip_is(skip, SKIPS_WISH | SKIPS_PLAN) &&
			skip != SKIP_CAPABILITY_MISSING;
	}
	return set_up > 0 && f->doc.enabled ? (double)up : NAN;
}

static double part(uint64_t n, const struct history_sum *sum, const struct alert_rule *rule)
{
	if (sum->requests == 0 || sum->requests < (uint64_t)rule->min_count)
		return 0; // too few to say that it is bad
	return 100.0 * (double)n / (double)sum->requests;
}

static double feature_value(const struct alert_scan *s, const struct alert_rule *rule,
	const struct feature_obj *f)
{
	if (rule->metric == AM_CANDIDATES_UP)
		return candidates_up(s, f);
	struct history_sum sum = history_sum(s->agent->history, slice_of(f->doc.name), s->now_us,
		(int)rule->window_s);
	if (rule->metric == AM_ERROR_PCT)
		return part(sum.errors, &sum, rule);
	if (rule->metric == AM_BROKEN_PCT)
		return part(sum.broken, &sum, rule);
	return sum.requests < (uint64_t)MAX_OF(rule->min_count, 1) ? 0 : sum.p95_ms;
}

static void scan_features(const struct alert_scan *s, const struct alert_rule *rule)
{
	struct pmap_it it = {0};
	void *value;
	while (pmap_next(s->snap->features, &it, NULL, &value)) {
		const struct feature_obj *f = value;
		if (wanted(rule, f->doc.name))
			tell(s, rule, f->doc.name, feature_value(s, rule, f));
	}
}

// ---- targets ----

static double is_gone(const struct route *route, const struct target *t)
{
	for (size_t i = 0; i < route->n; i++) {
		const struct candidate *c = &route->v[i];
		if (c->target == t && c->pair != NULL &&
			atomic_load(&c->pair->fault) == LIVE_MODEL_GONE)
			return 1;
	}
	return 0;
}

static double shutdown_days(const struct alert_scan *s, const struct target *t)
{
	if (t->kind != TARGET_VENDOR || !t->enabled || t->upstream_model == NULL)
		return NAN;
	const struct price_ask ask = {.vendor = t->vendor, .model = t->upstream_model};
	const struct price *p = price_book_find(s->snap->prices, &ask, s->wall_ms);
	if (p != NULL && p->shutdown_at != FIELD_NONE)
		return floor((double)(p->shutdown_at - s->wall_ms) / DAY_MS);
	const struct lifecycle_row *row = lifecycle_find(slice_of(t->vendor),
		slice_of(t->upstream_model));
	return row == NULL ? INFINITY : floor((double)(lifecycle_at(row) - s->wall_ms) / DAY_MS);
}

static void scan_targets(const struct alert_scan *s, const struct alert_rule *rule)
{
	struct pmap_it it = {0};
	void *value;
	while (pmap_next(s->snap->features, &it, NULL, &value)) {
		const struct feature_obj *f = value;
		const struct route *route = rule->metric == AM_MODEL_GONE
			? snapshot_route(s->snap, f)
			: NULL;
		const struct target *v = f->doc.targets.v;
		for (size_t i = 0; i < f->doc.targets.n; i++) {
			char object[ALERT_OBJECT_MAX];
			snprintf(object, sizeof(object), "%s/%s", f->doc.name, v[i].id);
			tell(s, rule, object,
				rule->metric == AM_MODEL_GONE ? is_gone(route, &v[i])
							      : shutdown_days(s, &v[i]));
		}
	}
}

// ---- keys ----

static double budget_pct(const struct alert_scan *s, const struct key_obj *k)
{
	if (k->limits.budget_pico < 0)
		return 0; // none
	if (k->limits.budget_pico == 0)
		return 100;
	struct spent spent = limits_spent(&k->limits, k->live, s->wall_ms);
	return 100.0 * (double)spent.pico / (double)k->limits.budget_pico;
}

static double key_value(const struct alert_scan *s, const struct alert_rule *rule,
	const struct key_obj *k)
{
	if (rule->metric == AM_KEY_EXPIRES_DAYS)
		return k->doc.expires_at == FIELD_NONE
			? INFINITY
			: (double)(k->doc.expires_at - s->wall_ms) / DAY_MS;
	unsigned held = key_standings(k, s->snap->sealed, s->now_us, s->wall_ms);
	if (held >> KEY_IS_DISABLED & 1)
		return 0; // the operator has seen to it
	switch (rule->metric) {
	case AM_KEY_COOLING:
		return held >> KEY_IS_COOLING & 1;
	case AM_KEY_INVALID:
		return held >> KEY_IS_INVALID & 1;
	case AM_KEY_NO_QUOTA:
		return held >> KEY_IS_NO_QUOTA & 1;
	default:
		return budget_pct(s, k);
	}
}

static void scan_keys(const struct alert_scan *s, const struct alert_rule *rule)
{
	struct pmap_it it = {0};
	void *value;
	while (pmap_next(s->snap->keys, &it, NULL, &value)) {
		const struct key_obj *k = value;
		if (wanted(rule, k->ref))
			s->found(s->arg, k->ref, k->doc.id, key_value(s, rule, k));
	}
}

// ---- instances ----

static void scan_instances(const struct alert_scan *s, const struct alert_rule *rule)
{
	struct pmap_it it = {0};
	struct slice name;
	void *value;
	while (pmap_next(s->snap->instances, &it, &name, &value)) {
		enum instance_use use =
			instance_standing_row(instance_standing(value, s->now_us))->use;
		char object[INSTANCE_KEY_MAX];
		snprintf(object, sizeof(object), "%.*s", SLICE_FMT(name));
		// Nothing is known of one that was not probed yet.
		tell(s, rule, object, use == INSTANCE_UNSEEN ? NAN : use == INSTANCE_OUT);
	}
}

// ---- the agent ----

static double certificate_days(const struct alert_scan *s)
{
	struct tls_seen seen;
	if (s->agent->tls == NULL)
		return NAN;
	tls_port_look(s->agent->tls, s->wall_ms, &seen);
	return floor((double)(seen.expires_wall_ms - s->wall_ms) / DAY_MS);
}

static double agent_value(const struct alert_scan *s, const struct alert_rule *rule)
{
	struct agent *a = s->agent;
	struct store_stats stats;
	switch (rule->metric) {
	case AM_STORE_DEGRADED:
		store_stats(a->store, &stats);
		return stats.state != STORE_OK;
	case AM_SEALED:
		return s->snap->sealed;
	case AM_ZERO_COST:
		return (double)alert_meter_grown(s->zero_cost, rule->window_s, s->now_us);
	case AM_UNPRICED:
		return (double)alert_meter_grown(s->unpriced, rule->window_s, s->now_us);
	case AM_OUTCOME_UNKNOWN:
		return (double)alert_meter_grown(s->outcome_unknown, rule->window_s, s->now_us);
	case AM_CERTIFICATE_DAYS:
		return certificate_days(s);
	default:
		return NAN;
	}
}

void alert_scan(const struct alert_scan *s, const struct alert_rule *rule)
{
	switch ((enum alert_scope)rule->scope) {
	case SCOPE_FEATURE:
		scan_features(s, rule);
		break;
	case SCOPE_TARGET:
		scan_targets(s, rule);
		break;
	case SCOPE_KEY:
		scan_keys(s, rule);
		break;
	case SCOPE_INSTANCE:
		scan_instances(s, rule);
		break;
	case SCOPE_REFUSAL:
		for (int i = 1; i < REFUSED_COUNT; i++)
			tell(s, rule, refusal_row((enum refusal)i)->name,
				(double)refusals_lately(s->agent->refusals, (enum refusal)i,
					s->now_us, (int)rule->window_s));
		break;
	case SCOPE_AGENT:
		tell(s, rule, "agent", agent_value(s, rule));
		break;
	}
}
