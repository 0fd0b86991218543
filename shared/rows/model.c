// SPDX-License-Identifier: MIT
// The documents operators write and read (features, keys, instances, prices and the answers around
// them), member by member.
#include "shared/rows/model.h"

#include "shared/num.h"
#include "shared/rows/model_rows.h"
#include "shared/text.h"

const char *const tier_names[] = {"primary", "secondary", "backup", NULL};
const char *const strategy_names[] = {
	"priority", "weighted", "round_robin", "least_inflight", "latency", "cost", NULL};
const char *const all_down_names[] = {"fail_fast", "least_bad", "wait", NULL};
const char *const data_policy_names[] = {"any", "local_only", NULL};
const char *const affinity_names[] = {"none", "session", NULL};
const char *const instance_auth_names[] = {"none", "bearer", "basic", "header", NULL};
const char *const need_names[] = {"stream", "tools", "n", "response_format", "token_input", NULL};
const char *const target_kind_names[] = {"vendor", "self_hosted", NULL};
const char *const health_names[] = {"unknown", "passing", "warning", "critical", NULL};
const char *const role_names[] = {"none", "viewer", "operator", "service", "admin", NULL};

static const struct field target_fields_rows[] = {
	{AT(target, id), .type = FT_STR, .charset = FC_REF, .max = REF_MAX, .min = 1,
		.flags = FF_COLUMN,
		.help = N_("unique in its feature; vendor/service when left out")},
	{AT(target, kind), .type = FT_ENUM, .choices = target_kind_names, .flags = FF_COLUMN,
		.help = N_("a vendor's API or instances of your own")},
	{AT(target, vendor), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,
		.flags = FF_OMIT_UNSET | FF_COLUMN, .help = N_("vendor in the catalogue")},
	{AT(target, service), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,
		.flags = FF_REQUIRED | FF_COLUMN,
		.help = N_("the vendor's service, or the registry's")},
	{AT(target, order), .type = FT_INT, .min = 0, .max = 1000, .def = FIELD_NONE,
		.flags = FF_COLUMN,
		.help = N_("tried in ascending order; self-hosted 0, vendors 1")},
	{AT(target, weight), .type = FT_INT, .min = 0, .max = 1000000, .def = 1, .flags = FF_COLUMN,
		.help = N_("share among equals; 0 takes none")},
	{AT(target, enabled), .type = FT_BOOL, .def = 1, .flags = FF_COLUMN,
		.help = N_("whether routes may use it")},
	{AT(target, upstream_model), .type = FT_STR, .charset = FC_NAME, .min = 1, .max = 256,
		.flags = FF_NULLABLE | FF_COLUMN,
		.help = N_("model id sent upstream; the caller's when unset")},
	{AT(target, protocol), .type = FT_ENUM, .choices = protocol_names, .def = -1,
		.flags = FF_OMIT_UNSET, .help = N_("wire protocol; the catalogue's when unset")},
	{AT(target, params), .type = FT_JSON, .flags = FF_OMIT_UNSET,
		.help = N_("fields set on every request to this target")},
	{AT(target, drop_params), .type = FT_STRV, .charset = FC_NAME, .min = 1, .max = 64,
		.flags = FF_OMIT_UNSET, .help = N_("request fields this target does not take")},
	{AT(target, space), .type = FT_STR, .charset = FC_NAME, .min = 1, .max = 256,
		.flags = FF_NULLABLE | FF_OMIT_UNSET,
		.help = N_("space of its embeddings; its upstream_model's when unset")},
	{AT(target, context_window), .type = FT_INT, .min = 1, .max = 1000000000, .def = FIELD_NONE,
		.flags = FF_NULLABLE | FF_OMIT_UNSET,
		.help = N_("tokens its model takes; as its server says when unset")},
	{AT(target, sizes), .type = FT_STRV, .charset = FC_NAME, .min = 3, .max = 11,
		.flags = FF_OMIT_UNSET,
		.help = N_("picture sizes it makes, WIDTHxHEIGHT; empty: any")},
	{AT(target, lacks), .type = FT_STRV, .choices = need_names, .flags = FF_OMIT_UNSET,
		.help = N_("what it cannot do: stream, tools, n, response_format, token_input")},
	{AT(target, force_upstream_stream), .type = FT_BOOL, .def = 0, .flags = FF_OMIT_UNSET,
		.help = N_("its model only streams: answers are folded for callers that do not")},
};
const struct field_set target_fields = {
	"Target", target_fields_rows, ARRAY_LEN(target_fields_rows), sizeof(struct target)};

static const char *const window_names[] = {"day", "month", "total", NULL};

static const struct field budget_fields_rows[] = {
	{AT(budget, amount_pico), .type = FT_INT, .min = 0, .max = INT64_MAX, .def = FIELD_NONE,
		.flags = FF_OMIT_UNSET | FF_NULLABLE,
		.help = N_("what may be spent in a window, in pico of the currency")},
	{AT(budget, currency), .type = FT_STR, .charset = FC_CURRENCY, .min = 3, .max = 3,
		.flags = FF_OMIT_UNSET | FF_NULLABLE, .help = N_("ISO 4217 code; USD when unset")},
	{AT(budget, window), .type = FT_ENUM, .choices = window_names, .def = BUDGET_MONTH,
		.help = N_("day or month (UTC), or total")},
};
const struct field_set budget_fields = {
	"Budget", budget_fields_rows, ARRAY_LEN(budget_fields_rows), sizeof(struct budget)};

#define FEATURE_SUB(part, m)                                                                       \
	.name = #m,                                                                                \
	.offset = (uint32_t)(offsetof(struct feature, part.m) - offsetof(struct feature, part))

static const struct field limits_rows[] = {
	{FEATURE_SUB(limits, max_n), .type = FT_INT, .min = 1, .max = 128, .def = FIELD_NONE,
		.help = N_("most answers per request")},
	{FEATURE_SUB(limits, max_prompt_chars), .type = FT_INT, .min = 1, .max = 100000000,
		.def = FIELD_NONE, .help = N_("longest prompt in characters")},
	{FEATURE_SUB(limits, max_body_bytes), .type = FT_INT, .min = 1024, .max = 52428800,
		.def = FIELD_NONE, .unit = "B", .help = N_("largest request body")},
	{FEATURE_SUB(limits, rpm), .type = FT_INT, .min = 1, .max = 1000000, .def = FIELD_NONE,
		.help = N_("requests per minute of all callers together")},
	{FEATURE_SUB(limits, tpm), .type = FT_INT, .min = 1, .max = 1000000000, .def = FIELD_NONE,
		.help = N_("tokens per minute of all callers together")},
	{FEATURE_SUB(limits, concurrency), .type = FT_INT, .min = 1, .max = 100000,
		.def = FIELD_NONE, .help = N_("requests at once")},
	{FEATURE_SUB(limits, budget), .type = FT_OBJ, .sub = &budget_fields,
		.help = N_("what the feature may spend")},
};
static const struct field_set limits_fields = {
	"FeatureLimits", limits_rows, ARRAY_LEN(limits_rows), 0};

#define DEADLINE(m, d, text)                                                                       \
	{FEATURE_SUB(timeouts, m), .type = FT_INT, .min = 10, .max = 3600000, .def = d,            \
		.unit = "ms", .help = text}
static const struct field timeouts_rows[] = {
	DEADLINE(connect_ms, 3000, N_("longest wait for a connection")),
	DEADLINE(first_byte_ms, FEATURE_FIRST_BYTE_MS,
		N_("longest wait of an attempt for a whole answer, or for a stream's first event")),
	DEADLINE(idle_ms, 60000,
		N_("longest silence of a stream, from its request on; pings and comments end it")),
	DEADLINE(total_ms, FEATURE_TOTAL_MS,
		N_("longest time for all attempts together, of a stream until it has begun; while another"
		   " target may be asked, an attempt that says nothing uses up half of what is left")),
	{FEATURE_SUB(timeouts, stream_total_ms), .type = FT_INT, .min = 10, .max = 86400000,
		.def = 3600000, .unit = "ms",
		.help = N_("longest life of a stream that has begun")},
};
static const struct field_set timeouts_fields = {
	"FeatureTimeouts", timeouts_rows, ARRAY_LEN(timeouts_rows), 0};

static const struct field retry_rows[] = {
	{FEATURE_SUB(retry, max_attempts), .type = FT_INT, .min = 1, .max = 16, .def = 3,
		.help = N_("most upstream calls for one request")},
	{FEATURE_SUB(retry, per_target), .type = FT_INT, .min = 1, .max = 4, .def = 1,
		.help = N_(
			"most calls of one candidate for one request; further ones are at most a tenth"
			" of the first")},
	{FEATURE_SUB(retry, honour_retry_after_max_s), .type = FT_INT, .min = 0,
		.max = COOLDOWN_MAX_S, .def = 300, .unit = "s",
		.help = N_("longest cooldown a Retry-After may ask for")},
};
static const struct field_set retry_fields = {"FeatureRetry", retry_rows, ARRAY_LEN(retry_rows), 0};

static const struct field cooldown_rows[] = {
	{FEATURE_SUB(cooldown, fails), .type = FT_INT, .min = 1, .max = 1000, .def = 3,
		.help = N_("failures that open the breaker")},
	{FEATURE_SUB(cooldown, window_s), .type = FT_INT, .min = 1, .max = 3600, .def = 60,
		.unit = "s", .help = N_("time in which they are counted")},
	{FEATURE_SUB(cooldown, for_s), .type = FT_INT, .min = 1, .max = 3600, .def = 30,
		.unit = "s", .help = N_("how long the breaker stays open")},
};
static const struct field_set cooldown_fields = {
	"FeatureCooldown", cooldown_rows, ARRAY_LEN(cooldown_rows), 0};

static const struct field feature_fields_rows[] = {
	{AT(feature, name), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,
		.flags = FF_REQUIRED | FF_COLUMN | FF_IMMUTABLE,
		.help = N_("name in URLs and models")},
	{AT(feature, display_name), .type = FT_STR, .charset = FC_NAME, .min = 1,
		.max = NAME_MAX_CP, .flags = FF_NULLABLE | FF_WIDE | FF_FORM,
		.help = N_("name shown to people")},
	{AT(feature, description), .type = FT_STR, .max = 2000, .flags = FF_NULLABLE | FF_FORM,
		.help = N_("what it is for")},
	{AT(feature, enabled), .type = FT_BOOL, .def = 1, .flags = FF_COLUMN | FF_FORM,
		.help = N_("whether requests are taken")},
	{AT(feature, endpoint), .type = FT_ENUM, .choices = offer_names,
		.flags = FF_COLUMN | FF_FORM, .help = N_("kind of request it answers")},
	{AT(feature, aliases), .type = FT_STRV, .charset = FC_NAME, .min = 1, .max = NAME_MAX_CP,
		.flags = FF_WIDE | FF_FORM,
		.help = N_("further model names that mean this feature")},
	{AT(feature, defaults), .type = FT_JSON, .flags = FF_OMIT_UNSET,
		.help = N_("request fields used when the caller leaves them out")},
	{AT(feature, limits), .type = FT_OBJ, .sub = &limits_fields,
		.help = N_("what is too much")},
	{AT(feature, timeouts), .type = FT_OBJ, .sub = &timeouts_fields, .help = N_("deadlines")},
	{AT(feature, retry), .type = FT_OBJ, .sub = &retry_fields, .help = N_("further attempts")},
	{AT(feature, cooldown), .type = FT_OBJ, .sub = &cooldown_fields, .help = N_("breaker")},
	{AT(feature, strategy), .type = FT_ENUM, .choices = strategy_names,
		.flags = FF_COLUMN | FF_FORM, .help = N_("choice among equals")},
	{AT(feature, all_down), .type = FT_ENUM, .choices = all_down_names,
		.flags = FF_WIDE | FF_FORM,
		.help = N_(
			"when every candidate is out: fail at once, try the least bad, or wait")},
	{AT(feature, wait_ms), .type = FT_INT, .min = 1, .max = 60000, .def = 2000, .unit = "ms",
		.flags = FF_FORM, .help = N_("longest wait for a candidate to return")},
	{AT(feature, data_policy), .type = FT_ENUM, .choices = data_policy_names,
		.flags = FF_WIDE | FF_FORM,
		.help = N_("local_only: requests never leave self-hosted targets")},
	{AT(feature, affinity), .type = FT_ENUM, .choices = affinity_names, .flags = FF_FORM,
		.help = N_("session: one session stays with one candidate among equals")},
	{AT(feature, pin_model), .type = FT_BOOL, .flags = FF_FORM,
		.help = N_("never fall back to another model's space; embeddings never do")},
	{AT(feature, regions), .type = FT_STRV, .charset = FC_NAME, .min = 1, .max = 64,
		.flags = FF_FORM | FF_OMIT_UNSET,
		.help = N_("regions whose vendor keys may be used; empty: any")},
	{AT(feature, force_upstream_stream), .type = FT_BOOL, .def = 0, .flags = FF_OMIT_UNSET,
		.help = N_("every target is called as a stream; folded for callers that do not")},
	{AT(feature, auto_join), .type = FT_BOOL, .def = 1, .flags = FF_WIDE | FF_FORM,
		.help = N_("registered instances join as self/SERVICE")},
	{AT(feature, targets), .type = FT_OBJV, .sub = &target_fields, .max = TARGETS_MAX,
		.flags = FF_COLUMN, .help = N_("where requests may go")},
	HOUSEKEEPING(feature),
};
const struct field_set feature_fields = {
	"Feature", feature_fields_rows, ARRAY_LEN(feature_fields_rows), sizeof(struct feature)};

#define KEY_SUB(m)                                                                                 \
	.name = #m,                                                                                \
	.offset = (uint32_t)(offsetof(struct vendor_key, limits.m) -                               \
		offsetof(struct vendor_key, limits))
static const struct field key_limits_rows[] = {
	{KEY_SUB(rpm), .type = FT_INT, .min = 1, .max = 1000000, .def = FIELD_NONE,
		.help = N_("requests per minute this key may carry")},
	{KEY_SUB(tpm), .type = FT_INT, .min = 1, .max = 1000000000, .def = FIELD_NONE,
		.help = N_("tokens per minute this key may carry")},
	{KEY_SUB(concurrency), .type = FT_INT, .min = 1, .max = 100000, .def = FIELD_NONE,
		.help = N_("requests at once this key may carry")},
};
static const struct field_set key_limits_fields = {
	"KeyLimits", key_limits_rows, ARRAY_LEN(key_limits_rows), 0};

#define KEY_ROWS                                                                                   \
	{AT(vendor_key, id), .type = FT_STR, .flags = FF_READONLY | FF_WIDE, .help = N_("key_…")}, \
		{AT(vendor_key, vendor), .type = FT_STR, .charset = FC_ID, .min = 1,               \
			.max = ID_MAX, .flags = FF_REQUIRED | FF_COLUMN | FF_IMMUTABLE,            \
			.help = N_("vendor in the catalogue")},                                    \
		{AT(vendor_key, service), .type = FT_STR, .charset = FC_ID, .min = 1,              \
			.max = ID_MAX, .flags = FF_COLUMN | FF_IMMUTABLE,                          \
			.help = N_("the vendor's service")},                                       \
		{AT(vendor_key, services), .type = FT_STRV, .charset = FC_ID, .min = 1,            \
			.max = ID_MAX, .flags = FF_OMIT_UNSET | FF_FORM,                           \
			.help = N_("several services instead of one")},                            \
		{AT(vendor_key, key_name), .type = FT_STR, .charset = FC_NAME, .min = 1,           \
			.max = NAME_MAX_CP, .flags = FF_REQUIRED | FF_COLUMN, .title = N_("NAME"), \
			.help = N_("name shown to people")},                                       \
		{AT(vendor_key, slug), .type = FT_STR, .flags = FF_READONLY | FF_WIDE,             \
			.help = N_("ASCII form of the name, for scripts")},                        \
		{AT(vendor_key, api_key), .type = FT_SECRET, .charset = FC_SECRET, .min = 1,       \
			.max = 512, .flags = FF_REQUIRED,                                          \
			.help = N_(                                                                \
				"the vendor's key; goes in, never comes out, and goes to another " \
				"base_url only when it is shown again, or by an admin")},          \
		{AT(vendor_key, api_key_masked), .type = FT_STR, .flags = FF_READONLY | FF_COLUMN, \
			.title = N_("SECRET"), .help = N_("prefix and last four characters")},     \
		{AT(vendor_key, fingerprint), .type = FT_STR, .flags = FF_READONLY | FF_COLUMN,    \
			.help = N_("keyed hash, to see whether two secrets are the same")},        \
		{AT(vendor_key, tier), .type = FT_ENUM, .choices = tier_names,                     \
			.flags = FF_COLUMN | FF_FORM, .help = N_("primary keys are used first")},  \
		{AT(vendor_key, weight), .type = FT_INT, .min = 0, .max = 1000000, .def = 1,       \
			.flags = FF_WIDE | FF_FORM, .help = N_("share among equals")},             \
		{AT(vendor_key, base_url), .type = FT_STR, .charset = FC_URL, .min = 1,            \
			.max = 2048, .flags = FF_NULLABLE | FF_OMIT_UNSET | FF_WIDE | FF_FORM,     \
			.help = N_("address instead of the catalogue's")},                         \
		{AT(vendor_key, region), .type = FT_STR, .charset = FC_NAME, .min = 1, .max = 64,  \
			.flags = FF_NULLABLE | FF_OMIT_UNSET | FF_WIDE | FF_FORM,                  \
			.help = N_("region the key is bound to")},                                 \
		{AT(vendor_key, account), .type = FT_STR, .charset = FC_NAME, .min = 1,            \
			.max = 128, .flags = FF_NULLABLE | FF_OMIT_UNSET | FF_WIDE | FF_FORM,      \
			.help = N_("account at the vendor")},                                      \
		{AT(vendor_key, currency), .type = FT_STR, .charset = FC_CURRENCY, .min = 3,       \
			.max = 3, .flags = FF_NULLABLE | FF_OMIT_UNSET | FF_WIDE | FF_FORM,        \
			.help = N_("currency its account is billed in: USD, CNY")},                \
		{AT(vendor_key, limits), .type = FT_OBJ, .sub = &key_limits_fields,                \
			.flags = FF_FORM, .help = N_("what the key may carry")},                   \
		{AT(vendor_key, budget), .type = FT_OBJ, .sub = &budget_fields, .flags = FF_FORM,  \
			.help = N_("what the key may spend")},                                     \
		{AT(vendor_key, enabled), .type = FT_BOOL, .def = 1, .flags = FF_WIDE | FF_FORM,   \
			.help = N_("whether routes may use it")},                                  \
		{AT(vendor_key, expires_at), .type = FT_TIME,                                      \
			.flags = FF_NULLABLE | FF_OMIT_UNSET | FF_WIDE | FF_FORM,                  \
			.help = N_("not used after this time")},                                   \
		{AT(vendor_key, note), .type = FT_STR, .charset = FC_NAME, .max = 1000,            \
			.flags = FF_NULLABLE | FF_OMIT_UNSET | FF_FORM,                            \
			.help = N_("free text for people")},                                       \
		{AT(vendor_key, rotated_at), .type = FT_TIME, .flags = FF_READONLY,                \
			.help = N_("when the secret was last replaced")},                          \
		HOUSEKEEPING(vendor_key)

static const struct field key_fields_rows[] = {KEY_ROWS};
const struct field_set key_fields = {
	"Key", key_fields_rows, ARRAY_LEN(key_fields_rows), sizeof(struct vendor_key)};

static const struct field key_view_rows[] = {
	KEY_ROWS,
	{SEEN_COL("state"), .type = FT_STR,
		.help = N_("ok, unknown (not used or tested yet), cooling, open, invalid, no_quota,"
			   " region_denied, drained, disabled, expired or sealed")},
	{SEEN_WIDE("joins"), .type = FT_STRV, .help = N_("features with a target it serves")},
	{SEEN_WIDE("state_reason"), .type = FT_STR, .help = N_("what put it into that state")},
	{SEEN_WIDE("state_until"), .type = FT_TIME, .help = N_("when it is tried again")},
	{SEEN_WIDE("inflight"), .type = FT_INT, .help = N_("requests it carries now")},
	{SEEN_WIDE("requests"), .type = FT_INT, .help = N_("requests since the agent started")},
	{SEEN_WIDE("failures"), .type = FT_INT, .help = N_("of them failed")},
	{SEEN_COL("last_used_at"), .type = FT_TIME, .title = N_("USED"),
		.help = N_("when a request last took it")},
	{SEEN_WIDE("probes_cost"), .type = FT_MONEY, .title = N_("CHECKS COST"),
		.help = N_("what checking it cost today (UTC)")},
	{SEEN("probes_paid"), .type = FT_INT, .help = N_("checks of today that may have cost")},
};
const struct field_set key_view_fields = {"KeyView", key_view_rows, ARRAY_LEN(key_view_rows), 0};

#define CHECK_AT(m) .name = #m, .offset = FIELD_AT(struct check, m)
static const struct field check_rows[] = {
	{CHECK_AT(path), .type = FT_STR, .charset = FC_PATH, .min = 1, .max = 512,
		.flags = FF_NULLABLE, .help = N_("path of the probe; the engine's when unset")},
	{CHECK_AT(interval_s), .type = FT_INT, .min = 1, .max = 3600, .def = 10, .unit = "s",
		.help = N_("time between probes")},
	{CHECK_AT(timeout_ms), .type = FT_INT, .min = 10, .max = 60000, .def = 2000, .unit = "ms",
		.help = N_("longest wait for a probe")},
	{CHECK_AT(fall), .type = FT_INT, .min = 1, .max = 100, .def = 3,
		.help = N_("failed probes in a row that make it critical")},
	{CHECK_AT(rise), .type = FT_INT, .min = 1, .max = 100, .def = 2,
		.help = N_("good probes in a row that make it passing again")},
};
static const struct field_set check_fields = {"Check", check_rows, ARRAY_LEN(check_rows), 0};

static const struct field capacity_rows[] = {
	{.name = "max_concurrency",
		.offset = 0,
		.type = FT_INT,
		.min = 1,
		.max = 100000,
		.def = FIELD_NONE,
		.help = N_("requests at once; the engine's when unset")},
};
static const struct field_set capacity_fields = {
	"Capacity", capacity_rows, ARRAY_LEN(capacity_rows), 0};

#define QUIRK(m) .name = #m, .offset = FIELD_AT(struct quirks, m)
static const struct field quirks_rows[] = {
	{QUIRK(embeddings_base64), .type = FT_BOOL, .def = 1,
		.help = N_("takes encoding_format; otherwise vectors are turned by the gateway")},
	{QUIRK(sends_done), .type = FT_BOOL, .def = 1,
		.help = N_("ends streams with [DONE]; otherwise with their last event")},
	{QUIRK(stream_options), .type = FT_BOOL, .def = 1,
		.help = N_("takes stream_options; otherwise it is never sent")},
	{QUIRK(error_shape), .type = FT_ENUM, .choices = error_shape_names,
		.help = N_("where its errors are read first")},
	{QUIRK(max_batch), .type = FT_INT, .min = 0, .max = 2048, .def = 0,
		.help = N_(
			"most inputs or documents per call, longer lists are split; 0 any number")},
};
static const struct field_set quirks_fields = {"Quirks", quirks_rows, ARRAY_LEN(quirks_rows), 0};

#define AUTH(m) .name = #m, .offset = FIELD_AT(struct instance_credential, m)
static const struct field auth_rows[] = {
	{AUTH(type), .type = FT_ENUM, .choices = instance_auth_names,
		.help = N_("what it asks for: none, bearer, basic (user:password) or header")},
	{AUTH(key), .type = FT_STR, .charset = FC_REF, .min = 1, .max = REF_MAX,
		.flags = FF_NULLABLE | FF_OMIT_UNSET,
		.help = N_("the key that holds it, ENGINE/local/NAME or id, of the same address")},
	{AUTH(header), .type = FT_STR, .charset = FC_SECRET, .min = 1, .max = 64,
		.flags = FF_NULLABLE | FF_OMIT_UNSET,
		.help = N_("name of the header, for the type header: X-Api-Key")},
};
static const struct field_set auth_fields = {"InstanceAuth", auth_rows, ARRAY_LEN(auth_rows), 0};

#define INSTANCE_ROWS                                                                                  \
	{AT(instance, service), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,             \
		.flags = FF_COLUMN | FF_IMMUTABLE, .help = N_("name of the service")},                 \
		{AT(instance, id), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,          \
			.flags = FF_COLUMN | FF_IMMUTABLE, .help = N_("unique in its service")},       \
		{AT(instance, display_name), .type = FT_STR, .charset = FC_NAME, .min = 1,             \
			.max = NAME_MAX_CP, .flags = FF_NULLABLE | FF_WIDE | FF_FORM,                  \
			.help = N_("name shown to people")},                                           \
		{AT(instance, url), .type = FT_STR, .charset = FC_URL, .min = 1, .max = 2048,          \
			.flags = FF_REQUIRED | FF_COLUMN | FF_FORM, .help = N_("base URL")},           \
		{AT(instance, engine), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,      \
			.flags = FF_COLUMN | FF_FORM, .help = N_("what runs there")},                  \
		{AT(instance, features), .type = FT_STRV, .charset = FC_ID, .min = 1,                  \
			.max = ID_MAX, .flags = FF_COLUMN, .help = N_("features it joins")},           \
		{AT(instance, models), .type = FT_STRV, .charset = FC_NAME, .min = 1, .max = 256,      \
			.flags = FF_WIDE | FF_FORM,                                                    \
			.help = N_("models it serves; empty: all that are asked")},                    \
		{AT(instance, sizes), .type = FT_STRV, .charset = FC_NAME, .min = 3, .max = 11,        \
			.flags = FF_FORM | FF_OMIT_UNSET,                                              \
			.help = N_("picture sizes it makes, WIDTHxHEIGHT; empty: any")},               \
		{AT(instance, lacks), .type = FT_STRV, .choices = need_names,                          \
			.flags = FF_FORM | FF_OMIT_UNSET,                                              \
			.help = N_(                                                                    \
				"what it cannot do: stream, tools, n, response_format, token_input")}, \
		{AT(instance, weight), .type = FT_INT, .min = 0, .max = 1000000, .def = 1,             \
			.flags = FF_WIDE | FF_FORM, .help = N_("share among equals")},                 \
		{AT(instance, zone), .type = FT_STR, .charset = FC_NAME, .min = 1, .max = 64,          \
			.flags = FF_NULLABLE | FF_OMIT_UNSET | FF_WIDE | FF_FORM,                      \
			.help = N_("place, for people")},                                              \
		{AT(instance, ttl_s), .type = FT_INT, .min = 1, .max = 86400, .def = FIELD_NONE,       \
			.unit = "s", .flags = FF_NULLABLE | FF_WIDE | FF_FORM,                         \
			.help = N_("lives by heartbeats this far apart, and leaves a day after "       \
				   "the last; unset: by probes")},                                     \
		{AT(instance, check), .type = FT_OBJ, .sub = &check_fields,                            \
			.help = N_("health probe")},                                                   \
		{AT(instance, capacity), .type = FT_OBJ, .sub = &capacity_fields,                      \
			.help = N_("what it can carry")},                                              \
		{AT(instance, tags), .type = FT_STRV, .charset = FC_NAME, .min = 1, .max = 64,         \
			.flags = FF_WIDE | FF_FORM, .help = N_("free labels")},                        \
		{AT(instance, meta), .type = FT_JSON, .flags = FF_OMIT_UNSET,                          \
			.help = N_("anything about it")},                                              \
		{AT(instance, quirks), .type = FT_OBJ, .sub = &quirks_fields,                          \
			.help = N_("how its API differs; the engine's where unset")},                  \
		{AT(instance, auth), .type = FT_OBJ, .sub = &auth_fields,                              \
			.help = N_("the credential it asks for; takes an operator")},                  \
		{AT(instance, enabled), .type = FT_BOOL, .def = 1, .flags = FF_WIDE | FF_FORM,         \
			.help = N_("the operator's wish")},                                            \
		{AT(instance, draining), .type = FT_BOOL, .flags = FF_READONLY,                        \
			.help = N_("takes no new requests")},                                          \
		{AT(instance, owner), .type = FT_STR, .flags = FF_READONLY | FF_WIDE,                  \
			.help = N_("who registered it; a service token beats its own alone")},         \
		{AT(instance, reach), .type = FT_STR, .flags = FF_READONLY | FF_WIDE,                  \
			.help = N_(                                                                    \
				"where its name may lead: site, or anywhere if an admin says so")},    \
		HOUSEKEEPING(instance)

static const struct field instance_fields_rows[] = {INSTANCE_ROWS};
const struct field_set instance_fields = {
	"Instance", instance_fields_rows, ARRAY_LEN(instance_fields_rows), sizeof(struct instance)};

static const struct field instance_view_rows[] = {
	INSTANCE_ROWS,
	{SEEN_COL("state"), .type = FT_STR,
		.help = N_("OK, WARN, DOWN, EXPIRED, DRAIN, DISABLED or UNKNOWN")},
	{SEEN_WIDE("health"), .type = FT_ENUM, .choices = health_names, .help = N_("observed")},
	{SEEN_COL("since"), .type = FT_TIME, .help = N_("when the health last changed")},
	{SEEN_WIDE("last_error"), .type = FT_STR, .help = N_("what the last failed probe said")},
	{SEEN_WIDE("last_heartbeat_at"), .type = FT_TIME, .help = N_("last sign of life")},
	{SEEN_WIDE("inflight"), .type = FT_INT, .help = N_("requests it carries now")},
	{SEEN_WIDE("told_inflight"), .type = FT_INT, .help = N_("requests its heartbeat told of")},
	{SEEN_WIDE("told_queue"), .type = FT_INT,
		.help = N_("requests that wait there, told by heartbeats or metrics")},
	{SEEN_WIDE("ewma_ms"), .type = FT_NUM, .unit = "ms", .help = N_("smoothed latency")},
	{SEEN_WIDE("p95_ms"), .type = FT_NUM, .title = N_("P95 MS"), .unit = "ms",
		.help = N_("95th percentile of latency")},
	{SEEN_COL("rate"), .type = FT_NUM, .title = N_("REQ/S"), .help = N_("requests per second")},
	{SEEN_COL("error_pct"), .type = FT_NUM, .title = N_("ERR%"), .help = N_("failed part")},
	{SEEN_WIDE("joins"), .type = FT_STRV, .help = N_("features that route to it")},
	{SEEN_WIDE("missing"), .type = FT_STRV,
		.help = N_("features it names and there are none of")},
	{SEEN_WIDE("serves"), .type = FT_STRV,
		.help = N_("models it says it has; a single one is asked when models names none")},
	{SEEN_COL("probe_ms"), .type = FT_NUM, .unit = "ms", .title = N_("PROBE"),
		.help = N_("time the last probe took")},
};
const struct field_set instance_view_fields = {
	"InstanceView", instance_view_rows, ARRAY_LEN(instance_view_rows), 0};

// ---- prices ----

#define PICO_MAX INT64_C(1000000000000000) // 1000 of the currency for one unit
#define EACH_MILLION "pico/M" // shown for a million of them
#define EACH "pico"
#define PICO(T, m, unit_, text)                                                                    \
	{AT(T, m), .type = FT_INT, .min = 0, .max = PICO_MAX, .def = FIELD_NONE,                   \
		.flags = FF_OMIT_UNSET | FF_NULLABLE, .unit = unit_, .help = text}
#define PICO_COL(m, unit_, head, text)                                                             \
	{AT(price, m), .type = FT_INT, .min = 0, .max = PICO_MAX, .def = FIELD_NONE,               \
		.flags = FF_OMIT_UNSET | FF_NULLABLE | FF_COLUMN, .unit = unit_, .title = head,    \
		.help = text}
#define TOKEN_PICOS(T)                                                                             \
	PICO(T, cached_input_pico, EACH_MILLION,                                                   \
		N_("a prompt token read from the vendor's cache, in pico")),                       \
		PICO(T, cache_write_pico, EACH_MILLION,                                            \
			N_("a prompt token written to its cache, in pico")),                       \
		PICO(T, reasoning_pico, EACH_MILLION,                                              \
			N_("a reasoning token, in pico; as output when unset"))

static const struct field price_image_rows[] = {
	{AT(price_image, quality), .type = FT_STR, .charset = FC_ID, .min = 1, .max = 32,
		.flags = FF_OMIT_UNSET | FF_NULLABLE, .help = N_("quality; any when unset")},
	{AT(price_image, size), .type = FT_STR, .charset = FC_ID, .min = 1, .max = 32,
		.flags = FF_OMIT_UNSET | FF_NULLABLE, .help = N_("as 1024x1024; any when unset")},
	{AT(price_image, pico), .type = FT_INT, .min = 0, .max = PICO_MAX, .flags = FF_REQUIRED,
		.unit = EACH, .help = N_("one image, in pico")},
};
static const struct field_set price_image_fields = {
	"PriceImage", price_image_rows, ARRAY_LEN(price_image_rows), sizeof(struct price_image)};

static const struct field price_tier_rows[] = {
	{AT(price_tier, above_tokens), .type = FT_INT, .min = 1, .max = 1000000000,
		.flags = FF_REQUIRED, .help = N_("for prompts of more tokens than this")},
	PICO(price_tier, input_pico, EACH_MILLION, N_("a prompt token, in pico")),
	PICO(price_tier, output_pico, EACH_MILLION, N_("an answer's token, in pico")),
	TOKEN_PICOS(price_tier),
};
static const struct field_set price_tier_fields = {
	"PriceTier", price_tier_rows, ARRAY_LEN(price_tier_rows), sizeof(struct price_tier)};

static const struct field price_rows[] = {
	{AT(price, id), .type = FT_STR, .flags = FF_READONLY | FF_COLUMN,
		.help = N_("vendor/model, with what it is narrowed to")},
	{AT(price, vendor), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,
		.flags = FF_REQUIRED, .help = N_("vendor in the catalogue, or self")},
	{AT(price, model), .type = FT_STR, .charset = FC_NAME, .min = 1, .max = NAME_MAX_CP,
		.flags = FF_REQUIRED,
		.help = N_("model id sent upstream; * for any, where it is narrowed")},
	{AT(price, feature), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,
		.flags = FF_OMIT_UNSET | FF_NULLABLE, .help = N_("only in this feature")},
	{AT(price, target), .type = FT_STR, .charset = FC_REF, .min = 1, .max = REF_MAX,
		.flags = FF_OMIT_UNSET | FF_NULLABLE, .help = N_("only by this target")},
	{AT(price, key), .type = FT_STR, .charset = FC_REF, .min = 1, .max = REF_MAX,
		.flags = FF_OMIT_UNSET | FF_NULLABLE,
		.help = N_("only with this key: vendor/service/slug")},
	{AT(price, currency), .type = FT_STR, .charset = FC_CURRENCY, .min = 3, .max = 3,
		.flags = FF_COLUMN | FF_NULLABLE, .title = N_("CUR"),
		.help = N_("ISO 4217 code; USD when unset")},
	PICO_COL(input_pico, EACH_MILLION, N_("INPUT/M"), N_("a prompt token, in pico")),
	PICO_COL(output_pico, EACH_MILLION, N_("OUTPUT/M"), N_("an answer's token, in pico")),
	TOKEN_PICOS(price),
	PICO_COL(image_pico, EACH, N_("IMAGE"), N_("one image of any size, in pico")),
	PICO(price, image_output_pico, EACH_MILLION, N_("a token of a made image, in pico")),
	PICO(price, char_pico, EACH_MILLION, N_("a character of text to speak, in pico")),
	PICO(price, second_pico, EACH, N_("a second of audio, in pico")),
	PICO(price, request_pico, EACH, N_("a request, besides the rest, in pico")),
	{AT(price, images), .type = FT_OBJV, .sub = &price_image_fields, .max = PRICE_IMAGES_MAX,
		.flags = FF_OMIT_UNSET, .help = N_("one image, by quality and size")},
	{AT(price, tiers), .type = FT_OBJV, .sub = &price_tier_fields, .max = PRICE_TIERS_MAX,
		.flags = FF_OMIT_UNSET, .help = N_("token prices of longer prompts")},
	{AT(price, valid_from), .type = FT_TIME, .def = FIELD_NONE,
		.flags = FF_OMIT_UNSET | FF_NULLABLE | FF_WIDE, .help = N_("not used before")},
	{AT(price, shutdown_at), .type = FT_TIME, .def = FIELD_NONE,
		.flags = FF_OMIT_UNSET | FF_NULLABLE | FF_WIDE, .title = N_("SHUTDOWN"),
		.help = N_("when the vendor ends the model")},
	{AT(price, source), .type = FT_STR, .charset = FC_NAME, .min = 1, .max = NAME_MAX_CP,
		.flags = FF_NULLABLE | FF_COLUMN, .help = N_("where the figures are from")},
	HOUSEKEEPING(price),
};
#undef EACH
#undef EACH_MILLION
const struct field_set price_fields = {
	"Price", price_rows, ARRAY_LEN(price_rows), sizeof(struct price)};

static const struct field price_import_rows[] = {
	{SEEN("dry_run"), .type = FT_BOOL, .help = N_("nothing was stored")},
	{SEEN_COL("created"), .type = FT_INT, .help = N_("new prices")},
	{SEEN_COL("changed"), .type = FT_INT, .help = N_("prices that were others before")},
	{SEEN_COL("unchanged"), .type = FT_INT, .help = N_("prices as they were")},
	{SEEN_COL("ignored"), .type = FT_INT, .help = N_("entries there is no use for")},
	{SEEN_COL("removed"), .type = FT_INT, .help = N_("prices deleted")},
	{SEEN("items"), .type = FT_JSON, .help = N_("each entry with name, id, result, reason")},
};
const struct field_set price_import_fields = {
	"PriceImport", price_import_rows, ARRAY_LEN(price_import_rows), 0};

const char *const document_kind_names[] = {
	"Feature", "Key", "Service", "Client", "AlertRule", NULL};
const char *const apply_result_names[] = {
	"created", "configured", "unchanged", "deleted", "invalid", "not_applied", NULL};

static const struct field apply_item_rows[] = {
	{SEEN_COL("kind"), .type = FT_STR, .help = N_("kind of the document")},
	{SEEN_COL("name"), .type = FT_STR, .help = N_("its name")},
	{SEEN_COL("result"), .type = FT_ENUM, .choices = apply_result_names,
		.help = N_("what was done with it, in a dry run: what would be")},
	{SEEN_WIDE("revision"), .type = FT_INT, .help = N_("the object's afterwards")},
	{SEEN_COL("changed"), .type = FT_STRV, .help = N_("members that are others now")},
	{SEEN("error"), .type = FT_JSON,
		.help = N_("what is wrong with it: code, message, field, hint")},
	{SEEN("needs_secret"), .type = FT_BOOL, .help = N_("a new key without its api_key")},
	{SEEN("needs_confirm"), .type = FT_BOOL, .help = N_("its name is wanted in confirm")},
	{SEEN_COL("effect"), .type = FT_STR, .help = N_("what else follows from it")},
	{SEEN("locks_out"), .type = FT_JSON, .help = N_("who calls without a client's key")},
	{SEEN("before"), .type = FT_JSON, .help = N_("its spec as it was; in a dry run")},
	{SEEN("after"), .type = FT_JSON, .help = N_("its spec as it would be; in a dry run")},
	{SEEN("key"), .type = FT_STR, .help = N_("of a new client, this once")},
};
const struct field_set apply_item_fields = {
	"ApplyItem", apply_item_rows, ARRAY_LEN(apply_item_rows), 0};

static const struct field apply_rows[] = {
	{SEEN("dry_run"), .type = FT_BOOL, .help = N_("nothing was changed")},
	{SEEN("applied"), .type = FT_BOOL, .help = N_("all of it was; false: nothing was")},
	{SEEN("items"), .type = FT_OBJV, .sub = &apply_item_fields,
		.help = N_("each document, then what was pruned")},
	{SEEN("total"), .type = FT_INT, .help = N_("how many items")},
	{SEEN("revision"), .type = FT_INT, .help = N_("of the whole configuration")},
};
const struct field_set apply_fields = {"Apply", apply_rows, ARRAY_LEN(apply_rows), 0};

static const struct field document_rows[] = {
	{SEEN_COL("kind"), .type = FT_STR,
		.help = N_("Feature, Key, Service, Client or AlertRule")},
	{SEEN_COL("name"), .type = FT_STR,
		.help = N_("its name; of a key vendor/service/slug, of an instance service/id")},
	{SEEN("spec"), .type = FT_JSON, .help = N_("the members it has")},
};
const struct field_set document_fields = {"Document", document_rows, ARRAY_LEN(document_rows), 0};
static const struct field export_rows[] = {
	{SEEN("documents"), .type = FT_OBJV, .sub = &document_fields,
		.help = N_("in an order in which they can be applied")},
};
const struct field_set export_fields = {"Export", export_rows, ARRAY_LEN(export_rows), 0};

static const struct field usage_rows[] = {
	{SEEN_COL("at"), .type = FT_TIME, .help = N_("start of the step, where one was asked for")},
	{SEEN_COL("feature"), .type = FT_STR, .help = N_("feature")},
	{SEEN_COL("target"), .type = FT_STR, .help = N_("target")},
	{SEEN_COL("client"), .type = FT_STR, .help = N_("client's id; local: without a key")},
	{SEEN_COL("client_name"), .type = FT_STR, .help = N_("what it is called")},
	{SEEN_COL("key"), .type = FT_STR, .help = N_("id of the key, or the instance")},
	{SEEN_COL("model"), .type = FT_STR, .help = N_("model as sent upstream")},
	{SEEN_COL("requests"), .type = FT_INT, .title = N_("REQ"),
		.help = N_("requests that began here")},
	{SEEN_COL("attempts"), .type = FT_INT, .title = N_("TRIES"), .help = N_("upstream calls")},
	{SEEN_COL("failures"), .type = FT_INT, .title = N_("FAILED"), .help = N_("that failed")},
	{SEEN_WIDE("streamed"), .type = FT_INT, .help = N_("that were streams")},
	{SEEN_WIDE("interrupted"), .type = FT_INT,
		.help = N_("streams that broke, or whose caller left")},
	{SEEN_COL("tokens_in"), .type = FT_INT, .title = N_("IN"), .help = N_("prompt tokens")},
	{SEEN_COL("tokens_out"), .type = FT_INT, .title = N_("OUT"), .help = N_("answer tokens")},
	{SEEN_WIDE("tokens_cached"), .type = FT_INT, .title = N_("CACHED"),
		.help = N_("prompt tokens read from the vendor's cache")},
	{SEEN_WIDE("tokens_reasoning"), .type = FT_INT, .title = N_("REASONING"),
		.help = N_("answer tokens spent on reasoning")},
	{SEEN_COL("images"), .type = FT_INT, .help = N_("pictures made")},
	{SEEN_WIDE("chars"), .type = FT_INT, .help = N_("characters spoken")},
	{SEEN_WIDE("audio_ms"), .type = FT_INT, .unit = "ms", .help = N_("audio heard")},
	{SEEN_WIDE("usage_unknown"), .type = FT_INT,
		.help = N_("upstream calls of which nobody told how much they used")},
	{SEEN_WIDE("cost_zero"), .type = FT_INT,
		.help = N_("upstream calls for nothing though the model has a price")},
	{SEEN_COL("cost_unknown"), .type = FT_INT, .title = N_("UNPRICED"),
		.help = N_("upstream calls whose cost is not known")},
	{SEEN_COL("cost"), .type = FT_JSON,
		.help = N_("by currency, each with its sum and how sure its parts are")},
};
const struct field_set usage_fields = {"Usage", usage_rows, ARRAY_LEN(usage_rows), 0};

static const struct field service_rows[] = {
	{SEEN_COL("service"), .type = FT_STR, .help = N_("name")},
	{SEEN_COL("kind"), .type = FT_STR, .help = N_("platform or model")},
	{SEEN_COL("state"), .type = FT_STR, .help = N_("OK, WARN, DOWN, DRAIN or UNKNOWN")},
	{SEEN_COL("passing"), .type = FT_INT, .title = N_("UP"), .help = N_("healthy instances")},
	{SEEN_COL("total"), .type = FT_INT, .help = N_("all instances")},
	{SEEN_COL("url"), .type = FT_STR, .help = N_("address, when it is one")},
	{SEEN_WIDE("owns"), .type = FT_STR, .help = N_("what a platform service does")},
	{SEEN("instances"), .type = FT_OBJV, .sub = &instance_view_fields, .help = N_("instances")},
};
const struct field_set service_fields = {"Service", service_rows, ARRAY_LEN(service_rows), 0};

static const struct field route_rows[] = {
	{SEEN_COL("feature"), .type = FT_STR, .help = N_("feature")},
	{SEEN_COL("target"), .type = FT_STR, .help = N_("candidate: target and key or instance")},
	{SEEN_WIDE("kind"), .type = FT_STR, .help = N_("vendor or self_hosted")},
	{SEEN_WIDE("order"), .type = FT_INT, .help = N_("tried in ascending order")},
	{SEEN_COL("tier"), .type = FT_STR, .help = N_("the key's tier")},
	{SEEN_COL("weight"), .type = FT_INT, .help = N_("share among equals")},
	{SEEN_WIDE("share"), .type = FT_NUM, .help = N_("part of new requests it takes now")},
	{SEEN_COL("state"), .type = FT_STR, .help = N_("whether it takes requests, or why not")},
	{SEEN_COL("rate"), .type = FT_NUM, .title = N_("REQ/S"), .help = N_("requests per second")},
	{SEEN_COL("p95_ms"), .type = FT_NUM, .title = N_("P95 MS"), .unit = "ms",
		.help = N_("95th percentile of latency")},
	{SEEN_WIDE("mean_ms"), .type = FT_NUM, .unit = "ms", .help = N_("mean latency")},
	{SEEN_COL("error_pct"), .type = FT_NUM, .title = N_("ERR%"), .help = N_("failed part")},
	{SEEN_WIDE("inflight"), .type = FT_INT,
		.help = N_("the feature's requests it carries now")},
	{SEEN_WIDE("inflight_all"), .type = FT_INT,
		.help = N_("requests its key or instance carries now, of all features")},
	{SEEN_WIDE("queue"), .type = FT_INT,
		.help = N_("requests that wait at the instance, as it tells")},
	{SEEN_WIDE("limit"), .type = FT_INT,
		.help = N_("requests its key or instance may carry at once")},
	{SEEN_WIDE("reason"), .type = FT_STR, .help = N_("skip code behind the state")},
	{SEEN_WIDE("last_error"), .type = FT_STR, .help = N_("how the last failure ended")},
	{SEEN_WIDE("last_error_at"), .type = FT_TIME, .help = N_("when that was")},
	{SEEN_WIDE("since"), .type = FT_TIME, .help = N_("when the state began")},
	{SEEN_WIDE("until"), .type = FT_TIME, .help = N_("when it is tried again")},
};
const struct field_set route_fields = {"Route", route_rows, ARRAY_LEN(route_rows), 0};

static const struct field decision_rows[] = {
	{SEEN_COL("id"), .type = FT_STR, .help = N_("d-…")},
	{SEEN("schema"), .type = FT_STR, .help = N_("yijian.decision/1")},
	{SEEN_COL("feature"), .type = FT_STR, .help = N_("feature")},
	{SEEN_COL("at"), .type = FT_TIME, .help = N_("when")},
	{SEEN_COL("mode"), .type = FT_STR, .help = N_("live or dry_run")},
	{SEEN_WIDE("revision"), .type = FT_INT, .help = N_("configuration it was made on")},
	{SEEN("request"), .type = FT_JSON, .help = N_("what the request asked")},
	{SEEN("policy"), .type = FT_JSON, .help = N_("strategy and seed")},
	{SEEN("candidates"), .type = FT_JSON, .help = N_("every candidate with skips or evidence")},
	{SEEN_COL("chosen"), .type = FT_JSON, .help = N_("what was chosen, and why")},
	{SEEN_WIDE("fallback"), .type = FT_STRV, .help = N_("what would be tried next")},
	{SEEN_WIDE("attempts"), .type = FT_JSON, .help = N_("what was tried")},
	{SEEN("decide_us"), .type = FT_NUM, .unit = "us", .help = N_("time it took")},
	{SEEN("truncated"), .type = FT_BOOL, .help = N_("more candidates than are judged")},
	{SEEN("left_out"), .type = FT_INT, .help = N_("how many more, when truncated")},
};
const struct field_set decision_fields = {"Decision", decision_rows, ARRAY_LEN(decision_rows), 0};

static const struct field event_rows[] = {
	{SEEN_WIDE("seq"), .type = FT_INT, .help = N_("cursor")},
	{SEEN_COL("at"), .type = FT_TIME, .title = N_("AGE"), .help = N_("when")},
	{SEEN_WIDE("kind"), .type = FT_STR, .help = N_("traffic, health, key, config or alert")},
	{SEEN_COL("id"), .type = FT_STR,
		.help = N_("request id; the task's where nobody waited any more"
			   " for its end")},
	{SEEN_WIDE("task"), .type = FT_STR,
		.help = N_(
			"image task of the request. A task's end is told"
			" once: by the call that waits for it (status 200 or its error), else by an event of its"
			" own, with total_ms from the task's creation; a 202 alone is no end")},
	{SEEN_COL("client"), .type = FT_STR, .help = N_("who asked: a client's id, or local")},
	{SEEN_COL("client_name"), .type = FT_STR, .help = N_("what that client is called")},
	{SEEN_COL("caller"), .type = FT_STR,
		.help = N_("address and uid of a refused caller without identity")},
	{SEEN_COL("feature"), .type = FT_STR, .help = N_("feature")},
	{SEEN_COL("target"), .type = FT_STR, .help = N_("who answered")},
	{SEEN_COL("status"), .type = FT_INT, .title = N_("CODE"), .help = N_("HTTP status")},
	{SEEN_COL("code"), .type = FT_STR, .title = N_("ERROR"), .help = N_("error code")},
	{SEEN_WIDE("outcome"), .type = FT_STR,
		.help = N_("refused: by the gateway itself, before any upstream was asked")},
	{SEEN_COL("reason"), .type = FT_STR,
		.help = N_("why this target was chosen, or why the request was refused")},
	{SEEN_WIDE("limited_by"), .type = FT_STR,
		.help = N_("whose limit refused it, e.g. client:rpm")},
	{SEEN_COL("repeated"), .type = FT_INT, .title = N_("MORE"),
		.help = N_("further requests refused like this one since the last event of them")},
	{SEEN_COL("ttfb_ms"), .type = FT_NUM, .title = N_("TTFB"), .unit = "ms",
		.help = N_("time to the first byte")},
	{SEEN_COL("total_ms"), .type = FT_NUM, .title = N_("TOTAL"), .unit = "ms",
		.help = N_("time in all")},
	{SEEN_WIDE("stream"), .type = FT_BOOL, .help = N_("answered as a stream")},
	{SEEN_WIDE("attempts"), .type = FT_JSON, .help = N_("upstream calls")},
	{SEEN_WIDE("tokens_in"), .type = FT_INT, .help = N_("prompt tokens")},
	{SEEN_WIDE("tokens_out"), .type = FT_INT, .help = N_("completion tokens")},
	{SEEN_WIDE("tokens_source"), .type = FT_STR, .title = N_("KNOWN"),
		.help = N_("reported, counted, estimated or unknown")},
	{SEEN_WIDE("usage_absurd"), .type = FT_BOOL,
		.help = N_("the upstream told a usage nobody can believe; it was estimated")},
	{SEEN_WIDE("cost"), .type = FT_MONEY, .help = N_("what its attempts cost")},
	{SEEN_WIDE("decision"), .type = FT_STR, .help = N_("id of the decision")},
	{SEEN("instance"), .type = FT_STR, .help = N_("service/id whose health changed")},
	{SEEN("from"), .type = FT_STR, .help = N_("health before")},
	{SEEN("to"), .type = FT_STR, .help = N_("health now")},
	{SEEN("why"), .type = FT_STR, .help = N_("what was seen")},
	{SEEN("action"), .type = FT_STR, .help = N_("what was changed: register, drain …")},
	{SEEN("object"), .type = FT_STR, .help = N_("to what")},
	{SEEN("actor"), .type = FT_STR, .help = N_("by whom")},
	{SEEN("actor_name"), .type = FT_STR, .help = N_("what that token is called")},
	{SEEN("rule"), .type = FT_STR, .help = N_("alert rule")},
	{SEEN("severity"), .type = FT_STR, .help = N_("of the alert")},
	{SEEN("message"), .type = FT_STR, .help = N_("what the alert says")},
};
const struct field_set event_fields = {"Event", event_rows, ARRAY_LEN(event_rows), 0};

static const struct field audit_rows[] = {
	{SEEN_COL("seq"), .type = FT_INT, .help = N_("place in the chain")},
	{SEEN_COL("at"), .type = FT_TIME, .help = N_("when")},
	{SEEN_COL("actor"), .type = FT_STR, .help = N_("who")},
	{SEEN_COL("actor_name"), .type = FT_STR, .help = N_("what that token was called")},
	{SEEN_COL("action"), .type = FT_STR, .help = N_("what")},
	{SEEN_COL("object"), .type = FT_STR, .help = N_("to what")},
	{SEEN_WIDE("object_id"), .type = FT_STR, .help = N_("its id, where the name is not one")},
	{SEEN_COL("result"), .type = FT_STR, .help = N_("ok or an error code")},
	{SEEN_WIDE("request_id"), .type = FT_STR, .help = N_("request it came with")},
	{SEEN_WIDE("mac"), .type = FT_STR, .help = N_("link of the chain")},
};
const struct field_set audit_fields = {"AuditRow", audit_rows, ARRAY_LEN(audit_rows), 0};

static const struct field task_rows[] = {
	{SEEN_COL("id"), .type = FT_STR, .help = N_("task_…")},
	{SEEN_COL("state"), .type = FT_STR,
		.help = N_(
			"queued (waits in the agent), submitting,"
			" running, succeeded, failed, canceled, outcome_unknown (it may have been paid for, nobody"
			" can tell), expired (its images are gone)")},
	{SEEN_COL("feature"), .type = FT_STR, .help = N_("what was called")},
	{SEEN_COL("target"), .type = FT_STR, .help = N_("whom it went to")},
	{SEEN_WIDE("client"), .type = FT_STR, .help = N_("whose it is: a client's id, or local")},
	{SEEN_WIDE("client_name"), .type = FT_STR, .help = N_("what that client was called")},
	{SEEN_COL("n"), .type = FT_INT, .help = N_("images asked for")},
	{SEEN_COL("made"), .type = FT_INT, .help = N_("images made")},
	{SEEN_WIDE("failed"), .type = FT_INT, .help = N_("images not made")},
	{SEEN_WIDE("model"), .type = FT_STR, .help = N_("model at the upstream")},
	{SEEN("endpoint"), .type = FT_STR, .help = N_("images.generations or images.edits")},
	{SEEN("target_name"), .type = FT_STR, .help = N_("the target without its key or instance")},
	{SEEN("key"), .type = FT_STR, .help = N_("vendor key that pays")},
	{SEEN("instance"), .type = FT_STR, .help = N_("service/id of a self-hosted one")},
	{SEEN("protocol"), .type = FT_STR, .help = N_("wire protocol")},
	{SEEN("format"), .type = FT_STR, .help = N_("url, b64_json or as_it_comes")},
	{SEEN("local_only"), .type = FT_BOOL, .help = N_("its caller lets no vendor see it")},
	{SEEN("size"), .type = FT_STR, .help = N_("as asked for")},
	{SEEN("quality"), .type = FT_STR, .help = N_("as asked for")},
	{SEEN("parts"), .type = FT_JSON,
		.help = N_("submits, with their state and the upstream's id")},
	{SEEN_WIDE("decision"), .type = FT_STR, .help = N_("decision record")},
	{SEEN("attempts"), .type = FT_INT, .help = N_("upstreams that were asked")},
	{SEEN_COL("created_at"), .type = FT_TIME, .help = N_("when it was asked for")},
	{SEEN("submitted_at"), .type = FT_TIME, .help = N_("when it was sent last")},
	{SEEN_WIDE("finished_at"), .type = FT_TIME, .help = N_("when it was over")},
	{SEEN("result_until"), .type = FT_TIME, .help = N_("when its images go")},
	{SEEN("note"), .type = FT_STR, .help = N_("what was sent otherwise than asked")},
	{SEEN("error"), .type = FT_JSON, .help = N_("why it failed")},
};
const struct field_set task_fields = {"Task", task_rows, ARRAY_LEN(task_rows), 0};

static const struct field audit_verify_rows[] = {
	{SEEN_COL("ok"), .type = FT_BOOL, .help = N_("whether all rows hold")},
	{SEEN_COL("rows"), .type = FT_INT, .help = N_("so many there are")},
	{SEEN_COL("first_bad"), .type = FT_INT, .help = N_("the first that does not hold")},
	{SEEN_COL("message"), .type = FT_STR, .help = N_("the same in words")},
};
const struct field_set audit_verify_fields = {
	"AuditVerify", audit_verify_rows, ARRAY_LEN(audit_verify_rows), 0};

static const struct field change_rows[] = {
	{SEEN_COL("id"), .type = FT_STR, .help = N_("c-…")},
	{SEEN_COL("at"), .type = FT_TIME, .help = N_("when")},
	{SEEN_COL("actor"), .type = FT_STR, .help = N_("who")},
	{SEEN_COL("actor_name"), .type = FT_STR, .help = N_("what that token was called")},
	{SEEN_COL("action"), .type = FT_STR, .help = N_("create, update, delete, rotate …")},
	{SEEN_COL("kind"), .type = FT_STR, .help = N_("Feature, Key or Instance")},
	{SEEN_COL("name"), .type = FT_STR, .help = N_("which one")},
	{SEEN_WIDE("object_id"), .type = FT_STR, .help = N_("its id, where the name is not one")},
	{SEEN_COL("revision"), .type = FT_INT, .help = N_("revision it made")},
	{SEEN_COL("summary"), .type = FT_STR, .help = N_("what changed")},
	{SEEN_WIDE("undoable_until"), .type = FT_TIME, .help = N_("final when empty")},
	{SEEN("before"), .type = FT_JSON,
		.help = N_("members that it changed, as they were; of one change alone")},
};
const struct field_set change_fields = {"Change", change_rows, ARRAY_LEN(change_rows), 0};

static const struct field revision_rows[] = {
	{SEEN_COL("revision"), .type = FT_INT, .help = N_("number")},
	{SEEN_COL("at"), .type = FT_TIME, .help = N_("when it was made")},
	{SEEN_COL("actor"), .type = FT_STR, .help = N_("who made it")},
	{SEEN_COL("actor_name"), .type = FT_STR, .help = N_("what that token was called")},
	{SEEN_COL("name"), .type = FT_STR, .help = N_("feature")},
	{SEEN("document"), .type = FT_JSON, .help = N_("the document as it was")},
};
const struct field_set revision_fields = {"Revision", revision_rows, ARRAY_LEN(revision_rows), 0};

static const struct field status_rows[] = {
	{SEEN("agent"), .type = FT_JSON, .help = N_("version, start, revision, store")},
	{SEEN("services"), .type = FT_JSON, .help = N_("the platform's services")},
	{SEEN("traffic"), .type = FT_JSON, .help = N_("totals and their history")},
	{SEEN("routes"), .type = FT_JSON, .help = N_("features with rate, latency and errors")},
	{SEEN("keys"), .type = FT_JSON, .help = N_("keys by state, the troubled ones named")},
	{SEEN("instances"), .type = FT_JSON, .help = N_("instances by health")},
	{SEEN("alerts"), .type = FT_JSON, .help = N_("alerts that fire, and how many")},
	{SEEN("health_checks"), .type = FT_JSON, .help = N_("what looking at keys cost today")},
	{SEEN("tasks"), .type = FT_JSON,
		.help = N_("image tasks by state; finished ones since the start")},
	{SEEN("usage"), .type = FT_JSON, .help = N_("requests, tokens and cost of the day (UTC)")},
};
const struct field_set status_fields = {"Status", status_rows, ARRAY_LEN(status_rows), 0};

static const struct field keycheck_rows[] = {
	{SEEN_COL("name"), .type = FT_STR, .help = N_("what was checked")},
	{SEEN_COL("result"), .type = FT_STR, .help = N_("ok, warn or fail")},
	{SEEN_COL("ms"), .type = FT_INT, .unit = "ms", .help = N_("time it took")},
	{SEEN_COL("detail"), .type = FT_STR, .help = N_("what was seen")},
	{SEEN_COL("hint"), .type = FT_STR, .help = N_("the next step")},
};
static const struct field_set keycheck_fields = {
	"KeyCheck", keycheck_rows, ARRAY_LEN(keycheck_rows), 0};
static const struct field keytest_rows[] = {
	{SEEN_COL("ok"), .type = FT_BOOL, .help = N_("whether the key works")},
	{SEEN_COL("checks"), .type = FT_OBJV, .sub = &keycheck_fields, .help = N_("step by step")},
};
const struct field_set keytest_fields = {"KeyTest", keytest_rows, ARRAY_LEN(keytest_rows), 0};

static const struct field health_rows[] = {
	{SEEN_COL("service"), .type = FT_STR, .help = N_("service")},
	{SEEN_COL("status"), .type = FT_STR, .help = N_("ok or degraded")},
	{SEEN_COL("version"), .type = FT_STR, .help = N_("version of the agent")},
	{SEEN_COL("revision"), .type = FT_INT, .help = N_("configuration it serves")},
	{SEEN_COL("reasons"), .type = FT_STRV, .help = N_("why it is degraded")},
};
const struct field_set health_fields = {"Health", health_rows, ARRAY_LEN(health_rows), 0};

static const struct field error_body_rows[] = {
	{SEEN("code"), .type = FT_STR, .help = N_("from the closed list")},
	{SEEN("message"), .type = FT_STR, .help = N_("what and why")},
	{SEEN("field"), .type = FT_STR, .help = N_("the field at fault")},
	{SEEN("hint"), .type = FT_STR, .help = N_("the next step")},
	{SEEN("request_id"), .type = FT_STR, .help = N_("as in X-Request-Id")},
};
static const struct field_set error_body_fields = {
	"ErrorBody", error_body_rows, ARRAY_LEN(error_body_rows), 0};
static const struct field error_rows[] = {
	{SEEN("error"), .type = FT_OBJ, .sub = &error_body_fields, .help = N_("what went wrong")},
};
const struct field_set error_fields = {"Error", error_rows, ARRAY_LEN(error_rows), 0};

static const struct field vendor_rows[] = {
	{SEEN_COL("vendor"), .type = FT_STR, .help = N_("vendor, or self for engines")},
	{SEEN_COL("service"), .type = FT_STR, .help = N_("service, or the engine")},
	{SEEN_COL("title"), .type = FT_STR, .help = N_("what it is")},
	{SEEN_COL("base_url"), .type = FT_STR, .help = N_("default address")},
	{SEEN_WIDE("key_prefix"), .type = FT_STR, .help = N_("how its keys begin")},
	{SEEN_WIDE("docs"), .type = FT_STR, .help = N_("where a key is made")},
	{SEEN_WIDE("offers"), .type = FT_STRV, .help = N_("endpoints it can be asked for")},
	{SEEN_WIDE("protocols"), .type = FT_STRV, .help = N_("how, one for each of its offers")},
	{SEEN_COL("spoken"), .type = FT_BOOL, .help = N_("whether this version speaks its API")},
	{SEEN_COL("keys"), .type = FT_INT, .help = N_("keys stored for it")},
	{SEEN_WIDE("credentials"), .type = FT_STR,
		.help = N_("of engines: vendor/service of the keys that open instances")},
};
const struct field_set vendor_fields = {"Vendor", vendor_rows, ARRAY_LEN(vendor_rows), 0};

bool model_size(struct slice text, int64_t *ret_width, int64_t *ret_height)
{
	char sep = slice_find(text, 'x') >= 0 ? 'x' : '*';
	struct slice width = slice_cut(&text, sep);
	return num_i64(width, 1, SIDE_MAX, ret_width) && num_i64(text, 1, SIDE_MAX, ret_height);
}
