// SPDX-License-Identifier: MIT
#include "agent/protocol/json.h"

#include <string.h>

static const struct jscan_limits lax = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};

// ---- looking ----

bool aj_scan(struct slice json, struct aj *ret)
{
	ret->n = 0;
	if (json.n == 0 || jscan_object(json, lax, ret->m, AJ_MAX, &ret->n, NULL) != ERR_OK) {
		ret->n = 0;
		return false;
	}
	return true;
}

const struct jscan_member *aj_find(const struct aj *o, const char *key)
{
	const struct jscan_member *m = jscan_find(o->m, o->n, key);
	return m != NULL && m->type != JS_NULL ? m : NULL;
}

const struct jscan_member *aj_typed(const struct aj *o, const char *key, enum jscan_type type)
{
	const struct jscan_member *m = jscan_find(o->m, o->n, key);
	return m != NULL && m->type == type ? m : NULL;
}

bool aj_object(const struct aj *o, const char *key, struct aj *ret)
{
	const struct jscan_member *m = aj_typed(o, key, JS_OBJECT);
	ret->n = 0;
	return m != NULL && aj_scan(m->value, ret);
}

struct slice aj_inner(struct slice string)
{
	if (string.n < 2 || string.p[0] != '"')
		return (struct slice){"", 0};
	return (struct slice){string.p + 1, string.n - 2};
}

struct slice aj_text(const struct aj *o, const char *key)
{
	const struct jscan_member *m = aj_typed(o, key, JS_STRING);
	return m != NULL ? aj_inner(m->value) : (struct slice){"", 0};
}

bool aj_is(const struct aj *o, const char *key, const char *text)
{
	return aj_typed(o, key, JS_STRING) != NULL && slice_eq_str(aj_text(o, key), text);
}

bool aj_true(const struct aj *o, const char *key)
{
	return aj_typed(o, key, JS_TRUE) != NULL;
}

int64_t aj_count(const struct aj *o, const char *key)
{
	return usage_figure(aj_find(o, key));
}

void aj_decode(struct slice string, struct str *out)
{
	size_t n = 0;
	if (string.n < 2 || string.p[0] != '"')
		return;
	str_reserve(out, string.n + 1);
	if (jscan_string(string, out->p + out->n, string.n + 1, &n))
		out->n += n;
	out->p[out->n] = '\0';
}

void aj_embed(struct slice string, struct str *out)
{
	struct str text = STR_INIT;
	struct aj any;
	aj_decode(string, &text);
	if (aj_scan(str_slice(&text), &any))
		str_add_slice(out, str_slice(&text));
	else
		str_add_slice(out, SLICE("{}"));
	str_release(&text);
}

void aj_copy_safe(const char *text, char *buf, size_t size)
{
	size_t n = strlen(text);
	buf[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == '"' || text[i] == '\\')
			return;
	}
	if (n < size)
		memcpy(buf, text, n + 1);
}

const struct jscan_member *aj_call(const struct adapter_call *call, const char *key)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, key);
	return m != NULL && m->type != JS_NULL ? m : NULL;
}

static bool is_listed(const struct strv *list, struct slice key)
{
	for (size_t i = 0; i < list->n; i++) {
		if (slice_eq_str(key, list->v[i]))
			return true;
	}
	return false;
}

// ---- writing ----

static void add_name(struct str *out, const char *name)
{
	if (out->n > 0 && out->p[out->n - 1] != '{')
		str_add_c(out, ',');
	str_add_c(out, '"');
	str_add(out, name);
	str_add_slice(out, SLICE("\":"));
}

void aj_comma(struct str *out)
{
	char last = out->n > 0 ? out->p[out->n - 1] : '[';
	if (last != '[' && last != '{')
		str_add_c(out, ',');
}

void aj_add(struct str *out, const char *name, struct slice value)
{
	add_name(out, name);
	str_add_slice(out, value);
}

void aj_add_text(struct str *out, const char *name, const char *text)
{
	add_name(out, name);
	str_add_json(out, slice_of(text));
}

void aj_add_inner(struct str *out, const char *name, struct slice inner)
{
	add_name(out, name);
	str_add_c(out, '"');
	str_add_slice(out, inner);
	str_add_c(out, '"');
}

static bool is_dropped(const struct target *t, struct slice key)
{
	return is_listed(&t->drop_params, key) || slice_eq_str(key, "model") ||
	       slice_eq_str(key, "stream");
}

static bool is_named(const struct jscan_member *m, size_t n, struct slice key)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_eq(m[i].key, key))
			return true;
	}
	return false;
}

// t: whose drop_params count; NULL: nobody's.
static void add_members(struct str *out, size_t from, struct slice json, const struct target *t)
{
	struct jscan_member given[CALL_MEMBERS_MAX], m[CALL_MEMBERS_MAX];
	size_t given_n, n;
	struct str so_far = STR_INIT;
	if (json.n == 0 || jscan_object(json, lax, m, CALL_MEMBERS_MAX, &n, NULL) != ERR_OK)
		return;
	str_add_n(&so_far, out->p + from, out->n - from);
	str_add_c(&so_far, '}');
	if (jscan_object(str_slice(&so_far), lax, given, CALL_MEMBERS_MAX, &given_n, NULL) != ERR_OK)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		if ((t != NULL && is_dropped(t, m[i].key)) || is_named(given, given_n, m[i].key))
			continue;
		if (out->p[out->n - 1] != '{')
			str_add_c(out, ',');
		str_add_c(out, '"');
		str_add_slice(out, m[i].key);
		str_add_slice(out, SLICE("\":"));
		str_add_slice(out, m[i].value);
	}
	str_release(&so_far);
}

void aj_add_absent(struct str *out, size_t from, const struct feature *feature,
	const struct target *target)
{
	add_members(out, from, slice_of(target->params), target);
	add_members(out, from, slice_of(feature->defaults), target);
}

void aj_add_object(struct str *out, size_t from, const struct jscan_member *object)
{
	if (object != NULL && object->type == JS_OBJECT)
		add_members(out, from, object->value, NULL);
}

// ---- chat completions ----

static void add_count(struct str *out, const char *name, int64_t v)
{
	add_name(out, name);
	str_add_i64(out, v);
}

void chat_usage(struct str *out, const struct adapter_usage *u)
{
	str_add_c(out, '{');
	add_count(out, "prompt_tokens", MAX_OF(u->in, 0));
	add_count(out, "completion_tokens", MAX_OF(u->out, 0));
	add_count(out, "total_tokens", MAX_OF(u->in, 0) + MAX_OF(u->out, 0));
	if (u->cached >= 0) {
		add_name(out, "prompt_tokens_details");
		str_add_c(out, '{');
		add_count(out, "cached_tokens", u->cached);
		str_add_c(out, '}');
	}
	if (u->reasoning >= 0) {
		add_name(out, "completion_tokens_details");
		str_add_c(out, '{');
		add_count(out, "reasoning_tokens", u->reasoning);
		str_add_c(out, '}');
	}
	str_add_c(out, '}');
}

static void add_head(struct str *out, const char *object, struct slice id, struct slice model,
	int64_t created)
{
	str_add_slice(out, SLICE("{\"id\":\"chatcmpl-"));
	str_add_slice(out, id);
	str_add_slice(out, SLICE("\",\"object\":\""));
	str_add(out, object);
	str_add_slice(out, SLICE("\",\"created\":"));
	str_add_i64(out, created);
	aj_add_inner(out, "model", model);
}

static void chunk_head(struct adapter_stream *s, struct str *out)
{
	str_add_slice(out, SLICE("data: "));
	add_head(out, "chat.completion.chunk", slice_of(s->id), slice_of(s->model), s->created);
}

void chat_chunk_open(struct adapter_stream *s, struct str *out)
{
	chunk_head(s, out);
	str_add_slice(out, SLICE(",\"choices\":[{\"index\":0,\"delta\":{"));
	if (!s->opened)
		str_add_slice(out, SLICE("\"role\":\"assistant\""));
	s->opened = true;
}

void chat_chunk_close(struct str *out, const char *finish)
{
	str_add_slice(out, SLICE("},\"logprobs\":null,\"finish_reason\":"));
	if (finish != NULL)
		str_add_json(out, slice_of(finish));
	else
		str_add_slice(out, SLICE("null"));
	str_add_slice(out, SLICE("}]}\n\n"));
}

void chat_chunk_text(struct adapter_stream *s, const char *member, struct slice inner,
	struct str *out)
{
	chat_chunk_open(s, out);
	aj_add_inner(out, member, inner);
	chat_chunk_close(out, NULL);
}

void chat_chunk_finish(struct adapter_stream *s, const char *finish, struct str *out)
{
	s->finish = true;
	chat_chunk_open(s, out);
	chat_chunk_close(out, finish);
}

void chat_chunk_usage(struct adapter_stream *s, struct str *out)
{
	if (!s->want_usage || (s->usage.in < 0 && s->usage.out < 0))
		return;
	chunk_head(s, out);
	str_add_slice(out, SLICE(",\"choices\":[],\"usage\":"));
	chat_usage(out, &s->usage);
	str_add_slice(out, SLICE("}\n\n"));
}

void chat_answer_open(struct str *out, struct slice id, struct slice model, int64_t created)
{
	add_head(out, "chat.completion", id, model, created);
	str_add_slice(out, SLICE(",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\""));
}

void chat_answer_close(struct str *out, const char *finish, const struct adapter_usage *u)
{
	str_add_slice(out, SLICE(",\"refusal\":null},\"logprobs\":null,\"finish_reason\":"));
	str_add_json(out, slice_of(finish));
	str_add_slice(out, SLICE("}]"));
	if (u->in >= 0 || u->out >= 0) {
		add_name(out, "usage");
		chat_usage(out, u);
	}
	str_add_c(out, '}');
}

// ---- what Anthropic's shape makes of it ----

bool aj_add_tool_uses(const struct aj *message, struct str *out)
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
