// SPDX-License-Identifier: MIT
// One submit of a part.
#ifndef YJ_AGENT_TASKS_SUBMIT_H
#define YJ_AGENT_TASKS_SUBMIT_H

#include "agent/tasks/run.h"

// Control loop: the intention is kept (ERR_OK: it is sent now) or is not.
void task_intended(struct task_run *r, enum err_code code);

#endif
