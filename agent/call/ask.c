// SPDX-License-Identifier: MIT
// From a request that was read to the question a decision answers: what must the candidate be able
// to do, for whom, until when, and what does the caller wish of its routing.
#include "agent/call/ask.h"

#include <string.h>
#include "agent/call/call.h"
#include "agent/call/cells.h"
#include "agent/call/prompt.h"
#include "shared/text.h"

#define USER_MAX 256 // bytes of a body's "user" that are decoded

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

enum err_code wishes_read(const struct req *r, const struct feature *f, struct slice user,
	struct decide_request *ret, struct err *err)
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
	if (session != NULL && session[0] != '\0')
		user = slice_of(session);
	if (user.n > 0)
		ret->session = decide_session(user);
	return ERR_OK;
}

static enum err_code read_wishes(struct gw_call *c, struct err *err)
{
	const struct jscan_member *m = c->feature->doc.affinity == AFFINITY_NONE
		? NULL
		: member(c, "user", JS_STRING);
	char text[USER_MAX];
	struct slice user = {text, 0};
	if (m != NULL && !jscan_string(m->value, text, sizeof(text), &user.n))
		user = m->value; // too long to be decoded: as good a name as any
	return wishes_read(c->r, &c->feature->doc, user, &c->tries.ask, err);
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
	c->tries.ask = (struct decide_request){.offer = c->in.offer,
		.width = c->in.width,
		.height = c->in.height,
		.n = c->in.images,
		.stream = c->in.stream,
		.client = ident_any(&r->who.id) ? &r->who.id : &ident_local,
		.client_name = principal_shown(&r->who),
		.deadline_us = f->timeouts.total_ms > 0 ? r->start_us + f->timeouts.total_ms * 1000
							: FIELD_NONE,
		.needs = needs_of(c)};
	return read_wishes(c, err);
}
