// SPDX-License-Identifier: MIT
// What is odd is found by looking at the calls alone; of their text nothing is decoded.
#include "agent/protocol/openai_calls.h"

#include <string.h>
#include "agent/protocol/json.h"
#include "agent/protocol/toolcalls.h"

#define CALLS_SEEN 64 // bits of called, argued

// ---- whole ----

static bool is_odd(struct slice calls)
{
	struct slice item;
	struct aj call, function;
	while (jscan_next(&calls, &item)) {
		if (!aj_scan(item, &call) || aj_text(&call, "id").n == 0)
			return true;
		if (aj_object(&call, "function", &function) &&
			aj_text(&function, "arguments").n == 0)
			return true; // none, or of another type
	}
	return false;
}

bool openai_calls_whole(struct slice body, struct slice choices, uint64_t serial, struct str *out)
{
	const char *from = body.p;
	struct slice item;
	struct aj choice, message;
	for (uint64_t k = 0; jscan_next(&choices, &item); k++) {
		if (!aj_scan(item, &choice) || !aj_object(&choice, "message", &message))
			continue;
		const struct jscan_member *calls = aj_typed(&message, "tool_calls", JS_ARRAY);
		struct toolcalls made = {0};
		if (calls == NULL || !is_odd(calls->value))
			continue;
		toolcalls_reset(&made, serial + k);
		if (toolcalls_add_all(&made, &message)) {
			str_add_n(out, from, (size_t)(calls->value.p - from));
			toolcalls_write(&made, out);
			from = calls->value.p + calls->value.n;
		}
		toolcalls_release(&made);
	}
	if (from == body.p)
		return false;
	str_add_n(out, from, (size_t)(body.p + body.n - from));
	return true;
}

// ---- in pieces ----

static uint64_t bit_of(int64_t index)
{
	return index >= 0 && index < CALLS_SEEN ? UINT64_C(1) << index : 0;
}

// Which call a piece belongs to: as it says; else a new id, or a name without one, begins the next.
static int64_t place_of(struct adapter_stream *s, const struct aj *call, bool named)
{
	struct slice id = aj_text(call, "id");
	int64_t index = aj_count(call, "index");
	bool other = id.n > 0 && !slice_eq_str(id, s->id);
	if (index < 0)
		index = s->tool < 0 ? 0 : s->tool + (other || (named && id.n == 0));
	if (id.n > 0)
		aj_copy(id, s->id, sizeof(s->id));
	s->tool = (int)MIN_OF(index, INT32_MAX - 1);
	return s->tool;
}

// Writes one piece; true when it is not as it came. ends: nothing follows it.
static bool add_piece(struct adapter_stream *s, struct slice item, bool ends, struct str *out)
{
	struct aj call, function;
	if (!aj_scan(item, &call) || !aj_object(&call, "function", &function)) {
		str_add_slice(out, item);
		return false;
	}
	bool named = aj_text(&function, "name").n > 0;
	const struct jscan_member *arguments = aj_find(&function, "arguments");
	bool text = arguments == NULL || arguments->type == JS_STRING;
	int64_t index = place_of(s, &call, named);
	bool begins = named && (s->called & bit_of(index)) == 0;
	bool anonymous = begins && aj_text(&call, "id").n == 0;
	s->called |= bit_of(index);
	if (arguments != NULL && (!text || arguments->value.n > 2))
		s->argued |= bit_of(index);
	if (ends && (s->argued & bit_of(index)) == 0) {
		s->argued |= bit_of(index);
		text = false; // {} for none
	}
	if (text && !anonymous && aj_count(&call, "index") >= 0) {
		str_add_slice(out, item);
		return false;
	}
	str_add_slice(out, SLICE("{\"index\":"));
	str_add_i64(out, index);
	if (anonymous) {
		str_add_slice(out, SLICE(",\"id\":\""));
		toolcalls_new_id(s->serial, (size_t)index, out);
		str_add_slice(out, SLICE("\",\"type\":\"function\""));
	}
	for (size_t i = 0; i < call.n; i++) {
		const struct jscan_member *m = &call.m[i];
		bool own = slice_eq_str(m->key, "index") || slice_eq_str(m->key, "function") ||
			(anonymous && (slice_eq_str(m->key, "id") || slice_eq_str(m->key, "type")));
		if (!own)
			aj_add_member(out, m);
	}
	str_add_slice(out, SLICE(",\"function\":{"));
	for (size_t i = 0; i < function.n; i++)
		if (&function.m[i] != arguments || text)
			aj_add_member(out, &function.m[i]);
	if (!text) {
		aj_name(out, "arguments");
		aj_arguments(arguments != NULL && arguments->value.n > 2 ? arguments : NULL, out);
	}
	str_add_slice(out, SLICE("}}"));
	return true;
}

bool openai_calls_chunk(struct adapter_stream *s, struct slice data, struct slice choices,
	struct str *out)
{
	struct slice item, call;
	struct aj choice, delta;
	// Of the first choice: nobody asks for several answers that call tools.
	if (!jscan_next(&choices, &item) || !aj_scan(item, &choice) ||
		!aj_object(&choice, "delta", &delta))
		return false;
	const struct jscan_member *calls = aj_typed(&delta, "tool_calls", JS_ARRAY);
	if (calls == NULL)
		return false;
	struct slice rest = calls->value;
	bool ends = aj_text(&choice, "finish_reason").n > 0 &&
		!aj_is(&choice, "finish_reason", "null");
	bool odd = false;
	str_add_n(out, data.p, (size_t)(rest.p - data.p));
	str_add_c(out, '[');
	while (jscan_next(&rest, &call)) {
		aj_comma(out);
		odd |= add_piece(s, call, ends, out);
	}
	str_add_c(out, ']');
	const char *behind = calls->value.p + calls->value.n;
	str_add_n(out, behind, (size_t)(data.p + data.n - behind));
	return odd;
}

void openai_calls_end(struct adapter_stream *s, const struct jscan_member *m, size_t n,
	struct str *chunk)
{
	static const char *const own[] = {"id", "object", "created", "model"};
	bool any = false;
	str_add_c(chunk, '{');
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		const struct jscan_member *at = jscan_find(m, n, own[i]);
		if (at != NULL)
			aj_add_member(chunk, at);
	}
	aj_name(chunk, "choices");
	str_add_slice(chunk, SLICE("[{\"index\":0,\"delta\":{\"tool_calls\":["));
	for (int64_t i = 0; i < CALLS_SEEN; i++) {
		if ((s->called & ~s->argued & bit_of(i)) == 0)
			continue;
		str_add(chunk, any ? ",{\"index\":" : "{\"index\":");
		str_add_i64(chunk, i);
		str_add_slice(chunk, SLICE(",\"function\":{\"arguments\":\"{}\"}}"));
		any = true;
	}
	str_add_slice(chunk, SLICE("]},\"logprobs\":null,\"finish_reason\":null}]}"));
	s->argued = s->called;
}
