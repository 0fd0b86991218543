// SPDX-License-Identifier: MIT
// JSON as a tree, for what is edited or decoded with a reason for every refusal. Nothing else
// knows whose parser stands behind it.
#include "shared/jx.h"

#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/text.h"
#include "shared/utf8.h"

#define PATH_MAX_LEN ERR_FIELD_MAX
#define ITEMS_MAX 256 // of a list whose row says nothing
#define JSON_MEMBER_MAX (64 * 1024) // of an FT_JSON member
#define KEY_SHOWN_MAX 32 // shorter than any vendor's key, should one stand where a name belongs

static const json_t *in(const struct jx *v)
{
	return (const json_t *)v;
}

static const struct jx *out(const json_t *v)
{
	return (const struct jx *)v;
}

static void drop(void *arg)
{
	json_decref(arg);
}

enum err_code jx_parse(struct slice text, struct jscan_limits limits, struct arena *a,
	const struct jx **ret, struct err *err)
{
	enum err_code code = jscan_check(text, limits, err);
	if (code)
		return code;
	json_error_t why;
	json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (root == NULL) {
		code = json_error_code(&why) == json_error_duplicate_key ? ERR_JSON_DUPLICATE_KEY
									 : ERR_JSON_INVALID;
		return err_set(err, code, NULL);
	}
	arena_defer(a, drop, root);
	*ret = out(root);
	return ERR_OK;
}

// ---- decoding by rows ----

struct decode {
	struct arena *a;
	struct err *err;
	unsigned mode;
	bool lax, stored;
	char path[PATH_MAX_LEN];
	size_t path_n;
};

static enum err_code doc_in(struct decode *d, const struct field_set *set, const json_t *obj,
	void *doc);

static void path_add(struct decode *d, const char *text)
{
	size_t n = MIN_OF(strlen(text), sizeof(d->path) - 1 - d->path_n);
	memcpy(d->path + d->path_n, text, n);
	d->path_n += n;
	d->path[d->path_n] = '\0';
}

static size_t push(struct decode *d, const char *name, ptrdiff_t index)
{
	size_t before = d->path_n;
	char at[24];
	if (index >= 0) {
		snprintf(at, sizeof(at), "[%td]", index);
		path_add(d, at);
		return before;
	}
	if (before)
		path_add(d, ".");
	path_add(d, name != NULL ? name : "");
	return before;
}

static void pop(struct decode *d, size_t before)
{
	d->path_n = before;
	d->path[before] = '\0';
}

static enum err_code wrong_type(struct decode *d, const char *want)
{
	return err_field(d->err, ERR_FIELD_TYPE, d->path, _("%s must be %s"), d->path, want);
}

static enum err_code out_of_range(struct decode *d, const struct field *f, const char *what)
{
	if (f->min || f->max)
		return err_field(d->err, ERR_FIELD_RANGE, d->path,
			_("%s: %s must be between %lld and %lld"), d->path, what, (long long)f->min,
			(long long)f->max);
	return err_field(d->err, ERR_FIELD_RANGE, d->path, _("%s: %s is out of range"), d->path,
		what);
}

static enum err_code no_choice(struct decode *d, const struct field *f)
{
	struct str list = STR_INIT;
	for (size_t k = 0; f->choices[k] != NULL; k++)
		str_addf(&list, "%s%s", k ? ", " : "", f->choices[k]);
	err_field(d->err, ERR_FIELD_RANGE, d->path, _("%s is not one of the choices"), d->path);
	err_hint(d->err, _("one of: %s"), str_text(&list));
	str_release(&list);
	return ERR_FIELD_RANGE;
}

static enum err_code text_in(struct decode *d, const struct field *f, const json_t *v,
	struct slice *ret)
{
	struct slice s = {json_string_value(v), json_string_length(v)};
	if (!json_is_string(v))
		return wrong_type(d, _("a string"));
	if (f->choices != NULL && field_choice(f, s) < 0)
		return no_choice(d, f);
	// Sets of letters that are narrower than they once were.
	bool taken_before = d->stored && (f->charset == FC_CURRENCY || f->charset == FC_PATH);
	if (s.n && !field_charset_ok(f->charset, s) && !taken_before)
		return err_field(d->err, ERR_FIELD_CHARSET, d->path, "%s %s", d->path,
			_(field_charset_text(f->charset)));
	size_t n = utf8_count(s);
	if ((f->min || f->max) && (n < (size_t)f->min || n > (size_t)f->max))
		return out_of_range(d, f, _("length"));
	*ret = s;
	return ERR_OK;
}

static enum err_code str_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{
	struct slice s = {0};
	enum err_code code = text_in(d, f, v, &s);
	if (!code)
		*(const char **)at = arena_slice(d->a, s);
	return code;
}

static enum err_code enum_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{

	if (!json_is_string(v))
		return wrong_type(d, _("a string"));
	int i = field_choice(f, (struct slice){json_string_value(v), json_string_length(v)});
	if (i < 0)
		return no_choice(d, f);
	*(int *)at = i;
	return ERR_OK;
}

static enum err_code int_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{

	if (json_is_real(v))
		return err_field(d->err, ERR_FIELD_RANGE, d->path, _("%s must be a whole number"),
			d->path);
	if (!json_is_integer(v))
		return wrong_type(d, _("a whole number"));
	int64_t i = json_integer_value(v);
	if ((f->min || f->max) && (i < f->min || i > f->max))
		return out_of_range(d, f, _("the value"));
	*(int64_t *)at = i;
	return ERR_OK;
}

static enum err_code num_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{
	double x = json_number_value(v);
	if (!json_is_number(v))
		return wrong_type(d, _("a number"));
	if ((f->min || f->max) && (x < (double)f->min || x > (double)f->max))
		return out_of_range(d, f, _("the value"));
	*(double *)at = x;
	return ERR_OK;
}

static enum err_code time_in(struct decode *d, const json_t *v, void *at)
{
	struct slice s = {json_string_value(v), json_string_length(v)};
	if (!json_is_string(v))
		return wrong_type(d, _("a time"));
	if (!clock_parse_rfc3339(s, at))
		return err_field(d->err, ERR_FIELD_RANGE, d->path,
			_("%s must be an RFC 3339 time such as 2026-11-23T10:00:00Z"), d->path);
	return ERR_OK;
}

static enum err_code check_count(struct decode *d, const struct field *f, const json_t *v)
{

	if (!json_is_array(v))
		return wrong_type(d, _("a list"));
	// For string lists min and max speak of each string; the list has one bound for all.
	size_t n = json_array_size(v);
	if (n > (f->type == FT_OBJV && f->max ? (size_t)f->max : ITEMS_MAX))
		return err_field(d->err, ERR_FIELD_RANGE, d->path, _("%s has too many items"),
			d->path);
	if (f->type == FT_OBJV && n < (size_t)f->min)
		return err_field(d->err, ERR_FIELD_RANGE, d->path, _("%s has too few items"),
			d->path);
	return ERR_OK;
}

static enum err_code strv_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{
	struct strv *list = at;
	enum err_code code = check_count(d, f, v);
	if (code)
		return code;
	const char **items = arena_zalloc(d->a, json_array_size(v) + 1, sizeof(*items));
	for (size_t i = 0; i < json_array_size(v); i++) {
		size_t before = push(d, NULL, (ptrdiff_t)i);
		code = str_in(d, f, json_array_get(v, i), &items[i]);
		if (code)
			return code;
		pop(d, before);
	}
	*list = (struct strv){items, json_array_size(v)};
	return ERR_OK;
}

static enum err_code objv_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{
	struct objv *list = at;
	enum err_code code = check_count(d, f, v);
	unsigned mode = d->mode;
	if (code)
		return code;
	char *items = arena_zalloc(d->a, json_array_size(v) + 1, f->sub->size);
	d->mode = mode == JX_PATCH ? JX_CREATE : mode; // a list is replaced as a whole
	for (size_t i = 0; i < json_array_size(v) && !code; i++) {
		size_t before = push(d, NULL, (ptrdiff_t)i);
		void *item = items + i * f->sub->size;
		field_defaults(f->sub, item);
		if (!json_is_object(json_array_get(v, i)))
			return wrong_type(d, _("an object"));
		code = doc_in(d, f->sub, json_array_get(v, i), item);
		if (!code)
			pop(d, before);
	}
	d->mode = mode;
	*list = (struct objv){items, json_array_size(v)};
	return code;
}

static enum err_code json_in(struct decode *d, const json_t *v, void *at)
{
	struct str text = STR_INIT;
	enum err_code code = ERR_OK;
	if (!json_is_object(v) && !json_is_array(v))
		return wrong_type(d, _("an object"));
	jx_write(out(v), 0, &text);
	if (text.n > JSON_MEMBER_MAX)
		code = err_field(d->err, ERR_FIELD_RANGE, d->path, _("%s is too large"), d->path);
	else
		*(const char **)at = arena_slice(d->a, str_slice(&text));
	str_release(&text);
	return code;
}

static void release_secret(void *arg)
{
	secret_release(arg);
}

static enum err_code secret_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{
	struct slice s = {0};
	enum err_code code = text_in(d, f, v, &s);
	if (code)
		return code;
	// The arena keeps its own handle: *doc may be gone from the stack by then, and what stood in
	// it before is not ours.
	struct secret *held = arena_zalloc(d->a, 1, sizeof(*held));
	arena_defer(d->a, release_secret, held);
	secret_set(held, s.p, s.n);
	*(struct secret *)at = *held;
	return ERR_OK;
}

// The tree's copies of secrets, whatever became of the document.
static void wipe_secrets(const struct field_set *set, const json_t *obj)
{
	for (size_t i = 0; i < set->n; i++) {
		const json_t *v = set->f[i].type == FT_SECRET ? json_object_get(obj, set->f[i].name)
							      : NULL;
		if (json_is_string(v))
			secret_wipe((void *)(uintptr_t)json_string_value(v), json_string_length(v));
	}
}

static enum err_code value_in(struct decode *d, const struct field *f, const json_t *v, void *at)
{
	switch (f->type) {
	case FT_STR:
		return str_in(d, f, v, at);
	case FT_BOOL:
		if (!json_is_boolean(v))
			return wrong_type(d, _("true or false"));
		*(bool *)at = json_is_true(v);
		return ERR_OK;
	case FT_INT:
		return int_in(d, f, v, at);
	case FT_NUM:
		return num_in(d, f, v, at);
	case FT_ENUM:
		return enum_in(d, f, v, at);
	case FT_TIME:
		return time_in(d, v, at);
	case FT_STRV:
		return strv_in(d, f, v, at);
	case FT_OBJ:
		return json_is_object(v) ? doc_in(d, f->sub, v, at) : wrong_type(d, _("an object"));
	case FT_OBJV:
		return objv_in(d, f, v, at);
	case FT_JSON:
		return json_in(d, v, at);
	case FT_SECRET:
		return secret_in(d, f, v, at);
	default:
		return wrong_type(d, _("left out"));
	}
}

// A null unsets: the value the row has when absent.
static void unset(const struct field *f, void *at)
{
	const struct field_set one = {"", f, 1, 0};
	switch (f->type) {
	case FT_STR:
	case FT_JSON:
		*(const char **)at = NULL;
		break;
	case FT_STRV:
		*(struct strv *)at = (struct strv){0};
		break;
	case FT_OBJV:
		*(struct objv *)at = (struct objv){0};
		break;
	case FT_SECRET:
		break;
	default:
		field_defaults(&one, (char *)at - f->offset);
	}
}

static enum err_code unknown(struct decode *d, const struct field_set *set, const char *key)
{
	const char *names[128];
	size_t n = 0, before = push(d, key, -1);
	for (; n < set->n && n < ARRAY_LEN(names); n++)
		names[n] = set->f[n].name;
	const char *near = text_closest(slice_of(key), names, n);
	// A name is echoed only when it looks like one: it may be a key in the wrong place.
	if (strlen(key) > KEY_SHOWN_MAX || !field_charset_ok(FC_ID, slice_of(key)))
		pop(d, before);
	if (d->path_n > before)
		err_field(d->err, ERR_FIELD_UNKNOWN, d->path, _("%s is not a field of %s"), d->path,
			set->name);
	else
		err_field(d->err, ERR_FIELD_UNKNOWN, d->path, _("%s has no such field"), set->name);
	if (near != NULL)
		err_hint(d->err, _("did you mean %s?"), near);
	else
		err_hint(d->err, _("see the schema %s in /openapi.json"), set->name);
	return ERR_FIELD_UNKNOWN;
}

static enum err_code member_in(struct decode *d, const struct field *f, const json_t *v, void *doc)
{
	size_t before = push(d, f->name, -1);
	enum err_code code = ERR_OK;
	if ((f->flags & FF_READONLY) || f->offset == FIELD_NO_HOME) {
		pop(d, before);
		return ERR_OK; // what an answer had may be sent back
	}
	if (json_is_null(v) && !(f->flags & FF_REQUIRED))
		unset(f, field_at(f, doc));
	else
		code = value_in(d, f, v, field_at(f, doc));
	if (!code)
		pop(d, before);
	return code;
}

static enum err_code required(struct decode *d, const struct field_set *set, const json_t *obj)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct field *f = &set->f[i];
		if (!(f->flags & FF_REQUIRED) || (f->flags & FF_READONLY) ||
			json_object_get(obj, f->name) != NULL ||
			(f->type == FT_SECRET && d->mode == JX_REPLACE))
			continue;
		push(d, f->name, -1);
		return err_field(d->err, ERR_FIELD_REQUIRED, d->path, _("%s is required"), d->path);
	}
	return ERR_OK;
}

static enum err_code doc_in(struct decode *d, const struct field_set *set, const json_t *obj,
	void *doc)
{
	const char *key;
	json_t *v;
	enum err_code code;
	json_object_foreach((json_t *)(uintptr_t)obj, key, v)
	{
		const struct field *f = field_named(set, slice_of(key));
		if (f == NULL && d->lax)
			continue;
		code = f != NULL ? member_in(d, f, v, doc) : unknown(d, set, key);
		if (code)
			return code;
	}
	return d->mode == JX_PATCH ? ERR_OK : required(d, set, obj);
}

enum err_code jx_decode_value(const struct field_set *set, const struct jx *v, unsigned mode,
	struct arena *a, void *doc, struct err *err)
{
	struct decode d = {.a = a,
		.err = err,
		.mode = mode & 0xff,
		.lax = (mode & JX_ALLOW_UNKNOWN) != 0,
		.stored = (mode & JX_STORED) != 0};
	if (!json_is_object(in(v)))
		return err_set(err, ERR_JSON_INVALID, _("the body is not a JSON object"));
	if (d.mode != JX_PATCH)
		field_defaults(set, doc);
	enum err_code code = doc_in(&d, set, in(v), doc);
	wipe_secrets(set, in(v));
	return code;
}

enum err_code jx_decode(const struct field_set *set, struct slice text, struct jscan_limits limits,
	unsigned mode, struct arena *a, void *doc, struct err *err)
{
	const struct jx *root;
	enum err_code code = jx_parse(text, limits, a, &root, err);
	return code ? code : jx_decode_value(set, root, mode, a, doc, err);
}

// ---- reading ----

const struct jx *jx_get(const struct jx *obj, const char *key)
{
	return out(json_object_get(in(obj), key));
}

const struct jx *jx_path(const struct jx *v, const char *path)
{
	char key[128];
	while (v != NULL && *path) {
		size_t n = strcspn(path, ".[");
		if (*path == '[') {
			char *end;
			v = jx_at(v, strtoul(path + 1, &end, 10));
			path = *end == ']' ? end + 1 : end;
		} else if (n && n < sizeof(key)) {
			memcpy(key, path, n);
			key[n] = '\0';
			v = jx_get(v, key);
			path += n;
		} else {
			return NULL;
		}
		if (*path == '.')
			path++;
	}
	return v;
}

size_t jx_len(const struct jx *v)
{
	return json_is_array(in(v)) ? json_array_size(in(v)) : json_object_size(in(v));
}

const struct jx *jx_at(const struct jx *arr, size_t i)
{
	return out(json_array_get(in(arr), i));
}

bool jx_next(const struct jx *obj, void **it, const char **ret_key, const struct jx **ret_value)
{
	json_t *o = (json_t *)(uintptr_t)obj;
	*it = *it != NULL ? json_object_iter_next(o, *it) : json_object_iter(o);
	if (*it == NULL)
		return false;
	*ret_key = json_object_iter_key(*it);
	*ret_value = out(json_object_iter_value(*it));
	return true;
}

bool jx_is_str(const struct jx *v)
{
	return json_is_string(in(v));
}

bool jx_is_arr(const struct jx *v)
{
	return json_is_array(in(v));
}

bool jx_is_obj(const struct jx *v)
{
	return json_is_object(in(v));
}

bool jx_is_null(const struct jx *v)
{
	return v == NULL || json_is_null(in(v));
}

bool jx_is_num(const struct jx *v)
{
	return json_is_number(in(v));
}

bool jx_is_bool(const struct jx *v)
{
	return json_is_boolean(in(v));
}

const char *jx_str(const struct jx *v, const char *absent)
{
	return json_is_string(in(v)) ? json_string_value(in(v)) : absent;
}

int64_t jx_int(const struct jx *v, int64_t absent)
{
	double x = json_is_real(in(v)) ? json_real_value(in(v)) : NAN;
	if (x >= -0x1p63 && x < 0x1p63)
		return (int64_t)x;
	return json_is_integer(in(v)) ? json_integer_value(in(v)) : absent;
}

double jx_num(const struct jx *v, double absent)
{
	return json_is_number(in(v)) ? json_number_value(in(v)) : absent;
}

bool jx_bool(const struct jx *v, bool absent)
{
	return json_is_boolean(in(v)) ? json_is_true(in(v)) : absent;
}

// ---- writing ----
// Not json_dumps: it writes 0.7 as 0.69999999999999996 and lets bidi controls through.

static void newline(int indent, int depth, struct str *ret)
{
	if (!indent)
		return;
	str_add_c(ret, '\n');
	str_addf(ret, "%*s", indent * depth, "");
}

static void real(double x, struct str *ret)
{
	char buf[32];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, x);
		if (strtod(buf, NULL) == x)
			break;
	}
	str_add(ret, buf);
	if (strpbrk(buf, ".e") == NULL)
		str_add(ret, ".0"); // or it would be an integer to the next reader
}

static void dump(const json_t *v, int indent, int depth, struct str *ret);

static void dump_items(const json_t *v, int indent, int depth, struct str *ret)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (i)
			str_add_c(ret, ',');
		newline(indent, depth + 1, ret);
		dump(json_array_get(v, i), indent, depth + 1, ret);
	}
}

static void dump_members(const json_t *v, int indent, int depth, struct str *ret)
{
	const char *key;
	json_t *value;
	bool first = true;
	json_object_foreach((json_t *)(uintptr_t)v, key, value)
	{
		if (!first)
			str_add_c(ret, ',');
		first = false;
		newline(indent, depth + 1, ret);
		str_add_json(ret, slice_of(key));
		str_add(ret, indent ? ": " : ":");
		dump(value, indent, depth + 1, ret);
	}
}

static void dump(const json_t *v, int indent, int depth, struct str *ret)
{
	bool object = json_is_object(v);
	if (object || json_is_array(v)) {
		str_add_c(ret, object ? '{' : '[');
		(object ? dump_members : dump_items)(v, indent, depth, ret);
		if (jx_len(out(v)))
			newline(indent, depth, ret);
		str_add_c(ret, object ? '}' : ']');
	} else if (json_is_string(v)) {
		str_add_json(ret, (struct slice){json_string_value(v), json_string_length(v)});
	} else if (json_is_integer(v)) {
		str_add_i64(ret, json_integer_value(v));
	} else if (json_is_real(v)) {
		real(json_real_value(v), ret);
	} else {
		str_add(ret, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
	}
}

void jx_write(const struct jx *v, int indent, struct str *ret)
{
	dump(in(v), indent, 0, ret);
}

// ---- memory of trees ----

static void tree_free(void *p)
{
	if (p != NULL)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

void jx_setup(void)
{
	json_set_alloc_funcs(malloc, tree_free);
}
