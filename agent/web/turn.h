// SPDX-License-Identifier: MIT
// What may be said to the server from any depth of its stack.
#ifndef YJ_AGENT_WEB_TURN_H
#define YJ_AGENT_WEB_TURN_H

#include "agent/web/overload.h"
#include "shared/rows/api.h"

struct conn;
struct web;

// There is something to do for it at the end of this turn.
void web_conn_mark(struct conn *c);
// Counts a connection or request refused because of load.
void web_shed(struct web *w, enum service_id service, enum overload why);

#endif
