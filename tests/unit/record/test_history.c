// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/record/history.h"

#define S INT64_C(1000000)

static void count(struct history *h, const char *feature, int n, bool error, int64_t us)
{
	struct history_request q = {
		.error = error, .fell_back = error, .latency_us = us, .tokens = 10};
	for (int i = 0; i < n; i++)
		history_count(h, slice_of(feature), &q);
}

static void sums_have_the_open_step_at_once(void **state UNUSED)
{
	struct history *h = history_new(0);
	count(h, "chat", 30, false, 10000);
	count(h, "images", 10, true, 100000);
	struct history_sum all = history_sum(h, (struct slice){0}, 5 * S, 60);
	assert_int_equal(all.requests, 40);
	assert_int_equal(all.errors, 10);
	assert_int_equal(all.fallbacks, 10);
	assert_int_equal(all.tokens, 400);
	assert_true(fabs(all.seconds - 5) < 1e-9);
	struct history_sum chat = history_sum(h, SLICE("chat"), 5 * S, 60);
	assert_int_equal(chat.requests, 30);
	assert_true(chat.p95_ms > 8 && chat.p95_ms < 12);
	struct history_sum none = history_sum(h, SLICE("never"), 5 * S, 60);
	assert_int_equal(none.requests, 0);
	assert_true(isnan(none.p95_ms));
	history_free(h);
}

static void windows_forget(void **state UNUSED)
{
	struct history *h = history_new(0);
	count(h, "chat", 30, false, 10000);
	history_sample(h, 60 * S);
	assert_int_equal(history_sum(h, SLICE("chat"), 60 * S, 60).requests, 0);
	assert_int_equal(history_sum(h, SLICE("chat"), 60 * S, 300).requests, 30);
	history_sample(h, 320 * S);
	assert_int_equal(history_sum(h, SLICE("chat"), 320 * S, 300).requests, 0);
	history_free(h);
}

static void steps_close_in_both_rings(void **state UNUSED)
{
	struct history *h = history_new(0);
	float v[HISTORY_FINE_N];
	int64_t age_us = 0;
	for (int i = 1; i <= 12; i++) {
		count(h, "chat", i * 10, false, 5000);
		history_sample(h, i * 10 * S);
	}
	size_t n = history_points(h, SLICE("chat"), FIG_RATE, false, 123 * S, v, HISTORY_FINE_N,
		&age_us);
	assert_int_equal(n, 12);
	assert_true(v[0] == 1 && v[11] == 12);
	assert_true(age_us == 3 * S);
	n = history_points(h, (struct slice){0}, FIG_RATE, true, 123 * S, v, HISTORY_FINE_N,
		&age_us);
	assert_int_equal(n, 2);
	assert_true(v[0] == 210 / 60.0f && v[1] == 570 / 60.0f);
	n = history_points(h, SLICE("chat"), FIG_ERRORS, false, 123 * S, v, 3, &age_us);
	assert_int_equal(n, 3);
	assert_true(v[2] == 0);
	history_sample(h, 130 * S);
	history_points(h, SLICE("chat"), FIG_P95, false, 130 * S, v, 1, &age_us);
	assert_true(isnan(v[0])); // nothing happened: unknown, not zero
	history_free(h);
}

static void names_and_memory_are_bounded(void **state UNUSED)
{
	struct history *h = history_new(0);
	const char *names[200];
	char name[32];
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "model-%d", i);
		count(h, name, 1, false, 1);
	}
	assert_int_equal(history_features(h, names, 200), HISTORY_FEATURES_MAX);
	assert_true(history_memory(h) <= history_memory_max());
	assert_true(history_memory_max() < 4 * 1024 * 1024);
	assert_int_equal(history_sum(h, (struct slice){0}, S, 60).requests, 10000);
	history_free(h);
}

static void a_long_sleep_does_not_hang(void **state UNUSED)
{
	struct history *h = history_new(0);
	history_sample(h, INT64_C(86400) * 365 * S);
	history_free(h);
}

static void quantiles_are_near(void **state UNUSED)
{
	const int64_t us[] = {90, 300, 1000, 33000, 999999, 45000000};
	for (size_t i = 0; i < ARRAY_LEN(us); i++) {
		struct history *h = history_new(0);
		count(h, "chat", 100, false, us[i]);
		double ms = history_sum(h, SLICE("chat"), S, 60).p95_ms;
		double want = (double)us[i] / 1000;
		assert_true(ms > want * 0.75 && (ms < want * 1.25 || us[i] < 128));
		history_free(h);
	}
}

// --- across restarts ---

// All of one's steps into another that begins `away_ms` later; at now 0 of its own clock.
static struct history *moved(struct history *from, int64_t now_us, int64_t away_ms)
{
	struct history *to = history_new(0);
	history_restore_begin(to);
	for (int coarse = 0; coarse < 2; coarse++) {
		struct str chunk = STR_INIT;
		int64_t age_us = 0;
		history_pack(from, coarse, 0, now_us, &chunk, &age_us);
		if (chunk.n > 0)
			assert_true(history_unpack(to, coarse, str_slice(&chunk),
				age_us / 1000 + away_ms));
		str_release(&chunk);
	}
	history_restored(to);
	return to;
}

static void steps_come_back_with_a_gap(void **state UNUSED)
{
	struct history *h = history_new(0);
	float v[HISTORY_FINE_N];
	int64_t age_us = 0;
	for (int i = 1; i <= 12; i++) {
		count(h, "chat", i * 10, false, 5000);
		history_sample(h, i * 10 * S);
	}
	struct history *g = moved(h, 120 * S, 45000); // four whole steps away
	size_t n = history_points(g, SLICE("chat"), FIG_RATE, false, 0, v, HISTORY_FINE_N, &age_us);
	assert_int_equal(n, 12 + 4);
	for (int i = 0; i < 12; i++)
		assert_true(fabsf(v[i] - (float)(i + 1)) < 1e-5f);
	for (int i = 12; i < 16; i++)
		assert_true(isnan(v[i]));
	n = history_points(g, (struct slice){0}, FIG_P95, false, 0, v, HISTORY_FINE_N, &age_us);
	assert_int_equal(n, 16);
	assert_true(v[0] > 4 && v[0] < 6);
	n = history_points(g, SLICE("chat"), FIG_RATE, true, 0, v, HISTORY_FINE_N, &age_us);
	assert_int_equal(n, 2);
	// It goes on, and a feature met later has the gap too but counts from now on.
	count(g, "later", 20, false, 5000);
	history_sample(g, 10 * S);
	n = history_points(g, SLICE("later"), FIG_RATE, false, 10 * S, v, HISTORY_FINE_N, &age_us);
	assert_int_equal(n, 17);
	assert_true(isnan(v[15]) && fabsf(v[16] - 2) < 1e-5f);
	// Gaps are no time that was counted.
	struct history_sum sum = history_sum(g, SLICE("chat"), 10 * S, 300);
	assert_int_equal(sum.requests, 780);
	assert_true(fabs(sum.seconds - 130) < 1e-6);
	history_free(g);
	history_free(h);
}

static void what_is_too_old_stays_away(void **state UNUSED)
{
	struct history *h = history_new(0);
	float v[HISTORY_COARSE_N];
	int64_t age_us = 0;
	count(h, "chat", 60, false, 5000);
	history_sample(h, 60 * S);
	struct history *g = moved(h, 60 * S, 2 * 3600 * 1000);
	assert_int_equal(history_points(g, SLICE("chat"), FIG_RATE, false, 0, v, HISTORY_FINE_N,
				 &age_us),
		0);
	assert_int_equal(history_points(g, SLICE("chat"), FIG_RATE, true, 0, v, HISTORY_COARSE_N,
				 &age_us),
		121);
	assert_true(fabsf(v[0] - 1) < 1e-5f && isnan(v[1]) && isnan(v[120]));
	history_free(g);
	g = moved(h, 60 * S, INT64_C(25) * 3600 * 1000);
	assert_int_equal(history_points(g, SLICE("chat"), FIG_RATE, true, 0, v, HISTORY_COARSE_N,
				 &age_us),
		0);
	history_free(g);
	g = moved(h, 60 * S,
		-3600 * 1000); // from a future: the keeper shifts it, here it is refused
	assert_int_equal(history_points(g, SLICE("chat"), FIG_RATE, true, 0, v, HISTORY_COARSE_N,
				 &age_us),
		0);
	history_free(g);
	history_free(h);
}

static void only_what_is_new_is_packed(void **state UNUSED)
{
	struct history *h = history_new(0);
	struct str a = STR_INIT, b = STR_INIT;
	int64_t age_us = 0;
	count(h, "chat", 1, false, 5000);
	history_sample(h, 60 * S);
	uint64_t upto = history_pack(h, false, 0, 60 * S, &a, &age_us);
	assert_int_equal(upto, 6);
	assert_int_equal(history_pack(h, false, upto, 60 * S, &b, &age_us), 6);
	assert_int_equal(b.n, 0);
	history_sample(h, 70 * S);
	assert_int_equal(history_pack(h, false, upto, 75 * S, &b, &age_us), 7);
	assert_int_equal(age_us, 5 * S);
	assert_true(b.n > 0 && b.n < a.n);
	str_release(&a);
	str_release(&b);
	history_free(h);
}

static void damaged_chunks_are_refused(void **state UNUSED)
{
	struct history *h = history_new(0), *g = history_new(0);
	struct str chunk = STR_INIT;
	int64_t age_us = 0;
	count(h, "chat", 1, false, 5000);
	history_sample(h, 60 * S);
	history_pack(h, false, 0, 60 * S, &chunk, &age_us);
	for (size_t n = 0; n < chunk.n; n++) {
		history_restore_begin(g);
		assert_false(history_unpack(g, false, (struct slice){chunk.p, n}, 0));
	}
	assert_true(history_unpack(g, false, str_slice(&chunk), 0));
	chunk.p[0] ^= 1;
	assert_false(history_unpack(g, false, str_slice(&chunk), 0));
	str_release(&chunk);
	history_free(g);
	history_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_have_the_open_step_at_once),
		cmocka_unit_test(windows_forget),
		cmocka_unit_test(steps_close_in_both_rings),
		cmocka_unit_test(names_and_memory_are_bounded),
		cmocka_unit_test(a_long_sleep_does_not_hang),
		cmocka_unit_test(quantiles_are_near),
		cmocka_unit_test(steps_come_back_with_a_gap),
		cmocka_unit_test(what_is_too_old_stays_away),
		cmocka_unit_test(only_what_is_new_is_packed),
		cmocka_unit_test(damaged_chunks_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
