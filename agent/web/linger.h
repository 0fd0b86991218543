// SPDX-License-Identifier: MIT
// Answers that did not wait for the body: callers that send all of theirs before they read shall still
// get them, so that what comes is read and thrown away for a while (RFC 9112, 9.6).
#ifndef YJ_AGENT_WEB_LINGER_H
#define YJ_AGENT_WEB_LINGER_H

#include "shared/rows/api.h"

struct web;

// How long that goes on: as much as the endpoint takes at all, for as long as a body may take there,
// then a few seconds more; less when nothing comes.
struct discard {
	uint64_t free; // bytes that are taken without a look at the time
	int64_t until_us; // the end, whatever comes
	int64_t more_us; // the end of what is beyond `free`; 0: not there yet
	int64_t quiet_us; // the end when nothing comes
};

// Of an endpoint that takes such bodies; NULL: of no known one.
void discard_begin(struct discard *d, const struct body_limit *limit, int64_t now_us);
// That many have come; false: enough.
bool discard_take(struct discard *d, size_t n, int64_t now_us);
// When it ends if nothing more comes.
int64_t discard_due_us(const struct discard *d);

// Takes fd over: nothing more is sent, and what comes is discarded, until the caller has closed or d
// says so. The one that came first ends when there are too many.
void web_linger(struct web *w, int fd, const struct discard *d);
// Closes those whose time is over.
void web_lingers_tick(struct web *w, int64_t now_us);
// Ends the one that came first, for its descriptor; false: there is none.
bool web_linger_give(struct web *w);
void web_lingers_end(struct web *w);

#endif
