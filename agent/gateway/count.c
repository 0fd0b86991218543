// SPDX-License-Identifier: MIT
// Counts a message's tokens: a call like a message as far as who may call, how often and whose data
// goes where is concerned, but nothing is generated and nothing charged. The target a message would
// go to is asked when it counts; else, or when it fails, the tokens are estimated.
#include "agent/gateway/private.h"

#include <string.h>
#include "agent/call/prompt.h"
#include "agent/protocol/table.h"

// Tokens by letters: about four of a Latin script, one and a third of others.
#define LETTERS_PER_TOKEN 4
#define OTHERS_PER_4_TOKENS 5
#define TOKENS_PER_IMAGE 1500
#define TOKENS_PER_MESSAGE 4

static int64_t letters_beyond_ascii(struct slice text)
{
	int64_t n = 0;
	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) == 0xc0;
	return n;
}

static int64_t times(struct slice text, struct slice what)
{
	const char *at = text.p, *end = text.p + text.n;
	int64_t n = 0;
	while ((at = memmem(at, (size_t)(end - at), what.p, what.n)) != NULL) {
		at += what.n;
		n++;
	}
	return n;
}

static int64_t estimate(const struct adapter_call *call)
{
	const struct jscan_member *tools = jscan_find(call->m, call->n, "tools");
	int64_t letters = MAX_OF(prompt_chars(call), 0);
	int64_t others = MIN_OF(letters_beyond_ascii(call->body), letters);
	int64_t more = tools != NULL ? (int64_t)tools->value.n : 0;
	return (letters - others + more) / LETTERS_PER_TOKEN + others * 4 / OTHERS_PER_4_TOKENS +
		times(call->body, SLICE("\"image\"")) * TOKENS_PER_IMAGE +
		(times(call->body, SLICE("\"role\"")) + 1) * TOKENS_PER_MESSAGE;
}

void gw_count_estimated(struct gw_call *c)
{
	struct str body = STR_INIT;
	str_addf(&body, "{\"input_tokens\":%lld}", (long long)estimate(&c->in));
	struct adapter_answer answer = {.body = str_slice(&body)};
	c->reason = "estimated";
	c->usage.in = c->usage.out = 0;
	gw_reply(c, 200, &answer);
	str_release(&body);
}

bool gw_count_here(struct gw_call *c, const struct candidate *cand)
{
	const struct adapter *a = adapter_for(cand->protocol);
	if (a != NULL && (a->dialects >> c->in.dialect & 1) != 0)
		return false;
	gw_count_estimated(c);
	return true;
}
