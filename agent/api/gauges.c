// SPDX-License-Identifier: MIT
// Sets every gauge that is read off the state rather than counted, just before /metrics is written.
#include "agent/api/gauges.h"

#include "agent/decide/standing.h"
#include "agent/web/overload.h"
#include "agent/web/tls.h"
#include "agent/tasks/tasks.h"
#include "agent/record/ledger.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/version.h"

static void set(struct agent *a, enum metric_id id, double v, const char *label)
{
	const char *labels[] = {label, NULL};
	metric_set(a->metrics, id, v, labels);
}

static size_t left_out(size_t objects)
{
	return objects > GAUGES_OBJECTS_MAX ? objects - GAUGES_OBJECTS_MAX : 0;
}

static void key_gauges(struct agent *a, const struct snapshot *snap)
{
	static const char *const uses[KEY_USES] = {"usable", "cooling", "faulty", "disabled"};
	int64_t now_us = clock_mono_us(), wall_ms = clock_wall_ms();
	double count[KEY_USES] = {0};
	struct pmap_it it = {0};
	size_t missing = left_out(snap->keys.n);
	metric_round(a->metrics, MET_KEY_USABLE);
	metric_round(a->metrics, MET_KEY_COOLDOWN_SECONDS);
	void *value;
	struct slice id;
	for (size_t n = 0; pmap_next(snap->keys, &it, &id, &value); n++) {
		const struct key_obj *k = value;
		int64_t cooling_us = k->live->cooldown_until_us - now_us;
		enum key_use use =
			key_standing_row(key_standing(k, snap->sealed, now_us, wall_ms))->use;
		count[use]++;
		if (n >= GAUGES_OBJECTS_MAX)
			continue;
		set(a, MET_KEY_USABLE, use == KEY_USABLE, k->ref);
		set(a, MET_KEY_COOLDOWN_SECONDS, cooling_us > 0 ? (double)cooling_us / 1e6 : 0,
			k->ref);
	}
	metric_round_end(a->metrics, MET_KEY_USABLE, missing);
	metric_round_end(a->metrics, MET_KEY_COOLDOWN_SECONDS, missing);
	for (int i = 0; i < KEY_USES; i++)
		set(a, MET_KEYS, count[i], uses[i]);
	set(a, MET_SEALED, snap->sealed, NULL);
}

static void instance_gauges(struct agent *a, const struct snapshot *snap)
{
	struct pmap_it it = {0};
	int64_t now_us = clock_mono_us();
	metric_round(a->metrics, MET_INSTANCE_UP);
	void *value;
	struct slice id;
	for (size_t n = 0; n < GAUGES_OBJECTS_MAX && pmap_next(snap->instances, &it, &id, &value);
		n++) {
		const struct instance_obj *in = value;
		const char *labels[] = {in->doc.service, in->doc.id, NULL};
		enum instance_use use = instance_standing_row(instance_standing(in, now_us))->use;
		metric_set(a->metrics, MET_INSTANCE_UP,
			use == INSTANCE_UP || use == INSTANCE_UNSEEN, labels);
	}
	metric_round_end(a->metrics, MET_INSTANCE_UP, left_out(snap->instances.n));
}

static void breaker_gauges(struct agent *a, const struct snapshot *snap)
{
	struct pmap_it it = {0};
	size_t n = 0;
	int64_t now_us = clock_mono_us();
	metric_round(a->metrics, MET_BREAKER_OPEN);
	void *value;
	struct slice name;
	while (pmap_next(snap->features, &it, &name, &value)) {
		if (n >= GAUGES_OBJECTS_MAX) { // no route is built to be left out: at least so many
			n += ((const struct feature_obj *)value)->doc.targets.n;
			continue;
		}
		const struct route *route = snapshot_route(snap, value);
		for (size_t i = 0; i < route->n; i++) {
			const struct candidate *c = &route->v[i];
			if (c->live == NULL || n++ >= GAUGES_OBJECTS_MAX)
				continue;
			set(a, MET_BREAKER_OPEN,
				live_open(c->live, now_us) ||
					(c->pair != NULL && live_open(c->pair, now_us)),
				c->name);
		}
	}
	metric_round_end(a->metrics, MET_BREAKER_OPEN, left_out(n));
}

void gauges_refresh(struct agent *a, const struct snapshot *snap, enum service_id service)
{
	const char *name = service_row(service)->name;
	const char *info[] = {name, YJ_VERSION, NULL};
	metric_set(a->metrics, MET_BUILD_INFO, 1, info);
	if (service == SVC_API_GATEWAY && a->tls != NULL) {
		struct tls_seen seen;
		tls_port_look(a->tls, clock_wall_ms(), &seen);
		set(a, MET_TLS_EXPIRES, (double)seen.expires_wall_ms / 1e3, NULL);
	}
	set(a, MET_LISTEN_PUBLIC, settings_public(a->settings, service), name);
	if (service == SVC_API_GATEWAY) {
		ledger_collect(a->ledger);
		int64_t tasks[TASK_STATES];
		tasks_counts(a->tasks, tasks);
		for (int i = 0; i < TASK_STATES; i++)
			if (!task_is_over((enum task_state)i))
				set(a, MET_TASKS_OPEN, (double)tasks[i], task_state_names[i]);
		set(a, MET_LOG_LOST, (double)log_lost(), NULL);
		set(a, MET_BUFFERED, (double)load_held(a->load, HELD_REQUESTS), "requests");
		set(a, MET_BUFFERED, (double)load_held(a->load, HELD_ANSWERS), "answers");
	}
	if (service == SVC_CONFIG_CENTER) {
		struct store_stats st;
		store_stats(a->store, &st);
		set(a, MET_CONFIG_REVISION, (double)snap->revision, NULL);
		set(a, MET_FEATURES, (double)snap->features.n, NULL);
		set(a, MET_STORE_COMMITS, (double)st.commits, NULL);
		set(a, MET_STORE_COMMIT_SECONDS, st.commit_seconds_sum, NULL);
		set(a, MET_STORE_WRITES, (double)st.writes, NULL);
		set(a, MET_STORE_FAILURES, (double)st.failures, NULL);
		set(a, MET_STORE_UP, st.state == STORE_OK, NULL);
		set(a, MET_STORE_LOG_BYTES, (double)st.log_bytes, NULL);
		set(a, MET_STORE_CHECKPOINT_AT, (double)st.checkpoint_wall_ms / 1e3, NULL);
		set(a, MET_STORE_PURGE_AT, (double)st.purge_wall_ms / 1e3, NULL);
		set(a, MET_STORE_CHANGES_MISSING, st.changes_missing, NULL);
	}
	if (service == SVC_KEY_MANAGER)
		key_gauges(a, snap);
	if (service == SVC_SERVICE_REGISTRY)
		instance_gauges(a, snap);
	if (service == SVC_ROUTER_ENGINE)
		breaker_gauges(a, snap);
}
