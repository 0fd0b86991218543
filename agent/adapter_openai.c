// SPDX-License-Identifier: MIT
// OpenAI's protocol: chat, completions, embeddings, images. Answers pass as they came; only what
// callers rely on is mended.
#include "agent/adapter.h"

#include <math.h>
#include <string.h>
#include "shared/num.h"
#include "shared/text.h"

static const struct jscan_limits traffic = {.depth = JSCAN_DEPTH_TRAFFIC};
static const struct jscan_limits answers = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};

// ---- the request's body ----

struct build {
	const struct adapter_call *call;
	const struct feature *feature;
	const struct candidate *cand;
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

static bool is_dropped(const struct build *b, struct slice key)
{
	const struct strv *drop = &b->cand->target->drop_params;
	for (size_t i = 0; i < drop->n; i++) {
		if (slice_eq_str(key, drop->v[i]))
			return true;
	}
	return false;
}

// The target's model, else the one an instance serves, else what the caller said.
static void add_model(struct build *b)
{
	const struct candidate *c = b->cand;
	const char *model = c->target->upstream_model;
	if (model == NULL && c->instance != NULL && c->instance->doc.models.n > 0)
		model = c->instance->doc.models.v[0];
	if (model == NULL && b->call->model[0] != '\0')
		model = b->call->model;
	if (model == NULL)
		return;
	add_name(b, SLICE("model"));
	str_add_json(b->out, slice_of(model));
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

// Members of an operator's object that nobody before named.
static void add_absent(struct build *b, const char *json, const char *before)
{
	struct jscan_member m[CALL_MEMBERS_MAX], given[CALL_MEMBERS_MAX];
	size_t n = 0, given_n = 0;
	if (json == NULL ||
		jscan_object(slice_of(json), traffic, m, CALL_MEMBERS_MAX, &n, NULL) != ERR_OK)
		return;
	if (before != NULL &&
		jscan_object(slice_of(before), traffic, given, CALL_MEMBERS_MAX, &given_n, NULL) != ERR_OK)
		given_n = 0;
	for (size_t i = 0; i < n; i++) {
		bool named = slice_eq_str(m[i].key, "model") || slice_eq_str(m[i].key, "stream");
		for (size_t k = 0; !named && k < b->call->n; k++)
			named = slice_eq(b->call->m[k].key, m[i].key);
		for (size_t k = 0; !named && k < given_n; k++)
			named = slice_eq(given[k].key, m[i].key);
		if (!named && !is_dropped(b, m[i].key))
			add_raw(b, m[i].key, m[i].value);
	}
}

static enum err_code build(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct str *body, struct err *err)
{
	struct build b = {call, feature, cand, body, false};
	const struct target *t = cand->target;
	(void)err;
	str_reserve(body, call->body.n + 128);
	str_add_c(body, '{');
	add_model(&b);
	bool options = call->stream && !is_dropped(&b, SLICE("stream_options"));
	for (size_t i = 0; i < call->n; i++) {
		const struct jscan_member *m = &call->m[i];
		if (slice_eq_str(m->key, "model") || is_dropped(&b, m->key) ||
			(options && slice_eq_str(m->key, "stream_options")))
			continue;
		add_raw(&b, m->key, m->value);
	}
	if (options)
		add_stream_options(&b);
	if (t->params != NULL)
		add_absent(&b, t->params, NULL);
	if (feature->defaults != NULL)
		add_absent(&b, feature->defaults, t->params);
	str_add_c(body, '}');
	return ERR_OK;
}

// ---- usage ----

static int64_t tokens(const struct jscan_member *m, size_t n, const char *name,
	const char *other)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	int64_t v;
	if (at == NULL || at->type != JS_NUMBER)
		at = jscan_find(m, n, other);
	if (at == NULL || at->type != JS_NUMBER || !jscan_int(at->value, &v) || v < 0)
		return -1;
	return v;
}

static struct adapter_usage read_usage(const struct jscan_member *usage)
{
	struct adapter_usage u = {-1, -1};
	struct jscan_member m[16];
	size_t n;
	if (usage == NULL || usage->type != JS_OBJECT ||
		jscan_object(usage->value, answers, m, ARRAY_LEN(m), &n, NULL) != ERR_OK)
		return u;
	u.in = tokens(m, n, "prompt_tokens", "input_tokens");
	u.out = tokens(m, n, "completion_tokens", "output_tokens");
	return u;
}

// ---- whole answers ----

static bool is_error(const struct jscan_member *m, size_t n)
{
	const struct jscan_member *e = jscan_find(m, n, "error");
	return e != NULL && e->type != JS_NULL && e->type != JS_FALSE;
}

static bool parse_list(struct slice body, const char *list, bool filled,
	struct jscan_member *m, size_t *ret_n)
{
	struct slice rest, item;
	if (jscan_object(body, answers, m, ANSWER_MEMBERS_MAX, ret_n, NULL) != ERR_OK ||
		is_error(m, *ret_n))
		return false;
	const struct jscan_member *at = jscan_find(m, *ret_n, list);
	if (at == NULL || at->type != JS_ARRAY)
		return false;
	rest = at->value;
	return !filled || jscan_next(&rest, &item);
}

static bool parse_text(const struct adapter_call *call, struct slice body, struct str *scratch,
	struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	(void)call;
	(void)scratch;
	if (!parse_list(body, "choices", true, m, &n))
		return false;
	ret->body = body;
	ret->usage = read_usage(jscan_find(m, n, "usage"));
	return true;
}

static bool parse_images(const struct adapter_call *call, struct slice body, struct str *scratch,
	struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	(void)call;
	(void)scratch;
	if (!parse_list(body, "data", true, m, &n))
		return false;
	ret->body = body;
	ret->usage = read_usage(jscan_find(m, n, "usage"));
	return true;
}

// ---- embeddings: a vector is a list of numbers or base64 of little-endian float32 ----

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void add_base64(struct str *out, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i += 3) {
		uint32_t w = (uint32_t)p[i] << 16;
		if (i + 1 < n)
			w |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < n)
			w |= p[i + 2];
		str_add_c(out, b64[w >> 18]);
		str_add_c(out, b64[w >> 12 & 63]);
		str_add_c(out, i + 1 < n ? b64[w >> 6 & 63] : '=');
		str_add_c(out, i + 2 < n ? b64[w & 63] : '=');
	}
}

static bool floats_to_base64(struct slice list, struct str *out)
{
	struct str raw = STR_INIT;
	struct slice item;
	double d;
	bool fine = true;
	while (fine && jscan_next(&list, &item)) {
		fine = num_f64(item, &d);
		float f = fine ? (float)d : 0;
		unsigned char le[4];
		uint32_t bits;
		memcpy(&bits, &f, 4);
		for (int i = 0; i < 4; i++)
			le[i] = (unsigned char)(bits >> 8 * i);
		str_add_n(&raw, le, 4);
	}
	str_add_c(out, '"');
	add_base64(out, (const unsigned char *)raw.p, raw.n);
	str_add_c(out, '"');
	str_release(&raw);
	return fine;
}

static int b64_value(char c)
{
	const char *at = c != '\0' ? strchr(b64, c) : NULL;
	return at != NULL ? (int)(at - b64) : -1;
}

static void add_float(struct str *out, uint32_t bits, bool first)
{
	float f;
	memcpy(&f, &bits, 4);
	str_addf(out, "%s%.9g", first ? "" : ",", isfinite(f) ? (double)f : 0.0);
}

// The text between the quotes; false when it is not whole float32 values.
static bool base64_to_floats(struct slice text, struct str *out)
{
	uint32_t bits = 0, acc = 0;
	unsigned have = 0, bytes = 0;
	bool first = true;
	while (text.n > 0 && text.p[text.n - 1] == '=')
		text.n--;
	str_add_c(out, '[');
	for (size_t i = 0; i < text.n; i++) {
		int v = b64_value(text.p[i]);
		if (v < 0)
			return false;
		acc = acc << 6 | (uint32_t)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		bits |= (acc >> have & 0xff) << 8 * bytes;
		if (++bytes < 4)
			continue;
		add_float(out, bits, first);
		first = false;
		bits = bytes = 0;
	}
	str_add_c(out, ']');
	return bytes == 0;
}

// True when the item's vector is in the form the caller did not ask for.
static const struct jscan_member *find_vector(const struct jscan_member *m, size_t n,
	bool want_base64)
{
	const struct jscan_member *v = jscan_find(m, n, "embedding");
	if (v == NULL || v->type != (want_base64 ? JS_ARRAY : JS_STRING))
		return NULL;
	return v;
}

static bool mend_item(struct slice item, bool want_base64, struct str *out)
{
	struct jscan_member m[8];
	size_t n;
	if (jscan_object(item, traffic, m, ARRAY_LEN(m), &n, NULL) != ERR_OK || n == ARRAY_LEN(m))
		return false;
	const struct jscan_member *v = find_vector(m, n, want_base64);
	str_add_c(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			str_add_c(out, ',');
		str_add_c(out, '"');
		str_add_slice(out, m[i].key);
		str_add_slice(out, SLICE("\":"));
		if (&m[i] != v)
			str_add_slice(out, m[i].value);
		else if (want_base64 ? !floats_to_base64(v->value, out)
				     : !base64_to_floats((struct slice){v->value.p + 1,
							 v->value.n - 2}, out))
			return false;
	}
	str_add_c(out, '}');
	return true;
}

static bool needs_mending(struct slice data, bool want_base64)
{
	struct slice item;
	struct jscan_member m[8];
	size_t n;
	if (!jscan_next(&data, &item) ||
		jscan_object(item, answers, m, ARRAY_LEN(m), &n, NULL) != ERR_OK)
		return false;
	return find_vector(m, n, want_base64) != NULL;
}

static bool mend(struct slice body, const struct jscan_member *data, bool want_base64,
	struct str *out)
{
	struct slice rest = data->value, item;
	bool first = true;
	str_add_n(out, body.p, (size_t)(data->value.p - body.p));
	str_add_c(out, '[');
	while (jscan_next(&rest, &item)) {
		if (!first)
			str_add_c(out, ',');
		first = false;
		if (!mend_item(item, want_base64, out))
			return false;
	}
	str_add_c(out, ']');
	const char *after = data->value.p + data->value.n;
	str_add_n(out, after, (size_t)(body.p + body.n - after));
	return true;
}

static bool parse_embeddings(const struct adapter_call *call, struct slice body,
	struct str *scratch, struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!parse_list(body, "data", true, m, &n))
		return false;
	ret->body = body;
	ret->usage = read_usage(jscan_find(m, n, "usage"));
	const struct jscan_member *data = jscan_find(m, n, "data");
	if (!needs_mending(data->value, call->base64))
		return true;
	str_clear(scratch);
	if (!mend(body, data, call->base64, scratch))
		return false;
	ret->body = str_slice(scratch);
	return true;
}

// ---- streams ----

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

// Quotes inside strings are escaped, so the name with its quotes is found as a name only. Returns
// the place of its value, or NULL.
static const char *find_finish(struct slice choices, const char *from)
{
	static const char name[] = "\"finish_reason\"";
	const char *end = choices.p + choices.n;
	const char *at = memmem(from, (size_t)(end - from), name, sizeof(name) - 1);
	if (at == NULL)
		return NULL;
	at = skip_blank(at + sizeof(name) - 1, end);
	if (at == end || *at != ':')
		return NULL;
	return skip_blank(at + 1, end);
}

// finish_reason "null" (text) means null; it is written so for clients that compare.
static void read_finish(struct slice choices, struct str *scratch, struct adapter_chunk *ret)
{
	static const char null_text[] = "\"null\"";
	const char *end = choices.p + choices.n;
	for (const char *at = choices.p; (at = find_finish(choices, at)) != NULL;) {
		if ((size_t)(end - at) >= 6 && memcmp(at, null_text, 6) == 0) {
			size_t before = (size_t)(at - ret->data.p);
			str_clear(scratch);
			str_add_n(scratch, ret->data.p, before);
			str_add_slice(scratch, SLICE("null"));
			str_add_n(scratch, at + 6, ret->data.n - before - 6);
			ret->data = str_slice(scratch);
			return; // one choice per chunk does this, by the servers that do it at all
		}
		if (at < end && *at == '"')
			ret->finish = true;
	}
}

static bool is_empty_list(const struct jscan_member *m)
{
	struct slice rest, item;
	if (m == NULL || m->type != JS_ARRAY)
		return m == NULL || m->type == JS_NULL;
	rest = m->value;
	return !jscan_next(&rest, &item);
}

// Events are one line each: white space between values may hold line ends.
static void to_one_line(struct str *scratch, struct adapter_chunk *ret)
{
	if (memchr(ret->data.p, '\n', ret->data.n) == NULL)
		return;
	struct str line = STR_INIT;
	for (size_t i = 0; i < ret->data.n; i++)
		str_add_c(&line, ret->data.p[i] == '\n' || ret->data.p[i] == '\r' ? ' '
										   : ret->data.p[i]);
	str_clear(scratch);
	str_add_slice(scratch, str_slice(&line));
	str_release(&line);
	ret->data = str_slice(scratch);
}

static void chunk_text(const struct adapter_call *call, struct slice data, struct str *scratch,
	struct adapter_chunk *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	*ret = (struct adapter_chunk){.kind = CHUNK_PASS, .data = data, .usage = {-1, -1}};
	// Some servers write the mark through a JSON encoder.
	if (slice_starts(data, "[DONE]") || slice_starts(data, "\"[DONE]\"")) {
		ret->kind = CHUNK_DONE;
		return;
	}
	if (jscan_object(data, answers, m, ARRAY_LEN(m), &n, NULL) != ERR_OK) {
		ret->kind = CHUNK_BAD;
		return;
	}
	if (is_error(m, n)) {
		ret->kind = CHUNK_ERROR;
		return;
	}
	const struct jscan_member *choices = jscan_find(m, n, "choices");
	const struct jscan_member *usage = jscan_find(m, n, "usage");
	if (usage != NULL && usage->type == JS_OBJECT)
		ret->usage = read_usage(usage);
	if (choices == NULL && usage == NULL) {
		ret->kind = CHUNK_BAD; // an object of another kind
		return;
	}
	if (is_empty_list(choices)) {
		// Azure begins with such a chunk; the one with the usage is passed only when asked for.
		if (ret->usage.in >= 0 && !call->want_usage)
			ret->kind = CHUNK_DROP;
	} else {
		read_finish(choices->value, scratch, ret);
	}
	to_one_line(scratch, ret);
}

const struct adapter adapter_openai_chat = {PROTO_OPENAI_CHAT, OFFER_CHAT,
	"/v1/chat/completions", build, parse_text, chunk_text};
const struct adapter adapter_openai_completions = {PROTO_OPENAI_COMPLETIONS, OFFER_COMPLETIONS,
	"/v1/completions", build, parse_text, chunk_text};
const struct adapter adapter_openai_embeddings = {PROTO_OPENAI_EMBEDDINGS, OFFER_EMBEDDINGS,
	"/v1/embeddings", build, parse_embeddings, chunk_text};
const struct adapter adapter_openai_images = {PROTO_OPENAI_IMAGES, OFFER_IMAGES,
	"/v1/images/generations", build, parse_images, chunk_text};
