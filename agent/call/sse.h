// SPDX-License-Identifier: MIT
// An answer as server-sent events, from what is in the call's buffer `out`.
#ifndef YJ_AGENT_CALL_SSE_H
#define YJ_AGENT_CALL_SSE_H

struct gw_call;

void gw_sse_open(struct gw_call *c); // answers 200 and begins the stream
void gw_sse_flush(struct gw_call *c);
void gw_sse_ping(struct gw_call *c); // keeps the line open
void gw_sse_stop(struct gw_call *c); // clears the call's timer

#endif
