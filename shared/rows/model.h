// SPDX-License-Identifier: MIT
// The platform's documents as C structs, each described once by a field_set. Members not filled
// by a request (FF_READONLY) are set by the agent before an answer is written.
#ifndef YJ_SHARED_ROWS_MODEL_H
#define YJ_SHARED_ROWS_MODEL_H

#include "shared/field.h"
#include "shared/secret.h"
#include "shared/rows/vendors.h"

#define NAME_MAX_CP 128 // display names, code points
#define ID_MAX 64 // ids, names of features and services, bytes
#define REF_MAX 200 // "vendor/service/slug", "vendor/service#slug", bytes
#define TARGETS_MAX 64 // per feature
#define PRICE_IMAGES_MAX 64 // per price
#define PRICE_TIERS_MAX 8
#define COOLDOWN_MAX_S INT64_C(300) // however long an upstream asks to be left alone

enum tier { TIER_PRIMARY, TIER_SECONDARY, TIER_BACKUP };
enum strategy {
	STRAT_PRIORITY,
	STRAT_WEIGHTED,
	STRAT_ROUND_ROBIN,
	STRAT_LEAST_INFLIGHT,
	STRAT_LATENCY,
	STRAT_COST
};
enum all_down { ALL_DOWN_FAIL_FAST, ALL_DOWN_LEAST_BAD, ALL_DOWN_WAIT };
enum data_policy { DATA_ANY, DATA_LOCAL_ONLY };
enum affinity { AFFINITY_NONE, AFFINITY_SESSION };
// What a request may need of a target; bits of a mask in decisions.
enum need { NEED_STREAM, NEED_TOOLS, NEED_N, NEED_FORMAT, NEED_TOKENS, NEED_COUNT };
enum target_kind { TARGET_VENDOR, TARGET_SELF_HOSTED };
// How an instance wants to see its credential.
enum instance_auth { INSTANCE_OPEN, INSTANCE_BEARER, INSTANCE_BASIC, INSTANCE_HEADER };
enum health { HEALTH_UNKNOWN, HEALTH_PASSING, HEALTH_WARNING, HEALTH_CRITICAL };

// Money that may be spent in a stretch of time.
enum budget_window { BUDGET_DAY, BUDGET_MONTH, BUDGET_TOTAL };
struct budget {
	int64_t amount_pico; // FIELD_NONE: no budget
	const char *currency; // three letters; NULL: USD
	int window; // enum budget_window; days and months of UTC
};

struct target {
	const char *id; // unique in its feature; "openai/dalle" when not given
	int kind; // enum target_kind
	const char *vendor; // NULL for self-hosted
	const char *service;
	int64_t order; // tried in ascending order
	int64_t weight; // 0 takes no share
	bool enabled;
	const char *upstream_model; // NULL: the caller's model text is passed on
	int protocol; // enum protocol; -1: the catalogue's
	const char *params; // JSON object merged under the request's fields; NULL none
	struct strv drop_params; // top-level request fields not passed on
	const char *space; // of embeddings; NULL: the upstream_model's
	struct strv sizes; // "1024x1024"; empty: any
	struct strv lacks; // need_names
	bool force_upstream_stream; // called as a stream even when the caller does not stream
	int64_t context_window; // tokens its model takes; FIELD_NONE: as its server says
};

// Of a feature's timeouts, when it says none.
#define FEATURE_FIRST_BYTE_MS 600000
#define FEATURE_TOTAL_MS 1800000

struct feature {
	const char *name;
	const char *display_name;
	const char *description;
	bool enabled;
	int endpoint; // enum offer
	struct strv aliases;
	const char *defaults; // JSON object: request fields used when absent
	struct {
		int64_t max_n, max_prompt_chars, max_body_bytes; // FIELD_NONE: no limit of its own
		int64_t rpm, tpm, concurrency;
		struct budget budget;
	} limits;
	struct {
		int64_t connect_ms, first_byte_ms, idle_ms, total_ms;
		int64_t stream_total_ms; // of a stream that has begun
	} timeouts;
	struct {
		int64_t max_attempts, per_target, honour_retry_after_max_s;
	} retry;
	struct {
		int64_t fails, window_s, for_s; // breaker: fails in window_s open it for for_s
	} cooldown;
	int strategy; // enum strategy
	int all_down; // enum all_down: what is done when every candidate is out
	int64_t wait_ms; // ALL_DOWN_WAIT: longest time a caller is held
	int data_policy; // enum data_policy
	int affinity; // enum affinity
	bool pin_model; // only candidates of the first target's space; embeddings always
	struct strv regions; // of vendor keys; empty: any
	bool force_upstream_stream; // of every target
	bool auto_join; // instances registered with this feature become target self/{service}
	struct objv targets; // struct target
	// answers only
	int64_t revision, created_at, updated_at;
	const char *updated_by;
};

struct vendor_key {
	const char *id; // "key_…"
	const char *vendor, *service;
	struct strv services; // further services of the same vendor
	const char *key_name, *slug;
	struct secret api_key;
	int tier; // enum tier
	const char *base_url; // NULL: the catalogue's
	const char *region, *account, *note;
	const char *currency; // the account is billed in; NULL: not said
	int64_t weight;
	struct {
		int64_t rpm, tpm, concurrency; // FIELD_NONE: no limit
	} limits;
	struct budget budget;
	int64_t expires_at;
	bool enabled;
	// answers only
	const char *api_key_masked, *fingerprint;
	int64_t revision, created_at, updated_at, rotated_at;
	const char *updated_by;
};

struct check {
	const char *path; // NULL: the engine's
	int64_t interval_s, timeout_ms, fall, rise;
};

// Where the name of an instance may lead, judged when it is dialled.
#define INSTANCE_SITE "site" // this host and private networks
#define INSTANCE_ANYWHERE "anywhere" // public addresses, too: an admin gave its url

struct instance {
	const char *service, *id;
	const char *display_name;
	const char *url;
	const char *engine;
	struct strv features, models, tags, sizes, lacks;
	int64_t weight;
	const char *zone;
	int64_t ttl_s; // FIELD_NONE: static, lives by its probes
	struct check check;
	struct {
		int64_t max_concurrency;
	} capacity;
	const char *meta; // JSON object
	struct quirks quirks;
	struct instance_credential {
		int type; // enum instance_auth
		const char *key; // id of a key of an engine's own row; shown as its ref
		const char *header; // name, of INSTANCE_HEADER
	} auth;
	bool enabled, draining;
	// answers only
	const char *owner; // who registered it first; "" before that was noted
	const char *reach; // INSTANCE_SITE or INSTANCE_ANYWHERE; "" before that was noted
	int64_t revision, created_at, updated_at;
	const char *updated_by;
};

// What a model costs. Amounts are pico (10^-12) of the currency for one unit; FIELD_NONE: no such
// price. Model ids and prices age: they are data that operators import and edit.
struct price_image {
	const char *quality; // NULL: any
	const char *size; // "1024x1024"; NULL: any
	int64_t pico; // for one image
};

struct price_tier { // replaces the row's token prices for prompts longer than this
	int64_t above_tokens;
	int64_t input_pico, output_pico, cached_input_pico, cache_write_pico, reasoning_pico;
};

struct price {
	const char *id; // "openai/gpt-4o", with "@feature=…" and so on for narrower ones
	const char *vendor;
	const char *model; // id sent upstream; "*": any, of a narrowed one
	const char *feature, *target, *key; // only there; NULL: everywhere
	const char *currency; // three letters
	int64_t input_pico, output_pico, cached_input_pico, cache_write_pico,
		reasoning_pico; // a token
	int64_t image_pico, image_output_pico; // one image; one token of a made image
	int64_t char_pico, second_pico, request_pico; // a character, a second of audio, a request
	struct objv images; // struct price_image
	struct objv tiers; // struct price_tier, ascending
	int64_t valid_from; // not used before
	int64_t shutdown_at; // the vendor ends the model then
	const char *source; // where the figures are from
	// answers only
	int64_t revision, created_at, updated_at;
	const char *updated_by;
};

// Documents that are stored and decoded.
extern const struct field_set feature_fields, target_fields, key_fields, instance_fields,
	price_fields, budget_fields;
// Documents that are only answered: rows without a home, for OpenAPI and columns.
// The rows in model.c name the members; nested ones:
//   Instance view "state": OK, WARN, DOWN, EXPIRED (no heartbeat), DRAIN, DISABLED, UNKNOWN.
//   Route "state": OK, HALF_OPEN, COOLING, OPEN, LIMITED, FULL, DRAINED, DISABLED, NO_KEY, INVALID,
//     NO_QUOTA, REGION, GONE, UNSUPPORTED, DOWN, OFF; "reason": the skip code behind it, null when OK.
//   Status: "agent" {"state" (ok, degraded), "version", "simulated", "started_at", "revision",
//     "store" {"state","reason"}, "sealed", "sealed_reason", "public" [service],
//     "tls" (null: plain) {"subject","expires_at","pin","good","reason"}}, "services" [{"service","state","url"}], "traffic"
//     {"rate_1m","rate_5m","error_pct_1m","error_pct_5m","fallback_pct_1m","fallback_pct_5m",
//     "p50_ms","p95_ms","tokens_rate","history" {"step_s","rate","error_pct","p95_ms"}}, "routes"
//     [{"feature","state" (OK, WARN, DOWN, OFF),"strategy","rate","error_pct","p95_ms",
//     "candidates","candidates_ok"}], "keys" {"total","by_state","problems"
//     [{"key","state","until"}]}, "instances" {"total","by_state","problems"
//     [{"instance","state","since"}]}, "alerts" {"firing","acked","pending","critical","warning",
//     "info","items" [{"id","rule","object","severity","state","since","message"}]},
//     "health_checks" {"free_today","paid_today","budget_pico","budget_unpriced" (a key's),
//     "cost" money},
//     "usage" {"today" {"requests","failures","tokens_in","tokens_out","images","cost" [money],
//     "cost_unknown"}}
extern const struct field_set key_view_fields; // Key plus state, state_until, last_used_at …
extern const struct field_set instance_view_fields; // Instance plus health, since …
extern const struct field_set service_fields, route_fields, decision_fields, event_fields,
	audit_fields, audit_verify_fields, change_fields, task_fields, status_fields,
	keytest_fields, revision_fields, health_fields, error_fields, vendor_fields, usage_fields,
	price_import_fields;

// The kinds of documents that are applied and exported, in the order in which they go in.
enum document_kind { DOC_FEATURE, DOC_KEY, DOC_SERVICE, DOC_CLIENT, DOC_RULE, DOC_KINDS };
extern const char *const document_kind_names[]; // closed by NULL
// What was done with one, in answers to apply.
enum apply_result {
	APPLY_CREATED,
	APPLY_CONFIGURED,
	APPLY_UNCHANGED,
	APPLY_DELETED,
	APPLY_INVALID,
	APPLY_NOT_APPLIED
};
extern const char *const apply_result_names[];
extern const struct field_set apply_fields, apply_item_fields, export_fields, document_fields;

extern const char *const tier_names[],
	*const strategy_names[],
		*const target_kind_names[],
			*const health_names[],
				*const role_names[],
					*const all_down_names[],
						*const data_policy_names[],
							*const affinity_names[],
								*const need_names[],
									*const instance_auth_names
										[];

// "1024x1024" (or with '*', as some servers write it), 1 to SIDE_MAX each.
#define SIDE_MAX 65535
bool model_size(struct slice text, int64_t *ret_width, int64_t *ret_height);

#endif
