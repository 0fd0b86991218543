// SPDX-License-Identifier: MIT
// How the agent ends what it has begun. On the control loop.
#ifndef YJ_AGENT_ENDING_H
#define YJ_AGENT_ENDING_H

#include <stdint.h>

struct platform;

// No new connections; open requests end within drain_s, then platform_run returns. A second call
// does not wait for them.
void platform_drain(struct platform *p, int64_t drain_s);

#endif
