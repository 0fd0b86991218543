// SPDX-License-Identifier: MIT
// What the protocols of embeddings share. Private to adapters.
#ifndef YJ_AGENT_PROTOCOL_EMBED_H
#define YJ_AGENT_PROTOCOL_EMBED_H

#include "shared/str.h"

// Appends a list of numbers as a JSON string: base64 of little-endian float32. False when an item
// is no number; something has been appended then.
bool embed_to_base64(struct slice list, struct str *out);

#endif
