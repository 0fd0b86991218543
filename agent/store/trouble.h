// SPDX-License-Identifier: MIT
// The store's state. Store thread only, but for store_stats of store.h. For this folder alone.
#ifndef YJ_AGENT_STORE_TROUBLE_H
#define YJ_AGENT_STORE_TROUBLE_H

#include "agent/store/private.h"

enum store_state store_state_of(const struct store *st);
// What store_stats tells is brought up to date; the caller sees to the snapshot. The rest see to both.
void store_tell_state(struct store *st);
// Writes fail from now on, until they work again.
void store_in_trouble(struct store *st, const struct err *err);
void store_out_of_trouble(struct store *st);
// One of the reasons beside `trouble`, as it stands now; "" when it has passed.
void store_set_reason(struct store *st, char reason[ERR_TEXT_MAX], const char *text);

#endif
