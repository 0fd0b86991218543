// SPDX-License-Identifier: MIT
// The one place that knows how a completion looks to the caller, whole or in chunks; every member
// that clients rely on is there, also where the upstream has none.
#include "agent/protocol/chat.h"

#include "agent/protocol/json.h"

void chat_usage(struct str *out, const struct adapter_usage *u)
{
	str_add_c(out, '{');
	aj_add_count(out, "prompt_tokens", MAX_OF(u->in, 0));
	aj_add_count(out, "completion_tokens", MAX_OF(u->out, 0));
	aj_add_count(out, "total_tokens", MAX_OF(u->in, 0) + MAX_OF(u->out, 0));
	if (u->cached >= 0) {
		aj_name(out, "prompt_tokens_details");
		str_add_c(out, '{');
		aj_add_count(out, "cached_tokens", u->cached);
		str_add_c(out, '}');
	}
	if (u->reasoning >= 0) {
		aj_name(out, "completion_tokens_details");
		str_add_c(out, '{');
		aj_add_count(out, "reasoning_tokens", u->reasoning);
		str_add_c(out, '}');
	}
	str_add_c(out, '}');
}

static void add_head(struct str *out, const char *object, struct slice id, struct slice model,
	int64_t created)
{
	str_add_slice(out, SLICE("{\"id\":\"chatcmpl-"));
	str_add_slice(out, id);
	str_add_slice(out, SLICE("\",\"object\":\""));
	str_add(out, object);
	str_add_slice(out, SLICE("\",\"created\":"));
	str_add_i64(out, created);
	aj_add_inner(out, "model", model);
}

static void chunk_head(struct adapter_stream *s, struct str *out)
{
	str_add_slice(out, SLICE("data: "));
	add_head(out, "chat.completion.chunk", slice_of(s->id), slice_of(s->model), s->created);
}

void chat_chunk_open(struct adapter_stream *s, struct str *out)
{
	chunk_head(s, out);
	str_add_slice(out, SLICE(",\"choices\":[{\"index\":0,\"delta\":{"));
	if (!s->opened)
		str_add_slice(out, SLICE("\"role\":\"assistant\""));
	s->opened = true;
}

void chat_chunk_close(struct str *out)
{
	str_add_slice(out, SLICE("},\"logprobs\":null,\"finish_reason\":null}]}\n\n"));
}

static void add_finish(struct str *out, const char *finish, struct slice stop)
{
	str_add_slice(out, SLICE("},\"logprobs\":null,\"finish_reason\":"));
	str_add_json(out, slice_of(finish));
	if (stop.n > 0)
		aj_add_inner(out, "stop_reason", stop);
	str_add_slice(out, SLICE("}]"));
}

void chat_chunk_text(struct adapter_stream *s, const char *member, struct slice inner,
	struct str *out)
{
	chat_chunk_open(s, out);
	aj_add_inner(out, member, inner);
	chat_chunk_close(out);
}

void chat_chunk_finish(struct adapter_stream *s, const char *finish, struct slice stop,
	struct str *out)
{
	s->finish = true;
	chat_chunk_open(s, out);
	add_finish(out, finish, stop);
	str_add_slice(out, SLICE("}\n\n"));
}

void chat_chunk_usage(struct adapter_stream *s, struct str *out)
{
	if (!s->want_usage || (s->usage.in < 0 && s->usage.out < 0))
		return;
	chunk_head(s, out);
	str_add_slice(out, SLICE(",\"choices\":[],\"usage\":"));
	chat_usage(out, &s->usage);
	str_add_slice(out, SLICE("}\n\n"));
}

void chat_answer_open(struct str *out, struct slice id, struct slice model, int64_t created)
{
	add_head(out, "chat.completion", id, model, created);
	str_add_slice(out, SLICE(",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\""));
}

void chat_answer_close(struct str *out, const char *finish, struct slice stop,
	const struct adapter_usage *u)
{
	str_add_slice(out, SLICE(",\"refusal\":null"));
	add_finish(out, finish, stop);
	if (u->in >= 0 || u->out >= 0) {
		aj_name(out, "usage");
		chat_usage(out, u);
	}
	str_add_c(out, '}');
}
