// SPDX-License-Identifier: MIT
// Every endpoint, a row each: path, who may call, what may be asked, what it answers and how it
// can fail. Routing, clients, OpenAPI and tests follow it.
#include "shared/rows/api.h"

#include "shared/rows/alert.h"
#include "shared/rows/model.h"
#include "shared/text.h"

const char *const method_names[HTTP_METHODS] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

static const struct service_row services[] = {
	{SVC_API_GATEWAY, "api-gateway", 8000,
		N_("the model traffic, OpenAI-compatible; on loopback every platform API too")},
	{SVC_CONFIG_CENTER, "config-center", 8001,
		N_("features: what the platform offers, by which targets, with which limits")},
	{SVC_KEY_MANAGER, "key-manager", 8002,
		N_("vendor keys, encrypted and write-only; clients and tokens")},
	{SVC_SERVICE_REGISTRY, "service-registry", 8003,
		N_("self-hosted instances: registration, heartbeat, health, drain")},
	{SVC_ROUTER_ENGINE, "router-engine", 8004,
		N_("decisions: which target, which key, why, and what was skipped")},
};
_Static_assert(ARRAY_LEN(services) == SVC_COUNT, "one row per service");

static const struct body_limit limits[] = {
	[BODY_NONE] = {64 * 1024, 0, 30}, // discarded
	[BODY_DOC] = {64 * 1024, 1000, 30},
	[BODY_APPLY] = {8 * 1024 * 1024, 200000, 60},
	[BODY_CHAT] = {20 * 1024 * 1024, 0, 120},
	[BODY_IMAGE] = {50 * 1024 * 1024, 0, 120},
};
_Static_assert(ARRAY_LEN(limits) == BODY_CLASSES, "one limit per class");

// ---- small request bodies that are no stored documents ----

static const struct field rollback_fields_rows[] = {
	{"revision", FT_INT, FIELD_AT(struct rollback_body, revision), FF_REQUIRED, .min = 1,
		.max = INT64_MAX, .help = N_("the revision to go back to")},
};
FIELD_SET(rollback_fields, "Rollback", struct rollback_body);

static const struct field rotate_fields_rows[] = {
	{"api_key", FT_SECRET, FIELD_AT(struct rotate_body, api_key), FF_REQUIRED, FC_SECRET,
		.min = 1, .max = 512, .help = N_("the new key; it goes in and never comes out")},
};
FIELD_SET(rotate_fields, "Rotate", struct rotate_body);

// What is asked for stands in the path.
const struct field_set nothing_fields = {"Nothing", NULL, 0, 0};

static const struct field route_patch_fields_rows[] = {
	{"weight", FT_INT, FIELD_AT(struct route_patch_body, weight), FF_NULLABLE, .min = 0,
		.max = 1000, .def = FIELD_NONE,
		.help = N_("share among its equals for now; null lifts the override")},
	{"drain", FT_BOOL, FIELD_AT(struct route_patch_body, drain),
		.help = N_("true: takes no new request")},
	{"expires_in_s", FT_INT, FIELD_AT(struct route_patch_body, expires_in_s), FF_NULLABLE,
		.min = 1, .max = 7 * 86400, .def = FIELD_NONE, .unit = "s",
		.help = N_("the override ends by itself after this time")},
};
FIELD_SET(route_patch_fields, "RoutePatch", struct route_patch_body);

// ---- query parameters ----

#define LIMIT_PARAM(max_, def_)                                                                    \
	{"limit", FT_INT, NULL, 1, max_, def_, N_("at most so many items"), NULL}
#define CURSOR_PARAM {"cursor", FT_STR, NULL, 0, 64, 0, N_("\"next\" of the page before"), NULL}
#define PARAMS_END {NULL, FT_STR, NULL, 0, 0, 0, NULL, NULL}

static const struct param paged[] = {LIMIT_PARAM(1000, 100), CURSOR_PARAM, PARAMS_END};
static const struct param watch_params[] = {
	{"since", FT_INT, NULL, 0, INT64_MAX, 0, N_("answer when the revision is above this one")},
	{"wait", FT_INT, NULL, 0, 60000, 30000, N_("longest wait: 30s, at most 60s"), "ms"},
	{"lineage", FT_STR, NULL, 0, 32, 0,
		N_("of the answer that since is from: answers at once when the agent or its database is another")},
	PARAMS_END};
static const struct param key_list_params[] = {
	{"ref", FT_STR, NULL, 0, REF_MAX, 0, N_("vendor/service/slug: the one key of this name")},
	{"vendor", FT_STR, NULL, 0, ID_MAX, 0, N_("only this vendor's keys")},
	{"service", FT_STR, NULL, 0, ID_MAX, 0, N_("only keys of this service")},
	LIMIT_PARAM(1000, 1000),
	{"cursor", FT_STR, NULL, 0, REF_MAX, 0, N_("\"next\" of the page before")}, PARAMS_END};
static const struct param route_patch_params[] = {
	{"key", FT_STR, NULL, 0, REF_MAX, 0, N_("only this key of the target")},
	{"instance", FT_STR, NULL, 0, REF_MAX, 0, N_("only this instance of the target")},
	PARAMS_END};
static const struct param decision_list_params[] = {LIMIT_PARAM(1000, 100),
	{"feature", FT_STR, NULL, 0, ID_MAX, 0, N_("only this feature's decisions")}, PARAMS_END};
static const char *const task_states[] = {"submitting", "queued", "running", "succeeded", "failed",
	"canceled", "outcome_unknown", "expired", NULL};
static const struct param task_list_params[] = {LIMIT_PARAM(1000, 100), CURSOR_PARAM,
	{"state", FT_ENUM, task_states, 0, 0, 0, N_("only tasks in this state")},
	{"feature", FT_STR, NULL, 0, ID_MAX, 0, N_("only this feature's tasks")}, PARAMS_END};
static const struct param event_params[] = {
	{"since", FT_INT, NULL, 0, INT64_MAX, 0, N_("cursor: events after this number")},
	{"kinds", FT_STR, NULL, 0, 64, 0, N_("comma list of traffic, health, key, config, alert")},
	{"stream", FT_BOOL, NULL, 0, 0, 0, N_("as server-sent events, whatever Accept says")},
	LIMIT_PARAM(1000, 100), PARAMS_END};
static const char *const alert_states[] = {"current", "resolved", "all", NULL};
static const struct param alert_list_params[] = {
	{"state", FT_ENUM, alert_states, 0, 0, 2, N_("which: current, resolved or all")},
	LIMIT_PARAM(1000, 200), PARAMS_END};
static const struct param price_list_params[] = {
	{"vendor", FT_STR, NULL, 0, ID_MAX, 0, N_("only this vendor's models")},
	{"model", FT_STR, NULL, 0, NAME_MAX_CP, 0, N_("only prices of this model")},
	{"id", FT_STR, NULL, 0, 640, 0, N_("the one price of this id")}, LIMIT_PARAM(10000, 1000),
	{"cursor", FT_STR, NULL, 0, 640, 0, N_("\"next\" of the page before")}, PARAMS_END};
static const char *const price_formats[] = {"yijian", "litellm", "portkey", NULL};
static const struct param price_import_params[] = {
	{"format", FT_ENUM, price_formats, 0, 0, 0, N_("yijian, litellm or portkey")},
	{"vendor", FT_STR, NULL, 0, ID_MAX, 0, N_("whose models a list prices that does not say")},
	{"dry_run", FT_BOOL, NULL, 0, 0, 0, N_("only tell what would change")}, PARAMS_END};
static const struct param apply_params[] = {
	{"dry_run", FT_BOOL, NULL, 0, 0, 0, N_("only tell what would change")},
	{"revision", FT_INT, NULL, 0, INT64_MAX, -1,
		N_("only if the whole configuration is still at this one")},
	{"prune", FT_STRV, document_kind_names, 0, 0, 0,
		N_("comma list of kinds: what the documents do not name is deleted")},
	{"confirm", FT_STR, NULL, 0, REF_MAX, 0,
		N_("the first client, or what is pruned of keys and clients, by name; more in the body")},
	PARAMS_END};
static const struct param export_params[] = {
	{"kind", FT_STRV, document_kind_names, 0, 0, (INT64_C(1) << DOC_KINDS) - 1,
		N_("comma list of Feature, Key, Service, Client, AlertRule: only these")},
	PARAMS_END};
static const char *const usage_bys[] = {"feature", "target", "client", "key", "model", NULL};
#define DAY_MS INT64_C(86400000)
static const struct param usage_params[] = {
	{"by", FT_STRV, usage_bys, 0, 0, 1,
		N_("comma list of feature, target, client, key, model")},
	{"window", FT_INT, NULL, 60000, 400 * DAY_MS, DAY_MS,
		N_("how far back: 1h, 24h, 30d; at most 400d"), "ms"},
	{"step", FT_INT, NULL, 60000, 400 * DAY_MS, 0, N_("told apart by time too: 1m, 1h, 1d"),
		"ms"},
	{"feature", FT_STR, NULL, 0, ID_MAX, 0, N_("only this feature")},
	{"target", FT_STR, NULL, 0, REF_MAX, 0, N_("only this target")},
	{"client", FT_STR, NULL, 0, REF_MAX, 0, N_("only the client of this id")},
	{"key", FT_STR, NULL, 0, REF_MAX, 0, N_("only this key id or instance")},
	{"model", FT_STR, NULL, 0, REF_MAX, 0, N_("only this model")}, LIMIT_PARAM(1000, 100),
	CURSOR_PARAM, PARAMS_END};
static const struct param series_params[] = {{"window", FT_INT, NULL, 1000, DAY_MS, 3600000,
						     N_("how far back: 5m, 1h; at most 24h"), "ms"},
	PARAMS_END};

// ---- errors, besides the common ones of every endpoint ----

#define ERRORS(name, ...) static const enum err_code name[] = {__VA_ARGS__, ERR_OK}
ERRORS(errs_get, ERR_NOT_FOUND);
ERRORS(errs_page, ERR_FIELD_RANGE, ERR_CURSOR_INVALID);
ERRORS(errs_doc, ERR_PRECONDITION_FAILED, ERR_JSON_INVALID, ERR_JSON_DUPLICATE_KEY,
	ERR_JSON_TOO_COMPLEX, ERR_FIELD_UNKNOWN, ERR_FIELD_REQUIRED, ERR_FIELD_TYPE,
	ERR_FIELD_RANGE, ERR_FIELD_CHARSET, ERR_CONFLICT_EXISTS, ERR_VENDOR_UNKNOWN,
	ERR_UPSTREAM_URL_FORBIDDEN, ERR_TLS_REQUIRED, ERR_IDEMPOTENCY_MISMATCH, ERR_STORAGE_FULL,
	ERR_STORAGE_MOVED, ERR_STORAGE_FAILED, ERR_STORAGE_READONLY, ERR_SEALED);
ERRORS(errs_instance, ERR_JSON_INVALID, ERR_JSON_DUPLICATE_KEY, ERR_JSON_TOO_COMPLEX,
	ERR_FIELD_UNKNOWN, ERR_FIELD_REQUIRED, ERR_FIELD_TYPE, ERR_FIELD_RANGE, ERR_FIELD_CHARSET,
	ERR_CONFLICT_EXISTS, ERR_CONFLICT_STATE, ERR_VENDOR_UNKNOWN, ERR_UPSTREAM_URL_FORBIDDEN,
	ERR_TLS_REQUIRED, ERR_IDEMPOTENCY_MISMATCH, ERR_STORAGE_FULL, ERR_STORAGE_MOVED,
	ERR_STORAGE_FAILED, ERR_STORAGE_READONLY, ERR_SEALED);
ERRORS(errs_change, ERR_NOT_FOUND, ERR_PRECONDITION_FAILED, ERR_IDEMPOTENCY_MISMATCH,
	ERR_JSON_INVALID, ERR_FIELD_UNKNOWN, ERR_FIELD_TYPE, ERR_FIELD_RANGE, ERR_FIELD_CHARSET,
	ERR_CONFLICT_EXISTS, ERR_STORAGE_FULL, ERR_STORAGE_MOVED, ERR_STORAGE_FAILED,
	ERR_STORAGE_READONLY, ERR_SEALED);
ERRORS(errs_policy, ERR_PRECONDITION_FAILED, ERR_JSON_INVALID, ERR_FIELD_UNKNOWN, ERR_FIELD_TYPE,
	ERR_FIELD_REQUIRED, ERR_STORAGE_FULL, ERR_STORAGE_MOVED, ERR_STORAGE_FAILED,
	ERR_STORAGE_READONLY, ERR_SEALED);
ERRORS(errs_act, ERR_NOT_FOUND, ERR_PRECONDITION_FAILED, ERR_IDEMPOTENCY_MISMATCH, ERR_JSON_INVALID,
	ERR_STORAGE_FULL, ERR_STORAGE_MOVED, ERR_STORAGE_FAILED, ERR_STORAGE_READONLY);
ERRORS(errs_check, ERR_NOT_FOUND, ERR_JSON_INVALID);
ERRORS(errs_test, ERR_NOT_FOUND, ERR_SEALED, ERR_SECRET_CORRUPT, ERR_JSON_INVALID,
	ERR_FIELD_REQUIRED, ERR_FIELD_UNKNOWN, ERR_VENDOR_UNKNOWN, ERR_UPSTREAM_URL_FORBIDDEN);
ERRORS(errs_route, ERR_NOT_FOUND, ERR_JSON_INVALID, ERR_JSON_TOO_COMPLEX, ERR_FIELD_TYPE,
	ERR_FIELD_RANGE);
ERRORS(errs_caller, ERR_PRECONDITION_FAILED, ERR_IDEMPOTENCY_MISMATCH, ERR_JSON_INVALID,
	ERR_FIELD_UNKNOWN, ERR_FIELD_REQUIRED, ERR_FIELD_TYPE, ERR_FIELD_RANGE, ERR_FIELD_CHARSET,
	ERR_CONFLICT_EXISTS, ERR_STORAGE_FULL, ERR_STORAGE_MOVED, ERR_STORAGE_FAILED,
	ERR_STORAGE_READONLY, ERR_SEALED);
ERRORS(errs_revoke, ERR_NOT_FOUND, ERR_PRECONDITION_FAILED, ERR_LAST_ADMIN, ERR_STORAGE_FULL,
	ERR_STORAGE_MOVED, ERR_STORAGE_FAILED, ERR_STORAGE_READONLY, ERR_SEALED);
ERRORS(errs_apply, ERR_PRECONDITION_FAILED, ERR_IDEMPOTENCY_MISMATCH, ERR_JSON_INVALID,
	ERR_JSON_DUPLICATE_KEY, ERR_JSON_TOO_COMPLEX, ERR_FIELD_UNKNOWN, ERR_FIELD_REQUIRED,
	ERR_FIELD_TYPE, ERR_FIELD_RANGE, ERR_FIELD_CHARSET, ERR_FIELD_FORBIDDEN,
	ERR_CONFLICT_EXISTS, ERR_CONFLICT_STATE, ERR_VENDOR_UNKNOWN, ERR_UPSTREAM_URL_FORBIDDEN,
	ERR_UPSTREAM_LOOP, ERR_TLS_REQUIRED, ERR_STORAGE_FULL, ERR_STORAGE_MOVED,
	ERR_STORAGE_FAILED, ERR_STORAGE_READONLY, ERR_SEALED, ERR_SECRET_CORRUPT);
ERRORS(errs_decision, ERR_NOT_FOUND, ERR_GONE);
ERRORS(errs_undo, ERR_NOT_FOUND, ERR_GONE, ERR_PRECONDITION_FAILED, ERR_CONFLICT_EXISTS,
	ERR_CONFLICT_STATE, ERR_IDEMPOTENCY_MISMATCH, ERR_JSON_INVALID, ERR_FIELD_UNKNOWN,
	ERR_FIELD_RANGE, ERR_FIELD_FORBIDDEN, ERR_VENDOR_UNKNOWN, ERR_UPSTREAM_URL_FORBIDDEN,
	ERR_TLS_REQUIRED, ERR_STORAGE_FULL, ERR_STORAGE_MOVED, ERR_STORAGE_FAILED,
	ERR_STORAGE_READONLY, ERR_SEALED);
ERRORS(errs_model, ERR_MODEL_NOT_FOUND, ERR_INVALID_API_KEY);
ERRORS(errs_call, ERR_JSON_INVALID, ERR_JSON_DUPLICATE_KEY, ERR_FIELD_FORBIDDEN, ERR_FIELD_REQUIRED,
	ERR_FIELD_TYPE, ERR_FIELD_RANGE, ERR_INVALID_API_KEY, ERR_MODEL_NOT_FOUND,
	ERR_UPSTREAM_REJECTED, ERR_CONTENT_POLICY, ERR_CONTEXT_LENGTH, ERR_UPSTREAM_AUTH_FAILED,
	ERR_UPSTREAM_BILLING, ERR_UPSTREAM_RATE_LIMITED, ERR_UPSTREAM_BUSY, ERR_UPSTREAM_TIMEOUT,
	ERR_UPSTREAM_BAD_RESPONSE, ERR_UPSTREAM_TOO_LARGE, ERR_ALL_UPSTREAMS_FAILED,
	ERR_NO_HEALTHY_TARGET, ERR_UPSTREAM_LOOP);
ERRORS(errs_ack, ERR_NOT_FOUND, ERR_CONFLICT_STATE, ERR_JSON_INVALID, ERR_FIELD_UNKNOWN,
	ERR_FIELD_TYPE, ERR_FIELD_RANGE, ERR_FIELD_CHARSET);
ERRORS(errs_rule, ERR_NOT_FOUND, ERR_PRECONDITION_FAILED, ERR_CONFLICT_EXISTS, ERR_STORAGE_FULL,
	ERR_STORAGE_MOVED, ERR_STORAGE_FAILED, ERR_STORAGE_READONLY);
ERRORS(errs_task, ERR_NOT_FOUND, ERR_NOT_CANCELABLE, ERR_STORAGE_FAILED, ERR_STORAGE_READONLY);
#undef ERRORS

static const enum err_code common_errors[] = {ERR_BAD_FRAMING, ERR_BAD_PATH, ERR_FIELD_UNKNOWN,
	ERR_PARAM_INVALID, ERR_EXPECTATION_FAILED, ERR_BAD_HOST, ERR_BAD_ORIGIN,
	ERR_HEADERS_TOO_LARGE, ERR_URI_TOO_LONG, ERR_BODY_TOO_LARGE, ERR_UNSUPPORTED_MEDIA_TYPE,
	ERR_CLIENT_TIMEOUT, ERR_METHOD_NOT_ALLOWED, ERR_METHOD_UNKNOWN, ERR_OVERLOADED,
	ERR_INTERNAL, ERR_OK};
static const enum err_code identity_errors[] = {ERR_AUTH_REQUIRED, ERR_PEER_NOT_ALLOWED,
	ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED, ERR_TOKEN_REVOKED, ERR_TOKEN_IN_URL,
	ERR_ROLE_FORBIDDEN, ERR_SCOPE_EXCEEDED, ERR_RATE_LIMITED, ERR_OK};
static const enum err_code client_errors[] = {ERR_INVALID_API_KEY, ERR_TOKEN_IN_URL,
	ERR_SCOPE_EXCEEDED, ERR_RATE_LIMITED, ERR_BUDGET_EXCEEDED, ERR_OK};

// ---- endpoints ----

#define CFG SVC_CONFIG_CENTER
#define KEYS SVC_KEY_MANAGER
#define REG SVC_SERVICE_REGISTRY
#define ROUT SVC_ROUTER_ENGINE
#define GW SVC_API_GATEWAY
#define FEATURE "/api/v1/features/{name}"
#define KEY "/api/v1/keys/{id}"
#define TASK "/api/v1/tasks/{id}"
#define CLIENT "/api/v1/clients/{id}"
#define TOKEN "/api/v1/tokens/{id}"
#define RULE "/api/v1/alerts/rules/{name}"
#define INSTANCE "/api/v1/services/{service}/instances/{id}"
#define GETS .method = HTTP_GET, .flags = EPF_IDEMPOTENT
#define LISTS GETS, .list = true
// Their answer is in the database, not in the snapshot.
#define READS .method = HTTP_GET, .flags = EPF_IDEMPOTENT | EPF_STORED
#define EPF_ACT (EPF_IDEMPOTENT | EPF_IF_MATCH | EPF_IDEMPOTENCY_KEY)
#define CALLS .method = HTTP_POST, .may = MAY_CALL, .errors = errs_call

static const struct endpoint rows[] = {
	{EP_ROOT, SVC_ALL, .path = "/", .name = "root", GETS, .may = MAY_ANY,
		.summary = N_("What this is, its health, how to add a key")},
	{EP_HEALTHZ, SVC_ALL, .path = "/healthz", .name = "healthz", GETS, .may = MAY_ANY,
		.answer = &health_fields,
		.summary = N_("Health: 200 ok or degraded, 503 when it cannot serve")},
	{EP_METRICS, SVC_ALL, .path = "/metrics", .name = "metrics", GETS, .may = MAY_ANY,
		.summary = N_("This service's figures as Prometheus text")},
	{EP_OPENAPI, SVC_ALL, .path = "/openapi.json", .name = "openapi", GETS, .may = MAY_ANY,
		.summary = N_("This service's API as OpenAPI 3.1")},
	{EP_API, SVC_ALL, .path = "/api", .name = "api", GETS, .may = MAY_ANY,
		.summary = N_("The endpoints of this port as a list")},

	{EP_FEATURE_LIST, CFG, .path = "/api/v1/features", .name = "feature_list", LISTS,
		.may = MAY_VIEW, .answer = &feature_fields, .summary = N_("List features")},
	{EP_FEATURE_CREATE, CFG, HTTP_POST, "/api/v1/features", "feature_create",
		N_("Create a feature"), MAY_OPERATE, EPF_IDEMPOTENCY_KEY, BODY_DOC, &feature_fields,
		&feature_fields, .errors = errs_doc},
	{EP_FEATURE_GET, CFG, .path = FEATURE, .name = "feature_get", GETS, .may = MAY_VIEW,
		.answer = &feature_fields, .errors = errs_get, .summary = N_("Show a feature")},
	{EP_FEATURE_PUT, CFG, HTTP_PUT, FEATURE, "feature_put", N_("Create or replace a feature"),
		MAY_OPERATE, EPF_IDEMPOTENT | EPF_IF_MATCH, BODY_DOC, &feature_fields,
		&feature_fields, .errors = errs_change},
	{EP_FEATURE_PATCH, CFG, HTTP_PATCH, FEATURE, "feature_patch",
		N_("Change members of a feature"), MAY_OPERATE, EPF_IF_MATCH, BODY_DOC,
		&feature_fields, &feature_fields, .errors = errs_change},
	{EP_FEATURE_DELETE, CFG, HTTP_DELETE, FEATURE, "feature_delete", N_("Delete a feature"),
		MAY_OPERATE, EPF_IDEMPOTENT | EPF_IF_MATCH, .errors = errs_act},
	{EP_FEATURE_REVISIONS, CFG, .path = FEATURE "/revisions", .name = "feature_revisions",
		READS, .list = true, .may = MAY_VIEW, .answer = &revision_fields,
		.errors = errs_get, .summary = N_("List a feature's stored revisions")},
	{EP_FEATURE_ROLLBACK, CFG, HTTP_POST, FEATURE "/rollback", "feature_rollback",
		N_("Go back to an earlier revision"), MAY_OPERATE,
		EPF_IF_MATCH | EPF_IDEMPOTENCY_KEY, BODY_DOC, &rollback_fields, &feature_fields,
		.errors = errs_change},
	{EP_REVISIONS, CFG, .path = "/api/v1/revisions", .name = "revisions", READS, .list = true,
		.may = MAY_VIEW, .answer = &change_fields, .params = paged, .errors = errs_page,
		.summary = N_("List revisions of the whole configuration")},
	{EP_WATCH, CFG, HTTP_GET, "/api/v1/watch", "watch",
		N_("Wait for a change; answers at once when behind"), MAY_VIEW,
		EPF_IDEMPOTENT | EPF_LONG, .params = watch_params},
	{EP_CHANGE_LIST, CFG, .path = "/api/v1/changes", .name = "change_list", READS, .list = true,
		.may = MAY_VIEW, .answer = &change_fields, .params = paged, .errors = errs_page,
		.summary = N_("Who changed what, newest first")},
	{EP_CHANGE_GET, CFG, .path = "/api/v1/changes/{id}", .name = "change_get", READS,
		.may = MAY_VIEW, .answer = &change_fields, .errors = errs_decision,
		.summary = N_("One change, with what stood before it")},
	{EP_CHANGE_UNDO, CFG, HTTP_POST, "/api/v1/changes/{id}/undo", "change_undo",
		N_("Lead back to what stood before a change, while nothing came on top of it"),
		MAY_OPERATE, EPF_IDEMPOTENCY_KEY, BODY_DOC, &nothing_fields, &change_fields,
		.errors = errs_undo},
	{EP_APPLY, CFG, HTTP_POST, "/api/v1/apply", "apply",
		N_("Make documents what they say, all or none"), MAY_OPERATE,
		EPF_IDEMPOTENT | EPF_IF_MATCH | EPF_IDEMPOTENCY_KEY, BODY_APPLY, NULL,
		&apply_fields, .params = apply_params, .errors = errs_apply},
	{EP_EXPORT, CFG, .path = "/api/v1/export", .name = "export", READS, .may = MAY_VIEW,
		.answer = &export_fields, .params = export_params,
		.summary = N_("The configuration as documents that apply takes, without secrets")},

	{EP_KEY_LIST, KEYS, .path = "/api/v1/keys", .name = "key_list", LISTS, .may = MAY_VIEW,
		.answer = &key_view_fields, .params = key_list_params,
		.summary = N_("List vendor keys, masked")},
	{EP_KEY_CREATE, KEYS, HTTP_POST, "/api/v1/keys", "key_create", N_("Add a vendor key"),
		MAY_OPERATE, EPF_IDEMPOTENCY_KEY, BODY_DOC, &key_fields, &key_view_fields,
		.errors = errs_doc},
	{EP_KEY_GET, KEYS, .path = KEY, .name = "key_get", GETS, .may = MAY_VIEW,
		.answer = &key_view_fields, .errors = errs_get,
		.summary = N_("Show a vendor key, masked")},
	{EP_KEY_PATCH, KEYS, HTTP_PATCH, KEY, "key_patch", N_("Change members of a vendor key"),
		MAY_OPERATE, EPF_IF_MATCH, BODY_DOC, &key_fields, &key_view_fields,
		.errors = errs_change},
	{EP_KEY_DELETE, KEYS, HTTP_DELETE, KEY, "key_delete", N_("Delete a vendor key"),
		MAY_OPERATE, EPF_IDEMPOTENT | EPF_IF_MATCH, .errors = errs_act},
	{EP_KEY_TEST, KEYS, HTTP_POST, KEY "/test", "key_test",
		N_("Try a stored key at its vendor"), MAY_OPERATE, EPF_LONG | EPF_IDEMPOTENCY_KEY,
		BODY_DOC, &nothing_fields, &keytest_fields, .errors = errs_test},
	{EP_KEY_ROTATE, KEYS, HTTP_POST, KEY "/rotate", "key_rotate",
		N_("Replace the secret of a key"), MAY_OPERATE, EPF_IF_MATCH | EPF_IDEMPOTENCY_KEY,
		BODY_DOC, &rotate_fields, &key_view_fields, .errors = errs_change},
	{EP_KEY_ENABLE, KEYS, HTTP_POST, KEY "/enable", "key_enable", N_("Enable a key"),
		MAY_OPERATE, EPF_ACT, BODY_DOC, &nothing_fields, &key_view_fields,
		.errors = errs_act},
	{EP_KEY_DISABLE, KEYS, HTTP_POST, KEY "/disable", "key_disable", N_("Disable a key"),
		MAY_OPERATE, EPF_ACT, BODY_DOC, &nothing_fields, &key_view_fields,
		.errors = errs_act},
	{EP_KEY_TEST_NEW, KEYS, HTTP_POST, "/api/v1/keys/test", "key_test_new",
		N_("Try a key that is not saved yet; stores nothing"), MAY_OPERATE,
		EPF_LONG | EPF_IDEMPOTENCY_KEY, BODY_DOC, &key_fields, &keytest_fields,
		.errors = errs_test},
	{EP_KEY_FINGERPRINT, KEYS, HTTP_POST, "/api/v1/keys/fingerprint", "key_fingerprint",
		N_("Fingerprint of a key, and whether it is known; stores nothing"), MAY_OPERATE,
		EPF_IDEMPOTENT, BODY_DOC, &key_fields, .errors = errs_test},
	{EP_VENDOR_LIST, KEYS, .path = "/api/v1/vendors", .name = "vendor_list", LISTS,
		.may = MAY_VIEW, .answer = &vendor_fields,
		.summary = N_("List known vendors, services and engines")},
	{EP_AUDIT_LIST, KEYS, .path = "/api/v1/audit", .name = "audit_list", READS, .list = true,
		.may = MAY_OPERATE, .answer = &audit_fields, .params = paged, .errors = errs_page,
		.summary = N_("The audit log, newest first")},
	{EP_AUDIT_VERIFY, KEYS, .path = "/api/v1/audit/verify", .name = "audit_verify", READS,
		.may = MAY_OPERATE, .answer = &audit_verify_fields,
		.summary = N_("Whether every row of the audit log is as it was written")},
	{EP_CLIENT_LIST, KEYS, .path = "/api/v1/clients", .name = "client_list", LISTS,
		.may = MAY_VIEW, .answer = &client_view_fields,
		.summary = N_("List the clients of the model traffic")},
	{EP_CLIENT_CREATE, KEYS, HTTP_POST, "/api/v1/clients", "client_create",
		N_("Add a client; the answer has its key, this once"), MAY_OPERATE,
		EPF_IDEMPOTENCY_KEY, BODY_DOC, &client_fields, &client_view_fields,
		.errors = errs_caller},
	{EP_CLIENT_GET, KEYS, .path = CLIENT, .name = "client_get", GETS, .may = MAY_VIEW,
		.answer = &client_view_fields, .errors = errs_get,
		.summary = N_("Show a client, its limits and what it spent")},
	{EP_CLIENT_PATCH, KEYS, HTTP_PATCH, CLIENT, "client_patch",
		N_("Change members of a client"), MAY_OPERATE, EPF_IF_MATCH, BODY_DOC,
		&client_fields, &client_view_fields, .errors = errs_change},
	{EP_CLIENT_DELETE, KEYS, HTTP_DELETE, CLIENT, "client_delete",
		N_("Delete a client; its key ends at once"), MAY_OPERATE,
		EPF_IDEMPOTENT | EPF_IF_MATCH, .errors = errs_act},
	{EP_CLIENT_POLICY_GET, KEYS, .path = "/api/v1/clients/policy", .name = "client_policy_get",
		GETS, .may = MAY_VIEW, .answer = &client_policy_fields,
		.summary = N_("Whether callers of the model traffic need a client's key")},
	{EP_CLIENT_POLICY_PUT, KEYS, HTTP_PUT, "/api/v1/clients/policy", "client_policy_put",
		N_("Say whether callers of the model traffic need a client's key"), MAY_ADMIN,
		EPF_IDEMPOTENT | EPF_IF_MATCH, BODY_DOC, &client_policy_fields,
		&client_policy_fields, .errors = errs_policy},
	{EP_TOKEN_LIST, KEYS, .path = "/api/v1/tokens", .name = "token_list", LISTS,
		.may = MAY_VIEW, .answer = &token_view_fields,
		.summary = N_("List the tokens of the platform APIs")},
	{EP_TOKEN_CREATE, KEYS, HTTP_POST, "/api/v1/tokens", "token_create",
		N_("Make a token; the answer has it, this once"), MAY_OPERATE, EPF_IDEMPOTENCY_KEY,
		BODY_DOC, &token_fields, &token_view_fields, .errors = errs_caller},
	{EP_TOKEN_GET, KEYS, .path = TOKEN, .name = "token_get", GETS, .may = MAY_VIEW,
		.answer = &token_view_fields, .errors = errs_get, .summary = N_("Show a token")},
	{EP_TOKEN_DELETE, KEYS, HTTP_DELETE, TOKEN, "token_delete", N_("Revoke a token at once"),
		MAY_OPERATE, EPF_IDEMPOTENT | EPF_IF_MATCH, .errors = errs_revoke},
	{EP_PRICE_LIST, KEYS, .path = "/api/v1/prices", .name = "price_list", LISTS,
		.may = MAY_VIEW, .answer = &price_fields, .params = price_list_params,
		.errors = errs_page, .summary = N_("What models cost")},
	{EP_PRICE_IMPORT, KEYS, HTTP_POST, "/api/v1/prices", "price_import",
		N_("Import prices: documents of ours, LiteLLM's list, Portkey's"), MAY_OPERATE,
		EPF_IDEMPOTENCY_KEY, BODY_APPLY, NULL, &price_import_fields,
		.params = price_import_params, .errors = errs_doc},

	{EP_SERVICE_LIST, REG, .path = "/api/v1/services", .name = "service_list", LISTS,
		.may = MAY_VIEW, .answer = &service_fields,
		.summary = N_("List services: the platform's own and the registered ones")},
	{EP_SERVICE_CREATE, REG, HTTP_POST, "/api/v1/services", "service_create",
		N_("Register an instance; the body names service and id"), MAY_REGISTER,
		EPF_IDEMPOTENCY_KEY, BODY_DOC, &instance_fields, &instance_view_fields,
		.errors = errs_instance},
	{EP_SERVICE_GET, REG, .path = "/api/v1/services/{service}", .name = "service_get", GETS,
		.may = MAY_VIEW, .answer = &service_fields, .errors = errs_get,
		.summary = N_("Show a service and its instances")},
	{EP_INSTANCE_PUT, REG, HTTP_PUT, INSTANCE, "instance_put",
		N_("Register or replace an instance"), MAY_REGISTER, EPF_IDEMPOTENT | EPF_IF_MATCH,
		BODY_DOC, &instance_fields, &instance_view_fields, .errors = errs_instance},
	{EP_INSTANCE_GET, REG, .path = INSTANCE, .name = "instance_get", GETS, .may = MAY_VIEW,
		.answer = &instance_view_fields, .errors = errs_get,
		.summary = N_("Show an instance")},
	{EP_INSTANCE_DELETE, REG, HTTP_DELETE, INSTANCE, "instance_delete",
		N_("Remove an instance"), MAY_REGISTER, EPF_IDEMPOTENT | EPF_IF_MATCH,
		.errors = errs_act},
	{EP_INSTANCE_HEARTBEAT, REG, HTTP_POST, INSTANCE "/heartbeat", "instance_heartbeat",
		N_("Tell that an instance lives"), MAY_REGISTER, EPF_IDEMPOTENT, BODY_DOC, NULL,
		&instance_view_fields, .errors = errs_get},
	{EP_INSTANCE_DRAIN, REG, HTTP_POST, INSTANCE "/drain", "instance_drain",
		N_("Take an instance out for new requests"), MAY_OPERATE, EPF_ACT, BODY_DOC,
		&nothing_fields, &instance_view_fields, .errors = errs_act},
	{EP_INSTANCE_UNDRAIN, REG, HTTP_POST, INSTANCE "/undrain", "instance_undrain",
		N_("Put an instance back"), MAY_OPERATE, EPF_ACT, BODY_DOC, &nothing_fields,
		&instance_view_fields, .errors = errs_act},
	{EP_INSTANCE_CHECK, REG, HTTP_POST, INSTANCE "/check", "instance_check",
		N_("Probe an instance now"), MAY_OPERATE, EPF_LONG, BODY_DOC, &nothing_fields,
		&instance_view_fields, .errors = errs_check},

	{EP_ROUTE_DECIDE, ROUT, HTTP_POST, "/api/v1/route/{feature}", "route_decide",
		N_("Explain a decision; runs nothing, bills nothing"), MAY_VIEW,
		EPF_IDEMPOTENT | EPF_NAMES, BODY_DOC, NULL, &decision_fields, .errors = errs_route},
	{EP_ROUTE_LIST, ROUT, .path = "/api/v1/routes", .name = "route_list", LISTS,
		.may = MAY_VIEW, .answer = &route_fields, .summary = N_("The live route table")},
	{EP_ROUTE_GET, ROUT, .path = "/api/v1/routes/{feature}", .name = "route_get",
		.method = HTTP_GET, .flags = EPF_IDEMPOTENT | EPF_NAMES, .list = true,
		.may = MAY_VIEW, .answer = &route_fields, .errors = errs_get,
		.summary = N_("The live routes of a feature")},
	{EP_ROUTE_PATCH, ROUT, HTTP_PATCH, "/api/v1/routes/{feature}/{target…}", "route_patch",
		N_("Override weight or drain a target for a time"), MAY_OPERATE, 0, BODY_DOC,
		&route_patch_fields, &route_fields, .list = true, .params = route_patch_params,
		.errors = errs_change},
	{EP_DECISION_LIST, ROUT, .path = "/api/v1/decisions", .name = "decision_list", LISTS,
		.may = MAY_VIEW, .answer = &decision_fields, .params = decision_list_params,
		.errors = errs_page, .summary = N_("Recent decisions that were kept")},
	{EP_DECISION_GET, ROUT, .path = "/api/v1/decisions/{id}", .name = "decision_get", GETS,
		.may = MAY_VIEW, .answer = &decision_fields, .errors = errs_decision,
		.summary = N_("Show a decision record")},

	{EP_STATUS, GW, .path = "/api/v1/status", .name = "status", GETS, .may = MAY_VIEW,
		.answer = &status_fields,
		.summary = N_("All the dashboard needs in one call; 304 when unchanged")},
	{EP_EVENTS, GW, HTTP_GET, "/api/v1/events", "events",
		N_("Traffic, health, key and config events as they come"), MAY_VIEW,
		EPF_IDEMPOTENT | EPF_STREAM | EPF_LONG, .answer = &event_fields, .list = true,
		.params = event_params},
	{EP_USAGE, GW, .path = "/api/v1/usage", .name = "usage", READS, .list = true,
		.may = MAY_VIEW, .answer = &usage_fields, .params = usage_params,
		.errors = errs_page,
		.summary = N_("Requests, tokens, images and cost, by who used what")},
	{EP_SERIES, GW, .path = "/api/v1/metrics/series", .name = "series", GETS, .may = MAY_VIEW,
		.params = series_params, .summary = N_("The agent's own figures over time")},
	{EP_ALERT_LIST, GW, .path = "/api/v1/alerts", .name = "alert_list", READS, .list = true,
		.may = MAY_VIEW, .answer = &alert_fields, .params = alert_list_params,
		.errors = errs_page,
		.summary = N_("Alerts under way, then those that resolved, newest first")},
	{EP_ALERT_GET, GW, .path = "/api/v1/alerts/{id}", .name = "alert_get", READS,
		.may = MAY_VIEW, .answer = &alert_fields, .errors = errs_get,
		.summary = N_("Show an alert")},
	{EP_ALERT_ACK, GW, HTTP_POST, "/api/v1/alerts/{id}/ack", "alert_ack",
		N_("Say that somebody sees to an alert"), MAY_OPERATE, EPF_IDEMPOTENT, BODY_DOC,
		&alert_ack_fields, &alert_fields, .errors = errs_ack},
	{EP_ALERT_RULE_LIST, GW, .path = "/api/v1/alerts/rules", .name = "alert_rule_list", LISTS,
		.may = MAY_VIEW, .answer = &alert_rule_fields, .summary = N_("List alert rules")},
	{EP_ALERT_RULE_CREATE, GW, HTTP_POST, "/api/v1/alerts/rules", "alert_rule_create",
		N_("Create an alert rule"), MAY_OPERATE, EPF_IDEMPOTENCY_KEY, BODY_DOC,
		&alert_rule_fields, &alert_rule_fields, .errors = errs_doc},
	{EP_ALERT_RULE_GET, GW, .path = RULE, .name = "alert_rule_get", GETS, .may = MAY_VIEW,
		.answer = &alert_rule_fields, .errors = errs_get,
		.summary = N_("Show an alert rule")},
	{EP_ALERT_RULE_PATCH, GW, HTTP_PATCH, RULE, "alert_rule_patch",
		N_("Change members of an alert rule"), MAY_OPERATE, EPF_IF_MATCH, BODY_DOC,
		&alert_rule_fields, &alert_rule_fields, .errors = errs_change},
	{EP_ALERT_RULE_DELETE, GW, HTTP_DELETE, RULE, "alert_rule_delete",
		N_("Delete an alert rule; a built-in one goes back to its default"), MAY_OPERATE,
		EPF_IDEMPOTENT | EPF_IF_MATCH, .errors = errs_rule},
	{EP_INVOKE, GW, .path = "/api/v1/invoke/{feature}", .name = "invoke", CALLS,
		.flags = EPF_STREAM | EPF_STORED | EPF_NAMES, .body = BODY_IMAGE,
		.summary = N_("Call a feature; body and answer as its endpoint has them")},
	{EP_TASK_LIST, GW, .path = "/api/v1/tasks", .name = "task_list", READS, .list = true,
		.may = MAY_VIEW, .answer = &task_fields, .params = task_list_params,
		.errors = errs_page, .summary = N_("Image tasks, newest first")},
	{EP_TASK_GET, GW, .path = TASK, .name = "task_get", READS, .may = MAY_VIEW,
		.answer = &task_fields, .errors = errs_task, .summary = N_("Show an image task")},
	{EP_TASK_CANCEL, GW, HTTP_DELETE, TASK, "task_cancel",
		N_("Cancel an image task, as long as its upstream has not begun"), MAY_OPERATE,
		EPF_LONG, .answer = &task_fields, .errors = errs_task},

	{EP_CHAT, GW, .path = "/v1/chat/completions", .name = "chat", CALLS,
		.flags = EPF_STREAM | EPF_BARE_PREFIX, .body = BODY_CHAT,
		.summary = N_("Chat completion, JSON or SSE")},
	{EP_MESSAGES, GW, .path = "/v1/messages", .name = "messages", CALLS,
		.flags = EPF_STREAM | EPF_BARE_PREFIX | EPF_ANTHROPIC, .body = BODY_CHAT,
		.summary = N_("Chat as Anthropic's Messages, JSON or SSE")},
	{EP_COUNT_TOKENS, GW, .path = "/v1/messages/count_tokens", .name = "count_tokens", CALLS,
		.flags = EPF_BARE_PREFIX | EPF_ANTHROPIC, .body = BODY_CHAT,
		.summary = N_("Count a message's tokens, or estimate them; nothing is charged")},
	{EP_RESPONSES, GW, .path = "/v1/responses", .name = "responses", CALLS,
		.flags = EPF_STREAM | EPF_BARE_PREFIX, .body = BODY_CHAT,
		.summary = N_("Create a response, JSON or SSE")},
	{EP_COMPLETIONS, GW, .path = "/v1/completions", .name = "completions", CALLS,
		.flags = EPF_STREAM | EPF_BARE_PREFIX, .body = BODY_CHAT,
		.summary = N_("Text completion, JSON or SSE")},
	{EP_EMBEDDINGS, GW, .path = "/v1/embeddings", .name = "embeddings", CALLS,
		.flags = EPF_BARE_PREFIX, .body = BODY_CHAT, .summary = N_("Embeddings")},
	{EP_SPEECH, GW, .path = "/v1/audio/speech", .name = "speech", CALLS,
		.flags = EPF_STREAM | EPF_BARE_PREFIX, .body = BODY_CHAT,
		.summary = N_("Speak a text: bytes as they come, or SSE")},
	{EP_TRANSCRIPTIONS, GW, .path = "/v1/audio/transcriptions", .name = "transcriptions", CALLS,
		.flags = EPF_STREAM | EPF_BARE_PREFIX, .body = BODY_IMAGE,
		.summary = N_("Write down speech: a form, answered by JSON, text or SSE")},
	{EP_MODERATIONS, GW, .path = "/v1/moderations", .name = "moderations", CALLS,
		.flags = EPF_BARE_PREFIX, .body = BODY_CHAT,
		.summary = N_("Judge texts and images")},
	{EP_RERANK, GW, .path = "/v1/rerank", .name = "rerank", CALLS, .flags = EPF_BARE_PREFIX,
		.body = BODY_CHAT, .summary = N_("Order documents by how they answer a query")},
	{EP_IMAGES, GW, .path = "/v1/images/generations", .name = "images", CALLS,
		.flags = EPF_STREAM | EPF_STORED | EPF_BARE_PREFIX, .body = BODY_IMAGE,
		.summary = N_("Make images: JSON or SSE")},
	{EP_IMAGE_EDITS, GW, .path = "/v1/images/edits", .name = "image_edits", CALLS,
		.flags = EPF_STREAM | EPF_STORED | EPF_BARE_PREFIX, .body = BODY_IMAGE,
		.summary = N_("Make images out of others: JSON or SSE")},
	{EP_IMAGE_TASK, GW, HTTP_GET, "/v1/images/tasks/{id}", "image_task",
		N_("How far an image task of one's own is, and its images"), MAY_CALL,
		EPF_IDEMPOTENT | EPF_STORED | EPF_BARE_PREFIX, .errors = errs_task},
	{EP_MODEL_LIST, GW, HTTP_GET, "/v1/models", "model_list", N_("List what can be called"),
		MAY_CALL, EPF_IDEMPOTENT | EPF_BARE_PREFIX, .errors = errs_model},
	{EP_MODEL_GET, GW, HTTP_GET, "/v1/models/{model…}", "model_get", N_("Show one of them"),
		MAY_CALL, EPF_IDEMPOTENT | EPF_BARE_PREFIX | EPF_NAMES, .errors = errs_model},
};
_Static_assert(ARRAY_LEN(rows) == EP_COUNT, "one row per endpoint");

const struct endpoint *endpoint_row(enum endpoint_id id)
{
	return &rows[id];
}

const struct endpoint *endpoints_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

const struct service_row *service_row(enum service_id id)
{
	return &services[id];
}

const struct body_limit *body_limit(enum body_class c)
{
	return &limits[c];
}

const enum err_code *endpoint_common_errors(const struct endpoint *ep, bool identity)
{
	if (!identity)
		return common_errors;
	if (ep->may == MAY_CALL)
		return client_errors;
	return ep->may == MAY_ANY ? common_errors + ARRAY_LEN(common_errors) - 1 : identity_errors;
}

enum role role_of(enum token_role r)
{
	static const enum role roles[] = {[TOKEN_VIEWER] = ROLE_VIEWER,
		[TOKEN_OPERATOR] = ROLE_OPERATOR,
		[TOKEN_SERVICE] = ROLE_SERVICE,
		[TOKEN_ADMIN] = ROLE_ADMIN};
	return roles[r];
}

bool role_covers(enum role outer, enum role inner)
{
	static const unsigned sets[] = {MAY_VIEW, MAY_OPERATE, MAY_REGISTER, MAY_ADMIN};
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		if ((sets[i] & ROLE_BIT(inner)) && !(sets[i] & ROLE_BIT(outer)))
			return false;
	return true;
}

const char *endpoint_scope(const struct endpoint *ep, bool *ret_write)
{
	struct slice path = slice_of(ep->path);
	*ret_write = ep->method != HTTP_GET && !(ep->may & ROLE_BIT(ROLE_VIEWER));
	if (!slice_starts(path, "/api/v1/"))
		return NULL;
	path = (struct slice){path.p + 8, path.n - 8};
	return scope_noun(slice_cut(&path, '/'));
}
