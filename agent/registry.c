// SPDX-License-Identifier: MIT
#include "agent/registry.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "shared/mem.h"

#define TABLE_SLOTS 4096 // a power of two, at least twice METRIC_SERIES_MAX
_Static_assert(TABLE_SLOTS >= 2 * METRIC_SERIES_MAX, "the table stays half empty");

struct metric_cell {
	const struct metric_row *row;
	struct metric_cell *next; // of the same metric, newest first
	uint32_t hash;
	size_t labels_n;
	char *labels[METRIC_LABELS_MAX]; // owned
	_Atomic bool gone; // forgotten; shown again when it is used again
	_Atomic double value; // counter, gauge; histogram: sum
	_Atomic uint64_t *buckets; // histogram: counts per bucket, not cumulated
	size_t buckets_n;
};

struct metrics {
	pthread_mutex_t lock; // of insertion alone
	_Atomic size_t series;
	_Atomic uint64_t dropped;
	struct metric_cell *_Atomic heads[MET_COUNT];
	struct metric_cell *_Atomic table[TABLE_SLOTS];
};

struct metrics *metrics_new(void)
{
	struct metrics *m = mem_zalloc(1, sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void cell_free(struct metric_cell *c)
{
	for (size_t i = 0; i < c->labels_n; i++)
		free(c->labels[i]);
	free((void *)c->buckets);
	free(c);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (int i = 0; i < MET_COUNT; i++)
		for (struct metric_cell *c = m->heads[i], *next; c; c = next) {
			next = c->next;
			cell_free(c);
		}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

// ---- series ----

static size_t labels_of(const struct metric_row *row)
{
	size_t n = 0;
	while (n < METRIC_LABELS_MAX && row->labels[n])
		n++;
	return n;
}

static const char *label_at(const char *const *labels, size_t i)
{
	return labels && labels[i] ? labels[i] : "";
}

static uint32_t hash_of(enum metric_id id, const char *const *labels, size_t n)
{
	uint32_t h = 2166136261u ^ (uint32_t)id;
	for (size_t i = 0; i < n; i++) {
		for (const char *p = label_at(labels, i); *p; p++)
			h = (h ^ (unsigned char)*p) * 16777619u;
		h = (h ^ 0xff) * 16777619u;
	}
	return h;
}

static bool cell_is(const struct metric_cell *c, enum metric_id id, uint32_t hash,
	const char *const *labels)
{
	if (c->hash != hash || c->row->id != id)
		return false;
	for (size_t i = 0; i < c->labels_n; i++)
		if (strcmp(c->labels[i], label_at(labels, i)) != 0)
			return false;
	return true;
}

// The series, or the free slot where it belongs in *ret_slot.
static struct metric_cell *find(struct metrics *m, enum metric_id id, uint32_t hash,
	const char *const *labels, size_t *ret_slot)
{
	for (size_t i = hash & (TABLE_SLOTS - 1);; i = (i + 1) & (TABLE_SLOTS - 1)) {
		struct metric_cell *c = atomic_load_explicit(&m->table[i], memory_order_acquire);
		if (!c) {
			*ret_slot = i;
			return NULL;
		}
		if (cell_is(c, id, hash, labels))
			return c;
	}
}

static struct metric_cell *cell_new(const struct metric_row *row, uint32_t hash,
	const char *const *labels)
{
	struct metric_cell *c = mem_zalloc(1, sizeof(*c));
	c->row = row;
	c->hash = hash;
	c->labels_n = labels_of(row);
	for (size_t i = 0; i < c->labels_n; i++)
		c->labels[i] = mem_strdup(label_at(labels, i));
	if (row->type == METRIC_HISTOGRAM) {
		while (isfinite(row->buckets[c->buckets_n]))
			c->buckets_n++;
		c->buckets_n++; // +Inf
		c->buckets = mem_zalloc(c->buckets_n, sizeof(c->buckets[0]));
	}
	return c;
}

static struct metric_cell *insert(struct metrics *m, enum metric_id id, uint32_t hash,
	const char *const *labels)
{
	size_t slot;
	pthread_mutex_lock(&m->lock);
	struct metric_cell *c = find(m, id, hash, labels, &slot);
	if (!c && m->series < METRIC_SERIES_MAX) {
		c = cell_new(metric_row(id), hash, labels);
		c->next = m->heads[id];
		atomic_store_explicit(&m->heads[id], c, memory_order_release);
		atomic_store_explicit(&m->table[slot], c, memory_order_release);
		m->series++;
	}
	pthread_mutex_unlock(&m->lock);
	if (!c)
		m->dropped++;
	return c;
}

struct metric_cell *metric_cell(struct metrics *m, enum metric_id id, const char *const *labels)
{
	size_t slot;
	uint32_t hash = hash_of(id, labels, labels_of(metric_row(id)));
	struct metric_cell *c = find(m, id, hash, labels, &slot);
	if (!c)
		return insert(m, id, hash, labels);
	if (c->gone)
		c->gone = false;
	return c;
}

// ---- values ----

static void add(_Atomic double *at, double v)
{
	double was = atomic_load_explicit(at, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(at, &was, was + v, memory_order_relaxed,
		memory_order_relaxed))
		;
}

void metric_cell_add(struct metric_cell *c, double v)
{
	if (c)
		add(&c->value, v);
}

void metric_cell_observe(struct metric_cell *c, double v)
{
	size_t i = 0;
	if (!c)
		return;
	while (i + 1 < c->buckets_n && v > c->row->buckets[i])
		i++;
	atomic_fetch_add_explicit(&c->buckets[i], 1, memory_order_relaxed);
	add(&c->value, v);
}

void metric_add(struct metrics *m, enum metric_id id, double v, const char *const *labels)
{
	metric_cell_add(metric_cell(m, id, labels), v);
}

void metric_set(struct metrics *m, enum metric_id id, double v, const char *const *labels)
{
	struct metric_cell *c = metric_cell(m, id, labels);
	if (c)
		atomic_store_explicit(&c->value, v, memory_order_relaxed);
}

void metric_observe(struct metrics *m, enum metric_id id, double v, const char *const *labels)
{
	metric_cell_observe(metric_cell(m, id, labels), v);
}

void metric_forget(struct metrics *m, enum metric_id id, const char *const *labels)
{
	size_t slot;
	uint32_t hash = hash_of(id, labels, labels_of(metric_row(id)));
	struct metric_cell *c = find(m, id, hash, labels, &slot);
	if (!c)
		return;
	c->gone = true;
	c->value = 0;
}

// ---- exposition ----

static void add_number(struct str *out, double v)
{
	if (isfinite(v) && v == floor(v) && fabs(v) < 1e15)
		str_add_i64(out, (int64_t)v);
	else
		str_addf(out, "%.9g", v);
}

static void add_labels(struct str *out, const struct metric_cell *c, const char *le)
{
	if (!c->labels_n && !le)
		return;
	str_add_c(out, '{');
	for (size_t i = 0; i < c->labels_n; i++) {
		str_addf(out, "%s%s=\"", i ? "," : "", c->row->labels[i]);
		for (const char *p = c->labels[i]; *p; p++) {
			if (*p == '"' || *p == '\\')
				str_add_c(out, '\\');
			if (*p == '\n')
				str_add(out, "\\n");
			else
				str_add_c(out, *p);
		}
		str_add_c(out, '"');
	}
	if (le)
		str_addf(out, "%sle=\"%s\"", c->labels_n ? "," : "", le);
	str_add_c(out, '}');
}

static void add_line(struct str *out, const struct metric_cell *c, const char *suffix,
	const char *le, double v)
{
	str_add(out, c->row->name);
	str_add(out, suffix);
	add_labels(out, c, le);
	str_add_c(out, ' ');
	add_number(out, v);
	str_add_c(out, '\n');
}

static void add_histogram(struct str *out, const struct metric_cell *c)
{
	uint64_t count = 0;
	char le[32];
	for (size_t i = 0; i < c->buckets_n; i++) {
		struct str text = STR_INIT;
		count += c->buckets[i];
		add_number(&text, c->row->buckets[i]);
		size_t n = MIN_OF(text.n, sizeof(le) - 1);
		memcpy(le, str_text(&text), n);
		le[n] = '\0';
		add_line(out, c, "_bucket", i + 1 < c->buckets_n ? le : "+Inf", (double)count);
		str_release(&text);
	}
	add_line(out, c, "_sum", NULL, c->value);
	add_line(out, c, "_count", NULL, (double)count);
}

static void add_metric(struct metrics *m, enum metric_id id, const char *service, struct str *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const struct metric_row *row = metric_row(id);
	bool headed = false;
	for (struct metric_cell *c = m->heads[id]; c; c = c->next) {
		if (c->gone || (row->service == SVC_ALL && strcmp(c->labels[0], service) != 0))
			continue;
		if (!headed)
			str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
				row->name, types[row->type]);
		headed = true;
		if (row->type == METRIC_HISTOGRAM)
			add_histogram(out, c);
		else
			add_line(out, c, "", NULL, c->value);
	}
}

void metrics_write(struct metrics *m, enum service_id service, struct str *out)
{
	metric_set(m, MET_SERIES_DROPPED, (double)m->dropped, NULL);
	for (int i = 0; i < MET_COUNT; i++) {
		enum service_id owner = metric_row((enum metric_id)i)->service;
		if (owner == SVC_ALL || owner == service)
			add_metric(m, (enum metric_id)i, service_row(service)->name, out);
	}
}
