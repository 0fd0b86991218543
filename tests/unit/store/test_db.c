// SPDX-License-Identifier: MIT
// One connection: values there and back, what each failure is called, the file that is still there or
// not, and how it was left.
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/store/db.h"
#include "shared/mem.h"

struct place {
	char dir[32], path[64], log[64], clean[64], aside[64];
	struct db *db;
	bool locked; // when it was opened last
	struct err err;
};

static enum err_code open_it(struct place *p, bool create)
{
	return db_open(p->path, create, &p->db, &p->locked, &p->err);
}

static void close_it(struct place *p)
{
	db_close(p->db);
	p->db = NULL;
}

static int begin(void **state)
{
	struct place *p = mem_zalloc(1, sizeof(*p));
	snprintf(p->dir, sizeof(p->dir), "/tmp/yijian-db-XXXXXX");
	if (mkdtemp(p->dir) == NULL)
		return 1;
	snprintf(p->path, sizeof(p->path), "%s/t.db", p->dir);
	snprintf(p->log, sizeof(p->log), "%s/t.db-wal", p->dir);
	snprintf(p->clean, sizeof(p->clean), "%s/t.db-clean", p->dir);
	snprintf(p->aside, sizeof(p->aside), "%s/aside", p->dir);
	*state = p;
	if (open_it(p, true) != ERR_OK)
		return 1;
	return db_exec(p->db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c BLOB, d INTEGER)",
		&p->err);
}

static int end(void **state)
{
	struct place *p = *state;
	close_it(p);
	unlink(p->path);
	unlink(p->log);
	unlink(p->clean);
	unlink(p->aside);
	rmdir(p->dir);
	free(p);
	return 0;
}

static enum err_code add(struct place *p, int64_t a)
{
	return DB_RUN(p->db, &p->err, "INSERT INTO t(a,b,c,d) VALUES(?,?,?,?)", DB_I(a),
		DB_T("one"), DB_B("\0\xff", 2), DB_NONE);
}

struct seen {
	int64_t a;
	char b[16], c[4];
	size_t b_n, c_n;
	bool a_int, d_int;
	int rows;
	enum err_code stop;
};

static enum err_code see(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct seen *s = arg;
	struct slice b = db_text(row, 1), c = db_text(row, 2);
	s->a = db_int(row, 0);
	s->b_n = b.n;
	memcpy(s->b, b.p, b.n);
	s->c_n = c.n;
	memcpy(s->c, c.p, c.n);
	s->a_int = db_is_int(row, 0);
	s->d_int = db_is_int(row, 3);
	s->rows++;
	return s->stop == ERR_OK ? ERR_OK : err_set(err, s->stop, NULL);
}

static enum err_code look(struct place *p, struct seen *s)
{
	return db_query(p->db, "SELECT a,b,c,d FROM t ORDER BY a", NULL, 0, see, s, &p->err);
}

static void values_there_and_back(void **state)
{
	struct place *p = *state;
	struct seen s = {0};
	assert_int_equal(add(p, INT64_MAX), ERR_OK);
	assert_int_equal(db_changed(p->db), 1);
	assert_int_equal(look(p, &s), ERR_OK);
	assert_true(s.rows == 1 && s.a == INT64_MAX && s.a_int && !s.d_int);
	assert_true(s.b_n == 3 && memcmp(s.b, "one", 3) == 0);
	assert_true(s.c_n == 2 && memcmp(s.c, "\0\xff", 2) == 0);
	// The same statement with fewer words: what was bound before is not.
	assert_int_equal(DB_RUN(p->db, &p->err, "UPDATE t SET b=?, c=?", DB_S(SLICE("")), DB_NONE),
		ERR_OK);
	s = (struct seen){0};
	assert_int_equal(look(p, &s), ERR_OK);
	assert_true(s.b_n == 0 && s.c_n == 0);
	assert_int_equal(DB_RUN(p->db, &p->err, "DELETE FROM t WHERE a<?", DB_I(0)), ERR_OK);
	assert_int_equal(db_changed(p->db), 0);
}

static void a_reader_may_stop(void **state)
{
	struct place *p = *state;
	struct seen s = {.stop = ERR_CANCELED};
	for (int i = 1; i <= 3; i++)
		assert_int_equal(add(p, i), ERR_OK);
	assert_int_equal(look(p, &s), ERR_CANCELED);
	assert_true(s.rows == 1 && s.a == 1);
	s = (struct seen){0};
	assert_int_equal(look(p, &s), ERR_OK); // and begin anew
	assert_true(s.rows == 3 && s.a == 3);
	assert_int_equal(db_query(p->db, "SELECT a FROM t", NULL, 0, NULL, NULL, &p->err), ERR_OK);
}

static void failures_have_their_names(void **state)
{
	struct place *p = *state;
	assert_int_equal(add(p, 1), ERR_OK);
	assert_int_equal(add(p, 1), ERR_STORAGE_FAILED); // there already
	assert_int_equal(p->err.code, ERR_STORAGE_FAILED);
	assert_int_equal(db_exec(p->db, "SELECT nothing FROM nowhere", &p->err),
		ERR_STORAGE_FAILED);
	assert_int_equal(db_exec(p->db, "PRAGMA query_only=1", &p->err), ERR_OK);
	assert_int_equal(add(p, 2), ERR_STORAGE_READONLY);
	assert_non_null(strstr(p->err.message, p->path));
	assert_int_equal(db_exec(p->db, "PRAGMA query_only=0", &p->err), ERR_OK);
	assert_int_equal(add(p, 2), ERR_OK); // a failure leaves the statement fit
	assert_int_equal(db_exec(p->db, "PRAGMA max_page_count=1", &p->err), ERR_OK);
	enum err_code code = ERR_OK;
	for (int i = 3; i < 5000 && code == ERR_OK; i++)
		code = add(p, i);
	assert_int_equal(code, ERR_STORAGE_FULL);
}

static void transactions_are_seen(void **state)
{
	struct place *p = *state;
	assert_false(db_in_transaction(p->db));
	assert_int_equal(db_exec(p->db, "BEGIN", &p->err), ERR_OK);
	assert_true(db_in_transaction(p->db));
	assert_int_equal(add(p, 1), ERR_OK);
	assert_int_equal(db_exec(p->db, "ROLLBACK", &p->err), ERR_OK);
	assert_false(db_in_transaction(p->db));
	struct seen s = {0};
	assert_int_equal(look(p, &s), ERR_OK);
	assert_int_equal(s.rows, 0);
}

static void a_missing_file_is_not_made(void **state)
{
	struct place *p = *state;
	close_it(p);
	assert_int_equal(unlink(p->path), 0);
	assert_int_equal(open_it(p, false), ERR_STORAGE_MOVED);
	p->db = NULL;
	assert_int_not_equal(access(p->path, F_OK), 0);
	assert_int_equal(open_it(p, true), ERR_OK);
}

static void one_holds_it(void **state)
{
	struct place *p = *state;
	struct db *second;
	bool locked = false;
	assert_int_equal(db_open(p->path, false, &second, &locked, &p->err), ERR_STORAGE_FAILED);
	assert_true(locked);
}

static void garbage_is_no_database(void **state)
{
	struct place *p = *state;
	close_it(p);
	unlink(p->log);
	int fd = open(p->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	char junk[4096];
	memset(junk, 'x', sizeof(junk));
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	close(fd);
	assert_int_equal(open_it(p, false), ERR_STORAGE_CORRUPT);
	assert_false(p->locked); // nobody else has it
	assert_null(strstr(p->err.message, "in use"));
	p->db = NULL;
}

// In WAL mode SQLite goes on acknowledging into a file that is gone.
static void a_file_that_went_is_missed(void **state)
{
	struct place *p = *state;
	assert_int_equal(add(p, 1), ERR_OK);
	assert_int_equal(db_still_there(p->db, &p->err), ERR_OK);
	assert_int_equal(rename(p->path, p->aside), 0);
	assert_int_equal(db_still_there(p->db, &p->err), ERR_STORAGE_MOVED);
	assert_int_equal(db_checkpoint(p->db, false, &p->err), ERR_STORAGE_MOVED);
	assert_int_equal(rename(p->aside, p->path), 0);
	assert_int_equal(db_still_there(p->db, &p->err), ERR_OK); // it is back
	assert_int_equal(db_checkpoint(p->db, true, &p->err), ERR_OK);
	assert_int_equal(db_still_there(p->db, &p->err), ERR_OK);
	assert_int_equal(truncate(p->path, 2048), 0);
	assert_int_equal(db_still_there(p->db, &p->err), ERR_STORAGE_MOVED);
	assert_int_equal(db_checkpoint(p->db, false, &p->err), ERR_STORAGE_MOVED);
}

static void another_file_at_its_place_is_not_it(void **state)
{
	struct place *p = *state;
	assert_int_equal(add(p, 1), ERR_OK);
	assert_int_equal(rename(p->path, p->aside), 0);
	int fd = open(p->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	assert_int_equal(db_still_there(p->db, &p->err), ERR_STORAGE_MOVED);
	assert_int_equal(rename(p->aside, p->path), 0);
}

static void the_log_is_copied_and_cut(void **state)
{
	struct place *p = *state;
	for (int i = 1; i < 200; i++)
		assert_int_equal(add(p, i), ERR_OK);
	assert_int_equal(db_still_there(p->db, &p->err), ERR_OK);
	assert_true(db_log_bytes(p->db) > 4096);
	assert_true(db_log_pages(p->db) > 0);
	assert_int_equal(db_checkpoint(p->db, false, &p->err), ERR_OK);
	assert_int_equal(db_log_pages(p->db), 0);
	assert_true(db_log_bytes(p->db) > 4096); // copied, and still there to be written over
	assert_int_equal(db_checkpoint(p->db, true, &p->err), ERR_OK);
	assert_int_equal(db_log_bytes(p->db), 0);
	assert_int_equal(db_verify(p->db, &p->err), ERR_OK);
}

static void how_it_was_left_is_known(void **state)
{
	struct place *p = *state;
	assert_false(db_unclean(p->db)); // made just now
	assert_int_equal(add(p, 1), ERR_OK);
	assert_int_equal(db_checkpoint(p->db, true, &p->err), ERR_OK);
	db_stopped(p->db);
	close_it(p);
	assert_int_equal(access(p->clean, F_OK), 0);
	assert_int_equal(open_it(p, false), ERR_OK);
	assert_false(db_unclean(p->db));
	assert_int_not_equal(access(p->clean, F_OK), 0); // the word was of that stop
	assert_int_equal(add(p, 2), ERR_OK);
	db_stopped(p->db); // not whole without its log: nothing is said
	close_it(p);
	assert_int_not_equal(access(p->clean, F_OK), 0);
	assert_int_equal(open_it(p, false), ERR_OK);
	assert_true(db_unclean(p->db));
}

int main(void)
{
#define ON_A_FILE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		ON_A_FILE(values_there_and_back),
		ON_A_FILE(a_reader_may_stop),
		ON_A_FILE(failures_have_their_names),
		ON_A_FILE(transactions_are_seen),
		ON_A_FILE(a_missing_file_is_not_made),
		ON_A_FILE(one_holds_it),
		ON_A_FILE(garbage_is_no_database),
		ON_A_FILE(a_file_that_went_is_missed),
		ON_A_FILE(another_file_at_its_place_is_not_it),
		ON_A_FILE(the_log_is_copied_and_cut),
		ON_A_FILE(how_it_was_left_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
