// SPDX-License-Identifier: MIT
// What comes with the program is written once in a database's life, whole or not at all.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tests/unit/store/scratch.h"
#include "agent/store/price.h"
#include "agent/store/price_seed.h"

static enum err_code drop_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	bool found;
	int64_t revision;
	enum err_code code = store_price_begin(tx, &revision, err);
	if (code == ERR_OK)
		code = store_price_delete(tx, slice_of(arg), &found, err);
	assert_true(code != ERR_OK || found);
	return code != ERR_OK ? code : store_price_end(tx, revision, arg, "removed", err);
}

static const struct snapshot *now(struct scratch *s)
{
	return snapshots_now(s->snaps);
}

static void what_an_operator_removed_stays_away(void **state)
{
	struct scratch *s = *state;
	struct pmap_it it = {0};
	struct slice key;
	void *obj;
	char id[200];
	assert_int_equal(now(s)->prices.n, price_seeds());
	assert_true(pmap_next(now(s)->prices, &it, &key, &obj));
	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(key));
	assert_int_equal(scratch_run(s, drop_in_tx, id), ERR_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(now(s)->prices.n, price_seeds() - 1);
		assert_null(pmap_get(now(s)->prices, slice_of(id)));
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
	}
}

// Each is one that an operator could have put.
static void each_is_a_price_of_a_model(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	struct err err = {0};
	for (size_t i = 0; i < price_seeds(); i++) {
		struct price p = price_seed(i, &a);
		assert_int_equal(price_check(&p, &err), ERR_OK);
		assert_true(p.model != NULL && p.model[0] != '\0');
		assert_int_equal(strlen(p.currency), 3);
	}
	arena_release(&a);
}

// A tier begins where the one before it ends.
static void tiers_ascend(void **state UNUSED)
{
	static const struct {
		int64_t above[3];
		size_t n;
		enum err_code code;
	} rows[] = {{{0}, 0, ERR_OK}, {{7}, 1, ERR_OK}, {{0, 1, 2}, 3, ERR_OK},
		{{5, 5}, 2, ERR_FIELD_RANGE}, {{5, 4}, 2, ERR_FIELD_RANGE},
		{{1, 3, 2}, 3, ERR_FIELD_RANGE}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct price_tier tiers[3];
		struct price p;
		struct err err = {0};
		field_defaults(&price_fields, &p);
		p.vendor = "openai";
		p.model = "m";
		for (size_t k = 0; k < rows[i].n; k++)
			tiers[k] = (struct price_tier){.above_tokens = rows[i].above[k]};
		p.tiers.v = tiers;
		p.tiers.n = rows[i].n;
		assert_int_equal(price_check(&p, &err), rows[i].code);
		assert_string_equal(err.field, rows[i].code == ERR_OK ? "" : "tiers");
	}
}

static void alter(const struct scratch *s, const char *sql)
{
	char path[96];
	sqlite3 *db;
	scratch_path(s, "yijian.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

// A start that cannot write them serves what was saved, and the next one makes up for it.
static void half_of_them_is_none(void **state)
{
	struct scratch *s = *state;
	scratch_close(s);
	alter(s,
		"DELETE FROM price; DELETE FROM meta WHERE key='prices_seeded';"
		"CREATE TRIGGER no_more BEFORE INSERT ON price WHEN (SELECT count(*) FROM price) >= 3"
		" BEGIN SELECT RAISE(ABORT, 'no'); END");
	scratch_open(s);
	bool took = s->store != NULL && now(s)->store_state == STORE_OK;
	scratch_close(s);
	alter(s, "DROP TRIGGER no_more");
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_false(took);
	assert_int_equal(now(s)->store_state, STORE_OK);
	assert_int_equal(now(s)->prices.n, price_seeds());
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_a_price_of_a_model),
		cmocka_unit_test(tiers_ascend),
		ON_A_STORE(what_an_operator_removed_stays_away),
		ON_A_STORE(half_of_them_is_none),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
