// SPDX-License-Identifier: MIT
// Ids and names pass as they stand; arguments are decoded into an object or encoded into a text.
#include "agent/protocol/tools.h"

bool tools_to_blocks(const struct aj *message, struct str *out)
{
	const struct jscan_member *calls = aj_typed(message, "tool_calls", JS_ARRAY);
	struct slice rest = calls != NULL ? calls->value : SLICE("[]"), item;
	struct aj call, function;
	bool any = false;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &call) || !aj_object(&call, "function", &function))
			continue;
		const struct jscan_member *arguments = aj_typed(&function, "arguments", JS_STRING);
		aj_comma(out);
		str_add_slice(out, SLICE("{\"type\":\"tool_use\""));
		aj_add_inner(out, "id", aj_text(&call, "id"));
		aj_add_inner(out, "name", aj_text(&function, "name"));
		str_add_slice(out, SLICE(",\"input\":"));
		aj_embed(arguments != NULL ? arguments->value : SLICE("\"\""), out);
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
