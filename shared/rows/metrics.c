// SPDX-License-Identifier: MIT
// Every series the agent exposes, with its labels and buckets: a figure that has no row here
// cannot be counted.
#include "shared/rows/metrics.h"

#include <math.h>
#include "shared/text.h"

static const double request_s[] = {
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, INFINITY};
static const double upstream_s[] = {
	0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, INFINITY};

#define EACH SVC_ALL
#define GW SVC_API_GATEWAY
#define CFG SVC_CONFIG_CENTER
#define KEYS SVC_KEY_MANAGER
#define REG SVC_SERVICE_REGISTRY
#define ROUT SVC_ROUTER_ENGINE
#define COUNTER METRIC_COUNTER
#define GAUGE METRIC_GAUGE
#define HISTOGRAM METRIC_HISTOGRAM

// Rows of EACH have "service" as their first label: it says whose port exposes the series.
static const struct metric_row rows[] = {
	{MET_BUILD_INFO, EACH, "yijian_build_info", GAUGE, {"service", "version"}, NULL, "",
		N_("Constant 1, labelled with the version that runs")},
	{MET_HTTP_REQUESTS, EACH, "yijian_http_requests_total", COUNTER,
		{"service", "endpoint", "class"}, NULL, "",
		N_("HTTP requests answered, by endpoint and status class")},
	{MET_HTTP_DURATION, EACH, "yijian_http_request_duration_seconds", HISTOGRAM, {"service"},
		request_s, "s", N_("Time from request head to the end of the answer")},
	{MET_HTTP_CONNECTIONS, EACH, "yijian_http_connections", GAUGE, {"service"}, NULL, "",
		N_("Open connections of callers")},

	{MET_GW_REQUESTS, GW, "yijian_gateway_requests_total", COUNTER, {"feature", "class"}, NULL,
		"", N_("Model requests, by feature and status class")},
	{MET_GW_DURATION, GW, "yijian_gateway_request_duration_seconds", HISTOGRAM, {"feature"},
		upstream_s, "s", N_("Time from a model request's head to the end of its answer")},
	{MET_GW_TTFB, GW, "yijian_gateway_first_byte_seconds", HISTOGRAM, {"feature"}, upstream_s,
		"s", N_("Time to the first byte of a model answer")},
	{MET_GW_ATTEMPTS, GW, "yijian_gateway_attempts_total", COUNTER,
		{"feature", "target", "outcome"}, NULL, "",
		N_("Attempts at upstreams, by feature, target and how they ended")},
	{MET_GW_FALLBACKS, GW, "yijian_gateway_fallbacks_total", COUNTER, {"feature"}, NULL, "",
		N_("Attempts that were not the request's first")},
	{MET_GW_INFLIGHT, GW, "yijian_gateway_inflight_requests", GAUGE, {NULL}, NULL, "",
		N_("Model requests under way")},
	{MET_TASKS, GW, "yijian_image_tasks_total", COUNTER, {"feature", "state"}, NULL, "",
		N_("Image tasks that are over, by feature and how they ended")},
	{MET_TASKS_OPEN, GW, "yijian_image_tasks_open", GAUGE, {"state"}, NULL, "",
		N_("Image tasks that are not over: queued, submitting, running")},
	{MET_GW_STREAMS_BROKEN, GW, "yijian_gateway_streams_broken_total", COUNTER,
		{"feature", "cause"}, NULL, "", N_("Streams that ended before they were complete")},
	{MET_GW_TOKENS, GW, "yijian_gateway_tokens_total", COUNTER, {"feature", "direction"}, NULL,
		"", N_("Tokens reported by upstreams: in, out")},
	{MET_GW_CLIENT_GONE, GW, "yijian_gateway_client_gone_total", COUNTER, {"feature"}, NULL, "",
		N_("Requests whose caller left before the answer was complete")},
	{MET_GW_LIMITED, GW, "yijian_gateway_limited_total", COUNTER, {"whose", "limit"}, NULL, "",
		N_("Model requests refused by a limit: of a client or a feature; rpm, tpm, concurrency "
		   "or budget")},
	{MET_GW_REFUSED, GW, "yijian_gateway_refused_total", COUNTER, {"reason", "client"}, NULL,
		"",
		N_("Model requests refused before any upstream was asked, by reason and, where it is "
		   "known, client")},
	{MET_GW_SHED, EACH, "yijian_http_shed_total", COUNTER, {"service", "why"}, NULL, "",
		N_("Connections and requests refused with 503 because of load")},
	{MET_SERIES_DROPPED, GW, "yijian_metric_updates_dropped_total", COUNTER, {NULL}, NULL, "",
		N_("Updates of series beyond the limit of the registry")},
	{MET_BUFFERED, GW, "yijian_http_buffered_bytes", GAUGE, {"what"}, NULL, "bytes",
		N_("Bytes held for callers: requests as they come in, answers that are not taken")},
	{MET_LOG_LOST, GW, "yijian_log_lines_lost_total", COUNTER, {NULL}, NULL, "",
		N_("Log lines that found no reader in time or could not be written")},
	{MET_SERIES_MISSING, GW, "yijian_metrics_series_dropped", GAUGE, {"metric"}, NULL, "",
		N_("Series that have no place now, by metric: more objects than are kept apart")},
	{MET_EVENTS_DROPPED, GW, "yijian_events_dropped_total", COUNTER, {NULL}, NULL, "",
		N_("Events that slow readers of the event ring lost")},
	{MET_ALERTS_FIRING, GW, "yijian_alerts_firing", GAUGE, {"rule"}, NULL, "",
		N_("Alerts that fire, by rule")},
	{MET_USAGE_TOKENS, GW, "yijian_usage_tokens_total", COUNTER, {"feature", "target", "kind"},
		NULL, "", N_("Tokens used, by kind: in, out, and of these cached and reasoning")},
	{MET_USAGE_UNKNOWN, GW, "yijian_usage_unknown_total", COUNTER, {"feature", "target"}, NULL,
		"", N_("Attempts that did work of which nobody told how much")},
	{MET_USAGE_ABSURD, GW, "yijian_usage_absurd_total", COUNTER, {"feature", "target"}, NULL,
		"",
		N_("Attempts whose upstream told a usage nobody can believe; it was estimated")},
	{MET_COST, GW, "yijian_cost_total", COUNTER, {"feature", "target", "currency"}, NULL, "",
		N_("Cost of the traffic, in units of the currency, as far as it is known")},
	{MET_COST_UNKNOWN, GW, "yijian_cost_unknown_total", COUNTER, {"feature", "target"}, NULL,
		"", N_("Attempts that did work whose cost is not known")},
	{MET_COST_ZERO, GW, "yijian_cost_zero_total", COUNTER, {"feature", "target"}, NULL, "",
		N_("Attempts that cost nothing though their model has a price")},
	{MET_LEDGER_ROWS, GW, "yijian_ledger_waiting_rows", GAUGE, {NULL}, NULL, "",
		N_("Sums of usage that wait to be written")},
	{MET_LEDGER_OVERFLOW, GW, "yijian_ledger_overflow_total", COUNTER, {NULL}, NULL, "",
		N_("Sums of usage that found no room and are counted as other")},

	{MET_CONFIG_REVISION, CFG, "yijian_config_revision", GAUGE, {NULL}, NULL, "",
		N_("Revision of the configuration that is served")},
	{MET_FEATURES, CFG, "yijian_features", GAUGE, {NULL}, NULL, "", N_("Features configured")},
	{MET_STORE_COMMITS, CFG, "yijian_store_commits_total", COUNTER, {NULL}, NULL, "",
		N_("Transactions committed")},
	{MET_STORE_COMMIT_SECONDS, CFG, "yijian_store_commit_seconds_total", COUNTER, {NULL}, NULL,
		"s", N_("Time spent in commits")},
	{MET_STORE_WRITES, CFG, "yijian_store_writes_total", COUNTER, {NULL}, NULL, "",
		N_("Writes acknowledged")},
	{MET_STORE_FAILURES, CFG, "yijian_store_failures_total", COUNTER, {NULL}, NULL, "",
		N_("Writes refused because of storage")},
	{MET_STORE_UP, CFG, "yijian_store_up", GAUGE, {NULL}, NULL, "",
		N_("1 when the database takes writes")},
	{MET_STORE_LOG_BYTES, CFG, "yijian_store_log_bytes", GAUGE, {NULL}, NULL, "B",
		N_("Size of the database's write-ahead log, at most 8 MiB")},
	{MET_STORE_CHECKPOINT_AT, CFG, "yijian_store_last_checkpoint_timestamp_seconds", GAUGE,
		{NULL}, NULL, "s", N_("When the log was last copied into the database")},
	{MET_STORE_PURGE_AT, CFG, "yijian_store_last_purge_timestamp_seconds", GAUGE, {NULL}, NULL,
		"s", N_("When rows past their time were last looked for and wiped")},
	{MET_STORE_CHANGES_MISSING, CFG, "yijian_store_changes_missing", GAUGE, {NULL}, NULL, "",
		N_("1 when the database lacks changes that were acknowledged")},
	{MET_OUTAGES, CFG, "yijian_outages_written", GAUGE, {"kind"}, NULL, "",
		N_("Keys and instances written down as out, so that a restart does not use them")},
	{MET_LISTEN_PUBLIC, EACH, "yijian_listen_public", GAUGE, {"service"}, NULL, "",
		N_("1 when a port is bound beyond loopback")},
	{MET_TLS_EXPIRES, GW, "yijian_tls_certificate_expiry_timestamp_seconds", GAUGE, {NULL},
		NULL, "s", N_("When the certificate of the gateway's port expires")},
	{MET_TLS_FAILURES, GW, "yijian_tls_handshake_failures_total", COUNTER, {"reason"}, NULL, "",
		N_("TLS handshakes that failed, by reason: plain_http, protocol (no http/1.1 "
		   "offered), version, cipher, refused_by_caller, cut, timeout, overloaded, other")},

	{MET_KEYS, KEYS, "yijian_keys", GAUGE, {"state"}, NULL, "", N_("Vendor keys, by state")},
	{MET_KEY_USABLE, KEYS, "yijian_key_usable", GAUGE, {"key"}, NULL, "",
		N_("1 when a request could use the key now")},
	{MET_KEY_COOLDOWN_SECONDS, KEYS, "yijian_key_cooldown_seconds", GAUGE, {"key"}, NULL, "s",
		N_("Rest of a key's cooldown")},
	{MET_SEALED, KEYS, "yijian_sealed", GAUGE, {NULL}, NULL, "",
		N_("1 when the root key does not open the key store")},
	{MET_AUTH_DENIED, EACH, "yijian_auth_denied_total", COUNTER, {"service", "code"}, NULL, "",
		N_("Calls refused for who called, by error code")},

	{MET_INSTANCE_UP, REG, "yijian_instance_up", GAUGE, {"upstream", "id"}, NULL, "",
		N_("1 when an instance takes requests")},
	{MET_PROBES, REG, "yijian_probes_total", COUNTER, {"result"}, NULL, "",
		N_("Health probes, by result")},
	{MET_HEARTBEATS, REG, "yijian_heartbeats_total", COUNTER, {NULL}, NULL, "",
		N_("Heartbeats received")},

	{MET_DECISIONS, ROUT, "yijian_decisions_total", COUNTER, {"feature", "result"}, NULL, "",
		N_("Routing decisions, by feature and result: chosen, none")},
	{MET_SKIPS, ROUT, "yijian_candidate_skips_total", COUNTER, {"code"}, NULL, "",
		N_("Candidates passed over, by reason")},
	{MET_BREAKER_OPEN, ROUT, "yijian_breaker_open", GAUGE, {"candidate"}, NULL, "",
		N_("1 while a candidate's circuit breaker is open")},
};
_Static_assert(ARRAY_LEN(rows) == MET_COUNT, "one row per metric");

const struct metric_row *metric_row(enum metric_id id)
{
	return &rows[id];
}
