// SPDX-License-Identifier: MIT
// Works a document's limits out once and charges, settles and takes back against the live record.
#include "agent/state/limits.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "agent/state/price.h"
#include "shared/clock.h"

#define RELAXED memory_order_relaxed
#define DAY_MS INT64_C(86400000)
#define WINDOW_BUSY INT64_MIN // somebody empties the record for a new window

const char *limit_name(enum limit_kind k)
{
	static const char *const names[] = {"", "rpm", "tpm", "concurrency", "budget"};
	return names[k];
}

static int64_t set(int64_t v)
{
	return v == FIELD_NONE ? 0 : v;
}

struct limits limits_of(int64_t rpm, int64_t tpm, int64_t concurrency, int64_t burst,
	const struct budget *budget)
{
	struct limits l = {
		.concurrency = set(concurrency), .budget_pico = -1, .window = BUDGET_MONTH};
	l.rpm = quota_per_minute(set(rpm), set(burst));
	// A burst is said in requests: tokens get the same share of their limit.
	int64_t tokens_burst = set(burst) > 0 && set(rpm) > 0 && set(tpm) > 0
		? (int64_t)((__int128)tpm * burst / rpm)
		: 0;
	l.tpm = quota_per_minute(set(tpm), tokens_burst);
	snprintf(l.currency, sizeof(l.currency), "%.3s",
		budget != NULL && budget->currency != NULL ? budget->currency : "USD");
	if (budget != NULL) {
		l.window = budget->window;
		if (budget->amount_pico != FIELD_NONE)
			l.budget_pico = budget->amount_pico;
	}
	l.any = l.rpm.step_ns || l.tpm.step_ns || l.concurrency || l.budget_pico >= 0;
	return l;
}

// ---- windows ----

int64_t budget_window_of(int window, int64_t now_wall_ms)
{
	if (window == BUDGET_DAY)
		return now_wall_ms / DAY_MS;
	return window == BUDGET_TOTAL ? 0 : clock_month(now_wall_ms);
}

int64_t budget_window_end(int window, int64_t now_wall_ms)
{
	if (window == BUDGET_DAY)
		return (now_wall_ms / DAY_MS + 1) * DAY_MS;
	if (window == BUDGET_TOTAL)
		return FIELD_NONE;
	struct tm next = {.tm_year = 70, .tm_mon = (int)clock_month(now_wall_ms) + 1, .tm_mday = 1};
	return (int64_t)timegm(&next) * 1000;
}

struct spent limits_spent(const struct limits *l, const struct live *live, int64_t now_wall_ms)
{
	if (atomic_load_explicit(&live->spend.window, memory_order_acquire) !=
		budget_window_of(l->window, now_wall_ms) + 1)
		return (struct spent){0};
	return (struct spent){atomic_load_explicit(&live->spend.pico, RELAXED),
		atomic_load_explicit(&live->spend.unpriced, RELAXED)};
}

// The record counts this window; whoever comes first in a new one empties it.
static void open_window(struct live *live, int64_t window)
{
	for (;;) {
		int64_t seen = atomic_load_explicit(&live->spend.window, memory_order_acquire);
		if (seen == window)
			return;
		if (seen == WINDOW_BUSY ||
			!atomic_compare_exchange_strong(&live->spend.window, &seen, WINDOW_BUSY))
			continue;
		atomic_store_explicit(&live->spend.pico, 0, RELAXED);
		atomic_store_explicit(&live->spend.unpriced, 0, RELAXED);
		atomic_store_explicit(&live->spend.window, window, memory_order_release);
		return;
	}
}

void limits_spend(const struct limits *l, struct live *live, bool known, int64_t pico,
	const char *currency, int64_t now_wall_ms)
{
	open_window(live, budget_window_of(l->window, now_wall_ms) + 1);
	if (known && strcmp(currency, l->currency) == 0)
		sat_add_shared(&live->spend.pico, pico);
	else
		atomic_fetch_add_explicit(&live->spend.unpriced, 1, RELAXED);
	atomic_store_explicit(&live->spend.dirty, 1, memory_order_release);
}

// ---- admission ----

static bool over_budget(const struct limits *l, const struct live *live, int64_t now_us,
	int64_t now_wall_ms, struct limit_hit *ret)
{
	if (l->budget_pico < 0 || limits_spent(l, live, now_wall_ms).pico < l->budget_pico)
		return false;
	int64_t end = budget_window_end(l->window, now_wall_ms);
	ret->kind = LIMIT_BUDGET;
	ret->until_us = end == FIELD_NONE ? FIELD_NONE : now_us + (end - now_wall_ms) * 1000;
	return true;
}

static bool enter(const struct limits *l, struct live *live)
{
	int32_t before = atomic_fetch_add_explicit(&live->inflight, 1, RELAXED);
	if (l->concurrency == 0 || before < l->concurrency)
		return true;
	atomic_fetch_sub_explicit(&live->inflight, 1, RELAXED);
	return false;
}

bool limits_take(const struct limits *l, struct live *live, int64_t tokens, int64_t now_us,
	int64_t now_wall_ms, struct limit_hit *ret)
{
	*ret = (struct limit_hit){LIMIT_NONE, FIELD_NONE};
	if (!enter(l, live)) {
		ret->kind = LIMIT_CONCURRENCY;
		return false;
	}
	if (LIKELY(!l->any))
		return true;
	if (over_budget(l, live, now_us, now_wall_ms, ret))
		goto out;
	ret->kind = LIMIT_RPM;
	if (!quota_take(l->rpm, &live->rpm_ns, 1, now_us, &ret->until_us))
		goto out;
	ret->kind = LIMIT_TPM;
	if (!quota_take(l->tpm, &live->tpm_ns, tokens, now_us, &ret->until_us)) {
		quota_give(l->rpm, &live->rpm_ns, 1);
		goto out;
	}
	ret->kind = LIMIT_NONE;
	return true;
out:
	atomic_fetch_sub_explicit(&live->inflight, 1, RELAXED);
	return false;
}

struct limit_hit limits_look(const struct limits *l, const struct live *live, int64_t tokens,
	int64_t now_us, int64_t now_wall_ms)
{
	struct limit_hit hit = {LIMIT_NONE, FIELD_NONE};
	if (LIKELY(!l->any))
		return hit;
	if (l->concurrency != 0 && atomic_load_explicit(&live->inflight, RELAXED) >= l->concurrency)
		return (struct limit_hit){LIMIT_CONCURRENCY, FIELD_NONE};
	if (over_budget(l, live, now_us, now_wall_ms, &hit))
		return hit;
	int64_t until = quota_until_us(l->rpm, atomic_load_explicit(&live->rpm_ns, RELAXED), 1,
		now_us);
	if (until != 0)
		return (struct limit_hit){LIMIT_RPM, until};
	until = quota_until_us(l->tpm, atomic_load_explicit(&live->tpm_ns, RELAXED), tokens,
		now_us);
	return until != 0 ? (struct limit_hit){LIMIT_TPM, until} : hit;
}

void limits_release(const struct limits *l, struct live *live, int64_t estimated, int64_t tokens)
{
	atomic_fetch_sub_explicit(&live->inflight, 1, RELAXED);
	if (tokens >= 0)
		quota_give(l->tpm, &live->tpm_ns, estimated - tokens);
}

void limits_undo(const struct limits *l, struct live *live, int64_t tokens)
{
	limits_release(l, live, tokens, 0);
	quota_give(l->rpm, &live->rpm_ns, 1);
}

struct limits_view limits_view(const struct limits *l, const struct live *live, int64_t now_us)
{
	int64_t rpm = atomic_load_explicit(&live->rpm_ns, RELAXED);
	int64_t tpm = atomic_load_explicit(&live->tpm_ns, RELAXED);
	return (struct limits_view){l->rpm.limit, quota_left(l->rpm, rpm, now_us),
		quota_reset_us(l->rpm, rpm, now_us), l->tpm.limit, quota_left(l->tpm, tpm, now_us),
		quota_reset_us(l->tpm, tpm, now_us)};
}
