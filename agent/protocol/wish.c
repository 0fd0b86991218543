// SPDX-License-Identifier: MIT
// A wish that is lost in silence is the worst of all answers: here it is passed, said otherwise, named
// as lost, or binding.
#include "agent/protocol/wish.h"

#include <string.h>
#include "agent/protocol/json.h"
#include "shared/text.h"

// ---- the table ----

#define P WISH_PASSED
#define T WISH_TRANSLATED
#define D WISH_DROPPED
#define B WISH_BINDING
#define O WISH_OURS

// Members as of OpenAI's API reference (chat completions, 2026), then those other servers and clients
// know. Columns: OpenAI, compatible, DashScope, Anthropic, Ollama.
const struct wish_row wish_rows[] = {
	{"model", {O, O, O, O, O}, NULL},
	{"messages", {P, P, P, T, T}, NULL},
	{"stream", {O, O, O, O, O}, NULL},
	{"stream_options", {O, O, O, O, O}, NULL},
	{"max_tokens", {T, P, P, T, T}, NULL}, // of OpenAI's reasoning models under its new name
	{"max_completion_tokens", {P, P, T, T, T}, NULL},
	{"temperature", {P, P, P, T, T}, NULL}, // Anthropic's ends at 1
	{"top_p", {P, P, T, P, T}, NULL}, // DashScope's lies between 0 and 1
	{"top_k", {D, P, P, P, T}, NULL},
	{"min_p", {D, P, P, D, T}, NULL},
	{"n", {P, P, B, B, B}, "1"},
	{"stop", {P, P, P, T, T}, NULL},
	{"seed", {P, P, P, D, T}, NULL},
	{"presence_penalty", {P, P, P, D, T}, NULL},
	{"frequency_penalty", {P, P, P, D, T}, NULL},
	{"logit_bias", {P, P, D, D, D}, NULL},
	{"logprobs", {P, P, P, B, B}, "false"},
	{"top_logprobs", {P, P, P, B, B}, "0"},
	{"tools", {T, P, P, T, P}, "[]"}, // names and schemas as OpenAI takes them
	{"tool_choice", {P, P, P, T, T}, "\"auto\""},
	{"parallel_tool_calls", {P, P, P, T, D}, "true"},
	{"functions", {P, P, B, B, B}, "[]"},
	{"function_call", {P, P, B, B, B}, "\"auto\""},
	{"response_format", {P, P, P, T, T}, NULL}, // any JSON at all: binding at Anthropic
	{"reasoning_effort", {P, P, D, D, T}, NULL},
	{"verbosity", {P, P, D, D, D}, NULL},
	{"modalities", {P, P, B, B, B}, "[\"text\"]"},
	{"audio", {P, P, B, B, B}, NULL},
	{"prediction", {P, P, D, D, D}, NULL},
	{"web_search_options", {P, P, D, D, D}, NULL},
	{"user", {T, P, D, T, D}, NULL}, // of OpenAI at most 64 letters
	{"safety_identifier", {P, P, D, D, D}, NULL},
	{"prompt_cache_key", {P, P, D, D, D}, NULL},
	{"metadata", {P, P, D, D, D}, NULL},
	{"store", {P, P, D, D, D}, "false"},
	{"service_tier", {P, P, D, D, D}, "\"auto\""},
	{"thinking", {D, P, D, P, D}, NULL},
	{"enable_thinking", {D, P, T, D, D}, NULL},
	{"think", {D, P, D, D, P}, NULL},
	{"keep_alive", {D, P, D, D, P}, NULL},
	{"options", {D, P, D, D, T}, NULL},
	{"format", {D, P, D, D, D}, NULL},
};
#undef P
#undef T
#undef D
#undef B
#undef O
const size_t wish_rows_n = ARRAY_LEN(wish_rows);

const char *wish_fate_name(enum wish_fate f)
{
	static const char *const names[] = {"passed", "translated", "dropped", "binding", "ours"};
	return names[f];
}

const char *wish_at_name(enum wish_at at)
{
	static const char *const names[] = {
		"OpenAI", "compatible", "DashScope", "Anthropic", "Ollama"};
	return names[at];
}

enum wish_at wish_at(const struct candidate *cand)
{
	const char *vendor = cand->target->vendor;
	switch (cand->protocol) {
	case PROTO_ANTHROPIC_MESSAGES:
		return AT_ANTHROPIC;
	case PROTO_OLLAMA_CHAT:
		return AT_OLLAMA;
	case PROTO_DASHSCOPE_CHAT_NATIVE:
		return AT_DASHSCOPE;
	default:
		return vendor != NULL && strcmp(vendor, "openai") == 0 ? AT_OPENAI : AT_COMPATIBLE;
	}
}

// ---- one member ----

static const struct wish_row *row_of(struct slice member)
{
	for (size_t i = 0; i < ARRAY_LEN(wish_rows); i++)
		if (slice_eq_str(member, wish_rows[i].member))
			return &wish_rows[i];
	return NULL;
}

static enum wish_fate fate_of(const struct wish_row *row, enum wish_at at)
{
	if (row != NULL)
		return (enum wish_fate)row->at[at];
	return at == AT_ANTHROPIC || at == AT_OLLAMA ? WISH_DROPPED : WISH_PASSED;
}

enum wish_fate wish_fate(struct slice member, enum wish_at at)
{
	return fate_of(row_of(member), at);
}

// True when it asks for what everybody does anyway.
static bool is_idle(const struct wish_row *row, const struct jscan_member *m)
{
	return m->type == JS_NULL ||
		(row != NULL && row->idle != NULL && slice_eq_str(m->value, row->idle));
}

// What a row cannot say, since it hangs on the value.
static enum wish_fate judge_value(enum wish_fate fate, enum wish_at at,
	const struct jscan_member *m)
{
	struct aj in;
	if (slice_eq_str(m->key, "response_format") && aj_scan(m->value, &in)) {
		if (aj_is(&in, "type", "text"))
			return WISH_OURS;
		return at == AT_ANTHROPIC && !aj_is(&in, "type", "json_schema") ? WISH_BINDING
										: fate;
	}
	// Ollama's models choose for themselves whether they call a tool.
	if (at == AT_OLLAMA && slice_eq_str(m->key, "tool_choice"))
		return slice_eq_str(m->value, "\"none\"") ? fate : WISH_BINDING;
	return fate;
}

// ---- what messages hold ----

// Parts that have no word there: sound nowhere but in OpenAI's protocol, files not at Ollama, whose
// pictures come along as base64.
static bool part_fits(const struct aj *part, enum wish_at at)
{
	struct aj in;
	if (aj_is(part, "type", "text") || aj_is(part, "type", "refusal"))
		return true;
	if (aj_is(part, "type", "image_url"))
		return at == AT_ANTHROPIC ||
			(aj_object(part, "image_url", &in) &&
				slice_starts(aj_text(&in, "url"), "data:"));
	return at == AT_ANTHROPIC && aj_is(part, "type", "file") && aj_object(part, "file", &in) &&
		aj_text(&in, "file_data").n > 0;
}

static bool messages_fit(const struct jscan_member *messages, enum wish_at at)
{
	struct slice rest = messages->value, item, parts, part;
	struct aj message, in;
	if (messages->type != JS_ARRAY || memmem(rest.p, rest.n, "\"type\"", 6) == NULL)
		return true;
	while (jscan_next(&rest, &item)) {
		const struct jscan_member *content = aj_scan(item, &message)
			? aj_typed(&message, "content", JS_ARRAY)
			: NULL;
		if (content == NULL)
			continue;
		for (parts = content->value; jscan_next(&parts, &part);)
			if (aj_scan(part, &in) && !part_fits(&in, at))
				return false;
	}
	return true;
}

// ---- the whole request ----

static bool refuse(struct err *err, struct slice member, enum wish_at at)
{
	char name[64];
	if (err == NULL)
		return false;
	size_t n = MIN_OF(member.n, sizeof(name) - 1);
	memcpy(name, member.p, n);
	name[n] = '\0';
	err_field(err, ERR_FIELD_RANGE, name, _("%s has no word for it"), wish_at_name(at));
	return false;
}

static void drop(struct str *dropped, struct slice member)
{
	if (dropped == NULL)
		return;
	if (dropped->n > 0)
		str_add_c(dropped, ',');
	str_add_slice(dropped, member);
}

bool wish_judge(const struct adapter_call *call, const struct candidate *cand,
	struct str *ret_dropped, struct err *err)
{
	enum wish_at at = wish_at(cand);
	if (LIKELY(at == AT_COMPATIBLE || (at == AT_OPENAI && !call->translated)) ||
		call->offer != OFFER_CHAT || call->dialect != DIALECT_OPENAI)
		return true;
	for (size_t i = 0; i < call->n; i++) {
		const struct jscan_member *m = &call->m[i];
		const struct wish_row *row = row_of(m->key);
		if (is_idle(row, m) || adapter_decides(cand->target, m->key))
			continue;
		enum wish_fate fate = judge_value(fate_of(row, at), at, m);
		if (fate == WISH_BINDING)
			return refuse(err, m->key, at);
		if ((at == AT_ANTHROPIC || at == AT_OLLAMA) && slice_eq_str(m->key, "messages") &&
			!messages_fit(m, at))
			return refuse(err, m->key, at);
		if (fate == WISH_DROPPED)
			drop(ret_dropped, m->key);
	}
	return true;
}

const char *wish_length_name(const char *model)
{
	// Those that came before refuse the new name nowhere, those that come after refuse the old one.
	static const char *const old[] = {
		"gpt-3", "gpt-4", "chatgpt-4", "ft:gpt-3", "ft:gpt-4", "davinci", "babbage"};
	static const char *const theirs[] = {
		"gpt-", "chatgpt-", "o", "ft:", "codex-", "computer-use"};
	struct slice name = slice_of(model);
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		if (slice_starts(name, old[i]))
			return "max_tokens";
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		known |= slice_starts(name, theirs[i]);
	// "o" and a digit: o1, o3-mini, o4 and what follows them.
	if (known && name.p[0] == 'o' && (name.n < 2 || name.p[1] < '0' || name.p[1] > '9'))
		known = false;
	return known ? "max_completion_tokens" : "max_tokens";
}

void wish_man(struct str *out)
{
	str_add(out,
		".SH WISHES OF A REQUEST\nWhat becomes of the members of a chat request where the target is "
		"asked in other words\nthan the caller's. What is dropped is named in\n.B X-Yijian-Dropped\n"
		"and in the decision; a binding wish skips the candidate as\n.BR capability_missing .\n"
		"What no row names passes to whoever speaks OpenAI's protocol, and is dropped by Anthropic and\n"
		"Ollama. The column of OpenAI holds for requests in another dialect; its own pass as they are\n"
		"but for the name of the longest answer.\n.TS\nl l l l l l.\nmember");
	for (int at = 0; at < AT_COUNT; at++)
		str_addf(out, "\t%s", wish_at_name((enum wish_at)at));
	str_add(out, "\n_\n");
	for (size_t i = 0; i < wish_rows_n; i++) {
		const struct wish_row *r = &wish_rows[i];
		if (r->at[AT_OLLAMA] == WISH_OURS)
			continue;
		str_add(out, r->member);
		for (int at = 0; at < AT_COUNT; at++)
			str_addf(out, "\t%s", wish_fate_name((enum wish_fate)r->at[at]));
		str_add_c(out, '\n');
	}
	str_add(out, ".TE\n");
}
