// SPDX-License-Identifier: MIT
// Who makes pictures differs by more than its protocol: here is what else the fate of a wish hangs on.
#include "agent/protocol/picture.h"

#include <string.h>
#include "shared/text.h"

enum picture_family picture_family(const char *model)
{
	if (model == NULL)
		return PICTURE_ANY;
	if (strncmp(model, "chatgpt-image", 13) == 0)
		return PICTURE_GPT_IMAGE;
	if (strncmp(model, "gpt-image", 9) == 0)
		return model[9] == '\0' || strncmp(model, "gpt-image-1", 11) == 0
			? PICTURE_GPT_IMAGE
			: PICTURE_GPT_IMAGE_2;
	return PICTURE_ANY;
}

bool picture_partial(const struct adapter_call *call, const struct candidate *cand)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "partial_images");
	int64_t n = 0;
	bool can = (cand->lacks & 1u << NEED_STREAM) == 0 &&
		picture_family(adapter_model(call, cand)) != PICTURE_ANY;
	return can && call->stream && m != NULL && m->type == JS_NUMBER &&
		jscan_int(m->value, &n) && n > 0;
}

bool picture_graph(const struct candidate *cand, struct slice *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	const char *meta = cand->instance != NULL ? cand->instance->doc.meta : NULL;
	if (meta == NULL || !adapter_object(slice_of(meta), m, ARRAY_LEN(m), &n))
		return false;
	const struct jscan_member *at = jscan_find(m, n, "workflow");
	if (at == NULL || at->type != JS_OBJECT)
		return false;
	*ret = at->value;
	return true;
}

// What the graph has no slot for is lost.
static bool has_slot(const struct candidate *cand, struct slice key)
{
	static const struct {
		const char *member, *slot;
	} slots[] = {{"prompt", "{{prompt}}"}, {"negative_prompt", "{{negative}}"},
		{"size", "{{width}}"}, {"size", "{{height}}"}, {"seed", "{{seed}}"},
		{"n", "{{batch}}"}};
	struct slice graph;
	bool known = picture_graph(cand, &graph); // without one nothing is asked
	for (size_t i = 0; known && i < ARRAY_LEN(slots); i++)
		if (slice_eq_str(key, slots[i].member) &&
			memmem(graph.p, graph.n, slots[i].slot, strlen(slots[i].slot)) == NULL)
			return false;
	return true;
}

// In pixels, no word.
static bool is_size(struct slice json)
{
	char text[24];
	int64_t w, h;
	return jscan_string(json, text, sizeof(text), NULL) && model_size(slice_of(text), &w, &h);
}

enum picture_fate picture_fate(const struct adapter_call *call, const struct candidate *cand,
	const struct jscan_member *m)
{
	bool size = slice_eq_str(m->key, "size");
	switch (cand->protocol) {
	case PROTO_OPENAI_IMAGES:
	case PROTO_OPENAI_IMAGE_EDITS:
		if (!slice_eq_str(m->key, "partial_images"))
			return PICTURE_AS_ITS_ROW;
		return picture_partial(call, cand) ? PICTURE_TAKEN : PICTURE_LOST;
	case PROTO_DASHSCOPE_T2I_LEGACY:
	case PROTO_DASHSCOPE_T2I_MESSAGES:
		if (slice_eq_str(m->key, "style")) {
			const char *model = adapter_model(call, cand);
			return model != NULL && strcmp(model, "wanx-v1") == 0 ? PICTURE_TAKEN
									      : PICTURE_LOST;
		}
		break;
	case PROTO_COMFYUI_PROMPT:
		if (!has_slot(cand, m->key))
			return PICTURE_LOST;
		break;
	default:
		break;
	}
	return size && !is_size(m->value) ? PICTURE_LOST : PICTURE_AS_ITS_ROW;
}
