// SPDX-License-Identifier: MIT
// What the gateway itself must know of a request is read here, from JSON or from a form; the rest is
// the upstream's to judge. Refuses members that would move the call or bring another key.
#include "agent/protocol/request.h"

#include <string.h>
#include "shared/field.h"
#include "shared/num.h"
#include "shared/multipart.h"
#include "shared/str.h"
#include "shared/text.h"

// Members that would move the call elsewhere or bring a key of the caller's own.
static const char *const forbidden[] = {"api_base", "base_url", "api_key", "custom_host"};

static bool is_forbidden(struct slice name, const char *one)
{
	return name.n > 0 && name.p[0] == one[0] && slice_eq_str(name, one);
}

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
			if (UNLIKELY(is_forbidden(c->m[i].key, forbidden[k])))
				return err_field(err, ERR_FIELD_FORBIDDEN, forbidden[k], NULL);
		}
	}
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
		jscan_object(m->value, (struct jscan_limits){0}, in, ARRAY_LEN(in), &n, NULL) !=
			ERR_OK)
		return false;
	m = jscan_find(in, n, "include_usage");
	return m != NULL && m->type == JS_TRUE;
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
	const struct jscan_member *size = jscan_find(c->m, c->n, "size");
	char text[24];
	if (size == NULL || !jscan_string(size->value, text, sizeof(text), NULL))
		return ERR_OK;
	struct slice rest = slice_of(text), width = slice_cut(&rest, 'x');
	int64_t w, h;
	if (num_i64(width, 1, 65535, &w) && num_i64(rest, 1, 65535, &h)) {
		c->width = w;
		c->height = h;
	}
	return ERR_OK;
}

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
	if (input == NULL) // left out
		return ERR_OK;
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
	c->translated = c->count = c->stream = c->want_usage = c->base64 = c->tokens = false;
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
	if (model != NULL &&
		(model->value.n >= sizeof(c->model) ||
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

// whole: nothing that an upstream needs may be left out.
static enum err_code read_body(struct slice body, struct jscan_limits limits, enum offer offer,
	bool need_model, bool whole, struct adapter_call *c, struct err *err)
{
	begin_read(c, offer, body);
	enum err_code code = jscan_object(body, limits, c->m, CALL_MEMBERS_MAX, &c->n, err);
	if (code == ERR_OK)
		code = check_names(c, err);
	if (code == ERR_OK)
		code = read_model(c, need_model, err);
	if (code != ERR_OK)
		return code;
	const struct jscan_member *stream = jscan_find(c->m, c->n, "stream");
	if (stream != NULL && stream->type != JS_TRUE && stream->type != JS_FALSE &&
		stream->type != JS_NULL)
		return err_field(err, ERR_FIELD_TYPE, "stream", _("must be true or false"));
	c->stream = stream != NULL && stream->type == JS_TRUE;
	if (whole && jscan_find(c->m, c->n, required[offer]) == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, required[offer], NULL);
	if (offer == OFFER_IMAGES || offer == OFFER_IMAGE_EDITS)
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

enum err_code adapter_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *c, struct err *err)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	return read_body(body, limits, offer, need_model, true, c, err);
}

enum err_code adapter_read_part(struct slice body, struct jscan_limits limits, enum offer offer,
	struct adapter_call *c, struct err *err)
{
	return read_body(body, limits, offer, false, false, c, err);
}
