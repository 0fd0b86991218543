// SPDX-License-Identifier: MIT
// Shows the platform's services and the instances beside them as probes and heartbeats see them,
// and takes the heartbeats.
#include "agent/api/services.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/api/change.h"
#include "agent/core/agent.h"
#include "agent/core/events.h"
#include "agent/core/metrics.h"
#include "agent/decide/standing.h"
#include "agent/store/store.h"
#include "agent/store/key.h"
#include "agent/web/cond.h"
#include "shared/clock.h"
#include "shared/jscan.h"
#include "shared/mem.h"
#include "shared/text.h"

// --- what is seen ---

static bool joins(const struct feature_obj *f, const struct instance *in)
{
	const struct target *t = f->doc.targets.v;
	if (f->doc.auto_join && strv_has(&in->features, f->doc.name))
		return true;
	for (size_t i = 0; i < f->doc.targets.n; i++) {
		if (t[i].kind == TARGET_SELF_HOSTED && strcmp(t[i].service, in->service) == 0)
			return true;
	}
	return false;
}

double services_rate(const struct agent *a, const struct live *l, int64_t now_us)
{
	struct live_window minute = live_window(l, now_us, 60);
	double up_s = (double)(now_us - a->started_us) / 1e6;
	return (double)(minute.ok + minute.failed) / fmin(fmax(up_s, 1), 60);
}

static void write_told(struct jw *w, const char *key, int32_t plus_one)
{
	if (plus_one > 0)
		jw_int(w, key, plus_one - 1);
	else
		jw_null(w, key);
}

static void write_seen(struct jw *w, const struct agent *a, const struct instance_obj *in)
{
	struct live *l = in->live;
	int64_t now_us = clock_mono_us();
	int64_t beat = atomic_load(&l->last_beat_us), ewma = atomic_load(&l->ewma_us);
	int64_t p95 = atomic_load(&l->p95_us), probe = atomic_load(&l->probe_us);
	int32_t error = atomic_load(&l->probe_error);
	struct live_window five = live_window(l, now_us, 300);
	bool beaten = in->doc.ttl_s != FIELD_NONE && beat != 0;
	jw_str(w, "state", instance_standing_row(instance_standing(in, now_us))->name);
	jw_str(w, "health", health_names[atomic_load(&l->health)]);
	jw_time_or_null(w, "since", atomic_load(&l->health_since_wall_ms));
	jw_str(w, "last_error", error == ERR_OK ? NULL : err_row((enum err_code)error)->code);
	jw_time_or_null(w, "last_heartbeat_at",
		beaten ? clock_wall_ms() - (now_us - beat) / 1000 : 0);
	jw_int(w, "inflight", atomic_load(&l->inflight));
	write_told(w, "told_inflight", atomic_load(&l->told_inflight));
	write_told(w, "told_queue", atomic_load(&l->told_queue));
	jw_num(w, "ewma_ms", ewma > 0 ? (double)ewma / 1000 : NAN);
	jw_num(w, "p95_ms", p95 > 0 ? (double)p95 / 1000 : NAN);
	jw_num(w, "rate", services_rate(a, l, now_us));
	jw_num(w, "error_pct", (1 - five.ok_rate) * 100);
	jw_num(w, "probe_ms", probe > 0 ? (double)probe / 1000 : NAN);
	const struct live_models *m = live_models(l);
	jw_arr(w, "serves");
	for (size_t i = 0; m != NULL && i < m->n; i++)
		jw_str(w, NULL, m->v[i].name);
	jw_arr_end(w);
}

static void write_members(struct jw *w, const struct agent *a, const struct snapshot *snap,
	const struct instance_obj *in)
{
	struct instance doc = in->doc;
	const struct key_obj *key = doc.auth.key == NULL
		? NULL
		: snapshot_key(snap, slice_of(doc.auth.key));
	if (key != NULL)
		doc.auth.key = key->ref;
	jw_doc_members(w, &instance_fields, &doc);
	write_seen(w, a, in);
	struct pmap_it it = {0};
	jw_arr(w, "joins");
	void *value;
	struct slice name;
	while (pmap_next(snap->features, &it, &name, &value)) {
		if (joins(value, &in->doc))
			jw_slice(w, NULL, name);
	}
	jw_arr_end(w);
	jw_arr(w, "missing");
	for (size_t i = 0; i < in->doc.features.n; i++)
		if (snapshot_feature(snap, slice_of(in->doc.features.v[i])) == NULL)
			jw_str(w, NULL, in->doc.features.v[i]);
	jw_arr_end(w);
}

void services_write_instance(struct jw *w, const struct agent *a, const struct snapshot *snap,
	const struct instance_obj *in)
{
	jw_obj(w, NULL);
	write_members(w, a, snap, in);
	jw_obj_end(w);
}

// --- services: the platform's own, then instances by service ---

static const char *platform_state(const struct snapshot *snap, enum service_id id)
{
	bool stores = id == SVC_CONFIG_CENTER || id == SVC_KEY_MANAGER ||
		id == SVC_SERVICE_REGISTRY;
	if (stores && snap->store_state != STORE_OK)
		return "WARN";
	return id == SVC_KEY_MANAGER && snap->sealed ? "WARN" : "OK";
}

void services_write_platform(struct jw *w, const struct agent *a, const struct snapshot *snap,
	enum service_id id)
{
	const struct service_row *row = service_row(id);
	char url[64];
	snprintf(url, sizeof(url), "%s://%s:%d", agent_scheme(a, id),
		a->only_ipv6[id] ? "[::1]" : "127.0.0.1", a->ports[id] ? a->ports[id] : row->port);
	jw_obj(w, NULL);
	jw_str(w, "service", row->name);
	jw_str(w, "kind", "platform");
	jw_str(w, "state", platform_state(snap, id));
	jw_int(w, "passing", 1);
	jw_int(w, "total", 1);
	jw_str(w, "url", url);
	jw_str(w, "owns", row->owns);
	jw_arr(w, "instances");
	jw_arr_end(w);
	jw_obj_end(w);
}

static int by_service_and_id(const void *a, const void *b)
{
	const struct instance_obj *const *x = a, *const *y = b;
	int order = strcmp((*x)->doc.service, (*y)->doc.service);
	return order != 0 ? order : strcmp((*x)->doc.id, (*y)->doc.id);
}

// All instances, by service and id; the caller frees the array.
static const struct instance_obj **instances_sorted(const struct snapshot *snap, size_t *ret_n)
{
	size_t max = snap->instances.n, n = 0;
	const struct instance_obj **v = mem_zalloc(max + 1, sizeof(v[0]));
	struct pmap_it it = {0};
	struct slice name;
	void *value;
	while (n < max && pmap_next(snap->instances, &it, &name, &value))
		v[n++] = value;
	qsort(v, n, sizeof(v[0]), by_service_and_id);
	*ret_n = n;
	return v;
}

// n: instances by use.
static const char *service_state(const size_t n[INSTANCE_USES], size_t total)
{
	if (n[INSTANCE_UP] > 0)
		return n[INSTANCE_OUT] > 0 ? "WARN" : "OK";
	if (n[INSTANCE_OUT] > 0)
		return "DOWN";
	return n[INSTANCE_IDLE] == total ? "DRAIN" : "UNKNOWN";
}

// v[0..n) are the instances of one service.
static void write_group(struct jw *w, const struct agent *a, const struct snapshot *snap,
	const struct instance_obj **v, size_t n)
{
	size_t by_use[INSTANCE_USES] = {0};
	int64_t now_us = clock_mono_us();
	for (size_t i = 0; i < n; i++)
		by_use[instance_standing_row(instance_standing(v[i], now_us))->use]++;
	jw_obj(w, NULL);
	jw_str(w, "service", v[0]->doc.service);
	jw_str(w, "kind", "model");
	jw_str(w, "state", service_state(by_use, n));
	jw_int(w, "passing", (int64_t)by_use[INSTANCE_UP]);
	jw_int(w, "total", (int64_t)n);
	jw_str(w, "url", n == 1 ? v[0]->doc.url : NULL);
	jw_null(w, "owns");
	jw_arr(w, "instances");
	for (size_t i = 0; i < n; i++)
		services_write_instance(w, a, snap, v[i]);
	jw_arr_end(w);
	jw_obj_end(w);
}

static size_t group_end(const struct instance_obj **v, size_t n, size_t from)
{
	size_t to = from + 1;
	while (to < n && strcmp(v[to]->doc.service, v[from]->doc.service) == 0)
		to++;
	return to;
}

static size_t write_all(const struct agent *a, const struct snapshot *snap, struct jw *w)
{
	size_t n = 0, groups = 0;
	for (int id = 0; id < SVC_COUNT; id++)
		services_write_platform(w, a, snap, (enum service_id)id);
	const struct instance_obj **v = instances_sorted(snap, &n);
	for (size_t i = 0, to = 0; i < n; i = to, groups++) {
		to = group_end(v, n, i);
		write_group(w, a, snap, v + i, to - i);
	}
	free(v);
	return SVC_COUNT + groups;
}

void h_service_list(struct req *r)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	size_t n = write_all(r->agent, r->snap, &w);
	jw_arr_end(&w);
	jw_int(&w, "total", (int64_t)n);
	jw_int(&w, "revision", (int64_t)r->snap->revision);
	jw_obj_end(&w);
	req_reply_json(r, 200, &out);
}

void h_service_get(struct req *r)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	size_t n = 0, from = 0;
	for (int id = 0; id < SVC_COUNT; id++) {
		if (slice_eq_str(r->param[0], service_row((enum service_id)id)->name)) {
			services_write_platform(&w, r->agent, r->snap, (enum service_id)id);
			req_reply_json(r, 200, &out);
			return;
		}
	}
	const struct instance_obj **v = instances_sorted(r->snap, &n);
	while (from < n && !slice_eq_str(r->param[0], v[from]->doc.service))
		from = group_end(v, n, from);
	if (from < n)
		write_group(&w, r->agent, r->snap, v + from, group_end(v, n, from) - from);
	free(v);
	if (from < n)
		req_reply_json(r, 200, &out);
	else
		req_fail_code(r, ERR_NOT_FOUND);
}

static const struct instance_obj *instance_or_fail(struct req *r, const struct snapshot *snap)
{
	const struct instance_obj *in = snapshot_instance(snap, r->param[0], r->param[1]);
	if (in == NULL)
		req_fail_code(r, ERR_NOT_FOUND);
	return in;
}

bool services_may_touch(const struct instance_obj *in, enum role role, const struct ident *who,
	struct err *err)
{
	if (role != ROLE_SERVICE || in == NULL || strcmp(in->doc.owner, who->text) == 0)
		return true;
	err_set(err, ERR_SCOPE_EXCEEDED, _("another one registered this instance"));
	return false;
}

static void reply_instance(struct req *r, const struct snapshot *snap,
	const struct instance_obj *in)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	char etag[ETAG_MAX];
	etag_of_revision(in->o.revision, etag);
	services_write_instance(&w, r->agent, snap, in);
	req_header_add(r, "ETag", etag);
	req_reply_json(r, 200, &out);
}

void h_instance_get(struct req *r)
{
	const struct instance_obj *in = instance_or_fail(r, r->snap);
	if (in != NULL && !change_not_modified(r, in->o.revision))
		reply_instance(r, r->snap, in);
}

// --- heartbeat, check ---

static enum err_code load_member(const struct jscan_member *m, _Atomic int32_t *home,
	struct err *err)
{
	char name[32];
	int64_t v = 0;
	snprintf(name, sizeof(name), "%.*s", (int)MIN_OF(m->key.n, sizeof(name) - 1), m->key.p);
	if (m->type != JS_NUMBER || !jscan_int(m->value, &v))
		return err_field(err, ERR_FIELD_TYPE, name, _("must be an integer"));
	if (v < 0 || v > 1000000)
		return err_field(err, ERR_FIELD_RANGE, name, _("must be from 0 to 1000000"));
	atomic_store(home, (int32_t)v + 1);
	return ERR_OK;
}

// The body may tell the load: {"inflight":2,"queue":0}.
static enum err_code read_load(struct slice body, struct live *l, struct err *err)
{
	struct jscan_member m[8];
	size_t n = 0;
	enum err_code code = jscan_object(body, change_limits(), m, ARRAY_LEN(m), &n, err);
	for (size_t i = 0; i < n && code == ERR_OK; i++) {
		if (slice_eq_str(m[i].key, "inflight"))
			code = load_member(&m[i], &l->told_inflight, err);
		else if (slice_eq_str(m[i].key, "queue"))
			code = load_member(&m[i], &l->told_queue, err);
		else
			code = err_set(err, ERR_FIELD_UNKNOWN,
				_("a heartbeat may tell inflight and queue"));
	}
	return code;
}

void h_instance_heartbeat(struct req *r)
{
	const struct instance_obj *in = instance_or_fail(r, r->snap);
	struct err err = {0};
	if (in == NULL)
		return;
	if (!services_may_touch(in, r->who.role, &r->who.id, &err)) {
		req_fail(r, &err);
		return;
	}
	if (r->body.n > 0 && read_load(r->body, in->live, &err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	if (in->doc.ttl_s != FIELD_NONE)
		probe_beat(in->live, clock_mono_us());
	else
		atomic_store(&in->live->last_beat_us, clock_mono_us());
	metric_add(r->agent->metrics, MET_HEARTBEATS, 1, (const char *const[]){NULL});
	reply_instance(r, r->snap, in);
}

static void check_done(void *arg, const struct probe_result *res)
{
	struct req *r = arg;
	const struct snapshot *snap = snapshots_now(r->agent->snaps);
	if (res->code == ERR_NOT_FOUND || res->code == ERR_OVERLOADED) {
		req_fail_code(r, res->code);
		return;
	}
	const struct instance_obj *in = instance_or_fail(r, snap);
	if (in == NULL)
		return;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	write_members(&w, r->agent, snap, in);
	jw_obj(&w, "probe");
	jw_bool(&w, "ok", res->ok);
	if (res->status > 0)
		jw_int(&w, "status", res->status);
	else
		jw_null(&w, "status");
	jw_num(&w, "ms", (double)res->us / 1000);
	jw_str(&w, "detail", res->ok ? NULL : res->detail);
	jw_obj_end(&w);
	jw_obj_end(&w);
	req_reply_json(r, 200, &out);
}

void h_instance_check(struct req *r)
{
	if (instance_or_fail(r, r->snap) == NULL)
		return;
	req_suspend(r);
	probe_now(r->agent->probes, r->loop, r->param[0], r->param[1], check_done, r);
}

// --- findings of the probes ---

static void on_changed(void *arg, const struct instance_obj *in, enum health before,
	enum health now, const char *why)
{
	struct agent *a = arg;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	char name[REF_MAX];
	snprintf(name, sizeof(name), "%s/%s", in->doc.service, in->doc.id);
	jw_obj(&w, NULL);
	jw_str(&w, "instance", name);
	jw_str(&w, "from", health_names[before]);
	jw_str(&w, "to", health_names[now]);
	jw_str(&w, "why", why);
	jw_obj_end(&w);
	events_add(a->events, EVENT_HEALTH, str_slice(&out));
	str_release(&out);
}

static void on_probed(void *arg, bool ok)
{
	struct agent *a = arg;
	metric_add(a->metrics, MET_PROBES, 1, (const char *const[]){ok ? "ok" : "failed", NULL});
}

static void on_left(void *arg, const char *service, const char *id)
{
	struct agent *a = arg;
	metric_forget(a->metrics, MET_INSTANCE_UP, (const char *const[]){service, id, NULL});
}

static enum err_code on_open(void *arg, const struct key_obj *key, struct secret *ret,
	struct err *err)
{
	const struct agent *a = arg;
	return store_key_open(a->store, key, ret, err);
}

struct probes *services_probes_new(struct agent *a)
{
	return probes_new(a->control, a->snaps,
		&(struct probe_hooks){
			.open = on_open,
			.changed = on_changed,
			.probed = on_probed,
			.left = on_left,
			.arg = a,
		});
}
