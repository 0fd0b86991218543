// SPDX-License-Identifier: MIT
// From a request that was read to the question a decision answers: what must the candidate be able
// to do, for whom, until when, and what does the caller wish of its routing.
#include "agent/call/ask.h"

#include <string.h>
#include "agent/call/call.h"
#include "agent/call/cells.h"
#include "agent/call/prompt.h"
#include "agent/protocol/wish.h"
#include "agent/state/limits.h"
#include "shared/text.h"

#define USER_MAX 256 // bytes of a body's "user" that are decoded

enum err_code gw_check_limits(const struct gw_call *c, struct err *err)
{
	return prompt_limits(&c->feature->doc, &c->in, err);
}

static const struct jscan_member *member(const struct adapter_call *call, const char *name,
	enum jscan_type type)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	return m != NULL && m->type == type ? m : NULL;
}

static int64_t number_of(const struct adapter_call *call, const char *name)
{
	const struct jscan_member *m = member(call, name, JS_NUMBER);
	int64_t n;
	return m != NULL && jscan_int(m->value, &n) && n > 0 ? n : 0;
}

static unsigned needs_of(const struct adapter_call *call, bool all)
{
	unsigned needs = call->stream ? 1u << NEED_STREAM : 0;
	if (call->images != FIELD_NONE && call->images > 1)
		needs |= 1u << NEED_N;
	if (call->tokens)
		needs |= 1u << NEED_TOKENS;
	if (LIKELY(!all)) // nobody lacks anything: no look for the others
		return needs;
	if (number_of(call, "n") > 1)
		needs |= 1u << NEED_N;
	const struct jscan_member *tools = member(call, "tools", JS_ARRAY);
	if (tools != NULL && !jscan_is_empty(tools->value))
		needs |= 1u << NEED_TOOLS;
	if (member(call, "response_format", JS_OBJECT) != NULL)
		needs |= 1u << NEED_FORMAT;
	return needs;
}

// What the request will need, roughly: its own size and the longest answer it allows.
static int64_t estimate(const struct adapter_call *call)
{
	int64_t answer = number_of(call, "max_completion_tokens");
	if (answer == 0)
		answer = number_of(call, "max_tokens");
	if (answer == 0)
		answer = number_of(call, "max_output_tokens");
	if (call->n == 0)
		return answer; // a form: its bytes are no text
	return MIN_OF(answer, QUOTA_UNITS_MAX) +
		(int64_t)(call->body.n + LIMITS_BYTES_PER_TOKEN - 1) / LIMITS_BYTES_PER_TOKEN;
}

// Most callers send the feature's name or an alias, which names no model.
static bool names_itself(const struct feature *f, const char *model)
{
	return model[0] == '\0' || strcmp(model, f->name) == 0 || strv_has(&f->aliases, model);
}

void ask_read(const struct adapter_call *call, const struct route *route, bool all,
	struct decide_request *ret)
{
	*ret = (struct decide_request){.offer = call->offer,
		.width = call->width,
		.height = call->height,
		.n = call->images,
		.stream = call->stream,
		.tokens = estimate(call),
		.client = &ident_local,
		.model = names_itself(&route->feature->doc, call->model) ? NULL : call->model,
		.named = call->model,
		.deadline_us = FIELD_NONE,
		.needs = needs_of(call, all || route->choosy)};
}

void ask_judge(const struct adapter_call *call, const struct route *route, struct arena *a,
	struct decide_request *ret)
{
	const struct candidate *before = NULL;
	const char *why = NULL; // of the one before
	for (size_t i = 0; i < route->n; i++) {
		const struct candidate *c = &route->v[i];
		struct err err = {0};
		// All keys of a target, and all instances of an engine, are asked in the same words.
		if (before == NULL || before->target != c->target ||
			before->protocol != c->protocol || before->vendor != c->vendor)
			why = wish_judge(call, c, NULL, &err) ? NULL : arena_strdup(a, err.field);
		before = c;
		if (LIKELY(why == NULL))
			continue;
		if (ret->unfit_why == NULL)
			ret->unfit_why = arena_zalloc(a, DECIDE_MAX, sizeof(char *));
		ret->unfit_why[i] = why;
		decide_unfit(ret, (int)i);
	}
}

enum err_code ask_wishes(const struct req *r, const struct feature *f,
	const struct adapter_call *call, struct decide_request *ret, struct err *err)
{
	const char *data = req_header(r, "X-Yijian-Data");
	ret->local_only = data != NULL && strcmp(data, data_policy_names[DATA_ANY]) != 0;
	if (UNLIKELY(ret->local_only) && strcmp(data, data_policy_names[DATA_LOCAL_ONLY]) != 0)
		return err_field(err, ERR_FIELD_RANGE, "X-Yijian-Data",
			_("X-Yijian-Data says any or local_only"));
	ret->session = 0;
	if (LIKELY(f->affinity == AFFINITY_NONE))
		return ERR_OK;
	const char *session = req_header(r, "X-Yijian-Session");
	const struct jscan_member *m = member(call, "user", JS_STRING);
	char text[USER_MAX];
	struct slice user = {text, 0};
	if (session != NULL && session[0] != '\0')
		user = slice_of(session);
	else if (m != NULL && !jscan_string(m->value, text, sizeof(text), &user.n))
		user = m->value; // too long to be decoded: as good a name as any
	if (user.n > 0)
		ret->session = decide_session(user);
	return ERR_OK;
}

enum err_code gw_prepare(struct gw_call *c, struct err *err)
{
	struct req *r = c->r;
	const struct feature *f = &c->feature->doc;
	gw_cells_take(c, f->name);
	c->route = snapshot_route(r->snap, c->feature);
	c->tries.arena = &r->arena;
	c->tries.snap = r->snap;
	c->tries.feature = c->feature;
	c->tries.cells = c->cells;
	ask_read(&c->in, c->route, false, &c->tries.ask);
	if (ident_any(&r->who.id))
		c->tries.ask.client = &r->who.id;
	c->tries.ask.client_name = principal_shown(&r->who);
	if (f->timeouts.total_ms > 0)
		c->tries.ask.deadline_us = r->start_us + f->timeouts.total_ms * 1000;
	return ask_wishes(r, f, &c->in, &c->tries.ask, err);
}
