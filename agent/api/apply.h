// SPDX-License-Identifier: MIT
// Many documents at once, all or none.
#ifndef YJ_AGENT_API_APPLY_H
#define YJ_AGENT_API_APPLY_H

#include "agent/web/web.h"

void h_apply(struct req *r);

#endif
