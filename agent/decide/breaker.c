// SPDX-License-Identifier: MIT
// One record's atomics, moved by any loop at once and without a lock: who changes the state first
// tells of it, the others find it changed.
#include "agent/decide/breaker.h"

// A trial's right is taken by exchange, so that of many loops only one sends it. Outcomes of
// requests that began before the breaker opened are taken as evidence like any other.

bool breaker_try(struct live *l, uint64_t life, int64_t now_us)
{
	int state = atomic_load_explicit(&l->breaker, memory_order_relaxed);
	if (LIKELY(state == BREAKER_CLOSED))
		return true;
	if (live_match(l, life) == LIVE_OTHER_ADDRESS)
		return true; // it is not its breaker
	if (state == BREAKER_OPEN && now_us < atomic_load(&l->breaker_until_us))
		return false;
	if (atomic_exchange(&l->half_open_busy, 1) != 0)
		return false;
	atomic_store(&l->breaker, BREAKER_HALF_OPEN);
	return true;
}

// The candidate answered, whatever it said: the breaker has nothing against it.
static bool close_it(struct live *l)
{
	atomic_store_explicit(&l->fails, 0, memory_order_relaxed);
	if (atomic_load_explicit(&l->breaker, memory_order_relaxed) == BREAKER_CLOSED)
		return false;
	bool changed = atomic_exchange(&l->breaker, BREAKER_CLOSED) != BREAKER_CLOSED;
	atomic_store(&l->breaker_until_us, 0);
	atomic_store(&l->half_open_busy, 0);
	return changed;
}

void breaker_let_go(struct live *l, uint64_t life)
{
	if (LIKELY(live_match(l, life) != LIVE_OTHER_ADDRESS))
		atomic_store(&l->half_open_busy, 0);
}

void breaker_answered(struct live *l, uint64_t life)
{
	if (LIKELY(live_match(l, life) != LIVE_OTHER_ADDRESS))
		close_it(l);
}

static void forget_failers(struct live *l)
{
	atomic_store(&l->fails, 0);
	for (size_t i = 0; i < LIVE_FAILERS; i++)
		atomic_store(&l->failers[i], 0);
}

static bool open_it(struct live *l, const struct breaker_policy *p, int64_t now_us)
{
	atomic_store(&l->breaker_until_us, now_us + p->open_us);
	bool changed = atomic_exchange(&l->breaker, BREAKER_OPEN) != BREAKER_OPEN;
	atomic_store(&l->half_open_busy, 0);
	forget_failers(l);
	return changed;
}

// True when it was counted in this window already, as far as the last few are remembered.
static bool repeated(struct live *l, uint64_t by)
{
	if (by == 0)
		return false;
	for (size_t i = 0; i < LIVE_FAILERS; i++)
		if (atomic_load(&l->failers[i]) == by)
			return true;
	atomic_store(&l->failers[atomic_fetch_add(&l->failers_n, 1) % LIVE_FAILERS], by);
	return false;
}

static bool failed(struct live *l, const struct breaker_policy *p, int64_t now_us)
{
	int state = atomic_load(&l->breaker);
	if (state == BREAKER_HALF_OPEN)
		return open_it(l, p, now_us);
	if (state == BREAKER_OPEN || p->fails <= 0)
		return false;
	if (now_us - atomic_load(&l->fails_since_us) > p->window_us) {
		atomic_store(&l->fails_since_us, now_us);
		forget_failers(l);
	}
	if (repeated(l, p->by))
		return false;
	if (atomic_fetch_add(&l->fails, 1) + 1 < p->fails)
		return false;
	return open_it(l, p, now_us);
}

static bool cool(struct live *l, int64_t now_us, int64_t cooldown_us, int status)
{
	int64_t until = atomic_load(&l->cooldown_until_us);
	bool was_cooling = until > now_us;
	while (until < now_us + cooldown_us) {
		if (atomic_compare_exchange_weak(&l->cooldown_until_us, &until,
			    now_us + cooldown_us))
			break;
	}
	atomic_store(&l->cooldown_status, status);
	return !was_cooling;
}

bool breaker_cool(struct live *l, uint64_t life, int64_t now_us, int64_t cooldown_us, int status)
{
	return live_match(l, life) != LIVE_OTHER_ADDRESS && cool(l, now_us, cooldown_us, status);
}

static bool set_fault(struct live *l, enum live_fault fault, int64_t now_wall_ms)
{
	if (atomic_exchange(&l->fault, (int32_t)fault) == (int32_t)fault)
		return false;
	atomic_store(&l->fault_since_wall_ms, now_wall_ms);
	return true;
}

// Still so counts anew, so that it is not tried by every request once its time is over.
static bool set_passing(struct live *l, enum live_fault fault, int64_t now_wall_ms)
{
	bool changed = set_fault(l, fault, now_wall_ms);
	atomic_store(&l->fault_since_wall_ms, now_wall_ms);
	return changed;
}

// What an outcome says when the record has another secret by now.
static bool of_another_secret(struct live *l, const struct breaker_policy *p, enum outcome out,
	int64_t now_us, int64_t cooldown_us, int status)
{
	if (out == OUT_CLIENT || out == OUT_BUSY) {
		atomic_store(&l->half_open_busy, 0);
		return false;
	}
	if (out == OUT_FAILED)
		return failed(l, p, now_us);
	bool changed = close_it(l);
	if (out == OUT_RATE_LIMITED)
		changed |= cool(l, now_us, cooldown_us, status);
	return changed;
}

static bool of_this_secret(struct live *l, const struct breaker_policy *p, enum outcome out,
	int64_t now_us, int64_t now_wall_ms, int64_t cooldown_us, int status)
{
	if (out == OUT_OK) {
		atomic_store_explicit(&l->last_ok_wall_ms, now_wall_ms, memory_order_relaxed);
		bool changed = close_it(l);
		if (UNLIKELY(atomic_load_explicit(&l->fault, memory_order_relaxed) != LIVE_OK))
			changed |= set_fault(l, LIVE_OK, now_wall_ms);
		return changed;
	}
	if (out == OUT_CLIENT) {
		atomic_store(&l->half_open_busy, 0);
		return false;
	}
	atomic_store(&l->last_error_wall_ms, now_wall_ms);
	atomic_store(&l->last_error_status, status);
	if (out == OUT_BUSY) {
		atomic_store(&l->half_open_busy, 0);
		return false;
	}
	if (out == OUT_FAILED)
		return failed(l, p, now_us);
	bool changed = close_it(l);
	if (out == OUT_RATE_LIMITED)
		changed |= cool(l, now_us, cooldown_us, status);
	else if (out == OUT_AUTH)
		changed |= set_fault(l, LIVE_KEY_INVALID, now_wall_ms);
	else if (out == OUT_BILLING)
		changed |= set_passing(l, LIVE_KEY_NO_QUOTA, now_wall_ms);
	else if (out == OUT_REGION)
		changed |= set_fault(l, LIVE_REGION_DENIED, now_wall_ms);
	else
		changed |= set_passing(l, LIVE_MODEL_GONE, now_wall_ms);
	return changed;
}

bool breaker_outcome(struct live *l, uint64_t life, const struct breaker_policy *p,
	enum outcome out, int64_t now_us, int64_t now_wall_ms, int64_t cooldown_us, int status)
{
	bool changed = false;
	enum live_match before = live_match(l, life);
	if (UNLIKELY(before == LIVE_OTHER_ADDRESS))
		return false;
	if (LIKELY(before == LIVE_SAME))
		changed = of_this_secret(l, p, out, now_us, now_wall_ms, cooldown_us, status);
	else
		changed = of_another_secret(l, p, out, now_us, cooldown_us, status);
	enum live_match after = live_match(l,
		life); // it may have changed on another thread meanwhile
	if (LIKELY(after == before))
		return changed;
	live_unlearn(l, after);
	return false;
}

#define RETRY_COST 10 // of what a first call earns

void breaker_first(struct live *l)
{
	int32_t debt = atomic_load_explicit(&l->retry_debt, memory_order_relaxed);
	while (debt > 0 && !atomic_compare_exchange_weak(&l->retry_debt, &debt, debt - 1))
		;
}

bool breaker_retry(struct live *l)
{
	int32_t debt = atomic_load(&l->retry_debt);
	do {
		if (debt > (BREAKER_RETRIES - 1) * RETRY_COST)
			return false;
	} while (!atomic_compare_exchange_weak(&l->retry_debt, &debt, debt + RETRY_COST));
	return true;
}

bool breaker_proven(struct live *l, uint64_t life, int64_t now_wall_ms)
{
	if (live_match(l, life) != LIVE_SAME)
		return false;
	live_unlearn(l, LIVE_OTHER_SECRET);
	atomic_store(&l->last_ok_wall_ms, now_wall_ms);
	if (live_match(l, life) == LIVE_SAME)
		return true;
	atomic_store(&l->last_ok_wall_ms, 0);
	return false;
}
