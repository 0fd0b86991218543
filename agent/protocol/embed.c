// SPDX-License-Identifier: MIT
// Embeddings in OpenAI's form: what is as it should be passes, what is odd is written anew.
#include "agent/protocol/openai.h"
#include "agent/protocol/vectors.h"

static enum err_code build(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	struct openai_changes changes = {.n = 0};
	struct str part = STR_INIT;
	if (call->part > 0 && batch_items(call, &part))
		openai_change(&changes, "input", str_text(&part));
	if (cand->instance != NULL && !cand->instance->doc.quirks.embeddings_base64)
		openai_change(&changes, "encoding_format", NULL); // turned here instead
	adapter_path(cand->url, "/v1/embeddings", &ask->path);
	openai_body(call, feature, cand, false, &changes, &ask->body);
	str_release(&part);
	return ERR_OK;
}

static enum answer_kind parse(const struct adapter_call *call, const struct adapter_reply *reply,
	struct str *scratch, struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	struct vectors list;
	size_t n;
	enum answer_kind kind = openai_list(reply->body, "data", m, &n, ret);
	if (kind != ANSWER_OK)
		return kind;
	const struct slice data = jscan_find(m, n, "data")->value;
	vectors_begin(&list, call);
	if (!vectors_take(&list, data))
		return ANSWER_BAD;
	if (!list.mend)
		return ANSWER_OK;
	const char *after = data.p + data.n, *end = reply->body.p + reply->body.n;
	str_clear(scratch);
	str_add_n(scratch, reply->body.p, (size_t)(data.p - reply->body.p));
	vectors_write(&list, scratch);
	str_add_n(scratch, after, (size_t)(end - after));
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

const struct adapter adapter_openai_embeddings = {.protocol = PROTO_OPENAI_EMBEDDINGS,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build,
	.parse = parse};
