// SPDX-License-Identifier: MIT
// Reads no more than LIVE_MODELS_MAX of a list, each of a name as a model may have; what has another is
// passed over, as nobody could ask for it.
#include "agent/monitor/models.h"

#include <stdlib.h>
#include <string.h>
#include "shared/field.h"
#include "shared/jscan.h"
#include "shared/mem.h"

#define MEMBERS_MAX 32
#define WINDOW_MAX 1000000000

static size_t members(struct slice json, struct jscan_member *m)
{
	size_t n = 0;
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};
	if (jscan_object(json, limits, m, MEMBERS_MAX, &n, NULL) != ERR_OK)
		return 0;
	return n;
}

static int64_t figure(const struct jscan_member *m, size_t n, const char *name)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	int64_t v;
	return at != NULL && at->type == JS_NUMBER && jscan_int(at->value, &v) && v > 0 &&
			v <= WINDOW_MAX
		? v
		: 0;
}

// vLLM and SGLang; LM Studio; OpenRouter; Mistral; TEI; llama.cpp's "meta".
static int64_t window_of(const struct jscan_member *m, size_t n)
{
	static const char *const names[] = {"max_model_len", "loaded_context_length",
		"context_length", "context_window", "max_context_length", "max_input_length",
		"n_ctx"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int64_t v = figure(m, n, names[i]);
		if (v > 0)
			return v;
	}
	const struct jscan_member *meta = jscan_find(m, n, "meta");
	if (meta == NULL || meta->type != JS_OBJECT)
		return 0;
	struct jscan_member in[MEMBERS_MAX];
	return figure(in, members(meta->value, in), "n_ctx");
}

static bool is_text(const struct jscan_member *m, const char *text)
{
	char buf[32];
	return m != NULL && m->type == JS_STRING &&
		jscan_string(m->value, buf, sizeof(buf), NULL) && strcmp(buf, text) == 0;
}

// False when it has no name that can be asked for.
static bool read_one(const struct jscan_member *m, size_t n, const char *name,
	struct live_model *ret)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	size_t len;
	if (at == NULL || at->type != JS_STRING ||
		!jscan_string(at->value, ret->name, sizeof(ret->name), &len) || len == 0 ||
		!field_charset_ok(FC_NAME, (struct slice){ret->name, len}))
		return false;
	ret->window = window_of(m, n);
	return true;
}

struct live_models *models_read(struct slice body, bool *ret_props)
{
	struct jscan_member top[MEMBERS_MAX];
	size_t top_n = members(body, top);
	const struct jscan_member *list = jscan_find(top, top_n, "data");
	const char *name = list != NULL ? "id" : "name";
	struct live_models *r = mem_zalloc(1, sizeof(*r) + LIVE_MODELS_MAX * sizeof(r->v[0]));
	*ret_props = false;
	if (list == NULL)
		list = jscan_find(top, top_n, "models");
	if (list == NULL && read_one(top, top_n, "model_id", &r->v[0])) {
		r->n = 1;
		return r;
	}
	if (list == NULL || list->type != JS_ARRAY) {
		free(r);
		return NULL;
	}
	struct slice rest = list->value, item;
	struct jscan_member m[MEMBERS_MAX];
	while (jscan_next(&rest, &item)) {
		size_t n = members(item, m);
		if (r->n == LIVE_MODELS_MAX) {
			r->more = true;
			break;
		}
		if (!read_one(m, n, name, &r->v[r->n]))
			continue;
		*ret_props |= r->v[r->n].window == 0 &&
			is_text(jscan_find(m, n, "owned_by"), "llamacpp");
		r->n++;
	}
	return r;
}

int64_t models_window(struct slice props)
{
	struct jscan_member top[MEMBERS_MAX], m[MEMBERS_MAX];
	size_t n = members(props, top);
	const struct jscan_member *at = jscan_find(top, n, "default_generation_settings");
	int64_t window = figure(top, n, "n_ctx");
	if (window == 0 && at != NULL && at->type == JS_OBJECT)
		window = figure(m, members(at->value, m), "n_ctx");
	return window;
}
