// SPDX-License-Identifier: MIT
// Ollama: lines of JSON natively, OpenAI's shapes under /v1.
#include "tests/vendord/openai.h"
#include "tests/vendord/reply.h"

static void ollama_error(struct call *call, int status, const char *code, const char *message)
{
	struct buf *out = &call->answer->body;
	const char *type = status == 404 ? "not_found_error"
		: status >= 500		 ? "api_error"
					 : "invalid_request_error";

	(void)code;
	if (span_has(call->request->path, "/v1/"))
		buf_fmt(out,
			"{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,"
			"\"code\":null}}\n",
			message, type);
	else
		buf_fmt(out, "{\"error\":\"%s\"}\n", message);
}

static void put_line(struct call *call, const struct reply *reply, struct span content, bool chat,
	bool done)
{
	struct buf *out = &call->answer->body;

	buf_text(out, "{\"model\":\"");
	buf_span(out, call_model(call, "simulated"));
	buf_text(out, "\",\"created_at\":\"2026-11-24T00:00:00.000000Z\",");
	buf_text(out,
		chat ? "\"message\":{\"role\":\"assistant\",\"content\":\"" : "\"response\":\"");
	buf_span(out, content);
	buf_text(out, "\"");
	if (chat && call->fault.thinking >= 0 && content.len > 0)
		buf_text(out, ",\"thinking\":\"well, simulated\"");
	if (chat && *call->fault.tool_call && done)
		buf_fmt(out,
			",\"tool_calls\":[{\"function\":{\"name\":\"%s\","
			"\"arguments\":{\"city\":\"Paris\"}}}]",
			call->fault.tool_call);
	buf_text(out, chat ? "}" : "");
	if (done)
		buf_fmt(out,
			",\"done\":true,\"done_reason\":\"%s\",\"total_duration\":5000000,"
			"\"load_duration\":1000000,\"prompt_eval_count\":%lld,"
			"\"prompt_eval_duration\":1000000,\"eval_count\":%zu,\"eval_duration\":3000000}\n",
			reply->cut ? "length" : "stop", (long long)reply->prompt_tokens,
			reply->token_n);
	else
		buf_text(out, ",\"done\":false}\n");
}

static void generate(struct call *call, bool chat)
{
	struct span prompt = call->param[chat ? P_messages : P_prompt];
	struct answer *answer = call->answer;
	const struct reply *reply;

	if (call_text(call, P_model).len == 0) {
		vendor_error(call, 400, NULL, "model is required (simulated)");
		return;
	}
	reply = reply_make(call, chat ? reply_question(prompt) : json_raw(prompt), prompt.len,
		json_int(json_find(call->param[P_options], "num_predict"), 0));
	if (span_is(call->param[P_stream], "false") || call->fault.json_instead_of_sse >= 0) {
		put_line(call, reply, buf_view(&reply->text), chat, true);
		return;
	}
	answer->stream = true;
	answer->content_type = "application/x-ndjson";
	answer->error_event = "{\"error\":\"simulated failure in the stream\"}\n";
	for (size_t i = 0; i < reply->token_n; i++) {
		put_line(call, reply, reply_token(reply, i), chat, false);
		answer_event(answer);
	}
	put_line(call, reply, SPAN(""), chat, true);
	answer_event(answer);
	answer->tail_n = 1;
}

static void api_chat(struct call *call)
{
	generate(call, true);
}

static void api_generate(struct call *call)
{
	generate(call, false);
}

static void put_vector(struct call *call, struct span text, size_t i)
{
	int64_t dims = call_int(call, P_dimensions, 768);
	float vector[VECTOR_MAX];
	size_t n = dims < 1 || dims > VECTOR_MAX ? 768 : (size_t)dims;

	vector_make(text, call->sim->seed, vector, n);
	buf_text(&call->answer->body, i ? "," : "");
	vector_json(&call->answer->body, vector, n);
}

static void api_embed(struct call *call)
{
	struct buf *out = &call->answer->body;
	struct span input = call->param[P_input], item;
	struct json_iter iter;
	size_t n = 0;

	buf_text(out, "{\"model\":\"");
	buf_span(out, call_model(call, "simulated"));
	buf_text(out, "\",\"embeddings\":[");
	if (json_is_string(input))
		put_vector(call, input, 0);
	else if (json_open(&iter, input))
		while (json_item(&iter, &item))
			put_vector(call, item, n++);
	buf_fmt(out,
		"],\"total_duration\":1000000,\"load_duration\":1000,"
		"\"prompt_eval_count\":%zu}\n",
		(input.len + 3) / 4);
}

static void models_get(struct call *call)
{
	buf_text(&call->answer->body,
		"{\"models\":[{\"name\":\"simulated:latest\","
		"\"model\":\"simulated:latest\",\"modified_at\":\"2026-11-24T00:00:00Z\",\"size\":1,"
		"\"digest\":\"0\",\"details\":{\"format\":\"gguf\",\"family\":\"simulated\","
		"\"parameter_size\":\"1B\",\"quantization_level\":\"Q4_0\"}}]}\n");
}

static void openai_models_get(struct call *call)
{
	buf_text(&call->answer->body,
		"{\"object\":\"list\",\"data\":[{\"id\":\"simulated:latest\","
		"\"object\":\"model\",\"created\":1686935002,\"owned_by\":\"library\"}]}\n");
}

static void version_get(struct call *call)
{
	buf_text(&call->answer->body, "{\"version\":\"0.0.0-simulated\"}\n");
}

static void root_get(struct call *call)
{
	call->answer->content_type = "text/plain; charset=utf-8";
	buf_text(&call->answer->body, "Ollama is running");
}

static const struct vendor_route ollama_routes[] = {
	{"GET", "/", root_get, true},
	{"POST", "/api/chat", api_chat, true},
	{"POST", "/api/generate", api_generate, true},
	{"POST", "/api/embed", api_embed, true},
	{"GET", "/api/tags", models_get, true},
	{"GET", "/api/ps", models_get, true},
	{"GET", "/api/version", version_get, true},
	{"POST", "/chat/completions", openai_chat, true},
	{"POST", "/completions", openai_completions, true},
	{"POST", "/embeddings", openai_embeddings, true},
	{"GET", "/models", openai_models_get, true},
	{0},
};

const struct vendor_sim vendor_ollama = {.name = "ollama",
	.title = "Ollama, self-hosted",
	.auth = SIM_AUTH_NONE,
	.v1_optional = true,
	.routes = ollama_routes,
	.error = ollama_error};
