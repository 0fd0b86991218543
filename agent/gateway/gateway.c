// SPDX-License-Identifier: MIT
// From a body to a call under way: which endpoint's body it is, whether it asks something, whose
// feature it names; and what becomes of the call when its caller leaves.
#include "agent/gateway/gateway.h"

#include "agent/call/admit.h"
#include "agent/call/ask.h"
#include "agent/call/attempt.h"
#include "agent/call/exchange.h"
#include "agent/call/life.h"
#include "agent/call/loop.h"
#include "agent/call/prompt.h"
#include "agent/call/sse.h"
#include "agent/gateway/private.h"
#include "agent/protocol/batch.h"
#include "agent/protocol/dialect_anthropic_ask.h"
#include "agent/protocol/table.h"
#include "shared/multipart.h"
#include "shared/text.h"

#define BETA_MAX 256

// ---- the caller's side ----

static void stop(struct gw_call *c)
{
	gw_sse_stop(c);
	gw_wait_stop(c);
	gw_abort(c); // an answer nobody reads still bills
}

static void on_gone(struct req *r)
{
	struct gw_call *c = r->user;
	if (c->over)
		return;
	stop(c);
	if (c->phase == GS_DONE && c->in.stream) { // it had all but the last chunk
		gw_account(c, c->status, ERR_OK);
		return;
	}
	gw_attempt_end(c, OUT_CLIENT, c->status, ERR_CLIENT_GONE, "client_gone");
	metric_cell_add(c->cells->gone, 1);
	gw_account(c, err_row(ERR_CLIENT_GONE)->status, ERR_CLIENT_GONE);
}

// A stream that outlasts the drain says that it is not whole; what has no event is cut off bare.
static void on_cut(struct req *r)
{
	struct gw_call *c = r->user;
	if (!c->over && c->up != NULL && c->in.stream && !c->raw && c->phase == GS_OPEN)
		gw_stream_cut(c);
}

static void on_end(struct req *r)
{
	struct gw_call *c = r->user;
	if (!c->over)
		on_gone(r);
	stop(c);
	metric_cell_add(c->gl->inflight, -1);
	r->user = NULL;
	gw_batch_free(c);
	gw_call_free(c);
}

static void refuse(struct req *r, struct gw_call *c, const struct err *e)
{
	gw_call_free(c);
	req_fail(r, e);
}

static void begin(struct gw_call *c)
{
	struct req *r = c->r;
	ERR_NONE_YET(err);
	if (gw_prepare(c, &err) != ERR_OK) {
		refuse(r, c, &err);
		return;
	}
	r->user = c;
	metric_cell_add(c->gl->inflight, 1);
	req_on_gone(r, on_gone);
	req_on_cut(r, on_cut);
	req_on_end(r, on_end);
	if (gw_admit(c, &err) == ERR_OK)
		gw_next(c);
	else
		gw_fail(c, &err);
	if (!c->over)
		req_suspend(r);
}

// The request is read: finds its feature and begins.
static void go(struct gw_call *c, struct err *err)
{
	c->feature = snapshot_model_for(c->r->snap, slice_of(c->in.model), c->in.offer);
	if (c->feature == NULL)
		err_field(err, ERR_MODEL_NOT_FOUND, "model", NULL);
	else if (gw_check_limits(c, err) == ERR_OK)
		begin(c);
}

// By what the endpoint takes: JSON, a form, or a list that may be long.
static enum err_code read_call(struct gw_call *c, enum dialect d, enum offer offer, bool need_model,
	struct err *err)
{
	struct req *r = c->r;
	struct slice type = slice_of(req_header(r, "Content-Type"));
	if (offer == OFFER_TRANSCRIPTIONS) {
		struct multipart *form = arena_alloc(&r->arena, sizeof(*form));
		if (!multipart_is(type))
			return err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE,
				_("this endpoint takes multipart/form-data"));
		if (multipart_read(type, r->body, form, err) != ERR_OK)
			return err->code;
		return adapter_read_form(form, type, offer, need_model, &c->in, err);
	}
	enum err_code code = dialect_row(d)->read(r->body, offer, need_model, &c->in, err);
	if (code == ERR_OK)
		code = prompt_judge(&c->in, err);
	if (code == ERR_OK && (offer == OFFER_EMBEDDINGS || offer == OFFER_RERANK))
		code = batch_read(&c->in, err);
	return code;
}

// Features asked for by header, when they are what such a header may say.
static struct slice beta_of(const struct req *r)
{
	struct slice text = slice_of(req_header(r, "anthropic-beta"));
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '-' || c == '_' || c == '.' || c == ',' || c == ' '))
			return (struct slice){NULL, 0};
	}
	return text.n <= BETA_MAX ? text : (struct slice){NULL, 0};
}

static void serve_in(struct req *r, enum dialect d, enum offer offer)
{
	struct gw_call *c = gw_call_new(gw_loop_of(r));
	struct err err = {0};
	c->r = r;
	if (read_call(c, d, offer, true, &err) == ERR_OK) {
		if (UNLIKELY((r->ep->flags & EPF_ANTHROPIC) != 0))
			c->in.beta = beta_of(r);
		go(c, &err);
	}
	if (err.code != ERR_OK)
		refuse(r, c, &err);
}

static void serve(struct req *r, enum offer offer)
{
	serve_in(r, DIALECT_OPENAI, offer);
}

void h_chat(struct req *r)
{
	serve(r, OFFER_CHAT);
}

void h_messages(struct req *r)
{
	serve_in(r, DIALECT_ANTHROPIC, OFFER_CHAT);
}

void h_count_tokens(struct req *r)
{
	struct gw_call *c = gw_call_new(gw_loop_of(r));
	struct err err = {0};
	c->r = r;
	if (messages_read_count(r->body, &c->in, &err) == ERR_OK &&
		prompt_judge(&c->in, &err) == ERR_OK) {
		c->in.beta = beta_of(r);
		go(c, &err);
	}
	if (err.code != ERR_OK)
		refuse(r, c, &err);
}

void h_responses(struct req *r)
{
	serve_in(r, DIALECT_RESPONSES, OFFER_RESPONSES);
}

void h_completions(struct req *r)
{
	serve(r, OFFER_COMPLETIONS);
}

void h_embeddings(struct req *r)
{
	serve(r, OFFER_EMBEDDINGS);
}

void h_speech(struct req *r)
{
	serve(r, OFFER_SPEECH);
}

void h_transcriptions(struct req *r)
{
	serve(r, OFFER_TRANSCRIPTIONS);
}

void h_moderations(struct req *r)
{
	serve(r, OFFER_MODERATIONS);
}

void h_rerank(struct req *r)
{
	serve(r, OFFER_RERANK);
}

// An invocation speaks as the feature's endpoint does.
static enum dialect invoked_in(const struct feature_obj *f)
{
	return f->doc.endpoint == OFFER_RESPONSES ? DIALECT_RESPONSES : DIALECT_OPENAI;
}

void gateway_invoke(struct req *r, const struct feature_obj *f)
{
	struct gw_call *c = gw_call_new(gw_loop_of(r));
	struct err err = {0};
	c->r = r;
	c->feature = f;
	if (read_call(c, invoked_in(f), (enum offer)f->doc.endpoint, false, &err) != ERR_OK ||
		gw_check_limits(c, &err) != ERR_OK)
		refuse(r, c, &err);
	else
		begin(c);
}
