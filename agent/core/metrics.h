// SPDX-License-Identifier: MIT
// struct agent: the long-lived parts that handlers reach, and the metric registry.
#ifndef YJ_AGENT_CORE_METRICS_H
#define YJ_AGENT_CORE_METRICS_H

#include "agent/core/events.h"
#include "agent/core/settings.h"
#include "agent/store/store.h"
#include "shared/rows/metrics.h"

struct decisions; // agent/api/routes: ring of decision records
struct probes; // agent/monitor/probe: health checks of instances
struct history; // agent/api/status: ring of 1 h of the agent's own figures
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
struct departed; // agent/monitor/departed: series of what is gone

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
	struct loop *control; // ports 8001-8004, probes, timers
	int64_t started_wall_ms, started_us;
	int ports[SVC_COUNT]; // bound, for pages and platform services
	bool only_ipv6[SVC_COUNT]; // where 127.0.0.1 is not to be had
	_Atomic uint64_t tasks_unknown; // image tasks that ended as outcome_unknown, for alerts
	_Atomic bool draining;
};

struct metrics;
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
// Thread-safe (a short lock); labels in the row's order. Beyond METRIC_SERIES_MAX series the value is
// dropped and counted, and what has no series is told by MET_SERIES_MISSING, in the log once and by
// metrics_room.
void metric_add(struct metrics *m, enum metric_id id, double v, const char *const *labels);
void metric_set(struct metrics *m, enum metric_id id, double v, const char *const *labels);
void metric_observe(struct metrics *m, enum metric_id id, double v, const char *const *labels);
// A pre-resolved series for hot paths: look up once, add with one atomic. Held until it is dropped
// (or for good). NULL when there is no room.
struct metric_cell;
struct metric_cell *metric_cell(struct metrics *m, enum metric_id id, const char *const *labels);
void metric_cell_drop(struct metrics *m, struct metric_cell *c);
// Its series has ended: what is added is not seen any more. Look it up again.
bool metric_cell_gone(const struct metric_cell *c);
void metric_cell_add(struct metric_cell *c, double v);
void metric_cell_observe(struct metric_cell *c, double v);
// Ends one series (an instance that left).
void metric_forget(struct metrics *m, enum metric_id id, const char *const *labels);
// A gauge of many objects, from one thread: a round begins, every object that is there is set, and
// the end of the round ends all other series. missing: objects that were left out.
void metric_round(struct metrics *m, enum metric_id id);
void metric_round_end(struct metrics *m, enum metric_id id, size_t missing);
// Ends every series that has this value of this label: the next one of the name begins at zero.
void metrics_forget_named(struct metrics *m, const char *label, const char *value);
// Counters and histograms of what is gone end after METRIC_KEPT_US, so that whoever scrapes sees
// their last value; sooner when their room is needed. alive: whether there is what a label names.
#define METRIC_KEPT_US (INT64_C(15) * 60 * 1000000)
// At the same time as what it names went, without waiting for a look.
void metrics_end_named(struct metrics *m, const char *label, const char *value, int64_t now_us);
typedef bool metric_alive_fn(void *arg, const char *label, const char *value);
void metrics_review(struct metrics *m, int64_t now_us, metric_alive_fn *alive, void *arg);
struct metrics_room {
	uint64_t series, missing; // missing: objects that have none for want of room
};
struct metrics_room metrics_room(struct metrics *m);
// Prometheus text 0.0.4 of the rows this service exposes.
void metrics_write(struct metrics *m, enum service_id service, struct str *out);

#endif
