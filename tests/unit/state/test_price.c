// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/state/price.h"
#include "shared/jx.h"

#define MICRO INT64_C(1000000) // pico of a millionth

static struct price none(void)
{
	struct price p;
	field_defaults(&price_fields, &p);
	p.currency = "USD";
	return p;
}

static struct price_usage tokens(int64_t in, int64_t out)
{
	struct price_usage u = PRICE_USAGE_NONE;
	u.in = in;
	u.out = out;
	u.source = COST_REPORTED;
	return u;
}

static void test_tokens(void **state)
{
	(void)state;
	struct price p = none();
	p.input_pico = 150000; // 0.15 per million
	p.output_pico = 600000;
	p.cached_input_pico = 75000;
	struct price_usage u = tokens(1000, 500);
	struct money m = price_cost(&p, &u, NULL);
	assert_int_equal(m.pico, 1000 * 150000 + 500 * 600000);
	assert_int_equal(m.source, COST_REPORTED);
	assert_string_equal(m.currency, "USD");
	u.cached = 400;
	assert_int_equal(price_cost(&p, &u, NULL).pico, 600 * 150000 + 400 * 75000 + 500 * 600000);
	p.cache_write_pico = 200000;
	u.cache_write = 100;
	assert_int_equal(price_cost(&p, &u, NULL).pico,
		500 * 150000 + 400 * 75000 + 100 * 200000 + 500 * 600000);
	p.reasoning_pico = 4000000;
	u.reasoning = 200;
	assert_int_equal(price_cost(&p, &u, NULL).pico,
		500 * 150000 + 400 * 75000 + 100 * 200000 + 300 * 600000 + 200 * INT64_C(4000000));
	u.cached = 5000; // more than there were: never negative
	assert_true(price_cost(&p, &u, NULL).pico > 0);
}

static void test_unknown_is_not_zero(void **state)
{
	(void)state;
	struct price p = none();
	struct price_usage u = tokens(10, 10);
	assert_int_equal(price_cost(NULL, &u, NULL).source, COST_UNKNOWN);
	assert_int_equal(price_cost(&p, &u, NULL).source, COST_UNKNOWN); // a row without prices
	p.input_pico = 1;
	p.output_pico = 2;
	u.out = -1;
	assert_int_equal(price_cost(&p, &u, NULL).source, COST_UNKNOWN);
	u = tokens(10, 10);
	u.source = COST_UNKNOWN;
	assert_int_equal(price_cost(&p, &u, NULL).source, COST_UNKNOWN);
	assert_string_equal(price_cost(&p, &u, NULL).currency, "");
	u = tokens(10, 10);
	u.source = COST_ESTIMATED;
	assert_int_equal(price_cost(&p, &u, NULL).source, COST_ESTIMATED);
	p = none();
	p.input_pico = p.output_pico = 0; // moderations: free, and nobody tells tokens
	u = PRICE_USAGE_NONE;
	assert_int_equal(price_cost(&p, &u, NULL).source, COST_COUNTED);
	assert_int_equal(price_cost(&p, &u, NULL).pico, 0);
	assert_string_equal(price_cost(&p, &u, NULL).currency, "USD");
	p = none();
	p.input_pico = 20000; // embeddings have no answer's tokens
	u = tokens(7, -1);
	assert_int_equal(price_cost(&p, &u, NULL).pico, 140000);
}

static void test_tiers(void **state)
{
	(void)state;
	struct price_tier tiers[2];
	for (int i = 0; i < 2; i++)
		tiers[i] = (struct price_tier){
			0, FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE};
	tiers[0].above_tokens = 32000;
	tiers[0].input_pico = 20;
	tiers[1].above_tokens = 128000;
	tiers[1].input_pico = 30;
	tiers[1].output_pico = 300;
	struct price p = none();
	p.input_pico = 10;
	p.output_pico = 100;
	p.tiers = (struct objv){tiers, 2};
	static const struct {
		int64_t in, pico;
	} rows[] = {{32000, 320000 + 100}, {32001, 640020 + 100}, {128000, 2560000 + 100},
		{128001, 3840030 + 300}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct price_usage u = tokens(rows[i].in, 1);
		assert_int_equal(price_cost(&p, &u, NULL).pico, rows[i].pico);
	}
}

static void test_images(void **state)
{
	(void)state;
	struct price_image v[] = {{"standard", "1024x1024", 40000 * MICRO},
		{"hd", "1024x1024", 80000 * MICRO}, {"hd", NULL, 120000 * MICRO}};
	struct price p = none();
	p.images = (struct objv){v, ARRAY_LEN(v)};
	struct price_usage u = PRICE_USAGE_NONE;
	u.images = 2;
	u.source = COST_COUNTED;
	assert_int_equal(price_cost(&p, &u, &(struct price_picture){"hd", "1024x1024"}).pico,
		160000 * MICRO);
	assert_int_equal(price_cost(&p, &u, &(struct price_picture){"hd", "1792x1024"}).pico,
		240000 * MICRO);
	assert_int_equal(price_cost(&p, &u, &(struct price_picture){"low", "1024x1024"}).source,
		COST_UNKNOWN);
	p.image_pico = 25000 * MICRO; // any other picture
	struct money m = price_cost(&p, &u, &(struct price_picture){"low", NULL});
	assert_int_equal(m.pico, 50000 * MICRO);
	assert_int_equal(m.source, COST_COUNTED);
	// Told tokens are surer than a picture's mean.
	p.input_pico = 5 * MICRO;
	p.output_pico = 10 * MICRO;
	p.image_output_pico = 40 * MICRO;
	u.in = 50;
	u.out = 1056;
	assert_int_equal(price_cost(&p, &u, NULL).pico, 50 * 5 * MICRO + 1056 * 40 * MICRO);
}

static void test_audio(void **state)
{
	(void)state;
	struct price p = none();
	struct price_usage u = PRICE_USAGE_NONE;
	u.source = COST_COUNTED;
	p.char_pico = 15 * MICRO;
	u.chars = 100;
	assert_int_equal(price_cost(&p, &u, NULL).pico, 1500 * MICRO);
	p = none();
	p.second_pico = 100 * MICRO;
	u = PRICE_USAGE_NONE;
	u.source = COST_REPORTED;
	u.audio_ms = 60500;
	assert_int_equal(price_cost(&p, &u, NULL).pico, 6050 * MICRO);
}

static void test_overflow(void **state)
{
	(void)state;
	struct price p = none();
	p.input_pico = p.output_pico = INT64_C(1000000000000000);
	struct price_usage u = tokens(INT64_MAX, INT64_MAX);
	assert_int_equal(price_cost(&p, &u, NULL).pico, INT64_MAX);
	u = tokens(INT64_C(1000000000), 0);
	p.input_pico = 60000000; // a billion tokens of a dear model fit
	assert_int_equal(price_cost(&p, &u, NULL).pico, INT64_C(60000000000000000));
	struct money sum = {INT64_MAX - 1, "USD", COST_REPORTED}, m = {5, "USD", COST_ESTIMATED};
	assert_true(money_add(&sum, &m));
	assert_int_equal(sum.pico, INT64_MAX);
	assert_int_equal(sum.source, COST_ESTIMATED);
	m.currency[0] = 'X';
	assert_false(money_add(&sum, &m));
}

static void test_decimal(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int shift;
		int64_t want; // -1: refused
	} rows[] = {
		{"1.3e-10", 12, 130},
		{"6e-05", 12, 60000000},
		{"3e-05", 12, 30000000},
		{"0.00003", 12, 30000000},
		{"7.5e-08", 12, 75000},
		{"0.003", 10, 30000000}, // US cents a token
		{"7.629e-08", 12, 76290},
		{"0", 12, 0},
		{"0.0", 12, 0},
		{"0.042", 12, 42000000000},
		{"12", 12, 12000000000000},
		{"1e2", 0, 100},
		{"1E+2", 0, 100},
		{"1.5", 0, 2},
		{"1.4", 0, 1},
		{"0.5", 0, 1},
		{"0.05", 0, 0},
		{"1e-400", 12, 0},
		{"1e400", 12, -1},
		{"99999999999999999999", 0, -1},
		{"0.1000000000000000055511151231257827021181583404541015625", 12, 100000000000},
		{"-1", 12, -1},
		{"", 12, -1},
		{".", 12, -1},
		{"1e", 12, -1},
		{"1e5x", 12, -1},
		{"nan", 12, -1},
		{"1.2.3", 12, -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t got = -1;
		bool ok = price_decimal(slice_of(rows[i].text), rows[i].shift,
			INT64_C(1000000000000000), &got);
		if (ok != (rows[i].want >= 0) || (ok && got != rows[i].want))
			fail_msg("%s: %lld", rows[i].text, (long long)got);
	}
}

static void test_paid_and_valid(void **state)
{
	(void)state;
	struct price p = none();
	assert_false(price_paid(&p));
	p.input_pico = 0;
	assert_false(price_paid(&p));
	p.output_pico = 1;
	assert_true(price_paid(&p));
	assert_true(price_valid(&p, 0));
	p.valid_from = 1000;
	assert_false(price_valid(&p, 999));
	assert_true(price_valid(&p, 1000));
}

// Databases have currencies that were taken when any three letters were, or that ended since.
static void what_was_stored_is_read(void **state UNUSED)
{
	struct slice doc = SLICE("{\"amount_pico\":5,\"currency\":\"XYZ\",\"window\":\"day\"}");
	struct arena a = ARENA_INIT;
	struct jscan_limits limits = {0};
	struct budget b;
	struct err err = {0};
	assert_int_equal(jx_decode(&budget_fields, doc, limits, JX_CREATE, &a, &b, &err),
		ERR_FIELD_CHARSET);
	assert_string_equal(err.field, "currency");
	assert_int_equal(jx_decode(&budget_fields, doc, limits, JX_CREATE | JX_STORED, &a, &b,
				 &err),
		ERR_OK);
	assert_string_equal(b.currency, "XYZ");
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(what_was_stored_is_read),
		cmocka_unit_test(test_unknown_is_not_zero),
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_images),
		cmocka_unit_test(test_audio),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_paid_and_valid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
