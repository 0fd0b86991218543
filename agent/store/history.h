// SPDX-License-Identifier: MIT
// Chunks of the agent's own figures, by the end of their newest step.
#ifndef YJ_AGENT_STORE_HISTORY_H
#define YJ_AGENT_STORE_HISTORY_H

#include "agent/store/store.h"

enum err_code store_history_add(struct store_tx *tx, int64_t step_s, int64_t at_ms,
	struct slice chunk, int64_t kept_s, struct err *err);
// All of a step, oldest first, before store_start. Nothing without a database.
void store_history_read(struct store *st, int64_t step_s,
	void (*fn)(void *arg, int64_t at_ms, struct slice chunk), void *arg);

#endif
