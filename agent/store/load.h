// SPDX-License-Identifier: MIT
// The configuration from the database. For this folder alone.
#ifndef YJ_AGENT_STORE_LOAD_H
#define YJ_AGENT_STORE_LOAD_H

#include "agent/store/private.h"

// Reads every table into *snap. Rows that fail their MAC are left out and counted in
// st->quarantined.
enum err_code store_load(struct store *st, struct snapshot *snap, struct err *err);

#endif
