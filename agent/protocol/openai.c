// SPDX-License-Identifier: MIT
// The traffic path: of a request that needs nothing, every member is copied once as it stands; of a
// stream, every chunk. What is mended is found without decoding.
#include "agent/protocol/openai.h"

#include <string.h>
#include "agent/protocol/json.h"
#include "agent/protocol/openai_calls.h"
#include "agent/protocol/wish.h"
#include "shared/num.h"

#define USAGE_MEMBERS_MAX 16 // looked at in a usage

static const struct jscan_limits traffic = {.depth = JSCAN_DEPTH_TRAFFIC};

// ---- the request's body ----

struct build {
	const struct adapter_call *call;
	const struct candidate *cand;
	const struct openai_changes *changes;
	struct str *out;
	bool comma;
};

static void add_name(struct build *b, struct slice key)
{
	if (b->comma)
		str_add_c(b->out, ',');
	b->comma = true;
	str_add_c(b->out, '"');
	str_add_slice(b->out, key);
	str_add_slice(b->out, SLICE("\":"));
}

static void add_raw(struct build *b, struct slice key, struct slice value)
{
	add_name(b, key);
	str_add_slice(b->out, value);
}

// Without it a stream would have no usage.
static void add_stream_options(struct build *b)
{
	const struct jscan_member *m = jscan_find(b->call->m, b->call->n, "stream_options");
	struct jscan_member in[8];
	size_t n = 0;
	if (m != NULL && m->type == JS_OBJECT &&
		jscan_object(m->value, traffic, in, ARRAY_LEN(in), &n, NULL) != ERR_OK)
		n = 0;
	add_name(b, SLICE("stream_options"));
	str_add_slice(b->out, SLICE("{\"include_usage\":true"));
	for (size_t i = 0; i < n; i++) {
		if (slice_eq_str(in[i].key, "include_usage"))
			continue;
		str_add_slice(b->out, SLICE(",\""));
		str_add_slice(b->out, in[i].key);
		str_add_slice(b->out, SLICE("\":"));
		str_add_slice(b->out, in[i].value);
	}
	str_add_c(b->out, '}');
}

bool openai_replaces(const struct openai_changes *ch, struct slice key)
{
	for (size_t i = 0; i < ch->n; i++) {
		if (slice_eq_str(key, ch->v[i].name))
			return true;
	}
	return slice_eq_str(key, "model");
}

// Members of an operator's object that nobody before named.
static void add_absent(struct build *b, const char *json, const char *before)
{
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n = 0, given_n = 0;
	if (json == NULL ||
		jscan_object(slice_of(json), traffic, m, CALL_MEMBERS_MAX, &n, NULL) != ERR_OK)
		return;
	struct jscan_member given[CALL_MEMBERS_MAX];
	if (before != NULL &&
		jscan_object(slice_of(before), traffic, given, CALL_MEMBERS_MAX, &given_n, NULL) !=
			ERR_OK)
		given_n = 0;
	for (size_t i = 0; i < n; i++) {
		bool named = slice_eq_str(m[i].key, "stream") ||
			openai_replaces(b->changes, m[i].key);
		for (size_t k = 0; !named && k < b->call->n; k++)
			named = slice_eq(b->call->m[k].key, m[i].key);
		for (size_t k = 0; !named && k < given_n; k++)
			named = slice_eq(given[k].key, m[i].key);
		if (!named && !adapter_drops(b->cand->target, m[i].key))
			add_raw(b, m[i].key, m[i].value);
	}
}

static void write_body(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, bool stream, const struct openai_changes *changes,
	struct str *out)
{
	static const struct openai_changes none;
	struct build b = {call, cand, changes != NULL ? changes : &none, out, false};
	const struct target *t = cand->target;
	const char *model = adapter_model(call, cand);
	str_reserve(out, call->body.n + 128);
	str_add_c(out, '{');
	if (model != NULL) {
		add_name(&b, SLICE("model"));
		str_add_json(out, slice_of(model));
	}
	bool refused = cand->instance != NULL && !cand->instance->doc.quirks.stream_options;
	bool options = stream && !refused && !adapter_drops(t, SLICE("stream_options"));
	bool force = stream && !call->stream;
	for (size_t i = 0; i < call->n; i++) {
		const struct jscan_member *m = &call->m[i];
		if (openai_replaces(b.changes, m->key) || adapter_drops(t, m->key) ||
			((options || refused) && slice_eq_str(m->key, "stream_options")) ||
			(force && slice_eq_str(m->key, "stream")))
			continue;
		add_raw(&b, m->key, m->value);
	}
	for (size_t i = 0; i < b.changes->n; i++) {
		if (b.changes->v[i].value != NULL)
			add_raw(&b, slice_of(b.changes->v[i].name),
				slice_of(b.changes->v[i].value));
	}
	if (force)
		add_raw(&b, SLICE("stream"), SLICE("true"));
	if (options)
		add_stream_options(&b);
	if (t->params != NULL)
		add_absent(&b, t->params, NULL);
	if (feature->defaults != NULL)
		add_absent(&b, feature->defaults, t->params);
	str_add_c(out, '}');
}

static __attribute__((noinline)) void write_set_body(const struct adapter_call *call,
	const struct feature *feature, const struct candidate *cand, bool stream,
	const struct openai_changes *changes, struct str *out)
{
	struct adapter_call copy; // large: only who needs it pays for its room
	write_body(adapter_call_set(call, cand->target, &copy), feature, cand, stream, changes,
		out);
}

void openai_body(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, bool stream, const struct openai_changes *changes,
	struct str *out)
{
	if (LIKELY(!adapter_sets(cand->target)))
		write_body(call, feature, cand, stream, changes, out);
	else
		write_set_body(call, feature, cand, stream, changes, out);
}

// ---- forms ----

bool openai_form_keeps(const struct multipart_part *p, const struct target *t)
{
	for (size_t i = 0; i < t->drop_params.n; i++)
		if (multipart_named(p, slice_of(t->drop_params.v[i])))
			return false;
	struct slice name = p->name;
	if (slice_ends(name, "[]"))
		name.n -= 2;
	return !adapter_decides(t, name);
}

struct form_fields {
	const struct multipart *form;
	const struct target *t;
	const struct openai_changes *taken;
	struct str *out;
};

static bool is_taken(const struct form_fields *f, struct slice key)
{
	static const char *const own[] = {"model", "stream", "file", "image", "mask"};
	bool taken = slice_find(key, '"') >= 0 || adapter_drops(f->t, key);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		taken |= slice_eq_str(key, own[i]);
	for (size_t i = 0; f->taken != NULL && i < f->taken->n; i++)
		taken |= slice_eq_str(key, f->taken->v[i].name);
	return taken;
}

// A scalar as a field; its text must not end the form.
static void add_field(const struct form_fields *f, const struct jscan_member *m)
{
	struct slice value = m->value;
	if (m->type == JS_OBJECT || m->type == JS_ARRAY || m->type == JS_NULL)
		return;
	char text[1024];
	if (m->type == JS_STRING) {
		size_t len;
		if (!jscan_string(value, text, sizeof(text), &len) ||
			memmem(text, len, f->form->boundary, strlen(f->form->boundary)) != NULL)
			return;
		value = (struct slice){text, len};
	}
	multipart_add_field(f->form, m->key, value, f->out);
}

void openai_form_fields(const struct multipart *form, const struct target *t,
	const struct feature *feature, const struct openai_changes *taken, struct str *out)
{
	struct form_fields f = {form, t, taken, out};
	const char *const docs[] = {t->params, feature->defaults};
	for (size_t d = 0; d < ARRAY_LEN(docs); d++) {
		struct jscan_member m[CALL_MEMBERS_MAX];
		size_t n = 0;
		if (docs[d] == NULL ||
			jscan_object(slice_of(docs[d]), traffic, m, CALL_MEMBERS_MAX, &n, NULL) !=
				ERR_OK)
			continue;
		for (size_t i = 0; i < n; i++) {
			bool said = d > 0 && adapter_decides(t, m[i].key);
			for (size_t k = 0; !said && k < form->n; k++)
				said = multipart_named(&form->v[k], m[i].key) &&
					openai_form_keeps(&form->v[k], t);
			if (!said && !is_taken(&f, m[i].key))
				add_field(&f, &m[i]);
		}
	}
}

static enum err_code build_as(const char *path, const struct adapter_call *call,
	const struct feature *feature, const struct candidate *cand, struct adapter_ask *ask)
{
	adapter_path(cand->url, path, &ask->path);
	ask->stream = adapter_streams(call, feature, cand);
	openai_body(call, feature, cand, ask->stream, NULL, &ask->body);
	return ERR_OK;
}

#define USER_MAX 64 // letters of "user"

// A user's name that is too long is told apart by a number made of it.
static const char *short_user(const struct adapter_call *call, char buf[48])
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "user");
	if (m == NULL || m->type != JS_STRING || m->value.n - 2 <= USER_MAX)
		return NULL;
	struct slice name = {m->value.p + 1, m->value.n - 2};
	char *at = mempcpy(buf, "\"user_", 6);
	at += num_hex(slice_hash(SLICE_HASH_BEGIN, name), at);
	at += num_hex(slice_hash_wide(SLICE_HASH_BEGIN, name), at);
	memcpy(at, "\"", 2);
	return buf;
}

// The longest answer has another name for the models that think, and what was not written for OpenAI may
// say more, or say it otherwise, than it takes.
static enum err_code build_openai(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask)
{
	const struct jscan_member *most = jscan_find(call->m, call->n, "max_tokens");
	bool renamed = call->translated ||
		strcmp(wish_length_name(adapter_model(call, cand)), "max_tokens") != 0;
	struct openai_changes changes = {.n = 0};
	char limit[24] = "";
	if (most != NULL && renamed && most->value.n < sizeof(limit)) {
		memcpy(limit, most->value.p, most->value.n);
		openai_change(&changes, "max_tokens", NULL);
		if (jscan_find(call->m, call->n, "max_completion_tokens") == NULL)
			openai_change(&changes, "max_completion_tokens", limit);
	}
	char user[48];
	const char *named = call->translated ? short_user(call, user) : NULL;
	if (named != NULL)
		openai_change(&changes, "user", named);
	for (size_t i = 0; call->translated && i < wish_rows_n; i++)
		if (wish_rows[i].at[AT_OPENAI] == WISH_DROPPED)
			openai_change(&changes, wish_rows[i].member, NULL);
	adapter_path(cand->url, "/v1/chat/completions", &ask->path);
	ask->stream = adapter_streams(call, feature, cand);
	openai_body(call, feature, cand, ask->stream, changes.n > 0 ? &changes : NULL, &ask->body);
	return ERR_OK;
}

struct str openai_plain_roles(const struct adapter_call *call)
{
	const struct jscan_member *messages = jscan_find(call->m, call->n, "messages");
	struct str out = STR_INIT;
	if (messages == NULL || messages->type != JS_ARRAY ||
		memmem(messages->value.p, messages->value.n, "\"developer\"", 11) == NULL)
		return out;
	struct slice rest = messages->value;
	str_add_c(&out, '[');
	struct slice item;
	struct aj m;
	while (jscan_next(&rest, &item)) {
		bool theirs = aj_scan(item, &m) && aj_is(&m, "role", "developer");
		aj_comma(&out);
		if (!theirs) {
			str_add_slice(&out, item);
			continue;
		}
		str_add_slice(&out, SLICE("{\"role\":\"system\""));
		for (size_t i = 0; i < m.n; i++)
			if (!slice_eq_str(m.m[i].key, "role"))
				aj_add_member(&out, &m.m[i]);
		str_add_c(&out, '}');
	}
	str_add_c(&out, ']');
	return out;
}

static enum err_code build_chat(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	const char *vendor = cand->target->vendor;
	if (vendor != NULL && strcmp(vendor, "openai") == 0)
		return build_openai(call, feature, cand, ask);
	return build_as("/v1/chat/completions", call, feature, cand, ask);
}

static enum err_code build_completions(const struct adapter_call *call,
	const struct feature *feature, const struct candidate *cand, struct adapter_ask *ask,
	struct err *err UNUSED)
{
	return build_as("/v1/completions", call, feature, cand, ask);
}

// ---- usage ----

// Inlined, so that the lengths of the names are known when this is compiled.
static inline __attribute__((always_inline)) int64_t tokens(const struct jscan_member *m, size_t n,
	const char *name, const char *other)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	if (at == NULL || at->type == JS_NULL)
		at = jscan_find(m, n, other);
	return usage_figure(at);
}

static inline __attribute__((always_inline)) int64_t detail(const struct jscan_member *m, size_t n,
	const char *name, const char *other, const char *count)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	if (at == NULL || at->type != JS_OBJECT)
		at = jscan_find(m, n, other);
	struct jscan_member in[16] FILLED_LATER;
	size_t in_n;
	if (at == NULL || at->type != JS_OBJECT ||
		!adapter_object(at->value, in, ARRAY_LEN(in), &in_n))
		return -1;
	return tokens(in, in_n, count, count);
}

static struct adapter_usage usage_of(const struct jscan_member *m, size_t n)
{
	struct adapter_usage u = ADAPTER_USAGE_UNKNOWN;
	u.in = tokens(m, n, "prompt_tokens", "input_tokens");
	u.out = tokens(m, n, "completion_tokens", "output_tokens");
	u.cached = detail(m, n, "prompt_tokens_details", "input_tokens_details", "cached_tokens");
	u.reasoning = detail(m, n, "completion_tokens_details", "output_tokens_details",
		"reasoning_tokens");
	return u;
}

struct adapter_usage openai_usage(const struct jscan_member *usage)
{
	struct jscan_member m[USAGE_MEMBERS_MAX] FILLED_LATER;
	size_t n = 0;
	if (usage != NULL && usage->type == JS_OBJECT)
		adapter_object(usage->value, m, ARRAY_LEN(m), &n);
	return usage_of(m, n);
}

// ---- what is looked at in an answer or a chunk, found in one pass ----

enum { FINISH, CALLS };

struct body {
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	struct jscan_member usage[USAGE_MEMBERS_MAX];
	struct jscan_seen seen;
};

static bool read_body(struct slice json, struct body *ret)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};
	ret->n = 0;
	ret->seen = (struct jscan_seen){.inside = SLICE("usage"),
		.m = ret->usage,
		.max = USAGE_MEMBERS_MAX,
		.marks = {[FINISH] = SLICE("finish_reason"), [CALLS] = SLICE("tool_calls")}};
	return jscan_object_seen(json, limits, ret->m, ANSWER_MEMBERS_MAX, &ret->n, &ret->seen,
		       NULL) == ERR_OK;
}

static struct adapter_usage read_usage(const struct body *b)
{
	return usage_of(b->usage, b->seen.twice ? 0 : b->seen.n);
}

// ---- why an answer ended ----

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

// Quotes inside strings are escaped, so the name with its quotes and colon is found as a name only.
// Returns the place of its value, or NULL.
static const char *find_finish(struct slice choices, const char *from)
{
	static const char name[] = "\"finish_reason\"";
	const char *end = choices.p + choices.n;
	while ((from = memmem(from, (size_t)(end - from), name, sizeof(name) - 1)) != NULL) {
		from = skip_blank(from + sizeof(name) - 1, end);
		if (from < end && *from == ':')
			return skip_blank(from + 1, end);
	}
	return NULL;
}

// Bytes of a text that says nothing: "" and "null" mean null; 0: it is none.
static size_t empty_finish(const char *at, const char *end)
{
	static const char null_text[] = "\"null\"";
	if (end - at >= 2 && at[0] == '"' && at[1] == '"')
		return 2;
	return end - at >= 6 && memcmp(at, null_text, 6) == 0 ? 6 : 0;
}

// Whether any choice says why it ended. Returns the place of the first text that means null, NULL when
// there is none.
static const char *read_finish(struct slice choices, const struct jscan_seen *seen,
	bool *ret_finish)
{
	const char *end = choices.p + choices.n, *first = NULL, *at = seen->at[FINISH];
	size_t left = seen->times[FINISH]; // also of those that stand elsewhere
	if (UNLIKELY(at != NULL && (at < choices.p || at >= end)))
		at = find_finish(choices, choices.p);
	while (at != NULL && left-- > 0) {
		if (UNLIKELY(empty_finish(at, end) > 0))
			first = first != NULL ? first : at;
		else if (at < end && *at == '"')
			*ret_finish = true;
		at = left > 0 ? find_finish(choices, at) : NULL;
	}
	return first;
}

// With null for such texts, from the first on, for clients that compare.
static void add_nulls(struct slice data, const char *first, struct str *out)
{
	const char *from = data.p, *end = data.p + data.n;
	for (const char *at = first; at != NULL; at = find_finish(data, at)) {
		size_t n = empty_finish(at, end);
		if (n == 0)
			continue;
		str_add_n(out, from, (size_t)(at - from));
		str_add_slice(out, SLICE("null"));
		from = at + n;
	}
	str_add_n(out, from, (size_t)(end - from));
}

// ---- whole answers ----

bool openai_is_error(const struct jscan_member *m, size_t n)
{
	const struct jscan_member *e = jscan_find(m, n, "error");
	return e != NULL && e->type != JS_NULL && e->type != JS_FALSE;
}

int openai_error_status(const struct jscan_member *m, size_t n)
{
	const struct jscan_member *e = jscan_find(m, n, "error");
	struct jscan_member in[16];
	size_t in_n = 0;
	if (e == NULL || e->type != JS_OBJECT ||
		!adapter_object(e->value, in, ARRAY_LEN(in), &in_n))
		return 0;
	e = jscan_find(in, in_n, "code");
	int64_t code;
	if (e == NULL || e->type != JS_NUMBER || !jscan_int(e->value, &code) || code < 400 ||
		code > 599)
		return 0;
	return (int)code;
}

// Of one that was read: an error, or a list with something in it?
static enum answer_kind list_kind(const struct jscan_member *m, size_t n, const char *list,
	struct adapter_answer *ret)
{
	if (openai_is_error(m, n)) {
		ret->status = openai_error_status(m, n);
		return ANSWER_ERROR;
	}
	const struct jscan_member *at = jscan_find(m, n, list);
	return at != NULL && at->type == JS_ARRAY && !jscan_is_empty(at->value) ? ANSWER_OK
										: ANSWER_BAD;
}

enum answer_kind openai_list(struct slice body, const char *list, struct jscan_member *m,
	size_t *ret_n, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.body = body, .usage = ADAPTER_USAGE_UNKNOWN};
	if (!adapter_object(body, m, ANSWER_MEMBERS_MAX, ret_n))
		return ANSWER_BAD;
	enum answer_kind kind = list_kind(m, *ret_n, list, ret);
	if (kind == ANSWER_OK)
		ret->usage = openai_usage(jscan_find(m, *ret_n, "usage"));
	return kind;
}

static bool calls_tools(const struct body *b, struct slice choices)
{
	return UNLIKELY(b->seen.times[CALLS] > 0) &&
		memmem(choices.p, choices.n, "\"tool_calls\"", 12) != NULL;
}

enum answer_kind openai_parse(const struct adapter_call *call UNUSED,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	struct body b FILLED_LATER;
	*ret = (struct adapter_answer){.body = reply->body, .usage = ADAPTER_USAGE_UNKNOWN};
	if (!read_body(reply->body, &b))
		return ANSWER_BAD;
	enum answer_kind kind = list_kind(b.m, b.n, "choices", ret);
	if (kind != ANSWER_OK)
		return kind;
	ret->usage = read_usage(&b);
	bool finish;
	struct slice choices = jscan_find(b.m, b.n, "choices")->value;
	const char *null_text = read_finish(choices, &b.seen, &finish);
	if (UNLIKELY(null_text != NULL)) {
		str_clear(scratch);
		add_nulls(reply->body, null_text, scratch);
		ret->body = str_slice(scratch);
	} else if (UNLIKELY(calls_tools(&b, choices))) {
		str_clear(scratch);
		if (openai_calls_whole(reply->body, choices, reply->serial, scratch))
			ret->body = str_slice(scratch);
	}
	return ANSWER_OK;
}

// ---- streams ----

static bool is_empty_list(const struct jscan_member *m)
{
	if (m == NULL || m->type != JS_ARRAY)
		return m == NULL || m->type == JS_NULL;
	return jscan_is_empty(m->value);
}

void openai_event(struct slice data, struct str *out)
{
	str_add_slice(out, SLICE("data: "));
	size_t from = out->n;
	str_add_slice(out, data);
	// Events are one line each: white space between values may hold line ends.
	if (UNLIKELY(memchr(data.p, '\n', data.n) != NULL)) {
		for (char *p = out->p + from; p < out->p + out->n; p++)
			*p = *p == '\n' || *p == '\r' ? ' ' : *p;
	}
	str_add_slice(out, SLICE("\n\n"));
}

// Usage was asked for by us: of the callers that did not, none expects "usage":null in its chunks.
static void add_without(struct slice data, const struct jscan_member *usage, struct str *out)
{
	const char *from = usage->key.p - 1, *to = usage->value.p + usage->value.n;
	while (from > data.p && (from[-1] == ' ' || from[-1] == '\t'))
		from--;
	if (from == data.p || from[-1] != ',' || memchr(data.p, '\n', data.n) != NULL) {
		openai_event(data, out);
		return;
	}
	str_add_slice(out, SLICE("data: "));
	str_add_n(out, data.p, (size_t)(from - 1 - data.p));
	str_add_n(out, to, (size_t)(data.p + data.n - to));
	str_add_slice(out, SLICE("\n\n"));
}

static void add_mended(struct slice data, const char *null_text, struct str *out)
{
	struct str mended = STR_INIT;
	add_nulls(data, null_text, &mended);
	openai_event(str_slice(&mended), out);
	str_release(&mended);
}

static enum chunk_kind add_chunk(struct adapter_stream *s, struct slice data, const struct body *b,
	struct str *out)
{
	const struct jscan_member *choices = jscan_find(b->m, b->n, "choices");
	const struct jscan_member *usage = jscan_find(b->m, b->n, "usage");
	bool told = usage != NULL && usage->type == JS_OBJECT;
	const char *null_text = NULL;
	bool none = choices == NULL || choices->type == JS_NULL;
	if (none && !told) // an object of another kind
		return s->opened ? CHUNK_IDLE : CHUNK_BAD;
	s->opened = true;
	if (told) {
		struct adapter_usage u = read_usage(b);
		adapter_usage_merge(&s->usage, &u);
	}
	if (!is_empty_list(choices))
		null_text = read_finish(choices->value, &b->seen, &s->finish);
	else if (told && !s->want_usage)
		return CHUNK_MORE; // Azure begins with an empty list, too; this one was asked for by us
	if (UNLIKELY((s->called & ~s->argued) != 0 && s->finish)) {
		struct str chunk = STR_INIT;
		openai_calls_end(s, b->m, b->n, &chunk);
		openai_event(str_slice(&chunk), out);
		str_release(&chunk);
	}
	if (UNLIKELY(null_text != NULL))
		add_mended(data, null_text, out);
	else if (usage != NULL && usage->type == JS_NULL && !s->want_usage)
		add_without(data, usage, out);
	else
		openai_event(data, out);
	return CHUNK_MORE;
}

// Of a chunk that calls tools: as SDKs read them.
static enum chunk_kind add_calls(struct adapter_stream *s, struct slice data, const struct body *b,
	struct str *out)
{
	struct body again FILLED_LATER;
	struct str mended = STR_INIT;
	enum chunk_kind kind;
	if (openai_calls_chunk(s, data, jscan_find(b->m, b->n, "choices")->value, &mended) &&
		read_body(str_slice(&mended), &again))
		kind = add_chunk(s, str_slice(&mended), &again, out);
	else
		kind = add_chunk(s, data, b, out);
	str_release(&mended);
	return kind;
}

enum chunk_kind openai_chunk(const struct adapter_call *call UNUSED, struct adapter_stream *s,
	struct slice name UNUSED, struct slice data, struct str *out)
{
	// Some servers write the mark through a JSON encoder.
	if (slice_starts(data, "[DONE]") || slice_starts(data, "\"[DONE]\""))
		return CHUNK_DONE;
	struct body b FILLED_LATER;
	if (!read_body(data, &b))
		return CHUNK_BAD;
	if (openai_is_error(b.m, b.n)) {
		s->status = openai_error_status(b.m, b.n);
		return CHUNK_ERROR;
	}
	enum chunk_kind kind;
	const struct jscan_member *choices = jscan_find(b.m, b.n, "choices");
	if (choices != NULL && choices->type == JS_ARRAY && calls_tools(&b, choices->value))
		kind = add_calls(s, data, &b, out);
	else
		kind = add_chunk(s, data, &b, out);
	if (LIKELY(s->end == ENDS_WITH_DONE) || kind != CHUNK_MORE || !s->finish)
		return kind;
	return s->end == ENDS_WITH_FINISH || s->usage.in >= 0 ? CHUNK_DONE : kind;
}

const struct adapter adapter_openai_chat = {.protocol = PROTO_OPENAI_CHAT,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_chat,
	.parse = openai_parse,
	.chunk = openai_chunk};
const struct adapter adapter_openai_completions = {.protocol = PROTO_OPENAI_COMPLETIONS,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_completions,
	.parse = openai_parse,
	.chunk = openai_chunk};
