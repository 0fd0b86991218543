// SPDX-License-Identifier: MIT
// The store thread: the only writer and the only database connection. Jobs that wait are run in
// one transaction (rows and audit row together), committed, the next snapshot published, then each
// caller is answered through its loop's inbox. No storage type appears here: SQLite is one body
// of it, others may follow.
#ifndef YJ_AGENT_STORE_STORE_H
#define YJ_AGENT_STORE_STORE_H

#include "agent/core/loop.h"
#include "agent/state/probe_purse.h"
#include "agent/store/seal.h"
#include "agent/core/settings.h"
#include "agent/state/usage.h"

struct store;
struct store_tx; // one running transaction

struct actor {
	struct ident id; // what is stored and compared
	char shown[CALLER_NAME_BYTES + 1]; // a token's name, for people; "" of others
	enum role role; // principal_reach: ROLE_ADMIN is one whom no scope narrows
	char request_id[40];
};

// The agent itself, by the word for its part.
#define ACTOR_SELF(word)                                                                           \
	{                                                                                          \
		.id = {word}, .role = ROLE_ADMIN                                                   \
	}

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
enum err_code store_open(const struct settings *s, struct snapshots *snaps, struct live_table *live,
	struct store **ret, bool *ret_locked, struct err *err);
void store_start(struct store *st); // the thread
void store_stop(struct store *st); // runs what waits, checkpoints, joins
void store_free(struct store *st);
// Thread-safe. False when the queue (STORE_QUEUE_MAX) is full: answer ERR_OVERLOADED.
#define STORE_QUEUE_MAX 8192
bool store_submit(struct store *st, struct store_job *job);
const struct seal *store_seal(const struct store *st); // NULL while sealed
// The AAD of a key's secret.
void store_key_aad(const struct store *st, const struct key_obj *k, struct seal_aad *ret);
// Opens a key's secret (any thread).
enum err_code store_key_open(const struct store *st, const struct key_obj *k, struct secret *ret,
	struct err *err);
// The log beside the database stays below STORE_LOG_MAX but for the length of one transaction that
// is larger; rows past their time, and what the log held of them, go every STORE_PURGE_EVERY_MS.
#define STORE_LOG_MAX (8 * 1024 * 1024)
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

// --- inside run(): the noun functions. Each validates against the transaction's own state,
// writes rows and audit, and updates the snapshot being built. if_match: FIELD_NONE for none.
// Documents are borrowed for the call.
enum err_code store_feature_put(struct store_tx *tx, const struct feature *f, bool create,
	int64_t if_match, const struct feature_obj **ret, struct err *err);
enum err_code store_feature_delete(struct store_tx *tx, struct slice name, int64_t if_match,
	struct err *err);
// ERR_NOT_FOUND for a revision that never was or is no more among the STORE_REVISIONS_KEPT newest.
#define STORE_REVISIONS_KEPT 200 // per feature
enum err_code store_feature_rollback(struct store_tx *tx, struct slice name, int64_t revision,
	const struct feature_obj **ret, struct err *err);
// {"items":[…]} of a feature's stored revisions, newest first, appended as items to out.
enum err_code store_feature_revisions(struct store_tx *tx, struct slice name, struct str *out,
	size_t *ret_n, struct err *err);
// key->api_key may be empty on update (kept). Computes id, slug, fingerprint, mask, envelope.
enum err_code store_key_put(struct store_tx *tx, const struct vendor_key *key, bool create,
	int64_t if_match, const struct key_obj **ret, struct err *err);
// Soft: the row stays STORE_UNDO_MS with its ciphertext.
#define STORE_UNDO_MS (10 * 60 * 1000)
#define STORE_IDEM_MS (24 * 3600 * 1000LL) // answers kept for repeated calls
enum err_code store_key_delete(struct store_tx *tx, struct slice id, int64_t if_match,
	struct err *err);
// The id of the live key with this fingerprint in the transaction's snapshot; NULL when none.
const struct key_obj *store_key_known_as(const struct snapshot *snap, const char *fingerprint);
enum err_code store_instance_put(struct store_tx *tx, const struct instance *in, int64_t if_match,
	bool *ret_created, const struct instance_obj **ret, struct err *err);
enum err_code store_instance_delete(struct store_tx *tx, struct slice service, struct slice id,
	struct err *err);
// Makes a token or a client: *secret gets its text (CREDENTIAL_LEN + 1 bytes), which is stored
// nowhere. ERR_CONFLICT_EXISTS for a name in use.
enum err_code store_token_create(struct store_tx *tx, const struct token *doc, char *secret,
	const struct token_obj **ret, struct err *err);
// Revoked at once; the row stays for STORE_REVOKED_MS so that its use is told apart from a guess.
#define STORE_REVOKED_MS (90LL * 24 * 3600 * 1000)
#define STORE_CALLERS_MAX 10000 // tokens, and as many clients
enum err_code store_token_revoke(struct store_tx *tx, const struct ident *id, struct err *err);
enum err_code store_client_create(struct store_tx *tx, const struct client_doc *doc, char *secret,
	const struct client_obj **ret, struct err *err);
enum err_code store_client_put(struct store_tx *tx, const struct ident *id,
	const struct client_doc *doc, int64_t if_match, const struct client_obj **ret, struct err *err);
enum err_code store_client_delete(struct store_tx *tx, const struct ident *id, int64_t if_match,
	struct err *err);
// Whether callers of the model traffic need a client's key. The same again changes nothing.
enum err_code store_policy_put(struct store_tx *tx, bool required, int64_t if_match,
	bool *ret_changed, struct err *err);
// Writes down what was spent and when callers were last seen: what changed since the last time.
enum err_code store_spend_save(struct store_tx *tx, struct err *err);
// A built-in rule that was changed goes back to its default; an unchanged one is a conflict.
enum err_code store_rule_put(struct store_tx *tx, const struct alert_rule *rule, bool create,
	int64_t if_match, const struct rule_obj **ret, struct err *err);
enum err_code store_rule_delete(struct store_tx *tx, struct slice name, int64_t if_match,
	struct err *err);
// An alert that fired, as JSON; resolved_at FIELD_NONE while it does. Prune keeps the newest
// resolved ones. Walk tells all, the oldest first.
enum err_code store_alert_put(struct store_tx *tx, const char *id, int64_t fired_at,
	int64_t resolved_at, struct slice doc, struct err *err);
enum err_code store_alert_prune(struct store_tx *tx, int64_t keep, struct err *err);
enum err_code store_alert_walk(struct store_tx *tx, void (*fn)(void *arg, struct slice doc),
	void *arg, struct err *err);
// An operator's override of a live record, kept until it runs out.
enum err_code store_override_put(struct store_tx *tx, int kind, const char *id,
	const struct live_override *o, struct err *err);
// --- outages (agent/monitor/outages): what is known dead, kept over a restart ---
struct outage {
	int64_t mark; // of the object, address and secret it was seen of; another one begins without
	int32_t fault; // enum live_fault of a key
	int64_t since_ms; // of the fault
	int64_t cool_until_ms; // wall clock; 0 not cooling
	int32_t cool_status;
	int64_t beat_ms; // an instance expired: its last heartbeat; 0 not
};
static inline bool outage_any(const struct outage *o)
{
	return o->fault != 0 || o->cool_until_ms != 0 || o->beat_ms != 0;
}
int64_t store_outage_mark_key(const struct key_obj *k);
int64_t store_outage_mark_instance(const struct instance_obj *in);
// id: of the live record. Nothing known: the row goes.
enum err_code store_outage_put(struct store_tx *tx, enum live_kind kind, const char *id,
	const struct outage *o, struct err *err);
enum err_code store_outage_walk(struct store_tx *tx,
	void (*each)(void *arg, enum live_kind kind, const char *id, const struct outage *o), void *arg,
	struct err *err);
// Deregisters an instance that nobody beats for any more.
enum err_code store_instance_reap(struct store_tx *tx, struct slice service, struct slice id,
	struct err *err);
// --- prices: a list is put row by row between begin and end, as one change ---
#define STORE_PRICES_MAX 10000
enum price_change { PRICE_CREATED, PRICE_CHANGED, PRICE_UNCHANGED };
// What putting it would do.
enum price_change store_price_compare(const struct snapshot *snap, const struct price *p);
// Whether it may be stored: vendor known, one narrowing, tiers in order.
enum err_code price_check(const struct price *p, struct err *err);
enum err_code store_price_begin(struct store_tx *tx, int64_t *ret_revision, struct err *err);
enum err_code store_price_put(struct store_tx *tx, const struct price *p, int64_t revision,
	struct err *err);
enum err_code store_price_delete(struct store_tx *tx, struct slice id, bool *ret_found,
	struct err *err);
enum err_code store_price_end(struct store_tx *tx, int64_t revision, const char *name,
	const char *summary, struct err *err);

// --- history: chunks of the agent's own figures, by the end of their newest step ---
enum err_code store_history_add(struct store_tx *tx, int64_t step_s, int64_t at_ms,
	struct slice chunk, int64_t kept_s, struct err *err);
// All of a step, oldest first, before store_start. Nothing without a database.
void store_history_read(struct store *st, int64_t step_s,
	void (*fn)(void *arg, int64_t at_ms, struct slice chunk), void *arg);

// --- usage: sums by minute, hour and day ---
#define USAGE_MINUTES_KEPT_S (24 * 3600)
#define USAGE_HOURS_KEPT_S (90 * 86400)
#define USAGE_DAYS_KEPT_S (400 * 86400)
// Adds the rows to their minute, hour and day, and drops what is too old. A batch is told by
// (boot, n), n growing from 1: one that is there already, though its commit had seemed to fail, is
// not added again.
enum err_code store_usage_add(struct store_tx *tx, uint64_t boot, uint64_t n,
	const struct usage_table *rows, struct err *err);
struct usage_query {
	int64_t step_s; // of the rows read: 60, 3600, 86400
	int64_t from_s, to_s; // [from, to), multiples of step_s
	int64_t bucket_s; // told apart by; 0: the whole time as one
	bool by[USAGE_BYS];
	const char *only[USAGE_BYS]; // NULL: all
};
// fn gets each group and currency once, its texts valid for the call: key.minute is the bucket's
// start (0 for one bucket). At most `max`; *ret_more when there were others.
enum err_code store_usage_read(struct store_tx *tx, const struct usage_query *q, size_t max,
	void (*fn)(void *arg, const struct usage_key *key, const struct usage_sum *sum), void *arg,
	bool *ret_more, struct err *err);
// The same by currency for the day that begins at day_s, before store_start. Nothing without a
// database.
void store_usage_day(struct store *st, int64_t day_s,
	void (*fn)(void *arg, const struct usage_key *key, const struct usage_sum *sum), void *arg);
// What looking at a key cost on that day; rows of days before go. Read back into the live records
// at the start.
enum err_code store_probe_put(struct store_tx *tx, const char *key, int64_t day,
	const struct probe_spent *spent, struct err *err);
// Objects as this transaction sees them.
const struct snapshot *store_tx_snapshot(struct store_tx *tx);
// Idempotency: finds the stored answer of (actor, endpoint, key). ERR_OK with *ret_found; or
// ERR_IDEMPOTENCY_MISMATCH when body_hash differs.
enum err_code store_idem_find(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], bool *ret_found, int *ret_status, struct str *ret_body,
	struct err *err);
enum err_code store_idem_save(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], int status, struct slice body, struct err *err);
// Appends an audit row without a document change (denials, starts, tests).
enum err_code store_audit(struct store_tx *tx, const char *action, const char *object,
	const char *result, struct err *err);
// The same of an object that has an id.
enum err_code store_audit_of(struct store_tx *tx, const char *action, const char *object,
	const char *object_id, const char *result, struct err *err);
// Changes are kept up to so many and for so long, the newest in any case; the audit log has all.
#define STORE_CHANGES_KEPT 10000
#define STORE_CHANGES_KEPT_MS (90LL * 24 * 3600 * 1000)
// JSON items of the audit log and of the change log, newest first, below `before` (0: from the
// top). *ret_total counts all rows, whatever the page.
// A place in a list of rows: its number, and a mark of the row that had it, so that a cursor of a row
// that is gone, or of another life of the database, is told from one that leads on.
struct store_place {
	int64_t seq, mark; // seq 0: the beginning
};
// sql tells the mark of the row ?1: its time, and in the last two bits whose list it is, because two
// rows of one transaction may have the same number. check: ERR_CURSOR_INVALID when the place is not as it was; find:
// gives the place of a row its mark (nothing to do for seq 0).
enum err_code store_place_check(struct store_tx *tx, const char *sql, const struct store_place *at,
	struct err *err);
enum err_code store_place_find(struct store_tx *tx, const char *sql, struct store_place *at,
	struct err *err);
enum err_code store_audit_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err);
enum err_code store_change_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err);
// Walks the chain; *ret_bad_seq is 0 when it holds.
enum err_code store_audit_verify(struct store_tx *tx, int64_t *ret_bad_seq, struct err *err);

#endif
