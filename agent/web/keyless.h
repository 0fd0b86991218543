// SPDX-License-Identifier: MIT
// Who calls models without a client key while none is asked for: those whom the first client locks
// out. Callers are told apart by address and User-Agent, once per connection; a request then costs
// one look at the record. Any thread.
#ifndef YJ_AGENT_WEB_KEYLESS_H
#define YJ_AGENT_WEB_KEYLESS_H

#include "shared/jw.h"
#include "shared/slice.h"

#define KEYLESS_CALLERS 128 // told apart; when full, the one that was quiet longest makes room
#define KEYLESS_WINDOW_S 300
#define KEYLESS_SHOWN 10 // named one by one

struct keyless;

struct keyless_mark { // kept by a connection
	uint32_t slot, life; // life 0: not yet
};

struct keyless *keyless_new(void);
void keyless_free(struct keyless *k);
// Whether this mark still is of a caller that is told apart; then the request is counted.
bool keyless_count(struct keyless *k, struct keyless_mark mark, int64_t now_us);
// Whether there is time to ask the kernel for a caller's uid: some dozens of times a second.
bool keyless_may_ask(struct keyless *k, int64_t now_us);
// The first one of a connection: counts it, and says what the next ones are counted by. caller: its
// address, with " uid:N" behind it when that was asked; agent: its User-Agent, may be empty.
struct keyless_mark keyless_first(struct keyless *k, const char *caller, struct slice agent,
	int64_t now_us);
// Members "keyless_callers", "keyless_requests_5m" and "keyless", of the last five minutes.
void keyless_write(struct keyless *k, struct jw *w, int64_t now_us);
// How many callers that are; *ret_requests of them.
size_t keyless_lately(struct keyless *k, int64_t now_us, uint64_t *ret_requests);

#endif
