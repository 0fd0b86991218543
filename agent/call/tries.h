// SPDX-License-Identifier: MIT
// What one request, or one image task, has tried so far, and the attempt that is under way. Read
// anywhere, changed by agent/call/attempt.
#ifndef YJ_AGENT_CALL_TRIES_H
#define YJ_AGENT_CALL_TRIES_H

#include "agent/decide/decide.h"
#include "agent/protocol/error.h"
#include "agent/state/price.h"

#define GW_ATTEMPTS_MAX 16 // as features may ask for

struct gw_feature;
struct gw_loop;
struct gw_secret;

struct attempt { // one that is over, as callers, records and events are told of it
	const char *target; // candidate's name
	const char *end; // "ok", "http_429", "connect_timeout" …
	int status; // 0: no answer
	enum err_code code;
	int64_t ms;
	const char *
		dropped; // members of the request that did not reach it, comma separated; NULL none
};

struct ending { // how an attempt ended
	enum outcome out;
	int status; // 0: no answer
	enum err_code code;
	const char *end; // what callers are shown of it; as long-lived as the tries
	int64_t cooldown_us;
	bool final; // the request's own fault: another candidate would say the same
};

struct bill { // what all attempts have used and cost
	struct price_usage spent; // by the last one that did work
	struct money cost; // as far as known
	bool unknown; // of one of them: the rest is a guess
};

struct tries {
	struct gw_loop *gl;
	struct arena *arena; // of texts told of attempts; lives as long as they do
	const struct snapshot *snap; // the attempt's
	const struct feature_obj *feature; // NULL: it is gone meanwhile
	struct gw_feature *cells;
	const char *decision; // id of the record that is told of attempts; NULL: none is
	struct decide_request ask;
	// What an attempt takes outlives it, as the upstream works on: who began it counts what it has in
	// flight by model, and gives back. Names of candidates outlive their snapshot, too.
	bool lasting;
	// the attempt under way
	const struct candidate *cand; // NULL: none
	struct gw_secret *secret; // that goes along
	int64_t begun_us;
	bool unreachable; // it failed before the upstream said anything
	bool unsent; // it ended before anything was sent
	const char *dropped; // as its attempt's
	bool others; // further ones, or the same once more, may follow it
	uint64_t by; // when it failed: see struct breaker_policy
	const struct err
		*unfit; // why the first of those has no words that have none; NULL: all have
	// those before
	struct attempt v[GW_ATTEMPTS_MAX];
	size_t n;
	bool booked; // one of them is in the ledger
	int64_t retry_s; // soonest end of a cooldown met here; 0 none
	struct adapter_error error; // of the last answer that was one
	bool keyless; // it refused who showed no credential, as its instance is registered without one
	struct bill bill;
};

#endif
