// SPDX-License-Identifier: MIT
// A call for pictures that asked for a stream. Its own loop.
#ifndef YJ_AGENT_TASKS_STREAM_H
#define YJ_AGENT_TASKS_STREAM_H

#include "agent/tasks/answer.h"

// Begins to keep the line open, when it streams; gw_stream_stop ends it.
void task_stream_wait(struct gw_call *c);
void task_stream_partial(void *partial); // a waiter's
void task_stream_pictures(struct gw_call *c, const struct task_answer *a);
// Once the stream has begun (phase): its last event.
void task_stream_fail(struct gw_call *c, const struct err *e);

#endif
