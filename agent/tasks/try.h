// SPDX-License-Identifier: MIT
// A task's turn.
#ifndef YJ_AGENT_TASKS_TRY_H
#define YJ_AGENT_TASKS_TRY_H

#include "agent/tasks/run.h"

// Control loop: decides about the part on which r works, whose intention is then being kept. Else r
// waits in the queue, has ended, or is awake to be tried again.
void task_try(struct task_run *r);

#endif
