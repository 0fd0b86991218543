// SPDX-License-Identifier: MIT
// What can be measured and complained about, the form of a rule, and the rules that are there
// before anybody has written one.
#include "shared/rows/alert.h"

#include "shared/rows/model.h"
#include "shared/rows/model_rows.h"
#include "shared/text.h"

const char *const alert_scope_names[] = {
	"agent", "feature", "target", "key", "instance", "refusal", NULL};
const char *const alert_op_names[] = {"gt", "ge", "lt", "le", NULL};
const char *const alert_severity_names[] = {"critical", "warning", "info", NULL};
// In the order of the rows below.
const char *const alert_metric_names[] = {"error_pct", "p95_ms", "broken_streams_pct",
	"candidates_up", "key_cooling", "key_invalid", "key_no_quota", "key_budget_pct",
	"key_expires_days", "instance_down", "model_gone", "model_shutdown_days", "store_degraded",
	"sealed", "zero_cost_rows", "unpriced_calls", "tasks_outcome_unknown", "callers_refused",
	"certificate_days", NULL};
_Static_assert(ARRAY_LEN(alert_metric_names) == AM_COUNT + 1, "one name for every metric");

#define ROW(id, scope, unit, ...) [id] = {id, scope, unit, __VA_ARGS__}
static const struct alert_metric_row metrics[] = {
	ROW(AM_ERROR_PCT, SCOPE_FEATURE, "%", N_("share of a feature's requests that failed"),
		N_("feature {object}: {value} % of requests fail, limit {limit} %"),
		N_("see what failed: yijian traffic list --errors --feature {object}")),
	ROW(AM_P95_MS, SCOPE_FEATURE, "ms", N_("95th percentile of a feature's latency"),
		N_("feature {object}: p95 latency {value} ms, limit {limit} ms"),
		N_("see which target is slow: yijian route list {object}")),
	ROW(AM_BROKEN_PCT, SCOPE_FEATURE, "%",
		N_("share of a feature's requests whose stream broke"),
		N_("feature {object}: {value} % of requests end in a broken stream, limit {limit} %"),
		N_("see whose: yijian traffic list --errors --feature {object}")),
	ROW(AM_CANDIDATES_UP, SCOPE_FEATURE, "", N_("candidates of a feature that take requests"),
		N_("feature {object}: no target takes requests"),
		N_("see why each is out: yijian route explain {object}")),
	ROW(AM_KEY_COOLING, SCOPE_KEY, "",
		N_("a key waits after its vendor said too many requests"),
		N_("key {object}: rate limited by its vendor, cooling"),
		N_("add a key of another account, or lower its limits: yijian key get {object}")),
	ROW(AM_KEY_INVALID, SCOPE_KEY, "", N_("a vendor refuses a key"),
		N_("key {object}: its vendor refuses it"),
		N_("find out why: yijian key test {object}; then: yijian key rotate {object}")),
	ROW(AM_KEY_NO_QUOTA, SCOPE_KEY, "", N_("a key is out of credit"),
		N_("key {object}: out of credit at its vendor"),
		N_("pay at the vendor, then: yijian key test {object}")),
	ROW(AM_KEY_BUDGET_PCT, SCOPE_KEY, "%", N_("used part of a key's budget"),
		N_("key {object}: {value} % of its budget is spent"),
		N_("raise the budget or add a key: yijian key get {object}")),
	ROW(AM_KEY_EXPIRES_DAYS, SCOPE_KEY, "d", N_("days until a key expires"),
		N_("key {object}: expires in {value} days"),
		N_("make a new one at the vendor, then: yijian key rotate {object}")),
	ROW(AM_INSTANCE_DOWN, SCOPE_INSTANCE, "", N_("an instance fails its probes or is silent"),
		N_("instance {object}: down"), N_("probe it now: yijian service check {object}")),
	ROW(AM_MODEL_GONE, SCOPE_TARGET, "", N_("a vendor does not know a target's model"),
		N_("target {object}: the vendor does not know its model"),
		N_("correct upstream_model of the target: yijian feature get {object}")),
	ROW(AM_MODEL_SHUTDOWN_DAYS, SCOPE_TARGET, "d",
		N_("days until a target's model is shut down"),
		N_("target {object}: its model is shut down by the vendor in {value} days"),
		N_("move the target to a newer upstream_model")),
	ROW(AM_STORE_DEGRADED, SCOPE_AGENT, "",
		N_("the database does not take writes or lost rows"),
		N_("the store is degraded: traffic goes on, changes may be refused"),
		N_("see the reason: yijian status")),
	ROW(AM_SEALED, SCOPE_AGENT, "", N_("the root key does not open the key store"),
		N_("sealed: the root key does not open the key store"),
		N_("put the right root key file in place and restart the agent")),
	ROW(AM_ZERO_COST, SCOPE_AGENT, "", N_("calls of paid models that were booked at no cost"),
		N_("{value} calls of paid models were booked at no cost"),
		N_("see which: yijian usage --by model; correct its price: yijian price import FILE")),
	ROW(AM_UNPRICED, SCOPE_AGENT, "", N_("calls of vendors' models that no price is known for"),
		N_("{value} calls of vendors' models cost nobody knows what: no price is known for them"),
		N_("see which: yijian usage --by model; give it a price: yijian price import FILE")),
	ROW(AM_OUTCOME_UNKNOWN, SCOPE_AGENT, "", N_("image tasks whose outcome nobody knows"),
		N_("{value} image tasks have an unknown outcome: paid perhaps, not repeated"),
		N_("look at the vendor's console, then: yijian task list")),
	ROW(AM_CALLERS_REFUSED, SCOPE_REFUSAL, "",
		N_("requests refused for one reason, in the window"),
		N_("callers are refused, {object}: {value} requests lately"),
		N_("see who and why: yijian traffic list --errors -o wide; in words: yijian status")),
	ROW(AM_CERTIFICATE_DAYS, SCOPE_AGENT, "d",
		N_("days until the certificate of the gateway's port expires"),
		N_("the certificate of the gateway's port expires in {value} days"),
		N_("put a new pair in place, then: systemctl reload yijiand (SIGHUP)")),
};
_Static_assert(ARRAY_LEN(metrics) == AM_COUNT, "one row for every metric");
#undef ROW

const struct alert_metric_row *alert_metric_row(enum alert_metric m)
{
	return &metrics[m];
}

// ---- documents ----

#define RULE_AT(m) AT(alert_rule, m)

static const struct field alert_rule_rows[] = {
	{RULE_AT(name), .type = FT_STR, .charset = FC_ID, .min = 1, .max = ID_MAX,
		.flags = FF_REQUIRED | FF_COLUMN | FF_IMMUTABLE, .help = N_("name of the rule")},
	{RULE_AT(description), .type = FT_STR, .charset = FC_NAME, .max = 400,
		.flags = FF_NULLABLE | FF_OMIT_UNSET | FF_FORM, .help = N_("what it is for")},
	{RULE_AT(metric), .type = FT_ENUM, .choices = alert_metric_names, .def = -1,
		.flags = FF_REQUIRED | FF_COLUMN | FF_FORM, .help = N_("what is measured")},
	{RULE_AT(scope), .type = FT_ENUM, .choices = alert_scope_names,
		.flags = FF_READONLY | FF_WIDE, .help = N_("what each alert of it is about")},
	{RULE_AT(only), .type = FT_STRV, .charset = FC_NAME, .min = 1, .max = REF_MAX,
		.flags = FF_WIDE | FF_FORM, .help = N_("only these objects; empty: all")},
	{RULE_AT(op), .type = FT_ENUM, .choices = alert_op_names, .def = OP_GE,
		.flags = FF_COLUMN | FF_FORM,
		.help = N_("how the value is compared: gt, ge, lt, le")},
	{RULE_AT(threshold), .type = FT_NUM, .flags = FF_REQUIRED | FF_COLUMN | FF_FORM,
		.help = N_("with what")},
	{RULE_AT(window_s), .type = FT_INT, .min = 10, .max = 300, .def = 300, .unit = "s",
		.flags = FF_WIDE | FF_FORM,
		.help = N_("time over which rates and latencies are taken")},
	{RULE_AT(min_count), .type = FT_INT, .min = 0, .max = 1000000, .def = 10,
		.flags = FF_WIDE | FF_FORM, .help = N_("fewer requests in the window say nothing")},
	{RULE_AT(for_s), .type = FT_INT, .min = 0, .max = 86400, .def = 60, .unit = "s",
		.flags = FF_COLUMN | FF_FORM,
		.help = N_("how long it holds before the alert fires")},
	{RULE_AT(clear_for_s), .type = FT_INT, .min = 0, .max = 86400, .def = 60, .unit = "s",
		.flags = FF_WIDE | FF_FORM,
		.help = N_("how long it has passed before it resolves")},
	{RULE_AT(severity), .type = FT_ENUM, .choices = alert_severity_names,
		.def = SEVERITY_WARNING, .flags = FF_COLUMN | FF_FORM,
		.help = N_("critical, warning or info")},
	{RULE_AT(enabled), .type = FT_BOOL, .def = 1, .flags = FF_COLUMN | FF_FORM,
		.help = N_("whether it is looked at")},
	{RULE_AT(labels), .type = FT_JSON, .flags = FF_OMIT_UNSET,
		.help = N_("passed on with each alert")},
	{RULE_AT(builtin), .type = FT_BOOL, .flags = FF_READONLY | FF_WIDE,
		.help = N_("came with the agent; deleting it brings its default back")},
	{RULE_AT(revision), .type = FT_INT, .def = FIELD_NONE, .flags = FF_READONLY | FF_WIDE,
		.help = N_("number of the last change; the ETag")},
	{RULE_AT(created_at), .type = FT_TIME, .flags = FF_READONLY,
		.help = N_("when it was made")},
	{RULE_AT(updated_at), .type = FT_TIME, .flags = FF_READONLY,
		.help = N_("when it was last changed")},
	{RULE_AT(updated_by), .type = FT_STR, .flags = FF_READONLY,
		.help = N_("who changed it last")},
};
const struct field_set alert_rule_fields = {
	"AlertRule", alert_rule_rows, ARRAY_LEN(alert_rule_rows), sizeof(struct alert_rule)};

static const struct field alert_rows[] = {
	{SEEN_COL("severity"), .type = FT_STR, .help = N_("critical, warning or info")},
	{SEEN_COL("state"), .type = FT_STR, .help = N_("pending, firing, acked or resolved")},
	{SEEN_COL("since"), .type = FT_TIME, .help = N_("when the trouble began")},
	{SEEN_COL("rule"), .type = FT_STR, .help = N_("name of its rule")},
	{SEEN_COL("object"), .type = FT_STR, .help = N_("what it is about")},
	{SEEN("object_id"), .type = FT_STR, .help = N_("its id, where the name is not one")},
	{SEEN_COL("message"), .type = FT_STR, .help = N_("what is wrong, in one line")},
	{SEEN_WIDE("id"), .type = FT_STR, .help = N_("al-…")},
	{SEEN("metric"), .type = FT_STR, .help = N_("what is measured")},
	{SEEN("scope"), .type = FT_STR, .help = N_("what kind of object")},
	{SEEN_WIDE("value"), .type = FT_NUM, .help = N_("last measured")},
	{SEEN_WIDE("threshold"), .type = FT_NUM, .help = N_("the rule's")},
	{SEEN("unit"), .type = FT_STR, .help = N_("of value and threshold")},
	{SEEN_WIDE("hint"), .type = FT_STR, .help = N_("the next step")},
	{SEEN("fired_at"), .type = FT_TIME, .help = N_("when it had held long enough")},
	{SEEN_WIDE("resolved_at"), .type = FT_TIME, .help = N_("when it had passed")},
	{SEEN_WIDE("acked_by"), .type = FT_STR, .help = N_("who saw to it")},
	{SEEN("acked_by_name"), .type = FT_STR, .help = N_("the name of that token")},
	{SEEN("acked_at"), .type = FT_TIME, .help = N_("since when")},
	{SEEN("note"), .type = FT_STR, .help = N_("what they said")},
	{SEEN("labels"), .type = FT_JSON, .help = N_("the rule's")},
	{SEEN("stored"), .type = FT_BOOL, .help = N_("an acknowledgement is kept over a restart")},
};
const struct field_set alert_fields = {"Alert", alert_rows, ARRAY_LEN(alert_rows), 0};

static const struct field alert_ack_rows[] = {
	{"note", FT_STR, FIELD_AT(struct alert_ack_body, note), FF_NULLABLE, FC_NAME, .max = 100,
		.help = N_("what is being done")},
};
const struct field_set alert_ack_fields = {
	"AlertAck", alert_ack_rows, ARRAY_LEN(alert_ack_rows), sizeof(struct alert_ack_body)};

// ---- the rules that come with the agent ----

#define RULE(name_, metric_, op_, threshold_, for_, clear_, severity_, text)                       \
	{                                                                                          \
		.name = name_,                                                                     \
		.description = text,                                                               \
		.metric = metric_,                                                                 \
		.op = op_,                                                                         \
		.threshold = threshold_,                                                           \
		.window_s = 300,                                                                   \
		.min_count = 10,                                                                   \
		.for_s = for_,                                                                     \
		.clear_for_s = clear_,                                                             \
		.severity = severity_,                                                             \
		.enabled = true,                                                                   \
		.builtin = true,                                                                   \
	}
static const struct alert_rule builtin[] = {
	RULE("route-errors", AM_ERROR_PCT, OP_GE, 5, 60, 60, SEVERITY_CRITICAL,
		N_("requests of a feature fail")),
	RULE("route-latency", AM_P95_MS, OP_GE, 30000, 180, 60, SEVERITY_WARNING,
		N_("a feature is slow")),
	RULE("streams-broken", AM_BROKEN_PCT, OP_GE, 2, 60, 60, SEVERITY_WARNING,
		N_("streams of a feature break")),
	RULE("targets-down", AM_CANDIDATES_UP, OP_LT, 1, 10, 10, SEVERITY_CRITICAL,
		N_("a feature has targets, and none takes requests")),
	RULE("key-cooling", AM_KEY_COOLING, OP_GE, 1, 120, 60, SEVERITY_WARNING,
		N_("a key is rate limited for long")),
	RULE("key-invalid", AM_KEY_INVALID, OP_GE, 1, 0, 0, SEVERITY_CRITICAL,
		N_("a vendor refuses a key")),
	RULE("key-no-quota", AM_KEY_NO_QUOTA, OP_GE, 1, 0, 0, SEVERITY_CRITICAL,
		N_("a key is out of credit")),
	RULE("key-budget", AM_KEY_BUDGET_PCT, OP_GE, 90, 0, 60, SEVERITY_WARNING,
		N_("a key's budget is nearly spent")),
	RULE("key-expiry", AM_KEY_EXPIRES_DAYS, OP_LT, 14, 0, 0, SEVERITY_WARNING,
		N_("a key expires soon")),
	RULE("instance-down", AM_INSTANCE_DOWN, OP_GE, 1, 15, 15, SEVERITY_WARNING,
		N_("an instance fails its probes")),
	RULE("model-gone", AM_MODEL_GONE, OP_GE, 1, 0, 0, SEVERITY_CRITICAL,
		N_("a vendor does not know a target's model")),
	RULE("model-shutdown", AM_MODEL_SHUTDOWN_DAYS, OP_LT, 60, 0, 0, SEVERITY_WARNING,
		N_("a vendor shuts a target's model down soon")),
	RULE("store-degraded", AM_STORE_DEGRADED, OP_GE, 1, 5, 5, SEVERITY_CRITICAL,
		N_("the database is in trouble")),
	RULE("sealed", AM_SEALED, OP_GE, 1, 0, 0, SEVERITY_CRITICAL, N_("the key store is closed")),
	RULE("zero-cost", AM_ZERO_COST, OP_GE, 1, 0, 60, SEVERITY_WARNING,
		N_("paid calls are booked at no cost")),
	RULE("unpriced", AM_UNPRICED, OP_GE, 1, 0, 60, SEVERITY_WARNING,
		N_("a paid model has no price")),
	RULE("outcome-unknown", AM_OUTCOME_UNKNOWN, OP_GE, 1, 0, 0, SEVERITY_WARNING,
		N_("a paid image task was lost")),
	RULE("callers-refused", AM_CALLERS_REFUSED, OP_GE, 10, 60, 60, SEVERITY_WARNING,
		N_("callers are refused over and over")),
	RULE("certificate-expiry", AM_CERTIFICATE_DAYS, OP_LT, 14, 0, 0, SEVERITY_WARNING,
		N_("the gateway's certificate expires soon")),
};
#undef RULE

const struct alert_rule *alert_rules_builtin(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(builtin);
	return builtin;
}
