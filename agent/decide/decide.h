// SPDX-License-Identifier: MIT
// The routing decision: a pure function of (route, live view, request, time, draw). Explain, dry
// run and the live path are the same call. No I/O, no clock, no randomness of its own, no
// allocation: of a route at most DECIDE_MAX candidates are built, and the rest is counted.
#ifndef YJ_AGENT_DECIDE_DECIDE_H
#define YJ_AGENT_DECIDE_DECIDE_H

#include "agent/decide/skip.h"
#include "agent/state/price.h"
#include "agent/state/snapshot.h"

#define DECIDE_MAX CANDIDATES_MAX
#define DECIDE_FALLBACK_MAX 16
#define DECISION_ID_MAX 24 // of a decision's id as text (agent/record/decisions)
#define DECIDE_MIN_LEFT_US 50000 // with less time left than this no attempt is begun

// What the request asks, as far as routing needs it. Recordable: no pointers into the request.
struct decide_request {
	enum offer offer;
	int64_t width, height, n; // FIELD_NONE when not said
	bool stream;
	int64_t tokens; // estimate, for limits of keys
	int64_t deadline_us; // monotonic; FIELD_NONE none
	const struct ident *client; // borrowed
	const char *client_name; // for people, borrowed; "" or NULL none
	const char *model; // model text the caller sent, for instances that list theirs; NULL any
	const char *named; // the same for those that were found to serve several
	unsigned needs; // bits of enum need
	bool local_only; // the caller's wish, beside the feature's data policy
	uint64_t session; // hash of what callers of one session share; 0 none
	bool no_least_bad; // one such attempt was made
	int64_t waited_us; // held back because every candidate was out
	// candidates tried before in this request, by index into the route (decide_tried)
	uint64_t attempted[DECIDE_MAX / 64];
	// those without words for it (decide_unfit)
	uint64_t unfit[DECIDE_MAX / 64];
	const char **unfit_why; // by index: which member; NULL: none is unfit; borrowed
};

struct live_view { // what one candidate's state was when judged: recorded evidence
	double ok_rate, p95_ms; // NAN unknown; ok_rate only in records, no strategy reads it
	int inflight, limit; // limit 0: none
	int queue; // requests that wait at an instance, as it tells; -1 unknown
	int64_t until_us, since_wall_ms; // of a cooldown, breaker or fault
	int status; // that caused it
};

struct verdict {
	enum skip skip; // the first reason; SKIP_NONE: eligible
	bool trial; // eligible as the one half-open trial
	bool is_out; // skipped for what passes by itself: it may be waited for, or be the least bad
	double share; // among its equals, 0..1
	struct live_view view;
};

struct decision {
	size_t n; // candidates judged
	size_t left_out; // further ones that none was built for
	enum skip feature_skip; // SKIP_FEATURE_OFF
	int chosen; // index, -1 nothing fits
	// "priority", "weighted_draw", "round_robin", "least_inflight", "only_one", "affinity",
	// "fastest_of_two", "cheapest", "least_bad" (its skip stays), "waited"
	const char *reason;
	double draw;
	int64_t at_us; // monotonic time it was made
	int fallback[DECIDE_FALLBACK_MAX]; // further candidates in the order they would be tried
	size_t fallback_n;
	struct verdict v[DECIDE_MAX];
};

// draw in [0,1). now_us monotonic, now_wall_ms for expiries. Changes nothing.
void decide(const struct route *route, const struct decide_request *req, int64_t now_us,
	int64_t now_wall_ms, double draw, struct decision *ret);
// A request of the feature that asks for nothing special.
struct decide_request decide_request_plain(const struct feature *f);
// The decision for it, draw 0: what live tables, figures and alerts show.
void decide_plain(const struct route *route, int64_t now_us, int64_t now_wall_ms,
	struct decision *ret);
// What the request is likely to cost by candidate c: the evidence of decisions, and what the cost
// strategy compares. Amounts of another currency than the first known one count as unknown there.
struct money decide_cost(const struct candidate *c, const struct decide_request *req,
	int64_t now_wall_ms);
// Marks candidate i as tried in this request.
void decide_tried(struct decide_request *req, int i);
// Marks candidate i as one that cannot be asked what the request asks.
void decide_unfit(struct decide_request *req, int i);
// A decision reads the round-robin turn; the live path alone moves it on, after its choice.
void decide_turn(const struct route *route);
// The weight that counts now: the operator's override on key, instance or target, else the plan's.
int decide_weight(const struct candidate *c, int64_t now_us);
// Earliest monotonic time at which a candidate that is only cooling or rate limited fits again;
// FIELD_NONE when none is.
int64_t decide_retry_at_us(const struct decision *d);
// True when some candidate is out for a reason that passes by itself; then *ret_at_us is when the
// first of them is tried again, FIELD_NONE when that cannot be told.
bool decide_may_return(const struct decision *d, int64_t *ret_at_us);
// Hash of a session's name for decide_request.session, never 0.
uint64_t decide_session(struct slice name);
// True when some candidate was skipped for a limit or cooldown and every other for the operator's
// wish or want of a key.
bool decide_all_limited(const struct decision *d);
// What the caller is told when nothing could be chosen: ERR_SEALED, ERR_UPSTREAM_RATE_LIMITED or
// ERR_NO_HEALTHY_TARGET.
enum err_code decide_refusal(const struct route *route, const struct decision *d);

#endif
