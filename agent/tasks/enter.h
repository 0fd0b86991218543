// SPDX-License-Identifier: MIT
// How tasks get into the engine. Control loop.
#ifndef YJ_AGENT_TASKS_ENTER_H
#define YJ_AGENT_TASKS_ENTER_H

#include "agent/tasks/run.h"

// A caller's: takes its body and first waiter.
void task_enter(void *run);
// What a restart left in the store.
void task_recover(struct tasks *e);

#endif
