// SPDX-License-Identifier: MIT
// Whom a task was sent to: what the names that its row keeps stand for in a snapshot. Control loop.
#ifndef YJ_AGENT_TASKS_TARGET_H
#define YJ_AGENT_TASKS_TARGET_H

#include "agent/tasks/run.h"

// NULL: it is gone, or the task went to the other of the two.
const struct key_obj *task_key_of(const struct task_run *r, const struct snapshot *snap);
const struct instance_obj *task_instance_of(const struct task_run *r, const struct snapshot *snap);
// And its place in the feature's route (ret_at may be NULL).
const struct candidate *task_candidate_of(const struct task_run *r, const struct snapshot *snap,
	int *ret_at);
// The pace of the account that it is paid by.
struct task_account *task_account_of(struct tasks *e, const struct task_run *r);

#endif
