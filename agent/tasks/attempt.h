// SPDX-License-Identifier: MIT
// What the end of an attempt says: of its candidate, of the work, and of the part that was tried.
// The candidate is held. Control loop.
#ifndef YJ_AGENT_TASKS_ATTEMPT_H
#define YJ_AGENT_TASKS_ATTEMPT_H

#include "agent/tasks/run.h"

// Counts the attempt and tells breakers and metrics; its slot is freed apart.
void task_attempt_over(struct task_run *r, const struct ending *e);
// Into the ledger. used: the upstream may bill it; usage NULL: nothing is known of it.
void task_booked(struct task_run *r, enum outcome out, bool used,
	const struct adapter_usage *usage);
// The candidate was asked for what it was only taken to have.
bool task_assumed(const struct task_run *r);
// Makes the last refusal what callers are told.
void task_keep_refusal(struct task_run *r);
// The part on which r works is over without pictures, or waits again.
void task_part_over(struct task_run *r, enum task_state s);
// A part beside the one on which r works has gone somewhere: this one goes there or nowhere.
bool task_is_fixed(const struct task_run *r);
// Certainly nothing was accepted: the part waits for another candidate.
void task_next_candidate(struct task_run *r);

#endif
