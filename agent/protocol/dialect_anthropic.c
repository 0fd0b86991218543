// SPDX-License-Identifier: MIT
// A request goes into chat's words as a whole, and answers come back block by block: a chat's delta
// says nothing of where a block begins or ends, so the stream remembers which one is open.
#include "agent/protocol/dialect_anthropic.h"

#include <string.h>
#include "agent/protocol/tools.h"
#include "shared/text.h"

// ---- the request ----

enum err_code messages_read(struct slice body, struct adapter_call *ret, struct err *err)
{
	enum err_code code = adapter_read(body, OFFER_CHAT, true, ret, err);
	if (code != ERR_OK)
		return code;
	ret->dialect = DIALECT_ANTHROPIC;
	const struct jscan_member *most = aj_call(ret, "max_tokens");
	if (most == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "max_tokens", NULL);
	int64_t n;
	if (most->type != JS_NUMBER || !jscan_int(most->value, &n))
		return err_field(err, ERR_FIELD_TYPE, "max_tokens", _("must be an integer"));
	if (n < 1)
		return err_field(err, ERR_FIELD_RANGE, "max_tokens", _("must be at least 1"));
	return ERR_OK;
}

static enum err_code no_word(const char *field, struct err *err)
{
	return err_field(err, ERR_FIELD_RANGE, field,
		_("the target of this feature takes text, images and function tools only"));
}

// Joins the text blocks of a list, or takes a string as it is, between quotes of the caller's.
static enum err_code add_texts(struct slice value, const char *field, struct str *out,
	struct err *err)
{
	struct slice rest = value;
	bool first = true;
	if (value.n > 0 && value.p[0] == '"') {
		str_add_slice(out, aj_inner(value));
		return ERR_OK;
	}
	struct slice item;
	struct aj block;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &block) || !aj_is(&block, "type", "text"))
			return no_word(field, err);
		if (!first)
			str_add_slice(out, SLICE("\\n\\n"));
		first = false;
		str_add_slice(out, aj_text(&block, "text"));
	}
	return ERR_OK;
}

static enum err_code add_system(const struct adapter_call *call, struct str *out, struct err *err)
{
	const struct jscan_member *system = aj_call(call, "system");
	if (system == NULL)
		return ERR_OK;
	if (system->type != JS_STRING && system->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "system", _("must be a string or a list"));
	str_add_slice(out, SLICE("{\"role\":\"system\",\"content\":\""));
	enum err_code code = add_texts(system->value, "system", out, err);
	str_add_slice(out, SLICE("\"}"));
	return code;
}

// {"type":"base64","media_type","data"} or {"type":"url","url"} as the URL OpenAI has for both.
static bool add_image(const struct aj *block, struct str *out)
{
	struct aj source;
	if (!aj_object(block, "source", &source))
		return false;
	aj_comma(out);
	str_add_slice(out, SLICE("{\"type\":\"image_url\",\"image_url\":{\"url\":\""));
	if (aj_is(&source, "type", "base64")) {
		str_add_slice(out, SLICE("data:"));
		str_add_slice(out, aj_text(&source, "media_type"));
		str_add_slice(out, SLICE(";base64,"));
		str_add_slice(out, aj_text(&source, "data"));
	} else if (aj_is(&source, "type", "url")) {
		str_add_slice(out, aj_text(&source, "url"));
	} else {
		return false;
	}
	str_add_slice(out, SLICE("\"}}"));
	return true;
}

static enum err_code add_tool_result(const struct aj *block, struct str *out, struct err *err)
{
	const struct jscan_member *content = aj_find(block, "content");
	enum err_code code = ERR_OK;
	aj_comma(out);
	str_add_slice(out, SLICE("{\"role\":\"tool\""));
	aj_add_inner(out, "tool_call_id", aj_text(block, "tool_use_id"));
	str_add_slice(out, SLICE(",\"content\":\""));
	if (content != NULL)
		code = add_texts(content->value, "messages", out, err);
	str_add_slice(out, SLICE("\"}"));
	return code;
}

// Results of tools are messages of their own and come first; the rest is the user's message.
static enum err_code add_user(struct slice blocks, struct str *out, struct err *err)
{
	struct str parts = STR_INIT;
	struct slice rest = blocks;
	enum err_code code = ERR_OK;
	str_add_c(&parts, '[');
	struct slice item;
	struct aj block;
	while (code == ERR_OK && jscan_next(&rest, &item)) {
		if (!aj_scan(item, &block)) {
			code = no_word("messages", err);
		} else if (aj_is(&block, "type", "tool_result")) {
			code = add_tool_result(&block, out, err);
		} else if (aj_is(&block, "type", "text")) {
			aj_comma(&parts);
			str_add_slice(&parts, SLICE("{\"type\":\"text\""));
			aj_add_inner(&parts, "text", aj_text(&block, "text"));
			str_add_c(&parts, '}');
		} else if (!aj_is(&block, "type", "image") || !add_image(&block, &parts)) {
			code = no_word("messages", err);
		}
	}
	if (code == ERR_OK && parts.n > 1) {
		aj_comma(out);
		str_add_slice(out, SLICE("{\"role\":\"user\",\"content\":"));
		str_add_slice(out, str_slice(&parts));
		str_add_slice(out, SLICE("]}"));
	}
	str_release(&parts);
	return code;
}

// Thinking of an earlier turn is the model's own; another model has no use for it.
static enum err_code add_assistant(struct slice blocks, struct str *out, struct err *err)
{
	struct str text = STR_INIT, tools = STR_INIT;
	struct slice rest = blocks;
	enum err_code code = ERR_OK;
	str_add_c(&tools, '[');
	struct slice item;
	struct aj block;
	while (code == ERR_OK && jscan_next(&rest, &item)) {
		if (!aj_scan(item, &block))
			code = no_word("messages", err);
		else if (aj_is(&block, "type", "text"))
			str_add_slice(&text, aj_text(&block, "text"));
		else if (aj_is(&block, "type", "tool_use"))
			tools_from_block(&block, &tools);
		else if (!aj_is(&block, "type", "thinking") &&
			!aj_is(&block, "type", "redacted_thinking"))
			code = no_word("messages", err);
	}
	aj_comma(out);
	str_add_slice(out, SLICE("{\"role\":\"assistant\""));
	if (text.n > 0 || tools.n == 1)
		aj_add_inner(out, "content", str_slice(&text));
	else
		aj_add(out, "content", SLICE("null"));
	if (tools.n > 1) {
		str_add_c(&tools, ']');
		aj_add(out, "tool_calls", str_slice(&tools));
	}
	str_add_c(out, '}');
	str_release(&text);
	str_release(&tools);
	return code;
}

static enum err_code add_message(struct slice item, struct str *out, struct err *err)
{
	struct aj message;
	if (!aj_scan(item, &message))
		return err_field(err, ERR_FIELD_TYPE, "messages", _("must be a list of objects"));
	bool assistant = aj_is(&message, "role", "assistant");
	const struct jscan_member *content = aj_find(&message, "content");
	if (!assistant && !aj_is(&message, "role", "user"))
		return err_field(err, ERR_FIELD_RANGE, "messages",
			_("the role of a message is user or assistant"));
	if (content == NULL || (content->type != JS_STRING && content->type != JS_ARRAY))
		return err_field(err, ERR_FIELD_TYPE, "messages",
			_("the content of a message is a string or a list"));
	if (content->type == JS_ARRAY)
		return assistant ? add_assistant(content->value, out, err)
				 : add_user(content->value, out, err);
	aj_comma(out);
	str_add_c(out, '{');
	aj_add_text(out, "role", assistant ? "assistant" : "user");
	aj_add(out, "content", content->value);
	str_add_c(out, '}');
	return ERR_OK;
}

static enum err_code add_messages(const struct adapter_call *call, struct str *out, struct err *err)
{
	const struct jscan_member *messages = aj_call(call, "messages");
	if (messages == NULL || messages->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "messages", _("must be a list"));
	str_add_slice(out, SLICE(",\"messages\":["));
	enum err_code code = add_system(call, out, err);
	for (struct slice rest = messages->value, item; code == ERR_OK && jscan_next(&rest, &item);)
		code = add_message(item, out, err);
	str_add_c(out, ']');
	return code;
}

static enum err_code add_tools(const struct adapter_call *call, struct str *out, struct err *err)
{
	const struct jscan_member *tools = aj_call(call, "tools");
	if (tools == NULL || tools->type != JS_ARRAY)
		return ERR_OK;
	struct slice rest = tools->value;
	str_add_slice(out, SLICE(",\"tools\":["));
	struct slice item;
	struct aj tool;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &tool) ||
			(aj_find(&tool, "type") != NULL && !aj_is(&tool, "type", "custom")))
			return no_word("tools", err);
		const struct jscan_member *schema = aj_typed(&tool, "input_schema", JS_OBJECT);
		aj_comma(out);
		str_add_slice(out, SLICE("{\"type\":\"function\",\"function\":{"));
		aj_add_inner(out, "name", aj_text(&tool, "name"));
		if (aj_typed(&tool, "description", JS_STRING) != NULL)
			aj_add_inner(out, "description", aj_text(&tool, "description"));
		if (schema != NULL)
			aj_add(out, "parameters", schema->value);
		str_add_slice(out, SLICE("}}"));
	}
	str_add_c(out, ']');
	return ERR_OK;
}

static void add_tool_choice(const struct adapter_call *call, struct str *out)
{
	const struct jscan_member *m = aj_call(call, "tool_choice");
	struct aj choice;
	if (m == NULL || !aj_scan(m->value, &choice))
		return;
	if (aj_is(&choice, "type", "any")) {
		aj_add(out, "tool_choice", SLICE("\"required\""));
	} else if (aj_is(&choice, "type", "tool")) {
		str_add_slice(out, SLICE(",\"tool_choice\":{\"type\":\"function\",\"function\":{"));
		aj_add_inner(out, "name", aj_text(&choice, "name"));
		str_add_slice(out, SLICE("}}"));
	} else if (aj_is(&choice, "type", "auto") || aj_is(&choice, "type", "none")) {
		aj_add_inner(out, "tool_choice", aj_text(&choice, "type"));
	}
	if (aj_true(&choice, "disable_parallel_tool_use"))
		aj_add(out, "parallel_tool_calls", SLICE("false"));
}

enum err_code messages_to_chat(const struct adapter_call *call, struct str *out, struct err *err)
{
	static const struct {
		const char *from, *to;
	} same[] = {{"max_tokens", "max_tokens"}, {"temperature", "temperature"},
		{"top_p", "top_p"}, {"top_k", "top_k"}, {"stop_sequences", "stop"},
		{"stream", "stream"}};
	str_reserve(out, call->body.n + 256);
	str_add_c(out, '{');
	aj_add_text(out, "model", call->model);
	enum err_code code = add_messages(call, out, err);
	if (code == ERR_OK)
		code = add_tools(call, out, err);
	add_tool_choice(call, out);
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		const struct jscan_member *m = aj_call(call, same[i].from);
		if (m != NULL)
			aj_add(out, same[i].to, m->value);
	}
	const struct jscan_member *metadata = aj_call(call, "metadata");
	struct aj in;
	if (metadata != NULL && aj_scan(metadata->value, &in) &&
		aj_typed(&in, "user_id", JS_STRING) != NULL)
		aj_add_inner(out, "user", aj_text(&in, "user_id"));
	str_add_c(out, '}');
	return code;
}

// ---- what both answers share ----

static const char *stop_reason(const struct aj *choice, bool had_tool)
{
	static const char *const rows[][2] = {{"stop", "end_turn"}, {"length", "max_tokens"},
		{"tool_calls", "tool_use"}, {"function_call", "tool_use"},
		{"content_filter", "refusal"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (aj_is(choice, "finish_reason", rows[i][0]))
			return had_tool && i == 0 ? "tool_use" : rows[i][1];
	}
	return "end_turn";
}

struct told {
	int64_t in, out, cached;
};

static struct told read_usage(const struct aj *completion)
{
	struct told t = {-1, -1, -1};
	struct aj usage;
	if (!aj_object(completion, "usage", &usage))
		return t;
	t.in = aj_count(&usage, "prompt_tokens");
	t.out = aj_count(&usage, "completion_tokens");
	struct aj details;
	aj_object(&usage, "prompt_tokens_details", &details);
	t.cached = aj_count(&details, "cached_tokens");
	return t;
}

// Cached tokens are a part of the prompt's at OpenAI and apart from them here.
static void add_usage(struct str *out, const struct told *t)
{
	int64_t cached = MAX_OF(t->cached, 0);
	str_add_slice(out, SLICE("{\"input_tokens\":"));
	str_add_i64(out, MAX_OF(t->in - cached, 0));
	str_add_slice(out,
		SLICE(",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":"));
	str_add_i64(out, cached);
	str_add_slice(out, SLICE(",\"output_tokens\":"));
	str_add_i64(out, MAX_OF(t->out, 0));
	str_add_c(out, '}');
}

static void add_head(struct str *out, const struct aj *completion)
{
	struct slice id = aj_text(completion, "id");
	str_add_slice(out, SLICE("{\"id\":\"msg_"));
	str_add_slice(out, id.n > 0 ? id : SLICE("0"));
	str_add_slice(out, SLICE("\",\"type\":\"message\",\"role\":\"assistant\""));
	aj_add_inner(out, "model", aj_text(completion, "model"));
}

// Servers differ in the name of a model's thinking.
static struct slice thinking_of(const struct aj *message)
{
	struct slice text = aj_text(message, "reasoning_content");
	return text.n > 0 ? text : aj_text(message, "reasoning");
}

// ---- the whole answer ----

static void add_block_text(struct str *out, const char *type, const char *member,
	struct slice inner)
{
	aj_comma(out);
	str_add_c(out, '{');
	aj_add_text(out, "type", type);
	aj_add_inner(out, member, inner);
	if (strcmp(type, "thinking") == 0)
		aj_add(out, "signature", SLICE("\"\""));
	str_add_c(out, '}');
}

bool messages_answer(struct slice body, struct str *out)
{
	struct aj completion;
	if (!aj_scan(body, &completion))
		return false;
	const struct jscan_member *choices = aj_typed(&completion, "choices", JS_ARRAY);
	if (choices == NULL)
		return false;
	struct slice rest = choices->value;
	struct slice first;
	struct aj choice, message;
	if (!jscan_next(&rest, &first) || !aj_scan(first, &choice) ||
		!aj_object(&choice, "message", &message))
		return false;
	add_head(out, &completion);
	str_add_slice(out, SLICE(",\"content\":["));
	if (thinking_of(&message).n > 0)
		add_block_text(out, "thinking", "thinking", thinking_of(&message));
	struct slice text = aj_text(&message, "content");
	if (text.n == 0)
		text = aj_text(&message, "refusal");
	if (text.n > 0)
		add_block_text(out, "text", "text", text);
	bool tools = tools_to_blocks(&message, out);
	str_add_c(out, ']');
	aj_add_text(out, "stop_reason", stop_reason(&choice, tools));
	aj_add(out, "stop_sequence", SLICE("null"));
	struct told told = read_usage(&completion);
	str_add_slice(out, SLICE(",\"usage\":"));
	add_usage(out, &told);
	str_add_c(out, '}');
	return true;
}

// ---- event by event ----

#define EVENT(name) SLICE("event: " name "\ndata: {\"type\":\"" name "\"")

void messages_stream_reset(struct messages_stream *s)
{
	*s = (struct messages_stream){.block = -1, .tool = -1, .in = -1, .out = -1, .cached = -1};
}

static void begin(struct messages_stream *s, const struct aj *chunk, struct str *out)
{
	static const struct told none = {0, 0, 0};
	if (s->begun)
		return;
	s->begun = true;
	str_add_slice(out, EVENT("message_start"));
	str_add_slice(out, SLICE(",\"message\":"));
	add_head(out, chunk);
	str_add_slice(out,
		SLICE(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
		      "\"usage\":"));
	add_usage(out, &none);
	str_add_slice(out, SLICE("}}\n\n"));
}

static void stop_block(struct messages_stream *s, struct str *out)
{
	if (!s->has_block)
		return;
	s->has_block = false;
	str_add_slice(out, EVENT("content_block_stop"));
	str_add_slice(out, SLICE(",\"index\":"));
	str_add_i64(out, s->block);
	str_add_slice(out, SLICE("}\n\n"));
}

static void open_block(struct messages_stream *s, char kind, struct str *out)
{
	stop_block(s, out);
	s->has_block = true;
	s->kind = kind;
	s->block++;
	str_add_slice(out, EVENT("content_block_start"));
	str_add_slice(out, SLICE(",\"index\":"));
	str_add_i64(out, s->block);
	str_add_slice(out, SLICE(",\"content_block\":"));
}

static void delta(const struct messages_stream *s, const char *type, const char *member,
	struct slice inner, struct str *out)
{
	str_add_slice(out, EVENT("content_block_delta"));
	str_add_slice(out, SLICE(",\"index\":"));
	str_add_i64(out, s->block);
	str_add_slice(out, SLICE(",\"delta\":{"));
	aj_add_text(out, "type", type);
	aj_add_inner(out, member, inner);
	str_add_slice(out, SLICE("}}\n\n"));
}

static void add_run(struct messages_stream *s, bool thinking, struct slice text, struct str *out)
{
	char kind = thinking ? 'h' : 't';
	if (text.n == 0)
		return;
	if (!s->has_block || s->kind != kind) {
		open_block(s, kind, out);
		str_add(out,
			thinking
				? "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"
				: "{\"type\":\"text\",\"text\":\"\"}}\n\n");
	}
	delta(s, thinking ? "thinking_delta" : "text_delta", thinking ? "thinking" : "text", text,
		out);
}

static void add_tool_piece(struct messages_stream *s, struct slice item, struct str *out)
{
	struct aj call;
	if (!aj_scan(item, &call))
		return;
	struct aj function;
	aj_object(&call, "function", &function);
	int64_t index = MAX_OF(aj_count(&call, "index"), 0);
	if (!s->has_block || s->kind != 'u' || index != s->tool) {
		s->tool = index;
		s->had_tool = true;
		open_block(s, 'u', out);
		str_add_slice(out, SLICE("{\"type\":\"tool_use\""));
		aj_add_inner(out, "id", aj_text(&call, "id"));
		aj_add_inner(out, "name", aj_text(&function, "name"));
		str_add_slice(out, SLICE(",\"input\":{}}}\n\n"));
	}
	if (aj_text(&function, "arguments").n > 0)
		delta(s, "input_json_delta", "partial_json", aj_text(&function, "arguments"), out);
}

static void add_choice(struct messages_stream *s, const struct aj *choice, struct str *out)
{
	struct aj d;
	struct slice rest, item;
	if (aj_object(choice, "delta", &d)) {
		add_run(s, true, thinking_of(&d), out);
		add_run(s, false, aj_text(&d, "content"), out);
		add_run(s, false, aj_text(&d, "refusal"), out);
		const struct jscan_member *calls = aj_typed(&d, "tool_calls", JS_ARRAY);
		for (rest = calls != NULL ? calls->value : SLICE("[]"); jscan_next(&rest, &item);)
			add_tool_piece(s, item, out);
	}
	if (aj_typed(choice, "finish_reason", JS_STRING) != NULL) {
		const char *why = stop_reason(choice, s->had_tool);
		memcpy(s->stop, why, strlen(why) + 1);
	}
}

bool messages_chunk(struct messages_stream *s, struct slice json, struct str *out)
{
	struct aj chunk;
	if (!aj_scan(json, &chunk))
		return false;
	const struct jscan_member *choices = aj_typed(&chunk, "choices", JS_ARRAY);
	struct told told = read_usage(&chunk);
	if (told.in >= 0)
		s->in = told.in;
	if (told.out >= 0)
		s->out = told.out;
	if (told.cached >= 0)
		s->cached = told.cached;
	struct slice item;
	struct aj choice;
	for (struct slice rest = choices != NULL ? choices->value : SLICE("[]");
		jscan_next(&rest, &item);) {
		// One answer was asked for; a second one has no place in a message.
		if (!aj_scan(item, &choice) || aj_count(&choice, "index") > 0)
			continue;
		begin(s, &chunk, out);
		add_choice(s, &choice, out);
	}
	return true;
}

void messages_end(struct messages_stream *s, struct str *out)
{
	struct told told = {s->in, s->out, s->cached};
	stop_block(s, out);
	str_add_slice(out, EVENT("message_delta"));
	str_add_slice(out, SLICE(",\"delta\":{"));
	aj_add_text(out, "stop_reason", s->stop[0] != '\0' ? s->stop : "end_turn");
	str_add_slice(out, SLICE(",\"stop_sequence\":null},\"usage\":"));
	add_usage(out, &told);
	str_add_slice(out, SLICE("}\n\n"));
	str_add_slice(out, EVENT("message_stop"));
	str_add_slice(out, SLICE("}\n\n"));
}

void messages_ping(struct str *out)
{
	str_add_slice(out, EVENT("ping"));
	str_add_slice(out, SLICE("}\n\n"));
}

// ---- errors ----

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

static void add_error(const char *type, const char *code, const char *message, struct str *out)
{
	str_add_slice(out, SLICE("{\"type\":\"error\",\"error\":{"));
	aj_add_text(out, "type", type);
	aj_add_text(out, "message", message);
	if (code != NULL)
		aj_add_text(out, "code", code);
	str_add_c(out, '}');
}

void messages_error(int status, const char *code, const char *message, const char *request_id,
	struct str *out)
{
	add_error(error_type(status), code, message, out);
	aj_add_text(out, "request_id", request_id);
	str_add_c(out, '}');
}

void messages_error_event(const char *code, const char *message, struct str *out)
{
	str_add_slice(out, SLICE("event: error\ndata: "));
	add_error("api_error", code, message, out);
	str_add_slice(out, SLICE("}\n\n"));
}
