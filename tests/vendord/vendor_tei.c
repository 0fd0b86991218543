// SPDX-License-Identifier: MIT
// Text Embeddings Inference: embeddings and rerank; rerank in the Jina shape serves vLLM, too.
#include "tests/vendord/openai.h"

#include <string.h>

#define BATCH_MAX 32
#define DIMS 384

static void tei_error(struct call *call, int status, const char *code, const char *message)
{
	static const struct {
		int status;
		const char *type;
	} rows[] = {{400, "Empty"}, {401, "Unauthorized"}, {413, "Validation"}, {422, "Tokenizer"},
		{424, "Backend"}, {429, "Overloaded"}, {503, "Unhealthy"}};
	const char *type = "Backend";

	(void)code;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].status == status)
			type = rows[i].type;
	if (span_is(call->path, "/embeddings"))
		buf_fmt(&call->answer->body, "{\"message\":\"%s\",\"code\":%d,\"type\":\"%s\"}\n",
			message, status, type);
	else
		buf_fmt(&call->answer->body, "{\"error\":\"%s\",\"error_type\":\"%s\"}\n", message,
			type);
}

static size_t count_items(struct span list)
{
	struct json_iter iter;
	struct span item;
	size_t n = 0;

	if (json_is_string(list))
		return 1;
	if (json_open(&iter, list))
		while (json_item(&iter, &item))
			n++;
	return n;
}

// False when it was refused.
static bool batch_fits(struct call *call, struct span list)
{
	size_t n = count_items(list);

	if (n == 0)
		vendor_error(call, 400, NULL, "`inputs` cannot be empty (simulated)");
	else if (n > BATCH_MAX)
		vendor_error(call, 413, NULL,
			"batch size > maximum allowed batch size 32 (simulated)");
	else
		return true;
	return false;
}

static void embed_post(struct call *call)
{
	struct span inputs = call->param[P_inputs], item = inputs;
	struct buf *out = &call->answer->body;
	float vector[DIMS];
	struct json_iter iter;
	size_t n = 0;

	if (!batch_fits(call, inputs))
		return;
	bool single = json_is_string(inputs);
	if (!single)
		json_open(&iter, inputs);
	buf_byte(out, '[');
	while (single ? n == 0 : json_item(&iter, &item)) {
		vector_make(item, call->sim->seed, vector, DIMS);
		buf_text(out, n++ ? "," : "");
		vector_json(out, vector, DIMS);
	}
	buf_text(out, "]\n");
}

static void embeddings_post(struct call *call)
{
	if (!batch_fits(call, call->param[P_input]))
		return;
	if (call->param[P_model].len == 0)
		call->param[P_model] = SPAN("\"simulated-embedding\"");
	if (call->param[P_dimensions].len == 0)
		call->param[P_dimensions] = SPAN("384");
	openai_embeddings(call);
}

// A score that depends on both texts alone.
static double score_of(const struct call *call, struct span text)
{
	uint64_t hash = span_hash(text) ^ span_hash(call->param[P_query]) * 31;

	return (double)((hash * 0x9e3779b97f4a7c15u) >> 40) / (double)(1 << 24);
}

struct ranked {
	size_t index;
	double score;
	struct span text;
};

// Best first; at most BATCH_MAX.
static size_t rank(const struct call *call, struct span texts, struct ranked *rows)
{
	struct json_iter iter;
	struct span text;
	size_t n = 0;

	if (!json_open(&iter, texts))
		return 0;
	for (size_t index = 0; n < BATCH_MAX && json_item(&iter, &text); index++) {
		struct ranked row = {index, score_of(call, text), text};
		size_t at = n++;
		for (; at > 0 && rows[at - 1].score < row.score; at--)
			rows[at] = rows[at - 1];
		rows[at] = row;
	}
	return n;
}

static void rerank_post(struct call *call)
{
	struct ranked rows[BATCH_MAX];
	struct buf *out = &call->answer->body;

	if (!batch_fits(call, call->param[P_texts]))
		return;
	size_t n = rank(call, call->param[P_texts], rows);
	buf_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_fmt(out, "%s{\"index\":%zu,\"score\":%.6f", i ? "," : "", rows[i].index,
			rows[i].score);
		if (json_true(call->param[P_return_text])) {
			buf_text(out, ",\"text\":");
			buf_span(out, rows[i].text);
		}
		buf_byte(out, '}');
	}
	buf_text(out, "]\n");
}

void openai_rerank(struct call *call)
{
	struct ranked rows[BATCH_MAX];
	struct buf *out = &call->answer->body;
	size_t n = rank(call, call->param[P_documents], rows);
	int64_t top = call_int(call, P_top_n, (int64_t)n);

	if (n == 0 || call->param[P_query].len == 0) {
		vendor_error(call, 400, NULL, "query and documents are required (simulated)");
		return;
	}
	buf_fmt(out, "{\"id\":\"rerank-sim-%08llx\",\"model\":\"",
		(unsigned long long)call->serial);
	buf_span(out, call_model(call, "simulated"));
	buf_text(out, "\",\"usage\":{\"total_tokens\":8},\"results\":[");
	for (size_t i = 0; i < n && (int64_t)i < top; i++) {
		buf_fmt(out, "%s{\"index\":%zu,\"relevance_score\":%.6f,\"document\":{\"text\":",
			i ? "," : "", rows[i].index, rows[i].score);
		buf_span(out, rows[i].text);
		buf_text(out, "}}");
	}
	buf_text(out, "]}\n");
}

static void info_get(struct call *call)
{
	buf_fmt(&call->answer->body,
		"{\"model_id\":\"simulated-embedding\",\"model_sha\":null,"
		"\"model_dtype\":\"float32\",\"model_type\":{\"embedding\":{\"pooling\":\"mean\"}},"
		"\"max_concurrent_requests\":512,\"max_input_length\":512,\"max_batch_tokens\":16384,"
		"\"max_client_batch_size\":%d,\"version\":\"simulated\"}\n",
		BATCH_MAX);
}

static void health_get(struct call *call)
{
	call->answer->content_type = "text/plain";
}

static void metrics_get(struct call *call)
{
	call->answer->content_type = "text/plain; version=0.0.4";
	buf_fmt(&call->answer->body, "# TYPE te_queue_size gauge\nte_queue_size %lld\n",
		(long long)(call->fault.queue > 0 ? call->fault.queue : 0));
}

static const struct vendor_route tei_routes[] = {
	{"POST", "/embeddings", embeddings_post, true},
	{"POST", "/embed", embed_post, true},
	{"POST", "/rerank", rerank_post, true},
	{"GET", "/info", info_get, true},
	{"GET", "/health", health_get, true},
	{"GET", "/metrics", metrics_get, true},
	{0},
};

const struct vendor_sim vendor_tei = {.name = "tei",
	.title = "Text Embeddings Inference, self-hosted",
	.auth = SIM_AUTH_NONE,
	.v1_optional = true,
	.routes = tei_routes,
	.error = tei_error};
