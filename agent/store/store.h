// SPDX-License-Identifier: MIT
// The store thread: the only writer and the only database connection. Jobs that wait are run in
// one transaction (rows and audit row together), committed, the next snapshot published, then each
// caller is answered through its loop's inbox. No storage type appears here: SQLite is one body
// of it, others may follow.
//
// What a job may do stands in a header a noun (feature.h, key.h, ...). Each function there validates
// against the transaction's own state, writes rows and audit, and updates the snapshot being built.
// if_match: FIELD_NONE for none. Documents are borrowed for the call.
#ifndef YJ_AGENT_STORE_STORE_H
#define YJ_AGENT_STORE_STORE_H

#include "agent/core/loop.h"
#include "agent/state/probe_purse.h"
#include "agent/state/publish.h"
#include "agent/store/seal.h"
#include "agent/core/settings.h"

struct store;
struct store_tx; // one running transaction

struct actor {
	struct ident id; // what is stored and compared
	char shown[CALLER_NAME_BYTES + 1]; // a token's name, for people; "" of others
	enum role role; // principal_reach: ROLE_ADMIN is one whom no scope narrows
	char request_id[40];
};

// The agent itself, by the word for its part.
#define ACTOR_SELF(word) {.id = {word}, .role = ROLE_ADMIN}

// What a job leaves for its caller, in the caller's memory.
struct store_job {
	// Store thread, inside the transaction. An error undoes this job's rows alone (savepoint).
	enum err_code (*run)(struct store_tx *tx, struct store_job *job);
	// Caller's loop, after commit and publish (or after the failure). code is final: a failed
	// commit turns every job of the batch into that failure.
	void (*done)(struct store_job *job, enum err_code code);
	struct loop *loop; // borrowed
	void *arg;
	struct actor actor;
	struct err err;
	bool wrote; // the store's: whether run wrote anything; what changed nothing has no event
	struct store_job *next; // the store's
};

// Opens or creates the database and keyring under settings->state_dir, runs migrations, builds
// and publishes the first snapshot. Over known state whose database is gone it opens read-only
// from the last saved snapshot. ERR_STORAGE_* / a lock held by another process with its reason.
// *ret_locked: the failure is another process's lock.
// successor: what it changes is one transaction, which store_settle ends before store_start, and a
// database that does not open is no reason for anything but an error.
enum err_code store_open(const struct settings *s, struct snapshots *snaps, struct live_table *live,
	bool successor, struct store **ret, bool *ret_locked, struct err *err);
enum err_code store_settle(struct store *st, bool keep, struct err *err);
void store_start(struct store *st); // the thread
void store_stop(struct store *st); // runs what waits, checkpoints, joins
void store_free(struct store *st);
// The database is given to another process: what waits is written, the file is whole and closed, given
// is called on the loop; jobs that come wait until it is taken back. Any thread.
void store_give(struct store *st, struct loop *loop, void (*given)(void *arg), void *arg);
void store_take_back(struct store *st);
// The other has it for good: what waits and comes fails with ERR_STORAGE_READONLY.
void store_forgo(struct store *st);
// Thread-safe. False when the queue (STORE_QUEUE_MAX) is full: answer ERR_OVERLOADED.
#define STORE_QUEUE_MAX 8192
bool store_submit(struct store *st, struct store_job *job);
const struct seal *store_seal(const struct store *st); // NULL while sealed
// The log beside the database stays below STORE_LOG_MAX but for the length of one transaction that
// is larger; rows past their time, and what the log held of them, go every STORE_PURGE_EVERY_MS.
#define STORE_LOG_MAX (8 * 1024 * 1024)
#define STORE_UNDO_MS (10 * 60 * 1000) // so long a deleted key can be brought back
#define STORE_PURGE_EVERY_MS 60000
#define STORE_OVERDUE_MS (5 * 60 * 1000) // that late is a reason to look
struct store_stats {
	uint64_t commits, writes, failures;
	double commit_seconds_sum;
	enum store_state state;
	char reason[ERR_TEXT_MAX]; // why not OK
	int64_t log_bytes;
	int64_t checkpoint_wall_ms, purge_wall_ms; // the last ones that went well; 0 none yet
	bool checkpoint_overdue, purge_overdue;
	bool changes_missing; // acknowledged once, and not in the database that was opened
	char sealed[2 * ERR_TEXT_MAX]; // why secrets do not open; "" when they do
};
void store_stats(struct store *st, struct store_stats *ret);
// Objects as this transaction sees them.
const struct snapshot *store_tx_snapshot(struct store_tx *tx);
// What the changes of this job are for, as their summary; lives as long as the job.
void store_tx_note(struct store_tx *tx, const char *note);
// Runs a part of a job. Its rows, audit rows and objects are undone, and those alone, when it fails or
// when it leaves *keep false; parts may have parts.
typedef enum err_code store_part_fn(struct store_tx *tx, void *arg, bool *keep, struct err *err);
enum err_code store_tx_part(struct store_tx *tx, store_part_fn *run, void *arg, struct err *err);

#endif
