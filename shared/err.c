// SPDX-License-Identifier: MIT
// Every way to fail, a row each, with its status, exit code and words; and how a failure gets the
// details that are shown to whoever caused it.
#include "shared/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IRE "invalid_request_error"
#define N_(text) text

static const struct err_row rows[] = {
	{ERR_OK, "ok", 200, 0, "", false, N_("ok"), NULL},
	{ERR_JSON_INVALID, "json_invalid", 400, 6, IRE, false,
		N_("the body is not a valid JSON object"), N_("check the body with a JSON linter")},
	{ERR_JSON_DUPLICATE_KEY, "json_duplicate_key", 400, 6, IRE, false,
		N_("a JSON object names a member twice"), NULL},
	{ERR_JSON_TOO_COMPLEX, "json_too_complex", 400, 6, IRE, false,
		N_("the JSON body nests too deep or has too many values"), NULL},
	{ERR_MULTIPART_INVALID, "multipart_invalid", 400, 6, IRE, false,
		N_("the body is not a valid multipart/form-data form"), NULL},
	{ERR_BODY_TOO_LARGE, "body_too_large", 413, 6, IRE, false,
		N_("the body is larger than this endpoint takes"), NULL},
	{ERR_FIELD_UNKNOWN, "field_unknown", 400, 6, IRE, false,
		N_("the document has a field this endpoint does not know"), NULL},
	{ERR_FIELD_FORBIDDEN, "field_forbidden", 400, 6, IRE, false,
		N_("this field is decided by the gateway and may not be sent"), NULL},
	{ERR_FIELD_REQUIRED, "field_required", 422, 6, IRE, false,
		N_("a required field is missing"), NULL},
	{ERR_FIELD_TYPE, "field_type", 422, 6, IRE, false, N_("a field has the wrong type"), NULL},
	{ERR_FIELD_RANGE, "field_range", 422, 6, IRE, false, N_("a field is out of range"), NULL},
	{ERR_FIELD_CHARSET, "field_charset", 422, 6, IRE, false,
		N_("a field has characters it may not have"), NULL},
	{ERR_VENDOR_UNKNOWN, "vendor_unknown", 422, 6, IRE, false,
		N_("no such vendor or service in the catalogue"),
		N_("list them: yijian key vendors")},
	{ERR_UPSTREAM_URL_FORBIDDEN, "upstream_url_forbidden", 422, 6, IRE, false,
		N_("the upstream address is not allowed"), NULL},
	{ERR_UPSTREAM_LOOP, "upstream_loop", 422, 6, IRE, false,
		N_("the upstream address leads back to this agent"), NULL},
	{ERR_TLS_REQUIRED, "tls_required", 422, 6, IRE, false,
		N_("a vendor key may not travel over plain http to a public address"),
		N_("use an https:// base_url")},
	{ERR_CURSOR_INVALID, "cursor_invalid", 400, 6, IRE, false,
		N_("the cursor is not one this agent gave out"),
		N_("start again without a cursor")},
	{ERR_PARAM_INVALID, "param_invalid", 400, 6, IRE, false,
		N_("a query parameter or header has a value that cannot be read"), NULL},
	{ERR_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, 6, IRE, false,
		N_("the body's encoding is not supported"),
		N_("send JSON; to /v1/ it may be packed, as gzip or zstd")},
	{ERR_BAD_FRAMING, "bad_framing", 400, 6, IRE, false,
		N_("the HTTP request is malformed or ambiguous"), NULL},
	{ERR_PLAIN_HTTP, "plain_http", 400, 6, IRE, false,
		N_("this port speaks TLS, and the request came in plain HTTP"),
		N_("call it as https://")},
	{ERR_EXPECTATION_FAILED, "expectation_failed", 417, 6, IRE, false,
		N_("the Expect header asks for something this agent does not do"),
		N_("send Expect: 100-continue or none")},
	{ERR_BAD_HOST, "bad_host", 403, 4, IRE, false,
		N_("the Host header is not a local name of this agent"),
		N_("call it as localhost, or send a token")},
	{ERR_BAD_PATH, "bad_path", 400, 6, IRE, false, N_("the path is malformed"), NULL},
	{ERR_BAD_ORIGIN, "bad_origin", 403, 4, IRE, false,
		N_("a browser page of another origin may not call this agent"), NULL},
	{ERR_HEADERS_TOO_LARGE, "headers_too_large", 431, 6, IRE, false,
		N_("the request headers are too large or too many"), NULL},
	{ERR_URI_TOO_LONG, "uri_too_long", 414, 6, IRE, false, N_("the URL is too long"), NULL},
	{ERR_METHOD_NOT_ALLOWED, "method_not_allowed", 405, 6, IRE, false,
		N_("this path does not take this method"), N_("see the Allow header")},
	{ERR_METHOD_UNKNOWN, "method_unknown", 501, 6, IRE, false, N_("unknown HTTP method"), NULL},
	{ERR_CLIENT_TIMEOUT, "client_timeout", 408, 8, IRE, true,
		N_("the request did not arrive in time"), NULL},
	{ERR_OVERLOADED, "overloaded", 503, 7, "server_error", true,
		N_("the agent is at its limit and sheds load"), N_("try again after Retry-After")},
	{ERR_DRAINING, "draining", 503, 7, "server_error", true, N_("the agent is stopping"), NULL},
	{ERR_AUTH_REQUIRED, "auth_required", 401, 4, IRE, false, N_("this call needs a token"),
		N_("send Authorization: Bearer TOKEN, or call over loopback without proxy headers")},
	{ERR_PEER_NOT_ALLOWED, "peer_not_allowed", 403, 4, IRE, false,
		N_("your user on this host may not use the agent"),
		N_("ask to join the group yijian-view, yijian-operator or yijian-admin")},
	{ERR_TOKEN_INVALID, "token_invalid", 401, 4, IRE, false, N_("the token is not valid"),
		NULL},
	{ERR_TOKEN_EXPIRED, "token_expired", 401, 4, IRE, false, N_("the token has expired"), NULL},
	{ERR_TOKEN_REVOKED, "token_revoked", 401, 4, IRE, false, N_("the token was revoked"), NULL},
	{ERR_TOKEN_IN_URL, "token_in_url", 400, 4, IRE, false, N_("a token may not stand in a URL"),
		N_("send it in the Authorization header")},
	{ERR_ROLE_FORBIDDEN, "role_forbidden", 403, 4, IRE, false,
		N_("your role does not allow this call"), NULL},
	{ERR_SCOPE_EXCEEDED, "scope_exceeded", 403, 4, IRE, false,
		N_("this credential does not reach that far"), NULL},
	{ERR_INVALID_API_KEY, "invalid_api_key", 401, 4, IRE, false,
		N_("the client key is missing or not valid"), NULL},
	{ERR_LAST_ADMIN, "last_admin", 409, 5, IRE, false,
		N_("this is the last administrator token"), NULL},
	{ERR_RATE_LIMITED, "rate_limited", 429, 8, "rate_limit_error", true,
		N_("too many requests"), N_("wait as long as Retry-After says")},
	{ERR_BUDGET_EXCEEDED, "budget_exceeded", 429, 11, "insufficient_quota", false,
		N_("the budget is used up"), NULL},
	{ERR_NOT_FOUND, "not_found", 404, 3, IRE, false, N_("no such object"), NULL},
	{ERR_GONE, "gone", 410, 3, IRE, false, N_("it existed and has aged out"), NULL},
	{ERR_UNKNOWN_URL, "unknown_url", 404, 3, IRE, false,
		N_("the gateway does not serve this URL"), NULL},
	{ERR_CONFLICT_EXISTS, "conflict_exists", 409, 5, IRE, false,
		N_("an object of this name exists"), NULL},
	{ERR_CONFLICT_STATE, "conflict_state", 409, 5, IRE, false,
		N_("the object is not in a state for this"), NULL},
	{ERR_IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 409, 5, IRE, false,
		N_("this Idempotency-Key was used for another request"), NULL},
	{ERR_PRECONDITION_FAILED, "precondition_failed", 412, 5, IRE, false,
		N_("the object changed since you read it"),
		N_("read it again and repeat the change")},
	{ERR_MODEL_NOT_FOUND, "model_not_found", 404, 3, IRE, false,
		N_("no feature, alias or vendor/service of this name"),
		N_("list what the gateway offers: GET /v1/models")},
	{ERR_UPSTREAM_REJECTED, "upstream_rejected", 400, 10, IRE, false,
		N_("the upstream rejected the request"), NULL},
	{ERR_CONTENT_POLICY, "content_policy_violation", 400, 10, IRE, false,
		N_("the upstream's content policy rejected the request"), NULL},
	{ERR_CONTEXT_LENGTH, "context_length_exceeded", 400, 10, IRE, false,
		N_("the request is longer than the model's context"), NULL},
	{ERR_UPSTREAM_AUTH_FAILED, "upstream_auth_failed", 502, 10, "upstream_error", false,
		N_("the upstream refused the platform's key"),
		N_("an operator must check the key")},
	{ERR_UPSTREAM_BILLING, "upstream_billing", 502, 10, "upstream_error", false,
		N_("the platform's upstream account is out of credit"), NULL},
	{ERR_UPSTREAM_RATE_LIMITED, "upstream_rate_limited", 429, 10, "rate_limit_error", true,
		N_("every usable upstream is rate limited"),
		N_("wait as long as Retry-After says")},
	{ERR_UPSTREAM_BUSY, "upstream_busy", 503, 10, "upstream_error", true,
		N_("every usable upstream is busy"), N_("try again after Retry-After")},
	{ERR_UPSTREAM_TIMEOUT, "upstream_timeout", 504, 10, "upstream_error", true,
		N_("the upstream did not answer in time"), NULL},
	{ERR_UPSTREAM_BAD_RESPONSE, "upstream_bad_response", 502, 10, "upstream_error", true,
		N_("the upstream's answer could not be understood"), NULL},
	{ERR_UPSTREAM_TOO_LARGE, "upstream_too_large", 502, 10, "upstream_error", false,
		N_("the upstream's answer is larger than allowed"), NULL},
	{ERR_ALL_UPSTREAMS_FAILED, "all_upstreams_failed", 502, 10, "upstream_error", true,
		N_("every attempted upstream failed"), NULL},
	{ERR_NO_HEALTHY_TARGET, "no_healthy_target", 503, 10, "upstream_error", true,
		N_("no target can take this request now"),
		N_("see why: yijian route explain FEATURE")},
	{ERR_STREAM_INTERRUPTED, "stream_interrupted", 502, 10, "upstream_error", false,
		N_("the upstream's stream ended before it was complete"), NULL},
	{ERR_CLIENT_GONE, "client_gone", 499, 141, "client_error", false,
		N_("the caller closed the connection"), NULL},
	{ERR_OUTCOME_UNKNOWN, "outcome_unknown", 502, 10, "upstream_error", false,
		N_("nobody can tell whether the upstream took the work; it is not submitted again"),
		N_("look at the vendor's console before asking once more")},
	{ERR_CANCELED, "canceled", 409, 1, IRE, false, N_("the task was canceled"), NULL},
	{ERR_NOT_CANCELABLE, "not_cancelable", 409, 5, IRE, false,
		N_("its upstream has begun: it will be finished, and may be billed"), NULL},
	{ERR_STORAGE_FULL, "storage_full", 507, 70, "server_error", false,
		N_("the disk is full: nothing was written"),
		N_("make room on it: the agent takes changes again by itself")},
	{ERR_STORAGE_MOVED, "storage_moved", 503, 70, "server_error", false,
		N_("the database file was moved, deleted or truncated: nothing was acknowledged"),
		N_("restore the file or restart the agent")},
	{ERR_STORAGE_FAILED, "storage_failed", 503, 70, "server_error", false,
		N_("the database refused the write"),
		N_("look at the disk and at the agent's log; the agent tries again by itself")},
	{ERR_STORAGE_READONLY, "storage_readonly", 503, 70, "server_error", false,
		N_("the agent serves read-only from its last snapshot"),
		N_("restore the database, then restart the agent")},
	{ERR_STORAGE_CORRUPT, "storage_corrupt", 503, 70, "server_error", false,
		N_("a stored row failed its check"), NULL},
	{ERR_SEALED, "sealed", 503, 70, "server_error", false,
		N_("the root key does not open the key store"),
		N_("point YIJIAN_ROOT_KEY_FILE at the right root key and restart")},
	{ERR_SECRET_CORRUPT, "secret_corrupt", 503, 70, "server_error", false,
		N_("a stored secret failed its check"), N_("rotate the key")},
	{ERR_INTERNAL, "internal_error", 500, 70, "server_error", true, N_("internal error"), NULL},
	{ERR_ANSWER_NO, "answer_no", 200, 1, "", false, N_("the answer is no"), NULL},
	{ERR_USAGE, "usage", 400, 2, "", false, N_("wrong usage"), NULL},
	{ERR_UNREACHABLE, "unreachable", 503, 7, "", true, N_("cannot reach the agent"),
		N_("is yijiand running? see yijian doctor")},
	{ERR_NOT_AN_AGENT, "not_an_agent", 502, 7, "", false,
		N_("what answered is not a yijian agent"), NULL},
	{ERR_TIMED_OUT, "timed_out", 504, 8, "", true, N_("timed out"), NULL},
	{ERR_PARTLY_DONE, "partly_done", 207, 9, "", false, N_("some items failed"), NULL},
	{ERR_VENDOR_FAILED, "vendor_failed", 502, 10, "", false,
		N_("the vendor or instance failed"), NULL},
	{ERR_REFUSED, "refused", 403, 11, "", false, N_("not done: confirmation was not given"),
		NULL},
	{ERR_CONFIG_INVALID, "config_invalid", 500, 78, "", false,
		N_("the configuration is not valid"), NULL},
	{ERR_OUTPUT_LOST, "output_lost", 500, 70, "", false,
		N_("standard output took nothing more"), NULL},
	{ERR_CERTIFICATE_UNTRUSTED, "certificate_untrusted", 502, 7, "", false,
		N_("the certificate is not trusted"), NULL},
	{ERR_CERTIFICATE_CHANGED, "certificate_changed", 502, 4, "", false,
		N_("the key of the certificate is not the one that is pinned"), NULL},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == ERR_COUNT, "one row for every err_code");

const struct err_row *err_row(enum err_code code)
{
	return &rows[(size_t)code < ERR_COUNT ? code : ERR_INTERNAL];
}

const struct err_row *err_row_named(struct slice wire_code)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (slice_eq_str(wire_code, rows[i].code))
			return &rows[i];
	return NULL;
}

static void fill(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
	const struct err_row *row = err_row(code);
	e->code = code;
	e->field[0] = '\0';
	snprintf(e->hint, sizeof(e->hint), "%s", row->hint != NULL ? row->hint : "");
	if (fmt != NULL)
		vsnprintf(e->message, sizeof(e->message), fmt, ap);
	else
		snprintf(e->message, sizeof(e->message), "%s", row->message);
}

enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
{

	if (e == NULL)
		return code;
	va_list ap;
	va_start(ap, fmt);
	fill(e, code, fmt, ap);
	va_end(ap);
	return code;
}

enum err_code err_field(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
{

	if (e == NULL)
		return code;
	va_list ap;
	va_start(ap, fmt);
	fill(e, code, fmt, ap);
	va_end(ap);
	snprintf(e->field, sizeof(e->field), "%s", field != NULL ? field : "");
	return code;
}

void err_hint(struct err *e, const char *fmt, ...)
{

	if (e == NULL)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
}
