// SPDX-License-Identifier: MIT
// What is known dead, written down when it dies and when it comes back (never per heartbeat or request),
// so that a restart does not use it again. What outlives a restart:
//   heartbeats stopped      until the next heartbeat; the instance is reaped OUTAGE_REAP_S later
//   key refused, no credit,  until it is proven, rotated or moved; credit is tried again as without a
//   region denied           restart
//   cooldown                the rest of it, when it is longer than OUTAGE_COOL_S
//   an operator's drain     with its end (live_override)
// What does not, because one request or probe finds it out again: open breakers, short cooldowns,
// health seen by probes, a model that was gone.
#ifndef YJ_AGENT_MONITOR_OUTAGES_H
#define YJ_AGENT_MONITOR_OUTAGES_H

#include "agent/core/agent.h"

#define OUTAGE_LOOK_US INT64_C(1000000)
#define OUTAGE_COOL_S 60
// An instance that lives by heartbeats and sent none for its ttl_s and this long is deregistered, with
// a change, an audit row and an event of "system"; not within OUTAGE_GRACE_S of the agent's start: what
// went down together may come back together.
#define OUTAGE_REAP_S (24 * 3600)
#define OUTAGE_GRACE_S 3600

struct outages;

struct outages *outages_new(struct agent *a);
void outages_free(struct outages *o);
void outages_start(struct outages *o, struct loop *control);
void outages_stop(struct outages *o);

#endif
