// SPDX-License-Identifier: MIT
// What happens over time: the event ring as a stream or a list, and the figures of the history.
#ifndef YJ_AGENT_API_FEED_H
#define YJ_AGENT_API_FEED_H

#include "agent/web/web.h"

#define FEED_KEEPALIVE_S 15
#define FEED_BATCH 64 // events taken from the ring at once

void h_events(struct req *r);
void h_series(struct req *r);

#endif
