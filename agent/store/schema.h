// SPDX-License-Identifier: MIT
// The database's schema as numbered migrations, applied in order, each once, checked by checksum.
#ifndef YJ_AGENT_STORE_SCHEMA_H
#define YJ_AGENT_STORE_SCHEMA_H

#include "agent/store/db.h"

// Brings the schema up to date. ERR_STORAGE_FAILED with *ret_foreign when an applied migration is not
// the one this build has, or the database is newer than this build.
enum err_code schema_migrate(struct db *db, int64_t now_ms, bool *ret_foreign, struct err *err);
// The features of a fresh database: JSON documents, closed by NULL.
extern const char *const schema_default_features[];

#endif
