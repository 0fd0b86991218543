// SPDX-License-Identifier: MIT
// The keyring that the database keeps, wrapped by the root key: made with the database, opened
// at each start. One that does not open seals the store: it serves, and what stands in it stays
// as it is.
#include "agent/store/keyring.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

void keyring_tell_sealed(struct store *st, const struct err *why)
{
	snprintf(st->stats.sealed, sizeof(st->stats.sealed), why->hint[0] ? "%s (%s)" : "%s",
		why->message, why->hint);
}

void keyring_unwrap(struct store *st, const struct secret *root)
{
	struct err why = {0};
	if (root->n > 0 &&
		seal_open_ring(root, str_slice(&st->wrapped), &st->seal, &why) != ERR_OK) {
		st->seal = NULL;
		keyring_tell_sealed(st, &why);
	}
}

static enum err_code take_meta(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct store *st = arg;
	struct slice key = db_text(row, 0), value = db_text(row, 1);
	(void)err;
	if (slice_eq_str(key, "db_uuid"))
		snprintf(st->uuid, sizeof(st->uuid), "%.*s", SLICE_FMT(value));
	else if (slice_eq_str(key, "keyring"))
		str_add_slice(&st->wrapped, value);
	return ERR_OK;
}

static enum err_code make(struct store *st, const struct secret *root, struct err *err)
{

	if (root->n == 0)
		return err_set(err, ERR_SEALED, NULL);
	unsigned char random[16];
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(st->uuid, sizeof(st->uuid), random, sizeof(random));
	enum err_code code = seal_new(root, &st->seal, &st->wrapped, err);
	if (!code)
		code = DB_RUN(st->db, err, "INSERT INTO meta(key,value) VALUES('db_uuid',?)",
			DB_B(st->uuid, strlen(st->uuid)));
	if (!code)
		code = DB_RUN(st->db, err, "INSERT INTO meta(key,value) VALUES('keyring',?)",
			DB_B(st->wrapped.p, st->wrapped.n));
	return code;
}

enum err_code keyring_open(struct store *st, const struct secret *root, struct err *err)
{
	enum err_code code = db_query(st->db, "SELECT key,value FROM meta", NULL, 0, take_meta, st,
		err);
	if (code)
		return code;
	if (st->wrapped.n == 0)
		return make(st, root, err);
	keyring_unwrap(st, root);
	return ERR_OK;
}
