// SPDX-License-Identifier: MIT
// Finds the series and histories whose object is no more and ends them.
#include "agent/monitor/departed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/state/caller.h"
#include "agent/record/history.h"
#include "agent/record/ledger.h"
#include "agent/core/metrics.h"
#include "shared/clock.h"
#include "shared/map.h"
#include "shared/mem.h"

struct departed {
	struct agent *agent;
	struct loop *loop;
	struct loop_timer timer;
};

struct departed *departed_new(struct agent *a)
{
	struct departed *d = mem_zalloc(1, sizeof(*d));
	d->agent = a;
	return d;
}

void departed_free(struct departed *d)
{
	free(d);
}

// ---- at once, on the publishing thread ----

static void changed(void *arg, const struct snapshot_again *e)
{
	const struct departed *d = arg;
	const struct feature_obj *f = e->obj;
	if (e->live->kind != LIVE_FEATURE)
		return;
	ledger_forget(d->agent->ledger, f->doc.name);
	if (e->what == LIVE_GONE)
		metrics_end_named(d->agent->metrics, "feature", f->doc.name, clock_mono_us());
	if (e->what != LIVE_NEW_OBJECT)
		return;
	metrics_forget_named(d->agent->metrics, "feature", f->doc.name);
	history_forget(d->agent->history, slice_of(f->doc.name));
}

// ---- looking ----

struct look {
	const struct snapshot *snap;
	struct map targets; // "openai/dalle" → anything
};

static void note(struct look *l, const char *kind, const char *service)
{
	char name[2 * ID_MAX + 2];
	int n = snprintf(name, sizeof(name), "%s/%s", kind, service);
	map_put(&l->targets, (struct slice){name, MIN_OF((size_t)n, sizeof(name) - 1)}, l);
}

static bool client_lives(const struct snapshot *snap, const char *id)
{
	struct ident client;
	return ident_read(slice_of(id), CREDENTIAL_CLIENT, &client) &&
		snapshot_client(snap, &client) != NULL;
}

static bool alive(void *arg, const char *label, const char *value)
{
	const struct look *l = arg;
	if (value[0] == '\0' || strcmp(value, USAGE_OTHER) == 0)
		return true;
	if (strcmp(label, "feature") == 0)
		return snapshot_feature(l->snap, slice_of(value)) != NULL;
	if (strcmp(label, "target") == 0)
		return map_get(&l->targets, slice_of(value)) != NULL;
	if (strcmp(label, "client") == 0)
		return client_lives(l->snap, value);
	return true;
}

static void look(void *arg)
{
	struct departed *d = arg;
	struct look l = {.snap = snapshots_now(d->agent->snaps)};
	int64_t now_us = loop_now_us(d->loop);
	loop_timer_set(d->loop, &d->timer, DEPARTED_LOOK_US, look, d);
	struct pmap_it it = {0}, instances = {0};
	void *value;
	while (pmap_next(l.snap->features, &it, NULL, &value)) {
		const struct feature *f = &((const struct feature_obj *)value)->doc;
		const struct target *t = f->targets.v;
		for (size_t i = 0; i < f->targets.n; i++)
			note(&l, t[i].kind == TARGET_VENDOR ? t[i].vendor : "self", t[i].service);
	}
	while (pmap_next(l.snap->instances, &instances, NULL, &value))
		note(&l, "self", ((const struct instance_obj *)value)->doc.service);
	metrics_review(d->agent->metrics, now_us, alive, &l);
	history_review(d->agent->history, now_us, METRIC_KEPT_US, alive, &l);
	map_release(&l.targets);
}

void departed_start(struct departed *d, struct loop *control)
{
	d->loop = control;
	snapshots_observe(d->agent->snaps, changed, d);
	loop_timer_set(control, &d->timer, DEPARTED_LOOK_US, look, d);
}

void departed_stop(struct departed *d)
{
	if (d->loop == NULL)
		return;
	loop_timer_clear(d->loop, &d->timer);
	d->loop = NULL;
}

int64_t departed_age_ms(void *snapshot, struct slice feature)
{
	const struct feature_obj *f = snapshot_feature(snapshot, feature);
	if (f == NULL)
		return -1;
	if (f->doc.created_at == FIELD_NONE)
		return INT64_MAX; // of a service and all its life
	int64_t age_ms = clock_wall_ms() - f->doc.created_at;
	return age_ms > 0 ? age_ms : INT64_MAX; // the clock was set back: not known
}
