// SPDX-License-Identifier: MIT
// Compares what is dead now with what was written down and hands the store the difference; at the
// start the other way round.
#include "agent/monitor/outages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/core/metrics.h"
#include "agent/core/events.h"
#include "agent/decide/standing.h"
#include "agent/store/store.h"
#include "agent/core/loop.h"
#include "agent/state/snapshot.h"
#include "agent/store/instance.h"
#include "agent/store/outage.h"
#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/map.h"
#include "shared/mem.h"
#include "shared/text.h"
#include "shared/vec.h"

#define S_US INT64_C(1000000)
#define SAME_MS 2000 // two readings of one instant by two clocks
#define AGAIN_US (30 * S_US)
#define BATCH_MAX 256

struct item {
	enum live_kind kind;
	char id[sizeof(((struct live *)0)->id)];
	struct outage now;
	bool reap; // the instance itself goes
	bool done;
	int64_t beat_us; // of the one to be reaped, when it was looked at
};

struct items {
	struct item *v;
	size_t n, cap;
};

struct writing { // one job of the store
	struct store_job job;
	struct outages *o;
	struct items items;
};

struct outages {
	struct agent *agent;
	struct loop *loop;
	struct loop_timer timer;
	int64_t started_us;
	struct map saved; // "kind:id" → struct outage, as the database has it
	struct items found; // by the look under way
	struct writing usual, last;
	bool busy, loaded; // busy: the usual one is out
	int64_t again_us; // after the store refused
};

static const struct actor system_actor = ACTOR_SELF("system");

struct outages *outages_new(struct agent *a)
{
	struct outages *o = mem_zalloc(1, sizeof(*o));
	o->agent = a;
	return o;
}

void outages_free(struct outages *o)
{
	size_t it = 0;
	if (o == NULL)
		return;
	void *value;
	while (map_next(&o->saved, &it, NULL, &value))
		free(value);
	map_release(&o->saved);
	VEC_RELEASE(&o->found);
	VEC_RELEASE(&o->usual.items);
	VEC_RELEASE(&o->last.items);
	free(o);
}

static struct slice name_of(enum live_kind kind, const char *id, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%d:%s", (int)kind, id);
	return (struct slice){buf, MIN_OF((size_t)n, size - 1)};
}

static void remember(struct outages *o, enum live_kind kind, const char *id,
	const struct outage *now)
{
	char buf[sizeof(((struct item *)0)->id) + 8];
	struct slice name = name_of(kind, id, buf, sizeof(buf));
	free(map_del(&o->saved, name));
	if (!outage_any(now))
		return;
	struct outage *copy = mem_alloc(sizeof(*copy));
	*copy = *now;
	map_put(&o->saved, name, copy);
}

static void tell_metric(struct outages *o)
{
	static const char *const kinds[] = {"key", "instance"};
	double n[ARRAY_LEN(kinds)] = {0};
	size_t it = 0;
	struct slice name;
	void *value;
	while (map_next(&o->saved, &it, &name, &value))
		n[name.p[0] != '0']++;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		metric_set(o->agent->metrics, MET_OUTAGES, n[i],
			(const char *const[]){kinds[i], NULL});
}

// ---- what is so now ----

static struct outage of_key(const struct key_obj *k, int64_t now_us, int64_t wall_ms)
{
	const struct live *l = k->live;
	int32_t fault = atomic_load(&l->fault);
	int64_t cool_us = atomic_load(&l->cooldown_until_us) - now_us;
	struct outage o = {.mark = store_outage_mark_key(k)};
	if (fault == LIVE_KEY_INVALID || fault == LIVE_KEY_NO_QUOTA ||
		fault == LIVE_REGION_DENIED) {
		o.fault = fault;
		o.since_ms = atomic_load(&l->fault_since_wall_ms);
	}
	if (cool_us > OUTAGE_COOL_S * S_US) {
		o.cool_until_ms = wall_ms + cool_us / 1000;
		o.cool_status = atomic_load(&l->cooldown_status);
	}
	return o;
}

static bool near(int64_t a, int64_t b)
{
	return (a == 0) == (b == 0) && a - b <= SAME_MS && b - a <= SAME_MS;
}

// A cooldown that runs out needs no writing, and for one that goes on the row is right already.
static bool is_kept(const struct outage *was, const struct outage *now, int64_t wall_ms)
{
	bool cool = near(was->cool_until_ms, now->cool_until_ms) ||
		(now->cool_until_ms == 0 && was->cool_until_ms - wall_ms <= OUTAGE_COOL_S * 1000);
	return was->mark == now->mark && was->fault == now->fault &&
		was->since_ms == now->since_ms && cool &&
		(was->beat_ms == 0) == (now->beat_ms == 0);
}

static void look_at(struct outages *o, enum live_kind kind, const char *id,
	const struct outage *now, int64_t wall_ms)
{
	static const struct outage none;
	char buf[sizeof(((struct item *)0)->id) + 8];
	const struct outage *was = map_get(&o->saved, name_of(kind, id, buf, sizeof(buf)));
	if (LIKELY(was == NULL && !outage_any(now)) || o->found.n >= BATCH_MAX)
		return;
	if (was != NULL && is_kept(was, now, wall_ms) &&
		(outage_any(now) || was->cool_until_ms > wall_ms))
		return;
	struct item item = {.kind = kind, .now = outage_any(now) ? *now : none};
	snprintf(item.id, sizeof(item.id), "%s", id);
	VEC_PUSH(&o->found, item);
}

static void look_for_reaping(struct outages *o, const struct instance_obj *in, int64_t now_us)
{
	int64_t beat_us = atomic_load(&in->live->last_beat_us);
	if (!instance_beat_late(in, now_us) || o->found.n >= BATCH_MAX ||
		now_us - beat_us < (in->doc.ttl_s + OUTAGE_REAP_S) * S_US ||
		now_us - o->started_us < OUTAGE_GRACE_S * S_US)
		return;
	struct item item = {.kind = LIVE_INSTANCE, .reap = true, .beat_us = beat_us};
	snprintf(item.id, sizeof(item.id), "%s", in->live->id);
	VEC_PUSH(&o->found, item);
}

// ---- the store's part ----

static enum err_code reap(struct store_tx *tx, struct item *item, struct err *err)
{
	const struct instance_obj *in = pmap_get(store_tx_snapshot(tx)->instances,
		slice_of(item->id));
	if (in == NULL || atomic_load(&in->live->last_beat_us) != item->beat_us)
		return ERR_OK; // it came back, or is another one
	enum err_code code = store_instance_reap(tx, slice_of(in->doc.service),
		slice_of(in->doc.id), err);
	item->done = code == ERR_OK;
	return code;
}

static enum err_code run(struct store_tx *tx, struct store_job *job)
{
	struct writing *w = job->arg;
	enum err_code code = ERR_OK;
	for (size_t i = 0; code == ERR_OK && i < w->items.n; i++) {
		struct item *item = &w->items.v[i];
		code = item->reap
			? reap(tx, item, &job->err)
			: store_outage_put(tx, item->kind, item->id, &item->now, &job->err);
	}
	return code;
}

// What the store refused is looked at again with the next look.
static void done(struct store_job *job, enum err_code code)
{
	struct writing *w = job->arg;
	struct outages *o = w->o;
	o->busy = false;
	o->again_us = code == ERR_OK ? 0 : loop_now_us(o->loop) + AGAIN_US;
	for (size_t i = 0; code == ERR_OK && i < w->items.n; i++) {
		const struct item *item = &w->items.v[i];
		if (!item->reap) {
			remember(o, item->kind, item->id, &item->now);
		} else if (item->done) {
			struct str out = STR_INIT;
			struct jw to = jw_to(&out);
			jw_obj(&to, NULL);
			jw_str(&to, "action", "instance.reap");
			jw_str(&to, "object", item->id);
			jw_str(&to, "actor", system_actor.id.text);
			jw_str(&to, "why", _("no heartbeat for its term and a day"));
			jw_obj_end(&to);
			events_add(o->agent->events, EVENT_CONFIG, str_slice(&out));
			str_release(&out);
		}
	}
	tell_metric(o);
}

static bool submit(struct outages *o, struct writing *w)
{
	struct items was = w->items;
	w->o = o;
	w->items = o->found;
	o->found = was;
	w->job = (struct store_job){
		.run = run, .done = done, .loop = o->loop, .arg = w, .actor = system_actor};
	return store_submit(o->agent->store, &w->job);
}

static void find(struct outages *o)
{
	const struct snapshot *snap = snapshots_now(o->agent->snaps);
	int64_t now_us = clock_mono_us(), wall_ms = clock_wall_ms();
	struct pmap_it keys = {0}, instances = {0};
	o->found.n = 0;
	void *value;
	while (pmap_next(snap->keys, &keys, NULL, &value)) {
		const struct key_obj *k = value;
		struct outage now = of_key(k, now_us, wall_ms);
		look_at(o, LIVE_KEY, k->live->id, &now, wall_ms);
	}
	while (pmap_next(snap->instances, &instances, NULL, &value)) {
		const struct instance_obj *in = value;
		struct outage now = {.mark = store_outage_mark_instance(in)};
		if (instance_beat_late(in, now_us))
			now.beat_ms = wall_ms -
				(now_us - atomic_load(&in->live->last_beat_us)) / 1000;
		look_at(o, LIVE_INSTANCE, in->live->id, &now, wall_ms);
		look_for_reaping(o, in, now_us);
	}
	// Rows of what is no more.
	size_t it = 0;
	struct slice name;
	while (o->found.n < BATCH_MAX && map_next(&o->saved, &it, &name, &value)) {
		struct slice id = name, kind = slice_cut(&id, ':');
		struct item item = {.kind = slice_eq_str(kind, "0") ? LIVE_KEY : LIVE_INSTANCE};
		if (pmap_get(item.kind == LIVE_KEY ? snap->keys : snap->instances, id) != NULL)
			continue;
		snprintf(item.id, sizeof(item.id), "%.*s", SLICE_FMT(id));
		VEC_PUSH(&o->found, item);
	}
}
_Static_assert(LIVE_KEY == 0 && LIVE_INSTANCE == 1, "as rows name them");

static void look(void *arg)
{
	struct outages *o = arg;
	loop_timer_set(o->loop, &o->timer, OUTAGE_LOOK_US, look, o);
	if (o->busy || !o->loaded || loop_now_us(o->loop) < o->again_us)
		return;
	find(o);
	if (o->found.n > 0)
		o->busy = submit(o, &o->usual);
}

// ---- the beginning ----

static void known(void *arg, enum live_kind kind, const char *id, const struct outage *now)
{
	remember(arg, kind, id, now);
}

static enum err_code run_load(struct store_tx *tx, struct store_job *job)
{
	return store_outage_walk(tx, known, ((struct writing *)job->arg)->o, &job->err);
}

// Also without a database: then nothing is written either.
static void loaded(struct store_job *job, enum err_code code UNUSED)
{
	struct outages *o = ((struct writing *)job->arg)->o;
	o->busy = false;
	o->loaded = true;
	tell_metric(o);
}

void outages_start(struct outages *o, struct loop *control)
{
	o->loop = control;
	o->started_us = clock_mono_us();
	o->usual.o = o;
	o->usual.job = (struct store_job){.run = run_load,
		.done = loaded,
		.loop = control,
		.arg = &o->usual,
		.actor = system_actor};
	o->busy = store_submit(o->agent->store, &o->usual.job);
	o->loaded = !o->busy;
	loop_timer_set(control, &o->timer, OUTAGE_LOOK_US, look, o);
}

// What died just now is written down with the store's last jobs.
void outages_stop(struct outages *o)
{
	if (o->loop == NULL)
		return;
	loop_timer_clear(o->loop, &o->timer);
	if (!o->loaded)
		return;
	find(o);
	if (o->found.n > 0)
		submit(o, &o->last);
}
