// SPDX-License-Identifier: MIT
// Who wants a task stopped, as the engine holds it.
#ifndef YJ_AGENT_TASKS_CANCELER_H
#define YJ_AGENT_TASKS_CANCELER_H

#include "agent/core/loop.h"
#include "agent/store/task.h"

struct tasks;

struct task_canceler { // stays until it is told
	struct loop *loop; // where
	struct tasks *e;
	char id[TASK_ID_MAX];
	enum err_code code; // ERR_OK: canceled; ERR_NOT_FOUND: not under way
	void (*told)(void *canceler);
};

#endif
