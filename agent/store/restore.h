// SPDX-License-Identifier: MIT
// What save.c wrote, read back. For this folder alone.
#ifndef YJ_AGENT_STORE_RESTORE_H
#define YJ_AGENT_STORE_RESTORE_H

#include "agent/store/private.h"

// Fills uuid, keyring and *snap from the file. ERR_STORAGE_CORRUPT when its MAC does not hold.
enum err_code store_restore(struct store *st, const struct secret *root, struct snapshot *snap,
	struct err *err);
// Whether the file says, by a later word than that of this revision, that client keys are required:
// then the database is an older one than it. Not authenticated: it can only close.
bool store_kept_requires(const struct store *st, int64_t policy_revision);
// After the database was opened: a file that is newer than it, or of another database, says that
// acknowledged changes are missing. It is set aside as lost_path, never written over, and st->lost
// says so until that file is deleted.
void store_compare(struct store *st);
bool store_lost_there(const struct store *st);

#endif
