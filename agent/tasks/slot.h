// SPDX-License-Identifier: MIT
// A part's place among what is under way at its key or instance. Control loop.
#ifndef YJ_AGENT_TASKS_SLOT_H
#define YJ_AGENT_TASKS_SLOT_H

#include "agent/tasks/run.h"

void task_slot_take(struct task_run *r, size_t part); // for one that was running before
// A slot that was taken also shows among what the feature sends to this candidate.
void task_slot_show(struct task_run *r, size_t part, const struct candidate *c);
// What the limits gave is given back, unless it was used; who waits for room is woken.
void task_slot_free(struct task_run *r, size_t part);

#endif
