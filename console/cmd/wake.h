// SPDX-License-Identifier: MIT
// Looking again whenever the agent says that something happened: its events wake, nothing polls.
#ifndef YJ_CONSOLE_CMD_WAKE_H
#define YJ_CONSOLE_CMD_WAKE_H

#include "console/cmd/cmd.h"

struct wake {
	const char *kinds; // of events, as /api/v1/events takes them
	int64_t gap_ms; // shortest time between two looks
	int64_t until_ms; // on the monotonic clock; 0: no end
	// Looks; true when there is nothing more to wait for. An error ends the waiting, but for an
	// agent that is away: it is called again.
	enum err_code (*look)(void *arg, bool *ret_done);
	void (*tick)(void *arg); // a few times a second; NULL: nothing
	void *arg;
};

// Looks once, and then after each event until it is done: ERR_OK. ERR_TIMED_OUT at until_ms,
// ERR_REFUSED when interrupted. An agent that goes away is called again, later each time, and a note
// says so; one that is away from the start is its error.
enum err_code wake_run(struct cmd *c, const struct wake *w);

#define WAKE_AGAIN_MIN_MS 500
#define WAKE_AGAIN_MAX_MS 15000
// Without an event it looks all the same: something may change that no event tells.
#define WAKE_QUIET_MS 15000

#endif
