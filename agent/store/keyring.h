// SPDX-License-Identifier: MIT
// From the root key to st->seal. For this folder alone.
#ifndef YJ_AGENT_STORE_KEYRING_H
#define YJ_AGENT_STORE_KEYRING_H

#include "agent/store/private.h"

// Keeps why secrets do not open, for store_stats.
void keyring_tell_sealed(struct store *st, const struct err *why);
// st->seal of st->wrapped; NULL and the reason told when root, which may be empty, does not open it.
void keyring_unwrap(struct store *st, const struct secret *root);
// st->uuid, st->wrapped and st->seal of the open database; of a new one they are made.
enum err_code keyring_open(struct store *st, const struct secret *root, struct err *err);

#endif
