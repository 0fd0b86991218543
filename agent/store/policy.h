// SPDX-License-Identifier: MIT
// Whether callers of the model traffic need a client's key.
#ifndef YJ_AGENT_STORE_POLICY_H
#define YJ_AGENT_STORE_POLICY_H

#include "agent/store/store.h"

// Whether callers of the model traffic need a client's key. The same again changes nothing.
enum err_code store_policy_put(struct store_tx *tx, bool required, int64_t if_match,
	bool *ret_changed, struct err *err);

#endif
