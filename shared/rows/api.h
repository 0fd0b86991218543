// SPDX-License-Identifier: MIT
// The HTTP surface, one row per endpoint. Router, 404/405/Allow, auth gate, metric and log labels,
// OpenAPI, GET /api, the console's client, yijian-api(7) and the coverage gate are derived.
#ifndef YJ_SHARED_ROWS_API_H
#define YJ_SHARED_ROWS_API_H

#include "shared/err.h"
#include "shared/field.h"
#include "shared/rows/identity.h"
#include "shared/secret.h"

enum service_id {
	SVC_API_GATEWAY,
	SVC_CONFIG_CENTER,
	SVC_KEY_MANAGER,
	SVC_SERVICE_REGISTRY,
	SVC_ROUTER_ENGINE,
	SVC_COUNT,
	SVC_ALL = SVC_COUNT // on every port
};

struct service_row {
	enum service_id id;
	const char *name; // "api-gateway"
	int port; // default
	const char *owns; // one line
};

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHODS };

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_SERVICE, ROLE_ADMIN, ROLE_COUNT };
#define ROLE_BIT(r) (1u << (r))
#define MAY_ANY 0xffffffffu // no identity needed
#define MAY_VIEW (ROLE_BIT(ROLE_VIEWER) | ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_ADMIN))
#define MAY_OPERATE (ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_ADMIN))
#define MAY_REGISTER (MAY_OPERATE | ROLE_BIT(ROLE_SERVICE))
#define MAY_ADMIN ROLE_BIT(ROLE_ADMIN)
#define MAY_CALL 0u // data path: client keys, not roles

enum body_class { BODY_NONE, BODY_DOC, BODY_APPLY, BODY_CHAT, BODY_IMAGE, BODY_CLASSES };
struct body_limit {
	size_t bytes, tokens; // tokens 0: no count limit
	int deadline_s; // for the whole body to arrive
};

enum ep_flag {
	EPF_STREAM = 1 << 0, // answer may be an event stream
	EPF_IDEMPOTENT = 1 << 1, // safe to repeat
	EPF_IF_MATCH = 1 << 2, // changes the object of its path, if the caller's conditions let it
	EPF_IDEMPOTENCY_KEY = 1 << 3, // repeated with its key it answers as before
	EPF_BARE_PREFIX = 1 << 4, // also without /v1
	EPF_LONG = 1 << 5, // may wait (watch)
	EPF_NAMES = 1 << 7, // its path names a model, in which an encoded slash is data
	EPF_STORED = 1 << 8, // asks the database, also where nothing is changed
	EPF_ANTHROPIC = 1 << 6, // errors in Anthropic's shape instead of OpenAI's
};

enum endpoint_id {
	EP_ROOT,
	EP_HEALTHZ,
	EP_METRICS,
	EP_OPENAPI,
	EP_API,
	// config-center
	EP_FEATURE_LIST,
	EP_FEATURE_CREATE,
	EP_FEATURE_GET,
	EP_FEATURE_PUT,
	EP_FEATURE_PATCH,
	EP_FEATURE_DELETE,
	EP_FEATURE_REVISIONS,
	EP_FEATURE_ROLLBACK,
	EP_REVISIONS,
	EP_WATCH,
	EP_CHANGE_LIST,
	EP_CHANGE_GET,
	EP_CHANGE_UNDO,
	EP_APPLY,
	EP_EXPORT,
	// key-manager
	EP_KEY_LIST,
	EP_KEY_CREATE,
	EP_KEY_GET,
	EP_KEY_PATCH,
	EP_KEY_DELETE,
	EP_KEY_TEST,
	EP_KEY_ROTATE,
	EP_KEY_ENABLE,
	EP_KEY_DISABLE,
	EP_KEY_TEST_NEW,
	EP_KEY_FINGERPRINT,
	EP_VENDOR_LIST,
	EP_AUDIT_LIST,
	EP_AUDIT_VERIFY,
	EP_CLIENT_LIST,
	EP_CLIENT_CREATE,
	EP_CLIENT_GET,
	EP_CLIENT_PATCH,
	EP_CLIENT_DELETE,
	EP_CLIENT_POLICY_GET,
	EP_CLIENT_POLICY_PUT,
	EP_TOKEN_LIST,
	EP_TOKEN_CREATE,
	EP_TOKEN_GET,
	EP_TOKEN_DELETE,
	EP_PRICE_LIST,
	EP_PRICE_IMPORT,
	// service-registry
	EP_SERVICE_LIST,
	EP_SERVICE_CREATE,
	EP_SERVICE_GET,
	EP_INSTANCE_PUT,
	EP_INSTANCE_GET,
	EP_INSTANCE_DELETE,
	EP_INSTANCE_HEARTBEAT,
	EP_INSTANCE_DRAIN,
	EP_INSTANCE_UNDRAIN,
	EP_INSTANCE_CHECK,
	// router-engine
	EP_ROUTE_DECIDE,
	EP_ROUTE_LIST,
	EP_ROUTE_GET,
	EP_ROUTE_PATCH,
	EP_DECISION_LIST,
	EP_DECISION_GET,
	// gateway, platform side
	EP_STATUS,
	EP_EVENTS,
	EP_USAGE,
	EP_SERIES,
	EP_ALERT_LIST,
	EP_ALERT_GET,
	EP_ALERT_ACK,
	EP_ALERT_RULE_LIST,
	EP_ALERT_RULE_CREATE,
	EP_ALERT_RULE_GET,
	EP_ALERT_RULE_PATCH,
	EP_ALERT_RULE_DELETE,
	EP_INVOKE,
	EP_TASK_LIST,
	EP_TASK_GET,
	EP_TASK_CANCEL,
	// gateway, model traffic
	EP_CHAT,
	EP_MESSAGES,
	EP_COUNT_TOKENS,
	EP_RESPONSES,
	EP_COMPLETIONS,
	EP_EMBEDDINGS,
	EP_SPEECH,
	EP_TRANSCRIPTIONS,
	EP_MODERATIONS,
	EP_RERANK,
	EP_IMAGES,
	EP_IMAGE_EDITS,
	EP_IMAGE_TASK,
	EP_MODEL_LIST,
	EP_MODEL_GET,
	EP_COUNT
};

struct param {
	const char *name;
	enum field_type type; // FT_STR, FT_INT, FT_BOOL, FT_ENUM, FT_STRV: a comma list of choices
	const char *const *choices; // FT_ENUM, FT_STRV; NULL-terminated
	int64_t min, max; // FT_INT: value; FT_STR: code points, at least one
	int64_t def; // FT_INT, FT_BOOL, FT_ENUM (an index), FT_STRV (bits): when absent
	const char *help;
	const char *unit; // "ms": an FT_INT that is written as a time, 30s; NULL: as a number
};

struct endpoint {
	enum endpoint_id id;
	enum service_id service; // whose port owns it; the gateway mounts all
	enum http_method method;
	const char *path; // "/api/v1/keys/{id}"; the last segment "{x…}" takes the rest
	const char *name; // "key_get": metric label, operationId
	const char *summary;
	uint32_t may; // MAY_…
	unsigned flags; // enum ep_flag
	enum body_class body;
	const struct field_set *request; // NULL: none or not ours (model traffic)
	const struct field_set *answer; // of an item when list
	bool list; // answers {"items":[…],"total","revision"}
	// Query, closed by name NULL; NULL none. Agents judge it before the handler runs: outside of
	// /v1 what is in no row is refused.
	const struct param *params;
	const enum err_code *errors; // besides the common ones, closed by ERR_OK; NULL none
};

// Request bodies that are no stored documents.
struct rollback_body {
	int64_t revision;
};
struct rotate_body {
	struct secret api_key;
};
struct route_patch_body {
	int64_t weight; // FIELD_NONE: not said, or lifted by null
	bool drain;
	int64_t expires_in_s; // FIELD_NONE: until lifted
};
extern const struct field_set rollback_fields, rotate_fields, route_patch_fields;
extern const struct field_set nothing_fields; // no body, or an empty object

enum role role_of(enum token_role r);
// True when everything `inner` may is something `outer` may too.
bool role_covers(enum role outer, enum role inner);
// The scope a token must hold for this endpoint: its noun (NULL: none fits) and whether it writes.
const char *endpoint_scope(const struct endpoint *ep, bool *ret_write);
const struct endpoint *endpoint_row(enum endpoint_id id);
// The platform's own: takes no query name that is in no row. Model traffic takes what SDKs add.
static inline bool endpoint_is_strict(const struct endpoint *ep)
{
	return ep->path[1] != 'v' || ep->path[2] != '1' || ep->path[3] != '/';
}
const struct endpoint *endpoints_all(size_t *ret_n);
const struct service_row *service_row(enum service_id id);
const struct body_limit *body_limit(enum body_class c);
// Errors any call may get, closed by ERR_OK: framing and limits, or (identity) who is calling.
const enum err_code *endpoint_common_errors(const struct endpoint *ep, bool identity);
extern const char *const method_names[HTTP_METHODS];

#endif
