// SPDX-License-Identifier: MIT
// GET /api/v1/usage: who used how much of what, and what it cost.
#ifndef YJ_AGENT_API_USAGES_H
#define YJ_AGENT_API_USAGES_H

#include "agent/web/web.h"

#define USAGES_GROUPS_MAX 5000 // told apart in one answer

void h_usage(struct req *r);

#endif
