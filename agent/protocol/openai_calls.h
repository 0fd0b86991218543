// SPDX-License-Identifier: MIT
// Calls of tools in answers that pass as they came: every SDK folds a stream by tool_calls[].index,
// sends a call's id back and parses its arguments as text. Where a server writes them otherwise they are
// written anew; what is as it should be is not touched. Private to adapters.
#ifndef YJ_AGENT_PROTOCOL_OPENAI_CALLS_H
#define YJ_AGENT_PROTOCOL_OPENAI_CALLS_H

#include "agent/protocol/adapter.h"

// True when some choice of a whole answer calls tools oddly: then *out is the body as it should be.
// choices: its list, which lies in body.
bool openai_calls_whole(struct slice body, struct slice choices, uint64_t serial, struct str *out);
// The same of a chunk whose choices hold "tool_calls"; what was called is noted in *s.
bool openai_calls_chunk(struct adapter_stream *s, struct slice data, struct slice choices,
	struct str *out);
// Calls that were given no arguments until the answer ended: a chunk with {} for each. m: members of
// the one that ends it.
void openai_calls_end(struct adapter_stream *s, const struct jscan_member *m, size_t n,
	struct str *chunk);

#endif
