// SPDX-License-Identifier: MIT
#include "agent/adapter.h"

#include <stdio.h>
#include <string.h>
#include "shared/num.h"
#include "shared/text.h"

static const struct adapter *const adapters[PROTO_COUNT] = {
	[PROTO_OPENAI_CHAT] = &adapter_openai_chat,
	[PROTO_OPENAI_COMPLETIONS] = &adapter_openai_completions,
	[PROTO_OPENAI_EMBEDDINGS] = &adapter_openai_embeddings,
	[PROTO_OPENAI_IMAGES] = &adapter_openai_images,
	[PROTO_OPENAI_RESPONSES] = &adapter_openai_responses,
	[PROTO_OLLAMA_CHAT] = &adapter_ollama_chat,
	[PROTO_ANTHROPIC_MESSAGES] = &adapter_anthropic_messages,
	[PROTO_DASHSCOPE_CHAT] = &adapter_dashscope_chat,
	[PROTO_DASHSCOPE_CHAT_NATIVE] = &adapter_dashscope_chat_native,
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

bool adapter_streams(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand)
{
	return call->stream || feature->force_upstream_stream ||
	       cand->target->force_upstream_stream;
}

const char *adapter_model(const struct adapter_call *call, const struct candidate *cand)
{
	if (cand->target->upstream_model != NULL)
		return cand->target->upstream_model;
	if (cand->instance != NULL && cand->instance->doc.models.n > 0)
		return cand->instance->doc.models.v[0];
	return call->model[0] != '\0' ? call->model : NULL;
}

void adapter_new_id(uint64_t serial, char *buf, size_t size)
{
	snprintf(buf, size, "%016llx", (unsigned long long)serial);
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
	keep(&u->cache_write, more->cache_write);
	keep(&u->reasoning, more->reasoning);
	keep(&u->images, more->images);
	keep(&u->chars, more->chars);
	keep(&u->audio_ms, more->audio_ms);
}

void adapter_stream_reset(struct adapter_stream *s, int64_t wall_ms, uint64_t serial)
{
	s->usage = ADAPTER_USAGE_UNKNOWN;
	s->want_usage = s->finish = s->opened = s->tools = false;
	s->status = 0;
	s->tool = -1;
	s->grows = false;
	s->seen = s->seen_thinking = 0;
	s->created = wall_ms / 1000;
	s->serial = serial;
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
	c->content_type = c->beta = (struct slice){NULL, 0};
	c->translated = false;
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
