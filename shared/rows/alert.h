// SPDX-License-Identifier: MIT
// Alerts as data: what can be measured (one row each, with the words an alert says and the next
// step), the rule document, and the rules that come with the agent.
#ifndef YJ_SHARED_ROWS_ALERT_H
#define YJ_SHARED_ROWS_ALERT_H

#include "shared/field.h"

#define ALERT_RULES_MAX 200 // with the built-in ones
#define ALERT_NOTE_MAX 400

enum alert_scope {
	SCOPE_AGENT,
	SCOPE_FEATURE,
	SCOPE_TARGET,
	SCOPE_KEY,
	SCOPE_INSTANCE,
	SCOPE_REFUSAL
};
enum alert_op { OP_GT, OP_GE, OP_LT, OP_LE };
enum alert_severity { SEVERITY_CRITICAL, SEVERITY_WARNING, SEVERITY_INFO };

enum alert_metric {
	AM_ERROR_PCT,
	AM_P95_MS,
	AM_BROKEN_PCT,
	AM_CANDIDATES_UP,
	AM_KEY_COOLING,
	AM_KEY_INVALID,
	AM_KEY_NO_QUOTA,
	AM_KEY_BUDGET_PCT,
	AM_KEY_EXPIRES_DAYS,
	AM_INSTANCE_DOWN,
	AM_MODEL_GONE,
	AM_MODEL_SHUTDOWN_DAYS,
	AM_STORE_DEGRADED,
	AM_SEALED,
	AM_ZERO_COST,
	AM_UNPRICED,
	AM_OUTCOME_UNKNOWN,
	AM_CALLERS_REFUSED,
	AM_CERTIFICATE_DAYS,
	AM_COUNT
};

struct alert_metric_row {
	enum alert_metric id;
	enum alert_scope scope;
	const char *unit; // "" for states, which are 1 or 0
	const char *help;
	// With {object}, {value} and {limit} in their places.
	const char *message, *hint;
};

struct alert_rule {
	const char *name, *description;
	int metric; // enum alert_metric
	struct strv only; // objects it looks at; empty: all of the metric's scope
	int op; // enum alert_op: value op threshold is the trouble
	double threshold;
	int64_t window_s; // of rates and latencies
	int64_t min_count; // with fewer requests in the window nothing is said
	int64_t for_s, clear_for_s; // how long it must hold, and must have passed
	int severity;
	bool enabled;
	const char *labels; // JSON object, passed on
	// answers only
	int scope;
	bool builtin;
	int64_t revision, created_at, updated_at;
	const char *updated_by;
};

struct alert_ack_body {
	const char *note;
};

extern const struct field_set alert_rule_fields; // stored
extern const struct field_set alert_fields; // answers only
extern const struct field_set alert_ack_fields;
extern const char *const alert_scope_names[],
	*const alert_op_names[], *const alert_severity_names[], *const alert_metric_names[];

const struct alert_metric_row *alert_metric_row(enum alert_metric m);
// Rules of every agent until somebody changes them.
const struct alert_rule *alert_rules_builtin(size_t *ret_n);

#endif
