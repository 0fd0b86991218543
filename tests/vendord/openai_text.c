// SPDX-License-Identifier: MIT
// Chat, completions and responses.
#include "tests/vendord/openai.h"
#include "tests/vendord/reply.h"

#include <time.h>

#define CHOICE_MAX 16

struct text_answer {
	struct call *call;
	const struct reply *reply;
	struct span model;
	int64_t n, created;
	bool chat, usage_asked;
};

static int64_t limit_asked(const struct call *call)
{
	int64_t limit = call_int(call, P_max_completion_tokens, 0);
	return limit > 0 ? limit : call_int(call, P_max_tokens, 0);
}

static bool usage_asked(const struct call *call)
{
	return json_true(json_find(call->param[P_stream_options], "include_usage"));
}

static void put_usage(struct buf *out, const struct text_answer *text)
{
	long long prompt = text->reply->prompt_tokens;
	long long done = (long long)text->reply->token_n * text->n;
	if (text->call->fault.uncounted >= 0)
		prompt = done = 0;
	buf_fmt(out,
		"\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,"
		"\"total_tokens\":%lld",
		prompt, done, prompt + done);
	// An answer of so many bytes may have to be a small one.
	if (text->call->fault.bytes < 0)
		buf_text(out,
			",\"prompt_tokens_details\":{\"cached_tokens\":0,"
			"\"audio_tokens\":0},\"completion_tokens_details\":{"
			"\"reasoning_tokens\":0,\"audio_tokens\":0,"
			"\"accepted_prediction_tokens\":0,"
			"\"rejected_prediction_tokens\":0}");
	buf_byte(out, '}');
}

static void put_start(struct buf *out, const struct text_answer *text, const char *object)
{
	buf_fmt(out, "{\"id\":\"%s-sim-%08llx\",\"object\":\"%s\",\"created\":%lld,\"model\":\"",
		text->chat ? "chatcmpl" : "cmpl", (unsigned long long)text->call->serial, object,
		(long long)text->created);
	buf_span(out, text->model);
	buf_span(out, SPAN("\",\"system_fingerprint\":\"fp_simulated\","));
}

static const char *tool_of(const struct text_answer *text)
{
	const char *name = text->call->fault.tool_call;
	return text->chat && *name ? name : NULL;
}

static const char *finish_of(const struct text_answer *text)
{
	if (tool_of(text) != NULL)
		return "tool_calls";
	return text->reply->cut ? "length" : "stop";
}

static void put_document(const struct text_answer *text)
{
	struct buf *out = &text->call->answer->body;
	size_t pad_at = 0;
	put_start(out, text, text->chat ? "chat.completion" : "text_completion");
	buf_text(out, "\"choices\":[");
	for (int64_t i = 0; i < text->n; i++) {
		buf_fmt(out, "%s{\"index\":%lld,", i ? "," : "", (long long)i);
		buf_text(out, text->chat ? "\"message\":{\"role\":\"assistant\"," : "");
		if (text->chat && text->call->fault.thinking >= 0)
			buf_text(out, "\"reasoning_content\":\"well, simulated\",");
		if (tool_of(text) != NULL)
			buf_fmt(out,
				"\"tool_calls\":[{\"id\":\"call_sim\",\"type\":\"function\","
				"\"function\":{\"name\":\"%s\",\"arguments\":"
				"\"{\\\"city\\\":\\\"Paris\\\"}\"}}],",
				tool_of(text));
		buf_text(out, text->chat ? "\"content\":\"" : "\"text\":\"");
		buf_span(out, buf_view(&text->reply->text));
		pad_at = out->len;
		buf_text(out, text->chat ? "\",\"refusal\":null,\"annotations\":[]}" : "\"");
		buf_fmt(out, ",\"logprobs\":null,\"finish_reason\":\"%s\"}", finish_of(text));
	}
	buf_text(out, "],");
	put_usage(out, text);
	buf_text(out, text->chat ? ",\"service_tier\":\"default\"}\n" : "}\n");
	// Pads the document to the size asked for, inside the first choice's text.
	static const char filler[] =
		"................................................................";
	while (text->call->fault.bytes > 0 && out->len < (size_t)text->call->fault.bytes) {
		size_t more = (size_t)text->call->fault.bytes - out->len;
		buf_insert(out, pad_at,
			(struct span){filler, more < sizeof filler - 1 ? more : sizeof filler - 1});
	}
}

// One event with one choice; `delta` is raw JSON of the delta, or of the text member.
static void put_chunk(const struct text_answer *text, int64_t index, struct span delta,
	const char *finish)
{
	struct buf *out = &text->call->answer->body;
	buf_span(out, SPAN("data: "));
	put_start(out, text, text->chat ? "chat.completion.chunk" : "text_completion");
	buf_span(out, SPAN("\"choices\":[{\"index\":"));
	buf_uint(out, (uint64_t)index);
	buf_text(out, text->chat ? ",\"delta\":{" : ",");
	buf_span(out, delta);
	buf_text(out,
		text->chat ? "},\"logprobs\":null,\"finish_reason\":"
			   : ",\"logprobs\":null,\"finish_reason\":");
	if (finish != NULL)
		buf_fmt(out, "\"%s\"", finish);
	else
		buf_span(out, SPAN("null"));
	buf_span(out, SPAN("}]"));
	if (text->usage_asked)
		buf_span(out, SPAN(",\"usage\":null"));
	buf_span(out, SPAN("}\n\n"));
	answer_event(text->call->answer);
}

static void put_tool(const struct text_answer *text)
{
	struct buf delta = {0};
	buf_fmt(&delta,
		"\"tool_calls\":[{\"index\":0,\"id\":\"call_sim\",\"type\":\"function\","
		"\"function\":{\"name\":\"%s\",\"arguments\":\"\"}}]",
		tool_of(text));
	put_chunk(text, 0, buf_view(&delta), NULL);
	put_chunk(text, 0,
		SPAN("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
		     "\"{\\\"city\\\":\"}}]"),
		NULL);
	put_chunk(text, 0,
		SPAN("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
		     "\"\\\"Paris\\\"}\"}}]"),
		NULL);
	buf_release(&delta);
}

static void put_stream(const struct text_answer *text)
{
	struct answer *answer = text->call->answer;
	answer->stream = answer->done_mark = true;
	answer->content_type = "text/event-stream; charset=utf-8";
	answer_field(answer, "cache-control", "no-cache");
	for (int64_t i = 0; text->chat && i < text->n; i++)
		put_chunk(text, i, SPAN("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null"),
			NULL);
	if (text->chat && text->call->fault.thinking >= 0) {
		put_chunk(text, 0, SPAN("\"reasoning_content\":\"well, \""), NULL);
		put_chunk(text, 0, SPAN("\"reasoning_content\":\"simulated\""), NULL);
	}
	struct buf delta = {0};
	for (size_t t = 0; t < text->reply->token_n; t++) {
		delta.len = 0;
		buf_text(&delta, text->chat ? "\"content\":\"" : "\"text\":\"");
		buf_span(&delta, reply_token(text->reply, t));
		buf_byte(&delta, '"');
		for (int64_t i = 0; i < text->n; i++)
			put_chunk(text, i, buf_view(&delta), NULL);
	}
	buf_release(&delta);
	if (tool_of(text) != NULL)
		put_tool(text);
	size_t content_n = answer->event_n;
	for (int64_t i = 0; i < text->n; i++)
		put_chunk(text, i, text->chat ? SPAN("") : SPAN("\"text\":\"\""), finish_of(text));
	if (text->usage_asked) {
		buf_text(&answer->body, "data: ");
		put_start(&answer->body, text,
			text->chat ? "chat.completion.chunk" : "text_completion");
		buf_text(&answer->body, "\"choices\":[],");
		put_usage(&answer->body, text);
		buf_text(&answer->body, "}\n\n");
		answer_event(answer);
	}
	buf_text(&answer->body, "data: [DONE]\n\n");
	answer_event(answer);
	answer->tail_n = answer->event_n - content_n;
}

static void text_serve(struct call *call, bool chat, struct span question, size_t prompt_bytes)
{
	struct text_answer text = {.call = call,
		.chat = chat,
		.created = time(NULL),
		.model = call_model(call, "simulated"),
		.n = call_int(call, P_n, 1),
		.usage_asked = usage_asked(call)};
	if (text.n < 1 || text.n > CHOICE_MAX) {
		vendor_error(call, 400, "invalid_value",
			"Invalid 'n': expected 1 to 16. (simulated)");
		return;
	}
	text.reply = reply_make(call, question, prompt_bytes, limit_asked(call));
	if (call->stream)
		put_stream(&text);
	else
		put_document(&text);
}

void openai_chat(struct call *call)
{
	struct span messages = call->param[P_messages];
	if (call_text(call, P_model).len == 0)
		vendor_error(call, 400, "missing_required_parameter",
			"you must provide a model parameter (simulated)");
	else if (messages.len < 3 || messages.at[0] != '[')
		vendor_error(call, 400, "missing_required_parameter",
			"Missing required parameter: 'messages'. (simulated)");
	else
		text_serve(call, true, reply_question(messages), messages.len);
}

void openai_completions(struct call *call)
{
	struct span prompt = call->param[P_prompt];
	if (call_text(call, P_model).len == 0)
		vendor_error(call, 400, "missing_required_parameter",
			"you must provide a model parameter (simulated)");
	else
		text_serve(call, false, json_raw(prompt), prompt.len);
}

// ---- responses ----

struct response {
	struct call *call;
	const struct reply *reply;
	unsigned sequence;
};

static const char tool_arguments[] = "{\\\"city\\\":\\\"Paris\\\"}";

static void put_message(const struct response *r, struct buf *out, bool whole)
{
	buf_fmt(out,
		"{\"type\":\"message\",\"id\":\"msg_sim_%08llx\",\"status\":\"%s\","
		"\"role\":\"assistant\",\"content\":[",
		(unsigned long long)r->call->serial, whole ? "completed" : "in_progress");
	if (whole) {
		buf_text(out, "{\"type\":\"output_text\",\"text\":\"");
		buf_span(out, buf_view(&r->reply->text));
		buf_text(out, "\",\"annotations\":[],\"logprobs\":[]}");
	}
	buf_text(out, "]}");
}

static void put_call(const struct response *r, struct buf *out, bool whole)
{
	buf_fmt(out,
		"{\"type\":\"function_call\",\"id\":\"fc_sim_%08llx\",\"status\":\"%s\","
		"\"call_id\":\"call_sim\",\"name\":\"%s\",\"arguments\":\"%s\"}",
		(unsigned long long)r->call->serial, whole ? "completed" : "in_progress",
		r->call->fault.tool_call, whole ? tool_arguments : "");
}

static void put_response(const struct response *r, struct buf *out, bool whole)
{
	long long prompt = r->reply->prompt_tokens, done = (long long)r->reply->token_n;
	buf_fmt(out,
		"{\"id\":\"resp_sim_%08llx\",\"object\":\"response\",\"created_at\":%lld,"
		"\"status\":\"%s\",\"error\":null,\"incomplete_details\":null,\"model\":\"",
		(unsigned long long)r->call->serial, (long long)time(NULL),
		whole ? "completed" : "in_progress");
	buf_span(out, call_model(r->call, "simulated"));
	buf_text(out, "\",\"output\":[");
	if (whole)
		put_message(r, out, true);
	if (whole && *r->call->fault.tool_call) {
		buf_byte(out, ',');
		put_call(r, out, true);
	}
	buf_text(out,
		"],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":");
	if (whole)
		buf_fmt(out,
			"{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":0},"
			"\"output_tokens\":%lld,\"output_tokens_details\":{\"reasoning_tokens\":0},"
			"\"total_tokens\":%lld}}",
			prompt, done, prompt + done);
	else
		buf_text(out, "null}");
}

// Every event is numbered; what follows the number is the caller's to write.
static struct buf *open_event(struct response *r, const char *type)
{
	struct buf *out = &r->call->answer->body;
	buf_fmt(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%u", type, type,
		r->sequence++);
	return out;
}

static void close_event(struct response *r)
{
	buf_text(&r->call->answer->body, "}\n\n");
	answer_event(r->call->answer);
}

static void response_event(struct response *r, const char *type, bool whole)
{
	struct buf *out = open_event(r, type);
	buf_text(out, ",\"response\":");
	put_response(r, out, whole);
	close_event(r);
}

static void item_event(struct response *r, const char *type, int index, bool whole)
{
	struct buf *out = open_event(r, type);
	buf_fmt(out, ",\"output_index\":%d,\"item\":", index);
	(index == 0 ? put_message : put_call)(r, out, whole);
	close_event(r);
}

// About the item, with one member of text behind.
static void text_event(struct response *r, const char *type, int index, const char *member,
	struct span text)
{
	struct buf *out = open_event(r, type);
	buf_fmt(out, ",\"item_id\":\"%s_sim_%08llx\",\"output_index\":%d%s,\"%s\":\"",
		index == 0 ? "msg" : "fc", (unsigned long long)r->call->serial, index,
		index == 0 ? ",\"content_index\":0,\"logprobs\":[]" : "", member);
	buf_span(out, text);
	buf_byte(out, '"');
	close_event(r);
}

static void part_event(struct response *r, const char *type, struct span text)
{
	struct buf *out = open_event(r, type);
	buf_fmt(out,
		",\"item_id\":\"msg_sim_%08llx\",\"output_index\":0,\"content_index\":0,"
		"\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"",
		(unsigned long long)r->call->serial);
	buf_span(out, text);
	buf_text(out, "\"}");
	close_event(r);
}

static void response_stream(struct response *r)
{
	struct answer *answer = r->call->answer;
	struct span text = buf_view(&r->reply->text);
	answer->stream = true;
	answer->content_type = "text/event-stream; charset=utf-8";
	response_event(r, "response.created", false);
	response_event(r, "response.in_progress", false);
	item_event(r, "response.output_item.added", 0, false);
	part_event(r, "response.content_part.added", SPAN(""));
	for (size_t i = 0; i < r->reply->token_n; i++)
		text_event(r, "response.output_text.delta", 0, "delta", reply_token(r->reply, i));
	text_event(r, "response.output_text.done", 0, "text", text);
	part_event(r, "response.content_part.done", text);
	item_event(r, "response.output_item.done", 0, true);
	if (*r->call->fault.tool_call) {
		static const char delta[] = "response.function_call_arguments.delta";
		item_event(r, "response.output_item.added", 1, false);
		text_event(r, delta, 1, "delta", SPAN("{\\\"city\\\":"));
		text_event(r, delta, 1, "delta", SPAN("\\\"Paris\\\"}"));
		text_event(r, "response.function_call_arguments.done", 1, "arguments",
			span_of(tool_arguments));
		item_event(r, "response.output_item.done", 1, true);
	}
	response_event(r, "response.completed", true);
	answer->tail_n = 1;
}

void openai_responses(struct call *call)
{
	struct span input = call->param[P_input];
	struct span question = json_is_string(input) ? json_raw(input) : reply_question(input);
	struct response r = {.call = call};
	if (input.len == 0) {
		vendor_error(call, 400, "missing_required_parameter",
			"Missing required parameter: 'input'. (simulated)");
		return;
	}
	r.reply = reply_make(call, question, input.len, call_int(call, P_max_output_tokens, 0));
	if (call->stream)
		response_stream(&r);
	else
		put_response(&r, &call->answer->body, true);
}
