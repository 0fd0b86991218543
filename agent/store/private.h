// SPDX-License-Identifier: MIT
// What the store's files share among themselves. Nobody else includes it.
#ifndef YJ_AGENT_STORE_PRIVATE_H
#define YJ_AGENT_STORE_PRIVATE_H

#include <pthread.h>

#include "agent/store/db.h"
#include "agent/store/store.h"

#define DB_UUID_LEN 33
#define STORE_BATCH_MAX 256

struct store {
	const struct settings *settings; // borrowed
	struct snapshots *snaps; // borrowed
	struct live_table *live; // borrowed
	struct db *db; // store thread only; NULL when read-only
	struct seal *seal; // NULL while sealed
	struct str wrapped; // the keyring as stored
	struct str before; // tx_before's, store thread only
	char uuid[DB_UUID_LEN];
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
	struct store_stats stats;
};

// Keeps why secrets do not open, for store_stats.
void store_tell_sealed(struct store *st, const struct err *why);

struct store_tx {
	struct store *st;
	struct db *db;
	struct snapshot *snap; // being built
	const struct actor *actor;
	unsigned char audit_head[SEAL_MAC];
	int64_t audit_seq;
	int64_t now_ms;
	uint64_t writes;
};

// The database on its way into a snapshot.
struct load {
	struct store *st;
	struct snapshot *snap;
	size_t bad; // rows left out, because their MAC or form is wrong
};

// Stored documents are ours, written from ones that were accepted.
#define STORED_LIMITS ((struct jscan_limits){20000, JSCAN_DEPTH})

// ---- store_object: rows to objects ----
// doc is the stored JSON; the columns of the row are put over its read-only members.
struct row_meta {
	int64_t revision, created_at, updated_at;
	struct slice updated_by;
};
enum err_code object_feature(struct store *st, struct slice doc, const struct row_meta *meta,
	struct feature_obj **ret, struct err *err);
struct key_row {
	struct slice id, slug, fingerprint, masked, envelope, vendor, service;
	uint64_t row_version;
	int64_t rotated_at;
};
enum err_code object_key(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct key_row *row, struct key_obj **ret, struct err *err);
// The same of a document that its rows have checked already.
enum err_code object_key_of(struct store *st, const struct vendor_key *doc,
	const struct row_meta *meta, const struct key_row *row, struct key_obj **ret, struct err *err);
enum err_code object_instance(struct store *st, struct slice doc, const struct row_meta *meta,
	bool draining, struct instance_obj **ret, struct err *err);
struct caller_row {
	struct slice id, hash;
	int64_t revoked_at; // 0 not
};
enum err_code object_token(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct caller_row *row, struct token_obj **ret, struct err *err);
enum err_code object_client(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct caller_row *row, struct client_obj **ret, struct err *err);
enum err_code object_rule(struct slice doc, const struct row_meta *meta, struct rule_obj **ret,
	struct err *err);
// The rules that came with the agent, then what was changed of them.
void store_rules_builtin(struct snapshot *snap);
// Those of an object that is gone: another one of its name begins without.
enum err_code store_override_forget(struct store_tx *tx, enum live_kind kind, const char *id,
	struct err *err);
// The operator's live overrides that have not run out, into the live table.
enum err_code store_overrides_load(struct store *st, int64_t now_ms, struct err *err);
enum err_code object_price(struct slice doc, const struct row_meta *meta, struct price_obj **ret,
	struct err *err);
// The prices that come with the program, once in a database's life.
enum err_code store_price_seed(struct store_tx *tx, struct err *err);
// The JSON of an object whose document has changed since.
void object_render(struct object *o, const struct field_set *set, const void *doc);
// MAC over the parts of a row, in order.
void row_mac(const struct seal *seal, const struct slice *parts, size_t n,
	unsigned char ret[SEAL_MAC]);
// Whether the one that is stored holds; without a keyring nothing can be checked.
bool row_holds(const struct seal *seal, struct slice stored, const struct slice *parts, size_t n);
// The service a key is filed under: its own or the first of its list.
const char *key_service(const struct vendor_key *k);
// Origin of the key's upstream into the arena.
enum err_code key_url(const struct vendor_key *k, struct arena *a, struct url *ret,
	struct err *err);

// ---- store_audit ----
// Next configuration revision of this transaction.
int64_t tx_revision(struct store_tx *tx);
// Change row with its revision, and the audit row.
enum err_code tx_change(struct store_tx *tx, int64_t revision, const char *action, const char *kind,
	const char *name, const char *summary, struct slice before, struct err *err);
// The same of an object whose name is not its identity: id is.
enum err_code tx_change_of(struct store_tx *tx, int64_t revision, const char *action,
	const char *kind, const char *name, const char *id, const char *summary,
	struct slice before, struct err *err);
// What a change row keeps of the object that stood before it: of a changed one the top members that
// are otherwise in `now`, each whole as it was, null for one that was not there (what follows from any
// change is left out); of one that is deleted (now NULL) all, of a new one (old NULL) nothing. Put in
// the place of the members of `now` they lead back. Valid until the next call.
struct slice tx_before(struct store_tx *tx, const struct object *old, const struct object *now);
// Whether the object just made, with the revision taken last, says what the old one says: then
// nothing is to be written, the new one is dropped, its revision is free again, and the old one stands
// as the answer. old NULL: false.
bool tx_unchanged(struct store_tx *tx, const struct field_set *set, const struct object *old,
	const void *old_doc, struct object *now, const void *now_doc);
enum err_code store_audit_load(struct store *st, struct err *err);
// ERR_STORAGE_CORRUPT when the chain has holes, as an old file under a newer log leaves them.
enum err_code store_audit_gaps(struct store *st, struct err *err);
// Changes beyond the bounds of store.h go, at most so many of the oldest, and with the one that deleted
// a feature its revisions. *more becomes true when there may be others.
enum err_code store_audit_prune(struct store_tx *tx, int64_t most, bool *more, struct err *err);

// ---- store_load: every table into *snap ----
// Rows that fail their MAC are left out and counted in st->quarantined.
enum err_code store_load(struct store *st, struct snapshot *snap, struct err *err);
enum err_code store_features_load(struct load *l, struct err *err);
enum err_code store_keys_load(struct load *l, struct err *err);
enum err_code store_instances_load(struct load *l, struct err *err);
enum err_code store_callers_load(struct load *l, struct err *err);
enum err_code store_spend_load(struct load *l, struct err *err);
enum err_code store_probe_load(struct load *l, struct err *err);
enum err_code store_rules_load(struct load *l, struct err *err);
enum err_code store_prices_load(struct load *l, struct err *err);
enum err_code store_revision_load(struct load *l, struct err *err);
enum err_code store_policy_load(struct load *l, struct err *err);
// What the object spent, when its name may come again.
enum err_code store_spend_forget(struct store_tx *tx, enum live_kind kind, const char *id,
	struct err *err);

// ---- store_policy: whether callers of the model traffic need a client's key ----
// Writes the fact; the change row is the caller's.
enum err_code store_policy_write(struct store_tx *tx, bool required, int64_t revision,
	struct err *err);
// At the start, once there is a keyring: what was concluded from other rows becomes the fact.
enum err_code store_policy_settle(struct store_tx *tx, struct err *err);

// At start, into the live records of the snapshot's objects.
enum err_code store_outage_load(struct store *st, struct snapshot *snap, struct err *err);

// ---- store_save: the last-good snapshot file ----
enum err_code store_save(struct store *st, const struct snapshot *snap, struct err *err);
// Fills uuid, keyring and *snap from the file. ERR_STORAGE_CORRUPT when its MAC does not hold.
enum err_code store_restore(struct store *st, const struct secret *root, struct snapshot *snap,
	struct err *err);
// Whether the file says, by a later word than that of this revision, that client keys are required:
// then the database is an older one than it. Not authenticated: it can only close.
bool store_kept_requires(const struct store *st, int64_t policy_revision);
// After the database was opened: a file that is newer than it, or of another database, says that
// acknowledged changes are missing. It is set aside as lost_path, never written over, and st->lost
// says so until that file is deleted.
void store_compare(struct store *st);
bool store_lost_there(const struct store *st);

// ---- store_upkeep ----
// After each turn of the store thread: rows past their time, the log. Then, when nobody waits, a
// store in trouble is written to, to see whether it is over.
void store_upkeep(struct store *st, bool idle);
void store_try_again(struct store *st);
// A stored text is a whole JSON object as we write them (store_audit).
bool store_holds_object(struct slice text);
// Some usage rows past their time (store_usage); *more: there may be others.
enum err_code store_usage_expire(struct store_tx *tx, bool *more, struct err *err);

// ---- store_thread ----
void tx_begin(struct store *st, struct store_tx *tx, const struct actor *actor);
void store_in_trouble(struct store *st, const struct err *err);
void store_out_of_trouble(struct store *st);
// One of the reasons beside `trouble`, as it stands now; "" when it has passed.
void store_set_reason(struct store *st, char reason[ERR_TEXT_MAX], const char *text);

#endif
