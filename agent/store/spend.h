// SPDX-License-Identifier: MIT
// What keys, features and callers spent.
#ifndef YJ_AGENT_STORE_SPEND_H
#define YJ_AGENT_STORE_SPEND_H

#include "agent/store/store.h"

// Writes down what was spent and when callers were last seen: what changed since the last time.
enum err_code store_spend_save(struct store_tx *tx, struct err *err);

#endif
