// SPDX-License-Identifier: MIT
// From a state directory to a store that serves: the database if it is there and whole, a new
// one where nothing is known yet, else the last saved configuration, read-only. And a new
// database's first rows.
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/feature.h"
#include "agent/store/keyring.h"
#include "agent/store/load.h"
#include "agent/store/private.h"
#include "agent/store/restore.h"
#include "agent/store/schema.h"
#include "agent/store/trouble.h"
#include "agent/store/tx.h"
#include "agent/store/upkeep.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/text.h"

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

static enum err_code seed_features(struct store_tx *tx, struct err *err)
{
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && schema_default_features[i] != NULL; i++) {
		struct arena a = ARENA_INIT;
		struct feature f;
		code = jx_decode(&feature_fields, slice_of(schema_default_features[i]),
			(struct jscan_limits){0, 0}, JX_CREATE, &a, &f, err);
		const struct feature_obj *obj;
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
	enum err_code code = db_begin(st->db, err);
	if (code)
		return code;
	struct store_tx tx;
	tx_begin(st, &tx, &system);
	code = db_end(st->db, fill(&tx, err), err);
	if (code) {
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
	if (!code && st->successor)
		code = db_enclose(st->db, err);
	if (!code)
		code = schema_migrate(st->db, clock_wall_ms(), &refused->foreign, err);
	if (!code && db_unclean(st->db))
		code = store_audit_gaps(st, err);
	if (!code)
		code = keyring_open(st, root, err);
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
	if (!code && st->tip->revision == 0 && st->seal != NULL)
		code = seed(st, seed_features, err);
	if (!code && st->seal != NULL)
		code = seed(st, store_price_seed, err);
	if (!code && st->seal != NULL)
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
	st->tip->calls_directs = st->settings->direct_models;
	st->quarantined = 0;
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
	if (!have_snapshot || refused->locked || refused->foreign || st->successor) {
		*err = why;
		return code;
	}
	forget(st);
	code = store_restore(st, root, st->tip, err);
	if (code)
		return code;
	st->saved_revision = (int64_t)st->tip->revision;
	st->trouble = ERR_STORAGE_READONLY;
	snprintf(st->trouble_text, sizeof(st->trouble_text),
		_("serving the last saved configuration, of revision %lld: %s; mend that and "
		  "restart the agent"),
		(long long)st->tip->revision, why.message);
	return ERR_OK;
}

static enum err_code open_all(struct store *st, bool *ret_locked, struct err *err)
{
	const char *path = st->path;
	bool fresh = !exists(path) && !exists(st->snapshot_path) && !exists(st->lost_path);
	struct secret root = {0};
	struct refusal refused = {0};
	struct err why = {0};
	enum err_code code = seal_root_load(st->settings->root_key_file, fresh, &root, &why);
	if (code)
		keyring_tell_sealed(st, &why);
	if (code && fresh)
		*err = why; // without a key nothing can be begun
	else if (fresh)
		code = open_database(st, path, true, &root, &refused, err);
	else
		code = open_known(st, path, &root, &refused, err);
	*ret_locked = refused.locked;
	secret_release(&root);
	return code;
}

enum err_code store_open(const struct settings *s, struct snapshots *snaps, struct live_table *live,
	bool successor, struct store **ret, bool *ret_locked, struct err *err)
{
	struct store *st = mem_zalloc(1, sizeof(*st));
	st->settings = s;
	st->successor = successor;
	st->snaps = snaps;
	st->live = live;
	st->tail = &st->head;
	st->tip = snapshot_new(live);
	st->tip->calls_directs = s->direct_models;
	st->path = path_in(s, "yijian.db");
	st->snapshot_path = path_in(s, "snapshot.json");
	st->lost_path = path_in(s, "snapshot.lost.json");
	pthread_mutex_init(&st->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&st->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	// What a save that was cut short left: it may hold secrets deleted since.
	char *unfinished = path_in(s, "snapshot.json.new");
	unlink(unfinished);
	free(unfinished);
	enum err_code code = open_all(st, ret_locked, err);
	if (code) {
		snapshot_free(st->tip);
		store_free(st);
		return code;
	}
	st->tip->sealed = st->seal == NULL;
	st->tip->store_state = store_state_of(st);
	randombytes_buf(&st->tip->lineage, sizeof(st->tip->lineage));
	store_tell_state(st);
	snapshots_publish(snaps, st->tip);
	st->saved_us = st->clean_us = st->purge_at_us = clock_mono_us();
	st->saved_required = store_kept_requires(st, -1);
	// This file also says "here is known state"; without it the database alone does.
	if (st->db != NULL && !exists(st->snapshot_path))
		store_save_now(st);
	*ret = st;
	return ERR_OK;
}

enum err_code store_settle(struct store *st, bool keep, struct err *err)
{
	return st->db != NULL ? db_settle(st->db, keep, err) : ERR_OK;
}

void store_free(struct store *st)
{
	if (st == NULL)
		return;
	if (st->db != NULL)
		db_settle(st->db, false, NULL); // a start that was given up
	db_close(st->db);
	seal_free(st->seal);
	str_release(&st->wrapped);
	str_release(&st->before);
	free(st->path);
	free(st->snapshot_path);
	free(st->lost_path);
	pthread_mutex_destroy(&st->lock);
	pthread_cond_destroy(&st->wake);
	free(st);
}
