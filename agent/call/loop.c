// SPDX-License-Identifier: MIT
// What a loop keeps for its model traffic: counters found once, opened keys for a minute, buffers.
#include "agent/call/call.h"
#include "agent/gateway/gateway.h"
#include "agent/store/key.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/text.h"
#include "shared/vec.h"

#define SWEEP_US INT64_C(10000000)

struct gateway {
	struct agent *agent;
	pthread_mutex_t lock;
	struct gw_loop *loops;
};

struct gateway *gateway_new(struct agent *a)
{
	struct gateway *g = mem_zalloc(1, sizeof(*g));
	g->agent = a;
	pthread_mutex_init(&g->lock, NULL);
	return g;
}

static void secret_free(struct gw_secret *s)
{
	secret_release(&s->key);
	free(s);
}

static void call_delete(struct gw_call *c)
{
	gw_batch_free(c);
	str_release(&c->send.path);
	str_release(&c->send.headers);
	str_release(&c->send.body);
	str_release(&c->headers);
	str_release(&c->chunks.text);
	str_release(&c->scratch);
	str_release(&c->out);
	str_release(&c->instead);
	str_release(&c->middle);
	fold_free(c->fold);
	sse_release(&c->reader);
	free(c);
}

static void drop_cells(struct gw_loop *gl, struct metric_cell **cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		metric_cell_drop(gl->agent->metrics, cells[i]);
}

static void target_free(struct gw_loop *gl, struct gw_target *t)
{
	drop_cells(gl, t->by_outcome, ARRAY_LEN(t->by_outcome));
	free((void *)t->name);
	free(t);
}

static void feature_free(struct gw_loop *gl, struct gw_feature *f)
{
	struct metric_cell *more[] = {f->duration, f->ttfb, f->fallbacks, f->gone, f->tokens_in,
		f->tokens_out, f->chosen, f->none};
	size_t it = 0;
	struct slice key;
	void *value;
	gl->targets_n -= f->targets.n;
	while (map_next(&f->targets, &it, &key, &value))
		target_free(gl, value);
	map_release(&f->targets);
	drop_cells(gl, f->by_class, ARRAY_LEN(f->by_class));
	drop_cells(gl, more, ARRAY_LEN(more));
	free((void *)f->name);
	free(f);
}

static void loop_delete(struct gw_loop *gl)
{
	size_t it = 0;
	struct slice key;
	void *value;
	while (map_next(&gl->features, &it, &key, &value))
		feature_free(gl, value);
	map_release(&gl->features);
	for (size_t i = 0; i < gl->secrets_n; i++)
		secret_free(gl->secrets[i]);
	while (gl->spare != NULL) {
		struct gw_call *c = gl->spare;
		gl->spare = c->next;
		call_delete(c);
	}
	str_release(&gl->event);
	free(gl);
}

void gateway_free(struct gateway *g)
{
	if (g == NULL)
		return;
	while (g->loops != NULL) {
		struct gw_loop *gl = g->loops;
		g->loops = gl->next;
		loop_delete(gl);
	}
	pthread_mutex_destroy(&g->lock);
	free(g);
}

// ---- per loop ----

static void sweep_secrets(void *arg)
{
	struct gw_loop *gl = arg;
	int64_t now = loop_now_us(gl->loop);
	size_t kept = 0;
	for (size_t i = 0; i < gl->secrets_n; i++) {
		struct gw_secret *s = gl->secrets[i];
		if (s->until_us > now) {
			gl->secrets[kept++] = s;
			continue;
		}
		s->listed = false;
		if (s->refs == 0)
			secret_free(s);
	}
	gl->secrets_n = kept;
	if (kept > 0)
		loop_timer_set(gl->loop, &gl->sweep, SWEEP_US, sweep_secrets, gl);
}

static struct gw_loop *loop_add(struct gateway *g, struct loop *l)
{
	struct gw_loop *gl = mem_zalloc(1, sizeof(*gl));
	gl->gateway = g;
	gl->loop = l;
	gl->agent = g->agent;
	if (getrandom(&gl->random, sizeof(gl->random), 0) != sizeof(gl->random))
		gl->random = (uint64_t)clock_mono_us();
	gl->inflight = metric_cell(g->agent->metrics, MET_GW_INFLIGHT, NULL);
	pthread_mutex_lock(&g->lock);
	gl->next = g->loops;
	g->loops = gl;
	pthread_mutex_unlock(&g->lock);
	return gl;
}

struct gw_loop *gw_loop_at(struct gateway *g, struct loop *l)
{
	pthread_mutex_lock(&g->lock);
	struct gw_loop *gl = g->loops;
	while (gl != NULL && gl->loop != l)
		gl = gl->next;
	pthread_mutex_unlock(&g->lock);
	return gl != NULL ? gl : loop_add(g, l);
}

struct gw_loop *gw_loop_of(struct req *r)
{
	static _Thread_local struct gw_loop *mine; // a loop is a thread
	static _Thread_local struct gateway *of;
	if (LIKELY(mine != NULL && of == r->agent->gateway && mine->loop == r->loop))
		return mine;
	of = r->agent->gateway;
	mine = gw_loop_at(r->agent->gateway, r->loop);
	return mine;
}

uint64_t gw_random(struct gw_loop *gl)
{
	uint64_t z = gl->random += UINT64_C(0x9e3779b97f4a7c15); // splitmix64
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

// ---- counters ----

static struct metric_cell *cell2(struct gw_loop *gl, enum metric_id id, const char *a,
	const char *b)
{
	const char *const labels[] = {a, b, NULL};
	return metric_cell(gl->agent->metrics, id, labels);
}

// Out of the list, as its series are over.
static void feature_unlist(struct gw_loop *gl, struct gw_feature *f)
{
	map_del(&gl->features, slice_of(f->name));
	f->listed = false;
	if (f->users == 0)
		feature_free(gl, f);
}

static struct gw_feature *feature_add(struct gw_loop *gl, const char *name)
{
	static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
	struct gw_feature *f = map_get(&gl->features, slice_of(name)); // "other"
	if (f != NULL && !metric_cell_gone(f->chosen))
		return f;
	if (f != NULL)
		feature_unlist(gl, f);
	f = mem_zalloc(1, sizeof(*f));
	f->name = mem_strdup(name);
	for (size_t i = 1; i < ARRAY_LEN(classes); i++)
		f->by_class[i] = i == 1 || i == 3 ? NULL
						  : cell2(gl, MET_GW_REQUESTS, name, classes[i]);
	f->duration = cell2(gl, MET_GW_DURATION, name, NULL);
	f->ttfb = cell2(gl, MET_GW_TTFB, name, NULL);
	f->fallbacks = cell2(gl, MET_GW_FALLBACKS, name, NULL);
	f->gone = cell2(gl, MET_GW_CLIENT_GONE, name, NULL);
	f->tokens_in = cell2(gl, MET_GW_TOKENS, name, "in");
	f->tokens_out = cell2(gl, MET_GW_TOKENS, name, "out");
	f->chosen = cell2(gl, MET_DECISIONS, name, "chosen");
	f->none = cell2(gl, MET_DECISIONS, name, "none");
	f->again_us = f->none == NULL ? loop_now_us(gl->loop) + GW_CELLS_AGAIN_US : 0;
	f->listed = true;
	map_put(&gl->features, slice_of(f->name), f);
	return f;
}

// Its series have ended, or there was no room for them and it is time to look again.
static bool is_over(const struct gw_loop *gl, const struct metric_cell *c, int64_t again_us)
{
	return metric_cell_gone(c) || UNLIKELY(again_us != 0 && loop_now_us(gl->loop) >= again_us);
}

// Those whose series have ended make room.
static void features_prune(struct gw_loop *gl)
{
	VEC_OF(struct gw_feature *) over = {0};
	size_t it = 0;
	void *value;
	while (map_next(&gl->features, &it, NULL, &value)) {
		struct gw_feature *f = value;
		if (is_over(gl, f->chosen, f->again_us))
			VEC_PUSH(&over, f);
	}
	for (size_t i = 0; i < over.n; i++)
		feature_unlist(gl, over.v[i]);
	VEC_RELEASE(&over);
}

struct gw_feature *gw_feature_of(struct gw_loop *gl, const char *name)
{
	struct gw_feature *f = map_get(&gl->features, slice_of(name));
	if (LIKELY(f != NULL && !is_over(gl, f->chosen, f->again_us)))
		return f;
	if (f != NULL)
		feature_unlist(gl, f);
	if (gl->features.n >= GW_FEATURES_MAX)
		features_prune(gl);
	return feature_add(gl, gl->features.n < GW_FEATURES_MAX ? name : "other");
}

void gw_cells_take(struct gw_call *c, const char *name)
{
	gw_cells_drop(c);
	c->cells = gw_feature_of(c->gl, name);
	c->cells->users++;
}

void gw_cells_drop(struct gw_call *c)
{
	struct gw_feature *f = c->cells;
	c->cells = NULL;
	if (f != NULL && --f->users == 0 && !f->listed)
		feature_free(c->gl, f);
}

static struct gw_target *target_of(struct gw_loop *gl, struct gw_feature *f, const char *name)
{
	static const char other[] = "other";
	struct gw_target *t = map_get(&f->targets, slice_of(name));
	if (LIKELY(t != NULL))
		return t;
	if (gl->targets_n >= GW_FEATURES_MAX && strcmp(name, other) != 0)
		return target_of(gl, f, other);
	t = mem_zalloc(1, sizeof(*t));
	t->name = mem_strdup(name);
	map_put(&f->targets, slice_of(t->name), t);
	gl->targets_n++;
	return t;
}

void gw_count_attempt(struct gw_loop *gl, struct gw_feature *f, const struct candidate *c,
	enum outcome out)
{
	static const char *const words[] = {"ok", "failed", "rate_limited", "auth", "billing",
		"region", "model_gone", "client"};
	_Static_assert(ARRAY_LEN(words) == OUT_CLIENT + 1, "a word for every outcome");
	struct gw_target *t = target_of(gl, f, c->target_name);
	struct metric_cell **cell = &t->by_outcome[out];
	// Of a call whose feature is over nothing is looked up anew: its name may be another's by now.
	if (UNLIKELY((*cell == NULL || metric_cell_gone(*cell)) && !metric_cell_gone(f->chosen))) {
		metric_cell_drop(gl->agent->metrics, *cell);
		*cell = metric_cell(gl->agent->metrics, MET_GW_ATTEMPTS,
			(const char *const[]){f->name, t->name, words[out], NULL});
	}
	metric_cell_add(*cell, 1);
}

// ---- opened keys ----

static struct gw_secret *secret_find(struct gw_loop *gl, const struct key_obj *key)
{
	for (size_t i = 0; i < gl->secrets_n; i++) {
		struct gw_secret *s = gl->secrets[i];
		if (s->version == key->row_version && strcmp(s->id, key->doc.id) == 0)
			return s->until_us > loop_now_us(gl->loop) ? s : NULL;
	}
	return NULL;
}

struct gw_secret *gw_secret_take(struct gw_loop *gl, const struct key_obj *key, struct err *err)
{
	struct gw_secret *s = secret_find(gl, key);
	if (s != NULL) {
		s->refs++;
		return s;
	}
	s = mem_zalloc(1, sizeof(*s));
	if (store_key_open(gl->agent->store, key, &s->key, err) != ERR_OK) {
		free(s);
		return NULL;
	}
	size_t n = MIN_OF(strlen(key->doc.id), sizeof(s->id) - 1);
	memcpy(s->id, key->doc.id, n);
	s->version = key->row_version;
	s->refs = 1;
	if (gl->secrets_n < GW_SECRETS_MAX) {
		s->until_us = loop_now_us(gl->loop) + GW_SECRET_US;
		s->listed = true;
		gl->secrets[gl->secrets_n++] = s;
		if (gl->sweep.slot == 0)
			loop_timer_set(gl->loop, &gl->sweep, SWEEP_US, sweep_secrets, gl);
	}
	return s;
}

void gw_secret_drop(struct gw_loop *gl, struct gw_secret *s)
{
	(void)gl;
	if (s != NULL && --s->refs == 0 && !s->listed)
		secret_free(s);
}

bool gw_secret_of(struct gw_loop *gl, const struct candidate *c, struct gw_secret **ret,
	struct err *err)
{
	const struct key_obj *key = candidate_secret(c);
	*ret = NULL;
	if (key == NULL && c->grant == GRANT_NONE)
		return true;
	if (key != NULL)
		*ret = gw_secret_take(gl, key, err);
	else
		err_set(err, ERR_NO_HEALTHY_TARGET, _("the credential of the instance is not there"));
	return *ret != NULL;
}

enum outcome gw_outcome_at(const struct candidate *c, enum outcome out)
{
	if (c->key != NULL || out < OUT_AUTH || out > OUT_REGION)
		return out;
	return out == OUT_AUTH && c->credential != NULL ? OUT_AUTH : OUT_FAILED;
}

// ---- calls ----

#define CLEAR_STEP 1024 // longer ones the C library begins more slowly

static void clear(void *p, size_t n)
{
	char *at = p;
	for (; n > CLEAR_STEP; n -= CLEAR_STEP, at += CLEAR_STEP)
		explicit_bzero(at, CLEAR_STEP);
	explicit_bzero(at, n);
}

// A used one keeps its buffers; everything else begins anew, so that nothing of one request is known
// to the next. More than half of it are the body's members, which are read up to their number alone.
static void call_reset(struct gw_call *c, struct gw_loop *gl)
{
	struct str path = c->send.path, ask = c->send.headers, body = c->send.body,
		   headers = c->headers, text = c->chunks.text, scratch = c->scratch, out = c->out,
		   instead = c->instead, middle = c->middle;
	clear(c, offsetof(struct gw_call, in.m));
	clear(c->in.m + ARRAY_LEN(c->in.m), sizeof(*c) - offsetof(struct gw_call, in.m[CALL_MEMBERS_MAX]));
	c->gl = gl;
	c->send.path = path;
	c->send.headers = ask;
	c->send.body = body;
	c->headers = headers;
	c->chunks.text = text;
	c->scratch = scratch;
	c->out = out;
	c->instead = instead;
	c->middle = middle;
	c->usage = ADAPTER_USAGE_UNKNOWN;
	c->usage_source = COST_UNKNOWN;
	c->spent = PRICE_USAGE_NONE;
	c->cost.source = COST_UNKNOWN;
}

struct gw_call *gw_call_new(struct gw_loop *gl)
{
	struct gw_call *c = gl->spare;
	if (c != NULL) {
		gl->spare = c->next;
		gl->spare_n--;
	} else {
		c = mem_zalloc(1, sizeof(*c));
	}
	call_reset(c, gl);
	return c;
}

// What passed through is not left behind in a buffer longer than its reuse.
static void keep_small(struct str *s)
{
	if (s->cap > GW_SPARE_BYTES_MAX)
		str_release(s);
	else
		str_clear(s);
}

void gw_call_free(struct gw_call *c)
{
	struct gw_loop *gl = c->gl;
	gw_cells_drop(c);
	if (gl->spare_n >= GW_SPARE_MAX) {
		call_delete(c);
		return;
	}
	keep_small(&c->send.path);
	keep_small(&c->send.headers);
	keep_small(&c->send.body);
	keep_small(&c->headers);
	keep_small(&c->chunks.text);
	keep_small(&c->scratch);
	keep_small(&c->out);
	keep_small(&c->instead);
	keep_small(&c->middle);
	fold_free(c->fold);
	c->fold = NULL;
	gw_batch_free(c);
	if (c->sse)
		sse_release(&c->reader);
	c->next = gl->spare;
	gl->spare = c;
	gl->spare_n++;
}
