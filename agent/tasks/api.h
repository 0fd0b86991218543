// SPDX-License-Identifier: MIT
// Tasks as their callers and operators read them.
#ifndef YJ_AGENT_TASKS_API_H
#define YJ_AGENT_TASKS_API_H

#include "agent/store/task.h"

// For the caller whose task it is: {"id","object":"image.task","status",…}, with the images answer as
// "result" when there is one.
void image_task_write(struct jw *w, const struct task *t, struct slice result);

#endif
