// SPDX-License-Identifier: MIT
// The database goes to a successor and comes back: what was asked before is in it, what is asked
// meanwhile waits, and what a successor that gives up changed is undone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/store/private.h"
#include "scratch.h"

static void stop(void *loop)
{
	loop_stop(loop);
}

static void run(struct scratch *s)
{
	loop_run(s->loop);
	loop_free(s->loop); // a stopped loop does not run again
	s->loop = loop_new("test", NULL);
}

static void give(struct scratch *s)
{
	store_give(s->store, s->loop, stop, s->loop);
	run(s);
}

struct mark { // a job that writes a row of its own
	struct store_job job;
	const char *name;
	bool over;
	enum err_code code;
	int *left;
};

static enum err_code run_mark(struct store_tx *tx, struct store_job *job)
{
	struct mark *m = job->arg;
	return DB_RUN(tx->db, &job->err, "INSERT INTO meta(key,value) VALUES(?,zeroblob(1))",
		DB_T(m->name));
}

static void mark_done(struct store_job *job, enum err_code code)
{
	struct mark *m = job->arg;
	m->over = true;
	m->code = code;
	if (--*m->left == 0)
		loop_stop(job->loop);
}

static void submit(struct scratch *s, struct mark *m, const char *name, int *left)
{
	static const struct actor self = ACTOR_SELF("test");
	*m = (struct mark){.name = name, .left = left};
	m->job = (struct store_job){
		.run = run_mark, .done = mark_done, .loop = s->loop, .arg = m, .actor = self};
	assert_true(store_submit(s->store, &m->job));
}

static int64_t marks(struct store *st, const char *name)
{
	int64_t n = -1;
	struct err err = {0};
	assert_int_equal(db_number(st->db, "SELECT count(*) FROM meta WHERE key=?",
				 (struct db_val[]){DB_T(name)}, 1, &n, &err),
		ERR_OK);
	return n;
}

// Another store on the same state, as a successor's process would have.
struct other {
	struct snapshots *snaps;
	struct live_table *live;
	struct store *store;
};

static enum err_code other_open(struct scratch *s, struct other *o, bool *ret_locked)
{
	struct err err = {0};
	*o = (struct other){.snaps = snapshots_new(), .live = live_new()};
	return store_open(&s->settings, o->snaps, o->live, true, &o->store, ret_locked, &err);
}

static void other_close(struct other *o)
{
	store_free(o->store);
	snapshots_free(o->snaps);
	live_free(o->live);
}

static void what_was_asked_before_is_given_along(void **state)
{
	struct scratch *s = *state;
	struct mark m;
	int left = 2; // it is the database that is waited for
	submit(s, &m, "before", &left);
	give(s);
	struct other o;
	bool locked;
	assert_int_equal(other_open(s, &o, &locked), ERR_OK);
	assert_int_equal(marks(o.store, "before"), 1);
	other_close(&o);
	store_take_back(s->store);
}

static void a_database_that_was_not_given_is_locked(void **state)
{
	struct scratch *s = *state;
	struct other o;
	bool locked = false;
	assert_int_not_equal(other_open(s, &o, &locked), ERR_OK);
	assert_true(locked);
	other_close(&o);
}

static void what_a_successor_changes_is_undone_unless_it_is_kept(void **state)
{
	struct scratch *s = *state;
	struct err err = {0};
	struct other o;
	bool locked;
	for (int keep = 0; keep < 2; keep++) {
		give(s);
		assert_int_equal(other_open(s, &o, &locked), ERR_OK);
		assert_int_equal(db_begin(o.store->db, &err), ERR_OK);
		enum err_code code = db_run(o.store->db,
			"INSERT INTO meta(key,value) VALUES('migrated',zeroblob(1))", NULL, 0,
			&err);
		assert_int_equal(db_end(o.store->db, code, &err), ERR_OK);
		if (keep)
			assert_int_equal(store_settle(o.store, true, &err), ERR_OK);
		other_close(&o);
		assert_int_equal(other_open(s, &o, &locked), ERR_OK);
		assert_int_equal(marks(o.store, "migrated"), keep);
		other_close(&o);
		store_take_back(s->store);
	}
}

static void what_comes_meanwhile_waits_until_it_is_taken_back(void **state)
{
	struct scratch *s = *state;
	struct mark late, next;
	int left = 2;
	give(s);
	submit(s, &late, "late", &left);
	struct other o;
	bool locked;
	assert_int_equal(other_open(s, &o, &locked), ERR_OK);
	assert_int_equal(marks(o.store, "late"), 0);
	assert_false(late.over);
	other_close(&o);
	store_take_back(s->store);
	submit(s, &next, "next", &left);
	run(s);
	assert_int_equal(late.code, ERR_OK);
	assert_int_equal(next.code, ERR_OK);
}

static void what_comes_after_it_is_gone_for_good_fails(void **state)
{
	struct scratch *s = *state;
	struct mark late;
	int left = 1;
	give(s);
	submit(s, &late, "late", &left);
	store_forgo(s->store);
	run(s);
	assert_int_equal(late.code, ERR_STORAGE_READONLY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_asked_before_is_given_along),
		TEST(a_database_that_was_not_given_is_locked),
		TEST(what_a_successor_changes_is_undone_unless_it_is_kept),
		TEST(what_comes_meanwhile_waits_until_it_is_taken_back),
		TEST(what_comes_after_it_is_gone_for_good_fails),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
