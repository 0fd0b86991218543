// SPDX-License-Identifier: MIT
// The engine that serves the gateway's port and the unix socket: HTTP/1.1 (RFC 9112) read and written
// by ourselves, since model traffic is what the product is for.
#ifndef YJ_AGENT_WEB_OWN_H
#define YJ_AGENT_WEB_OWN_H

#include "shared/slice.h"

struct conn;
struct engine;
struct web;

extern const struct engine own_engine;

// Bytes that were read elsewhere, before any of the socket's.
void own_feed(struct conn *c, struct slice bytes);
// A turn begins: looks at those that waited, as many as the gate lets in.
void web_lanes_run(struct web *w);
// Nobody waits any more.
void web_lanes_clear(struct web *w);

#endif
