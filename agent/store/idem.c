// SPDX-License-Identifier: MIT
// What was answered to a request that carried an Idempotency-Key, and to which body: a
// repetition gets the same answer, another body under the same key is refused.
#include "agent/store/idem.h"

#include <string.h>

#include "agent/store/private.h"
#include "agent/store/row.h"

struct idem {
	const unsigned char *body_hash;
	bool found, mismatch;
	int *status;
	struct str *body;
};

static enum err_code idem_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct idem *i = arg;
	struct slice hash = db_text(row, 0);

	struct slice body = db_text(row, 2);
	if (db_int(row, 1) < 200 || db_int(row, 1) > 299 || (body.n > 0 && !row_is_object(body)))
		return err_set(err, ERR_STORAGE_CORRUPT, NULL); // only what succeeded is kept
	i->found = true;
	i->mismatch = hash.n != 32 || memcmp(hash.p, i->body_hash, 32) != 0;
	*i->status = (int)db_int(row, 1);
	str_add_slice(i->body, body);
	return ERR_OK;
}

enum err_code store_idem_find(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], bool *ret_found, int *ret_status, struct str *ret_body,
	struct err *err)
{
	struct idem i = {body_hash, false, false, ret_status, ret_body};
	struct db_val v[] = {DB_T(tx->actor->id.text), DB_T(endpoint), DB_S(key)};
	enum err_code code = db_query(tx->db,
		"SELECT body_hash,status,body FROM idempotency WHERE actor=? AND endpoint=? AND key=?",
		v, ARRAY_LEN(v), idem_row, &i, err);
	*ret_found = i.found;
	if (!code && i.mismatch)
		return err_set(err, ERR_IDEMPOTENCY_MISMATCH, NULL);
	return code;
}

enum err_code store_idem_save(struct store_tx *tx, const char *endpoint, struct slice key,
	const unsigned char body_hash[32], int status, struct slice body, struct err *err)
{
	return DB_RUN(tx->db, err,
		"INSERT OR REPLACE INTO idempotency(actor,endpoint,key,body_hash,status,body,at)"
		" VALUES(?,?,?,?,?,?,?)",
		DB_T(tx->actor->id.text), DB_T(endpoint), DB_S(key), DB_B(body_hash, 32),
		DB_I(status), DB_S(body), DB_I(tx->now_ms));
}
