// SPDX-License-Identifier: MIT
// The whole order in which equals would be tried, by every strategy: the best first, the others as
// their figures say, and those alike in the order of their names.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/routes.h"

#define NOW INT64_C(1000000000)
#define WALL INT64_C(1795000000000)

static struct decision d;

static struct test_route *keys(enum strategy strategy, int n)
{
	struct test_route *t = test_route_new(strategy);
	for (int i = 0; i < n; i++) {
		test_route_key(t, 1, 0, 1);
		t->live[i].last_used_wall_ms = WALL;
	}
	return t;
}

static void order_is(struct test_route *t, const struct decide_request *req, double draw,
	const char *want)
{
	char got[64];
	size_t n = 0;
	decide(&t->route, req, NOW, WALL, draw, &d);
	n += (size_t)snprintf(got, sizeof(got), "%d", d.chosen);
	for (size_t i = 0; i < d.fallback_n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, " %d", d.fallback[i]);
	assert_string_equal(got, want);
	assert_true(d.draw == draw && d.at_us == NOW); // from which a record is replayed
}

static void by_weight(void **state UNUSED)
{
	static const int weights[] = {2, 5, 2, 9, 0, 5};
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_PRIORITY, ARRAY_LEN(weights));
	for (size_t i = 0; i < ARRAY_LEN(weights); i++)
		t->v[i].weight = weights[i];
	order_is(t, &req, 0.7, "3 1 5 0 2 4");
	test_route_free(t);
}

static void by_latency(void **state UNUSED)
{
	static const int64_t ms[] = {10, 50, 30, 40, 30, 20};
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_LATENCY, ARRAY_LEN(ms));
	for (size_t i = 0; i < ARRAY_LEN(ms); i++)
		t->live[i].ewma_us = ms[i] * 1000;
	order_is(t, &req, 0, "0 5 2 4 3 1");
	order_is(t, &req, 0.999999, "3 0 5 2 4 1"); // the last pair: the two slowest
	t->pair[1].ewma_us = 1000; // measured for this model, it is the fastest
	order_is(t, &req, 0, "1 0 5 2 4 3");
	test_route_free(t);
}

static void by_load(void **state UNUSED)
{
	static const int inflight[] = {4, 1, 3, 2, 1, 0};
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_LEAST_INFLIGHT, ARRAY_LEN(inflight));
	for (size_t i = 0; i < ARRAY_LEN(inflight); i++)
		t->live[i].inflight = inflight[i];
	order_is(t, &req, 0, "5 1 4 3 2 0");
	order_is(t, &req, 0.4, "5 4 1 3 2 0"); // the draw turns those alike
	test_route_free(t);
}

static void by_cost(void **state UNUSED)
{
	static const int64_t pico[] = {40, 10, FIELD_NONE, 30, 20, 10};
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_COST, ARRAY_LEN(pico));
	struct price price[ARRAY_LEN(pico)];
	for (size_t i = 0; i < ARRAY_LEN(pico); i++) {
		field_defaults(&price_fields, &price[i]);
		price[i].currency = "USD";
		price[i].image_pico = pico[i];
		t->v[i].price = &price[i];
	}
	order_is(t, &req, 0, "1 5 4 3 0 2");
	assert_true(d.v[1].share == 1 && d.v[5].share == 0);
	t->v[5].weight = 2; // alike, and heavier
	order_is(t, &req, 0, "5 1 4 3 0 2");
	test_route_free(t);
}

// A lighter tier comes behind, whatever strategy ranks it.
static void tiers_come_one_after_the_other(void **state UNUSED)
{
	static const enum strategy all[] = {STRAT_PRIORITY, STRAT_COST, STRAT_LATENCY,
		STRAT_WEIGHTED, STRAT_LEAST_INFLIGHT, STRAT_ROUND_ROBIN};
	struct decide_request req = test_request();
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct test_route *t = test_route_new(all[i]);
		test_route_key(t, 1, 0, 9);
		test_route_key(t, 1, 0, 8);
		test_route_key(t, 1, 0, 7);
		test_route_key(t, 1, 1, 1);
		test_route_key(t, 2, 0, 5);
		test_route_key(t, 2, 0, 4);
		order_is(t, &req, 0, "0 1 2 3 4 5");
		test_route_free(t);
	}
}

static void by_turn(void **state UNUSED)
{
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_ROUND_ROBIN, 5);
	t->target_live[0].rr = 13;
	order_is(t, &req, 0, "3 4 0 1 2");
	t->v[0].target_live = NULL;
	order_is(t, &req, 0, "0 1 2 3 4");
	test_route_free(t);
}

// One draw gives the places one after the other, each by the weights that are left.
static void by_draw(void **state UNUSED)
{
	static const int weights[] = {10, 20, 30, 40};
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_WEIGHTED, ARRAY_LEN(weights));
	for (size_t i = 0; i < ARRAY_LEN(weights); i++)
		t->v[i].weight = weights[i];
	order_is(t, &req, 0, "0 1 2 3");
	// Half of the first's: the middle of 20 + 30 + 40, and then 5/6 of 20 + 40.
	order_is(t, &req, 0.05, "0 2 3 1");
	order_is(t, &req, 0.5, "2 3 1 0");
	order_is(t, &req, 0.9999999, "3 2 1 0");
	for (int i = 0; i < 4; i++)
		assert_float_equal(d.v[i].share, weights[i] / 100.0, 1e-6);
	test_route_free(t);
}

// A draw at the very edge of a share is the next one's.
static void shares_are_half_open(void **state UNUSED)
{
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_WEIGHTED, 4);
	order_is(t, &req, 0.25, "1 0 2 3");
	order_is(t, &req, 0.5, "2 0 1 3");
	order_is(t, &req, 0.75, "3 0 1 2");
	test_route_free(t);
}

static void places_beyond_the_drawn_stand_as_they_are(void **state UNUSED)
{
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_WEIGHTED, 7);
	order_is(t, &req, 0.999999999, "6 5 4 3 0 1 2");
	test_route_free(t);
}

// The same in every agent and every version: whoever upgrades moves no session.
static void by_session(void **state UNUSED)
{
	static const struct {
		const char *name, *order;
	} sessions[] = {{"a", "4 1 2 0 3"}, {"b", "4 1 3 2 0"}, {"chat-7f3a", "0 3 4 1 2"},
		{"2026", "4 3 1 2 0"}};
	struct decide_request req = test_request();
	struct test_route *t = keys(STRAT_WEIGHTED, 5);
	t->feature.doc.affinity = AFFINITY_SESSION;
	t->v[4].weight = 3;
	for (size_t i = 0; i < ARRAY_LEN(sessions); i++) {
		req.session = decide_session(slice_of(sessions[i].name));
		order_is(t, &req, 0.3, sessions[i].order);
		assert_string_equal(d.reason, "affinity");
		assert_true(d.v[d.chosen].share == 1 && d.v[d.fallback[0]].share == 0);
	}
	for (int i = 0; i < 64; i++) {
		static const char first[] =
			"3142440144424411403433314114414423444100444104242030014204024342";
		char name[8];
		snprintf(name, sizeof(name), "s%d", i);
		req.session = decide_session(slice_of(name));
		decide(&t->route, &req, NOW, WALL, 0.3, &d);
		assert_int_equal(d.chosen, first[i] - '0');
	}
	test_route_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_weight),
		cmocka_unit_test(by_latency),
		cmocka_unit_test(by_load),
		cmocka_unit_test(by_cost),
		cmocka_unit_test(tiers_come_one_after_the_other),
		cmocka_unit_test(by_turn),
		cmocka_unit_test(by_draw),
		cmocka_unit_test(shares_are_half_open),
		cmocka_unit_test(places_beyond_the_drawn_stand_as_they_are),
		cmocka_unit_test(by_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
