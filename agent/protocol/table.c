// SPDX-License-Identifier: MIT
// The one place that knows every adapter of requests, a row for each protocol but those of pictures,
// and every dialect.
#include "agent/protocol/table.h"

static const struct adapter *const adapters[PROTO_COUNT] = {
	[PROTO_OPENAI_CHAT] = &adapter_openai_chat,
	[PROTO_OPENAI_COMPLETIONS] = &adapter_openai_completions,
	[PROTO_OPENAI_EMBEDDINGS] = &adapter_openai_embeddings,
	[PROTO_OPENAI_SPEECH] = &adapter_openai_speech,
	[PROTO_OPENAI_TRANSCRIPTIONS] = &adapter_openai_transcriptions,
	[PROTO_OPENAI_MODERATIONS] = &adapter_openai_moderations,
	[PROTO_OPENAI_RERANK] = &adapter_openai_rerank,
	[PROTO_DASHSCOPE_EMBEDDINGS_NATIVE] = &adapter_dashscope_embeddings,
	[PROTO_OLLAMA_EMBED] = &adapter_ollama_embed,
	[PROTO_TEI_EMBED] = &adapter_tei_embed,
	[PROTO_TEI_RERANK] = &adapter_tei_rerank,
	[PROTO_OPENAI_RESPONSES] = &adapter_openai_responses,
	[PROTO_OLLAMA_CHAT] = &adapter_ollama_chat,
	[PROTO_ANTHROPIC_MESSAGES] = &adapter_anthropic_messages,
	[PROTO_DASHSCOPE_CHAT] = &adapter_dashscope_chat,
	[PROTO_DASHSCOPE_CHAT_NATIVE] = &adapter_dashscope_chat_native,
};

const struct adapter *adapter_for(enum protocol p)
{
	return adapters[p];
}

static const struct dialect_row *const dialects[DIALECT_COUNT] = {
	[DIALECT_OPENAI] = &dialect_openai,
	[DIALECT_ANTHROPIC] = &dialect_anthropic,
	[DIALECT_RESPONSES] = &dialect_responses,
};

const struct dialect_row *dialect_row(enum dialect d)
{
	return dialects[d];
}
