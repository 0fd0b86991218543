// SPDX-License-Identifier: MIT
// The caller's side of an image task as a stream, in the events of OpenAI's API, whatever the
// upstream was asked for. The status line is held until a picture is there or a comment has to keep
// the line open, so that what fails early is an answer with a status.
#include "agent/tasks/stream.h"

#include <stdlib.h>
#include "agent/call/account.h"
#include "agent/call/sse.h"
#include "agent/protocol/openai.h"
#include "shared/text.h"

static const struct jscan_limits lax = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};

// A model that is billed by the picture uses no tokens; what several used together is told once.
static const char no_tokens[] = "{\"total_tokens\":0,\"input_tokens\":0,\"output_tokens\":0,"
				"\"input_tokens_details\":{\"text_tokens\":0,\"image_tokens\":0}}";

// ---- keeping it open ----

static void begin(struct gw_call *c)
{
	const struct task_waiter *w = c->task;
	if (c->phase != GS_WAIT)
		return;
	if (atomic_load(&w->kept) || atomic_load(&w->joined))
		req_header_add(c->r, "X-Yijian-Task", task_waiter_id(w));
	gw_sse_open(c);
	c->ttfb_us = 0; // a comment is no answer
}

static void on_silence(void *arg)
{
	struct gw_call *c = arg;
	begin(c);
	gw_sse_ping(c);
	task_stream_wait(c);
}

void task_stream_wait(struct gw_call *c)
{
	if (c->in.stream)
		loop_timer_set(c->gl->loop, &c->timer, c->gl->agent->settings->ping_ms * 1000,
			on_silence, c);
}

void task_stream_partial(void *arg)
{
	struct task_partial *p = arg;
	struct gw_call *c = p->w->c;
	if (c != NULL && !c->over) {
		begin(c);
		if (c->ttfb_us == 0)
			c->ttfb_us = loop_now_us(c->gl->loop) - c->r->start_us;
		str_addf(&c->out, "event: %s\n", p->type);
		openai_event(str_slice(&p->json), &c->out);
		gw_sse_flush(c);
		gw_sse_stop(c);
		task_stream_wait(c);
	}
	task_waiter_drop(p->w);
	str_release(&p->json);
	free(p);
}

// ---- the end ----

static void add_error(struct gw_call *c, const struct err *e)
{
	str_add_slice(&c->out, SLICE("data: "));
	gw_error_json(c, e, &c->out);
	str_add_slice(&c->out, SLICE("\n\n"));
	gw_sse_flush(c);
}

void task_stream_fail(struct gw_call *c, const struct err *e)
{
	gw_record_failure(c);
	add_error(c, e);
	gw_account(c, gw_error_status(c, e), e->code);
	req_stream_end(c->r);
}

static void add(struct str *out, const char *name, struct slice value)
{
	str_addf(out, ",\"%s\":", name);
	str_add_slice(out, value);
}

// What the upstream says of its pictures, else what was asked for.
static void add_word(const struct gw_call *c, const struct jscan_member *m, size_t n,
	const char *name, struct str *out)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	if (at == NULL || at->type != JS_STRING)
		at = jscan_find(c->in.m, c->in.n, name);
	add(out, name, at != NULL && at->type == JS_STRING ? at->value : SLICE("\"auto\""));
}

static void add_format(const struct jscan_member *m, size_t n, struct slice b64, struct str *out)
{
	static const char *const types[] = {
		"\"/9j/", "jpeg", "\"UklGR", "webp"}; // how base64 begins
	const struct jscan_member *at = jscan_find(m, n, "output_format");
	const char *type = "png";
	for (size_t i = 0; i < ARRAY_LEN(types); i += 2) {
		if (slice_starts(b64, types[i]))
			type = types[i + 1];
	}
	if (at != NULL && at->type == JS_STRING)
		add(out, "output_format", at->value);
	else
		str_addf(out, ",\"output_format\":\"%s\"", type);
}

static void add_event(struct gw_call *c, const struct jscan_member *m, size_t n, struct slice item,
	bool last)
{
	const char *type = c->in.offer == OFFER_IMAGE_EDITS ? "image_edit.completed"
							    : "image_generation.completed";
	const struct jscan_member *b64, *created = jscan_find(m, n, "created");
	const struct jscan_member *usage = last ? jscan_find(m, n, "usage") : NULL;
	struct jscan_member in[8];
	struct str *json = &c->middle;
	size_t in_n;
	if (jscan_object(item, lax, in, ARRAY_LEN(in), &in_n, NULL) != ERR_OK ||
		(b64 = jscan_find(in, in_n, "b64_json")) == NULL || b64->type != JS_STRING)
		return;
	const struct jscan_member *revised = jscan_find(in, in_n, "revised_prompt");
	str_clear(json);
	str_reserve(json, b64->value.n + 1024);
	str_addf(json, "{\"type\":\"%s\"", type);
	add(json, "b64_json", b64->value);
	add(json, "created_at", created != NULL ? created->value : SLICE("0"));
	add_word(c, m, n, "size", json);
	add_word(c, m, n, "quality", json);
	add_word(c, m, n, "background", json);
	add_format(m, n, b64->value, json);
	if (revised != NULL && revised->type == JS_STRING)
		add(json, "revised_prompt", revised->value);
	add(json, "usage",
		usage != NULL && usage->type == JS_OBJECT ? usage->value : slice_of(no_tokens));
	str_add_c(json, '}');
	str_addf(&c->out, "event: %s\n", type);
	openai_event(str_slice(json), &c->out);
	gw_sse_flush(c);
}

void task_stream_pictures(struct gw_call *c, const struct task_answer *a)
{
	struct slice rest, item, next = {NULL, 0};
	if (c->phase == GS_WAIT)
		gw_sse_open(c);
	c->phase = GS_DONE;
	if (c->ttfb_us == 0)
		c->ttfb_us = loop_now_us(c->gl->loop) - c->r->start_us;
	struct jscan_member m[16];
	size_t n;
	if (jscan_object(str_slice(&a->body), lax, m, ARRAY_LEN(m), &n, NULL) == ERR_OK &&
		jscan_find(m, n, "data") != NULL) {
		rest = jscan_find(m, n, "data")->value;
		bool more = jscan_next(&rest, &next);
		while (more) {
			item = next;
			more = jscan_next(&rest, &next);
			add_event(c, m, n, item, !more);
		}
	}
	if (a->t.failed > 0) { // those are told as an error, behind what was made
		struct err err = {0};
		err_set(&err, ERR_UPSTREAM_BAD_RESPONSE, _("%lld of %lld pictures were not made"),
			(long long)a->t.failed, (long long)a->t.n);
		add_error(c, &err);
	}
	gw_account(c, 200, ERR_OK);
	req_stream_end(c->r);
}
