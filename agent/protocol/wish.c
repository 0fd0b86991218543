// SPDX-License-Identifier: MIT
// A wish that is lost in silence is the worst of all answers: here it is passed, said otherwise, named
// as lost, or binding.
#include "agent/protocol/wish.h"

#include <string.h>
#include "agent/protocol/json.h"
#include "agent/protocol/picture.h"
#include "shared/text.h"

// ---- the table ----

#define P WISH_PASSED
#define T WISH_TRANSLATED
#define D WISH_DROPPED
#define B WISH_BINDING
#define O WISH_OURS

// Members as of OpenAI's API reference (2026), then those other servers and clients know.
#define CHAT(openai, compatible, mode, native, anthropic, ollama)                                  \
	{[AT_OPENAI] = openai,                                                                     \
		[AT_COMPATIBLE] = compatible,                                                      \
		[AT_DASHSCOPE_MODE] = mode,                                                        \
		[AT_DASHSCOPE] = native,                                                           \
		[AT_ANTHROPIC] = anthropic,                                                        \
		[AT_OLLAMA] = ollama}
const struct wish_row wish_rows[] = {
	{"model", CHAT(O, O, O, O, O, O), NULL},
	{"messages", CHAT(P, P, P, P, T, T), NULL},
	{"stream", CHAT(O, O, O, O, O, O), NULL},
	{"stream_options", CHAT(O, O, O, O, O, O), NULL},
	{"max_tokens", CHAT(T, P, P, P, T, T),
		NULL}, // of OpenAI's reasoning models under its new name
	{"max_completion_tokens", CHAT(P, P, P, T, T, T), NULL},
	{"temperature", CHAT(P, P, P, P, T, T), NULL}, // Anthropic's ends at 1
	{"top_p", CHAT(P, P, T, T, P, T), NULL}, // DashScope's lies strictly between 0 and 1
	{"top_k", CHAT(D, P, P, P, P, T), NULL},
	{"min_p", CHAT(D, P, P, P, D, T), NULL},
	{"n", CHAT(P, P, P, B, B, B), "1"},
	{"stop", CHAT(P, P, P, P, T, T), NULL},
	{"seed", CHAT(P, P, P, P, D, T), NULL},
	{"presence_penalty", CHAT(P, P, P, P, D, T), NULL},
	{"frequency_penalty", CHAT(P, P, P, P, D, T), NULL},
	{"logit_bias", CHAT(P, P, P, D, D, D), NULL},
	{"logprobs", CHAT(P, P, P, P, B, B), "false"},
	{"top_logprobs", CHAT(P, P, P, P, B, B), "0"},
	{"tools", CHAT(T, P, P, P, T, P), "[]"}, // names and schemas as OpenAI takes them
	{"tool_choice", CHAT(P, P, P, P, T, T), "\"auto\""},
	{"parallel_tool_calls", CHAT(P, P, P, P, T, D), "true"},
	{"functions", CHAT(P, P, P, B, B, B), "[]"},
	{"function_call", CHAT(P, P, P, B, B, B), "\"auto\""},
	{"response_format", CHAT(P, P, P, P, T, T), NULL}, // any JSON at all: binding at Anthropic
	{"reasoning_effort", CHAT(P, P, P, D, D, T), NULL},
	{"verbosity", CHAT(P, P, P, D, D, D), NULL},
	{"modalities", CHAT(P, P, P, B, B, B), "[\"text\"]"},
	{"audio", CHAT(P, P, P, B, B, B), NULL},
	{"prediction", CHAT(P, P, P, D, D, D), NULL},
	{"web_search_options", CHAT(P, P, P, D, D, D), NULL},
	{"user", CHAT(T, P, P, D, T, D), NULL}, // of OpenAI at most 64 letters
	{"safety_identifier", CHAT(P, P, P, D, D, D), NULL},
	{"prompt_cache_key", CHAT(P, P, P, D, D, D), NULL},
	{"metadata", CHAT(P, P, P, D, D, D), NULL},
	{"store", CHAT(P, P, P, D, D, D), "false"},
	{"service_tier", CHAT(P, P, P, D, D, D), "\"auto\""},
	{"thinking", CHAT(D, P, P, D, P, D), NULL},
	{"enable_thinking", CHAT(D, P, P, T, D, D), NULL},
	{"think", CHAT(D, P, P, D, D, P), NULL},
	{"keep_alive", CHAT(D, P, P, D, D, P), NULL},
	{"options", CHAT(D, P, P, D, D, T), NULL},
	{"format", CHAT(D, P, P, D, D, D), NULL},
};

// Natively asked: DashScope's text embedding, Ollama's /api/embed, Text Embeddings Inference's /embed.
// Token numbers as input are judged by what a candidate lacks.
#define EMBED(openai, compatible, dashscope, ollama, tei)                                          \
	{[AT_OPENAI] = openai,                                                                     \
		[AT_COMPATIBLE] = compatible,                                                      \
		[AT_DASHSCOPE] = dashscope,                                                        \
		[AT_OLLAMA] = ollama,                                                              \
		[AT_TEI] = tei}
static const struct wish_row embeddings[] = {
	{"model", EMBED(O, O, O, O, O), NULL},
	{"input", EMBED(P, P, T, T, T), NULL},
	{"encoding_format", EMBED(P, P, O, O, O), NULL}, // vectors are turned here
	{"dimensions", EMBED(P, P, T, P, P), NULL},
	{"user", EMBED(P, P, D, D, D), NULL},
	{"text_type", EMBED(P, P, P, D, D), NULL},
	{"output_type", EMBED(P, P, P, D, D), "\"dense\""},
	{"instruct", EMBED(P, P, P, D, D), NULL},
	{"truncate", EMBED(P, P, D, P, P), NULL},
	{"keep_alive", EMBED(P, P, D, P, D), NULL},
	{"options", EMBED(P, P, D, P, D), NULL},
	{"normalize", EMBED(P, P, D, D, P), NULL},
	{"prompt_name", EMBED(P, P, D, D, P), NULL},
};

// All are asked in OpenAI's words. What of them vLLM refuses and Ollama passes over: their sources.
#define TEXT(openai, compatible, vllm, ollama)                                                     \
	{[AT_OPENAI] = openai, [AT_COMPATIBLE] = compatible, [AT_VLLM] = vllm, [AT_OLLAMA] = ollama}
static const struct wish_row completions[] = {
	{"model", TEXT(O, O, O, O), NULL},
	{"prompt", TEXT(P, P, P, P), NULL}, // a list, or token numbers: binding at Ollama
	{"stream", TEXT(O, O, O, O), NULL},
	{"stream_options", TEXT(O, O, O, O), NULL},
	{"suffix", TEXT(P, P, B, P), "\"\""},
	{"max_tokens", TEXT(P, P, P, P), NULL},
	{"temperature", TEXT(P, P, P, P), NULL},
	{"top_p", TEXT(P, P, P, P), NULL},
	{"n", TEXT(P, P, P, B), "1"},
	{"best_of", TEXT(P, P, P, D), "1"},
	{"echo", TEXT(P, P, P, B), "false"},
	{"logprobs", TEXT(P, P, P, P), NULL},
	{"logit_bias", TEXT(P, P, P, D), NULL},
	{"stop", TEXT(P, P, P, P), NULL},
	{"seed", TEXT(P, P, P, P), NULL},
	{"presence_penalty", TEXT(P, P, P, P), NULL},
	{"frequency_penalty", TEXT(P, P, P, P), NULL},
	{"user", TEXT(P, P, P, D), NULL},
};

// Callers speak the words Jina and Cohere share; Text Embeddings Inference has others.
#define RANK(compatible, tei) {[AT_COMPATIBLE] = compatible, [AT_TEI] = tei}
static const struct wish_row reranks[] = {
	{"model", RANK(O, O), NULL},
	{"query", RANK(P, T), NULL},
	{"documents", RANK(P, T), NULL},
	{"top_n", RANK(P, O), NULL}, // cut here
	{"return_documents", RANK(P, O), "false"}, // given back here
	{"truncate", RANK(P, P), NULL}, // true unless somebody says otherwise
	{"raw_scores", RANK(P, P), NULL},
	{"max_chunks_per_doc", RANK(P, D), NULL},
	{"rank_fields", RANK(P, B), "[\"text\"]"},
};

// Pictures and their edits; only who speaks OpenAI's protocol is asked for edits. What hangs on the
// model, a graph or the value: agent/protocol/picture.h.
#define PICTURE(compatible, gpt, wanx, sdwebui, comfyui)                                           \
	{[AT_COMPATIBLE] = compatible,                                                             \
		[AT_GPT_IMAGE] = gpt,                                                              \
		[AT_WANX] = wanx,                                                                  \
		[AT_SDWEBUI] = sdwebui,                                                            \
		[AT_COMFYUI] = comfyui}
static const struct wish_row pictures[] = {
	{"model", PICTURE(O, O, O, O, O), NULL},
	{"prompt", PICTURE(P, P, T, P, T), NULL},
	{"image", PICTURE(P, P, B, B, B), NULL}, // a picture to begin with
	{"mask", PICTURE(P, P, B, B, B), NULL},
	{"n", PICTURE(O, O, O, O, O), "1"}, // cut here into what is made at once
	{"size", PICTURE(P, T, T, T, T), "\"auto\""},
	{"quality", PICTURE(P, T, D, D, D), "\"auto\""},
	{"style", PICTURE(P, D, D, D, D), NULL}, // wanx-v1 has styles
	{"response_format", PICTURE(P, O, O, O, O), NULL}, // pictures are turned here
	{"background", PICTURE(P, P, D, D, D), "\"auto\""},
	{"output_format", PICTURE(P, P, D, D, D), "\"png\""},
	{"output_compression", PICTURE(P, P, D, D, D), "100"},
	{"moderation", PICTURE(P, P, D, D, D), "\"auto\""},
	{"input_fidelity", PICTURE(P, P, D, D, D), "\"low\""},
	{"user", PICTURE(P, P, D, D, D), NULL},
	{"stream", PICTURE(O, O, O, O, O), NULL},
	{"partial_images", PICTURE(D, P, D, D, D), "0"}, // of streams
	{"negative_prompt", PICTURE(P, P, P, P, T), "\"\""},
	{"seed", PICTURE(P, P, P, P, T), "-1"},
	{"prompt_extend", PICTURE(P, P, P, D, D), NULL},
	{"watermark", PICTURE(P, P, P, D, D), "false"},
	{"steps", PICTURE(P, P, D, P, D), NULL},
	{"cfg_scale", PICTURE(P, P, D, P, D), NULL},
	{"sampler_name", PICTURE(P, P, D, P, D), NULL},
	{"scheduler", PICTURE(P, P, D, P, D), NULL},
	{"clip_skip", PICTURE(P, P, D, P, D), NULL},
	{"restore_faces", PICTURE(P, P, D, P, D), "false"},
	{"tiling", PICTURE(P, P, D, P, D), "false"},
	{"styles", PICTURE(P, P, D, P, D), "[]"},
};
#undef P
#undef T
#undef D
#undef B
#undef O
#undef CHAT
#undef EMBED
#undef TEXT
#undef RANK
#undef PICTURE
const size_t wish_rows_n = ARRAY_LEN(wish_rows);

#define AT(who) (1u << AT_##who)
#define NATIVES (AT(DASHSCOPE) | AT(OLLAMA) | AT(TEI))
#define OPENAIS (AT(COMPATIBLE) | AT(GPT_IMAGE))
#define PAINTERS (AT(WANX) | AT(SDWEBUI) | AT(COMFYUI))
static const struct wish_table tables[OFFER_COUNT] = {
	[OFFER_CHAT] = {wish_rows, ARRAY_LEN(wish_rows),
		AT(OPENAI) | AT(COMPATIBLE) | AT(DASHSCOPE_MODE) | AT(DASHSCOPE) | AT(ANTHROPIC) |
			AT(OLLAMA),
		AT(DASHSCOPE) | AT(ANTHROPIC) | AT(OLLAMA), AT(ANTHROPIC) | AT(OLLAMA)},
	[OFFER_EMBEDDINGS] = {embeddings, ARRAY_LEN(embeddings),
		AT(OPENAI) | AT(COMPATIBLE) | NATIVES, NATIVES, NATIVES},
	[OFFER_COMPLETIONS] = {completions, ARRAY_LEN(completions),
		AT(OPENAI) | AT(COMPATIBLE) | AT(VLLM) | AT(OLLAMA), AT(VLLM) | AT(OLLAMA), 0},
	[OFFER_RERANK] = {reranks, ARRAY_LEN(reranks), AT(COMPATIBLE) | AT(TEI), AT(TEI), AT(TEI)},
	[OFFER_IMAGES] = {pictures, ARRAY_LEN(pictures), OPENAIS | PAINTERS, OPENAIS | PAINTERS,
		PAINTERS},
	[OFFER_IMAGE_EDITS] = {pictures, ARRAY_LEN(pictures), OPENAIS, OPENAIS | PAINTERS, 0},
};

const struct wish_table *wish_table(enum offer offer)
{
	return tables[offer].n > 0 ? &tables[offer] : NULL;
}

const char *wish_fate_name(enum wish_fate f)
{
	static const char *const names[] = {"passed", "translated", "dropped", "binding", "ours"};
	return names[f];
}

const char *wish_at_name(enum wish_at at)
{
	static const char *const names[AT_COUNT] = {[AT_OPENAI] = "OpenAI",
		[AT_COMPATIBLE] = "compatible",
		[AT_DASHSCOPE_MODE] = "DashScope/v1",
		[AT_DASHSCOPE] = "DashScope",
		[AT_ANTHROPIC] = "Anthropic",
		[AT_VLLM] = "vLLM",
		[AT_OLLAMA] = "Ollama",
		[AT_TEI] = "TEI",
		[AT_GPT_IMAGE] = "gpt-image",
		[AT_WANX] = "wanx",
		[AT_SDWEBUI] = "SD WebUI",
		[AT_COMFYUI] = "ComfyUI"};
	return names[at];
}

enum wish_at wish_at(const struct adapter_call *call, const struct candidate *cand)
{
	static const struct {
		enum protocol protocol;
		enum wish_at at;
	} spoken[] = {{PROTO_ANTHROPIC_MESSAGES, AT_ANTHROPIC}, {PROTO_OLLAMA_CHAT, AT_OLLAMA},
		{PROTO_DASHSCOPE_CHAT, AT_DASHSCOPE_MODE},
		{PROTO_DASHSCOPE_CHAT_NATIVE, AT_DASHSCOPE},
		{PROTO_DASHSCOPE_EMBEDDINGS_NATIVE, AT_DASHSCOPE}, {PROTO_OLLAMA_EMBED, AT_OLLAMA},
		{PROTO_TEI_EMBED, AT_TEI}, {PROTO_TEI_RERANK, AT_TEI},
		{PROTO_DASHSCOPE_T2I_LEGACY, AT_WANX}, {PROTO_DASHSCOPE_T2I_MESSAGES, AT_WANX},
		{PROTO_SDWEBUI_TXT2IMG, AT_SDWEBUI}, {PROTO_COMFYUI_PROMPT, AT_COMFYUI}};
	const char *vendor = cand->target->vendor;
	for (size_t i = 0; i < ARRAY_LEN(spoken); i++)
		if (cand->protocol == spoken[i].protocol)
			return spoken[i].at;
	if (call->offer == OFFER_IMAGES || call->offer == OFFER_IMAGE_EDITS)
		return picture_family(adapter_model(call, cand)) != PICTURE_ANY ? AT_GPT_IMAGE
										: AT_COMPATIBLE;
	if (vendor != NULL && strcmp(vendor, "openai") == 0)
		return AT_OPENAI;
	if (call->offer != OFFER_COMPLETIONS || cand->instance == NULL)
		return AT_COMPATIBLE;
	const char *engine = cand->instance->doc.engine;
	if (strcmp(engine, "vllm") == 0)
		return AT_VLLM;
	return strcmp(engine, "ollama") == 0 ? AT_OLLAMA : AT_COMPATIBLE;
}

// ---- one member ----

static enum wish_fate fate_of(const struct wish_table *t, struct slice member, enum wish_at at,
	const struct wish_row **ret_row)
{
	*ret_row = NULL;
	for (size_t i = 0; i < t->n; i++) {
		if (slice_eq_str(member, t->rows[i].member)) {
			*ret_row = &t->rows[i];
			return (enum wish_fate)t->rows[i].at[at];
		}
	}
	return (t->closed >> at & 1) != 0 ? WISH_DROPPED : WISH_PASSED;
}

enum wish_fate wish_fate(struct slice member, enum wish_at at)
{
	const struct wish_row *row;
	return fate_of(&tables[OFFER_CHAT], member, at, &row);
}

// True when it asks for what everybody does anyway.
static bool is_idle(const struct wish_row *row, const struct jscan_member *m)
{
	return m->type == JS_NULL ||
		(row != NULL && row->idle != NULL && slice_eq_str(m->value, row->idle));
}

bool wish_is_blank(struct slice stop)
{
	return !slice_starts(stop, "\"") || aj_is_blank(aj_inner(stop));
}

static bool any_blank(const struct jscan_member *stop)
{
	struct slice rest = stop->value, item;
	if (stop->type != JS_ARRAY)
		return wish_is_blank(stop->value);
	while (jscan_next(&rest, &item))
		if (wish_is_blank(item))
			return true;
	return false;
}

static enum wish_fate judge_format(enum wish_fate fate, enum wish_at at,
	const struct jscan_member *m)
{
	struct aj in, named;
	if (!aj_scan(m->value, &in))
		return WISH_BINDING;
	if (aj_is(&in, "type", "text"))
		return WISH_OURS;
	if (aj_is(&in, "type", "json_object"))
		return at == AT_ANTHROPIC ? WISH_BINDING : fate;
	return aj_is(&in, "type", "json_schema") && aj_object(&in, "json_schema", &named) &&
			aj_typed(&named, "schema", JS_OBJECT) != NULL
		? fate
		: WISH_BINDING;
}

// Ollama's models choose for themselves whether they call a tool.
static enum wish_fate judge_choice(enum wish_fate fate, enum wish_at at,
	const struct jscan_member *m)
{
	struct aj in, function;
	if (at == AT_OLLAMA)
		return slice_eq_str(m->value, "\"none\"") ? fate : WISH_BINDING;
	bool known = slice_eq_str(m->value, "\"none\"") || slice_eq_str(m->value, "\"auto\"") ||
		slice_eq_str(m->value, "\"required\"") ||
		(aj_scan(m->value, &in) && aj_is(&in, "type", "function") &&
			aj_object(&in, "function", &function) && aj_text(&function, "name").n > 0);
	return known ? fate : WISH_BINDING;
}

static bool all_functions(const struct jscan_member *tools)
{
	struct slice rest = tools->value, item;
	struct aj tool, function;
	if (tools->type != JS_ARRAY)
		return false;
	while (jscan_next(&rest, &item))
		if (!aj_scan(item, &tool) || !aj_object(&tool, "function", &function))
			return false;
	return true;
}

// What a row cannot say, since it hangs on the value.
static enum wish_fate judge_value(enum wish_fate fate, const struct adapter_call *call,
	const struct candidate *cand, enum wish_at at, const struct jscan_member *m)
{
	enum offer offer = call->offer;
	struct aj in;
	if (offer == OFFER_IMAGES || offer == OFFER_IMAGE_EDITS) {
		enum picture_fate said = picture_fate(call, cand, m);
		return said == PICTURE_AS_ITS_ROW ? fate
			: said == PICTURE_TAKEN	  ? WISH_PASSED
						  : WISH_DROPPED;
	}
	// Its completions take one text.
	if (offer == OFFER_COMPLETIONS)
		return at == AT_OLLAMA && slice_eq_str(m->key, "prompt") && m->type != JS_STRING
			? WISH_BINDING
			: fate;
	if (offer != OFFER_CHAT)
		return fate;
	bool other = at == AT_ANTHROPIC || at == AT_OLLAMA; // asked in other words
	if (slice_eq_str(m->key, "response_format") && (other || aj_scan(m->value, &in)))
		return other			     ? judge_format(fate, at, m)
			: aj_is(&in, "type", "text") ? WISH_OURS
						     : fate;
	if (other && slice_eq_str(m->key, "tool_choice"))
		return judge_choice(fate, at, m);
	if (other && slice_eq_str(m->key, "tools"))
		return all_functions(m) ? fate : WISH_BINDING;
	if (at == AT_ANTHROPIC && slice_eq_str(m->key, "stop"))
		return any_blank(m) ? WISH_DROPPED : fate;
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
	if (aj_is(part, "type", "image_url")) {
		struct slice url = aj_picture(part), head = slice_cut(&url, ',');
		return at == AT_ANTHROPIC ||
			(slice_starts(head, "data:") && slice_ends(head, ";base64"));
	}
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

bool wish_judge(const struct adapter_call *call, const struct candidate *cand,
	struct str *ret_dropped, struct err *err)
{
	const struct wish_table *t = &tables[call->offer];
	if (t->judged == 0 || call->dialect != DIALECT_OPENAI)
		return true;
	enum wish_at at = wish_at(call, cand);
	if (LIKELY((t->judged >> at & 1) == 0) && !(at == AT_OPENAI && call->translated))
		return true;
	bool parts = call->offer == OFFER_CHAT && (at == AT_ANTHROPIC || at == AT_OLLAMA);
	for (size_t i = 0; i < call->n; i++) {
		const struct jscan_member *m = &call->m[i];
		const struct wish_row *row;
		enum wish_fate fate = fate_of(t, m->key, at, &row);
		if (is_idle(row, m))
			continue;
		if (!adapter_decides(cand->target, m->key))
			fate = judge_value(fate, call, cand, at, m);
		else if (fate != WISH_DROPPED || !adapter_drops(cand->target, m->key))
			continue; // the operator's word, where it is not lost anyway
		if (fate == WISH_BINDING ||
			(parts && slice_eq_str(m->key, "messages") && !messages_fit(m, at)))
			return refuse(err, m->key, at);
		if (fate == WISH_DROPPED && ret_dropped != NULL) {
			if (ret_dropped->n > 0)
				str_add_c(ret_dropped, ',');
			str_add_slice(ret_dropped, m->key);
		}
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
	char first = name.n > 0 ? name.p[0] : '\0'; // tells most of them apart
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		if (old[i][0] == first && slice_starts(name, old[i]))
			return "max_tokens";
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		known |= theirs[i][0] == first && slice_starts(name, theirs[i]);
	// "o" and a digit: o1, o3-mini, o4 and what follows them.
	if (known && name.p[0] == 'o' && (name.n < 2 || name.p[1] < '0' || name.p[1] > '9'))
		known = false;
	return known ? "max_completion_tokens" : "max_tokens";
}

static void add_table(const struct wish_table *t, const char *title, struct str *out)
{
	str_addf(out, ".SS %s\n.TS\nl", title);
	for (int at = 0; at < AT_COUNT; at++)
		str_add(out, (t->columns >> at & 1) != 0 ? " l" : "");
	str_add(out, ".\nmember");
	for (int at = 0; at < AT_COUNT; at++)
		if ((t->columns >> at & 1) != 0)
			str_addf(out, "\t%s", wish_at_name((enum wish_at)at));
	str_add(out, "\n_\n");
	for (size_t i = 0; i < t->n; i++) {
		const struct wish_row *r = &t->rows[i];
		bool ours = true;
		for (int at = 0; at < AT_COUNT; at++)
			ours &= (t->columns >> at & 1) == 0 || r->at[at] == WISH_OURS;
		if (ours)
			continue;
		str_add(out, r->member);
		for (int at = 0; at < AT_COUNT; at++)
			if ((t->columns >> at & 1) != 0)
				str_addf(out, "\t%s", wish_fate_name((enum wish_fate)r->at[at]));
		str_add_c(out, '\n');
	}
	str_add(out, ".TE\n");
}

void wish_man(struct str *out)
{
	static const char *const titles[OFFER_COUNT] = {[OFFER_CHAT] = "Chats",
		[OFFER_EMBEDDINGS] = "Embeddings",
		[OFFER_COMPLETIONS] = "Completions",
		[OFFER_RERANK] = "Rerank",
		[OFFER_IMAGES] = "Pictures"};
	str_add(out,
		".SH WISHES OF A REQUEST\nWhat becomes of the members of a request where the target is "
		"asked in other words\nthan the caller's, or knows fewer. What is dropped is named in\n"
		".B X-Yijian-Dropped\nand in the decision; a binding wish skips the candidate as\n"
		".BR capability_missing ;\nwhat is ours the gateway does itself.\nDashScope/v1 is its compatible mode. "
		"What no row names passes to whoever speaks OpenAI's protocol and in DashScope's native chat,\n"
		"and is dropped elsewhere. In chats the column of OpenAI holds for requests in another dialect;\n"
		"its own pass as they are but for the name of the longest answer. Of pictures only who speaks "
		"OpenAI's protocol makes edits, wanx\\-v1 takes style, a size that is no width and height is\n"
		"dropped where it is translated, and so is at ComfyUI what its graph has no slot for.\n");
	for (int offer = 0; offer < OFFER_COUNT; offer++)
		if (titles[offer] != NULL)
			add_table(&tables[offer], titles[offer], out);
}
