// SPDX-License-Identifier: MIT
// Who can be called, how each wants to be asked and what it cannot do: vendors, regions, engines
// of one's own, and the protocols between them.
#include "shared/rows/vendors.h"

#include <string.h>
#include "shared/text.h"

const char *const offer_names[] = {"chat.completions", "completions", "embeddings",
	"images.generations", "images.edits", "audio.speech", "audio.transcriptions", "moderations",
	"rerank", "responses", NULL};

const char *const error_shape_names[] = {"any", "fastapi", "flat", NULL};

_Static_assert(ARRAY_LEN(offer_names) == OFFER_COUNT + 1, "one name for every offer");

#define PROTOCOLS(ROW)                                                                             \
	ROW(OPENAI_CHAT, "openai.chat", CHAT, true)                                                \
	ROW(OPENAI_COMPLETIONS, "openai.completions", COMPLETIONS, true)                           \
	ROW(OPENAI_EMBEDDINGS, "openai.embeddings", EMBEDDINGS, true)                              \
	ROW(OPENAI_IMAGES, "openai.images", IMAGES, true)                                          \
	ROW(OPENAI_IMAGE_EDITS, "openai.images.edits", IMAGE_EDITS, true)                          \
	ROW(OPENAI_SPEECH, "openai.speech", SPEECH, true)                                          \
	ROW(OPENAI_TRANSCRIPTIONS, "openai.transcriptions", TRANSCRIPTIONS, true)                  \
	ROW(OPENAI_MODERATIONS, "openai.moderations", MODERATIONS, true)                           \
	ROW(OPENAI_RERANK, "openai.rerank", RERANK, true)                                          \
	ROW(OPENAI_RESPONSES, "openai.responses", RESPONSES, true)                                 \
	ROW(DASHSCOPE_CHAT, "dashscope.chat", CHAT, true)                                          \
	ROW(DASHSCOPE_CHAT_NATIVE, "dashscope.chat.native", CHAT, true)                            \
	ROW(DASHSCOPE_EMBEDDINGS_NATIVE, "dashscope.embeddings.native", EMBEDDINGS, true)          \
	ROW(DASHSCOPE_T2I_LEGACY, "dashscope.t2i.legacy", IMAGES, true)                            \
	ROW(DASHSCOPE_T2I_MESSAGES, "dashscope.t2i.messages", IMAGES, true)                        \
	ROW(ANTHROPIC_MESSAGES, "anthropic.messages", CHAT, true)                                  \
	ROW(OLLAMA_CHAT, "ollama.chat", CHAT, true)                                                \
	ROW(OLLAMA_EMBED, "ollama.embed", EMBEDDINGS, true)                                        \
	ROW(SDWEBUI_TXT2IMG, "sdwebui.txt2img", IMAGES, true)                                      \
	ROW(COMFYUI_PROMPT, "comfyui.prompt", IMAGES, true)                                        \
	ROW(TEI_EMBED, "tei.embed", EMBEDDINGS, true)                                              \
	ROW(TEI_RERANK, "tei.rerank", RERANK, true)

#define AS_NAME(id, name, offer, spoken) [PROTO_##id] = name,
#define AS_ROW(id, name, offer, spoken) [PROTO_##id] = {name, OFFER_##offer, spoken},

const char *const protocol_names[] = {PROTOCOLS(AS_NAME)[PROTO_COUNT] = NULL};
static const struct protocol_row protocols[] = {PROTOCOLS(AS_ROW)};

_Static_assert(ARRAY_LEN(protocols) == PROTO_COUNT, "one row for every protocol");
_Static_assert((int)PROTO_OPENAI_CHAT == OFFER_CHAT && (int)PROTO_OPENAI_IMAGES == OFFER_IMAGES &&
		(int)PROTO_OPENAI_MODERATIONS == OFFER_MODERATIONS &&
		(int)PROTO_OPENAI_RESPONSES == OFFER_RESPONSES,
	"an offer's protocol at OpenAI has the offer's number");

// What does not speak OpenAI's protocols, or not only.
static const struct {
	const char *vendor, *engine;
	enum protocol protocol;
} defaults[] = {
	{"aliyun", NULL, PROTO_DASHSCOPE_CHAT},
	{"aliyun", NULL, PROTO_DASHSCOPE_T2I_LEGACY},
	{"anthropic", NULL, PROTO_ANTHROPIC_MESSAGES},
	{NULL, "ollama", PROTO_OLLAMA_CHAT},
	{NULL, "sdwebui", PROTO_SDWEBUI_TXT2IMG},
	{NULL, "comfyui", PROTO_COMFYUI_PROMPT},
	{NULL, "tei", PROTO_TEI_RERANK},
};

#define CAN(offer) (1u << OFFER_##offer)
#define TEXT (CAN(CHAT) | CAN(COMPLETIONS))
#define SOUND (CAN(SPEECH) | CAN(TRANSCRIPTIONS))
#define ANYTHING ((1u << OFFER_COUNT) - 1)

#define OPENAI_URL "https://api.openai.com"
#define OPENAI_DOCS "https://platform.openai.com/api-keys"
#define ALIYUN_DOCS "https://bailian.console.aliyun.com/"

static const struct vendor_row vendors[] = {
	{"openai", "dalle", N_("OpenAI images"), OPENAI_URL, AUTH_BEARER,
		CAN(IMAGES) | CAN(IMAGE_EDITS), "sk-", "/v1/models", OPENAI_DOCS},
	{"openai", "gpt-4", N_("OpenAI chat"), OPENAI_URL, AUTH_BEARER, TEXT | CAN(RESPONSES),
		"sk-", "/v1/models", OPENAI_DOCS},
	{"openai", "embeddings", N_("OpenAI embeddings"), OPENAI_URL, AUTH_BEARER, CAN(EMBEDDINGS),
		"sk-", "/v1/models", OPENAI_DOCS},
	{"openai", "audio", N_("OpenAI speech and transcription"), OPENAI_URL, AUTH_BEARER, SOUND,
		"sk-", "/v1/models", OPENAI_DOCS},
	{"openai", "moderations", N_("OpenAI moderations"), OPENAI_URL, AUTH_BEARER,
		CAN(MODERATIONS), "sk-", "/v1/models", OPENAI_DOCS},
	{"aliyun", "wanx", N_("Aliyun text to image"), "https://dashscope.aliyuncs.com",
		AUTH_BEARER, CAN(IMAGES), "sk-", "/compatible-mode/v1/models", ALIYUN_DOCS,
		.submits_per_s = 2, .running = 2},
	{"aliyun", "qwen", N_("Aliyun Qwen chat"), "https://dashscope.aliyuncs.com/compatible-mode",
		AUTH_BEARER, TEXT | CAN(EMBEDDINGS) | CAN(RESPONSES), "sk-", "/v1/models",
		ALIYUN_DOCS},
	{"anthropic", "messages", N_("Anthropic messages"), "https://api.anthropic.com",
		AUTH_X_API_KEY, CAN(CHAT), "sk-ant-", "/v1/models",
		"https://console.anthropic.com/settings/keys"},
};

// Source: Alibaba Cloud Model Studio, "Regions and deployment modes".
static const struct region_row regions[] = {
	{"aliyun", "cn-beijing", "https://dashscope.aliyuncs.com"},
	{"aliyun", "ap-southeast-1", "https://dashscope-intl.aliyuncs.com"},
	{"aliyun", "us-east-1", "https://dashscope-us.aliyuncs.com"},
};

// Profiles: what registering an instance sets where the caller says nothing.
#define QUIRKS(base64, shape, batch)                                                               \
	.quirks = {.embeddings_base64 = base64,                                                    \
		.sends_done = true,                                                                \
		.stream_options = true,                                                            \
		.error_shape = ERRORS_##shape,                                                     \
		.max_batch = batch}
static const struct engine_row engines[] = {
	{"openai-compatible", N_("any server with OpenAI's API"), "/v1/models", 0, ANYTHING,
		QUIRKS(false, ANY, 0), .closed_path = "/v1/models", .models_path = "/v1/models"},
	{"vllm", N_("vLLM"), "/health", 0, ANYTHING & ~CAN(MODERATIONS), QUIRKS(true, ANY, 0),
		.metrics_path = "/metrics", .queue_gauge = "vllm:num_requests_waiting",
		.closed_path = "/v1/models", .models_path = "/v1/models"},
	{"ollama", N_("Ollama"), "/api/version", 0,
		TEXT | CAN(EMBEDDINGS) | CAN(TRANSCRIPTIONS) | CAN(RESPONSES), QUIRKS(true, ANY, 0),
		.closed_path = "/api/tags", .models_path = "/api/tags"},
	{"tei", N_("Text Embeddings Inference"), "/health", 0, CAN(EMBEDDINGS) | CAN(RERANK),
		QUIRKS(false, ANY, 32), .metrics_path = "/metrics", .queue_gauge = "te_queue_size",
		.closed_path = "/info", .models_path = "/info"},
	{"xinference", N_("Xinference"), "/status", 0, ANYTHING, QUIRKS(false, FASTAPI, 0),
		.closed_path = "/v1/models", .models_path = "/v1/models"},
	{"localai", N_("LocalAI"), "/readyz", 0, ANYTHING, QUIRKS(false, ANY, 0),
		.closed_path = "/v1/models", .models_path = "/v1/models"},
	{"sdwebui", N_("Stable Diffusion WebUI"), "/sdapi/v1/memory", 1, CAN(IMAGES),
		QUIRKS(false, FASTAPI, 0), .closed_path = "/sdapi/v1/memory"},
	{"comfyui", N_("ComfyUI"), "/system_stats", 1, CAN(IMAGES), QUIRKS(true, ANY, 0),
		.closed_path = "/system_stats"},
};

// Credentials of such servers. The style is the engine's own; an instance says what is asked there.
#define LOCAL(engine, title, style, path)                                                          \
	{engine, LOCAL_SERVICE, title, NULL, AUTH_##style, 0, NULL, path, NULL, .local = true}
static const struct vendor_row locals[] = {
	LOCAL("openai-compatible", N_("any server with OpenAI's API"), BEARER, "/v1/models"),
	LOCAL("vllm", N_("vLLM"), BEARER, "/v1/models"),
	LOCAL("ollama", N_("Ollama"), BEARER, "/api/tags"),
	LOCAL("tei", N_("Text Embeddings Inference"), BEARER, "/info"),
	LOCAL("xinference", N_("Xinference"), BEARER, "/v1/models"),
	LOCAL("localai", N_("LocalAI"), BEARER, "/v1/models"),
	LOCAL("sdwebui", N_("Stable Diffusion WebUI"), BASIC, "/sdapi/v1/memory"),
	LOCAL("comfyui", N_("ComfyUI"), BASIC, "/system_stats"),
};

_Static_assert(ARRAY_LEN(locals) == ARRAY_LEN(engines), "every engine may ask for a credential");

// Longest lists vendors take at once, where it is less than OpenAI's 2,048 (Alibaba Cloud Model
// Studio, "Text embedding"); a model's own row stands before the vendor's.
static const struct {
	const char *vendor;
	enum offer offer;
	const char *model; // NULL: any
	int max;
} batches[] = {
	{"aliyun", OFFER_EMBEDDINGS, "text-embedding-v1", 25},
	{"aliyun", OFFER_EMBEDDINGS, "text-embedding-v2", 25},
	{"aliyun", OFFER_EMBEDDINGS, NULL, 10},
};

int vendor_batch_max(const char *vendor, enum offer offer, const char *model)
{
	for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
		bool fits = batches[i].model == NULL ||
			(model != NULL && strcmp(batches[i].model, model) == 0);
		if (fits && batches[i].offer == offer && strcmp(batches[i].vendor, vendor) == 0)
			return batches[i].max;
	}
	return 0;
}

const struct vendor_row *vendors_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(vendors);
	return vendors;
}

const struct region_row *regions_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(regions);
	return regions;
}

bool region_take(struct slice *rest, struct slice *ret_vendor, struct slice *ret_region,
	struct slice *ret_url)
{
	struct slice item = slice_trim(slice_cut(rest, ','));
	struct slice name = slice_cut(&item, '=');
	*ret_url = slice_trim(item);
	*ret_vendor = slice_trim(slice_cut(&name, '/'));
	*ret_region = slice_trim(name);
	return ret_vendor->n && ret_region->n &&
		(slice_starts(*ret_url, "https://") || slice_starts(*ret_url, "http://"));
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
	for (size_t i = 0; i < ARRAY_LEN(locals); i++)
		if (slice_eq_str(vendor, locals[i].vendor) &&
			slice_eq_str(service, locals[i].service))
			return &locals[i];
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

const struct protocol_row *protocol_row(enum protocol p)
{
	return &protocols[p];
}

bool protocol_texts_only(enum protocol p)
{
	return p == PROTO_DASHSCOPE_EMBEDDINGS_NATIVE || p == PROTO_OLLAMA_EMBED ||
		p == PROTO_TEI_EMBED;
}

const char *protocol_name(enum protocol p)
{
	return protocols[p].name;
}

enum protocol protocol_default(const char *vendor, const char *engine, enum offer offer)
{
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		const char *is = defaults[i].vendor != NULL ? vendor : engine;
		const char *of = defaults[i].vendor != NULL ? defaults[i].vendor
							    : defaults[i].engine;
		if (is != NULL && strcmp(is, of) == 0 &&
			protocols[defaults[i].protocol].offer == offer)
			return defaults[i].protocol;
	}
	return (enum protocol)offer;
}

enum protocol protocol_as(enum protocol p, const char *vendor, enum offer offer)
{
	if (LIKELY(protocols[p].offer == offer))
		return p;
	if (offer != OFFER_RESPONSES || protocols[p].offer != OFFER_CHAT)
		return PROTO_COUNT;
	bool own = vendor != NULL && strcmp(vendor, "openai") == 0 && p == PROTO_OPENAI_CHAT;
	return own ? PROTO_OPENAI_RESPONSES : p;
}

static const struct {
	const char *vendor, *service;
	enum offer offer;
	const char *model;
} models[] = {
	{"openai", "dalle", OFFER_IMAGES, "gpt-image-2"},
	{"openai", "dalle", OFFER_IMAGE_EDITS, "gpt-image-2"},
	{"openai", "gpt-4", OFFER_CHAT, "gpt-5.4-mini"},
	{"openai", "gpt-4", OFFER_COMPLETIONS, "davinci-002"},
	{"openai", "embeddings", OFFER_EMBEDDINGS, "text-embedding-3-small"},
	{"openai", "audio", OFFER_SPEECH, "tts-1"},
	{"openai", "audio", OFFER_TRANSCRIPTIONS, "whisper-1"},
	{"openai", "moderations", OFFER_MODERATIONS, "omni-moderation-latest"},
	{"aliyun", "wanx", OFFER_IMAGES, "wan2.2-t2i-flash"},
	{"aliyun", "qwen", OFFER_CHAT, "qwen3.7-plus"},
	{"aliyun", "qwen", OFFER_COMPLETIONS, "qwen3.7-plus"},
	{"aliyun", "qwen", OFFER_EMBEDDINGS, "text-embedding-v4"},
	{"anthropic", "messages", OFFER_CHAT, "claude-sonnet-4-5"},
};

const char *vendor_model(const struct vendor_row *row, enum offer offer)
{
	for (size_t i = 0; i < ARRAY_LEN(models); i++)
		if (models[i].offer == offer && strcmp(models[i].vendor, row->vendor) == 0 &&
			strcmp(models[i].service, row->service) == 0)
			return models[i].model;
	return NULL;
}
