// SPDX-License-Identifier: MIT
// Every metric the agent exposes, one row each: registry, exposition, man page, metrics view and
// the dashboard test are derived. Labels come from closed sets only.
#ifndef YJ_SHARED_ROWS_METRICS_H
#define YJ_SHARED_ROWS_METRICS_H

#include "shared/rows/api.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_LABELS_MAX 4
#define METRIC_SERIES_MAX 6000 // over all metrics; what has no place is counted and told

enum metric_id {
	// every port
	MET_BUILD_INFO,
	MET_HTTP_REQUESTS,
	MET_HTTP_DURATION,
	MET_HTTP_CONNECTIONS,
	// gateway
	MET_GW_REQUESTS,
	MET_GW_DURATION,
	MET_GW_TTFB,
	MET_GW_ATTEMPTS,
	MET_GW_FALLBACKS,
	MET_GW_INFLIGHT,
	MET_TASKS,
	MET_TASKS_OPEN,
	MET_GW_STREAMS_BROKEN,
	MET_GW_TOKENS,
	MET_GW_CLIENT_GONE,
	MET_GW_LIMITED,
	MET_GW_REFUSED,
	MET_GW_SHED,
	MET_SERIES_DROPPED,
	MET_BUFFERED,
	MET_LOG_LOST,
	MET_SERIES_MISSING,
	MET_EVENTS_DROPPED,
	MET_ALERTS_FIRING,
	MET_USAGE_TOKENS,
	MET_USAGE_UNKNOWN,
	MET_USAGE_ABSURD,
	MET_COST,
	MET_COST_UNKNOWN,
	MET_COST_ZERO,
	MET_LEDGER_ROWS,
	MET_LEDGER_OVERFLOW,
	// config-center
	MET_CONFIG_REVISION,
	MET_FEATURES,
	MET_STORE_COMMITS,
	MET_STORE_COMMIT_SECONDS,
	MET_STORE_WRITES,
	MET_STORE_FAILURES,
	MET_STORE_UP,
	MET_STORE_LOG_BYTES,
	MET_STORE_CHECKPOINT_AT,
	MET_STORE_PURGE_AT,
	MET_STORE_CHANGES_MISSING,
	MET_OUTAGES,
	MET_LISTEN_PUBLIC,
	MET_TLS_EXPIRES,
	MET_TLS_FAILURES,
	// key-manager
	MET_KEYS,
	MET_KEY_USABLE,
	MET_KEY_COOLDOWN_SECONDS,
	MET_SEALED,
	MET_AUTH_DENIED,
	// registry
	MET_INSTANCE_UP,
	MET_PROBES,
	MET_HEARTBEATS,
	// router
	MET_DECISIONS,
	MET_SKIPS,
	MET_BREAKER_OPEN,
	MET_COUNT
};

struct metric_row {
	enum metric_id id;
	enum service_id service; // whose port exposes it; SVC_ALL: each its own
	const char *name; // "yijian_gateway_requests_total"
	enum metric_type type;
	const char *labels[METRIC_LABELS_MAX]; // NULL-terminated when fewer
	const double *buckets; // histogram, closed by INFINITY
	const char *unit;
	const char *help;
};

const struct metric_row *metric_row(enum metric_id id);

#endif
