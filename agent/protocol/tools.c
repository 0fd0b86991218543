// SPDX-License-Identifier: MIT
// Ids and names pass as they stand; arguments are decoded into an object or encoded into a text.
#include "agent/protocol/tools.h"

#include <string.h>
#include "shared/num.h"

static bool is_blank(struct slice text)
{
	size_t i = 0;
	while (i < text.n &&
		(text.p[i] == ' ' || text.p[i] == '\n' || text.p[i] == '\t' || text.p[i] == '\r'))
		i++;
	return i == text.n || slice_eq_str(text, "null");
}

static void add_input(struct slice arguments, struct str *out)
{
	struct str quoted = STR_INIT, text = STR_INIT, twice = STR_INIT;
	str_add_c(&quoted, '"');
	str_add_slice(&quoted, arguments);
	str_add_c(&quoted, '"');
	aj_decode(str_slice(&quoted), &text);
	struct slice said = str_slice(&text);
	if (slice_starts(said, "\"") &&
		jscan_check(said, (struct jscan_limits){.lax = true}, NULL) == ERR_OK)
		aj_decode(said, &twice);
	struct aj any;
	if (is_blank(said)) {
		str_add_slice(out, SLICE("{}"));
	} else if (aj_scan(said, &any)) {
		str_add_slice(out, said);
	} else if (aj_scan(str_slice(&twice), &any)) {
		str_add_slice(out, str_slice(&twice));
	} else {
		str_add_c(out, '{');
		aj_add_inner(out, "raw_arguments", arguments);
		str_add_c(out, '}');
	}
	str_release(&quoted);
	str_release(&text);
	str_release(&twice);
}

void tools_input(const struct jscan_member *arguments, struct str *out)
{
	if (arguments == NULL || arguments->type == JS_NULL) {
		str_add_slice(out, SLICE("{}"));
	} else if (arguments->type == JS_OBJECT) {
		str_add_slice(out, arguments->value);
	} else if (arguments->type == JS_STRING) {
		add_input(aj_inner(arguments->value), out);
	} else {
		struct str text = STR_INIT;
		str_add_json(&text, arguments->value);
		add_input(aj_inner(str_slice(&text)), out);
		str_release(&text);
	}
}

void tools_add_id(const char *member, struct slice id, struct str *out)
{
	aj_name(out, member);
	str_add_c(out, '"');
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];
		bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') || c == '_' || c == '-';
		str_add_c(out, fine ? c : '_');
	}
	str_add_c(out, '"');
}

static void open_block(struct slice id, struct slice name, struct str *out)
{
	aj_comma(out);
	str_add_slice(out, SLICE("{\"type\":\"tool_use\""));
	tools_add_id("id", id, out);
	aj_add_inner(out, "name", name);
	str_add_slice(out, SLICE(",\"input\":"));
}

void tools_block(struct slice id, struct slice name, struct slice arguments, struct str *out)
{
	open_block(id, name, out);
	add_input(arguments, out);
	str_add_c(out, '}');
}

bool tools_to_blocks(const struct aj *message, struct str *out)
{
	const struct jscan_member *calls = aj_typed(message, "tool_calls", JS_ARRAY);
	struct slice rest = calls != NULL ? calls->value : SLICE("[]"), item;
	struct aj call, function;
	bool any = false;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &call) || !aj_object(&call, "function", &function))
			continue;
		open_block(aj_text(&call, "id"), aj_text(&function, "name"), out);
		tools_input(aj_find(&function, "arguments"), out);
		str_add_c(out, '}');
		any = true;
	}
	return any;
}

void tools_schema(struct slice schema, bool properties, struct str *out)
{
	struct aj in;
	bool typed = aj_scan(schema, &in) && aj_find(&in, "type") != NULL;
	bool object = !typed || aj_is(&in, "type", "object");
	properties = properties && aj_find(&in, "properties") == NULL;
	if (!object || (typed && !properties)) {
		str_add_slice(out, schema);
		return;
	}
	str_add_slice(out, typed ? SLICE("{") : SLICE("{\"type\":\"object\""));
	for (size_t i = 0; i < in.n; i++)
		aj_add_member(out, &in.m[i]);
	if (properties)
		aj_add(out, "properties", SLICE("{}"));
	str_add_c(out, '}');
}

struct slice tools_short_name(struct slice name, char buf[TOOL_NAME_MAX])
{
	if (name.n <= TOOL_NAME_MAX)
		return name;
	char mark[NUM_HEX_TEXT];
	size_t n = num_hex(slice_hash(SLICE_HASH_BEGIN, name), mark), kept = TOOL_NAME_MAX - n - 1;
	memcpy(buf, name.p, kept);
	buf[kept] = '_';
	memcpy(buf + kept + 1, mark, n);
	return (struct slice){buf, TOOL_NAME_MAX};
}

struct slice tools_long_name(const struct jscan_member *tools, struct slice name)
{
	struct slice rest = tools != NULL && tools->type == JS_ARRAY ? tools->value : SLICE("[]"),
		     item;
	char buf[TOOL_NAME_MAX];
	struct aj tool, function;
	while (name.n == TOOL_NAME_MAX && jscan_next(&rest, &item)) {
		if (!aj_scan(item, &tool))
			continue;
		struct slice whole = aj_object(&tool, "function", &function)
			? aj_text(&function, "name")
			: aj_text(&tool, "name");
		if (whole.n > TOOL_NAME_MAX && slice_eq(tools_short_name(whole, buf), name))
			return whole;
	}
	return name;
}

void tools_from_block(const struct aj *block, bool whole_names, struct str *out)
{
	struct slice name = aj_text(block, "name");
	aj_comma(out);
	str_add_c(out, '{');
	aj_add_inner(out, "id", aj_text(block, "id"));
	str_add_slice(out, SLICE(",\"type\":\"function\",\"function\":{"));
	char buf[TOOL_NAME_MAX];
	aj_add_inner(out, "name", whole_names ? name : tools_short_name(name, buf));
	str_add_slice(out, SLICE(",\"arguments\":"));
	aj_arguments(aj_find(block, "input"), out);
	str_add_slice(out, SLICE("}}"));
}
