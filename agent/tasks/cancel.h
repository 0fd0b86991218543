// SPDX-License-Identifier: MIT
// Stopping a task.
#ifndef YJ_AGENT_TASKS_CANCEL_H
#define YJ_AGENT_TASKS_CANCEL_H

#include "agent/tasks/run.h"

// Control loop: the next that is to be done for a task that is to be stopped.
void task_cancel(struct task_run *r);
// The same: a struct task_canceler asks for it.
void task_cancel_ask(void *canceler);

#endif
