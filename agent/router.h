// SPDX-License-Identifier: MIT
// router-engine: decisions on request, the live route table and its temporary overrides, and the
// records of decisions made.
#ifndef YJ_AGENT_ROUTER_H
#define YJ_AGENT_ROUTER_H

#include "agent/decide.h"
#include "agent/web.h"
#include "shared/jw.h"

void h_route_decide(struct req *r);
void h_route_list(struct req *r);
void h_route_get(struct req *r);
void h_route_patch(struct req *r);
void h_decision_list(struct req *r);
void h_decision_get(struct req *r);

// One word per candidate: "ok", "cooling", "open", "half_open", "no_key", …
const char *route_state(const struct verdict *v);

#endif
