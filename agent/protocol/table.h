// SPDX-License-Identifier: MIT
// Which adapter speaks a protocol, and the row of a dialect. Adapters of pictures:
// agent/protocol/images.h.
#ifndef YJ_AGENT_PROTOCOL_TABLE_H
#define YJ_AGENT_PROTOCOL_TABLE_H

#include "agent/protocol/dialect.h"

// NULL: none, the protocol is one of pictures.
const struct adapter *adapter_for(enum protocol p);
const struct dialect_row *dialect_row(enum dialect d);

#endif
