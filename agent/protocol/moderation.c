// SPDX-License-Identifier: MIT
// Moderations in OpenAI's protocol: the request and its verdicts pass as they are.
#include "agent/protocol/openai.h"

static enum err_code build(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	adapter_path(cand->url, "/v1/moderations", &ask->path);
	openai_body(call, feature, cand, false, NULL, &ask->body);
	return ERR_OK;
}

static enum answer_kind parse(const struct adapter_call *call UNUSED,
	const struct adapter_reply *reply, struct str *scratch UNUSED, struct adapter_answer *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	return openai_list(reply->body, "results", m, &n, ret);
}

const struct adapter adapter_openai_moderations = {.protocol = PROTO_OPENAI_MODERATIONS,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build,
	.parse = parse};
