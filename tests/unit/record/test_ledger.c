// SPDX-License-Identifier: MIT
// The ledger over a store on a scratch directory: nothing is lost and nothing is counted twice.
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/core/metrics.h"
#include "agent/record/ledger.h"
#include "agent/store/usage.h"
#include "shared/clock.h"
#include "shared/mem.h"

#define THREADS 4
#define ADDS 20000

struct fixture {
	char dir[40], root[64];
	struct settings settings;
	struct snapshots *snaps;
	struct live_table *live;
	struct loop *loop;
	struct store *store;
	struct metrics *metrics;
	struct ledger *ledger;
};

static int begin(void **state)
{
	struct fixture *f = mem_zalloc(1, sizeof(*f));
	struct err err = {0};
	bool locked;
	snprintf(f->dir, sizeof(f->dir), "/tmp/yijian-ledger-XXXXXX");
	if (!mkdtemp(f->dir))
		return 1;
	snprintf(f->root, sizeof(f->root), "%s/root.key", f->dir);
	f->settings.state_dir = f->dir;
	f->settings.root_key_file = f->root;
	f->snaps = snapshots_new();
	f->live = live_new();
	f->loop = loop_new("test", NULL);
	f->metrics = metrics_new();
	f->ledger = ledger_new(f->metrics);
	if (store_open(&f->settings, f->snaps, f->live, false, &f->store, &locked, &err) != ERR_OK)
		return 1;
	store_start(f->store);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = {"root.key", "yijian.db", "yijian.db-wal",
		"yijian.db-shm", "snapshot.json", "snapshot.json.new"};
	store_stop(f->store);
	store_free(f->store);
	ledger_free(f->ledger);
	loop_free(f->loop);
	snapshots_free(f->snaps);
	live_free(f->live);
	metrics_free(f->metrics);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[96];
		snprintf(path, sizeof(path), "%s/%s", f->dir, files[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

// ---- a job, waited for ----

struct task {
	struct store_job job;
	struct fixture *f;
	enum err_code (*run)(struct store_tx *tx, struct task *t, struct err *err);
	struct usage_query q;
	enum err_code code;
	struct usage_sum sum; // of all that was read
	size_t rows;
};

static enum err_code run_task(struct store_tx *tx, struct store_job *job)
{
	struct task *t = job->arg;
	return t->run(tx, t, &job->err);
}

static void done(struct store_job *job, enum err_code code)
{
	struct task *t = job->arg;
	t->code = code;
	loop_stop(job->loop);
}

static struct task *run(struct fixture *f, struct task *t,
	enum err_code (*fn)(struct store_tx *tx, struct task *t, struct err *err))
{
	t->f = f;
	t->run = fn;
	t->sum = (struct usage_sum){0};
	t->rows = 0;
	t->job = (struct store_job){.run = run_task,
		.done = done,
		.loop = f->loop,
		.arg = t,
		.actor = {.id = {"test"}, .role = ROLE_ADMIN}};
	assert_true(store_submit(f->store, &t->job));
	loop_run(f->loop);
	loop_free(f->loop); // a stopped loop does not run again
	f->loop = loop_new("test", NULL);
	return t;
}

static void on_row(void *arg, const struct usage_key *key, const struct usage_sum *sum)
{
	struct task *t = arg;
	(void)key;
	t->rows++;
	usage_sum_add(&t->sum, sum);
}

static enum err_code write_and_read(struct store_tx *tx, struct task *t, struct err *err)
{
	bool more;
	enum err_code code = ledger_write(t->f->ledger, tx, err);
	if (t->q.step_s == 0)
		t->q = (struct usage_query){.step_s = 86400, .to_s = INT64_MAX, .by = {true}};
	return code ? code : store_usage_read(tx, &t->q, 1000000, on_row, t, &more, err);
}

static enum err_code write_and_fail(struct store_tx *tx, struct task *t, struct err *err)
{
	enum err_code code = ledger_write(t->f->ledger, tx, err);
	return code ? code : err_set(err, ERR_INTERNAL, "undone");
}

static struct ledger_entry entry(const char *feature, int64_t pico)
{
	struct ledger_entry e = {.wall_ms = clock_wall_ms(),
		.feature = feature,
		.target = "openai/gpt-4",
		.client = &ident_local,
		.key = "key_1",
		.model = "m",
		.first = true,
		.used = true,
		.paid = true,
		.usage = PRICE_USAGE_NONE,
		.cost = {pico, "USD", COST_REPORTED}};
	e.usage.in = 10;
	e.usage.out = 20;
	e.usage.source = COST_REPORTED;
	return e;
}

static void *add_many(void *arg)
{
	struct ledger *l = arg;
	for (int i = 0; i < ADDS; i++) {
		struct ledger_entry e = entry(i % 2 ? "chat" : "images", 7);
		ledger_add(l, &e);
	}
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	struct fixture *f = *state;
	struct task t = {0};
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, f->ledger), 0);
	for (int i = 0; i < 5; i++) // written while they add
		assert_int_equal(run(f, &t, write_and_read)->code, ERR_OK);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	run(f, &t, write_and_read);
	assert_int_equal(t.sum.attempts, THREADS * ADDS);
	assert_int_equal(t.sum.tokens_out, INT64_C(20) * THREADS * ADDS);
	assert_int_equal(t.sum.pico[COST_REPORTED], INT64_C(7) * THREADS * ADDS);
	assert_int_equal(t.rows, 2);
	struct ledger_day day = ledger_today(f->ledger);
	assert_int_equal(day.attempts, THREADS * ADDS);
	assert_int_equal(day.cost[0].pico, INT64_C(7) * THREADS * ADDS);
}

// A job that is undone, or whose commit was in doubt: written again, counted once.
static void no_batch_counts_twice(void **state)
{
	struct fixture *f = *state;
	struct task t = {0};
	struct ledger_entry e = entry("chat", 1000);
	ledger_add(f->ledger, &e);
	assert_int_equal(run(f, &t, write_and_fail)->code, ERR_INTERNAL);
	ledger_add(f->ledger, &e);
	for (int i = 0; i < 3; i++) { // nobody confirms: each run writes what it has again
		run(f, &t, write_and_read);
		assert_int_equal(t.sum.attempts, 2);
	}
	for (int i = 0; i < 20; i++) { // as those who ask often make them
		ledger_add(f->ledger, &e);
		run(f, &t, write_and_read);
		assert_int_equal(t.sum.attempts, 3 + i);
	}
	assert_int_equal(ledger_today(f->ledger).attempts, 22);
}

static void what_is_not_confirmed_still_waits(void **state)
{
	struct fixture *f = *state;
	struct task t = {0};
	struct ledger_entry e = entry("chat", 5);
	assert_int_equal(ledger_waiting(f->ledger), 0);
	ledger_add(f->ledger, &e);
	ledger_collect(f->ledger);
	assert_int_equal(ledger_waiting(f->ledger), 1);
	run(f, &t, write_and_fail); // in a batch now, whose transaction was undone
	assert_int_equal(ledger_waiting(f->ledger), 1);
}

static void old_rows_go(void **state)
{
	struct fixture *f = *state;
	struct task t = {0};
	static const int64_t ages_s[] = {0, 2 * 86400, 100 * 86400, 500 * INT64_C(86400)};
	static const struct {
		int64_t step_s, left;
	} want[] = {{60, 1}, {3600, 2}, {86400, 3}};
	for (size_t i = 0; i < ARRAY_LEN(ages_s); i++) {
		struct ledger_entry e = entry("chat", 1);
		e.wall_ms -= ages_s[i] * 1000;
		ledger_add(f->ledger, &e);
	}
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		t.q = (struct usage_query){.step_s = want[i].step_s, .to_s = INT64_MAX};
		run(f, &t, write_and_read);
		assert_int_equal(t.sum.attempts, want[i].left);
	}
}

static void strangers_models_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct task t = {0};
	char model[32];
	for (int i = 0; i < 3 * LEDGER_HOUR_MAX; i++) {
		struct ledger_entry e = entry("chat", 1);
		snprintf(model, sizeof(model), "stranger-%d", i);
		e.model = model;
		ledger_add(f->ledger, &e);
	}
	t.q = (struct usage_query){
		.step_s = 86400, .to_s = INT64_MAX, .by = {[USAGE_MODEL] = true}};
	run(f, &t, write_and_read);
	assert_int_equal(t.sum.attempts, 3 * LEDGER_HOUR_MAX);
	assert_true(t.rows <= LEDGER_HOUR_MAX + 1);
}

static void what_cannot_be_is_cut(void **state)
{
	struct fixture *f = *state;
	struct task t = {0};
	struct ledger_entry e = entry("chat", INT64_MAX);
	e.usage.in = INT64_MAX;
	e.usage.out = -5;
	for (int i = 0; i < 4; i++) {
		ledger_add(f->ledger, &e);
		assert_int_equal(run(f, &t, write_and_read)->code, ERR_OK);
	}
	assert_int_equal(t.sum.tokens_in, 4 * LEDGER_QUANTITY_MAX);
	assert_int_equal(t.sum.tokens_out, 0);
	assert_true(t.sum.pico[COST_REPORTED] > INT64_MAX / 4);
}

// Sums at their end, of several rows: the database adds them up without refusing.
static void sums_of_sums_end(void **state)
{
	struct fixture *f = *state;
	struct task t = {0};
	for (int i = 0; i < 3; i++) {
		struct ledger_entry e = entry(i == 0 ? "a" : i == 1 ? "b" : "c", INT64_MAX);
		for (int k = 0; k < 3; k++)
			ledger_add(f->ledger, &e);
	}
	t.q = (struct usage_query){.step_s = 86400, .to_s = INT64_MAX};
	assert_int_equal(run(f, &t, write_and_read)->code, ERR_OK);
	assert_int_equal(t.rows, 1);
	assert_true(t.sum.pico[COST_REPORTED] >= INT64_MAX / 2);
	assert_int_equal(t.sum.attempts, 9);
	struct ledger_day d = ledger_today(f->ledger);
	assert_true(d.cost[0].pico == INT64_MAX);
}

static void signals_name_the_target(void **state)
{
	struct fixture *f = *state;
	struct ledger_entry free_of_charge = entry("chat", 0), unknown = entry("chat", 0);
	unknown.cost = (struct money){0, "", COST_UNKNOWN};
	ledger_add(f->ledger, &free_of_charge);
	ledger_add(f->ledger, &unknown);
	unknown.usage.source = COST_UNKNOWN; // a price would not tell what it cost
	ledger_add(f->ledger, &unknown);
	unknown.usage.source = COST_REPORTED;
	unknown.target = "self/vllm"; // nobody bills it
	ledger_add(f->ledger, &unknown);
	ledger_collect(f->ledger);
	struct ledger_signal s = ledger_signal(f->ledger);
	assert_int_equal(s.cost_zero, 1);
	assert_int_equal(s.unpriced, 1);
	assert_string_equal(s.zero_target, "openai/gpt-4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(threads_lose_nothing, begin, end),
		cmocka_unit_test_setup_teardown(no_batch_counts_twice, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_confirmed_still_waits, begin, end),
		cmocka_unit_test_setup_teardown(old_rows_go, begin, end),
		cmocka_unit_test_setup_teardown(strangers_models_are_bounded, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_is_cut, begin, end),
		cmocka_unit_test_setup_teardown(sums_of_sums_end, begin, end),
		cmocka_unit_test_setup_teardown(signals_name_the_target, begin, end),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
