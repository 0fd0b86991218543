// SPDX-License-Identifier: MIT
// router-engine: decisions on request, the live route table and its temporary overrides, and the
// records of decisions made.
#ifndef YJ_AGENT_API_ROUTES_H
#define YJ_AGENT_API_ROUTES_H

#include "agent/web/web.h"

void h_route_decide(struct req *r);
void h_route_list(struct req *r);
void h_route_get(struct req *r);
void h_route_patch(struct req *r);
void h_decision_list(struct req *r);
void h_decision_get(struct req *r);

#endif
