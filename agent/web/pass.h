// SPDX-License-Identifier: MIT
// Connections with a request that waited for the database, from the process that gave it away to the
// one that has it. The loop's thread.
#ifndef YJ_AGENT_WEB_PASS_H
#define YJ_AGENT_WEB_PASS_H

#include "shared/rows/api.h"
#include "shared/slice.h"

struct req;
struct web;

struct web_passed {
	enum service_id service; // whose port it came in on
	bool mounts_all; // the gateway's, with every platform API
	const char *task; // whose end its caller waits for; "" none
	int fd; // borrowed by web_pass_fn, taken over by web_adopt
	struct slice bytes; // the request, and what came behind it
};
// False: it could not be passed.
typedef bool (*web_pass_fn)(void *arg, const struct web_passed *p);

// From now on what would be held is passed on, as is what was, and every connection that waits for its
// next request; what cannot be gets 503.
void web_pass_on(struct web *w, web_pass_fn pass, void *arg);
// Those that wait for their next request, once more: some came since.
void web_pass_idle(struct web *w);
// The same with a request that its handler has suspended, and then hears no more of but its end. False
// leaves it as it was.
bool web_pass_caller(struct req *r, const char *task);
// Takes over a connection: its bytes come before any of the socket's. False leaves it open.
bool web_adopt(struct web *w, const struct web_passed *p);
// The database is ours again: what was held goes on.
void web_release(struct web *w);

#endif
