// SPDX-License-Identifier: MIT
// One exchange of a task with its upstream: whom it goes to, what goes along, and that all of it is
// let go of. Control loop.
#ifndef YJ_AGENT_TASKS_EXCHANGE_H
#define YJ_AGENT_TASKS_EXCHANGE_H

#include "agent/tasks/run.h"

#define TASK_FIRST_BYTE_MS 30000 // of what is asked after a submit
#define TASK_ANSWER_MAX ((size_t)4 * 1024 * 1024)

void task_hold(struct task_run *r, const struct snapshot *snap, const struct candidate *cand);
// The candidate by the names in t, in the snapshot of now: held until task_call_end. False: gone.
bool task_take_candidate(struct task_run *r);
// The key or instance the task went to, as it is now, with its secret: held until task_call_end.
// NULL: gone, or the secret does not open.
const struct url *task_take_upstream(struct task_run *r);
struct task_exchange {
	const struct url *url;
	int64_t first_byte_ms, total_ms; // total 0: none
	size_t body_max;
	bool once; // never sent again by itself
	bool foreign; // an address out of an answer: no key goes along, and only public ones,
	bool near; // unless it is the upstream's own, host and port (a vendor's key never does)
	const struct upstream_callbacks *cb;
};
// Starts it with what r->send says.
void task_call(struct task_run *r, const struct task_exchange *x);
// What was sent along with the exchange and must not come out of its answer; empty: nothing.
struct slice task_secret(const struct task_run *r);
// Lets go of the exchange's candidate, secret and buffers.
void task_call_end(struct task_run *r);
// Gives back what an attempt that never began took.
void task_unadmit(struct task_run *r);

#endif
