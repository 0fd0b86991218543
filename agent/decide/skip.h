// SPDX-License-Identifier: MIT
// Why a candidate is not asked: one row each, read by decisions, records, live tables and alerts.
#ifndef YJ_AGENT_DECIDE_SKIP_H
#define YJ_AGENT_DECIDE_SKIP_H

#include "shared/base.h"

enum skip {
	SKIP_NONE,
	SKIP_DISABLED,
	SKIP_DRAINED,
	SKIP_NO_KEY,
	SKIP_KEY_INVALID,
	SKIP_KEY_NO_QUOTA,
	SKIP_COOLDOWN,
	SKIP_BREAKER_OPEN,
	SKIP_HALF_OPEN_BUSY,
	SKIP_HEARTBEAT_EXPIRED,
	SKIP_UNHEALTHY,
	SKIP_RATE_LIMITED_RPM,
	SKIP_RATE_LIMITED_TPM,
	SKIP_CONCURRENCY_FULL,
	SKIP_BUDGET_EXHAUSTED,
	SKIP_CAPABILITY_MISSING,
	SKIP_SIZE_UNSUPPORTED,
	SKIP_MODEL_UNKNOWN,
	SKIP_MODEL_GONE,
	SKIP_REGION_DENIED,
	SKIP_POLICY_DENIED,
	SKIP_GRAY_EXCLUDED,
	SKIP_FEATURE_OFF,
	SKIP_ALREADY_ATTEMPTED,
	SKIP_DEADLINE_TOO_SHORT,
	SKIP_COUNT
};

// What kind of reason it is; some are of several.
enum skip_kind {
	SKIPS_WISH = 1 << 0, // the operator's wish, or nothing is set up yet: no trouble
	SKIPS_PLAN = 1 << 1, // what the feature's plan allows
	SKIPS_RATE = 1 << 2, // a rate or a vendor's cooldown, which says when it is over
	SKIPS_LOAD = 1 << 3, // it works, and has enough to do
	SKIPS_FIT = 1 << 4, // it cannot do what the request asks
};

struct skip_row {
	const char *name; // in records
	const char *state; // in live tables, see shared/rows/model.h
	unsigned kinds;
};

const struct skip_row *skip_row(enum skip s);

static inline const char *skip_name(enum skip s)
{
	return skip_row(s)->name;
}

// It is of one of these kinds; SKIP_NONE is of none.
static inline bool skip_is(enum skip s, unsigned kinds)
{
	return (skip_row(s)->kinds & kinds) != 0;
}

#endif
