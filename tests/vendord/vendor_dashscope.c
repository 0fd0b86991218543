// SPDX-License-Identifier: MIT
// Alibaba's DashScope: pictures by task (legacy and message protocol), native chat and
// embeddings, and the OpenAI-compatible mode.
#include "tests/vendord/openai.h"
#include "tests/vendord/reply.h"
#include "tests/vendord/task.h"

#include <stdlib.h>
#include <string.h>

#define T2I_MAX 4
#define TEXT_MAX 25
#define SIZE_TEXT_MAX 16

static void put_request_id(struct buf *out, const struct call *call)
{
	buf_fmt(out, "\"request_id\":\"51300000-0000-9000-8000-%012llx\"",
		(unsigned long long)call->serial);
}

static bool is_compatible(const struct call *call)
{
	return span_starts(call->path, "/compatible-mode/");
}

static bool header_is(const struct call *call, const char *name)
{
	return span_is_nocase(http_field(call->request, name), "enable");
}

// ---- errors ----

static const struct {
	int status;
	const char *code, *compatible;
} error_rows[] = {
	{400, "InvalidParameter", "invalid_parameter_error"},
	{401, "InvalidApiKey", "invalid_api_key"},
	{403, "AccessDenied", "access_denied"},
	{404, "ModelNotFound", "model_not_found"},
	{429, "Throttling.RateQuota", "limit_requests"},
	{429, "Throttling.AllocationQuota", "insufficient_quota"},
	{429, "Throttling.BurstRate", "limit_burst_rate"},
	{400, "DataInspectionFailed", "data_inspection_failed"},
	{500, "InternalError", "internal_error"},
	{503, "ModelUnavailable", "internal_error"},
};

// The code in the words of the mode; one that is in no row stays as it is.
static const char *code_for(const struct call *call, int status, const char *code)
{
	for (size_t i = 0; i < sizeof error_rows / sizeof *error_rows; i++) {
		const char *native = error_rows[i].code, *compatible = error_rows[i].compatible;
		bool same = code ? strcmp(code, native) == 0 || strcmp(code, compatible) == 0
				 : error_rows[i].status == status;
		if (same)
			return is_compatible(call) ? compatible : native;
	}
	return code ? code : "InternalError";
}

static void dashscope_error(struct call *call, int status, const char *code, const char *message)
{
	struct buf *out = &call->answer->body;

	code = code_for(call, status, code);
	if (is_compatible(call))
		buf_fmt(out,
			"{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,"
			"\"code\":\"%s\"},",
			message, code, code);
	else
		buf_fmt(out, "{\"code\":\"%s\",\"message\":\"%s\",", code, message);
	put_request_id(out, call);
	buf_text(out, "}\n");
}

// ---- pictures ----

// "W*H" within what the model's family takes.
static bool size_fits(struct span size, struct span model)
{
	char text[SIZE_TEXT_MAX];
	char *star;
	bool legacy = span_starts(model, "wanx") || span_starts(model, "wan2.1") ||
		span_starts(model, "wan2.2");

	if (size.len == 0)
		return true;
	if (size.len >= sizeof text)
		return false;
	memcpy(text, size.at, size.len);
	text[size.len] = '\0';
	long width = strtol(text, &star, 10);
	long height = *star == '*' ? strtol(star + 1, &star, 10) : 0;
	if (*star || width <= 0 || height <= 0)
		return false;
	if (legacy)
		return width >= 512 && width <= 1440 && height >= 512 && height <= 1440;
	return width * height >= 1280 * 1280 && width * height <= 1440 * 1440 &&
		width <= 4 * height && height <= 4 * width;
}

// The one text part of input.messages, raw.
static struct span message_text(struct span input)
{
	struct json_iter messages, parts;
	struct span message, part;

	if (json_open(&messages, json_find(input, "messages")) && json_item(&messages, &message) &&
		json_open(&parts, json_find(message, "content")) && json_item(&parts, &part))
		return json_raw(json_find(part, "text"));
	return (struct span){0};
}

// False when it was refused. n is 4 unless it is said, as the vendor has it.
static bool picture_asked(struct call *call, struct span prompt, int64_t *ret_n)
{
	struct span parameters = call->param[P_parameters];

	*ret_n = json_int(json_find(parameters, "n"), T2I_MAX);
	if (call_text(call, P_model).len == 0)
		vendor_error(call, 400, NULL, "Model not exist. (simulated)");
	else if (prompt.len == 0)
		vendor_error(call, 400, NULL, "prompt is required (simulated)");
	else if (*ret_n < 1 || *ret_n > T2I_MAX)
		vendor_error(call, 400, NULL, "n should be in [1, 4] (simulated)");
	else if (!size_fits(json_raw(json_find(parameters, "size")), call_text(call, P_model)))
		vendor_error(call, 400, NULL, "size is out of range (simulated)");
	else
		return true;
	return false;
}

static void submit(struct call *call, struct span prompt, bool messages)
{
	struct buf *out = &call->answer->body;
	int64_t n;

	if (!header_is(call, "x-dashscope-async")) {
		vendor_error(call, 403, "AccessDenied",
			"current user api does not support synchronous calls.");
		return;
	}
	if (!picture_asked(call, prompt, &n))
		return;
	if (call->sim->tasks_max > 0 && task_unfinished(call) >= call->sim->tasks_max) {
		vendor_error(call, 429, "Throttling.RateQuota",
			"Requests rate limit exceeded, please try again later. (simulated)");
		return;
	}
	struct task *task = task_new(call, prompt, n);
	uint64_t unfinished = (uint64_t)task_unfinished(call);
	struct stats *stats = &call->sim->stats;
	task->messages = messages;
	stats->images++;
	stats->tasks_peak = unfinished > stats->tasks_peak ? unfinished : stats->tasks_peak;
	tally_add(&stats->by_prompt, prompt);
	buf_fmt(out, "{\"output\":{\"task_status\":\"PENDING\",\"task_id\":\"%s\"},", task->id);
	put_request_id(out, call);
	buf_text(out, "}\n");
}

static void t2i_legacy(struct call *call)
{
	struct span model = call_text(call, P_model);

	if (span_starts(model, "wan2.6") || span_starts(model, "qwen-image"))
		vendor_error(call, 400, NULL, "url error, please check url! (simulated)");
	else
		submit(call, json_raw(json_find(call->param[P_input], "prompt")), false);
}

static void t2i_messages(struct call *call)
{
	submit(call, message_text(call->param[P_input]), true);
}

static void put_choice(struct buf *out, struct call *call, struct span prompt, int64_t index)
{
	buf_text(out, index ? "," : "");
	buf_text(out,
		"{\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":"
		"[{\"image\":\"");
	image_url(out, call, image_id(call, prompt, index));
	buf_text(out, "\",\"type\":\"image\"}]}}");
}

static void put_message_usage(struct buf *out, int64_t n)
{
	buf_fmt(out,
		"\"usage\":{\"image_count\":%lld,\"size\":\"1280*1280\",\"input_tokens\":0,"
		"\"output_tokens\":0,\"total_tokens\":0}",
		(long long)n);
}

static void t2i_sync(struct call *call)
{
	struct buf *out = &call->answer->body;
	struct span prompt = message_text(call->param[P_input]);
	int64_t n;

	if (header_is(call, "x-dashscope-async")) {
		vendor_error(call, 403, "AccessDenied",
			"current user api does not support asynchronous calls.");
		return;
	}
	if (!picture_asked(call, prompt, &n))
		return;
	call->sim->stats.images++;
	buf_text(out, "{\"output\":{\"finished\":true,\"choices\":[");
	for (int64_t i = 0; i < n; i++)
		put_choice(out, call, prompt, i);
	buf_text(out, "]},");
	put_message_usage(out, n);
	buf_byte(out, ',');
	put_request_id(out, call);
	buf_text(out, "}\n");
}

// ---- tasks ----

static const char *const state_names[] = {"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED"};

static void put_results(struct buf *out, struct call *call, const struct task *task)
{
	struct span prompt = span_of(task->prompt);

	buf_text(out, task->messages ? ",\"finished\":true,\"choices\":[" : ",\"results\":[");
	for (int64_t i = 0; i < task->n; i++) {
		if (task->messages) {
			put_choice(out, call, prompt, i);
			continue;
		}
		buf_text(out, i ? "," : "");
		if (task->partial && i == task->n - 1) {
			buf_text(out,
				"{\"code\":\"InternalError.Timeout\","
				"\"message\":\"Simulated failure of one picture\"}");
			continue;
		}
		buf_text(out, "{\"orig_prompt\":\"");
		buf_span(out, prompt);
		buf_text(out, "\",\"actual_prompt\":\"simulated: ");
		buf_span(out, prompt);
		buf_text(out, "\",\"url\":\"");
		image_url(out, call, image_id(call, prompt, i));
		buf_text(out, "\"}");
	}
	buf_byte(out, ']');
}

static void put_task(struct call *call, const struct task *task)
{
	struct buf *out = &call->answer->body;
	bool done = task->state >= TASK_SUCCEEDED, good = task->state == TASK_SUCCEEDED;
	long long n = (long long)task->n, made = good ? n - task->partial : 0;

	buf_byte(out, '{');
	put_request_id(out, call);
	buf_fmt(out,
		",\"output\":{\"task_id\":\"%s\",\"task_status\":\"%s\","
		"\"submit_time\":\"2026-11-20 10:00:00.100\","
		"\"scheduled_time\":\"2026-11-20 10:00:00.150\"",
		task->id, state_names[task->state]);
	if (done)
		buf_text(out, ",\"end_time\":\"2026-11-20 10:00:29.300\"");
	if (good)
		put_results(out, call, task);
	if (task->state == TASK_FAILED)
		buf_text(out,
			",\"code\":\"DataInspectionFailed\","
			"\"message\":\"Simulated: input data may contain inappropriate content.\"");
	buf_fmt(out, ",\"task_metrics\":{\"TOTAL\":%lld,\"SUCCEEDED\":%lld,\"FAILED\":%lld}}", n,
		made, done ? n - made : 0);
	if (good && task->messages) {
		buf_byte(out, ',');
		put_message_usage(out, n);
	} else if (good) {
		buf_fmt(out, ",\"usage\":{\"image_count\":%lld}", made);
	}
	buf_text(out, "}\n");
}

static void task_unknown(struct call *call, struct span id)
{
	struct buf *out = &call->answer->body;

	buf_byte(out, '{');
	put_request_id(out, call);
	buf_text(out, ",\"output\":{\"task_id\":");
	buf_json(out, id);
	buf_text(out, ",\"task_status\":\"UNKNOWN\"}}\n");
}

static struct span id_in_path(const struct call *call)
{
	size_t prefix = strlen("/api/v1/tasks/");
	struct span id = {call->path.at + prefix, call->path.len - prefix};
	const char *slash = memchr(id.at, '/', id.len);

	if (slash)
		id.len = (size_t)(slash - id.at);
	return id;
}

static void task_get(struct call *call)
{
	struct task *task = task_find(call, id_in_path(call));

	if (!task) {
		task_unknown(call, id_in_path(call));
		return;
	}
	task_poll(task);
	put_task(call, task);
}

static void task_cancel(struct call *call)
{
	struct task *task = task_find(call, id_in_path(call));

	if (!task || task->state != TASK_PENDING) {
		vendor_error(call, 400, "UnsupportedOperation",
			"Failed to cancel the task: it is not PENDING. (simulated)");
		return;
	}
	task->state = TASK_CANCELED;
	buf_byte(&call->answer->body, '{');
	put_request_id(&call->answer->body, call);
	buf_text(&call->answer->body, "}\n");
}

// ---- native text ----

struct native_answer {
	struct call *call;
	const struct reply *reply;
	bool incremental;
};

static void put_native(const struct native_answer *native, struct span content, size_t tokens,
	const char *finish)
{
	struct buf *out = &native->call->answer->body;
	long long input = native->reply->prompt_tokens, output = (long long)tokens;

	const char *tool = native->call->fault.tool_call;
	bool last = strcmp(finish, "null") != 0;

	buf_text(out, "{\"output\":{\"choices\":[{\"message\":{\"content\":\"");
	buf_span(out, content);
	buf_byte(out, '"');
	if (*tool && last)
		buf_fmt(out,
			",\"tool_calls\":[{\"index\":0,\"id\":\"call_sim\",\"type\":\"function\","
			"\"function\":{\"name\":\"%s\",\"arguments\":"
			"\"{\\\"city\\\":\\\"Paris\\\"}\"}}]",
			tool);
	if (native->call->fault.thinking >= 0 && (!native->call->stream || (tokens == 1 && !last)))
		buf_text(out, ",\"reasoning_content\":\"well, simulated\"");
	buf_fmt(out,
		",\"role\":\"assistant\"},\"finish_reason\":\"%s\"}]},\"usage\":{"
		"\"total_tokens\":%lld,\"output_tokens\":%lld,\"input_tokens\":%lld,"
		"\"prompt_tokens_details\":{\"cached_tokens\":0}},",
		*tool && last ? "tool_calls" : finish, input + output, output, input);
	put_request_id(out, native->call);
	buf_byte(out, '}');
}

static void native_event(const struct native_answer *native, struct span content, size_t tokens,
	const char *finish, size_t id)
{
	struct buf *out = &native->call->answer->body;

	buf_fmt(out, "id:%zu\nevent:result\n:HTTP_STATUS/200\ndata:", id);
	put_native(native, content, tokens, finish);
	buf_text(out, "\n\n");
	answer_event(native->call->answer);
}

static void native_stream(const struct native_answer *native)
{
	struct answer *answer = native->call->answer;
	const struct reply *reply = native->reply;

	answer->stream = true;
	answer->content_type = "text/event-stream;charset=UTF-8";
	answer->error_event =
		"id:9\nevent:error\n:HTTP_STATUS/500\ndata:{\"code\":\"InternalError\","
		"\"message\":\"Simulated failure in the stream\",\"request_id\":\"simulated\"}\n\n";
	for (size_t i = 0; i < reply->token_n; i++) {
		struct span whole = {reply->text.data, reply->token_end[i]};
		native_event(native, native->incremental ? reply_token(reply, i) : whole, i + 1,
			"null", i + 1);
	}
	native_event(native, native->incremental ? SPAN("") : buf_view(&reply->text),
		reply->token_n, reply->cut ? "length" : "stop", reply->token_n + 1);
	answer->tail_n = 1;
}

static void native_chat(struct call *call)
{
	struct span parameters = call->param[P_parameters], input = call->param[P_input];
	struct span messages = json_find(input, "messages");
	struct native_answer native = {.call = call,
		.incremental = json_true(json_find(parameters, "incremental_output"))};

	if (call_text(call, P_model).len == 0 || input.len == 0) {
		vendor_error(call, 400, NULL, "Required body invalid (simulated)");
		return;
	}
	native.reply = reply_make(call,
		messages.len ? reply_question(messages) : json_raw(json_find(input, "prompt")),
		input.len, json_int(json_find(parameters, "max_tokens"), 0));
	call->stream = call->fault.json_instead_of_sse < 0 && header_is(call, "x-dashscope-sse");
	if (call->stream)
		native_stream(&native);
	else
		put_native(&native, buf_view(&native.reply->text), native.reply->token_n,
			native.reply->cut ? "length" : "stop");
}

static void native_embeddings(struct call *call)
{
	struct span texts = json_find(call->param[P_input], "texts"), text;
	int64_t dims = json_int(json_find(call->param[P_parameters], "dimension"), 1024);
	struct buf *out = &call->answer->body;
	float vector[VECTOR_MAX];
	struct json_iter iter;
	size_t n = 0;

	if (!json_open(&iter, texts) || dims < 1 || dims > VECTOR_MAX) {
		vendor_error(call, 400, NULL, "Required body invalid (simulated)");
		return;
	}
	buf_text(out, "{\"output\":{\"embeddings\":[");
	for (; json_item(&iter, &text); n++) {
		vector_make(text, call->sim->seed, vector, (size_t)dims);
		buf_fmt(out, "%s{\"text_index\":%zu,\"embedding\":", n ? "," : "", n);
		vector_json(out, vector, (size_t)dims);
		buf_byte(out, '}');
	}
	if (n == 0 || n > TEXT_MAX) {
		vendor_error(call, 400, NULL, "batch size is invalid (simulated)");
		return;
	}
	buf_fmt(out, "]},\"usage\":{\"total_tokens\":%zu},", (texts.len + 3) / 4);
	put_request_id(out, call);
	buf_text(out, "}\n");
}

static void compatible_models(struct call *call)
{
	buf_text(&call->answer->body,
		"{\"object\":\"list\",\"data\":[{\"id\":\"qwen-plus\","
		"\"object\":\"model\",\"created\":1686935002,\"owned_by\":\"system\"},"
		"{\"id\":\"qwen3.7-plus\",\"object\":\"model\",\"created\":1686935002,"
		"\"owned_by\":\"system\"}]}\n");
}

// What the vendor refuses: top_p of 1, calls that do not stream of models that only do or that
// think unless told not to.
static bool thinks_aloud(const struct call *call)
{
	struct span model = call_text(call, P_model);
	struct span wish = json_find(call->request->body, "enable_thinking");

	if (span_starts(model, "qwq") || json_true(wish))
		return true;
	return span_starts(model, "qwen3-") && !span_is(wish, "false");
}

static void compatible_chat(struct call *call)
{
	struct span top_p = json_find(call->request->body, "top_p");

	if (!call->stream && thinks_aloud(call)) {
		vendor_error(call, 400, "invalid_parameter_error",
			"This model only support stream mode, please enable the stream parameter. "
			"(simulated)");
		return;
	}
	if (span_is(top_p, "1") || span_is(top_p, "1.0"))
		vendor_error(call, 400, NULL, "Range of top_p should be (0.0, 1.0) (simulated)");
	else
		openai_chat(call);
}

#define SERVICES "/api/v1/services/"

static const struct vendor_route dashscope_routes[] = {
	{"POST", "/compatible-mode/v1/chat/completions", compatible_chat, false},
	{"POST", "/compatible-mode/v1/completions", openai_completions, false},
	{"POST", "/compatible-mode/v1/embeddings", openai_embeddings, false},
	{"POST", "/compatible-mode/v1/responses", openai_responses, false},
	{"GET", "/compatible-mode/v1/models", compatible_models, false},
	{"POST", SERVICES "aigc/text2image/image-synthesis", t2i_legacy, false},
	{"POST", SERVICES "aigc/image-generation/generation", t2i_messages, false},
	{"POST", SERVICES "aigc/multimodal-generation/generation", t2i_sync, false},
	{"POST", SERVICES "aigc/text-generation/generation", native_chat, false},
	{"POST", SERVICES "embeddings/text-embedding/text-embedding", native_embeddings, false},
	{"GET", "/api/v1/tasks/*", task_get, false},
	{"POST", "/api/v1/tasks/*", task_cancel, false},
	{0},
};

const struct vendor_sim vendor_dashscope = {.name = "dashscope",
	.title = "Alibaba DashScope: wanx, qwen",
	.auth = SIM_AUTH_BEARER,
	.routes = dashscope_routes,
	.error = dashscope_error};
