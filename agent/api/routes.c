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

#define IMAGES_MAX 128

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
static enum err_code read_int(const struct jx *body, const char *name, int64_t max, int64_t *ret,
	struct err *err)
{
	const struct jx *v = jx_get(body, name);
	if (jx_is_null(v))
		return ERR_OK;
	if (!jx_is_num(v))
		return err_field(err, ERR_FIELD_TYPE, name, _("must be an integer"));
	double d = jx_num(v, 0);
	struct str text = STR_INIT;
	jx_write(v, 0, &text);
	bool whole = strpbrk(str_text(&text), ".eE") == NULL;
	str_release(&text);
	if (!whole || d < 1 || d > (double)max)
		return err_field(err, ERR_FIELD_RANGE, name, _("must be an integer from 1 to %lld"),
			(long long)max);
	*ret = (int64_t)d;
	return ERR_OK;
}

// "1024x1024" (or with '*', as some servers write it); "auto" says nothing.
static enum err_code read_size(const struct jx *body, struct decide_request *req, struct err *err)
{
	const struct jx *v = jx_get(body, "size");
	if (jx_is_null(v))
		return ERR_OK;
	if (!jx_is_str(v))
		return err_field(err, ERR_FIELD_TYPE, "size", _("must be a string"));
	struct slice rest = slice_of(jx_str(v, ""));
	if (slice_eq_str(rest, "auto"))
		return ERR_OK;
	if (model_size(rest, &req->width, &req->height))
		return ERR_OK;
	return err_field(err, ERR_FIELD_RANGE, "size", _("must be WIDTHxHEIGHT, 1 to %d each"),
		SIDE_MAX);
}

static enum err_code read_text(const struct jx *body, const char *name, const char **ret,
	struct err *err)
{
	const struct jx *v = jx_get(body, name);
	if (jx_is_null(v))
		return ERR_OK;
	if (!jx_is_str(v))
		return err_field(err, ERR_FIELD_TYPE, name, _("must be a string"));
	const char *s = jx_str(v, "");
	if (s[0] == '\0' || strlen(s) > REF_MAX)
		return err_field(err, ERR_FIELD_RANGE, name, _("must have 1 to %d bytes"), REF_MAX);
	if (!field_charset_ok(FC_NAME, slice_of(s)))
		return err_field(err, ERR_FIELD_CHARSET, name, "%s",
			_(field_charset_text(FC_NAME)));
	*ret = s;
	return ERR_OK;
}

// On whose behalf: a client's id, or the callers without one.
static enum err_code read_client(struct req *r, const struct jx *body, struct decide_request *ret,
	struct err *err)
{
	const char *text = NULL;
	enum err_code code = read_text(body, "client", &text, err);
	if (code != ERR_OK || text == NULL || strcmp(text, ident_local.text) == 0)
		return code;
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
static enum err_code judge_as_live(struct req *r, const struct feature_obj *f, struct err *err)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	struct adapter_call *call = arena_zalloc(&r->arena, 1, sizeof(*call));
	call->offer = (enum offer)f->doc.endpoint;
	call->body = r->body;
	enum err_code code = jscan_object(r->body, limits, call->m, CALL_MEMBERS_MAX, &call->n,
		err);
	const struct jscan_member *asked = jscan_find(call->m, call->n, "messages");
	// No messages are none left out: the question is where such a request would go.
	bool left_out = asked != NULL && asked->type == JS_ARRAY && jscan_is_empty(asked->value);
	if (code == ERR_OK && !left_out)
		code = prompt_judge(call, err);
	return code == ERR_OK ? prompt_limits(&f->doc, call, err) : code;
}

static enum err_code check_forbidden(const struct jx *body, struct err *err)
{
	static const char *const names[] = {"api_base", "base_url", "api_key", "custom_host"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (jx_get(body, names[i]) != NULL)
			return err_field(err, ERR_FIELD_FORBIDDEN, names[i],
				_("a request does not choose its upstream"));
	}
	return ERR_OK;
}

// Token numbers in place of texts: one list of them, or a list of lists.
static bool has_tokens(const struct jx *body, enum offer offer)
{
	const struct jx *input = offer == OFFER_EMBEDDINGS ? jx_get(body, "input") : NULL;
	const struct jx *first = jx_is_arr(input) ? jx_at(input, 0) : NULL;
	return jx_is_num(first) || jx_is_arr(first);
}

static void read_needs(const struct jx *body, struct decide_request *req)
{
	req->needs = (req->stream ? 1u << NEED_STREAM : 0) |
		(jx_len(jx_get(body, "tools")) > 0 ? 1u << NEED_TOOLS : 0) |
		(req->n != FIELD_NONE && req->n > 1 ? 1u << NEED_N : 0) |
		(jx_is_obj(jx_get(body, "response_format")) ? 1u << NEED_FORMAT : 0) |
		(has_tokens(body, req->offer) ? 1u << NEED_TOKENS : 0);
}

// The body is the request's own: what routing does not read is not judged here.
static enum err_code read_request(struct req *r, const struct feature_obj *f,
	struct decide_request *ret, struct err *err)
{
	const struct jx *body = NULL;
	*ret = decide_request_plain(&f->doc);
	if (r->body.n == 0)
		return wishes_read(r, &f->doc, (struct slice){0}, ret, err);
	enum err_code code = jx_parse(r->body, change_limits(), &r->arena, &body, err);
	if (code == ERR_OK && !jx_is_obj(body))
		code = err_set(err, ERR_JSON_INVALID, _("the body must be a JSON object"));
	if (code == ERR_OK)
		code = check_forbidden(body, err);
	if (code == ERR_OK)
		code = read_size(body, ret, err);
	if (code == ERR_OK)
		code = read_int(body, "width", SIDE_MAX, &ret->width, err);
	if (code == ERR_OK)
		code = read_int(body, "height", SIDE_MAX, &ret->height, err);
	if (code == ERR_OK)
		code = read_int(body, "n", IMAGES_MAX, &ret->n, err);
	if (code == ERR_OK)
		code = read_client(r, body, ret, err);
	if (code == ERR_OK)
		code = read_text(body, "model", &ret->model, err);
	if (code == ERR_OK)
		code = judge_as_live(r, f, err);
	if (code != ERR_OK)
		return code;
	const struct jx *stream = jx_get(body, "stream");
	if (!jx_is_null(stream) && !jx_is_bool(stream))
		return err_field(err, ERR_FIELD_TYPE, "stream", _("must be true or false"));
	ret->stream = jx_bool(stream, false);
	read_needs(body, ret);
	return wishes_read(r, &f->doc, slice_of(jx_str(jx_get(body, "user"), NULL)), ret, err);
}

// A model text that means the feature itself, as most callers send it, names no model.
static void forget_own_name(const struct feature_obj *f, struct decide_request *req)
{
	if (req->model == NULL)
		return;
	bool own = strcmp(req->model, f->doc.name) == 0;
	for (size_t i = 0; i < f->doc.aliases.n; i++)
		own = own || strcmp(req->model, f->doc.aliases.v[i]) == 0;
	if (own)
		req->model = NULL;
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
	struct decide_request ask;
	if (read_request(r, f, &ask, &err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	forget_own_name(f, &ask);
	struct decision *d = arena_alloc(&r->arena, sizeof(*d));
	const struct route *route = snapshot_route(r->snap, f);
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

// What this feature sent there; what others did is not its figure.
static void write_live(struct jw *w, const struct agent *a, const struct live *l, int64_t now_us)
{
	if (l == NULL) { // a vendor without a key has done nothing
		static const struct live nobody;
		l = &nobody;
	}
	struct live_window five = live_window(l, now_us, 300);
	int64_t p95 = atomic_load(&l->p95_us);
	jw_num(w, "rate", services_rate(a, l, now_us));
	jw_num(w, "error_pct", (1 - five.ok_rate) * 100);
	jw_num(w, "mean_ms", five.mean_ms);
	jw_num(w, "p95_ms", p95 > 0 ? (double)p95 / 1000 : NAN);
	write_last_error(w, l);
}

static void write_times(struct jw *w, const struct verdict *v, const struct decision *d,
	int64_t wall_ms)
{
	jw_time_or_null(w, "since", v->view.since_wall_ms);
	if (v->view.until_us > d->at_us)
		jw_time(w, "until", wall_ms + (v->view.until_us - d->at_us) / 1000);
	else
		jw_null(w, "until");
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
	write_live(w, a, c->pair, d->at_us);
	write_times(w, v, d, wall_ms);
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

static void patch_name(struct patch *p)
{
	const char *verb = !p->says_drain ? "weight" : p->body.drain ? "drain" : "undrain";
	snprintf(p->action, sizeof(p->action), "route.%s", verb);
	snprintf(p->object, sizeof(p->object), "%s/%.*s", p->f->doc.name, SLICE_FMT(p->target));
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
	patch_name(p);
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
