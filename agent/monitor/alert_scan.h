// SPDX-License-Identifier: MIT
// What alert rules measure, read from the snapshot, live state and history: for each object of the
// metric's scope its value now.
#ifndef YJ_AGENT_MONITOR_ALERT_SCAN_H
#define YJ_AGENT_MONITOR_ALERT_SCAN_H

#include "agent/monitor/alert_track.h"
#include "agent/decide/decide.h"
#include "agent/core/agent.h"
#include "shared/rows/alert.h"

#define ALERT_OBJECT_MAX (2 * REF_MAX) // bytes of an object's name

// Told for each object. id: its own where its name may become another's, else "". value NAN: unknown
// now, which neither begins nor ends an alert.
typedef void (*alert_found_fn)(void *arg, const char *object, const char *id, double value);

struct alert_scan {
	struct agent *agent;
	const struct snapshot *snap;
	int64_t now_us, wall_ms;
	struct decision *decision; // scratch
	const struct alert_meter *zero_cost, *unpriced, *outcome_unknown;
	alert_found_fn found;
	void *arg;
};

// Tells every object that `rule` looks at.
void alert_scan(const struct alert_scan *s, const struct alert_rule *rule);

#endif
