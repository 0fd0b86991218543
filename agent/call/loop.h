// SPDX-License-Identifier: MIT
// What each loop keeps for its model traffic.
#ifndef YJ_AGENT_CALL_LOOP_H
#define YJ_AGENT_CALL_LOOP_H

#include "agent/core/metrics.h"
#include "agent/web/web.h"

struct gateway;
struct gw_loop;

// One for the agent: the records of its loops. Thread-safe to use; free it after every loop has
// stopped.
struct gateway *gateway_new(struct agent *a);
void gateway_free(struct gateway *g);
struct gw_loop *gw_loop_of(struct req *r);
struct gw_loop *gw_loop_at(struct gateway *g, struct loop *l); // that loop's thread alone uses it
uint64_t gw_random(struct gw_loop *gl);

#endif
