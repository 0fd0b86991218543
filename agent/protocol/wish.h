// SPDX-License-Identifier: MIT
// What becomes of the members of a chat request at a target that is asked in other words than the
// caller's: one table, by which candidates are judged, requests are written and the manual is made.
// Members that no row names are passed to whoever speaks OpenAI's protocol, and dropped elsewhere.
#ifndef YJ_AGENT_PROTOCOL_WISH_H
#define YJ_AGENT_PROTOCOL_WISH_H

#include "agent/protocol/adapter.h"

enum wish_at { // who is asked
	AT_OPENAI, // OpenAI itself
	AT_COMPATIBLE, // whoever else speaks its chat completions
	AT_DASHSCOPE, // natively; its compatible mode is AT_COMPATIBLE
	AT_ANTHROPIC,
	AT_OLLAMA,
	AT_COUNT
};

enum wish_fate {
	WISH_PASSED, // as it stands
	WISH_TRANSLATED, // said in the target's words
	WISH_DROPPED, // left out, and its name is told
	WISH_BINDING, // without it the answer would be another: the candidate is skipped
	WISH_OURS, // the gateway's own matter
};

struct wish_row {
	const char *member;
	uint8_t at[AT_COUNT]; // enum wish_fate
	const char
		*idle; // JSON text that wishes for nothing, such as "1" of n; NULL: only null does
};
extern const struct wish_row wish_rows[];
extern const size_t wish_rows_n;
const char *wish_fate_name(enum wish_fate f);
const char *wish_at_name(enum wish_at at);

// Of a member, whatever its value.
enum wish_fate wish_fate(struct slice member, enum wish_at at);
enum wish_at wish_at(const struct candidate *cand);
// Judges the members of a call for a candidate, of its params and drop_params nothing. False: a binding
// one cannot be had there, and *err (may be NULL) names it. ret_dropped (NULL: not wanted): names of
// members that will not reach the target are appended, separated by commas.
bool wish_judge(const struct adapter_call *call, const struct candidate *cand,
	struct str *ret_dropped, struct err *err);
// The manual's section, from the table.
void wish_man(struct str *out);
// The name that OpenAI's model takes for the longest answer: its reasoning models refuse max_tokens.
const char *wish_length_name(const char *model);

#endif
