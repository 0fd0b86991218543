// SPDX-License-Identifier: MIT
// Which adapter speaks a protocol. Those of pictures: agent/protocol/images.h.
#ifndef YJ_AGENT_PROTOCOL_TABLE_H
#define YJ_AGENT_PROTOCOL_TABLE_H

#include "agent/protocol/adapter.h"

// NULL: none, the protocol is one of pictures.
const struct adapter *adapter_for(enum protocol p);

#endif
