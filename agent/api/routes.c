// SPDX-License-Identifier: MIT
// Explains routing: asks the same pure decision that live requests ask, shows its verdict on every
// candidate, and puts an operator's temporary weight or drain on one.
#include "agent/api/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "agent/state/caller.h"
#include "agent/record/decisions.h"
#include "agent/call/ask.h"
#include "agent/call/prompt.h"
#include "agent/protocol/batch.h"
#include "agent/api/change.h"
#include "agent/api/features.h"
#include "agent/core/agent.h"
#include "agent/core/events.h"
#include "agent/store/store.h"
#include "agent/api/services.h"
#include "agent/store/audit.h"
#include "agent/store/override.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/num.h"
#include "shared/text.h"

struct random {
	uint32_t draw; // of 2^32
	uint64_t id;
};

static struct random random_take(void)
{
	struct random r;
	if (getrandom(&r, sizeof(r), 0) != sizeof(r)) { // never at this size; not a secret either
		r.id = (uint64_t)clock_mono_us() * UINT64_C(0x9e3779b97f4a7c15);
		r.draw = (uint32_t)(r.id >> 32);
	}
	return r;
}

static const struct feature_obj *feature_or_fail(struct req *r, struct slice name)
{
	const struct feature_obj *f = snapshot_model(r->snap, name);
	if (f == NULL) {
		struct err err = {0};
		err_set(&err, ERR_NOT_FOUND, _("there is no feature of this name"));
		err_hint(&err, _("list them: GET /api/v1/features"));
		req_fail(r, &err);
	}
	return f;
}

// --- POST /api/v1/route/{feature} ---

// A dimension of the request: an integer that is one, in its range.
static enum err_code read_side(const struct adapter_call *call, const char *name, int64_t *ret,
	struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	if (m == NULL || m->type == JS_NULL)
		return ERR_OK;
	if (m->type != JS_NUMBER)
		return err_field(err, ERR_FIELD_TYPE, name, _("must be an integer"));
	int64_t n;
	if (!jscan_int(m->value, &n) || n < 1 || n > SIDE_MAX)
		return err_field(err, ERR_FIELD_RANGE, name, _("must be an integer from 1 to %d"),
			SIDE_MAX);
	*ret = n;
	return ERR_OK;
}

// "1024x1024" (or with '*', as some servers write it); "auto" says nothing.
static enum err_code read_size(struct adapter_call *call, struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "size");
	if (m == NULL || m->type == JS_NULL)
		return ERR_OK;
	if (m->type != JS_STRING)
		return err_field(err, ERR_FIELD_TYPE, "size", _("must be a string"));
	char text[32];
	if (jscan_string(m->value, text, sizeof(text), NULL) &&
		(strcmp(text, "auto") == 0 ||
			model_size(slice_of(text), &call->width, &call->height)))
		return ERR_OK;
	return err_field(err, ERR_FIELD_RANGE, "size", _("must be WIDTHxHEIGHT, 1 to %d each"),
		SIDE_MAX);
}

// What a name may be made of: nothing else is shown again in a record.
static enum err_code judge_name(const char *name, const char *text, struct err *err)
{
	if (text[0] == '\0')
		return err_field(err, ERR_FIELD_RANGE, name, _("must have 1 to %d bytes"), REF_MAX);
	if (!field_charset_ok(FC_NAME, slice_of(text)))
		return err_field(err, ERR_FIELD_CHARSET, name, "%s",
			_(field_charset_text(FC_NAME)));
	return ERR_OK;
}

// On whose behalf: a client's id, or the callers without one.
static enum err_code read_client(struct req *r, const struct adapter_call *call,
	struct decide_request *ret, struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "client");
	if (m == NULL || m->type == JS_NULL)
		return ERR_OK;
	if (m->type != JS_STRING)
		return err_field(err, ERR_FIELD_TYPE, "client", _("must be a string"));
	char text[REF_MAX];
	if (!jscan_string(m->value, text, sizeof(text), NULL))
		text[0] = '\0'; // longer than any
	if (judge_name("client", text, err) != ERR_OK)
		return err->code;
	if (strcmp(text, ident_local.text) == 0)
		return ERR_OK;
	struct ident id;
	const struct client_obj *c = ident_read(slice_of(text), CREDENTIAL_CLIENT, &id)
		? snapshot_client(r->snap, &id)
		: NULL;
	if (c == NULL) {
		err_field(err, ERR_FIELD_RANGE, "client",
			_("must be the id of a client, or local"));
		err_hint(err, "%s", _("list them: GET /api/v1/clients"));
		return err->code;
	}
	ret->client = &c->id;
	ret->client_name = c->doc.name;
	return ERR_OK;
}

// What a live call of the same body would be refused for; what it leaves out is not judged.
static enum err_code judge_as_live(const struct feature_obj *f, struct adapter_call *call,
	struct err *err)
{
	const struct jscan_member *asked = jscan_find(call->m, call->n, "messages");
	bool list = jscan_find(call->m, call->n,
			    call->offer == OFFER_RERANK ? "documents" : "input") != NULL;
	// No messages are none left out: the question is where such a request would go.
	bool left_out = asked != NULL && asked->type == JS_ARRAY && jscan_is_empty(asked->value);
	enum err_code code = left_out ? ERR_OK : prompt_judge(call, err);
	if (code == ERR_OK && list &&
		(call->offer == OFFER_EMBEDDINGS || call->offer == OFFER_RERANK))
		code = batch_read(call, err);
	return code == ERR_OK ? prompt_limits(&f->doc, call, err) : code;
}

// The body is the request's own: what routing does not read is not judged here.
static enum err_code read_request(struct req *r, const struct route *route,
	struct adapter_call *call, struct decide_request *ret, struct err *err)
{
	const struct feature_obj *f = route->feature;
	struct slice body = r->body.n > 0 ? r->body : (struct slice)SLICE("{}");
	enum err_code code = adapter_read_part(body, change_limits(), (enum offer)f->doc.endpoint,
		call, err);
	const struct jscan_member *model = code == ERR_OK ? jscan_find(call->m, call->n, "model")
							  : NULL;
	if (model != NULL)
		code = judge_name("model", call->model, err);
	if (code == ERR_OK)
		code = read_size(call, err);
	if (code == ERR_OK)
		code = read_side(call, "width", &call->width, err);
	if (code == ERR_OK)
		code = read_side(call, "height", &call->height, err);
	if (code == ERR_OK)
		code = judge_as_live(f, call, err);
	if (code != ERR_OK)
		return code;
	ask_read(call, route, true, ret);
	ask_judge(call, route, &r->arena, ret);
	code = read_client(r, call, ret, err);
	return code == ERR_OK ? ask_wishes(r, &f->doc, call, ret, err) : code;
}

static double timed_decide(const struct route *route, const struct decide_request *req,
	int64_t wall_ms, double draw, struct decision *d)
{
	struct timespec a;
	int64_t now_us = clock_mono_us();
	clock_gettime(CLOCK_MONOTONIC, &a);
	decide(route, req, now_us, wall_ms, draw, d);
	struct timespec b;
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

void h_route_decide(struct req *r)
{
	struct err err = {0};
	const struct feature_obj *f = feature_or_fail(r, r->param[0]);
	if (f == NULL)
		return;
	const struct route *route = snapshot_route(r->snap, f);
	struct adapter_call *call = arena_alloc(&r->arena, sizeof(*call));
	struct decide_request ask;
	if (read_request(r, route, call, &ask, &err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	struct decision *d = arena_alloc(&r->arena, sizeof(*d));
	int64_t wall_ms = clock_wall_ms();
	struct random random = random_take();
	double decide_us = timed_decide(route, &ask, wall_ms, random.draw / 0x1p32, d);
	char id[DECISION_ID_MAX];
	decision_id(id, wall_ms, random.id);
	struct decision_record *rec = decision_pack(id, r->snap, route, &ask, d, "dry_run", wall_ms,
		decide_us);
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	decision_write(&w, NULL, rec);
	decisions_keep_sample(r->agent->decisions, rec);
	req_header_add(r, "X-Yijian-Decision", id);
	req_reply_json(r, 200, &out);
}

// --- GET /api/v1/routes[/{feature}] ---

static void write_last_error(struct jw *w, const struct live *l)
{
	int32_t status = atomic_load(&l->last_error_status);
	int64_t at = atomic_load(&l->last_error_wall_ms);
	if (at == 0) {
		jw_null(w, "last_error");
		jw_null(w, "last_error_at");
		return;
	}
	char text[32];
	snprintf(text, sizeof(text), "HTTP %d", status);
	jw_str(w, "last_error",
		status < 0 && -status < ERR_COUNT ? err_row((enum err_code) - status)->code : text);
	jw_time(w, "last_error_at", at);
}

// The share a candidate takes of new requests: none while those before it in order are there.
static double share_now(const struct route *route, size_t i, const struct decision *d)
{
	if (d->chosen < 0)
		return 0;
	const struct candidate *c = &route->v[i], *first = &route->v[d->chosen];
	return c->order == first->order && c->tier == first->tier ? d->v[i].share : 0;
}

static void write_row(struct jw *w, const struct agent *a, const struct route *route, size_t i,
	const struct decision *d, int64_t wall_ms)
{
	const struct candidate *c = &route->v[i];
	const struct verdict *v = &d->v[i];
	jw_obj(w, NULL);
	jw_str(w, "feature", route->feature->doc.name);
	jw_str(w, "target", c->name);
	jw_str(w, "kind", target_kind_names[c->target->kind]);
	enum skip shown = v->skip == SKIP_NONE && v->trial ? SKIP_HALF_OPEN_BUSY : v->skip;
	jw_str(w, "state", skip_row(shown)->state);
	jw_str(w, "reason", v->skip == SKIP_NONE ? NULL : skip_name(v->skip));
	jw_int(w, "order", c->order);
	jw_str(w, "tier", tier_names[c->tier]);
	jw_int(w, "weight", decide_weight(c, d->at_us));
	jw_num(w, "share", share_now(route, i, d));
	jw_int(w, "inflight", c->pair != NULL ? atomic_load(&c->pair->inflight) : 0);
	jw_int(w, "inflight_all", v->view.inflight);
	if (v->view.queue >= 0)
		jw_int(w, "queue", v->view.queue);
	else
		jw_null(w, "queue");
	if (v->view.limit > 0)
		jw_int(w, "limit", v->view.limit);
	else
		jw_null(w, "limit");
	// What this feature sent there; what others did is not its figure.
	const struct live *l = c->pair;
	if (l == NULL) { // a vendor without a key has done nothing
		static const struct live nobody;
		l = &nobody;
	}
	struct live_window five = live_window(l, d->at_us, 300);
	int64_t p95 = atomic_load(&l->p95_us);
	jw_num(w, "rate", services_rate(a, l, d->at_us));
	jw_num(w, "error_pct", (1 - five.ok_rate) * 100);
	jw_num(w, "mean_ms", five.mean_ms);
	jw_num(w, "p95_ms", p95 > 0 ? (double)p95 / 1000 : NAN);
	write_last_error(w, l);
	jw_time_or_null(w, "since", v->view.since_wall_ms);
	if (v->view.until_us > d->at_us)
		jw_time(w, "until", wall_ms + (v->view.until_us - d->at_us) / 1000);
	else
		jw_null(w, "until");
	jw_obj_end(w);
}

// Rows of a feature; with `target`, of that target or candidate alone. Returns how many.
static size_t write_rows(struct req *r, struct jw *w, const struct feature_obj *f,
	struct slice target)
{
	const struct route *route = snapshot_route(r->snap, f);
	struct decision *d = arena_alloc(&r->arena, sizeof(*d));
	int64_t wall_ms = clock_wall_ms();
	size_t n = 0;
	decide_plain(route, clock_mono_us(), wall_ms, d);
	for (size_t i = 0; i < d->n; i++) {
		const struct candidate *c = &route->v[i];
		if (target.n > 0 && !slice_eq_str(target, c->target_name) &&
			!slice_eq_str(target, c->name))
			continue;
		write_row(w, r->agent, route, i, d, wall_ms);
		n++;
	}
	return n;
}

static void reply_list(struct req *r, struct jw *w, struct str *out, size_t total)
{
	jw_arr_end(w);
	jw_int(w, "total", (int64_t)total);
	jw_int(w, "revision", (int64_t)r->snap->revision);
	jw_obj_end(w);
	req_reply_json(r, 200, out);
}

void h_route_list(struct req *r)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	size_t n = 0, total = 0;
	const struct feature_obj **all = features_by_name(r, &n);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < n; i++)
		total += write_rows(r, &w, all[i], (struct slice){0});
	reply_list(r, &w, &out, total);
}

void h_route_get(struct req *r)
{
	const struct feature_obj *f = feature_or_fail(r, r->param[0]);
	if (f == NULL)
		return;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	size_t n = write_rows(r, &w, f, (struct slice){0});
	reply_list(r, &w, &out, n);
}

// --- PATCH /api/v1/routes/{feature}/{target…} ---

struct patch {
	struct store_job job;
	struct req *r;
	const struct feature_obj *f;
	struct slice target;
	struct route_patch_body body;
	bool says_weight, says_drain;
	char object[REF_MAX * 2], action[32];
	const struct live *live; // of the request's snapshot
	struct live_override now; // what holds from here on
};

static bool is_named(const struct candidate *c, const char *key, const char *instance)
{
	if (key == NULL)
		return c->instance != NULL && strcmp(c->instance->doc.id, instance) == 0;
	return c->key != NULL &&
		(strcmp(c->key->doc.id, key) == 0 || strcmp(c->key->doc.slug, key) == 0 ||
			strcmp(c->key->ref, key) == 0);
}

// The live record an override is put on: the target's in this feature, or a key's or instance's,
// which then holds wherever it serves.
static struct live *patch_live(struct req *r, struct patch *p)
{
	const struct route *route = snapshot_route(r->snap, p->f);
	const char *key = req_query(r, "key"), *instance = req_query(r, "instance");
	for (size_t i = 0; i < route->n; i++) {
		const struct candidate *c = &route->v[i];
		if (slice_eq_str(p->target, c->name) && strchr(c->name, '#') != NULL)
			return c->live;
		if (!slice_eq_str(p->target, c->target_name))
			continue;
		if (key == NULL && instance == NULL)
			return c->target_live;
		if (is_named(c, key, instance)) {
			p->target = slice_of(c->name);
			return c->live;
		}
	}
	return NULL;
}

static enum err_code patch_read(struct req *r, struct patch *p, struct err *err)
{
	const struct jx *v = NULL;
	enum err_code code = jx_parse(r->body, change_limits(), &r->arena, &v, err);
	field_defaults(&route_patch_fields, &p->body);
	p->body.weight = p->body.expires_in_s = FIELD_NONE;
	if (code == ERR_OK)
		code = jx_decode_value(&route_patch_fields, v, JX_PATCH, &r->arena, &p->body, err);
	if (code != ERR_OK)
		return code;
	p->says_weight = jx_get(v, "weight") != NULL;
	p->says_drain = jx_get(v, "drain") != NULL;
	if (!p->says_weight && !p->says_drain)
		return err_field(err, ERR_FIELD_REQUIRED, "drain",
			_("say a weight, drain, or both"));
	return ERR_OK;
}

static void patch_apply(struct patch *p, struct live *l)
{
	int64_t for_s = p->body.expires_in_s, until = atomic_load(&l->override_until_us);
	if (until != 0 && until <= clock_mono_us()) { // what has run out does not come back
		atomic_store(&l->weight_override, -1);
		atomic_store(&l->drained, 0);
	}
	if (p->says_weight)
		atomic_store(&l->weight_override,
			p->body.weight == FIELD_NONE ? -1 : (int32_t)p->body.weight);
	if (p->says_drain)
		atomic_store(&l->drained, p->body.drain);
	atomic_store(&l->override_until_us,
		for_s == FIELD_NONE ? 0 : clock_mono_us() + for_s * 1000000);
	p->live = l;
	p->now = (struct live_override){.drained = atomic_load(&l->drained) != 0,
		.weight = atomic_load(&l->weight_override),
		.until_wall_ms = for_s == FIELD_NONE ? 0 : clock_wall_ms() + for_s * 1000};
}

static enum err_code patch_keep(struct store_tx *tx, struct store_job *job)
{
	const struct patch *p = CONTAINER_OF(job, struct patch, job);
	enum err_code code = store_override_put(tx, (int)p->live->kind, p->live->id, &p->now,
		&job->err);
	return code ? code : store_audit(tx, p->action, p->object, "ok", &job->err);
}

// The override holds also when neither it nor its audit row could be written: an operator who
// drains a target while the disk is full must not be refused. The answer says so.
static void patch_reply(struct patch *p, bool audited)
{
	struct req *r = p->r;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	jw_bool(&w, "audited", audited);
	jw_arr(&w, "items");
	size_t n = write_rows(r, &w, p->f, p->target);
	reply_list(r, &w, &out, n);
}

static void patch_done(struct store_job *job, enum err_code code)
{
	patch_reply(CONTAINER_OF(job, struct patch, job), code == ERR_OK);
}

void h_route_patch(struct req *r)
{
	struct err err = {0};
	struct patch *p = arena_zalloc(&r->arena, 1, sizeof(*p));
	p->r = r;
	p->target = r->param[1];
	p->f = feature_or_fail(r, r->param[0]);
	if (p->f == NULL)
		return;
	if (req_query(r, "key") != NULL && req_query(r, "instance") != NULL)
		err_field(&err, ERR_PARAM_INVALID, "instance",
			_("name a key or an instance, not both"));
	if (err.code != ERR_OK || patch_read(r, p, &err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	struct live *l = patch_live(r, p);
	if (l == NULL) {
		err_set(&err, ERR_NOT_FOUND, _("the feature has no such target, key or instance"));
		req_fail(r, &err);
		return;
	}
	patch_apply(p, l);
	const char *verb = !p->says_drain ? "weight" : p->body.drain ? "drain" : "undrain";
	snprintf(p->action, sizeof(p->action), "route.%s", verb);
	snprintf(p->object, sizeof(p->object), "%s/%.*s", p->f->doc.name, SLICE_FMT(p->target));
	change_tell(r, p->action, p->object);
	p->job = (struct store_job){
		.run = patch_keep, .done = patch_done, .loop = r->loop, .actor = req_actor(r)};
	if (!store_submit(r->agent->store, &p->job)) {
		patch_reply(p, false);
		return;
	}
	req_suspend(r);
}

// --- decision records ---

void h_decision_list(struct req *r)
{
	int64_t limit = req_query_int(r, "limit");
	size_t max = (size_t)MIN_OF(limit, (int64_t)DECISIONS_LIST_MAX), total = 0;
	struct decision_record **recs = arena_zalloc(&r->arena, max + 1, sizeof(recs[0]));
	size_t n = decisions_list(r->agent->decisions, slice_of(req_query(r, "feature")), false,
		INT64_MAX, clock_wall_ms(), recs, max, &total);
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < n; i++) {
		decision_write(&w, NULL, recs[i]);
		decision_drop(recs[i]);
	}
	reply_list(r, &w, &out, total);
}

void h_decision_get(struct req *r)
{
	int64_t made_ms = 0, now_ms = clock_wall_ms();
	struct err err = {0};
	struct decision_record *rec = decisions_find(r->agent->decisions, r->param[0], now_ms);
	if (rec == NULL && (!decision_id_time(r->param[0], &made_ms) || made_ms > now_ms + 1000)) {
		err_set(&err, ERR_NOT_FOUND, _("this is no decision's id"));
		req_fail(r, &err);
		return;
	}
	if (rec == NULL) {
		char when[CLOCK_TEXT_MAX];
		err_set(&err, ERR_GONE, _("the decision of %s is no longer kept"),
			clock_rfc3339(made_ms, when));
		err_hint(&err,
			_("failed and fallen-back decisions are kept for %d minutes, of the "
			  "others a sample"),
			(int)(DECISIONS_KEEP_MS / 60000));
		req_fail(r, &err);
		return;
	}
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	decision_write(&w, NULL, rec);
	decision_drop(rec);
	req_reply_json(r, 200, &out);
}
