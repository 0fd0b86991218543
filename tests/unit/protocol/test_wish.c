// SPDX-License-Identifier: MIT
// The tables of wishes are held to what is written: each member of a request, at each kind of target,
// is in the body, is told as dropped, or its candidate is refused by name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/images.h"
#include "agent/protocol/table.h"
#include "agent/protocol/tools.h"
#include "agent/protocol/wish.h"

static struct adapter_call call; // large
static struct feature feature;

// One value of each member that asks for something, and what says so where it is translated.
enum said {
	DASHSCOPE,
	ANTHROPIC,
	OLLAMA,
	TEI,
	DASHSCOPE_MODE,
	GPT_IMAGE,
	WANX,
	SDWEBUI,
	COMFYUI,
	SAIDS
};
struct sample {
	const char *member, *value, *said[SAIDS];
};
static const struct sample chats[] = {
	{"max_tokens", "77", {0, "\"max_tokens\":77", "\"num_predict\":77"}},
	{"max_completion_tokens", "78",
		{"\"max_tokens\":78", "\"max_tokens\":78", "\"num_predict\":78"}},
	{"temperature", "1.5", {0, "\"temperature\":1,", "\"temperature\":1.5"}},
	{"top_p", "1", {"\"top_p\":0.999", 0, "\"top_p\":1", 0, "\"top_p\":0.999"}},
	{"top_k", "5", {0, 0, "\"top_k\":5"}},
	{"min_p", "0.25", {0, 0, "\"min_p\":0.25"}},
	{"n", "2", {0}},
	{"stop", "\"END\"", {0, "\"stop_sequences\":[\"END\"]", "\"stop\":[\"END\"]"}},
	{"seed", "42", {0, 0, "\"seed\":42"}},
	{"presence_penalty", "0.5", {0, 0, "\"presence_penalty\":0.5"}},
	{"frequency_penalty", "0.5", {0, 0, "\"frequency_penalty\":0.5"}},
	{"logit_bias", "{\"50256\":-100}", {0}},
	{"logprobs", "true", {0}},
	{"top_logprobs", "3", {0}},
	{"tools",
		"[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}]",
		{0, "\"input_schema\":{\"type\":\"object\"}"}},
	{"tool_choice", "\"none\"",
		{0, "\"messages\"", "\"messages\""}}, // without tools: nothing to say
	{"parallel_tool_calls", "false", {0, "\"messages\""}},
	{"functions", "[{\"name\":\"f\"}]", {0}},
	{"function_call", "{\"name\":\"f\"}", {0}},
	{"response_format",
		"{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"p\",\"schema\":{\"type\":\"object\"}}}",
		{0, "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}}",
			"\"format\":{\"type\":\"object\"}"}},
	{"reasoning_effort", "\"high\"", {0, 0, "\"think\":\"high\""}},
	{"verbosity", "\"low\"", {0}},
	{"modalities", "[\"text\",\"audio\"]", {0}},
	{"audio", "{\"voice\":\"alloy\",\"format\":\"wav\"}", {0}},
	{"prediction", "{\"type\":\"content\",\"content\":\"x\"}", {0}},
	{"web_search_options", "{}", {0}},
	{"user", "\"u1\"", {0, "\"metadata\":{\"user_id\":\"u1\"}"}},
	{"safety_identifier", "\"s1\"", {0}},
	{"prompt_cache_key", "\"k\"", {0}},
	{"metadata", "{\"a\":\"b\"}", {0}},
	{"store", "true", {0}},
	{"service_tier", "\"flex\"", {0}},
	{"thinking", "{\"type\":\"enabled\",\"budget_tokens\":2048}", {0}},
	{"enable_thinking", "true", {"\"enable_thinking\":true"}},
	{"think", "true", {0}},
	{"keep_alive", "60", {0}},
	{"options", "{\"mirostat\":2}", {0, 0, "\"mirostat\":2"}},
	{"format", "\"json\"", {0}},
};

static const struct sample embeddings[] = {
	{"input", "[\"a\",\"b\"]",
		{[DASHSCOPE] = "\"input\":{\"texts\":[\"a\",\"b\"]}",
			[OLLAMA] = "\"input\":[\"a\",\"b\"]",
			[TEI] = "\"inputs\":[\"a\",\"b\"]"}},
	{"encoding_format", "\"base64\"", {0}},
	{"dimensions", "64", {[DASHSCOPE] = "\"parameters\":{\"dimension\":64}"}},
	{"user", "\"u1\"", {0}},
	{"text_type", "\"query\"", {0}},
	{"output_type", "\"sparse\"", {0}},
	{"instruct", "\"find what answers\"", {0}},
	{"truncate", "true", {0}},
	{"keep_alive", "60", {0}},
	{"options", "{\"num_ctx\":512}", {0}},
	{"normalize", "false", {0}},
	{"prompt_name", "\"query\"", {0}},
};

static const struct sample completions[] = {
	{"prompt", "\"once\"", {0}},
	{"suffix", "\"the end\"", {0}},
	{"max_tokens", "77", {0}},
	{"temperature", "1.5", {0}},
	{"top_p", "1", {0}},
	{"n", "2", {0}},
	{"best_of", "2", {0}},
	{"echo", "true", {0}},
	{"logprobs", "3", {0}},
	{"logit_bias", "{\"50256\":-100}", {0}},
	{"stop", "[\"END\"]", {0}},
	{"seed", "42", {0}},
	{"presence_penalty", "0.5", {0}},
	{"frequency_penalty", "0.5", {0}},
	{"user", "\"u1\"", {0}},
};

static const struct sample reranks[] = {
	{"query", "\"which\"", {[TEI] = "\"query\":\"which\""}},
	{"documents", "[\"a\",{\"text\":\"b\"}]", {[TEI] = "\"texts\":[\"a\",\"b\"]"}},
	{"top_n", "1", {0}},
	{"return_documents", "true", {0}},
	{"truncate", "false", {0}},
	{"raw_scores", "true", {0}},
	{"max_chunks_per_doc", "3", {0}},
	{"rank_fields", "[\"title\"]", {0}},
};

// A graph that has a slot for everything.
static const char graph[] =
	"{\"workflow\":{\"1\":{\"text\":\"{{prompt}}\",\"not\":\"{{negative}}\",\"width\":\"{{width}}\","
	"\"height\":\"{{height}}\",\"noise\":\"{{seed}}\",\"batch\":\"{{batch}}\"}}}";
static const struct sample pictures[] = {
	{"prompt", "\"a hat\"",
		{[WANX] = "{\"prompt\":\"a hat\"", [COMFYUI] = "\"text\":\"a hat\""}},
	{"image", "\"data:image/png;base64,AA\"", {0}},
	{"mask", "\"data:image/png;base64,AA\"", {0}},
	{"size", "\"512x768\"",
		{[GPT_IMAGE] = "\"size\":\"1024x1536\"",
			[WANX] = "\"size\":\"512*768\"",
			[SDWEBUI] = "\"width\":512,\"height\":768",
			[COMFYUI] = "\"width\":512,\"height\":768"}},
	{"quality", "\"hd\"", {[GPT_IMAGE] = "\"quality\":\"high\""}},
	{"style", "\"vivid\"", {0}},
	{"response_format", "\"b64_json\"", {0}},
	{"background", "\"transparent\"", {0}},
	{"output_format", "\"webp\"", {0}},
	{"output_compression", "50", {0}},
	{"moderation", "\"low\"", {0}},
	{"input_fidelity", "\"high\"", {0}},
	{"user", "\"u1\"", {0}},
	{"partial_images", "2", {0}},
	{"negative_prompt", "\"rain\"", {[COMFYUI] = "\"not\":\"rain\""}},
	{"seed", "42", {[COMFYUI] = "\"noise\":42"}},
	{"prompt_extend", "false", {0}},
	{"watermark", "true", {0}},
	{"steps", "30", {0}},
	{"cfg_scale", "7.5", {0}},
	{"sampler_name", "\"Euler\"", {0}},
	{"scheduler", "\"karras\"", {0}},
	{"clip_skip", "2", {0}},
	{"restore_faces", "true", {0}},
	{"tiling", "true", {0}},
	{"styles", "[\"ink\"]", {0}},
};

static const struct at {
	enum wish_at at;
	enum protocol protocol;
	const char *vendor, *engine, *model; // model NULL: of no family
} chat_at[] =
	{
		{AT_COMPATIBLE, PROTO_OPENAI_CHAT, NULL, NULL},
		{AT_DASHSCOPE_MODE, PROTO_DASHSCOPE_CHAT, "aliyun", NULL},
		{AT_DASHSCOPE, PROTO_DASHSCOPE_CHAT_NATIVE, "aliyun", NULL},
		{AT_ANTHROPIC, PROTO_ANTHROPIC_MESSAGES, "anthropic", NULL},
		{AT_OLLAMA, PROTO_OLLAMA_CHAT, NULL, "ollama"},
},
  embeddings_at[] =
	  {
		  {AT_OPENAI, PROTO_OPENAI_EMBEDDINGS, "openai", NULL},
		  {AT_COMPATIBLE, PROTO_OPENAI_EMBEDDINGS, "aliyun", NULL},
		  {AT_DASHSCOPE, PROTO_DASHSCOPE_EMBEDDINGS_NATIVE, "aliyun", NULL},
		  {AT_OLLAMA, PROTO_OLLAMA_EMBED, NULL, "ollama"},
		  {AT_TEI, PROTO_TEI_EMBED, NULL, "tei"},
},
  completions_at[] =
	  {
		  {AT_OPENAI, PROTO_OPENAI_COMPLETIONS, "openai", NULL},
		  {AT_COMPATIBLE, PROTO_OPENAI_COMPLETIONS, "aliyun", NULL},
		  {AT_COMPATIBLE, PROTO_OPENAI_COMPLETIONS, NULL, "localai"},
		  {AT_VLLM, PROTO_OPENAI_COMPLETIONS, NULL, "vllm"},
		  {AT_OLLAMA, PROTO_OPENAI_COMPLETIONS, NULL, "ollama"},
},
  reranks_at[] =
	  {
		  {AT_COMPATIBLE, PROTO_OPENAI_RERANK, NULL, "vllm"},
		  {AT_TEI, PROTO_TEI_RERANK, NULL, "tei"},
},
  images_at[] =
	  {
		  {AT_COMPATIBLE, PROTO_OPENAI_IMAGES, "openai", NULL, "dall-e-3"},
		  {AT_COMPATIBLE, PROTO_OPENAI_IMAGES, NULL, "localai", NULL},
		  {AT_GPT_IMAGE, PROTO_OPENAI_IMAGES, "openai", NULL, "gpt-image-1"},
		  {AT_WANX, PROTO_DASHSCOPE_T2I_LEGACY, "aliyun", NULL, "wan2.2-t2i-flash"},
		  {AT_SDWEBUI, PROTO_SDWEBUI_TXT2IMG, NULL, "sdwebui", NULL},
		  {AT_COMFYUI, PROTO_COMFYUI_PROMPT, NULL, "comfyui", NULL},
},
  edits_at[] = {
	  {AT_COMPATIBLE, PROTO_OPENAI_IMAGE_EDITS, NULL, "localai", NULL},
	  {AT_GPT_IMAGE, PROTO_OPENAI_IMAGE_EDITS, "openai", NULL, "gpt-image-1"},
};

// What a request says beside the sample.
static const struct kind {
	enum offer offer;
	const char *base[3][2];
	const struct sample *samples;
	size_t n;
	const struct at *at;
	size_t at_n;
} kinds[] = {
	{OFFER_CHAT, {{"messages", "[{\"role\":\"user\",\"content\":\"hi\"}]"}}, chats,
		ARRAY_LEN(chats), chat_at, ARRAY_LEN(chat_at)},
	{OFFER_EMBEDDINGS, {{"input", "\"hi\""}}, embeddings, ARRAY_LEN(embeddings), embeddings_at,
		ARRAY_LEN(embeddings_at)},
	{OFFER_COMPLETIONS, {{"prompt", "\"hi\""}}, completions, ARRAY_LEN(completions),
		completions_at, ARRAY_LEN(completions_at)},
	{OFFER_RERANK, {{"query", "\"hi\""}, {"documents", "[\"x\"]"}}, reranks, ARRAY_LEN(reranks),
		reranks_at, ARRAY_LEN(reranks_at)},
	{OFFER_IMAGES, {{"prompt", "\"hi\""}, {"stream", "true"}}, pictures, ARRAY_LEN(pictures),
		images_at, ARRAY_LEN(images_at)},
	{OFFER_IMAGE_EDITS, {{"prompt", "\"hi\""}, {"stream", "true"}, {"image", "\"data:a\""}},
		pictures, ARRAY_LEN(pictures), edits_at, ARRAY_LEN(edits_at)},
};

static void ask_of(const struct kind *k, const char *member, const char *value)
{
	struct str body = STR_INIT;
	struct err err = {0};
	str_addf(&body, "{\"model\":\"m\",\"%s\":%s", member, value);
	for (size_t i = 0; i < ARRAY_LEN(k->base) && k->base[i][0] != NULL; i++)
		if (strcmp(k->base[i][0], member) != 0)
			str_addf(&body, ",\"%s\":%s", k->base[i][0], k->base[i][1]);
	str_add_c(&body, '}');
	char *text = strdup(str_text(&body)); // the call points into it
	assert_int_equal(adapter_read(slice_of(text), k->offer, true, &call, &err), ERR_OK);
	str_release(&body);
}

static void ask(const char *member, const char *value)
{
	ask_of(&kinds[0], member, value);
}

static const char *said_at(const struct sample *s, enum wish_at at)
{
	static const enum said places[AT_COUNT] = {[AT_DASHSCOPE] = DASHSCOPE,
		[AT_ANTHROPIC] = ANTHROPIC,
		[AT_OLLAMA] = OLLAMA,
		[AT_TEI] = TEI,
		[AT_DASHSCOPE_MODE] = DASHSCOPE_MODE,
		[AT_GPT_IMAGE] = GPT_IMAGE,
		[AT_WANX] = WANX,
		[AT_SDWEBUI] = SDWEBUI,
		[AT_COMFYUI] = COMFYUI};
	return s->said[places[at]];
}

static enum err_code build(const struct candidate *cand, struct adapter_ask *ret, struct err *err)
{
	static struct image_want want;
	const struct image_adapter *a = image_adapter_for(cand);
	struct image_submit submit = {.want = &want, .feature = &feature, .cand = cand, .n = 1};
	if (a == NULL)
		return adapter_for(cand->protocol)->build(&call, &feature, cand, ret, err);
	assert_int_equal(image_read(&call, 1, &want, err), ERR_OK);
	return a->submit(&submit, ret, err);
}

static void hold(const struct sample *s, const struct at *at, enum wish_fate fate)
{
	char vendor[16] = "", name[32] = "m", engine[16] = "", meta[sizeof(graph)];
	struct target target = {.vendor = at->vendor != NULL ? strcpy(vendor, at->vendor) : NULL,
		.upstream_model = name};
	struct url url = {.path = (char[]){""}};
	struct instance_obj instance = {.doc = {.quirks = {.embeddings_base64 = true}}};
	struct candidate cand = {.target = &target, .url = &url, .protocol = at->protocol};
	struct adapter_ask sent = {0};
	struct err err = {0};
	struct str dropped = STR_INIT;
	char verbatim[512], key[64];
	if (at->model != NULL)
		strcpy(name, at->model);
	instance.doc.meta = strcpy(meta, graph);
	if (at->engine != NULL) {
		instance.doc.engine = strcpy(engine, at->engine);
		cand.instance = &instance;
	}
	snprintf(key, sizeof(key), "\"%s\":", s->member);
	snprintf(verbatim, sizeof(verbatim), "\"%s\":%s", s->member, s->value);
	assert_int_equal(wish_at(&call, &cand), at->at);
	bool fits = wish_judge(&call, &cand, &dropped, &err);
	assert_int_equal(fits, fate != WISH_BINDING);
	if (!fits) {
		assert_string_equal(err.field, s->member);
		str_release(&dropped);
		return;
	}
	assert_int_equal(build(&cand, &sent, &err), ERR_OK);
	const char *body = str_text(&sent.body);
	if (fate == WISH_PASSED)
		assert_non_null(strstr(body, verbatim));
	// A server that passes over what it does not know may be sent it.
	if (fate == WISH_OURS || (fate == WISH_DROPPED && call.offer != OFFER_COMPLETIONS))
		assert_null(strstr(body, key));
	if (fate == WISH_TRANSLATED && at->at != AT_COMPATIBLE) {
		assert_non_null(said_at(s, at->at));
		assert_non_null(strstr(body, said_at(s, at->at)));
	}
	assert_string_equal(str_text(&dropped), fate == WISH_DROPPED ? s->member : "");
	str_release(&dropped);
	str_release(&sent.path);
	str_release(&sent.headers);
	str_release(&sent.body);
}

static const struct wish_row *row_of(enum offer offer, const char *member)
{
	const struct wish_table *t = wish_table(offer);
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->rows[i].member, member) == 0)
			return &t->rows[i];
	fail_msg("no row of %s", member);
	return NULL;
}

static void test_each_wish_at_each_target(void **state UNUSED)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < kinds[k].n; i++) {
			const struct sample *s = &kinds[k].samples[i];
			const struct wish_row *row = row_of(kinds[k].offer, s->member);
			ask_of(&kinds[k], s->member, s->value);
			for (size_t a = 0; a < kinds[k].at_n; a++) {
				const struct at *at = &kinds[k].at[a];
				hold(s, at, (enum wish_fate)row->at[at->at]);
			}
			free((char *)call.body.p);
		}
	}
}

static void test_each_row_and_column_has_a_sample(void **state UNUSED)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		const struct wish_table *t = wish_table(kinds[k].offer);
		unsigned columns = k == 0 ? 1u << AT_OPENAI
					  : 0; // of chats: of translated ones alone
		for (size_t a = 0; a < kinds[k].at_n; a++)
			columns |= 1u << kinds[k].at[a].at;
		assert_int_equal(t->columns, columns);
		for (size_t i = 0; i < t->n; i++) {
			bool found = t->rows[i].at[AT_COMPATIBLE] == WISH_OURS ||
				strcmp(t->rows[i].member, "messages") == 0;
			for (size_t s = 0; s < kinds[k].n; s++)
				found |= strcmp(kinds[k].samples[s].member, t->rows[i].member) == 0;
			assert_true(found);
		}
	}
}

// Where something is lost or binds, candidates are judged; elsewhere nothing may be.
static void test_who_is_judged(void **state UNUSED)
{
	for (int offer = 0; offer < OFFER_COUNT; offer++) {
		const struct wish_table *t = wish_table((enum offer)offer);
		for (size_t i = 0; t != NULL && i < t->n; i++)
			for (int at = 0; at < AT_COUNT; at++)
				if (t->rows[i].at[at] == WISH_DROPPED ||
					t->rows[i].at[at] == WISH_BINDING)
					assert_true((t->judged >> at & 1) != 0 ||
						(offer == OFFER_CHAT && at == AT_OPENAI));
	}
	assert_null(wish_table(OFFER_SPEECH));
	assert_null(wish_table(OFFER_MODERATIONS));
}

static void test_what_no_row_names_is_dropped_by_name(void **state UNUSED)
{
	static const struct sample odd = {"some_new_member", "1", {0}};
	ask(odd.member, odd.value);
	hold(&odd, &chat_at[0], WISH_PASSED);
	hold(&odd, &chat_at[1], WISH_PASSED);
	hold(&odd, &chat_at[2], WISH_PASSED);
	hold(&odd, &chat_at[3], WISH_DROPPED);
	hold(&odd, &chat_at[4], WISH_DROPPED);
	free((char *)call.body.p);
	for (size_t k = 1; k < ARRAY_LEN(kinds); k++) {
		ask_of(&kinds[k], odd.member, odd.value);
		for (size_t a = 0; a < kinds[k].at_n; a++) {
			bool openai = kinds[k].at[a].protocol == (enum protocol)kinds[k].offer;
			hold(&odd, &kinds[k].at[a], openai ? WISH_PASSED : WISH_DROPPED);
		}
		free((char *)call.body.p);
	}
}

static void test_what_asks_for_nothing_binds_nobody(void **state UNUSED)
{
	static const char *const idle[][2] = {{"n", "1"}, {"n", "null"}, {"logprobs", "false"},
		{"modalities", "[\"text\"]"}, {"response_format", "{\"type\":\"text\"}"},
		{"tool_choice", "\"auto\""}, {"store", "false"}};
	for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
		for (size_t k = 0; k < ARRAY_LEN(chat_at); k++) {
			struct target target = {0};
			struct candidate cand = {
				.target = &target, .protocol = chat_at[k].protocol};
			struct str dropped = STR_INIT;
			ask(idle[i][0], idle[i][1]);
			assert_true(wish_judge(&call, &cand, &dropped, NULL));
			assert_int_equal(dropped.n, 0);
			str_release(&dropped);
			free((char *)call.body.p);
		}
	}
}

static bool fits(const char *content, enum protocol protocol)
{
	struct target target = {0};
	struct candidate cand = {.target = &target, .protocol = protocol};
	struct str body = STR_INIT;
	struct err err = {0};
	str_addf(&body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[%s]}]}",
		content);
	assert_int_equal(adapter_read(str_slice(&body), OFFER_CHAT, true, &call, &err), ERR_OK);
	bool yes = wish_judge(&call, &cand, NULL, &err);
	if (!yes)
		assert_string_equal(err.field, "messages");
	str_release(&body);
	return yes;
}

static void test_parts_of_messages(void **state UNUSED)
{
	static const char url[] =
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a.example/b.png\"}}";
	static const char data[] =
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA\"}}";
	static const char sound[] =
		"{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\",\"format\":\"wav\"}}";
	assert_true(fits(url, PROTO_ANTHROPIC_MESSAGES));
	assert_false(fits(url, PROTO_OLLAMA_CHAT));
	assert_true(fits(data, PROTO_OLLAMA_CHAT));
	assert_false(fits(sound, PROTO_ANTHROPIC_MESSAGES));
	assert_false(fits(sound, PROTO_OLLAMA_CHAT));
	assert_true(fits(sound, PROTO_OPENAI_CHAT));
	static const char file[] = "{\"type\":\"file\",\"file\":{\"file_data\":\"data:x\"}}";
	static const char by_id[] = "{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}";
	static const char text[] = "{\"type\":\"text\",\"text\":\"a\"}";
	static const char no[] = "{\"type\":\"refusal\",\"refusal\":\"no\"}";
	static const char *const both[] = {text, no};
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		assert_true(fits(both[i], PROTO_ANTHROPIC_MESSAGES));
		assert_true(fits(both[i], PROTO_OLLAMA_CHAT));
	}
	assert_true(fits(file, PROTO_ANTHROPIC_MESSAGES));
	assert_false(fits(by_id, PROTO_ANTHROPIC_MESSAGES));
	assert_false(fits(file, PROTO_OLLAMA_CHAT));
	assert_false(fits("{\"type\":\"image_url\",\"image_url\":\"data:x\"}", PROTO_OLLAMA_CHAT));
	assert_false(fits("{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"video_url\"}",
		PROTO_ANTHROPIC_MESSAGES));
	assert_true(fits("7", PROTO_OLLAMA_CHAT));
}

static void test_several_are_named(void **state UNUSED)
{
	struct target target = {0};
	const struct candidate cand = {.target = &target, .protocol = PROTO_ANTHROPIC_MESSAGES};
	struct str dropped = STR_INIT;
	ask("seed", "1,\"n\":1,\"temperature\":1,\"verbosity\":\"low\",\"unheard_of\":2");
	assert_true(wish_judge(&call, &cand, &dropped, NULL));
	assert_string_equal(str_text(&dropped), "seed,verbosity,unheard_of");
	str_release(&dropped);
	free((char *)call.body.p);
	// A choice of tools that Ollama cannot keep to.
	const struct candidate ollama = {.target = &target, .protocol = PROTO_OLLAMA_CHAT};
	struct err err = {0};
	ask("tool_choice", "\"required\"");
	assert_false(wish_judge(&call, &ollama, NULL, &err));
	assert_string_equal(err.field, "tool_choice");
	assert_true(wish_judge(&call, &cand, NULL, NULL));
	free((char *)call.body.p);
	// Any JSON at all is no schema.
	ask("response_format", "{\"type\":\"json_object\"}");
	assert_false(wish_judge(&call, &cand, NULL, &err));
	assert_string_equal(err.field, "response_format");
	assert_true(wish_judge(&call, &ollama, NULL, NULL));
	// Who asks in another dialect is not judged by this table.
	call.dialect = DIALECT_ANTHROPIC;
	assert_true(wish_judge(&call, &cand, NULL, NULL));
	free((char *)call.body.p);
}

// Ollama's completions take one text: of several, or of token numbers, it would answer none.
static void test_prompts_of_completions(void **state UNUSED)
{
	static const char *const prompts[] = {"[\"a\",\"b\"]", "[1,2,3]", "[[1],[2]]"};
	static const struct sample many = {"prompt", "", {0}};
	for (size_t i = 0; i < ARRAY_LEN(prompts); i++) {
		struct sample s = many;
		s.value = prompts[i];
		ask_of(&kinds[2], s.member, s.value);
		for (size_t a = 0; a < ARRAY_LEN(completions_at); a++)
			hold(&s, &completions_at[a],
				completions_at[a].at == AT_OLLAMA ? WISH_BINDING : WISH_PASSED);
		free((char *)call.body.p);
	}
}

static void test_what_others_ask_for_nothing(void **state UNUSED)
{
	static const struct {
		size_t kind;
		const char *member, *value;
	} idle[] = {{1, "output_type", "\"dense\""}, {1, "user", "null"}, {2, "n", "1"},
		{2, "suffix", "null"}, {2, "suffix", "\"\""}, {2, "echo", "false"},
		{2, "best_of", "1"}, {3, "truncate", "true"}, {3, "rank_fields", "[\"text\"]"},
		{4, "n", "2"}, {4, "size", "\"auto\""}, {4, "seed", "-1"}, {4, "mask", "null"},
		{4, "image", "null"}, {4, "output_format", "\"png\""}, {4, "partial_images", "0"},
		{4, "background", "\"auto\""}, {4, "response_format", "\"b64_json\""}};
	for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
		const struct kind *k = &kinds[idle[i].kind];
		ask_of(k, idle[i].member, idle[i].value);
		for (size_t a = 0; a < k->at_n; a++) {
			struct target target = {0};
			struct instance_obj instance = {
				.doc = {.engine = (char *)(uintptr_t)k->at[a].engine}};
			struct candidate cand = {.target = &target,
				.protocol = k->at[a].protocol,
				.instance = k->at[a].engine != NULL ? &instance : NULL};
			struct str dropped = STR_INIT;
			assert_true(wish_judge(&call, &cand, &dropped, NULL));
			assert_int_equal(dropped.n, 0);
			str_release(&dropped);
		}
		free((char *)call.body.p);
	}
}

// What the operator sets or takes away is no wish of the caller's any more.
static void test_operators_decide_first(void **state UNUSED)
{
	struct target target = {.params = (char[]){"{\"n\":1}"}};
	struct instance_obj instance = {.doc = {.engine = (char[]){"ollama"}}};
	struct candidate cand = {
		.target = &target, .protocol = PROTO_OPENAI_COMPLETIONS, .instance = &instance};
	struct err err = {0};
	ask_of(&kinds[2], "n", "3");
	assert_true(wish_judge(&call, &cand, NULL, &err));
	target.params = NULL;
	assert_false(wish_judge(&call, &cand, NULL, &err));
	assert_string_equal(err.field, "n");
	free((char *)call.body.p);
	// What the operator takes away and the target does not know is lost all the same.
	struct target other = {.drop_params = {(const char *[]){"style", "seed", "mask"}, 3}};
	const struct candidate sd = {.target = &other, .protocol = PROTO_SDWEBUI_TXT2IMG};
	struct str dropped = STR_INIT;
	ask_of(&kinds[4], "style", "\"vivid\",\"seed\":1,\"mask\":\"data:a\"");
	assert_true(wish_judge(&call, &sd, &dropped, &err));
	assert_string_equal(str_text(&dropped), "style");
	str_release(&dropped);
	free((char *)call.body.p);
}

// At pictures the model, the value and the operator's graph may say otherwise than the row.
static void test_pictures_that_are_judged_by_more_than_a_row(void **state UNUSED)
{
	static const struct {
		const char *member, *value;
		struct at at;
		bool lost;
	} rows[] = {
		{"style", "\"<anime>\"",
			{AT_WANX, PROTO_DASHSCOPE_T2I_LEGACY, "aliyun", NULL, "wanx-v1"}, false},
		{"prompt_extend", "true",
			{AT_WANX, PROTO_DASHSCOPE_T2I_MESSAGES, "aliyun", NULL, "wan2.6-t2i"},
			false},
		{"negative_prompt", "\"rain\"",
			{AT_WANX, PROTO_DASHSCOPE_T2I_MESSAGES, "aliyun", NULL, "wan2.6-t2i"},
			false},
		{"size", "\"2K\"", {AT_WANX, PROTO_DASHSCOPE_T2I_LEGACY, "aliyun", NULL, "wanx-v1"},
			true},
		{"size", "\"2K\"", {AT_SDWEBUI, PROTO_SDWEBUI_TXT2IMG, NULL, "sdwebui", NULL},
			true},
		{"size", "\"2K\"", {AT_COMFYUI, PROTO_COMFYUI_PROMPT, NULL, "comfyui", NULL}, true},
		{"size", "\"2K\"", {AT_COMPATIBLE, PROTO_OPENAI_IMAGES, NULL, "localai", NULL},
			false},
		{"style", "\"vivid\"",
			{AT_GPT_IMAGE, PROTO_OPENAI_IMAGES, NULL, "localai", "gpt-image-2"}, true}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct sample s = {rows[i].member, rows[i].value, {0}};
		ask_of(&kinds[4], s.member, s.value);
		hold(&s, &rows[i].at, rows[i].lost ? WISH_DROPPED : WISH_PASSED);
		free((char *)call.body.p);
	}
}

static void test_what_a_graph_has_no_slot_for_is_lost(void **state UNUSED)
{
	static const char *const asked[] = {
		"\"a hat\",\"size\":\"512x512\",\"negative_prompt\":\"rain\","
		"\"seed\":4,\"n\":2",
		"\"a hat\",\"size\":\"auto\",\"negative_prompt\":\"\",\"seed\":-1,\"n\":1"};
	static const struct {
		const char *graph, *lost[2];
	} rows[] = {{"{{prompt}}", {"size,negative_prompt,seed,n", ""}},
		{"{{prompt}}{{width}}{{seed}}", {"size,negative_prompt,n", ""}},
		{"{{width}}{{height}}{{batch}}{{negative}}", {"prompt,seed", "prompt"}},
		{"{{prompt}}{{width}}{{height}}{{batch}}{{negative}}{{seed}}", {"", ""}}};
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		char meta[200];
		struct target target = {0};
		struct instance_obj instance = {.doc = {.meta = meta}};
		const struct candidate cand = {
			.target = &target, .instance = &instance, .protocol = PROTO_COMFYUI_PROMPT};
		struct str dropped = STR_INIT;
		snprintf(meta, sizeof(meta),
			"{\"workflow\":{\"1\":\"%s\"},\"of\":\"{{seed}} {{batch}}\"}",
			rows[i / 2].graph);
		ask_of(&kinds[4], "prompt", asked[i % 2]);
		assert_true(wish_judge(&call, &cand, &dropped, NULL));
		assert_string_equal(str_text(&dropped), rows[i / 2].lost[i % 2]);
		str_release(&dropped);
		free((char *)call.body.p);
	}
}

static void test_long_names_come_back(void **state UNUSED)
{
	static const char tools[] =
		"[{\"name\":\"short\"},{\"name\":\"mcp__server__very_long_very_long_very_long_very_long_very_long_name_a\"},"
		"{\"name\":\"mcp__server__very_long_very_long_very_long_very_long_very_long_name_b\"}]";
	const struct jscan_member m = {.value = SLICE(tools), .type = JS_ARRAY};
	char a[TOOL_NAME_MAX], b[TOOL_NAME_MAX];
	struct slice
		long_a = SLICE(
			"mcp__server__very_long_very_long_very_long_very_long_very_long_name_a"),
		long_b = long_a;
	char other[80];
	memcpy(other, long_a.p, long_a.n);
	other[long_a.n - 1] = 'b';
	long_b.p = other;
	struct slice at = tools_short_name(long_a, a), bt = tools_short_name(long_b, b);
	assert_int_equal(at.n, TOOL_NAME_MAX);
	assert_false(slice_eq(at, bt));
	assert_true(slice_eq(tools_long_name(&m, at), long_a));
	assert_true(slice_eq(tools_long_name(&m, bt), long_b));
	assert_true(slice_eq(tools_long_name(&m, SLICE("short")), SLICE("short")));
	assert_true(slice_eq(tools_short_name(SLICE("short"), a), SLICE("short")));
}

static void test_the_manual_has_each_row(void **state UNUSED)
{
	struct str man = STR_INIT;
	char line[64];
	wish_man(&man);
	static const char *const titles[] = {
		"Chats", "Embeddings", "Completions", "Rerank", "Pictures", "Pictures"};
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		const struct wish_table *t = wish_table(kinds[k].offer);
		snprintf(line, sizeof(line), ".SS %s\n", titles[k]);
		char *from = strstr(str_text(&man), line);
		assert_non_null(from);
		char *to = strstr(from, "\n.TE\n");
		for (size_t i = 0; i < t->n; i++) {
			snprintf(line, sizeof(line), "\n%s\t", t->rows[i].member);
			const char *at = strstr(from, line);
			bool ours = t->rows[i].at[AT_COMPATIBLE] == WISH_OURS;
			assert_int_equal(at != NULL && at < to, !ours);
		}
	}
	assert_non_null(strstr(str_text(&man), "\nsuffix\tpassed\tpassed\tbinding\tpassed\n"));
	assert_non_null(strstr(str_text(&man),
		"\ndimensions\tpassed\tpassed\ttranslated\tpassed\tpassed\n"));
	assert_non_null(strstr(str_text(&man),
		"\nmask\tpassed\tpassed\tbinding\tbinding\tbinding\n"));
	str_release(&man);
}

static void test_the_length_has_another_name_for_models_that_think(void **state UNUSED)
{
	assert_string_equal(wish_length_name("gpt-5-mini"), "max_completion_tokens");
	assert_string_equal(wish_length_name("o3"), "max_completion_tokens");
	assert_string_equal(wish_length_name("gpt-6-luna"), "max_completion_tokens");
	assert_string_equal(wish_length_name("gpt-4o"), "max_tokens");
	assert_string_equal(wish_length_name("gpt-4.1-mini"), "max_tokens");
	assert_string_equal(wish_length_name("ft:gpt-4o:us::1"), "max_tokens");
	assert_string_equal(wish_length_name("olmo"), "max_tokens");
	assert_string_equal(wish_length_name("o"), "max_tokens");
	assert_string_equal(wish_length_name("o0"), "max_completion_tokens");
	assert_string_equal(wish_length_name("o9-pro"), "max_completion_tokens");
	assert_string_equal(wish_length_name("o:1"), "max_tokens");
	assert_string_equal(wish_length_name("o/1"), "max_tokens");
	assert_string_equal(wish_length_name("chatgpt-5"), "max_completion_tokens");
	assert_string_equal(wish_length_name("codex-mini"), "max_completion_tokens");
	assert_string_equal(wish_length_name("computer-use-preview"), "max_completion_tokens");
	assert_string_equal(wish_length_name("ft:o4-mini:us"), "max_completion_tokens");
	assert_string_equal(wish_length_name("ft:gpt-3.5"), "max_tokens");
	assert_string_equal(wish_length_name("chatgpt-4o-latest"), "max_tokens");
	assert_string_equal(wish_length_name("davinci-002"), "max_tokens");
	assert_string_equal(wish_length_name("qwen3"), "max_tokens");
	assert_string_equal(wish_length_name(NULL), "max_tokens");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_wish_at_each_target),
		cmocka_unit_test(test_each_row_and_column_has_a_sample),
		cmocka_unit_test(test_who_is_judged),
		cmocka_unit_test(test_what_no_row_names_is_dropped_by_name),
		cmocka_unit_test(test_what_asks_for_nothing_binds_nobody),
		cmocka_unit_test(test_parts_of_messages),
		cmocka_unit_test(test_several_are_named),
		cmocka_unit_test(test_prompts_of_completions),
		cmocka_unit_test(test_what_others_ask_for_nothing),
		cmocka_unit_test(test_operators_decide_first),
		cmocka_unit_test(test_pictures_that_are_judged_by_more_than_a_row),
		cmocka_unit_test(test_what_a_graph_has_no_slot_for_is_lost),
		cmocka_unit_test(test_long_names_come_back),
		cmocka_unit_test(test_the_manual_has_each_row),
		cmocka_unit_test(test_the_length_has_another_name_for_models_that_think),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
