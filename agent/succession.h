// SPDX-License-Identifier: MIT
// The agent in a line of agents: it takes over from one, and gives itself to the next. On the control
// loop, or before it runs.
#ifndef YJ_AGENT_SUCCESSION_H
#define YJ_AGENT_SUCCESSION_H

#include <stdint.h>

struct platform;

// What the one before passes on is served from now on, and successors are awaited.
void succession_start(struct platform *p);
// Goes on for wait_ms so that a successor can take over, then drains; 0, or called again: drains.
void platform_leave(struct platform *p, int64_t wait_ms, int64_t drain_s);
// Another successor is on its way: who waits for one waits anew.
void platform_await(struct platform *p);
// No loop runs any more: what is left is told to the successor.
void succession_end(struct platform *p);

#endif
