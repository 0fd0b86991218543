// SPDX-License-Identifier: MIT
// Pictures that an upstream gave as addresses.
#ifndef YJ_AGENT_TASKS_FETCH_H
#define YJ_AGENT_TASKS_FETCH_H

#include "agent/tasks/run.h"

// Control loop: one of them; then the task is awake.
void task_fetch(struct task_run *r, size_t item);

#endif
