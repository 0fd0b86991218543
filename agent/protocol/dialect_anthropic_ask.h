// SPDX-License-Identifier: MIT
// A request for Anthropic's Messages (POST /v1/messages, anthropic-version 2023-06-01; source:
// Anthropic's API reference, "Create a Message") read, and written as a chat completion's. A whole
// conversation of a coding client passes: what chat has no word for becomes text, and what text
// cannot say is another target's to take or is left out and named.
#ifndef YJ_AGENT_PROTOCOL_DIALECT_ANTHROPIC_ASK_H
#define YJ_AGENT_PROTOCOL_DIALECT_ANTHROPIC_ASK_H

#include "agent/protocol/dialect.h"

enum err_code messages_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *ret, struct err *err);
// The same for counting, which needs no "max_tokens".
enum err_code messages_read_count(struct slice body, struct adapter_call *ret, struct err *err);
// The messages without thinking that has no signature: it was told of another model, and Anthropic
// refuses it. False when there is none; then nothing is appended.
bool messages_signed(const struct adapter_call *call, struct str *out);
enum err_code messages_to_chat(struct dialect_chat *c, struct err *err);

#endif
