// SPDX-License-Identifier: MIT
// Model requests that the gateway refused before any upstream was asked: counted by reason (metric,
// the last five minutes), and told as traffic events in groups of like ones, so that a
// flood of them costs a few events a minute. Shared by all loops; a short lock, taken by refused
// requests alone.
#ifndef YJ_AGENT_WEB_REFUSALS_H
#define YJ_AGENT_WEB_REFUSALS_H

#include "agent/core/agent.h"
#include "shared/jw.h"
#include "shared/refusal.h"

#define REFUSALS_GROUPS 32 // told apart at a time; what is beyond is grouped by its reason alone
#define REFUSALS_EVERY_US INT64_C(10000000) // between two events of a group
#define REFUSALS_CLIENTS 64 // told apart in the metric; later ones are "other"

struct refusals;

struct refused { // all borrowed; NULL: not known
	enum refusal why;
	enum err_code code;
	int status;
	const char *id; // of the request
	const char *client_id, *client; // as identified
	const char *caller; // address, "uid:N"; of somebody without identity
	const char *feature, *endpoint, *limited_by, *decision;
	int64_t total_us;
};

// Hears of every one: the feature whose error it is, empty when it is none's. Any thread.
typedef void refusals_seen(struct agent *a, struct slice feature);
struct refusals *refusals_new(struct agent *a, refusals_seen *seen);
void refusals_free(struct refusals *r);
void refusals_start(struct refusals *r, struct loop *control);
void refusals_stop(struct refusals *r);
// What refusals_start's timer does each second: tells the groups that are due.
void refusals_tell(struct refusals *r, int64_t now_us);
// Any thread. now_us: monotonic.
void refusals_note(struct refusals *r, const struct refused *what, int64_t now_us);
// Refused for this reason in the last `seconds` (300 at most); REFUSED_NOT: for any.
uint64_t refusals_lately(struct refusals *r, enum refusal why, int64_t now_us, int seconds);
// "refused" of the status document.
void refusals_write_status(struct refusals *r, struct jw *w, int64_t now_us);

#endif
