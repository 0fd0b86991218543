// SPDX-License-Identifier: MIT
// What becomes of the members of a request at a target that is asked in other words than the caller's,
// or that knows fewer: a table for each kind of request, by which candidates are judged, requests are
// written and the manual is made.
#ifndef YJ_AGENT_PROTOCOL_WISH_H
#define YJ_AGENT_PROTOCOL_WISH_H

#include "agent/protocol/adapter.h"

enum wish_at { // who is asked
	AT_OPENAI, // OpenAI itself
	AT_COMPATIBLE, // whoever else speaks its protocol
	AT_DASHSCOPE_MODE, // DashScope's compatible mode, where it is not like the others
	AT_DASHSCOPE, // natively
	AT_ANTHROPIC,
	AT_VLLM, // where it is not like the others
	AT_OLLAMA,
	AT_TEI,
	AT_GPT_IMAGE, // OpenAI's models of this name, wherever they are
	AT_WANX, // Aliyun's text to image
	AT_SDWEBUI,
	AT_COMFYUI,
	AT_COUNT
};

enum wish_fate {
	WISH_PASSED, // as it stands
	WISH_TRANSLATED, // said in the target's words
	WISH_DROPPED, // left out, or passed over by a server known to; its name is told
	WISH_BINDING, // without it the answer would be another: the candidate is skipped
	WISH_OURS, // the gateway's own matter
};

struct wish_row {
	const char *member;
	uint8_t at[AT_COUNT]; // enum wish_fate; only those of the table's columns count
	const char
		*idle; // JSON text that wishes for nothing, such as "1" of n; NULL: only null does
};

struct wish_table { // of one kind of request
	const struct wish_row *rows;
	size_t n;
	unsigned columns; // 1 << AT_…
	unsigned judged; // of these: where something is lost or binds
	unsigned closed; // of these: what no row names is dropped there; it passes elsewhere
};
// NULL: whoever is asked takes it as it stands.
const struct wish_table *wish_table(enum offer offer);
extern const struct wish_row wish_rows[]; // of chats
extern const size_t wish_rows_n;
const char *wish_fate_name(enum wish_fate f);
const char *wish_at_name(enum wish_at at);

// Of a chat's member, whatever its value.
enum wish_fate wish_fate(struct slice member, enum wish_at at);
enum wish_at wish_at(const struct adapter_call *call, const struct candidate *cand);
// Judges the members of a call for a candidate, of its params and drop_params nothing. False: a binding
// one cannot be had there, and *err (may be NULL) names it. ret_dropped (NULL: not wanted): names of
// members that will not reach the target are appended, separated by commas.
bool wish_judge(const struct adapter_call *call, const struct candidate *cand,
	struct str *ret_dropped, struct err *err);
// The manual's section, from the tables.
void wish_man(struct str *out);
// The name that OpenAI's model takes for the longest answer: its reasoning models refuse max_tokens.
const char *wish_length_name(const char *model);

// True for a stop sequence that Anthropic refuses: nothing but white space, or no text at all.
bool wish_is_blank(struct slice stop);

#endif
