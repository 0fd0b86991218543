// SPDX-License-Identifier: MIT
// The one place that knows every adapter of pictures, and which of Aliyun's two a model speaks.
#include "agent/protocol/images.h"

#include <stdio.h>
#include <string.h>

static const struct image_adapter *const adapters[] = {&image_openai, &image_openai_edits,
	&image_wanx_legacy, &image_wanx_messages, &image_sdwebui, &image_comfyui};

const struct image_adapter *image_adapter_of(enum protocol p)
{
	for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
		if (adapters[i]->protocol == p)
			return adapters[i];
	}
	return NULL;
}

// "wan2.6-t2i" and later, and the models that came with the message protocol.
static bool takes_messages(const char *model)
{
	int major, minor;
	if (sscanf(model, "wan%d.%d", &major, &minor) == 2)
		return major > 2 || (major == 2 && minor >= 6);
	return strncmp(model, "qwen-image", 10) == 0 || strncmp(model, "z-image", 7) == 0;
}

const struct image_adapter *image_adapter_for(const struct candidate *cand)
{
	const char *model = adapter_own_model(NULL, cand);
	if (cand->protocol == PROTO_DASHSCOPE_T2I_LEGACY && cand->target->protocol < 0 &&
		model != NULL && takes_messages(model))
		return &image_wanx_messages;
	return image_adapter_of(cand->protocol);
}
