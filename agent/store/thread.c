// SPDX-License-Identifier: MIT
#include <errno.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/schema.h"
#include "agent/store/private.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/text.h"

#define IDLE_US 1000000
#define SAVE_EVERY_US 5000000 // the snapshot file, at most so often …
#define SAVE_SHARE 50 // … and for at most this part of the time, but …
#define SAVE_WITHIN_US 60000000 // … not later: it still holds what was deleted

// ---- state ----

static enum store_state state_of(const struct store *st)
{
	if (!st->db)
		return STORE_READONLY;
	return st->trouble || st->quarantined || *st->upkeep || *st->unsaved || *st->lost
		? STORE_DEGRADED
		: STORE_OK;
}

static void add_reason(struct str *s, const char *text)
{
	if (*text)
		str_addf(s, "%s%s", s->n ? "; " : "", text);
}

// What store_stats tells; the caller sees to the snapshot.
static void tell_state(struct store *st)
{
	struct str s = STR_INIT;
	char left_out[128];

	add_reason(&s, st->trouble ? st->trouble_text : "");
	add_reason(&s, st->lost);
	snprintf(left_out, sizeof(left_out), _("%zu stored rows failed their check and are left out"),
		st->quarantined);
	add_reason(&s, st->quarantined ? left_out : "");
	add_reason(&s, st->upkeep);
	add_reason(&s, st->unsaved);
	pthread_mutex_lock(&st->lock);
	st->stats.state = state_of(st);
	st->stats.changes_missing = *st->lost != '\0';
	snprintf(st->stats.reason, sizeof(st->stats.reason), "%s", str_text(&s));
	pthread_mutex_unlock(&st->lock);
	str_release(&s);
}

void store_stats(struct store *st, struct store_stats *ret)
{
	pthread_mutex_lock(&st->lock);
	*ret = st->stats;
	pthread_mutex_unlock(&st->lock);
}

const struct seal *store_seal(const struct store *st)
{
	return st->seal;
}

const struct snapshot *store_tx_snapshot(struct store_tx *tx)
{
	return tx->snap;
}

// The next snapshot says it too; published when it changed.
static void show_state(struct store *st)
{
	struct snapshot *next;

	tell_state(st);
	if (st->tip->store_state == state_of(st))
		return;
	next = snapshot_fork(st->tip);
	next->store_state = state_of(st);
	st->tip = next;
	snapshots_publish(st->snaps, next);
}

void store_in_trouble(struct store *st, const struct err *err)
{
	bool begins = st->trouble != err->code;
	struct err ignored;

	st->trouble = err->code;
	snprintf(st->trouble_text, sizeof(st->trouble_text), "%s", err->message);
	show_state(st);
	// What was acknowledged is safe in memory alone from now on.
	if (begins && !st->no_saving &&
		(err->code == ERR_STORAGE_MOVED || err->code == ERR_STORAGE_CORRUPT) &&
		st->saved_revision != (int64_t)st->tip->revision)
		store_save(st, st->tip, &ignored);
}

void store_out_of_trouble(struct store *st)
{
	if (!st->trouble)
		return;
	st->trouble = ERR_OK;
	show_state(st);
}

void store_set_reason(struct store *st, char reason[ERR_TEXT_MAX], const char *text)
{
	if (strcmp(reason, text) == 0)
		return;
	snprintf(reason, ERR_TEXT_MAX, "%s", text);
	show_state(st);
}

// ---- opening ----

static bool exists(const char *path)
{
	struct stat s;

	return lstat(path, &s) == 0;
}

static char *path_in(const struct settings *s, const char *name)
{
	struct str p = STR_INIT;

	str_addf(&p, "%s/%s", s->state_dir, name);
	return str_take(&p, NULL);
}

static enum err_code load_meta_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct store *st = arg;
	struct slice key = db_text(row, 0), value = db_text(row, 1);

	(void)err;
	if (slice_eq_str(key, "db_uuid"))
		snprintf(st->uuid, sizeof(st->uuid), "%.*s", SLICE_FMT(value));
	else if (slice_eq_str(key, "keyring"))
		str_add_slice(&st->wrapped, value);
	return ERR_OK;
}

static enum err_code first_keyring(struct store *st, const struct secret *root, struct err *err)
{
	unsigned char random[16];
	enum err_code code;

	if (!root->n)
		return err_set(err, ERR_SEALED, NULL);
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(st->uuid, sizeof(st->uuid), random, sizeof(random));
	code = seal_new(root, &st->seal, &st->wrapped, err);
	if (!code)
		code = DB_RUN(st->db, err, "INSERT INTO meta(key,value) VALUES('db_uuid',?)",
			DB_B(st->uuid, strlen(st->uuid)));
	if (!code)
		code = DB_RUN(st->db, err, "INSERT INTO meta(key,value) VALUES('keyring',?)",
			DB_B(st->wrapped.p, st->wrapped.n));
	return code;
}

void store_tell_sealed(struct store *st, const struct err *why)
{
	snprintf(st->stats.sealed, sizeof(st->stats.sealed), why->hint[0] ? "%s (%s)" : "%s",
		why->message, why->hint);
}

static enum err_code open_keyring(struct store *st, const struct secret *root, struct err *err)
{
	enum err_code code = db_query(
		st->db, "SELECT key,value FROM meta", NULL, 0, load_meta_row, st, err);
	struct err why = {0};

	if (code)
		return code;
	if (!st->wrapped.n)
		return first_keyring(st, root, err);
	if (root->n && seal_open_ring(root, str_slice(&st->wrapped), &st->seal, &why)) {
		st->seal = NULL; // sealed: self-hosted routes still work, nothing is rewritten
		store_tell_sealed(st, &why);
	}
	return ERR_OK;
}

void tx_begin(struct store *st, struct store_tx *tx, const struct actor *actor)
{
	*tx = (struct store_tx){.st = st, .db = st->db, .actor = actor, .audit_seq = st->audit_seq,
		.now_ms = clock_wall_ms()};
	memcpy(tx->audit_head, st->audit_head, SEAL_MAC);
	tx->snap = snapshot_fork(st->tip);
}

static void tx_keep(struct store_tx *tx)
{
	tx->st->audit_seq = tx->audit_seq;
	memcpy(tx->st->audit_head, tx->audit_head, SEAL_MAC);
}

static enum err_code seed_features(struct store_tx *tx, struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; !code && schema_default_features[i]; i++) {
		struct arena a = ARENA_INIT;
		struct feature f;
		const struct feature_obj *obj;

		code = jx_decode(&feature_fields, slice_of(schema_default_features[i]),
			(struct jscan_limits){0, 0}, JX_CREATE, &a, &f, err);
		if (!code)
			code = store_feature_put(tx, &f, true, FIELD_NONE, &obj, err);
		arena_release(&a);
	}
	return code;
}

static enum err_code seed(struct store *st, enum err_code (*fill)(struct store_tx *, struct err *),
	struct err *err)
{
	static const struct actor system = ACTOR_SELF("system");
	struct store_tx tx;
	enum err_code code = db_exec(st->db, "BEGIN IMMEDIATE", err);

	if (code)
		return code;
	tx_begin(st, &tx, &system);
	code = fill(&tx, err);
	if (!code)
		code = db_exec(st->db, "COMMIT", err);
	if (code) {
		db_exec(st->db, "ROLLBACK", NULL);
		snapshot_free(tx.snap);
		return code;
	}
	tx_keep(&tx);
	snapshot_free(st->tip);
	st->tip = tx.snap;
	return ERR_OK;
}

// What nothing beside the database helps with: the agent does not start.
struct refusal {
	bool locked; // by another process
	bool foreign; // of another program, or a newer version of this one
};

static enum err_code open_database(struct store *st, const char *path, bool fresh,
	const struct secret *root, struct refusal *refused, struct err *err)
{
	enum err_code code = db_open(path, fresh, &st->db, &refused->locked, err);

	// Commits of a log over a file that was cut or replaced may look like a whole one, and so may a
	// file whose log was taken away in the middle of a checkpoint.
	if (!code && db_unclean(st->db))
		code = db_verify(st->db, err);
	if (!code)
		code = schema_migrate(st->db, clock_wall_ms(), &refused->foreign, err);
	if (!code && db_unclean(st->db))
		code = store_audit_gaps(st, err);
	if (!code)
		code = open_keyring(st, root, err);
	if (!code)
		code = store_audit_load(st, err);
	if (!code)
		code = store_overrides_load(st, clock_wall_ms(), err);
	if (!code)
		code = store_load(st, st->tip, err);
	if (!code)
		code = store_outage_load(st, st->tip, err);
	st->opened_revision = (int64_t)st->tip->revision;
	// A first start that died half-way left no change behind: it is finished now.
	if (!code && st->tip->revision == 0 && st->seal)
		code = seed(st, seed_features, err);
	if (!code && st->seal)
		code = seed(st, store_price_seed, err);
	if (!code && st->seal)
		code = seed(st, store_policy_settle, err);
	if (!code)
		code = db_still_there(st->db, err);
	return code;
}

// Back to nothing, for the second way of opening.
static void forget(struct store *st)
{
	db_close(st->db);
	st->db = NULL;
	seal_free(st->seal);
	st->seal = NULL;
	str_clear(&st->wrapped);
	snapshot_free(st->tip);
	st->tip = snapshot_new(st->live);
	st->quarantined = 0;
}

static enum err_code open_snapshot(struct store *st, const struct secret *root,
	const struct err *why, struct err *err)
{
	enum err_code code = store_restore(st, root, st->tip, err);

	if (code)
		return code;
	st->saved_revision = (int64_t)st->tip->revision;
	st->trouble = ERR_STORAGE_READONLY;
	snprintf(st->trouble_text, sizeof(st->trouble_text),
		_("serving the last saved configuration, of revision %lld: %s; mend that and "
		  "restart the agent"),
		(long long)st->tip->revision, why->message);
	return ERR_OK;
}

// Over known state an empty or missing database is never begun anew: somebody may bring it back.
static enum err_code open_known(struct store *st, const char *path, const struct secret *root,
	struct refusal *refused, struct err *err)
{
	struct err why = {0};
	struct stat file;
	bool have_snapshot = exists(st->snapshot_path);
	enum err_code code = stat(path, &file) == 0 && (file.st_size > 0 || !have_snapshot)
		? ERR_OK
		: err_set(&why, ERR_STORAGE_MOVED, _("the database is gone"));

	if (!code)
		code = open_database(st, path, false, root, refused, &why);
	if (!code) {
		store_compare(st);
		return ERR_OK;
	}
	if (!have_snapshot || refused->locked || refused->foreign) {
		*err = why;
		return code;
	}
	forget(st);
	return open_snapshot(st, root, &why, err);
}

static enum err_code open_all(struct store *st, bool *ret_locked, struct err *err)
{
	char *path = path_in(st->settings, "yijian.db");
	bool fresh = !exists(path) && !exists(st->snapshot_path) && !exists(st->lost_path);
	struct secret root = {0};
	struct refusal refused = {0};
	struct err why = {0};
	enum err_code code = seal_root_load(st->settings->root_key_file, fresh, &root, &why);

	if (code)
		store_tell_sealed(st, &why);
	if (code && fresh)
		*err = why; // without a key nothing can be begun
	else if (fresh)
		code = open_database(st, path, true, &root, &refused, err);
	else
		code = open_known(st, path, &root, &refused, err);
	*ret_locked = refused.locked;
	secret_release(&root);
	free(path);
	return code;
}

static void save(struct store *st)
{
	int64_t start = clock_mono_us();
	struct err err = {0};
	enum err_code code = store_save(st, st->tip, &err);

	st->saved_us = clock_mono_us();
	st->save_took_us = st->saved_us - start;
	store_set_reason(st, st->unsaved, code ? err.message : "");
}

// What opens or closes the gateway is kept before anybody is told of it.
static void save_policy(struct store *st)
{
	if (st->saved_required != st->tip->clients_required && !st->no_saving && !*st->unsaved)
		save(st);
}

static void save_when_due(struct store *st)
{
	int64_t share = MIN_OF(st->save_took_us * SAVE_SHARE, SAVE_WITHIN_US);
	int64_t every = MAX_OF(SAVE_EVERY_US, share);

	if (st->saved_revision != (int64_t)st->tip->revision && !st->no_saving &&
		clock_mono_us() - st->saved_us > every)
		save(st);
}

// What a save that was cut short left: it may hold secrets deleted since.
static void drop_unfinished(struct store *st)
{
	char *path = path_in(st->settings, "snapshot.json.new");

	unlink(path);
	free(path);
}

enum err_code store_open(const struct settings *s, struct snapshots *snaps, struct live_table *live,
	struct store **ret, bool *ret_locked, struct err *err)
{
	struct store *st = mem_zalloc(1, sizeof(*st));
	pthread_condattr_t monotonic;
	enum err_code code;

	st->settings = s;
	st->snaps = snaps;
	st->live = live;
	st->tail = &st->head;
	st->tip = snapshot_new(live);
	st->snapshot_path = path_in(s, "snapshot.json");
	st->lost_path = path_in(s, "snapshot.lost.json");
	pthread_mutex_init(&st->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&st->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	drop_unfinished(st);
	code = open_all(st, ret_locked, err);
	if (code) {
		snapshot_free(st->tip);
		store_free(st);
		return code;
	}
	st->tip->sealed = !st->seal;
	st->tip->store_state = state_of(st);
	randombytes_buf(&st->tip->lineage, sizeof(st->tip->lineage));
	tell_state(st);
	snapshots_publish(snaps, st->tip);
	st->saved_us = st->clean_us = st->purge_at_us = clock_mono_us();
	st->saved_required = store_kept_requires(st, -1);
	// This file also says "here is known state"; without it the database alone does.
	if (st->db && !exists(st->snapshot_path))
		save(st);
	*ret = st;
	return ERR_OK;
}

void store_free(struct store *st)
{
	if (!st)
		return;
	db_close(st->db);
	seal_free(st->seal);
	str_release(&st->wrapped);
	str_release(&st->before);
	free(st->snapshot_path);
	free(st->lost_path);
	pthread_mutex_destroy(&st->lock);
	pthread_cond_destroy(&st->wake);
	free(st);
}

// ---- running jobs ----

struct answer {
	struct store_job *job;
	enum err_code code;
};

static void run_done(void *arg)
{
	struct store_job *job = arg;

	job->done(job, job->err.code);
}

static void reply(struct store_job *job, enum err_code code)
{
	if (code && job->err.code != code)
		err_set(&job->err, code, NULL);
	job->err.code = code;
	loop_post(job->loop, run_done, job);
}

// One job inside the transaction; a failure undoes its rows and its part of the snapshot alone.
static enum err_code run_one(struct store_tx *tx, struct store_job *job)
{
	struct snapshot *before = tx->snap;
	struct store_tx saved = *tx;
	enum err_code code = db_run(tx->db, "SAVEPOINT job", NULL, 0, &job->err);

	if (code)
		return code;
	tx->snap = snapshot_fork(before);
	tx->actor = &job->actor;
	code = job->run(tx, job);
	if (!code)
		code = db_run(tx->db, "RELEASE job", NULL, 0, &job->err);
	if (!code) {
		snapshot_free(before);
		job->wrote = tx->writes != saved.writes;
		return ERR_OK;
	}
	if (db_in_transaction(tx->db))
		db_exec(tx->db, "ROLLBACK TO job; RELEASE job", NULL);
	snapshot_free(tx->snap);
	*tx = saved;
	return code;
}

// Begins, runs every job, commits, and looks whether the file is still the one we opened.
static enum err_code run_batch(struct store *st, struct store_tx *tx, struct answer *answers,
	size_t n, struct err *err)
{
	enum err_code code = db_still_there(st->db, err);

	if (!code)
		code = db_run(st->db, "BEGIN IMMEDIATE", NULL, 0, err);
	if (code)
		return code;
	for (size_t i = 0; i < n && !code; i++) {
		answers[i].code = run_one(tx, answers[i].job);
		// A full disk ends the transaction behind our back, with what was done before.
		if (answers[i].code && !db_in_transaction(st->db)) {
			*err = answers[i].job->err;
			code = answers[i].code;
		}
	}
	if (!code)
		code = db_run(st->db, "COMMIT", NULL, 0, err);
	if (code && db_in_transaction(st->db))
		db_exec(st->db, "ROLLBACK", NULL);
	if (code)
		return code;
	code = db_still_there(st->db, err);
	// Not acknowledged, yet perhaps there when the file comes back.
	st->stale = st->stale || (code && tx->writes);
	return code;
}

// The file is there (again): what it holds is the truth.
static enum err_code reload(struct store *st, struct err *err)
{
	struct snapshot *fresh;
	enum err_code code = db_still_there(st->db, err);

	if (code)
		return code;
	fresh = snapshot_new(st->live);
	fresh->sealed = !st->seal;
	fresh->before = st->tip;
	code = store_audit_load(st, err);
	if (!code)
		code = store_load(st, fresh, err);
	if (code) {
		snapshot_free(fresh);
		return code;
	}
	st->stale = false;
	fresh->before = NULL;
	randombytes_buf(&fresh->lineage, sizeof(fresh->lineage));
	fresh->store_state = st->tip->store_state;
	st->tip = fresh;
	snapshots_publish(st->snaps, fresh);
	return ERR_OK;
}

static void count(struct store *st, uint64_t writes, bool ok, int64_t took_us)
{
	pthread_mutex_lock(&st->lock);
	st->stats.commits += ok;
	st->stats.failures += !ok;
	st->stats.writes += ok ? writes : 0;
	st->stats.commit_seconds_sum += (double)took_us / 1e6;
	pthread_mutex_unlock(&st->lock);
}

static void fail_all(struct store *st, struct answer *answers, size_t n, const struct err *err)
{
	if (st->db)
		store_in_trouble(st, err);
	for (size_t i = 0; i < n; i++) {
		answers[i].job->err = *err;
		reply(answers[i].job, err->code);
	}
}

static void work(struct store *st, struct answer *answers, size_t n)
{
	int64_t start = clock_mono_us();
	struct store_tx tx;
	struct err err = {0};
	enum err_code code;

	if (!st->db) {
		err_set(&err, ERR_STORAGE_READONLY, NULL);
		fail_all(st, answers, n, &err);
		return;
	}
	code = st->stale ? reload(st, &err) : ERR_OK;
	if (code) {
		fail_all(st, answers, n, &err);
		return;
	}
	tx_begin(st, &tx, &answers[0].job->actor);
	code = run_batch(st, &tx, answers, n, &err);
	count(st, tx.writes, !code, clock_mono_us() - start);
	if (code) {
		snapshot_free(tx.snap);
		fail_all(st, answers, n, &err);
		return;
	}
	tx_keep(&tx);
	if (tx.writes) {
		st->trouble = ERR_OK; // it takes writes
		tx.snap->store_state = state_of(st);
		if (tx.snap->store_state != st->tip->store_state)
			tell_state(st);
		st->tip = tx.snap;
		snapshots_publish(st->snaps, tx.snap);
		save_policy(st);
	} else {
		snapshot_free(tx.snap); // only reading
	}
	for (size_t i = 0; i < n; i++)
		reply(answers[i].job, answers[i].code);
}

// What is done when nobody waits.
static void idle(struct store *st)
{
	struct err err = {0};

	snapshots_collect(st->snaps);
	if (!st->db)
		return;
	if (db_still_there(st->db, &err)) {
		store_in_trouble(st, &err);
		return;
	}
	if (st->trouble == ERR_STORAGE_MOVED && (!st->stale || reload(st, &err) == ERR_OK))
		store_out_of_trouble(st); // it was brought back
	else if (st->trouble && st->trouble != ERR_STORAGE_CORRUPT)
		store_try_again(st);
	if (*st->lost && !store_lost_there(st))
		store_set_reason(st, st->lost, "");
	// The list, what it was read into, the answer and the saved file came and went by now.
	if (st->trim && st->saved_revision == (int64_t)st->tip->revision)
		st->trim = malloc_trim(0) < 0;
}

static size_t take(struct store *st, struct answer *answers, bool *ret_stop)
{
	struct timespec until;
	size_t n = 0;

	pthread_mutex_lock(&st->lock);
	if (!st->head && !st->stopping) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += IDLE_US / 1000000;
		pthread_cond_timedwait(&st->wake, &st->lock, &until);
	}
	while (st->head && n < STORE_BATCH_MAX) {
		answers[n++] = (struct answer){st->head, ERR_OK};
		st->head = st->head->next;
		st->queued--;
	}
	if (!st->head)
		st->tail = &st->head;
	*ret_stop = st->stopping && n == 0;
	pthread_mutex_unlock(&st->lock);
	return n;
}

static void *store_main(void *arg)
{
	struct store *st = arg;
	struct answer answers[STORE_BATCH_MAX];
	bool stop = false;

	while (!stop) {
		size_t n = take(st, answers, &stop);

		if (n)
			work(st, answers, n);
		else
			idle(st);
		if (st->db && st->trouble != ERR_STORAGE_MOVED) {
			store_upkeep(st, n == 0);
			save_when_due(st);
		}
	}
	return NULL;
}

bool store_submit(struct store *st, struct store_job *job)
{
	bool room;

	job->next = NULL;
	job->err = (struct err){0};
	job->wrote = false;
	pthread_mutex_lock(&st->lock);
	room = st->queued < STORE_QUEUE_MAX && !st->stopping;
	if (room) {
		*st->tail = job;
		st->tail = &job->next;
		if (st->queued++ == 0)
			pthread_cond_signal(&st->wake);
	}
	pthread_mutex_unlock(&st->lock);
	return room;
}

void store_start(struct store *st)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 512 * 1024);
	st->running = pthread_create(&st->thread, &attr, store_main, st) == 0;
	pthread_attr_destroy(&attr);
	if (!st->running)
		abort(); // no thread at start: nothing works
}

void store_stop(struct store *st)
{
	struct err err = {0};

	pthread_mutex_lock(&st->lock);
	st->stopping = true;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
	if (st->running)
		pthread_join(st->thread, NULL);
	st->running = false;
	if (!st->db)
		return;
	// What fails here stays in the log, and the next start reads it from there.
	if (db_checkpoint(st->db, true, &err) == ERR_OK)
		db_stopped(st->db);
	if (!st->no_saving && st->saved_revision != (int64_t)st->tip->revision)
		store_save(st, st->tip, &err);
}
