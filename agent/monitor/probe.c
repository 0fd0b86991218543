// SPDX-License-Identifier: MIT
// One small machine per instance: when to ask, what the answer says of its health, who waits for
// it, and further looks: at its open door, at what it serves, at its queue.
#include "agent/monitor/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/decide/attempt.h"
#include "agent/decide/standing.h"
#include "agent/monitor/models.h"
#include "shared/clock.h"
#include "shared/field.h"
#include "shared/map.h"
#include "shared/mem.h"
#include "shared/prom.h"
#include "shared/text.h"
#include "shared/vec.h"

#define SYNC_US 1000000 // how often the snapshot is compared with what is probed
#define SETTLING_S 2 // longest wait while a verdict is still open
#define BODY_MAX (1024 * 1024)
#define MODELS_US INT64_C(30000000) // between looks at what it serves
#define QUEUE_MAX 1000000000
#define MS_US INT64_C(1000)
#define S_US INT64_C(1000000)

struct asker { // one probe_now
	struct asker *next;
	struct probes *p;
	struct loop *loop;
	void (*done)(void *arg, const struct probe_result *res);
	void *arg;
	struct probe_result res;
	char *service, *id;
};

struct probe { // one instance
	struct probes *p;
	char *service, *id;
	uint64_t life; // of its instance, at the last sync
	uint64_t seen; // round of the last sync that found it
	enum health told;
	struct live *live; // counted: it outlives the instance
	int64_t models_us; // when to ask next what it serves
	struct live_models *found; // told, its window not yet; owned
	struct loop_timer timer;
	// the exchange that is out
	struct upcall *call;
	struct arena arena;
	struct url url;
	struct secret secret; // of its instance; empty: it asks for none
	int64_t start_us;
	int status;
	struct asker *askers;
	bool doubtful; // the exchange that is out counts among those
	bool asks; // the exchange that is out, or was last, showed a credential
	bool closed; // it is a look where nobody is let in without one,
	struct probe_result open; // after this good one where anybody is
	uint64_t at_life, key_life; // what the exchange that is out is told of
};

struct probes {
	struct loop *loop;
	struct snapshots *snaps;
	struct probe_hooks hooks;
	struct map by_name; // "service/id" → struct probe
	struct loop_timer timer;
	uint64_t revision, round, random;
	size_t inflight;
	size_t doubtful; // of them: with instances that did not answer so far
	bool running;
};

static void probe_due(void *arg);
static void models_ask(struct probe *b, const struct instance_obj *in);
static void queue_ask(struct probe *b, const struct instance_obj *in);
static bool closed_ask(struct probe *b, const struct instance_obj *in,
	const struct probe_result *res);
static void sync_due(void *arg);

static struct slice name_of(const struct probe *b, struct str *buf)
{
	str_clear(buf);
	str_addf(buf, "%s/%s", b->service, b->id);
	return str_slice(buf);
}

static const struct instance_obj *instance_of(const struct probe *b)
{
	const struct snapshot *snap = snapshots_now(b->p->snaps);
	return snapshot_instance(snap, slice_of(b->service), slice_of(b->id));
}

struct probes *probes_new(struct loop *control, struct snapshots *snaps,
	const struct probe_hooks *hooks)
{
	struct probes *p = mem_zalloc(1, sizeof(*p));
	p->loop = control;
	p->snaps = snaps;
	p->hooks = *hooks;
	p->random = (uint64_t)clock_mono_us() | 1;
	return p;
}

static void asker_answer(void *arg)
{
	struct asker *a = arg;
	a->done(a->arg, &a->res);
	free(a->service);
	free(a->id);
	free(a);
}

static void askers_answer(struct probe *b, const struct probe_result *res)
{
	while (b->askers != NULL) {
		struct asker *a = b->askers;
		b->askers = a->next;
		a->res = *res;
		loop_post(a->loop, asker_answer, a);
	}
}

static void flight_end(struct probe *b)
{
	b->call = NULL;
	b->p->inflight--;
	b->p->doubtful -= b->doubtful;
	b->doubtful = false;
	secret_release(&b->secret);
	arena_release(&b->arena);
}

static void probe_free(struct probe *b)
{
	struct probe_result gone = {.code = ERR_NOT_FOUND};
	loop_timer_clear(b->p->loop, &b->timer);
	if (b->call != NULL) {
		upcall_abort(b->call);
		flight_end(b);
	}
	askers_answer(b, &gone);
	live_drop(snapshots_now(b->p->snaps)->live, b->live);
	free(b->found);
	free(b->service);
	free(b->id);
	free(b);
}

void probes_start(struct probes *p)
{
	p->running = true;
	sync_due(p);
}

void probes_stop(struct probes *p)
{
	size_t it = 0;
	p->running = false;
	loop_timer_clear(p->loop, &p->timer);
	void *value;
	while (map_next(&p->by_name, &it, NULL, &value))
		probe_free(value);
	map_release(&p->by_name);
}

void probes_free(struct probes *p)
{
	if (p == NULL)
		return;
	if (p->running)
		probes_stop(p);
	free(p);
}

static void wake(void *arg)
{
	struct probes *p = arg;
	if (p->running)
		loop_timer_set(p->loop, &p->timer, 0, sync_due, p);
}

void probes_wake(struct probes *p)
{
	loop_post(p->loop, wake, p);
}

// --- health ---

static void health_set(struct live *l, enum health now)
{
	if (atomic_exchange(&l->health, (int32_t)now) != (int32_t)now)
		atomic_store(&l->health_since_wall_ms, clock_wall_ms());
}

static void health_tell(struct probe *b, const struct instance_obj *in, const char *why)
{
	enum health now = (enum health)atomic_load(&in->live->health);
	if (now == b->told)
		return;
	enum health before = b->told;
	b->told = now;
	b->p->hooks.changed(b->p->hooks.arg, in, before, now, why);
}

void probe_beat(struct live *l, int64_t now_us)
{
	atomic_store(&l->last_beat_us, now_us);
	health_set(l, HEALTH_PASSING);
}

static int64_t or_default(int64_t v, int64_t def)
{
	return v == FIELD_NONE || v <= 0 ? def : v;
}

static void count_result(const struct instance_obj *in, const struct probe_result *res)
{
	struct live *l = in->live;
	const struct check *c = &in->doc.check;
	atomic_store(&l->probe_us, res->us);
	atomic_store(&l->probe_error, (int32_t)res->code);
	if (res->code == ERR_UPSTREAM_AUTH_FAILED &&
		in->doc.auth.type != INSTANCE_OPEN) { // it lives: what is wrong is its credential
		atomic_store(&l->fall, 0);
		health_set(l, HEALTH_WARNING);
		return;
	}
	if (res->ok) {
		atomic_store(&l->fall, 0);
		int32_t rise = atomic_fetch_add(&l->rise, 1) + 1;
		if (atomic_load(&l->health) != HEALTH_CRITICAL ||
			rise >= or_default(c->rise, PROBE_RISE))
			health_set(l, HEALTH_PASSING);
		return;
	}
	atomic_store(&l->rise, 0);
	if (atomic_fetch_add(&l->fall, 1) + 1 >= or_default(c->fall, PROBE_FALL))
		health_set(l, HEALTH_CRITICAL);
}

// --- the schedule ---

static bool by_heartbeat(const struct instance_obj *in)
{
	return in->doc.ttl_s != FIELD_NONE;
}

static bool settling(const struct live *l)
{
	switch (atomic_load(&l->health)) {
	case HEALTH_UNKNOWN:
	case HEALTH_WARNING:
		return true;
	case HEALTH_CRITICAL:
		return atomic_load(&l->rise) > 0;
	default:
		return atomic_load(&l->fall) > 0;
	}
}

static int64_t jittered(struct probes *p, int64_t us)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return us - (int64_t)(p->random % (uint64_t)(us / PROBE_JITTER + 1));
}

static void schedule(struct probe *b, const struct instance_obj *in)
{
	int64_t wait_s = or_default(in->doc.check.interval_s, PROBE_INTERVAL_S);
	if (by_heartbeat(in) || settling(in->live))
		wait_s = MIN_OF(wait_s, SETTLING_S);
	int64_t wait_us = by_heartbeat(in) ? S_US / 2 : wait_s * S_US;
	loop_timer_set(b->p->loop, &b->timer, jittered(b->p, wait_us), probe_due, b);
}

// --- one exchange ---

static void result_fill(const struct probe *b, enum up_end end, const struct err *err,
	struct probe_result *ret)
{
	*ret = (struct probe_result){.status = b->status, .us = clock_mono_us() - b->start_us};
	bool answered = end == UP_OK || (end == UP_TOO_LARGE && b->status != 0);
	ret->ok = answered && b->status >= 200 && b->status <= 299;
	if (ret->ok)
		return;
	if (answered) {
		ret->code = ERR_UPSTREAM_BAD_RESPONSE;
		bool refused = b->status == 401 || b->status == 403;
		if (refused)
			ret->code = ERR_UPSTREAM_AUTH_FAILED;
		snprintf(ret->detail, sizeof(ret->detail), "%sHTTP %d",
			!refused	  ? ""
				: b->asks ? _("credential refused: ")
					  : _("it asks for a credential: "),
			b->status);
		return;
	}
	bool late = end >= UP_TIMEOUT_CONNECT && end <= UP_TIMEOUT_TOTAL;
	ret->code = end == UP_FORBIDDEN ? ERR_UPSTREAM_URL_FORBIDDEN
		: end == UP_NO_ROOM	? ERR_OVERLOADED
		: late			? ERR_UPSTREAM_TIMEOUT
					: ERR_UPSTREAM_BAD_RESPONSE;
	snprintf(ret->detail, sizeof(ret->detail), "%.119s",
		err != NULL && err->message[0] != '\0' ? err->message : up_end_name(end));
}

static bool on_head(void *arg, const struct upstream_response *res)
{
	struct probe *b = arg;
	b->status = res->status;
	return true;
}

static bool on_data(void *arg UNUSED, struct slice bytes UNUSED)
{
	return true; // a body says nothing about health
}

// The answer to a probe says something of the key only where nobody else is let in, and nothing of
// one that was rotated meanwhile.
static void judge_key(const struct probe *b, const struct instance_obj *in)
{
	const struct key_obj *key = NULL;
	snapshot_grant(snapshots_now(b->p->snaps), in, &key);
	if (key == NULL || key->life != b->key_life)
		return;
	if (b->status == 401 || b->status == 403)
		attempt_tell_key(key, OUT_AUTH, loop_now_us(b->p->loop), clock_wall_ms(), 0,
			b->status);
	else if (b->closed && b->status >= 200 && b->status <= 299 &&
		atomic_load(&key->live->fault) == LIVE_KEY_INVALID)
		breaker_proven(key->live, b->key_life, clock_wall_ms());
}

static void probe_over(struct probe *b, const struct instance_obj *in,
	const struct probe_result *res, bool asked)
{
	if (in != NULL) {
		if (!by_heartbeat(in) && asked)
			count_result(in, res);
		b->p->hooks.probed(b->p->hooks.arg, res->ok);
		health_tell(b, in, res->ok ? _("probe answered") : res->detail);
		if (!res->ok && !by_heartbeat(in))
			atomic_store(&in->live->told_queue, 0);
		if (res->ok && !by_heartbeat(in))
			models_ask(b, in);
		else
			schedule(b, in);
	}
	askers_answer(b, res);
}

static void on_done(void *arg, enum up_end end, const struct upstream_response *res UNUSED,
	struct slice body UNUSED, const struct err *err)
{
	struct probe *b = arg;
	struct probe_result result;
	result_fill(b, end, err, &result);
	flight_end(b);
	const struct instance_obj *in = instance_of(b);
	if (in != NULL && in->life != b->at_life) { // it says nothing of where the instance is now
		loop_timer_set(b->p->loop, &b->timer, 0, probe_due, b);
		return;
	}
	if (in != NULL && b->asks && end == UP_OK)
		judge_key(b, in);
	if (b->open.ok && !result.ok && result.code != ERR_UPSTREAM_AUTH_FAILED)
		result = b->open; // no such path, or too slow: that it lives is known already
	else if (in != NULL && result.ok && closed_ask(b, in, &result))
		return;
	probe_over(b, in, &result, end != UP_NO_ROOM);
}

// --- the queue, told by the metrics of engines that have a gauge for it ---

// After a look beside the probe: what it is told of must still be there. NULL: it is over.
static const struct instance_obj *after_look(struct probe *b)
{
	const struct instance_obj *in = instance_of(b);
	flight_end(b);
	if (in == NULL || in->life == b->at_life)
		return in;
	loop_timer_set(b->p->loop, &b->timer, 0, probe_due, b);
	return NULL;
}

static void on_metrics(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct probe *b = arg;
	const struct instance_obj *in = after_look(b);
	if (in == NULL)
		return;
	const struct engine_row *e = engine_find(slice_of(in->doc.engine));
	int64_t n = -1;
	if (end == UP_OK && res->status == 200 && e != NULL && e->queue_gauge != NULL) {
		// The sum over its series (one per model); -1 when the text has none.
		double sum;
		n = prom_sum(body, e->queue_gauge, QUEUE_MAX, &sum)
			? (int64_t)MIN_OF(sum, QUEUE_MAX)
			: -1;
	}
	atomic_store(&in->live->told_queue, (int32_t)(n + 1)); // 0: not known any more
	schedule(b, in);
}

static const char *check_path(const struct instance_obj *in)
{
	const char *said = in->doc.check.path;
	if (said != NULL && field_charset_ok(FC_PATH, slice_of(said))) // others were taken once
		return said;
	const struct engine_row *e = engine_find(slice_of(in->doc.engine));
	return e != NULL && e->check_path != NULL ? e->check_path : "/v1/models";
}

static const char *closed_path(const struct instance_obj *in)
{
	const struct engine_row *e = engine_find(slice_of(in->doc.engine));
	return e != NULL ? e->closed_path : "/v1/models";
}

static bool answers(const struct instance_obj *in)
{
	return atomic_load(&in->live->health) == HEALTH_PASSING;
}

// However many there are that do not answer, those that do are looked at in time.
static bool has_room(const struct probe *b, const struct instance_obj *in)
{
	return b->p->inflight < PROBE_INFLIGHT_MAX &&
		(answers(in) || b->askers != NULL || b->p->doubtful < PROBE_DOUBTFUL_MAX);
}

static void flight_begin(struct probe *b, const struct instance_obj *in, const char *path,
	bool stream, const struct upstream_callbacks *callbacks)
{
	int64_t limit_ms = or_default(in->doc.check.timeout_ms, PROBE_TIMEOUT_MS);
	struct arena *a = &b->arena;
	const char *header = in->doc.auth.header;
	b->status = 0;
	b->at_life = in->life;
	b->start_us = clock_mono_us();
	b->url = (struct url){
		.scheme = arena_strdup(a, in->url.scheme),
		.host = arena_strdup(a, in->url.host),
		.port = in->url.port,
		.path = arena_strdup(a, in->url.path),
		.origin = arena_strdup(a, in->url.origin),
		.tls = in->url.tls,
	};
	const struct upstream_request q = {
		.url = &b->url,
		.pool_key = arena_printf(a, "probe:%s/%s", b->service, b->id),
		.method = "GET",
		.path = arena_printf(a, "%s%s", in->url.path, path),
		.headers = "Accept: */*\r\n",
		.auth = b->secret.n > 0 ? &b->secret : NULL,
		.auth_style = instance_auth(&in->doc, &header),
		.auth_header = header == NULL ? NULL : arena_strdup(a, header),
		.vendor_key = b->secret.n > 0,
		.near_only = in->near_only,
		.background = true,
		.connect_ms = limit_ms,
		.first_byte_ms = limit_ms,
		.idle_ms = limit_ms,
		.total_ms = limit_ms,
		.body_max = BODY_MAX,
		.stream = stream,
	};
	b->p->inflight++;
	b->doubtful = !answers(in);
	b->p->doubtful += b->doubtful;
	b->call = upstream_start(loop_upstream(b->p->loop), &q, callbacks, b);
}

// False when its credential cannot be shown; why is in *err.
static bool unlock(struct probe *b, const struct instance_obj *in, struct err *err)
{
	static const char *const why[] = {[GRANT_GONE] = N_("the key of its credential is gone"),
		[GRANT_DISABLED] = N_("the key of its credential is disabled"),
		[GRANT_ELSEWHERE] = N_("the key of its credential is bound to another address")};
	const struct snapshot *snap = snapshots_now(b->p->snaps);
	const struct key_obj *key = NULL;
	enum grant grant = snapshot_grant(snap, in, &key);
	b->asks = grant != GRANT_NONE;
	if (grant == GRANT_NONE)
		return true;
	if (grant != GRANT_KEY)
		err_set(err, ERR_UPSTREAM_AUTH_FAILED, "%s", _(why[grant]));
	else if (snap->sealed)
		err_set(err, ERR_SEALED, NULL);
	else if (key_expired(key, clock_wall_ms()))
		err_set(err, ERR_UPSTREAM_AUTH_FAILED, _("the key of its credential has expired"));
	else {
		b->key_life = key->life;
		return b->p->hooks.open(b->p->hooks.arg, key, &b->secret, err) == ERR_OK;
	}
	return false;
}

static const struct upstream_callbacks probe_callbacks = {on_head, on_data, on_done};

static void probe_send(struct probe *b, const struct instance_obj *in)
{
	const char *path = check_path(in);
	struct err err = {0};
	b->open = (struct probe_result){0};
	if (!unlock(b, in, &err)) {
		b->open.code = err.code;
		snprintf(b->open.detail, sizeof(b->open.detail), "%.119s", err.message);
		probe_over(b, in, &b->open, true);
		return;
	}
	b->closed = b->asks && strcmp(path, closed_path(in)) == 0;
	flight_begin(b, in, path, true, &probe_callbacks);
}

// Where anybody is let in a good answer says nothing of the credential: another small GET, where nobody
// is.
static bool closed_ask(struct probe *b, const struct instance_obj *in,
	const struct probe_result *res)
{
	struct err err = {0};
	if (!b->asks || b->closed || b->p->inflight >= PROBE_INFLIGHT_MAX || !unlock(b, in, &err) ||
		!b->asks)
		return false;
	b->closed = true;
	b->open = *res;
	flight_begin(b, in, closed_path(in), true, &probe_callbacks);
	return true;
}

// After a good probe, when the engine has a gauge: another small GET, and only then the next wait.
static void queue_ask(struct probe *b, const struct instance_obj *in)
{
	static const struct upstream_callbacks callbacks = {.done = on_metrics};
	const struct engine_row *e = engine_find(slice_of(in->doc.engine));
	struct err err = {0};
	if (e == NULL || e->queue_gauge == NULL || b->p->inflight >= PROBE_INFLIGHT_MAX ||
		!unlock(b, in, &err))
		schedule(b, in);
	else
		flight_begin(b, in, e->metrics_path, false, &callbacks);
}

static void probe_due(void *arg)
{
	struct probe *b = arg;
	const struct instance_obj *in = instance_of(b);
	if (in == NULL || b->call != NULL)
		return; // the next sync takes it away; or the end of the exchange goes on
	if (by_heartbeat(in) && b->askers == NULL) {
		struct live *l = in->live;
		int64_t now_us = loop_now_us(b->p->loop), none = 0;
		// After a start nobody has beaten yet: everyone gets one whole term.
		atomic_compare_exchange_strong(&l->last_beat_us, &none, now_us);
		if (now_us - atomic_load(&l->last_beat_us) > in->doc.ttl_s * S_US)
			health_set(l, HEALTH_CRITICAL);
		health_tell(b, in, _("no heartbeat in time"));
		if (answers(in) && loop_now_us(b->p->loop) >= b->models_us && has_room(b, in))
			models_ask(b, in);
		else
			schedule(b, in);
	} else if (!in->doc.enabled && b->askers == NULL) {
		schedule(b, in);
	} else if (!has_room(b, in)) {
		struct probe_result busy = {.code = ERR_OVERLOADED};
		askers_answer(b, &busy);
		loop_timer_set(b->p->loop, &b->timer, jittered(b->p, S_US), probe_due, b);
	} else {
		probe_send(b, in);
	}
}

// --- what it serves ---

static void models_found(struct probe *b, const struct instance_obj *in)
{
	if (b->found != NULL) {
		b->found->life = in->life;
		live_models_set(in->live, b->found, loop_now_us(b->p->loop));
		b->found = NULL;
	}
	queue_ask(b, in);
}

static void on_props(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct probe *b = arg;
	int64_t window = end == UP_OK && res->status == 200 ? models_window(body) : 0;
	const struct instance_obj *in = after_look(b);
	for (size_t i = 0; i < b->found->n; i++)
		if (b->found->v[i].window == 0)
			b->found->v[i].window = window;
	if (in != NULL)
		models_found(b, in);
}

static void on_models(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	static const struct upstream_callbacks callbacks = {.done = on_props};
	struct probe *b = arg;
	struct err why = {0};
	bool props = false;
	free(b->found);
	b->found = end == UP_OK && res->status == 200 ? models_read(body, &props) : NULL;
	const struct instance_obj *in = after_look(b);
	if (in == NULL)
		return;
	if (props && b->p->inflight < PROBE_INFLIGHT_MAX && unlock(b, in, &why))
		flight_begin(b, in, "/props", false, &callbacks);
	else
		models_found(b, in);
}

// After a good probe, now and then.
static void models_ask(struct probe *b, const struct instance_obj *in)
{
	static const struct upstream_callbacks callbacks = {.done = on_models};
	const struct engine_row *e = engine_find(slice_of(in->doc.engine));
	int64_t now = loop_now_us(b->p->loop);
	struct err err = {0};
	if (e == NULL || e->models_path == NULL || now < b->models_us ||
		b->p->inflight >= PROBE_INFLIGHT_MAX || !unlock(b, in, &err)) {
		queue_ask(b, in);
		return;
	}
	b->models_us = now + MODELS_US;
	flight_begin(b, in, e->models_path, false, &callbacks);
}

// --- which instances there are ---

static void forget_the_left(struct probes *p)
{
	VEC_OF(struct probe *) left = {0};
	size_t it = 0;
	void *value;
	while (map_next(&p->by_name, &it, NULL, &value)) {
		struct probe *b = value;
		if (b->seen != p->round)
			VEC_PUSH(&left, b);
	}
	struct str name = STR_INIT;
	for (size_t i = 0; i < left.n; i++) {
		map_del(&p->by_name, name_of(left.v[i], &name));
		p->hooks.left(p->hooks.arg, left.v[i]->service, left.v[i]->id);
		health_set(left.v[i]->live, HEALTH_CRITICAL); // for requests that wait for it
		probe_free(left.v[i]);
	}
	str_release(&name);
	VEC_RELEASE(&left);
}

static void sync_due(void *arg)
{
	struct probes *p = arg;
	const struct snapshot *snap = snapshots_now(p->snaps);
	loop_timer_set(p->loop, &p->timer, SYNC_US, sync_due, p);
	if (snap->revision == p->revision && p->round > 0)
		return;
	p->revision = snap->revision;
	p->round++;
	struct pmap_it it = {0};
	struct slice name;
	void *value;
	while (pmap_next(snap->instances, &it, &name, &value)) {
		const struct instance_obj *in = value;
		struct probe *b = map_get(&p->by_name, name);
		if (b == NULL && p->by_name.n >= PROBE_INSTANCES_MAX)
			continue;
		if (b == NULL) {
			struct probe *made = mem_zalloc(1, sizeof(*made));
			made->p = p;
			made->service = mem_strdup(in->doc.service);
			made->id = mem_strdup(in->doc.id);
			made->told = (enum health)atomic_load(&in->live->health);
			made->live = live_take(snapshots_now(p->snaps)->live, LIVE_INSTANCE, name);
			map_put(&p->by_name, name, made);
			loop_timer_set(p->loop, &made->timer, jittered(p, S_US / 10), probe_due,
				made);
			b = made;
		}
		b->seen = p->round;
		// Another address, or another instance of the name: its record knows nothing yet
		// (live_follow).
		if (b->life != in->life) {
			if (b->life != 0 && b->call == NULL)
				loop_timer_set(b->p->loop, &b->timer, 0, probe_due, b);
			b->life = in->life;
			b->models_us = 0;
		}
	}
	forget_the_left(p);
}

// --- on demand ---

static void ask(void *arg)
{
	struct asker *a = arg;
	struct probes *p = a->p;
	struct str name = STR_INIT;
	if (p->running)
		sync_due(p);
	str_addf(&name, "%s/%s", a->service, a->id);
	struct probe *b = p->running ? map_get(&p->by_name, str_slice(&name)) : NULL;
	str_release(&name);
	if (b == NULL) {
		a->res = (struct probe_result){.code = ERR_NOT_FOUND};
		loop_post(a->loop, asker_answer, a);
		return;
	}
	a->next = b->askers;
	b->askers = a;
	probe_due(b);
}

void probe_now(struct probes *p, struct loop *l, struct slice service, struct slice id,
	void (*done)(void *arg, const struct probe_result *res), void *arg)
{
	struct asker *a = mem_zalloc(1, sizeof(*a));
	a->p = p;
	a->loop = l;
	a->done = done;
	a->arg = arg;
	a->service = mem_strndup(service.p, service.n);
	a->id = mem_strndup(id.p, id.n);
	loop_post(p->loop, ask, a);
}
