// SPDX-License-Identifier: MIT
// POST /api/v1/invoke/{feature}: whatever the feature makes, answered by whoever makes it.
#ifndef YJ_AGENT_INVOKE_H
#define YJ_AGENT_INVOKE_H

#include "agent/web/web.h"

void h_invoke(struct req *r);

#endif
