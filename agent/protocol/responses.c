// SPDX-License-Identifier: MIT
// OpenAI's Responses, create only: the answer and its named events pass as they came. The stream
// ends with response.completed, .failed or .incomplete; there is no [DONE].
#include "agent/protocol/json.h"
#include "agent/protocol/openai.h"

#include <string.h>

static enum err_code build(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	// stream_options know nothing of usage here: the last event has it anyway.
	// Aliyun has it in its compatible mode, which a bare origin does not name.
	if (cand->target->vendor != NULL && strcmp(cand->target->vendor, "aliyun") == 0 &&
		cand->url->path[0] == '\0')
		str_add_slice(&ask->path, SLICE("/compatible-mode"));
	adapter_path(cand->url, "/v1/responses", &ask->path);
	openai_body(call, feature, cand, false, NULL, &ask->body);
	ask->stream = call->stream;
	return ERR_OK;
}

static enum answer_kind parse(const struct adapter_call *call UNUSED,
	const struct adapter_reply *reply, struct str *scratch UNUSED, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.body = reply->body, .usage = ADAPTER_USAGE_UNKNOWN};
	struct aj top;
	if (!aj_scan(reply->body, &top))
		return ANSWER_BAD;
	// "error" is a member of every response, null when it went well.
	if (aj_typed(&top, "output", JS_ARRAY) == NULL) {
		ret->status = openai_error_status(top.m, top.n);
		return openai_is_error(top.m, top.n) ? ANSWER_ERROR : ANSWER_BAD;
	}
	ret->usage = openai_usage(aj_find(&top, "usage"));
	return ANSWER_OK;
}

static enum chunk_kind chunk(const struct adapter_call *call UNUSED, struct adapter_stream *s,
	struct slice name UNUSED, struct slice data, struct str *out)
{
	if (slice_starts(data, "[DONE]"))
		return CHUNK_DONE;
	struct aj top;
	if (!aj_scan(data, &top))
		return CHUNK_BAD;
	if (aj_is(&top, "type", "error") || openai_is_error(top.m, top.n)) {
		s->status = openai_error_status(top.m, top.n);
		return CHUNK_ERROR;
	}
	struct slice type = aj_text(&top, "type");
	if (type.n == 0)
		return s->opened ? CHUNK_IDLE : CHUNK_BAD;
	s->opened = true;
	str_add_slice(out, SLICE("event: "));
	str_add_slice(out, type);
	str_add_c(out, '\n');
	openai_event(data, out);
	if (!slice_eq_str(type, "response.completed") && !slice_eq_str(type, "response.failed") &&
		!slice_eq_str(type, "response.incomplete"))
		return CHUNK_MORE;
	struct aj response;
	if (aj_object(&top, "response", &response)) {
		struct adapter_usage u = openai_usage(aj_find(&response, "usage"));
		adapter_usage_merge(&s->usage, &u);
	}
	s->finish = true;
	return CHUNK_DONE;
}

const struct adapter adapter_openai_responses = {.protocol = PROTO_OPENAI_RESPONSES,
	.dialects = 1u << DIALECT_RESPONSES,
	.build = build,
	.parse = parse,
	.chunk = chunk};
