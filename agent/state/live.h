// SPDX-License-Identifier: MIT
// Live state: one fixed record of atomics per key, instance, feature, feature target, client and
// token, found by id, surviving snapshot changes. Updated by the loops, read by decisions, metrics
// and answers.
// Times are monotonic microseconds unless the name says wall.
#ifndef YJ_AGENT_STATE_LIVE_H
#define YJ_AGENT_STATE_LIVE_H

#include <stdatomic.h>
#include "shared/arena.h"
#include "shared/slice.h"

enum live_kind {
	LIVE_KEY,
	LIVE_INSTANCE,
	LIVE_TARGET,
	LIVE_PAIR,
	LIVE_FEATURE,
	LIVE_CLIENT,
	LIVE_TOKEN
};
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
// Why a key or instance is out, apart from the operator's wish.
enum live_fault {
	LIVE_OK,
	LIVE_KEY_INVALID, // 401/403 until it is tested again or rotated
	LIVE_KEY_NO_QUOTA, // out of money until an operator acts
	LIVE_REGION_DENIED, // the vendor does not serve this region
	LIVE_MODEL_GONE,
};

// Ring of recent outcomes, 5 s per slot, for rates over a minute and five.
#define LIVE_SLOTS 64
struct live_slot {
	_Atomic uint32_t epoch; // which 5 s period the slot counts (mono / 5 s)
	_Atomic uint32_t ok, failed;
	_Atomic uint64_t latency_us; // sum over ok
};

struct live_spend { // money of one window
	_Atomic int64_t window; // its number plus one; 0: nothing yet
	_Atomic int64_t pico;
	_Atomic int64_t unpriced; // answers whose cost is not known
	_Atomic int32_t dirty; // changed since it was last written down
};

struct live_probes { // of a key and day (UTC), see agent/state/probe_purse.h
	_Atomic int64_t day, priced, unpriced, pico;
	_Atomic int32_t currency; // three letters and a zero
};

// Which life of its object a record stands for: the address in the high half, the secret in the low
// one. Numbers never come twice and grow, so the larger life is the later one. What is told of an
// earlier life is not booked on the later (agent/decide/breaker.h). LIFE_ANY: of a record that has one life.
#define LIFE_ANY UINT64_MAX
#define LIVE_FAILERS 8
enum live_again {
	LIVE_NEW_SECRET, // another secret at the same address
	LIVE_NEW_ADDRESS, // another upstream: nothing that was learned holds
	LIVE_NEW_OBJECT, // another object of the same name: nothing at all holds
	LIVE_GONE, // the object is no more
};

struct live {
	enum live_kind kind;
	char id[200]; // owned; set once
	_Atomic uint32_t refs; // objects that point here
	_Atomic uint64_t life;
	_Atomic int32_t inflight;
	_Atomic int64_t cooldown_until_us; // 0 none
	_Atomic int32_t cooldown_status; // HTTP status that caused it
	_Atomic int32_t fault; // enum live_fault
	_Atomic int64_t fault_since_wall_ms;
	// breaker
	_Atomic int32_t breaker; // enum breaker_state
	_Atomic int64_t breaker_until_us; // end of open
	_Atomic int32_t half_open_busy; // a trial request is out
	_Atomic int32_t fails; // in the current window
	_Atomic int64_t fails_since_us;
	_Atomic uint64_t failers[LIVE_FAILERS]; // counted last: agent/decide/breaker.h
	_Atomic uint32_t failers_n;
	_Atomic int32_t retry_debt; // agent/decide/breaker.h
	// latency, peak EWMA in microseconds, 0 unknown
	_Atomic int64_t ewma_us;
	_Atomic int64_t p95_us;
	// limits (agent/state/limits.h): GCRA theoretical arrival times, monotonic nanoseconds
	_Atomic int64_t rpm_ns, tpm_ns;
	_Atomic uint64_t limited; // requests refused by a limit
	struct live_spend spend;
	struct live_probes probes;
	_Atomic uint64_t requests, failures;
	_Atomic uint64_t org; // keys: hash of the organisation the vendor named; 0 unknown
	_Atomic int64_t last_used_wall_ms, last_ok_wall_ms, last_error_wall_ms;
	_Atomic int32_t last_error_status; // HTTP status, or -enum err_code
	// instances: health observed
	_Atomic int32_t health; // enum health
	_Atomic int32_t rise, fall; // consecutive probe results
	_Atomic int64_t health_since_wall_ms;
	_Atomic int64_t last_beat_us; // heartbeat; 0 never
	_Atomic int32_t told_inflight, told_queue; // by heartbeats, plus one; 0 unknown
	_Atomic int64_t probe_us; // duration of the last probe
	_Atomic int32_t probe_error; // enum err_code of the last probe, 0 ok
	_Atomic(struct live_models *) models; // what it says it serves; NULL not known
	// operator's temporary overrides on routes
	_Atomic int32_t drained; // set by PATCH /routes
	_Atomic int32_t weight_override; // -1 none
	_Atomic int64_t override_until_us; // 0 until lifted
	_Atomic uint64_t rr; // round-robin turn
	struct live_slot slots[LIVE_SLOTS];
};

// What a server says it serves, as its probe read it. Immutable.
#define LIVE_MODELS_MAX 64
#define LIVE_MODEL_TEXT 128 // bytes of a name, its zero included
struct live_model {
	char name[LIVE_MODEL_TEXT];
	int64_t window; // tokens it takes, 0 not said
};
struct live_models {
	struct live_models *before; // live_models_set's
	uint64_t life; // it was read in
	int64_t since_us;
	bool more; // than are named here
	size_t n;
	struct live_model v[];
};

struct live_table;

struct live_table *live_new(void);
void live_free(struct live_table *t);
// Finds or makes the record and counts one reference. Thread-safe (short lock, off the traffic
// path: only when objects are built). The pointer stays valid while referenced.
struct live *live_take(struct live_table *t, enum live_kind kind, struct slice id);
void live_drop(struct live_table *t, struct live *l);
// live_take for as long as the arena lives.
struct live *live_hold(struct arena *a, struct live_table *t, enum live_kind kind, const char *id);
// The life that comes after `life`: its number was never given before.
uint64_t live_next(struct live_table *t, uint64_t life, enum live_again what);
// From now on the record stands for that life (nothing happens when it does already, or for a later
// one). Forgotten with a secret: what the vendor said of it (fault, cooldown, open breaker). With an
// address: also what was measured there (rates, latencies, health, heartbeats, the organisation).
// With an object also what its operators said, what it spent and its totals. Calls under way stay
// counted: each takes itself off when it ends.
void live_follow(struct live *l, uint64_t life, enum live_again what);
enum live_match { LIVE_SAME, LIVE_OTHER_SECRET, LIVE_OTHER_ADDRESS };
// What something of that life says of the record now.
static inline enum live_match live_match(const struct live *l, uint64_t life)
{
	uint64_t now = atomic_load_explicit(&l->life, memory_order_acquire);
	if (LIKELY(now == life || life == LIFE_ANY))
		return LIVE_SAME;
	return now >> 32 == life >> 32 ? LIVE_OTHER_SECRET : LIVE_OTHER_ADDRESS;
}
// What it serves, as far as it said; NULL not known. Valid for this turn of a loop.
static inline const struct live_models *live_models(const struct live *l)
{
	const struct live_models *m = atomic_load_explicit(&l->models, memory_order_acquire);
	if (m == NULL || m->n == 0 || live_match(l, m->life) == LIVE_OTHER_ADDRESS)
		return NULL;
	return m;
}
// The model of that name, also without the tag that Ollama puts behind one nobody said; NULL none.
const struct live_model *live_models_find(const struct live_models *m, const char *name);
// From the control loop alone: takes m over. What is there stays when it says the same, or when the one
// before it may still be read by somebody.
void live_models_set(struct live *l, struct live_models *m, int64_t now_us);
// Forgets again what may have been booked beside a live_follow: for who saw live_match change.
void live_unlearn(struct live *l, enum live_match lost);

// What an operator's override says. Kept apart from the records, so that one that is made later
// (after a restart, or for a key that comes back) begins with it.
struct live_override {
	bool drained;
	int32_t weight; // -1 none
	int64_t until_wall_ms; // 0 until lifted
};
// The next live_take of a record that does not exist yet applies it.
void live_override_keep(struct live_table *t, enum live_kind kind, struct slice id,
	const struct live_override *o);
// Outcome of one attempt that was begun in that life; one of another address is not counted.
// now_us monotonic.
void live_count(struct live *l, uint64_t life, int64_t now_us, bool ok, int64_t latency_us);
struct live_window {
	double rate, ok_rate, mean_ms; // NAN when nothing was counted
	uint64_t ok, failed;
};
// Sums over the last `seconds` (≤ 300).
struct live_window live_window(const struct live *l, int64_t now_us, int seconds);

#endif
