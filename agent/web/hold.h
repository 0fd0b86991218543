// SPDX-License-Identifier: MIT
// What needs the database while it is given to a successor (agent/handover) waits, all of it read and
// its caller judged. What becomes of it is agent/web/pass.h's. The loop's thread.
#ifndef YJ_AGENT_WEB_HOLD_H
#define YJ_AGENT_WEB_HOLD_H

#include <stdbool.h>

struct web_req;

// The request waits now, or is about to be passed on; false: it needs nothing of the store.
bool web_hold(struct web_req *q);
// Its connection is gone.
void web_hold_forget(struct web_req *q);

#endif
