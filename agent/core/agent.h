// SPDX-License-Identifier: MIT
// struct agent: the long-lived parts that handlers reach. It names them and knows none: whoever asks a
// part includes the part's own header.
#ifndef YJ_AGENT_CORE_AGENT_H
#define YJ_AGENT_CORE_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "shared/rows/api.h"

struct settings; // agent/core/settings: what the operator set
struct loop; // agent/core/loop
struct events; // agent/core/events: ring of what happened
struct metrics; // agent/core/metrics: the registry of series
struct snapshots; // agent/state/snapshot: the publishing point
struct live_table; // agent/state/live: records of what is under way
struct store; // agent/store/store: the store's thread
struct decisions; // agent/record/decisions: ring of decision records
struct probes; // agent/monitor/probe: health checks of instances
struct history; // agent/record/history: ring of 1 h of the agent's own figures
struct peer_roles; // agent/web/peer: uid → role
struct callers; // agent/api/callers: spending, written down
struct load; // agent/web/overload: requests under way, memory
struct denials; // agent/web/denials: refused calls
struct refusals; // agent/web/refusals: refused model requests
struct keyless; // agent/web/keyless: callers of models without a client key
struct keyhealth; // agent/monitor/keyhealth: keys that are out, looked at again
struct alerts; // agent/monitor/alerts: rules evaluated, what fires
struct tasks; // agent/tasks/tasks: image tasks
struct gateway; // agent/gateway/gateway: counters and opened keys per loop
struct ledger; // agent/record/ledger: usage and cost
struct outages; // agent/monitor/outages: what is known dead, written down
struct tls_port; // agent/web/tls: certificate of the gateway's port
struct departed; // agent/monitor/departed: series of what is gone

// A successor takes over: what needs the store waits, then it is passed on (agent/handover).
enum hands { HANDS_OURS, HANDS_CHANGING, HANDS_THEIRS };

struct agent { // built by agent/main, borrowed by everybody
	const struct settings *settings;
	struct store *store;
	struct snapshots *snaps;
	struct live_table *live;
	struct events *events;
	struct metrics *metrics;
	struct decisions *decisions;
	struct probes *probes;
	struct history *history;
	struct alerts *alerts;
	struct keyhealth *keyhealth;
	struct peer_roles *roles;
	struct denials *denials;
	struct refusals *refusals;
	struct keyless *keyless;
	struct load *load;
	struct callers *callers;
	struct gateway *gateway;
	struct tasks *tasks;
	struct ledger *ledger;
	struct departed *departed;
	struct outages *outages;
	struct tls_port *tls; // NULL: the gateway's port is plain
	struct loop *control; // ports 8001-8004, probes, timers
	int64_t started_wall_ms, started_us;
	int ports[SVC_COUNT]; // bound, for pages and platform services
	bool only_ipv6[SVC_COUNT]; // where 127.0.0.1 is not to be had
	_Atomic uint64_t tasks_unknown; // image tasks that ended as outcome_unknown, for alerts
	_Atomic bool draining;
	_Atomic int hands; // enum hands: whose the database is
};

// Of the URLs of a service's port.
static inline const char *agent_scheme(const struct agent *a, enum service_id service)
{
	return service == SVC_API_GATEWAY && a->tls != NULL ? "https" : "http";
}

#endif
