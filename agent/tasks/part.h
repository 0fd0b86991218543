// SPDX-License-Identifier: MIT
// What the parts of a task bring: taken out of answers, written down and read again. Control loop;
// reading is the store thread's, too, before the task has entered.
#ifndef YJ_AGENT_TASKS_PART_H
#define YJ_AGENT_TASKS_PART_H

#include "agent/tasks/run.h"

// What came of a part: e->result.
void task_take_items(struct task_run *r, size_t part);
// The first picture that is still to be fetched, or -1.
int task_next_fetch(const struct task_run *r);
void task_part_write(const struct task_run *r, size_t part, struct str *out);
// Takes up what was kept; false when it is not understood.
bool task_part_read(struct task_run *r, size_t part, struct slice text);

#endif
