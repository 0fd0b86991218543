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
// The schema of a function's parameters as every receiver takes it: of an object, and for OpenAI's
// protocol with properties, be they none.
void tools_schema(struct slice schema, bool properties, struct str *out);
// A name of at most TOOL_NAME_MAX letters: itself, or its beginning and a number made of the whole.
#define TOOL_NAME_MAX 64
struct slice tools_short_name(struct slice name, char buf[TOOL_NAME_MAX]);
// Of the tools a caller offered, in either dialect's shape, the name that was shortened to this one;
// itself when none was.
struct slice tools_long_name(const struct jscan_member *tools, struct slice name);
// A tool_use block as an item of a chat message's tool_calls.
// whole_names: the receiver takes names of any length.
void tools_from_block(const struct aj *block, bool whole_names, struct str *out);

// A call's arguments as the object that is its input: a text is decoded, nothing is {}, and what is no
// object stands as {"raw_arguments":"…"}. NULL too is nothing.
void tools_input(const struct jscan_member *arguments, struct str *out);
// A call's id in the letters Anthropic takes, as a member: [A-Za-z0-9_-], others become '_'.
void tools_add_id(const char *member, struct slice id, struct str *out);

#endif
