// SPDX-License-Identifier: MIT
// Embeddings, moderations, audio.
#include "tests/vendord/openai.h"
#include "tests/vendord/reply.h"

#include <string.h>

#define INPUT_MAX 2048

static size_t dims_of(const struct call *call)
{
	int64_t asked = call_int(call, P_dimensions, 0);

	if (asked > 0)
		return asked > VECTOR_MAX ? VECTOR_MAX : (size_t)asked;
	return span_has(call_text(call, P_model), "large") ? 3072 : 1536;
}

static void put_embedding(struct call *call, struct span item, size_t index, size_t dims)
{
	struct buf *out = &call->answer->body;
	float vector[VECTOR_MAX];

	vector_make(item, call->sim->seed, vector, dims);
	buf_fmt(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", index ? "," : "",
		index);
	if (call_is(call, P_encoding_format, "base64")) {
		buf_byte(out, '"');
		buf_base64(out, vector, dims * sizeof *vector); // little-endian hosts only
		buf_byte(out, '"');
	} else {
		vector_json(out, vector, dims);
	}
	buf_byte(out, '}');
}

// A string, strings, tokens (one input), or lists of tokens.
void openai_embeddings(struct call *call)
{
	struct span input = call->param[P_input], item;
	struct buf *out = &call->answer->body;
	struct json_iter iter;
	size_t n = 0, dims = dims_of(call);

	if (input.len < 3 || call_text(call, P_model).len == 0) {
		vendor_error(call, 400, "missing_required_parameter",
			"Missing required parameter: 'input' or 'model'. (simulated)");
		return;
	}
	buf_text(out, "{\"object\":\"list\",\"data\":[");
	if (!json_open(&iter, input) || (input.at[1] >= '0' && input.at[1] <= '9'))
		put_embedding(call, input, n, dims);
	else
		while (json_item(&iter, &item) && n < INPUT_MAX)
			put_embedding(call, item, n++, dims);
	buf_text(out, "],\"model\":\"");
	buf_span(out, call_model(call, "simulated"));
	buf_fmt(out, "\",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}\n",
		(input.len + 3) / 4, (input.len + 3) / 4);
}

void openai_moderations(struct call *call)
{
	static const char *const categories[] = {"harassment", "harassment/threatening", "sexual",
		"hate", "hate/threatening", "illicit", "illicit/violent", "self-harm/intent",
		"self-harm/instructions", "self-harm", "sexual/minors", "violence",
		"violence/graphic"};
	struct buf *out = &call->answer->body;
	size_t n = sizeof categories / sizeof *categories;
	bool flagged = span_has(call->param[P_input], "kill");

	buf_fmt(out, "{\"id\":\"modr-sim-%08llx\",\"model\":\"", (unsigned long long)call->serial);
	buf_span(out, call_model(call, "omni-moderation-latest"));
	buf_fmt(out, "\",\"results\":[{\"flagged\":%s,\"categories\":{",
		flagged ? "true" : "false");
	for (size_t i = 0; i < n; i++)
		buf_fmt(out, "%s\"%s\":%s", i ? "," : "", categories[i],
			flagged && i == 11 ? "true" : "false");
	buf_text(out, "},\"category_scores\":{");
	for (size_t i = 0; i < n; i++)
		buf_fmt(out, "%s\"%s\":%s", i ? "," : "", categories[i],
			flagged && i == 11 ? "0.9" : "0.001");
	buf_text(out, "},\"category_applied_input_types\":{");
	for (size_t i = 0; i < n; i++)
		buf_fmt(out, "%s\"%s\":[\"text\"]", i ? "," : "", categories[i]);
	buf_text(out, "}}]}\n");
}

// A WAV file of a tenth of a second of silence: 8 kHz, 8 bit, mono.
void openai_speech(struct call *call)
{
	static const unsigned char head[] = "RIFF\x44\x03\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0"
					    "\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x20\x03\0\0";
	struct answer *answer = call->answer;

	if (call_text(call, P_input).len == 0 || call->param[P_voice].len == 0) {
		vendor_error(call, 400, "missing_required_parameter",
			"Missing required parameter: 'input' or 'voice'. (simulated)");
		return;
	}
	answer->content_type = call_is(call, P_response_format, "wav") ? "audio/wav" : "audio/mpeg";
	buf_add(&answer->body, head, sizeof head - 1);
	memset(buf_room(&answer->body, 800), 0x80, 800);
	answer->body.len += 800;
}

void openai_transcriptions(struct call *call)
{
	struct answer *answer = call->answer;

	if (call_text(call, P_model).len == 0) {
		vendor_error(call, 400, "missing_required_parameter",
			"you must provide a model parameter (simulated)");
	} else if (call_is(call, P_response_format, "text")) {
		answer->content_type = "text/plain; charset=utf-8";
		buf_text(&answer->body, "This is a simulated transcript.\n");
	} else {
		buf_fmt(&answer->body,
			"{\"text\":\"This is a simulated transcript.\","
			"\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"input_token_details\":"
			"{\"text_tokens\":0,\"audio_tokens\":14},\"output_tokens\":6,"
			"\"total_tokens\":20}}\n");
	}
}
