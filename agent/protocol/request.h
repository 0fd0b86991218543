// SPDX-License-Identifier: MIT
// A caller's request, scanned once: what the gateway routes, limits and charges it by, and its
// members as they stand. Pure.
#ifndef YJ_AGENT_PROTOCOL_REQUEST_H
#define YJ_AGENT_PROTOCOL_REQUEST_H

#include "shared/jscan.h"
#include "shared/rows/model.h"
#include "shared/rows/vendors.h"

#define CALL_MEMBERS_MAX 96 // top-level members of a request

// Whose shape the caller speaks, and is answered in.
enum dialect { DIALECT_OPENAI, DIALECT_ANTHROPIC, DIALECT_RESPONSES, DIALECT_COUNT };

struct multipart;

// A caller's request, scanned once; slices point into its body.
struct adapter_call {
	enum offer offer;
	enum dialect dialect;
	struct slice body;
	struct slice content_type; // as it came; empty: application/json
	struct slice beta; // Anthropic's features asked for by header; empty none
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n;
	char model[ID_MAX * 2]; // "" when not said
	bool translated; // written by the gateway from another dialect
	bool count; // its tokens are to be counted, nothing is to be answered
	bool stream;
	bool want_usage; // stream_options.include_usage: the extra chunk is passed on
	bool base64; // embeddings: encoding_format
	const struct multipart *form; // of a multipart body; NULL: it is JSON
	size_t items; // of embeddings' input or a rerank's documents
	bool tokens; // the input is token numbers
	size_t from, part; // which of the items this upstream call asks for; part 0: all
	int64_t chars; // of a text to speak; FIELD_NONE
	int64_t images, width, height; // FIELD_NONE when not said
};

// Scans and checks what the gateway itself reads. need_model: /v1 calls name one.
enum err_code adapter_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *ret, struct err *err);

// The same of a body that may leave anything out, and names no feature: of a dry run.
enum err_code adapter_read_part(struct slice body, struct jscan_limits limits, enum offer offer,
	struct adapter_call *ret, struct err *err);

// The same of a form (shared/multipart.h), which must live as long as *ret.
enum err_code adapter_read_form(const struct multipart *form, struct slice content_type,
	enum offer offer, bool need_model, struct adapter_call *ret, struct err *err);

#endif
