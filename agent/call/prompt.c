// SPDX-License-Identifier: MIT
// Texts are looked at where they lie in the validated body, without a copy and without a tree, so
// that only a feature with a limit of characters pays for counting them.
#include "agent/call/prompt.h"

#include <string.h>
#include "shared/multipart.h"
#include "shared/text.h"
#include "shared/utf8.h"

static const struct jscan_limits traffic = {.depth = JSCAN_DEPTH_TRAFFIC};

// ---- JSON text, character by character ----

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++) {
		char c = (char)(p[i] | 0x20);
		v = v * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

// The next code point of a validated string's inside; false at its end.
static bool next_cp(struct slice *s, uint32_t *ret)
{
	size_t n = 1;
	if (s->n == 0)
		return false;
	if (s->p[0] != '\\') {
		n = utf8_decode(s->p, s->n, ret);
	} else if (s->p[1] != 'u') {
		const char *at = strchr("nrtbf", s->p[1]);
		*ret = at != NULL ? (uint32_t)"\n\r\t\b\f"[at - "nrtbf"] : (uint32_t)s->p[1];
		n = 2;
	} else {
		*ret = hex4(s->p + 2);
		n = 6;
		if (*ret >= 0xd800 && *ret < 0xdc00 && s->n >= 12) { // its other half follows
			*ret = 0x10000 + ((*ret - 0xd800) << 10) + (hex4(s->p + 8) - 0xdc00);
			n = 12;
		}
	}
	n = MAX_OF(MIN_OF(n, s->n), 1);
	*s = (struct slice){s->p + n, s->n - n};
	return true;
}

static struct slice inside(struct slice string)
{
	return (struct slice){string.p + 1, string.n - 2};
}

static bool is_blank(struct slice string)
{
	struct slice rest = inside(string);
	uint32_t cp = 0;
	while (next_cp(&rest, &cp))
		if (!utf8_is_invisible(cp))
			return false;
	return true;
}

// ---- how much ----

// Members of parts and items that hold text a model reads; the others are names, kinds, addresses
// and bytes of pictures.
static bool holds_text(struct slice key)
{
	static const char *const keys[] = {"content", "text", "input", "output", "arguments",
		"refusal", "system", "thinking", "reasoning_content", "summary", "parts",
		"instructions", "title", "context", "function", "tool_calls"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (slice_eq_str(key, keys[i]))
			return true;
	return false;
}

static int64_t chars_of(struct slice value, int depth);

static int64_t chars_inside(struct slice value, int depth)
{
	struct slice rest = value;
	size_t n = 0;
	int64_t sum = 0, more = 0;
	if (depth == 0)
		return -1;
	struct slice item;
	if (value.p[0] == '[') {
		while (more >= 0 && jscan_next(&rest, &item))
			sum += (more = chars_of(item, depth - 1));
		return more < 0 ? -1 : sum;
	}
	struct jscan_member m[CALL_MEMBERS_MAX];
	if (jscan_object(value, traffic, m, ARRAY_LEN(m), &n, NULL) != ERR_OK)
		return -1;
	for (size_t i = 0; i < n && more >= 0; i++)
		if (holds_text(m[i].key))
			sum += (more = chars_of(m[i].value, depth - 1));
	return more < 0 ? -1 : sum;
}

static int64_t chars_of(struct slice value, int depth)
{
	int64_t n = 0;
	uint32_t cp;
	switch (value.p[0]) {
	case '"':
		for (struct slice rest = inside(value); next_cp(&rest, &cp);)
			n++;
		return n;
	case '[':
	case '{':
		return chars_inside(value, depth);
	case 't':
	case 'f':
	case 'n':
		return 0;
	default:
		return 1; // the number of a token
	}
}

#define DEPTH_MAX 24 // no API nests texts deeper

int64_t prompt_chars(const struct adapter_call *call)
{
	static const char *const keys[] = {"messages", "system", "instructions", "input", "prompt",
		"negative_prompt", "suffix", "query", "documents", "texts"};
	const struct multipart_part *part = call->form != NULL
		? multipart_find(call->form, "prompt")
		: NULL;
	int64_t sum = part != NULL ? (int64_t)utf8_count(part->value) : 0, more = 0;
	for (size_t i = 0; i < ARRAY_LEN(keys) && more >= 0; i++) {
		const struct jscan_member *m = jscan_find(call->m, call->n, keys[i]);
		if (m != NULL)
			sum += (more = chars_of(m->value, DEPTH_MAX));
	}
	return more < 0 ? -1 : sum;
}

static const char *prompt_name(const struct adapter_call *call)
{
	switch (call->offer) {
	case OFFER_CHAT:
		return "messages";
	case OFFER_RERANK:
		return "documents";
	case OFFER_EMBEDDINGS:
	case OFFER_MODERATIONS:
	case OFFER_RESPONSES:
	case OFFER_SPEECH:
		return "input";
	default:
		return "prompt";
	}
}

static enum err_code check_chars(const struct feature *f, const struct adapter_call *call,
	struct err *err)
{
	int64_t max = f->limits.max_prompt_chars, n = prompt_chars(call);
	if (n < 0)
		return err_field(err, ERR_JSON_TOO_COMPLEX, prompt_name(call),
			_("its texts cannot be counted: they nest too deep, or a name in them is disguised"));
	return n <= max ? ERR_OK
			: err_field(err, ERR_FIELD_RANGE, prompt_name(call),
				  _("must have at most %lld characters"), (long long)max);
}

static enum err_code check_n(const struct feature *f, const struct adapter_call *call,
	const char *name, struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	if (m == NULL || m->type == JS_NULL)
		return ERR_OK;
	int64_t n;
	if (m->type != JS_NUMBER || !jscan_int(m->value, &n))
		return err_field(err, ERR_FIELD_TYPE, name, _("must be an integer"));
	if (n < 1 || n > f->limits.max_n)
		return err_field(err, ERR_FIELD_RANGE, name, _("this feature makes 1 to %lld"),
			(long long)f->limits.max_n);
	return ERR_OK;
}

enum err_code prompt_limits(const struct feature *f, const struct adapter_call *call,
	struct err *err)
{
	enum err_code code = ERR_OK;
	if (f->limits.max_body_bytes != FIELD_NONE &&
		(int64_t)call->body.n > f->limits.max_body_bytes)
		return err_set(err, ERR_BODY_TOO_LARGE, NULL);
	if (UNLIKELY(f->limits.max_n != FIELD_NONE)) {
		code = check_n(f, call, "n", err);
		if (code == ERR_OK)
			code = check_n(f, call, "best_of", err);
	}
	if (code == ERR_OK && UNLIKELY(f->limits.max_prompt_chars != FIELD_NONE))
		code = check_chars(f, call, err);
	return code;
}

// ---- whether ----

static enum err_code empty(const char *name, struct err *err)
{
	return err_field(err, ERR_FIELD_RANGE, name, _("must not be empty"));
}

static enum err_code judge_messages(const struct jscan_member *m, struct err *err)
{
	const char *p = m->value.p + 1;
	if (m->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, "messages", _("must be a list of messages"));
	if (jscan_is_empty(m->value))
		return empty("messages", err);
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	// The first speaks for all: a second pass over a long talk would cost every request.
	return *p == '{' ? ERR_OK
			 : err_field(err, ERR_FIELD_TYPE, "messages",
				   _("must be a list of messages, each an object"));
}

// One item's text is missing: allowed beside others, not as all there is.
static bool says_nothing(struct slice item)
{
	return slice_eq_str(item, "\"\"") || (item.p[0] == '[' && jscan_is_empty(item)) ||
		slice_eq_str(item, "null");
}

// A text, or a list with at least one item that says something.
static enum err_code judge_text(const struct jscan_member *m, const char *name, bool must_show,
	struct err *err)
{
	struct slice rest = m->value;
	bool some = false;
	if (m->type == JS_STRING)
		return says_nothing(m->value) || (must_show && is_blank(m->value))
			? empty(name, err)
			: ERR_OK;
	if (m->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, name, _("must be a text or a list"));
	struct slice item;
	while (!some && jscan_next(&rest, &item))
		some = !says_nothing(item);
	return some ? ERR_OK : empty(name, err);
}

static bool has(const struct adapter_call *call, const char *name)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	return m != NULL && m->type != JS_NULL;
}

// A response may go on from what the vendor keeps.
static bool goes_on(const struct adapter_call *call)
{
	return call->offer == OFFER_RESPONSES &&
		(has(call, "previous_response_id") || has(call, "conversation") ||
			has(call, "prompt"));
}

static enum err_code judge_query(const struct adapter_call *call, struct err *err)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "query");
	if (m == NULL)
		return ERR_OK;
	return m->type == JS_STRING ? judge_text(m, "query", true, err)
				    : err_field(err, ERR_FIELD_TYPE, "query", _("must be a text"));
}

enum err_code prompt_judge(const struct adapter_call *call, struct err *err)
{
	const char *name = prompt_name(call);
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	enum err_code code = call->offer == OFFER_RERANK ? judge_query(call, err) : ERR_OK;
	if (code != ERR_OK || m == NULL || goes_on(call))
		return code;
	switch (call->offer) {
	case OFFER_CHAT:
		return judge_messages(m, err);
	case OFFER_RERANK:
		return m->type == JS_ARRAY
			? judge_text(m, name, false, err)
			: err_field(err, ERR_FIELD_TYPE, name, _("must be a list"));
	case OFFER_IMAGES:
	case OFFER_IMAGE_EDITS:
	case OFFER_SPEECH:
		if (m->type == JS_NULL)
			return err_field(err, ERR_FIELD_REQUIRED, name, NULL);
		if (m->type != JS_STRING)
			return err_field(err, ERR_FIELD_TYPE, name, _("must be a text"));
		return judge_text(m, name, true, err);
	default:
		return judge_text(m, name, false, err);
	}
}
