// SPDX-License-Identifier: MIT
// The last good configuration beside the database. For this folder alone.
#ifndef YJ_AGENT_STORE_SAVE_H
#define YJ_AGENT_STORE_SAVE_H

#include "agent/store/private.h"

#define SAVED_MAX (256 * 1024 * 1024)
#define SAVED_POLICY_WITHIN 512 // what it says of clients stands before any document

enum err_code store_save(struct store *st, const struct snapshot *snap, struct err *err);

#endif
