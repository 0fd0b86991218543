// SPDX-License-Identifier: MIT
// The chain of audit rows: each row's MAC is over the one before it as well, so that a row that is
// changed, taken out or put in is found. Who did what, and how it ended, is never rewritten here.
#include "agent/store/audit.h"

#include <string.h>

#include "agent/store/private.h"
#include "agent/store/tx.h"
#include "shared/text.h"

// The actor's display name and the object's id are parts when there is one of them: rows from before
// they were kept hold as they were written.
#define AUDIT_PARTS 7
#define AUDIT_PARTS_ONCE 5

static void canonical(struct str *out, int64_t seq, int64_t at,
	const struct slice parts[AUDIT_PARTS])
{
	bool more = parts[AUDIT_PARTS_ONCE].n || parts[AUDIT_PARTS_ONCE + 1].n;
	size_t n = more ? AUDIT_PARTS : AUDIT_PARTS_ONCE;
	str_addf(out, "%lld|%lld", (long long)seq, (long long)at);
	for (size_t i = 0; i < n; i++) {
		str_addf(out, "|%zu:", parts[i].n);
		str_add_slice(out, parts[i]);
	}
}

enum err_code store_audit_of(struct store_tx *tx, const char *action, const char *object,
	const char *object_id, const char *result, struct err *err)
{
	struct slice parts[AUDIT_PARTS] = {ident_slice(&tx->actor->id), slice_of(action),
		slice_of(object), slice_of(result), slice_of(tx->actor->request_id),
		slice_of(tx->actor->shown), slice_of(object_id)};
	int64_t seq = tx->audit_seq + 1;
	struct str row = STR_INIT;

	enum err_code code = tx_unsealed(tx, err);
	if (code)
		return code;
	parts[2].n = MIN_OF(parts[2].n, AUDIT_TEXT_MAX);
	canonical(&row, seq, tx->now_ms, parts);
	unsigned char mac[SEAL_MAC];
	seal_audit_mac(tx->st->seal, tx->audit_head, str_slice(&row), mac);
	str_release(&row);
	code = DB_RUN(tx->db, err,
		"INSERT INTO audit(seq,at,actor,action,object,result,request_id,actor_name,"
		"object_id,mac) VALUES(?,?,?,?,?,?,?,?,?,?)",
		DB_I(seq), DB_I(tx->now_ms), DB_S(parts[0]), DB_S(parts[1]), DB_S(parts[2]),
		DB_S(parts[3]), DB_S(parts[4]), DB_S(parts[5]), DB_S(parts[6]),
		DB_B(mac, SEAL_MAC));
	if (code)
		return code;
	tx->audit_seq = seq;
	memcpy(tx->audit_head, mac, SEAL_MAC);
	tx->writes++;
	return ERR_OK;
}

enum err_code store_audit(struct store_tx *tx, const char *action, const char *object,
	const char *result, struct err *err)
{
	return store_audit_of(tx, action, object, "", result, err);
}

static enum err_code load_head(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct store *st = arg;
	struct slice mac = db_text(row, 1);
	(void)err;
	st->audit_seq = db_int(row, 0);
	if (mac.n == SEAL_MAC)
		memcpy(st->audit_head, mac.p, SEAL_MAC);
	return ERR_OK;
}

enum err_code store_audit_load(struct store *st, struct err *err)
{
	return db_query(st->db, "SELECT seq,mac FROM audit ORDER BY seq DESC LIMIT 1", NULL, 0,
		load_head, st, err);
}

static enum err_code check_gaps(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	(void)arg;
	if (db_int(row, 0) == 0 || db_int(row, 0) == db_int(row, 1))
		return ERR_OK;
	return err_set(err, ERR_STORAGE_CORRUPT,
		_("rows of the audit log are missing: yijian.db and the log beside it are not of one "
		  "moment"));
}

enum err_code store_audit_gaps(struct store *st, struct err *err)
{
	return db_query(st->db, "SELECT count(*), max(seq)-min(seq)+1 FROM audit", NULL, 0,
		check_gaps, NULL, err);
}

struct verify {
	const struct seal *seal;
	unsigned char head[SEAL_MAC];
	int64_t next, bad;
};

static enum err_code verify_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct verify *v = arg;
	struct slice mac = db_text(row, AUDIT_PARTS + 2);
	struct str text = STR_INIT;
	int64_t seq = db_int(row, 0);
	(void)err;
	if (v->bad)
		return ERR_OK;
	struct slice parts[AUDIT_PARTS];
	for (int i = 0; i < AUDIT_PARTS; i++)
		parts[i] = db_text(row, 2 + i);
	canonical(&text, seq, db_int(row, 1), parts);
	unsigned char want[SEAL_MAC];
	seal_audit_mac(v->seal, v->head, str_slice(&text), want);
	str_release(&text);
	if (seq != v->next || mac.n != SEAL_MAC || memcmp(mac.p, want, SEAL_MAC) != 0)
		v->bad = v->next;
	v->next = seq + 1;
	memcpy(v->head, want, SEAL_MAC);
	return ERR_OK;
}

enum err_code store_audit_verify(struct store_tx *tx, int64_t *ret_bad_seq, struct err *err)
{
	struct verify v = {.seal = tx->st->seal, .next = 1};
	if (v.seal == NULL)
		return err_set(err, ERR_SEALED, NULL);
	enum err_code code = db_query(tx->db,
		"SELECT seq,at,actor,action,object,result,request_id,actor_name,object_id,mac"
		" FROM audit ORDER BY seq",
		NULL, 0, verify_row, &v, err);
	*ret_bad_seq = v.bad;
	return code;
}
