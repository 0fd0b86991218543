// SPDX-License-Identifier: MIT
// What becomes of refused calls: guesses at credentials are slowed down per peer, and refusals are
// written to the audit log in groups, so that a flood of them costs a few rows a minute. Shared by
// all loops; a short lock, taken by refused calls alone.
#ifndef YJ_AGENT_WEB_DENIALS_H
#define YJ_AGENT_WEB_DENIALS_H

#include "agent/web/auth.h"

#define DENIALS_GUESSES 20 // per minute and peer, then 429
#define DENIALS_PEERS 1024 // told apart; when full the longest idle one is forgotten
#define DENIALS_GROUPS 64 // of refusals waiting to be written; further ones are counted together

struct denials;

struct denial {
	enum err_code code;
	bool guess;
	const struct sockaddr *peer; // NULL: the unix socket
	struct ident who; // as far as it is known
	const char *shown; // its display name, "" none
	const char *endpoint; // its name, or the path's class
};

struct denials *denials_new(void);
void denials_free(struct denials *d);
// Starts writing: every second when something waits, then at most once a minute while it goes on.
void denials_start(struct denials *d, struct store *st, struct loop *control);
void denials_stop(struct denials *d);
// Counts one; returns the seconds this peer shall wait when it guesses too often, else 0.
int64_t denials_note(struct denials *d, const struct denial *what, int64_t now_us);

#endif
