// SPDX-License-Identifier: MIT
// Packs a decision into as few bytes as can be written out again, keeps the failed ones and a
// sample of the others in two rings, and writes them as JSON when asked.
#include "agent/record/decisions.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shared/clock.h"
#include "shared/mem.h"

struct packed {
	uint32_t name; // offset into the text
	uint32_t detail; // of a denial: the space or region it has, what its key lacks; 0 none
	int32_t order, weight, inflight, limit, queue, status;
	float share, p95_ms, ok_rate; // NAN unknown
	uint8_t kind, tier, skip;
	int64_t since_wall_ms, until_wall_ms; // 0 none
	int64_t ttl_s; // 0 none
	struct money cost;
};

struct attempt {
	int16_t target; // place among the candidates, -1 another
	int16_t status;
	int32_t code; // enum err_code
	int64_t ms;
	char *dropped; // owned; NULL none
};

struct decision_record {
	_Atomic uint32_t refs;
	char id[DECISION_ID_MAX];
	size_t size; // bytes of this block
	int64_t wall_ms;
	uint64_t revision;
	const char *mode, *reason; // static
	enum offer offer;
	enum skip feature_skip;
	int strategy, chosen;
	int64_t width, height, images;
	bool stream, local_only;
	int all_down;
	unsigned needs;
	int64_t wait_ms, waited_ms;
	double draw;
	float decide_us;
	uint32_t feature, client, client_name, model, space; // offsets; 0 none
	uint32_t fallback_n, n, left_out;
	int16_t fallback[DECIDE_FALLBACK_MAX];
	_Atomic uint32_t attempts_n; // written behind the ring's lock, read without it
	struct attempt attempts[DECISION_ATTEMPTS_MAX];
	struct packed v[]; // n, then the text
};

// --- ids ---

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's, they sort

#define ID_TIME_DIGITS 9
#define ID_RANDOM_DIGITS 10

void decision_id(char ret[DECISION_ID_MAX], int64_t wall_ms, uint64_t random)
{
	ret[0] = 'd';
	ret[1] = '-';
	char *p = ret + 2;
	for (int i = ID_TIME_DIGITS - 1; i >= 0; i--)
		*p++ = digits[(uint64_t)wall_ms >> (5 * i) & 31];
	for (int i = ID_RANDOM_DIGITS - 1; i >= 0; i--)
		*p++ = digits[random >> (5 * i) & 31];
	*p = '\0';
}

bool decision_id_time(struct slice id, int64_t *ret_wall_ms)
{
	if (id.n != 2 + ID_TIME_DIGITS + ID_RANDOM_DIGITS || !slice_starts(id, "d-"))
		return false;
	uint64_t ms = 0;
	for (size_t i = 2; i < id.n; i++) {
		const char *digit = id.p[i] ? strchr(digits, id.p[i]) : NULL;
		if (digit == NULL)
			return false;
		if (i < 2 + ID_TIME_DIGITS)
			ms = ms << 5 | (uint64_t)(digit - digits);
	}
	*ret_wall_ms = (int64_t)ms;
	return true;
}

// --- packing ---

struct text {
	char *base;
	uint32_t n;
};

static uint32_t text_put(struct text *t, const char *s)
{
	if (s == NULL)
		return 0;
	size_t n = strlen(s) + 1;
	memcpy(t->base + t->n, s, n);
	uint32_t at = t->n;
	t->n += (uint32_t)n;
	return at;
}

// The member or the endpoint that it has no words for.
static const char *lacking(const struct candidate *c, const struct decide_request *req, size_t i)
{
	unsigned lacks = c->lacks & req->needs;
	if (req->unfit_why != NULL && req->unfit_why[i] != NULL)
		return req->unfit_why[i];
	return lacks != 0 ? need_names[__builtin_ctz(lacks)] : "endpoint";
}

static const char *denied_for(const struct route *route, const struct decide_request *req,
	const struct decision *d, size_t i)
{
	const struct candidate *c = &route->v[i];
	const struct verdict *v = &d->v[i];
	if (v->skip == SKIP_CAPABILITY_MISSING)
		return lacking(&route->v[i], req, i);
	if (v->skip == SKIP_POLICY_DENIED)
		return c->space;
	if (v->skip == SKIP_REGION_DENIED)
		return c->key->doc.region;
	if (v->skip == SKIP_MODEL_UNKNOWN)
		return c->instance->doc.models.n > 0
			? "not among the instance's models"
			: "it serves several: name one in upstream_model or the instance's models";
	if (v->skip == SKIP_UNHEALTHY && c->grant == GRANT_NONE &&
		atomic_load(&c->live->probe_error) == ERR_UPSTREAM_AUTH_FAILED)
		return "it asks for a credential: register it with --auth TYPE --auth-key REF";
	if (v->skip != SKIP_KEY_INVALID && v->skip != SKIP_NO_KEY)
		return NULL;
	switch (c->grant) {
	case GRANT_GONE:
		return "the key of its credential is gone";
	case GRANT_DISABLED:
		return "the key of its credential is disabled";
	case GRANT_ELSEWHERE:
		return "the key of its credential is bound to another address";
	case GRANT_KEY:
	case GRANT_NONE:
		break;
	}
	if (c->sealed)
		return "sealed";
	if (c->credential == NULL)
		return NULL;
	return v->view.status > 0 ? "credential refused"
				  : "the key of its credential cannot be used";
}

static bool has_name(const struct decide_request *req)
{
	return req->client_name != NULL && req->client_name[0] != '\0';
}

static size_t text_size(const struct route *route, const struct decide_request *req,
	const struct decision *d, size_t n)
{
	size_t size = 1 + strlen(route->feature->doc.name) + 1;
	size += req->client != NULL ? strlen(req->client->text) + 1 : 0;
	size += has_name(req) ? strlen(req->client_name) + 1 : 0;
	size += req->model != NULL ? strlen(req->model) + 1 : 0;
	size += route->space != NULL ? strlen(route->space) + 1 : 0;
	for (size_t i = 0; i < n; i++) {
		const char *detail = denied_for(route, req, d, i);
		size += strlen(route->v[i].name) + 1 + (detail != NULL ? strlen(detail) + 1 : 0);
	}
	return size;
}

static void pack_one(struct packed *p, struct text *t, const struct route *route,
	const struct decide_request *req, const struct decision *d, size_t i, int64_t wall_ms)
{
	const struct candidate *c = &route->v[i];
	const struct verdict *v = &d->v[i];
	int64_t at_us = d->at_us;
	// No strategy reads the success rate, so the live path leaves it to those few that are recorded.
	double ok_rate = isnan(v->view.ok_rate) && c->pair != NULL
		? live_window(c->pair, at_us, 300).ok_rate
		: v->view.ok_rate;
	*p = (struct packed){
		.name = text_put(t, c->name),
		.detail = text_put(t, denied_for(route, req, d, i)),
		.order = c->order,
		.weight = decide_weight(c, at_us),
		.inflight = v->view.inflight,
		.limit = v->view.limit,
		.queue = v->view.queue,
		.status = v->view.status,
		.share = (float)v->share,
		.p95_ms = (float)v->view.p95_ms,
		.ok_rate = (float)ok_rate,
		.kind = (uint8_t)c->target->kind,
		.tier = (uint8_t)c->tier,
		.skip = (uint8_t)v->skip,
		.since_wall_ms = v->view.since_wall_ms,
		.cost = decide_cost(c, req, wall_ms),
	};
	if (v->view.until_us != 0)
		p->until_wall_ms = wall_ms + (v->view.until_us - at_us) / 1000;
	if (c->instance != NULL && c->instance->doc.ttl_s != FIELD_NONE)
		p->ttl_s = c->instance->doc.ttl_s;
}

struct decision_record *decision_pack(const char *id, const struct snapshot *snap,
	const struct route *route, const struct decide_request *req, const struct decision *dec,
	const char *mode, int64_t wall_ms, double decide_us)
{
	size_t head = sizeof(struct decision_record) + dec->n * sizeof(struct packed);
	size_t size = head + text_size(route, req, dec, dec->n);
	struct decision_record *r = mem_zalloc(1, size);
	struct text t = {.base = (char *)r + head, .n = 1}; // offset 0 says none
	atomic_init(&r->refs, 1);
	for (size_t i = 0; i + 1 < sizeof(r->id) && id[i] != '\0'; i++)
		r->id[i] = id[i];
	r->size = size;
	r->wall_ms = wall_ms;
	r->revision = snap->revision;
	r->mode = mode;
	r->reason = dec->reason;
	r->offer = req->offer;
	r->feature_skip = dec->feature_skip;
	r->strategy = route->feature->doc.strategy;
	r->chosen = dec->chosen;
	r->width = req->width;
	r->height = req->height;
	r->images = req->n;
	r->stream = req->stream;
	r->left_out = (uint32_t)dec->left_out;
	r->local_only = req->local_only || route->feature->doc.data_policy == DATA_LOCAL_ONLY;
	r->all_down = route->feature->doc.all_down;
	r->needs = req->needs;
	r->wait_ms = route->feature->doc.wait_ms;
	r->waited_ms = req->waited_us / 1000;
	r->draw = dec->draw;
	r->decide_us = (float)decide_us;
	r->feature = text_put(&t, route->feature->doc.name);
	r->client = text_put(&t, req->client != NULL ? req->client->text : NULL);
	r->client_name = text_put(&t, has_name(req) ? req->client_name : NULL);
	r->model = text_put(&t, req->model);
	r->space = text_put(&t, route->space);
	r->fallback_n = (uint32_t)dec->fallback_n;
	for (size_t i = 0; i < dec->fallback_n; i++)
		r->fallback[i] = (int16_t)dec->fallback[i];
	r->n = (uint32_t)dec->n;
	for (size_t i = 0; i < dec->n; i++)
		pack_one(&r->v[i], &t, route, req, dec, i, wall_ms);
	return r;
}

void decision_drop(struct decision_record *rec)
{
	if (rec == NULL || atomic_fetch_sub(&rec->refs, 1) != 1)
		return;
	for (uint32_t i = 0; i < atomic_load(&rec->attempts_n); i++)
		free(rec->attempts[i].dropped);
	free(rec);
}

int64_t decision_time(const struct decision_record *rec)
{
	return rec->wall_ms;
}

static const char *text_at(const struct decision_record *r, uint32_t at)
{
	return at == 0 ? NULL : (const char *)&r->v[r->n] + at;
}

static const char *name_of(const struct decision_record *r, int i)
{
	return text_at(r, r->v[i].name);
}

// --- writing ---

static void write_request(struct jw *w, const struct decision_record *r)
{
	jw_obj(w, "request");
	if (r->width != FIELD_NONE)
		jw_int(w, "width", r->width);
	if (r->height != FIELD_NONE)
		jw_int(w, "height", r->height);
	if (r->images != FIELD_NONE)
		jw_int(w, "n", r->images);
	if (r->model != 0)
		jw_str(w, "model", text_at(r, r->model));
	jw_str(w, "client", text_at(r, r->client));
	if (r->client_name != 0)
		jw_str(w, "client_name", text_at(r, r->client_name));
	jw_arr(w, "needs");
	if (r->width != FIELD_NONE || r->height != FIELD_NONE)
		jw_str(w, NULL, "size");
	for (int i = 0; i < NEED_COUNT; i++) {
		if (r->needs >> i & 1)
			jw_str(w, NULL, need_names[i]);
	}
	if (r->model != 0)
		jw_str(w, NULL, "model");
	jw_arr_end(w);
	jw_obj_end(w);
}

static void write_policy(struct jw *w, const struct decision_record *r)
{
	char seed[24]; // the draw's bits: enough to make it again
	snprintf(seed, sizeof(seed), "%llx", (unsigned long long)(r->draw * 0x1p53));
	jw_obj(w, "policy");
	jw_str(w, "strategy", strategy_names[r->strategy]);
	jw_str(w, "all_down", all_down_names[r->all_down]);
	if (r->all_down == ALL_DOWN_WAIT) {
		jw_int(w, "wait_ms", r->wait_ms);
		jw_int(w, "waited_ms", r->waited_ms);
	}
	if (r->local_only)
		jw_str(w, "data_policy", data_policy_names[DATA_LOCAL_ONLY]);
	if (r->space != 0)
		jw_str(w, "space", text_at(r, r->space));
	jw_str(w, "seed", seed);
	jw_obj_end(w);
}

static void skip_detail(const struct decision_record *r, const struct packed *p, char *buf,
	size_t size)
{
	int64_t left_s = (p->until_wall_ms - r->wall_ms + 999) / 1000;
	buf[0] = '\0';
	if (p->skip == SKIP_POLICY_DENIED && r->local_only && p->kind != TARGET_SELF_HOSTED)
		snprintf(buf, size, "local_only");
	else if (p->skip == SKIP_POLICY_DENIED)
		snprintf(buf, size, "space %.60s, pinned to %.60s", text_at(r, p->detail),
			text_at(r, r->space));
	else if (p->skip == SKIP_REGION_DENIED)
		snprintf(buf, size, "region %.64s", p->detail ? text_at(r, p->detail) : "unknown");
	else if ((p->skip == SKIP_KEY_INVALID || p->skip == SKIP_NO_KEY) && p->detail &&
		p->status > 0)
		snprintf(buf, size, "%s, HTTP %d", text_at(r, p->detail), p->status);
	else if ((p->skip == SKIP_KEY_INVALID || p->skip == SKIP_NO_KEY ||
			 p->skip == SKIP_MODEL_UNKNOWN || p->skip == SKIP_UNHEALTHY) &&
		p->detail)
		snprintf(buf, size, "%s", text_at(r, p->detail));
	else if (p->skip == SKIP_CAPABILITY_MISSING && p->detail)
		snprintf(buf, size, "%.120s", text_at(r, p->detail));
	else if (p->skip == SKIP_HEARTBEAT_EXPIRED)
		snprintf(buf, size, "%lld s, limit %lld s",
			(long long)(p->ttl_s + (r->wall_ms - p->until_wall_ms) / 1000),
			(long long)p->ttl_s);
	else if (p->until_wall_ms != 0 && p->status > 0)
		snprintf(buf, size, "HTTP %d, %lld s left", p->status, (long long)left_s);
	else if (p->until_wall_ms != 0)
		snprintf(buf, size, "%lld s left", (long long)left_s);
	else if (p->skip == SKIP_CONCURRENCY_FULL)
		snprintf(buf, size, "%d of %d in flight", p->inflight, p->limit);
	else if (p->status > 0)
		snprintf(buf, size, "HTTP %d", p->status);
}

static void write_candidate(struct jw *w, const struct decision_record *r, const struct packed *p)
{
	jw_obj(w, NULL);
	jw_str(w, "target", text_at(r, p->name));
	jw_str(w, "kind", target_kind_names[p->kind]);
	jw_bool(w, "eligible", p->skip == SKIP_NONE);
	if (p->skip != SKIP_NONE) {
		char detail[160];
		skip_detail(r, p, detail, sizeof(detail));
		jw_arr(w, "skips");
		jw_obj(w, NULL);
		jw_str(w, "code", skip_name(p->skip));
		if (p->since_wall_ms != 0)
			jw_time(w, "since", p->since_wall_ms);
		if (p->until_wall_ms > r->wall_ms)
			jw_time(w, "until", p->until_wall_ms);
		if (detail[0] != '\0')
			jw_str(w, "detail", detail);
		jw_obj_end(w);
		jw_arr_end(w);
		jw_obj_end(w);
		return;
	}
	jw_int(w, "order", p->order);
	jw_str(w, "tier", tier_names[p->tier]);
	jw_int(w, "weight", p->weight);
	jw_obj(w, "evidence");
	jw_num(w, "p95_ms", (double)p->p95_ms);
	jw_num(w, "ok_rate_5m", (double)p->ok_rate);
	jw_int(w, "inflight", p->inflight);
	if (p->limit > 0)
		jw_int(w, "limit", p->limit);
	else
		jw_null(w, "limit");
	if (p->queue >= 0)
		jw_int(w, "queue", p->queue);
	if (p->cost.source != COST_UNKNOWN)
		jw_money(w, "cost", p->cost.pico, p->cost.currency,
			cost_source_name(p->cost.source));
	else
		jw_null(w, "cost");
	jw_obj_end(w);
	jw_obj_end(w);
}

static void write_choice(struct jw *w, const struct decision_record *r)
{
	if (r->chosen < 0) {
		jw_null(w, "chosen");
	} else {
		jw_obj(w, "chosen");
		jw_str(w, "target", name_of(r, r->chosen));
		jw_str(w, "reason", r->reason);
		jw_num(w, "draw", r->draw);
		jw_num(w, "share", (double)r->v[r->chosen].share);
		jw_obj_end(w);
	}
	jw_arr(w, "fallback");
	for (uint32_t i = 0; i < r->fallback_n; i++)
		jw_str(w, NULL, name_of(r, r->fallback[i]));
	jw_arr_end(w);
}

static void write_attempts(struct jw *w, const struct decision_record *r)
{
	uint32_t n = atomic_load_explicit(&r->attempts_n, memory_order_acquire);
	if (n == 0)
		return;
	jw_arr(w, "attempts");
	for (uint32_t i = 0; i < n; i++) {
		const struct attempt *a = &r->attempts[i];
		jw_obj(w, NULL);
		jw_int(w, "n", i + 1);
		jw_str(w, "target", a->target < 0 ? NULL : name_of(r, a->target));
		if (a->status > 0)
			jw_int(w, "status", a->status);
		else
			jw_null(w, "status");
		jw_str(w, "code", a->code == ERR_OK ? NULL : err_row(a->code)->code);
		jw_int(w, "ms", a->ms);
		if (a->dropped != NULL)
			jw_str(w, "dropped", a->dropped);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

void decision_write(struct jw *w, const char *key, const struct decision_record *r)
{
	jw_obj(w, key);
	jw_str(w, "schema", "yijian.decision/1");
	jw_str(w, "id", r->id);
	jw_str(w, "feature", text_at(r, r->feature));
	jw_time(w, "at", r->wall_ms);
	jw_str(w, "mode", r->mode);
	jw_int(w, "revision", (int64_t)r->revision);
	write_request(w, r);
	write_policy(w, r);
	jw_arr(w, "candidates");
	for (uint32_t i = 0; i < r->n; i++)
		write_candidate(w, r, &r->v[i]);
	jw_arr_end(w);
	write_choice(w, r);
	jw_num(w, "decide_us", (double)r->decide_us);
	jw_bool(w, "truncated", r->left_out > 0);
	if (r->left_out > 0)
		jw_int(w, "left_out", r->left_out);
	write_attempts(w, r);
	jw_obj_end(w);
}

// --- the rings ---

struct ring {
	struct decision_record **v;
	size_t cap, bytes_max;
	size_t first, n, bytes; // oldest, how many
};

struct decisions {
	pthread_mutex_t lock;
	struct ring kept, sampled;
	_Atomic int64_t sampled_wall_ms;
};

struct decisions *decisions_new(void)
{
	struct decisions *d = mem_zalloc(1, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
	d->kept.cap = DECISIONS_KEPT_MAX;
	d->kept.bytes_max = DECISIONS_KEPT_BYTES;
	d->sampled.cap = DECISIONS_SAMPLED_MAX;
	d->sampled.bytes_max = DECISIONS_KEPT_BYTES / 8;
	d->kept.v = mem_zalloc(d->kept.cap, sizeof(d->kept.v[0]));
	d->sampled.v = mem_zalloc(d->sampled.cap, sizeof(d->sampled.v[0]));
	return d;
}

static struct decision_record **ring_at(const struct ring *g, size_t i)
{
	return &g->v[(g->first + i) % g->cap];
}

static void ring_shift(struct ring *g)
{
	struct decision_record *r = *ring_at(g, 0);
	g->bytes -= r->size;
	g->first = (g->first + 1) % g->cap;
	g->n--;
	decision_drop(r);
}

static void ring_free(struct ring *g)
{
	while (g->n > 0)
		ring_shift(g);
	free(g->v);
}

// Newest first: those who ask mostly ask about what has just happened.
static struct decision_record **ring_find(const struct ring *g, struct slice id)
{
	for (size_t i = g->n; i-- > 0;) {
		struct decision_record **at = ring_at(g, i);
		if (slice_eq_str(id, (*at)->id))
			return at;
	}
	return NULL;
}

void decisions_free(struct decisions *d)
{
	if (d == NULL)
		return;
	ring_free(&d->kept);
	ring_free(&d->sampled);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static bool sample_due(struct decisions *d, int64_t wall_ms)
{
	int64_t last = atomic_load_explicit(&d->sampled_wall_ms, memory_order_relaxed);
	if (wall_ms >= last && wall_ms - last < DECISIONS_SAMPLE_MS)
		return false;
	return atomic_compare_exchange_strong(&d->sampled_wall_ms, &last, wall_ms);
}

static void ring_add(struct decisions *d, struct ring *g, struct decision_record *r)
{
	pthread_mutex_lock(&d->lock);
	while (g->n > 0 &&
		(g->n == g->cap || g->bytes + r->size > g->bytes_max ||
			(*ring_at(g, 0))->wall_ms < r->wall_ms - DECISIONS_KEEP_MS))
		ring_shift(g);
	*ring_at(g, g->n++) = r;
	g->bytes += r->size;
	pthread_mutex_unlock(&d->lock);
}

bool decisions_record(struct decisions *d, const char id[DECISION_ID_MAX],
	const struct snapshot *snap, const struct route *route, const struct decide_request *req,
	const struct decision *dec, const char *mode, int64_t wall_ms, double decide_us, bool keep)
{
	if (!keep && !sample_due(d, wall_ms))
		return false;
	struct decision_record *r = decision_pack(id, snap, route, req, dec, mode, wall_ms,
		decide_us);
	ring_add(d, keep ? &d->kept : &d->sampled, r);
	return true;
}

void decisions_keep_sample(struct decisions *d, struct decision_record *rec)
{
	ring_add(d, &d->sampled, rec);
}

static int16_t place_of(const struct decision_record *r, const char *target)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (strcmp(name_of(r, (int)i), target) == 0)
			return (int16_t)i;
	}
	return -1;
}

void decisions_attempt(struct decisions *d, const char *id, const char *target, int status,
	enum err_code code, int64_t ms, const char *dropped)
{
	pthread_mutex_lock(&d->lock);
	struct decision_record **at = ring_find(&d->kept, slice_of(id));
	if (at == NULL)
		at = ring_find(&d->sampled, slice_of(id));
	uint32_t n = at != NULL ? atomic_load(&(*at)->attempts_n) : DECISION_ATTEMPTS_MAX;
	if (n < DECISION_ATTEMPTS_MAX) {
		struct decision_record *r = *at;
		r->attempts[n] = (struct attempt){.target = place_of(r, target),
			.status = (int16_t)status,
			.code = (int32_t)code,
			.ms = ms,
			.dropped = mem_strdup(dropped)};
		atomic_store_explicit(&r->attempts_n, n + 1, memory_order_release);
	}
	pthread_mutex_unlock(&d->lock);
}

struct decision_record *decisions_find(struct decisions *d, struct slice id, int64_t wall_ms)
{
	struct decision_record *ret = NULL;
	pthread_mutex_lock(&d->lock);
	struct decision_record **at = ring_find(&d->kept, id);
	if (at == NULL)
		at = ring_find(&d->sampled, id);
	if (at != NULL && (*at)->wall_ms >= wall_ms - DECISIONS_KEEP_MS) {
		ret = *at;
		atomic_fetch_add(&ret->refs, 1);
	}
	pthread_mutex_unlock(&d->lock);
	return ret;
}

// Next record of the ring, going back in time from *i; NULL at its end.
static struct decision_record *step_back(const struct ring *g, size_t *i, struct slice feature,
	int64_t before_ms, int64_t wall_ms)
{
	while (*i > 0) {
		struct decision_record *r = *ring_at(g, *i - 1);
		if (r->wall_ms < before_ms && r->wall_ms >= wall_ms - DECISIONS_KEEP_MS &&
			(feature.n == 0 || slice_eq_str(feature, text_at(r, r->feature))))
			return r;
		(*i)--;
	}
	return NULL;
}

size_t decisions_list(struct decisions *d, struct slice feature, bool kept_only, int64_t before_ms,
	int64_t wall_ms, struct decision_record **ret, size_t max, size_t *ret_total)
{
	size_t n = 0;
	pthread_mutex_lock(&d->lock);
	size_t a = d->kept.n, b = kept_only ? 0 : d->sampled.n;
	*ret_total = a + b;
	while (n < max) {
		struct decision_record *x = step_back(&d->kept, &a, feature, before_ms, wall_ms);
		struct decision_record *y = step_back(&d->sampled, &b, feature, before_ms, wall_ms);
		if (x == NULL && y == NULL)
			break;
		bool from_kept = y == NULL || (x != NULL && x->wall_ms >= y->wall_ms);
		ret[n] = from_kept ? x : y;
		if (from_kept)
			a--;
		else
			b--;
		atomic_fetch_add(&ret[n++]->refs, 1);
	}
	pthread_mutex_unlock(&d->lock);
	return n;
}
