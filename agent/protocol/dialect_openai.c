// SPDX-License-Identifier: MIT
// OpenAI's own shape, in which everything is told that no other dialect asks for: chat, completions,
// lists, pictures and sound.
#include "agent/protocol/dialect.h"

#include "shared/jw.h"

static void end(struct turn *t UNUSED, const struct adapter_call *asked, struct str *out)
{
	if (asked->offer == OFFER_CHAT || asked->offer == OFFER_COMPLETIONS)
		str_add_slice(out, SLICE("data: [DONE]\n\n"));
}

static void error(const struct dialect_error *e, struct str *out)
{
	struct jw w = jw_to(out);
	jw_obj(&w, NULL);
	jw_obj(&w, "error");
	jw_str(&w, "message", e->message);
	jw_str(&w, "type", e->type);
	jw_str(&w, "param", e->param);
	jw_str(&w, "code", e->code);
	if (e->request_id != NULL)
		jw_str(&w, "request_id", e->request_id);
	jw_obj_end(&w);
	jw_obj_end(&w);
}

// SDKs take an event for an error by its member "error".
static void broken(struct turn *t UNUSED, const struct dialect_error *e, int64_t sequence UNUSED,
	struct str *out)
{
	str_add_slice(out, SLICE("data: "));
	error(e, out);
	str_add_slice(out, SLICE("\n\n"));
}

// A comment is one line without an empty one behind it: some clients take that for an event.
static void ping(struct str *out)
{
	str_add_slice(out, SLICE(": ping\n"));
}

const struct dialect_row dialect_openai = {.dialect = DIALECT_OPENAI,
	.read = adapter_read,
	.end = end,
	.broken = broken,
	.ping = ping,
	.error = error};
