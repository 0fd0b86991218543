// SPDX-License-Identifier: MIT
// Parts of a job: what is undone of one is undone whole, rows, objects, revisions and audit rows, and
// nothing else is.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tests/unit/store/scratch.h"
#include "agent/store/feature.h"
#include "agent/store/page.h"

struct part {
	const char *name; // of the feature it makes
	bool keep;
	enum err_code fails;
	struct part *within; // another one, after it; NULL none
	enum err_code got; // what the inner one ended with
};

static enum err_code make(struct store_tx *tx, const char *name, struct err *err)
{
	struct feature doc = snapshot_feature(store_tx_snapshot(tx), SLICE("chat"))->doc;
	const struct feature_obj *obj;
	doc.name = name;
	doc.aliases = (struct strv){0};
	return store_feature_put(tx, &doc, true, FIELD_NONE, &obj, err);
}

static enum err_code run(struct store_tx *tx, void *arg, bool *keep, struct err *err)
{
	struct part *p = arg;
	uint64_t revision = store_tx_snapshot(tx)->revision;
	enum err_code code = make(tx, p->name, err);
	assert_int_equal(store_tx_snapshot(tx)->revision, revision + 1);
	if (!code && p->within != NULL) {
		struct err ignored = {0};
		p->got = store_tx_part(tx, run, p->within, &ignored);
		bool there = p->within->keep && !p->within->fails;
		assert_int_equal(snapshot_feature(store_tx_snapshot(tx),
					 slice_of(p->within->name)) != NULL,
			there);
		assert_int_equal(store_tx_snapshot(tx)->revision, revision + 1 + there);
	}
	*keep = p->keep;
	return code ? code : p->fails;
}

static enum err_code run_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	return store_tx_part(tx, run, arg, err);
}

static bool there(struct scratch *s, const char *name)
{
	return snapshot_feature(snapshots_now(s->snaps), slice_of(name)) != NULL;
}

// Read anew, the database says the same, and its audit rows are one chain.
static void restart(struct scratch *s)
{
	scratch_close(s);
	assert_int_equal(scratch_open(s), ERR_OK);
	struct store_stats stats;
	store_stats(s->store, &stats);
	assert_string_equal(stats.reason, "");
}

static void the_kept_stays_and_the_other_goes(void **state)
{
	struct scratch *s = *state;
	struct part inner[] = {{.name = "in-kept", .keep = true},
		{.name = "in-left", .keep = false},
		{.name = "in-failed", .keep = true, .fails = ERR_CONFLICT_STATE}};
	struct part outer[] = {{.name = "kept-a", .keep = true, .within = &inner[0]},
		{.name = "kept-b", .keep = true, .within = &inner[1]},
		{.name = "kept-c", .keep = true, .within = &inner[2]}};
	for (size_t i = 0; i < ARRAY_LEN(outer); i++)
		assert_int_equal(scratch_run(s, run_in_tx, &outer[i]), ERR_OK);
	assert_int_equal(outer[2].got, ERR_CONFLICT_STATE);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < ARRAY_LEN(outer); i++)
			assert_true(there(s, outer[i].name));
		assert_true(there(s, "in-kept"));
		assert_false(there(s, "in-left"));
		assert_false(there(s, "in-failed"));
		restart(s);
	}
}

static void what_is_within_goes_with_it(void **state)
{
	struct scratch *s = *state;
	struct part inner = {.name = "in", .keep = true};
	struct part left = {.name = "left", .keep = false, .within = &inner};
	struct part failed = {
		.name = "failed", .keep = true, .fails = ERR_NOT_FOUND, .within = &inner};
	uint64_t revision = snapshots_now(s->snaps)->revision;
	assert_int_equal(scratch_run(s, run_in_tx, &left), ERR_OK);
	assert_int_equal(scratch_run(s, run_in_tx, &failed), ERR_NOT_FOUND);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(snapshots_now(s->snaps)->revision, revision);
		assert_false(there(s, "in") || there(s, "left") || there(s, "failed"));
		restart(s);
	}
	// The names and revisions are free for others.
	struct part next = {.name = "left", .keep = true};
	assert_int_equal(scratch_run(s, run_in_tx, &next), ERR_OK);
	assert_int_equal(snapshots_now(s->snaps)->revision, revision + 1);
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_STORE(the_kept_stays_and_the_other_goes),
		ON_A_STORE(what_is_within_goes_with_it),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
