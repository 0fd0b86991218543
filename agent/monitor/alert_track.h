// SPDX-License-Identifier: MIT
// One condition over time, with hysteresis: ok → pending → firing → ok. Pure: time is an argument.
#ifndef YJ_AGENT_MONITOR_ALERT_TRACK_H
#define YJ_AGENT_MONITOR_ALERT_TRACK_H

#include "shared/rows/alert.h"

enum alert_phase { PHASE_OK, PHASE_PENDING, PHASE_FIRING };

struct alert_track {
	enum alert_phase phase;
	int64_t bad_us; // monotonic: since when it holds
	int64_t good_us; // while firing: since when it has passed; FIELD_NONE: it holds
};

enum alert_change {
	CHANGE_NONE,
	CHANGE_BEGINS, // ok → pending (with for_s 0: CHANGE_FIRES at once)
	CHANGE_FIRES,
	CHANGE_CALMS, // pending → ok
	CHANGE_RESOLVES,
};

// False for NAN.
bool alert_breaches(const struct alert_rule *rule, double value);
enum alert_change alert_step(struct alert_track *t, const struct alert_rule *rule, bool bad,
	int64_t now_us);

// A counter looked at from time to time: by how much it grew lately.
#define METER_SAMPLES 64
#define METER_STEP_US INT64_C(5000000) // between two samples; 64 of them hold five minutes
struct alert_meter {
	int64_t at_us[METER_SAMPLES];
	uint64_t v[METER_SAMPLES];
	size_t n; // taken so far
	uint64_t now;
};
void alert_meter_note(struct alert_meter *m, uint64_t v, int64_t now_us);
// Since the newest sample that is window_s old, or the first one.
uint64_t alert_meter_grown(const struct alert_meter *m, int64_t window_s, int64_t now_us);

#endif
