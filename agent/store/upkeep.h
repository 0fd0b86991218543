// SPDX-License-Identifier: MIT
// What is done without anybody asking. Store thread only, with a database. For this folder alone.
#ifndef YJ_AGENT_STORE_UPKEEP_H
#define YJ_AGENT_STORE_UPKEEP_H

#include "agent/store/private.h"

// After each turn of the store thread: rows past their time, the log, the snapshot file.
void store_upkeep(struct store *st, bool idle);
// When nobody waits, a store in trouble is written to, to see whether it is over.
void store_try_again(struct store *st);
void store_save_now(struct store *st);
// What opens or closes the gateway is kept before anybody is told of it.
void store_save_policy(struct store *st);

#endif
