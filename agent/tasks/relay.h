// SPDX-License-Identifier: MIT
// A submit that is answered as a stream.
#ifndef YJ_AGENT_TASKS_RELAY_H
#define YJ_AGENT_TASKS_RELAY_H

#include "agent/tasks/run.h"

// arg: the run, whose relay.done is set.
extern const struct upstream_callbacks task_relay_callbacks;

#endif
