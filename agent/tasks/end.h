// SPDX-License-Identifier: MIT
// How a part is done and how a task ends: its pictures or its reason are written, its callers told.
// Control loop.
#ifndef YJ_AGENT_TASKS_END_H
#define YJ_AGENT_TASKS_END_H

#include "agent/tasks/run.h"

// The part on which r works is done: its slot is free and what it brought is kept before anything
// else is begun, unless this was all.
void task_part_done(struct task_run *r);
// Every part is over: its state is what they add up to.
void task_finish(struct task_run *r);
// Over without pictures, for this reason (text NULL: the code's own); what was made is kept all the
// same.
void task_fail(struct task_run *r, enum task_state s, enum err_code code, const char *text);

#endif
