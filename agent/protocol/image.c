// SPDX-License-Identifier: MIT
// A request for pictures is checked as far as the agent itself acts on it, whichever upstream gets
// it, and what came of it is written as OpenAI's "data".
#include "agent/protocol/image.h"

#include <stdio.h>
#include <string.h>
#include "agent/protocol/base64.h"
#include "shared/multipart.h"
#include "shared/num.h"
#include "shared/text.h"

// ---- the request ----

static enum err_code read_string(const struct adapter_call *call, const char *name,
	struct slice *ret, struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	if (m == NULL || m->type == JS_NULL)
		return ERR_OK;
	if (m->type != JS_STRING)
		return err_field(err, ERR_FIELD_TYPE, name, _("must be a string"));
	*ret = m->value;
	return ERR_OK;
}

static enum err_code read_format(const struct adapter_call *call, enum image_format *ret,
	struct err *err)
{
	struct slice text = {NULL, 0};
	enum err_code code = read_string(call, "response_format", &text, err);
	*ret = IMAGE_AS_IT_COMES;
	if (code != ERR_OK || text.n == 0)
		return code;
	if (slice_eq_str(text, "\"url\""))
		*ret = IMAGE_URL;
	else if (slice_eq_str(text, "\"b64_json\""))
		*ret = IMAGE_B64;
	else
		return err_field(err, ERR_FIELD_RANGE, "response_format",
			_("must be url or b64_json"));
	return ERR_OK;
}

static enum err_code read_seed(const struct adapter_call *call, int64_t *ret, struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "seed");
	*ret = FIELD_NONE;
	if (m == NULL || m->type == JS_NULL)
		return ERR_OK;
	if (m->type != JS_NUMBER || !jscan_int(m->value, ret))
		return err_field(err, ERR_FIELD_TYPE, "seed", _("must be an integer"));
	if (*ret < -1 || *ret > INT32_MAX)
		return err_field(err, ERR_FIELD_RANGE, "seed", _("must be from 0 to 2147483647"));
	if (*ret == -1) // as some servers write "any"
		*ret = FIELD_NONE;
	return ERR_OK;
}

// Events carry base64, whatever the upstream gives.
static enum err_code read_stream(const struct adapter_call *call, enum image_format *format,
	struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "partial_images");
	int64_t partials = 0;
	if (m != NULL && m->type != JS_NULL &&
		(m->type != JS_NUMBER || !jscan_int(m->value, &partials)))
		return err_field(err, ERR_FIELD_TYPE, "partial_images", _("must be an integer"));
	if (partials < 0 || partials > IMAGE_PARTIALS_MAX)
		return err_field(err, ERR_FIELD_RANGE, "partial_images", _("must be from 0 to %d"),
			IMAGE_PARTIALS_MAX);
	if (!call->stream)
		return ERR_OK;
	if (*format == IMAGE_URL)
		return err_field(err, ERR_FIELD_RANGE, "response_format",
			_("a stream carries b64_json"));
	*format = IMAGE_B64;
	return ERR_OK;
}

enum err_code image_read(const struct adapter_call *call, int64_t draw, struct image_want *ret,
	struct err *err)
{
	*ret = (struct image_want){
		.call = call, .draw = draw, .n = call->images != FIELD_NONE ? call->images : 1};
	if (ret->n > IMAGE_N_MAX)
		return err_field(err, ERR_FIELD_RANGE, "n", _("must be from 1 to %d"), IMAGE_N_MAX);
	enum err_code code = read_string(call, "prompt", &ret->prompt, err);
	if (code == ERR_OK && ret->prompt.n == 0)
		code = err_field(err, ERR_FIELD_REQUIRED, "prompt", NULL);
	if (code == ERR_OK)
		code = read_string(call, "negative_prompt", &ret->negative, err);
	if (code == ERR_OK)
		code = read_format(call, &ret->format, err);
	if (code == ERR_OK)
		code = read_stream(call, &ret->format, err);
	if (code == ERR_OK)
		code = read_seed(call, &ret->seed, err);
	return code;
}

static void add_field(const struct multipart_part *p, struct str *json)
{
	str_add_c(json, json->n > 1 ? ',' : ' ');
	str_add_json(json, p->name);
	str_add_c(json, ':');
	int64_t n;
	if ((slice_eq_str(p->name, "n") || slice_eq_str(p->name, "seed") ||
		    slice_eq_str(p->name, "partial_images")) &&
		num_i64(p->value, INT32_MIN, INT32_MAX, &n))
		str_add_i64(json, n);
	else if (slice_eq_str(p->name, "stream") &&
		(slice_eq_str(p->value, "true") || slice_eq_str(p->value, "false")))
		str_add_slice(json, p->value);
	else
		str_add_json(json, p->value);
}

enum err_code image_read_call(struct slice content_type, struct slice body, enum offer offer,
	bool need_model, struct str *json, struct adapter_call *ret, struct err *err)
{
	if (offer != OFFER_IMAGE_EDITS || !multipart_is(content_type))
		return adapter_read(body, offer, need_model, ret, err);
	struct multipart form;
	enum err_code code = multipart_read(content_type, body, &form, err);
	if (code == ERR_OK && multipart_find(&form, "image") == NULL)
		code = err_field(err, ERR_FIELD_REQUIRED, "image", NULL);
	if (code != ERR_OK)
		return code;
	str_clear(json);
	str_add_c(json, '{');
	for (size_t i = 0; i < form.n; i++) {
		if (form.v[i].filename.p == NULL && !multipart_named(&form.v[i], SLICE("image")))
			add_field(&form.v[i], json);
	}
	str_add_c(json, '}');
	code = adapter_read(str_slice(json), offer, need_model, ret, err);
	ret->body = body;
	ret->content_type = content_type;
	return code;
}

// ---- answers ----

static bool is_id_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		c == '-' || c == '_' || c == '.';
}

bool image_take_id(struct slice json_string, char ret[IMAGE_ID_MAX])
{
	size_t n;
	if (!jscan_string(json_string, ret, IMAGE_ID_MAX, &n) || n == 0 || ret[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_id_char(ret[i]))
			return false;
	}
	return true;
}

void image_add_id(struct str *path, const char *id)
{
	for (const char *p = id; *p != '\0'; p++) {
		if (!is_id_char(*p))
			return;
	}
	str_add(path, id);
}

void image_result_clear(struct image_result *r)
{
	struct str scratch = r->scratch, mended = r->mended;
	str_clear(&scratch);
	str_clear(&mended);
	memset(r, 0, sizeof(*r));
	r->usage = ADAPTER_USAGE_UNKNOWN;
	r->scratch = scratch;
	r->mended = mended;
}

enum image_end image_submitted(const struct image_adapter *a, const struct image_want *want,
	struct slice body, struct image_result *ret)
{
	enum image_end end = a->submitted(want, body, ret);
	if (end != IMAGE_BAD)
		return end;
	image_result_clear(ret);
	return jscan_mend(body, &ret->mended) ? a->submitted(want, str_slice(&ret->mended), ret)
					      : end;
}

enum image_end image_polled(const struct image_adapter *a, enum image_format format, const char *id,
	struct slice body, struct image_result *ret)
{
	enum image_end end = a->polled(format, id, body, ret);
	if (end != IMAGE_BAD)
		return end;
	image_result_clear(ret);
	return jscan_mend(body, &ret->mended) ? a->polled(format, id, str_slice(&ret->mended), ret)
					      : end;
}

// By the first bytes of the picture, as base64 shows them.
static const char *mime_of(struct slice b64)
{
	static const struct {
		const char *begins, *mime;
	} rows[] = {{"\"/9j/", "image/jpeg"}, {"\"UklGR", "image/webp"}, {"\"R0lGOD", "image/gif"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (slice_starts(b64, rows[i].begins))
			return rows[i].mime;
	}
	return "image/png";
}

void image_data_url(struct slice b64, struct str *out)
{
	str_addf(out, "\"data:%s;base64,", mime_of(b64));
	str_add_n(out, b64.p + 1, b64.n - 1);
}

void image_put_b64(enum image_format format, struct slice b64, struct image_item *item,
	struct str *scratch)
{
	if (format != IMAGE_URL) {
		item->b64 = b64;
		return;
	}
	size_t from = scratch->n;
	image_data_url(b64, scratch);
	item->url = (struct slice){scratch->p + from, scratch->n - from};
}

bool image_take_b64(enum image_format format, struct slice b64, struct image_item *item,
	struct str *scratch)
{
	size_t bytes, from = scratch->n;
	enum base64 kind = base64_kind(b64, &bytes);
	if (kind == BASE64_NOT)
		return false;
	if (kind == BASE64_ODD) {
		str_add_c(scratch, '"');
		base64_add(b64, scratch);
		str_add_c(scratch, '"');
		b64 = (struct slice){scratch->p + from, scratch->n - from};
	}
	image_put_b64(format, b64, item, scratch);
	return true;
}

static void copy_word(const struct jscan_member *m, size_t n, const char *name, char *buf,
	size_t size)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	if (at == NULL || at->type != JS_STRING || !jscan_string(at->value, buf, size, NULL))
		buf[0] = '\0';
}

void image_not_made(const struct jscan_member *error, struct image_item *item)
{
	struct jscan_member m[8];
	size_t n = 0;
	if (error != NULL)
		adapter_object(error->value, m, ARRAY_LEN(m), &n);
	copy_word(m, n, "code", item->code, sizeof(item->code));
	copy_word(m, n, "message", item->message, sizeof(item->message));
	if (item->code[0] == '\0')
		snprintf(item->code, sizeof(item->code), "not_made");
}

size_t image_made(struct image_result *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n; i++)
		n += r->item[i].code[0] == '\0';
	r->usage.images = (int64_t)n;
	return n;
}

static void add_member(struct str *out, const char *name, struct slice raw, bool *comma)
{
	if (raw.n == 0)
		return;
	str_add(out, *comma ? ",\"" : "\"");
	str_add(out, name);
	str_add_slice(out, SLICE("\":"));
	str_add_slice(out, raw);
	*comma = true;
}

void image_item_json(const struct image_item *item, struct str *out)
{
	bool comma = false;
	if (item->raw.n > 0) {
		str_add_slice(out, item->raw);
		return;
	}
	str_add_c(out, '{');
	add_member(out, "url", item->url, &comma);
	add_member(out, "b64_json", item->b64, &comma);
	add_member(out, "revised_prompt", item->revised, &comma);
	str_add_c(out, '}');
}
