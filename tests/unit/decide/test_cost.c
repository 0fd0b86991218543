// SPDX-License-Identifier: MIT
// The strategies that look at latency and cost, by tables.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/routes.h"

#define NOW INT64_C(1000000000)
#define WALL INT64_C(1795000000000)
#define MS 1000

static struct decision d;

static void run(struct test_route *t, double draw)
{
	struct decide_request req = test_request();
	decide(&t->route, &req, NOW, WALL, draw, &d);
}

static struct test_route *keys(enum strategy strategy, int n)
{
	struct test_route *t = test_route_new(strategy);
	for (int i = 0; i < n; i++) {
		test_route_key(t, 1, 0, 1);
		t->live[i].last_used_wall_ms = WALL;
	}
	return t;
}

// ---- latency ----

static void the_faster_of_two_goes_first(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_LATENCY, 2);
	t->live[0].ewma_us = 900 * MS;
	t->live[1].ewma_us = 100 * MS;
	for (double draw = 0; draw < 1; draw += 0.1) {
		run(t, draw);
		assert_int_equal(d.chosen, 1);
		assert_string_equal(d.reason, "fastest_of_two");
		assert_int_equal(d.fallback[0], 0);
	}
	assert_true(d.v[1].share == 1 && d.v[0].share == 0);
	test_route_free(t);
}

static void the_only_one_has_it_all(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_LATENCY, 1);
	t->live[0].ewma_us = 900 * MS;
	run(t, 0.5);
	assert_true(d.v[0].share == 1);
	test_route_free(t);
}

static void what_is_in_flight_counts(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_LATENCY, 2);
	t->live[0].ewma_us = 200 * MS;
	t->live[1].ewma_us = 100 * MS;
	t->live[1].inflight = 2; // 300 against 200
	run(t, 0.5);
	assert_int_equal(d.chosen, 0);
	test_route_free(t);
}

static void one_in_flight_is_one_more_to_wait_for(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_LATENCY, 2);
	t->live[0].ewma_us = 100 * MS;
	t->live[1].ewma_us = 60 * MS;
	t->live[1].inflight = 1; // 120 against 100
	run(t, 0.5);
	assert_int_equal(d.chosen, 0);
	test_route_free(t);
}

static void weights_divide(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_LATENCY);
	test_route_key(t, 1, 0, 10);
	test_route_key(t, 1, 0, 1);
	for (int i = 0; i < 2; i++)
		t->live[i].last_used_wall_ms = WALL;
	t->live[0].ewma_us = 500 * MS; // 50 by its weight
	t->live[1].ewma_us = 100 * MS;
	run(t, 0);
	assert_int_equal(d.chosen, 0);
	test_route_free(t);
}

static void unknown_ones_get_a_latency(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_LATENCY, 2);
	t->live[0].ewma_us = 1;
	run(t, 0);
	assert_int_equal(d.chosen, 1);
	test_route_free(t);
}

// One that was slow a while ago is tried again.
static void slowness_is_forgotten(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_LATENCY, 2);
	t->live[0].ewma_us = 900 * MS;
	t->live[1].ewma_us = 100 * MS;
	t->live[0].last_used_wall_ms = WALL - 30000; // 900 / 8
	run(t, 0);
	assert_int_equal(d.chosen, 1);
	t->live[0].last_used_wall_ms = WALL - 40000; // 900 / 16
	run(t, 0);
	assert_int_equal(d.chosen, 0);
	test_route_free(t);
}

// A clock that was set back makes nobody slower than it was.
static void a_use_that_is_still_to_come_is_now(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_LATENCY, 2);
	t->live[0].ewma_us = 100 * MS;
	t->live[0].last_used_wall_ms = WALL + 30000;
	t->live[1].ewma_us = 150 * MS;
	run(t, 0);
	assert_int_equal(d.chosen, 0);
	test_route_free(t);
}

// Over all draws each pair comes as often as any other, and the shares say so.
static void two_choices_share_as_they_say(void **state UNUSED)
{
	enum { N = 5, DRAWS = 10000 };
	struct test_route *t = keys(STRAT_LATENCY, N);
	int chosen[N] = {0};
	double sum = 0;
	for (int i = 0; i < N; i++)
		t->live[i].ewma_us = (i + 1) * 100 * MS;
	for (int i = 0; i < DRAWS; i++) {
		run(t, (double)i / DRAWS);
		chosen[d.chosen]++;
		for (size_t k = 0; k < d.fallback_n; k++)
			assert_int_not_equal(d.fallback[k], d.chosen);
		assert_int_equal(d.fallback_n, N - 1);
	}
	for (int i = 0; i < N; i++) {
		assert_true(abs(chosen[i] - (int)(d.v[i].share * DRAWS)) <= 1);
		sum += d.v[i].share;
	}
	assert_int_equal(chosen[N - 1], 0); // the slowest of all wins no pair
	assert_true(sum > 0.999 && sum < 1.001);
	test_route_free(t);
}

// ---- cost ----

static struct price image_price(int64_t pico)
{
	struct price p;
	field_defaults(&price_fields, &p);
	p.currency = "USD";
	p.image_pico = pico;
	return p;
}

static void the_cheapest_goes_first(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_COST, 3);
	struct price p[] = {image_price(30), image_price(10), image_price(20)};
	for (int i = 0; i < 3; i++)
		t->v[i].price = &p[i];
	run(t, 0.9);
	assert_int_equal(d.chosen, 1);
	assert_string_equal(d.reason, "cheapest");
	assert_int_equal(d.fallback[0], 2);
	assert_int_equal(d.fallback[1], 0);
	assert_true(d.v[1].share == 1);
	test_route_free(t);
}

static void unknown_cost_comes_last(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_COST, 3);
	struct price dear = image_price(1000000), later = image_price(1);
	t->v[1].price = &dear;
	later.valid_from = WALL + 1;
	t->v[2].price = &later; // not yet
	run(t, 0);
	assert_int_equal(d.chosen, 1);
	test_route_free(t);
}

static void ties_go_by_weight(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_COST);
	struct price p = image_price(10);
	int weights[] = {1, 5, 3};
	for (int i = 0; i < 3; i++) {
		test_route_key(t, 1, 0, weights[i]);
		t->v[i].price = &p;
	}
	run(t, 0);
	assert_int_equal(d.chosen, 1);
	assert_int_equal(d.fallback[0], 2);
	test_route_free(t);
}

static void another_currency_is_not_compared(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_COST, 2);
	struct price usd = image_price(1000), cny = image_price(1);
	cny.currency = "CNY";
	t->v[0].price = &usd;
	t->v[1].price = &cny;
	run(t, 0);
	assert_int_equal(d.chosen, 0);
	test_route_free(t);
}

static void order_and_tier_come_before(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_COST);
	struct price dear = image_price(1000), cheap = image_price(1);
	test_route_key(t, 0, 0, 1);
	test_route_key(t, 1, 0, 1);
	t->v[0].price = &dear;
	t->v[1].price = &cheap;
	run(t, 0);
	assert_int_equal(d.chosen, 0);
	test_route_free(t);
}

// What a request is likely to cost follows from what it asks.
static void the_request_counts(void **state UNUSED)
{
	struct test_route *t = keys(STRAT_COST, 1);
	struct price_image sizes[] = {{NULL, "512x512", 7}, {"high", "1024x1024", 99}};
	struct price p = image_price(FIELD_NONE);
	struct decide_request req = test_request();
	p.images = (struct objv){sizes, 2};
	t->v[0].price = &p;
	req.n = 3;
	req.width = req.height = 512;
	assert_int_equal(decide_cost(&t->v[0], &req, WALL).pico, 21);
	req.n = 1;
	assert_int_equal(decide_cost(&t->v[0], &req, WALL).pico, 7);
	req.n = FIELD_NONE; // one is made
	assert_int_equal(decide_cost(&t->v[0], &req, WALL).pico, 7);
	req.n = 3;
	req.width = req.height = 1024; // its quality is not said: the dearest
	assert_int_equal(decide_cost(&t->v[0], &req, WALL).pico, 297);
	req.offer = OFFER_CHAT;
	assert_int_equal(decide_cost(&t->v[0], &req, WALL).source, COST_UNKNOWN);
	p.input_pico = 2;
	p.output_pico = 4;
	req.tokens = 100;
	struct money m = decide_cost(&t->v[0], &req, WALL);
	assert_int_equal(m.pico, 100 * 2 + PRICE_TOKENS_OUT * 4);
	assert_int_equal(m.source, COST_ESTIMATED);
	test_route_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_faster_of_two_goes_first),
		cmocka_unit_test(the_only_one_has_it_all),
		cmocka_unit_test(what_is_in_flight_counts),
		cmocka_unit_test(one_in_flight_is_one_more_to_wait_for),
		cmocka_unit_test(weights_divide),
		cmocka_unit_test(unknown_ones_get_a_latency),
		cmocka_unit_test(slowness_is_forgotten),
		cmocka_unit_test(a_use_that_is_still_to_come_is_now),
		cmocka_unit_test(two_choices_share_as_they_say),
		cmocka_unit_test(the_cheapest_goes_first),
		cmocka_unit_test(unknown_cost_comes_last),
		cmocka_unit_test(ties_go_by_weight),
		cmocka_unit_test(another_currency_is_not_compared),
		cmocka_unit_test(order_and_tier_come_before),
		cmocka_unit_test(the_request_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
