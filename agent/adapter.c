// SPDX-License-Identifier: MIT
#include "agent/adapter.h"

#include <string.h>
#include "shared/clock.h"
#include "shared/num.h"
#include "shared/text.h"

#define RETRY_UNREADABLE_S 5
#define ERROR_MEMBERS_MAX 16

static const struct adapter *const adapters[PROTO_COUNT] = {
	[PROTO_OPENAI_CHAT] = &adapter_openai_chat,
	[PROTO_OPENAI_COMPLETIONS] = &adapter_openai_completions,
	[PROTO_OPENAI_EMBEDDINGS] = &adapter_openai_embeddings,
	[PROTO_OPENAI_IMAGES] = &adapter_openai_images,
};

const struct adapter *adapter_for(enum protocol p)
{
	return adapters[p];
}

void adapter_path(const struct url *url, const char *path, struct str *ret)
{
	struct slice base = slice_of(url->path);
	str_add_slice(ret, base);
	str_add(ret, slice_ends(base, "/v1") ? path + strlen("/v1") : path);
}

const char *adapter_model(const struct adapter_call *call, const struct candidate *cand)
{
	if (cand->target->upstream_model != NULL)
		return cand->target->upstream_model;
	if (cand->instance != NULL && cand->instance->doc.models.n > 0)
		return cand->instance->doc.models.v[0];
	return call->model[0] != '\0' ? call->model : NULL;
}

static void keep(int64_t *to, int64_t v)
{
	if (v >= 0)
		*to = v;
}

void adapter_usage_merge(struct adapter_usage *u, const struct adapter_usage *more)
{
	keep(&u->in, more->in);
	keep(&u->out, more->out);
	keep(&u->cached, more->cached);
	keep(&u->reasoning, more->reasoning);
	keep(&u->images, more->images);
	keep(&u->chars, more->chars);
	keep(&u->audio_ms, more->audio_ms);
}

void adapter_stream_reset(struct adapter_stream *s, int64_t wall_ms)
{
	s->usage = ADAPTER_USAGE_UNKNOWN;
	s->finish = s->opened = s->tools = false;
	s->status = 0;
	s->tool = -1;
	s->seen = 0;
	s->created = wall_ms / 1000;
	s->id[0] = s->model[0] = '\0';
	str_clear(&s->text);
}

// ---- reading the request ----

// Members that would move the call elsewhere or bring a key of the caller's own.
static const char *const forbidden[] = {"api_base", "base_url", "api_key", "custom_host"};
static const char *const required[OFFER_COUNT] = {
	[OFFER_CHAT] = "messages",
	[OFFER_COMPLETIONS] = "prompt",
	[OFFER_EMBEDDINGS] = "input",
	[OFFER_IMAGES] = "prompt",
	[OFFER_IMAGE_EDITS] = "prompt",
	[OFFER_SPEECH] = "input",
	[OFFER_TRANSCRIPTIONS] = "file",
	[OFFER_MODERATIONS] = "input",
	[OFFER_RERANK] = "query",
	[OFFER_RESPONSES] = "input",
};

static enum err_code check_names(const struct adapter_call *c, struct err *err)
{
	if (c->n == CALL_MEMBERS_MAX)
		return err_set(err, ERR_JSON_TOO_COMPLEX, _("the body has too many members"));
	for (size_t i = 0; i < c->n; i++) {
		// An escaped name would be read by the upstream and not by us.
		if (slice_find(c->m[i].key, '\\') >= 0)
			return err_set(err, ERR_JSON_INVALID,
				_("names of members must be written without escapes"));
		for (size_t k = 0; k < ARRAY_LEN(forbidden); k++) {
			if (slice_eq_str(c->m[i].key, forbidden[k]))
				return err_field(err, ERR_FIELD_FORBIDDEN, forbidden[k], NULL);
		}
	}
	return ERR_OK;
}

static enum err_code read_bool(const struct adapter_call *c, const char *name, bool *ret,
	struct err *err)
{
	const struct jscan_member *m = jscan_find(c->m, c->n, name);
	if (m == NULL || m->type == JS_NULL)
		return ERR_OK;
	if (m->type != JS_TRUE && m->type != JS_FALSE)
		return err_field(err, ERR_FIELD_TYPE, name, _("must be true or false"));
	*ret = m->type == JS_TRUE;
	return ERR_OK;
}

static enum err_code read_model(struct adapter_call *c, bool need, struct err *err)
{
	const struct jscan_member *m = jscan_find(c->m, c->n, "model");
	c->model[0] = '\0';
	if (m == NULL)
		return need ? err_field(err, ERR_FIELD_REQUIRED, "model",
				      _("name a feature, an alias or vendor/service"))
			    : ERR_OK;
	if (m->type != JS_STRING)
		return err_field(err, ERR_FIELD_TYPE, "model", _("must be a string"));
	// Longer than any name: no such model, and nothing to echo.
	if (!jscan_string(m->value, c->model, sizeof(c->model), NULL))
		return err_field(err, ERR_MODEL_NOT_FOUND, "model", NULL);
	return ERR_OK;
}

static bool asks_usage(const struct adapter_call *c)
{
	const struct jscan_member *m = jscan_find(c->m, c->n, "stream_options");
	struct jscan_member in[8];
	size_t n;
	if (m == NULL || m->type != JS_OBJECT ||
		jscan_object(m->value, (struct jscan_limits){0}, in, ARRAY_LEN(in), &n, NULL) != ERR_OK)
		return false;
	m = jscan_find(in, n, "include_usage");
	return m != NULL && m->type == JS_TRUE;
}

static void read_size(struct adapter_call *c)
{
	const struct jscan_member *m = jscan_find(c->m, c->n, "size");
	char text[24];
	if (m == NULL || !jscan_string(m->value, text, sizeof(text), NULL))
		return;
	struct slice rest = slice_of(text), width = slice_cut(&rest, 'x');
	int64_t w, h;
	if (num_i64(width, 1, 65535, &w) && num_i64(rest, 1, 65535, &h)) {
		c->width = w;
		c->height = h;
	}
}

static enum err_code read_images(struct adapter_call *c, struct err *err)
{
	const struct jscan_member *m = jscan_find(c->m, c->n, "n");
	if (m != NULL && m->type != JS_NULL) {
		if (m->type != JS_NUMBER || !jscan_int(m->value, &c->images))
			return err_field(err, ERR_FIELD_TYPE, "n", _("must be an integer"));
		if (c->images < 1 || c->images > 128)
			return err_field(err, ERR_FIELD_RANGE, "n", _("must be from 1 to 128"));
	}
	read_size(c);
	return ERR_OK;
}

enum err_code adapter_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *c, struct err *err)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	c->offer = offer;
	c->dialect = DIALECT_OPENAI;
	c->body = body;
	c->content_type = (struct slice){NULL, 0};
	c->stream = c->want_usage = c->base64 = false;
	c->images = c->width = c->height = FIELD_NONE;
	enum err_code code = jscan_object(body, limits, c->m, CALL_MEMBERS_MAX, &c->n, err);
	if (code == ERR_OK)
		code = check_names(c, err);
	if (code == ERR_OK)
		code = read_model(c, need_model, err);
	if (code == ERR_OK)
		code = read_bool(c, "stream", &c->stream, err);
	if (code != ERR_OK)
		return code;
	if (jscan_find(c->m, c->n, required[offer]) == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, required[offer], NULL);
	if (offer == OFFER_IMAGES && c->stream)
		return err_field(err, ERR_FIELD_RANGE, "stream", _("images are not streamed"));
	if (offer == OFFER_IMAGES)
		return read_images(c, err);
	if (offer == OFFER_EMBEDDINGS) {
		const struct jscan_member *m = jscan_find(c->m, c->n, "encoding_format");
		c->stream = false;
		c->base64 = m != NULL && slice_eq_str(m->value, "\"base64\"");
	}
	c->want_usage = c->stream && asks_usage(c);
	return ERR_OK;
}

// ---- what an error answer says ----

struct error_row {
	const char *vendor; // NULL: any
	int status; // 0: any
	const char *word; // the error's code or type; NULL: any
	enum outcome outcome;
	enum err_code code;
	bool final;
};

#define NEXT false
#define FINAL true

// The first row that fits counts. The same word means different things to different vendors, so
// nothing is ever read from a message.
static const struct error_row error_rows[] = {
	{"openai", 429, "insufficient_quota", OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{"openai", 429, "credit_balance_exhausted", OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{"openai", 429, "organization_spend_limit_exceeded", OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{"openai", 429, "project_spend_limit_exceeded", OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{"openai", 429, "organization_usage_limit_exceeded", OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{"aliyun", 400, "Arrearage", OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{"aliyun", 403, "AllocationQuota.FreeTierOnly", OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{"aliyun", 400, "data_inspection_failed", OUT_CLIENT, ERR_CONTENT_POLICY, FINAL},
	{"aliyun", 400, "DataInspectionFailed", OUT_CLIENT, ERR_CONTENT_POLICY, FINAL},
	{NULL, 402, NULL, OUT_BILLING, ERR_UPSTREAM_BILLING, NEXT},
	{NULL, 429, NULL, OUT_RATE_LIMITED, ERR_UPSTREAM_RATE_LIMITED, NEXT},
	{NULL, 401, NULL, OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, NEXT},
	{NULL, 403, NULL, OUT_AUTH, ERR_UPSTREAM_AUTH_FAILED, NEXT},
	{NULL, 400, "context_length_exceeded", OUT_CLIENT, ERR_CONTEXT_LENGTH, FINAL},
	{NULL, 400, "content_policy_violation", OUT_CLIENT, ERR_CONTENT_POLICY, FINAL},
	{NULL, 400, "content_filter", OUT_CLIENT, ERR_CONTENT_POLICY, FINAL},
	{NULL, 400, "moderation_blocked", OUT_CLIENT, ERR_CONTENT_POLICY, FINAL},
	{NULL, 400, NULL, OUT_CLIENT, ERR_UPSTREAM_REJECTED, FINAL},
	{NULL, 413, NULL, OUT_CLIENT, ERR_BODY_TOO_LARGE, FINAL},
	{NULL, 415, NULL, OUT_CLIENT, ERR_UPSTREAM_REJECTED, FINAL},
	{NULL, 422, NULL, OUT_CLIENT, ERR_UPSTREAM_REJECTED, FINAL},
	// The target is wrong for it, another may be right: nothing against the key.
	{NULL, 404, "model_not_found", OUT_MODEL_GONE, ERR_VENDOR_FAILED, NEXT},
	{NULL, 404, "NotFoundError", OUT_CLIENT, ERR_VENDOR_FAILED, NEXT},
	{NULL, 0, NULL, OUT_FAILED, ERR_VENDOR_FAILED, NEXT},
};

static const struct error_row *find_row(const char *vendor, int status,
	const struct adapter_error *e)
{
	for (size_t i = 0;; i++) {
		const struct error_row *r = &error_rows[i];
		if (r->vendor != NULL && (vendor == NULL || strcmp(r->vendor, vendor) != 0))
			continue;
		if (r->status != 0 && r->status != status)
			continue;
		if (r->word != NULL && strcmp(r->word, e->wire_code) != 0 &&
			strcmp(r->word, e->type) != 0)
			continue;
		return r;
	}
}

static void copy_text(const struct jscan_member *m, char *buf, size_t size)
{
	buf[0] = '\0';
	if (m == NULL)
		return;
	if (m->type == JS_STRING && !jscan_string(m->value, buf, size, NULL))
		buf[0] = '\0';
	if (m->type == JS_NUMBER && m->value.n < size) { // vLLM: the code is an int
		memcpy(buf, m->value.p, m->value.n);
		buf[m->value.n] = '\0';
	}
}

// Long messages are cut at a character, not dropped.
static void copy_message(const struct jscan_member *m, struct adapter_error *e)
{
	if (m == NULL || m->type != JS_STRING)
		return;
	struct str text = STR_INIT;
	str_reserve(&text, m->value.n + 1);
	size_t n = 0;
	if (jscan_string(m->value, text.p, m->value.n + 1, &n)) {
		n = MIN_OF(n, sizeof(e->message) - 1);
		while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
			n--;
		memcpy(e->message, text.p, n);
		e->message[n] = '\0';
	}
	str_release(&text);
}

static size_t scan(struct slice json, struct jscan_member *m)
{
	size_t n = 0;
	if (jscan_object(json, (struct jscan_limits){.lax = true}, m, ERROR_MEMBERS_MAX, &n, NULL) !=
		ERR_OK)
		return 0;
	return n;
}

// FastAPI: {"detail":"text"} or {"detail":[{"loc":…,"msg":…,"type":…}]}.
static void read_detail(const struct jscan_member *detail, struct adapter_error *e)
{
	struct jscan_member m[ERROR_MEMBERS_MAX];
	struct slice rest = detail->value, first;
	if (detail->type != JS_ARRAY) {
		copy_message(detail, e);
		return;
	}
	if (!jscan_next(&rest, &first))
		return;
	size_t n = scan(first, m);
	copy_message(jscan_find(m, n, "msg"), e);
	copy_text(jscan_find(m, n, "type"), e->wire_code, sizeof(e->wire_code));
}

// {"error":{…}}, {"error":"text"}, flat {"message","code","type"}, FastAPI's detail, or nothing.
static void read_shape(struct slice body, struct adapter_error *e)
{
	struct jscan_member top[ERROR_MEMBERS_MAX], in[ERROR_MEMBERS_MAX];
	struct jscan_member *m = top;
	size_t n = scan(body, top);
	const struct jscan_member *error = jscan_find(top, n, "error");
	const struct jscan_member *detail = jscan_find(top, n, "detail");
	if (error != NULL && error->type == JS_STRING) {
		copy_message(error, e);
		return;
	}
	if (error != NULL && error->type == JS_OBJECT) {
		n = scan(error->value, in);
		m = in;
	} else if (detail != NULL) {
		read_detail(detail, e);
		return;
	}
	copy_message(jscan_find(m, n, "message"), e);
	copy_text(jscan_find(m, n, "code"), e->wire_code, sizeof(e->wire_code));
	copy_text(jscan_find(m, n, "type"), e->type, sizeof(e->type));
	copy_text(jscan_find(m, n, "param"), e->param, sizeof(e->param));
}

// Vendors like to quote the key they refuse, whole or with its middle starred out.
static void hide_key(struct adapter_error *e, struct slice secret)
{
	bool quoted = strstr(e->message, "***") != NULL;
	if (secret.n >= 8 && memmem(e->message, strlen(e->message), secret.p, secret.n) != NULL)
		quoted = true;
	if (quoted)
		e->message[0] = '\0';
}

void adapter_error_read(const char *vendor, int status, struct slice body, struct slice secret,
	struct adapter_error *e)
{
	e->type[0] = e->wire_code[0] = e->param[0] = e->message[0] = '\0';
	read_shape(body, e);
	hide_key(e, secret);
	const struct error_row *r = find_row(vendor, status, e);
	e->outcome = r->outcome;
	e->code = r->code;
	e->final = r->final;
	e->status = status;
}

int64_t adapter_retry_after_s(struct slice value, int64_t wall_ms, int64_t cap_s)
{
	int64_t s;
	if (slice_starts(value, "-"))
		s = 1;
	else if (!clock_retry_after_s(value, wall_ms, &s))
		s = RETRY_UNREADABLE_S;
	return MIN_OF(MAX_OF(s, 1), cap_s);
}
