// SPDX-License-Identifier: MIT
// Audio in OpenAI's protocol. Speech: JSON asks, bytes (or events) answer. Transcriptions: a form
// asks, of which only the model's name is written anew; JSON, text, subtitles or events answer.
#include "agent/protocol/openai.h"

#include <string.h>
#include "shared/multipart.h"
#include "shared/num.h"

// ---- speech ----

static enum err_code build_speech(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand, struct adapter_ask *ask, struct err *err UNUSED)
{
	adapter_path(cand->url, "/v1/audio/speech", &ask->path);
	openai_body(call, feature, cand, false, NULL, &ask->body);
	ask->accept = call->stream ? "text/event-stream" : "application/octet-stream, audio/*";
	ask->stream = true;
	ask->raw = !call->stream;
	return ERR_OK;
}

// Bytes pass without being looked at; JSON instead of sound is an error under a good status.
static enum answer_kind parse_speech(const struct adapter_call *call UNUSED,
	const struct adapter_reply *reply, struct str *scratch UNUSED, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.body = reply->body,
		.own_type = reply->content_type,
		.usage = ADAPTER_USAGE_UNKNOWN};
	if (!slice_starts(reply->content_type, "application/json"))
		return reply->body.n > 0 ? ANSWER_OK : ANSWER_BAD;
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(reply->body, m, ARRAY_LEN(m), &n) || !openai_is_error(m, n))
		return ANSWER_BAD;
	ret->status = openai_error_status(m, n);
	return ANSWER_ERROR;
}

// ---- transcriptions ----

// The parts as they came but for the model's value and what the target does not take; then what
// the operator set. The boundary stays: it was not found in any value, and names of models have no
// line ends.
static enum err_code build_transcriptions(const struct adapter_call *call,
	const struct feature *feature, const struct candidate *cand, struct adapter_ask *ask,
	struct err *err UNUSED)
{
	adapter_path(cand->url, "/v1/audio/transcriptions", &ask->path);
	const struct multipart *form = call->form;
	const char *model = adapter_model(call, cand);
	struct str *out = &ask->body;
	bool said = false;
	str_reserve(out, form->body.n + 512);
	for (size_t i = 0; i < form->n; i++) {
		const struct multipart_part *p = &form->v[i];
		if (!openai_form_keeps(p, cand->target))
			continue;
		if (!slice_eq_str(p->name, "model") || model == NULL) {
			str_add_slice(out, p->whole);
			continue;
		}
		said = true;
		const char *after = p->value.p + p->value.n;
		str_add_n(out, p->whole.p, (size_t)(p->value.p - p->whole.p));
		str_add(out, model);
		str_add_n(out, after, (size_t)(p->whole.p + p->whole.n - after));
	}
	if (!said && model != NULL)
		multipart_add_field(form, SLICE("model"), slice_of(model), out);
	openai_form_fields(form, cand->target, feature, NULL, out);
	str_addf(out, "--%s--\r\n", form->boundary);
	ask->content_type = call->content_type.p;
	ask->accept = call->stream ? "text/event-stream" : "*/*";
	ask->stream = call->stream;
	return ERR_OK;
}

static int64_t seconds_ms(const struct jscan_member *m)
{
	if (m == NULL || (m->type != JS_NUMBER && m->type != JS_STRING))
		return -1;
	struct slice text = m->value;
	if (m->type == JS_STRING) // verbose_json: "8.47"
		text = (struct slice){text.p + 1, text.n - 2};
	double s;
	if (!num_f64(text, &s) || s < 0 || s * 1000 > (double)USAGE_FIGURE_MAX)
		return USAGE_ABSURD;
	return (int64_t)(s * 1000 + 0.5);
}

// {"type":"tokens",…} or {"type":"duration","seconds":N}; what is charged. verbose_json
// has the exact "duration" beside it.
static struct adapter_usage transcript_usage(const struct jscan_member *m, size_t n)
{
	const struct jscan_member *usage = jscan_find(m, n, "usage");
	struct adapter_usage u = openai_usage(usage);
	struct jscan_member in[16];
	size_t in_n;
	if (usage != NULL && usage->type == JS_OBJECT &&
		adapter_object(usage->value, in, ARRAY_LEN(in), &in_n))
		u.audio_ms = seconds_ms(jscan_find(in, in_n, "seconds"));
	if (u.audio_ms == -1)
		u.audio_ms = seconds_ms(jscan_find(m, n, "duration"));
	return u;
}

static enum answer_kind parse_transcriptions(const struct adapter_call *call UNUSED,
	const struct adapter_reply *reply, struct str *scratch UNUSED, struct adapter_answer *ret)
{
	*ret = (struct adapter_answer){.body = reply->body,
		.own_type = reply->content_type,
		.usage = ADAPTER_USAGE_UNKNOWN};
	if (slice_starts(reply->content_type, "text/html"))
		return ANSWER_BAD;
	if (!slice_starts(reply->content_type, "application/json"))
		return ANSWER_OK; // text, srt, vtt: silence is an empty text
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(reply->body, m, ARRAY_LEN(m), &n))
		return ANSWER_BAD;
	if (openai_is_error(m, n)) {
		ret->status = openai_error_status(m, n);
		return ANSWER_ERROR;
	}
	if (jscan_find(m, n, "text") == NULL)
		return ANSWER_BAD;
	ret->usage = transcript_usage(m, n);
	return ANSWER_OK;
}

// ---- events of both ----

// {"type":"transcript.text.delta",…}, {"type":"speech.audio.delta",…}; the last one's type ends in
// ".done" and holds the usage. There is no [DONE], but servers that write one are understood.
static enum chunk_kind chunk(const struct adapter_call *call UNUSED, struct adapter_stream *s,
	struct slice name UNUSED, struct slice data, struct str *out)
{
	if (slice_starts(data, "[DONE]"))
		return CHUNK_DONE;
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(data, m, ARRAY_LEN(m), &n))
		return CHUNK_BAD;
	if (openai_is_error(m, n)) {
		s->status = openai_error_status(m, n);
		return CHUNK_ERROR;
	}
	const struct jscan_member *type = jscan_find(m, n, "type");
	if (type == NULL || type->type != JS_STRING)
		return CHUNK_BAD;
	openai_event(data, out);
	if (!slice_ends(type->value, ".done\""))
		return CHUNK_MORE;
	struct adapter_usage u = transcript_usage(m, n);
	adapter_usage_merge(&s->usage, &u);
	s->finish = true;
	return CHUNK_DONE;
}

const struct adapter adapter_openai_speech = {.protocol = PROTO_OPENAI_SPEECH,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_speech,
	.parse = parse_speech,
	.chunk = chunk};
const struct adapter adapter_openai_transcriptions = {.protocol = PROTO_OPENAI_TRANSCRIPTIONS,
	.dialects = 1u << DIALECT_OPENAI,
	.build = build_transcriptions,
	.parse = parse_transcriptions,
	.chunk = chunk};
