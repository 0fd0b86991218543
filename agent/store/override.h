// SPDX-License-Identifier: MIT
// What operators say of live records.
#ifndef YJ_AGENT_STORE_OVERRIDE_H
#define YJ_AGENT_STORE_OVERRIDE_H

#include "agent/store/store.h"

// An operator's override of a live record, kept until it runs out.
enum err_code store_override_put(struct store_tx *tx, int kind, const char *id,
	const struct live_override *o, struct err *err);

#endif
