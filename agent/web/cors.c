// SPDX-License-Identifier: MIT
// A preflight is answered by what is in the head alone: it never has a credential, and whoever lets the
// call follow still has to show one.
#include "agent/web/cors.h"

#include <stdio.h>
#include <string.h>
#include "agent/web/private.h"
#include "shared/text.h"

#define MAX_AGE "600" // seconds: an origin that is taken off the list is off for everybody then
#define ASKED_MAX 2048 // bytes of names that a page wants to send

// ---- the list ----

static bool is_origin(struct slice s)
{
	ptrdiff_t colon = slice_find(s, ':');
	if (colon <= 0 || s.n < (size_t)colon + 4 || memcmp(s.p + colon, "://", 3) != 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool in_scheme = i < (size_t)colon;
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			c == '.' || (in_scheme && c == '+');
		bool in_host = i > (size_t)colon + 2 &&
			(c == ':' || c == '[' || c == ']' || c == '_');
		if (!plain && !in_host && (i < (size_t)colon || i > (size_t)colon + 2))
			return false;
	}
	return !(slice_starts(s, "http://") && slice_ends(s, ":80")) &&
		!(slice_starts(s, "https://") && slice_ends(s, ":443"));
}

enum err_code cors_parse(struct slice list, struct err *err)
{
	while (list.p != NULL && list.n) {
		struct slice one = slice_trim(slice_cut(&list, ','));
		if (one.n == 0 || is_origin(one))
			continue;
		err_field(err, ERR_CONFIG_INVALID, "YIJIAN_CORS_ORIGINS",
			_("YIJIAN_CORS_ORIGINS: not a list of origins as browsers send them"));
		err_hint(err,
			_("like https://app.example,http://localhost:5173: in small letters, "
			  "without a path, a wildcard or the scheme's own port"));
		return ERR_CONFIG_INVALID;
	}
	return ERR_OK;
}

bool cors_lists(struct slice list, struct slice origin)
{
	while (origin.n > 0 && list.p != NULL && list.n)
		if (slice_eq(slice_trim(slice_cut(&list, ',')), origin))
			return true;
	return false;
}

// ---- requests ----

static bool is_preflight(const struct web_req *q)
{
	return slice_eq_str(q->head.method, "OPTIONS") &&
		head_value(&q->head, "Access-Control-Request-Method") != NULL;
}

// The row that the call behind the preflight would have; NULL: none.
static const struct endpoint *asked_for(const struct web_req *q)
{
	struct match m = {0};
	const char *method = head_value(&q->head, "Access-Control-Request-Method");
	for (int i = 0; i < HTTP_METHODS; i++)
		if (strcmp(method, method_names[i]) == 0)
			match_path(q->web->tree, q->r.path, (enum http_method)i, 1u << q->r.service,
				&m);
	return m.ep;
}

enum err_code web_cors_judge(struct web_req *q, enum err_code code)
{
	bool preflight = is_preflight(q);
	const struct endpoint *ep = preflight ? asked_for(q) : q->r.ep;
	struct slice origin = q->guard.h[GH_ORIGIN];
	if (q->r.service != SVC_API_GATEWAY ||
		(ep != NULL ? endpoint_is_strict(ep) : !slice_starts(q->r.path, "/v1/")))
		return code;
	if (cors_lists(slice_of(q->r.agent->settings->cors_origins), origin)) {
		q->origin = arena_strndup(&q->r.arena, origin.p, origin.n);
		q->preflight = preflight;
		return code;
	}
	if (!preflight)
		return code;
	snprintf(q->r.who.detail, sizeof(q->r.who.detail), "%s",
		_("pages of this origin may not call models: YIJIAN_CORS_ORIGINS does not name it"));
	return ERR_BAD_ORIGIN;
}

// Names of headers, with commas and blanks between them, and nothing else.
static bool are_names(const char *text)
{
	size_t n = strspn(text,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ");
	return text[n] == '\0' && n > 0 && n <= ASKED_MAX;
}

// Whatever SDKs send is let in, as from anywhere else: none of it gives anybody more.
void web_cors_preflight(struct web_req *q)
{
	struct req *r = &q->r;
	char allow[64];
	const char *asked = head_value(&q->head, "Access-Control-Request-Headers");
	match_allow(q->match.allow, allow, sizeof(allow));
	req_header_add(r, "Access-Control-Allow-Methods", allow[0] ? allow : "GET, POST");
	if (asked != NULL && are_names(asked))
		req_header_add(r, "Access-Control-Allow-Headers", asked);
	req_header_add(r, "Access-Control-Max-Age", MAX_AGE);
	// The operator has named the page, wherever it comes from (Private Network Access).
	if (head_value(&q->head, "Access-Control-Request-Private-Network") != NULL)
		req_header_add(r, "Access-Control-Allow-Private-Network", "true");
	req_reply(r, 204, NULL, (struct slice){"", 0});
}
