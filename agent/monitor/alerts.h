// SPDX-License-Identifier: MIT
// Alerts: rules of the snapshot evaluated on the control loop every alert_interval_ms, each object
// with hysteresis (agent/monitor/alert_track). What fires is an event, a metric and a row in the database;
// it survives a restart. At most ALERTS_MAX are under way, ALERTS_RECENT_MAX resolved ones kept.
#ifndef YJ_AGENT_MONITOR_ALERTS_H
#define YJ_AGENT_MONITOR_ALERTS_H

#include "agent/web/auth.h"
#include "agent/core/agent.h"
#include "shared/jw.h"

#define ALERTS_MAX 1000
#define ALERTS_RECENT_MAX 500

struct alerts;

struct alerts *alerts_new(struct agent *a);
void alerts_free(struct alerts *as);
// On the control loop: reads what was under way at the last stop, then evaluates.
void alerts_start(struct alerts *as, struct loop *control);
// Before the store stops: what changed since it was last kept goes there, too.
void alerts_stop(struct alerts *as);

// All below: any thread.
enum alerts_which { ALERTS_CURRENT, ALERTS_RESOLVED, ALERTS_ALL };
// Items, the newest first; *ret_total counts all of them.
void alerts_write(struct alerts *as, struct jw *w, enum alerts_which which, size_t max,
	size_t *ret_total);
// One alert; false when there is none of this id.
bool alerts_write_one(struct alerts *as, struct jw *w, struct slice id);
// Member "alerts" of the status.
void alerts_write_status(struct alerts *as, struct jw *w);
enum alerts_ack { ACK_DONE, ACK_NOT_FOUND, ACK_NOT_FIRING };
// Its row for the database, as it is after *ret_changes changes, is appended to *row; alerts_kept says
// that it is there.
enum alerts_ack alerts_ack(struct alerts *as, struct slice id, const struct principal *who,
	const char *note, struct str *row, int64_t *ret_fired_ms, uint64_t *ret_changes);
void alerts_kept(struct alerts *as, struct slice id, uint64_t changes);

#endif
