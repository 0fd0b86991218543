// SPDX-License-Identifier: MIT
// One attempt at one candidate, of a request or of an image task: what it takes, how its end is
// read, who learns of it, and what is told when none led anywhere. The loop's thread alone.
#ifndef YJ_AGENT_CALL_ATTEMPT_H
#define YJ_AGENT_CALL_ATTEMPT_H

#include "agent/call/tries.h"
#include "agent/decide/attempt.h"
#include "agent/upstream/upstream.h"
#include "shared/refusal.h"

struct booking;

// The decision that the request goes by: counted, and the turn of its route moved on.
void tries_decided(struct tries *t, const struct route *route, const struct decision *d);

// Begins one: takes what it needs of the key's limits, of both breakers and of what is in flight,
// and makes it the attempt under way. False when another request was faster. forced: the least bad
// of those that are out, whatever its breakers say; there will be no further such attempt.
bool attempt_take(struct tries *t, const struct candidate *cand, bool forced);

// Of an exchange that brought no answer, or (UP_OK) one that is none. Fills unreachable and unsent.
struct ending attempt_failed(struct tries *t, enum up_end end, int status);
// Of an answer that is an error: by its status, or in a body that stands for one of this status (0:
// it did not say which). Fills error and retry_s. assumed: the candidate was asked for what it was
// only taken to have.
struct ending attempt_refused(struct tries *t, bool assumed, int status, struct slice retry_after,
	struct slice body);
// What an error answer says of the candidate under way and of the request, into error.
void attempt_read_error(struct tries *t, bool assumed, int status, struct slice body);
// The attempt under way has ended, and there is none any more; when there is none, nothing happens.
// booking: what it used and cost; NULL: it is booked apart (attempt_book). Of one whose work goes
// on (lasting) the secret stays, too, until attempt_secret_drop.
void attempt_end(struct tries *t, const struct ending *e, const struct booking *booking);
void attempt_secret_drop(struct tries *t);
// Route's candidate i has no words for the request, or not the ones it binds to: err names the member.
// It is skipped by the decisions that follow.
void tries_unfit(struct tries *t, int i, const struct err *err);
// As many as the feature allows were made.
bool tries_enough(const struct tries *t, const struct feature *f);

// For who outlives them: from v to ret, with texts of the arena.
void attempts_copy(struct arena *a, const struct attempt *v, size_t n, struct attempt *ret);

struct tries_told { // why nothing came of it
	struct err err;
	int64_t retry_s; // when to come back; 0: not said
	enum refusal refused; // REFUSED_NOT: it failed
	const char *limited_by; // "key:budget"; NULL: nothing did
};
// After attempts: the code they share when it says something of its own, else all of them.
void tries_why(const struct tries *t, struct tries_told *ret);
// Before any: what all candidates are out for.
void untried_why(const struct tries *t, const struct route *route, const struct decision *d,
	struct tries_told *ret);

#endif
