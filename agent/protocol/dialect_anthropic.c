// SPDX-License-Identifier: MIT
// Anthropic's Messages told: a turn as content blocks, whole or event by event, and errors. Source:
// Anthropic's API reference, "Create a Message", "Streaming Messages", "Errors".
#include "agent/protocol/dialect.h"

#include <string.h>
#include "agent/protocol/dialect_anthropic_ask.h"
#include "agent/protocol/tools.h"

// ---- what both answers share ----

static const char *stop_reason(const struct turn *t)
{
	static const char *const rows[][2] = {{"length", "max_tokens"}, {"tool_calls", "tool_use"},
		{"function_call", "tool_use"}, {"content_filter", "refusal"}};
	if (t->stop.n > 0)
		return "stop_sequence";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(t->finish, rows[i][0]) == 0)
			return rows[i][1];
	return t->tools.n > 0 ? "tool_use" : "end_turn";
}

static void add_stop(const struct turn *t, struct str *out)
{
	aj_add_text(out, "stop_reason", stop_reason(t));
	if (t->stop.n > 0)
		aj_add_inner(out, "stop_sequence", str_slice(&t->stop));
	else
		aj_add(out, "stop_sequence", SLICE("null"));
}

// Cached tokens are a part of the prompt's at OpenAI and apart from them here.
static void add_usage(struct str *out, const struct turn *t)
{
	int64_t cached = MAX_OF(t->cached, 0);
	str_add_slice(out, SLICE("\"usage\":{\"input_tokens\":"));
	str_add_i64(out, MAX_OF(t->in - cached, 0));
	str_add_slice(out,
		SLICE(",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":"));
	str_add_i64(out, cached);
	str_add_slice(out, SLICE(",\"output_tokens\":"));
	str_add_i64(out, MAX_OF(t->out, 0));
	str_add_c(out, '}');
}

static void add_head(struct str *out, const struct turn *t)
{
	str_add_slice(out, SLICE("{\"id\":\"msg_"));
	if (t->id[0] != '\0')
		str_add(out, t->id);
	else
		str_addf(out, "%016llx", (unsigned long long)t->serial);
	str_add_slice(out, SLICE("\",\"type\":\"message\",\"role\":\"assistant\""));
	aj_add_inner(out, "model", slice_of(t->model));
}

static const char *type_of(const struct turn *t)
{
	return t->kind == TURN_THINKING ? "thinking" : t->kind == TURN_TOOL ? "tool_use" : "text";
}

// ---- the whole answer ----

static void whole_begin(struct turn *t UNUSED, struct str *out UNUSED)
{
}

static void whole_open(struct turn *t, struct str *out)
{
	if (t->kind == TURN_TOOL)
		return; // its input is an object, known at its end
	aj_comma(out);
	str_add_c(out, '{');
	aj_add_text(out, "type", type_of(t));
	aj_name(out, type_of(t));
	str_add_c(out, '"');
}

static void whole_piece(struct turn *t, struct slice inner, struct str *out)
{
	if (t->kind != TURN_TOOL)
		str_add_slice(out, inner);
}

static void whole_close(struct turn *t, struct str *out)
{
	if (t->kind == TURN_TOOL)
		tools_block(toolcalls_id(&t->tools, t->tool), turn_call_name(t),
			str_slice(&turn_call(t)->arguments), out);
	else
		str_add(out, t->kind == TURN_THINKING ? "\",\"signature\":\"\"}" : "\"}");
}

static const struct turn_words whole_words = {whole_begin, whole_open, whole_piece, whole_close};

static bool answer(struct turn *t, struct slice completion, struct str *out)
{
	struct str content = STR_INIT;
	str_add_c(&content, '[');
	bool fine = turn_whole(t, completion, &content);
	if (fine) {
		turn_end(t, &content);
		str_add_c(&content, ']');
		add_head(out, t);
		aj_add(out, "content", str_slice(&content));
		add_stop(t, out);
		str_add_c(out, ',');
		add_usage(out, t);
		str_add_c(out, '}');
	}
	str_release(&content);
	return fine;
}

// ---- the answer event by event ----

#define EVENT(type) SLICE("event: " type "\ndata: {\"type\":\"" type "\"")

static void add_index(const struct turn *t, struct str *out)
{
	str_add_slice(out, SLICE(",\"index\":"));
	str_add_i64(out, t->block);
}

static void stream_begin(struct turn *t, struct str *out)
{
	str_add_slice(out, EVENT("message_start"));
	str_add_slice(out, SLICE(",\"message\":"));
	add_head(out, t);
	str_add_slice(out, SLICE(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"));
	add_usage(out, t);
	str_add_slice(out, SLICE("}}\n\n"));
}

static void stream_open(struct turn *t, struct str *out)
{
	str_add_slice(out, EVENT("content_block_start"));
	add_index(t, out);
	str_add_slice(out, SLICE(",\"content_block\":{"));
	aj_add_text(out, "type", type_of(t));
	if (t->kind == TURN_TOOL) {
		aj_add_inner(out, "id", toolcalls_id(&t->tools, t->tool));
		aj_add_inner(out, "name", turn_call_name(t));
		aj_add(out, "input", SLICE("{}"));
	} else {
		aj_add(out, type_of(t), SLICE("\"\""));
		if (t->kind == TURN_THINKING)
			aj_add(out, "signature", SLICE("\"\""));
	}
	str_add_slice(out, SLICE("}}\n\n"));
}

static void stream_piece(struct turn *t, struct slice inner, struct str *out)
{
	static const char *const rows[][2] = {[TURN_THINKING] = {"thinking_delta", "thinking"},
		[TURN_TEXT] = {"text_delta", "text"},
		[TURN_REFUSAL] = {"text_delta", "text"},
		[TURN_TOOL] = {"input_json_delta", "partial_json"}};
	str_add_slice(out, EVENT("content_block_delta"));
	add_index(t, out);
	str_add_slice(out, SLICE(",\"delta\":{"));
	aj_add_text(out, "type", rows[t->kind][0]);
	aj_add_inner(out, rows[t->kind][1], inner);
	str_add_slice(out, SLICE("}}\n\n"));
}

static void stream_close(struct turn *t, struct str *out)
{
	str_add_slice(out, EVENT("content_block_stop"));
	add_index(t, out);
	str_add_slice(out, SLICE("}\n\n"));
}

static const struct turn_words stream_words = {
	stream_begin, stream_open, stream_piece, stream_close};

static void end(struct turn *t, const struct adapter_call *asked UNUSED, struct str *out)
{
	if (t == NULL)
		return;
	turn_end(t, out);
	str_add_slice(out, EVENT("message_delta"));
	str_add_slice(out, SLICE(",\"delta\":{"));
	add_stop(t, out);
	str_add_slice(out, SLICE("},"));
	add_usage(out, t);
	str_add_slice(out, SLICE("}\n\n"));
	str_add_slice(out, EVENT("message_stop"));
	str_add_slice(out, SLICE("}\n\n"));
}

static void ping(struct str *out)
{
	str_add_slice(out, EVENT("ping"));
	str_add_slice(out, SLICE("}\n\n"));
}

// ---- errors ----

// A field that is wrong is a bad request here; 422 is none of its statuses.
static int status(int status)
{
	return status == 422 ? 400 : status;
}

static const char *error_type(int status)
{
	static const struct {
		int status;
		const char *type;
	} rows[] = {{401, "authentication_error"}, {402, "billing_error"},
		{403, "permission_error"}, {404, "not_found_error"}, {413, "request_too_large"},
		{429, "rate_limit_error"}, {503, "overloaded_error"}, {504, "timeout_error"},
		{529, "overloaded_error"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].status == status)
			return rows[i].type;
	}
	return status >= 500 ? "api_error" : "invalid_request_error";
}

static void error(const struct dialect_error *e, struct str *out)
{
	str_add_slice(out, SLICE("{\"type\":\"error\",\"error\":{"));
	aj_add_text(out, "type", error_type(e->status));
	aj_add_text(out, "message", e->message);
	if (e->code != NULL)
		aj_add_text(out, "code", e->code);
	if (e->param != NULL)
		aj_add_text(out, "param", e->param);
	str_add_c(out, '}');
	if (e->request_id != NULL)
		aj_add_text(out, "request_id", e->request_id);
	str_add_c(out, '}');
}

static void broken(struct turn *t UNUSED, const struct dialect_error *e, int64_t sequence UNUSED,
	struct str *out)
{
	str_add_slice(out, SLICE("event: error\ndata: "));
	error(e, out);
	str_add_slice(out, SLICE("\n\n"));
}

const struct dialect_row dialect_anthropic = {.dialect = DIALECT_ANTHROPIC,
	.read = messages_read,
	.chat = messages_to_chat,
	.words = &stream_words,
	.whole_words = &whole_words,
	.answer = answer,
	.end = end,
	.broken = broken,
	.ping = ping,
	.error = error,
	.status = status};
