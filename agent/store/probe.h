// SPDX-License-Identifier: MIT
// What looking at keys cost.
#ifndef YJ_AGENT_STORE_PROBE_H
#define YJ_AGENT_STORE_PROBE_H

#include "agent/state/probe_purse.h"
#include "agent/store/store.h"

// What looking at a key cost on that day; rows of days before go. Read back into the live records
// at the start.
enum err_code store_probe_put(struct store_tx *tx, const char *key, int64_t day,
	const struct probe_spent *spent, struct err *err);

#endif
