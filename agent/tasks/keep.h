// SPDX-License-Identifier: MIT
// A task as its row: every step that must survive the agent is committed before the next. Control
// loop.
#ifndef YJ_AGENT_TASKS_KEEP_H
#define YJ_AGENT_TASKS_KEEP_H

#include "agent/tasks/run.h"

// Stores it as it is now; then() runs when that is done or has failed. result is taken, NULL: none.
// The first time a row is made, unless the caller's key had been used: then its callers wait for
// that task, and this one never was.
void task_store(struct task_run *r, struct str *result,
	void (*then)(struct task_run *r, enum err_code code));
// r is of a caller that waited for the task of its id at an agent before.
void task_join_known(struct task_run *r);
// A then() that goes on: what could not be written is written with the next step.
void task_kept(struct task_run *r, enum err_code code);

#endif
