// SPDX-License-Identifier: MIT
#include "agent/web_int.h"

#include <stdio.h>
#include <string.h>
#include "shared/num.h"
#include "shared/text.h"

const char *req_header(const struct req *r, const char *name)
{
	return head_value(&r->web->head, name);
}

const char *req_query(const struct req *r, const char *name)
{
	struct slice query = r->web->query;
	while (query.p) {
		struct slice item = slice_cut(&query, '&');
		struct slice key = slice_cut(&item, '='), value;
		struct arena *a = &r->web->r.arena;
		if (!slice_eq_str(key, name))
			continue;
		if (!item.p)
			return "";
		return guard_unescape(item, true, a, &value) ? value.p : NULL;
	}
	return NULL;
}

static const struct param *param_row(const struct req *r, const char *name)
{
	for (const struct param *p = r->ep->params; p && p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

enum err_code req_query_int(const struct req *r, const char *name, int64_t *ret, struct err *err)
{
	const struct param *row = param_row(r, name);
	const char *text = req_query(r, name);
	*ret = row ? row->def : FIELD_NONE;
	if (!text)
		return ERR_OK;
	int64_t min = row ? row->min : 0, max = row ? row->max : INT64_MAX;
	if (num_i64(slice_of(text), min, max, ret))
		return ERR_OK;
	return err_field(err, ERR_FIELD_RANGE, name, _("%s is a number from %lld to %lld"), name,
		(long long)min, (long long)max);
}

enum err_code req_if_match(const struct req *r, int64_t *ret, struct err *err)
{
	struct slice text = slice_trim(r->web->guard.h[GH_IF_MATCH]);
	*ret = FIELD_NONE;
	if (!text.p || slice_eq_str(text, "*"))
		return ERR_OK;
	if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
		text = (struct slice){text.p + 1, text.n - 2};
	if (num_i64(text, 0, INT64_MAX, ret))
		return ERR_OK;
	return err_set(err, ERR_PRECONDITION_FAILED, _("If-Match is not a revision"));
}

struct actor req_actor(const struct req *r)
{
	struct actor a = {.role = r->who.role};
	a.id = r->who.id;
	snprintf(a.shown, sizeof(a.shown), "%s", principal_shown(&r->who));
	snprintf(a.request_id, sizeof(a.request_id), "%s", r->id);
	return a;
}

void req_actor_write(const struct req *r, struct jw *w)
{
	const char *shown = principal_shown(&r->who);
	jw_str(w, "actor", r->who.id.text);
	if (shown[0])
		jw_str(w, "actor_name", shown);
}

bool req_is_unix_root(const struct req *r)
{
	const struct conn *c = r->web->conn;
	return c && c->kind == PEER_UNIX && !r->who.token && c->uid_known && c->uid == 0;
}

void req_mounted(const struct req *r, bool ret[EP_COUNT])
{
	for (int i = 0; i < EP_COUNT; i++)
		ret[i] = r->web->web->handlers[i] != NULL;
}
