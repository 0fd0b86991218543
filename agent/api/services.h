// SPDX-License-Identifier: MIT
// service-registry: self-hosted instances beside the five platform services. Documents go through
// the store; health, heartbeats and load are live and never touch the disk.
#ifndef YJ_AGENT_API_SERVICES_H
#define YJ_AGENT_API_SERVICES_H

#include "agent/monitor/probe.h"
#include "agent/web/web.h"
#include "shared/jw.h"

// Probes whose findings become events and metrics of the agent. Before probes_start.
struct probes *services_probes_new(struct agent *a);

void h_service_list(struct req *r);
void h_service_get(struct req *r);
void h_instance_get(struct req *r);
void h_instance_heartbeat(struct req *r);
void h_instance_check(struct req *r);

// The instance's view as an object.
void services_write_instance(struct jw *w, const struct agent *a, const struct snapshot *snap,
	const struct instance_obj *in);
// What is a service's own: false (and *err) for one that somebody else registered. Other roles may
// touch any.
bool services_may_touch(const struct instance_obj *in, enum role role, const struct ident *who,
	struct err *err);
// Requests per second in the last minute, or since the start when that is shorter ago.
double services_rate(const struct agent *a, const struct live *l, int64_t now_us);
// One of the platform's own services, as an item of the list.
void services_write_platform(struct jw *w, const struct agent *a, const struct snapshot *snap,
	enum service_id id);

#endif
