// SPDX-License-Identifier: MIT
#include "tests/vendord/reply.h"

#include <stdlib.h>
#include <string.h>

#define ECHO_MAX 512
#define WORD_MAX 64
#define FILLER_N 4

// One scratch reply: handlers run one after the other.
static struct reply scratch;

static void end_token(struct reply *reply)
{
	if (reply->token_n == reply->token_cap) {
		reply->token_cap = reply->token_cap ? reply->token_cap * 2 : 64;
		reply->token_end = realloc(reply->token_end,
			reply->token_cap * sizeof *reply->token_end);
		if (!reply->token_end)
			abort();
	}
	reply->token_end[reply->token_n++] = reply->text.len;
}

struct span reply_token(const struct reply *reply, size_t i)
{
	size_t from = i ? reply->token_end[i - 1] : 0;

	return (struct span){reply->text.data + from, reply->token_end[i] - from};
}

struct span reply_question(struct span messages)
{
	struct json_iter iter, parts;
	struct span message, part, question = {0};

	if (!json_open(&iter, messages))
		return question;
	while (json_item(&iter, &message)) {
		if (!span_is(json_find(message, "role"), "\"user\""))
			continue;
		struct span content = json_find(message, "content");
		if (json_is_string(content))
			question = json_raw(content);
		else if (json_open(&parts, content))
			while (json_item(&parts, &part))
				if (json_is_string(json_find(part, "text")))
					question = json_raw(json_find(part, "text"));
	}
	return question;
}

// The question's words, up to `most` tokens; a word longer than WORD_MAX is left out.
static void echo_words(struct reply *reply, struct span question, size_t most)
{
	const char *at = question.at, *end = at + question.len;

	if (question.len > ECHO_MAX)
		end = at + ECHO_MAX;
	while (at && at < end && reply->token_n < most) {
		const char *space = memchr(at, ' ', (size_t)(end - at));
		if (!space && end < question.at + question.len)
			return; // cut at ECHO_MAX: perhaps inside an escape
		const char *stop = space ? space : end;
		if (stop > at && stop - at <= WORD_MAX) {
			buf_add(&reply->text, at, (size_t)(stop - at));
			buf_byte(&reply->text, ' ');
			end_token(reply);
		}
		at = stop + 1;
	}
}

const struct reply *reply_make(const struct call *call, struct span question, size_t prompt_bytes,
	int64_t max_tokens)
{
	static const char *const opening[] = {"This ", "is ", "a ", "simulated ", "reply \u2014 "};
	struct reply *reply = &scratch;
	size_t forced = call->fault.tokens > 0 ? (size_t)call->fault.tokens : 0;
	size_t most = forced ? forced : REPLY_TOKENS_MAX;

	reply->text.len = reply->token_n = 0;
	if (most > REPLY_TOKENS_MAX)
		most = REPLY_TOKENS_MAX;
	if (max_tokens > 0 && (size_t)max_tokens < most)
		most = (size_t)max_tokens;
	for (size_t i = 0; i < sizeof opening / sizeof *opening && reply->token_n < most; i++) {
		buf_text(&reply->text, opening[i]);
		end_token(reply);
	}
	echo_words(reply, question, most);
	size_t natural = reply->token_n + FILLER_N;
	uint64_t seed = span_hash(question) ^ call->sim->seed;
	size_t n = forced ? most : natural < most ? natural : most;
	static const char *const words[] = {"kite ", "harbour ", "quiet ", "模拟 ", "copper ",
		"lantern ", "river ", "caf\xc3\xa9 ", "seven ", "window ", "orbit ", "linen ",
		"答案 ", "meadow ", "signal ", "paper "};

	while (reply->token_n < n) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		buf_text(&reply->text, words[seed >> 60]);
		end_token(reply);
	}
	reply->cut = max_tokens > 0 && reply->token_n == (size_t)max_tokens && !(forced == most);
	reply->prompt_tokens = (int64_t)(prompt_bytes + 3) / 4;
	return reply;
}

void reply_release(void)
{
	buf_release(&scratch.text);
	free(scratch.token_end);
	scratch = (struct reply){0};
}
