// SPDX-License-Identifier: MIT
// OpenAI's Responses told: a turn as output items, whole or event by event. Source: OpenAI's API
// reference, "The response object", "Streaming events". Every event is numbered; a stream ends with
// response.completed, .incomplete or .failed, there is no [DONE].
#include "agent/protocol/dialect.h"

#include <string.h>
#include "agent/protocol/dialect_responses_ask.h"

// ---- the response object ----

// What the caller asked comes back in the answer; else what holds when nobody says.
static void add_asked(const struct turn *t, struct str *out)
{
	static const struct {
		const char *name, *otherwise;
	} rows[] = {{"instructions", "null"}, {"max_output_tokens", "null"},
		{"max_tool_calls", "null"}, {"metadata", "{}"}, {"parallel_tool_calls", "true"},
		{"reasoning", "{\"effort\":null,\"summary\":null}"}, {"temperature", "1.0"},
		{"text", "{\"format\":{\"type\":\"text\"}}"}, {"tool_choice", "\"auto\""},
		{"tools", "[]"}, {"top_p", "1.0"}, {"truncation", "\"disabled\""},
		{"user", "null"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct jscan_member *m = aj_call(t->asked, rows[i].name);
		aj_add(out, rows[i].name, m != NULL ? m->value : slice_of(rows[i].otherwise));
	}
}

static const char *cut_by(const struct turn *t)
{
	if (strcmp(t->finish, "length") == 0)
		return "max_output_tokens";
	return strcmp(t->finish, "content_filter") == 0 ? "content_filter" : NULL;
}

static void add_usage(const struct turn *t, struct str *out)
{
	int64_t in = MAX_OF(t->in, 0), told = MAX_OF(t->out, 0);
	str_addf(out,
		",\"usage\":{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":%lld},"
		"\"output_tokens\":%lld,\"output_tokens_details\":{\"reasoning_tokens\":%lld},"
		"\"total_tokens\":%lld}",
		(long long)in, (long long)MAX_OF(t->cached, 0), (long long)told,
		(long long)MAX_OF(t->reasoning, 0), (long long)(in + told));
}

// error: NULL none.
static void add_response(const struct turn *t, const char *status,
	const struct dialect_error *error, struct str *out)
{
	bool over = strcmp(status, "in_progress") != 0;
	str_addf(out, "{\"id\":\"resp_%016llx\",\"object\":\"response\",\"created_at\":%lld",
		(unsigned long long)t->serial, (long long)t->created);
	aj_add_text(out, "status", status);
	aj_add(out, "background", SLICE("false"));
	aj_name(out, "error");
	str_add(out, error != NULL ? "{" : "null");
	if (error != NULL) {
		aj_add_text(out, "code", error->code);
		aj_add_text(out, "message", error->message);
		str_add_c(out, '}');
	}
	aj_name(out, "incomplete_details");
	if (over && cut_by(t) != NULL)
		str_addf(out, "{\"reason\":\"%s\"}", cut_by(t));
	else
		str_add_slice(out, SLICE("null"));
	if (t->model[0] != '\0')
		aj_add_inner(out, "model", slice_of(t->model));
	else
		aj_add_text(out, "model", t->asked->model);
	str_add_slice(out, SLICE(",\"output\":["));
	str_add_slice(out, str_slice(&t->items));
	str_add_slice(out, SLICE("],\"previous_response_id\":null,\"store\":false"));
	add_asked(t, out);
	if (over && (t->in >= 0 || t->out >= 0))
		add_usage(t, out);
	else
		aj_add(out, "usage", SLICE("null"));
	str_add_c(out, '}');
}

static const char *status_of(const struct turn *t)
{
	return cut_by(t) != NULL ? "incomplete" : "completed";
}

// ---- items ----

static bool is_custom(struct turn *t)
{
	return turn_call(t)->custom || responses_is_custom(t->asked, turn_call_name(t));
}

static void add_id(struct turn *t, struct str *out)
{
	const char *kind = t->kind == TURN_THINKING ? "rs"
		: t->kind != TURN_TOOL		    ? "msg"
		: is_custom(t)			    ? "ctc"
						    : "fc";
	str_addf(out, "%s_%016llx%02d", kind, (unsigned long long)t->serial, t->block);
}

// The text a tool gets that takes one: the member "input" of what the model wrote, as between quotes.
static void add_custom_input(struct turn *t, struct str *out)
{
	struct str quoted = STR_INIT, text = STR_INIT;
	str_add_c(&quoted, '"');
	str_add_slice(&quoted, str_slice(&t->said));
	str_add_c(&quoted, '"');
	aj_decode(str_slice(&quoted), &text);
	struct aj object;
	bool read = aj_scan(str_slice(&text), &object) &&
		aj_typed(&object, "input", JS_STRING) != NULL;
	str_add_slice(out, read ? aj_text(&object, "input") : str_slice(&t->said));
	str_release(&quoted);
	str_release(&text);
}

static struct slice arguments_of(const struct turn *t)
{
	return t->said.n > 0 ? str_slice(&t->said) : SLICE("{}");
}

static void add_call(struct turn *t, bool whole, struct str *out)
{
	bool custom = is_custom(t);
	aj_add_text(out, "type", custom ? "custom_tool_call" : "function_call");
	aj_add_text(out, "status", whole ? "completed" : "in_progress");
	aj_add_inner(out, "call_id", toolcalls_id(&t->tools, t->tool));
	struct slice name = turn_call_name(t), space = responses_namespace(t->asked, &name);
	aj_add_inner(out, "name", name);
	if (space.n > 0)
		aj_add_inner(out, "namespace", space);
	aj_name(out, custom ? "input" : "arguments");
	str_add_c(out, '"');
	if (whole && custom)
		add_custom_input(t, out);
	else if (whole)
		str_add_slice(out, arguments_of(t));
	str_add_c(out, '"');
}

// The part a message or a reasoning has, with the text so far.
static void add_part(const struct turn *t, struct str *out)
{
	static const char *const rows[][3] = {[TURN_THINKING] = {"summary_text", "text", "}"},
		[TURN_TEXT] = {"output_text", "text", ",\"annotations\":[],\"logprobs\":[]}"},
		[TURN_REFUSAL] = {"refusal", "refusal", "}"}};
	str_add_c(out, '{');
	aj_add_text(out, "type", rows[t->kind][0]);
	aj_add_inner(out, rows[t->kind][1], str_slice(&t->said));
	str_add(out, rows[t->kind][2]);
}

// whole: with all that was said; else as it begins.
static void add_item(struct turn *t, bool whole, struct str *out)
{
	str_add_slice(out, SLICE("{\"id\":\""));
	add_id(t, out);
	str_add_c(out, '"');
	if (t->kind == TURN_TOOL) {
		add_call(t, whole, out);
	} else {
		bool thinking = t->kind == TURN_THINKING;
		aj_add_text(out, "type", thinking ? "reasoning" : "message");
		if (!thinking) {
			aj_add_text(out, "status", whole ? "completed" : "in_progress");
			aj_add_text(out, "role", "assistant");
		}
		aj_name(out, thinking ? "summary" : "content");
		str_add_c(out, '[');
		if (whole)
			add_part(t, out);
		str_add_c(out, ']');
	}
	str_add_c(out, '}');
}

static void keep_item(struct turn *t)
{
	aj_comma(&t->items);
	add_item(t, true, &t->items);
}

// ---- the whole answer ----

static void whole_begin(struct turn *t UNUSED, struct str *out UNUSED)
{
}

static void whole_open(struct turn *t, struct str *out UNUSED)
{
	str_clear(&t->said);
}

static void whole_piece(struct turn *t, struct slice inner, struct str *out UNUSED)
{
	str_add_slice(&t->said, inner);
}

static void whole_close(struct turn *t, struct str *out UNUSED)
{
	keep_item(t);
}

static const struct turn_words whole_words = {whole_begin, whole_open, whole_piece, whole_close};

static bool answer(struct turn *t, struct slice completion, struct str *out)
{
	if (!turn_whole(t, completion, out))
		return false;
	turn_end(t, out);
	add_response(t, status_of(t), NULL, out);
	return true;
}

// ---- the answer event by event ----

static void open_event(struct turn *t, const char *type, struct str *out)
{
	str_addf(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%lld", type, type,
		(long long)t->sequence++);
}

static void close_event(struct str *out)
{
	str_add_slice(out, SLICE("}\n\n"));
}

static void response_event(struct turn *t, const char *type, const char *status,
	const struct dialect_error *error, struct str *out)
{
	open_event(t, type, out);
	aj_name(out, "response");
	add_response(t, status, error, out);
	close_event(out);
}

static void item_event(struct turn *t, const char *type, bool whole, struct str *out)
{
	open_event(t, type, out);
	aj_add_count(out, "output_index", t->block);
	aj_name(out, "item");
	add_item(t, whole, out);
	close_event(out);
}

// An event about the part of an item that has one, or about a call's arguments.
static void open_part_event(struct turn *t, const char *type, struct str *out)
{
	open_event(t, type, out);
	str_add_slice(out, SLICE(",\"item_id\":\""));
	add_id(t, out);
	str_add_c(out, '"');
	aj_add_count(out, "output_index", t->block);
	if (t->kind != TURN_TOOL)
		aj_add_count(out, t->kind == TURN_THINKING ? "summary_index" : "content_index", 0);
}

static void part_event(struct turn *t, const char *type, struct str *out)
{
	open_part_event(t, type, out);
	aj_name(out, "part");
	add_part(t, out);
	close_event(out);
}

// Events by the kind of a block.
static const struct {
	const char *added, *delta, *text_done, *text, *done;
} events[] = {
	[TURN_THINKING] = {"response.reasoning_summary_part.added",
		"response.reasoning_summary_text.delta", "response.reasoning_summary_text.done",
		"text", "response.reasoning_summary_part.done"},
	[TURN_TEXT] = {"response.content_part.added", "response.output_text.delta",
		"response.output_text.done", "text", "response.content_part.done"},
	[TURN_REFUSAL] = {"response.content_part.added", "response.refusal.delta",
		"response.refusal.done", "refusal", "response.content_part.done"},
	[TURN_TOOL] = {NULL, "response.function_call_arguments.delta",
		"response.function_call_arguments.done", "arguments", NULL},
};

static void stream_begin(struct turn *t, struct str *out)
{
	response_event(t, "response.created", "in_progress", NULL, out);
	response_event(t, "response.in_progress", "in_progress", NULL, out);
}

static void stream_open(struct turn *t, struct str *out)
{
	str_clear(&t->said);
	item_event(t, "response.output_item.added", false, out);
	if (events[t->kind].added != NULL)
		part_event(t, events[t->kind].added, out);
}

static void add_delta(struct turn *t, const char *type, struct slice inner, struct str *out)
{
	open_part_event(t, type, out);
	aj_add_inner(out, "delta", inner);
	if (t->kind == TURN_TEXT)
		aj_add(out, "logprobs", SLICE("[]"));
	close_event(out);
}

static void stream_piece(struct turn *t, struct slice inner, struct str *out)
{
	str_add_slice(&t->said, inner);
	if (t->kind != TURN_TOOL || !is_custom(t)) // its text is inside what is written
		add_delta(t, events[t->kind].delta, inner, out);
}

static void stream_close(struct turn *t, struct str *out)
{
	if (t->kind == TURN_TOOL && is_custom(t)) {
		struct str input = STR_INIT;
		add_custom_input(t, &input);
		add_delta(t, "response.custom_tool_call_input.delta", str_slice(&input), out);
		open_part_event(t, "response.custom_tool_call_input.done", out);
		aj_add_inner(out, "input", str_slice(&input));
		close_event(out);
		str_release(&input);
	} else {
		open_part_event(t, events[t->kind].text_done, out);
		aj_add_inner(out, events[t->kind].text,
			t->kind == TURN_TOOL ? arguments_of(t) : str_slice(&t->said));
		if (t->kind == TURN_TEXT)
			aj_add(out, "logprobs", SLICE("[]"));
		struct slice name = t->kind == TURN_TOOL ? turn_call_name(t)
							 : (struct slice){NULL, 0};
		responses_namespace(t->asked, &name);
		if (name.n > 0)
			aj_add_inner(out, "name", name);
		close_event(out);
	}
	if (events[t->kind].done != NULL)
		part_event(t, events[t->kind].done, out);
	item_event(t, "response.output_item.done", true, out);
	keep_item(t);
}

static const struct turn_words stream_words = {
	stream_begin, stream_open, stream_piece, stream_close};

static void end(struct turn *t, const struct adapter_call *asked UNUSED, struct str *out)
{
	if (t == NULL)
		return;
	turn_end(t, out);
	response_event(t, cut_by(t) != NULL ? "response.incomplete" : "response.completed",
		status_of(t), NULL, out);
}

// ---- errors ----

// SDKs take an event for an error by the member "error", too.
static void broken(struct turn *t, const struct dialect_error *e, int64_t sequence, struct str *out)
{
	if (t != NULL) {
		response_event(t, "response.failed", "failed", e, out);
		sequence = t->sequence;
	}
	str_add_slice(out, SLICE("event: error\ndata: {\"type\":\"error\""));
	aj_add_text(out, "code", e->code);
	aj_add_text(out, "message", e->message);
	aj_add(out, "param", SLICE("null"));
	aj_add_count(out, "sequence_number", sequence);
	str_add_slice(out, SLICE(",\"error\":{"));
	aj_add_text(out, "message", e->message);
	aj_add_text(out, "type", e->type);
	aj_add(out, "param", SLICE("null"));
	aj_add_text(out, "code", e->code);
	str_add_slice(out, SLICE("}}\n\n"));
}

static void ping(struct str *out)
{
	dialect_openai.ping(out);
}

static void error(const struct dialect_error *e, struct str *out)
{
	dialect_openai.error(e, out);
}

const struct dialect_row dialect_responses = {.dialect = DIALECT_RESPONSES,
	.read = responses_read,
	.chat = responses_to_chat,
	.words = &stream_words,
	.whole_words = &whole_words,
	.answer = answer,
	.end = end,
	.broken = broken,
	.ping = ping,
	.error = error};
