// SPDX-License-Identifier: MIT
// Rerank. Callers speak the shape Jina and Cohere share (vLLM, Xinference, LocalAI have it, too):
// {"query","documents","top_n","return_documents"} → {"results":[{"index","relevance_score"}]}.
// Text Embeddings Inference takes {"query","texts"} and answers a bare list with "score".
#include "agent/protocol/batch.h"
#include "agent/protocol/error.h"
#include "agent/protocol/json.h"
#include "agent/protocol/openai.h"

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

// ---- results ----

struct ranks {
	struct batch all;
	size_t count; // of documents that were asked about
	uint64_t seen[BATCH_ITEMS_MAX / 64];
	double last; // score
	bool mend; // they cannot pass as they stand
};

// What else is said of it.
static void add_members(const struct aj *o, struct str *out)
{
	for (size_t i = 0; i < o->n; i++) {
		struct slice key = o->m[i].key;
		if (!slice_eq_str(key, "index") && !slice_eq_str(key, "relevance_score") &&
			!slice_eq_str(key, "score"))
			str_addf(out, ",\"%.*s\":%.*s", SLICE_FMT(key), SLICE_FMT(o->m[i].value));
	}
}

// The document itself, which the server was not asked to repeat.
static void add_document(struct slice document, struct str *out)
{
	bool text = document.p[0] == '"';
	str_add(out, text ? ",\"document\":{\"text\":" : ",\"document\":");
	str_add_slice(out, document);
	str_add(out, text ? "}" : "");
}

// False when it ranks no document of this request, or one again. documents: NULL, or to be repeated.
static bool add_result(struct ranks *r, struct slice json, const struct slice *documents)
{
	struct aj o;
	struct batch_item item = {.at = r->all.text.n};
	double place;
	if (!aj_scan(json, &o))
		return false;
	const struct jscan_member *index = aj_find(&o, "index"),
				  *score = aj_find(&o, "relevance_score");
	r->mend |= score == NULL || score->type != JS_NUMBER;
	if (score == NULL)
		score = aj_find(&o, "score");
	if (index == NULL || score == NULL || !aj_number(index->value, &place) || place < 0 ||
		place >= (double)r->count || place != (double)(size_t)place ||
		!aj_number(score->value, &item.score))
		return false;
	size_t at = (size_t)place;
	if ((r->seen[at / 64] >> at % 64 & 1) != 0)
		return false;
	r->seen[at / 64] |= UINT64_C(1) << at % 64;
	r->mend |= !jscan_int(index->value, &item.index) ||
		(r->all.items.n > 0 && item.score > r->last);
	r->last = item.score;
	item.index = (int64_t)at;
	str_addf(&r->all.text, ",\"relevance_score\":%.*s",
		SLICE_FMT(score->type == JS_STRING ? aj_inner(score->value) : score->value));
	if (documents != NULL)
		add_document(documents[at], &r->all.text);
	else
		add_members(&o, &r->all.text);
	item.n = r->all.text.n - item.at;
	VEC_PUSH(&r->all.items, item);
	return true;
}

static bool add_results(struct ranks *r, struct slice list, const struct slice *documents)
{
	struct slice item;
	while (jscan_next(&list, &item)) {
		if (!add_result(r, item, documents))
			return false;
	}
	return r->all.items.n > 0;
}

// The list is "results" with most, "data" with Voyage.
static enum answer_kind parse_jina(const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	struct ranks ranks = {.count = call->part > 0 ? call->part : call->items};
	const char *name = "results";
	size_t n;
	enum answer_kind kind = openai_list(reply->body, name, m, &n, ret);
	if (kind == ANSWER_BAD) {
		name = "data";
		kind = openai_list(reply->body, name, m, &n, ret);
		ranks.mend = true;
	}
	if (kind != ANSWER_OK)
		return kind;
	const struct jscan_member *usage = jscan_find(m, n, "usage"), *model;
	struct aj in;
	if (ret->usage.in < 0 && usage != NULL && aj_scan(usage->value, &in))
		ret->usage.in = usage_figure(aj_find(&in, "total_tokens"));
	ranks.all.usage = ret->usage;
	if (!add_results(&ranks, jscan_find(m, n, name)->value, NULL)) {
		kind = ANSWER_BAD;
	} else if (ranks.mend) {
		model = jscan_find(m, n, "model");
		if (model != NULL && model->type == JS_STRING)
			aj_copy(aj_inner(model->value), ranks.all.model, sizeof(ranks.all.model));
		str_clear(scratch);
		batch_write(&ranks.all, call, scratch);
		ret->body = str_slice(scratch);
	}
	batch_release(&ranks.all);
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

static enum answer_kind parse_tei(const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	struct slice list = slice_trim(reply->body), documents[BATCH_ITEMS_MAX];
	struct ranks ranks = {.all = {.usage = ADAPTER_USAGE_UNKNOWN}};
	*ret = (struct adapter_answer){.body = reply->body, .usage = ADAPTER_USAGE_UNKNOWN};
	if (!adapter_is_list(list))
		return adapter_is_error(list) ? ANSWER_ERROR : ANSWER_BAD;
	const struct jscan_member *with = jscan_find(call->m, call->n, "return_documents");
	bool repeat = with != NULL && with->type == JS_TRUE;
	struct slice item, asked = jscan_find(call->m, call->n, "documents")->value;
	// The part's, as they stand in the request: results name them by place.
	for (size_t i = 0; jscan_next(&asked, &item); i++) {
		if (i >= call->from && (call->part == 0 || i < call->from + call->part))
			documents[ranks.count++] = item;
	}
	bool fine = add_results(&ranks, list, repeat ? documents : NULL) &&
		ranks.all.items.n == ranks.count;
	str_clear(scratch);
	if (fine)
		batch_write(&ranks.all, call, scratch);
	batch_release(&ranks.all);
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
