// SPDX-License-Identifier: MIT
// What differs between upstream protocols, behind one small table of functions per protocol: the
// request's body, the answer, a stream's chunk. How an error answer is understood is the same for
// all: agent/protocol/error.h. Pure: bytes in, bytes out.
#ifndef YJ_AGENT_PROTOCOL_ADAPTER_H
#define YJ_AGENT_PROTOCOL_ADAPTER_H

#include "agent/protocol/request.h"
#include "agent/protocol/usage.h"
#include "agent/state/snapshot.h"
#include "shared/sse.h"
#include "shared/str.h"

#define ANSWER_MEMBERS_MAX 32 // looked at in an answer; further ones are only validated

// The members of an object that an upstream or an operator wrote: numbers of any size, and what does
// not fit in is passed over. False, and none, when it is no object.
static inline bool adapter_object(struct slice json, struct jscan_member *m, size_t max,
	size_t *ret_n)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};
	if (jscan_object(json, limits, m, max, ret_n, NULL) == ERR_OK)
		return true;
	*ret_n = 0;
	return false;
}
static inline bool adapter_is_list(struct slice json)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};
	return slice_starts(json, "[") && jscan_check(json, limits, NULL) == ERR_OK;
}

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
	bool opened,
		tools; // adapters that translate: the first chunk was written; tools were called
	int tool; // index of the tool call under way
	uint64_t called, argued; // calls that pass: a bit each, and of those that have arguments
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
	enum answer_kind (*parse)(const struct adapter_call *call,
		const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret);
	// One event (or line) of a stream. Appends to *out what the caller gets, as whole server-sent
	// events of one data line each; "[DONE]" is the gateway's to write. NULL: never streams.
	enum chunk_kind (*chunk)(const struct adapter_call *call, struct adapter_stream *s,
		struct slice name, struct slice data, struct str *out);
};

// The adapter's parse() and chunk(), again with the text mended (jscan_mend) where it could not be read:
// what is odd but readable passes. The answer's body points into the reply's, or into *scratch.
enum answer_kind adapter_parse(const struct adapter *ad, const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret);
enum chunk_kind adapter_chunk(const struct adapter *ad, const struct adapter_call *call,
	struct adapter_stream *s, const struct sse_event *ev, struct str *out);

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
// True when the target's drop_params take this member away.
static inline bool adapter_drops(const struct target *t, struct slice key)
{
	for (size_t i = 0; i < t->drop_params.n; i++) {
		if (slice_eq_str(key, t->drop_params.v[i]))
			return true;
	}
	return false;
}
// True when the target's params set this member, or its drop_params take it away.
bool adapter_decides(const struct target *t, struct slice key);
// What a member is to be, by the order of those who may say: the target's params, the caller unless
// it is dropped, the feature's defaults. False when nobody did, or with null.
bool adapter_wish(const struct adapter_call *call, const struct feature *feature,
	const struct target *t, const char *name, struct jscan_member *ret);
// Whether the upstream is to stream: the caller does, or the operator has it so.
bool adapter_streams(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand);
// The model's name upstream as target and instance say it: the target's, else of those that an instance
// is said to serve the one the caller named (NULL: it named none), or the first, else the one it was
// found to serve. NULL: none of these. Valid for this turn of the loop.
const char *adapter_own_model(const char *named, const struct candidate *cand);
// That, else what the caller said (call may be NULL: it is not asked); NULL when nobody named one.
const char *adapter_model(const struct adapter_call *call, const struct candidate *cand);
// Tokens that model takes, by the target's document or as its server said; 0 not known.
int64_t adapter_window(const struct adapter_call *call, const struct candidate *cand);

// Each in the file of its protocol; agent/protocol/table.h says which one speaks what.
extern const struct adapter adapter_openai_chat, adapter_openai_completions,
	adapter_openai_embeddings, adapter_dashscope_chat, adapter_dashscope_chat_native,
	adapter_anthropic_messages, adapter_openai_responses, adapter_ollama_chat,
	adapter_openai_speech, adapter_openai_transcriptions, adapter_openai_moderations,
	adapter_openai_rerank, adapter_tei_rerank, adapter_tei_embed, adapter_ollama_embed,
	adapter_dashscope_embeddings;

#endif
