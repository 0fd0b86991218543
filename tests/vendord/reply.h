// SPDX-License-Identifier: MIT
// The words of a simulated answer: they say they are simulated, echo the question, and depend on
// nothing but the question and the seed.
#pragma once
#include "tests/vendord/call.h"

#define REPLY_TOKENS_MAX 1000000

struct reply {
	struct buf text; // JSON-escaped, without quotes
	size_t *token_end;
	size_t token_n, token_cap;
	int64_t prompt_tokens;
	bool cut; // max_tokens was reached
};

// Answers `question` (raw JSON string content). max_tokens <= 0: no limit asked for.
// The reply is valid until the next one: one buffer is kept for all.
const struct reply *reply_make(const struct call *call, struct span question, size_t prompt_bytes,
	int64_t max_tokens);
// One token's raw text.
struct span reply_token(const struct reply *reply, size_t i);
// The text of the last user message of a chat, raw; empty when there is none.
struct span reply_question(struct span messages);
void reply_release(void);
