// SPDX-License-Identifier: MIT
// Judges every candidate of a route in the order of what an operator can do about it, ranks the
// eligible ones by the feature's strategy, and names whom to fall back to.
#include "agent/decide/decide.h"

#include <math.h>
#include <string.h>
#include "agent/decide/breaker.h"
#include "agent/decide/standing.h"

#define LOAD(p) atomic_load_explicit((p), memory_order_relaxed)

void decide_tried(struct decide_request *req, int i)
{
	if (i >= 0 && i < DECIDE_MAX)
		req->attempted[i / 64] |= UINT64_C(1) << (i % 64);
}

void decide_unfit(struct decide_request *req, int i)
{
	if (i >= 0 && i < DECIDE_MAX)
		req->unfit[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool has(const uint64_t *bits, size_t i)
{
	return (bits[i / 64] >> (i % 64) & 1) != 0;
}

// --- judging one candidate: the operator's wish, the key, the fit, then what is observed ---

static enum skip judge_wish(const struct candidate *c, int64_t now_us)
{
	if (!c->target->enabled)
		return SKIP_DISABLED;
	if (c->target_live != NULL && live_drained(c->target_live, now_us))
		return SKIP_DRAINED;
	if (c->live == NULL)
		return SKIP_NO_KEY;
	if (c->key != NULL && !c->key->doc.enabled)
		return SKIP_DISABLED;
	if (c->instance != NULL && !c->instance->doc.enabled)
		return SKIP_DISABLED;
	if (c->instance != NULL && c->instance->doc.draining)
		return SKIP_DRAINED;
	return live_drained(c->live, now_us) ? SKIP_DRAINED : SKIP_NONE;
}

static enum skip fault_skip(const struct live *l, int64_t now_wall_ms, struct live_view *view)
{
	static const enum skip skips[] = {
		[LIVE_OK] = SKIP_NONE,
		[LIVE_KEY_INVALID] = SKIP_KEY_INVALID,
		[LIVE_KEY_NO_QUOTA] = SKIP_KEY_NO_QUOTA,
		[LIVE_REGION_DENIED] = SKIP_REGION_DENIED,
		[LIVE_MODEL_GONE] = SKIP_MODEL_GONE,
	};
	int fault = LOAD(&l->fault);
	if (LIKELY(fault == LIVE_OK))
		return SKIP_NONE;
	int64_t since = LOAD(&l->fault_since_wall_ms);
	if ((fault == LIVE_MODEL_GONE && now_wall_ms - since >= BREAKER_GONE_MS) ||
		(fault == LIVE_KEY_NO_QUOTA && now_wall_ms - since >= BREAKER_QUOTA_MS))
		return SKIP_NONE; // perhaps it is back
	view->since_wall_ms = since;
	view->status = LOAD(&l->last_error_status);
	return skips[fault];
}

static enum skip judge_key(const struct key_obj *k, bool sealed, int64_t now_wall_ms,
	struct live_view *view)
{
	unsigned faults = key_faults(k, sealed, now_wall_ms);
	if (LIKELY(faults == 0))
		return SKIP_NONE;
	if ((faults & (1u << KEY_IS_SEALED | 1u << KEY_IS_EXPIRED)) == 0)
		return fault_skip(k->live, now_wall_ms, view);
	if ((faults & 1u << KEY_IS_SEALED) == 0)
		view->since_wall_ms = k->doc.expires_at;
	return SKIP_KEY_INVALID;
}

// The key is the vendor's, or the credential without which an instance is not asked at all.
static enum skip judge_fault(const struct candidate *c, int64_t now_wall_ms, struct live_view *view)
{
	if (UNLIKELY(c->grant != GRANT_NONE && c->grant != GRANT_KEY))
		return c->grant == GRANT_ELSEWHERE ? SKIP_KEY_INVALID : SKIP_NO_KEY;
	enum skip skip = SKIP_NONE;
	const struct key_obj *key = c->key != NULL ? c->key : c->credential;
	if (key != NULL)
		skip = judge_key(key, c->sealed, now_wall_ms, view);
	if (skip == SKIP_NONE && c->instance != NULL)
		skip = fault_skip(c->live, now_wall_ms, view);
	if (skip == SKIP_NONE && c->pair != NULL)
		skip = fault_skip(c->pair, now_wall_ms, view);
	return skip;
}

static enum skip judge_policy(const struct route *route, const struct candidate *c,
	const struct decide_request *req)
{
	const struct feature *f = &route->feature->doc;
	if (UNLIKELY(req->local_only || f->data_policy == DATA_LOCAL_ONLY) &&
		c->target->kind != TARGET_SELF_HOSTED)
		return SKIP_POLICY_DENIED;
	if (UNLIKELY(route->space != NULL) && strcmp(route->space, c->space) != 0)
		return SKIP_POLICY_DENIED;
	if (LIKELY(f->regions.n == 0) || c->key == NULL)
		return SKIP_NONE;
	// A key that does not say its region is in none that was allowed.
	return c->key->doc.region != NULL && strv_has(&f->regions, c->key->doc.region)
		? SKIP_NONE
		: SKIP_REGION_DENIED;
}

static bool makes_size(const struct candidate *c, int64_t width, int64_t height)
{
	if (c->sizes_n == 0 || width == FIELD_NONE || height == FIELD_NONE)
		return true;
	for (size_t i = 0; i < c->sizes_n; i++) {
		if (c->sizes[i].width == width && c->sizes[i].height == height)
			return true;
	}
	return false;
}

static enum skip judge_fit(const struct candidate *c, const struct decide_request *req)
{
	if (c->unspoken || protocol_as(c->protocol, c->target->vendor, req->offer) == PROTO_COUNT)
		return SKIP_CAPABILITY_MISSING;
	if ((c->lacks & req->needs) != 0)
		return SKIP_CAPABILITY_MISSING;
	if (!makes_size(c, req->width, req->height))
		return SKIP_SIZE_UNSUPPORTED;
	if (c->instance == NULL)
		return SKIP_NONE;
	if (c->instance->doc.models.n == 0) {
		const struct live_models *m = c->target->upstream_model == NULL
			? live_models(c->live)
			: NULL;
		// Of several none is chosen for the caller.
		bool several = UNLIKELY(m != NULL) && (m->n > 1 || m->more);
		return several && (req->named == NULL || live_models_find(m, req->named) == NULL)
			? SKIP_MODEL_UNKNOWN
			: SKIP_NONE;
	}
	const char *model = c->target->upstream_model != NULL ? c->target->upstream_model
							      : req->model;
	if (model == NULL)
		return SKIP_NONE;
	if (UNLIKELY(c->pinned) && c->target->upstream_model == NULL)
		return strcmp(model, c->instance->doc.models.v[0]) == 0 ? SKIP_NONE
									: SKIP_MODEL_UNKNOWN;
	return strv_has(&c->instance->doc.models, model) ? SKIP_NONE : SKIP_MODEL_UNKNOWN;
}

static enum skip judge_health(const struct candidate *c, int64_t now_us, struct live_view *view)
{
	if (c->instance == NULL)
		return SKIP_NONE;
	view->since_wall_ms = LOAD(&c->live->health_since_wall_ms);
	if (UNLIKELY(instance_beat_late(c->instance, now_us))) {
		view->until_us = instance_beat_until_us(c->instance); // when it ran out
		return SKIP_HEARTBEAT_EXPIRED;
	}
	return LOAD(&c->live->health) == HEALTH_CRITICAL ? SKIP_UNHEALTHY : SKIP_NONE;
}

static enum skip judge_cooldown(const struct live *l, int64_t now_us, struct live_view *view)
{
	int64_t until = LOAD(&l->cooldown_until_us);
	if (LIKELY(until <= now_us))
		return SKIP_NONE;
	view->until_us = until;
	view->status = LOAD(&l->cooldown_status);
	return SKIP_COOLDOWN;
}

static enum skip judge_breaker(const struct live *l, int64_t now_us, struct verdict *v)
{
	int state = LOAD(&l->breaker);
	if (LIKELY(state == BREAKER_CLOSED))
		return SKIP_NONE;
	int64_t until = LOAD(&l->breaker_until_us);
	if (state == BREAKER_OPEN && now_us < until) {
		v->view.until_us = until;
		v->view.status = LOAD(&l->last_error_status);
		return SKIP_BREAKER_OPEN;
	}
	if (LOAD(&l->half_open_busy) != 0)
		return SKIP_HALF_OPEN_BUSY;
	v->trial = true;
	return SKIP_NONE;
}

static enum skip judge_limits(const struct candidate *c, const struct decide_request *req,
	int64_t now_us, int64_t now_wall_ms, struct live_view *view)
{
	static const enum skip skips[] = {[LIMIT_NONE] = SKIP_NONE,
		[LIMIT_RPM] = SKIP_RATE_LIMITED_RPM,
		[LIMIT_TPM] = SKIP_RATE_LIMITED_TPM,
		[LIMIT_CONCURRENCY] = SKIP_CONCURRENCY_FULL,
		[LIMIT_BUDGET] = SKIP_BUDGET_EXHAUSTED};
	if (view->limit != 0 && view->inflight >= view->limit)
		return SKIP_CONCURRENCY_FULL;
	if (c->key == NULL || LIKELY(!c->key->limits.any))
		return SKIP_NONE;
	struct limit_hit hit = limits_look(&c->key->limits, c->live, req->tokens, now_us,
		now_wall_ms);
	view->until_us = hit.until_us == FIELD_NONE ? 0 : hit.until_us;
	return skips[hit.kind];
}

static void look(const struct candidate *c, struct live_view *view)
{
	*view = (struct live_view){.ok_rate = NAN, .p95_ms = NAN, .queue = -1};
	if (c->live == NULL)
		return;
	int64_t p95 = c->pair != NULL ? LOAD(&c->pair->p95_us) : 0;
	if (p95 > 0)
		view->p95_ms = (double)p95 / 1000;
	view->inflight = LOAD(&c->live->inflight);
	int64_t limit = c->key != NULL ? c->key->doc.limits.concurrency
				       : c->instance->doc.capacity.max_concurrency;
	view->limit = limit > 0 && limit < INT32_MAX ? (int)limit : 0;
	if (c->instance != NULL)
		view->queue = LOAD(&c->live->told_queue) - 1;
}

static enum skip judge_out(const struct candidate *c, int64_t now_us, struct verdict *v)
{
	enum skip skip = judge_health(c, now_us, &v->view);
	if (skip == SKIP_NONE)
		skip = judge_cooldown(c->live, now_us, &v->view);
	if (skip == SKIP_NONE)
		skip = judge_breaker(c->live, now_us, v);
	if (skip == SKIP_NONE && c->pair != NULL)
		skip = judge_breaker(c->pair, now_us, v);
	return skip;
}

// The order of the questions is the order of what an operator can do about the answer.
static enum skip judge(const struct route *route, const struct candidate *c,
	const struct decide_request *req, size_t i, int64_t now_us, int64_t now_wall_ms,
	struct verdict *v)
{
	enum skip skip = judge_wish(c, now_us);
	if (skip == SKIP_NONE)
		skip = judge_policy(route, c, req);
	if (skip == SKIP_NONE)
		skip = judge_fault(c, now_wall_ms, &v->view);
	if (skip == SKIP_NONE)
		skip = UNLIKELY(has(req->unfit, i)) ? SKIP_CAPABILITY_MISSING : judge_fit(c, req);
	if (skip == SKIP_NONE) {
		skip = judge_out(c, now_us, v);
		v->is_out = skip != SKIP_NONE && !has(req->attempted, i);
	}
	if (skip == SKIP_NONE && has(req->attempted, i))
		skip = SKIP_ALREADY_ATTEMPTED;
	if (skip == SKIP_NONE) {
		skip = judge_limits(c, req, now_us, now_wall_ms, &v->view);
		v->is_out = skip != SKIP_NONE;
	}
	if (skip == SKIP_NONE && req->deadline_us != FIELD_NONE &&
		req->deadline_us - now_us < DECIDE_MIN_LEFT_US)
		skip = SKIP_DEADLINE_TOO_SHORT;
	return skip;
}

// --- choosing among equals: same order, same tier ---

struct equals {
	const struct route *route;
	struct decision *d;
	int64_t now_us;
	double draw;
	uint64_t session;
	const struct decide_request *req;
	int64_t now_wall_ms;
	int v[DECIDE_MAX]; // in the order they would be tried, once ranked
	int weight[DECIDE_MAX]; // by place in the route
	double key[DECIDE_MAX]; // of a strategy, likewise
	size_t n;
};

int decide_weight(const struct candidate *c, int64_t now_us)
{
	const struct live *by[] = {c->live, c->target_live};
	for (size_t i = 0; i < ARRAY_LEN(by); i++) {
		if (by[i] == NULL)
			continue;
		int w = LOAD(&by[i]->weight_override);
		if (w >= 0 && live_overridden(by[i], now_us))
			return w;
	}
	return c->weight;
}

// Those without a share come last, whatever the strategy; returns how many have one.
static size_t weightless_last(struct equals *e)
{
	size_t n = 0, n_last = 0;
	while (n < e->n && e->weight[e->v[n]] > 0)
		n++;
	if (LIKELY(n == e->n))
		return n;
	n = 0;
	int last[DECIDE_MAX];
	for (size_t i = 0; i < e->n; i++) {
		if (e->weight[e->v[i]] > 0)
			e->v[n++] = e->v[i];
		else
			last[n_last++] = e->v[i];
	}
	memcpy(&e->v[n], last, n_last * sizeof(last[0]));
	if (n > 0)
		return n;
	for (size_t i = 0; i < e->n; i++)
		e->weight[e->v[i]] = 1; // none has a share: all alike
	return e->n;
}

static void to_front(int *v, size_t from)
{
	int x = v[from];
	for (; from > 0; from--)
		v[from] = v[from - 1];
	v[0] = x;
}

// The smaller key first, equal ones as they stood.
static void sort_by_key(struct equals *e, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		size_t at = i;
		while (at > 0 && e->key[e->v[at - 1]] > e->key[e->v[i]])
			at--;
		to_front(e->v + at, i - at);
	}
}

// Begins with the one at `first`; those before it come last.
static void turn_to(int *v, size_t n, size_t first)
{
	int turned[DECIDE_MAX];
	for (size_t i = 0; i < n; i++)
		turned[i] = v[(first + i) % n];
	memcpy(v, turned, n * sizeof(turned[0]));
}

static void rank_priority(struct equals *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		e->key[e->v[i]] = -e->weight[e->v[i]];
	sort_by_key(e, n);
}

#define DRAWN_PLACES 4 // further ones stand in the route's order: so many attempts are rare

// Draws without putting back. What is left of a draw after a choice is again even in [0,1), so one
// draw gives all places and a record can be replayed from it.
static void rank_weighted(struct equals *e, size_t n)
{
	double draw = e->draw, total = 0;
	for (size_t i = 0; i < n; i++)
		total += e->weight[e->v[i]];
	double each = 1 / total;
	for (size_t i = 0; i < n; i++)
		e->d->v[e->v[i]].share = e->weight[e->v[i]] * each;
	for (size_t i = 0; i < DRAWN_PLACES && i + 1 < n; i++) {
		double point = draw * total;
		size_t at = i;
		double w = e->weight[e->v[at]];
		while (at + 1 < n && w <= point) {
			point -= w;
			w = e->weight[e->v[++at]];
		}
		draw = MIN_OF(point / w, 0x1.fffffffffffffp-1);
		total -= w;
		to_front(e->v + i, at - i);
	}
}

static void rank_round_robin(struct equals *e, size_t n)
{
	const struct live *turn = e->route->v[0].target_live;
	turn_to(e->v, n, turn != NULL ? (size_t)(LOAD(&turn->rr) % n) : 0);
}

// Fewest requests per weight; the draw turns the ties, or an idle service would load one alone.
static void rank_least_inflight(struct equals *e, size_t n)
{
	turn_to(e->v, n, (size_t)(e->draw * (double)n) % n);
	for (size_t i = 0; i < n; i++) {
		const struct live_view *view = &e->d->v[e->v[i]].view;
		// What waits there counts like what is out: it will be served before.
		e->key[e->v[i]] = ((double)view->inflight + MAX_OF(view->queue, 0)) /
			e->weight[e->v[i]];
	}
	sort_by_key(e, n);
}

// --- latency: the faster of two ---

#define FORGET_HALF_MS 10000 // an unused candidate's latency counts half, or it would stay out

static double latency_of(const struct candidate *c, int64_t now_wall_ms)
{
	const struct live *l = c->pair != NULL && LOAD(&c->pair->ewma_us) > 0 ? c->pair : c->live;
	int64_t ewma = LOAD(&l->ewma_us), idle = now_wall_ms - LOAD(&c->live->last_used_wall_ms);
	if (ewma <= 0 || idle < 0)
		return (double)MAX_OF(ewma, 0);
	return ldexp((double)ewma, -(int)MIN_OF(idle / FORGET_HALF_MS, (int64_t)60));
}

// Peak EWMA times what is in flight, per weight (Finagle). The draw names two, the faster of them
// goes first: were it always the fastest of all, every loop would load the same one. One that has
// no latency yet counts as fastest, so that it gets one. The others follow by their score.
static void rank_latency(struct equals *e, size_t n)
{
	double pairs = (double)n * (double)(n - 1) / 2;
	size_t pair = n > 1 ? (size_t)MIN_OF(e->draw * pairs, pairs - 1) : 0;
	for (size_t i = 0; i < n; i++) {
		int c = e->v[i];
		e->key[c] = latency_of(&e->route->v[c], e->now_wall_ms) *
			(e->d->v[c].view.inflight + 1) / e->weight[c];
	}
	sort_by_key(e, n);
	// The better one of a pair: n - 1 pairs have the first, n - 2 the second as theirs …
	for (size_t i = 0; i < n; i++)
		e->d->v[e->v[i]].share = n > 1 ? (double)(n - 1 - i) / pairs : 1;
	size_t better = 0;
	while (n > 1 && pair >= n - 1 - better)
		pair -= n - 1 - better++;
	to_front(e->v, better);
}

// --- cost: the cheapest that is known ---

struct money decide_cost(const struct candidate *c, const struct decide_request *req,
	int64_t now_wall_ms)
{
	struct price_wish w = {.tokens = req->tokens, .width = req->width, .height = req->height};
	if (req->offer == OFFER_IMAGES || req->offer == OFFER_IMAGE_EDITS)
		w.images = req->n != FIELD_NONE ? MAX_OF(req->n, 1) : 1;
	return price_expected(c->price != NULL && price_valid(c->price, now_wall_ms) ? c->price
										     : NULL,
		&w);
}

static void rank_cost(struct equals *e, size_t n)
{
	char currency[4] = "";
	rank_priority(e, n); // equal ones by weight
	for (size_t i = 0; i < n; i++) {
		struct money m = decide_cost(&e->route->v[e->v[i]], e->req, e->now_wall_ms);
		bool known = m.source != COST_UNKNOWN;
		if (known && currency[0] == '\0')
			memcpy(currency, m.currency, sizeof(currency));
		known = known && strcmp(currency, m.currency) == 0;
		e->key[e->v[i]] = known ? (double)m.pico : INFINITY;
	}
	sort_by_key(e, n);
	e->d->v[e->v[0]].share = 1;
}

static const struct {
	void (*rank)(struct equals *e, size_t n);
	const char *reason;
} strategies[] = {
	[STRAT_PRIORITY] = {rank_priority, "priority"},
	[STRAT_WEIGHTED] = {rank_weighted, "weighted_draw"},
	[STRAT_ROUND_ROBIN] = {rank_round_robin, "round_robin"},
	[STRAT_LEAST_INFLIGHT] = {rank_least_inflight, "least_inflight"},
	[STRAT_LATENCY] = {rank_latency, "fastest_of_two"},
	[STRAT_COST] = {rank_cost, "cheapest"},
};

// Rendezvous by weight (-w / ln u): every agent finds the same order without having seen the
// session before, and a candidate that leaves moves its own sessions alone.
static void rank_affinity(struct equals *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t z = e->route->v[e->v[i]].hash ^ e->session;
		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9); // splitmix64's finish
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		double u = ((double)(z >> 11) + 0.5) * 0x1p-53;
		e->key[e->v[i]] = e->weight[e->v[i]] / log(u); // negative: the farthest below first
	}
	sort_by_key(e, n);
	e->d->v[e->v[0]].share = 1;
}

static const char *rank(struct equals *e)
{
	int strategy = e->route->feature->doc.strategy;
	for (size_t i = 0; i < e->n; i++)
		e->weight[e->v[i]] = decide_weight(&e->route->v[e->v[i]], e->now_us);
	size_t n = weightless_last(e);
	if (UNLIKELY(e->session != 0) && n > 1) {
		rank_affinity(e, n);
		return "affinity";
	}
	if (strategy == STRAT_ROUND_ROBIN || strategy == STRAT_LEAST_INFLIGHT) {
		for (size_t i = 0; i < n; i++)
			e->d->v[e->v[i]].share = 1.0 / (double)n;
	}
	strategies[strategy].rank(e, n);
	if (strategy == STRAT_PRIORITY)
		e->d->v[e->v[0]].share = 1;
	return e->n == 1 ? "priority" : strategies[strategy].reason;
}

static void take(struct equals *e)
{
	struct decision *d = e->d;
	if (e->n == 0)
		return;
	const char *reason = rank(e);
	size_t i = 0;
	if (d->chosen < 0) {
		d->chosen = e->v[i++];
		d->reason = reason;
	}
	while (i < e->n && d->fallback_n < DECIDE_FALLBACK_MAX)
		d->fallback[d->fallback_n++] = e->v[i++];
	e->n = 0;
}

static void choose(const struct route *route, const struct decide_request *req, int64_t now_us,
	int64_t now_wall_ms, double draw, struct decision *d)
{
	struct equals e; // its arrays are filled as far as they are read
	e.route = route;
	e.d = d;
	e.now_us = now_us;
	e.draw = draw;
	e.session = route->feature->doc.affinity == AFFINITY_SESSION ? req->session : 0;
	e.req = req;
	e.now_wall_ms = now_wall_ms;
	e.n = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct candidate *c = &route->v[i];
		if (d->v[i].skip != SKIP_NONE)
			continue;
		const struct candidate *before = e.n > 0 ? &route->v[e.v[0]] : c;
		if (before->order != c->order || before->tier != c->tier)
			take(&e);
		e.v[e.n++] = (int)i;
	}
	take(&e);
	if (d->chosen >= 0 && d->fallback_n == 0)
		d->reason = "only_one";
	if (d->chosen >= 0 && UNLIKELY(req->waited_us > 0))
		d->reason = "waited";
}

// --- when every candidate is out ---

// Smaller is better: a trial that is under way may be over, a cooldown is the vendor's own word,
// a breaker has seen failures, and what its probes do not reach is the last to try.
static int badness(enum skip s)
{
	switch (s) {
	case SKIP_HALF_OPEN_BUSY:
		return 1;
	case SKIP_COOLDOWN:
		return 2;
	case SKIP_BREAKER_OPEN:
		return 3;
	case SKIP_UNHEALTHY:
		return 4;
	case SKIP_HEARTBEAT_EXPIRED:
		return 5;
	default:
		return 0; // of the limits kept here, none is passed over
	}
}

static void choose_least_bad(const struct route *route, const struct decide_request *req,
	int64_t now_us, int64_t now_wall_ms, struct decision *d)
{
	int best = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct verdict *v = &d->v[i];
		struct live_view view = v->view;
		int bad = badness(v->skip);
		if (!v->is_out || bad == 0 ||
			judge_limits(&route->v[i], req, now_us, now_wall_ms, &view) != SKIP_NONE)
			continue;
		if (d->chosen < 0 || bad < best ||
			(bad == best && v->view.until_us < d->v[d->chosen].view.until_us)) {
			d->chosen = (int)i;
			best = bad;
		}
	}
	if (d->chosen >= 0)
		d->reason = "least_bad";
}

bool decide_may_return(const struct decision *d, int64_t *ret_at_us)
{
	bool some = false, known = true;
	*ret_at_us = FIELD_NONE;
	for (size_t i = 0; i < d->n; i++) {
		const struct verdict *v = &d->v[i];
		if (!v->is_out)
			continue;
		some = true;
		bool told = v->skip == SKIP_BREAKER_OPEN || skip_is(v->skip, SKIPS_RATE);
		known = known && told;
		if (told && (*ret_at_us == FIELD_NONE || v->view.until_us < *ret_at_us))
			*ret_at_us = v->view.until_us;
	}
	if (!known)
		*ret_at_us = FIELD_NONE;
	return some;
}

uint64_t decide_session(struct slice name)
{
	return slice_hash(SLICE_HASH_BEGIN, name) | 1;
}

void decide(const struct route *route, const struct decide_request *req, int64_t now_us,
	int64_t now_wall_ms, double draw, struct decision *ret)
{
	ret->n = route->n;
	ret->left_out = route->left_out;
	ret->feature_skip = route->feature->doc.enabled ? SKIP_NONE : SKIP_FEATURE_OFF;
	ret->chosen = -1;
	ret->reason = NULL;
	ret->draw = draw;
	ret->at_us = now_us;
	ret->fallback_n = 0;
	for (size_t i = 0; i < ret->n; i++) {
		struct verdict *v = &ret->v[i];
		v->trial = v->is_out = false;
		v->share = 0;
		look(&route->v[i], &v->view);
		v->skip = ret->feature_skip;
		if (v->skip == SKIP_NONE)
			v->skip = judge(route, &route->v[i], req, i, now_us, now_wall_ms, v);
	}
	choose(route, req, now_us, now_wall_ms, draw, ret);
	if (UNLIKELY(ret->chosen < 0) && route->feature->doc.all_down == ALL_DOWN_LEAST_BAD &&
		!req->no_least_bad)
		choose_least_bad(route, req, now_us, now_wall_ms, ret);
}

struct decide_request decide_request_plain(const struct feature *f)
{
	return (struct decide_request){.offer = f->endpoint,
		.width = FIELD_NONE,
		.height = FIELD_NONE,
		.n = FIELD_NONE,
		.deadline_us = FIELD_NONE,
		.client = &ident_local};
}

void decide_plain(const struct route *route, int64_t now_us, int64_t now_wall_ms,
	struct decision *ret)
{
	struct decide_request ask = decide_request_plain(&route->feature->doc);
	decide(route, &ask, now_us, now_wall_ms, 0, ret);
}

void decide_turn(const struct route *route)
{
	if (route->n > 0 && route->v[0].target_live != NULL)
		atomic_fetch_add_explicit(&route->v[0].target_live->rr, 1, memory_order_relaxed);
}

int64_t decide_retry_at_us(const struct decision *d)
{
	int64_t at = FIELD_NONE;
	for (size_t i = 0; i < d->n; i++) {
		if (skip_is(d->v[i].skip, SKIPS_RATE) &&
			(at == FIELD_NONE || d->v[i].view.until_us < at))
			at = d->v[i].view.until_us;
	}
	return at;
}

static bool all_sealed(const struct route *route, const struct decision *d)
{
	size_t sealed = 0;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (s == SKIP_KEY_INVALID && route->v[i].sealed)
			sealed++;
		else if (!skip_is(s, SKIPS_WISH))
			return false;
	}
	return sealed > 0;
}

enum err_code decide_refusal(const struct route *route, const struct decision *d)
{
	if (all_sealed(route, d))
		return ERR_SEALED;
	return decide_all_limited(d) ? ERR_UPSTREAM_RATE_LIMITED : ERR_NO_HEALTHY_TARGET;
}

bool decide_all_limited(const struct decision *d)
{
	size_t limited = 0;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (skip_is(s, SKIPS_RATE) || s == SKIP_CONCURRENCY_FULL ||
			s == SKIP_BUDGET_EXHAUSTED)
			limited++;
		else if (!skip_is(s, SKIPS_WISH | SKIPS_PLAN))
			return false;
	}
	return limited > 0;
}
