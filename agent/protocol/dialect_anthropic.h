// SPDX-License-Identifier: MIT
// Anthropic's Messages (POST /v1/messages, anthropic-version 2023-06-01) as callers speak them to
// the gateway: read into a chat completion's request, and answered from its completion or chunks.
// Targets that speak it themselves get and give it untranslated. Pure.
#ifndef YJ_AGENT_PROTOCOL_DIALECT_ANTHROPIC_H
#define YJ_AGENT_PROTOCOL_DIALECT_ANTHROPIC_H

#include "agent/protocol/adapter.h"

// Scans and checks a caller's request as adapter_read does; ret->dialect is DIALECT_ANTHROPIC.
enum err_code messages_read(struct slice body, struct adapter_call *ret, struct err *err);
// The same request as a chat completion's. What that has no word for and an answer would differ
// by (server tools, documents by file id) is ERR_FIELD_RANGE; hints it lacks are left out.
enum err_code messages_to_chat(const struct adapter_call *call, struct str *out, struct err *err);
// A chat completion as a message; false when it is none.
bool messages_answer(struct slice completion, struct str *out);

// What is kept of one answer written event by event. Zeroed before it, released after.
struct messages_stream {
	bool begun, has_block, had_tool;
	int block; // index of the content block under way
	char kind; // 't'ext, 'h' thinking, 'u' tool_use
	int64_t tool; // index among the completion's tool calls
	char stop[24]; // stop_reason
	int64_t in, out, cached; // -1 not told
};
void messages_stream_reset(struct messages_stream *s);
// One chunk of a completion; false when it is none.
bool messages_chunk(struct messages_stream *s, struct slice chunk, struct str *out);
// The events that close a complete answer.
void messages_end(struct messages_stream *s, struct str *out);
void messages_ping(struct str *out);

// {"type":"error",…}; the type follows from the status. code may be NULL.
void messages_error(int status, const char *code, const char *message, const char *request_id,
	struct str *out);
// As the last event of a stream.
void messages_error_event(const char *code, const char *message, struct str *out);

#endif
