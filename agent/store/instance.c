// SPDX-License-Identifier: MIT
// Registered instances: a row each, who registered it, and how far its address may lead.
#include "agent/store/instance.h"

#include <string.h>

#include "agent/store/change.h"
#include "agent/store/private.h"
#include "agent/store/row.h"
#include "agent/store/tx.h"
#include "shared/jw.h"
#include "shared/text.h"

static enum err_code write_row(struct store_tx *tx, const struct instance_obj *in,
	const struct row_meta *m, struct err *err)
{
	struct slice parts[] = {slice_of(in->doc.service), slice_of(in->doc.id), in->o.json};
	unsigned char mac[SEAL_MAC];
	row_mac(tx->st->seal, parts, ARRAY_LEN(parts), mac);
	return DB_RUN(tx->db, err,
		"INSERT INTO instance(service,id,revision,draining,doc,created_at,updated_at,updated_by,"
		"mac) VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(service,id) DO UPDATE SET"
		" revision=excluded.revision,draining=excluded.draining,doc=excluded.doc,"
		"created_at=excluded.created_at,updated_at=excluded.updated_at,"
		"updated_by=excluded.updated_by,mac=excluded.mac",
		DB_T(in->doc.service), DB_T(in->doc.id), DB_I(m->revision), DB_I(in->doc.draining),
		DB_S(in->o.json), DB_I(m->created_at), DB_I(m->updated_at), DB_S(m->updated_by),
		DB_B(mac, SEAL_MAC));
}

static const char *action_of(const struct instance *in, const struct instance_obj *old)
{
	if (old == NULL)
		return "register";
	if (in->draining != old->doc.draining)
		return in->draining ? "drain" : "undrain";
	if (in->auth.type != old->doc.auth.type ||
		strcmp(in->auth.key != NULL ? in->auth.key : "",
			old->doc.auth.key != NULL ? old->doc.auth.key : "") != 0)
		return "credential";
	return "update";
}

// Where a name leads is known only when it is dialled, so who gave it is kept: an admin's stays an
// admin's as long as the address is the same, whoever registers it again.
static const char *reach_of(const struct store_tx *tx, const struct instance *in,
	const struct instance_obj *old)
{
	if (tx->actor->role == ROLE_ADMIN)
		return INSTANCE_ANYWHERE;
	return old != NULL && strcmp(old->doc.url, in->url) == 0 ? old->doc.reach : INSTANCE_SITE;
}

enum err_code store_instance_put(struct store_tx *tx, const struct instance *in, int64_t if_match,
	bool *ret_created, const struct instance_obj **ret, struct err *err)
{
	const struct instance_obj *old = snapshot_instance(tx->snap, slice_of(in->service),
		slice_of(in->id));
	struct row_meta meta = {0, old != NULL ? old->doc.created_at : tx->now_ms, tx->now_ms,
		ident_slice(&tx->actor->id)};
	struct instance owned = *in;
	struct str doc = STR_INIT;
	struct jw w = jw_to(&doc);
	struct instance_obj *obj = NULL;
	enum err_code code = tx_match(old != NULL ? &old->o : NULL, if_match, err);
	if (!code)
		code = tx_unsealed(tx, err);
	if (code)
		return code;
	meta.revision = tx_revision(tx);
	owned.owner = old != NULL ? old->doc.owner : tx->actor->id.text;
	owned.reach = reach_of(tx, in, old);
	jw_doc(&w, NULL, &instance_fields, &owned);
	code = object_instance(tx->st, str_slice(&doc), &meta, in->draining, &obj, err);
	str_release(&doc);
	// draining and reach are said beside the document: by the operator's drain, by who registers it.
	if (!code && old != NULL && old->doc.draining == obj->doc.draining &&
		strcmp(old->doc.reach, obj->doc.reach) == 0 &&
		tx_unchanged(tx, &instance_fields, &old->o, &old->doc, &obj->o, &obj->doc)) {
		*ret_created = false;
		*ret = old;
		return ERR_OK;
	}
	if (!code)
		code = write_row(tx, obj, &meta, err);
	char name[INSTANCE_KEY_MAX];
	if (!code) {
		instance_key(slice_of(in->service), slice_of(in->id), name);
		code = tx_change(tx, meta.revision, action_of(in, old), "Instance", name,
			obj->doc.url, tx_before(tx, old != NULL ? &old->o : NULL, &obj->o), err);
	}
	if (code) {
		object_drop(obj);
		return code;
	}
	snapshot_put_instance(tx->snap, obj);
	*ret_created = old == NULL;
	*ret = obj;
	return ERR_OK;
}

static enum err_code remove_instance(struct store_tx *tx, const struct instance_obj *old,
	const char *action, struct err *err)
{
	char name[INSTANCE_KEY_MAX];
	struct slice service = slice_of(old->doc.service), id = slice_of(old->doc.id);
	enum err_code code = DB_RUN(tx->db, err, "DELETE FROM instance WHERE service=? AND id=?",
		DB_S(service), DB_S(id));
	instance_key(service, id, name);
	if (!code)
		code = store_override_forget(tx, LIVE_INSTANCE, old->live->id, err);
	if (!code)
		code = tx_change(tx, tx_revision(tx), action, "Instance", name, old->doc.url,
			tx_before(tx, &old->o, NULL), err);
	if (!code)
		snapshot_del_instance(tx->snap, service, id);
	return code;
}

enum err_code store_instance_delete(struct store_tx *tx, struct slice service, struct slice id,
	struct err *err)
{
	const struct instance_obj *old = snapshot_instance(tx->snap, service, id);
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no instance of this id"));
	return remove_instance(tx, old, "deregister", err);
}

enum err_code store_instance_reap(struct store_tx *tx, struct slice service, struct slice id,
	struct err *err)
{
	const struct instance_obj *old = snapshot_instance(tx->snap, service, id);
	return old != NULL ? remove_instance(tx, old, "reap", err) : ERR_OK;
}

// ---- loading ----

static enum err_code take_owner(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct instance_obj *in = arg;
	(void)err;
	in->doc.owner = arena_slice(&in->o.arena, db_text(row, 0));
	return ERR_OK;
}

// A former version wrote the name of the token that registered it. Whose name that was then was
// settled when ids took the place of names; of any other it stays a name, which is nobody.
static enum err_code owner_by_id(struct store *st, struct instance_obj *in, struct err *err)
{
	static const char former[] = "token:";
	const char *was = in->doc.owner;
	if (was == NULL || strncmp(was, former, sizeof(former) - 1) != 0)
		return ERR_OK;
	struct db_val v[] = {DB_T(was + sizeof(former) - 1), DB_I(in->doc.created_at)};
	enum err_code code = db_query(st->db,
		"SELECT id FROM former_name WHERE kind='token' AND name=? AND since<=?", v,
		ARRAY_LEN(v), take_owner, in, err);
	if (!code && in->doc.owner != was)
		object_render(&in->o, &instance_fields, &in->doc);
	return code;
}

static enum err_code load_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct load *l = arg;
	struct slice parts[] = {db_text(row, 0), db_text(row, 1), db_text(row, 4)};
	struct row_meta meta = {db_int(row, 2), db_int(row, 5), db_int(row, 6), db_text(row, 7)};
	struct instance_obj *in;
	if (!row_holds(l->st->seal, db_text(row, 8), parts, ARRAY_LEN(parts)) ||
		object_instance(l->st, parts[2], &meta, db_int(row, 3) != 0, &in, err) != ERR_OK) {
		l->bad++;
		return ERR_OK;
	}
	enum err_code code = owner_by_id(l->st, in, err);
	snapshot_put_instance(l->snap, in);
	return code;
}

enum err_code store_instances_load(struct load *l, struct err *err)
{
	return db_query(l->st->db,
		"SELECT service,id,revision,draining,doc,created_at,updated_at,updated_by,mac"
		" FROM instance",
		NULL, 0, load_row, l, err);
}
