// SPDX-License-Identifier: MIT
// Alibaba Model Studio (DashScope): chat in its OpenAI-compatible mode, and natively.
//
// Compatible mode is OpenAI's protocol but for: top_p lies strictly between 0 and 1; thinking must
// be switched off for calls that do not stream; some models only stream.
// Native frames ("X-DashScope-SSE: enable") carry output and cumulative usage; finish_reason is the
// text "null" until the end; without incremental_output each repeats the whole text; there is no
// [DONE]; errors are flat {"code","message"}, in an event "error" or under a good status.
#include "agent/protocol/chat.h"
#include "agent/protocol/json.h"
#include "agent/protocol/openai.h"
#include "agent/protocol/openai_calls.h"
#include "agent/protocol/wish.h"

#include <string.h>
#include "shared/num.h"

#define COMPATIBLE "/compatible-mode"
#define NATIVE "/api/v1/services/aigc/text-generation/generation"

// ---- what models ask for, by the beginning of their names; the first row that fits counts ----

enum habit { HABIT_NONE, HABIT_STREAMS, HABIT_THINKS };

static const struct {
	const char *prefix, *part; // part: somewhere behind it; NULL: anything
	enum habit habit;
} habits[] = {
	{"qwq", NULL, HABIT_STREAMS}, {"qvq", NULL, HABIT_STREAMS},
	{"qwen-omni", NULL, HABIT_STREAMS}, {"qwen2.5-omni", NULL, HABIT_STREAMS},
	{"qwen3-omni", NULL, HABIT_STREAMS}, {"qwen3", "-thinking", HABIT_STREAMS},
	{"qwen3-coder", NULL, HABIT_NONE}, {"qwen3", "-instruct", HABIT_NONE},
	{"qwen3", NULL, HABIT_THINKS}, // unless told not to
};

// Whether the upstream has to stream, and whether thinking must be switched off for it not to.
static bool judge_stream(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, bool *ret_quiet)
{
	struct jscan_member wish;
	const char *model = adapter_model(call, cand);
	enum habit habit = HABIT_NONE;
	for (size_t i = 0; model != NULL && i < ARRAY_LEN(habits); i++) {
		if (slice_starts(slice_of(model), habits[i].prefix) &&
			(habits[i].part == NULL || strstr(model, habits[i].part) != NULL)) {
			habit = habits[i].habit;
			break;
		}
	}
	bool thinks = adapter_wish(call, feature, cand->target, "enable_thinking", &wish) &&
		slice_eq_str(wish.value, "true");
	bool stream = adapter_streams(call, feature, cand) || habit == HABIT_STREAMS || thinks;
	*ret_quiet = !stream && habit == HABIT_THINKS;
	return stream;
}

// The nearest value it takes; NULL when the one wished for is fine.
static const char *clamp_top_p(const struct adapter_call *call, const struct feature *feature,
	const struct target *t)
{
	struct jscan_member wish;
	double v;
	if (!adapter_wish(call, feature, t, "top_p", &wish) || !num_f64(wish.value, &v))
		return NULL;
	return v >= 1 ? "0.999" : v <= 0 ? "0.001" : NULL;
}

// ---- compatible mode ----

static enum err_code build_compatible(const struct adapter_call *call,
	const struct feature *feature, const struct candidate *cand, struct adapter_ask *ask,
	struct err *err UNUSED)
{
	struct openai_changes changes = {.n = 0};
	struct str messages = openai_plain_roles(call);
	const char *top_p = clamp_top_p(call, feature, cand->target);
	bool quiet;
	ask->stream = judge_stream(call, feature, cand, &quiet);
	if (top_p != NULL)
		openai_change(&changes, "top_p", top_p);
	if (quiet)
		openai_change(&changes, "enable_thinking", "false");
	if (messages.n > 0)
		openai_change(&changes, "messages", str_text(&messages));
	// A key for several services may have the bare origin for its address.
	const char *base = cand->url->path;
	if (slice_ends(slice_of(base), "/v1") || strstr(base, COMPATIBLE) != NULL) {
		adapter_path(cand->url, "/v1/chat/completions", &ask->path);
	} else {
		str_add(&ask->path, base);
		str_add(&ask->path, COMPATIBLE "/v1/chat/completions");
	}
	openai_body(call, feature, cand, ask->stream, &changes, &ask->body);
	str_release(&messages);
	return ERR_OK;
}

// ---- native: the request ----

// Members that stand in "input" or at the top; all others are parameters.
static bool is_parameter(const struct jscan_member *m)
{
	static const char *const others[] = {"model", "messages", "stream", "stream_options", "n",
		"max_completion_tokens", "top_p", "enable_thinking", "incremental_output",
		"result_format"};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (slice_eq_str(m->key, others[i]))
			return false;
	}
	return m->type != JS_NULL && wish_fate(m->key, AT_DASHSCOPE) != WISH_DROPPED;
}

static void add_parameters(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, const struct adapter_ask *ask, bool quiet, struct str *out)
{
	size_t from = out->n;
	const struct jscan_member *most = aj_call(call, "max_completion_tokens");
	const struct jscan_member *top_p = aj_call(call, "top_p");
	const char *clamped = clamp_top_p(call, feature, cand->target);
	str_add_slice(out, SLICE("{\"result_format\":\"message\""));
	if (ask->stream)
		aj_add(out, "incremental_output", ask->grows ? SLICE("false") : SLICE("true"));
	for (size_t i = 0; i < call->n; i++) {
		if (is_parameter(&call->m[i]))
			aj_add_member(out, &call->m[i]);
	}
	if (most != NULL && aj_call(call, "max_tokens") == NULL)
		aj_add(out, "max_tokens", most->value);
	if (clamped != NULL)
		aj_add(out, "top_p", slice_of(clamped));
	else if (top_p != NULL)
		aj_add(out, "top_p", top_p->value);
	struct jscan_member thinks;
	if (quiet)
		aj_add(out, "enable_thinking", SLICE("false"));
	else if (adapter_wish(call, feature, cand->target, "enable_thinking", &thinks))
		aj_add(out, "enable_thinking", thinks.value);
	aj_add_absent(out, from, feature, cand->target);
	str_add_c(out, '}');
}

static enum err_code build_native(const struct adapter_call *all, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	struct adapter_call copy;
	const struct adapter_call *call = adapter_call_set(all, cand->target, &copy);
	const struct jscan_member *messages = aj_call(call, "messages");
	const char *model = adapter_model(call, cand);
	const char *compatible = strstr(cand->url->path, COMPATIBLE);
	struct str plain = openai_plain_roles(call);
	bool quiet;
	ask->stream = judge_stream(call, feature, cand, &quiet);
	struct jscan_member wish;
	ask->grows = adapter_wish(call, feature, cand->target, "incremental_output", &wish) &&
		slice_eq_str(wish.value, "false");
	// The catalogue's address is the compatible mode's; this one lies beside it.
	str_add_n(&ask->path, cand->url->path,
		compatible != NULL ? (size_t)(compatible - cand->url->path)
				   : strlen(cand->url->path));
	str_add(&ask->path, NATIVE);
	if (ask->stream)
		str_add_slice(&ask->headers, SLICE("X-DashScope-SSE: enable\r\n"));
	str_reserve(&ask->body, call->body.n + 256);
	str_add_c(&ask->body, '{');
	if (model != NULL)
		aj_add_text(&ask->body, "model", model);
	str_add(&ask->body, model != NULL ? ",\"input\":{" : "\"input\":{");
	aj_add(&ask->body, "messages",
		plain.n > 0		   ? str_slice(&plain)
			: messages != NULL ? messages->value
					   : SLICE("[]"));
	str_release(&plain);
	str_add_slice(&ask->body, SLICE("},\"parameters\":"));
	add_parameters(call, feature, cand, ask, quiet, &ask->body);
	str_add_c(&ask->body, '}');
	return ERR_OK;
}

// ---- native: what an answer or a frame says ----

struct frame {
	struct slice text, thinking; // between their quotes; of parts, in these:
	struct str texts, thoughts;
	struct slice tools; // JSON list; empty none
	struct slice finish; // between its quotes; empty not yet
	struct slice id; // request_id
};

// The HTTP status a flat error stands for, by the first word of its code.
static int status_of(const struct aj *top)
{
	static const struct {
		const char *code;
		int status;
	} rows[] = {{"InvalidApiKey", 401}, {"AccessDenied", 403}, {"Model.AccessDenied", 403},
		{"Workspace.AccessDenied", 403}, {"AllocationQuota.FreeTierOnly", 403},
		{"ModelNotFound", 404}, {"Throttling", 429}, {"CommodityNotPurchased", 429},
		{"PrepaidBillOverdue", 429}, {"PostpaidBillOverdue", 429}, {"Internal", 500},
		{"SystemError", 500}, {"ModelServiceFailed", 500}, {"RequestTimeOut", 500},
		{"ModelServingError", 503}, {"ModelUnavailable", 503}};
	struct slice code = aj_text(top, "code");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (slice_starts(code, rows[i].code))
			return rows[i].status;
	}
	return 400;
}

// Beside an error some of its models write an output with nothing in it.
static bool is_error(const struct aj *top)
{
	struct aj output;
	bool said = aj_object(top, "output", &output) &&
		(aj_typed(&output, "choices", JS_ARRAY) != NULL ||
			aj_typed(&output, "text", JS_STRING) != NULL);
	return !said && aj_text(top, "code").n > 0;
}

static struct adapter_usage native_usage(const struct aj *top)
{
	struct adapter_usage u = ADAPTER_USAGE_UNKNOWN;
	struct aj usage;
	if (!aj_object(top, "usage", &usage))
		return u;
	u.in = aj_count(&usage, "input_tokens");
	u.out = aj_count(&usage, "output_tokens");
	struct aj in;
	if (aj_object(&usage, "prompt_tokens_details", &in))
		u.cached = aj_count(&in, "cached_tokens");
	struct aj out;
	if (aj_object(&usage, "output_tokens_details", &out))
		u.reasoning = aj_count(&out, "reasoning_tokens");
	return u;
}

static void release_frame(struct frame *f)
{
	str_release(&f->texts);
	str_release(&f->thoughts);
}

// output.choices[0].message, or output.text of the older format. *f is the caller's to release.
static bool read_frame(const struct aj *top, struct frame *f)
{
	*f = (struct frame){.id = aj_text(top, "request_id")};
	struct aj output;
	if (!aj_object(top, "output", &output))
		return false;
	const struct jscan_member *choices = aj_typed(&output, "choices", JS_ARRAY);
	if (choices == NULL) {
		f->text = aj_text(&output, "text");
		f->finish = aj_text(&output, "finish_reason");
		return aj_typed(&output, "text", JS_STRING) != NULL;
	}
	struct slice rest = choices->value;
	struct slice first;
	struct aj choice, message;
	if (!jscan_next(&rest, &first) || !aj_scan(first, &choice) ||
		!aj_object(&choice, "message", &message))
		return false;
	const struct jscan_member *parts = aj_typed(&message, "content", JS_ARRAY);
	f->text = aj_text(&message, "content");
	f->thinking = aj_text(&message, "reasoning_content");
	if (parts != NULL) { // models that see and hear
		aj_parts(aj_find(&message, "reasoning_content"), &f->thoughts, &f->thoughts);
		aj_parts(parts, &f->texts, &f->thoughts);
		f->text = str_slice(&f->texts);
		f->thinking = str_slice(&f->thoughts);
	}
	f->finish = aj_text(&choice, "finish_reason");
	const struct jscan_member *tools = aj_typed(&message, "tool_calls", JS_ARRAY);
	if (tools != NULL && !jscan_is_empty(tools->value))
		f->tools = tools->value;
	return true;
}

static const char *finish_of(struct slice finish)
{
	if (slice_eq_str(finish, "length"))
		return "length";
	return slice_eq_str(finish, "tool_calls") ? "tool_calls" : "stop";
}

// As every SDK reads them, see agent/protocol/openai_calls.h.
static void write_calls_plainly(uint64_t serial, struct str *answer)
{
	struct aj made;
	struct str plain = STR_INIT;
	aj_scan(str_slice(answer), &made);
	if (openai_calls_whole(str_slice(answer), aj_find(&made, "choices")->value, serial,
		    &plain)) {
		str_clear(answer);
		str_add_slice(answer, str_slice(&plain));
	}
	str_release(&plain);
}

static enum answer_kind parse_native(const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.usage = ADAPTER_USAGE_UNKNOWN};
	struct aj top;
	if (!aj_scan(reply->body, &top))
		return ANSWER_BAD;
	if (is_error(&top)) {
		ret->status = status_of(&top);
		return ANSWER_ERROR;
	}
	struct frame f;
	if (!read_frame(&top, &f))
		return ANSWER_BAD;
	ret->usage = native_usage(&top);
	str_clear(scratch);
	char model[sizeof(call->model)];
	aj_copy_safe(call->model, model, sizeof(model));
	chat_answer_open(scratch, f.id, slice_of(model), reply->at_s);
	aj_add_inner(scratch, "content", f.text);
	if (f.thinking.n > 0)
		aj_add_inner(scratch, "reasoning_content", f.thinking);
	if (f.tools.n > 0)
		aj_add(scratch, "tool_calls", f.tools);
	chat_answer_close(scratch, finish_of(f.finish), NO_STOP, &ret->usage);
	if (f.tools.n > 0)
		write_calls_plainly(reply->serial, scratch);
	release_frame(&f);
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

// ---- native: a stream ----

// Without incremental_output an event repeats what was said before.
static bool new_text(const struct adapter_stream *s, size_t *seen, struct slice *text)
{
	struct slice whole = *text;
	if (!s->grows)
		return true;
	if (whole.n < *seen)
		return whole.n == 0; // nothing of this kind in this one
	*text = (struct slice){whole.p + *seen, whole.n - *seen};
	*seen = whole.n;
	return true;
}

static enum chunk_kind add_frame(struct adapter_stream *s, struct frame *f, struct str *out)
{
	bool last = f->finish.n > 0 && !slice_eq_str(f->finish, "null");
	if (!new_text(s, &s->seen_thinking, &f->thinking) || !new_text(s, &s->seen, &f->text))
		return CHUNK_BAD;
	if (f->thinking.n > 0)
		chat_chunk_text(s, "reasoning_content", f->thinking, out);
	if (f->text.n > 0)
		chat_chunk_text(s, "content", f->text, out);
	if (f->tools.n > 0 && (last || !s->grows)) {
		chat_chunk_open(s, out);
		aj_add(out, "tool_calls", f->tools);
		chat_chunk_close(out);
	}
	if (!last)
		return CHUNK_MORE;
	chat_chunk_finish(s, finish_of(f->finish), NO_STOP, out);
	chat_chunk_usage(s, out);
	return CHUNK_DONE;
}

static enum chunk_kind chunk_native(const struct adapter_call *call, struct adapter_stream *s,
	struct slice name, struct slice data, struct str *out)
{
	struct aj top;
	if (!aj_scan(data, &top))
		return CHUNK_BAD;
	if (is_error(&top) || slice_eq_str(name, "error")) {
		s->status = status_of(&top);
		return CHUNK_ERROR;
	}
	struct frame f;
	if (!read_frame(&top, &f))
		return s->opened ? CHUNK_IDLE : CHUNK_BAD;
	struct adapter_usage u = native_usage(&top);
	adapter_usage_merge(&s->usage, &u);
	if (s->id[0] == '\0' && f.id.n < sizeof(s->id)) {
		aj_copy(f.id, s->id, sizeof(s->id));
		aj_copy_safe(call->model, s->model, sizeof(s->model));
	}
	enum chunk_kind kind = add_frame(s, &f, out);
	release_frame(&f);
	return kind;
}

const struct adapter adapter_dashscope_chat = {.protocol = PROTO_DASHSCOPE_CHAT,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_compatible,
	.parse = openai_parse,
	.chunk = openai_chunk};
const struct adapter adapter_dashscope_chat_native = {.protocol = PROTO_DASHSCOPE_CHAT_NATIVE,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_native,
	.parse = parse_native,
	.chunk = chunk_native};
