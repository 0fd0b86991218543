// SPDX-License-Identifier: MIT
// A flat view of one object at a time, without a tree and without decoding; members are found by
// going through them, as objects of these protocols are small.
#include "agent/protocol/json.h"

#include <string.h>

// ---- looking ----

bool aj_scan(struct slice json, struct aj *ret)
{
	ret->n = 0;
	return json.n > 0 && adapter_object(json, ret->m, AJ_MAX, &ret->n);
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

bool aj_is_blank(struct slice inner)
{
	for (size_t i = 0; i < inner.n; i++) {
		if (inner.p[i] == '\\' && i + 1 < inner.n && strchr("nrt", inner.p[i + 1]) != NULL)
			i++;
		else if (inner.p[i] != ' ')
			return false;
	}
	return true;
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

void aj_parts(const struct jscan_member *content, struct str *text, struct str *thinking)
{
	struct slice rest = SLICE("[]");
	if (content != NULL && content->type == JS_STRING)
		str_add_slice(text, aj_inner(content->value));
	else if (content != NULL && content->type == JS_ARRAY)
		rest = content->value;
	struct slice item;
	struct aj part;
	while (jscan_next(&rest, &item)) {
		if (slice_starts(item, "\""))
			str_add_slice(text, aj_inner(item));
		if (!aj_scan(item, &part))
			continue;
		str_add_slice(text, aj_text(&part, "text"));
		const struct jscan_member *thought = aj_find(&part, "thinking");
		if (thought != NULL)
			aj_parts(thought, thinking, thinking);
	}
}

void aj_decode(struct slice string, struct str *out)
{
	size_t n = 0;
	if (string.n < 2 || string.p[0] != '"')
		return;
	str_reserve(out, string.n + 1);
	if (!jscan_string(string, out->p + out->n, string.n + 1, &n))
		n = 0;
	out->n += n;
	out->p[out->n] = '\0';
}

void aj_embed(struct slice string, struct str *out)
{
	struct str text = STR_INIT;
	aj_decode(string, &text);
	struct aj any;
	if (aj_scan(str_slice(&text), &any))
		str_add_slice(out, str_slice(&text));
	else
		str_add_slice(out, SLICE("{}"));
	str_release(&text);
}

void aj_arguments(const struct jscan_member *arguments, struct str *out)
{
	if (arguments == NULL || arguments->type == JS_NULL ||
		slice_eq_str(arguments->value, "\"\""))
		str_add_json(out, SLICE("{}"));
	else if (arguments->type == JS_STRING)
		str_add_slice(out, arguments->value);
	else
		str_add_json(out, arguments->value);
}

void aj_copy(struct slice inner, char *buf, size_t size)
{
	if (inner.n >= size)
		return;
	memcpy(buf, inner.p, inner.n);
	buf[inner.n] = '\0';
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

// ---- writing ----

void aj_comma(struct str *out)
{
	char last = out->n > 0 ? out->p[out->n - 1] : '[';
	if (last != '[' && last != '{')
		str_add_c(out, ',');
}

void aj_name(struct str *out, const char *name)
{
	aj_comma(out);
	str_add_c(out, '"');
	str_add(out, name);
	str_add_slice(out, SLICE("\":"));
}

void aj_add(struct str *out, const char *name, struct slice value)
{
	aj_name(out, name);
	str_add_slice(out, value);
}

void aj_add_text(struct str *out, const char *name, const char *text)
{
	aj_name(out, name);
	str_add_json(out, slice_of(text));
}

void aj_add_count(struct str *out, const char *name, int64_t v)
{
	aj_name(out, name);
	str_add_i64(out, v);
}

void aj_add_member(struct str *out, const struct jscan_member *m)
{
	aj_comma(out);
	str_add_c(out, '"');
	str_add_slice(out, m->key);
	str_add_slice(out, SLICE("\":"));
	str_add_slice(out, m->value);
}

void aj_add_inner(struct str *out, const char *name, struct slice inner)
{
	aj_name(out, name);
	str_add_c(out, '"');
	str_add_slice(out, inner);
	str_add_c(out, '"');
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
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n;
	struct str so_far = STR_INIT;
	if (json.n == 0 || !adapter_object(json, m, CALL_MEMBERS_MAX, &n))
		return;
	str_add_n(&so_far, out->p + from, out->n - from);
	str_add_c(&so_far, '}');
	struct jscan_member given[CALL_MEMBERS_MAX];
	size_t given_n;
	if (!adapter_object(str_slice(&so_far), given, CALL_MEMBERS_MAX, &given_n))
		n = 0;
	for (size_t i = 0; i < n; i++) {
		struct slice key = m[i].key;
		bool dropped = t != NULL &&
			(slice_eq_str(key, "model") || slice_eq_str(key, "stream") ||
				adapter_drops(t, key));
		if (!dropped && !is_named(given, given_n, key))
			aj_add_member(out, &m[i]);
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
