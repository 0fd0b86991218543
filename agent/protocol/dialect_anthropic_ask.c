// SPDX-License-Identifier: MIT
// Text is moved as it stands between its quotes. Blocks are read by one function wherever they stand;
// the members of the request are rows.
#include "agent/protocol/dialect_anthropic_ask.h"

#include <string.h>
#include "agent/protocol/base64.h"
#include "agent/protocol/tools.h"
#include "shared/text.h"
#include "shared/utf8.h"

#define READABLE_DEPTH 8
#define READABLE_MAX ((size_t)64 * 1024) // of one block that has no words here

// ---- the request as it comes ----

enum err_code messages_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *ret, struct err *err)
{
	enum err_code code = adapter_read(body, offer, need_model, ret, err);
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

enum err_code messages_read_count(struct slice body, struct adapter_call *ret, struct err *err)
{
	enum err_code code = adapter_read(body, OFFER_CHAT, true, ret, err);
	ret->dialect = DIALECT_ANTHROPIC;
	ret->stream = false;
	ret->count = true;
	return code;
}

// ---- for Anthropic itself ----

static void add_signed_blocks(struct slice blocks, struct str *out)
{
	struct slice item;
	struct aj block;
	str_add_c(out, '[');
	while (jscan_next(&blocks, &item)) {
		if (aj_scan(item, &block) && aj_is(&block, "type", "thinking") &&
			aj_text(&block, "signature").n == 0)
			continue;
		aj_comma(out);
		str_add_slice(out, item);
	}
	str_add_c(out, ']');
}

bool messages_signed(const struct adapter_call *call, struct str *out)
{
	const struct jscan_member *messages = aj_call(call, "messages");
	struct slice rest, item;
	struct aj message;
	if (messages == NULL || messages->type != JS_ARRAY ||
		memmem(messages->value.p, messages->value.n, "\"\"", 2) == NULL ||
		memmem(messages->value.p, messages->value.n, "\"signature\"", 11) == NULL)
		return false;
	str_add_c(out, '[');
	for (rest = messages->value; jscan_next(&rest, &item);) {
		size_t before = out->n;
		aj_comma(out);
		const struct jscan_member *content = aj_scan(item, &message)
			? aj_typed(&message, "content", JS_ARRAY)
			: NULL;
		if (content == NULL) {
			str_add_slice(out, item);
			continue;
		}
		str_add_n(out, item.p, (size_t)(content->value.p - item.p));
		add_signed_blocks(content->value, out);
		if (out->p[out->n - 2] == '[' && !jscan_is_empty(content->value)) {
			str_cut(out, before); // it said nothing else
			continue;
		}
		const char *behind = content->value.p + content->value.n;
		str_add_n(out, behind, (size_t)(item.p + item.n - behind));
	}
	str_add_c(out, ']');
	return true;
}

// ---- what has no word in a chat ----

// Another target may have one for it; when none does, it is left out.
static enum err_code lose(struct dialect_chat *c, const char *what, const char *field,
	struct err *err)
{
	if ((c->takes & TAKES_LOSS) == 0)
		return err_field(err, ERR_FIELD_RANGE, field, _("this target has no word for %s"),
			what);
	dialect_drop(c, what);
	return ERR_OK;
}

// The texts in a block of a kind that is not known here, one a line, as between quotes.
static void add_readable(struct slice value, int depth, size_t from, struct str *out)
{
	static const char *const keys[] = {"title", "url", "source", "text", "content", "name",
		"input", "query", "command", "code", "stdout", "stderr", "error_code", "tool_name",
		"path", "file_text", "data", "document"};
	struct slice rest = value, item;
	struct aj object;
	if (depth == 0 || out->n - from > READABLE_MAX)
		return;
	if (slice_starts(value, "\"")) {
		str_add_slice(out, out->n > from ? SLICE("\\n") : SLICE(""));
		str_add_slice(out, aj_inner(value));
	} else if (slice_starts(value, "[")) {
		while (jscan_next(&rest, &item))
			add_readable(item, depth - 1, from, out);
	} else if (aj_scan(value, &object)) {
		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			const struct jscan_member *m = aj_find(&object, keys[i]);
			if (m != NULL)
				add_readable(m->value, depth - 1, from, out);
		}
	}
}

// ---- documents ----

static bool is_text(struct slice media)
{
	return slice_starts(media, "text/") || slice_eq_str(media, "application/json") ||
		slice_eq_str(media, "application/xml");
}

static void add_title(const struct aj *block, struct str *text)
{
	struct slice title = aj_text(block, "title"), context = aj_text(block, "context");
	if (title.n > 0) {
		str_add_slice(text, title);
		str_add_slice(text, SLICE(":\\n"));
	}
	if (context.n > 0) {
		str_add_slice(text, context);
		str_add_slice(text, SLICE("\\n"));
	}
}

static void add_file(const struct aj *block, const struct aj *source, struct str *part)
{
	struct slice title = aj_text(block, "title");
	str_add_slice(part, SLICE("{\"type\":\"file\",\"file\":{"));
	aj_add_inner(part, "filename", title.n > 0 ? title : SLICE("document.pdf"));
	aj_name(part, "file_data");
	str_add_slice(part, SLICE("\"data:"));
	str_add_slice(part, aj_text(source, "media_type"));
	str_add_slice(part, SLICE(";base64,"));
	str_add_slice(part, aj_text(source, "data"));
	str_add_slice(part, SLICE("\"}}"));
}

static enum err_code add_document(struct dialect_chat *c, const struct aj *block, struct str *text,
	struct str *part, struct err *err)
{
	struct aj source;
	if (!aj_object(block, "source", &source))
		return err_field(err, ERR_FIELD_TYPE, "messages", _("a document has a source"));
	struct slice media = aj_text(&source, "media_type");
	const struct jscan_member *content = aj_find(&source, "content");
	if (aj_is(&source, "type", "text")) {
		add_title(block, text);
		str_add_slice(text, aj_text(&source, "data"));
		return ERR_OK;
	}
	if (aj_is(&source, "type", "content") && content != NULL) {
		add_title(block, text);
		add_readable(content->value, READABLE_DEPTH, text->n, text);
		return ERR_OK;
	}
	struct str plain = STR_INIT, quoted = STR_INIT;
	bool base64 = aj_is(&source, "type", "base64");
	bool read = base64 && is_text(media) && base64_read(aj_text(&source, "data"), &plain) &&
		utf8_valid(str_slice(&plain)) && memchr(str_text(&plain), '\0', plain.n) == NULL;
	if (read) {
		str_add_json(&quoted, str_slice(&plain));
		add_title(block, text);
		str_add_slice(text, aj_inner(str_slice(&quoted)));
	}
	str_release(&plain);
	str_release(&quoted);
	if (read)
		return ERR_OK;
	if (base64 && (c->takes & TAKES_FILES) != 0) {
		add_file(block, &source, part);
		return ERR_OK;
	}
	str_add_slice(text, SLICE("[a document this model cannot read: "));
	size_t from = text->n;
	add_title(block, text);
	str_add_slice(text, aj_text(&source, "url"));
	str_add_slice(text, text->n == from ? media : SLICE(""));
	str_add_c(text, ']');
	return lose(c, "document", "messages", err);
}

// ---- blocks ----

// {"type":"base64","media_type","data"} or {"type":"url","url"} as the URL OpenAI has for both.
static enum err_code add_image(struct dialect_chat *c, const struct aj *block, struct str *text,
	struct str *part, struct err *err)
{
	struct aj source;
	aj_object(block, "source", &source);
	struct slice url = aj_text(&source, "url"), data = aj_text(&source, "data");
	bool base64 = aj_is(&source, "type", "base64");
	if (!base64 && !aj_is(&source, "type", "url")) {
		str_add_slice(text, SLICE("[a picture this model cannot see]"));
		return lose(c, "image", "messages", err);
	}
	str_add_slice(part, SLICE("{\"type\":\"image_url\",\"image_url\":{\"url\":\""));
	if (base64) {
		str_add_slice(part, SLICE("data:"));
		str_add_slice(part, aj_text(&source, "media_type"));
		str_add_slice(part, SLICE(";base64,"));
	}
	str_add_slice(part, base64 ? data : url);
	str_add_slice(part, SLICE("\"}}"));
	return ERR_OK;
}

// A block that says something: as text between quotes, or as a part of a chat message's content.
static enum err_code add_block(struct dialect_chat *c, struct slice raw, struct str *text,
	struct str *part, struct err *err)
{
	struct aj block;
	str_clear(text);
	str_clear(part);
	if (!aj_scan(raw, &block))
		return err_field(err, ERR_FIELD_TYPE, "messages", _("a block is an object"));
	if (aj_is(&block, "type", "image"))
		return add_image(c, &block, text, part, err);
	if (aj_is(&block, "type", "document"))
		return add_document(c, &block, text, part, err);
	if (aj_is(&block, "type", "container_upload"))
		return lose(c, "container_upload", "messages", err);
	if (aj_is(&block, "type", "text")) {
		str_add_slice(text, aj_text(&block, "text"));
		return ERR_OK;
	}
	str_add_c(text, '[');
	str_add_slice(text, aj_text(&block, "type"));
	str_add_slice(text, SLICE("] "));
	add_readable(raw, READABLE_DEPTH, text->n, text);
	return ERR_OK;
}

// ---- messages ----

struct talk {
	struct dialect_chat *c;
	struct str text, part; // of one block
	struct dialect_user user;
	struct err *err;
};

// Appends, between quotes of the caller's, a string as it is or the texts of a list; what is no text
// goes into the user's message.
static enum err_code add_texts(struct talk *t, struct slice value, struct slice from,
	struct str *out)
{
	struct slice rest = value, item;
	bool first = true, labelled = false;
	if (slice_starts(value, "\"")) {
		str_add_slice(out, aj_inner(value));
		return ERR_OK;
	}
	while (jscan_next(&rest, &item)) {
		enum err_code code = add_block(t->c, item, &t->text, &t->part, t->err);
		if (code != ERR_OK)
			return code;
		if (t->part.n > 0) {
			str_clear(&t->text);
			str_addf(&t->text, "[from the result of %.*s]", (int)from.n, from.p);
			if (!labelled)
				dialect_user_text(&t->user, str_slice(&t->text), true);
			dialect_user_part(&t->user, str_slice(&t->part));
			str_clear(&t->text);
			str_add(&t->text, labelled ? "" : "[shown below]");
			labelled = true;
		}
		if (t->text.n == 0)
			continue;
		if (!first)
			str_add_slice(out, SLICE("\\n\\n"));
		first = false;
		str_add_slice(out, str_slice(&t->text));
	}
	return ERR_OK;
}

static enum err_code add_tool_result(struct talk *t, const struct aj *block)
{
	const struct jscan_member *content = aj_find(block, "content");
	struct str *out = t->c->out;
	enum err_code code = ERR_OK;
	aj_comma(out);
	str_add_slice(out, SLICE("{\"role\":\"tool\""));
	aj_add_inner(out, "tool_call_id", aj_text(block, "tool_use_id"));
	str_add_slice(out, SLICE(",\"content\":\""));
	if (aj_true(block, "is_error"))
		str_add_slice(out, SLICE("[the tool failed] "));
	if (content != NULL)
		code = add_texts(t, content->value, aj_text(block, "tool_use_id"), out);
	str_add_slice(out, SLICE("\"}"));
	return code;
}

// Results of tools are messages of their own and come first; the rest is the user's message.
static enum err_code add_user(struct talk *t, struct slice blocks)
{
	enum err_code code = ERR_OK;
	struct slice item;
	struct aj block;
	while (code == ERR_OK && jscan_next(&blocks, &item)) {
		if (aj_scan(item, &block) && aj_is(&block, "type", "tool_result")) {
			code = add_tool_result(t, &block);
			continue;
		}
		code = add_block(t->c, item, &t->text, &t->part, t->err);
		if (t->text.n > 0)
			dialect_user_text(&t->user, str_slice(&t->text), true);
		if (t->part.n > 0)
			dialect_user_part(&t->user, str_slice(&t->part));
	}
	return code;
}

// Thinking of an earlier turn goes back to servers that want it; tools that ran at the vendor's are
// told in words.
static enum err_code add_assistant(struct talk *t, struct slice blocks)
{
	struct str said = STR_INIT, thought = STR_INIT, tools = STR_INIT;
	struct str *out = t->c->out;
	enum err_code code = ERR_OK;
	bool apart = false; // what comes does not go on from what was said
	str_add_c(&tools, '[');
	struct slice item;
	struct aj block;
	while (code == ERR_OK && jscan_next(&blocks, &item)) {
		aj_scan(item, &block);
		if (aj_is(&block, "type", "tool_use")) {
			tools_from_block(&block, (t->c->takes & TAKES_LONG_NAMES) != 0, &tools);
		} else if (aj_is(&block, "type", "thinking")) {
			str_add_slice(&thought, aj_text(&block, "thinking"));
		} else if (!aj_is(&block, "type", "redacted_thinking")) {
			code = add_block(t->c, item, &t->text, &t->part, t->err);
			bool text = aj_is(&block, "type", "text");
			if (said.n > 0 && (apart || !text))
				str_add_slice(&said, SLICE("\\n\\n"));
			apart = !text;
			str_add_slice(&said, str_slice(&t->text));
		}
	}
	aj_comma(out);
	str_add_slice(out, SLICE("{\"role\":\"assistant\""));
	if (said.n > 0 || tools.n == 1)
		aj_add_inner(out, "content", str_slice(&said));
	else
		aj_add(out, "content", SLICE("null"));
	if (thought.n > 0 && (t->c->takes & TAKES_REASONING) != 0)
		aj_add_inner(out, "reasoning_content", str_slice(&thought));
	if (tools.n > 1) {
		str_add_c(&tools, ']');
		aj_add(out, "tool_calls", str_slice(&tools));
	}
	str_add_c(out, '}');
	str_release(&said);
	str_release(&thought);
	str_release(&tools);
	return code;
}

static enum err_code add_system(struct talk *t, const struct jscan_member *words, const char *field)
{
	struct str *out = t->c->out;
	if (words->type != JS_STRING && words->type != JS_ARRAY)
		return err_field(t->err, ERR_FIELD_TYPE, field, _("must be a string or a list"));
	dialect_user_flush(&t->user, out);
	aj_comma(out);
	str_add_slice(out, SLICE("{\"role\":\"system\",\"content\":\""));
	enum err_code code = add_texts(t, words->value, SLICE("system"), out);
	str_add_slice(out, SLICE("\"}"));
	return code;
}

// Most templates of chats have a system's words at the beginning only.
static enum err_code add_late_system(struct talk *t, const struct jscan_member *words)
{
	struct str text = STR_INIT;
	if ((t->c->takes & TAKES_LATE_SYSTEM) != 0)
		return add_system(t, words, "messages");
	enum err_code code = add_texts(t, words->value, SLICE("system"), &text);
	dialect_user_text(&t->user, str_slice(&text), true);
	str_release(&text);
	return code;
}

static enum err_code add_message(struct talk *t, struct slice item)
{
	struct aj message;
	if (!aj_scan(item, &message))
		return err_field(t->err, ERR_FIELD_TYPE, "messages",
			_("must be a list of objects"));
	bool assistant = aj_is(&message, "role", "assistant");
	bool system = aj_is(&message, "role", "system");
	const struct jscan_member *content = aj_find(&message, "content");
	if (!assistant && !system && !aj_is(&message, "role", "user"))
		return err_field(t->err, ERR_FIELD_RANGE, "messages",
			_("the role of a message is user, assistant or system"));
	if (content == NULL || (content->type != JS_STRING && content->type != JS_ARRAY))
		return err_field(t->err, ERR_FIELD_TYPE, "messages",
			_("the content of a message is a string or a list"));
	if (system)
		return add_late_system(t, content);
	bool list = content->type == JS_ARRAY;
	if (!assistant && list)
		return add_user(t, content->value);
	if (!assistant) {
		dialect_user_text(&t->user, aj_inner(content->value), false);
		return ERR_OK;
	}
	dialect_user_flush(&t->user, t->c->out);
	if (list)
		return add_assistant(t, content->value);
	aj_comma(t->c->out);
	str_add_slice(t->c->out, SLICE("{\"role\":\"assistant\""));
	aj_add(t->c->out, "content", content->value);
	str_add_c(t->c->out, '}');
	return ERR_OK;
}

static enum err_code add_messages(struct dialect_chat *c, struct err *err)
{
	const struct jscan_member *messages = aj_call(c->call, "messages");
	const struct jscan_member *system = aj_call(c->call, "system");
	struct talk t = {.c = c, .err = err};
	enum err_code code = ERR_OK;
	if (messages == NULL || messages->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "messages", _("must be a list"));
	str_add_slice(c->out, SLICE(",\"messages\":["));
	if (system != NULL)
		code = add_system(&t, system, "system");
	for (struct slice rest = messages->value, item; code == ERR_OK && jscan_next(&rest, &item);)
		code = add_message(&t, item);
	dialect_user_flush(&t.user, c->out);
	str_add_c(c->out, ']');
	str_release(&t.text);
	str_release(&t.part);
	dialect_user_release(&t.user);
	return code;
}

// ---- tools ----

static void add_name(const struct dialect_chat *c, struct slice name, struct str *out)
{
	char buf[TOOL_NAME_MAX];
	bool whole = (c->takes & TAKES_LONG_NAMES) != 0;
	aj_add_inner(out, "name", whole ? name : tools_short_name(name, buf));
}

static bool add_function(struct dialect_chat *c, const struct aj *tool, struct str *out)
{
	if (aj_find(tool, "type") != NULL && !aj_is(tool, "type", "custom"))
		return false;
	const struct jscan_member *schema = aj_typed(tool, "input_schema", JS_OBJECT);
	const struct jscan_member *strict = aj_find(tool, "strict");
	aj_comma(out);
	str_add_slice(out, SLICE("{\"type\":\"function\",\"function\":{"));
	add_name(c, aj_text(tool, "name"), out);
	if (aj_typed(tool, "description", JS_STRING) != NULL)
		aj_add_inner(out, "description", aj_text(tool, "description"));
	if (schema != NULL) {
		aj_name(out, "parameters");
		tools_schema(schema->value, true, out);
	}
	if (strict != NULL)
		aj_add_member(out, strict);
	str_add_slice(out, SLICE("}}"));
	return true;
}

static void add_tool_choice(struct dialect_chat *c)
{
	struct str *out = c->out;
	const struct jscan_member *m = aj_call(c->call, "tool_choice");
	struct aj choice;
	if (m == NULL)
		return;
	aj_scan(m->value, &choice); // what is no object has no type
	if (aj_is(&choice, "type", "any")) {
		aj_add(out, "tool_choice", SLICE("\"required\""));
	} else if (aj_is(&choice, "type", "tool")) {
		str_add_slice(out, SLICE(",\"tool_choice\":{\"type\":\"function\",\"function\":{"));
		add_name(c, aj_text(&choice, "name"), out);
		str_add_slice(out, SLICE("}}"));
	} else if (aj_is(&choice, "type", "auto") || aj_is(&choice, "type", "none")) {
		aj_add_inner(out, "tool_choice", aj_text(&choice, "type"));
	} else {
		dialect_drop(c, "tool_choice");
	}
	if (aj_true(&choice, "disable_parallel_tool_use"))
		aj_add(out, "parallel_tool_calls", SLICE("false"));
}

// ---- further wishes ----

static void add_format(const struct jscan_member *m, struct dialect_chat *c)
{
	struct aj format;
	if (!aj_scan(m->value, &format))
		return;
	const struct jscan_member *schema = aj_typed(&format, "schema", JS_OBJECT);
	if (!aj_is(&format, "type", "json_schema") || schema == NULL || c->format) {
		dialect_drop_slice(c, m->key);
		return;
	}
	c->format = true;
	str_add_slice(c->out,
		SLICE(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
		      "\"name\":\"answer\",\"strict\":true,\"schema\":"));
	str_add_slice(c->out, schema->value);
	str_add_slice(c->out, SLICE("}}"));
}

static void add_output_config(const struct jscan_member *m, struct dialect_chat *c)
{
	static const char *const efforts[][2] = {{"low", "low"}, {"medium", "medium"},
		{"high", "high"}, {"xhigh", "high"}, {"max", "high"}};
	struct aj config;
	if (!aj_scan(m->value, &config))
		return;
	const struct jscan_member *format = aj_find(&config, "format");
	if (format != NULL)
		add_format(format, c);
	for (size_t i = 0; i < ARRAY_LEN(efforts); i++)
		if (aj_is(&config, "effort", efforts[i][0]))
			dialect_effort(c, slice_of(efforts[i][1]));
}

static void add_user_id(const struct jscan_member *m, struct dialect_chat *c)
{
	struct aj in;
	if (aj_scan(m->value, &in) && aj_typed(&in, "user_id", JS_STRING) != NULL)
		aj_add_inner(c->out, "user", aj_text(&in, "user_id"));
}

static void add_thinking(const struct jscan_member *m, struct dialect_chat *c)
{
	struct aj in;
	if ((c->takes & TAKES_THINKING) != 0)
		aj_add_member(c->out, m);
	else if (aj_scan(m->value, &in) && !aj_is(&in, "type", "disabled"))
		dialect_drop(c, "thinking");
}

static enum err_code lose_member(const struct jscan_member *m, struct dialect_chat *c,
	struct err *err)
{
	char name[32] = "";
	aj_copy(m->key, name, sizeof(name));
	return lose(c, name, name, err);
}

static const struct dialect_wish wishes[] = {
	{.name = "model"},
	{.name = "messages"},
	{.name = "system"},
	{.name = "tools"},
	{.name = "tool_choice"},
	{.name = "max_tokens", .to = "max_tokens"},
	{.name = "temperature", .to = "temperature"},
	{.name = "top_p", .to = "top_p"},
	{.name = "top_k", .to = "top_k"},
	{.name = "stop_sequences", .to = "stop"},
	{.name = "stream", .to = "stream"},
	{.name = "metadata", .add = add_user_id},
	{.name = "output_config", .add = add_output_config},
	{.name = "output_format", .add = add_format},
	{.name = "thinking", .add = add_thinking},
	{.name = "cache_control"}, // a hint of price
	{.name = "mcp_servers", .refuse = lose_member},
	{.name = "container", .refuse = lose_member},
};

enum err_code messages_to_chat(struct dialect_chat *c, struct err *err)
{
	const struct adapter_call *call = c->call;
	bool tools = false;
	str_reserve(c->out, call->body.n + 256);
	str_add_c(c->out, '{');
	aj_add_text(c->out, "model", call->model);
	enum err_code code = add_messages(c, err);
	if (code == ERR_OK)
		code = dialect_tools(c, add_function, &tools, err);
	if (tools)
		add_tool_choice(c);
	if (code == ERR_OK)
		code = dialect_wishes(c, wishes, ARRAY_LEN(wishes), err);
	str_add_c(c->out, '}');
	return code;
}
