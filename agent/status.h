// SPDX-License-Identifier: MIT
// What the console's dashboard shows, in one call; the event stream; the figures over time.
#ifndef YJ_AGENT_STATUS_H
#define YJ_AGENT_STATUS_H

#include "agent/web.h"

void h_status(struct req *r);
void h_events(struct req *r);
void h_series(struct req *r);

#endif
