// SPDX-License-Identifier: MIT
// The vendors as rows. A vendor answers under /{name}/… and, when it is the flavour, at /.
#pragma once
#include "tests/vendord/call.h"

enum sim_auth { SIM_AUTH_NONE, SIM_AUTH_BEARER, SIM_AUTH_X_API_KEY };

struct vendor_route {
	const char *method, *path; // a path may end in '*'
	void (*handle)(struct call *call);
	bool open; // no key needed
};

struct vendor_sim {
	const char *name, *title;
	enum sim_auth auth;
	bool v1_optional;	  // routes are written without /v1 and answer with it, too
	const struct vendor_route *routes; // ends with a NULL method
	void (*error)(struct call *call, int status, const char *code, const char *message);
	void (*fields)(struct call *call); // header lines of every answer; may be NULL
};

// NULL when there is none.
const struct vendor_sim *vendor_find(struct span name);
// name: title, one line each.
void vendor_help(struct buf *out);
// Chooses vendor, fault and route, and writes call->answer. A fault that sends nothing
// (hang, reset, close, refuse) is left to the caller.
void vendor_serve(struct call *call);
// The answer becomes the vendor's error; `code` NULL: what the status usually has.
void vendor_error(struct call *call, int status, const char *code, const char *message);

extern const struct vendor_sim vendor_openai;
extern const struct vendor_sim vendor_vllm;
extern const struct vendor_sim vendor_dashscope;
extern const struct vendor_sim vendor_anthropic;
extern const struct vendor_sim vendor_ollama;
extern const struct vendor_sim vendor_sdwebui;
extern const struct vendor_sim vendor_comfyui;
extern const struct vendor_sim vendor_tei;

// ---- what several vendors share ----

// The model asked for, raw, or the default's name.
struct span call_model(const struct call *call, const char *otherwise);
// Deterministic vector of unit length for a text.
void vector_make(struct span text, uint64_t seed, float *vector, size_t n);
void vector_json(struct buf *out, const float *vector, size_t n);
#define VECTOR_MAX 4096
// A picture's identity, and the picture: a small valid PNG.
uint64_t image_id(const struct call *call, struct span prompt, int64_t index);
void image_png(struct buf *out, uint64_t id);
void image_base64(struct buf *out, uint64_t id);
// Where this process serves it, as a JSON-safe URL.
void image_url(struct buf *out, const struct call *call, uint64_t id);
void image_serve(struct call *call);
