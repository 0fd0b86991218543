// SPDX-License-Identifier: MIT
// Prices, of which there may be thousands: each takes the memory it needs and no more, and a
// list is put as one change. A new database begins with the seed.
#include "agent/store/price.h"

#include <string.h>

#include "agent/store/change.h"
#include "agent/store/private.h"
#include "agent/store/price_seed.h"
#include "agent/store/row.h"
#include "agent/store/tx.h"
#include "shared/clock.h"
#include "shared/jrow.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/text.h"

#define JSON_USUAL 600 // bytes of most prices' answers

// The document's own copy: what it was decoded from is larger than it by far.
static void copy(struct arena *a, const struct price *p, struct slice id,
	const struct row_meta *meta, struct price *ret)
{
	const struct price_image *v = p->images.v;
	struct price_image *images = NULL;
	*ret = *p;
	ret->id = arena_slice(a, id);
	ret->vendor = arena_strdup(a, p->vendor);
	ret->model = arena_strdup(a, p->model);
	ret->feature = arena_strdup(a, p->feature);
	ret->target = arena_strdup(a, p->target);
	ret->key = arena_strdup(a, p->key);
	ret->currency = p->currency != NULL ? arena_strdup(a, p->currency) : "USD";
	ret->source = arena_strdup(a, p->source);
	ret->revision = meta->revision;
	ret->created_at = meta->created_at;
	ret->updated_at = meta->updated_at;
	ret->updated_by = arena_slice(a, meta->updated_by);
	if (p->images.n)
		ret->images.v = images = arena_zalloc(a, p->images.n, sizeof(*images));
	for (size_t i = 0; i < p->images.n; i++)
		images[i] = (struct price_image){
			arena_strdup(a, v[i].quality), arena_strdup(a, v[i].size), v[i].pico};
	if (p->tiers.n)
		ret->tiers.v = memcpy(arena_zalloc(a, p->tiers.n, sizeof(struct price_tier)),
			p->tiers.v, p->tiers.n * sizeof(struct price_tier));
}

// There are thousands: each takes what it needs. A first copy, which is dropped, says how much.
static struct price_obj *keep(const struct price *decoded, const struct row_meta *meta,
	struct arena *scratch)
{
	struct price_obj *p = object_new(sizeof(*p));
	struct arena *a = &p->o.arena;
	struct str json = STR_INIT;
	struct jw w = jw_to(&json);
	char buf[PRICE_ID_MAX];
	struct slice id = price_id(decoded, buf);
	size_t before = scratch->used;
	str_reserve(&json, JSON_USUAL);
	struct price doc;
	copy(scratch, decoded, id, meta, &doc);
	jw_doc(&w, NULL, &price_fields, &doc);
	arena_slice(scratch, str_slice(&json));
	arena_reserve(a, scratch->used - before);
	copy(a, decoded, id, meta, &p->doc);
	p->o.json = (struct slice){arena_slice(a, str_slice(&json)), json.n};
	p->o.revision = meta->revision;
	str_release(&json);
	return p;
}

enum err_code object_price(struct slice doc, const struct row_meta *meta, struct price_obj **ret,
	struct err *err)
{
	struct arena scratch = ARENA_INIT;
	struct price decoded;
	enum err_code code = jrow_read(&price_fields, doc, STORED_LIMITS, &scratch, &decoded)
		? ERR_OK
		: jx_decode(&price_fields, doc, STORED_LIMITS, JX_CREATE | JX_STORED, &scratch,
			  &decoded, err);
	if (!code)
		*ret = keep(&decoded, meta, &scratch);
	arena_release(&scratch);
	return code;
}

// ---- what a price may say ----

enum err_code price_check(const struct price *p, struct err *err)
{
	int narrowed = (p->feature != NULL) + (p->target != NULL) + (p->key != NULL);
	const struct price_tier *v = p->tiers.v;
	if (strcmp(p->vendor, "self") != 0 && !vendor_known(slice_of(p->vendor)))
		return err_field(err, ERR_VENDOR_UNKNOWN, "vendor", NULL);
	if (narrowed > 1)
		return err_field(err, ERR_FIELD_RANGE, "key",
			_("a price is narrowed by one of feature, target, key"));
	if (strcmp(p->model, "*") == 0 && !narrowed)
		return err_field(err, ERR_FIELD_RANGE, "model",
			_("a price of any model needs a feature, target or key"));
	for (size_t i = 1; i < p->tiers.n; i++)
		if (v[i].above_tokens <= v[i - 1].above_tokens)
			return err_field(err, ERR_FIELD_RANGE, "tiers",
				_("tiers stand in ascending order of above_tokens"));
	return ERR_OK;
}

// ---- rows ----

static enum err_code write_row(struct store_tx *tx, const struct price_obj *p,
	const struct row_meta *m, struct err *err)
{
	struct slice parts[] = {slice_of(p->doc.id), p->o.json};
	unsigned char mac[SEAL_MAC];
	row_mac(tx->st->seal, parts, ARRAY_LEN(parts), mac);
	return DB_RUN(tx->db, err,
		"INSERT INTO price(id,revision,doc,created_at,updated_at,updated_by,mac)"
		" VALUES(?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET revision=excluded.revision,"
		"doc=excluded.doc,created_at=excluded.created_at,updated_at=excluded.updated_at,"
		"updated_by=excluded.updated_by,mac=excluded.mac",
		DB_T(p->doc.id), DB_I(m->revision), DB_S(p->o.json), DB_I(m->created_at),
		DB_I(m->updated_at), DB_S(m->updated_by), DB_B(mac, SEAL_MAC));
}

static const struct price_obj *stored(const struct snapshot *snap, const struct price *p)
{
	char id[PRICE_ID_MAX];
	return pmap_get(snap->prices, price_id(p, id));
}

enum price_change store_price_compare(const struct snapshot *snap, const struct price *p)
{
	const struct price_obj *old = stored(snap, p);
	if (old == NULL)
		return PRICE_CREATED;
	struct price said = *p;
	if (said.currency == NULL)
		said.currency = "USD";
	return field_same(&price_fields, &old->doc, &said) ? PRICE_UNCHANGED : PRICE_CHANGED;
}

static enum err_code put(struct store_tx *tx, const struct price *p, int64_t revision,
	struct err *err)
{
	const struct price_obj *old = stored(tx->snap, p);
	struct row_meta meta = {revision, old != NULL ? old->doc.created_at : tx->now_ms,
		tx->now_ms, ident_slice(&tx->actor->id)};
	struct str doc = STR_INIT;
	struct jw w = jw_to(&doc);
	struct price_obj *obj = NULL;
	jw_doc(&w, NULL, &price_fields, p);
	enum err_code code = object_price(str_slice(&doc), &meta, &obj, err);
	str_release(&doc);
	if (!code)
		code = write_row(tx, obj, &meta, err);
	if (code)
		object_drop(obj);
	else
		snapshot_put_price(tx->snap, obj);
	return code;
}

enum err_code store_price_begin(struct store_tx *tx, int64_t *ret_revision, struct err *err)
{
	enum err_code code = tx_unsealed(tx, err);
	if (!code)
		*ret_revision = tx_revision(tx);
	return code;
}

enum err_code store_price_put(struct store_tx *tx, const struct price *p, int64_t revision,
	struct err *err)
{
	enum err_code code = price_check(p, err);
	if (!code && tx->snap->prices.n >= STORE_PRICES_MAX && stored(tx->snap, p) == NULL)
		code = err_set(err, ERR_FIELD_RANGE, _("at most %d prices are kept"),
			STORE_PRICES_MAX);
	return code ? code : put(tx, p, revision, err);
}

enum err_code store_price_delete(struct store_tx *tx, struct slice id, bool *ret_found,
	struct err *err)
{
	*ret_found = pmap_get(tx->snap->prices, id) != NULL;
	if (!*ret_found)
		return ERR_OK;
	snapshot_del_price(tx->snap, id);
	return DB_RUN(tx->db, err, "DELETE FROM price WHERE id=?", DB_S(id));
}

enum err_code store_price_end(struct store_tx *tx, int64_t revision, const char *name,
	const char *summary, struct err *err)
{
	snapshot_prices_changed(tx->snap);
	tx->st->trim = true;
	return tx_change(tx, revision, "import", "Price", name, summary, (struct slice){0}, err);
}

// ---- the prices that come with the program ----

// Once in a database's life: what an operator deletes stays away. They are no change of the
// configuration: revision 0.
enum err_code store_price_seed(struct store_tx *tx, struct err *err)
{
	int64_t there = 0;
	enum err_code code = db_number(tx->db, "SELECT 1 FROM meta WHERE key='prices_seeded'", NULL,
		0, &there, err);
	if (code || there)
		return code;
	for (size_t i = 0; !code && i < price_seeds(); i++) {
		struct arena a = ARENA_INIT;
		struct price p = price_seed(i, &a);
		code = put(tx, &p, 0, err);
		arena_release(&a);
	}
	if (!code)
		code = DB_RUN(tx->db, err, "INSERT INTO meta(key,value) VALUES('prices_seeded',?)",
			DB_B("1", 1));
	if (!code)
		snapshot_prices_changed(tx->snap);
	return code;
}

static enum err_code load_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct load *l = arg;
	struct slice parts[] = {db_text(row, 0), db_text(row, 2)};
	struct row_meta meta = {db_int(row, 1), db_int(row, 3), db_int(row, 4), db_text(row, 5)};
	struct price_obj *p;
	if (row_holds(l->st->seal, db_text(row, 6), parts, ARRAY_LEN(parts)) &&
		object_price(parts[1], &meta, &p, err) == ERR_OK)
		snapshot_put_price(l->snap, p);
	else
		l->bad++;
	return ERR_OK;
}

enum err_code store_prices_load(struct load *l, struct err *err)
{
	return db_query(l->st->db,
		"SELECT id,revision,doc,created_at,updated_at,updated_by,mac FROM price", NULL, 0,
		load_row, l, err);
}
