// SPDX-License-Identifier: MIT
// Image tasks as callers and operators look at them.
#ifndef YJ_AGENT_API_TASKS_H
#define YJ_AGENT_API_TASKS_H

#include "agent/web/web.h"

void h_image_task(struct req *r);
void h_task_list(struct req *r);
void h_task_get(struct req *r);
void h_task_cancel(struct req *r);

#endif
