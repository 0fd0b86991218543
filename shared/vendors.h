// SPDX-License-Identifier: MIT
// The catalogue: vendors and their services, and self-hosted engines. Data, not code: model ids
// age and are the operator's to edit in features; nothing here names a live model as truth.
#ifndef YJ_SHARED_VENDORS_H
#define YJ_SHARED_VENDORS_H

#include "shared/slice.h"

enum auth_style { AUTH_NONE, AUTH_BEARER, AUTH_X_API_KEY, AUTH_BASIC };

// Wire protocol towards an upstream.
enum protocol {
	PROTO_OPENAI_CHAT,
	PROTO_OPENAI_COMPLETIONS,
	PROTO_OPENAI_EMBEDDINGS,
	PROTO_OPENAI_IMAGES,
	PROTO_COUNT
};

struct vendor_row {
	const char *vendor; // "openai"
	const char *service; // "dalle"
	const char *title; // "OpenAI image models"
	const char *base_url; // default origin, without the API prefix
	enum auth_style auth;
	enum protocol protocol;
	const char *key_prefix; // "sk-", NULL when none is known
	const char *test_path; // a free authenticated GET, "/v1/models"
	const char *docs; // where a key is made
	bool spoken; // an adapter for its protocol is in this build
};

struct engine_row {
	const char *engine; // "vllm"
	const char *title;
	const char *check_path; // health probe
	int concurrency; // 0: no limit of its own
	bool spoken;
};

const struct vendor_row *vendors_all(size_t *ret_n);
const struct engine_row *engines_all(size_t *ret_n);
const struct vendor_row *vendor_find(struct slice vendor, struct slice service);
bool vendor_known(struct slice vendor);
const struct engine_row *engine_find(struct slice engine);
const char *protocol_name(enum protocol p); // "openai.chat"
extern const char *const protocol_names[]; // NULL-terminated, in enum order, for field rows

#endif
