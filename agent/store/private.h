// SPDX-License-Identifier: MIT
// What the store's files share among themselves: its two records, and what nouns whose own headers are
// for everybody give to the others. Nobody else includes it.
#ifndef YJ_AGENT_STORE_PRIVATE_H
#define YJ_AGENT_STORE_PRIVATE_H

#include <pthread.h>

#include "agent/store/db.h"
#include "agent/state/build.h"
#include "agent/state/caller.h"
#include "agent/store/store.h"

#define DB_UUID_LEN 33
#define STORE_BATCH_MAX 256

struct store {
	const struct settings *settings; // borrowed
	struct snapshots *snaps; // borrowed
	struct live_table *live; // borrowed
	struct db *db; // store thread only; NULL when read-only
	bool had_db; // when it was given away
	bool successor; // of an agent that would open the database again
	struct seal *seal; // NULL while sealed
	struct str wrapped; // the keyring as stored
	struct str before; // tx_before's, store thread only
	char uuid[DB_UUID_LEN];
	char *path; // of the database
	char *snapshot_path;
	char *lost_path; // a kept configuration with changes that the database lacks
	// store thread
	struct snapshot *tip; // what is published now
	unsigned char audit_head[SEAL_MAC];
	int64_t audit_seq;
	int64_t opened_revision; // what the database was found at
	int64_t saved_revision; // of the snapshot file
	bool saved_required; // it says that client keys are required
	int64_t saved_us; // when it was written
	int64_t save_took_us;
	bool no_saving; // the snapshot file is newer than the database and could not be set aside
	enum err_code trouble; // why writes fail now
	char trouble_text[ERR_TEXT_MAX];
	// What goes wrong while writes succeed: the upkeep of log and rows, the snapshot file, and
	// changes that were acknowledged and are gone. Empty: nothing.
	char upkeep[ERR_TEXT_MAX], unsaved[ERR_TEXT_MAX], lost[ERR_TEXT_MAX];
	int64_t purge_at_us; // when rows past their time go next
	int64_t upkeep_at_us; // not before: it failed
	int64_t clean_us; // when the file was last known to hold all that the log does
	size_t quarantined; // rows left out because their MAC or form is wrong
	bool trim; // much was allocated and freed since memory was last given back
	bool stale; // the last transaction's fate is unknown: the tip may lack rows
	pthread_t thread;
	bool running;
	// under lock
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct store_job *head, **tail;
	size_t queued;
	bool stopping;
	enum { GIVE_NOT, GIVE_SOON, GIVE_AWAY, GIVE_BACK } giving; // the database, to a successor
	size_t ahead; // jobs that are run before it is
	struct loop *given_loop;
	void (*given)(void *arg);
	void *given_arg;
	struct store_stats stats;
};

struct store_tx {
	struct store *st;
	struct db *db;
	struct snapshot *snap; // being built
	const struct actor *actor;
	unsigned char audit_head[SEAL_MAC];
	int64_t audit_seq;
	int64_t now_ms;
	uint64_t writes;
	const char *note; // of this job's changes, in place of their summaries; NULL none
};

// The database on its way into a snapshot.
struct load {
	struct store *st;
	struct snapshot *snap;
	size_t bad; // rows left out, because their MAC or form is wrong
};

// ---- what load.c calls, in its order ----
// Rows that fail are left out and counted.
enum err_code store_features_load(struct load *l, struct err *err);
enum err_code store_keys_load(struct load *l, struct err *err);
enum err_code store_instances_load(struct load *l, struct err *err);
enum err_code store_callers_load(struct load *l, struct err *err);
enum err_code store_spend_load(struct load *l, struct err *err);
enum err_code store_probe_load(struct load *l, struct err *err);
enum err_code store_rules_load(struct load *l, struct err *err);
enum err_code store_prices_load(struct load *l, struct err *err);
enum err_code store_policy_load(struct load *l, struct err *err);

// ---- what else is read at the start ----
enum err_code store_audit_load(struct store *st, struct err *err);
// ERR_STORAGE_CORRUPT when the chain has holes, as an old file under a newer log leaves them.
enum err_code store_audit_gaps(struct store *st, struct err *err);
// At start, into the live records of the snapshot's objects.
enum err_code store_outage_load(struct store *st, struct snapshot *snap, struct err *err);
// The operator's live overrides that have not run out, into the live table.
enum err_code store_overrides_load(struct store *st, int64_t now_ms, struct err *err);
// The prices that come with the program, once in a database's life.
enum err_code store_price_seed(struct store_tx *tx, struct err *err);

// ---- audit, alert, override, price, spend, policy, usage: for other nouns ----
struct row_meta;
enum err_code object_rule(struct slice doc, const struct row_meta *meta, struct rule_obj **ret,
	struct err *err);
// The rules that came with the agent, then what was changed of them.
void store_rules_builtin(struct snapshot *snap);
enum err_code object_price(struct slice doc, const struct row_meta *meta, struct price_obj **ret,
	struct err *err);
// Those of an object that is gone: another one of its name begins without.
enum err_code store_override_forget(struct store_tx *tx, enum live_kind kind, const char *id,
	struct err *err);
// What the object spent, when its name may come again.
enum err_code store_spend_forget(struct store_tx *tx, enum live_kind kind, const char *id,
	struct err *err);
// Writes the fact; the change row is the caller's.
enum err_code store_policy_write(struct store_tx *tx, bool required, int64_t revision,
	struct err *err);
// At the start, once there is a keyring: what was concluded from other rows becomes the fact.
enum err_code store_policy_settle(struct store_tx *tx, struct err *err);
// Some usage rows past their time; *more: there may be others.
enum err_code store_usage_expire(struct store_tx *tx, bool *more, struct err *err);

#endif
