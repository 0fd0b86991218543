// SPDX-License-Identifier: MIT
// The other way round than agent/protocol/fold: a whole answer told as the stream it was asked for,
// of servers that answer whole whatever they are asked. Pure.
#ifndef YJ_AGENT_PROTOCOL_UNFOLD_H
#define YJ_AGENT_PROTOCOL_UNFOLD_H

#include "shared/rows/vendors.h"
#include "shared/str.h"

// Appends events of a chat completion, a text completion or a response (by the offer), without an end.
// usage: a last chunk with it. False when it is none of them, or of another dialect.
bool unfold(enum offer offer, struct slice answer, bool usage, struct str *out);

#endif
