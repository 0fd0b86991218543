// SPDX-License-Identifier: MIT
// Pictures, with the differences between the model families that bite.
#include "tests/vendord/openai.h"

#include <time.h>

static bool is_gpt_image(const struct call *call)
{
	return span_starts(call_text(call, P_model), "gpt-image") ||
		span_starts(call_text(call, P_model), "chatgpt-image");
}

// dall-e-2 unless named, as the vendor has it.
static bool is_dalle3(const struct call *call)
{
	return call_is(call, P_model, "dall-e-3");
}

static bool size_known(const struct call *call)
{
	static const char *const any[] = {"1024x1024", "auto"};
	static const char *const gpt[] = {"1536x1024", "1024x1536"};
	static const char *const dalle3[] = {"1792x1024", "1024x1792"};
	static const char *const dalle2[] = {"256x256", "512x512"};
	const char *const *own = is_gpt_image(call) ? gpt : is_dalle3(call) ? dalle3 : dalle2;

	if (call->param[P_size].len == 0 || call_is(call, P_model, "gpt-image-2"))
		return true;
	if (!is_gpt_image(call) && !span_starts(call_text(call, P_model), "dall-e"))
		return true;
	for (int i = 0; i < 2; i++)
		if (call_is(call, P_size, any[i]) || call_is(call, P_size, own[i]))
			return true;
	return false;
}

// NULL when the request is one the vendor takes.
static const char *refusal(const struct call *call, const char **ret_code)
{
	bool gpt = is_gpt_image(call);

	*ret_code = "unknown_parameter";
	if (gpt && call->param[P_response_format].len)
		return "Unknown parameter: 'response_format'. (simulated)";
	if (gpt && call->param[P_style].len)
		return "Unknown parameter: 'style'. (simulated)";
	*ret_code = "invalid_value";
	if (gpt && (call_is(call, P_quality, "hd") || call_is(call, P_quality, "standard")))
		return "Invalid value for 'quality': expected low, medium, high or auto. (simulated)";
	if (!size_known(call))
		return "Invalid value for 'size'. (simulated)";
	if (is_dalle3(call) && call_int(call, P_n, 1) != 1)
		return "You must provide n=1 for this model. (simulated)";
	if (call_int(call, P_n, 1) < 1 || call_int(call, P_n, 1) > 10)
		return "Invalid value for 'n': expected 1 to 10. (simulated)";
	*ret_code = "missing_required_parameter";
	if (call_text(call, P_prompt).len == 0)
		return "Missing required parameter: 'prompt'. (simulated)";
	return NULL;
}

static void put_usage(struct buf *out, int64_t n)
{
	buf_fmt(out,
		"\"usage\":{\"total_tokens\":%lld,\"input_tokens\":50,\"output_tokens\":%lld,"
		"\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40}}",
		(long long)(50 + 50 * n), (long long)(50 * n));
}

static void put_images(struct call *call)
{
	struct buf *out = &call->answer->body;
	int64_t n = call_int(call, P_n, 1);
	bool gpt = is_gpt_image(call);
	bool inlined = gpt || call_is(call, P_response_format, "b64_json");

	buf_fmt(out, "{\"created\":%lld,\"data\":[", (long long)time(NULL));
	for (int64_t i = 0; i < n; i++) {
		uint64_t id = image_id(call, call_text(call, P_prompt), i);
		buf_text(out, i ? ",{" : "{");
		buf_text(out, inlined ? "\"b64_json\":\"" : "\"url\":\"");
		if (inlined)
			image_base64(out, id);
		else
			image_url(out, call, id);
		buf_byte(out, '"');
		if (is_dalle3(call)) {
			buf_text(out, ",\"revised_prompt\":\"Simulated picture of: ");
			buf_span(out, call_text(call, P_prompt));
			buf_byte(out, '"');
		}
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
	if (gpt) {
		buf_text(out,
			",\"background\":\"opaque\",\"output_format\":\"png\","
			"\"size\":\"1024x1024\",\"quality\":\"medium\",");
		put_usage(out, n);
	}
	buf_text(out, "}\n");
}

static void put_image_event(struct call *call, const char *what, int64_t picture, int64_t part)
{
	struct answer *answer = call->answer;
	struct buf *out = &answer->body;
	bool edit = span_has(call->request->target, "/edits");
	const char *kind = edit ? "image_edit" : "image_generation";

	buf_fmt(out, "event: %s.%s\ndata: {\"type\":\"%s.%s\",\"b64_json\":\"", kind, what, kind,
		what);
	image_base64(out, image_id(call, call_text(call, P_prompt), picture * 4 + part));
	buf_fmt(out,
		"\",\"created_at\":%lld,\"size\":\"1024x1024\",\"quality\":\"medium\","
		"\"background\":\"opaque\",\"output_format\":\"png\",",
		(long long)time(NULL));
	if (part)
		buf_fmt(out, "\"partial_image_index\":%lld", (long long)part - 1);
	else
		put_usage(out, 1);
	buf_text(out, "}\n\n");
	answer_event(answer);
}

void openai_images(struct call *call)
{
	const char *code, *why = refusal(call, &code);

	if (why) {
		vendor_error(call, 400, code, why);
		return;
	}
	call->sim->stats.images++;
	if (call->stream && is_gpt_image(call)) {
		struct answer *answer = call->answer;
		int64_t n = call_int(call, P_n, 1), parts = call_int(call, P_partial_images, 0);

		answer->stream = true;
		answer->content_type = "text/event-stream; charset=utf-8";
		for (int64_t i = 0; i < n; i++) {
			for (int64_t part = 1; part <= parts; part++)
				put_image_event(call, "partial_image", i, part);
			put_image_event(call, "completed", i, 0);
		}
		answer->tail_n = 1;
	} else {
		put_images(call);
	}
}

void openai_image_edits(struct call *call)
{
	struct span type = http_field(call->request, "content-type");

	if (span_starts(type, "multipart/form-data") &&
		!span_has(call->request->body, "name=\"image")) {
		vendor_error(call, 400, "missing_required_parameter",
			"Missing required parameter: 'image'. (simulated)");
		return;
	}
	openai_images(call);
}
