// SPDX-License-Identifier: MIT
// Figures that are read from the state when a scrape asks, instead of being counted.
#ifndef YJ_AGENT_API_GAUGES_H
#define YJ_AGENT_API_GAUGES_H

#include "agent/core/agent.h"
#include "agent/state/snapshot.h"

#define GAUGES_OBJECTS_MAX 1000 // keys, instances and candidates with a series of their own, each

// Brings the service's gauges up to date.
void gauges_refresh(struct agent *a, const struct snapshot *snap, enum service_id service);

#endif
