// SPDX-License-Identifier: MIT
// The thread that alone writes: it takes the jobs that wait, runs them as one transaction,
// publishes what they made, answers each, and looks after the database when there are none.
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

#include "agent/store/load.h"
#include "agent/store/private.h"
#include "agent/store/restore.h"
#include "agent/store/save.h"
#include "agent/store/trouble.h"
#include "agent/store/tx.h"
#include "agent/store/upkeep.h"
#include "shared/clock.h"

#define IDLE_US 1000000

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

static enum err_code run_part(struct store_tx *tx, void *arg, bool *keep UNUSED,
	struct err *err UNUSED)
{
	struct store_job *job = arg;
	uint64_t writes = tx->writes;
	tx->actor = &job->actor;
	tx->note = NULL;
	enum err_code code = job->run(tx, job);
	job->wrote = !code && tx->writes != writes;
	return code;
}

// One job inside the transaction; a failure undoes its rows and its part of the snapshot alone.
static enum err_code run_one(struct store_tx *tx, struct store_job *job)
{
	enum err_code code = store_tx_part(tx, run_part, job, &job->err);
	job->wrote = job->wrote && !code;
	return code;
}

// Begins, runs every job, commits, and looks whether the file is still the one we opened.
static enum err_code run_batch(struct store *st, struct store_tx *tx, struct answer *answers,
	size_t n, struct err *err)
{
	enum err_code code = db_still_there(st->db, err);
	if (!code)
		code = db_begin(st->db, err);
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
	code = db_end(st->db, code, err);
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
	enum err_code code = db_still_there(st->db, err);
	if (code)
		return code;
	struct snapshot *fresh = snapshot_new(st->live);
	fresh->sealed = st->seal == NULL;
	fresh->calls_directs = st->settings->direct_models;
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
	if (st->db != NULL)
		store_in_trouble(st, err);
	for (size_t i = 0; i < n; i++) {
		answers[i].job->err = *err;
		reply(answers[i].job, err->code);
	}
}

static void work(struct store *st, struct answer *answers, size_t n)
{
	int64_t start = clock_mono_us();
	struct err err = {0};
	enum err_code code = ERR_OK;
	if (st->db == NULL)
		code = err_set(&err, ERR_STORAGE_READONLY, NULL);
	else if (st->stale)
		code = reload(st, &err);
	if (code) {
		fail_all(st, answers, n, &err);
		return;
	}
	struct store_tx tx;
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
		tx.snap->store_state = store_state_of(st);
		if (tx.snap->store_state != st->tip->store_state)
			store_tell_state(st);
		st->tip = tx.snap;
		snapshots_publish(st->snaps, tx.snap);
		store_save_policy(st);
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
	if (st->db == NULL)
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

// ---- the database in other hands ----

static void finish(struct store *st)
{
	struct err err = {0};
	if (st->db == NULL)
		return;
	// What fails here stays in the log, and the next start reads it from there.
	if (db_checkpoint(st->db, true, &err) == ERR_OK)
		db_stopped(st->db);
	if (!st->no_saving && st->saved_revision != (int64_t)st->tip->revision)
		store_save(st, st->tip, &err);
}

static void let_go(struct store *st)
{
	finish(st);
	st->had_db = st->db != NULL;
	db_close(st->db);
	st->db = NULL;
	loop_post(st->given_loop, st->given, st->given_arg);
}

static void take_back(struct store *st)
{
	struct err err = {0};
	bool locked;
	if (st->had_db && db_open(st->path, false, &st->db, &locked, &err) != ERR_OK) {
		st->db = NULL;
		store_in_trouble(st, &err);
	}
}

// One step of it; false when there is none.
static bool change_hands(struct store *st)
{
	pthread_mutex_lock(&st->lock);
	int step = st->giving == GIVE_SOON && st->ahead == 0 ? GIVE_SOON
		: st->giving == GIVE_BACK		     ? GIVE_BACK
							     : GIVE_NOT;
	if (step)
		st->giving = step == GIVE_SOON ? GIVE_AWAY : GIVE_NOT;
	pthread_mutex_unlock(&st->lock);
	if (step == GIVE_SOON)
		let_go(st);
	else if (step == GIVE_BACK)
		take_back(st);
	return step != GIVE_NOT;
}

void store_give(struct store *st, struct loop *loop, void (*given)(void *arg), void *arg)
{
	pthread_mutex_lock(&st->lock);
	st->giving = GIVE_SOON;
	st->ahead = st->queued;
	st->given_loop = loop;
	st->given = given;
	st->given_arg = arg;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
}

static void hands(struct store *st, int step)
{
	pthread_mutex_lock(&st->lock);
	st->giving = step;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
}

void store_take_back(struct store *st)
{
	hands(st, GIVE_BACK);
}

void store_forgo(struct store *st)
{
	hands(st, GIVE_NOT);
}

// ---- the thread ----

static bool may_take(const struct store *st, size_t n)
{
	bool ours = st->giving == GIVE_NOT || (st->giving == GIVE_SOON && st->ahead > 0);
	return ours && st->head != NULL && n < STORE_BATCH_MAX;
}

static size_t take(struct store *st, struct answer *answers, bool *ret_stop)
{
	size_t n = 0;
	pthread_mutex_lock(&st->lock);
	struct timespec until;
	bool nothing = !may_take(st, 0) && (st->giving == GIVE_NOT || st->giving == GIVE_AWAY);
	if (nothing && !st->stopping) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += IDLE_US / 1000000;
		pthread_cond_timedwait(&st->wake, &st->lock, &until);
	}
	while (may_take(st, n)) {
		answers[n++] = (struct answer){st->head, ERR_OK};
		st->head = st->head->next;
		st->queued--;
		st->ahead -= st->giving == GIVE_SOON;
	}
	if (st->head == NULL)
		st->tail = &st->head;
	*ret_stop = st->stopping && n == 0;
	pthread_mutex_unlock(&st->lock);
	return n;
}

static void *store_main(void *arg)
{
	struct store *st = arg;
	pthread_setname_np(pthread_self(), "store");
	struct answer answers[STORE_BATCH_MAX];
	bool stop = false;
	while (!stop) {
		size_t n = take(st, answers, &stop);
		if (n)
			work(st, answers, n);
		else if (!change_hands(st))
			idle(st);
		if (st->db != NULL && st->trouble != ERR_STORAGE_MOVED)
			store_upkeep(st, n == 0);
	}
	return NULL;
}

const struct seal *store_seal(const struct store *st)
{
	return st->seal;
}

bool store_submit(struct store *st, struct store_job *job)
{

	job->next = NULL;
	job->err = (struct err){0};
	job->wrote = false;
	pthread_mutex_lock(&st->lock);
	bool room = st->queued < STORE_QUEUE_MAX && !st->stopping;
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
	pthread_mutex_lock(&st->lock);
	st->stopping = true;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
	if (st->running)
		pthread_join(st->thread, NULL);
	st->running = false;
	finish(st);
}
