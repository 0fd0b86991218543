// SPDX-License-Identifier: MIT
// Attempts add to the table of their own thread; a timer collects those into one, which goes to the
// store in numbered batches that may be written again but never count twice.
#include "agent/record/ledger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "agent/core/metrics.h"
#include "agent/store/usage.h"
#include "shared/arena.h"
#include "shared/clock.h"
#include "shared/jscan.h"
#include "shared/jw.h"
#include "shared/log.h"
#include "shared/map.h"
#include "shared/mem.h"
#include "shared/vec.h"

#define SHARDS 16 // a power of two; threads share when there are more
#define HOUR_MIN 60
#define DAY_S 86400
#define BATCHES_MAX 256 // written, not yet confirmed; together at most LEDGER_ROWS_MAX rows

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct usage_table rows;
	uint64_t unpriced; // not yet in the signal
};

struct batch { // never changed once made: it may have to be written again
	struct batch *next;
	uint64_t n;
	struct usage_table rows;
};

struct ledger {
	struct shard shards[SHARDS];
	struct metrics *metrics;
	pthread_mutex_t lock; // over what follows
	struct usage_table open; // collected, in no batch yet
	struct usage_table hour; // rows told apart in this hour, without sums
	int64_t hour_at; // in minutes
	struct map labels; // "feature target" shown by metrics
	int64_t day_s;
	struct ledger_day day;
	struct ledger_signal signal;
	// the store thread alone
	struct batch *first, **last;
	size_t batches, batch_rows;
	uint64_t boot, n;
	_Atomic uint64_t confirmed; // newest batch known to be committed
	_Atomic size_t in_doubt; // rows of batches that are not
	// the loop alone
	struct store *store;
	struct loop *loop;
	struct loop_timer timer;
	struct store_job job, last_job;
	uint64_t job_n;
	bool busy;
};

static int64_t day_of(int64_t wall_s)
{
	return wall_s - wall_s % DAY_S;
}

struct ledger *ledger_new(struct metrics *m)
{
	struct ledger *l = aligned_alloc(64, sizeof(*l));
	if (l == NULL)
		abort();
	memset(l, 0, sizeof(*l));
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&l->shards[i].lock, NULL);
		l->shards[i].rows = usage_table(LEDGER_SHARD_ROWS_MAX);
	}
	pthread_mutex_init(&l->lock, NULL);
	l->metrics = m;
	l->open = usage_table(LEDGER_ROWS_MAX);
	l->hour = usage_table(2 * LEDGER_HOUR_MAX);
	l->last = &l->first;
	l->day_s = day_of(clock_wall_ms() / 1000);
	if (getrandom(&l->boot, sizeof(l->boot), 0) != (ssize_t)sizeof(l->boot))
		l->boot = (uint64_t)clock_mono_us();
	return l;
}

static void batch_free(struct batch *b)
{
	usage_table_release(&b->rows);
	free(b);
}

void ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		usage_table_release(&l->shards[i].rows);
		pthread_mutex_destroy(&l->shards[i].lock);
	}
	for (struct batch *b = l->first, *next; b != NULL; b = next) {
		next = b->next;
		batch_free(b);
	}
	usage_table_release(&l->open);
	usage_table_release(&l->hour);
	map_release(&l->labels);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

// ---- adding ----

static struct shard *my_shard(struct ledger *l)
{
	static _Atomic unsigned threads;
	static _Thread_local unsigned mine; // plus one
	if (UNLIKELY(mine == 0))
		mine = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % SHARDS + 1;
	return &l->shards[mine - 1];
}

static int64_t sane(int64_t n)
{
	return n > 0 ? MIN_OF(n, LEDGER_QUANTITY_MAX) : 0;
}

static struct usage_sum sum_of(const struct ledger_entry *e)
{
	const struct price_usage *u = &e->usage;
	bool unknown = u->in < 0 && u->out < 0 && u->images < 0 && u->chars < 0 && u->audio_ms < 0;
	struct usage_sum s = {.requests = e->first,
		.attempts = 1,
		.failures = e->failed,
		.streamed = e->streamed,
		.interrupted = e->interrupted,
		.usage_unknown = e->used && unknown,
		.tokens_in = sane(u->in),
		.tokens_out = sane(u->out),
		.tokens_cached = sane(u->cached),
		.tokens_reasoning = sane(u->reasoning),
		.images = sane(u->images),
		.chars = sane(u->chars),
		.audio_ms = sane(u->audio_ms)};
	if (e->used) {
		s.cost_n[e->cost.source] = 1;
		s.pico[e->cost.source] = e->cost.pico;
		s.cost_zero = e->paid && e->cost.source != COST_UNKNOWN && e->cost.pico == 0;
	}
	return s;
}

void ledger_add(struct ledger *l, const struct ledger_entry *e)
{
	struct usage_key key = {.minute = e->wall_ms / 60000,
		.by = {[USAGE_FEATURE] = e->feature,
			[USAGE_TARGET] = e->target,
			[USAGE_CLIENT] = e->client != NULL ? e->client->text : NULL,
			[USAGE_KEY] = e->key,
			[USAGE_MODEL] = e->model},
		.currency = e->used ? e->cost.currency : ""};
	struct usage_sum s = sum_of(e);
	// What was used is known, what it costs is not: a price is missing. Nobody bills one's own servers.
	bool unpriced = e->used && e->cost.source == COST_UNKNOWN &&
		e->usage.source != COST_UNKNOWN && e->target != NULL &&
		strncmp(e->target, "self/", 5) != 0;
	struct shard *shard = my_shard(l);
	pthread_mutex_lock(&shard->lock);
	usage_sum_add(&usage_table_at(&shard->rows, &key)->sum, &s);
	shard->unpriced += unpriced;
	pthread_mutex_unlock(&shard->lock);
}

// ---- collecting ----

static void count(struct ledger *l, enum metric_id id, int64_t n, const char *const *labels)
{
	if (n > 0)
		metric_add(l->metrics, id, (double)n, labels);
}

// A stranger's model names must not make series without end.
static void bound_labels(struct ledger *l, const char **feature, const char **target)
{
	char both[2 * USAGE_TEXT_MAX + 2];
	int n = snprintf(both, sizeof(both), "%s %s", *feature, *target);
	struct slice key = {both, MIN_OF((size_t)n, sizeof(both) - 1)};
	if (map_get(&l->labels, key) != NULL)
		return;
	if (l->labels.n < LEDGER_LABELS_MAX)
		map_put(&l->labels, key, l);
	else
		*feature = *target = USAGE_OTHER;
}

void ledger_forget(struct ledger *l, const char *feature)
{
	VEC_OF(char *) gone = {0};
	size_t it = 0, n = strlen(feature);
	pthread_mutex_lock(&l->lock);
	void *value;
	struct slice key;
	while (map_next(&l->labels, &it, &key, &value))
		if (key.n > n && memcmp(key.p, feature, n) == 0 && key.p[n] == ' ')
			VEC_PUSH(&gone, mem_strndup(key.p, key.n));
	for (size_t i = 0; i < gone.n; i++) {
		map_del(&l->labels, slice_of(gone.v[i]));
		free(gone.v[i]);
	}
	pthread_mutex_unlock(&l->lock);
	VEC_RELEASE(&gone);
}

static double units(const struct usage_sum *s)
{
	double pico = 0;
	for (int i = 0; i < COST_SOURCES; i++)
		pico += (double)s->pico[i];
	return pico / 1e12;
}

static void tell_metrics(struct ledger *l, const struct usage_row *r)
{
	const struct usage_sum *s = &r->sum;
	const char *feature = r->key.by[USAGE_FEATURE], *target = r->key.by[USAGE_TARGET];
	bound_labels(l, &feature, &target);
	const struct {
		const char *kind;
		int64_t n;
	} tokens[] = {{"in", s->tokens_in}, {"out", s->tokens_out}, {"cached", s->tokens_cached},
		{"reasoning", s->tokens_reasoning}};
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		const char *const labels[] = {feature, target, tokens[i].kind, NULL};
		count(l, MET_USAGE_TOKENS, tokens[i].n, labels);
	}
	const char *const labels[] = {feature, target, NULL};
	const char *const money[] = {feature, target, r->key.currency, NULL};
	count(l, MET_USAGE_UNKNOWN, s->usage_unknown, labels);
	count(l, MET_COST_ZERO, s->cost_zero, labels);
	count(l, MET_COST_UNKNOWN, s->cost_n[COST_UNKNOWN], labels);
	if (units(s) > 0)
		metric_add(l->metrics, MET_COST, units(s), money);
}

static struct money money_of(const struct usage_key *key, const struct usage_sum *s)
{
	struct money m = {0, "", COST_UNKNOWN};
	for (int i = COST_SOURCES - 1; i > COST_UNKNOWN; i--) {
		struct money one = {s->pico[i], "", (enum cost_source)i};
		snprintf(one.currency, sizeof(one.currency), "%s", key->currency);
		if (s->cost_n[i] > 0)
			money_add(&m, &one);
	}
	return m;
}

static void add_money(struct ledger_day *d, const struct money *m)
{
	if (m->source == COST_UNKNOWN)
		return;
	for (size_t i = 0; i < d->currencies; i++) {
		if (money_add(&d->cost[i], m))
			return;
	}
	if (d->currencies < LEDGER_CURRENCIES_MAX)
		d->cost[d->currencies++] = *m;
}

static void add_day(void *arg, const struct usage_key *key, const struct usage_sum *s)
{
	struct ledger_day *d = arg;
	struct money m = money_of(key, s);
	d->requests = sat_add(d->requests, s->requests);
	d->attempts = sat_add(d->attempts, s->attempts);
	d->failures = sat_add(d->failures, s->failures);
	d->tokens_in = sat_add(d->tokens_in, s->tokens_in);
	d->tokens_out = sat_add(d->tokens_out, s->tokens_out);
	d->images = sat_add(d->images, s->images);
	d->cost_unknown = sat_add(d->cost_unknown, s->cost_n[COST_UNKNOWN]);
	add_money(d, &m);
}

// The key under which a row goes on: its own, or that of all others when the hour has enough.
static struct usage_key bound_key(struct ledger *l, const struct usage_row *r)
{
	struct usage_key key = r->key, hour = r->key;
	hour.minute -= hour.minute % HOUR_MIN;
	if (hour.minute > l->hour_at) {
		l->hour_at = hour.minute;
		usage_table_release(&l->hour);
	}
	hour.minute = 0;
	if (l->hour.n < LEDGER_HOUR_MAX) {
		usage_table_at(&l->hour, &hour);
	} else if (usage_table_find(&l->hour, &hour) == NULL) {
		for (int i = 0; i < USAGE_BYS; i++)
			key.by[i] = USAGE_OTHER;
	}
	return key;
}

static void take_row(struct ledger *l, const struct usage_row *r)
{
	struct usage_key key = bound_key(l, r);
	usage_sum_add(&usage_table_at(&l->open, &key)->sum, &r->sum);
	tell_metrics(l, r);
	if (r->sum.cost_zero > 0) {
		struct ledger_signal *g = &l->signal;
		g->cost_zero += (uint64_t)r->sum.cost_zero;
		snprintf(g->zero_target, sizeof(g->zero_target), "%s", r->key.by[USAGE_TARGET]);
	}
	if (day_of(r->key.minute * 60) == l->day_s)
		add_day(&l->day, &r->key, &r->sum);
}

static void collect(struct ledger *l)
{
	int64_t today_s = day_of(clock_wall_ms() / 1000);
	if (today_s != l->day_s) {
		l->day_s = today_s;
		l->day = (struct ledger_day){0};
	}
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &l->shards[i];
		size_t it = 0;
		pthread_mutex_lock(&shard->lock);
		struct usage_table rows = shard->rows;
		shard->rows = usage_table(LEDGER_SHARD_ROWS_MAX);
		l->signal.unpriced += shard->unpriced;
		shard->unpriced = 0;
		pthread_mutex_unlock(&shard->lock);
		struct usage_row *r;
		while ((r = usage_table_next(&rows, &it)) != NULL)
			take_row(l, r);
		l->open.overflow += rows.overflow;
		usage_table_release(&rows);
	}
	metric_set(l->metrics, MET_LEDGER_ROWS, (double)(l->open.n + atomic_load(&l->in_doubt)),
		NULL);
	metric_set(l->metrics, MET_LEDGER_OVERFLOW, (double)l->open.overflow, NULL);
}

void ledger_collect(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	collect(l);
	pthread_mutex_unlock(&l->lock);
}

struct ledger_day ledger_today(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	collect(l);
	struct ledger_day d = l->day;
	pthread_mutex_unlock(&l->lock);
	return d;
}

struct ledger_signal ledger_signal(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	struct ledger_signal s = l->signal;
	pthread_mutex_unlock(&l->lock);
	return s;
}

size_t ledger_waiting(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	size_t n = l->open.n + atomic_load(&l->in_doubt);
	pthread_mutex_unlock(&l->lock);
	return n;
}

// ---- writing, on the store thread ----

// Everything collected becomes one more batch; false when there is nothing.
static bool freeze(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	collect(l);
	struct usage_table rows = l->open;
	bool some = rows.n > 0;
	if (some) {
		l->open = usage_table(LEDGER_ROWS_MAX);
		l->open.overflow = rows.overflow;
		atomic_fetch_add(&l->in_doubt, rows.n);
	}
	pthread_mutex_unlock(&l->lock);
	if (!some)
		return false;
	struct batch *b = mem_zalloc(1, sizeof(*b));
	b->n = ++l->n;
	b->rows = rows;
	*l->last = b;
	l->last = &b->next;
	l->batches++;
	l->batch_rows += b->rows.n;
	return true;
}

enum err_code ledger_write(struct ledger *l, struct store_tx *tx, struct err *err)
{
	uint64_t confirmed = atomic_load(&l->confirmed);
	while (l->first != NULL && l->first->n <= confirmed) {
		struct batch *b = l->first;
		l->first = b->next;
		if (l->first == NULL)
			l->last = &l->first;
		l->batches--;
		l->batch_rows -= b->rows.n;
		batch_free(b);
	}
	// Those written before come first: one whose transaction was undone is written again.
	for (struct batch *b = l->first; b != NULL; b = b->next) {
		enum err_code code = store_usage_add(tx, l->boot, b->n, &b->rows, err);
		if (code != ERR_OK)
			return code;
	}
	// With enough in doubt the rest waits, where it grows no further than its own maximum.
	if (l->batches >= BATCHES_MAX || l->batch_rows >= LEDGER_ROWS_MAX || !freeze(l))
		return ERR_OK;
	struct batch *b = l->first;
	while (b->next != NULL)
		b = b->next;
	return store_usage_add(tx, l->boot, b->n, &b->rows, err);
}

static enum err_code run(struct store_tx *tx, struct store_job *job)
{
	struct ledger *l = job->arg;
	enum err_code code = ledger_write(l, tx, &job->err);
	l->job_n = l->n;
	return code;
}

// ---- to another agent, and from one ----

static void write_row(const struct usage_row *r, struct str *out)
{
	struct usage_sum sum = r->sum;
	struct jw w = jw_to(out);
	jw_arr(&w, NULL);
	for (int i = 0; i < USAGE_BYS; i++)
		jw_str(&w, NULL, r->key.by[i] != NULL ? r->key.by[i] : "");
	jw_str(&w, NULL, r->key.currency);
	jw_int(&w, NULL, r->key.minute);
	for (size_t i = 0; i < USAGE_COLUMNS; i++)
		jw_int(&w, NULL, usage_columns(&sum)[i]);
	jw_arr_end(&w);
	str_add_c(out, '\n');
}

void ledger_give(struct ledger *l, size_t max, bool (*emit)(void *arg, struct slice rows),
	void *arg)
{
	pthread_mutex_lock(&l->lock);
	collect(l);
	struct usage_table rows = l->open, rest = usage_table(LEDGER_ROWS_MAX);
	l->open = usage_table(LEDGER_ROWS_MAX);
	for (struct batch *b = l->first; b != NULL; b = l->first) { // written, and undone
		if (b->n > atomic_load(&l->confirmed))
			usage_table_merge(&rows, &b->rows);
		l->first = b->next;
		batch_free(b);
	}
	l->last = &l->first;
	size_t it = 0;
	struct str text = STR_INIT, one = STR_INIT;
	bool takes = true;
	for (struct usage_row *r; (r = usage_table_next(&rows, &it)) != NULL; str_clear(&one)) {
		write_row(r, &one);
		if (text.n + one.n > max) {
			takes = takes && emit(arg, str_slice(&text));
			str_clear(&text);
		}
		if (takes)
			str_add_slice(&text, str_slice(&one));
		else
			usage_sum_add(&usage_table_at(&rest, &r->key)->sum, &r->sum);
	}
	if (text.n > 0 && !emit(arg, str_slice(&text)))
		takes = false;
	if (!takes)
		log_line(LOG_LVL_WARN, "usage_not_told", "detail",
			"the agent that has the database does not take what was used", NULL);
	usage_table_merge(&l->open, &rest);
	usage_table_release(&rest);
	usage_table_release(&rows);
	pthread_mutex_unlock(&l->lock);
	str_release(&text);
	str_release(&one);
}

static bool read_row(struct slice line, struct arena *a, struct usage_key *key,
	struct usage_sum *sum)
{
	struct slice item;
	const char *text[USAGE_BYS + 1];
	for (size_t i = 0; i < ARRAY_LEN(text); i++) {
		size_t n;
		if (!jscan_next(&line, &item))
			return false;
		char *p = arena_alloc(a, item.n + 1);
		if (!jscan_string(item, p, item.n + 1, &n))
			return false;
		text[i] = p;
	}
	memcpy(key->by, text, sizeof(key->by));
	key->currency = text[USAGE_BYS];
	if (!jscan_next(&line, &item) || !jscan_int(item, &key->minute))
		return false;
	for (size_t i = 0; i < USAGE_COLUMNS; i++)
		if (!jscan_next(&line, &item) || !jscan_int(item, &usage_columns(sum)[i]))
			return false;
	return true;
}

void ledger_take(struct ledger *l, struct slice rows,
	void (*each)(void *arg, const struct usage_key *key, const struct usage_sum *sum),
	void *arg)
{
	while (rows.n > 0) {
		struct slice line = slice_cut(&rows, '\n');
		struct arena a = ARENA_INIT;
		struct usage_key key = {0};
		struct usage_sum sum = {0};
		struct shard *shard = my_shard(l);
		if (read_row(line, &a, &key, &sum)) {
			pthread_mutex_lock(&shard->lock);
			usage_sum_add(&usage_table_at(&shard->rows, &key)->sum, &sum);
			pthread_mutex_unlock(&shard->lock);
			if (each != NULL)
				each(arg, &key, &sum);
		} else {
			log_line(LOG_LVL_WARN, "usage_not_read", NULL);
		}
		arena_release(&a);
	}
}

// ---- the loop ----

static void done(struct store_job *job, enum err_code code)
{
	struct ledger *l = job->arg;
	l->busy = false;
	if (code != ERR_OK)
		return;
	atomic_store(&l->confirmed, l->job_n);
	atomic_store(&l->in_doubt, 0); // one job at a time: there is no batch behind this one
}

static void on_timer(void *arg)
{
	struct ledger *l = arg;
	loop_timer_set(l->loop, &l->timer, LEDGER_FLUSH_US, on_timer, l);
	ledger_collect(l);
	// A store that refuses is asked again; with nothing to write it is left alone.
	if (l->busy || ledger_waiting(l) == 0)
		return;
	l->job = (struct store_job){
		.run = run, .done = done, .loop = l->loop, .arg = l, .actor = ACTOR_SELF("system")};
	l->busy = store_submit(l->store, &l->job);
}

void ledger_start(struct ledger *l, struct store *st, struct loop *loop)
{
	l->store = st;
	l->loop = loop;
	store_usage_day(st, l->day_s, add_day, &l->day);
	loop_timer_set(loop, &l->timer, LEDGER_FLUSH_US, on_timer, l);
}

static void last_done(struct store_job *job, enum err_code code)
{
	(void)job;
	(void)code; // nobody is left to write it again
}

void ledger_stop(struct ledger *l)
{
	if (l->loop == NULL)
		return;
	loop_timer_clear(l->loop, &l->timer);
	l->last_job = (struct store_job){.run = run,
		.done = last_done,
		.loop = l->loop,
		.arg = l,
		.actor = ACTOR_SELF("system")};
	store_submit(l->store, &l->last_job);
}
