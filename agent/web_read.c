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

// Asking for what is in no row is an error of the program: absent.
static const struct query_value *value_of(const struct req *r, const char *name)
{
	static const struct query_value none;
	for (size_t i = 0; r->web->values && r->ep->params[i].name; i++)
		if (!strcmp(r->ep->params[i].name, name))
			return &r->web->values[i];
	return &none;
}

const char *req_query(const struct req *r, const char *name)
{
	return value_of(r, name)->text;
}

int64_t req_query_int(const struct req *r, const char *name)
{
	return value_of(r, name)->num;
}

bool req_query_bool(const struct req *r, const char *name)
{
	return value_of(r, name)->num != 0;
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
