// SPDX-License-Identifier: MIT
// What is known dead outlives a restart: a row for each key whose secret was refused or that
// cools for long, and for each instance whose heartbeats stopped. Not configuration: no
// revision, no audit row.
#include "agent/store/outage.h"

#include <string.h>

#include "agent/store/private.h"
#include "shared/clock.h"

static uint64_t mix(uint64_t x, const char *text)
{
	return (slice_hash(x, slice_of(text)) ^ 0xff) * SLICE_HASH_PRIME;
}

// Which object, address and secret it was seen of.
int64_t store_outage_mark_key(const struct key_obj *k)
{
	uint64_t x = mix(SLICE_HASH_BEGIN, k->origin);
	x = mix(mix(x, k->url.path), k->doc.region);
	return (int64_t)((x ^ k->row_version) * SLICE_HASH_PRIME);
}

int64_t store_outage_mark_instance(const struct instance_obj *in)
{
	uint64_t x = mix(SLICE_HASH_BEGIN, in->doc.url);
	return (int64_t)((x ^ (uint64_t)in->doc.created_at) * SLICE_HASH_PRIME);
}

enum err_code store_outage_put(struct store_tx *tx, enum live_kind kind, const char *id,
	const struct outage *o, struct err *err)
{
	tx->writes++;
	if (!outage_any(o))
		return DB_RUN(tx->db, err, "DELETE FROM outage WHERE kind=? AND id=?",
			DB_I((int64_t)kind), DB_T(id));
	return DB_RUN(tx->db, err,
		"INSERT OR REPLACE INTO outage(kind,id,mark,fault,since_ms,cool_until_ms,cool_status,"
		"beat_ms) VALUES(?,?,?,?,?,?,?,?)",
		DB_I((int64_t)kind), DB_T(id), DB_I(o->mark), DB_I(o->fault), DB_I(o->since_ms),
		DB_I(o->cool_until_ms), DB_I(o->cool_status), DB_I(o->beat_ms));
}

static void apply_key(struct live *l, const struct outage *o)
{
	// No longer than any that is begun, whatever the clock says now.
	int64_t left_ms = MIN_OF(o->cool_until_ms - clock_wall_ms(), COOLDOWN_MAX_S * 1000);
	atomic_store(&l->fault, o->fault);
	atomic_store(&l->fault_since_wall_ms, o->since_ms);
	if (o->cool_until_ms == 0 || left_ms <= 0)
		return;
	atomic_store(&l->cooldown_status, o->cool_status);
	atomic_store(&l->cooldown_until_us, clock_mono_us() + left_ms * 1000);
}

static void apply_instance(const struct instance_obj *in, const struct outage *o)
{
	int64_t term_ms = in->doc.ttl_s == FIELD_NONE ? 0 : in->doc.ttl_s * 1000;
	// Expired it was and is, whatever the clock says now.
	int64_t ago_ms = MAX_OF(clock_wall_ms() - o->beat_ms, term_ms + 1000);
	if (o->beat_ms == 0 || term_ms == 0)
		return;
	atomic_store(&in->live->last_beat_us, clock_mono_us() - ago_ms * 1000);
	atomic_store(&in->live->health, HEALTH_CRITICAL);
	atomic_store(&in->live->health_since_wall_ms, o->beat_ms + term_ms);
}

static void apply(void *arg, enum live_kind kind, const char *id, const struct outage *o)
{
	const struct snapshot *snap = arg;
	if (kind == LIVE_KEY) {
		const struct key_obj *k = pmap_get(snap->keys, slice_of(id));
		bool known = o->fault >= LIVE_OK && o->fault <= LIVE_REGION_DENIED;
		if (k != NULL && known && store_outage_mark_key(k) == o->mark)
			apply_key(k->live, o);
	} else if (kind == LIVE_INSTANCE) {
		const struct instance_obj *in = pmap_get(snap->instances, slice_of(id));
		if (in != NULL && store_outage_mark_instance(in) == o->mark)
			apply_instance(in, o);
	}
}

struct walk {
	void (*each)(void *arg, enum live_kind kind, const char *id, const struct outage *o);
	void *arg;
};

static enum err_code walk_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	const struct walk *w = arg;
	struct slice id = db_text(row, 1);
	struct outage o = {.mark = db_int(row, 2),
		.fault = (int32_t)db_int(row, 3),
		.since_ms = db_int(row, 4),
		.cool_until_ms = db_int(row, 5),
		.cool_status = (int32_t)db_int(row, 6),
		.beat_ms = db_int(row, 7)};
	char text[sizeof(((struct live *)0)->id)];
	size_t n = MIN_OF(id.n, sizeof(text) - 1);
	(void)err;
	memcpy(text, id.p, n);
	text[n] = '\0';
	w->each(w->arg, (enum live_kind)db_int(row, 0), text, &o);
	return ERR_OK;
}

static enum err_code walk(struct db *db, struct walk w, struct err *err)
{
	return db_query(db,
		"SELECT kind,id,mark,fault,since_ms,cool_until_ms,cool_status,beat_ms FROM outage",
		NULL, 0, walk_row, &w, err);
}

enum err_code store_outage_load(struct store *st, struct snapshot *snap, struct err *err)
{
	return walk(st->db, (struct walk){apply, snap}, err);
}

enum err_code store_outage_walk(struct store_tx *tx,
	void (*each)(void *arg, enum live_kind kind, const char *id, const struct outage *o),
	void *arg, struct err *err)
{
	return walk(tx->db, (struct walk){each, arg}, err);
}
