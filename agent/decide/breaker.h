// SPDX-License-Identifier: MIT
// Circuit breaker, cooldown and fault of one live record, changed by outcomes of attempts.
// Every function that tells something takes the life (agent/state/live.h) it was seen in: that of the key or
// instance whose secret and address the attempt used. Of another address or object nothing counts. Of
// another secret at the same address counts what is the address's (failures, that it answered) and
// what is the account's (a rate limit), never what was said of that secret: refused, out of credit,
// not served here, or taken. What a key's own limits count (rpm, tpm, concurrency, budget) is the
// key's, whatever secret it shows: agent/state/limits.
// closed --fails in window--> open --for_s--> half-open (one trial) --ok--> closed / --fail--> open
#ifndef YJ_AGENT_DECIDE_BREAKER_H
#define YJ_AGENT_DECIDE_BREAKER_H

#include "agent/state/live.h"

struct breaker_policy {
	int fails;
	int64_t window_us, open_us;
	// Whose failure is told: a hash of caller and request. The same one's count once in a window, so that
	// what one asks again and again takes the candidate from nobody else. 0: each counts.
	uint64_t by;
};

// What an attempt's end says about the candidate.
enum outcome {
	OUT_OK,
	OUT_FAILED, // 5xx, connect, timeout, garbage: counts for the breaker
	OUT_RATE_LIMITED, // 429: cools, no breaker
	OUT_BUSY, // saturated just now: it answered, and the next one may have room
	OUT_AUTH, // 401/403
	OUT_BILLING,
	OUT_REGION, // not served where the key's account or this host is
	OUT_MODEL_GONE, // of the model's own record: the key's others are not concerned
	OUT_CLIENT, // the request's own fault or the caller left: says nothing
};

// True when the caller became the half-open trial (or the breaker is closed); false: not now.
bool breaker_try(struct live *l, uint64_t life, int64_t now_us);
// Returns true when the state changed (for an event). cooldown_us: how long a rate limit holds.
bool breaker_outcome(struct live *l, uint64_t life, const struct breaker_policy *p,
	enum outcome out, int64_t now_us, int64_t now_wall_ms, int64_t cooldown_us, int status);
// Budget of second calls of the same candidate for one request: at most a tenth of the first ones, and
// BREAKER_RETRIES at once, so that an upstream in trouble does not get twice the work.
#define BREAKER_RETRIES 10
void breaker_first(struct live *l);
bool breaker_retry(struct live *l);
// The trial that was taken is not made after all.
void breaker_let_go(struct live *l, uint64_t life);
// Something else failed, but the one behind this record answered: nothing against it.
void breaker_answered(struct live *l, uint64_t life);
// A model that was gone is tried again after this time, by one request that may still fall back.
#define BREAKER_GONE_MS INT64_C(300000)
// So is a key that was out of credit: a refusal costs nothing, and only a real call can tell.
#define BREAKER_QUOTA_MS INT64_C(600000)
// Takes nothing until then; true when it did not rest already. status: what brought it there.
bool breaker_cool(struct live *l, uint64_t life, int64_t now_us, int64_t cooldown_us, int status);
// A test or a health check saw it work: clean, and known to be good. False: another secret or address
// by now.
bool breaker_proven(struct live *l, uint64_t life, int64_t now_wall_ms);

#endif
