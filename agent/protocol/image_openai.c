// SPDX-License-Identifier: MIT
// OpenAI's images: generations and edits. Requests that were written for dall-e reach the gpt-image
// models in their words: they refuse response_format and style, name qualities otherwise, and know
// three sizes (gpt-image-2: any with sides of 16). Source: OpenAI API reference, "Images".
#include "agent/protocol/base64.h"
#include "agent/protocol/error.h"
#include "agent/protocol/image.h"
#include "agent/protocol/json.h"
#include "agent/protocol/openai.h"
#include "agent/protocol/picture.h"

#include <stdio.h>
#include <string.h>
#include "shared/multipart.h"

#define URL_LIFE_S 3600 // the vendor's, for dall-e shaped answers
#define DALLE3_N 1
#define OPENAI_N 10

static int64_t n_max(const char *named, const struct candidate *cand)
{
	const char *model = adapter_own_model(named, cand);
	return model != NULL && strncmp(model, "dall-e-3", 8) == 0 ? DALLE3_N : OPENAI_N;
}

// ---- the request ----

struct words { // of one request, for its changes
	char n[24], size[48];
};

static const char *quality_for(struct slice raw)
{
	if (slice_eq_str(raw, "\"hd\""))
		return "\"high\"";
	return slice_eq_str(raw, "\"standard\"") ? "\"medium\"" : NULL;
}

// The size this model makes in place of the one asked for; false when it takes it as it is.
static bool size_for(enum picture_family family, int64_t w, int64_t h, char *buf, size_t size)
{
	if (family == PICTURE_GPT_IMAGE_2) {
		if (w % 16 == 0 && h % 16 == 0)
			return false;
		w = MAX_OF((w + 8) / 16, 1) * 16;
		h = MAX_OF((h + 8) / 16, 1) * 16;
		snprintf(buf, size, "\"%lldx%lld\"", (long long)w, (long long)h);
		return true;
	}
	const char *to = w == h ? "\"1024x1024\"" : w > h ? "\"1536x1024\"" : "\"1024x1536\"";
	bool same = (w == h && w == 1024) || (w == 1536 && h == 1024) || (w == 1024 && h == 1536);
	if (!same)
		snprintf(buf, size, "%s", to);
	return !same;
}

static void translate(struct image_submit *s, enum picture_family family, struct openai_changes *ch,
	struct words *words)
{
	openai_change(ch, "response_format", NULL);
	openai_change(ch, "style", NULL);
	struct jscan_member m;
	if (image_param(s, "quality", &m) && quality_for(m.value) != NULL)
		openai_change(ch, "quality", quality_for(m.value));
	int64_t w, h;
	char text[24];
	if (image_param(s, "size", &m) && jscan_string(m.value, text, sizeof(text), NULL) &&
		model_size(slice_of(text), &w, &h) &&
		size_for(family, w, h, words->size, sizeof(words->size))) {
		openai_change(ch, "size", words->size);
		snprintf(s->note, sizeof(s->note), "size %lldx%lld sent as %s", (long long)w,
			(long long)h, words->size);
	}
}

// True when the answer will be a stream.
static bool changes_of(struct image_submit *s, struct openai_changes *ch, struct words *words)
{
	const struct jscan_member *n = jscan_find(s->want->call->m, s->want->call->n, "n");
	enum picture_family family = picture_family(adapter_model(s->want->call, s->cand));
	if (family != PICTURE_ANY)
		translate(s, family, ch, words);
	bool partial = picture_partial(s->want->call, s->cand);
	if (!partial) {
		openai_change(ch, "stream", NULL);
		openai_change(ch, "partial_images", NULL);
	}
	if (n != NULL || s->n != 1) {
		snprintf(words->n, sizeof(words->n), "%lld", (long long)s->n);
		openai_change(ch, "n", words->n);
	}
	return partial;
}

static enum err_code submit(struct image_submit *s, struct adapter_ask *ask, struct err *err UNUSED)
{
	struct openai_changes ch = {0};
	struct words words;
	ask->stream = changes_of(s, &ch, &words);
	adapter_path(s->cand->url, "/v1/images/generations", &ask->path);
	openai_body(s->want->call, s->feature, s->cand, false, &ch, &ask->body);
	return ERR_OK;
}

// ---- edits: a form or, in the newer form of the API, JSON ----

static enum err_code submit_form(struct image_submit *s, const struct openai_changes *ch,
	struct adapter_ask *ask, struct err *err)
{
	const struct adapter_call *call = s->want->call;
	const char *model = adapter_model(call, s->cand);
	struct multipart form;
	enum err_code code = multipart_read(call->content_type, call->body, &form, err);
	if (code != ERR_OK)
		return code;
	str_reserve(&ask->body, call->body.n + 512);
	for (size_t i = 0; i < form.n; i++) {
		if (!openai_replaces(ch, form.v[i].name) &&
			openai_form_keeps(&form.v[i], s->cand->target))
			str_add_slice(&ask->body, form.v[i].whole);
	}
	if (model != NULL)
		multipart_add_field(&form, SLICE("model"), slice_of(model), &ask->body);
	for (size_t i = 0; i < ch->n; i++) {
		struct slice value = slice_of(ch->v[i].value);
		if (value.n > 0)
			multipart_add_field(&form, slice_of(ch->v[i].name),
				value.p[0] == '"' ? aj_inner(value) : value, &ask->body);
	}
	openai_form_fields(&form, s->cand->target, s->feature, ch, &ask->body);
	str_addf(&ask->body, "--%s--\r\n", form.boundary);
	str_addf(&ask->headers, "Content-Type: %.*s\r\n", SLICE_FMT(call->content_type));
	ask->content_type = "";
	return ERR_OK;
}

static enum err_code submit_edit(struct image_submit *s, struct adapter_ask *ask, struct err *err)
{
	struct openai_changes ch = {0};
	struct words words;
	ask->stream = changes_of(s, &ch, &words);
	adapter_path(s->cand->url, "/v1/images/edits", &ask->path);
	if (multipart_is(s->want->call->content_type))
		return submit_form(s, &ch, ask, err);
	openai_body(s->want->call, s->feature, s->cand, false, &ch, &ask->body);
	return ERR_OK;
}

// ---- the answer ----

// An address: of a picture elsewhere, of one that only the upstream can give, or the picture itself.
// False when it is none of these.
static bool take_url(enum image_format format, struct slice json, struct slice url,
	struct image_item *item, struct str *scratch)
{
	char text[URLX_MAX];
	size_t len, from = scratch->n;
	if (slice_starts(url, "\"data:")) {
		if (format == IMAGE_B64)
			return image_take_b64(format, url, item, scratch);
		item->raw = json;
		return true;
	}
	if (!jscan_string(url, text, sizeof(text), &len) || len < 2)
		return false;
	bool path = text[0] == '/' && text[1] != '/';
	if (!path && strncmp(text, "http", 4) != 0)
		return false;
	if (format != IMAGE_B64 && !path) {
		item->raw = json;
		return true;
	}
	str_add_n(scratch, text, len); // what is to be fetched is kept decoded
	item->fetch = (struct slice){scratch->p + from, len};
	return true;
}

static void take_item(enum image_format format, struct slice json, struct image_item *item,
	struct str *scratch)
{
	struct aj o;
	if (!aj_scan(json, &o)) {
		image_not_made(NULL, item);
		return;
	}
	const struct jscan_member *url = aj_typed(&o, "url", JS_STRING),
				  *b64 = aj_typed(&o, "b64_json", JS_STRING),
				  *revised = aj_typed(&o, "revised_prompt", JS_STRING);
	size_t bytes;
	enum base64 kind = b64 != NULL ? base64_kind(b64->value, &bytes) : BASE64_NOT;
	if (revised != NULL)
		item->revised = revised->value;
	if (kind == BASE64_PLAIN && format != IMAGE_URL)
		item->raw = json;
	else if (url != NULL && (kind == BASE64_NOT || format == IMAGE_URL) &&
		take_url(format, json, url->value, item, scratch))
		return;
	else if (kind == BASE64_NOT || !image_take_b64(format, b64->value, item, scratch))
		image_not_made(aj_typed(&o, "error", JS_OBJECT), item); // Volcengine: one by one
}

static enum image_end submitted(const struct image_want *want, struct slice body,
	struct image_result *ret)
{
	static const char *const extra[] = {
		"usage", "background", "output_format", "quality", "size"};
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	struct adapter_answer answer;
	size_t n;
	switch (openai_list(body, "data", m, &n, &answer)) {
	case ANSWER_ERROR:
		ret->status = answer.status;
		ret->error = body;
		return IMAGE_FAILED;
	case ANSWER_BAD:
		return IMAGE_BAD;
	case ANSWER_OK:
		break;
	}
	for (size_t i = 0; i < ARRAY_LEN(extra); i++) {
		const struct jscan_member *at = jscan_find(m, n, extra[i]);
		if (at != NULL)
			ret->extra[ret->extra_n++] = *at;
	}
	ret->usage = openai_usage(jscan_find(m, n, "usage"));
	str_reserve(&ret->scratch, 2 * body.n + IMAGE_N_MAX * (URLX_MAX + 64));
	struct slice rest = jscan_find(m, n, "data")->value;
	struct slice item;
	while (ret->n < IMAGE_N_MAX && jscan_next(&rest, &item)) {
		struct image_item *to = &ret->item[ret->n++];
		take_item(want->format, item, to, &ret->scratch);
		if (to->code[0] != '\0' && adapter_is_error(item))
			ret->error = item;
	}
	if (image_made(ret) > 0)
		return IMAGE_DONE;
	return ret->error.n > 0 ? IMAGE_FAILED : IMAGE_BAD;
}

const struct image_adapter image_openai = {.protocol = PROTO_OPENAI_IMAGES,
	.sync = true,
	.life_s = URL_LIFE_S,
	.n_max = n_max,
	.submit = submit,
	.submitted = submitted};
const struct image_adapter image_openai_edits = {.protocol = PROTO_OPENAI_IMAGE_EDITS,
	.sync = true,
	.life_s = URL_LIFE_S,
	.n_max = n_max,
	.submit = submit_edit,
	.submitted = submitted};
