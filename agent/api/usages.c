// SPDX-License-Identifier: MIT
// Turns a question about use (span, grouping, filter) into one query of the stored rows, and puts
// what one group has in several currencies together again.
#include "agent/api/usages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/state/caller.h"
#include "agent/api/change.h"
#include "agent/record/ledger.h"
#include "agent/store/usage.h"
#include "shared/clock.h"
#include "shared/map.h"
#include "shared/num.h"
#include "shared/text.h"

#define MINUTE_S 60
#define HOUR_S 3600
#define DAY_S 86400
#define MINUTES_WINDOW_S (3 * HOUR_S) // up to here a window is read by minutes …
#define HOURS_WINDOW_S (60 * (int64_t)DAY_S) // … and to here by hours
#define BUCKETS_MAX 1500
#define ROWS_MAX (4 * USAGES_GROUPS_MAX) // a group has a row for each currency

// ---- the question ----

struct ask {
	struct usage_query q;
	int64_t limit, offset;
};

static enum err_code read_span(struct req *r, struct usage_query *q, struct err *err)
{
	static const int64_t kept[][2] = {
		{MINUTE_S, USAGE_MINUTES_KEPT_S}, {HOUR_S, USAGE_HOURS_KEPT_S}};
	int64_t window_s = req_query_int(r, "window") / 1000, now_s = clock_wall_ms() / 1000;
	q->bucket_s = req_query_int(r, "step") / 1000;
	if (q->bucket_s % MINUTE_S != 0 ||
		(q->bucket_s > 0 && window_s / q->bucket_s > BUCKETS_MAX))
		return err_field(err, ERR_FIELD_RANGE, "step",
			_("must be whole minutes, and at most %d of them in the window"),
			BUCKETS_MAX);
	// The coarsest sums that answer the question; a step needs sums of its own fineness.
	int64_t by_window = window_s <= MINUTES_WINDOW_S ? MINUTE_S
		: window_s <= HOURS_WINDOW_S		 ? HOUR_S
							 : DAY_S;
	int64_t by_step = q->bucket_s == 0 || q->bucket_s % DAY_S == 0 ? DAY_S
		: q->bucket_s % HOUR_S == 0			       ? HOUR_S
								       : MINUTE_S;
	q->step_s = MIN_OF(by_window, by_step);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		if (q->step_s == kept[i][0] && window_s > kept[i][1])
			return err_field(err, ERR_FIELD_RANGE, "step",
				_("sums this fine are kept for %lld hours"),
				(long long)kept[i][1] / HOUR_S);
	}
	q->from_s = (now_s - window_s) / q->step_s * q->step_s;
	if (q->bucket_s > 0)
		q->from_s = q->from_s / q->bucket_s * q->bucket_s;
	q->to_s = now_s + DAY_S; // a clock set back hides nothing
	return ERR_OK;
}

static enum err_code read_ask(struct req *r, struct ask *a, struct err *err)
{
	const char *cursor = req_query(r, "cursor");
	enum err_code code = read_span(r, &a->q, err);
	a->limit = req_query_int(r, "limit");
	for (int i = 0; i < USAGE_BYS; i++) {
		a->q.by[i] = (req_query_int(r, "by") & INT64_C(1) << i) != 0;
		a->q.only[i] = req_query(r, usage_by_names[i]);
	}
	if (code == ERR_OK && cursor != NULL &&
		!num_i64(slice_of(cursor), 0, USAGES_GROUPS_MAX, &a->offset))
		code = err_set(err, ERR_CURSOR_INVALID, NULL);
	return code;
}

// ---- groups: what the store tells by currency, put together again ----

struct cost { // in one currency
	char currency[4];
	int64_t n[COST_SOURCES], pico[COST_SOURCES];
};

struct group {
	int64_t at_s;
	const char *by[USAGE_BYS];
	struct usage_sum sum;
	struct cost cost[LEDGER_CURRENCIES_MAX];
	size_t costs;
	double weight; // what it is sorted by
};

struct groups {
	struct arena a;
	struct map found; // key → struct group
	struct group *v[USAGES_GROUPS_MAX];
	size_t n;
	struct group all;
	bool truncated;
};

static struct cost *cost_in(struct group *g, const char *currency)
{
	for (size_t i = 0; i < g->costs; i++) {
		if (strcmp(g->cost[i].currency, currency) == 0)
			return &g->cost[i];
	}
	if (g->costs == LEDGER_CURRENCIES_MAX)
		return NULL;
	struct cost *c = &g->cost[g->costs++];
	snprintf(c->currency, sizeof(c->currency), "%.3s", currency);
	return c;
}

static void add_to(struct group *g, const char *currency, const struct usage_sum *s)
{
	usage_sum_add(&g->sum, s);
	struct cost *c = currency[0] != '\0' ? cost_in(g, currency) : NULL;
	for (int i = COST_UNKNOWN + 1; c != NULL && i < COST_SOURCES; i++) {
		c->n[i] = sat_add(c->n[i], s->cost_n[i]);
		c->pico[i] = sat_add(c->pico[i], s->pico[i]);
		g->weight += (double)s->pico[i];
	}
	g->weight += (double)s->attempts / 1e6; // where nothing costs
}

static void on_row(void *arg, const struct usage_key *key, const struct usage_sum *sum)
{
	struct groups *gs = arg;
	struct str text = STR_INIT;
	add_to(&gs->all, key->currency, sum);
	str_addf(&text, "%lld", (long long)key->minute);
	for (int i = 0; i < USAGE_BYS; i++)
		str_addf(&text, "\n%s", key->by[i]);
	struct group *g = map_get(&gs->found, str_slice(&text));
	if (g == NULL && gs->n < USAGES_GROUPS_MAX) {
		g = arena_zalloc(&gs->a, 1, sizeof(*g));
		g->at_s = key->minute * MINUTE_S;
		for (int i = 0; i < USAGE_BYS; i++)
			g->by[i] = arena_strdup(&gs->a, key->by[i]);
		map_put(&gs->found, str_slice(&text), g);
		gs->v[gs->n++] = g;
	}
	str_release(&text);
	if (g != NULL)
		add_to(g, key->currency, sum);
	else
		gs->truncated = true;
}

// By time, then what costs most.
static int by_weight(const void *x, const void *y)
{
	const struct group *a = *(struct group *const *)x, *b = *(struct group *const *)y;
	if (a->at_s != b->at_s)
		return a->at_s < b->at_s ? -1 : 1;
	if (a->weight > b->weight || a->weight < b->weight)
		return a->weight > b->weight ? -1 : 1;
	for (int i = 0; i < USAGE_BYS; i++) {
		int d = strcmp(a->by[i], b->by[i]);
		if (d != 0)
			return d;
	}
	return 0;
}

// ---- the answer ----

static void write_cost(struct jw *w, const struct cost *c)
{
	int64_t pico = 0;
	enum cost_source source = COST_UNKNOWN;
	for (int i = COST_SOURCES - 1; i > COST_UNKNOWN; i--) {
		pico = sat_add(pico, c->pico[i]);
		source = c->n[i] > 0 ? (enum cost_source)i : source;
	}
	jw_obj(w, NULL);
	jw_int(w, "pico", pico);
	jw_str(w, "currency", c->currency);
	jw_str(w, "source", cost_source_name(source));
	for (int i = COST_SOURCES - 1; i > COST_UNKNOWN; i--) {
		jw_obj(w, cost_source_name((enum cost_source)i));
		jw_int(w, "attempts", c->n[i]);
		jw_int(w, "pico", c->pico[i]);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

static void write_group(struct jw *w, const struct group *g, const struct usage_query *q,
	const struct snapshot *snap)
{
	const struct usage_sum *s = &g->sum;
	if (q != NULL && q->bucket_s > 0)
		jw_time(w, "at", g->at_s * 1000);
	for (int i = 0; q != NULL && i < USAGE_BYS; i++) {
		if (q->by[i])
			jw_str(w, usage_by_names[i], g->by[i]);
	}
	if (q != NULL && q->by[USAGE_CLIENT]) { // for people, beside the id: its name by now
		struct ident id;
		const struct client_obj *c = ident_read(slice_of(g->by[USAGE_CLIENT]),
						     CREDENTIAL_CLIENT, &id)
			? snapshot_client(snap, &id)
			: NULL;
		jw_str(w, "client_name", c != NULL ? c->doc.name : NULL);
	}
	const struct {
		const char *name;
		int64_t v;
	} members[] = {{"requests", s->requests}, {"attempts", s->attempts},
		{"failures", s->failures}, {"streamed", s->streamed},
		{"interrupted", s->interrupted}, {"tokens_in", s->tokens_in},
		{"tokens_out", s->tokens_out}, {"tokens_cached", s->tokens_cached},
		{"tokens_reasoning", s->tokens_reasoning}, {"images", s->images},
		{"chars", s->chars}, {"audio_ms", s->audio_ms}, {"usage_unknown", s->usage_unknown},
		{"cost_zero", s->cost_zero}, {"cost_unknown", s->cost_n[COST_UNKNOWN]}};
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		jw_int(w, members[i].name, members[i].v);
	jw_arr(w, "cost");
	for (size_t i = 0; i < g->costs; i++)
		write_cost(w, &g->cost[i]);
	jw_arr_end(w);
}

static enum err_code run_usage(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct ask *a = c->arg;
	struct groups *gs = arena_zalloc(&c->r->arena, 1, sizeof(*gs));
	bool more = false;
	enum err_code code = ledger_write(c->r->agent->ledger, tx, err);
	if (code == ERR_OK)
		code = store_usage_read(tx, &a->q, ROWS_MAX, on_row, gs, &more, err);
	gs->truncated |= more;
	if (code == ERR_OK && a->offset > (int64_t)gs->n)
		code = err_set(err, ERR_CURSOR_INVALID,
			_("the cursor stands behind the end of this list: it is of another one"));
	if (code == ERR_OK) {
		const struct snapshot *snap = store_tx_snapshot(tx);
		struct jw w = jw_to(&c->body);
		size_t i = (size_t)a->offset, end = MIN_OF(i + (size_t)a->limit, gs->n);
		qsort(gs->v, gs->n, sizeof(gs->v[0]), by_weight);
		jw_obj(&w, NULL);
		jw_arr(&w, "items");
		for (; i < end; i++) {
			jw_obj(&w, NULL);
			write_group(&w, gs->v[i], &a->q, snap);
			jw_obj_end(&w);
		}
		jw_arr_end(&w);
		jw_obj(&w, "totals");
		write_group(&w, &gs->all, NULL, snap);
		jw_obj_end(&w);
		jw_time(&w, "from", a->q.from_s * 1000);
		jw_time(&w, "to", clock_wall_ms());
		jw_int(&w, "resolution_s", a->q.step_s);
		jw_bool(&w, "truncated", gs->truncated);
		jw_int(&w, "total", (int64_t)gs->n);
		jw_int(&w, "revision", (int64_t)snap->revision);
		char next[24];
		if (end < gs->n) {
			snprintf(next, sizeof(next), "%zu", end);
			jw_str(&w, "next", next);
		}
		jw_obj_end(&w);
	}
	map_release(&gs->found);
	arena_release(&gs->a);
	return code;
}

void h_usage(struct req *r)
{
	struct ask *a = arena_zalloc(&r->arena, 1, sizeof(*a));
	struct err err = {0};
	if (read_ask(r, a, &err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	change_begin(r, run_usage, a);
}
