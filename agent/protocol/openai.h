// SPDX-License-Identifier: MIT
// OpenAI's protocol: chat, completions, images. Answers pass as they came; only what callers rely
// on is mended. The parts below are what protocols made after it share. Private to adapters.
#ifndef YJ_AGENT_PROTOCOL_OPENAI_H
#define YJ_AGENT_PROTOCOL_OPENAI_H

#include "agent/protocol/adapter.h"
#include "shared/multipart.h"

#define OPENAI_CHANGES_MAX 24

// Top-level members a protocol wants otherwise than the caller and the operator wrote them.
struct openai_changes {
	struct {
		const char *name, *value; // value: JSON text, borrowed; NULL leaves the member out
	} v[OPENAI_CHANGES_MAX];
	size_t n;
};
static inline void openai_change(struct openai_changes *ch, const char *name, const char *value)
{
	ch->v[ch->n].name = name;
	ch->v[ch->n++].value = value;
}
// True when a member is written anew: it is among the changes, or the model.
bool openai_replaces(const struct openai_changes *ch, struct slice key);

// The caller's members but those the target drops, the model that is asked for, the operator's
// params and defaults where the caller said nothing, and a stream's wish for usage. changes may be
// NULL.
void openai_body(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, bool stream, const struct openai_changes *changes,
	struct str *out);
// The list of messages with "system" for the role "developer", which only OpenAI's own models know,
// as an owned text; nothing when nobody has that role.
struct str openai_plain_roles(const struct adapter_call *call);
// Of a form: whether the caller's part goes upstream, which the target's params set or its
// drop_params take away otherwise.
bool openai_form_keeps(const struct multipart_part *p, const struct target *t);
// Further fields: what the target's params set, then the feature's defaults that nobody said. But
// those of `taken` (NULL: none), which the gateway writes itself.
void openai_form_fields(const struct multipart *form, const struct target *t,
	const struct feature *feature, const struct openai_changes *taken, struct str *out);
// Of a "usage" member, NULL too.
struct adapter_usage openai_usage(const struct jscan_member *usage);
// True when the members say {"error":…}.
bool openai_is_error(const struct jscan_member *m, size_t n);
// Its numeric code when that is a status of 4xx or 5xx; 0 otherwise.
int openai_error_status(const struct jscan_member *m, size_t n);
// An object with a filled list of this name: passed on as it is.
enum answer_kind openai_list(struct slice body, const char *list, struct jscan_member *m,
	size_t *ret_n, struct adapter_answer *ret);
// The parse() of chat and completions.
enum answer_kind openai_parse(const struct adapter_call *call, const struct adapter_reply *reply,
	struct str *scratch, struct adapter_answer *ret);
// Appends data as one event of one line.
void openai_event(struct slice data, struct str *out);
// The chunk() of chat and completions.
enum chunk_kind openai_chunk(const struct adapter_call *call, struct adapter_stream *s,
	struct slice name, struct slice data, struct str *out);

#endif
