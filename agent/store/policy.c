// SPDX-License-Identifier: MIT
// Whether callers of the model traffic need a client's key: a fact of its own, written with the
// first client and authenticated, so that no row that is lost or damaged opens what was closed.
// What cannot be read or checked counts as "required" as soon as anything tells of a client.
#include "agent/store/policy.h"

#include <stdio.h>

#include "agent/store/audit.h"
#include "agent/store/change.h"
#include "agent/store/private.h"
#include "agent/store/restore.h"
#include "agent/store/row.h"
#include "agent/store/tx.h"
#include "shared/num.h"
#include "shared/text.h"

#define META_KEY "clients_required"
#define TEXT_MAX 32 // "1 REVISION"
#define PARTS(st, text) {SLICE("meta"), SLICE(META_KEY), slice_of((st)->uuid), (text)} // of its MAC

struct fact {
	const struct store *st;
	bool there, sound; // sound: its MAC holds
	bool required;
	int64_t revision;
};

static enum err_code take_fact(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct slice value = db_text(row, 0);
	struct fact *f = arg;
	(void)err;
	f->there = true;
	if (value.n <= SEAL_MAC || value.n > SEAL_MAC + TEXT_MAX)
		return ERR_OK;
	struct slice text = {value.p, value.n - SEAL_MAC}, mac = {value.p + text.n, SEAL_MAC};
	struct slice parts[] = PARTS(f->st, text);
	f->required = text.p[0] != '0';
	f->sound = f->st->seal != NULL && text.n > 2 && text.p[1] == ' ' &&
		num_i64((struct slice){text.p + 2, text.n - 2}, 0, INT64_MAX, &f->revision) &&
		row_holds(f->st->seal, mac, parts, ARRAY_LEN(parts));
	return ERR_OK;
}

static enum err_code read_fact(struct store *st, struct fact *ret, struct err *err)
{
	struct db_val v[] = {DB_T(META_KEY)};
	*ret = (struct fact){.st = st};
	return db_query(st->db, "SELECT value FROM meta WHERE key=?", v, ARRAY_LEN(v), take_fact,
		ret, err);
}

enum err_code store_policy_load(struct load *l, struct err *err)
{
	struct store *st = l->st;
	struct fact f;
	int64_t told = 0;
	enum err_code code = read_fact(st, &f, err);
	if (code)
		return code;
	if (f.there && f.sound) {
		l->snap->clients_required = f.required || store_kept_requires(st, f.revision);
		l->snap->policy_revision = f.revision;
		return ERR_OK;
	}
	if (f.there && st->seal != NULL)
		l->bad++;
	if (!f.there) // rows that only somebody who made a client can have left
		code = db_number(st->db,
			"SELECT EXISTS(SELECT 1 FROM caller WHERE kind='client')"
			" OR EXISTS(SELECT 1 FROM spend WHERE kind='client')"
			" OR EXISTS(SELECT 1 FROM change WHERE kind='Client')"
			" OR EXISTS(SELECT 1 FROM audit WHERE object LIKE 'Client %')",
			NULL, 0, &told, err);
	l->snap->clients_required = f.there || told != 0 || store_kept_requires(st, -1);
	return code;
}

enum err_code store_policy_write(struct store_tx *tx, bool required, int64_t revision,
	struct err *err)
{
	unsigned char value[TEXT_MAX + SEAL_MAC];
	int n = snprintf((char *)value, TEXT_MAX, "%d %lld", required, (long long)revision);

	enum err_code code = tx_unsealed(tx, err);
	if (code)
		return code;
	struct slice parts[] = PARTS(tx->st, ((struct slice){(const char *)value, (size_t)n}));
	row_mac(tx->st->seal, parts, ARRAY_LEN(parts), value + n);
	code = DB_RUN(tx->db, err, "INSERT OR REPLACE INTO meta(key,value) VALUES(?,?)",
		DB_T(META_KEY), DB_B(value, (size_t)n + SEAL_MAC));
	if (code)
		return code;
	tx->snap->clients_required = required;
	tx->snap->policy_revision = revision;
	return ERR_OK;
}

enum err_code store_policy_put(struct store_tx *tx, bool required, int64_t if_match,
	bool *ret_changed, struct err *err)
{
	static const char *const words[] = {"not required", "required"};
	*ret_changed = false;
	if (if_match != FIELD_NONE && if_match != tx->snap->policy_revision)
		return err_set(err, ERR_PRECONDITION_FAILED, NULL);
	if (required == tx->snap->clients_required)
		return ERR_OK;
	int64_t revision = tx_revision(tx);
	char before[40];
	snprintf(before, sizeof(before), "{\"required\":%s}", required ? "false" : "true");
	enum err_code code = store_policy_write(tx, required, revision, err);
	if (!code)
		code = tx_change(tx, revision, "update", "ClientPolicy", "clients", words[required],
			slice_of(before), err);
	*ret_changed = !code;
	return code;
}

// What the start had to conclude is written down, so that it does not hang on rows that go in time.
enum err_code store_policy_settle(struct store_tx *tx, struct err *err)
{
	struct fact f;
	enum err_code code = read_fact(tx->st, &f, err);
	if (code || !tx->snap->clients_required || (f.sound && f.required))
		return code;
	code = store_policy_write(tx, true, tx->snap->policy_revision, err);
	return code ? code
		    : store_audit(tx, "require", "ClientPolicy clients",
			      f.there && !f.sound ? "damaged" : "ok", err);
}
