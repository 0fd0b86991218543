// SPDX-License-Identifier: MIT
// One HTTP server per loop: its listening sockets, its connections and how they end. Everything but
// web_open_requests is for the loop's thread.
#ifndef YJ_AGENT_WEB_SERVER_H
#define YJ_AGENT_WEB_SERVER_H

#include <stddef.h>
#include "agent/core/loop.h"
#include "agent/web/web.h"
#include "shared/err.h"
#include "shared/rows/api.h"

struct agent;
struct web;

// handlers[EP_COUNT], bound at agent/handlers.c; a NULL one is not mounted.
struct web *web_new(struct agent *a, struct loop *l, const req_handler *handlers, struct err *err);
// Serves connections of a listening socket (agent/web/listen.h) as `service` on this loop; several
// loops may share one socket. The socket stays the caller's and must outlive web_quiesce.
// max: connections of this service on this loop; above it callers get 503 at once.
enum err_code web_serve(struct web *w, enum service_id service, int listen_fd, size_t max);
// Stops accepting; open requests go on, answers carry Connection: close, idle ones are closed.
void web_quiesce(struct web *w);
// Nobody waits any longer: what asked for it by req_on_cut is told to end. On the loop's thread.
void web_cut(struct web *w);
size_t web_open_requests(const struct web *w); // any thread
// Cuts what is left and ends; the loop must not run any more.
void web_free(struct web *w);

#endif
