// SPDX-License-Identifier: MIT
// The side that was there before: it gives its sockets and its database to a successor, goes on
// answering what needs no database until that one is ready, then only ends what it has begun. What
// fails before leaves it as it was. Control loop but for what says otherwise.
#ifndef YJ_AGENT_HANDOVER_GIVE_H
#define YJ_AGENT_HANDOVER_GIVE_H

#include "agent/core/loop.h"
#include "agent/store/store.h"
#include "agent/tasks/away.h"
#include "agent/web/pass.h"
#include "shared/str.h"

struct give;

struct give_host { // what the agent does at each step
	void *arg;
	bool (*leaves)(void *arg); // it is being stopped: whoever comes may take over
	void (*freeze)(void *arg); // what needs the database waits from now on
	bool (*still)(void *arg); // all that was begun is with the store
	void (*thaw)(void *arg); // it is ours again
	// A line for each descriptor, as agent/handover/take.c reads them.
	size_t (*sockets)(void *arg, struct str *lines, int *fds);
	void (*gone)(void *arg); // the successor serves
};

// Waits for successors from now on. NULL, and logged why: there can be none.
struct give *give_start(struct loop *l, struct store *st, const char *state_dir,
	const char *root_key_file, const struct give_host *host);
// A connection whose request was not answered, to the successor. Any thread; false: it cannot be.
bool give_request(struct give *g, const struct web_passed *p);
// What was used since the database was given, as agent/record/ledger writes it.
bool give_usage(void *give, struct slice rows);
bool give_end(void *give, const struct task_end *end);
void give_free(struct give *g);

#endif
