// SPDX-License-Identifier: MIT
// Vendor keys: a name that is free, an id that stays, and a secret sealed for one address, which is
// sealed anew when what it is bound to changes.
#include "agent/store/key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agent/store/change.h"
#include "agent/store/origin.h"
#include "agent/store/private.h"
#include "agent/store/row.h"
#include "agent/store/tx.h"
#include "shared/text.h"
#include "shared/urlx.h"
#include "shared/rows/vendors.h"

#define SLUG_MAX 48
#define SLUG_TRIES 1000 // numbered names tried before the id takes over
#define ID_RANDOM 12

// ASCII letters fold, outer space goes: "Prod " and "prod" are one name.
static void fold_name(const char *name, struct str *out)
{
	struct slice s = slice_trim(slice_of(name));
	for (size_t i = 0; i < s.n; i++)
		str_add_c(out, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i]);
}

static void new_id(char id[ID_RANDOM + 5])
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

	unsigned char random[ID_RANDOM]; // at once: each draw of its own would be a system call
	randombytes_buf(random, sizeof(random));
	memcpy(id, "key_", 4);
	for (int i = 0; i < ID_RANDOM; i++)
		id[4 + i] = alphabet[random[i] & 31];
	id[4 + ID_RANDOM] = '\0';
}

static bool slug_free(struct store_tx *tx, const struct vendor_key *k, const char *slug)
{
	char ref[REF_MAX + 64];
	int n = snprintf(ref, sizeof(ref), "%s/%s/%s", k->vendor, key_service(k), slug);

	const struct key_obj *other = pmap_get(tx->snap->key_refs, (struct slice){ref, (size_t)n});
	return other == NULL || (k->id != NULL && strcmp(other->doc.id, k->id) == 0);
}

static void pick_slug(struct store_tx *tx, const struct vendor_key *k, const char *id,
	char slug[SLUG_MAX + 16])
{
	char base[SLUG_MAX + 1];
	size_t n = 0;
	if (k->slug != NULL && slug_free(tx, k, k->slug)) {
		snprintf(slug, SLUG_MAX + 16, "%s", k->slug);
		return;
	}
	for (const char *name = k->key_name; *name && n < SLUG_MAX; name++) {
		char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_')
			base[n++] = c;
		else if (n && base[n - 1] != '-')
			base[n++] = '-';
	}
	while (n && base[n - 1] == '-')
		n--;
	base[n] = '\0';
	snprintf(slug, SLUG_MAX + 16, "%s", *base ? base : id);
	for (int i = 2; !slug_free(tx, k, slug) && i < SLUG_TRIES; i++)
		snprintf(slug, SLUG_MAX + 16, "%s-%d", base, i);
	if (!slug_free(tx, k, slug))
		snprintf(slug, SLUG_MAX + 16, "%s", id);
}

void store_key_rename(const struct key_obj *old, struct vendor_key *key)
{
	if (strcmp(old->doc.key_name, key->key_name) != 0)
		key->slug = NULL;
}

#define TAKEN_MAX 64

static enum err_code note_id(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	(void)err;
	snprintf(arg, TAKEN_MAX, "%.*s", SLICE_FMT(db_text(row, 0)));
	return ERR_OK;
}

static enum err_code check_name(struct store_tx *tx, const struct vendor_key *k,
	struct slice folded, struct err *err)
{
	char taken[TAKEN_MAX] = "";
	struct db_val v[] = {DB_T(k->vendor), DB_T(key_service(k)), DB_S(folded)};
	enum err_code code = db_query(tx->db,
		"SELECT id FROM vendor_key WHERE vendor=? AND service=? AND name_fold=?"
		" AND deleted_at IS NULL",
		v, ARRAY_LEN(v), note_id, taken, err);
	if (code || taken[0] == '\0' || (k->id != NULL && strcmp(taken, k->id) == 0))
		return code;
	err_field(err, ERR_CONFLICT_EXISTS, "key_name",
		_("a key of this name exists for this vendor and service"));
	err_hint(err, "%s", _("choose another name, or rotate the existing key"));
	return ERR_CONFLICT_EXISTS;
}

static enum err_code check_key(struct store_tx *tx, const struct vendor_key *k, struct err *err)
{
	struct slice vendor = slice_of(k->vendor);
	enum err_code code = tx_unsealed(tx, err);
	if (code)
		return code;
	if (k->service == NULL && k->services.n == 0)
		return err_field(err, ERR_FIELD_REQUIRED, "service",
			_("service or services is required"));
	if (!vendor_known(vendor) && engine_find(vendor) == NULL)
		return err_field(err, ERR_VENDOR_UNKNOWN, "vendor", NULL);
	if (k->service != NULL && vendor_find(vendor, slice_of(k->service)) == NULL)
		return err_field(err, ERR_VENDOR_UNKNOWN, "service", NULL);
	for (size_t i = 0; i < k->services.n; i++)
		if (vendor_find(vendor, slice_of(k->services.v[i])) == NULL)
			return err_field(err, ERR_VENDOR_UNKNOWN, "services", NULL);
	if (slice_trim(slice_of(k->key_name)).n == 0)
		return err_field(err, ERR_FIELD_RANGE, "key_name", _("key_name is blank"));
	return ERR_OK;
}

void store_key_aad(const struct store *st, const struct key_obj *k, struct seal_aad *ret)
{
	*ret = (struct seal_aad){st->uuid, "vendor_key", k->doc.id, "api_key", k->row_version,
		k->doc.vendor, key_service(&k->doc), k->origin};
}

enum err_code store_key_open(const struct store *st, const struct key_obj *k, struct secret *ret,
	struct err *err)
{
	struct seal_aad aad;
	store_key_aad(st, k, &aad);
	return seal_open_row(st->seal, &aad, (struct slice){(const char *)k->sealed.p, k->sealed.n},
		ret, err);
}

// What it opens and for whom is what a key is; another is another key.
static enum err_code same_identity(const struct vendor_key *a, const struct vendor_key *b,
	struct err *err)
{
	bool same_service = (a->service == NULL && b->service == NULL) ||
		(a->service != NULL && b->service != NULL && strcmp(a->service, b->service) == 0);
	if (strcmp(a->vendor, b->vendor) == 0 && same_service)
		return ERR_OK;
	return err_field(err, ERR_FIELD_FORBIDDEN, "vendor",
		_("vendor and service of a key cannot be changed: add a new key"));
}

// What is pasted into the wrong field would be shown to everybody. A short one stands in many words.
#define SHOWN_MIN 8
#define VENDOR_SECRET_MIN 8

static enum err_code check_texts(const struct vendor_key *k, const struct secret *secret,
	struct err *err)
{
	struct slice s = secret_bytes(secret);
	for (size_t i = 0; s.n >= SHOWN_MIN && i < key_fields.n; i++) {
		const struct field *f = &key_fields.f[i];
		const char *text = f->type == FT_STR && !(f->flags & FF_READONLY)
			? *(const char *const *)field_of(f, k)
			: NULL;
		if (text != NULL && memmem(text, strlen(text), s.p, s.n) != NULL)
			return err_field(err, ERR_FIELD_FORBIDDEN, f->name,
				_("it holds the key itself, which belongs into api_key alone"));
	}
	return ERR_OK;
}

enum err_code store_key_fits(const struct vendor_key *k, struct err *err)
{
	const struct vendor_row *row = vendor_find(slice_of(k->vendor), slice_of(key_service(k)));
	bool own = row == NULL || row->local;
	return own || k->api_key.n == 0 || k->api_key.n >= VENDOR_SECRET_MIN
		? ERR_OK
		: err_field(err, ERR_FIELD_RANGE, "api_key",
			  _("a vendor's key has at least %d letters"), VENDOR_SECRET_MIN);
}

static enum err_code check_unshown(struct store_tx *tx, const struct vendor_key *k,
	const struct key_obj *old, struct err *err)
{
	struct secret stored = {0};
	enum err_code code = ERR_OK;
	if (k->api_key.n)
		return check_texts(k, &k->api_key, err);
	struct err ignored;
	if (old != NULL && store_key_open(tx->st, old, &stored, &ignored) == ERR_OK)
		code = check_texts(k, &stored, err);
	secret_release(&stored);
	return code;
}

// A key about to be written: its secret sealed anew, or the old envelope kept.
struct writing {
	struct arena arena;
	struct str envelope;
	char fp[SEAL_FP_HEX + 1], mask[SECRET_MASK_MAX];
	uint64_t version;
	int64_t rotated_at;
	struct origin_move move;
	const char
		*action; // what is written although nothing may differ; NULL: what differs says it
};

static enum err_code seal_secret(struct store_tx *tx, const struct vendor_key *k, const char *id,
	const struct key_obj *old, struct writing *w, struct err *err)
{
	struct seal_aad aad = {tx->st->uuid, "vendor_key", id, "api_key", w->version, k->vendor,
		key_service(k), NULL};
	struct secret kept = {0};
	const struct secret *plain = &k->api_key;
	struct url url;
	enum err_code code = key_url(k, &w->arena, &url, err);
	if (code)
		return code;
	w->move = (struct origin_move){tx->actor, old != NULL ? old->origin : url.origin,
		arena_strdup(&w->arena, url.origin), k->api_key.n > 0};
	code = origin_judge(&w->move, err);
	if (code)
		return code;
	if (!k->api_key.n) {
		if (old == NULL)
			return err_field(err, ERR_FIELD_REQUIRED, "api_key",
				_("api_key is required"));
		if (urlx_same_origin(old->origin, url.origin) &&
			strcmp(key_service(k), key_service(&old->doc)) == 0) {
			str_add_n(&w->envelope, old->sealed.p, old->sealed.n);
			snprintf(w->fp, sizeof(w->fp), "%s", old->doc.fingerprint);
			snprintf(w->mask, sizeof(w->mask), "%s", old->doc.api_key_masked);
			w->version = old->row_version;
			w->rotated_at = old->doc.rotated_at;
			return ERR_OK;
		}
		// The envelope is bound to origin and service, so the secret is sealed anew.
		code = store_key_open(tx->st, old, &kept, err);
		if (code)
			return code;
		plain = &kept;
		w->rotated_at = old->doc.rotated_at;
	}
	aad.origin = url.origin;
	code = seal_row(tx->st->seal, &aad, plain, &w->envelope, err);
	seal_fingerprint(tx->st->seal, plain, w->fp);
	secret_mask(plain, w->mask);
	secret_release(&kept);
	return code;
}

static enum err_code write_row(struct store_tx *tx, const struct key_obj *k,
	const struct key_obj *old, struct slice folded, const struct row_meta *m, struct err *err)
{
	struct slice parts[] = {
		slice_of(k->doc.id), k->o.json, {(const char *)k->sealed.p, k->sealed.n}};
	struct str was = STR_INIT;
	unsigned char mac[SEAL_MAC];
	row_mac(tx->st->seal, parts, ARRAY_LEN(parts), mac);
	if (old == NULL)
		return DB_RUN(tx->db, err,
			"INSERT INTO vendor_key(id,vendor,service,name_fold,slug,row_version,"
			"revision,doc,envelope,fingerprint,masked,created_at,updated_at,rotated_at,"
			"updated_by,mac) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			DB_T(k->doc.id), DB_T(k->doc.vendor), DB_T(key_service(&k->doc)),
			DB_S(folded), DB_T(k->doc.slug), DB_I((int64_t)k->row_version),
			DB_I(m->revision), DB_S(k->o.json), DB_B(k->sealed.p, k->sealed.n),
			DB_T(k->doc.fingerprint), DB_T(k->doc.api_key_masked), DB_I(m->created_at),
			DB_I(m->updated_at), DB_I(k->doc.rotated_at), DB_S(m->updated_by),
			DB_B(mac, SEAL_MAC));
	enum err_code code = DB_RUN(tx->db, err,
		"UPDATE vendor_key SET slug=?,row_version=?,revision=?,doc=?,envelope=?,"
		"fingerprint=?,masked=?,updated_at=?,rotated_at=?,updated_by=?,mac=? WHERE id=?",
		DB_T(k->doc.slug), DB_I((int64_t)k->row_version), DB_I(m->revision),
		DB_S(k->o.json), DB_B(k->sealed.p, k->sealed.n), DB_T(k->doc.fingerprint),
		DB_T(k->doc.api_key_masked), DB_I(m->updated_at), DB_I(k->doc.rotated_at),
		DB_S(m->updated_by), DB_B(mac, SEAL_MAC), DB_T(k->doc.id));
	// An index is written with every statement that names its column: the name has one of its own.
	fold_name(old->doc.key_name, &was);
	if (!code && !slice_eq(str_slice(&was), folded))
		code = DB_RUN(tx->db, err, "UPDATE vendor_key SET name_fold=? WHERE id=?",
			DB_S(folded), DB_T(k->doc.id));
	str_release(&was);
	return code;
}

static const char *action_of(const struct vendor_key *k, const struct key_obj *old,
	const char *fingerprint)
{
	if (old == NULL)
		return "create";
	if (k->api_key.n && strcmp(old->doc.fingerprint, fingerprint) != 0)
		return "rotate";
	if (k->enabled != old->doc.enabled)
		return k->enabled ? "enable" : "disable";
	return "update";
}

// The secret that is stored already, or none given.
static bool same_secret(struct store_tx *tx, const struct vendor_key *k, const struct key_obj *old,
	const char *fingerprint)
{
	struct secret stored = {0};
	struct err ignored;
	bool same = !k->api_key.n;
	if (k->api_key.n && strcmp(old->doc.fingerprint, fingerprint) == 0 &&
		store_key_open(tx->st, old, &stored, &ignored) == ERR_OK)
		same = secret_equal(&stored, &k->api_key);
	secret_release(&stored);
	return same;
}

static enum err_code put_key(struct store_tx *tx, const struct vendor_key *k,
	const struct key_obj *old, struct slice folded, struct writing *w,
	const struct key_obj **ret, struct err *err)
{
	char id[ID_RANDOM + 5];
	struct row_meta meta = {0, old != NULL ? old->doc.created_at : tx->now_ms, tx->now_ms,
		ident_slice(&tx->actor->id)};
	struct key_obj *obj = NULL;
	if (old != NULL)
		snprintf(id, sizeof(id), "%s", old->doc.id);
	else
		new_id(id);
	enum err_code code = seal_secret(tx, k, id, old, w, err);
	if (code)
		return code;
	char slug[SLUG_MAX + 16];
	pick_slug(tx, k, id, slug);
	meta.revision = tx_revision(tx);
	struct key_row row = (struct key_row){.id = slice_of(id),
		.slug = slice_of(slug),
		.fingerprint = slice_of(w->fp),
		.masked = slice_of(w->mask),
		.envelope = str_slice(&w->envelope),
		.row_version = w->version,
		.rotated_at = w->rotated_at};
	code = object_key_of(tx->st, k, &meta, &row, &obj, err);
	if (!code && w->action == NULL && old != NULL && same_secret(tx, k, old, w->fp) &&
		tx_unchanged(tx, &key_fields, &old->o, &old->doc, &obj->o, &obj->doc)) {
		*ret = old;
		return ERR_OK;
	}
	if (!code)
		code = write_row(tx, obj, old, folded, &meta, err);
	if (!code)
		code = w->action != NULL
			? tx_change_of(tx, meta.revision, w->action, "Key", obj->ref, obj->doc.id,
				  obj->doc.fingerprint, (struct slice){0}, err)
			: tx_change_of(tx, meta.revision, action_of(k, old, obj->doc.fingerprint),
				  "Key", obj->ref, obj->doc.id, obj->doc.fingerprint,
				  tx_before(tx, old != NULL ? &old->o : NULL, &obj->o), err);
	if (!code)
		code = origin_audit(tx, &w->move, obj->ref, obj->doc.id, err);
	if (code) {
		object_drop(obj);
		return code;
	}
	snapshot_put_key(tx->snap, obj);
	*ret = obj;
	return ERR_OK;
}

enum err_code store_key_put(struct store_tx *tx, const struct vendor_key *key, bool create,
	int64_t if_match, const struct key_obj **ret, struct err *err)
{
	const struct key_obj *old = create ? NULL : pmap_get(tx->snap->keys, slice_of(key->id));
	struct writing w = {.arena = ARENA_INIT,
		.rotated_at = tx->now_ms,
		.version = old != NULL ? old->row_version + 1 : 1};
	struct str folded = STR_INIT;
	enum err_code code = check_key(tx, key, err);
	if (!code)
		code = store_key_fits(key, err);
	if (!code && !create && old == NULL)
		code = err_set(err, ERR_NOT_FOUND, _("no key of this id"));
	if (!code)
		code = tx_match(old != NULL ? &old->o : NULL, if_match, err);
	if (!code && old != NULL)
		code = same_identity(&old->doc, key, err);
	if (!code)
		code = check_unshown(tx, key, old, err);
	fold_name(key->key_name, &folded);
	if (!code)
		code = check_name(tx, key, str_slice(&folded), err);
	if (!code)
		code = put_key(tx, key, old, str_slice(&folded), &w, ret, err);
	str_release(&folded);
	str_release(&w.envelope);
	arena_release(&w.arena);
	return code;
}

enum err_code store_key_delete(struct store_tx *tx, struct slice id, int64_t if_match,
	struct err *err)
{
	const struct key_obj *old = pmap_get(tx->snap->keys, id);
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no key of this id"));
	enum err_code code = tx_match(&old->o, if_match, err);
	if (!code)
		code = DB_RUN(tx->db, err, "UPDATE vendor_key SET deleted_at=? WHERE id=?",
			DB_I(tx->now_ms), DB_S(id));
	if (!code)
		code = store_override_forget(tx, LIVE_KEY, old->live->id, err);
	if (!code)
		code = tx_change_of(tx, tx_revision(tx), "delete", "Key", old->ref, old->doc.id,
			old->doc.fingerprint, tx_before(tx, &old->o, NULL), err);
	if (!code)
		snapshot_del_key(tx->snap, id);
	return code;
}

const struct key_obj *store_key_known_as(const struct snapshot *snap, const char *fingerprint)
{
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(snap->keys, &it, NULL, &obj))
		if (strcmp(((const struct key_obj *)obj)->doc.fingerprint, fingerprint) == 0)
			return obj;
	return NULL;
}

#define KEY_COLUMNS                                                                                \
	"id,vendor,service,slug,row_version,revision,doc,envelope,fingerprint,"                    \
	"masked,created_at,updated_at,rotated_at,updated_by,mac"

// False for a row that is not as it was written.
static bool read_row(struct store *st, struct sqlite3_stmt *row, struct key_obj **ret,
	struct err *err)
{
	struct key_row k = {.id = db_text(row, 0),
		.vendor = db_text(row, 1),
		.service = db_text(row, 2),
		.slug = db_text(row, 3),
		.row_version = (uint64_t)db_int(row, 4),
		.envelope = db_text(row, 7),
		.fingerprint = db_text(row, 8),
		.masked = db_text(row, 9),
		.rotated_at = db_int(row, 12)};
	struct slice parts[] = {k.id, db_text(row, 6), k.envelope};
	struct row_meta meta = {db_int(row, 5), db_int(row, 10), db_int(row, 11), db_text(row, 13)};
	return row_holds(st->seal, db_text(row, 14), parts, ARRAY_LEN(parts)) &&
		object_key(st, parts[1], &meta, &k, ret, err) == ERR_OK;
}

static enum err_code load_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct load *l = arg;
	struct key_obj *obj;
	if (read_row(l->st, row, &obj, err))
		snapshot_put_key(l->snap, obj);
	else
		l->bad++;
	return ERR_OK;
}

struct deleted {
	struct store *st;
	struct key_obj *obj;
};

static enum err_code load_deleted(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct deleted *d = arg;
	struct err why = {0};
	return read_row(d->st, row, &d->obj, &why)
		? ERR_OK
		: err_set(err, ERR_STORAGE_CORRUPT, _("the deleted key failed its check"));
}

enum err_code store_key_restore(struct store_tx *tx, const char *id, const struct key_obj **ret,
	struct err *err)
{
	struct deleted d = {tx->st, NULL};
	struct db_val v[] = {DB_T(id), DB_I(tx->now_ms - STORE_UNDO_MS)};
	enum err_code code = tx_unsealed(tx, err);
	if (!code)
		code = db_query(tx->db,
			"SELECT " KEY_COLUMNS " FROM vendor_key WHERE id=? AND deleted_at > ?", v,
			ARRAY_LEN(v), load_deleted, &d, err);
	if (!code && d.obj == NULL)
		return err_set(err, ERR_GONE, _("a deleted key is kept for %d minutes"),
			STORE_UNDO_MS / 60000);
	if (code)
		return code;
	struct vendor_key doc = d.obj->doc;
	struct writing w = {.arena = ARENA_INIT,
		.version = d.obj->row_version + 1,
		.rotated_at = d.obj->doc.rotated_at,
		.action = "restore"};
	struct str folded = STR_INIT;
	doc.api_key = (struct secret){0};
	doc.enabled = false;
	fold_name(doc.key_name, &folded);
	code = check_name(tx, &doc, str_slice(&folded), err);
	if (!code)
		code = DB_RUN(tx->db, err, "UPDATE vendor_key SET deleted_at=NULL WHERE id=?",
			DB_T(id));
	if (!code)
		code = put_key(tx, &doc, d.obj, str_slice(&folded), &w, ret, err);
	str_release(&folded);
	str_release(&w.envelope);
	arena_release(&w.arena);
	object_drop(d.obj);
	return code;
}

enum err_code store_keys_load(struct load *l, struct err *err)
{
	return db_query(l->st->db,
		"SELECT " KEY_COLUMNS " FROM vendor_key WHERE deleted_at IS NULL", NULL, 0,
		load_row, l, err);
}
