// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/core/events.h"

static void add(struct events *e, enum event_kind kind, int i)
{
	struct str json = STR_INIT;
	str_addf(&json, "{\"i\":%d}", i);
	events_add(e, kind, str_slice(&json));
	str_release(&json);
}

static void test_in_order_with_cursor(void **state)
{
	struct events *e = events_new();
	struct str out = STR_INIT;
	uint64_t lost;
	(void)state;
	for (int i = 1; i <= 5; i++)
		add(e, EVENT_TRAFFIC, i);
	assert_int_equal(events_head(e), 5);
	assert_int_equal(events_read_json(e, 2, EVENTS_ALL, 2, &out, &lost), 4);
	assert_int_equal(lost, 0);
	assert_non_null(strstr(out.p, "\"seq\":3"));
	assert_non_null(strstr(out.p, "\"i\":4"));
	assert_null(strstr(out.p, "\"i\":5"));
	str_clear(&out);
	assert_int_equal(events_read(e, 4, EVENTS_ALL, 9, &out, &lost), 5);
	assert_memory_equal(out.p, "id: 5\nevent: traffic\ndata: {", 28);
	assert_string_equal(out.p + out.n - 2, "\n\n");
	str_release(&out);
	events_free(e);
}

// Cursors of another life are known as such: each life begins above the one before.
static void test_lives(void **state)
{
	struct events *e = events_new();
	struct str out = STR_INIT;
	uint64_t lost;
	bool reset = true;
	(void)state;
	events_begin(e, 1000);
	assert_int_equal(events_resume(e, 0, &reset), 1000);
	assert_false(reset);
	for (int i = 1; i <= 3; i++)
		add(e, EVENT_TRAFFIC, i);
	assert_int_equal(events_resume(e, 1002, &reset), 1002);
	assert_false(reset);
	assert_int_equal(events_resume(e, 1000, &reset), 1000);
	assert_false(reset);
	assert_int_equal(events_resume(e, 7, &reset), 1000); // of an earlier life
	assert_true(reset);
	assert_int_equal(events_resume(e, 1004, &reset), 1000); // ahead
	assert_true(reset);
	assert_int_equal(events_read_json(e, 0, EVENTS_ALL, 9, &out, &lost), 1003);
	assert_int_equal(lost, 0);
	assert_non_null(strstr(str_text(&out), "\"seq\":1001"));
	for (int i = 0; i < EVENTS_RING; i++)
		add(e, EVENT_TRAFFIC, i);
	str_clear(&out);
	events_read(e, 1001, EVENTS_ALL, 1, &out, &lost);
	assert_int_equal(lost, 2); // 1002 and 1003
	str_release(&out);
	events_free(e);
}

static void test_kinds(void **state)
{
	struct events *e = events_new();
	struct str out = STR_INIT;
	uint64_t lost;
	(void)state;
	add(e, EVENT_TRAFFIC, 1);
	add(e, EVENT_KEY, 2);
	assert_int_equal(events_read_json(e, 0, 1u << EVENT_KEY, 9, &out, &lost), 2);
	assert_null(strstr(out.p, "\"i\":1"));
	assert_non_null(strstr(out.p, "\"kind\":\"key\""));
	str_release(&out);
	events_free(e);
}

static void test_says_what_it_dropped(void **state)
{
	struct events *e = events_new();
	struct str out = STR_INIT;
	uint64_t lost;
	(void)state;
	for (int i = 1; i <= EVENTS_RING + 10; i++)
		add(e, EVENT_TRAFFIC, i);
	assert_int_equal(events_read_json(e, 3, EVENTS_ALL, 1, &out, &lost), 11);
	assert_int_equal(lost, 7);
	assert_non_null(strstr(out.p, "\"i\":11"));
	// a cursor from before a restart, beyond the head, starts at the end
	str_clear(&out);
	assert_int_equal(events_read_json(e, 1u << 30, EVENTS_ALL, 9, &out, &lost),
		EVENTS_RING + 10);
	assert_int_equal(out.n, 0);
	str_release(&out);
	events_free(e);
}

static void test_too_long_is_no_event(void **state)
{
	static char json[EVENT_JSON_MAX + 1];
	struct events *e = events_new();
	(void)state;
	events_add(e, EVENT_TRAFFIC, (struct slice){json, sizeof(json)});
	assert_int_equal(events_head(e), 0);
	events_add(e, EVENT_TRAFFIC, SLICE("{}"));
	assert_int_equal(events_head(e), 1);
	events_free(e);
}

struct waiting {
	struct loop *loop;
	int woken;
};

static void woken(void *arg)
{
	struct waiting *w = arg;
	w->woken++;
	loop_stop(w->loop);
}

static void test_wakes_once(void **state)
{
	struct events *e = events_new();
	struct waiting w = {.loop = loop_new("test", NULL)};
	struct events_waiter waiter = {.loop = w.loop, .fn = woken, .arg = &w};
	(void)state;
	events_wait(e, 0, &waiter);
	add(e, EVENT_HEALTH, 1);
	add(e, EVENT_HEALTH, 2);
	loop_run(w.loop);
	assert_int_equal(w.woken, 1);
	assert_false(waiter.waiting);
	events_wait(e, 2, &waiter);
	assert_true(waiter.waiting);
	events_unwait(e, &waiter);
	add(e, EVENT_HEALTH, 3);
	assert_int_equal(w.woken, 1);
	loop_free(w.loop);
	events_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_with_cursor),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_says_what_it_dropped),
		cmocka_unit_test(test_too_long_is_no_event),
		cmocka_unit_test(test_wakes_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
