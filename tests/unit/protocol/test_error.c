// SPDX-License-Identifier: MIT
// Every kind of error answer the vendors and engines document: what is done about it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include "agent/protocol/error.h"
#include "shared/mem.h"
#include "shared/str.h"

static const struct {
	const char *of;
	int status;
	const char *body;
	enum outcome outcome;
	enum err_code code;
	bool final;
} rows[] = {
	{"aliyun", 400, "{\"code\":\"InvalidParameter\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"aliyun", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"invalid_parameter_error\"},\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"aliyun", 400,
		"{\"code\":\"DataInspectionFailed\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_CONTENT_POLICY, true},
	{"aliyun", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"data_inspection_failed\"},\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_CONTENT_POLICY, true},
	{"aliyun", 400,
		"{\"code\":\"IPInfringementSuspect\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_CONTENT_POLICY, true},
	{"aliyun", 400, "{\"code\":\"CustomRoleBlocked\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_CONTENT_POLICY, true},
	{"aliyun", 400, "{\"code\":\"FaqRuleBlocked\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_CONTENT_POLICY, true},
	{"aliyun", 400, "{\"code\":\"Arrearage\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"aliyun", 400, "{\"code\":\"InvalidURL\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"aliyun", 400, "{\"code\":\"InvalidURL.Timeout\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"aliyun", 400,
		"{\"code\":\"BadRequest.EmptyInput\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_INTERNAL, true},
	{"aliyun", 400,
		"{\"code\":\"BadRequest.EmptyModel\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_INTERNAL, true},
	{"aliyun", 400,
		"{\"code\":\"BadRequest.EmptyParameters\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_INTERNAL, true},
	{"aliyun", 400,
		"{\"code\":\"BadRequest.IllegalInput\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_INTERNAL, true},
	{"aliyun", 400, "{\"code\":\"BadRequest.TooLarge\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_CLIENT, ERR_BODY_TOO_LARGE, true},
	{"aliyun", 401, "{\"code\":\"InvalidApiKey\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false},
	{"aliyun", 401,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"invalid_api_key\"},\"request_id\":\"r\"}",
		OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false},
	{"aliyun", 401,
		"{\"code\":\"invalid access token or token expired\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false},
	{"aliyun", 403, "{\"code\":\"AccessDenied\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 403,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"access_denied\"},\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 403,
		"{\"code\":\"AccessDenied.Unpurchased\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"aliyun", 403, "{\"code\":\"Model.AccessDenied\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"aliyun", 403,
		"{\"code\":\"Workspace.AccessDenied\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 403, "{\"code\":\"App.AccessDenied\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 403,
		"{\"code\":\"AllocationQuota.FreeTierOnly\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"aliyun", 404, "{\"code\":\"ModelNotFound\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"aliyun", 404,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"model_not_found\"},\"request_id\":\"r\"}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"aliyun", 404, "{\"code\":\"model_not_supported\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"aliyun", 404, "{\"code\":\"WorkSpaceNotFound\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 429, "{\"code\":\"Throttling\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"aliyun", 429,
		"{\"code\":\"Throttling.RateQuota\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"aliyun", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"limit_requests\"},\"request_id\":\"r\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"aliyun", 429,
		"{\"code\":\"Throttling.BurstRate\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"aliyun", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"limit_burst_rate\"},\"request_id\":\"r\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"aliyun", 429,
		"{\"code\":\"Throttling.AllocationQuota\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"aliyun", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"insufficient_quota\"},\"request_id\":\"r\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"aliyun", 429,
		"{\"code\":\"CommodityNotPurchased\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"aliyun", 429, "{\"code\":\"PrepaidBillOverdue\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"aliyun", 429, "{\"code\":\"PostpaidBillOverdue\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"aliyun", 500, "{\"code\":\"InternalError\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 500, "{\"code\":\"InternalError.Algo\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 500,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"internal_error\"},\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 500,
		"{\"code\":\"InternalError.Timeout\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_UPSTREAM_TIMEOUT, false},
	{"aliyun", 500, "{\"code\":\"SystemError\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 500, "{\"code\":\"ModelServiceFailed\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 500, "{\"code\":\"RewriteFailed\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 500, "{\"code\":\"RequestTimeOut\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_UPSTREAM_TIMEOUT, false},
	{"aliyun", 500, "{\"code\":\"ModelServingError\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 503, "{\"code\":\"ModelServingError\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"aliyun", 503, "{\"code\":\"ModelUnavailable\",\"message\":\"m\",\"request_id\":\"r\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	// llama.cpp: what is asked of it in vain; another may do it.
	{"openai-compatible", 501,
		"{\"error\":{\"code\":501,\"message\":\"m\",\"type\":\"not_supported_error\"}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, false},
	{"openai-compatible", 500,
		"{\"error\":{\"code\":500,\"message\":\"image input is not supported - hint\",\"type\":\"server_error\"}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, false},
	{"openai-compatible", 500,
		"{\"error\":{\"code\":500,\"message\":\"got exception: m\",\"type\":\"server_error\"}}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"openai", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"unknown_parameter\"}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"openai", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"invalid_value\"}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"openai", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"context_length_exceeded\"}}",
		OUT_CLIENT, ERR_CONTEXT_LENGTH, true},
	{"openai", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"content_policy_violation\"}}",
		OUT_CLIENT, ERR_CONTENT_POLICY, true},
	{"openai", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"moderation_blocked\"}}",
		OUT_CLIENT, ERR_CONTENT_POLICY, true},
	{"openai", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"billing_hard_limit_reached\"}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"openai", 401,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"invalid_api_key\"}}",
		OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false},
	{"openai", 403,
		"{\"error\":{\"message\":\"m\",\"type\":\"request_forbidden\",\"param\":null,\"code\":\"unsupported_country_region_territory\"}}",
		OUT_REGION, ERR_UPSTREAM_AUTH_FAILED, false},
	{"openai", 403,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"model_not_found\"}}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"openai", 403,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, false},
	{"openai", 404,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"model_not_found\"}}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"openai", 408,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}",
		OUT_FAILED, ERR_UPSTREAM_TIMEOUT, false},
	{"openai", 409,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"openai", 413,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}",
		OUT_CLIENT, ERR_BODY_TOO_LARGE, true},
	{"openai", 422,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"slow_down\"}}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":null}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"credit_balance_exhausted\"}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"organization_spend_limit_exceeded\"}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"project_spend_limit_exceeded\"}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"openai", 429,
		"{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"organization_usage_limit_exceeded\"}}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"openai", 500,
		"{\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":null}}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"openai", 503,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"server_is_overloaded\"}}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"openai", 503,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"slow_down\"}}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"openai", 524,
		"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}",
		OUT_FAILED, ERR_UPSTREAM_TIMEOUT, false},
	{"anthropic", 400,
		"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"anthropic", 401,
		"{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false},
	{"anthropic", 402,
		"{\"type\":\"error\",\"error\":{\"type\":\"billing_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{"anthropic", 403,
		"{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false},
	{"anthropic", 404,
		"{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"anthropic", 413,
		"{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_CLIENT, ERR_BODY_TOO_LARGE, true},
	{"anthropic", 429,
		"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false},
	{"anthropic", 500,
		"{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"anthropic", 504,
		"{\"type\":\"error\",\"error\":{\"type\":\"timeout_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_FAILED, ERR_UPSTREAM_TIMEOUT, false},
	{"anthropic", 529,
		"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}",
		OUT_BUSY, ERR_UPSTREAM_BUSY, false},
	{"vllm", 400,
		"{\"error\":{\"message\":\"m\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"vllm", 404,
		"{\"error\":{\"message\":\"m\",\"type\":\"NotFoundError\",\"param\":null,\"code\":404}}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"vllm", 404,
		"{\"object\":\"error\",\"message\":\"m\",\"type\":\"NotFoundError\",\"param\":null,\"code\":404}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"vllm", 401, "{\"error\":\"m\"}", OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false},
	{"vllm", 500,
		"{\"error\":{\"message\":\"m\",\"type\":\"InternalServerError\",\"code\":500}}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"vllm", 503, "m", OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"ollama", 404, "{\"error\":\"m\"}", OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"ollama", 404,
		"{\"error\":{\"message\":\"m\",\"type\":\"not_found_error\",\"param\":null,\"code\":null}}",
		OUT_MODEL_GONE, ERR_VENDOR_FAILED, false},
	{"ollama", 400, "{\"error\":\"m\"}", OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"ollama", 503, "{\"error\":\"m\"}", OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"tei", 424, "{\"error\":\"m\",\"error_type\":\"Backend\"}", OUT_FAILED, ERR_VENDOR_FAILED,
		false},
	{"tei", 429, "{\"message\":\"m\",\"code\":429,\"type\":\"overloaded\"}", OUT_BUSY,
		ERR_UPSTREAM_BUSY, false},
	{"tei", 413, "{\"error\":\"m\",\"error_type\":\"Validation\"}", OUT_CLIENT,
		ERR_BODY_TOO_LARGE, true},
	{"tei", 422, "{\"error\":\"m\",\"error_type\":\"Tokenizer\"}", OUT_CLIENT,
		ERR_UPSTREAM_REJECTED, true},
	{"tei", 400, "{\"error\":\"m\",\"error_type\":\"Empty\"}", OUT_CLIENT,
		ERR_UPSTREAM_REJECTED, true},
	{"tei", 503, "{\"error\":\"m\",\"error_type\":\"Unhealthy\"}", OUT_FAILED,
		ERR_VENDOR_FAILED, false},
	{"sdwebui", 404, "{\"detail\":\"m\"}", OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"sdwebui", 422,
		"{\"error\":\"HTTPException\",\"detail\":\"m\",\"body\":\"\",\"errors\":\"\"}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"sdwebui", 500,
		"{\"error\":\"OutOfMemoryError\",\"detail\":\"\",\"body\":\"\",\"errors\":\"CUDA\"}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"comfyui", 400,
		"{\"error\":{\"type\":\"prompt_outputs_failed_validation\",\"message\":\"m\",\"details\":\"\",\"extra_info\":{}},\"node_errors\":{}}",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"xinference", 429, "{\"detail\":\"m\"}", OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED,
		false},
	{"xinference", 422,
		"{\"detail\":[{\"loc\":[\"body\",\"x\"],\"msg\":\"m\",\"type\":\"value_error\"}]}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"localai", 500, "{\"error\":{\"code\":500,\"message\":\"m\",\"type\":\"\"}}", OUT_FAILED,
		ERR_VENDOR_FAILED, false},
	{"openai-compatible", 500,
		"[{\"error\":{\"code\":500,\"message\":\"m\",\"status\":\"INTERNAL\"}}]",
		OUT_FAILED, ERR_VENDOR_FAILED, false},
	{"openai-compatible", 400, "<html>x</html>", OUT_CLIENT, ERR_UPSTREAM_REJECTED, true},
	{"openai-compatible", 502, "", OUT_FAILED, ERR_VENDOR_FAILED, false},
	{NULL, 402, "{}", OUT_BILLING, ERR_UPSTREAM_BILLING, false},
	{NULL, 418, "{}", OUT_FAILED, ERR_VENDOR_FAILED, false},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct adapter_error e;
		adapter_error_read(rows[i].of, rows[i].status, slice_of(rows[i].body),
			(struct slice){NULL, 0}, &e);
		if (e.outcome != rows[i].outcome || e.code != rows[i].code ||
			e.final != rows[i].final)
			fail_msg("%s %d %s: outcome %d code %s final %d",
				rows[i].of ? rows[i].of : "-", rows[i].status, rows[i].body,
				e.outcome, err_row(e.code)->code, e.final);
		// What is refused is the request's, whatever status said it.
		bool rejected = rows[i].code == ERR_UPSTREAM_REJECTED && rows[i].status > 499;
		assert_int_equal(e.status, rejected ? 400 : rows[i].status);
		if (strstr(rows[i].body, "\"m\"") != NULL)
			assert_string_equal(e.message, "m");
	}
}

// What servers say of themselves, as they say it; status 0: under a good one, in a stream or whole.
#define OF_OPENAI(message, type, code)                                                             \
	"{\"error\":{\"message\":\"" message "\",\"type\":\"" type                                 \
	"\",\"param\":null,\"code\":" code "}}"
static const struct {
	const char *of;
	int status;
	const char *body;
	enum outcome outcome;
	enum err_code code;
	int told; // status given on; 0: not the caller's
	int64_t window;
} said[] = {
	// the input is too long
	{"openai", 400, OF_OPENAI("m", "invalid_request_error", "\"context_length_exceeded\""),
		OUT_CLIENT, ERR_CONTEXT_LENGTH, 400, 0},
	{"openai-compatible", 400,
		"{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size\","
		"\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9000,\"n_ctx\":4096}}",
		OUT_CLIENT, ERR_CONTEXT_LENGTH, 400, 4096},
	{"openai-compatible", 500,
		"{\"error\":{\"code\":500,\"message\":\"input is too large to process. increase the "
		"physical batch size\",\"type\":\"server_error\"}}",
		OUT_CLIENT, ERR_CONTEXT_LENGTH, 400, 0},
	{"vllm", 400,
		OF_OPENAI(
			"This model's maximum context length is 4096 tokens. However, you requested 5000",
			"BadRequestError", "400"),
		OUT_CLIENT, ERR_CONTEXT_LENGTH, 400, 0},
	{"anthropic", 400,
		"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is "
		"too long: 210000 tokens > 200000 maximum\"}}",
		OUT_CLIENT, ERR_CONTEXT_LENGTH, 400, 0},
	{"aliyun", 400,
		"{\"code\":\"InvalidParameter\",\"message\":\"Range of input length should be [1, 30720]\"}",
		OUT_CLIENT, ERR_CONTEXT_LENGTH, 400, 0},
	{"ollama", 400, "{\"error\":\"the input length exceeds the context length\"}", OUT_CLIENT,
		ERR_CONTEXT_LENGTH, 400, 0},
	{"ollama", 500, "{\"error\":\"the input length exceeds the context length\"}", OUT_CLIENT,
		ERR_CONTEXT_LENGTH, 400, 0},
	{"tei", 413,
		"{\"error\":\"Input validation error: `inputs` must have less than 512 tokens. Given: 600\","
		"\"error_type\":\"Validation\"}",
		OUT_CLIENT, ERR_CONTEXT_LENGTH, 400, 0},
	{"vllm", 500, OF_OPENAI("could not read the context length", "InternalServerError", "500"),
		OUT_FAILED, ERR_VENDOR_FAILED, 0, 0},
	// there is no room just now
	{"ollama", 503,
		"{\"error\":\"server busy, please try again.  maximum pending requests exceeded\"}",
		OUT_BUSY, ERR_UPSTREAM_BUSY, 0, 0},
	{"openai-compatible", 503, OF_OPENAI("Loading model", "unavailable_error", "503"), OUT_BUSY,
		ERR_UPSTREAM_BUSY, 0, 0},
	{"openai-compatible", 503, "{\"error\":\"no slot available\"}", OUT_BUSY, ERR_UPSTREAM_BUSY,
		0, 0},
	{"vllm", 503, "{\"message\":\"The request queue is full.\"}", OUT_BUSY, ERR_UPSTREAM_BUSY,
		0, 0},
	{"openai", 503, OF_OPENAI("The engine is currently overloaded", "server_error", "null"),
		OUT_BUSY, ERR_UPSTREAM_BUSY, 0, 0},
	{"openai", 429, OF_OPENAI("Too many requests", "requests", "\"rate_limit_exceeded\""),
		OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, 0, 0},
	{"openai-compatible", 503, "<html>Service Unavailable</html>", OUT_FAILED,
		ERR_VENDOR_FAILED, 0, 0},
	// of one request, not of the key
	{"openai", 403, "<html>Attention Required!</html>", OUT_CLIENT, ERR_UPSTREAM_REJECTED, 0,
		0},
	{"anthropic", 403,
		"{\"error\":{\"type\":\"forbidden\",\"message\":\"Request not allowed\"}}",
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, 0, 0},
	{"aliyun", 403, "", OUT_CLIENT, ERR_UPSTREAM_REJECTED, 0, 0},
	{"openai", 401, "<html>Log in</html>", OUT_CLIENT, ERR_UPSTREAM_REJECTED, 0, 0},
	{"openai", 401, OF_OPENAI("m", "invalid_request_error", "\"invalid_api_key\""), OUT_AUTH,
		ERR_UPSTREAM_AUTH_FAILED, 0, 0},
	{"openai", 429,
		OF_OPENAI(
			"Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 45000",
			"tokens", "\"rate_limit_exceeded\""),
		OUT_CLIENT, ERR_UPSTREAM_REJECTED, 0, 0},
	// under a good status
	{"openai-compatible", 0,
		OF_OPENAI("m", "invalid_request_error", "\"context_length_exceeded\""), OUT_CLIENT,
		ERR_CONTEXT_LENGTH, 400, 0},
	{"openai-compatible", 200, OF_OPENAI("m", "", "\"400\""), OUT_CLIENT, ERR_UPSTREAM_REJECTED,
		400, 0},
	{"openai-compatible", 0, OF_OPENAI("m", "", "422"), OUT_CLIENT, ERR_UPSTREAM_REJECTED, 422,
		0},
	{"openai-compatible", 0, OF_OPENAI("m", "invalid_request_error", "null"), OUT_CLIENT,
		ERR_UPSTREAM_REJECTED, 400, 0},
	{"vllm", 0, OF_OPENAI("m", "BadRequestError", "null"), OUT_CLIENT, ERR_UPSTREAM_REJECTED,
		400, 0},
	{"openai", 0, OF_OPENAI("m", "", "\"content_policy_violation\""), OUT_CLIENT,
		ERR_CONTENT_POLICY, 400, 0},
	{"openai", 0, OF_OPENAI("m", "requests", "\"rate_limit_exceeded\""), OUT_RATE_LIMITED,
		ERR_UPSTREAM_RATE_LIMITED, 0, 0},
	{"openai", 0, OF_OPENAI("Too many requests", "rate_limit_error", "null"), OUT_RATE_LIMITED,
		ERR_UPSTREAM_RATE_LIMITED, 0, 0},
	{"openai-compatible", 0, OF_OPENAI("m", "", "429"), OUT_RATE_LIMITED,
		ERR_UPSTREAM_RATE_LIMITED, 0, 0},
	{"openai", 0, OF_OPENAI("m", "insufficient_quota", "\"insufficient_quota\""), OUT_BILLING,
		ERR_UPSTREAM_BILLING, 0, 0},
	{"openai", 0, OF_OPENAI("m", "server_error", "null"), OUT_FAILED, ERR_VENDOR_FAILED, 0, 0},
	{"openai-compatible", 0, OF_OPENAI("m", "overloaded_error", "null"), OUT_BUSY,
		ERR_UPSTREAM_BUSY, 0, 0},
	{"ollama", 0, "{\"error\":\"the input length exceeds the context length\"}", OUT_CLIENT,
		ERR_CONTEXT_LENGTH, 400, 0},
	{"openai-compatible", 0, OF_OPENAI("m", "", "null"), OUT_FAILED, ERR_VENDOR_FAILED, 0, 0},
	{"openai-compatible", 0, "{\"error\":true}", OUT_FAILED, ERR_VENDOR_FAILED, 0, 0},
};

static void what_servers_say_is_understood(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		struct adapter_error e;
		adapter_error_read(said[i].of, said[i].status, slice_of(said[i].body), SLICE(""),
			&e);
		if (e.outcome != said[i].outcome || e.code != said[i].code ||
			e.final != (said[i].told != 0) || e.window != said[i].window ||
			e.larger != (said[i].code == ERR_CONTEXT_LENGTH) ||
			(e.final && e.status != said[i].told))
			fail_msg("%s %d %s: outcome %d code %s final %d status %d window %d",
				said[i].of, said[i].status, said[i].body, e.outcome,
				err_row(e.code)->code, e.final, e.status, (int)e.window);
	}
}

static void what_is_an_error(void **state UNUSED)
{
	static const char *const are[] = {"{\"error\":{\"message\":\"m\"}}", "{\"error\":\"m\"}",
		"{\"object\":\"error\",\"message\":\"m\"}", "{\"detail\":\"m\"}",
		"{\"code\":\"C\",\"message\":\"m\"}", "{\"code\":7,\"msg\":\"mm\"}"};
	static const char *const are_none[] = {"", "{}", "[]", "m", "{\"error\":null}",
		"{\"error\":false}", "{\"error\":\"\"}", "{\"message\":\"m\"}",
		"{\"choices\":[],\"error\":{\"message\":\"m\"}}", "{\"code\":0,\"message\":\"\"}",
		"{\"type\":\"x\",\"message\":{\"role\":\"assistant\"}}", "{\"type\":\"ping\"}",
		"{\"object\":\"chat.completion.chunk\"}"};
	for (size_t i = 0; i < ARRAY_LEN(are); i++)
		if (!adapter_is_error(slice_of(are[i])))
			fail_msg("%s", are[i]);
	for (size_t i = 0; i < ARRAY_LEN(are_none); i++)
		if (adapter_is_error(slice_of(are_none[i])))
			fail_msg("%s", are_none[i]);
}

// The finer of what is read: fractions of a second, dates; and how long a busy one is left alone.
static void waits_are_read(void **state UNUSED)
{
	static const struct {
		const char *value;
		int64_t us;
	} waits[] = {{"1.2", 1200000}, {"0.5", 500000}, {" 2 ", 2000000}, {"0", 1000000},
		{"0.0001", 1000}, {"-3", 1000000}, {"1.x", 5000000}, {"", 5000000},
		{"99999999999999999999", 5000000}, {"4000000000", 60000000},
		{"Thu, 01 Jan 1970 00:00:09 GMT", 9000000}};
	for (size_t i = 0; i < ARRAY_LEN(waits); i++)
		if (adapter_retry_after_us(slice_of(waits[i].value), 0, 60) != waits[i].us)
			fail_msg("%s: %lld", waits[i].value,
				(long long)adapter_retry_after_us(slice_of(waits[i].value), 0, 60));
	assert_int_equal(adapter_retry_after_s(SLICE("1.2"), 0, 60), 2);
	assert_int_equal(adapter_retry_after_us(SLICE("0"), 0, 60), 1000000);
	assert_int_equal(adapter_retry_after_us(SLICE("0.0000001"), 0, 60), 1000000);
	assert_int_equal(adapter_retry_after_us(SLICE("0.000001"), 0, 60), 1000);
	struct adapter_error e;
	adapter_error_read("sdwebui", 500,
		SLICE("{\"error\":\"OutOfMemoryError\",\"detail\":\"\"}"), SLICE(""), &e);
	assert_string_equal(e.message, "OutOfMemoryError");
	adapter_error_read("sdwebui", 500, SLICE("{\"error\":\"E\",\"detail\":\"why\"}"), SLICE(""),
		&e);
	assert_string_equal(e.message, "why");
	assert_string_equal(e.type, "E");
	assert_int_equal(adapter_retry_after_us(SLICE(" 2.5 "), 0, 60), 2500000);
	assert_int_equal(adapter_busy_s(SLICE(""), 0), 1);
	assert_int_equal(adapter_busy_s(SLICE("3"), 0), 3);
	assert_int_equal(adapter_busy_s(SLICE("3600"), 0), 10);
}

// The same words of another vendor say nothing, and a message is never read for a class that has
// something against the candidate.
static void test_words_of_others(void **state)
{
	(void)state;
	static const char body[] = "{\"error\":{\"message\":\"You exceeded your current quota, "
				   "unauthorized\",\"code\":\"Arrearage\"}}";
	struct adapter_error e;
	adapter_error_read("openai", 429, slice_of(body), (struct slice){NULL, 0}, &e);
	assert_int_equal(e.outcome, OUT_RATE_LIMITED);
	adapter_error_read("vllm", 400, slice_of(body), (struct slice){NULL, 0}, &e);
	assert_int_equal(e.outcome, OUT_CLIENT);
}

// An answer that ends within its list must not be read on in the memory behind it.
static void reads_no_further_than_the_answer(void **state UNUSED)
{
	static const char memory[] = "[                                       {"
				     "\"message\":\"of somebody else\"}               ";
	struct adapter_error e;
	adapter_error_read("openai", 500, (struct slice){memory, 41}, SLICE(""), &e);
	assert_string_equal(e.message, "");
	adapter_error_read("openai", 500, SLICE("[]"), SLICE(""), &e);
	assert_string_equal(e.message, "");
	adapter_error_read("openai", 500, SLICE("[{\"error\":{\"message\":\"m\"}}]"), SLICE(""),
		&e);
	assert_string_equal(e.message, "m");
	static const char *const cut[] = {
		"[", "[[", "[ [", "[{", "[{\"", "[\"", "[1,[", "[{\"a\":["};
	for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
		struct slice exact = {malloc(strlen(cut[i])), strlen(cut[i])}; // what ends there
		assert_non_null(exact.p);
		memcpy((char *)(uintptr_t)exact.p, cut[i], exact.n);
		adapter_error_read("openai", 500, exact, SLICE(""), &e);
		assert_string_equal(e.message, "");
		free((char *)(uintptr_t)exact.p);
	}
}

// Cut at a character, within what there is room for.
static void test_long_messages_are_cut(void **state)
{
	(void)state;
	struct {
		struct adapter_error e;
		char behind[4096];
	} r;
	for (size_t lead = 0; lead < 3; lead++) {
		struct str body = STR_INIT;
		memset(&r, 0, sizeof(r));
		str_add(&body, "{\"error\":{\"message\":\"");
		str_add_n(&body, "xx", lead);
		for (size_t i = 0; i < sizeof(r.e.message); i++)
			str_add(&body, "\xe7\x94\xbb");
		str_add(&body, "\"}}");
		adapter_error_read("openai", 500, str_slice(&body), SLICE(""), &r.e);
		size_t n = strlen(r.e.message);
		assert_in_range(n, sizeof(r.e.message) - 4, sizeof(r.e.message) - 1);
		assert_int_equal((n - lead) % 3, 0);
		assert_true(r.e.wire_code[0] == '\0' && r.e.status == 500 && r.behind[0] == '\0');
		str_release(&body);
	}
}

// Who reads several answers into one place finds only the last one's words there.
static void test_nothing_is_left_of_the_answer_before(void **state)
{
	(void)state;
	struct adapter_error e;
	memset(&e, 'x', sizeof(e));
	adapter_error_read("openai", 500, SLICE(""), SLICE(""), &e);
	assert_string_equal(e.message, "");
	assert_string_equal(e.type, "");
	assert_string_equal(e.wire_code, "");
	assert_string_equal(e.param, "");
	assert_int_equal(e.status, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_no_further_than_the_answer),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(what_servers_say_is_understood),
		cmocka_unit_test(what_is_an_error),
		cmocka_unit_test(waits_are_read),
		cmocka_unit_test(test_words_of_others),
		cmocka_unit_test(test_long_messages_are_cut),
		cmocka_unit_test(test_nothing_is_left_of_the_answer_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
