// SPDX-License-Identifier: MIT
#include "agent/web/refusals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/core/events.h"
#include "agent/core/metrics.h"
#include "agent/web/keyless.h"
#include "shared/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define S INT64_C(1000000)

static struct agent a;

static void count(struct agent *agent, struct slice feature)
{
	(void)agent, (void)feature;
}

static int set_up(void **state)
{
	a = (struct agent){.events = events_new(), .metrics = metrics_new()};
	*state = refusals_new(&a, count);
	return 0;
}

static int tear_down(void **state)
{
	refusals_free(*state);
	events_free(a.events);
	metrics_free(a.metrics);
	return 0;
}

// How many requests the events told so far stand for.
static uint64_t told(void)
{
	struct str all = STR_INIT;
	uint64_t lost, sum = 0;
	events_read_json(a.events, 0, EVENTS_ALL, EVENTS_RING, &all, &lost);
	assert_int_equal(lost, 0);
	for (const char *at = str_text(&all); (at = strstr(at, "\"repeated\":")) != NULL; at++)
		sum += 1 + strtoull(at + 11, NULL, 10);
	str_release(&all);
	return sum;
}

static void note(struct refusals *r, enum refusal why, const char *caller, int64_t now_us)
{
	refusals_note(r,
		&(struct refused){.why = why,
			.code = ERR_INVALID_API_KEY,
			.status = 401,
			.id = "r-1",
			.caller = caller,
			.endpoint = "chat"},
		now_us);
}

// More callers than are told apart, for a minute: few events, and none of them is lost.
static void test_flood(void **state)
{
	uint64_t n = 0;
	char caller[32];
	for (int64_t now = S; now < 61 * S; now += S / 10) {
		for (int i = 0; i < 20; i++, n++) {
			snprintf(caller, sizeof(caller), "10.0.%d.%d", (int)(n / 250 % 250),
				(int)(n % 250));
			note(*state, REFUSED_KEY_MISSING, caller, now);
		}
		refusals_tell(*state, now);
	}
	assert_true(events_head(a.events) <= (REFUSALS_GROUPS + 1) * 7);
	assert_int_equal(refusals_lately(*state, REFUSED_KEY_MISSING, 60 * S, 300), n);
	refusals_tell(*state, 80 * S);
	assert_int_equal(told(), n);
}

// The first is told at once, the rest when their time has come; then the place is free again.
static void test_group(void **state)
{
	for (int i = 0; i < 5; i++)
		note(*state, REFUSED_KEY_MISSING, "10.0.0.1", S + i);
	assert_int_equal(told(), 1);
	refusals_tell(*state, 5 * S);
	assert_int_equal(told(), 1);
	refusals_tell(*state, S + REFUSALS_EVERY_US);
	assert_int_equal(told(), 5);
	assert_int_equal(events_head(a.events), 2);
	note(*state, REFUSED_KEY_UNKNOWN, "10.0.0.1", 12 * S); // another reason is another group
	assert_int_equal(events_head(a.events), 3);
	for (int i = 0; i < 4; i++)
		refusals_tell(*state, (40 + 20 * i) * S);
	assert_int_equal(events_head(a.events), 3);
	note(*state, REFUSED_KEY_MISSING, "10.0.0.1", 120 * S);
	assert_int_equal(events_head(a.events), 4);
	assert_int_equal(told(), 7);
}

static void test_window(void **state)
{
	note(*state, REFUSED_RPM, NULL, 10 * S);
	note(*state, REFUSED_RPM, NULL, 100 * S);
	note(*state, REFUSED_OVERLOAD, NULL, 100 * S);
	assert_int_equal(refusals_lately(*state, REFUSED_RPM, 100 * S, 60), 1);
	assert_int_equal(refusals_lately(*state, REFUSED_RPM, 100 * S, 300), 2);
	assert_int_equal(refusals_lately(*state, REFUSED_NOT, 100 * S, 300), 3);
	assert_int_equal(refusals_lately(*state, REFUSED_NOT, 500 * S, 300), 0);
}

// Clients beyond those told apart are one series, and a name is cut in whole characters.
static void test_clients(void **state)
{
	struct str out = STR_INIT;
	char id[16];
	for (int i = 0; i < REFUSALS_CLIENTS + 50; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		refusals_note(*state,
			&(struct refused){.why = REFUSED_RPM,
				.code = ERR_RATE_LIMITED,
				.status = 429,
				.id = "r",
				.client_id = id,
				.client = i == 0
					? "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十"
					: id},
			S);
	}
	metrics_write(a.metrics, SVC_API_GATEWAY, &out);
	assert_non_null(strstr(str_text(&out), "{reason=\"limit_rpm\",client=\"other\"} 50\n"));
	assert_true(utf8_valid(str_slice(&out)));
	str_release(&out);
}

// Every reason says what it is and what to do, and none is said twice.
static void test_rows(void **state)
{
	(void)state;
	for (int i = 1; i < REFUSED_COUNT; i++) {
		const struct refusal_row *row = refusal_row((enum refusal)i);
		assert_int_equal(row->id, i);
		assert_true(row->text[0] && row->next[0] && row->status >= 400);
		assert_ptr_equal(refusal_named(slice_of(row->name)), row);
	}
	assert_null(refusal_named(slice_of("")));
	assert_int_equal(refusal_of(ERR_OK), REFUSED_NOT);
	assert_int_equal(refusal_of(ERR_ALL_UPSTREAMS_FAILED), REFUSED_NOT);
}

static void test_keyless(void **state)
{
	(void)state;
	struct keyless *k = keyless_new();
	uint64_t requests;
	char caller[32];
	struct keyless_mark none = {0}, first = keyless_first(k, "10.0.0.1", slice_of("one"), S);
	assert_false(keyless_count(k, none, S));
	assert_true(keyless_count(k, first, S));
	keyless_first(k, "10.0.0.1", slice_of("two"), S);
	keyless_first(k, "10.0.0.1 uid:7", slice_of("three"), S);
	keyless_first(k, "10.0.0.1", slice_of("three"), S); // whose uid was not asked
	assert_int_equal(keyless_lately(k, 2 * S, &requests), 3);
	assert_int_equal(requests, 5);
	for (int i = 0; i < 2 * KEYLESS_CALLERS; i++) { // the quiet ones make room
		snprintf(caller, sizeof(caller), "10.1.%d.%d", i / 200, i % 200);
		keyless_first(k, caller, slice_of(""), 10 * S + i);
	}
	assert_false(keyless_count(k, first, 20 * S));
	assert_int_equal(keyless_lately(k, 20 * S, &requests), KEYLESS_CALLERS);
	assert_int_equal(keyless_lately(k, 400 * S, &requests), 0);
	assert_int_equal(requests, 0);
	keyless_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_flood, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_window, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clients, set_up, tear_down),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_keyless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
