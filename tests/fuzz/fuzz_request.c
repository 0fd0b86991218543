// SPDX-License-Identifier: MIT
// A caller's body, read as a chat completion's and as Messages: whatever it says, what is sent
// upstream is valid JSON in every protocol, and Messages translate into what we read ourselves.
// Arguments of a call are the model's own JSON: their numbers may have any size.
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/adapter.h"
#include "agent/protocol/table.h"
#include "agent/call/prompt.h"

static const struct adapter *const adapters[] = {&adapter_openai_chat, &adapter_openai_responses,
	&adapter_dashscope_chat, &adapter_dashscope_chat_native, &adapter_anthropic_messages,
	&adapter_ollama_chat};
static struct adapter_call call, chat;

static void build_all(const struct adapter_call *c)
{
	struct feature feature = {.defaults = "{\"temperature\":0.5,\"options\":{\"num_ctx\":1}}"};
	struct target target = {.upstream_model = "qwen3-32b",
		.params = "{\"seed\":1,\"max_tokens\":5,\"user\":null}"};
	struct url url = {.path = "/v1"};
	struct candidate cand = {.target = &target, .url = &url};
	for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
		struct adapter_ask ask = {0};
		struct err err = {0};
		if (adapters[i]->build(c, &feature, &cand, &ask, &err) == ERR_OK &&
			jscan_check(str_slice(&ask.body),
				(struct jscan_limits){.depth = 1024, .lax = true}, NULL) != ERR_OK)
			abort();
		str_release(&ask.path);
		str_release(&ask.headers);
		str_release(&ask.body);
	}
}

static void translate(const struct dialect_row *d, unsigned takes, struct slice body)
{
	struct str out = STR_INIT, dropped = STR_INIT;
	struct err err = {0};
	struct dialect_chat to = {&call, takes, &out, &dropped, false};
	enum offer offer = d->dialect == DIALECT_RESPONSES ? OFFER_RESPONSES : OFFER_CHAT;
	if (d->chat != NULL && d->read(body, offer, true, &call, &err) == ERR_OK &&
		d->chat(&to, &err) == ERR_OK) {
		if (adapter_read(str_slice(&out), OFFER_CHAT, false, &chat, &err) != ERR_OK)
			abort();
		build_all(&chat);
	}
	str_release(&out);
	str_release(&dropped);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice body = {(const char *)p, n};
	struct err err = {0};
	if (adapter_read(body, OFFER_CHAT, false, &call, &err) == ERR_OK) {
		for (int o = 0; o < OFFER_COUNT; o++) {
			call.offer = (enum offer)o;
			prompt_judge(&call, &err);
		}
		call.offer = OFFER_CHAT;
		if (prompt_chars(&call) > (int64_t)n)
			abort(); // more characters than bytes
		build_all(&call);
	}
	for (int d = 0; d < DIALECT_COUNT; d++)
		for (unsigned takes = 0; takes < TAKES_LOSS * 2; takes += TAKES_LOSS - 1)
			translate(dialect_row((enum dialect)d), takes, body);
	return 0;
}
