// SPDX-License-Identifier: MIT
// Series live in one table under a lock; hot paths hold their cell and add to it with one atomic.
// What has no room is counted, what is gone is shown for a while so that its last value is scraped.
#include "agent/core/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "shared/log.h"
#include "shared/mem.h"

#define BUCKETS 8192 // chains of about one at METRIC_SERIES_MAX
#define REFUSED_MAX 1024 // series without a place that are told apart

struct metric_cell {
	const struct metric_row *row;
	struct metric_cell *next, **at; // of the same metric, newest first; or of those nobody sees
	struct metric_cell *chain; // of the bucket
	uint32_t hash;
	uint32_t refs; // the table's and the holders'
	size_t labels_n;
	char *labels[METRIC_LABELS_MAX]; // owned
	uint64_t round; // when a gauge was set last, see metric_round
	int64_t ends_us; // its object is gone: shown until then; 0: it is there
	_Atomic bool gone; // no longer in the table
	_Atomic double value; // counter, gauge; histogram: sum
	_Atomic uint64_t *buckets; // histogram: counts per bucket, not cumulated
	size_t buckets_n;
};

struct metrics {
	pthread_mutex_t lock; // of everything but the values of cells that are held
	size_t series, ending; // ending: with ends_us
	uint64_t dropped;
	bool said; // in the log
	struct metric_cell *heads[MET_COUNT], *unseen;
	struct metric_cell *buckets[BUCKETS];
	uint64_t round[MET_COUNT];
	uint64_t missing[MET_COUNT]; // objects without a series, as the last round said
	struct {
		enum metric_id id;
		uint32_t hash;
	} refused[REFUSED_MAX];
	size_t refused_n;
};

struct metrics *metrics_new(void)
{
	struct metrics *m = mem_zalloc(1, sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
	metric_set(m, MET_SERIES_DROPPED, 0, NULL); // has its place before there is none
	return m;
}

static void cell_free(struct metric_cell *c)
{
	for (size_t i = 0; i < c->labels_n; i++)
		free(c->labels[i]);
	free((void *)c->buckets);
	free(c);
}

static void free_all(struct metric_cell *c)
{
	for (struct metric_cell *next; c != NULL; c = next) {
		next = c->next;
		cell_free(c);
	}
}

void metrics_free(struct metrics *m)
{
	if (m == NULL)
		return;
	for (int i = 0; i < MET_COUNT; i++)
		free_all(m->heads[i]);
	free_all(m->unseen);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

// ---- series ----

static size_t labels_of(const struct metric_row *row)
{
	size_t n = 0;
	while (n < METRIC_LABELS_MAX && row->labels[n] != NULL)
		n++;
	return n;
}

static const char *label_at(const char *const *labels, size_t i)
{
	return labels != NULL && labels[i] != NULL ? labels[i] : "";
}

static uint32_t hash_of(enum metric_id id, const char *const *labels, size_t n)
{
	uint64_t h = SLICE_HASH_BEGIN ^ (uint64_t)id;
	for (size_t i = 0; i < n; i++)
		h = (slice_hash(h, slice_of(label_at(labels, i))) ^ 0xff) * SLICE_HASH_PRIME;
	return (uint32_t)(h ^ h >> 32);
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

static struct metric_cell *find(struct metrics *m, enum metric_id id, uint32_t hash,
	const char *const *labels)
{
	struct metric_cell *c = m->buckets[hash % BUCKETS];
	while (c != NULL && !cell_is(c, id, hash, labels))
		c = c->chain;
	return c;
}

static struct metric_cell *cell_new(const struct metric_row *row, uint32_t hash,
	const char *const *labels)
{
	struct metric_cell *c = mem_zalloc(1, sizeof(*c));
	c->row = row;
	c->hash = hash;
	c->refs = 1;
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

static void link_to(struct metric_cell **head, struct metric_cell *c)
{
	c->next = *head;
	c->at = head;
	if (c->next != NULL)
		c->next->at = &c->next;
	*head = c;
}

static void unlink_it(struct metric_cell *c)
{
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
}

static void let_go(struct metric_cell *c)
{
	if (--c->refs)
		return;
	unlink_it(c);
	cell_free(c);
}

// Out of the table, its place is free. Who holds it goes on counting where nobody looks.
static void remove_cell(struct metrics *m, struct metric_cell *c)
{
	struct metric_cell **at = &m->buckets[c->hash % BUCKETS];
	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	unlink_it(c);
	link_to(&m->unseen, c);
	atomic_store_explicit(&c->gone, true, memory_order_relaxed);
	m->series--;
	m->ending -= c->ends_us != 0;
	let_go(c);
}

typedef bool cell_match(const struct metric_cell *c, void *arg);

static void remove_where(struct metrics *m, cell_match *match, void *arg)
{
	for (int i = 0; i < MET_COUNT; i++)
		for (struct metric_cell *c = m->heads[i], *next; c != NULL; c = next) {
			next = c->next;
			if (match(c, arg))
				remove_cell(m, c);
		}
}

static bool is_ending(const struct metric_cell *c, void *arg)
{
	const int64_t *now_us = arg;
	return c->ends_us != 0 && c->ends_us <= *now_us;
}

static void say_once(struct metrics *m, enum metric_id id)
{
	if (m->said)
		return;
	m->said = true;
	log_line(LOG_LVL_WARN, "metric_series_dropped", "metric", metric_row(id)->name, "detail",
		"more objects than series are kept for: see yijian_metrics_series_dropped", NULL);
}

// Under the lock. NULL when there is no room for one more; those of gone objects make some.
static struct metric_cell *cell_of(struct metrics *m, enum metric_id id, const char *const *labels)
{
	uint32_t hash = hash_of(id, labels, labels_of(metric_row(id)));
	struct metric_cell *c = find(m, id, hash, labels);
	int64_t ever = INT64_MAX;
	if (LIKELY(c != NULL))
		return c;
	if (UNLIKELY(m->series >= METRIC_SERIES_MAX && m->ending > 0))
		remove_where(m, is_ending, &ever);
	if (UNLIKELY(m->series >= METRIC_SERIES_MAX)) {
		size_t i = 0;
		while (i < m->refused_n && (m->refused[i].id != id || m->refused[i].hash != hash))
			i++;
		if (i == m->refused_n && i < REFUSED_MAX) {
			m->refused[i].id = id;
			m->refused[i].hash = hash;
			m->refused_n++;
		}
		m->dropped++;
		say_once(m, id);
		return NULL;
	}
	c = cell_new(metric_row(id), hash, labels);
	link_to(&m->heads[id], c);
	c->chain = m->buckets[hash % BUCKETS];
	m->buckets[hash % BUCKETS] = c;
	m->series++;
	for (size_t i = 0; i < m->refused_n; i++)
		if (m->refused[i].id == id && m->refused[i].hash == hash)
			m->refused[i] = m->refused[--m->refused_n];
	return c;
}

struct metric_cell *metric_cell(struct metrics *m, enum metric_id id, const char *const *labels)
{
	pthread_mutex_lock(&m->lock);
	struct metric_cell *c = cell_of(m, id, labels);
	if (c != NULL)
		c->refs++;
	pthread_mutex_unlock(&m->lock);
	return c;
}

void metric_cell_drop(struct metrics *m, struct metric_cell *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&m->lock);
	let_go(c);
	pthread_mutex_unlock(&m->lock);
}

bool metric_cell_gone(const struct metric_cell *c)
{
	return c != NULL && atomic_load_explicit(&c->gone, memory_order_relaxed);
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
	if (c != NULL)
		add(&c->value, v);
}

void metric_cell_observe(struct metric_cell *c, double v)
{
	size_t i = 0;
	if (c == NULL)
		return;
	while (i + 1 < c->buckets_n && v > c->row->buckets[i])
		i++;
	atomic_fetch_add_explicit(&c->buckets[i], 1, memory_order_relaxed);
	add(&c->value, v);
}

void metric_add(struct metrics *m, enum metric_id id, double v, const char *const *labels)
{
	pthread_mutex_lock(&m->lock);
	metric_cell_add(cell_of(m, id, labels), v);
	pthread_mutex_unlock(&m->lock);
}

void metric_set(struct metrics *m, enum metric_id id, double v, const char *const *labels)
{
	pthread_mutex_lock(&m->lock);
	struct metric_cell *c = cell_of(m, id, labels);
	if (c != NULL) {
		c->round = m->round[id];
		atomic_store_explicit(&c->value, v, memory_order_relaxed);
	}
	pthread_mutex_unlock(&m->lock);
}

void metric_observe(struct metrics *m, enum metric_id id, double v, const char *const *labels)
{
	pthread_mutex_lock(&m->lock);
	metric_cell_observe(cell_of(m, id, labels), v);
	pthread_mutex_unlock(&m->lock);
}

// ---- series end ----

void metric_forget(struct metrics *m, enum metric_id id, const char *const *labels)
{
	pthread_mutex_lock(&m->lock);
	struct metric_cell *c = find(m, id, hash_of(id, labels, labels_of(metric_row(id))), labels);
	if (c != NULL)
		remove_cell(m, c);
	pthread_mutex_unlock(&m->lock);
}

void metric_round(struct metrics *m, enum metric_id id)
{
	pthread_mutex_lock(&m->lock);
	m->round[id]++;
	pthread_mutex_unlock(&m->lock);
}

void metric_round_end(struct metrics *m, enum metric_id id, size_t missing)
{
	pthread_mutex_lock(&m->lock);
	for (struct metric_cell *c = m->heads[id], *next; c != NULL; c = next) {
		next = c->next;
		if (c->round != m->round[id])
			remove_cell(m, c);
	}
	m->missing[id] = missing;
	if (missing > 0)
		say_once(m, id);
	pthread_mutex_unlock(&m->lock);
}

struct named {
	const char *label, *value;
};

static bool is_named(const struct metric_cell *c, void *arg)
{
	const struct named *n = arg;
	for (size_t i = 0; i < c->labels_n; i++)
		if (strcmp(c->row->labels[i], n->label) == 0 && strcmp(c->labels[i], n->value) == 0)
			return true;
	return false;
}

void metrics_forget_named(struct metrics *m, const char *label, const char *value)
{
	struct named n = {label, value};
	pthread_mutex_lock(&m->lock);
	remove_where(m, is_named, &n);
	pthread_mutex_unlock(&m->lock);
}

static void set_end(struct metrics *m, struct metric_cell *c, int64_t ends_us)
{
	m->ending += (ends_us != 0) - (c->ends_us != 0);
	c->ends_us = ends_us;
}

void metrics_end_named(struct metrics *m, const char *label, const char *value, int64_t now_us)
{
	struct named n = {label, value};
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < MET_COUNT; i++)
		for (struct metric_cell *c = m->heads[i]; c != NULL; c = c->next)
			if (c->ends_us == 0 && is_named(c, &n))
				set_end(m, c, now_us + METRIC_KEPT_US);
	pthread_mutex_unlock(&m->lock);
}

static void review(struct metrics *m, struct metric_cell *c, int64_t now_us, metric_alive_fn *alive,
	void *arg)
{
	bool all = true;
	for (size_t i = 0; i < c->labels_n; i++)
		all = all && alive(arg, c->row->labels[i], c->labels[i]);
	if (all)
		set_end(m, c, 0);
	else if (c->ends_us == 0)
		set_end(m, c, now_us + METRIC_KEPT_US);
}

void metrics_review(struct metrics *m, int64_t now_us, metric_alive_fn *alive, void *arg)
{
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < MET_COUNT; i++) {
		if (metric_row((enum metric_id)i)->type == METRIC_GAUGE)
			continue; // they end with their round
		for (struct metric_cell *c = m->heads[i]; c != NULL; c = c->next)
			review(m, c, now_us, alive, arg);
	}
	remove_where(m, is_ending, &now_us);
	pthread_mutex_unlock(&m->lock);
}

static uint64_t missing_of(const struct metrics *m, enum metric_id id)
{
	uint64_t n = m->missing[id];
	for (size_t i = 0; i < m->refused_n; i++)
		n += m->refused[i].id == id && m->missing[id] == 0;
	return n;
}

struct metrics_room metrics_room(struct metrics *m)
{
	pthread_mutex_lock(&m->lock);
	struct metrics_room room = {.series = m->series};
	for (int i = 0; i < MET_COUNT; i++)
		room.missing += missing_of(m, (enum metric_id)i);
	pthread_mutex_unlock(&m->lock);
	return room;
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
	if (!c->labels_n && le == NULL)
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
	if (le != NULL)
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

static void add_metric(struct metrics *m, enum metric_id id, const char *service, struct str *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const struct metric_row *row = metric_row(id);
	bool headed = false;
	for (struct metric_cell *c = m->heads[id]; c != NULL; c = c->next) {
		if (row->service == SVC_ALL && strcmp(c->labels[0], service) != 0)
			continue;
		if (!headed)
			str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
				row->name, types[row->type]);
		headed = true;
		if (row->type == METRIC_HISTOGRAM) {
			uint64_t count = 0;
			char le[32];
			for (size_t i = 0; i < c->buckets_n; i++) {
				struct str text = STR_INIT;
				count += c->buckets[i];
				add_number(&text, c->row->buckets[i]);
				size_t n = MIN_OF(text.n, sizeof(le) - 1);
				memcpy(le, str_text(&text), n);
				le[n] = '\0';
				add_line(out, c, "_bucket", i + 1 < c->buckets_n ? le : "+Inf",
					(double)count);
				str_release(&text);
			}
			add_line(out, c, "_sum", NULL, c->value);
			add_line(out, c, "_count", NULL, (double)count);
		} else {
			add_line(out, c, "", NULL, c->value);
		}
	}
}

void metrics_write(struct metrics *m, enum service_id service, struct str *out)
{
	metric_set(m, MET_SERIES_DROPPED, (double)m->dropped, NULL);
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < MET_COUNT; i++) {
		enum service_id owner = metric_row((enum metric_id)i)->service;
		if (owner == SVC_ALL || owner == service)
			add_metric(m, (enum metric_id)i, service_row(service)->name, out);
	}
	if (metric_row(MET_SERIES_MISSING)->service == service) {
		// What has no series, a series for each metric concerned. Under the lock.
		const struct metric_row *row = metric_row(MET_SERIES_MISSING);
		bool headed = false;
		for (int i = 0; i < MET_COUNT; i++) {
			uint64_t n = missing_of(m, (enum metric_id)i);
			if (n == 0)
				continue;
			if (!headed)
				str_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", row->name,
					row->help, row->name);
			headed = true;
			str_addf(out, "%s{metric=\"%s\"} %llu\n", row->name,
				metric_row((enum metric_id)i)->name, (unsigned long long)n);
		}
	}
	pthread_mutex_unlock(&m->lock);
}
