// SPDX-License-Identifier: MIT
// What the console's dashboard shows, in one call; 304 while nothing has changed.
#ifndef YJ_AGENT_API_STATUS_H
#define YJ_AGENT_API_STATUS_H

#include "agent/web/web.h"

void h_status(struct req *r);

#endif
