// SPDX-License-Identifier: MIT
// Items of the input are put together into messages: what the model said between two of the caller's
// items, its reasoning, text and calls, is one message of the assistant.
#include "agent/protocol/dialect_responses_ask.h"

#include <string.h>

#include "agent/protocol/tools.h"
#include "shared/text.h"

enum err_code responses_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *ret, struct err *err)
{
	enum err_code code = adapter_read(body, offer, need_model, ret, err);
	ret->dialect = DIALECT_RESPONSES;
	return code;
}

// ---- names of functions in a namespace: both, with this between them ----

#define BETWEEN "__"

static void add_spaced_name(struct slice space, struct slice name, struct str *out)
{
	struct str whole = STR_INIT;
	if (space.n > 0) {
		str_add_slice(&whole, space);
		str_add(&whole, BETWEEN);
	}
	str_add_slice(&whole, name);
	aj_add_inner(out, "name", str_slice(&whole));
	str_release(&whole);
}

struct slice responses_namespace(const struct adapter_call *asked, struct slice *name)
{
	const struct jscan_member *tools = aj_call(asked, "tools");
	struct slice rest = tools != NULL && tools->type == JS_ARRAY ? tools->value : SLICE("[]"),
		     item;
	struct aj tool;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &tool) || !aj_is(&tool, "type", "namespace"))
			continue;
		struct slice space = aj_text(&tool, "name");
		size_t n = space.n + strlen(BETWEEN);
		if (space.n == 0 || name->n <= n || memcmp(name->p, space.p, space.n) != 0 ||
			memcmp(name->p + space.n, BETWEEN, strlen(BETWEEN)) != 0)
			continue;
		*name = (struct slice){name->p + n, name->n - n};
		return space;
	}
	return (struct slice){NULL, 0};
}

// ---- messages ----

struct talk {
	struct dialect_chat *c;
	struct err *err;
	bool begun; // something but a system's words was said
	struct str system; // words for the system so far, as between quotes
	struct str thought, said, tools; // of the assistant's message under way
	struct str text, part; // of one item's part
	struct dialect_user user;
};

static void open_message(struct talk *t, const char *role)
{
	aj_comma(t->c->out);
	str_add_c(t->c->out, '{');
	aj_add_text(t->c->out, "role", role);
}

// Most templates of chats take one message of the system, and first.
static void flush_system(struct talk *t)
{
	if (t->system.n > 0 && !t->begun) {
		open_message(t, "system");
		aj_add_inner(t->c->out, "content", str_slice(&t->system));
		str_add_c(t->c->out, '}');
	}
	t->begun = true;
}

static void flush_assistant(struct talk *t)
{
	struct str *out = t->c->out;
	if (t->said.n + t->tools.n == 0) {
		str_clear(&t->thought);
		return;
	}
	flush_system(t);
	dialect_user_flush(&t->user, out);
	open_message(t, "assistant");
	if (t->said.n > 0)
		aj_add_inner(out, "content", str_slice(&t->said));
	else
		aj_add(out, "content", SLICE("null"));
	if (t->thought.n > 0 && (t->c->takes & TAKES_REASONING) != 0)
		aj_add_inner(out, "reasoning_content", str_slice(&t->thought));
	if (t->tools.n > 0) {
		str_add_slice(out, SLICE(",\"tool_calls\":["));
		str_add_slice(out, str_slice(&t->tools));
		str_add_c(out, ']');
	}
	str_add_c(out, '}');
	str_clear(&t->thought);
	str_clear(&t->said);
	str_clear(&t->tools);
}

static void add_line(struct str *to, struct slice inner)
{
	if (to->n > 0 && inner.n > 0)
		str_add_slice(to, SLICE("\\n\\n"));
	str_add_slice(to, inner);
}

static enum err_code no_word(struct talk *t, const char *what)
{
	if ((t->c->takes & TAKES_LOSS) == 0)
		return err_field(t->err, ERR_FIELD_RANGE, "input",
			_("this target has no word for %s"), what);
	dialect_drop(t->c, what);
	return ERR_OK;
}

static enum err_code add_file(struct talk *t, const struct aj *part)
{
	struct slice data = aj_text(part, "file_data"), name = aj_text(part, "filename");
	if (data.n == 0 || (t->c->takes & TAKES_FILES) == 0) {
		str_add_slice(&t->text, SLICE("[a file this model cannot read: "));
		str_add_slice(&t->text, name.n > 0 ? name : aj_text(part, "file_url"));
		str_add_c(&t->text, ']');
		return no_word(t, "input_file");
	}
	str_add_slice(&t->part, SLICE("{\"type\":\"file\",\"file\":{"));
	aj_add_inner(&t->part, "filename", name.n > 0 ? name : SLICE("file"));
	aj_add_inner(&t->part, "file_data", data);
	str_add_slice(&t->part, SLICE("}}"));
	return ERR_OK;
}

// One part of an item's content: its text goes to t->text, else what it is in a chat to t->part.
static enum err_code read_part(struct talk *t, struct slice raw)
{
	str_clear(&t->text);
	str_clear(&t->part);
	struct aj part;
	aj_scan(raw, &part);
	if (aj_is(&part, "type", "input_image") && aj_text(&part, "image_url").n > 0) {
		str_add_slice(&t->part, SLICE("{\"type\":\"image_url\",\"image_url\":{"));
		aj_add_inner(&t->part, "url", aj_text(&part, "image_url"));
		if (aj_text(&part, "detail").n > 0)
			aj_add_inner(&t->part, "detail", aj_text(&part, "detail"));
		str_add_slice(&t->part, SLICE("}}"));
		return ERR_OK;
	}
	if (aj_is(&part, "type", "input_image")) {
		str_add_slice(&t->text, SLICE("[a picture this model cannot see]"));
		return no_word(t, "input_part");
	}
	if (aj_is(&part, "type", "input_file"))
		return add_file(t, &part);
	if (aj_is(&part, "type", "refusal"))
		str_add_slice(&t->text, aj_text(&part, "refusal"));
	else if (aj_typed(&part, "text", JS_STRING) != NULL)
		str_add_slice(&t->text, aj_text(&part, "text"));
	else
		return no_word(t, "input_part");
	return ERR_OK;
}

// The texts of a string or a list, joined; what else there is goes into the user's message.
static enum err_code add_texts(struct talk *t, const struct jscan_member *content, struct str *to)
{
	enum err_code code = ERR_OK;
	bool list = content != NULL && content->type == JS_ARRAY;
	if (content != NULL && content->type == JS_STRING) {
		add_line(to, aj_inner(content->value));
	} else if (content != NULL && !list) { // an object: its text
		struct str text = STR_INIT;
		str_add_json(&text, content->value);
		add_line(to, aj_inner(str_slice(&text)));
		str_release(&text);
	}
	struct slice item;
	for (struct slice rest = list ? content->value : SLICE("[]");
		code == ERR_OK && jscan_next(&rest, &item);) {
		code = read_part(t, item);
		add_line(to, str_slice(&t->text));
		if (t->part.n == 0)
			continue;
		dialect_user_part(&t->user, str_slice(&t->part));
		if (to->n == 0)
			str_add_slice(to, SLICE("[shown below]"));
	}
	return code;
}

static enum err_code add_user(struct talk *t, const struct jscan_member *content)
{
	enum err_code code = ERR_OK;
	flush_assistant(t);
	flush_system(t);
	if (content != NULL && content->type == JS_STRING)
		dialect_user_text(&t->user, aj_inner(content->value), false);
	bool list = content != NULL && content->type == JS_ARRAY;
	struct slice item;
	for (struct slice rest = list ? content->value : SLICE("[]");
		code == ERR_OK && jscan_next(&rest, &item);) {
		code = read_part(t, item);
		if (t->text.n > 0)
			dialect_user_text(&t->user, str_slice(&t->text), true);
		if (t->part.n > 0)
			dialect_user_part(&t->user, str_slice(&t->part));
	}
	return code;
}

static enum err_code add_message(struct talk *t, const struct aj *item)
{
	const struct jscan_member *content = aj_find(item, "content");
	bool system = aj_is(item, "role", "system") || aj_is(item, "role", "developer");
	bool user = aj_is(item, "role", "user");
	if (!system && !user && !aj_is(item, "role", "assistant"))
		return err_field(t->err, ERR_FIELD_RANGE, "input",
			_("the role of a message is user, assistant, system or developer"));
	if (user || (system && t->begun))
		return add_user(t, content);
	return add_texts(t, content, system ? &t->system : &t->said);
}

// ---- calls of tools ----

// arguments: as between quotes.
static void add_call(struct talk *t, const struct aj *item, struct slice name,
	struct slice arguments)
{
	struct slice id = aj_text(item, "call_id");
	aj_comma(&t->tools);
	str_add_c(&t->tools, '{');
	aj_add_inner(&t->tools, "id", id.n > 0 ? id : aj_text(item, "id"));
	str_add_slice(&t->tools, SLICE(",\"type\":\"function\",\"function\":{"));
	aj_add_inner(&t->tools, "name", name);
	aj_add_inner(&t->tools, "arguments", arguments.n > 0 ? arguments : SLICE("{}"));
	str_add_slice(&t->tools, SLICE("}}"));
}

// An object as the text of one.
static void add_call_object(struct talk *t, const struct aj *item, struct slice name,
	struct slice object)
{
	struct str quoted = STR_INIT;
	str_add_json(&quoted, object);
	add_call(t, item, name, aj_inner(str_slice(&quoted)));
	str_release(&quoted);
}

static void add_custom_call(struct talk *t, const struct aj *item)
{
	struct str object = STR_INIT;
	str_add_c(&object, '{');
	aj_add_inner(&object, "input", aj_text(item, "input"));
	str_add_c(&object, '}');
	add_call_object(t, item, aj_text(item, "name"), str_slice(&object));
	str_release(&object);
}

static enum err_code add_output(struct talk *t, const struct aj *item)
{
	struct slice id = aj_text(item, "call_id");
	struct str *out = t->c->out, text = STR_INIT;
	flush_assistant(t);
	flush_system(t);
	enum err_code code = add_texts(t, aj_find(item, "output"), &text);
	open_message(t, "tool");
	aj_add_inner(out, "tool_call_id", id.n > 0 ? id : aj_text(item, "id"));
	aj_add_inner(out, "content", str_slice(&text));
	str_add_c(out, '}');
	str_release(&text);
	return code;
}

static void add_reasoning(struct talk *t, const struct aj *item)
{
	static const char *const lists[] = {"content", "summary"};
	for (size_t i = 0; i < ARRAY_LEN(lists) && t->thought.n == 0; i++) {
		const struct jscan_member *m = aj_typed(item, lists[i], JS_ARRAY);
		struct slice rest = m != NULL ? m->value : SLICE("[]"), one;
		struct aj part;
		while (jscan_next(&rest, &one))
			if (aj_scan(one, &part))
				add_line(&t->thought, aj_text(&part, "text"));
	}
}

static enum err_code add_item(struct talk *t, struct slice raw)
{
	struct aj item;
	if (!aj_scan(raw, &item))
		return err_field(t->err, ERR_FIELD_TYPE, "input",
			_("must be a text or a list of items"));
	struct slice type = aj_text(&item, "type");
	if (type.n == 0 || slice_eq_str(type, "message"))
		return add_message(t, &item);
	if (slice_ends(type, "_call_output"))
		return add_output(t, &item);
	if (slice_eq_str(type, "item_reference"))
		return err_field(t->err, ERR_PARAM_INVALID, "input",
			_("nothing is stored here that an item_reference could name; send the item"));
	if (slice_eq_str(type, "function_call")) {
		struct str name = STR_INIT, arguments = STR_INIT;
		if (aj_text(&item, "namespace").n > 0) {
			str_add_slice(&name, aj_text(&item, "namespace"));
			str_add(&name, BETWEEN);
		}
		str_add_slice(&name, aj_text(&item, "name"));
		aj_arguments(aj_find(&item, "arguments"), &arguments);
		add_call(t, &item, str_slice(&name), aj_inner(str_slice(&arguments)));
		str_release(&name);
		str_release(&arguments);
	} else if (slice_eq_str(type, "custom_tool_call")) {
		add_custom_call(t, &item);
	} else if (slice_eq_str(type, "local_shell_call")) {
		const struct jscan_member *action = aj_typed(&item, "action", JS_OBJECT);
		add_call_object(t, &item, SLICE("local_shell"),
			action != NULL ? action->value : SLICE("{}"));
	} else if (slice_eq_str(type, "reasoning")) {
		if (t->said.n + t->tools.n > 0)
			flush_assistant(t);
		add_reasoning(t, &item);
	} else {
		dialect_drop_slice(t->c, type); // what tools at the vendor's did
	}
	return ERR_OK;
}

static enum err_code add_messages(struct dialect_chat *c, struct err *err)
{
	const struct jscan_member *words = aj_call(c->call, "instructions");
	const struct jscan_member *input = aj_call(c->call, "input");
	struct talk t = {.c = c, .err = err};
	enum err_code code = ERR_OK;
	str_add_slice(c->out, SLICE(",\"messages\":["));
	if (words != NULL && words->type == JS_STRING)
		add_line(&t.system, aj_inner(words->value));
	if (input != NULL && input->type == JS_STRING) {
		code = add_user(&t, input);
	} else if (input != NULL && input->type == JS_ARRAY) {
		struct slice rest = input->value, item;
		while (code == ERR_OK && jscan_next(&rest, &item))
			code = add_item(&t, item);
	} else {
		code = err_field(err, ERR_FIELD_TYPE, "input",
			_("must be a text or a list of items"));
	}
	flush_assistant(&t);
	flush_system(&t);
	dialect_user_flush(&t.user, c->out);
	str_add_c(c->out, ']');
	str_release(&t.system);
	str_release(&t.thought);
	str_release(&t.said);
	str_release(&t.tools);
	str_release(&t.text);
	str_release(&t.part);
	dialect_user_release(&t.user);
	return code;
}

// ---- tools ----

bool responses_is_custom(const struct adapter_call *asked, struct slice name)
{
	const struct jscan_member *tools = aj_call(asked, "tools");
	struct slice rest = tools != NULL && tools->type == JS_ARRAY ? tools->value : SLICE("[]");
	struct slice item;
	struct aj tool;
	while (jscan_next(&rest, &item))
		if (aj_scan(item, &tool) && aj_is(&tool, "type", "custom") &&
			slice_eq(aj_text(&tool, "name"), name))
			return true;
	return false;
}

static void add_function(const struct aj *tool, struct slice space, bool custom, struct str *out)
{
	const struct jscan_member *schema = aj_typed(tool, "parameters", JS_OBJECT);
	const struct jscan_member *strict = aj_find(tool, "strict");
	struct aj format;
	aj_object(tool, "format", &format);
	aj_comma(out);
	str_add_slice(out, SLICE("{\"type\":\"function\",\"function\":{"));
	add_spaced_name(space, aj_text(tool, "name"), out);
	str_add_slice(out, SLICE(",\"description\":\""));
	str_add_slice(out, aj_text(tool, "description"));
	if (aj_text(&format, "definition").n > 0) {
		str_add_slice(out, SLICE("\\n\\nThe input follows this grammar:\\n"));
		str_add_slice(out, aj_text(&format, "definition"));
	}
	str_add_c(out, '"');
	if (custom)
		aj_add(out, "parameters",
			SLICE("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},"
			      "\"required\":[\"input\"]}"));
	else if (schema != NULL) {
		aj_name(out, "parameters");
		tools_schema(schema->value, true, out);
	}
	if (!custom && strict != NULL)
		aj_add_member(out, strict);
	str_add_slice(out, SLICE("}}"));
}

// A namespace is a list of functions: the tools of one server, as coding clients send them.
static bool add_tool(struct dialect_chat *c UNUSED, const struct aj *tool, struct str *list)
{
	bool custom = aj_is(tool, "type", "custom");
	if (custom || aj_is(tool, "type", "function")) {
		struct aj nested; // as a chat has it
		bool named = aj_text(tool, "name").n > 0;
		if (!named &&
			(!aj_object(tool, "function", &nested) || aj_text(&nested, "name").n == 0))
			return false;
		add_function(named ? tool : &nested, (struct slice){NULL, 0}, custom, list);
		return true;
	}
	const struct jscan_member *tools = aj_typed(tool, "tools", JS_ARRAY);
	if (!aj_is(tool, "type", "namespace") || tools == NULL)
		return false;
	struct slice rest = tools->value, item;
	struct aj one;
	while (jscan_next(&rest, &item))
		if (aj_scan(item, &one) && aj_text(&one, "name").n > 0)
			add_function(&one, aj_text(tool, "name"), aj_is(&one, "type", "custom"),
				list);
	return true;
}

static void add_tool_choice(struct dialect_chat *c)
{
	const struct jscan_member *m = aj_call(c->call, "tool_choice");
	const struct jscan_member *parallel = aj_call(c->call, "parallel_tool_calls");
	if (parallel != NULL)
		aj_add(c->out, "parallel_tool_calls", parallel->value);
	if (m == NULL)
		return;
	struct aj choice;
	if (m->type == JS_STRING) {
		aj_add(c->out, "tool_choice", m->value);
	} else if (aj_scan(m->value, &choice) && aj_text(&choice, "name").n > 0) {
		str_add_slice(c->out,
			SLICE(",\"tool_choice\":{\"type\":\"function\",\"function\":{"));
		aj_add_inner(c->out, "name", aj_text(&choice, "name"));
		str_add_slice(c->out, SLICE("}}"));
	} else {
		dialect_drop(c, "tool_choice");
	}
}

// ---- further wishes ----

static void add_text_format(const struct jscan_member *m, struct dialect_chat *c)
{
	static const char *const same[] = {"name", "description", "schema", "strict"};
	struct aj text;
	if (!aj_scan(m->value, &text))
		return;
	if (aj_find(&text, "verbosity") != NULL)
		dialect_drop(c, "text.verbosity");
	struct aj format;
	if (!aj_object(&text, "format", &format) || aj_is(&format, "type", "text"))
		return;
	str_add_slice(c->out, SLICE(",\"response_format\":{"));
	aj_add_inner(c->out, "type", aj_text(&format, "type"));
	if (aj_is(&format, "type", "json_schema")) {
		str_add_slice(c->out, SLICE(",\"json_schema\":{"));
		for (size_t i = 0; i < ARRAY_LEN(same); i++) {
			const struct jscan_member *one = aj_find(&format, same[i]);
			if (one != NULL)
				aj_add_member(c->out, one);
		}
		str_add_c(c->out, '}');
	}
	str_add_c(c->out, '}');
}

static void add_reasoning_effort(const struct jscan_member *m, struct dialect_chat *c)
{
	struct aj reasoning;
	if (aj_scan(m->value, &reasoning) && aj_text(&reasoning, "effort").n > 0)
		dialect_effort(c, aj_text(&reasoning, "effort"));
}

// Nothing is stored: neither what was said before nor what is answered later.
static enum err_code refuse_stored(const struct jscan_member *m, struct dialect_chat *c UNUSED,
	struct err *err)
{
	char name[32] = "";
	if (m->type == JS_FALSE)
		return ERR_OK;
	aj_copy(m->key, name, sizeof(name));
	return err_field(err, ERR_PARAM_INVALID, name,
		_("this target stores no responses, prompts or conversations; send the whole input"));
}

static const struct dialect_wish wishes[] = {
	{.name = "model"},
	{.name = "input"},
	{.name = "instructions"},
	{.name = "tools"},
	{.name = "tool_choice"},
	{.name = "parallel_tool_calls"},
	{.name = "max_output_tokens", .to = "max_tokens"},
	{.name = "temperature", .to = "temperature"},
	{.name = "top_p", .to = "top_p"},
	{.name = "stream", .to = "stream"},
	{.name = "user", .to = "user"},
	{.name = "text", .add = add_text_format},
	{.name = "reasoning", .add = add_reasoning_effort},
	{.name = "store"},
	{.name = "include"},
	{.name = "metadata"},
	{.name = "stream_options"},
	{.name = "truncation"},
	{.name = "prompt_cache_key"},
	{.name = "prompt_cache_retention"},
	{.name = "client_metadata"},
	{.name = "previous_response_id", .refuse = refuse_stored},
	{.name = "conversation", .refuse = refuse_stored},
	{.name = "prompt", .refuse = refuse_stored},
	{.name = "background", .refuse = refuse_stored},
};

enum err_code responses_to_chat(struct dialect_chat *c, struct err *err)
{
	bool tools = false;
	str_reserve(c->out, c->call->body.n + 256);
	str_add_c(c->out, '{');
	aj_add_text(c->out, "model", c->call->model);
	enum err_code code = dialect_wishes(c, wishes, ARRAY_LEN(wishes), err);
	if (code == ERR_OK)
		code = add_messages(c, err);
	if (code == ERR_OK)
		code = dialect_tools(c, add_tool, &tools, err);
	if (tools)
		add_tool_choice(c);
	str_add_c(c->out, '}');
	return code;
}
