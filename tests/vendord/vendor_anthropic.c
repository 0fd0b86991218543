// SPDX-License-Identifier: MIT
// Anthropic's Messages.
#include "tests/vendord/reply.h"
#include "tests/vendord/vendor.h"

static const char *type_of(int status)
{
	static const struct {
		int status;
		const char *type;
	} rows[] = {{401, "authentication_error"}, {402, "billing_error"},
		{403, "permission_error"}, {404, "not_found_error"}, {413, "request_too_large"},
		{429, "rate_limit_error"}, {504, "timeout_error"}, {529, "overloaded_error"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].status == status)
			return rows[i].type;
	return status >= 500 ? "api_error" : "invalid_request_error";
}

static void anthropic_error(struct call *call, int status, const char *code, const char *message)
{
	(void)code; // this vendor has types only
	buf_fmt(&call->answer->body,
		"{\"type\":\"error\",\"error\":{\"type\":\"%s\","
		"\"message\":\"%s\"},\"request_id\":\"req_sim_%016llx\"}\n",
		type_of(status), message, (unsigned long long)call->serial);
}

static void anthropic_fields(struct call *call)
{
	struct answer *answer = call->answer;

	answer_field(answer, "request-id", "req_sim_%016llx", (unsigned long long)call->serial);
	answer_field(answer, "anthropic-ratelimit-requests-limit", "1000");
	answer_field(answer, "anthropic-ratelimit-requests-remaining", "999");
	answer_field(answer, "anthropic-ratelimit-requests-reset", "2026-11-24T00:00:00Z");
	answer_field(answer, "anthropic-ratelimit-tokens-limit", "80000");
	answer_field(answer, "anthropic-ratelimit-tokens-remaining", "79000");
	answer_field(answer, "anthropic-ratelimit-tokens-reset", "2026-11-24T00:00:00Z");
}

static const char *stop_of(const struct call *call, const struct reply *reply)
{
	if (*call->fault.tool_call)
		return "tool_use";
	return reply->cut ? "max_tokens" : "end_turn";
}

// Up to and with "usage":{…; the caller closes both braces.
static void put_start(struct buf *out, const struct call *call, const struct reply *reply,
	bool whole)
{
	buf_fmt(out,
		"{\"id\":\"msg_sim_%08llx\",\"type\":\"message\",\"role\":\"assistant\","
		"\"model\":\"",
		(unsigned long long)call->serial);
	buf_span(out, call_model(call, "simulated"));
	buf_text(out, "\",\"content\":[");
	if (whole) {
		if (call->fault.thinking >= 0)
			buf_text(out,
				"{\"type\":\"thinking\",\"thinking\":\"well, simulated\","
				"\"signature\":\"c2lt\"},");
		buf_text(out, "{\"type\":\"text\",\"text\":\"");
		buf_span(out, buf_view(&reply->text));
		buf_text(out, "\"}");
		if (*call->fault.tool_call)
			buf_fmt(out,
				",{\"type\":\"tool_use\",\"id\":\"toolu_sim\",\"name\":\"%s\","
				"\"input\":{\"city\":\"Paris\"}}",
				call->fault.tool_call);
	}
	if (whole)
		buf_fmt(out, "],\"stop_reason\":\"%s\"", stop_of(call, reply));
	else
		buf_text(out, "],\"stop_reason\":null");
	buf_fmt(out,
		",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%lld,"
		"\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":%zu",
		(long long)reply->prompt_tokens, whole ? reply->token_n : 1);
}

static void start_event(struct buf *out, const char *type)
{
	buf_fmt(out, "event: %s\ndata: {\"type\":\"%s\"", type, type);
}

static void end_event(struct answer *answer)
{
	buf_text(&answer->body, "}\n\n");
	answer_event(answer);
}

static void put_block(struct answer *answer, int index, const char *block)
{
	start_event(&answer->body, "content_block_start");
	buf_fmt(&answer->body, ",\"index\":%d,\"content_block\":%s", index, block);
	end_event(answer);
}

static void put_delta(struct answer *answer, int index, const char *delta)
{
	start_event(&answer->body, "content_block_delta");
	buf_fmt(&answer->body, ",\"index\":%d,\"delta\":%s", index, delta);
	end_event(answer);
}

static void put_stop(struct answer *answer, int index)
{
	start_event(&answer->body, "content_block_stop");
	buf_fmt(&answer->body, ",\"index\":%d", index);
	end_event(answer);
}

static void put_stream(struct call *call, const struct reply *reply)
{
	struct answer *answer = call->answer;
	struct buf *out = &answer->body;
	int index = 0;

	answer->stream = true;
	answer->content_type = "text/event-stream; charset=utf-8";
	answer->error_event = "event: error\ndata: {\"type\":\"error\",\"error\":{"
			      "\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
	start_event(out, "message_start");
	buf_text(out, ",\"message\":");
	put_start(out, call, reply, false);
	buf_text(out, "}}");
	end_event(answer);
	if (call->fault.thinking >= 0) {
		put_block(answer, index,
			"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
		put_delta(answer, index, "{\"type\":\"thinking_delta\",\"thinking\":\"well, \"}");
		put_delta(answer, index,
			"{\"type\":\"thinking_delta\",\"thinking\":\"simulated\"}");
		put_delta(answer, index, "{\"type\":\"signature_delta\",\"signature\":\"c2lt\"}");
		put_stop(answer, index++);
	}
	put_block(answer, index, "{\"type\":\"text\",\"text\":\"\"}");
	start_event(out, "ping");
	end_event(answer);
	for (size_t i = 0; i < reply->token_n; i++) {
		start_event(out, "content_block_delta");
		buf_fmt(out, ",\"index\":%d,\"delta\":{\"type\":\"text_delta\",\"text\":\"", index);
		buf_span(out, reply_token(reply, i));
		buf_text(out, "\"}");
		end_event(answer);
	}
	put_stop(answer, index++);
	if (*call->fault.tool_call) {
		struct buf block = {0};
		buf_fmt(&block,
			"{\"type\":\"tool_use\",\"id\":\"toolu_sim\",\"name\":\"%s\",\"input\":{}}",
			call->fault.tool_call);
		buf_byte(&block, '\0');
		put_block(answer, index, block.data);
		buf_release(&block);
		put_delta(answer, index, "{\"type\":\"input_json_delta\",\"partial_json\":\"\"}");
		put_delta(answer, index,
			"{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\":\"}");
		put_delta(answer, index,
			"{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"Paris\\\"}\"}");
		put_stop(answer, index++);
	}
	start_event(out, "message_delta");
	buf_fmt(out,
		",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},"
		"\"usage\":{\"output_tokens\":%zu}",
		stop_of(call, reply), reply->token_n);
	end_event(answer);
	start_event(out, "message_stop");
	end_event(answer);
	answer->tail_n = 3;
}

// False when it was refused.
static bool messages_asked(struct call *call)
{
	struct span messages = call->param[P_messages];

	if (http_field(call->request, "anthropic-version").len == 0)
		vendor_error(call, 400, NULL, "anthropic-version: header is required (simulated)");
	else if (call_text(call, P_model).len == 0 || messages.len < 3 || messages.at[0] != '[')
		vendor_error(call, 400, NULL, "model, messages: Field required (simulated)");
	else
		return true;
	return false;
}

static void messages_post(struct call *call)
{
	int64_t limit = call_int(call, P_max_tokens, 0);
	const struct reply *reply;

	if (!messages_asked(call))
		return;
	if (limit < 1) {
		vendor_error(call, 400, NULL, "max_tokens: Field required (simulated)");
		return;
	}
	reply = reply_make(call, reply_question(call->param[P_messages]),
		call->param[P_messages].len, limit);
	if (call->stream) {
		put_stream(call, reply);
		return;
	}
	put_start(&call->answer->body, call, reply, true);
	buf_text(&call->answer->body, "}}\n");
}

static void count_post(struct call *call)
{
	if (messages_asked(call))
		buf_fmt(&call->answer->body, "{\"input_tokens\":%zu}\n",
			(call->param[P_messages].len + 3) / 4);
}

static void models_get(struct call *call)
{
	buf_text(&call->answer->body,
		"{\"data\":[{\"type\":\"model\",\"id\":\"claude-haiku-4-5\","
		"\"display_name\":\"Simulated\",\"created_at\":\"2026-01-01T00:00:00Z\"}],"
		"\"has_more\":false,\"first_id\":\"claude-haiku-4-5\","
		"\"last_id\":\"claude-haiku-4-5\"}\n");
}

static const struct vendor_route anthropic_routes[] = {
	{"POST", "/v1/messages", messages_post, false},
	{"POST", "/v1/messages/count_tokens", count_post, false},
	{"GET", "/v1/models", models_get, false},
	{0},
};

const struct vendor_sim vendor_anthropic = {.name = "anthropic",
	.title = "Anthropic messages",
	.auth = SIM_AUTH_X_API_KEY,
	.routes = anthropic_routes,
	.error = anthropic_error,
	.fields = anthropic_fields};
