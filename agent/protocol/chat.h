// SPDX-License-Identifier: MIT
// Chat completions and their chunks, written as OpenAI has them by adapters whose upstreams answer
// otherwise. Private to adapters.
#ifndef YJ_AGENT_PROTOCOL_CHAT_H
#define YJ_AGENT_PROTOCOL_CHAT_H

#include "agent/protocol/adapter.h"

void chat_usage(struct str *out, const struct adapter_usage *u);
// A chunk up to its delta's opening brace; the first of a stream has the role in it.
void chat_chunk_open(struct adapter_stream *s, struct str *out);
// Nothing of why it ends yet.
void chat_chunk_close(struct str *out);
// One chunk with one text member of the delta.
void chat_chunk_text(struct adapter_stream *s, const char *member, struct slice inner,
	struct str *out);
// The last chunk but the usage; notes that the answer said why it ended. stop: the sequence of the
// caller's that ended it, as between quotes, told as "stop_reason" beside it, as vLLM has it; NO_STOP none.
#define NO_STOP SLICE("")
void chat_chunk_finish(struct adapter_stream *s, const char *finish, struct slice stop,
	struct str *out);
// The chunk with the usage, when the caller gets it.
void chat_chunk_usage(struct adapter_stream *s, struct str *out);
// A completion up to its message's opening brace and role, and from the message's end on.
void chat_answer_open(struct str *out, struct slice id, struct slice model, int64_t created);
void chat_answer_close(struct str *out, const char *finish, struct slice stop,
	const struct adapter_usage *u);

#endif
