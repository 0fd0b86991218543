// SPDX-License-Identifier: MIT
// The tool calls of one answer, put together from the pieces a chat completion brings them in, whole
// or as deltas: the one place that knows which piece belongs to which call. The key of a piece is its
// index when it has one; else an id not seen before opens a call, and what has neither continues the
// last. Servers that write one index for all, or a new id into every piece, are told apart by what is
// complete. Text is kept as it stands between its quotes.
#ifndef YJ_AGENT_PROTOCOL_TOOLCALLS_H
#define YJ_AGENT_PROTOCOL_TOOLCALLS_H

#include "agent/protocol/json.h"

#define TOOLCALLS_MAX 128 // of an answer

struct toolcall {
	int64_t index; // the server's; -1: it told none
	struct str id, name, arguments; // raw text between quotes; arguments: what they say as JSON
	struct str more; // further members of the call: ,"extra_content":{…}
	bool custom; // takes free text, not JSON
	// how far the object in its arguments goes
	unsigned depth;
	bool in_text, escaped, whole;
};

struct toolcalls {
	struct toolcall *v;
	size_t n, cap;
	size_t last; // the one that was added to last
	size_t bytes; // of all texts
	uint64_t serial; // the answer's own number, for ids where the server gives none
};

// Zeroed before the first; serial: another one for every answer.
void toolcalls_reset(struct toolcalls *t, uint64_t serial);
void toolcalls_release(struct toolcalls *t);
// One item of a "tool_calls" list; *ret_at: the call it belongs to. False when it is no object, or
// there are more calls than any answer has.
bool toolcalls_add(struct toolcalls *t, struct slice item, size_t *ret_at);
// Those of a message or delta: "tool_calls", or the "function_call" of old. False as above.
bool toolcalls_add_all(struct toolcalls *t, const struct aj *message);
// The id callers get: the server's, else one made of [A-Za-z0-9_]: no other call of any answer has it.
struct slice toolcalls_id(struct toolcalls *t, size_t at);
// Such an id alone; at: the call's number in its answer.
void toolcalls_new_id(uint64_t serial, size_t at, struct str *out);
// True when nothing can follow in the arguments of this call.
static inline bool toolcall_is_whole(const struct toolcall *c)
{
	return c->whole;
}
// As the value of a chat message's "tool_calls", ids made; a call without arguments has "{}".
void toolcalls_write(struct toolcalls *t, struct str *out);
// As Anthropic's tool_use blocks, one behind the other.
void toolcalls_write_blocks(struct toolcalls *t, struct str *out);

#endif
