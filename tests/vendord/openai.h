// SPDX-License-Identifier: MIT
// OpenAI's shapes, which vLLM and others borrow.
#pragma once
#include "tests/vendord/vendor.h"

void openai_chat(struct call *call);
void openai_completions(struct call *call);
void openai_responses(struct call *call);
void openai_embeddings(struct call *call);
void openai_moderations(struct call *call);
// Jina's shape, as vLLM has it.
void openai_rerank(struct call *call);
void openai_images(struct call *call);
void openai_image_edits(struct call *call);
void openai_speech(struct call *call);
void openai_transcriptions(struct call *call);
