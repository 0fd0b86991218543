// SPDX-License-Identifier: MIT
// Why the gateway itself said no, a row each, with the operator's next step. Metric, status,
// console and alerts all speak of it in these words.
#include "shared/refusal.h"

#include "shared/text.h"

#define WHO                                                                                        \
	N_("see who calls: yijian traffic list --errors; give each a key: yijian client add NAME")
#define LIMIT                                                                                        \
	N_("see whose limit: yijian traffic list --errors -o wide; raise it: yijian client update, " \
	   "yijian feature set, or yijian key set")
#define CALLER                                                                                     \
	N_("the caller must mend its request; see which: yijian traffic list --errors -o wide")

static const struct refusal_row rows[] = {
	{REFUSED_NOT, "", 200, "", ""},
	{REFUSED_KEY_MISSING, "key_missing", 401, N_("no key"), WHO},
	{REFUSED_KEY_UNKNOWN, "key_unknown", 401, N_("unknown or revoked key"), WHO},
	{REFUSED_KEY_DISABLED, "key_disabled", 401, N_("client disabled"),
		N_("if it shall call again: yijian client update NAME --enabled true")},
	{REFUSED_KEY_EXPIRED, "key_expired", 401, N_("key expired"),
		N_("give the client a new key: yijian client add NAME")},
	{REFUSED_CREDENTIAL, "wrong_credential", 403, N_("not a client key"),
		N_("a token of the platform APIs was shown; models take client keys: yijian client add NAME")},
	{REFUSED_GUESSING, "guessing", 429, N_("too many wrong keys"),
		N_("see from where: yijian traffic list --errors -o wide; yijian audit list")},
	{REFUSED_PAGE, "foreign_page", 403, N_("foreign Host or Origin"),
		N_("call the gateway as localhost, or with a client key")},
	{REFUSED_FEATURE_DENIED, "feature_denied", 403, N_("feature not in the client's list"),
		N_("see whose: yijian traffic list --errors; extend it: yijian client update NAME --features …")},
	{REFUSED_FEATURE_OFF, "feature_off", 503, N_("feature switched off"),
		N_("switch it on: yijian feature set NAME --enabled true")},
	{REFUSED_MODEL_UNKNOWN, "model_unknown", 404, N_("unknown model"),
		N_("see what there is: yijian feature list; an alias gives a feature a further name")},
	{REFUSED_URL_UNKNOWN, "url_unknown", 404, N_("unknown URL"),
		N_("the base URL of an SDK ends in /v1; see what is served: GET /api")},
	{REFUSED_POLICY, "policy_denied", 503, N_("data policy"),
		N_("see what it leaves: yijian route explain FEATURE")},
	{REFUSED_RPM, "limit_rpm", 429, N_("limit of requests per minute"), LIMIT},
	{REFUSED_TPM, "limit_tpm", 429, N_("limit of tokens per minute"), LIMIT},
	{REFUSED_CONCURRENCY, "limit_concurrency", 429, N_("limit of requests at once"), LIMIT},
	{REFUSED_BUDGET, "budget", 429, N_("budget used up"), LIMIT},
	{REFUSED_OVERLOAD, "overload", 503, N_("agent overloaded or stopping"),
		N_("see what is at its end: yijian metrics get yijian_http_shed_total")},
	{REFUSED_BODY_TOO_LARGE, "body_too_large", 413, N_("body too large"), CALLER},
	{REFUSED_BODY_INVALID, "body_invalid", 400, N_("body not valid"), CALLER},
	{REFUSED_REQUEST_INVALID, "request_invalid", 400, N_("request not valid"), CALLER},
	{REFUSED_SEALED, "sealed", 503, N_("key store sealed"),
		N_("put the right root key file in place and restart the agent")},
};
_Static_assert(ARRAY_LEN(rows) == REFUSED_COUNT, "one row for every reason");

const struct refusal_row *refusal_row(enum refusal why)
{
	return &rows[(size_t)why < REFUSED_COUNT ? why : REFUSED_NOT];
}

const struct refusal_row *refusal_named(struct slice name)
{
	for (size_t i = 1; i < REFUSED_COUNT; i++)
		if (slice_eq_str(name, rows[i].name))
			return &rows[i];
	return NULL;
}

enum refusal refusal_of(enum err_code code)
{
	static const uint8_t by_code[ERR_COUNT] = {
		[ERR_JSON_INVALID] = REFUSED_BODY_INVALID,
		[ERR_JSON_DUPLICATE_KEY] = REFUSED_BODY_INVALID,
		[ERR_JSON_TOO_COMPLEX] = REFUSED_BODY_INVALID,
		[ERR_MULTIPART_INVALID] = REFUSED_BODY_INVALID,
		[ERR_FIELD_UNKNOWN] = REFUSED_BODY_INVALID,
		[ERR_FIELD_FORBIDDEN] = REFUSED_BODY_INVALID,
		[ERR_FIELD_REQUIRED] = REFUSED_BODY_INVALID,
		[ERR_FIELD_TYPE] = REFUSED_BODY_INVALID,
		[ERR_FIELD_RANGE] = REFUSED_BODY_INVALID,
		[ERR_FIELD_CHARSET] = REFUSED_BODY_INVALID,
		[ERR_UNSUPPORTED_MEDIA_TYPE] = REFUSED_BODY_INVALID,
		[ERR_BODY_TOO_LARGE] = REFUSED_BODY_TOO_LARGE,
		[ERR_UPSTREAM_LOOP] = REFUSED_REQUEST_INVALID,
		[ERR_BAD_FRAMING] = REFUSED_REQUEST_INVALID,
		[ERR_BAD_PATH] = REFUSED_REQUEST_INVALID,
		[ERR_HEADERS_TOO_LARGE] = REFUSED_REQUEST_INVALID,
		[ERR_URI_TOO_LONG] = REFUSED_REQUEST_INVALID,
		[ERR_METHOD_NOT_ALLOWED] = REFUSED_REQUEST_INVALID,
		[ERR_METHOD_UNKNOWN] = REFUSED_REQUEST_INVALID,
		[ERR_CLIENT_TIMEOUT] = REFUSED_REQUEST_INVALID,
		[ERR_IDEMPOTENCY_MISMATCH] = REFUSED_REQUEST_INVALID,
		[ERR_BAD_HOST] = REFUSED_PAGE,
		[ERR_BAD_ORIGIN] = REFUSED_PAGE,
		[ERR_OVERLOADED] = REFUSED_OVERLOAD,
		[ERR_DRAINING] = REFUSED_OVERLOAD,
		[ERR_AUTH_REQUIRED] = REFUSED_KEY_MISSING,
		[ERR_PEER_NOT_ALLOWED] = REFUSED_KEY_MISSING,
		[ERR_TOKEN_INVALID] = REFUSED_KEY_UNKNOWN,
		[ERR_TOKEN_EXPIRED] = REFUSED_KEY_EXPIRED,
		[ERR_TOKEN_REVOKED] = REFUSED_KEY_UNKNOWN,
		[ERR_TOKEN_IN_URL] = REFUSED_CREDENTIAL,
		[ERR_ROLE_FORBIDDEN] = REFUSED_CREDENTIAL,
		[ERR_SCOPE_EXCEEDED] = REFUSED_CREDENTIAL,
		[ERR_INVALID_API_KEY] = REFUSED_KEY_UNKNOWN,
		[ERR_RATE_LIMITED] = REFUSED_RPM,
		[ERR_BUDGET_EXCEEDED] = REFUSED_BUDGET,
		[ERR_UNKNOWN_URL] = REFUSED_URL_UNKNOWN,
		[ERR_MODEL_NOT_FOUND] = REFUSED_MODEL_UNKNOWN,
		[ERR_SEALED] = REFUSED_SEALED,
	};
	return (size_t)code < ERR_COUNT ? (enum refusal)by_code[code] : REFUSED_NOT;
}
