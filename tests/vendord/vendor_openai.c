// SPDX-License-Identifier: MIT
// OpenAI and vLLM as rows: routes, errors, headers, models.
#include "tests/vendord/openai.h"

#include <string.h>

static const struct {
	const char *id, *owner, *shutdown;
} models[] = {
	{"gpt-5.4", "openai", NULL},
	{"gpt-5.4-mini", "openai", NULL},
	{"davinci-002", "openai", NULL},
	{"gpt-4o-mini", "openai", "2027-01-14"},
	{"gpt-image-2", "openai", NULL},
	{"text-embedding-3-small", "openai", NULL},
	{"gpt-4", "openai", "2026-10-23"},
	{"dall-e-3", "openai", "2026-05-12"},
};

#define MODEL_N (sizeof models / sizeof *models)

static void put_model(struct buf *out, size_t i)
{
	buf_fmt(out,
		"{\"id\":\"%s\",\"object\":\"model\",\"created\":1686935002,"
		"\"owned_by\":\"%s\",\"simulated\":true,\"shutdown_date\":",
		models[i].id, models[i].owner);
	if (models[i].shutdown)
		buf_fmt(out, "\"%s\"}", models[i].shutdown);
	else
		buf_text(out, "null}");
}

static void list_models(struct call *call)
{
	struct buf *out = &call->answer->body;

	buf_text(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < MODEL_N; i++) {
		buf_text(out, i ? "," : "");
		put_model(out, i);
	}
	buf_text(out, "]}\n");
}

static void get_model(struct call *call)
{
	struct span id = {call->path.at + 8, call->path.len - 8};

	for (size_t i = 0; i < MODEL_N; i++)
		if (span_is(id, models[i].id)) {
			put_model(&call->answer->body, i);
			return;
		}
	vendor_error(call, 404, "model_not_found", "The model does not exist. (simulated)");
}

static const char *code_of(int status)
{
	static const struct {
		int status;
		const char *code;
	} rows[] = {{401, "invalid_api_key"}, {403, "unsupported_country_region_territory"},
		{404, "model_not_found"}, {429, "rate_limit_exceeded"}, {500, "server_error"},
		{503, "server_is_overloaded"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].status == status)
			return rows[i].code;
	return NULL;
}

static const char *type_of(int status, const char *code)
{
	if (code && strcmp(code, "insufficient_quota") == 0)
		return "insufficient_quota";
	if (status == 429)
		return code && strcmp(code, "rate_limit_exceeded") != 0 ? code : "requests";
	return status >= 500 ? "server_error" : "invalid_request_error";
}

static void openai_error(struct call *call, int status, const char *code, const char *message)
{
	struct buf *out = &call->answer->body;

	if (!code)
		code = code_of(status);
	buf_text(out, "{\"error\":{\"message\":");
	buf_json(out, span_of(message));
	buf_fmt(out, ",\"type\":\"%s\",\"param\":null,\"code\":", type_of(status, code));
	if (code)
		buf_json(out, span_of(code));
	else
		buf_text(out, "null");
	buf_text(out, "}}\n");
}

static void openai_fields(struct call *call)
{
	unsigned long long serial = call->serial;
	struct buf *out = &call->answer->fields;

	// Keys that end alike are of one organisation.
	size_t tail = call->key.len < 4 ? call->key.len : 4;
	buf_fmt(out, "openai-organization: simulated-%.*s\r\n", (int)tail,
		call->key.at + call->key.len - tail);
	buf_text(out,
		"openai-version: 2020-10-01\r\n"
		"openai-processing-ms: 1\r\nx-ratelimit-limit-requests: 10000\r\n"
		"x-ratelimit-limit-tokens: 2000000\r\nx-ratelimit-remaining-requests: 9999\r\n"
		"x-ratelimit-remaining-tokens: 1999000\r\nx-ratelimit-reset-requests: 6ms\r\n"
		"x-ratelimit-reset-tokens: 1s\r\nx-request-id: req_sim_");
	buf_fmt(out, "%016llx\r\n", serial);
}

#define OPENAI_ROUTES                                                                              \
	{"POST", "/chat/completions", openai_chat, false},                                         \
		{"POST", "/completions", openai_completions, false},                               \
		{"POST", "/embeddings", openai_embeddings, false},                                 \
	{                                                                                          \
		"POST", "/responses", openai_responses, false                                      \
	}

static const struct vendor_route openai_routes[] = {
	OPENAI_ROUTES,
	{"POST", "/images/generations", openai_images, false},
	{"POST", "/images/edits", openai_image_edits, false},
	{"POST", "/images/variations", openai_image_edits, false},
	{"POST", "/moderations", openai_moderations, false},
	{"POST", "/audio/speech", openai_speech, false},
	{"POST", "/audio/transcriptions", openai_transcriptions, false},
	{"POST", "/audio/translations", openai_transcriptions, false},
	{"GET", "/models", list_models, false},
	{"GET", "/models/*", get_model, false},
	{0},
};

const struct vendor_sim vendor_openai = {.name = "openai",
	.title = "OpenAI",
	.auth = SIM_AUTH_BEARER,
	.v1_optional = true,
	.routes = openai_routes,
	.error = openai_error,
	.fields = openai_fields};

// ---- vLLM ----

static void vllm_error(struct call *call, int status, const char *code, const char *message)
{
	struct buf *out = &call->answer->body;
	const char *type = status == 404 ? "NotFoundError"
		: status >= 500		 ? "InternalServerError"
					 : "BadRequestError";

	(void)code;
	if (status == 401) {
		buf_text(out, "{\"error\":\"Unauthorized\"}");
		return;
	}
	buf_text(out, "{\"error\":{\"message\":");
	buf_json(out, span_of(message));
	buf_fmt(out, ",\"type\":\"%s\",\"param\":null,\"code\":%d}}", type, status);
}

static void vllm_models(struct call *call)
{
	buf_text(&call->answer->body,
		"{\"object\":\"list\",\"data\":[{\"id\":\"simulated-llm\","
		"\"object\":\"model\",\"created\":1686935002,\"owned_by\":\"vllm\","
		"\"root\":\"simulated-llm\",\"parent\":null,\"max_model_len\":32768,"
		"\"permission\":[]}]}\n");
}

static void vllm_health(struct call *call)
{
	call->answer->content_type = "text/plain";
}

static void vllm_metrics(struct call *call)
{
	call->answer->content_type = "text/plain; version=0.0.4";
	buf_fmt(&call->answer->body,
		"# TYPE vllm:num_requests_running gauge\n"
		"vllm:num_requests_running{model_name=\"simulated-llm\"} %llu\n"
		"# TYPE vllm:num_requests_waiting gauge\n"
		"vllm:num_requests_waiting{model_name=\"simulated-llm\"} %lld.0\n",
		(unsigned long long)call->sim->stats.in_flight,
		(long long)(call->fault.queue > 0 ? call->fault.queue : 0));
}

static const struct vendor_route vllm_routes[] = {
	OPENAI_ROUTES,
	{"POST", "/rerank", openai_rerank, false},
	{"GET", "/models", vllm_models, false},
	{"GET", "/health", vllm_health, true},
	{"GET", "/metrics", vllm_metrics, true},
	{"GET", "/ping", vllm_health, true},
	{0},
};

const struct vendor_sim vendor_vllm = {.name = "vllm",
	.title = "vLLM, self-hosted",
	.auth = SIM_AUTH_NONE,
	.v1_optional = true,
	.routes = vllm_routes,
	.error = vllm_error};
