// SPDX-License-Identifier: MIT
// The side of the successor: it asks the agent that has the state directory, starts with what that one
// gives, and says when it is ready. Before any loop runs, but for take_serve.
#ifndef YJ_AGENT_HANDOVER_TAKE_H
#define YJ_AGENT_HANDOVER_TAKE_H

#include "agent/core/loop.h"
#include "agent/core/settings.h"
#include "agent/store/store.h"
#include "agent/tasks/away.h"
#include "agent/web/listen.h"
#include "agent/web/pass.h"

#define TAKE_READY_US INT64_C(2000000) // from the sockets on

struct serving;

struct taken {
	int fd; // to the one before; -1: nothing was taken
	int state_fd; // its hold on the state directory
	int unix_fd; // its unix socket; -1: it has none
	struct listen_pool pool; // its ports
	struct str away; // submits that it has under way, see agent/tasks/away.h
	int64_t since_us;
};

struct take_host { // on the control loop
	void *arg;
	bool (*request)(void *arg, const struct web_passed *p);
	void (*usage)(void *arg, struct slice rows);
	void (*end)(void *arg, const struct task_end *end);
	void (*over)(void *arg); // it has ended
};

// ret->fd is -1 when there is nobody to ask, or it was not asked for and is not offered: the start goes
// on by itself, and meets what is in use. An error: it was asked for, and cannot be.
enum err_code take_over(const struct settings *s, struct taken *ret, struct err *err);
// Everything is there but the commit. ERR_OK: it is made, and the other one ends.
enum err_code take_ready(struct taken *t, struct store *st, struct err *err);
// What the one before passes on from now on, on this loop, until it has ended.
// NULL when that is over at once; host->over says when it is, else it is ended by take_serve_end.
struct serving *take_serve(struct taken *t, struct loop *l, const struct take_host *host);
void take_serve_end(struct serving *v);
// What was taken and is in nobody's hands. Tells the other one why when it still waits.
void take_end(struct taken *t, const char *why);

#endif
