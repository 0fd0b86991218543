// SPDX-License-Identifier: MIT
// Stable Diffusion WebUI (AUTOMATIC1111), started with --api. One lock holds all of its work: it is
// asked for one thing at a time. Source: its modules/api.
#include "agent/protocol/error.h"
#include "agent/protocol/image.h"

#include <string.h>

#define BATCH_MAX 8
#define RESULT_LIFE_S 86400
#define STEP 8 // sides are multiples of it

// What callers may say beyond OpenAI's fields. override_settings and scripts are the operator's:
// they change the server.
static const char *const passed[] = {"steps", "cfg_scale", "sampler_name", "scheduler", "clip_skip",
	"restore_faces", "tiling", "styles"};

static void add_raw(struct str *out, const char *name, struct slice value)
{
	str_addf(out, "%s\"%s\":", out->n > 1 ? "," : "", name);
	str_add_slice(out, value);
}

static void add_int(struct str *out, const char *name, int64_t value)
{
	str_addf(out, "%s\"%s\":%lld", out->n > 1 ? "," : "", name, (long long)value);
}

// The operator's checkpoint and settings, back to what they were afterwards.
static void add_settings(struct image_submit *s, struct str *out)
{
	const char *model = adapter_own_model(s->want->call->model, s->cand);
	struct jscan_member m, given = {0};
	const struct adapter_call none = {0}; // the caller's own is not looked at
	if (adapter_wish(&none, s->feature, s->cand->target, "override_settings", &m) &&
		m.type == JS_OBJECT)
		given = m;
	if (model == NULL && given.value.n == 0)
		return;
	str_add(out, ",\"override_settings\":{");
	if (model != NULL) {
		str_add(out, "\"sd_model_checkpoint\":");
		str_add_json(out, slice_of(model));
	}
	struct slice in = given.value.n > 2
		? slice_trim((struct slice){given.value.p + 1, given.value.n - 2})
		: (struct slice){NULL, 0};
	if (in.n > 0) {
		str_add(out, model != NULL ? "," : "");
		str_add_slice(out, in);
	}
	str_add(out, "},\"override_settings_restore_afterwards\":true");
}

static enum err_code submit(struct image_submit *s, struct adapter_ask *ask, struct err *err UNUSED)
{
	struct str *out = &ask->body;
	str_add(&ask->path, s->cand->url->path);
	str_add(&ask->path, "/sdapi/v1/txt2img");
	str_add_c(out, '{');
	add_raw(out, "prompt", s->want->prompt);
	struct jscan_member m;
	if (image_param(s, "negative_prompt", &m))
		add_raw(out, "negative_prompt", m.value);
	char text[24];
	int64_t w, h;
	if (image_param(s, "size", &m) && jscan_string(m.value, text, sizeof(text), NULL) &&
		model_size(slice_of(text), &w, &h)) {
		add_int(out, "width", MAX_OF(w / STEP, 1) * STEP);
		add_int(out, "height", MAX_OF(h / STEP, 1) * STEP);
	}
	add_int(out, "batch_size", s->n);
	if (s->want->seed != FIELD_NONE)
		add_int(out, "seed", s->want->seed + s->first);
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		if (image_param(s, passed[i], &m))
			add_raw(out, passed[i], m.value);
	}
	add_settings(s, out);
	str_add(out, ",\"send_images\":true,\"save_images\":false}");
	return ERR_OK;
}

static int64_t n_max(const char *named UNUSED, const struct candidate *cand UNUSED)
{
	return BATCH_MAX;
}

static enum image_end submitted(const struct image_want *want, struct slice body,
	struct image_result *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(body, m, ARRAY_LEN(m), &n))
		return IMAGE_BAD;
	const struct jscan_member *list = jscan_find(m, n, "images");
	if (list == NULL && adapter_is_error(body)) {
		ret->error = body;
		return IMAGE_FAILED;
	}
	if (list == NULL || list->type != JS_ARRAY)
		return IMAGE_BAD;
	str_reserve(&ret->scratch, 2 * body.n + IMAGE_N_MAX * (size_t)64);
	struct slice rest = list->value;
	struct slice item;
	// A grid of all of them may stand before or behind the pictures: those asked for count.
	while (ret->n < IMAGE_N_MAX && (int64_t)ret->n < want->n && jscan_next(&rest, &item)) {
		struct image_item *to = &ret->item[ret->n++];
		if (!image_take_b64(want->format, item, to, &ret->scratch))
			image_not_made(NULL, to);
	}
	return image_made(ret) > 0 ? IMAGE_DONE : IMAGE_BAD;
}

const struct image_adapter image_sdwebui = {.protocol = PROTO_SDWEBUI_TXT2IMG,
	.sync = true,
	.life_s = RESULT_LIFE_S,
	.n_max = n_max,
	.submit = submit,
	.submitted = submitted};
