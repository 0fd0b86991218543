// SPDX-License-Identifier: MIT
// router-engine: decisions on request, the live route table and its temporary overrides, and the
// records of decisions made.
#ifndef YJ_AGENT_API_ROUTES_H
#define YJ_AGENT_API_ROUTES_H

#include "agent/decide/decide.h"
#include "agent/web/web.h"
#include "shared/jw.h"

void h_route_decide(struct req *r);
void h_route_list(struct req *r);
void h_route_get(struct req *r);
void h_route_patch(struct req *r);
void h_decision_list(struct req *r);
void h_decision_get(struct req *r);

// All features by name, in the request's arena.
const struct feature_obj **router_features(struct req *r, size_t *ret_n);
// One word per candidate, see shared/rows/model.h.
const char *route_state(const struct verdict *v);

#endif
