// SPDX-License-Identifier: MIT
// What adapters that translate share: looking into scanned JSON, and writing it. Text is moved as it
// stands between its quotes, escapes and all, so nothing is decoded to be encoded again. Private to
// adapters.
#ifndef YJ_AGENT_PROTOCOL_JSON_H
#define YJ_AGENT_PROTOCOL_JSON_H

#include "agent/protocol/adapter.h"
#include "shared/num.h"

#define AJ_MAX 48 // members looked at in an object; further ones are only validated

struct aj {
	struct jscan_member m[AJ_MAX];
	size_t n;
};

// False when the text is no object; then there are no members.
bool aj_scan(struct slice json, struct aj *ret);
// NULL when absent or null.
const struct jscan_member *aj_find(const struct aj *o, const char *key);
const struct jscan_member *aj_typed(const struct aj *o, const char *key, enum jscan_type type);
// The member's object, scanned; false (and empty) when it is none.
bool aj_object(const struct aj *o, const char *key, struct aj *ret);
// The raw text between the quotes; empty when it is no string.
struct slice aj_text(const struct aj *o, const char *key);
bool aj_is(const struct aj *o, const char *key, const char *text);
bool aj_true(const struct aj *o, const char *key);
// Whole non-negative number, -1 otherwise.
int64_t aj_count(const struct aj *o, const char *key);
// True for nothing but white space, as it stands between quotes.
bool aj_is_blank(struct slice inner);
// Between the quotes of a string value.
static inline struct slice aj_inner(struct slice string)
{
	if (string.n < 2 || string.p[0] != '"')
		return (struct slice){"", 0};
	return (struct slice){string.p + 1, string.n - 2};
}
// The address in a part "image_url": in an object, as OpenAI has it, or bare; empty when there is none.
static inline struct slice aj_picture(const struct aj *part)
{
	struct aj in;
	if (!aj_is(part, "type", "image_url"))
		return (struct slice){"", 0};
	return aj_object(part, "image_url", &in) ? aj_text(&in, "url") : aj_text(part, "image_url");
}
// A number, or a text that is one; false for anything else.
static inline bool aj_number(struct slice value, double *ret)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};
	if (!slice_starts(value, "\""))
		return num_f64(value, ret);
	struct slice text = aj_inner(value); // it may come to stand there without its quotes
	return num_f64(text, ret) && jscan_check(text, limits, NULL) == ERR_OK;
}
// What a message's content says, as it stands between quotes: a text, or a list of parts, of which those
// of text and of thinking (that may be a list itself) are told apart. Others pass unseen.
void aj_parts(const struct jscan_member *content, struct str *text, struct str *thinking);
// Appends the text a string value (with its quotes) stands for.
void aj_decode(struct slice string, struct str *out);
// The string value's text as JSON when it is a valid object, "{}" otherwise.
void aj_embed(struct slice string, struct str *out);
// A call's arguments or input as the text they are in a chat completion, quotes included: a text as it
// stands, anything else as JSON, nothing (NULL too) as {}.
void aj_arguments(const struct jscan_member *arguments, struct str *out);
// A copy of a raw text; buf stays as it was when it does not fit.
void aj_copy(struct slice inner, char *buf, size_t size);
// A copy that may stand between quotes as it is; "" when the text may not or does not fit.
void aj_copy_safe(const char *text, char *buf, size_t size);
// A scanned caller's member; NULL when absent or null.
const struct jscan_member *aj_call(const struct adapter_call *call, const char *key);

// A comma, unless a list or object has just been opened.
void aj_comma(struct str *out);
// ,"name": — without the comma behind an opening brace.
void aj_name(struct str *out, const char *name);
// The same with its value.
void aj_add(struct str *out, const char *name, struct slice value);
void aj_add_text(struct str *out, const char *name, const char *text);
void aj_add_count(struct str *out, const char *name, int64_t v);
// A scanned member as it stands.
void aj_add_member(struct str *out, const struct jscan_member *m);
void aj_add_inner(struct str *out, const char *name, struct slice inner);
// The operator's params, then the feature's defaults: members nobody wrote into the object that
// begins at `from` in out and is still open, but those the target drops, "model" and "stream".
void aj_add_absent(struct str *out, size_t from, const struct feature *feature,
	const struct target *target);

// The same of one scanned object's members; NULL is fine.
void aj_add_object(struct str *out, size_t from, const struct jscan_member *object);

#endif
