// SPDX-License-Identifier: MIT
// A request's memory, and its accounts at the end.
#ifndef YJ_AGENT_WEB_LIFE_H
#define YJ_AGENT_WEB_LIFE_H

#include "agent/web/web.h"

struct conn;
struct web;
struct web_req;

void web_id(struct web *w, char id[REQ_ID_MAX]);
// A used one keeps its buffers; everything else starts as zeroes.
struct web_req *web_req_new(struct conn *c);
// The request ends for everybody: on_end, metrics, log line, memory.
void web_finish(struct web_req *q);
// At the end of the server.
void web_reqs_free(struct web *w);

#endif
