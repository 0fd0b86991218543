// SPDX-License-Identifier: MIT
// A store on a scratch directory, and one job at a time on it. For the tests of this folder.
#ifndef YJ_TESTS_UNIT_STORE_SCRATCH_H
#define YJ_TESTS_UNIT_STORE_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>
#include "agent/store/store.h"
#include "shared/mem.h"

struct scratch {
	char dir[32], root[64];
	struct settings settings;
	struct snapshots *snaps;
	struct live_table *live;
	struct loop *loop;
	struct store *store;
};

// Opens what is there, or a new one.
static inline enum err_code scratch_open(struct scratch *s)
{
	struct err err = {0};
	bool locked;
	s->snaps = snapshots_new();
	s->live = live_new();
	s->loop = loop_new("test", NULL);
	enum err_code code = store_open(&s->settings, s->snaps, s->live, false, &s->store, &locked,
		&err);
	if (code == ERR_OK)
		store_start(s->store);
	return code;
}

static inline void scratch_close(struct scratch *s)
{
	if (s->store != NULL) {
		store_stop(s->store);
		store_free(s->store);
	}
	s->store = NULL;
	loop_free(s->loop);
	snapshots_free(s->snaps);
	live_free(s->live);
}

static inline int scratch_begin(void **state)
{
	struct scratch *s = mem_zalloc(1, sizeof(*s));
	snprintf(s->dir, sizeof(s->dir), "/tmp/yijian-store-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		return 1;
	snprintf(s->root, sizeof(s->root), "%s/root.key", s->dir);
	s->settings.state_dir = s->dir;
	s->settings.root_key_file = s->root;
	*state = s;
	return scratch_open(s) != ERR_OK;
}

static inline void scratch_path(const struct scratch *s, const char *name, char buf[96])
{
	snprintf(buf, 96, "%s/%s", s->dir, name);
}

static inline int scratch_end(void **state)
{
	struct scratch *s = *state;
	static const char *const files[] = {"root.key", "yijian.db", "yijian.db-wal",
		"yijian.db-shm", "yijian.db-clean", "snapshot.json", "snapshot.json.new",
		"snapshot.lost.json"};
	scratch_close(s);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[96];
		scratch_path(s, files[i], path);
		unlink(path);
	}
	rmdir(s->dir);
	free(s);
	return 0;
}

typedef enum err_code (*scratch_fn)(struct store_tx *tx, void *arg, struct err *err);

struct scratch_job {
	struct store_job job;
	struct loop *loop;
	scratch_fn fn;
	void *arg;
	enum err_code code;
};

static inline enum err_code scratch_in_tx(struct store_tx *tx, struct store_job *job)
{
	struct scratch_job *j = CONTAINER_OF(job, struct scratch_job, job);
	return j->fn(tx, j->arg, &job->err);
}

static inline void scratch_done(struct store_job *job, enum err_code code)
{
	struct scratch_job *j = CONTAINER_OF(job, struct scratch_job, job);
	j->code = code;
	loop_stop(j->loop);
}

static inline struct scratch_job scratch_job(struct scratch *s, scratch_fn fn, void *arg)
{
	return (struct scratch_job){.loop = s->loop,
		.fn = fn,
		.arg = arg,
		.job = {.run = scratch_in_tx,
			.done = scratch_done,
			.loop = s->loop,
			.actor = {.id = {"uid:0"}, .shown = "Ada", .role = ROLE_ADMIN}}};
}

static inline enum err_code scratch_wait(struct scratch *s, struct scratch_job *j)
{
	if (!store_submit(s->store, &j->job))
		return ERR_OVERLOADED;
	loop_run(s->loop);
	loop_free(s->loop); // a stopped loop does not run again
	s->loop = loop_new("test", NULL);
	return j->code;
}

// Runs fn in a transaction of its own, and waits for its end.
static inline enum err_code scratch_run(struct scratch *s, scratch_fn fn, void *arg)
{
	struct scratch_job j = scratch_job(s, fn, arg);
	return scratch_wait(s, &j);
}

// Changes one row behind the back of a store that is closed.
static inline void scratch_sql(const struct scratch *s, const char *sql)
{
	char path[96], *why = NULL;
	sqlite3 *db;
	scratch_path(s, "yijian.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
}

// The first column of the only row, of a store that is closed; "" NULL.
static inline void scratch_text(const struct scratch *s, const char *sql, char *buf, size_t size)
{
	char path[96];
	sqlite3 *db;
	sqlite3_stmt *row;
	scratch_path(s, "yijian.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	const unsigned char *text = sqlite3_column_text(row, 0);
	snprintf(buf, size, "%s", text != NULL ? (const char *)text : "");
	sqlite3_finalize(row);
	sqlite3_close(db);
}

#endif
