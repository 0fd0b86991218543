// SPDX-License-Identifier: MIT
// Cells of counters per feature that any loop moves, closed into steps by the control loop: fine
// ones for an hour, coarse ones for a day.
#include "agent/record/history.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/text.h"

// Latency classes: four per octave from 128 us, so a quantile is right within a tenth.
#define CLASSES 84
#define OCTAVE_PARTS 4
#define FIRST_BIT 7
#define HIST_KEPT (HISTORY_WINDOW_MAX_S / HISTORY_FINE_S)
#define CELL_NAME_MAX 72
#define CELL_SLOTS 128 // power of two, twice the cells

enum counter { CNT_REQUESTS, CNT_ERRORS, CNT_FALLBACKS, CNT_TOKENS, CNT_BROKEN, CNT_COUNT };

struct counts {
	uint64_t v[CNT_COUNT];
	uint32_t classes[CLASSES];
};

struct point {
	uint32_t v[CNT_COUNT];
	float p50_ms, p95_ms;
};

_Static_assert(sizeof(struct point) == (CNT_COUNT + 2) * 4, "written as it stands");

#define GAP UINT32_MAX // requests of a step nobody counted: the agent did not run

struct cell {
	char name[CELL_NAME_MAX];
	int64_t ends_us; // its feature is gone; 0: it is there
	_Atomic uint64_t v[CNT_COUNT];
	_Atomic uint32_t classes[CLASSES];
	// below: under the lock
	struct counts fine_before, coarse_before; // at the last step's end
	struct point fine[HISTORY_FINE_N], coarse[HISTORY_COARSE_N];
	uint16_t recent[HIST_KEPT][CLASSES]; // classes of the newest fine steps
};

struct slots {
	_Atomic(struct cell *) at[CELL_SLOTS];
};

#define RETIRED_MAX (2 * HISTORY_FEATURES_MAX)
struct retired { // somebody may look at it for a moment still
	void *v[RETIRED_MAX];
	size_t n;
};

struct history {
	pthread_mutex_t lock;
	struct loop_timer timer;
	struct loop *loop;
	_Atomic(struct slots *) slots;
	struct retired retired[2]; // freed with the second sample after
	int64_t (*age_ms)(void *arg, struct slice feature); // while restoring
	void *age_arg;
	struct cell *v[HISTORY_FEATURES_MAX + 2]; // total, others, features
	size_t n;
	int64_t fine_end_us, coarse_end_us; // end of the newest closed step
	uint64_t fine_n, coarse_n; // steps closed so far
};

#define CELL_TOTAL 0
#define CELL_OTHERS 1
#define CELL_FIRST 2

static const struct figure_row figures[FIG_COUNT] = {
	{FIG_RATE, "rate", "req/s", N_("requests per second")},
	{FIG_ERRORS, "errors", "ratio", N_("share of requests that failed")},
	{FIG_P50, "p50", "ms", N_("median latency")},
	{FIG_P95, "p95", "ms", N_("95th percentile of latency")},
	{FIG_TOKENS, "tokens", "tokens/s", N_("tokens in and out per second")},
};

const struct figure_row *figure_row(enum figure id)
{
	return &figures[id];
}

// --- latency classes ---

static unsigned class_of(int64_t us)
{
	if (us < 1 << FIRST_BIT)
		return 0;
	unsigned bit = 63 - (unsigned)__builtin_clzll((uint64_t)us);
	unsigned part = (unsigned)(us >> (bit - 2)) & (OCTAVE_PARTS - 1);
	unsigned c = (bit - FIRST_BIT) * OCTAVE_PARTS + part + 1;
	return MIN_OF(c, (unsigned)CLASSES - 1);
}

static double class_start_us(unsigned c)
{
	if (c == 0)
		return 0;
	unsigned octave = (c - 1) / OCTAVE_PARTS, part = (c - 1) % OCTAVE_PARTS;
	return ldexp(1 + part / (double)OCTAVE_PARTS, (int)octave + FIRST_BIT);
}

static double quantile_ms(const uint64_t classes[CLASSES], double q)
{
	uint64_t total = 0;
	for (unsigned c = 0; c < CLASSES; c++)
		total += classes[c];
	if (total == 0)
		return NAN;
	double want = q * (double)total, seen = 0;
	for (unsigned c = 0; c < CLASSES; c++) {
		double n = (double)classes[c];
		if (n > 0 && seen + n >= want) {
			double from = class_start_us(c), to = class_start_us(c + 1);
			return (from + (to - from) * (want - seen) / n) / 1000;
		}
		seen += n;
	}
	return NAN;
}

// --- cells ---

static bool is_gap(const struct point *p)
{
	return p->v[CNT_REQUESTS] == GAP;
}

static void set_gaps(struct point *ring, size_t n, const struct point *like)
{
	for (size_t i = 0; i < n; i++) {
		if (like == NULL || is_gap(&like[i]))
			ring[i].v[CNT_REQUESTS] = GAP;
	}
}

static struct cell *cell_new(struct history *h, struct slice name)
{
	struct cell *c = mem_zalloc(1, sizeof(*c));
	memcpy(c->name, name.p, MIN_OF(name.n, sizeof(c->name) - 1));
	for (size_t i = 0; i < HISTORY_FINE_N; i++)
		c->fine[i].p50_ms = c->fine[i].p95_ms = NAN;
	for (size_t i = 0; i < HISTORY_COARSE_N; i++)
		c->coarse[i].p50_ms = c->coarse[i].p95_ms = NAN;
	if (h->n > CELL_TOTAL) { // nobody counted it either while the agent was away
		set_gaps(c->fine, HISTORY_FINE_N, h->v[CELL_TOTAL]->fine);
		set_gaps(c->coarse, HISTORY_COARSE_N, h->v[CELL_TOTAL]->coarse);
	}
	h->v[h->n++] = c;
	return c;
}

static size_t slot_of(struct slice name)
{
	return slice_hash(SLICE_HASH_BEGIN, name) % CELL_SLOTS;
}

static struct cell *cell_find(struct history *h, struct slice name, size_t *ret_slot)
{
	struct slots *slots = atomic_load_explicit(&h->slots, memory_order_acquire);
	for (size_t i = slot_of(name);; i = (i + 1) % CELL_SLOTS) {
		struct cell *c = atomic_load_explicit(&slots->at[i], memory_order_acquire);
		*ret_slot = i;
		if (c == NULL || slice_eq_str(name, c->name))
			return c;
	}
}

// ---- cells end ----

static bool has_room(const struct retired *r)
{
	return r->n + 2 <= RETIRED_MAX;
}

static void slots_rebuild(struct history *h)
{
	struct slots *was = atomic_load(&h->slots), *slots = mem_zalloc(1, sizeof(*slots));
	for (size_t k = CELL_FIRST; k < h->n; k++) {
		size_t i = slot_of(slice_of(h->v[k]->name));
		while (slots->at[i] != NULL)
			i = (i + 1) % CELL_SLOTS;
		slots->at[i] = h->v[k];
	}
	atomic_store_explicit(&h->slots, slots, memory_order_release);
	h->retired[0].v[h->retired[0].n++] = was;
}

static void counts_move(struct counts *to, const struct counts *from)
{
	for (int i = 0; i < CNT_COUNT; i++)
		to->v[i] += from->v[i];
	for (int i = 0; i < CLASSES; i++)
		to->classes[i] += from->classes[i];
}

// What it counted goes on in the total, by way of the others.
static void cell_end(struct history *h, size_t k)
{
	struct cell *c = h->v[k], *others = h->v[CELL_OTHERS];
	for (int i = 0; i < CNT_COUNT; i++)
		atomic_fetch_add(&others->v[i], atomic_load(&c->v[i]));
	for (int i = 0; i < CLASSES; i++)
		atomic_fetch_add(&others->classes[i], atomic_load(&c->classes[i]));
	counts_move(&others->fine_before, &c->fine_before);
	counts_move(&others->coarse_before, &c->coarse_before);
	h->v[k] = h->v[--h->n];
	slots_rebuild(h);
	h->retired[0].v[h->retired[0].n++] = c;
}

static void make_room(struct history *h)
{
	for (size_t k = CELL_FIRST; k < h->n; k++)
		if (h->v[k]->ends_us != 0 && has_room(&h->retired[0])) {
			cell_end(h, k);
			return;
		}
}

static void retired_free(struct history *h)
{
	for (size_t i = 0; i < h->retired[1].n; i++)
		free(h->retired[1].v[i]);
	h->retired[1] = h->retired[0];
	h->retired[0].n = 0;
}

static struct cell *cell_make(struct history *h, struct slice name)
{
	size_t slot = 0;
	pthread_mutex_lock(&h->lock);
	struct cell *c = cell_find(h, name, &slot);
	if (c == NULL && h->n == ARRAY_LEN(h->v))
		make_room(h);
	if (c == NULL && h->n < ARRAY_LEN(h->v)) {
		cell_find(h, name, &slot);
		c = cell_new(h, name);
		atomic_store_explicit(&atomic_load(&h->slots)->at[slot], c, memory_order_release);
	}
	pthread_mutex_unlock(&h->lock);
	return c != NULL ? c : h->v[CELL_OTHERS];
}

static struct cell *cell_for_count(struct history *h, struct slice name)
{
	size_t slot = 0;
	if (name.n == 0 || name.n >= CELL_NAME_MAX)
		return h->v[CELL_OTHERS];
	struct cell *c = cell_find(h, name, &slot);
	return LIKELY(c != NULL) ? c : cell_make(h, name);
}

static struct cell *cell_for_read(struct history *h, struct slice name)
{
	size_t slot = 0;
	return name.n == 0 ? h->v[CELL_TOTAL] : cell_find(h, name, &slot);
}

struct history *history_new(int64_t now_us)
{
	struct history *h = mem_zalloc(1, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	h->fine_end_us = h->coarse_end_us = now_us;
	atomic_init(&h->slots, mem_zalloc(1, sizeof(struct slots)));
	cell_new(h, SLICE("total"));
	cell_new(h, SLICE("others"));
	return h;
}

void history_free(struct history *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->n; i++)
		free(h->v[i]);
	for (int i = 0; i < 2; i++)
		retired_free(h);
	free(atomic_load(&h->slots));
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static void add(_Atomic uint64_t *v, uint64_t n)
{
	if (n > 0)
		atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

void history_count(struct history *h, struct slice feature, const struct history_request *q)
{
	struct cell *c = cell_for_count(h, feature);
	add(&c->v[CNT_REQUESTS], 1);
	add(&c->v[CNT_ERRORS], q->error);
	add(&c->v[CNT_BROKEN], q->broken);
	add(&c->v[CNT_FALLBACKS], q->fell_back);
	add(&c->v[CNT_TOKENS], q->tokens > 0 ? (uint64_t)q->tokens : 0);
	if (LIKELY(q->latency_us >= 0))
		atomic_fetch_add_explicit(&c->classes[class_of(q->latency_us)], 1,
			memory_order_relaxed);
}

// --- sampling ---

static void read_counts(struct cell *c, struct counts *ret)
{
	for (int i = 0; i < CNT_COUNT; i++)
		ret->v[i] = atomic_load_explicit(&c->v[i], memory_order_relaxed);
	for (int i = 0; i < CLASSES; i++)
		ret->classes[i] = atomic_load_explicit(&c->classes[i], memory_order_relaxed);
}

// The total is not counted by requests: it is the sum of the others, made when it is read.
static void read_total(struct history *h, struct counts *ret)
{
	*ret = (struct counts){0};
	for (size_t k = CELL_OTHERS; k < h->n; k++) {
		struct counts one;
		read_counts(h->v[k], &one);
		for (int i = 0; i < CNT_COUNT; i++)
			ret->v[i] += one.v[i];
		for (int i = 0; i < CLASSES; i++)
			ret->classes[i] += one.classes[i];
	}
}

static void step_close(struct point *p, struct counts *before, const struct counts *now,
	uint16_t *recent)
{
	for (int i = 0; i < CNT_COUNT; i++)
		p->v[i] = (uint32_t)MIN_OF(now->v[i] - before->v[i], (uint64_t)GAP - 1);
	uint64_t classes[CLASSES];
	for (int i = 0; i < CLASSES; i++) {
		classes[i] = now->classes[i] - before->classes[i];
		if (recent != NULL)
			recent[i] = (uint16_t)MIN_OF(classes[i], (uint64_t)UINT16_MAX);
	}
	p->p50_ms = (float)quantile_ms(classes, 0.50);
	p->p95_ms = (float)quantile_ms(classes, 0.95);
	*before = *now;
}

static void close_steps(struct history *h, bool fine, bool coarse)
{
	for (size_t k = 0; k < h->n; k++) {
		struct cell *c = h->v[k];
		struct counts now;
		if (k == CELL_TOTAL)
			read_total(h, &now);
		else
			read_counts(c, &now);
		if (fine)
			step_close(&c->fine[h->fine_n % HISTORY_FINE_N], &c->fine_before, &now,
				c->recent[h->fine_n % HIST_KEPT]);
		if (coarse)
			step_close(&c->coarse[h->coarse_n % HISTORY_COARSE_N], &c->coarse_before,
				&now, NULL);
	}
	h->fine_n += fine;
	h->coarse_n += coarse;
}

void history_sample(struct history *h, int64_t now_us)
{
	const int64_t fine_us = HISTORY_FINE_S * INT64_C(1000000);
	const int64_t coarse_us = HISTORY_COARSE_S * INT64_C(1000000);
	pthread_mutex_lock(&h->lock);
	if (now_us - h->fine_end_us >= fine_us)
		retired_free(h);
	// After a long sleep of the machine the missed steps are closed empty, a day of them at most.
	if (now_us - h->fine_end_us > HISTORY_COARSE_N * coarse_us)
		h->fine_end_us = h->coarse_end_us = now_us - fine_us;
	while (now_us - h->fine_end_us >= fine_us) {
		h->fine_end_us += fine_us;
		bool coarse = h->fine_end_us - h->coarse_end_us >= coarse_us;
		if (coarse)
			h->coarse_end_us = h->fine_end_us;
		close_steps(h, true, coarse);
	}
	pthread_mutex_unlock(&h->lock);
}

void history_close(struct history *h, int64_t now_us)
{
	history_sample(h, now_us);
	pthread_mutex_lock(&h->lock);
	if (now_us > h->fine_end_us) {
		h->fine_end_us = h->coarse_end_us = now_us;
		close_steps(h, true, true);
	}
	pthread_mutex_unlock(&h->lock);
}

static void rings_clear(struct cell *c)
{
	for (size_t i = 0; i < HISTORY_FINE_N; i++)
		c->fine[i] = (struct point){
			.v = {[CNT_REQUESTS] = GAP}, .p50_ms = NAN, .p95_ms = NAN};
	for (size_t i = 0; i < HISTORY_COARSE_N; i++)
		c->coarse[i] = (struct point){
			.v = {[CNT_REQUESTS] = GAP}, .p50_ms = NAN, .p95_ms = NAN};
	memset(c->recent, 0, sizeof(c->recent));
}

// In its place: what it counted in the open step stays in the total's, as that has not ended.
void history_forget(struct history *h, struct slice feature)
{
	size_t slot = 0;
	pthread_mutex_lock(&h->lock);
	struct cell *c = cell_find(h, feature, &slot);
	if (c != NULL) {
		read_counts(c, &c->fine_before);
		c->coarse_before = c->fine_before;
		c->ends_us = 0;
		rings_clear(c);
	}
	pthread_mutex_unlock(&h->lock);
}

void history_review(struct history *h, int64_t now_us, int64_t kept_us,
	bool (*alive)(void *arg, const char *label, const char *value), void *arg)
{
	pthread_mutex_lock(&h->lock);
	for (size_t k = CELL_FIRST; k < h->n;) {
		struct cell *c = h->v[k];
		if (alive(arg, "feature", c->name))
			c->ends_us = 0;
		else if (c->ends_us == 0)
			c->ends_us = now_us + kept_us;
		if (c->ends_us != 0 && c->ends_us <= now_us && has_room(&h->retired[0]))
			cell_end(h, k);
		else
			k++;
	}
	pthread_mutex_unlock(&h->lock);
}

static void on_timer(void *arg)
{
	struct history *h = arg;
	int64_t now_us = loop_now_us(h->loop);
	history_sample(h, now_us);
	int64_t wait_us = h->fine_end_us + HISTORY_FINE_S * INT64_C(1000000) - now_us;
	loop_timer_set(h->loop, &h->timer, MAX_OF(wait_us, 1000), on_timer, h);
}

void history_start(struct history *h, struct loop *l)
{
	h->loop = l;
	loop_timer_set(l, &h->timer, HISTORY_FINE_S * INT64_C(1000000), on_timer, h);
}

void history_stop(struct history *h, struct loop *l)
{
	loop_timer_clear(l, &h->timer);
}

// --- reading ---

static void add_recent(const struct cell *c, uint64_t step, uint64_t classes[CLASSES])
{
	for (int i = 0; i < CLASSES; i++)
		classes[i] += c->recent[step % HIST_KEPT][i];
}

static void sum_cell(struct history *h, struct cell *c, int64_t now_us, int seconds,
	struct history_sum *ret)
{
	struct counts now;
	if (c == h->v[CELL_TOTAL])
		read_total(h, &now);
	else
		read_counts(c, &now);
	uint64_t v[CNT_COUNT];
	for (int i = 0; i < CNT_COUNT; i++)
		v[i] = now.v[i] - c->fine_before.v[i];
	uint64_t classes[CLASSES];
	for (int i = 0; i < CLASSES; i++)
		classes[i] = now.classes[i] - c->fine_before.classes[i];
	uint64_t steps = (uint64_t)MIN_OF(seconds, HISTORY_WINDOW_MAX_S) / HISTORY_FINE_S;
	steps = MIN_OF(steps > 0 ? steps - 1 : 0, h->fine_n); // the open step is one of them
	uint64_t counted = steps;
	for (uint64_t i = 0; i < steps; i++) {
		uint64_t at = h->fine_n - 1 - i;
		if (is_gap(&c->fine[at % HISTORY_FINE_N])) {
			counted--;
			continue;
		}
		for (int k = 0; k < CNT_COUNT; k++)
			v[k] += c->fine[at % HISTORY_FINE_N].v[k];
		add_recent(c, at, classes);
	}
	*ret = (struct history_sum){
		.requests = v[CNT_REQUESTS],
		.errors = v[CNT_ERRORS],
		.broken = v[CNT_BROKEN],
		.fallbacks = v[CNT_FALLBACKS],
		.tokens = v[CNT_TOKENS],
		.seconds = (double)(now_us - h->fine_end_us) / 1e6 +
			(double)(counted * HISTORY_FINE_S),
		.p50_ms = quantile_ms(classes, 0.50),
		.p95_ms = quantile_ms(classes, 0.95),
	};
}

struct history_sum history_sum(struct history *h, struct slice feature, int64_t now_us, int seconds)
{
	struct history_sum ret = {.p50_ms = NAN, .p95_ms = NAN};
	struct cell *c = cell_for_read(h, feature);
	if (c == NULL)
		return ret;
	pthread_mutex_lock(&h->lock);
	sum_cell(h, c, now_us, seconds, &ret);
	pthread_mutex_unlock(&h->lock);
	return ret;
}

static float figure_of(const struct point *p, enum figure fig, double step_s)
{
	if (is_gap(p))
		return NAN;
	switch (fig) {
	case FIG_RATE:
		return (float)(p->v[CNT_REQUESTS] / step_s);
	case FIG_ERRORS:
		return p->v[CNT_REQUESTS] == 0
			? NAN
			: (float)p->v[CNT_ERRORS] / (float)p->v[CNT_REQUESTS];
	case FIG_TOKENS:
		return (float)(p->v[CNT_TOKENS] / step_s);
	case FIG_P50:
		return p->p50_ms;
	default:
		return p->p95_ms;
	}
}

size_t history_points(struct history *h, struct slice feature, enum figure fig, bool coarse,
	int64_t now_us, float *ret, size_t max, int64_t *ret_age_us)
{
	struct cell *c = cell_for_read(h, feature);
	*ret_age_us = 0;
	if (c == NULL)
		return 0;
	pthread_mutex_lock(&h->lock);
	uint64_t cap = coarse ? HISTORY_COARSE_N : HISTORY_FINE_N;
	uint64_t closed = coarse ? h->coarse_n : h->fine_n;
	size_t n = (size_t)MIN_OF(MIN_OF(closed, cap), (uint64_t)max);
	const struct point *ring = coarse ? c->coarse : c->fine;
	for (size_t i = 0; i < n; i++)
		ret[i] = figure_of(&ring[(closed - n + i) % cap], fig,
			coarse ? HISTORY_COARSE_S : HISTORY_FINE_S);
	*ret_age_us = now_us - (coarse ? h->coarse_end_us : h->fine_end_us);
	pthread_mutex_unlock(&h->lock);
	return n;
}

size_t history_features(struct history *h, const char **ret, size_t max)
{
	pthread_mutex_lock(&h->lock);
	size_t n = 0;
	for (size_t k = CELL_FIRST; k < h->n && n < max; k++)
		ret[n++] = h->v[k]->name;
	pthread_mutex_unlock(&h->lock);
	return n;
}

size_t history_memory(struct history *h)
{
	pthread_mutex_lock(&h->lock);
	size_t n = sizeof(*h) + h->n * sizeof(struct cell);
	pthread_mutex_unlock(&h->lock);
	return n;
}

size_t history_memory_max(void)
{
	return sizeof(struct history) + (HISTORY_FEATURES_MAX + 2) * sizeof(struct cell);
}

// --- keeping: chunks of closed steps, as bytes ---

#define MAGIC UINT32_C(0x796a6831) // in the host's order: a chunk of another order is not read

struct chunk_head {
	uint32_t magic;
	uint16_t points, cells;
};

static struct point *ring_of(struct cell *c, bool coarse)
{
	return coarse ? c->coarse : c->fine;
}

static size_t cap_of(bool coarse)
{
	return coarse ? HISTORY_COARSE_N : HISTORY_FINE_N;
}

static void pack_cell(struct history *h, size_t k, bool coarse, uint64_t from, uint64_t to,
	struct str *out)
{
	struct cell *c = h->v[k];
	size_t n = strlen(c->name);
	str_add_c(out, (char)MIN_OF(k, (size_t)CELL_FIRST)); // total, others or a feature
	str_add_c(out, (char)n);
	str_add_n(out, c->name, n);
	for (uint64_t i = from; i < to; i++)
		str_add_n(out, (const char *)&ring_of(c, coarse)[i % cap_of(coarse)],
			sizeof(struct point));
}

uint64_t history_pack(struct history *h, bool coarse, uint64_t from, int64_t now_us,
	struct str *out, int64_t *ret_age_us)
{
	pthread_mutex_lock(&h->lock);
	uint64_t to = coarse ? h->coarse_n : h->fine_n;
	from = MAX_OF(from, to > cap_of(coarse) ? to - cap_of(coarse) : 0);
	*ret_age_us = now_us - (coarse ? h->coarse_end_us : h->fine_end_us);
	if (from < to) {
		struct chunk_head head = {MAGIC, (uint16_t)(to - from), (uint16_t)h->n};
		str_add_n(out, (const char *)&head, sizeof(head));
		for (size_t k = 0; k < h->n; k++)
			pack_cell(h, k, coarse, from, to, out);
	}
	pthread_mutex_unlock(&h->lock);
	return to;
}

void history_restore_of(struct history *h, int64_t (*age_ms)(void *arg, struct slice feature),
	void *arg)
{
	h->age_ms = age_ms;
	h->age_arg = arg;
}

// While restoring, a step of age a stands at cap - 1 - a; history_restored moves the rings so that
// the oldest one comes first.
void history_restore_begin(struct history *h)
{
	for (size_t k = 0; k < h->n; k++) {
		set_gaps(h->v[k]->fine, HISTORY_FINE_N, NULL);
		set_gaps(h->v[k]->coarse, HISTORY_COARSE_N, NULL);
	}
}

// Two runs of the agent within one step are one step; the same one told twice is one too.
static void merge_point(struct point *to, const struct point *p)
{
	if (is_gap(to)) {
		*to = *p;
		return;
	}
	if (memcmp(to, p, sizeof(*p)) == 0)
		return;
	if (p->v[CNT_REQUESTS] > to->v[CNT_REQUESTS]) {
		to->p50_ms = p->p50_ms;
		to->p95_ms = p->p95_ms;
	}
	for (int i = 0; i < CNT_COUNT; i++)
		to->v[i] = (uint32_t)MIN_OF((uint64_t)to->v[i] + p->v[i], (uint64_t)GAP - 1);
}

// Steps that ended before_ms ago or earlier are another feature's.
static void unpack_points(struct history *h, struct cell *c, bool coarse, const char *bytes,
	size_t n, int64_t newest_age_ms, int64_t before_ms)
{
	const int64_t step_ms = (coarse ? HISTORY_COARSE_S : HISTORY_FINE_S) * 1000;
	uint64_t *filled = coarse ? &h->coarse_n : &h->fine_n;
	for (size_t i = 0; i < n; i++) {
		int64_t age_ms = newest_age_ms + (int64_t)(n - 1 - i) * step_ms,
			age = age_ms / step_ms;
		struct point p;
		memcpy(&p, bytes + i * sizeof(p), sizeof(p));
		if (age < 0 || age >= (int64_t)cap_of(coarse) || age_ms >= before_ms || is_gap(&p))
			continue;
		merge_point(&ring_of(c, coarse)[cap_of(coarse) - 1 - (size_t)age], &p);
		*filled = MAX_OF(*filled, (uint64_t)age + 1);
	}
}

bool history_unpack(struct history *h, bool coarse, struct slice chunk, int64_t newest_age_ms)
{
	struct chunk_head head;
	if (chunk.n < sizeof(head))
		return false;
	memcpy(&head, chunk.p, sizeof(head));
	size_t at = sizeof(head), points = head.points;
	if (head.magic != MAGIC || points > cap_of(coarse))
		return false;
	for (size_t k = 0; k < head.cells; k++) {
		if (chunk.n - at < 2)
			return false;
		unsigned kind = (unsigned char)chunk.p[at], n = (unsigned char)chunk.p[at + 1];
		at += 2;
		if (chunk.n - at < n + points * sizeof(struct point))
			return false;
		struct slice name = {chunk.p + at, n};
		int64_t before_ms = INT64_MAX;
		if (h->age_ms != NULL && kind >= CELL_FIRST)
			before_ms = h->age_ms(h->age_arg, name);
		at += n;
		if (before_ms > 0) // else of a feature that is gone
			unpack_points(h, kind < CELL_FIRST ? h->v[kind] : cell_for_count(h, name),
				coarse, chunk.p + at, points, newest_age_ms, before_ms);
		at += points * sizeof(struct point);
	}
	return true;
}

void history_restored(struct history *h)
{
	h->age_ms = NULL;
	for (int coarse = 0; coarse < 2; coarse++) {
		size_t n = (size_t)(coarse ? h->coarse_n : h->fine_n), cap = cap_of(coarse);
		for (size_t k = 0; k < h->n && n < cap; k++) {
			struct point *ring = ring_of(h->v[k], coarse);
			memmove(ring, ring + cap - n, n * sizeof(*ring));
			for (size_t i = n; i < cap; i++)
				ring[i] = (struct point){.p50_ms = NAN, .p95_ms = NAN};
		}
	}
}
