// SPDX-License-Identifier: MIT
// The closed list of errors. One row says the wire code, HTTP status, CLI exit code and OpenAI
// type; bodies, exits, man pages and OpenAPI are derived from it. A code never changes meaning.
#ifndef YJ_SHARED_ERR_H
#define YJ_SHARED_ERR_H

#include "shared/slice.h"

enum err_code {
	ERR_OK,
	// what the caller sent
	ERR_JSON_INVALID,
	ERR_JSON_DUPLICATE_KEY,
	ERR_JSON_TOO_COMPLEX,
	ERR_MULTIPART_INVALID,
	ERR_BODY_TOO_LARGE,
	ERR_FIELD_UNKNOWN,
	ERR_FIELD_FORBIDDEN,
	ERR_FIELD_REQUIRED,
	ERR_FIELD_TYPE,
	ERR_FIELD_RANGE,
	ERR_FIELD_CHARSET,
	ERR_VENDOR_UNKNOWN,
	ERR_UPSTREAM_URL_FORBIDDEN,
	ERR_UPSTREAM_LOOP,
	ERR_TLS_REQUIRED,
	ERR_CURSOR_INVALID,
	ERR_PARAM_INVALID,
	ERR_UNSUPPORTED_MEDIA_TYPE,
	// framing and path
	ERR_BAD_FRAMING,
	ERR_PLAIN_HTTP,
	ERR_EXPECTATION_FAILED,
	ERR_BAD_HOST,
	ERR_BAD_PATH,
	ERR_BAD_ORIGIN,
	ERR_HEADERS_TOO_LARGE,
	ERR_URI_TOO_LONG,
	ERR_METHOD_NOT_ALLOWED,
	ERR_METHOD_UNKNOWN,
	ERR_CLIENT_TIMEOUT,
	ERR_OVERLOADED,
	ERR_DRAINING,
	// identity
	ERR_AUTH_REQUIRED,
	ERR_PEER_NOT_ALLOWED,
	ERR_TOKEN_INVALID,
	ERR_TOKEN_EXPIRED,
	ERR_TOKEN_REVOKED,
	ERR_TOKEN_IN_URL,
	ERR_ROLE_FORBIDDEN,
	ERR_SCOPE_EXCEEDED,
	ERR_INVALID_API_KEY,
	ERR_LAST_ADMIN,
	ERR_RATE_LIMITED,
	ERR_BUDGET_EXCEEDED,
	// objects
	ERR_NOT_FOUND,
	ERR_GONE,
	ERR_UNKNOWN_URL,
	ERR_CONFLICT_EXISTS,
	ERR_CONFLICT_STATE,
	ERR_IDEMPOTENCY_MISMATCH,
	ERR_PRECONDITION_FAILED,
	// model traffic
	ERR_MODEL_NOT_FOUND,
	ERR_UPSTREAM_REJECTED,
	ERR_CONTENT_POLICY,
	ERR_CONTEXT_LENGTH,
	ERR_UPSTREAM_AUTH_FAILED,
	ERR_UPSTREAM_BILLING,
	ERR_UPSTREAM_RATE_LIMITED,
	ERR_UPSTREAM_BUSY,
	ERR_UPSTREAM_TIMEOUT,
	ERR_UPSTREAM_BAD_RESPONSE,
	ERR_UPSTREAM_TOO_LARGE,
	ERR_ALL_UPSTREAMS_FAILED,
	ERR_NO_HEALTHY_TARGET,
	ERR_STREAM_INTERRUPTED,
	ERR_CLIENT_GONE,
	ERR_OUTCOME_UNKNOWN,
	ERR_CANCELED,
	ERR_NOT_CANCELABLE,
	// storage and secrets
	ERR_STORAGE_FULL,
	ERR_STORAGE_MOVED,
	ERR_STORAGE_FAILED,
	ERR_STORAGE_READONLY,
	ERR_STORAGE_CORRUPT,
	ERR_SEALED,
	ERR_SECRET_CORRUPT,
	ERR_INTERNAL,
	// the console alone
	ERR_ANSWER_NO,
	ERR_USAGE,
	ERR_UNREACHABLE,
	ERR_NOT_AN_AGENT,
	ERR_TIMED_OUT,
	ERR_PARTLY_DONE,
	ERR_VENDOR_FAILED,
	ERR_REFUSED,
	ERR_CONFIG_INVALID,
	ERR_OUTPUT_LOST,
	ERR_CERTIFICATE_UNTRUSTED,
	ERR_CERTIFICATE_CHANGED,
	ERR_COUNT
};

#define ERR_FIELD_MAX 96
#define ERR_TEXT_MAX 256

// Caller-owned details of a failure. A zeroed one is "no error".
struct err {
	enum err_code code;
	char field[ERR_FIELD_MAX]; // path of the field at fault, "" when none
	char message[ERR_TEXT_MAX]; // what and why, no secret, no echo of the offending value
	char hint[ERR_TEXT_MAX]; // the next step, "" when none
};

// An error that nothing has set. Where it is made for every request, instead of all its texts.
#define ERR_NONE_YET(name)                                                                         \
	struct err name FILLED_LATER;                                                              \
	name.code = ERR_OK;                                                                        \
	name.field[0] = name.message[0] = name.hint[0] = '\0'

struct err_row {
	enum err_code id;
	const char *code; // wire code
	int status; // HTTP
	int exit; // of the CLI
	const char *type; // OpenAI error type on /v1
	bool retryable; // value of x-should-retry on /v1
	const char *message; // default, marked for translation
	const char *hint; // default, NULL when none
};

// Fills *e (which may be NULL) and returns code. A NULL fmt takes the row's message; the row's
// hint stands unless err_hint says another.
enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
// As err_set for a document's field.
enum err_code err_field(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
const struct err_row *err_row(enum err_code code);
// By wire code; NULL when unknown.
const struct err_row *err_row_named(struct slice wire_code);

#endif
