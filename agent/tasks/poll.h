// SPDX-License-Identifier: MIT
// Asking the upstream how far an accepted part is.
#ifndef YJ_AGENT_TASKS_POLL_H
#define YJ_AGENT_TASKS_POLL_H

#include "agent/tasks/run.h"

// Control loop: once; then the task is awake, and at[part].next_us says when to ask again.
void task_poll(struct task_run *r, size_t part);

#endif
