// SPDX-License-Identifier: MIT
#include "agent/gateway/gateway.h"

#include <stdio.h>
#include <string.h>
#include "agent/call/call.h"
#include "agent/call/prompt.h"
#include "agent/tasks/tasks.h"
#include "agent/call/wishes.h"
#include "shared/jw.h"
#include "shared/multipart.h"
#include "shared/num.h"
#include "shared/text.h"

#define BETA_MAX 256
#define USER_MAX 256 // bytes of a body's "user" that are decoded

// ---- the caller's side ----

static void on_gone(struct req *r)
{
	struct gw_call *c = r->user;
	if (c->over)
		return;
	gw_stream_stop(c);
	gw_wait_stop(c);
	if (c->up != NULL)
		upcall_abort(c->up); // an answer nobody reads still bills
	c->up = NULL;
	if (c->phase == GS_DONE && c->in.stream) { // it had all but the last chunk
		gw_account(c, c->status, ERR_OK);
		return;
	}
	gw_attempt_end(c, OUT_CLIENT, c->status, ERR_CLIENT_GONE, "client_gone", 0);
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
	gw_stream_stop(c);
	gw_wait_stop(c);
	if (c->up != NULL)
		upcall_abort(c->up);
	metric_cell_add(c->gl->inflight, -1);
	r->user = NULL;
	gw_call_free(c);
}

static void refuse(struct req *r, struct gw_call *c, const struct err *e)
{
	gw_call_free(c);
	req_fail(r, e);
}

enum err_code gw_check_limits(const struct gw_call *c, struct err *err)
{
	return prompt_limits(&c->feature->doc, &c->in, err);
}

static const struct jscan_member *member(const struct gw_call *c, const char *name,
	enum jscan_type type)
{
	const struct jscan_member *m = jscan_find(c->in.m, c->in.n, name);
	return m != NULL && m->type == type ? m : NULL;
}

static unsigned needs_of(const struct gw_call *c)
{
	unsigned needs = c->in.stream ? 1u << NEED_STREAM : 0;
	if (c->in.images != FIELD_NONE && c->in.images > 1)
		needs |= 1u << NEED_N;
	if (c->in.tokens)
		needs |= 1u << NEED_TOKENS;
	if (LIKELY(!c->route->choosy)) // nobody lacks anything: no look for the others
		return needs;
	if (member(c, "tools", JS_ARRAY) != NULL)
		needs |= 1u << NEED_TOOLS;
	if (member(c, "response_format", JS_OBJECT) != NULL)
		needs |= 1u << NEED_FORMAT;
	return needs;
}

static enum err_code read_wishes(struct gw_call *c, struct err *err)
{
	const struct jscan_member *m = c->feature->doc.affinity == AFFINITY_NONE
		? NULL : member(c, "user", JS_STRING);
	char text[USER_MAX];
	struct slice user = {text, 0};
	if (m != NULL && !jscan_string(m->value, text, sizeof(text), &user.n))
		user = m->value; // too long to be decoded: as good a name as any
	return wishes_read(c->r, &c->feature->doc, user, &c->ask, err);
}

enum err_code gw_prepare(struct gw_call *c, struct err *err)
{
	struct req *r = c->r;
	const struct feature *f = &c->feature->doc;
	gw_cells_take(c, f->name);
	c->route = snapshot_route(r->snap, c->feature);
	c->ask = (struct decide_request){.offer = c->in.offer,
		.width = c->in.width, .height = c->in.height, .n = c->in.images,
		.stream = c->in.stream, .client = ident_any(&r->who.id) ? &r->who.id : &ident_local,
		.client_name = principal_shown(&r->who),
		.deadline_us = f->timeouts.total_ms > 0 ? r->start_us + f->timeouts.total_ms * 1000
							: FIELD_NONE,
		.needs = needs_of(c)};
	return read_wishes(c, err);
}

static void begin(struct gw_call *c)
{
	struct req *r = c->r;
	struct err err = {0};
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

static const struct feature_obj *find_feature(struct gw_call *c, struct slice name,
	struct err *err)
{
	const struct feature_obj *f = snapshot_model(c->r->snap, name);
	if (f == NULL)
		err_field(err, ERR_MODEL_NOT_FOUND, "model", NULL);
	return f;
}

// The request is read: finds its feature and begins.
static void go(struct gw_call *c, struct err *err)
{
	c->feature = find_feature(c, slice_of(c->in.model), err);
	if (err->code == ERR_OK && gw_check_limits(c, err) == ERR_OK)
		begin(c);
}

// By what the endpoint takes: JSON, a form, or a list that may be long.
static enum err_code read_call(struct gw_call *c, enum offer offer, bool need_model,
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
	enum err_code code = adapter_read(r->body, offer, need_model, &c->in, err);
	if (code == ERR_OK)
		code = prompt_judge(&c->in, err);
	if (code == ERR_OK && (offer == OFFER_EMBEDDINGS || offer == OFFER_RERANK))
		code = batch_read(&c->in, err);
	return code;
}

static void serve(struct req *r, enum offer offer)
{
	struct gw_call *c = gw_call_new(gw_loop_of(r));
	struct err err = {0};
	c->r = r;
	if (read_call(c, offer, true, &err) == ERR_OK)
		go(c, &err);
	if (err.code != ERR_OK)
		refuse(r, c, &err);
}

void h_chat(struct req *r)
{
	serve(r, OFFER_CHAT);
}

void h_responses(struct req *r)
{
	serve(r, OFFER_RESPONSES);
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

void h_messages(struct req *r)
{
	struct gw_call *c = gw_call_new(gw_loop_of(r));
	struct err err = {0};
	c->r = r;
	if (messages_read(r->body, &c->in, &err) == ERR_OK && prompt_judge(&c->in, &err) == ERR_OK) {
		c->in.beta = beta_of(r);
		go(c, &err);
	}
	if (err.code != ERR_OK)
		refuse(r, c, &err);
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

// The feature says which endpoint its body belongs to.
void h_invoke(struct req *r)
{
	struct gw_call *c = gw_call_new(gw_loop_of(r));
	struct err err = {0};
	c->r = r;
	c->feature = snapshot_model(r->snap, r->param[0]);
	if (c->feature == NULL) {
		err_set(&err, ERR_NOT_FOUND, _("there is no feature of this name"));
		r->refused = REFUSED_MODEL_UNKNOWN;
		err_hint(&err, _("list them: GET /api/v1/features"));
	} else if (c->feature->doc.endpoint == OFFER_IMAGES ||
		   c->feature->doc.endpoint == OFFER_IMAGE_EDITS) {
		tasks_invoke(r, c->feature);
		gw_call_free(c);
		return;
	} else if (read_call(c, (enum offer)c->feature->doc.endpoint, false, &err) == ERR_OK) {
		gw_check_limits(c, &err);
	}
	if (err.code != ERR_OK)
		refuse(r, c, &err);
	else
		begin(c);
}
