// SPDX-License-Identifier: MIT
// Rerank. Callers speak the shape Jina and Cohere share (vLLM, Xinference, LocalAI have it, too):
// {"query","documents","top_n","return_documents"} → {"results":[{"index","relevance_score"}]}.
// Text Embeddings Inference takes {"query","texts"} and answers a bare list with "score".
#include "agent/protocol/batch.h"
#include "agent/protocol/openai.h"

#include <stdlib.h>
#include <string.h>
#include "shared/num.h"
#include "shared/text.h"

// ---- as it is ----

static enum err_code build_jina(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	struct str part = STR_INIT;
	struct openai_changes changes = {.n = 0};
	if (call->part > 0) { // all of the part are ranked, and ranked again among the others
		batch_items(call, &part);
		openai_change(&changes, "documents", str_text(&part));
		openai_change(&changes, "top_n", NULL);
	}
	adapter_path(cand->url, "/v1/rerank", &ask->path);
	openai_body(call, feature, cand, false, &changes, &ask->body);
	str_release(&part);
	return ERR_OK;
}

static enum answer_kind parse_jina(const struct adapter_call *call UNUSED,
	const struct adapter_reply *reply, struct str *scratch UNUSED, struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	enum answer_kind kind = openai_list(reply->body, "results", m, &n, ret);
	if (kind != ANSWER_OK || ret->usage.in >= 0)
		return kind;
	const struct jscan_member *usage = jscan_find(m, n, "usage");
	ret->usage.in = -1;
	struct jscan_member in[16];
	size_t in_n;
	if (usage != NULL && usage->type == JS_OBJECT &&
		adapter_object(usage->value, in, ARRAY_LEN(in), &in_n))
		ret->usage.in = usage_figure(jscan_find(in, in_n, "total_tokens"));
	return kind;
}

// ---- Text Embeddings Inference ----

// A document's text as JSON: itself, or its member "text".
static bool text_of(struct slice item, struct slice *ret)
{
	*ret = item;
	if (item.p[0] == '"')
		return true;
	struct jscan_member m[16];
	size_t n;
	if (!adapter_object(item, m, ARRAY_LEN(m), &n))
		return false;
	const struct jscan_member *text = jscan_find(m, n, "text");
	if (text == NULL || text->type != JS_STRING)
		return false;
	*ret = text->value;
	return true;
}

static bool add_texts(const struct adapter_call *call, struct str *out)
{
	struct str part = STR_INIT;
	bool first = true, fine = batch_items(call, &part);
	struct slice rest = str_slice(&part), item, text;
	while (fine && jscan_next(&rest, &item)) {
		fine = text_of(item, &text);
		if (!first)
			str_add_c(out, ',');
		first = false;
		str_add_slice(out, text);
	}
	str_release(&part);
	return fine;
}

static enum err_code build_tei(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err)
{
	const struct jscan_member *query = jscan_find(call->m, call->n, "query");
	if (query->type != JS_STRING)
		return err_field(err, ERR_FIELD_TYPE, "query", _("must be a text"));
	adapter_root_path(cand->url, "/rerank", &ask->path);
	str_add(&ask->body, "{\"query\":");
	str_add_slice(&ask->body, query->value);
	str_add(&ask->body, ",\"texts\":[");
	if (!add_texts(call, &ask->body))
		return err_field(err, ERR_FIELD_TYPE, "documents",
			_("must be texts or have a text"));
	struct jscan_member m;
	bool cut = !adapter_wish(call, feature, cand->target, "truncate", &m);
	str_add(&ask->body, "],\"truncate\":");
	str_add_slice(&ask->body, cut ? SLICE("true") : m.value);
	if (adapter_wish(call, feature, cand->target, "raw_scores", &m))
		str_addf(&ask->body, ",\"raw_scores\":%.*s", SLICE_FMT(m.value));
	str_add_c(&ask->body, '}');
	return ERR_OK;
}

static bool add_result(const struct adapter_call *call, const struct slice *documents, size_t count,
	struct slice json, struct batch *all)
{
	struct jscan_member m[8];
	struct batch_item item = {.at = all->text.n};
	size_t n;
	if (!adapter_object(json, m, ARRAY_LEN(m), &n))
		return false;
	const struct jscan_member *index = jscan_find(m, n, "index"),
				  *score = jscan_find(m, n, "score");
	if (index == NULL || score == NULL || !jscan_int(index->value, &item.index) ||
		item.index < 0 || (size_t)item.index >= count ||
		!num_f64(score->value, &item.score))
		return false;
	str_addf(&all->text, ",\"relevance_score\":%.*s", SLICE_FMT(score->value));
	const struct jscan_member *with = jscan_find(call->m, call->n, "return_documents");
	if (with != NULL && with->type == JS_TRUE) {
		struct slice document = documents[item.index];
		bool text = document.p[0] == '"';
		str_add(&all->text, text ? ",\"document\":{\"text\":" : ",\"document\":");
		str_add_slice(&all->text, document);
		if (text)
			str_add_c(&all->text, '}');
	}
	item.n = all->text.n - item.at;
	VEC_PUSH(&all->items, item);
	return true;
}

static enum answer_kind parse_tei(const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	struct slice rest = reply->body;
	struct batch all = {0};
	bool fine = adapter_is_list(reply->body);
	*ret = (struct adapter_answer){.body = reply->body, .usage = ADAPTER_USAGE_UNKNOWN};
	if (!fine)
		return ANSWER_BAD;
	struct slice documents[BATCH_ITEMS_MAX];
	size_t count = 0;
	struct slice item, asked = jscan_find(call->m, call->n, "documents")->value;
	// The part's, as they stand in the request: results name them by place.
	for (size_t i = 0; jscan_next(&asked, &item); i++) {
		if (i >= call->from && (call->part == 0 || i < call->from + call->part))
			documents[count++] = item;
	}
	while (fine && jscan_next(&rest, &item))
		fine = add_result(call, documents, count, item, &all);
	fine = fine && all.items.n == count;
	str_clear(scratch);
	all.usage = ADAPTER_USAGE_UNKNOWN;
	if (fine)
		batch_write(&all, call, scratch);
	batch_release(&all);
	ret->body = str_slice(scratch);
	return fine ? ANSWER_OK : ANSWER_BAD;
}

const struct adapter adapter_openai_rerank = {.protocol = PROTO_OPENAI_RERANK,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_jina,
	.parse = parse_jina};
const struct adapter adapter_tei_rerank = {.protocol = PROTO_TEI_RERANK,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_tei,
	.parse = parse_tei};
