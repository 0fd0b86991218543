// SPDX-License-Identifier: MIT
// The table of reasons: what a record calls each, what a live table shows, what kind it is of.
#include "agent/decide/skip.h"

static const struct skip_row rows[SKIP_COUNT] = {
	[SKIP_NONE] = {"", "OK", 0},
	[SKIP_DISABLED] = {"disabled", "DISABLED", SKIPS_WISH},
	[SKIP_DRAINED] = {"drained", "DRAINED", SKIPS_WISH},
	[SKIP_NO_KEY] = {"no_key", "NO_KEY", SKIPS_WISH},
	[SKIP_KEY_INVALID] = {"key_invalid", "INVALID", 0},
	[SKIP_KEY_NO_QUOTA] = {"key_no_quota", "NO_QUOTA", 0},
	[SKIP_COOLDOWN] = {"cooldown", "COOLING", SKIPS_RATE},
	[SKIP_BREAKER_OPEN] = {"breaker_open", "OPEN", 0},
	[SKIP_HALF_OPEN_BUSY] = {"half_open_busy", "HALF_OPEN", SKIPS_LOAD},
	[SKIP_HEARTBEAT_EXPIRED] = {"heartbeat_expired", "DOWN", 0},
	[SKIP_UNHEALTHY] = {"unhealthy", "DOWN", 0},
	[SKIP_RATE_LIMITED_RPM] = {"rate_limited_rpm", "LIMITED", SKIPS_RATE | SKIPS_LOAD},
	[SKIP_RATE_LIMITED_TPM] = {"rate_limited_tpm", "LIMITED", SKIPS_RATE | SKIPS_LOAD},
	[SKIP_CONCURRENCY_FULL] = {"concurrency_full", "FULL", SKIPS_LOAD},
	[SKIP_BUDGET_EXHAUSTED] = {"budget_exhausted", "NO_QUOTA", 0},
	[SKIP_CAPABILITY_MISSING] = {"capability_missing", "UNSUPPORTED", SKIPS_FIT},
	[SKIP_SIZE_UNSUPPORTED] = {"size_unsupported", "UNSUPPORTED", SKIPS_FIT},
	[SKIP_MODEL_UNKNOWN] = {"model_unknown", "UNSUPPORTED", SKIPS_FIT},
	[SKIP_MODEL_GONE] = {"model_gone", "GONE", 0},
	[SKIP_REGION_DENIED] = {"region_denied", "REGION", SKIPS_PLAN},
	[SKIP_POLICY_DENIED] = {"policy_denied", "SKIPPED", SKIPS_PLAN},
	[SKIP_GRAY_EXCLUDED] = {"gray_excluded", "SKIPPED", 0},
	[SKIP_FEATURE_OFF] = {"feature_off", "OFF", 0},
	[SKIP_ALREADY_ATTEMPTED] = {"already_attempted", "SKIPPED", 0},
	[SKIP_DEADLINE_TOO_SHORT] = {"deadline_too_short", "SKIPPED", 0},
};

const struct skip_row *skip_row(enum skip s)
{
	return &rows[s];
}
