// SPDX-License-Identifier: MIT
// Counters of features and their targets on one loop, found once and then added to without a lock.
// A series may end with its feature while calls still count for it, and there is not room for all.
#include "agent/call/cells.h"

#include <stdlib.h>
#include <string.h>
#include "agent/call/call.h"
#include "shared/mem.h"
#include "shared/vec.h"

#define AGAIN_US INT64_C(60000000)
#define FEATURES_MAX 1024 // told apart; later ones are counted together

struct gw_target { // of one feature; a series is made when it first counts something
	const char *name; // owned
	struct metric_cell *by_outcome[OUT_CLIENT + 1];
};

static void drop_cells(struct gw_loop *gl, struct metric_cell **cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		metric_cell_drop(gl->agent->metrics, cells[i]);
}

static void feature_free(struct gw_loop *gl, struct gw_feature *f)
{
	struct metric_cell *more[] = {f->duration, f->ttfb, f->fallbacks, f->gone, f->tokens_in,
		f->tokens_out, f->chosen, f->none};
	size_t it = 0;
	gl->targets_n -= f->targets.n;
	void *value;
	while (map_next(&f->targets, &it, NULL, &value)) {
		struct gw_target *t = value;
		drop_cells(gl, t->by_outcome, ARRAY_LEN(t->by_outcome));
		free((void *)t->name);
		free(t);
	}
	map_release(&f->targets);
	drop_cells(gl, f->by_class, ARRAY_LEN(f->by_class));
	drop_cells(gl, more, ARRAY_LEN(more));
	free((void *)f->name);
	free(f);
}

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
	f->again_us = f->none == NULL ? loop_now_us(gl->loop) + AGAIN_US : 0;
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
	if (gl->features.n >= FEATURES_MAX)
		features_prune(gl);
	return feature_add(gl, gl->features.n < FEATURES_MAX ? name : "other");
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
	if (gl->targets_n >= FEATURES_MAX && strcmp(name, other) != 0)
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
	static const char *const words[] = {"ok", "failed", "rate_limited", "busy", "auth",
		"billing", "region", "model_gone", "client"};
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

void gw_cells_free(struct gw_loop *gl)
{
	size_t it = 0;
	void *value;
	while (map_next(&gl->features, &it, NULL, &value))
		feature_free(gl, value);
	map_release(&gl->features);
}
