// SPDX-License-Identifier: MIT
// Limits over a simulated clock: what any minute admits, by one thread and by many, what is given
// back, and what a window of money counts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>
#include "agent/state/limits.h"

#define START INT64_C(1000000000)
#define MINUTE INT64_C(60000000)
#define WALL INT64_C(1795608000000) // 2026-11-25T12:00:00Z
#define THREADS 8

static bool take(const struct limits *l, struct live *live, int64_t tokens, int64_t now)
{
	struct limit_hit hit;
	return limits_take(l, live, tokens, now, WALL, &hit);
}

// In every window of a minute, wherever it begins, at most limit + burst, and no less than the limit
// over a long time.
static void any_minute_holds(void **state UNUSED)
{
	static const struct {
		int64_t rpm, burst;
	} cases[] = {{1, 0}, {7, 0}, {60, 0}, {60, 60}, {700, 3}, {6000, 0}, {1000000, 0}};
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		struct limits l = limits_of(cases[k].rpm, 0, 0, cases[k].burst, NULL);
		struct live live = {0};
		int64_t bound = cases[k].rpm +
			(cases[k].burst ? cases[k].burst : MAX_OF(cases[k].rpm / 10, 1));
		int64_t tick = MAX_OF(MINUTE / cases[k].rpm / 40, 20), per[180] = {0}, all = 0;
		// Each second's admissions, then every window of 60 of them.
		for (int64_t now = START; now < START + 3 * MINUTE; now += tick) {
			while (take(&l, &live, 0, now)) {
				limits_release(&l, &live, 0, -1);
				per[(now - START) / 1000000]++;
				all++;
			}
		}
		for (size_t from = 0; from + 60 <= ARRAY_LEN(per); from++) {
			int64_t sum = 0;
			for (size_t i = 0; i < 60; i++)
				sum += per[from + i];
			assert_true(sum <= bound);
		}
		assert_true(all >= 3 * cases[k].rpm * 95 / 100);
	}
}

struct hammer {
	const struct limits *l;
	struct live *live;
	_Atomic int64_t *now;
	int64_t admitted;
};

static void *hammer(void *arg)
{
	struct hammer *h = arg;
	struct limit_hit hit;
	for (int64_t now; (now = atomic_fetch_add(h->now, 500)) < START + MINUTE;) {
		if (!limits_take(h->l, h->live, 1, now, WALL, &hit))
			continue;
		h->admitted++;
		limits_release(h->l, h->live, 1, 1);
	}
	return NULL;
}

// Threads that all see the same simulated clock and hurry it on.
static void many_threads_hold_it_too(void **state UNUSED)
{
	struct limits l = limits_of(600, 1200, 0, 0, NULL);
	struct live live = {0};
	_Atomic int64_t now = START;
	struct hammer h[THREADS];
	pthread_t t[THREADS];
	int64_t sum = 0;
	for (int i = 0; i < THREADS; i++) {
		h[i] = (struct hammer){&l, &live, &now, 0};
		assert_int_equal(pthread_create(&t[i], NULL, hammer, &h[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		sum += h[i].admitted;
	}
	assert_true(sum <= 660);
	assert_true(sum >= 600);
	assert_int_equal(live.inflight, 0);
}

static void *hold(void *arg)
{
	struct hammer *h = arg;
	struct limit_hit hit;
	for (int i = 0; i < 20000; i++) {
		if (!limits_take(h->l, h->live, 0, START, WALL, &hit))
			continue;
		int32_t seen = atomic_load(&h->live->inflight);
		h->admitted += seen > THREADS + 3; // a refused one counts itself for a moment
		limits_release(h->l, h->live, 0, -1);
	}
	return NULL;
}

static void at_once(void **state UNUSED)
{
	struct limits l = limits_of(0, 0, 3, 0, NULL);
	struct live live = {0};
	struct limit_hit hit;
	for (int i = 0; i < 3; i++)
		assert_true(take(&l, &live, 0, START));
	assert_false(limits_take(&l, &live, 0, START, WALL, &hit));
	assert_int_equal(hit.kind, LIMIT_CONCURRENCY);
	assert_int_equal(live.inflight, 3);
	limits_release(&l, &live, 0, -1);
	assert_true(take(&l, &live, 0, START));
	for (int i = 0; i < 3; i++)
		limits_release(&l, &live, 0, -1);
	struct hammer h[THREADS];
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++) {
		h[i] = (struct hammer){&l, &live, NULL, 0};
		assert_int_equal(pthread_create(&t[i], NULL, hold, &h[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(h[i].admitted, 0);
	}
	assert_int_equal(live.inflight, 0);
}

static void tokens_are_settled(void **state UNUSED)
{
	struct limits l = limits_of(0, 6000, 0, 0, NULL); // burst 600
	struct live live = {0};
	struct limit_hit hit;
	assert_true(take(&l, &live, 500, START));
	assert_false(limits_take(&l, &live, 500, START, WALL, &hit));
	assert_int_equal(hit.kind, LIMIT_TPM);
	limits_release(&l, &live, 500, 50); // it was less
	assert_true(take(&l, &live, 500, START));
	limits_release(&l, &live, 500, 6500); // it was more: a minute of debt
	assert_false(limits_take(&l, &live, 1, START + 59 * 1000000, WALL, &hit));
	assert_true(take(&l, &live, 1, START + 60 * 1000000));
}

static void more_than_the_burst_waits_for_an_empty_bucket(void **state UNUSED)
{
	struct limits l = limits_of(0, 600, 0, 0, NULL); // burst 60
	struct live live = {0};
	assert_true(take(&l, &live, 300, START)); // nothing owed
	assert_false(take(&l, &live, 300, START + 29 * 1000000));
	assert_true(take(&l, &live, 300, START + 30 * 1000000));
}

static void a_refused_one_takes_nothing(void **state UNUSED)
{
	struct limits l = limits_of(60, 600, 0, 0, NULL);
	struct live live = {0};
	assert_true(take(&l, &live, 60, START));
	int64_t rpm = live.rpm_ns, tpm = live.tpm_ns;
	assert_false(take(&l, &live, 60, START)); // tokens are used up, requests are not
	assert_true(live.rpm_ns == rpm && live.tpm_ns == tpm);
	assert_int_equal(live.inflight, 1);
	limits_undo(&l, &live, 60);
	assert_true(take(&l, &live, 60, START));
}

static void what_never_began_gives_all_back(void **state UNUSED)
{
	struct limits l = limits_of(60, 600, 1, 1, NULL);
	struct live live = {0};
	for (int i = 0; i < 3; i++) {
		assert_int_equal(limits_look(&l, &live, 10, START, WALL).kind, LIMIT_NONE);
		assert_true(take(&l, &live, 10, START)); // the one request, all the tokens
		limits_undo(&l, &live, 10);
	}
	assert_int_equal(live.inflight, 0);
}

// One request and its tokens, not more: others that were admitted stay counted.
static void one_that_never_began_gives_back_its_own(void **state UNUSED)
{
	struct limits l = limits_of(60, 600, 0, 0, NULL);
	struct live live = {0}, one = {0};
	assert_true(take(&l, &one, 20, START));
	assert_true(take(&l, &live, 20, START));
	assert_true(take(&l, &live, 10, START));
	limits_undo(&l, &live, 10);
	assert_int_equal(live.rpm_ns, one.rpm_ns);
	assert_int_equal(live.tpm_ns, one.tpm_ns);
	assert_int_equal(live.inflight, 1);
}

static void each_limit_has_its_name(void **state UNUSED)
{
	assert_string_equal(limit_name(LIMIT_RPM), "rpm");
	assert_string_equal(limit_name(LIMIT_TPM), "tpm");
	assert_string_equal(limit_name(LIMIT_CONCURRENCY), "concurrency");
	assert_string_equal(limit_name(LIMIT_BUDGET), "budget");
}

static void looking_takes_nothing(void **state UNUSED)
{
	struct limits l = limits_of(60, 0, 1, 1, NULL);
	struct live live = {0};
	assert_int_equal(limits_look(&l, &live, 0, START, WALL).kind, LIMIT_NONE);
	assert_true(take(&l, &live, 0, START));
	assert_int_equal(limits_look(&l, &live, 0, START, WALL).kind, LIMIT_CONCURRENCY);
	limits_release(&l, &live, 0, -1);
	struct limit_hit hit = limits_look(&l, &live, 0, START, WALL);
	assert_int_equal(hit.kind, LIMIT_RPM);
	assert_true(hit.until_us == START + 1000000);
}

static void what_is_left_is_seen(void **state UNUSED)
{
	struct limits l = limits_of(60, 600, 0, 2, NULL); // two requests and twenty tokens at once
	struct live live = {0};
	assert_true(take(&l, &live, 15, START));
	assert_int_equal(limits_look(&l, &live, 5, START, WALL).kind, LIMIT_NONE); // one is left
	struct limit_hit hit = limits_look(&l, &live, 6, START, WALL);
	assert_int_equal(hit.kind, LIMIT_TPM);
	assert_true(hit.until_us == START + 100000);
	assert_true(take(&l, &live, 5, START));
	assert_int_equal(limits_look(&l, &live, 0, START, WALL).kind, LIMIT_RPM);
}

static void nothing_said_is_no_limit(void **state UNUSED)
{
	struct limits l = limits_of(FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE, NULL);
	struct live live = {0};
	assert_false(l.any);
	for (int i = 0; i < 100; i++)
		assert_true(take(&l, &live, 1000000, START));
	assert_true(limits_of(1, FIELD_NONE, FIELD_NONE, FIELD_NONE, NULL).any);
	assert_true(limits_of(FIELD_NONE, 1, FIELD_NONE, FIELD_NONE, NULL).any);
	assert_true(limits_of(FIELD_NONE, FIELD_NONE, 1, FIELD_NONE, NULL).any);
	struct budget b = {.amount_pico = 0, .window = BUDGET_DAY};
	assert_true(limits_of(FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE, &b).any);
	b.amount_pico = FIELD_NONE;
	assert_false(limits_of(FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE, &b).any);
}

// A burst is said in requests; tokens get the same share of their limit.
static void a_burst_is_of_tokens_too(void **state UNUSED)
{
	assert_true(limits_of(60, 6000, 0, 1, NULL).tpm.burst == 100);
	assert_true(limits_of(1, 100, 0, 2, NULL).tpm.burst == 200);
	assert_true(limits_of(1, 1, 0, 5, NULL).tpm.burst == 5);
	assert_true(limits_of(60, 6000, 0, 0, NULL).tpm.burst == 600);
	assert_true(limits_of(0, 6000, 0, 5, NULL).tpm.burst == 600);
	struct limits l = limits_of(60, 6000, 0, 1, NULL);
	struct live live = {0};
	struct limit_hit hit;
	assert_true(limits_take(&l, &live, 100, START, WALL, &hit));
	assert_int_equal(hit.kind, LIMIT_NONE);
	assert_false(limits_take(&l, &live, 1, START, WALL, &hit));
	assert_int_equal(hit.kind, LIMIT_RPM); // the first in their order
	assert_true(hit.until_us == START + 1000000);
}

static void money_of_a_window(void **state UNUSED)
{
	struct budget day = {.amount_pico = 1000, .currency = "USD", .window = BUDGET_DAY};
	struct limits l = limits_of(0, 0, 0, 0, &day);
	struct live live = {0};
	struct limit_hit hit;
	limits_spend(&l, &live, true, 400, "USD", WALL);
	limits_spend(&l, &live, true, 900, "CNY", WALL); // another currency is no dollar
	limits_spend(&l, &live, false, 0, "", WALL); // and unknown is not zero
	struct spent s = limits_spent(&l, &live, WALL);
	assert_true(s.pico == 400 && s.unpriced == 2);
	assert_true(limits_take(&l, &live, 0, START, WALL, &hit));
	limits_spend(&l, &live, true, 600, "USD", WALL);
	assert_false(limits_take(&l, &live, 0, START, WALL, &hit));
	assert_int_equal(hit.kind, LIMIT_BUDGET);
	assert_true(hit.until_us == START + INT64_C(12) * 3600 * 1000000);
	// Tomorrow is another day.
	assert_true(limits_take(&l, &live, 0, START, WALL + 86400000, &hit));
	limits_spend(&l, &live, true, 1, "USD", WALL + 86400000);
	assert_true(limits_spent(&l, &live, WALL + 86400000).pico == 1);
}

static void spending_ends_and_never_turns(void **state UNUSED)
{
	struct budget day = {.amount_pico = 1000, .currency = "USD", .window = BUDGET_DAY};
	struct limits l = limits_of(0, 0, 0, 0, &day);
	struct live live = {0};
	struct limit_hit hit;
	for (int i = 0; i < 8; i++) {
		limits_spend(&l, &live, true, i % 2 ? INT64_MAX : INT64_C(1) << 62, "USD", WALL);
		assert_true(limits_spent(&l, &live, WALL).pico >= INT64_C(1) << 61);
		assert_false(limits_take(&l, &live, 0, START, WALL, &hit));
		assert_int_equal(hit.kind, LIMIT_BUDGET);
	}
	limits_spend(&l, &live, true, -5, "USD", WALL);
	assert_false(limits_take(&l, &live, 0, START, WALL, &hit));
}

static void windows(void **state UNUSED)
{
	assert_true(budget_window_of(BUDGET_MONTH, WALL) == (2026 - 1970) * 12 + 10);
	assert_true(budget_window_end(BUDGET_MONTH, WALL) == INT64_C(1796083200000)); // 1 December
	assert_true(budget_window_end(BUDGET_MONTH, INT64_C(1798761599999)) ==
		INT64_C(1798761600000)); // over the year's end
	assert_true(budget_window_of(BUDGET_MONTH, INT64_C(1796083200000)) ==
		(2026 - 1970) * 12 + 11);
	assert_true(budget_window_of(BUDGET_MONTH, INT64_C(1796083199999)) ==
		(2026 - 1970) * 12 + 10);
	assert_true(budget_window_of(BUDGET_DAY, WALL + 12 * 3600000) ==
		budget_window_of(BUDGET_DAY, WALL) + 1);
	assert_true(budget_window_of(BUDGET_TOTAL, WALL) == 0);
	assert_true(budget_window_end(BUDGET_DAY, WALL + 12 * 3600000) == WALL + 36 * 3600000);
	assert_true(budget_window_end(BUDGET_MONTH, INT64_C(1796083200000)) ==
		INT64_C(1798761600000)); // from the first moment on
	assert_true(budget_window_end(BUDGET_TOTAL, WALL) == FIELD_NONE);
	struct budget none = {.amount_pico = 0, .window = BUDGET_TOTAL};
	struct limits l = limits_of(0, 0, 0, 0, &none);
	struct live live = {0};
	assert_false(take(&l, &live, 0, START)); // nothing may be spent
}

struct spender {
	const struct limits *l;
	struct live *live;
};

// What a window could not count goes with it, and the store learns that there is something to write.
static void a_new_window_has_nothing_unpriced(void **state UNUSED)
{
	static const struct budget day = {
		.amount_pico = 100, .currency = "USD", .window = BUDGET_DAY};
	struct limits l = limits_of(0, 0, 0, 0, &day);
	struct live live = {0};
	assert_true(budget_window_of(BUDGET_DAY, 3 * INT64_C(86400000)) == 3);
	limits_spend(&l, &live, false, 0, "USD", WALL);
	assert_int_equal(live.spend.unpriced, 1);
	assert_int_equal(live.spend.dirty, 1);
	limits_spend(&l, &live, true, 7, "USD", WALL + INT64_C(86400000));
	assert_int_equal(live.spend.unpriced, 0);
	assert_true(live.spend.pico == 7);
}

static void who_is_admitted_was_stopped_by_nothing(void **state UNUSED)
{
	struct limits l = limits_of(60, 0, 0, 0, NULL);
	struct live live = {0};
	struct limit_hit hit = {LIMIT_BUDGET, 5};
	assert_true(limits_take(&l, &live, 0, START, WALL, &hit));
	assert_true(hit.kind == LIMIT_NONE && hit.until_us == FIELD_NONE);
}

static void *spend(void *arg)
{
	struct spender *s = arg;
	for (int i = 0; i < 10000; i++)
		limits_spend(s->l, s->live, true, 3, "USD", WALL);
	return NULL;
}

static void no_coin_is_lost(void **state UNUSED)
{
	struct budget b = {.amount_pico = FIELD_NONE, .window = BUDGET_TOTAL};
	struct limits l = limits_of(0, 0, 0, 0, &b);
	struct live live = {0};
	pthread_t t[THREADS];
	struct spender s = {&l, &live};
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, spend, &s), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_true(limits_spent(&l, &live, WALL).pico == THREADS * 30000);
}

static void what_callers_are_told(void **state UNUSED)
{
	struct limits l = limits_of(60, 6000, 0, 0, NULL);
	struct live live = {0};
	struct limits_view v = limits_view(&l, &live, START);
	assert_true(v.requests_limit == 60 && v.requests_left == 6 && v.requests_reset_us == 0);
	assert_true(take(&l, &live, 100, START));
	v = limits_view(&l, &live, START);
	assert_true(v.requests_left == 5 && v.requests_reset_us == 1000000);
	assert_true(v.tokens_limit == 6000 && v.tokens_left == 500 && v.tokens_reset_us == 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_minute_holds),
		cmocka_unit_test(many_threads_hold_it_too),
		cmocka_unit_test(at_once),
		cmocka_unit_test(tokens_are_settled),
		cmocka_unit_test(more_than_the_burst_waits_for_an_empty_bucket),
		cmocka_unit_test(a_refused_one_takes_nothing),
		cmocka_unit_test(what_never_began_gives_all_back),
		cmocka_unit_test(one_that_never_began_gives_back_its_own),
		cmocka_unit_test(each_limit_has_its_name),
		cmocka_unit_test(looking_takes_nothing),
		cmocka_unit_test(what_is_left_is_seen),
		cmocka_unit_test(nothing_said_is_no_limit),
		cmocka_unit_test(a_burst_is_of_tokens_too),
		cmocka_unit_test(money_of_a_window),
		cmocka_unit_test(spending_ends_and_never_turns),
		cmocka_unit_test(windows),
		cmocka_unit_test(a_new_window_has_nothing_unpriced),
		cmocka_unit_test(who_is_admitted_was_stopped_by_nothing),
		cmocka_unit_test(no_coin_is_lost),
		cmocka_unit_test(what_callers_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
