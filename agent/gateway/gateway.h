// SPDX-License-Identifier: MIT
// The model traffic: a caller's request becomes attempts at upstreams, with fallback before the
// first byte only, and ends in one answer and one traffic event. Nothing here touches the disk;
// prompts and answers are passed on and never kept.
#ifndef YJ_AGENT_GATEWAY_GATEWAY_H
#define YJ_AGENT_GATEWAY_GATEWAY_H

#include "agent/core/agent.h"
#include "agent/core/metrics.h"
#include "agent/store/store.h"
#include "agent/web/web.h"

// By feature, for POST /api/v1/invoke: f's endpoint is one of text.
void gateway_invoke(struct req *r, const struct feature_obj *f);
void h_chat(struct req *r);
void h_messages(struct req *r);
void h_count_tokens(struct req *r);
void h_responses(struct req *r);
void h_completions(struct req *r);
void h_embeddings(struct req *r);
void h_speech(struct req *r);
void h_transcriptions(struct req *r);
void h_moderations(struct req *r);
void h_rerank(struct req *r);
void h_model_list(struct req *r);
void h_model_get(struct req *r);

#endif
