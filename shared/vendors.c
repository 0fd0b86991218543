// SPDX-License-Identifier: MIT
#include "shared/vendors.h"

#include "shared/text.h"

const char *const protocol_names[] = {"openai.chat", "openai.completions", "openai.embeddings",
	"openai.images", NULL};

_Static_assert(ARRAY_LEN(protocol_names) == PROTO_COUNT + 1, "one name for every protocol");

#define OPENAI_URL "https://api.openai.com"
#define OPENAI_DOCS "https://platform.openai.com/api-keys"
#define ALIYUN_DOCS "https://bailian.console.aliyun.com/"

static const struct vendor_row vendors[] = {
	{"openai", "dalle", N_("OpenAI images"), OPENAI_URL, AUTH_BEARER, PROTO_OPENAI_IMAGES, "sk-",
		"/v1/models", OPENAI_DOCS, true},
	{"openai", "gpt-4", N_("OpenAI chat"), OPENAI_URL, AUTH_BEARER, PROTO_OPENAI_CHAT, "sk-",
		"/v1/models", OPENAI_DOCS, true},
	{"openai", "embeddings", N_("OpenAI embeddings"), OPENAI_URL, AUTH_BEARER,
		PROTO_OPENAI_EMBEDDINGS, "sk-", "/v1/models", OPENAI_DOCS, true},
	{"aliyun", "wanx", N_("Aliyun text to image"), "https://dashscope.aliyuncs.com", AUTH_BEARER,
		PROTO_OPENAI_IMAGES, "sk-", "/compatible-mode/v1/models", ALIYUN_DOCS, false},
	{"aliyun", "qwen", N_("Aliyun Qwen chat"), "https://dashscope.aliyuncs.com/compatible-mode",
		AUTH_BEARER, PROTO_OPENAI_CHAT, "sk-", "/v1/models", ALIYUN_DOCS, true},
	{"anthropic", "messages", N_("Anthropic messages"), "https://api.anthropic.com",
		AUTH_X_API_KEY, PROTO_OPENAI_CHAT, "sk-ant-", "/v1/models",
		"https://console.anthropic.com/settings/keys", false},
};

static const struct engine_row engines[] = {
	{"openai-compatible", N_("any server with OpenAI's API"), "/v1/models", 0, true},
	{"vllm", N_("vLLM"), "/health", 0, true},
	{"ollama", N_("Ollama, by its OpenAI API"), "/api/version", 0, true},
	{"tei", N_("Text Embeddings Inference, by its OpenAI API"), "/health", 0, true},
	{"xinference", N_("Xinference"), "/status", 0, true},
	{"localai", N_("LocalAI"), "/readyz", 0, true},
	{"sdwebui", N_("Stable Diffusion WebUI"), "/sdapi/v1/memory", 1, false},
	{"comfyui", N_("ComfyUI"), "/system_stats", 1, false},
};

const struct vendor_row *vendors_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(vendors);
	return vendors;
}

const struct engine_row *engines_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(engines);
	return engines;
}

const struct vendor_row *vendor_find(struct slice vendor, struct slice service)
{
	for (size_t i = 0; i < ARRAY_LEN(vendors); i++)
		if (slice_eq_str(vendor, vendors[i].vendor) &&
			slice_eq_str(service, vendors[i].service))
			return &vendors[i];
	return NULL;
}

bool vendor_known(struct slice vendor)
{
	for (size_t i = 0; i < ARRAY_LEN(vendors); i++)
		if (slice_eq_str(vendor, vendors[i].vendor))
			return true;
	return false;
}

const struct engine_row *engine_find(struct slice engine)
{
	for (size_t i = 0; i < ARRAY_LEN(engines); i++)
		if (slice_eq_str(engine, engines[i].engine))
			return &engines[i];
	return NULL;
}

const char *protocol_name(enum protocol p)
{
	return protocol_names[p];
}
