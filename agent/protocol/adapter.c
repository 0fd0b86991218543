// SPDX-License-Identifier: MIT
#include "agent/protocol/adapter.h"

#include <stdio.h>
#include <string.h>
#include "shared/num.h"
#include "shared/multipart.h"
#include "shared/text.h"

void adapter_path(const struct url *url, const char *path, struct str *ret)
{
	struct slice base = slice_of(url->path);
	str_add_slice(ret, base);
	str_add(ret, slice_ends(base, "/v1") ? path + strlen("/v1") : path);
}

void adapter_root_path(const struct url *url, const char *path, struct str *ret)
{
	struct slice base = slice_of(url->path);
	if (slice_ends(base, "/v1"))
		base.n -= strlen("/v1");
	if (slice_ends(base, "/compatible-mode"))
		base.n -= strlen("/compatible-mode");
	str_add_slice(ret, base);
	str_add(ret, path);
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

int64_t usage_figure(const struct jscan_member *m)
{
	int64_t v;
	if (m == NULL || m->type == JS_NULL)
		return -1;
	bool is_figure = m->type == JS_NUMBER && jscan_int(m->value, &v) && v >= 0;
	return is_figure && v <= USAGE_FIGURE_MAX ? v : USAGE_ABSURD;
}

static void keep(int64_t *to, int64_t v)
{
	if (v != -1)
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

// ---- what the target's operator decides ----

static bool is_asked(struct slice key)
{
	static const char *const keys[] = {"model", "stream", "messages", "prompt", "input", "query",
		"documents", "texts", "file", "image", "mask"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (slice_eq_str(key, keys[i]))
			return true;
	return false;
}

static bool is_dropped(const struct target *t, struct slice key)
{
	for (size_t i = 0; i < t->drop_params.n; i++)
		if (slice_eq_str(key, t->drop_params.v[i]))
			return true;
	return false;
}

// The longest answer has a name in each generation of the API: they are one wish.
static bool is_length(struct slice key)
{
	return slice_eq_str(key, "max_tokens") || slice_eq_str(key, "max_completion_tokens");
}

struct set { // a target's params
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n;
	bool length;
};

static void read_set(const struct target *t, struct set *ret)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	ret->n = 0;
	ret->length = false;
	if (t->params == NULL || jscan_object(slice_of(t->params), limits, ret->m, CALL_MEMBERS_MAX,
					 &ret->n, NULL) != ERR_OK)
		ret->n = 0;
	for (size_t i = 0; i < ret->n; i++)
		ret->length |= is_length(ret->m[i].key);
}

static const struct jscan_member *set_of(const struct set *s, struct slice key)
{
	for (size_t i = 0; i < s->n; i++)
		if (slice_eq(s->m[i].key, key))
			return is_asked(key) ? NULL : &s->m[i];
	return NULL;
}

// Apart, so that who needs none of it does not pay for its room.
static __attribute__((noinline)) const struct adapter_call *set_members(
	const struct adapter_call *call, const struct target *t, struct adapter_call *copy)
{
	struct set s;
	read_set(t, &s);
	*copy = *call;
	copy->n = 0;
	for (size_t i = 0; i < call->n; i++) {
		const struct jscan_member *m = &call->m[i], *set = set_of(&s, m->key);
		if (is_dropped(t, m->key) || (set == NULL && s.length && is_length(m->key)))
			continue;
		copy->m[copy->n] = *m;
		if (set != NULL) {
			copy->m[copy->n].value = set->value;
			copy->m[copy->n].type = set->type;
		}
		copy->n++;
	}
	return copy;
}

const struct adapter_call *adapter_call_set(const struct adapter_call *call, const struct target *t,
	struct adapter_call *copy)
{
	return adapter_sets(t) ? set_members(call, t, copy) : call;
}

bool adapter_decides(const struct target *t, struct slice key)
{
	struct set s;
	read_set(t, &s);
	return is_dropped(t, key) || set_of(&s, key) != NULL;
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

// ---- of audio ----

static int64_t code_points(struct slice s)
{
	int64_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

// Speech is answered as events when "stream_format" says so, and charged by its characters.
static enum err_code read_speech(struct adapter_call *c, struct err *err)
{
	const struct jscan_member *m = jscan_find(c->m, c->n, "stream_format");
	const struct jscan_member *input = jscan_find(c->m, c->n, "input");
	struct str text = STR_INIT;
	size_t n = 0;
	if (input->type != JS_STRING)
		return err_field(err, ERR_FIELD_TYPE, "input", _("must be a text"));
	c->stream = m != NULL && slice_eq_str(m->value, "\"sse\"");
	str_reserve(&text, input->value.n + 1);
	if (jscan_string(input->value, text.p, input->value.n + 1, &n))
		c->chars = code_points((struct slice){text.p, n});
	str_release(&text);
	return ERR_OK;
}

static void begin_read(struct adapter_call *c, enum offer offer, struct slice body)
{
	c->offer = offer;
	c->dialect = DIALECT_OPENAI;
	c->body = body;
	c->content_type = c->beta = (struct slice){NULL, 0};
	c->form = NULL;
	c->n = 0;
	c->model[0] = '\0';
	c->items = c->from = c->part = 0;
	c->translated = c->stream = c->want_usage = c->base64 = c->tokens = false;
	c->images = c->width = c->height = c->chars = FIELD_NONE;
}

enum err_code adapter_read_form(const struct multipart *form, struct slice content_type,
	enum offer offer, bool need_model, struct adapter_call *c, struct err *err)
{
	const struct multipart_part *model = multipart_find(form, "model");
	const struct multipart_part *stream = multipart_find(form, "stream");
	begin_read(c, offer, form->body);
	c->form = form;
	c->content_type = content_type;
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		if (multipart_find(form, forbidden[i]) != NULL)
			return err_field(err, ERR_FIELD_FORBIDDEN, forbidden[i], NULL);
	}
	if (model == NULL && need_model)
		return err_field(err, ERR_FIELD_REQUIRED, "model",
			_("name a feature, an alias or vendor/service"));
	if (model != NULL && (model->value.n >= sizeof(c->model) ||
				     memchr(model->value.p, '\0', model->value.n) != NULL))
		return err_field(err, ERR_MODEL_NOT_FOUND, "model", NULL);
	if (model != NULL) {
		memcpy(c->model, model->value.p, model->value.n);
		c->model[model->value.n] = '\0';
	}
	const struct multipart_part *main_part = multipart_find(form, required[offer]);
	if (main_part == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, required[offer], NULL);
	if (main_part->value.n == 0)
		return err_field(err, ERR_FIELD_RANGE, required[offer], _("must not be empty"));
	c->stream = stream != NULL && slice_ieq_str(stream->value, "true");
	return ERR_OK;
}

enum err_code adapter_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *c, struct err *err)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	begin_read(c, offer, body);
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
	bool images = offer == OFFER_IMAGES || offer == OFFER_IMAGE_EDITS;
	if (images)
		return read_images(c, err);
	if (offer == OFFER_SPEECH)
		return read_speech(c, err);
	if (offer == OFFER_MODERATIONS || offer == OFFER_RERANK)
		c->stream = false;
	if (offer == OFFER_EMBEDDINGS) {
		const struct jscan_member *m = jscan_find(c->m, c->n, "encoding_format");
		c->stream = false;
		c->base64 = m != NULL && slice_eq_str(m->value, "\"base64\"");
	}
	c->want_usage = c->stream && asks_usage(c);
	return ERR_OK;
}
