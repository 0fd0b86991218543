// SPDX-License-Identifier: MIT
// Ids and names pass as they stand; arguments are decoded into an object or encoded into a text.
#include "agent/protocol/tools.h"

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

static void open_block(struct slice id, struct slice name, struct str *out)
{
	aj_comma(out);
	str_add_slice(out, SLICE("{\"type\":\"tool_use\""));
	aj_add_inner(out, "id", id);
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
		const struct jscan_member *object = aj_typed(&function, "arguments", JS_OBJECT);
		open_block(aj_text(&call, "id"), aj_text(&function, "name"), out);
		if (object != NULL)
			str_add_slice(out, object->value);
		else
			add_input(aj_text(&function, "arguments"), out);
		str_add_c(out, '}');
		any = true;
	}
	return any;
}

void tools_from_block(const struct aj *block, struct str *out)
{
	const struct jscan_member *input = aj_typed(block, "input", JS_OBJECT);
	aj_comma(out);
	str_add_c(out, '{');
	aj_add_inner(out, "id", aj_text(block, "id"));
	str_add_slice(out, SLICE(",\"type\":\"function\",\"function\":{"));
	aj_add_inner(out, "name", aj_text(block, "name"));
	str_add_slice(out, SLICE(",\"arguments\":"));
	str_add_json(out, input != NULL ? input->value : SLICE("{}"));
	str_add_slice(out, SLICE("}}"));
}
