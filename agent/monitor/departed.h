// SPDX-License-Identifier: MIT
// Figures end with their objects. A feature that is made anew under the name of a deleted one begins
// its series in /metrics and in the history at nothing, at once. Those of what is gone stay for
// METRIC_KEPT_US and are looked for every DEPARTED_LOOK_US; sooner when their room is needed. Gauges
// end with the object itself (agent/api/gauges).
#ifndef YJ_AGENT_MONITOR_DEPARTED_H
#define YJ_AGENT_MONITOR_DEPARTED_H

#include "agent/core/agent.h"

#define DEPARTED_LOOK_US INT64_C(60000000)

struct departed;

struct departed *departed_new(struct agent *a);
void departed_free(struct departed *d);
// Watches what is published, and looks, until the stop.
void departed_start(struct departed *d, struct loop *control);
void departed_stop(struct departed *d);
// For history_restore_of: the age of a feature of the snapshot in milliseconds, -1 of none.
int64_t departed_age_ms(void *snapshot, struct slice feature);

#endif
