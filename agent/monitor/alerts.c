// SPDX-License-Identifier: MIT
// Turns what a scan measures into alerts with a life of their own: begun, told, written down,
// resolved, and taken up again after a restart.
#include "agent/monitor/alerts.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/monitor/alert.h"
#include "agent/record/ledger.h"
#include "agent/core/metrics.h"
#include "agent/core/events.h"
#include "agent/store/alert.h"
#include "shared/clock.h"
#include "shared/map.h"
#include "shared/mem.h"
#include "shared/text.h"
#include "shared/vec.h"

#define FLUSH_MAX 256 // rows in one store job
#define STATUS_ITEMS_MAX 10

struct rule_count {
	char name[ID_MAX + 1];
	size_t firing;
};

// Copies of alerts on their way into the store.
struct batch {
	struct store_job job;
	VEC_OF(struct alert) rows;
};

struct alerts {
	struct agent *agent;
	struct loop *control;
	struct loop_timer timer;
	pthread_mutex_t lock; // over the four below and what they hold
	struct map current; // "rule|object's id or name" → struct alert
	VEC_OF(struct alert *) recent; // resolved, the oldest first
	struct map by_id; // of both
	VEC_OF(struct alert *) dirty; // of both, borrowed; some may be clean again
	uint64_t round, made;
	bool loaded, running;
	struct decision decision;
	struct alert_meter zero_cost, unpriced, outcome_unknown;
	VEC_OF(struct rule_count) told; // what the metric says
	// the store job that is out, and the one at the end, which may find it still there
	struct batch batch, last;
	bool busy;
};

// ---- life ----

struct alerts *alerts_new(struct agent *a)
{
	struct alerts *as = mem_zalloc(1, sizeof(*as));
	as->agent = a;
	pthread_mutex_init(&as->lock, NULL);
	return as;
}

static void list_dirty(struct alerts *as, struct alert *al)
{
	if (!al->dirty)
		VEC_PUSH(&as->dirty, al);
	al->dirty = true;
}

// It has changed.
static void set_dirty(struct alerts *as, struct alert *al)
{
	al->changes++;
	list_dirty(as, al);
}

// As it was after so many changes: later ones are still to come.
static void set_kept(struct alert *al, uint64_t changes)
{
	al->kept = MAX_OF(al->kept, changes);
}

// Nobody finds it any more.
static void forget(struct alerts *as, struct alert *al)
{
	size_t kept = 0;
	map_del(&as->by_id, slice_of(al->id));
	for (size_t i = 0; i < as->dirty.n; i++)
		if (as->dirty.v[i] != al)
			as->dirty.v[kept++] = as->dirty.v[i];
	as->dirty.n = kept;
	alert_free(al);
}

static void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->rows.n; i++)
		free(b->rows.v[i].labels);
	b->rows.n = 0;
}

void alerts_free(struct alerts *as)
{
	size_t it = 0;
	if (as == NULL)
		return;
	void *value;
	while (map_next(&as->current, &it, NULL, &value))
		alert_free(value);
	map_release(&as->current);
	for (size_t i = 0; i < as->recent.n; i++)
		alert_free(as->recent.v[i]);
	VEC_RELEASE(&as->recent);
	VEC_RELEASE(&as->dirty);
	map_release(&as->by_id);
	batch_clear(&as->batch);
	batch_clear(&as->last);
	VEC_RELEASE(&as->batch.rows);
	VEC_RELEASE(&as->last.rows);
	VEC_RELEASE(&as->told);
	pthread_mutex_destroy(&as->lock);
	free(as);
}

static void tell(struct alerts *as, const struct alert *al, const char *action)
{
	struct str s = STR_INIT;
	struct jw w = jw_to(&s);
	alert_write_event(&w, al, action);
	events_add(as->agent->events, EVENT_ALERT, str_slice(&s));
	str_release(&s);
}

// ---- one evaluation ----

struct look { // one rule's turn
	struct alerts *as;
	const struct alert_rule *rule;
	int64_t now_us, wall_ms;
};

// No id looks like a name: the names of what has ids are refs, with slashes.
static struct slice key_of(struct str *s, const char *rule, const char *object, const char *id)
{
	str_clear(s);
	str_addf(s, "%s|%s", rule, id[0] != '\0' ? id : object);
	return str_slice(s);
}

static struct slice key_of_alert(struct str *s, const struct alert *al)
{
	return key_of(s, al->rule, al->object, al->object_id);
}

static struct alert *alert_make(const struct look *l, const char *id)
{
	struct alerts *as = l->as;
	struct alert *al = mem_zalloc(1, sizeof(*al));
	snprintf(al->id, sizeof(al->id), "al-%011llx%04llx", (unsigned long long)l->wall_ms,
		(unsigned long long)(as->made++ & 0xffff));
	snprintf(al->rule, sizeof(al->rule), "%s", l->rule->name);
	snprintf(al->object_id, sizeof(al->object_id), "%s", id);
	al->metric = (enum alert_metric)l->rule->metric;
	al->since_ms = l->wall_ms;
	al->fired_ms = al->resolved_ms = al->acked_ms = FIELD_NONE;
	al->track.good_us = FIELD_NONE;
	return al;
}

static void alert_follow_rule(struct alert *al, const struct alert_rule *rule)
{
	al->severity = (enum alert_severity)rule->severity;
	al->threshold = rule->threshold;
	if (rule->labels == NULL ? al->labels == NULL
				 : al->labels != NULL && strcmp(al->labels, rule->labels) == 0)
		return;
	free(al->labels);
	al->labels = rule->labels != NULL ? mem_strdup(rule->labels) : NULL;
}

static void retire(struct alerts *as, struct alert *al, int64_t wall_ms)
{
	al->resolved_ms = wall_ms;
	set_dirty(as, al);
	if (as->recent.n == ALERTS_RECENT_MAX) {
		forget(as, as->recent.v[0]);
		memmove(as->recent.v, as->recent.v + 1,
			(as->recent.n - 1) * sizeof(as->recent.v[0]));
		as->recent.n--;
	}
	VEC_PUSH(&as->recent, al);
	tell(as, al, "resolved");
}

// True when the alert is no longer among the current ones.
static bool advance(struct alerts *as, struct alert *al, const struct alert_rule *rule, bool bad,
	int64_t now_us, int64_t wall_ms)
{
	switch (alert_step(&al->track, rule, bad, now_us)) {
	case CHANGE_FIRES:
		al->fired_ms = wall_ms;
		set_dirty(as, al);
		tell(as, al, "firing");
		return false;
	case CHANGE_CALMS:
		forget(as, al);
		return true;
	case CHANGE_RESOLVES:
		retire(as, al, wall_ms);
		return true;
	default:
		return false;
	}
}

static void found(void *arg, const char *object, const char *id, double value)
{
	struct look *l = arg;
	struct alerts *as = l->as;
	bool bad = alert_breaches(l->rule, value);
	if (LIKELY(!bad && as->current.n == 0))
		return;
	struct str s = STR_INIT;
	pthread_mutex_lock(&as->lock);
	struct slice key = key_of(&s, l->rule->name, object, id);
	struct alert *al = map_get(&as->current, key);
	if (al == NULL && bad && as->current.n < ALERTS_MAX) {
		al = alert_make(l, id);
		map_put(&as->current, key, al);
		map_put(&as->by_id, slice_of(al->id), al);
	}
	if (al != NULL) {
		al->seen = as->round;
		snprintf(al->object, sizeof(al->object), "%s",
			object); // it may be called otherwise now
		if (!isnan(value)) {
			al->value = value;
			alert_follow_rule(al, l->rule);
			if (advance(as, al, l->rule, bad, l->now_us, l->wall_ms))
				map_del(&as->current, key);
		}
	}
	pthread_mutex_unlock(&as->lock);
	str_release(&s);
}

// Objects and rules that are gone end their alerts at once.
static void sweep(struct alerts *as, int64_t now_us, int64_t wall_ms)
{
	static const struct alert_rule gone = {.clear_for_s = 0};
	VEC_OF(struct alert *) left = {0};
	size_t it = 0;
	struct str s = STR_INIT;
	pthread_mutex_lock(&as->lock);
	void *value;
	while (map_next(&as->current, &it, NULL, &value)) {
		struct alert *al = value;
		if (al->seen != as->round)
			VEC_PUSH(&left, al);
	}
	for (size_t i = 0; i < left.n; i++) {
		map_del(&as->current, key_of_alert(&s, left.v[i]));
		advance(as, left.v[i], &gone, false, now_us, wall_ms);
	}
	pthread_mutex_unlock(&as->lock);
	VEC_RELEASE(&left);
	str_release(&s);
}

// ---- the metric: one series per rule of the snapshot ----

static void count_rules(struct alerts *as, const struct snapshot *snap)
{
	for (size_t i = 0; i < as->told.n;) {
		struct rule_count *c = &as->told.v[i];
		const char *labels[] = {c->name, NULL};
		c->firing = 0;
		if (snapshot_rule(snap, slice_of(c->name)) != NULL) {
			i++;
			continue;
		}
		metric_forget(as->agent->metrics, MET_ALERTS_FIRING, labels);
		*c = as->told.v[--as->told.n];
	}
}

static struct rule_count *count_of(struct alerts *as, const char *rule)
{
	for (size_t i = 0; i < as->told.n; i++) {
		if (strcmp(as->told.v[i].name, rule) == 0)
			return &as->told.v[i];
	}
	struct rule_count fresh = {.firing = 0};
	snprintf(fresh.name, sizeof(fresh.name), "%s", rule);
	VEC_PUSH(&as->told, fresh);
	return &as->told.v[as->told.n - 1];
}

static void tell_metric(struct alerts *as, const struct snapshot *snap)
{
	struct pmap_it rules = {0};
	size_t it = 0;
	count_rules(as, snap);
	void *value;
	struct slice name;
	while (pmap_next(snap->alert_rules, &rules, &name, &value))
		count_of(as, ((const struct rule_obj *)value)->doc.name);
	pthread_mutex_lock(&as->lock);
	while (map_next(&as->current, &it, NULL, &value)) {
		const struct alert *al = value;
		if (al->track.phase == PHASE_FIRING)
			count_of(as, al->rule)->firing++;
	}
	pthread_mutex_unlock(&as->lock);
	for (size_t i = 0; i < as->told.n; i++) {
		const char *labels[] = {as->told.v[i].name, NULL};
		metric_set(as->agent->metrics, MET_ALERTS_FIRING, (double)as->told.v[i].firing,
			labels);
	}
}

// ---- keeping ----

static enum err_code run_flush(struct store_tx *tx, struct store_job *job)
{
	const struct batch *b = CONTAINER_OF(job, struct batch, job);
	enum err_code code = ERR_OK;
	for (size_t i = 0; i < b->rows.n && code == ERR_OK; i++) {
		const struct alert *al = &b->rows.v[i];
		struct str s = STR_INIT;
		struct jw w = jw_to(&s);
		alert_write(&w, al);
		code = store_alert_put(tx, al->id, al->fired_ms, al->resolved_ms, str_slice(&s),
			&job->err);
		str_release(&s);
	}
	return code ? code : store_alert_prune(tx, ALERTS_RECENT_MAX, &job->err);
}

// What could not be kept is tried again with the next evaluation.
static void flush_done(struct store_job *job, enum err_code code)
{
	struct alerts *as = job->arg;
	struct batch *b = CONTAINER_OF(job, struct batch, job);
	pthread_mutex_lock(&as->lock);
	for (size_t i = 0; i < b->rows.n; i++) {
		struct alert *al = map_get(&as->by_id, slice_of(b->rows.v[i].id));
		if (al != NULL && code == ERR_OK)
			set_kept(al, b->rows.v[i].changes);
		else if (al != NULL)
			list_dirty(as, al);
	}
	pthread_mutex_unlock(&as->lock);
	batch_clear(b);
	as->busy = false;
}

static void take_dirty(struct alerts *as, struct batch *b)
{
	size_t i = 0;
	for (; i < as->dirty.n && b->rows.n < FLUSH_MAX; i++) {
		struct alert *al = as->dirty.v[i];
		al->dirty = false;
		if (al->kept == al->changes)
			continue; // it was kept meanwhile
		struct alert copy = *al;
		copy.labels = al->labels != NULL ? mem_strdup(al->labels) : NULL;
		VEC_PUSH(&b->rows, copy);
	}
	if (i == 0)
		return;
	as->dirty.n -= i;
	memmove(as->dirty.v, as->dirty.v + i, as->dirty.n * sizeof(as->dirty.v[0]));
}

static void flush(struct alerts *as, struct batch *b)
{
	static const struct actor system = ACTOR_SELF("system");
	pthread_mutex_lock(&as->lock);
	take_dirty(as, b);
	pthread_mutex_unlock(&as->lock);
	if (b->rows.n == 0)
		return;
	as->busy = true;
	b->job = (struct store_job){.run = run_flush,
		.done = flush_done,
		.loop = as->control,
		.arg = as,
		.actor = system};
	if (!store_submit(as->agent->store, &b->job)) {
		b->job.err.code = ERR_OVERLOADED;
		flush_done(&b->job, ERR_OVERLOADED);
	}
}

// ---- the turn ----

static void due(void *arg)
{
	struct alerts *as = arg;
	if (as->loaded) {
		const struct snapshot *snap = snapshots_now(as->agent->snaps);
		struct look look = {
			.as = as, .now_us = loop_now_us(as->control), .wall_ms = clock_wall_ms()};
		struct alert_scan scan = {.agent = as->agent,
			.snap = snap,
			.now_us = look.now_us,
			.wall_ms = look.wall_ms,
			.decision = &as->decision,
			.zero_cost = &as->zero_cost,
			.unpriced = &as->unpriced,
			.outcome_unknown = &as->outcome_unknown,
			.found = found,
			.arg = &look};
		struct pmap_it it = {0};
		as->round++;
		ledger_collect(as->agent->ledger);
		struct ledger_signal money = ledger_signal(as->agent->ledger);
		alert_meter_note(&as->zero_cost, money.cost_zero, look.now_us);
		alert_meter_note(&as->unpriced, money.unpriced, look.now_us);
		alert_meter_note(&as->outcome_unknown, atomic_load(&as->agent->tasks_unknown),
			look.now_us);
		void *value;
		while (pmap_next(snap->alert_rules, &it, NULL, &value)) {
			look.rule = &((const struct rule_obj *)value)->doc;
			if (look.rule->enabled)
				alert_scan(&scan, look.rule);
		}
		sweep(as, look.now_us, look.wall_ms);
		tell_metric(as, snap);
		if (!as->busy)
			flush(as, &as->batch);
	}
	loop_timer_set(as->control, &as->timer, as->agent->settings->alert_interval_ms * 1000, due,
		as);
}

// ---- what was under way at the last stop ----

struct restoring {
	struct alerts *as;
	const struct snapshot *snap;
};

static void restore_one(void *arg, struct slice text)
{
	const struct restoring *r = arg;
	struct alerts *as = r->as;
	struct arena a = ARENA_INIT;
	const struct jx *doc = NULL;
	struct alert *al = mem_zalloc(1, sizeof(*al));
	struct str s = STR_INIT;
	bool ok = jx_parse(text, (struct jscan_limits){0, JSCAN_DEPTH}, &a, &doc, NULL) == ERR_OK &&
		alert_read(al, doc);
	if (ok) {
		// A former version kept a key's ref alone: it was this key's if it is old enough.
		const struct key_obj *k = al->object_id[0] != '\0'
			? NULL
			: snapshot_key_ref(r->snap, slice_of(al->object));
		if (alert_metric_row(al->metric)->scope == SCOPE_KEY && k != NULL &&
			k->doc.created_at <= al->since_ms)
			snprintf(al->object_id, sizeof(al->object_id), "%s", k->doc.id);
	}
	pthread_mutex_lock(&as->lock);
	ok = ok && map_get(&as->by_id, slice_of(al->id)) == NULL;
	if (ok && al->resolved_ms != FIELD_NONE && as->recent.n < ALERTS_RECENT_MAX)
		VEC_PUSH(&as->recent, al);
	else if (ok && al->resolved_ms == FIELD_NONE && as->current.n < ALERTS_MAX &&
		map_get(&as->current, key_of_alert(&s, al)) == NULL)
		map_put(&as->current, key_of_alert(&s, al), al);
	else
		ok = false;
	if (ok)
		map_put(&as->by_id, slice_of(al->id), al);
	else
		alert_free(al);
	pthread_mutex_unlock(&as->lock);
	str_release(&s);
	arena_release(&a);
}

static enum err_code run_load(struct store_tx *tx, struct store_job *job)
{
	struct restoring r = {job->arg, store_tx_snapshot(tx)};
	return store_alert_walk(tx, restore_one, &r, &job->err);
}

// Also without a database: then nothing was under way that anybody knows of.
static void load_done(struct store_job *job, enum err_code code UNUSED)
{
	struct alerts *as = job->arg;
	as->loaded = true;
	as->busy = false;
}

void alerts_start(struct alerts *as, struct loop *control)
{
	static const struct actor system = ACTOR_SELF("system");
	as->control = control;
	// Both counters begin with the agent: what comes before the first look counts.
	alert_meter_note(&as->zero_cost, 0, loop_now_us(control));
	alert_meter_note(&as->unpriced, 0, loop_now_us(control));
	alert_meter_note(&as->outcome_unknown, 0, loop_now_us(control));
	as->running = as->busy = true;
	as->batch.job = (struct store_job){
		.run = run_load, .done = load_done, .loop = control, .arg = as, .actor = system};
	if (!store_submit(as->agent->store, &as->batch.job))
		load_done(&as->batch.job, ERR_OVERLOADED);
	loop_timer_set(control, &as->timer, as->agent->settings->alert_interval_ms * 1000, due, as);
}

void alerts_stop(struct alerts *as)
{
	if (as->running)
		loop_timer_clear(as->control, &as->timer);
	if (as->running && as->loaded)
		flush(as, &as->last); // what changed while the job before was out
	as->running = false;
}

// ---- reading ----

static int newest_first(const void *a, const void *b)
{
	const struct alert *x = *(struct alert *const *)a, *y = *(struct alert *const *)b;
	if (x->since_ms != y->since_ms)
		return x->since_ms < y->since_ms ? 1 : -1;
	return strcmp(y->id, x->id);
}

// Borrowed while the lock is held; the caller frees the array.
static struct alert **sorted(struct alerts *as, enum alerts_which which, size_t *ret_n)
{
	struct alert **v = mem_zalloc(as->current.n + as->recent.n + 1, sizeof(v[0]));
	size_t it = 0, n = 0;
	void *value;
	while (which != ALERTS_RESOLVED && map_next(&as->current, &it, NULL, &value))
		v[n++] = value;
	qsort(v, n, sizeof(v[0]), newest_first);
	for (size_t i = as->recent.n; which != ALERTS_CURRENT && i-- > 0;)
		v[n++] = as->recent.v[i];
	*ret_n = n;
	return v;
}

void alerts_write(struct alerts *as, struct jw *w, enum alerts_which which, size_t max,
	size_t *ret_total)
{
	pthread_mutex_lock(&as->lock);
	struct alert **v = sorted(as, which, ret_total);
	for (size_t i = 0; i < MIN_OF(*ret_total, max); i++)
		alert_write(w, v[i]);
	free(v);
	pthread_mutex_unlock(&as->lock);
}

bool alerts_write_one(struct alerts *as, struct jw *w, struct slice id)
{
	pthread_mutex_lock(&as->lock);
	const struct alert *al = map_get(&as->by_id, id);
	if (al != NULL)
		alert_write(w, al);
	pthread_mutex_unlock(&as->lock);
	return al != NULL;
}

void alerts_write_status(struct alerts *as, struct jw *w)
{
	size_t n, firing = 0, acked = 0, by[3] = {0};
	pthread_mutex_lock(&as->lock);
	struct alert **v = sorted(as, ALERTS_CURRENT, &n);
	jw_obj(w, "alerts");
	jw_arr(w, "items");
	for (size_t i = 0; i < n; i++) {
		if (v[i]->track.phase != PHASE_FIRING)
			continue;
		if (firing++ < STATUS_ITEMS_MAX)
			alert_write_short(w, v[i]);
		acked += v[i]->acked_ms != FIELD_NONE;
		by[v[i]->severity]++;
	}
	jw_arr_end(w);
	jw_int(w, "firing", (int64_t)firing);
	jw_int(w, "acked", (int64_t)acked);
	jw_int(w, "pending", (int64_t)(n - firing));
	for (size_t i = 0; i < ARRAY_LEN(by); i++)
		jw_int(w, alert_severity_names[i], (int64_t)by[i]);
	jw_obj_end(w);
	free(v);
	pthread_mutex_unlock(&as->lock);
}

void alerts_kept(struct alerts *as, struct slice id, uint64_t changes)
{
	pthread_mutex_lock(&as->lock);
	struct alert *al = map_get(&as->by_id, id);
	if (al != NULL)
		set_kept(al, changes);
	pthread_mutex_unlock(&as->lock);
}

enum alerts_ack alerts_ack(struct alerts *as, struct slice id, const struct principal *who,
	const char *note, struct str *row, int64_t *ret_fired_ms, uint64_t *ret_changes)
{
	struct jw w = jw_to(row);
	enum alerts_ack ret = ACK_DONE;
	pthread_mutex_lock(&as->lock);
	struct alert *al = map_get(&as->by_id, id);
	if (al == NULL)
		ret = ACK_NOT_FOUND;
	else if (al->track.phase != PHASE_FIRING || al->resolved_ms != FIELD_NONE)
		ret = ACK_NOT_FIRING;
	if (ret == ACK_DONE) {
		al->acked_by = who->id;
		snprintf(al->acked_name, sizeof(al->acked_name), "%s", principal_shown(who));
		snprintf(al->note, sizeof(al->note), "%s", note != NULL ? note : "");
		al->acked_ms = clock_wall_ms();
		*ret_fired_ms = al->fired_ms;
		alert_write(&w, al);
		set_dirty(as, al);
		*ret_changes = al->changes;
		tell(as, al, "acked");
	}
	pthread_mutex_unlock(&as->lock);
	return ret;
}
