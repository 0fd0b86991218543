// SPDX-License-Identifier: MIT
// Embeddings of servers that have an API of their own, asked and answered in OpenAI's shape:
// Alibaba Cloud Model Studio (DashScope), Ollama's /api/embed, Text Embeddings Inference's /embed.
#include "agent/protocol/error.h"
#include "agent/protocol/vectors.h"

#include <stdio.h>
#include "shared/text.h"

// ---- asking ----

// The texts, always as a list.
static enum err_code add_texts(const struct adapter_call *call, struct str *out, struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "input");
	if (call->tokens)
		return err_field(err, ERR_FIELD_TYPE, "input",
			_("this target takes texts, not token numbers"));
	if (batch_items(call, out))
		return ERR_OK;
	str_add_c(out, '[');
	str_add_slice(out, m->value);
	str_add_c(out, ']');
	return ERR_OK;
}

static void add_model(const struct adapter_call *call, const struct candidate *cand,
	struct str *out)
{
	const char *model = adapter_model(call, cand);
	str_add(out, "{\"model\":");
	str_add_json(out, slice_of(model != NULL ? model : ""));
}

static enum err_code build_dashscope(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err)
{
	static const char *const extra[] = {"text_type", "output_type", "instruct"};
	struct str *out = &ask->body;
	adapter_root_path(cand->url, "/api/v1/services/embeddings/text-embedding/text-embedding",
		&ask->path);
	add_model(call, cand, out);
	str_add(out, ",\"input\":{\"texts\":");
	enum err_code code = add_texts(call, out, err);
	str_add(out, "},\"parameters\":{");
	struct jscan_member m;
	bool first = !adapter_wish(call, feature, cand->target, "dimensions", &m);
	if (!first)
		str_addf(out, "\"dimension\":%.*s", SLICE_FMT(m.value));
	for (size_t i = 0; i < ARRAY_LEN(extra); i++) {
		if (!adapter_wish(call, feature, cand->target, extra[i], &m))
			continue;
		str_addf(out, "%s\"%s\":%.*s", first ? "" : ",", extra[i], SLICE_FMT(m.value));
		first = false;
	}
	str_add(out, "}}");
	return code;
}

static enum err_code build_ollama(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err)
{
	static const char *const extra[] = {"dimensions", "truncate", "keep_alive", "options"};
	struct str *out = &ask->body;
	adapter_root_path(cand->url, "/api/embed", &ask->path);
	add_model(call, cand, out);
	str_add(out, ",\"input\":");
	enum err_code code = add_texts(call, out, err);
	struct jscan_member m;
	for (size_t i = 0; i < ARRAY_LEN(extra); i++) {
		if (adapter_wish(call, feature, cand->target, extra[i], &m))
			str_addf(out, ",\"%s\":%.*s", extra[i], SLICE_FMT(m.value));
	}
	str_add_c(out, '}');
	return code;
}

static enum err_code build_tei(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err)
{
	static const char *const extra[] = {"dimensions", "truncate", "normalize", "prompt_name"};
	struct str *out = &ask->body;
	adapter_root_path(cand->url, "/embed", &ask->path);
	str_add(out, "{\"inputs\":");
	enum err_code code = add_texts(call, out, err);
	struct jscan_member m;
	for (size_t i = 0; i < ARRAY_LEN(extra); i++) {
		if (adapter_wish(call, feature, cand->target, extra[i], &m))
			str_addf(out, ",\"%s\":%.*s", extra[i], SLICE_FMT(m.value));
	}
	str_add_c(out, '}');
	return code;
}

// ---- answers ----

// Appends the answer up to the end of its list. False when that is none.
static bool add_list(const struct adapter_call *call, struct slice list, struct str *out)
{
	struct vectors vectors;
	vectors_begin(&vectors, call);
	str_clear(out);
	if (list.p == NULL || !vectors_take(&vectors, list))
		return false;
	str_add(out, "{\"object\":\"list\",\"data\":");
	vectors_write(&vectors, out);
	return true;
}

static void end_list(const struct adapter_call *call, struct slice model, int64_t tokens,
	struct str *out)
{
	str_add(out, ",\"model\":");
	if (model.n > 2)
		str_add_slice(out, model);
	else
		str_add_json(out, slice_of(call->model));
	str_addf(out, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
		(long long)MAX_OF(tokens, 0), (long long)MAX_OF(tokens, 0));
}

static int64_t count_of(const struct jscan_member *m, size_t n, const char *name)
{
	return usage_figure(jscan_find(m, n, name));
}

static struct slice value_of(const struct jscan_member *m, size_t n, const char *name,
	enum jscan_type type)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	return at != NULL && at->type == type ? at->value : (struct slice){NULL, 0};
}

// {"embeddings":[[…]],"model","prompt_eval_count"}
static enum answer_kind parse_ollama(const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.usage = ADAPTER_USAGE_UNKNOWN};
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(reply->body, m, ARRAY_LEN(m), &n))
		return ANSWER_BAD;
	if (adapter_is_error(reply->body))
		return ANSWER_ERROR;
	if (!add_list(call, value_of(m, n, "embeddings", JS_ARRAY), scratch))
		return ANSWER_BAD;
	ret->usage.in = count_of(m, n, "prompt_eval_count");
	end_list(call, value_of(m, n, "model", JS_STRING), ret->usage.in, scratch);
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

// [[…],[…]]
static enum answer_kind parse_tei(const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.usage = ADAPTER_USAGE_UNKNOWN};
	struct slice list = slice_trim(reply->body);
	if (!adapter_is_list(list))
		return adapter_is_error(list) ? ANSWER_ERROR : ANSWER_BAD;
	if (!add_list(call, list, scratch))
		return ANSWER_BAD;
	end_list(call, (struct slice){NULL, 0}, -1, scratch);
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

// {"output":{"embeddings":[{"text_index","embedding"}]},"usage":{"total_tokens"},"request_id"};
// errors, flat {"code","message"}, may come with 200.
static enum answer_kind parse_dashscope(const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.usage = ADAPTER_USAGE_UNKNOWN};
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(reply->body, m, ARRAY_LEN(m), &n))
		return ANSWER_BAD;
	struct slice output = value_of(m, n, "output", JS_OBJECT);
	struct jscan_member in[8];
	size_t in_n = 0;
	if (output.p != NULL)
		adapter_object(output, in, ARRAY_LEN(in), &in_n);
	struct slice list = value_of(in, in_n, "embeddings", JS_ARRAY);
	if (list.p == NULL && value_of(m, n, "code", JS_STRING).n > 2)
		return ANSWER_ERROR;
	if (!add_list(call, list, scratch))
		return ANSWER_BAD;
	struct slice usage = value_of(m, n, "usage", JS_OBJECT);
	if (usage.p != NULL && adapter_object(usage, in, ARRAY_LEN(in), &in_n))
		ret->usage.in = count_of(in, in_n, "total_tokens");
	end_list(call, (struct slice){NULL, 0}, ret->usage.in, scratch);
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

const struct adapter adapter_dashscope_embeddings = {.protocol = PROTO_DASHSCOPE_EMBEDDINGS_NATIVE,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_dashscope,
	.parse = parse_dashscope};
const struct adapter adapter_ollama_embed = {.protocol = PROTO_OLLAMA_EMBED,
	.dialects = 1u << DIALECT_OPENAI,
	.patience_ms = 300000, // the model is loaded first
	.build = build_ollama,
	.parse = parse_ollama};
const struct adapter adapter_tei_embed = {.protocol = PROTO_TEI_EMBED,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_tei,
	.parse = parse_tei};
