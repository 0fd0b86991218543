// SPDX-License-Identifier: MIT
// The store on a scratch directory: its jobs, what a failed one leaves, the audit chain, and how
// snapshots follow.
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/store/audit.h"
#include "agent/store/caller.h"
#include "agent/store/key.h"
#include "agent/store/store.h"
#include "shared/mem.h"

#define WRITES 1000

struct fixture {
	char dir[32], root[64];
	struct settings settings;
	struct snapshots *snaps;
	struct live_table *live;
	struct loop *loop;
	struct store *store;
};

static enum err_code fixture_store(struct fixture *f, bool *ret_locked)
{
	struct err err = {0};
	f->snaps = snapshots_new();
	f->live = live_new();
	f->loop = loop_new("test", NULL);
	enum err_code code = store_open(&f->settings, f->snaps, f->live, false, &f->store,
		ret_locked, &err);
	if (code == ERR_OK)
		store_start(f->store);
	return code;
}

static int begin(void **state)
{
	struct fixture *f = mem_zalloc(1, sizeof(*f));
	bool locked;
	snprintf(f->dir, sizeof(f->dir), "/tmp/yijian-store-XXXXXX");
	if (!mkdtemp(f->dir))
		return 1;
	snprintf(f->root, sizeof(f->root), "%s/root.key", f->dir);
	f->settings.state_dir = f->dir;
	f->settings.root_key_file = f->root;
	*state = f;
	return fixture_store(f, &locked) != ERR_OK;
}

static void close_all(struct fixture *f)
{
	if (f->store) {
		store_stop(f->store);
		store_free(f->store);
	}
	f->store = NULL;
	loop_free(f->loop);
	snapshots_free(f->snaps);
	live_free(f->live);
}

static int end(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = {"root.key", "yijian.db", "yijian.db-wal",
		"yijian.db-clean", "snapshot.json", "snapshot.json.new"};
	close_all(f);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[96];
		snprintf(path, sizeof(path), "%s/%s", f->dir, files[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

// One job of a test: fn runs inside the transaction.
struct task {
	struct store_job job;
	struct fixture *f;
	enum err_code (*fn)(struct store_tx *tx, struct task *t);
	int number;
	enum err_code code;
	int64_t bad_seq;
	int *left; // jobs still out; the last one stops the loop
};

static enum err_code run_task(struct store_tx *tx, struct store_job *job)
{
	struct task *t = CONTAINER_OF(job, struct task, job);
	return t->fn(tx, t);
}

static void task_done(struct store_job *job, enum err_code code)
{
	struct task *t = CONTAINER_OF(job, struct task, job);
	t->code = code;
	if (--*t->left == 0)
		loop_stop(t->f->loop);
}

static void run_tasks(struct fixture *f, struct task *tasks, int n)
{
	int left = n;
	for (int i = 0; i < n; i++) {
		tasks[i].f = f;
		tasks[i].number = i;
		tasks[i].left = &left;
		tasks[i].job = (struct store_job){.run = run_task,
			.done = task_done,
			.loop = f->loop,
			.actor = {.id = {"uid:0"}, .role = ROLE_ADMIN}};
		assert_true(store_submit(f->store, &tasks[i].job));
	}
	loop_run(f->loop);
	loop_free(f->loop); // a stopped loop does not run again
	f->loop = loop_new("test", NULL);
}

static enum err_code put_key(struct store_tx *tx, int number, struct err *err)
{
	struct vendor_key k;
	const struct key_obj *obj;
	char name[32], secret[48];
	field_defaults(&key_fields, &k);
	snprintf(name, sizeof(name), "key %d", number);
	snprintf(secret, sizeof(secret), "sk-unit-test-secret-%d", number);
	k.vendor = "openai";
	k.service = "dalle";
	k.key_name = name;
	secret_set(&k.api_key, secret, strlen(secret));
	enum err_code code = store_key_put(tx, &k, true, FIELD_NONE, &obj, err);
	secret_release(&k.api_key);
	return code;
}

static enum err_code add_key(struct store_tx *tx, struct task *t)
{
	return put_key(tx, t->number, &t->job.err);
}

// The file goes before it is committed.
static enum err_code add_other_and_lose_it(struct store_tx *tx, struct task *t)
{
	char path[96], aside[96];
	snprintf(path, sizeof(path), "%s/yijian.db", t->f->dir);
	snprintf(aside, sizeof(aside), "%s/aside", t->f->dir);
	enum err_code code = put_key(tx, 1, &t->job.err);
	return code == ERR_OK && rename(path, aside) != 0 ? ERR_INTERNAL : code;
}

static enum err_code add_third(struct store_tx *tx, struct task *t)
{
	return put_key(tx, 2, &t->job.err);
}

static enum err_code add_fourth(struct store_tx *tx, struct task *t)
{
	return put_key(tx, 3, &t->job.err);
}

// Every third job writes and fails behind it.
static enum err_code add_or_fail(struct store_tx *tx, struct task *t)
{
	enum err_code code = put_key(tx, t->number, &t->job.err);
	if (code == ERR_OK && t->number % 3 == 0)
		return err_set(&t->job.err, ERR_FIELD_RANGE, NULL);
	return code;
}

static enum err_code verify(struct store_tx *tx, struct task *t)
{
	return store_audit_verify(tx, &t->bad_seq, &t->job.err);
}

static void a_fresh_store_has_the_default_features(void **state)
{
	struct fixture *f = *state;
	const struct snapshot *s = snapshots_now(f->snaps);
	assert_int_equal(s->features.n, 4);
	assert_int_equal(s->store_state, STORE_OK);
	assert_false(s->sealed);
	const struct feature_obj *chat = snapshot_feature(s, SLICE("chat"));
	assert_non_null(chat);
	const struct route *r = snapshot_route(s, chat);
	assert_int_equal(r->n, 2);
	assert_string_equal(r->v[0].name, "openai/gpt-4");
	assert_null(r->v[0].key); // no key yet
	assert_ptr_equal(snapshot_model(s, SLICE("gpt-4")), chat);
	assert_null(snapshot_model(s, SLICE("openai/dalle"))); // no key for it
	assert_null(snapshot_model(s, SLICE("openai/nothing")));
}

static void writes_are_committed_in_groups_and_published(void **state)
{
	struct fixture *f = *state;
	struct task *tasks = mem_zalloc(WRITES, sizeof(*tasks));
	struct store_stats stats;
	uint64_t before = snapshots_now(f->snaps)->revision;
	for (int i = 0; i < WRITES; i++)
		tasks[i].fn = add_key;
	run_tasks(f, tasks, WRITES);
	for (int i = 0; i < WRITES; i++)
		assert_int_equal(tasks[i].code, ERR_OK);
	store_stats(f->store, &stats);
	assert_true(stats.commits < WRITES / 2);
	const struct snapshot *s = snapshots_now(f->snaps);
	assert_int_equal(s->keys.n, WRITES);
	assert_int_equal(s->revision, before + WRITES);
	const struct key_obj *k = snapshot_key_ref(s, SLICE("openai/dalle/key-7"));
	struct secret got = {0};
	struct err err = {0};
	assert_non_null(k);
	assert_int_equal(store_key_open(f->store, k, &got, &err), ERR_OK);
	assert_memory_equal(got.p, "sk-unit-test-secret-7", 21);
	secret_release(&got);
	const struct route *route = snapshot_route(s, snapshot_feature(s, SLICE("text_to_image")));
	assert_int_equal(route->n + route->left_out, WRITES + 1);
	free(tasks);
}

static void a_failed_job_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct task tasks[30] = {0}, check = {.fn = verify};
	for (int i = 0; i < 30; i++)
		tasks[i].fn = add_or_fail;
	run_tasks(f, tasks, 30);
	const struct snapshot *s = snapshots_now(f->snaps);
	assert_int_equal(s->keys.n, 20);
	for (int i = 0; i < 30; i++) {
		char ref[48];
		snprintf(ref, sizeof(ref), "openai/dalle/key-%d", i);
		assert_int_equal(tasks[i].code, i % 3 ? ERR_OK : ERR_FIELD_RANGE);
		assert_true((snapshot_key_ref(s, slice_of(ref)) != NULL) == (i % 3 != 0));
	}
	run_tasks(f, &check, 1);
	assert_int_equal(check.code, ERR_OK);
	assert_int_equal(check.bad_seq, 0);
}

// The first of a batch: makes a client and fails behind it, or not.
static enum err_code add_client(struct store_tx *tx, struct task *t)
{
	struct client_doc doc;
	const struct client_obj *obj;
	char secret[CREDENTIAL_LEN + 1];
	field_defaults(&client_fields, &doc);
	doc.name = "app";
	enum err_code code = store_client_create(tx, &doc, secret, &obj, &t->job.err);
	secret_wipe(secret, sizeof(secret));
	if (code == ERR_OK && t->number == 0)
		return err_set(&t->job.err, ERR_FIELD_RANGE, NULL);
	return code;
}

static void a_first_client_that_comes_to_nothing_asks_for_no_keys(void **state)
{
	struct fixture *f = *state;
	struct task tasks[2] = {{.fn = add_client}, {.fn = add_client}};
	run_tasks(f, tasks, 1);
	assert_int_equal(tasks[0].code, ERR_FIELD_RANGE);
	assert_false(snapshots_now(f->snaps)->clients_required);
	run_tasks(f, tasks, 2);
	assert_int_equal(tasks[1].code, ERR_OK);
	const struct snapshot *s = snapshots_now(f->snaps);
	assert_int_equal(s->clients.n, 1);
	assert_true(s->clients_required);
	assert_int_equal(s->policy_revision, (int64_t)s->revision);
}

static void everything_is_there_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct task tasks[50] = {0};
	bool locked;
	for (int i = 0; i < 50; i++)
		tasks[i].fn = add_key;
	run_tasks(f, tasks, 50);
	uint64_t revision = snapshots_now(f->snaps)->revision;
	close_all(f);
	assert_int_equal(fixture_store(f, &locked), ERR_OK);
	assert_int_equal(snapshots_now(f->snaps)->keys.n, 50);
	assert_int_equal(snapshots_now(f->snaps)->revision, revision);
	struct task check = {.fn = verify};
	run_tasks(f, &check, 1);
	assert_int_equal(check.bad_seq, 0);
}

static void a_second_store_on_the_same_files_is_told_so(void **state)
{
	struct fixture *f = *state, second = {.settings = f->settings};
	bool locked = false;
	assert_int_equal(fixture_store(&second, &locked), ERR_STORAGE_FAILED);
	assert_true(locked);
	close_all(&second);
}

static void without_its_database_it_serves_and_takes_nothing(void **state)
{
	struct fixture *f = *state;
	struct task task = {.fn = add_key}, late = {.fn = add_key, .number = 1};
	char path[96];
	bool locked;
	run_tasks(f, &task, 1);
	close_all(f);
	snprintf(path, sizeof(path), "%s/yijian.db", f->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fixture_store(f, &locked), ERR_OK);
	const struct snapshot *s = snapshots_now(f->snaps);
	assert_int_equal(s->store_state, STORE_READONLY);
	assert_int_equal(s->keys.n, 1);
	assert_int_equal(s->features.n, 4);
	struct store_stats stats;
	store_stats(f->store, &stats);
	assert_non_null(strstr(stats.reason, "the last saved configuration"));
	assert_non_null(strstr(stats.reason, "the database is gone"));
	struct secret got = {0};
	struct err err = {0};
	assert_int_equal(store_key_open(f->store, snapshot_key_ref(s, SLICE("openai/dalle/key-0")),
				 &got, &err),
		ERR_OK);
	secret_release(&got);
	run_tasks(f, &late, 1);
	assert_int_equal(late.code, ERR_STORAGE_READONLY);
	assert_int_not_equal(access(path, F_OK), 0);
}

// A file that went away takes nothing; when it is back it takes writes again, and what it holds is
// the truth: also of a change that was told to have failed, as it went in the middle of it.
static void a_database_that_comes_back_is_read_anew(void **state)
{
	struct fixture *f = *state;
	struct task first = {.fn = add_key}, gone = {.fn = add_key}, more = {.fn = add_third},
		    lost = {.fn = add_other_and_lose_it}, last = {.fn = add_fourth};
	char path[96], aside[96];
	bool locked;
	snprintf(path, sizeof(path), "%s/yijian.db", f->dir);
	snprintf(aside, sizeof(aside), "%s/aside", f->dir);
	run_tasks(f, &first, 1);
	assert_int_equal(first.code, ERR_OK);
	assert_int_equal(rename(path, aside), 0);
	run_tasks(f, &gone, 1);
	assert_int_equal(gone.code, ERR_STORAGE_MOVED);
	assert_int_equal(rename(aside, path), 0);
	run_tasks(f, &more, 1);
	assert_int_equal(more.code, ERR_OK);
	run_tasks(f, &lost, 1);
	assert_int_equal(lost.code, ERR_STORAGE_MOVED);
	assert_int_equal(snapshots_now(f->snaps)->keys.n, 2);
	assert_int_equal(rename(aside, path), 0);
	run_tasks(f, &last, 1);
	assert_int_equal(last.code, ERR_OK);
	for (int i = 0; i < 2; i++) {
		const struct snapshot *s = snapshots_now(f->snaps);
		assert_int_equal(s->store_state, STORE_OK);
		assert_int_equal(s->keys.n, 4);
		assert_non_null(snapshot_key_ref(s, SLICE("openai/dalle/key-1")));
		close_all(f);
		assert_int_equal(fixture_store(f, &locked), ERR_OK);
	}
}

// ---- readers beside the writer ----

struct reader {
	struct fixture *f;
	_Atomic bool *stop;
	uint64_t reads;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	int slot = snapshots_join(r->f->snaps);
	const struct snapshot *held = NULL;
	uint64_t last = 0;
	do { // once at least, however late this thread comes to run
		snapshots_online(r->f->snaps, slot);
		const struct snapshot *s = snapshots_now(r->f->snaps);
		assert_true(s->revision >= last); // never backwards
		last = s->revision;
		const struct feature_obj *feature = snapshot_feature(s, SLICE("text_to_image"));
		const struct route *route = snapshot_route(s, feature);
		assert_int_equal(route->n + route->left_out, (s->keys.n ? s->keys.n : 1) + 1);
		for (size_t i = 0; i < route->n; i++)
			assert_true(!route->v[i].key || route->v[i].key->doc.slug[0]);
		if (held && r->reads % 7 == 0) { // what was held over turns is as it was
			assert_non_null(snapshot_feature(held, SLICE("chat")));
			snapshot_drop(held);
			held = NULL;
		}
		if (!held) {
			snapshot_hold(s);
			held = s;
		}
		r->reads++;
		snapshots_offline(r->f->snaps, slot);
	} while (!atomic_load(r->stop));
	if (held)
		snapshot_drop(held);
	return NULL;
}

static void readers_see_whole_states(void **state)
{
	struct fixture *f = *state;
	_Atomic bool stop = false;
	struct reader readers[3];
	pthread_t threads[3];
	struct task tasks[200] = {0};
	for (int i = 0; i < 3; i++) {
		readers[i] = (struct reader){f, &stop, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
	}
	for (int i = 0; i < 200; i++)
		tasks[i].fn = add_key;
	run_tasks(f, tasks, 200);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_true(readers[i].reads > 0);
	}
	assert_int_equal(snapshots_now(f->snaps)->keys.n, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_fresh_store_has_the_default_features, begin, end),
		cmocka_unit_test_setup_teardown(writes_are_committed_in_groups_and_published, begin,
			end),
		cmocka_unit_test_setup_teardown(a_failed_job_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			a_first_client_that_comes_to_nothing_asks_for_no_keys, begin, end),
		cmocka_unit_test_setup_teardown(everything_is_there_after_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(a_second_store_on_the_same_files_is_told_so, begin,
			end),
		cmocka_unit_test_setup_teardown(without_its_database_it_serves_and_takes_nothing,
			begin, end),
		cmocka_unit_test_setup_teardown(a_database_that_comes_back_is_read_anew, begin,
			end),
		cmocka_unit_test_setup_teardown(readers_see_whole_states, begin, end),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
