// SPDX-License-Identifier: MIT
// What differs between upstreams that make pictures: how work is submitted, asked after and
// canceled, and what their answers mean. Pure: bytes in, bytes out. Some answer a submit with the
// pictures (sync), others with the id of a task of theirs that is polled.
//
// response_format of the caller: "b64_json" is always kept (the agent fetches what comes as an
// address), "url" of bytes becomes a data: URL (RFC 2397), and without it pictures are passed on
// as the upstream gives them. A caller's stream carries base64; upstreams are asked for whole answers,
// unless the caller wants partial pictures and the model makes them: then submit sets ask->stream.
#ifndef YJ_AGENT_PROTOCOL_IMAGE_H
#define YJ_AGENT_PROTOCOL_IMAGE_H

#include "agent/protocol/adapter.h"

#define IMAGE_N_MAX 16 // pictures of one request
#define IMAGE_ID_MAX 80 // of a vendor's task, bytes
#define IMAGE_NOTE_MAX 200
#define IMAGE_EXTRA_MAX 8
#define IMAGE_PARTIALS_MAX 3 // as callers may ask for; fewer may come

enum image_format { IMAGE_AS_IT_COMES, IMAGE_URL, IMAGE_B64 };

// A caller's request beyond what adapter_read looks at. Slices are raw JSON text in its body.
struct image_want {
	const struct adapter_call *call;
	enum image_format format;
	int64_t n; // at least 1
	int64_t seed; // FIELD_NONE when not said
	int64_t draw; // a seed for upstreams that would repeat themselves without one
	struct slice prompt, negative; // JSON strings, quotes included; negative may be empty
};
enum err_code image_read(const struct adapter_call *call, int64_t draw, struct image_want *ret,
	struct err *err);

// adapter_read for a body that may be a form (RFC 7578): its plain fields are read as the members of
// *json, which the call then points into; the body stays the form.
enum err_code image_read_call(struct slice content_type, struct slice body, enum offer offer,
	bool need_model, struct str *json, struct adapter_call *ret, struct err *err);

// One submit: n pictures from the first'th on, of one request.
struct image_submit {
	const struct image_want *want;
	const struct feature *feature;
	const struct candidate *cand;
	int64_t first, n;
	char note[IMAGE_NOTE_MAX]; // what is sent otherwise than asked, "" when nothing
};

struct image_item { // one of raw, url, b64, fetch and code says what came of it
	struct slice raw; // a JSON object to pass on as it is
	struct slice url, b64, revised; // JSON strings, quotes included
	struct slice fetch; // plain address of bytes: a path at the same upstream, or a URL
	char code[64], message[160]; // it failed
};

enum image_end {
	IMAGE_DONE, // items hold what was made and what failed
	IMAGE_ACCEPTED, // id is the upstream's task
	IMAGE_RUNNING, // polled: not yet
	IMAGE_FAILED, // error says why; nothing was made
	IMAGE_CANCELED,
	IMAGE_UNKNOWN, // the upstream does not know the task (any more)
	IMAGE_BAD, // not understood
};

struct image_result { // slices point into the answer or into scratch
	char id[IMAGE_ID_MAX];
	struct image_item item[IMAGE_N_MAX];
	size_t n;
	struct jscan_member extra[IMAGE_EXTRA_MAX]; // further members of the answer to pass on
	size_t extra_n;
	struct adapter_usage usage;
	int status; // of IMAGE_FAILED: the HTTP status it stands for
	struct slice error; // of IMAGE_FAILED: the error's JSON object
	struct str scratch, mended; // the result's own
};
void image_result_clear(struct image_result *r);

struct image_adapter {
	enum protocol protocol;
	bool sync; // the submit's answer holds the pictures; there is nothing to poll
	int64_t life_s; // how long addresses of results live
	// Most pictures of one submit; named: the model as the caller has it.
	int64_t (*n_max)(const char *named, const struct candidate *cand);
	enum err_code (*submit)(struct image_submit *s, struct adapter_ask *ask, struct err *err);
	// An answer of status 2xx to it.
	enum image_end (*submitted)(const struct image_want *want, struct slice body,
		struct image_result *ret);
	// By upstream and task id; NULL when sync.
	void (*poll)(const struct url *url, const char *id, struct adapter_ask *ask);
	enum image_end (*polled)(enum image_format format, const char *id, struct slice body,
		struct image_result *ret);
	// NULL: what has begun cannot be stopped. A 2xx answer says that it is canceled.
	void (*cancel)(const struct url *url, const char *id, struct adapter_ask *ask);
};

// The adapter's submitted() and polled(), again with the text mended (jscan_mend) where it could not be
// read: slices of the result may point into it.
enum image_end image_submitted(const struct image_adapter *a, const struct image_want *want,
	struct slice body, struct image_result *ret);
enum image_end image_polled(const struct image_adapter *a, enum image_format format, const char *id,
	struct slice body, struct image_result *ret);

// ---- what adapters share ----

// A member of the request as adapter_wish has it.
static inline bool image_param(const struct image_submit *s, const char *name,
	struct jscan_member *ret)
{
	return adapter_wish(s->want->call, s->feature, s->cand->target, name, ret);
}
// Appends the id when it may stand in a path, else nothing.
void image_add_id(struct str *path, const char *id);
// Copies a JSON string's text as a task id: letters, digits, '-', '_' and '.' alone.
bool image_take_id(struct slice json_string, char ret[IMAGE_ID_MAX]);
// A data: URL as a JSON string around base64 text (with its quotes).
void image_data_url(struct slice b64, struct str *out);
// Puts base64 in the form that was asked for. Growing scratch moves what other items hold: reserve.
void image_put_b64(enum image_format format, struct slice b64, struct image_item *item,
	struct str *scratch);
// The same with what an upstream wrote: made plain where it is odd, see agent/protocol/base64.h. False
// when it is no base64. Takes up to twice the string and 64 bytes of scratch.
bool image_take_b64(enum image_format format, struct slice b64, struct image_item *item,
	struct str *scratch);
// Says that the upstream did not make this one, in the words of `error` (an object) if there are any.
void image_not_made(const struct jscan_member *error, struct image_item *item);
// How many of the items are pictures; the result's usage says so too.
size_t image_made(struct image_result *r);
// The item as a member of OpenAI's "data".
void image_item_json(const struct image_item *item, struct str *out);

// Each in the file of its protocol; agent/protocol/images.h says which one a candidate takes.
extern const struct image_adapter image_openai, image_openai_edits, image_wanx_legacy,
	image_wanx_messages, image_sdwebui, image_comfyui;

#endif
