// SPDX-License-Identifier: MIT
// What differs between upstream protocols, behind one small table of functions per protocol: the
// request's body, the answer, a stream's chunk. How an error answer is understood is rows by
// (vendor, status, code), the same for all. Pure: bytes in, bytes out.
#ifndef YJ_AGENT_ADAPTER_H
#define YJ_AGENT_ADAPTER_H

#include "agent/breaker.h"
#include "agent/snapshot.h"
#include "shared/jscan.h"
#include "shared/str.h"

#define CALL_MEMBERS_MAX 96 // top-level members of a request
#define ANSWER_MEMBERS_MAX 32 // looked at in an answer; further ones are only validated
#define ADAPTER_TEXT_MAX 512

// A caller's request, scanned once; slices point into its body.
struct adapter_call {
	enum offer offer;
	struct slice body;
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n;
	char model[ID_MAX * 2]; // "" when not said
	bool stream;
	bool want_usage; // stream_options.include_usage: the extra chunk is passed on
	bool base64; // embeddings: encoding_format
	int64_t images, width, height; // FIELD_NONE when not said
};

// Scans and checks what the gateway itself reads. need_model: /v1 calls name one.
enum err_code adapter_read(struct slice body, enum offer offer, bool need_model,
	struct adapter_call *ret, struct err *err);

struct adapter_usage {
	int64_t in, out; // tokens; -1 not reported
};

struct adapter_answer {
	struct slice body; // to pass on; points into what was parsed, or into *scratch
	struct adapter_usage usage;
};

enum chunk_kind { CHUNK_PASS, CHUNK_DROP, CHUNK_DONE, CHUNK_ERROR, CHUNK_BAD };

struct adapter_chunk {
	enum chunk_kind kind;
	struct slice data; // of CHUNK_PASS: one line; may point into *scratch
	bool finish; // a finish_reason was in it
	struct adapter_usage usage;
};

struct adapter {
	enum protocol protocol;
	enum offer offer;
	const char *path; // behind the upstream's base, with /v1
	// Appends the body for this candidate.
	enum err_code (*build)(const struct adapter_call *call, const struct feature *feature,
		const struct candidate *cand, struct str *body, struct err *err);
	// A whole answer of status 2xx: false when it is not what was asked for.
	bool (*parse)(const struct adapter_call *call, struct slice body, struct str *scratch,
		struct adapter_answer *ret);
	// One event's data of a stream.
	void (*chunk)(const struct adapter_call *call, struct slice data, struct str *scratch,
		struct adapter_chunk *ret);
};

const struct adapter *adapter_for(enum protocol p);
// Path of a call on this candidate: base path, then the adapter's, "/v1" written once.
void adapter_path(const struct adapter *ad, const struct url *url, struct str *ret);

// An error answer, understood.
struct adapter_error {
	enum outcome outcome; // what it says about the candidate
	enum err_code code;
	bool final; // the request's own fault: another candidate would say the same
	int status; // given to the caller when final
	char type[64], wire_code[64], param[128]; // of the upstream, "" when absent
	char message[ADAPTER_TEXT_MAX];
};

// vendor NULL for self-hosted. secret: the key in clear (may be empty): its text never passes.
void adapter_error_read(const char *vendor, int status, struct slice body, struct slice secret,
	struct adapter_error *ret);
// Seconds of a Retry-After value: 0 and less → 1, garbage or absent → 5, at most cap_s.
int64_t adapter_retry_after_s(struct slice value, int64_t wall_ms, int64_t cap_s);

extern const struct adapter adapter_openai_chat, adapter_openai_completions,
	adapter_openai_embeddings, adapter_openai_images;

#endif
