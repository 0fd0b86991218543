// SPDX-License-Identifier: MIT
// A request for OpenAI's Responses (POST /v1/responses; source: OpenAI's API reference, "Create a
// model response") read, and written as a chat completion's, for targets that have no Responses of
// their own. Nothing is stored: what goes on from an earlier response is refused.
#ifndef YJ_AGENT_PROTOCOL_DIALECT_RESPONSES_ASK_H
#define YJ_AGENT_PROTOCOL_DIALECT_RESPONSES_ASK_H

#include "agent/protocol/dialect.h"

enum err_code responses_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *ret, struct err *err);
enum err_code responses_to_chat(struct dialect_chat *c, struct err *err);
// True when the caller's tool of this name takes free text, which a function cannot: it is asked for
// as a function with the one text "input".
bool responses_is_custom(const struct adapter_call *asked, struct slice name);

// The namespace of the caller's tools that a function's name begins with, cut off *name; none otherwise.
struct slice responses_namespace(const struct adapter_call *asked, struct slice *name);

#endif
