// SPDX-License-Identifier: MIT
// The catalogue: vendors and their services, and self-hosted engines. Data, not code: model ids
// age and are the operator's to edit in features; nothing here names a live model as truth.
#ifndef YJ_SHARED_ROWS_VENDORS_H
#define YJ_SHARED_ROWS_VENDORS_H

#include "shared/slice.h"

enum auth_style { AUTH_NONE, AUTH_BEARER, AUTH_X_API_KEY, AUTH_BASIC, AUTH_HEADER };

// What a feature offers; names as in feature documents: "chat.completions".
enum offer {
	OFFER_CHAT,
	OFFER_COMPLETIONS,
	OFFER_EMBEDDINGS,
	OFFER_IMAGES,
	OFFER_IMAGE_EDITS,
	OFFER_SPEECH,
	OFFER_TRANSCRIPTIONS,
	OFFER_MODERATIONS,
	OFFER_RERANK,
	OFFER_RESPONSES,
	OFFER_COUNT
};

// Wire protocol towards an upstream. The first OFFER_COUNT are OpenAI's, in the order of offers.
enum protocol {
	PROTO_OPENAI_CHAT,
	PROTO_OPENAI_COMPLETIONS,
	PROTO_OPENAI_EMBEDDINGS,
	PROTO_OPENAI_IMAGES,
	PROTO_OPENAI_IMAGE_EDITS,
	PROTO_OPENAI_SPEECH,
	PROTO_OPENAI_TRANSCRIPTIONS,
	PROTO_OPENAI_MODERATIONS,
	PROTO_OPENAI_RERANK,
	PROTO_OPENAI_RESPONSES,
	PROTO_DASHSCOPE_CHAT, // compatible mode
	PROTO_DASHSCOPE_CHAT_NATIVE,
	PROTO_DASHSCOPE_EMBEDDINGS_NATIVE,
	PROTO_DASHSCOPE_T2I_LEGACY,
	PROTO_DASHSCOPE_T2I_MESSAGES,
	PROTO_ANTHROPIC_MESSAGES,
	PROTO_OLLAMA_CHAT,
	PROTO_OLLAMA_EMBED,
	PROTO_SDWEBUI_TXT2IMG,
	PROTO_COMFYUI_PROMPT,
	PROTO_TEI_EMBED,
	PROTO_TEI_RERANK,
	PROTO_COUNT
};

struct protocol_row {
	const char *name; // "openai.chat", as in feature documents
	enum offer offer; // what it can be asked for
	bool spoken; // an adapter for it is in this build
};

struct vendor_row {
	const char *vendor; // "openai"
	const char *service; // "dalle"
	const char *title; // "OpenAI image models"
	const char *base_url; // default origin, without the API prefix; NULL: each key says its own
	enum auth_style auth;
	unsigned offers; // 1 << enum offer: what it is there for
	const char *key_prefix; // "sk-", NULL when none is known
	const char *test_path; // a free authenticated GET, "/v1/models"
	const char *docs; // where a key is made
	int submits_per_s; // of image tasks and account; 0: no limit known
	int running; // image tasks at once; 0: no limit known
	bool local; // its keys open instances of this engine, and are no candidates
};

// The model a service is asked for where no feature's target says it. Such names age: whoever knows
// better writes a target. NULL: none is known.
const char *vendor_model(const struct vendor_row *row, enum offer offer);

// An address of a vendor in one region; a key belongs to one of them.
struct region_row {
	const char *vendor, *region;
	const char *base_url; // origin
};

// Where a server's errors are read first: any known shape, FastAPI's "detail", or the top level.
enum error_shape { ERRORS_ANY, ERRORS_FASTAPI, ERRORS_FLAT };

// How a self-hosted server's API differs from OpenAI's; an instance's field "quirks".
struct quirks {
	bool embeddings_base64; // takes "encoding_format"; otherwise vectors are turned here
	bool sends_done; // ends its streams with [DONE]; otherwise they end with their last event
	bool stream_options; // takes "stream_options"; otherwise it is never sent
	int error_shape; // enum error_shape
	int64_t max_batch; // most inputs or documents per call; 0 or less: any number
};

struct engine_row {
	const char *engine; // "vllm"
	const char *title;
	const char *check_path; // health probe
	int concurrency; // 0: no limit of its own
	unsigned offers; // 1 << enum offer: what it can be asked for
	struct quirks quirks;
	const char *metrics_path; // Prometheus text; NULL none
	const char *queue_gauge; // series that counts waiting requests; NULL none
	const char *
		closed_path; // a free GET that a server which asks for a credential lets nobody else
	const char *models_path; // a free GET of what it serves; NULL none
};

// The service under which keys of one's own engines are filed: "vllm/local".
#define LOCAL_SERVICE "local"

const struct vendor_row *vendors_all(size_t *ret_n);
const struct region_row *regions_all(size_t *ret_n);
// One "VENDOR/REGION=URL" off the front of a comma list; false when it is none.
bool region_take(struct slice *rest, struct slice *ret_vendor, struct slice *ret_region,
	struct slice *ret_url);
const struct engine_row *engines_all(size_t *ret_n);
// Rows of vendors, and of engines by (engine, LOCAL_SERVICE), which vendors_all leaves out.
const struct vendor_row *vendor_find(struct slice vendor, struct slice service);
bool vendor_known(struct slice vendor);
// Most inputs or documents the vendor takes in one call for this model; 0: no limit of its own.
int vendor_batch_max(const char *vendor, enum offer offer, const char *model);
const struct engine_row *engine_find(struct slice engine);
const struct protocol_row *protocol_row(enum protocol p);
// Its embeddings take texts, no token numbers.
bool protocol_texts_only(enum protocol p);
const char *protocol_name(enum protocol p); // "openai.chat"
// The protocol in which a vendor (or an engine of one's own) is asked for an offer when its target
// names none; either may be NULL.
enum protocol protocol_default(const char *vendor, const char *engine, enum offer offer);
// How that upstream is asked for another offer of the same kind, PROTO_COUNT when it is not. Of the
// responses, OpenAI has its own; whoever else has a chat is asked for that. vendor may be NULL.
enum protocol protocol_as(enum protocol p, const char *vendor, enum offer offer);
extern const char *const error_shape_names[]; // NULL-terminated, in enum order, for field rows
extern const char *const offer_names[]; // NULL-terminated, in enum order, for field rows
extern const char *const protocol_names[]; // NULL-terminated, in enum order, for field rows

#endif
