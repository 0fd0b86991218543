// SPDX-License-Identifier: MIT
// Tokens and clients in one table: both are a document, the keyed hash of a secret that nobody has
// but its owner, and an end.
#include "agent/store/caller.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agent/store/change.h"
#include "agent/store/private.h"
#include "agent/store/row.h"
#include "agent/store/tx.h"
#include "shared/credential.h"
#include "shared/jw.h"
#include "shared/text.h"

#define KIND_TOKEN "token"
#define KIND_CLIENT "client"

static void make_secret(enum credential_kind kind, char *secret)
{
	unsigned char random[CREDENTIAL_RANDOM];
	do
		randombytes_buf(random, sizeof(random));
	while (!credential_make(kind, random, secret));
	secret_wipe(random, sizeof(random));
}

// What a row's MAC is over.
struct mac_parts {
	char at[24];
	struct slice parts[5];
};

static void parts_of(const char *kind, struct slice id, struct slice doc, struct slice hash,
	int64_t revoked_at, struct mac_parts *ret)
{
	int n = snprintf(ret->at, sizeof(ret->at), "%lld", (long long)revoked_at);
	ret->parts[0] = slice_of(kind);
	ret->parts[1] = id;
	ret->parts[2] = doc;
	ret->parts[3] = hash;
	ret->parts[4] = (struct slice){ret->at, (size_t)n};
}

static void mac_of(const struct seal *seal, const char *kind, const struct object *o,
	const char *id, const unsigned char hash[CALLER_HASH], int64_t revoked_at,
	unsigned char ret[SEAL_MAC])
{
	struct mac_parts m;
	parts_of(kind, slice_of(id), o->json, (struct slice){(const char *)hash, CALLER_HASH},
		revoked_at, &m);
	row_mac(seal, m.parts, ARRAY_LEN(m.parts), ret);
}

static enum err_code write_row(struct store_tx *tx, const char *kind, const struct object *o,
	const char *id, const char *name, const unsigned char hash[CALLER_HASH],
	const struct row_meta *m, int64_t revoked_at, struct err *err)
{
	unsigned char mac[SEAL_MAC];
	mac_of(tx->st->seal, kind, o, id, hash, revoked_at, mac);
	char folded[CALLER_NAME_BYTES + 1];
	return DB_RUN(tx->db, err,
		"INSERT INTO caller(kind,id,name_fold,revision,doc,hash,created_at,updated_at,"
		"updated_by,revoked_at,mac) VALUES(?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE"
		" SET name_fold=excluded.name_fold,revision=excluded.revision,doc=excluded.doc,"
		"updated_at=excluded.updated_at,updated_by=excluded.updated_by,"
		"revoked_at=excluded.revoked_at,mac=excluded.mac",
		DB_T(kind), DB_T(id), DB_S(caller_name_fold(name, folded)), DB_I(m->revision),
		DB_S(o->json), DB_B(hash, CALLER_HASH), DB_I(m->created_at), DB_I(m->updated_at),
		DB_S(m->updated_by), DB_I(revoked_at), DB_B(mac, SEAL_MAC));
}

// A row whose name and end stay: an index is written with every statement that names its column.
static enum err_code update_doc(struct store_tx *tx, const char *kind, const struct object *o,
	const char *id, const unsigned char hash[CALLER_HASH], const struct row_meta *m,
	struct err *err)
{
	unsigned char mac[SEAL_MAC];
	mac_of(tx->st->seal, kind, o, id, hash, 0, mac);
	return DB_RUN(tx->db, err,
		"UPDATE caller SET revision=?,doc=?,updated_at=?,updated_by=?,mac=? WHERE id=?",
		DB_I(m->revision), DB_S(o->json), DB_I(m->updated_at), DB_S(m->updated_by),
		DB_B(mac, SEAL_MAC), DB_T(id));
}

static enum err_code name_blank(const char *name, struct err *err)
{
	if (slice_trim(slice_of(name)).n > 0)
		return ERR_OK;
	return err_field(err, ERR_FIELD_RANGE, "name", _("name is blank"));
}

static enum err_code name_taken(const char *what, struct err *err)
{
	err_field(err, ERR_CONFLICT_EXISTS, "name", _("a %s of this name exists"), what);
	err_hint(err, "%s", _("choose another name, or delete the existing one"));
	return ERR_CONFLICT_EXISTS;
}

static enum err_code too_many(struct err *err)
{
	return err_set(err, ERR_CONFLICT_EXISTS,
		_("there are %d of them, which is the most there may be"), STORE_CALLERS_MAX);
}

// ---- tokens ----

static bool token_named(const struct snapshot *snap, const char *name)
{
	char want[CALLER_NAME_BYTES + 1], have[CALLER_NAME_BYTES + 1];
	struct slice folded = caller_name_fold(name, want);
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(snap->tokens, &it, NULL, &obj)) {
		const struct token_obj *t = obj;
		if (!t->revoked_at && slice_eq(caller_name_fold(t->doc.name, have), folded))
			return true;
	}
	return false;
}

static enum err_code token_make(struct store_tx *tx, const struct token *doc,
	const struct caller_row *row, int64_t created_at, const char *action,
	const struct token_obj **ret, struct err *err)
{
	struct row_meta meta = {
		tx_revision(tx), created_at, tx->now_ms, ident_slice(&tx->actor->id)};
	struct str text = STR_INIT;
	struct jw w = jw_to(&text);
	struct token_obj *obj = NULL;
	jw_doc(&w, NULL, &token_fields, doc);
	enum err_code code = object_token(tx->st, str_slice(&text), &meta, row, &obj, err);
	str_release(&text);
	if (code)
		return code;
	code = write_row(tx, KIND_TOKEN, &obj->o, obj->doc.id, obj->doc.name, obj->hash, &meta,
		obj->revoked_at, err);
	if (!code)
		code = tx_change_of(tx, meta.revision, action, "Token", obj->doc.name, obj->doc.id,
			obj->doc.id, (struct slice){0}, err);
	if (code) {
		object_drop(obj);
		return code;
	}
	snapshot_put_token(tx->snap, obj);
	*ret = obj;
	return ERR_OK;
}

enum err_code store_token_create(struct store_tx *tx, const struct token *doc, char *secret,
	const struct token_obj **ret, struct err *err)
{
	enum err_code code = name_blank(doc->name, err);
	if (!code)
		code = tx_unsealed(tx, err);
	if (code)
		return code;
	if (token_named(tx->snap, doc->name))
		return name_taken("token", err);
	if (tx->snap->tokens.n >= STORE_CALLERS_MAX)
		return too_many(err);
	make_secret(CREDENTIAL_TOKEN, secret);
	unsigned char hash[SEAL_MAC];
	seal_token_hash(tx->st->seal, slice_of(secret), hash);
	struct caller_row row = (struct caller_row){
		.id = {secret, CREDENTIAL_ID}, .hash = {(const char *)hash, sizeof(hash)}};
	return token_make(tx, doc, &row, tx->now_ms, "create", ret, err);
}

enum err_code store_token_revoke(struct store_tx *tx, const struct ident *id, struct err *err)
{
	const struct token_obj *old = snapshot_token(tx->snap, id);
	if (old == NULL || old->revoked_at)
		return err_set(err, ERR_NOT_FOUND, _("no token of this id"));
	enum err_code code = tx_unsealed(tx, err);
	if (code)
		return code;
	struct caller_row row = (struct caller_row){.id = ident_slice(id),
		.hash = {(const char *)old->hash, CALLER_HASH},
		.revoked_at = tx->now_ms};
	const struct token_obj *obj;
	return token_make(tx, &old->doc, &row, old->doc.created_at, "revoke", &obj, err);
}

// ---- clients ----

static enum err_code client_write(struct store_tx *tx, const struct client_doc *doc,
	const struct caller_row *row, const struct client_obj *old, const struct client_obj **ret,
	struct err *err)
{
	struct row_meta meta = {tx_revision(tx), old != NULL ? old->doc.created_at : tx->now_ms,
		tx->now_ms, ident_slice(&tx->actor->id)};
	struct str text = STR_INIT;
	struct jw w = jw_to(&text);
	struct client_obj *obj = NULL;
	jw_doc(&w, NULL, &client_fields, doc);
	enum err_code code = object_client(tx->st, str_slice(&text), &meta, row, &obj, err);
	str_release(&text);
	if (code)
		return code;
	if (tx_unchanged(tx, &client_fields, old != NULL ? &old->o : NULL,
		    old != NULL ? &old->doc : NULL, &obj->o, &obj->doc)) {
		*ret = old;
		return ERR_OK;
	}
	if (old != NULL && strcmp(old->doc.name, obj->doc.name) == 0)
		code = update_doc(tx, KIND_CLIENT, &obj->o, obj->doc.id, obj->hash, &meta, err);
	else
		code = write_row(tx, KIND_CLIENT, &obj->o, obj->doc.id, obj->doc.name, obj->hash,
			&meta, 0, err);
	if (!code)
		code = tx_change_of(tx, meta.revision, old != NULL ? "update" : "create", "Client",
			obj->doc.name, obj->doc.id, obj->doc.id,
			tx_before(tx, old != NULL ? &old->o : NULL, &obj->o), err);
	if (code) {
		object_drop(obj);
		return code;
	}
	snapshot_put_client(tx->snap, obj);
	*ret = obj;
	return ERR_OK;
}

// Callers without a key are told apart under this name.
static enum err_code name_reserved(const char *name, struct err *err)
{
	char folded[CALLER_NAME_BYTES + 1];
	if (!slice_eq_str(caller_name_fold(name, folded), CLIENT_LOCAL))
		return ERR_OK;
	return err_field(err, ERR_CONFLICT_EXISTS, "name",
		_("this is the built-in client's name: choose another"));
}

// Of another than id, which may be NULL.
static bool client_named(const struct snapshot *snap, const char *name, const struct ident *id)
{
	char folded[CALLER_NAME_BYTES + 1];
	const struct client_obj *c = pmap_get(snap->client_names, caller_name_fold(name, folded));
	return c != NULL && (id == NULL || !ident_eq(&c->id, id));
}

enum err_code store_client_create(struct store_tx *tx, const struct client_doc *doc, char *secret,
	const struct client_obj **ret, struct err *err)
{
	enum err_code code = name_blank(doc->name, err);
	if (!code)
		code = name_reserved(doc->name, err);
	if (!code)
		code = tx_unsealed(tx, err);
	if (code)
		return code;
	if (client_named(tx->snap, doc->name, NULL))
		return name_taken("client", err);
	if (tx->snap->clients.n >= STORE_CALLERS_MAX)
		return too_many(err);
	make_secret(CREDENTIAL_CLIENT, secret);
	unsigned char hash[SEAL_MAC];
	seal_token_hash(tx->st->seal, slice_of(secret), hash);
	struct caller_row row = (struct caller_row){
		.id = {secret, CREDENTIAL_ID}, .hash = {(const char *)hash, sizeof(hash)}};
	bool first = tx->snap->clients.n == 0 && !tx->snap->clients_required;
	code = client_write(tx, doc, &row, NULL, ret, err);
	if (!code && first) // from now on, whatever becomes of this client
		code = store_policy_write(tx, true, (*ret)->o.revision, err);
	return code;
}

enum err_code store_client_put(struct store_tx *tx, const struct ident *id,
	const struct client_doc *doc, int64_t if_match, const struct client_obj **ret,
	struct err *err)
{
	const struct client_obj *old = snapshot_client(tx->snap, id);
	enum err_code code = name_blank(doc->name, err);
	if (!code)
		code = name_reserved(doc->name, err);
	if (code)
		return code;
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no client of this id"));
	code = tx_match(&old->o, if_match, err);
	if (!code)
		code = tx_unsealed(tx, err);
	if (code)
		return code;
	if (client_named(tx->snap, doc->name, id))
		return name_taken("client", err);
	struct caller_row row = (struct caller_row){
		.id = slice_of(old->doc.id), .hash = {(const char *)old->hash, CALLER_HASH}};
	return client_write(tx, doc, &row, old, ret, err);
}

enum err_code store_client_delete(struct store_tx *tx, const struct ident *id, int64_t if_match,
	struct err *err)
{
	const struct client_obj *old = snapshot_client(tx->snap, id);
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no client of this id"));
	enum err_code code = tx_match(&old->o, if_match, err);
	if (!code)
		code = DB_RUN(tx->db, err, "DELETE FROM caller WHERE id=?", DB_T(id->text));
	if (!code)
		code = store_spend_forget(tx, LIVE_CLIENT, id->text, err);
	if (!code)
		code = tx_change_of(tx, tx_revision(tx), "delete", "Client", old->doc.name,
			old->doc.id, old->doc.id, tx_before(tx, &old->o, NULL), err);
	if (!code)
		snapshot_del_client(tx->snap, ident_slice(id));
	return code;
}

// ---- loading ----

static enum err_code load_row(void *arg, struct sqlite3_stmt *stmt, struct err *err)
{
	struct load *l = arg;
	bool token = slice_eq_str(db_text(stmt, 0), KIND_TOKEN);
	struct caller_row row = {db_text(stmt, 1), db_text(stmt, 4), db_int(stmt, 8)};
	struct row_meta meta = {
		db_int(stmt, 2), db_int(stmt, 5), db_int(stmt, 6), db_text(stmt, 7)};
	struct slice doc = db_text(stmt, 3);
	struct mac_parts m;
	parts_of(token ? KIND_TOKEN : KIND_CLIENT, row.id, doc, row.hash, row.revoked_at, &m);
	struct token_obj *t;
	struct client_obj *c;
	if (!row_holds(l->st->seal, db_text(stmt, 9), m.parts, ARRAY_LEN(m.parts)))
		l->bad++;
	else if (token && object_token(l->st, doc, &meta, &row, &t, err) == ERR_OK)
		snapshot_put_token(l->snap, t);
	else if (!token && object_client(l->st, doc, &meta, &row, &c, err) == ERR_OK)
		snapshot_put_client(l->snap, c);
	else
		l->bad++;
	return ERR_OK;
}

enum err_code store_callers_load(struct load *l, struct err *err)
{
	return db_query(l->st->db,
		"SELECT kind,id,revision,doc,hash,created_at,updated_at,updated_by,revoked_at,mac"
		" FROM caller",
		NULL, 0, load_row, l, err);
}
