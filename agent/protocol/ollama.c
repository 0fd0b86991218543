// SPDX-License-Identifier: MIT
// Ollama's own chat (POST /api/chat): streams are lines of JSON, sampling goes into "options",
// pictures beside the text as base64, arguments of tools are objects. An error in a stream is a
// line {"error":"text"} under status 200. The first call loads the model, which may take minutes.
#include "agent/protocol/chat.h"
#include "agent/protocol/json.h"
#include "agent/protocol/toolcalls.h"
#include "agent/protocol/tools.h"
#include "agent/protocol/wish.h"

#include "shared/text.h"

#define PATIENCE_MS 180000

// ---- the request ----

static enum err_code no_word(struct err *err)
{
	return err_field(err, ERR_FIELD_RANGE, "messages",
		_("this target takes text and pictures as data: URLs only"));
}

// Text parts are joined; of a picture only the base64 behind "data:TYPE;base64," is wanted.
static enum err_code add_part(struct slice item, struct str *text, struct str *images,
	struct err *err)
{
	struct aj part;
	if (!aj_scan(item, &part))
		return no_word(err);
	if (aj_is(&part, "type", "text") || aj_is(&part, "type", "refusal")) {
		str_add_slice(text, aj_text(&part, "text"));
		str_add_slice(text, aj_text(&part, "refusal"));
		return ERR_OK;
	}
	struct slice url = aj_picture(&part), data = url;
	struct slice head = slice_cut(&data, ',');
	if (!slice_starts(url, "data:") || !slice_ends(head, ";base64") || data.n == 0)
		return no_word(err);
	aj_comma(images);
	str_add_c(images, '"');
	str_add_slice(images, data);
	str_add_c(images, '"');
	return ERR_OK;
}

static enum err_code add_content(const struct aj *message, struct str *out, struct err *err)
{
	const struct jscan_member *content = aj_find(message, "content");
	struct str text = STR_INIT, images = STR_INIT;
	enum err_code code = ERR_OK;
	str_add_c(&images, '[');
	struct slice rest, item;
	if (content != NULL && content->type == JS_STRING)
		str_add_slice(&text, aj_inner(content->value));
	else if (content != NULL && content->type == JS_ARRAY)
		for (rest = content->value; code == ERR_OK && jscan_next(&rest, &item);)
			code = add_part(item, &text, &images, err);
	else if (content == NULL)
		str_add_slice(&text, aj_text(message, "refusal"));
	else
		code = err_field(err, ERR_FIELD_TYPE, "messages",
			_("the content of a message is a string or a list"));
	aj_add_inner(out, "content", str_slice(&text));
	if (images.n > 1) {
		str_add_c(&images, ']');
		aj_add(out, "images", str_slice(&images));
	}
	str_release(&text);
	str_release(&images);
	return code;
}

static void add_tool_calls(const struct aj *message, struct str *out)
{
	const struct jscan_member *calls = aj_typed(message, "tool_calls", JS_ARRAY);
	struct slice rest = calls != NULL ? calls->value : SLICE("[]");
	if (calls == NULL)
		return;
	str_add_slice(out, SLICE(",\"tool_calls\":["));
	struct slice item;
	struct aj call, function;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &call) || !aj_object(&call, "function", &function))
			continue;
		aj_comma(out);
		str_add_slice(out, SLICE("{\"function\":{"));
		aj_add_inner(out, "name", aj_text(&function, "name"));
		str_add_slice(out, SLICE(",\"arguments\":"));
		tools_input(aj_find(&function, "arguments"), out);
		str_add_slice(out, SLICE("}}"));
	}
	str_add_c(out, ']');
}

static enum err_code add_messages(const struct adapter_call *call, struct str *out, struct err *err)
{
	const struct jscan_member *messages = aj_call(call, "messages");
	enum err_code code = ERR_OK;
	if (messages == NULL || messages->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "messages", _("must be a list"));
	str_add_slice(out, SLICE(",\"messages\":["));
	struct aj m;
	for (struct slice rest = messages->value, item;
		code == ERR_OK && jscan_next(&rest, &item);) {
		if (!aj_scan(item, &m))
			return err_field(err, ERR_FIELD_TYPE, "messages",
				_("must be a list of objects"));
		aj_comma(out);
		str_add_c(out, '{');
		aj_add_inner(out, "role",
			aj_is(&m, "role", "developer") ? SLICE("system") : aj_text(&m, "role"));
		code = add_content(&m, out, err);
		add_tool_calls(&m, out);
		if (aj_is(&m, "role", "tool") && aj_text(&m, "name").n > 0)
			aj_add_inner(out, "tool_name", aj_text(&m, "name"));
		str_add_c(out, '}');
	}
	str_add_c(out, ']');
	return code;
}

// Sampling of ours, then what the operator's params and defaults have under "options".
static void add_options(const struct adapter_call *call, const struct feature *feature,
	const struct target *t, struct str *out)
{
	static const char *const rows[][2] = {{"max_tokens", "num_predict"},
		{"temperature", "temperature"}, {"top_p", "top_p"}, {"top_k", "top_k"},
		{"min_p", "min_p"}, {"seed", "seed"}, {"presence_penalty", "presence_penalty"},
		{"frequency_penalty", "frequency_penalty"}};
	const char *const docs[] = {t->params, feature->defaults};
	const struct jscan_member *m = aj_call(call, "max_completion_tokens");
	struct str options = STR_INIT;
	struct aj doc, set;
	if (!aj_scan(slice_of(t->params), &doc) || !aj_object(&doc, "options", &set))
		set.n = 0;
	str_add_c(&options, '{');
	if (m != NULL && aj_find(&set, "num_predict") == NULL)
		aj_add(&options, "num_predict", m->value);
	for (size_t i = m != NULL; i < ARRAY_LEN(rows); i++) {
		const struct jscan_member *v = aj_call(call, rows[i][0]);
		if (v != NULL && aj_find(&set, rows[i][1]) == NULL)
			aj_add(&options, rows[i][1], v->value);
	}
	m = aj_find(&set, "stop") == NULL ? aj_call(call, "stop") : NULL;
	if (m != NULL) {
		aj_comma(&options);
		str_add(&options, m->type == JS_STRING ? "\"stop\":[" : "\"stop\":");
		str_add_slice(&options, m->value);
		str_add(&options, m->type == JS_STRING ? "]" : "");
	}
	for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
		if (aj_scan(slice_of(docs[i]), &doc))
			aj_add_object(&options, 0, aj_typed(&doc, "options", JS_OBJECT));
	}
	aj_add_object(&options, 0, aj_call(call, "options"));
	str_add_c(&options, '}');
	if (options.n > 2)
		aj_add(out, "options", str_slice(&options));
	str_release(&options);
}

static void add_format(const struct adapter_call *call, struct str *out)
{
	const struct jscan_member *m = aj_call(call, "response_format");
	struct aj format;
	if (m == NULL || !aj_scan(m->value, &format))
		return;
	if (aj_is(&format, "type", "json_object")) {
		aj_add(out, "format", SLICE("\"json\""));
		return;
	}
	struct aj schema;
	if (aj_is(&format, "type", "json_schema") && aj_object(&format, "json_schema", &schema) &&
		aj_typed(&schema, "schema", JS_OBJECT) != NULL)
		aj_add(out, "format", aj_typed(&schema, "schema", JS_OBJECT)->value);
}

// OpenAI's efforts as levels of Ollama's, which knows three (api/types.go, ThinkValue).
static struct slice think_of(struct slice effort)
{
	static const char *const rows[][2] = {
		{"\"none\"", "false"}, {"\"minimal\"", "\"low\""}, {"\"xhigh\"", "\"high\""}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (slice_eq_str(effort, rows[i][0]))
			return slice_of(rows[i][1]);
	return effort;
}

static enum err_code build(const struct adapter_call *all, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err)
{
	struct adapter_call copy;
	const struct adapter_call *call = adapter_call_set(all, cand->target, &copy);
	static const char *const same[] = {"tools", "keep_alive", "think"};
	const char *model = adapter_model(call, cand);
	const struct jscan_member *effort = aj_call(call, "reasoning_effort");
	struct str *out = &ask->body;
	adapter_root_path(cand->url, "/api/chat", &ask->path);
	ask->accept = "application/x-ndjson, application/json";
	ask->stream = adapter_streams(call, feature, cand);
	if (!wish_judge(call, cand, NULL, err))
		return err->code;
	str_reserve(out, call->body.n + 256);
	str_add_c(out, '{');
	aj_add_text(out, "model", model != NULL ? model : "");
	enum err_code code = add_messages(call, out, err);
	if (code != ERR_OK)
		return code;
	const struct jscan_member *choice = aj_call(call, "tool_choice");
	bool no_tools = choice != NULL && slice_eq_str(choice->value, "\"none\"");
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		const struct jscan_member *m = aj_call(call, same[i]);
		bool tools = i == 0;
		if (m != NULL && !(tools && (no_tools || jscan_is_empty(m->value))))
			aj_add(out, same[i], m->value);
	}
	if (effort != NULL && aj_call(call, "think") == NULL)
		aj_add(out, "think", think_of(effort->value));
	add_format(call, out);
	add_options(call, feature, cand->target, out);
	aj_add(out, "stream", ask->stream ? SLICE("true") : SLICE("false"));
	aj_add_absent(out, 0, feature, cand->target);
	str_add_c(out, '}');
	return ERR_OK;
}

// ---- what an answer or a line says ----

struct line {
	struct str text, thinking; // as between quotes
	const struct jscan_member *tools; // of message, which must stay; NULL: none
	bool done;
};

static void release_line(struct line *l)
{
	str_release(&l->text);
	str_release(&l->thinking);
}

// *ret is the caller's to release.
static void read_line(const struct aj *top, const struct aj *message, struct line *ret)
{
	const struct jscan_member *tools = aj_typed(message, "tool_calls", JS_ARRAY);
	*ret = (struct line){.tools = tools != NULL && jscan_is_empty(tools->value) ? NULL : tools,
		.done = aj_true(top, "done")};
	aj_parts(aj_find(message, "thinking"), &ret->thinking, &ret->thinking);
	aj_parts(aj_find(message, "content"), &ret->text, &ret->thinking);
}

static struct adapter_usage read_usage(const struct aj *top)
{
	struct adapter_usage u = ADAPTER_USAGE_UNKNOWN;
	u.in = aj_count(top, "prompt_eval_count"); // absent when all of it was cached
	u.out = aj_count(top, "eval_count");
	return u;
}

// An answer that is not done was broken off by the server, as of a model that repeats itself.
static const char *finish_of(const struct aj *top, bool tools)
{
	if (aj_is(top, "done_reason", "length") || !aj_true(top, "done"))
		return "length";
	return tools ? "tool_calls" : "stop";
}

// Older ones give calls no ids: then they get one no other call of a conversation has. from: how many
// calls came before.
static int add_calls(const struct jscan_member *tools, uint64_t serial, int from, bool pieces,
	struct str *out)
{
	struct slice rest = tools->value;
	str_add_slice(out, SLICE("\"tool_calls\":["));
	struct slice item;
	struct aj call, function;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &call) || !aj_object(&call, "function", &function))
			continue;
		struct slice id = aj_text(&call, "id");
		aj_comma(out);
		str_add_slice(out, SLICE("{\"id\":\""));
		if (id.n > 0)
			str_add_slice(out, id);
		else
			toolcalls_new_id(serial, (size_t)from, out);
		str_add_slice(out, SLICE("\",\"type\":\"function\","));
		if (pieces)
			str_addf(out, "\"index\":%d,", from);
		str_add_slice(out, SLICE("\"function\":{"));
		aj_add_inner(out, "name", aj_text(&function, "name"));
		str_add_slice(out, SLICE(",\"arguments\":"));
		aj_arguments(aj_find(&function, "arguments"), out);
		str_add_slice(out, SLICE("}}"));
		from++;
	}
	str_add_c(out, ']');
	return from;
}

static enum answer_kind parse(const struct adapter_call *call UNUSED,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.usage = ADAPTER_USAGE_UNKNOWN};
	struct aj top;
	if (!aj_scan(reply->body, &top))
		return ANSWER_BAD;
	if (aj_find(&top, "error") != NULL)
		return ANSWER_ERROR;
	struct aj message;
	if (!aj_object(&top, "message", &message))
		return ANSWER_BAD;
	struct line l;
	read_line(&top, &message, &l);
	ret->usage = read_usage(&top);
	str_clear(scratch);
	char id[24];
	adapter_new_id(reply->serial, id, sizeof(id));
	chat_answer_open(scratch, slice_of(id), aj_text(&top, "model"), reply->at_s);
	aj_add_inner(scratch, "content", str_slice(&l.text));
	if (l.thinking.n > 0)
		aj_add_inner(scratch, "reasoning_content", str_slice(&l.thinking));
	if (l.tools != NULL) {
		str_add_c(scratch, ',');
		add_calls(l.tools, reply->serial, 0, false, scratch);
	}
	chat_answer_close(scratch, finish_of(&top, l.tools != NULL), NO_STOP, &ret->usage);
	release_line(&l);
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

// ---- a stream ----

static enum chunk_kind add_line(struct adapter_stream *s, const struct aj *top,
	const struct line *l, struct str *out)
{
	if (l->thinking.n > 0)
		chat_chunk_text(s, "reasoning_content", str_slice(&l->thinking), out);
	if (l->text.n > 0)
		chat_chunk_text(s, "content", str_slice(&l->text), out);
	if (l->tools != NULL) {
		chat_chunk_open(s, out);
		aj_comma(out);
		s->tool = add_calls(l->tools, s->serial, MAX_OF(s->tool, 0), true, out);
		s->tools = true;
		chat_chunk_close(out);
	}
	if (!l->done)
		return CHUNK_MORE;
	struct adapter_usage u = read_usage(top);
	adapter_usage_merge(&s->usage, &u);
	chat_chunk_finish(s, finish_of(top, s->tools), NO_STOP, out);
	chat_chunk_usage(s, out);
	return CHUNK_DONE;
}

static enum chunk_kind chunk(const struct adapter_call *call UNUSED, struct adapter_stream *s,
	struct slice name UNUSED, struct slice data, struct str *out)
{
	struct aj top;
	if (!aj_scan(data, &top))
		return CHUNK_BAD;
	if (aj_find(&top, "error") != NULL)
		return CHUNK_ERROR;
	struct aj message;
	bool said = aj_object(&top, "message", &message);
	if (!said && !(s->opened && aj_true(&top, "done")))
		return s->opened ? CHUNK_IDLE : CHUNK_BAD;
	struct line l;
	read_line(&top, &message, &l);
	if (s->model[0] == '\0')
		aj_copy(aj_text(&top, "model"), s->model, sizeof(s->model));
	if (s->id[0] == '\0')
		adapter_new_id(s->serial, s->id, sizeof(s->id));
	enum chunk_kind kind = add_line(s, &top, &l, out);
	release_line(&l);
	return kind;
}

const struct adapter adapter_ollama_chat = {.protocol = PROTO_OLLAMA_CHAT,
	.frames = FRAMES_NDJSON,
	.dialects = 1u << DIALECT_OPENAI,
	.patience_ms = PATIENCE_MS,
	.build = build,
	.parse = parse,
	.chunk = chunk};
