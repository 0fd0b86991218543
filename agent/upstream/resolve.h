// SPDX-License-Identifier: MIT
// Names to addresses, off the loops. getaddrinfo may take half a minute and cannot be stopped, so it
// runs on threads of which there are RESOLVE_THREADS at most in the whole process; further names wait
// their turn. A name is looked up once, however many ask for it. What is not traffic has a share of
// the threads, and names that take long have another, so that neither keeps the others waiting.
#ifndef YJ_AGENT_UPSTREAM_RESOLVE_H
#define YJ_AGENT_UPSTREAM_RESOLVE_H

#include <sys/socket.h>
#include "agent/core/loop.h"

#define RESOLVE_THREADS 24
#define RESOLVE_BACKGROUND 6 // of them, for what is not traffic
#define RESOLVE_SLOW 4 // of them, for names known to take long
#define RESOLVE_ASIDE 12 // of them, that may be out for long without counting in a share
#define RESOLVE_SLOW_US INT64_C(1000000) // what is long
#define RESOLVE_ADDRESSES 8 // of a name, further ones are not tried
#define RESOLVE_NAMES 2048 // known or asked for at once
#define RESOLVE_KEEP_US INT64_C(30000000) // an answer holds so long
#define RESOLVE_FAIL_US INT64_C(1000000) // that there is none

struct resolved {
	size_t n; // 0: no address
	struct sockaddr_storage v[RESOLVE_ADDRESSES]; // without ports
	const char *why; // when there is none; for logs
};

struct resolve_ask;

// Asks for a name; done runs once on this loop, on a later turn, unless it is cancelled. NULL:
// RESOLVE_NAMES are under way.
struct resolve_ask *resolve_start(struct loop *l, const char *name, bool background,
	void (*done)(void *arg, const struct resolved *res), void *arg);
// done will not run. On the loop that asked.
void resolve_cancel(struct resolve_ask *a);
// Nobody answers at the addresses: they are asked for anew. Any thread.
void resolve_forget(const char *name);

#endif
