// SPDX-License-Identifier: MIT
// Embeddings: servers differ in how a vector is written, and callers get the form they asked for.
#include "agent/protocol/embed.h"

#include <math.h>
#include <string.h>
#include "agent/protocol/base64.h"
#include "agent/protocol/batch.h"
#include "agent/protocol/openai.h"
#include "shared/num.h"

static enum err_code build(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	struct openai_changes changes = {.n = 0};
	struct str part = STR_INIT;
	if (call->part > 0 && batch_items(call, &part))
		openai_change(&changes, "input", str_text(&part));
	if (cand->instance != NULL && !cand->instance->doc.quirks.embeddings_base64)
		openai_change(&changes, "encoding_format", NULL); // turned here instead
	adapter_path(cand->url, "/v1/embeddings", &ask->path);
	openai_body(call, feature, cand, false, &changes, &ask->body);
	str_release(&part);
	return ERR_OK;
}

// ---- a vector is a list of numbers or base64 of little-endian float32 ----

bool embed_to_base64(struct slice list, struct str *out)
{
	struct str raw = STR_INIT;
	struct slice item;
	double d;
	bool fine = true;
	while (fine && jscan_next(&list, &item)) {
		fine = num_f64(item, &d);
		float f = fine ? (float)d : 0;
		uint32_t bits;
		memcpy(&bits, &f, 4);
		unsigned char le[4];
		for (int i = 0; i < 4; i++)
			le[i] = (unsigned char)(bits >> 8 * i);
		str_add_n(&raw, le, 4);
	}
	str_add_c(out, '"');
	str_add_base64(out, str_slice(&raw));
	str_add_c(out, '"');
	str_release(&raw);
	return fine;
}

// The text between the quotes; false when it is not whole float32 values.
static bool base64_to_floats(struct slice text, struct str *out)
{
	struct str raw = STR_INIT;
	bool fine = base64_read(text, &raw) && raw.n % 4 == 0;
	str_add_c(out, '[');
	for (size_t i = 0; fine && i < raw.n; i += 4) {
		const unsigned char *le = (const unsigned char *)raw.p + i;
		uint32_t bits = le[0] | (uint32_t)le[1] << 8 | (uint32_t)le[2] << 16 |
			(uint32_t)le[3] << 24;
		float f;
		memcpy(&f, &bits, 4);
		str_addf(out, "%s%.9g", i > 0 ? "," : "", isfinite(f) ? (double)f : 0.0);
	}
	str_add_c(out, ']');
	str_release(&raw);
	return fine;
}

// The item's vector, if it is in the form the caller did not ask for; else NULL.
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
	if (!adapter_object(item, m, ARRAY_LEN(m), &n) || n == ARRAY_LEN(m))
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
		else if (want_base64
				? !embed_to_base64(v->value, out)
				: !base64_to_floats((struct slice){v->value.p + 1, v->value.n - 2},
					  out))
			return false;
	}
	str_add_c(out, '}');
	return true;
}

static bool mend(struct slice body, const struct jscan_member *data, bool want_base64,
	struct str *out)
{
	struct slice rest = data->value;
	bool first = true;
	str_add_n(out, body.p, (size_t)(data->value.p - body.p));
	str_add_c(out, '[');
	struct slice item;
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

static enum answer_kind parse(const struct adapter_call *call, const struct adapter_reply *reply,
	struct str *scratch, struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	enum answer_kind kind = openai_list(reply->body, "data", m, &n, ret);
	if (kind != ANSWER_OK)
		return kind;
	const struct jscan_member *data = jscan_find(m, n, "data");
	// As the first is, so are all.
	struct slice rest = data->value, first;
	struct jscan_member in[8];
	size_t in_n;
	if (!jscan_next(&rest, &first) || !adapter_object(first, in, ARRAY_LEN(in), &in_n) ||
		find_vector(in, in_n, call->base64) == NULL)
		return ANSWER_OK;
	str_clear(scratch);
	if (!mend(reply->body, data, call->base64, scratch))
		return ANSWER_BAD;
	ret->body = str_slice(scratch);
	return ANSWER_OK;
}

const struct adapter adapter_openai_embeddings = {.protocol = PROTO_OPENAI_EMBEDDINGS,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build,
	.parse = parse};
