// SPDX-License-Identifier: MIT
// Image tasks: paid work that is never lost and never paid twice.
//
// Every request for pictures is a task. Its intention (whom it goes to, with which key) is
// committed before the submit, the upstream's task id right after: a crash between the two leaves
// outcome_unknown, shown and never submitted again by itself. A caller that waits, or comes back
// with its Idempotency-Key, or asks by id, is told of the same task; leaving cancels nothing. After
// a restart what had been accepted is polled on, what waited in the agent waits on. Another
// candidate is asked only when the one before certainly did not accept; an instance of one's own
// bills nothing, so its failures count as such.
//
// While the store fails, a caller that waits is still served by upstreams that answer a submit with
// the pictures, without a row: "X-Yijian-Task-Durable: false" says so. An Idempotency-Key, an
// asynchronous call or an upstream with tasks of its own needs the row and gets the storage error.
//
// One engine, on the control loop; requests of other loops are posted to it.
#ifndef YJ_AGENT_TASKS_TASKS_H
#define YJ_AGENT_TASKS_TASKS_H

#include "agent/core/agent.h"
#include "agent/core/metrics.h"
#include "agent/tasks/canceler.h"

struct tasks;

struct tasks *tasks_new(struct agent *a);
void tasks_free(struct tasks *e);
// Control loop, once the store runs: takes up what is unfinished.
void tasks_start(struct tasks *e);
// No loop runs any more: lets go of everything; rows stay as they are.
void tasks_stop(struct tasks *e);
// Submits that are under way: worth waiting for before an orderly stop. Any thread.
size_t tasks_submitting(const struct tasks *e);
// How many tasks are in each state, finished ones since the start. Any thread.
void tasks_counts(const struct tasks *e, int64_t ret[TASK_STATES]);

// Any thread. told is called once, unless the agent stops before.
void tasks_cancel(struct task_canceler *c);

#endif
