// SPDX-License-Identifier: MIT
// A model's turn, read from a chat completion or its chunks and told again in blocks, as Anthropic and
// OpenAI's Responses have it: one kind of text or one tool call each, the next behind the last. Pieces
// that come in another order are kept until their block can be told; white space alone makes none.
// How a block reads is the dialect's. Pure; what is kept is bounded.
#ifndef YJ_AGENT_PROTOCOL_TURN_H
#define YJ_AGENT_PROTOCOL_TURN_H

#include "agent/protocol/toolcalls.h"

#define TURN_BYTES_MAX ((size_t)16 * 1024 * 1024) // kept of one turn

enum turn_kind { TURN_NONE, TURN_THINKING, TURN_TEXT, TURN_REFUSAL, TURN_TOOL };

struct turn;
struct turn_words { // each appends to *out
	void (*begin)(struct turn *t, struct str *out); // once, before the first block
	void (*open)(struct turn *t, struct str *out); // of t->kind, numbered t->block
	void (*piece)(struct turn *t, struct slice inner, struct str *out); // as between quotes
	void (*close)(struct turn *t, struct str *out);
};

struct turn {
	const struct turn_words *words; // NULL: nothing is told again
	const struct adapter_call *asked; // the caller's own request, borrowed
	uint64_t serial; // another one for every answer
	int64_t created; // seconds
	bool begun;
	enum turn_kind kind; // of the block under way
	int block; // its number; -1 none yet
	struct toolcalls tools;
	size_t tool; // the call to be told next, or under way
	size_t told; // bytes of its arguments that were
	enum turn_kind blank_kind; // of white space that waits for text
	struct str blank;
	struct str held; // said between the pieces of a tool call: runs of a kind, text and NUL
	enum turn_kind held_kind; // of the last run
	// of the completion
	char id[80], model[128]; // as between quotes
	char finish[24]; // finish_reason; "" not told
	struct str stop; // the stop sequence that ended it, as between quotes; empty: not told
	int64_t in, out, cached, reasoning; // tokens; -1 not told
	// the dialect's own
	struct str said; // text of the block under way
	struct str items; // what was told of finished blocks
	int64_t sequence;
};

// Begins; t is zeroed or was released.
void turn_begin(struct turn *t, const struct turn_words *words, const struct adapter_call *asked,
	uint64_t serial, int64_t created);
void turn_release(struct turn *t);
// One chunk of a completion, or a whole one; of the first choice, as one answer was asked for. False
// when it is none, or is too much.
bool turn_chunk(struct turn *t, struct slice chunk, struct str *out);
bool turn_whole(struct turn *t, struct slice completion, struct str *out);
// Nothing follows: tells what was kept and closes the last block.
void turn_end(struct turn *t, struct str *out);
// The call a block of kind TURN_TOOL is of.
static inline struct toolcall *turn_call(struct turn *t)
{
	return &t->tools.v[t->tool];
}
// Its name; never empty.
struct slice turn_call_name(struct turn *t);

#endif
