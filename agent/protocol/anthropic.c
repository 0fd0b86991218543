// SPDX-License-Identifier: MIT
// Anthropic's Messages API (anthropic-version 2023-06-01) as an upstream: chat requests are written
// in its words and its answers and events in OpenAI's; callers who speak it themselves get it as it
// came. Its cached tokens are apart from input_tokens; here they are a part of the prompt's.
#include "agent/protocol/chat.h"
#include "agent/protocol/dialect_anthropic_ask.h"
#include "agent/protocol/json.h"
#include "agent/protocol/openai.h"
#include "agent/protocol/tools.h"
#include "agent/protocol/wish.h"

#include <string.h>
#include "shared/num.h"
#include "shared/text.h"

#define PATH "/v1/messages"
#define MAX_TOKENS "4096" // it must be said; when nobody did
#define TEMPERATURE_MAX 1.0
#define USER_TURN "{\"role\":\"user\",\"content\":["
#define CONTINUE "{\"type\":\"text\",\"text\":\"Please continue.\"}]}" // as other translators say

// ---- the request ----

static enum err_code no_word(const char *field, struct err *err)
{
	return err_field(err, ERR_FIELD_RANGE, field,
		_("this target takes text, images and function tools only"));
}

// Where the caller marks what is to be cached, as clients that know who answers do. of: NULL, or what
// may have the mark.
static void add_mark(const struct aj *of, struct str *out)
{
	const struct jscan_member *mark = of != NULL ? aj_typed(of, "cache_control", JS_OBJECT)
						     : NULL;
	if (mark != NULL)
		aj_add_member(out, mark);
}

// Blank text is refused by it.
static void add_text_block(struct str *out, struct slice inner, const struct aj *part)
{
	if (aj_is_blank(inner))
		return;
	aj_comma(out);
	str_add_slice(out, SLICE("{\"type\":\"text\""));
	aj_add_inner(out, "text", inner);
	add_mark(part, out);
	str_add_c(out, '}');
}

// data:TYPE;base64,DATA or an address.
static bool add_source(struct slice url, const char *type, const struct aj *part, struct str *out)
{
	struct slice rest = url;
	aj_comma(out);
	str_add_slice(out, SLICE("{\"type\":\""));
	str_add(out, type);
	str_add_slice(out, SLICE("\",\"source\":{"));
	if (!slice_starts(url, "data:")) {
		aj_add_text(out, "type", "url");
		aj_add_inner(out, "url", url);
		str_add_c(out, '}');
		add_mark(part, out);
		str_add_c(out, '}');
		return url.n > 0;
	}
	slice_cut(&rest, ':');
	struct slice media = slice_cut(&rest, ';');
	aj_add_text(out, "type", "base64");
	// Browsers and file names say jpg; it is no media type, and refused.
	aj_add_inner(out, "media_type",
		slice_eq_str(media, "image/jpg") ? SLICE("image/jpeg") : media);
	if (!slice_starts(rest, "base64,"))
		return false;
	aj_add_inner(out, "data", (struct slice){rest.p + 7, rest.n - 7});
	str_add_c(out, '}');
	add_mark(part, out);
	str_add_c(out, '}');
	return true;
}

static bool add_part(const struct aj *part, struct str *out)
{
	bool text = aj_is(part, "type", "text");
	if (text || aj_is(part, "type", "refusal")) {
		add_text_block(out, aj_text(part, text ? "text" : "refusal"), part);
		return true;
	}
	struct aj in;
	if (aj_is(part, "type", "image_url"))
		return add_source(aj_picture(part), "image", part, out);
	if (aj_is(part, "type", "file"))
		return aj_object(part, "file", &in) &&
			add_source(aj_text(&in, "file_data"), "document", part, out);
	return false;
}

static enum err_code add_content(const struct jscan_member *content, struct str *out,
	struct err *err)
{
	if (content == NULL)
		return ERR_OK;
	if (content->type == JS_STRING) {
		add_text_block(out, aj_inner(content->value), NULL);
		return ERR_OK;
	}
	if (content->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "messages",
			_("the content of a message is a string or a list"));
	struct slice item;
	struct aj part;
	for (struct slice rest = content->value; jscan_next(&rest, &item);) {
		if (!aj_scan(item, &part) || !add_part(&part, out))
			return no_word("messages", err);
	}
	return ERR_OK;
}

// Roles take turns here: what follows in the same role goes into the same message.
struct turns {
	struct str *messages, *system;
	char role; // 'u', 'a', 0 none yet
	size_t start, from; // where the open message and its content begin
};

static void close_turn(struct turns *t)
{
	if (t->role == 0)
		return;
	if (t->messages->n == t->from) // nothing but blank text: no turn at all
		str_cut(t->messages, t->start);
	else
		str_add_slice(t->messages, SLICE("]}"));
	t->role = 0;
}

static void open_turn(struct turns *t, char role)
{
	if (t->role == role)
		return;
	close_turn(t);
	t->start = t->messages->n;
	aj_comma(t->messages);
	str_add(t->messages, role == 'u' ? USER_TURN : "{\"role\":\"assistant\",\"content\":[");
	t->role = role;
	t->from = t->messages->n;
}

static enum err_code add_message(struct turns *t, struct slice item, struct err *err)
{
	struct aj m;
	if (!aj_scan(item, &m))
		return err_field(err, ERR_FIELD_TYPE, "messages", _("must be a list of objects"));
	const struct jscan_member *content = aj_find(&m, "content");
	if (aj_is(&m, "role", "system") || aj_is(&m, "role", "developer"))
		return add_content(content, t->system, err);
	if (aj_is(&m, "role", "assistant")) {
		open_turn(t, 'a');
		enum err_code code = add_content(content, t->messages, err);
		if (content == NULL)
			add_text_block(t->messages, aj_text(&m, "refusal"), NULL);
		tools_to_blocks(&m, t->messages);
		return code;
	}
	open_turn(t, 'u');
	if (!aj_is(&m, "role", "tool"))
		return add_content(content, t->messages, err);
	aj_comma(t->messages);
	str_add_slice(t->messages, SLICE("{\"type\":\"tool_result\""));
	tools_add_id("tool_use_id", aj_text(&m, "tool_call_id"), t->messages);
	str_add_slice(t->messages, SLICE(",\"content\":["));
	enum err_code code = add_content(content, t->messages, err);
	str_add_slice(t->messages, SLICE("]}"));
	return code;
}

static enum err_code add_messages(const struct adapter_call *call, struct str *out, struct err *err)
{
	const struct jscan_member *messages = aj_call(call, "messages");
	struct str list = STR_INIT, system = STR_INIT;
	struct turns t = {.messages = &list, .system = &system};
	enum err_code code = ERR_OK;
	if (messages == NULL || messages->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "messages", _("must be a list"));
	for (struct slice rest = messages->value, item; code == ERR_OK && jscan_next(&rest, &item);)
		code = add_message(&t, item, err);
	close_turn(&t);
	if (system.n > 0) {
		str_add_slice(out, SLICE(",\"system\":["));
		str_add_slice(out, str_slice(&system));
		str_add_c(out, ']');
	}
	str_add_slice(out, SLICE(",\"messages\":["));
	if (!slice_starts(str_slice(&list), USER_TURN)) // the first turn must be the user's
		str_add(out, list.n > 0 ? USER_TURN CONTINUE "," : USER_TURN CONTINUE);
	str_add_slice(out, str_slice(&list));
	str_add_c(out, ']');
	str_release(&list);
	str_release(&system);
	return code;
}

static enum err_code add_tools(const struct adapter_call *call, struct str *out, struct err *err)
{
	const struct jscan_member *tools = aj_call(call, "tools");
	if (tools == NULL || tools->type != JS_ARRAY || jscan_is_empty(tools->value))
		return ERR_OK;
	struct slice rest = tools->value;
	str_add_slice(out, SLICE(",\"tools\":["));
	struct slice item;
	struct aj tool, function;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &tool) || !aj_object(&tool, "function", &function))
			return no_word("tools", err);
		const struct jscan_member *schema = aj_typed(&function, "parameters", JS_OBJECT);
		const struct jscan_member *strict = aj_find(&function, "strict");
		aj_comma(out);
		str_add_c(out, '{');
		aj_add_inner(out, "name", aj_text(&function, "name"));
		if (aj_typed(&function, "description", JS_STRING) != NULL)
			aj_add_inner(out, "description", aj_text(&function, "description"));
		aj_name(out, "input_schema");
		tools_schema(schema != NULL ? schema->value : SLICE("{}"), false, out);
		if (strict != NULL)
			aj_add_member(out, strict);
		add_mark(&tool, out);
		str_add_c(out, '}');
	}
	str_add_c(out, ']');
	return ERR_OK;
}

static void add_tool_choice(const struct adapter_call *call, struct str *out)
{
	const struct jscan_member *m = aj_call(call, "tool_choice");
	const struct jscan_member *parallel = aj_call(call, "parallel_tool_calls");
	bool single = parallel != NULL && parallel->type == JS_FALSE;
	const char *type = "auto";
	const struct jscan_member *tools = aj_call(call, "tools");
	if (tools == NULL || (tools->type == JS_ARRAY && jscan_is_empty(tools->value)) ||
		(m == NULL && !single))
		return;
	struct aj function;
	function.n = 0;
	struct aj choice;
	if (m != NULL && slice_eq_str(m->value, "\"none\""))
		type = "none";
	else if (m != NULL && slice_eq_str(m->value, "\"required\""))
		type = "any";
	else if (m != NULL && aj_scan(m->value, &choice) &&
		aj_object(&choice, "function", &function))
		type = "tool";
	str_add_slice(out, SLICE(",\"tool_choice\":{"));
	aj_add_text(out, "type", type);
	if (function.n > 0)
		aj_add_inner(out, "name", aj_text(&function, "name"));
	if (single && strcmp(type, "none") != 0)
		aj_add(out, "disable_parallel_tool_use", SLICE("true"));
	str_add_c(out, '}');
}

// A JSON schema has a word of its own; any JSON at all has none (agent/protocol/wish.h).
static void add_format(const struct adapter_call *call, struct str *out)
{
	const struct jscan_member *m = aj_call(call, "response_format");
	struct aj format, named;
	if (m == NULL || !aj_scan(m->value, &format) || !aj_object(&format, "json_schema", &named))
		return;
	const struct jscan_member *schema = aj_typed(&named, "schema", JS_OBJECT);
	if (schema == NULL)
		return;
	str_add_slice(out, SLICE(",\"output_config\":{\"format\":{\"type\":\"json_schema\""));
	aj_add(out, "schema", schema->value);
	str_add_slice(out, SLICE("}}"));
}

// Blank ones are refused by it: they are left out (agent/protocol/wish.h names them).
static void add_stops(const struct jscan_member *stop, struct str *out)
{
	struct str kept = STR_INIT;
	struct slice rest = stop->value, item;
	if (stop->type == JS_STRING && !wish_is_blank(stop->value))
		str_add_slice(&kept, stop->value);
	while (stop->type == JS_ARRAY && jscan_next(&rest, &item)) {
		if (wish_is_blank(item))
			continue;
		str_add(&kept, kept.n > 0 ? "," : "");
		str_add_slice(&kept, item);
	}
	if (kept.n > 0) {
		aj_name(out, "stop_sequences");
		str_add_c(out, '[');
		str_add_slice(out, str_slice(&kept));
		str_add_c(out, ']');
	}
	str_release(&kept);
}

// What stands in the request under this name or another.
static void add_wishes(const struct adapter_call *call, struct str *out)
{
	static const char *const same[] = {"top_p", "top_k", "thinking"};
	const struct jscan_member *m = aj_call(call, "stop");
	if (m != NULL)
		add_stops(m, out);
	m = aj_call(call, "max_completion_tokens");
	if (m == NULL)
		m = aj_call(call, "max_tokens");
	if (m != NULL)
		aj_add(out, "max_tokens", m->value);
	m = aj_call(call, "temperature");
	double v;
	if (m != NULL)
		aj_add(out, "temperature",
			num_f64(m->value, &v) && v > TEMPERATURE_MAX ? SLICE("1") : m->value);
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		m = aj_call(call, same[i]);
		if (m != NULL)
			aj_add(out, same[i], m->value);
	}
	m = aj_call(call, "user");
	if (m != NULL && m->type == JS_STRING) {
		str_add_slice(out, SLICE(",\"metadata\":{"));
		aj_add(out, "user_id", m->value);
		str_add_c(out, '}');
	}
}

// Of a chat completion's request.
static enum err_code build_chat(const struct adapter_call *all, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err)
{
	struct adapter_call copy;
	const struct adapter_call *call = adapter_call_set(all, cand->target, &copy);
	struct str *out = &ask->body;
	const char *model = adapter_model(call, cand);
	ask->stream = adapter_streams(all, feature, cand);
	if (!wish_judge(call, cand, NULL, err))
		return err->code;
	str_reserve(out, call->body.n + 256);
	str_add_c(out, '{');
	aj_add_text(out, "model", model != NULL ? model : "");
	enum err_code code = add_messages(call, out, err);
	if (code == ERR_OK)
		code = add_tools(call, out, err);
	if (code != ERR_OK)
		return code;
	add_tool_choice(call, out);
	add_format(call, out);
	add_wishes(call, out);
	aj_add(out, "stream", ask->stream ? SLICE("true") : SLICE("false"));
	aj_add_absent(out, 0, feature, cand->target);
	struct jscan_member limit;
	if (aj_call(call, "max_completion_tokens") == NULL &&
		!adapter_wish(call, feature, cand->target, "max_tokens", &limit))
		aj_add(out, "max_tokens", SLICE(MAX_TOKENS));
	str_add_c(out, '}');
	return ERR_OK;
}

// Of a message's: as it came, but for what a translated answer told before.
static enum err_code build_message(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	struct openai_changes changes = {.n = 0};
	struct str messages = STR_INIT;
	ask->stream = call->stream;
	if (messages_signed(call, &messages))
		openai_change(&changes, "messages", str_text(&messages));
	openai_body(call, feature, cand, false, &changes, &ask->body);
	str_release(&messages);
	return ERR_OK;
}

// ---- what both answers share ----

static void read_usage(const struct aj *of, struct adapter_usage *u)
{
	struct aj usage;
	if (!aj_object(of, "usage", &usage))
		return;
	int64_t in = aj_count(&usage, "input_tokens"), out = aj_count(&usage, "output_tokens");
	int64_t read = aj_count(&usage, "cache_read_input_tokens");
	int64_t write = aj_count(&usage, "cache_creation_input_tokens");
	if (read != -1)
		u->cached = read;
	if (write != -1)
		u->cache_write = write;
	if (in != -1)
		u->in = in < 0 ? in : in + MAX_OF(u->cached, 0) + MAX_OF(u->cache_write, 0);
	if (out != -1)
		u->out = out;
}

static const char *finish_of(struct slice reason)
{
	static const char *const rows[][2] = {{"max_tokens", "length"},
		{"model_context_window_exceeded", "length"}, {"tool_use", "tool_calls"},
		{"refusal", "content_filter"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (slice_eq_str(reason, rows[i][0]))
			return rows[i][1];
	}
	return "stop"; // end_turn, stop_sequence, pause_turn
}

// The HTTP status an error's type stands for.
static int error_status(const struct aj *top)
{
	static const struct {
		const char *type;
		int status;
	} rows[] = {{"invalid_request_error", 400}, {"authentication_error", 401},
		{"billing_error", 402}, {"permission_error", 403}, {"not_found_error", 404},
		{"request_too_large", 413}, {"rate_limit_error", 429}, {"api_error", 500},
		{"timeout_error", 504}, {"overloaded_error", 529}};
	struct aj error;
	aj_object(top, "error", &error);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (aj_is(&error, "type", rows[i].type))
			return rows[i].status;
	}
	return 500;
}

// ---- whole answers ----

static void tell_answer(const struct aj *top, const struct adapter_reply *reply,
	const struct adapter_usage *u, struct str *out)
{
	chat_answer_open(out, aj_text(top, "id"), aj_text(top, "model"), reply->at_s);
	const struct jscan_member *content = aj_typed(top, "content", JS_ARRAY);
	struct str text = STR_INIT, thinking = STR_INIT, tools = STR_INIT;
	struct slice rest = content != NULL ? content->value : SLICE("[]");
	str_add_c(&tools, '[');
	struct slice item;
	struct aj block;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &block))
			continue;
		if (aj_is(&block, "type", "text"))
			str_add_slice(&text, aj_text(&block, "text"));
		else if (aj_is(&block, "type", "thinking"))
			str_add_slice(&thinking, aj_text(&block, "thinking"));
		else if (aj_is(&block, "type", "tool_use"))
			tools_from_block(&block, true, &tools);
	}
	str_add_slice(&text, aj_text(top, "content")); // made after it, some answer in a bare text
	if (text.n > 0 || tools.n == 1)
		aj_add_inner(out, "content", str_slice(&text));
	else
		aj_add(out, "content", SLICE("null"));
	if (thinking.n > 0)
		aj_add_inner(out, "reasoning_content", str_slice(&thinking));
	if (tools.n > 1) {
		str_add_c(&tools, ']');
		aj_add(out, "tool_calls", str_slice(&tools));
	}
	chat_answer_close(out, finish_of(aj_text(top, "stop_reason")),
		aj_text(top, "stop_sequence"), u);
	str_release(&text);
	str_release(&thinking);
	str_release(&tools);
}

// ---- a stream ----

static void on_start(struct adapter_stream *s, const struct aj *top, struct str *out)
{
	struct aj message;
	if (!aj_object(top, "message", &message))
		return;
	aj_copy(aj_text(&message, "id"), s->id, sizeof(s->id));
	aj_copy(aj_text(&message, "model"), s->model, sizeof(s->model));
	read_usage(&message, &s->usage);
	chat_chunk_text(s, "content", SLICE(""), out);
}

// ---- calls: each block is one, wherever its pieces stand ----

#define BLOCKS_SEEN 64 // bits of called, argued

static uint64_t bit_of(int64_t block)
{
	return block >= 0 && block < BLOCKS_SEEN ? UINT64_C(1) << block : 0;
}

// Which call of the answer a block is.
static int call_of(const struct adapter_stream *s, int64_t block)
{
	return __builtin_popcountll(s->called & (bit_of(block) - 1));
}

static void add_arguments(struct adapter_stream *s, int64_t block, struct slice inner,
	struct str *out)
{
	s->argued |= bit_of(block);
	chat_chunk_open(s, out);
	aj_comma(out);
	str_add_slice(out, SLICE("\"tool_calls\":[{\"index\":"));
	str_add_i64(out, call_of(s, block));
	str_add_slice(out, SLICE(",\"function\":{"));
	aj_add_inner(out, "arguments", inner);
	str_add_slice(out, SLICE("}}]"));
	chat_chunk_close(out);
}

// A call whose input no piece told has that of its beginning, mostly {}; of the last one that waits in
// s->text.
static void end_block(struct adapter_stream *s, int64_t block, struct str *out)
{
	if ((s->called & ~s->argued & bit_of(block)) == 0)
		return;
	add_arguments(s, block,
		block == s->tool && s->text.n > 0 ? aj_inner(str_slice(&s->text)) : SLICE("{}"),
		out);
}

static void on_block_start(struct adapter_stream *s, const struct aj *top, struct str *out)
{
	struct aj block;
	int64_t at = aj_count(top, "index");
	if (!aj_object(top, "content_block", &block))
		return;
	if (aj_is(&block, "type", "text") && aj_text(&block, "text").n > 0)
		chat_chunk_text(s, "content", aj_text(&block, "text"), out);
	if (aj_is(&block, "type", "thinking") && aj_text(&block, "thinking").n > 0)
		chat_chunk_text(s, "reasoning_content", aj_text(&block, "thinking"), out);
	if (!aj_is(&block, "type", "tool_use") || bit_of(at) == 0)
		return;
	if (s->tool >= 0)
		end_block(s, s->text.n > sizeof("\"{}\"") - 1 ? s->tool : -1,
			out); // its text is lost else
	s->tool = (int)at;
	str_clear(&s->text);
	aj_arguments(aj_find(&block, "input"), &s->text);
	s->called |= bit_of(at);
	chat_chunk_open(s, out);
	aj_comma(out);
	str_add_slice(out, SLICE("\"tool_calls\":[{\"index\":"));
	str_add_i64(out, call_of(s, at));
	aj_add_inner(out, "id", aj_text(&block, "id"));
	str_add_slice(out, SLICE(",\"type\":\"function\",\"function\":{"));
	aj_add_inner(out, "name", aj_text(&block, "name"));
	str_add_slice(out, SLICE(",\"arguments\":\"\"}}]"));
	chat_chunk_close(out);
}

static void on_delta(struct adapter_stream *s, const struct aj *top, struct str *out)
{
	struct aj delta;
	int64_t at = aj_count(top, "index");
	if (!aj_object(top, "delta", &delta))
		return;
	if (aj_is(&delta, "type", "text_delta")) {
		chat_chunk_text(s, "content", aj_text(&delta, "text"), out);
	} else if (aj_is(&delta, "type", "thinking_delta")) {
		chat_chunk_text(s, "reasoning_content", aj_text(&delta, "thinking"), out);
	} else if (aj_is(&delta, "type", "input_json_delta") && (s->called & bit_of(at)) != 0 &&
		aj_text(&delta, "partial_json").n > 0) {
		add_arguments(s, at, aj_text(&delta, "partial_json"), out);
	}
}

static void on_message_delta(struct adapter_stream *s, const struct aj *top, struct str *out)
{
	read_usage(top, &s->usage);
	struct aj delta;
	if (aj_object(top, "delta", &delta) && aj_typed(&delta, "stop_reason", JS_STRING) != NULL) {
		for (int64_t i = 0; i < BLOCKS_SEEN && (s->called & ~s->argued) != 0; i++)
			end_block(s, i, out);
		chat_chunk_finish(s, finish_of(aj_text(&delta, "stop_reason")),
			aj_text(&delta, "stop_sequence"), out);
	}
}

static enum chunk_kind tell_chunk(struct adapter_stream *s, const struct aj *top,
	struct slice data UNUSED, struct str *out)
{
	if (aj_is(top, "type", "content_block_delta"))
		on_delta(s, top, out);
	else if (aj_is(top, "type", "message_start"))
		on_start(s, top, out);
	else if (aj_is(top, "type", "content_block_start"))
		on_block_start(s, top, out);
	else if (aj_is(top, "type", "content_block_stop"))
		end_block(s, aj_count(top, "index"), out);
	else if (aj_is(top, "type", "message_delta"))
		on_message_delta(s, top, out);
	else if (aj_is(top, "type", "message_stop")) {
		chat_chunk_usage(s, out);
		return CHUNK_DONE;
	}
	return CHUNK_MORE; // a kind that came later says nothing here
}

// As it came; what is counted is read from it.
static enum chunk_kind pass_event(struct adapter_stream *s, const struct aj *top, struct slice data,
	struct str *out)
{
	struct aj message;
	if (aj_is(top, "type", "message_start") && aj_object(top, "message", &message))
		read_usage(&message, &s->usage);
	else if (aj_is(top, "type", "message_delta"))
		read_usage(top, &s->usage);
	s->opened = true;
	str_add_slice(out, SLICE("event: "));
	str_add_slice(out, aj_text(top, "type"));
	str_add_c(out, '\n');
	openai_event(data, out);
	s->finish = aj_is(top, "type", "message_stop");
	return s->finish ? CHUNK_DONE : CHUNK_MORE;
}

// ---- by the dialect of who asks ----

static const struct {
	enum err_code (*build)(const struct adapter_call *call, const struct feature *feature,
		const struct candidate *cand, struct adapter_ask *ask, struct err *err);
	// Appends the answer in the caller's words; NULL: it passes as it came.
	void (*tell)(const struct aj *top, const struct adapter_reply *reply,
		const struct adapter_usage *u, struct str *out);
	enum chunk_kind (*event)(struct adapter_stream *s, const struct aj *top, struct slice data,
		struct str *out);
} callers[DIALECT_COUNT] = {
	[DIALECT_OPENAI] = {build_chat, tell_answer, tell_chunk},
	[DIALECT_ANTHROPIC] = {build_message, NULL, pass_event},
};

static enum err_code build(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err)
{
	adapter_path(cand->url, call->count ? PATH "/count_tokens" : PATH, &ask->path);
	str_add_slice(&ask->headers, SLICE("anthropic-version: 2023-06-01\r\n"));
	if (call->beta.n > 0) {
		str_add_slice(&ask->headers, SLICE("anthropic-beta: "));
		str_add_slice(&ask->headers, call->beta);
		str_add_slice(&ask->headers, SLICE("\r\n"));
	}
	if (LIKELY(!call->count))
		return callers[call->dialect].build(call, feature, cand, ask, err);
	// What is counted is what the caller wrote: wishes of operators are none of its members.
	const char *model = adapter_model(call, cand);
	str_add_c(&ask->body, '{');
	aj_add_text(&ask->body, "model", model != NULL ? model : "");
	for (size_t i = 0; i < call->n; i++)
		if (!slice_eq_str(call->m[i].key, "model"))
			aj_add_member(&ask->body, &call->m[i]);
	str_add_c(&ask->body, '}');
	return ERR_OK;
}

static enum answer_kind parse(const struct adapter_call *call, const struct adapter_reply *reply,
	struct str *scratch, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.body = reply->body, .usage = ADAPTER_USAGE_UNKNOWN};
	struct aj top;
	if (!aj_scan(reply->body, &top))
		return ANSWER_BAD;
	if (aj_find(&top, "error") != NULL) {
		ret->status = error_status(&top);
		return ANSWER_ERROR;
	}
	if (UNLIKELY(call->count)) { // for nothing
		ret->usage.in = ret->usage.out = 0;
		return aj_count(&top, "input_tokens") >= 0 ? ANSWER_OK : ANSWER_BAD;
	}
	if (!aj_is(&top, "type", "message") ||
		(aj_typed(&top, "content", JS_ARRAY) == NULL &&
			aj_typed(&top, "content", JS_STRING) == NULL))
		return ANSWER_BAD;
	read_usage(&top, &ret->usage);
	if (callers[call->dialect].tell == NULL)
		return ANSWER_OK;
	str_clear(scratch);
	callers[call->dialect].tell(&top, reply, &ret->usage, scratch);
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

static enum chunk_kind chunk(const struct adapter_call *call, struct adapter_stream *s,
	struct slice name UNUSED, struct slice data, struct str *out)
{
	struct aj top;
	if (!aj_scan(data, &top))
		return CHUNK_BAD;
	if (aj_is(&top, "type", "ping"))
		return CHUNK_IDLE;
	if (aj_is(&top, "type", "error") || aj_find(&top, "error") != NULL) {
		s->status = error_status(&top);
		return CHUNK_ERROR;
	}
	if (aj_text(&top, "type").n == 0)
		return s->opened ? CHUNK_IDLE : CHUNK_BAD;
	return callers[call->dialect].event(s, &top, data, out);
}

const struct adapter adapter_anthropic_messages = {.protocol = PROTO_ANTHROPIC_MESSAGES,
	.dialects = 1u << DIALECT_OPENAI | 1u << DIALECT_ANTHROPIC,
	.build = build,
	.parse = parse,
	.chunk = chunk};
