// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/monitor/alert_track.h"

#define S INT64_C(1000000)

static void compares(void **state UNUSED)
{
	static const struct {
		enum alert_op op;
		double value;
		bool want;
	} rows[] = {{OP_GT, 5, false}, {OP_GT, 5.1, true}, {OP_GE, 5, true}, {OP_GE, 4.9, false},
		{OP_LT, 5, false}, {OP_LT, 4, true}, {OP_LE, 5, true}, {OP_LE, 5.1, false},
		{OP_GT, NAN, false}, {OP_GE, NAN, false}, {OP_LT, NAN, false}, {OP_LE, NAN, false}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct alert_rule rule = {.op = rows[i].op, .threshold = 5};
		assert_int_equal(alert_breaches(&rule, rows[i].value), rows[i].want);
	}
}

// bad or good at a second, and what comes of it
static void runs_through_its_states(void **state UNUSED)
{
	static const struct {
		int at_s;
		bool bad;
		enum alert_change want;
		enum alert_phase phase;
	} rows[] = {
		{0, false, CHANGE_NONE, PHASE_OK},
		{1, true, CHANGE_BEGINS, PHASE_PENDING},
		{5, false, CHANGE_CALMS, PHASE_OK}, // not long enough
		{6, true, CHANGE_BEGINS, PHASE_PENDING},
		{15, true, CHANGE_NONE, PHASE_PENDING},
		{16, true, CHANGE_FIRES, PHASE_FIRING},
		{17, true, CHANGE_NONE, PHASE_FIRING},
		{20, false, CHANGE_NONE, PHASE_FIRING},
		{24, true, CHANGE_NONE, PHASE_FIRING}, // it flaps: the time to clear begins anew
		{25, false, CHANGE_NONE, PHASE_FIRING},
		{29, false, CHANGE_NONE, PHASE_FIRING},
		{30, false, CHANGE_RESOLVES, PHASE_OK},
		{31, true, CHANGE_BEGINS, PHASE_PENDING},
	};
	struct alert_rule rule = {.for_s = 10, .clear_for_s = 5};
	struct alert_track t = {.good_us = FIELD_NONE};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(alert_step(&t, &rule, rows[i].bad, rows[i].at_s * S),
			rows[i].want);
		assert_int_equal(t.phase, rows[i].phase);
	}
}

static void at_once(void **state UNUSED)
{
	struct alert_rule rule = {0};
	struct alert_track t = {.good_us = FIELD_NONE};
	assert_int_equal(alert_step(&t, &rule, true, 7), CHANGE_FIRES);
	assert_int_equal(alert_step(&t, &rule, false, 8), CHANGE_RESOLVES);
	assert_int_equal(alert_step(&t, &rule, false, 9), CHANGE_NONE);
}

static void meters_forget(void **state UNUSED)
{
	struct alert_meter m = {0};
	assert_int_equal(alert_meter_grown(&m, 10, 0), 0);
	alert_meter_note(&m, 7, 0);
	assert_int_equal(alert_meter_grown(&m, 10, 0), 0); // what was before the first look
	alert_meter_note(&m, 9, 1 * S);
	assert_int_equal(alert_meter_grown(&m, 10, 1 * S), 2);
	for (int64_t s = 5; s <= 600; s += 5)
		alert_meter_note(&m, 9 + (s == 300), s * S);
	assert_int_equal(alert_meter_grown(&m, 10, 600 * S), 0);
	m = (struct alert_meter){0};
	for (int64_t s = 0; s <= 600; s += 5)
		alert_meter_note(&m, (uint64_t)s / 5, s * S);
	assert_int_equal(alert_meter_grown(&m, 10, 600 * S), 2);
	assert_int_equal(alert_meter_grown(&m, 300, 600 * S), 60);
}

static void builtin_rules_are_sound(void **state UNUSED)
{
	size_t n;
	const struct alert_rule *rules = alert_rules_builtin(&n);
	bool seen[AM_COUNT] = {0};
	assert_in_range(n, 1, ALERT_RULES_MAX / 2);
	for (size_t i = 0; i < n; i++) {
		assert_true(field_charset_ok(FC_ID, slice_of(rules[i].name)));
		assert_true(rules[i].enabled && rules[i].builtin);
		seen[rules[i].metric] = true;
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(rules[i].name, rules[k].name);
	}
	for (int m = 0; m < AM_COUNT; m++)
		assert_true(seen[m]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(runs_through_its_states),
		cmocka_unit_test(at_once),
		cmocka_unit_test(meters_forget),
		cmocka_unit_test(builtin_rules_are_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
