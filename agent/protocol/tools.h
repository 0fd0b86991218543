// SPDX-License-Identifier: MIT
// Calls of tools between OpenAI's shape and Anthropic's, for those who translate either way: there
// the arguments are a text, here an object.
#ifndef YJ_AGENT_PROTOCOL_TOOLS_H
#define YJ_AGENT_PROTOCOL_TOOLS_H

#include "agent/protocol/json.h"

// A tool_use block behind what is there. arguments: the text between its quotes. What it says is the
// input when it is an object, also one spelled twice; nothing is {}; anything else, a call that was
// cut off for one, is kept as {"raw_arguments":text}.
void tools_block(struct slice id, struct slice name, struct slice arguments, struct str *out);
// The tool calls of a chat message as tool_use blocks; false when it has none.
bool tools_to_blocks(const struct aj *message, struct str *out);
// A tool_use block as an item of a chat message's tool_calls.
void tools_from_block(const struct aj *block, struct str *out);

#endif
