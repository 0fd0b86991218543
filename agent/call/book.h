// SPDX-License-Identifier: MIT
// A call's attempts in the ledger.
#ifndef YJ_AGENT_CALL_BOOK_H
#define YJ_AGENT_CALL_BOOK_H

#include "agent/core/metrics.h"
#include "agent/core/agent.h"
#include "agent/decide/attempt.h"

struct gw_call;

// Before the attempt under way is forgotten: what it used and cost.
void gw_ledger(struct gw_call *c, enum outcome out, enum err_code code);
// Counts and logs that an upstream told a usage that is not believed.
void gw_usage_absurd(struct agent *a, const char *feature, const char *target);

#endif
