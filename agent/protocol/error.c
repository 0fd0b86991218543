// SPDX-License-Identifier: MIT
// What an error answer says about the candidate and to the caller: rows by (vendor or engine,
// status, code). The message is read for two things alone that many servers have no code for: that
// the input is too long, and that the server is busy; neither holds anything against a candidate. An
// error under a good status gets the status of the row its words are in. Sources: the vendors' public error references
// (OpenAI "Error codes", Alibaba Cloud Model Studio "Error codes", Anthropic "Errors", the sources
// of vLLM, Ollama, text-embeddings-inference, stable-diffusion-webui and ComfyUI).
#include "agent/protocol/error.h"

#include <stdio.h>
#include <string.h>
#include "agent/protocol/scrub.h"
#include "shared/clock.h"
#include "shared/jscan.h"
#include "shared/num.h"
#include "shared/str.h"

#define RETRY_UNREADABLE_S 5
#define BUSY_MAX_S 10
#define ERROR_MEMBERS_MAX 16

struct error_row {
	const char *of; // vendor, or engine of one's own; NULL: any
	int status; // 0: any
	const char *
		word; // the error's code or type; NULL: any, NO_WORDS: the body is no error of theirs
	enum outcome outcome;
	enum err_code code;
	bool final;
	const char
		*says; // one of these stands in the message, in either case; NULL: whatever it says
};

#define NO_WORDS ""

// What a row does with the candidate, and what the caller is told when nothing else answers.
#define ASKED OUT_CLIENT, ERR_UPSTREAM_REJECTED, true // the request is at fault everywhere
#define CONTENT OUT_CLIENT, ERR_CONTENT_POLICY, true
#define CONTEXT OUT_CLIENT, ERR_CONTEXT_LENGTH, true
#define TOO_LARGE OUT_CLIENT, ERR_BODY_TOO_LARGE, true
#define ENVELOPE OUT_CLIENT, ERR_INTERNAL, true // what we wrote around it is malformed
#define NO_MONEY OUT_BILLING, ERR_UPSTREAM_BILLING, false
#define BAD_KEY OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, false
#define REGION OUT_REGION, ERR_UPSTREAM_AUTH_FAILED, false
#define REFUSED OUT_CLIENT, ERR_UPSTREAM_REJECTED, false // this request, here; another may do
#define BUSY OUT_BUSY, ERR_UPSTREAM_BUSY, false
#define LIMITED OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, false
#define NO_MODEL OUT_MODEL_GONE, ERR_VENDOR_FAILED, false
#define FAULT OUT_FAILED, ERR_VENDOR_FAILED, false
#define LATE OUT_FAILED, ERR_UPSTREAM_TIMEOUT, false

// That the input does not fit: OpenAI, vLLM, SGLang, Anthropic, DashScope, Ollama, llama.cpp, TGI,
// TEI, Gemini, Mistral, Moonshot, Zhipu.
#define TOO_LONG                                                                                   \
	"context length|context_length|context size|context window|maximum model length|"          \
	"prompt is too long|input is too long|range of input length|longer than the maximum|"      \
	"model token limit|exceeds max length|maximum number of tokens|tokens. Given:|"            \
	"too large for model|too large to process"
// llama.cpp and Ollama say some of it with 500.
#define TOO_LONG_HERE                                                                              \
	"too large to process|exceeds the available context|exceeds the context|"                  \
	"exceeds maximum context|exceed the context|larger than the context|longer than the context"
// llama.cpp says 500 of what is asked of it in vain, and of pictures that are none.
#define CANNOT_HERE                                                                                  \
	"is not supported|does not support|requires --jinja|unsupported param|failed to load image|" \
	"failed to download image|invalid base64"
// That there is no room just now: Ollama, llama.cpp, TGI, SGLang, Triton, DashScope, OpenAI.
#define NO_ROOM "busy|overload|loading|queue|slot"
#define NO_ROOM_503 NO_ROOM "|pending requests|too many|capacity|throttl|slow down"

// The first row that fits counts. The same word means different things to different vendors:
// "insufficient_quota" is an empty account at OpenAI and a rate per minute at Aliyun.
static const struct error_row error_rows[] = {
	{NULL, 400, "context_length_exceeded", CONTEXT},
	{NULL, 400, "exceed_context_size_error", CONTEXT},
	{NULL, 400, NULL, CONTEXT, TOO_LONG},
	{NULL, 413, NULL, CONTEXT, TOO_LONG},
	{NULL, 422, NULL, CONTEXT, TOO_LONG},
	{NULL, 500, NULL, CONTEXT, TOO_LONG_HERE},
	{NULL, 500, NULL, REFUSED, CANNOT_HERE},
	{NULL, 501, NULL, REFUSED}, // RFC 9110, 15.6.2: nothing there that does it
	{NULL, 503, NULL, BUSY, NO_ROOM_503},
	{NULL, 429, NULL, BUSY, NO_ROOM},
	{NULL, 429, NULL, REFUSED, "request too large"}, // for what this account may ask at once
	{NULL, 529, NULL, BUSY},

	{"openai", 400, "content_policy_violation", CONTENT},
	{"openai", 400, "moderation_blocked", CONTENT},
	{"openai", 400, "billing_hard_limit_reached", NO_MONEY},
	{"openai", 403, "unsupported_country_region_territory", REGION},
	{"openai", 403, "model_not_found", NO_MODEL}, // this key's project may not use it
	{"openai", 401, NO_WORDS, REFUSED},
	{"openai", 403, "invalid_api_key", BAD_KEY},
	{"openai", 403, "account_deactivated", BAD_KEY},
	{"openai", 403, "permission_denied", BAD_KEY},
	{"openai", 403, "insufficient_permissions", BAD_KEY},
	{"openai", 403, NULL, REFUSED}, // not its words of a key: something in between
	{"openai", 404, "model_not_found", NO_MODEL},
	{"openai", 429, "insufficient_quota", NO_MONEY},
	{"openai", 429, "credit_balance_exhausted", NO_MONEY},
	{"openai", 429, "organization_spend_limit_exceeded", NO_MONEY},
	{"openai", 429, "project_spend_limit_exceeded", NO_MONEY},
	{"openai", 429, "organization_usage_limit_exceeded", NO_MONEY},

	// Aliyun: native code, then the compatible mode's.
	{"aliyun", 400, "InvalidParameter", ASKED},
	{"aliyun", 400, "invalid_parameter_error", ASKED},
	{"aliyun", 400, "DataInspectionFailed", CONTENT},
	{"aliyun", 400, "data_inspection_failed", CONTENT},
	{"aliyun", 400, "IPInfringementSuspect", CONTENT},
	{"aliyun", 400, "CustomRoleBlocked", CONTENT},
	{"aliyun", 400, "FaqRuleBlocked", CONTENT},
	{"aliyun", 400, "Arrearage", NO_MONEY},
	{"aliyun", 400, "InvalidURL", ASKED},
	{"aliyun", 400, "InvalidURL.Timeout", ASKED},
	{"aliyun", 400, "BadRequest.EmptyInput", ENVELOPE},
	{"aliyun", 400, "BadRequest.EmptyModel", ENVELOPE},
	{"aliyun", 400, "BadRequest.EmptyParameters", ENVELOPE},
	{"aliyun", 400, "BadRequest.IllegalInput", ENVELOPE},
	{"aliyun", 400, "BadRequest.TooLarge", TOO_LARGE},
	{"aliyun", 401, "InvalidApiKey", BAD_KEY},
	{"aliyun", 401, "invalid_api_key", BAD_KEY},
	{"aliyun", 401, NO_WORDS, REFUSED},
	{"aliyun", 403, "AccessDenied", FAULT}, // how it was called, not with which key
	{"aliyun", 403, "access_denied", FAULT},
	{"aliyun", 403, "AccessDenied.Unpurchased", NO_MODEL},
	{"aliyun", 403, "Model.AccessDenied", NO_MODEL},
	{"aliyun", 403, "Workspace.AccessDenied", FAULT},
	{"aliyun", 403, "App.AccessDenied", FAULT},
	{"aliyun", 403, "AllocationQuota.FreeTierOnly", NO_MONEY},
	{"aliyun", 403, NULL, REFUSED},
	{"aliyun", 404, "ModelNotFound", NO_MODEL},
	{"aliyun", 404, "model_not_found", NO_MODEL},
	{"aliyun", 404, "model_not_supported", NO_MODEL},
	{"aliyun", 404, "WorkSpaceNotFound", FAULT},
	{"aliyun", 429, "Throttling", LIMITED},
	{"aliyun", 429, "Throttling.RateQuota", LIMITED},
	{"aliyun", 429, "limit_requests", LIMITED},
	{"aliyun", 429, "Throttling.BurstRate", LIMITED},
	{"aliyun", 429, "limit_burst_rate", LIMITED},
	{"aliyun", 429, "Throttling.AllocationQuota", LIMITED},
	{"aliyun", 429, "insufficient_quota", LIMITED},
	{"aliyun", 429, "CommodityNotPurchased", NO_MONEY},
	{"aliyun", 429, "PrepaidBillOverdue", NO_MONEY},
	{"aliyun", 429, "PostpaidBillOverdue", NO_MONEY},
	{"aliyun", 500, "InternalError", FAULT},
	{"aliyun", 500, "InternalError.Algo", FAULT},
	{"aliyun", 500, "internal_error", FAULT},
	{"aliyun", 500, "InternalError.Timeout", LATE},
	{"aliyun", 500, "SystemError", FAULT},
	{"aliyun", 500, "ModelServiceFailed", FAULT},
	{"aliyun", 500, "RewriteFailed", FAULT},
	{"aliyun", 500, "RequestTimeOut", LATE},
	{"aliyun", 500, "ModelServingError", FAULT},
	{"aliyun", 503, "ModelServingError", FAULT},
	{"aliyun", 503, "ModelUnavailable", FAULT},

	{"anthropic", 400, "invalid_request_error", ASKED},
	{"anthropic", 401, "authentication_error", BAD_KEY},
	{"anthropic", 401, NO_WORDS, REFUSED},
	{"anthropic", 402, "billing_error", NO_MONEY},
	{"anthropic", 403, "permission_error", BAD_KEY},
	{"anthropic", 404, "not_found_error", NO_MODEL},
	{"anthropic", 413, "request_too_large", TOO_LARGE},
	{"anthropic", 429, "rate_limit_error", LIMITED},
	{"anthropic", 500, "api_error", FAULT},
	{"anthropic", 504, "timeout_error", LATE},
	{"anthropic", 529, "overloaded_error", BUSY},
	{"anthropic", 403, NULL, REFUSED},

	{"vllm", 404, "NotFoundError", NO_MODEL},
	{"ollama", 404, NULL, NO_MODEL}, // not pulled
	{"tei", 424, NULL, FAULT}, // its backend failed
	{"tei", 429, "overloaded", BUSY},
	{"tei", 429, NULL, LIMITED},
	{"sdwebui", 404, NULL, FAULT}, // started without its API
	{"comfyui", 400, NULL, FAULT}, // the operator's workflow does not fit this server

	{NULL, 400, "content_policy_violation", CONTENT},
	{NULL, 400, "content_filter", CONTENT},
	{NULL, 400, "moderation_blocked", CONTENT},
	{NULL, 400, "BadRequestError", ASKED},
	{NULL, 400, "invalid_parameter_error", ASKED},
	{NULL, 400, "invalid_prompt", ASKED},
	{NULL, 400, "invalid_value", ASKED},
	{NULL, 400, "invalid_type", ASKED},
	{NULL, 400, "invalid_request", ASKED},
	{NULL, 400, "invalid_image_url", ASKED},
	{NULL, 400, "invalid_image_format", ASKED},
	{NULL, 400, "invalid_base64", ASKED},
	{NULL, 400, "invalid_json_schema", ASKED},
	{NULL, 400, "missing_required_parameter", ASKED},
	{NULL, 400, "unknown_parameter", ASKED},
	{NULL, 400, "unsupported_parameter", ASKED},
	{NULL, 400, "unsupported_value", ASKED},
	{NULL, 400, "string_above_max_length", ASKED},
	{NULL, 400, "integer_above_max_value", ASKED},
	{NULL, 400, "integer_below_min_value", ASKED},
	{NULL, 400, "decimal_above_max_value", ASKED},
	{NULL, 400, "array_above_max_length", ASKED},
	{NULL, 400, NULL, ASKED},
	{NULL, 401, "invalid_api_key", BAD_KEY},
	{NULL, 401, NULL, BAD_KEY},
	{NULL, 402, NULL, NO_MONEY},
	{NULL, 403, NULL, BAD_KEY},
	{NULL, 404, "model_not_found", NO_MODEL},
	{NULL, 404, "NotFoundError", NO_MODEL},
	{NULL, 408, NULL, LATE},
	{NULL, 413, NULL, TOO_LARGE},
	{NULL, 415, NULL, ASKED},
	{NULL, 422, NULL, ASKED},
	{NULL, 429, "rate_limit_exceeded", LIMITED},
	{NULL, 429, "rate_limit_error", LIMITED},
	{NULL, 429, "too_many_requests", LIMITED},
	{NULL, 429, "RESOURCE_EXHAUSTED", LIMITED},
	{NULL, 429, "RateLimitError", LIMITED},
	{NULL, 429, NULL, LIMITED},
	{NULL, 500, "server_error", FAULT},
	{NULL, 500, "InternalServerError", FAULT},
	{NULL, 503, "unavailable_error", BUSY}, // llama.cpp, until its model is there
	{NULL, 503, "engine_overloaded_error", BUSY},
	{NULL, 504, NULL, LATE},
	{NULL, 524, NULL, LATE}, // a proxy in between gave up
	{NULL, 0, NULL, FAULT},
};

// "a|b|c": one of them stands in the text.
static bool says_any(const char *text, const char *words)
{
	struct slice rest = slice_of(words);
	char word[64];
	while (rest.n > 0) {
		struct slice next = slice_cut(&rest, '|');
		snprintf(word, sizeof(word), "%.*s", SLICE_FMT(next));
		if (strcasestr(text, word) != NULL)
			return true;
	}
	return false;
}

static bool word_fits(const struct error_row *r, const struct adapter_error *e)
{
	if (r->word == NULL)
		return true;
	if (r->word[0] == '\0')
		return e->wire_code[0] == '\0' && e->type[0] == '\0' && e->message[0] == '\0';
	return strcmp(r->word, e->wire_code) == 0 || strcmp(r->word, e->type) == 0;
}

static const struct error_row *find_row(const char *of, int status, const struct adapter_error *e)
{
	for (size_t i = 0;; i++) {
		const struct error_row *r = &error_rows[i];
		if (r->of != NULL && (of == NULL || strcmp(r->of, of) != 0))
			continue;
		if (r->status != 0 && r->status != status)
			continue;
		if (word_fits(r, e) && (r->says == NULL || says_any(e->message, r->says)))
			return r;
	}
}

// The status an error under a good one stands for: the number in its code, else that of the first row
// with its words, of this server, of another whose API it may speak, at last of what its message says;
// 502 when there is none.
static int status_said(const char *of, const struct adapter_error *e)
{
	enum { MINE, ANY, MESSAGE, PASSES };
	int64_t code;
	if (num_i64(slice_of(e->wire_code), 400, 599, &code))
		return (int)code;
	for (int pass = MINE; pass < PASSES; pass++) {
		for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
			const struct error_row *r = &error_rows[i];
			bool mine = r->of == NULL || (of != NULL && strcmp(r->of, of) == 0);
			bool told = pass == MESSAGE
				? r->says != NULL && says_any(e->message, r->says)
				: r->word != NULL && r->word[0] != '\0' && word_fits(r, e);
			if (told && (mine || pass == ANY))
				return r->status;
		}
	}
	return 502;
}

static void copy_text(const struct jscan_member *m, char *buf, size_t size)
{
	buf[0] = '\0';
	if (m == NULL)
		return;
	if (m->type == JS_STRING && !jscan_string(m->value, buf, size, NULL))
		buf[0] = '\0';
	if (m->type == JS_NUMBER && m->value.n < size) { // vLLM: the code is an int
		memcpy(buf, m->value.p, m->value.n);
		buf[m->value.n] = '\0';
	}
}

// Long messages are cut at a character, not dropped.
static void copy_message(const struct jscan_member *m, struct adapter_error *e)
{
	if (m == NULL || m->type != JS_STRING)
		return;
	struct str text = STR_INIT;
	str_reserve(&text, m->value.n + 1);
	size_t n = 0;
	if (jscan_string(m->value, text.p, m->value.n + 1, &n)) {
		n = MIN_OF(n, sizeof(e->message) - 1);
		while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
			n--;
		memcpy(e->message, text.p, n);
		e->message[n] = '\0';
	}
	str_release(&text);
}

static size_t scan(struct slice json, struct jscan_member *m)
{
	size_t n = 0;
	if (jscan_object(json, (struct jscan_limits){.lax = true}, m, ERROR_MEMBERS_MAX, &n,
		    NULL) != ERR_OK)
		return 0;
	return n;
}

// FastAPI: {"detail":"text"} or {"detail":[{"loc":…,"msg":…,"type":…}]}.
static void read_detail(const struct jscan_member *detail, struct adapter_error *e)
{
	struct slice rest = detail->value;
	if (detail->type != JS_ARRAY) {
		copy_message(detail, e);
		return;
	}
	struct slice first;
	if (!jscan_next(&rest, &first))
		return;
	struct jscan_member m[ERROR_MEMBERS_MAX];
	size_t n = scan(first, m);
	copy_message(jscan_find(m, n, "msg"), e);
	copy_text(jscan_find(m, n, "type"), e->wire_code, sizeof(e->wire_code));
}

// {"error":"text"}: Ollama; with "error_type": text-embeddings-inference; with a "detail" that says
// more than the class of the exception: stable-diffusion-webui.
static void read_text_error(const struct jscan_member *m, size_t n,
	const struct jscan_member *error, struct adapter_error *e)
{
	const struct jscan_member *detail = jscan_find(m, n, "detail");
	copy_text(jscan_find(m, n, "error_type"), e->type, sizeof(e->type));
	if (detail != NULL && detail->type == JS_STRING && detail->value.n > 2) {
		copy_text(error, e->type, sizeof(e->type));
		copy_message(detail, e);
	} else {
		copy_message(error, e);
	}
}

static bool is_said(const struct jscan_member *m)
{
	return m != NULL && m->type != JS_NULL && m->type != JS_FALSE && m->value.n > 2;
}

static const struct jscan_member *message_in(const struct jscan_member *m, size_t n)
{
	const struct jscan_member *at = jscan_find(m, n, "message");
	return at != NULL ? at : jscan_find(m, n, "msg");
}

bool adapter_is_error(struct slice body)
{
	struct jscan_member m[ERROR_MEMBERS_MAX];
	size_t n = scan(slice_trim(body), m);
	const struct jscan_member *kind = jscan_find(m, n, "object");
	if (jscan_find(m, n, "choices") != NULL || jscan_find(m, n, "output") != NULL)
		return false;
	if (is_said(jscan_find(m, n, "error")) || is_said(jscan_find(m, n, "detail")))
		return true;
	if (kind != NULL && slice_eq_str(kind->value, "\"error\""))
		return true;
	const struct jscan_member *text = message_in(m, n);
	return is_said(text) && text->type == JS_STRING &&
		(jscan_find(m, n, "code") != NULL || jscan_find(m, n, "type") != NULL);
}

static void read_members(const struct jscan_member *m, size_t n, struct adapter_error *e)
{
	copy_message(message_in(m, n), e);
	copy_text(jscan_find(m, n, "code"), e->wire_code, sizeof(e->wire_code));
	copy_text(jscan_find(m, n, "type"), e->type, sizeof(e->type));
	copy_text(jscan_find(m, n, "param"), e->param, sizeof(e->param));
	const struct jscan_member *window = jscan_find(m, n, "n_ctx"); // llama.cpp
	if (window == NULL || !jscan_int(window->value, &e->window) || e->window < 0)
		e->window = 0;
}

// {"error":{…}} (also as the one item of a list), {"error":"text"}, flat {"message","code","type"},
// FastAPI's detail, or nothing that can be read (HTML, an empty body).
static void read_shape(enum error_shape shape, struct slice body, struct adapter_error *e)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};
	struct slice first = body;
	if (slice_starts(body, "[") &&
		(jscan_check(body, limits, NULL) != ERR_OK || !jscan_next(&body, &first)))
		return; // an empty list, or none at all
	struct jscan_member top[ERROR_MEMBERS_MAX];
	size_t n = scan(first, top);
	const struct jscan_member *error = jscan_find(top, n, "error");
	const struct jscan_member *detail = jscan_find(top, n, "detail");
	struct jscan_member in[ERROR_MEMBERS_MAX];
	if (detail != NULL && shape == ERRORS_FASTAPI && detail->value.n > 2)
		read_detail(detail, e);
	else if (shape == ERRORS_FLAT)
		read_members(top, n, e);
	else if (error != NULL && error->type == JS_STRING)
		read_text_error(top, n, error, e);
	else if (error != NULL && error->type == JS_OBJECT)
		read_members(in, scan(error->value, in), e);
	else if (detail != NULL)
		read_detail(detail, e);
	else
		read_members(top, n, e);
}

void adapter_error_read(const char *of, int status, struct slice body, struct slice secret,
	struct adapter_error *e)
{
	adapter_error_read_as(ERRORS_ANY, of, status, body, secret, e);
}

void adapter_error_read_as(enum error_shape shape, const char *of, int status, struct slice body,
	struct slice secret, struct adapter_error *e)
{
	e->type[0] = e->wire_code[0] = e->param[0] = e->message[0] = '\0';
	e->window = 0;
	read_shape(shape, body, e);
	if (status < 400)
		status = status_said(of, e);
	const struct error_row *r = find_row(of, status, e);
	scrub_text(e->type, secret);
	scrub_text(e->wire_code, secret);
	scrub_text(e->param, secret);
	scrub_text(e->message, secret);
	e->outcome = r->outcome;
	e->code = r->code;
	e->final = r->final;
	e->larger = r->code == ERR_CONTEXT_LENGTH;
	e->status = status;
	bool refused = r->final || r->code == ERR_UPSTREAM_REJECTED;
	if (refused && (e->larger || status < 400 || status > 499)) // what callers are given
		e->status = err_row(r->code)->status;
	if (refused && status > 499) // its words for a failure of its own would tell of another one
		e->type[0] = e->wire_code[0] = '\0';
}

// Seconds with a fraction, as some servers write them; rounded up to a millisecond. -1: no number.
static int64_t seconds_us(struct slice value)
{
	struct slice fraction = slice_trim(value);
	struct slice whole = slice_cut(&fraction, '.');
	int64_t s, us = 0, unit = 100000;
	if (!num_i64(whole, 0, INT32_MAX, &s))
		return -1;
	for (size_t i = 0; i < fraction.n; i++, unit /= 10) {
		if (fraction.p[i] < '0' || fraction.p[i] > '9')
			return -1;
		us += (fraction.p[i] - '0') * unit;
	}
	us += s * 1000000;
	return us > 0 ? MAX_OF(us, 1000) : 1000000;
}

int64_t adapter_retry_after_us(struct slice value, int64_t wall_ms, int64_t cap_s)
{
	int64_t s, us = seconds_us(value);
	if (us < 0 && slice_starts(slice_trim(value), "-"))
		us = 1000000;
	else if (us < 0)
		us = (clock_retry_after_s(value, wall_ms, &s) ? MIN_OF(MAX_OF(s, 1), cap_s)
							      : RETRY_UNREADABLE_S) *
			INT64_C(1000000);
	return MIN_OF(us, cap_s * 1000000);
}

int64_t adapter_retry_after_s(struct slice value, int64_t wall_ms, int64_t cap_s)
{
	return (adapter_retry_after_us(value, wall_ms, cap_s) + 999999) / 1000000;
}

int64_t adapter_busy_s(struct slice value, int64_t wall_ms)
{
	return value.n == 0 ? 1 : adapter_retry_after_s(value, wall_ms, BUSY_MAX_S);
}
