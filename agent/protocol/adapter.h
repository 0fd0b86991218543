// SPDX-License-Identifier: MIT
// What differs between upstream protocols, behind one small table of functions per protocol: the
// request's body, the answer, a stream's chunk. How an error answer is understood is rows by
// (vendor, status, code), the same for all. Pure: bytes in, bytes out.
#ifndef YJ_AGENT_PROTOCOL_ADAPTER_H
#define YJ_AGENT_PROTOCOL_ADAPTER_H

#include "agent/decide/breaker.h"
#include "agent/state/snapshot.h"
#include "shared/jscan.h"
#include "shared/str.h"

#define CALL_MEMBERS_MAX 96 // top-level members of a request
#define ANSWER_MEMBERS_MAX 32 // looked at in an answer; further ones are only validated
#define ADAPTER_TEXT_MAX 512

// Whose shape the caller speaks, and is answered in.
enum dialect { DIALECT_OPENAI, DIALECT_ANTHROPIC };

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

// The same of a form (shared/multipart.h), which must live as long as *ret.
enum err_code adapter_read_form(const struct multipart *form, struct slice content_type,
	enum offer offer, bool need_model, struct adapter_call *ret, struct err *err);

// What an upstream may claim of one exchange in tokens, characters or milliseconds: far beyond any
// model's context. More, less than nothing and parts of one are not believed.
#define USAGE_FIGURE_MAX INT64_C(1000000000)
#define USAGE_ABSURD (-2) // not known either: something was told that nobody can believe

// What one exchange is charged by; -1: not known. cached and cache_write are parts of in,
// reasoning of out.
struct adapter_usage {
	int64_t in, out, cached, cache_write, reasoning; // tokens
	int64_t images, chars, audio_ms;
};
#define ADAPTER_USAGE_UNKNOWN ((struct adapter_usage){-1, -1, -1, -1, -1, -1, -1, -1})
// A figure of a usage; -1 when absent or null, USAGE_ABSURD when it is none.
int64_t usage_figure(const struct jscan_member *m);
static inline bool usage_is_absurd(const struct adapter_usage *u)
{
	return u->in < -1 || u->out < -1 || u->cached < -1 || u->cache_write < -1 ||
		u->reasoning < -1 || u->images < -1 || u->chars < -1 || u->audio_ms < -1;
}
// What `more` knows replaces what *u says.
void adapter_usage_merge(struct adapter_usage *u, const struct adapter_usage *more);

// What is sent upstream. build() finds everything empty and appends.
struct adapter_ask {
	const char *method; // literal; "POST" unless set
	const char *content_type; // literal or the call's; NULL: application/json
	const char *accept; // literal; NULL: application/json or text/event-stream
	struct str path; // whole, the upstream's base path included
	struct str headers; // further ready lines "Name: value\r\n", built from our own strings
	struct str body;
	bool stream; // answered piece by piece; the caller's wish may be another (a fold)
	bool raw; // with stream: bytes that pass as they are, no events
	bool grows; // each event repeats the text of those before it
};

struct adapter_reply { // a whole answer of status 2xx
	int status;
	struct slice content_type, body;
	int64_t at_s; // now
	uint64_t serial; // for an id where the upstream gives none
};

enum answer_kind {
	ANSWER_OK,
	ANSWER_BAD, // not what was asked for
	ANSWER_ERROR, // an error under a good status: ret->status says which it would have been
};

struct adapter_answer {
	struct slice body; // to pass on; points into what was parsed, or into *scratch
	const char *content_type; // literal; NULL: application/json
	struct slice own_type; // content type as the upstream wrote it, when content_type is NULL
	int status;
	struct adapter_usage usage;
};

enum chunk_kind {
	CHUNK_MORE, // zero or more events were appended
	CHUNK_IDLE, // nothing was said: no sign of life either
	CHUNK_DONE, // complete
	CHUNK_ERROR, // the upstream said that it failed; stream->status, when it said which
	CHUNK_BAD, // not understood
};

// What tells that a stream is complete; the connection's end behind a finish always does.
enum stream_end { ENDS_WITH_DONE, ENDS_WITH_USAGE, ENDS_WITH_FINISH };

// What is kept of one attempt's stream. The gateway zeroes all but the buffer before it.
struct adapter_stream {
	struct adapter_usage usage; // as told so far
	bool want_usage; // the caller's side takes a chunk with the usage; set by the gateway
	bool finish; // the answer said why it ended
	enum stream_end end; // set by the gateway, from the server's quirks
	int status; // of CHUNK_ERROR: the HTTP status it stands for, 0 not said
	bool opened, tools; // adapters that translate: the first chunk was written; tools were called
	int tool; // index of the tool call under way
	bool grows; // the ask's; seen: bytes of such texts that were passed on
	size_t seen, seen_thinking;
	int64_t created; // seconds
	uint64_t serial; // as a reply's
	char id[80], model[128]; // JSON-safe text
	struct str text; // the adapter's own
};
void adapter_stream_reset(struct adapter_stream *s, int64_t wall_ms, uint64_t serial);
// Made from a serial number: hex digits.
void adapter_new_id(uint64_t serial, char *buf, size_t size);

enum frames { FRAMES_SSE, FRAMES_NDJSON };

struct adapter {
	enum protocol protocol;
	enum frames frames; // of its streams
	unsigned dialects; // 1 << DIALECT_…: answered so without translation
	int64_t patience_ms; // the first byte may take so long whatever the feature says; 0 none
	// Fills *ask for this candidate.
	enum err_code (*build)(const struct adapter_call *call, const struct feature *feature,
		const struct candidate *cand, struct adapter_ask *ask, struct err *err);
	enum answer_kind (*parse)(const struct adapter_call *call, const struct adapter_reply *reply,
		struct str *scratch, struct adapter_answer *ret);
	// One event (or line) of a stream. Appends to *out what the caller gets, as whole server-sent
	// events of one data line each; "[DONE]" is the gateway's to write. NULL: never streams.
	enum chunk_kind (*chunk)(const struct adapter_call *call, struct adapter_stream *s,
		struct slice name, struct slice data, struct str *out);
};

// A path that begins with /v1 behind the upstream's base path; "/v1" is written once.
void adapter_path(const struct url *url, const char *path, struct str *ret);
// A path that is not under /v1, behind the upstream's root: its base path without the "/v1" or
// "/compatible-mode" it may end in.
void adapter_root_path(const struct url *url, const char *path, struct str *ret);
// The call as the target takes it: without what it does not (drop_params), and with what its operator
// sets on every request (params) in place of what the caller says. What is asked, model and stream
// stay the caller's. *copy is used only when something changes.
const struct adapter_call *adapter_call_set(const struct adapter_call *call, const struct target *t,
	struct adapter_call *copy);
static inline bool adapter_sets(const struct target *t)
{
	return t->params != NULL || t->drop_params.n > 0;
}
// True when the target's params set this member, or its drop_params take it away.
bool adapter_decides(const struct target *t, struct slice key);
// Whether the upstream is to stream: the caller does, or the operator has it so.
bool adapter_streams(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand);
// The model's name upstream: the target's, else the one an instance serves, else what the caller
// said; NULL when nobody named one.
const char *adapter_model(const struct adapter_call *call, const struct candidate *cand);

// An error answer, understood.
struct adapter_error {
	enum outcome outcome; // what it says about the candidate
	enum err_code code;
	bool final; // the request's own fault: another candidate would say the same
	int status; // given to the caller when final
	char type[64], wire_code[64], param[128]; // of the upstream, "" when absent
	char message[ADAPTER_TEXT_MAX];
};

// of: the vendor, or the engine of a self-hosted instance. secret: the key in clear (may be
// empty): its text never passes.
void adapter_error_read(const char *of, int status, struct slice body, struct slice secret,
	struct adapter_error *ret);
// The same of a server whose way to write errors is known.
void adapter_error_read_as(enum error_shape shape, const char *of, int status, struct slice body,
	struct slice secret, struct adapter_error *ret);
// Seconds of a Retry-After value: 0 and less → 1, garbage or absent → 5, at most cap_s.
int64_t adapter_retry_after_s(struct slice value, int64_t wall_ms, int64_t cap_s);

// Each in the file of its protocol; agent/protocol/table.h says which one speaks what.
extern const struct adapter adapter_openai_chat, adapter_openai_completions,
	adapter_openai_embeddings, adapter_dashscope_chat,
	adapter_dashscope_chat_native, adapter_anthropic_messages, adapter_openai_responses,
	adapter_ollama_chat, adapter_openai_speech, adapter_openai_transcriptions,
	adapter_openai_moderations, adapter_openai_rerank, adapter_tei_rerank, adapter_tei_embed,
	adapter_ollama_embed, adapter_dashscope_embeddings;

#endif
