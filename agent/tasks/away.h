// SPDX-License-Identifier: MIT
// Image tasks while the database changes hands (agent/handover): every submit goes to its end where it
// was sent, and what it brought is taken where the database is. Control loop but for what says
// otherwise.
#ifndef YJ_AGENT_TASKS_AWAY_H
#define YJ_AGENT_TASKS_AWAY_H

#include "agent/tasks/tasks.h"
#include "shared/str.h"

// ---- the agent before ----

// No step is begun any more, no end of a submit taken; what can be asked again is broken off.
void tasks_freeze(struct tasks *e);
bool tasks_still(const struct tasks *e); // all that was begun is written
void tasks_thaw(struct tasks *e);
// The submits under way: lines of "ID PART".
void tasks_away(const struct tasks *e, struct str *lines);
// The successor has the database: ends go to tell, callers that wait to it, too (agent/web/pass). false
// of tell: it could not be told.
struct task_end {
	const char *id;
	size_t part;
	const char *end; // up_end_name
	int status;
	int64_t ms; // it took
	struct slice retry_after, body;
};
typedef bool (*task_tell_fn)(void *arg, const struct task_end *end);
void tasks_give(struct tasks *e, task_tell_fn tell, void *arg);

// ---- the one after ----

// Before tasks_start: what the one before has under way.
void tasks_expect(struct tasks *e, struct slice lines);
bool tasks_ready(const struct tasks *e); // what was in the store is taken up: ends may be told
void tasks_ended(struct tasks *e, const struct task_end *end);
// No more comes: of what it had under way nobody can tell what became.
void tasks_expect_none(struct tasks *e);

#endif
