// SPDX-License-Identifier: MIT
// Conditions and preferences are parsed here (RFC 9110 13, RFC 7240); the rest looks up what the guard
// and the judge of queries have read already.
#include "agent/web/read.h"

#include <stdio.h>
#include <string.h>
#include "agent/web/private.h"
#include "shared/clock.h"
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
	for (size_t i = 0; r->web->values != NULL && r->ep->params[i].name != NULL; i++)
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

// ---- conditions ----

enum err_code req_may_change(const struct req *r, const char *etag, struct err *err)
{
	const struct head *h = &r->web->head;
	enum cond match = cond_read(h, IF_MATCH, etag, false);
	enum cond none = cond_read(h, IF_NONE_MATCH, etag, true);
	if (match == COND_NO || (match == COND_ANY && etag == NULL))
		return err_set(err, ERR_PRECONDITION_FAILED, NULL);
	if (none == COND_TAG || (none == COND_ANY && etag != NULL)) {
		err_set(err, ERR_PRECONDITION_FAILED, "%s", _("the object is there already"));
		err_hint(err, "%s", _("If-None-Match asked for one that is not"));
		return err->code;
	}
	return ERR_OK;
}

bool req_has_if_match(const struct req *r)
{
	return r->web->guard.h[GH_IF_MATCH].p != NULL;
}

bool req_wants_new(const struct req *r)
{
	return r->web->guard.h[GH_IF_NONE_MATCH].p != NULL &&
		cond_read(&r->web->head, IF_NONE_MATCH, NULL, true) == COND_ANY;
}

bool req_not_modified(struct req *r, const char *etag)
{
	const struct guard *g = &r->web->guard;
	req_header_add(r, "ETag", etag);
	if (g->h[GH_IF_MATCH].p != NULL &&
		cond_read(&r->web->head, IF_MATCH, etag, false) == COND_NO) {
		req_fail_code(r, ERR_PRECONDITION_FAILED);
		return true;
	}
	if (g->h[GH_IF_NONE_MATCH].p == NULL ||
		cond_read(&r->web->head, IF_NONE_MATCH, etag, true) == COND_NO)
		return false;
	req_reply(r, 304, NULL, (struct slice){0});
	return true;
}

static enum err_code unreadable(const char *name, struct err *err)
{
	err_field(err, ERR_PARAM_INVALID, name, _("the header %s cannot be read"), name);
	err_hint(err, "%s", _("it is *, or entity tags with their quotes: \"7\", \"8\""));
	return err->code;
}

// A condition is judged where an object is changed or shown; where neither is done, one that cannot
// hold must not be passed over.
enum err_code web_judge_conditions(const struct web_req *q, struct err *err)
{
	const struct guard *g = &q->guard;
	const struct endpoint *ep = q->r.ep;
	bool match = g->h[GH_IF_MATCH].p != NULL, none = g->h[GH_IF_NONE_MATCH].p != NULL;
	if (match && cond_read(&q->head, IF_MATCH, NULL, false) == COND_BAD)
		return unreadable(IF_MATCH, err);
	if (none && cond_read(&q->head, IF_NONE_MATCH, NULL, true) == COND_BAD)
		return unreadable(IF_NONE_MATCH, err);
	if (ep->method == HTTP_GET || (ep->flags & EPF_IF_MATCH))
		return ERR_OK;
	bool makes = strchr(ep->path, '{') == NULL;
	if (match || (none && !makes && req_wants_new(&q->r))) {
		err_field(err, ERR_PRECONDITION_FAILED, match ? IF_MATCH : IF_NONE_MATCH, "%s",
			_("this call has no object whose revision could be compared"));
		err_hint(err, "%s", _("repeat it without the header"));
		return err->code;
	}
	return ERR_OK;
}

static bool is_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || strchr("!#$%&'*+-.^_`|~", c) != NULL;
		if (!fine || c == '\0')
			return false;
	}
	return s.n > 0;
}

// As slice_cut, but for a separator between quotes.
static struct slice cut_unquoted(struct slice *rest, char sep)
{
	bool quoted = false;
	for (size_t i = 0; i < rest->n; i++) {
		if (rest->p[i] == '\\' && quoted)
			i++;
		else if (rest->p[i] == '"')
			quoted = !quoted;
		else if (rest->p[i] == sep && !quoted) {
			struct slice one = {rest->p, i};
			*rest = (struct slice){rest->p + i + 1, rest->n - i - 1};
			return one;
		}
	}
	struct slice one = *rest;
	*rest = (struct slice){NULL, 0};
	return one;
}

// One line: preferences between commas, each with parameters behind semicolons.
static bool read_prefer(struct slice line, const char *name, bool *ret)
{
	while (line.p != NULL) {
		struct slice one = slice_trim(cut_unquoted(&line, ','));
		if (!one.n)
			continue; // an empty element of a list
		struct slice value = cut_unquoted(&one, ';');
		struct slice word = slice_trim(slice_cut(&value, '='));
		bool is_it = slice_ieq_str(word, name);
		if (!is_word(word) || (is_it && value.p != NULL && slice_trim(value).n))
			return false;
		*ret |= is_it;
	}
	return true;
}

const char *req_resumes(const struct req *r)
{
	return r->web->resumes;
}

enum err_code req_prefers(const struct req *r, const char *name, bool *ret, struct err *err)
{
	const struct head *h = &r->web->head;
	*ret = false;
	for (size_t i = 0; i < h->n; i++) {
		if (!slice_ieq_str(h->v[i].name, "Prefer") || read_prefer(h->v[i].value, name, ret))
			continue;
		err_field(err, ERR_PARAM_INVALID, "Prefer", "%s",
			_("the header Prefer cannot be read"));
		err_hint(err, _("say %s, or leave it out"), name);
		return err->code;
	}
	return ERR_OK;
}

// Visible ASCII: what a header carries unchanged through every proxy.
enum err_code req_idempotency_key(const struct req *r, struct slice *ret, struct err *err)
{
	struct slice key = r->web->guard.h[GH_IDEMPOTENCY_KEY];
	bool fine = key.p == NULL || key.n > 0;
	*ret = key;
	if (key.n > IDEMPOTENCY_KEY_MAX)
		return err_field(err, ERR_FIELD_RANGE, "Idempotency-Key",
			_("an Idempotency-Key has at most %d characters"), IDEMPOTENCY_KEY_MAX);
	for (size_t i = 0; i < key.n; i++)
		fine &= key.p[i] > 0x20 && key.p[i] < 0x7f;
	if (fine)
		return ERR_OK;
	err_field(err, ERR_PARAM_INVALID, "Idempotency-Key", "%s",
		_("the header Idempotency-Key cannot be read"));
	err_hint(err, "%s", _("it has printable ASCII characters without blanks"));
	return err->code;
}

struct slice req_raw_query(const struct req *r)
{
	return r->web->query.p != NULL ? r->web->query : SLICE("");
}

struct actor req_actor(const struct req *r)
{
	struct actor a = {.role = principal_reach(&r->who)};
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

enum err_code req_still_may(const struct req *r)
{
	const struct principal *who = &r->who;
	const struct conn *c = r->web->conn;
	int64_t wall_ms = clock_wall_ms();
	if (who->shown != NULL && c != NULL) { // by a certificate
		const struct tls_caller *now = tls_caller(c->tls, wall_ms);
		if (now->who == NULL || now->who->role != who->role)
			return ERR_AUTH_REQUIRED;
	}
	return auth_still(who, snapshots_now(r->agent->snaps), wall_ms);
}

bool req_is_unix_root(const struct req *r)
{
	const struct conn *c = r->web->conn;
	return c != NULL && c->kind == PEER_UNIX && r->who.token == NULL && c->uid_known &&
		c->uid == 0;
}

void req_mounted(const struct req *r, bool ret[EP_COUNT])
{
	for (int i = 0; i < EP_COUNT; i++)
		ret[i] = r->web->web->handlers[i] != NULL;
}
