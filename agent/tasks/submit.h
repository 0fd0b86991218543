// SPDX-License-Identifier: MIT
// One submit of a part.
#ifndef YJ_AGENT_TASKS_SUBMIT_H
#define YJ_AGENT_TASKS_SUBMIT_H

#include "agent/tasks/run.h"

// Control loop. Writes what candidate c is asked for n pictures from the first on into r->send. An
// error: it has no words for the request.
enum err_code task_ask(struct task_run *r, const struct feature *f, const struct candidate *c,
	int64_t first, int64_t n, struct err *err);
// Sends that, once the intention is kept (ERR_OK), or sees what to do when it is not.
void task_intended(struct task_run *r, enum err_code code);
// How a submit ended, whoever sent it.
void task_submit_ended(struct task_run *r, enum up_end end, const struct upstream_response *res,
	struct slice body);

#endif
