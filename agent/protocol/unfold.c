// SPDX-License-Identifier: MIT
// Two chunks for all choices: what they say, and why they ended, as clients take the first for more
// than an end.
#include "agent/protocol/unfold.h"

#include "shared/jscan.h"

#define MEMBERS_MAX 32

struct object {
	struct jscan_member m[MEMBERS_MAX];
	size_t n;
};

static bool read_object(struct slice json, struct object *ret)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};
	return jscan_object(json, limits, ret->m, MEMBERS_MAX, &ret->n, NULL) == ERR_OK;
}

static void add_member(struct str *out, struct slice name, struct slice value)
{
	if (out->n > 0 && out->p[out->n - 1] != '{')
		str_add_c(out, ',');
	str_add_c(out, '"');
	str_add_slice(out, name);
	str_add_slice(out, SLICE("\":"));
	str_add_slice(out, value);
}

// An event is one line: what was written over several is joined by blanks.
static void end_event(struct str *out, size_t from)
{
	for (size_t i = from; i < out->n; i++)
		if (out->p[i] == '\n' || out->p[i] == '\r')
			out->p[i] = ' ';
	str_add_slice(out, SLICE("\n\n"));
}

// Calls of tools are told apart by their place in a stream.
static void add_tools(struct str *out, struct slice list)
{
	add_member(out, SLICE("tool_calls"), SLICE("["));
	struct slice item;
	struct object call;
	for (int i = 0; jscan_next(&list, &item); i++) {
		if (!read_object(item, &call))
			continue;
		str_add_slice(out, out->p[out->n - 1] == '[' ? SLICE("{") : SLICE(",{"));
		str_add_slice(out, SLICE("\"index\":"));
		str_add_i64(out, i);
		for (size_t k = 0; k < call.n; k++)
			if (!slice_eq_str(call.m[k].key, "index"))
				add_member(out, call.m[k].key, call.m[k].value);
		str_add_c(out, '}');
	}
	str_add_c(out, ']');
}

static void add_delta(struct str *out, const struct jscan_member *message)
{
	add_member(out, SLICE("delta"), SLICE("{"));
	struct object m;
	if (message != NULL && message->type == JS_OBJECT && read_object(message->value, &m)) {
		for (size_t i = 0; i < m.n; i++) {
			bool tools = slice_eq_str(m.m[i].key, "tool_calls");
			if (tools && m.m[i].type == JS_ARRAY)
				add_tools(out, m.m[i].value);
			else if (!tools)
				add_member(out, m.m[i].key, m.m[i].value);
		}
	}
	str_add_c(out, '}');
}

static void add_choice(struct str *out, struct slice choice, int i, bool end)
{
	struct object o;
	if (!read_object(choice, &o))
		return;
	const struct jscan_member *index = jscan_find(o.m, o.n, "index");
	const struct jscan_member *why = jscan_find(o.m, o.n, "finish_reason");
	str_add_slice(out,
		out->p[out->n - 1] == '[' ? SLICE("{\"index\":") : SLICE(",{\"index\":"));
	if (index != NULL && index->type == JS_NUMBER)
		str_add_slice(out, index->value);
	else
		str_add_i64(out, i);
	if (!end)
		add_delta(out, jscan_find(o.m, o.n, "message"));
	else
		add_member(out, SLICE("delta"), SLICE("{}"));
	for (size_t k = 0; k < o.n; k++) {
		struct slice key = o.m[k].key;
		if (!slice_eq_str(key, "index") && !slice_eq_str(key, "message") &&
			!slice_eq_str(key, "delta") && !slice_eq_str(key, "finish_reason") && !end)
			add_member(out, key, o.m[k].value);
	}
	if (!end)
		add_member(out, SLICE("finish_reason"), SLICE("null"));
	else if (why != NULL && why->type == JS_STRING)
		add_member(out, SLICE("finish_reason"), why->value);
	else
		add_member(out, SLICE("finish_reason"), SLICE("\"stop\""));
	str_add_c(out, '}');
}

enum part { SAYS, ENDS, USAGE };

static void add_chunk(struct str *out, const struct object *top, enum part part)
{
	const struct jscan_member *choices = jscan_find(top->m, top->n, "choices");
	const struct jscan_member *usage = jscan_find(top->m, top->n, "usage");
	size_t from = out->n;
	str_add_slice(out, SLICE("data: {"));
	add_member(out, SLICE("object"), SLICE("\"chat.completion.chunk\""));
	for (size_t i = 0; i < top->n; i++) {
		struct slice key = top->m[i].key;
		if (!slice_eq_str(key, "object") && !slice_eq_str(key, "choices") &&
			!slice_eq_str(key, "usage"))
			add_member(out, key, top->m[i].value);
	}
	add_member(out, SLICE("choices"), SLICE("["));
	struct slice rest = choices->value, item;
	for (int i = 0; part != USAGE && jscan_next(&rest, &item); i++)
		add_choice(out, item, i, part == ENDS);
	str_add_c(out, ']');
	if (part == USAGE)
		add_member(out, SLICE("usage"), usage->value);
	str_add_c(out, '}');
	end_event(out, from);
}

bool unfold(enum offer offer, struct slice answer, bool usage, struct str *out)
{
	struct object top;
	size_t from = out->n;
	if (!read_object(answer, &top))
		return false;
	const struct jscan_member *choices = jscan_find(top.m, top.n, "choices");
	const struct jscan_member *told = jscan_find(top.m, top.n, "usage");
	switch (offer) {
	case OFFER_CHAT:
		if (choices == NULL || choices->type != JS_ARRAY)
			return false;
		add_chunk(out, &top, SAYS);
		add_chunk(out, &top, ENDS);
		if (usage && told != NULL && told->type == JS_OBJECT)
			add_chunk(out, &top, USAGE);
		return true;
	case OFFER_COMPLETIONS: // its chunks are made like the whole
		if (choices == NULL)
			return false;
		str_add_slice(out, SLICE("data: "));
		str_add_slice(out, answer);
		end_event(out, from);
		return true;
	case OFFER_RESPONSES:
		str_add_slice(out,
			SLICE("event: response.completed\ndata: "
			      "{\"type\":\"response.completed\",\"sequence_number\":0,\"response\":"));
		from = out->n;
		str_add_slice(out, answer);
		str_add_c(out, '}');
		end_event(out, from);
		return true;
	default:
		return false;
	}
}
