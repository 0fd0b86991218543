// SPDX-License-Identifier: MIT
// Closed connections whose callers shall still read the last answer.
#ifndef YJ_AGENT_WEB_LINGER_H
#define YJ_AGENT_WEB_LINGER_H

#include <stdint.h>

struct web;

// Takes fd over: lets the caller read the last answer before the end.
void web_linger(struct web *w, int fd);
// Closes those whose time is over.
void web_lingers_tick(struct web *w, int64_t now_us);
void web_lingers_end(struct web *w);

#endif
