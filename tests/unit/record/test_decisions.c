// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/record/decisions.h"
#include "shared/jx.h"
#include "tests/unit/routes.h"

#define NOW INT64_C(1000000000)
#define WALL INT64_C(1795000000000)

struct world {
	struct test_route *t;
	struct decide_request req;
	struct decision dec;
	struct snapshot snap;
	struct decisions *d;
};

static int up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	w->t = test_route_new(STRAT_WEIGHTED);
	test_route_instance(w->t, 0, 1);
	test_route_key(w->t, 1, TIER_PRIMARY, 70);
	test_route_key(w->t, 1, TIER_PRIMARY, 30);
	w->t->instance[0].doc.ttl_s = 30;
	w->t->live[0].last_beat_us = NOW - 41 * 1000000;
	w->req = test_request();
	w->req.width = w->req.height = 1024;
	w->snap.revision = 42;
	decide(&w->t->route, &w->req, NOW, WALL, 0.25, &w->dec);
	w->d = decisions_new();
	*state = w;
	return 0;
}

static int down(void **state)
{
	struct world *w = *state;
	decisions_free(w->d);
	test_route_free(w->t);
	free(w);
	return 0;
}

static bool record(struct world *w, const char *id, int64_t wall_ms, bool keep)
{
	return decisions_record(w->d, id, &w->snap, &w->t->route, &w->req, &w->dec, "live", wall_ms,
		1.4, keep);
}

static void ids_hold_their_time_and_sort(void **state UNUSED)
{
	char a[DECISION_ID_MAX];
	decision_id(a, WALL, UINT64_MAX);
	char b[DECISION_ID_MAX];
	decision_id(b, WALL + 1, 0);
	assert_true(strcmp(a, b) < 0);
	int64_t ms = 0;
	assert_true(decision_id_time(slice_of(a), &ms));
	assert_true(ms == WALL);
	assert_false(decision_id_time(SLICE("d-"), &ms));
	assert_false(decision_id_time(SLICE("d-000000000000000000U"), &ms));
	assert_false(decision_id_time(SLICE("x-0000000000000000000"), &ms));
}

static void a_record_is_the_schema(void **state)
{
	struct world *w = *state;
	struct arena arena = ARENA_INIT;
	struct str out = STR_INIT;
	struct jw jw = jw_to(&out);
	struct err err = {0};
	const struct jx *doc = NULL;
	struct decision_record *rec = decision_pack("d-x", &w->snap, &w->t->route, &w->req, &w->dec,
		"dry_run", WALL, 1.4);
	decision_write(&jw, NULL, rec);
	decision_drop(rec);
	assert_int_equal(jx_parse(str_slice(&out), (struct jscan_limits){0}, &arena, &doc, &err),
		ERR_OK);
	assert_string_equal(jx_str(jx_get(doc, "schema"), ""), "yijian.decision/1");
	assert_string_equal(jx_str(jx_get(doc, "mode"), ""), "dry_run");
	assert_int_equal(jx_int(jx_get(doc, "revision"), 0), 42);
	assert_int_equal(jx_int(jx_path(doc, "request.width"), 0), 1024);
	assert_string_equal(jx_str(jx_path(doc, "request.needs[0]"), ""), "size");
	assert_string_equal(jx_str(jx_path(doc, "policy.strategy"), ""), "weighted");
	assert_string_equal(jx_str(jx_path(doc, "candidates[0].skips[0].code"), ""),
		"heartbeat_expired");
	assert_string_equal(jx_str(jx_path(doc, "candidates[0].skips[0].detail"), ""),
		"41 s, limit 30 s");
	assert_int_equal(jx_int(jx_path(doc, "candidates[1].weight"), 0), 70);
	assert_true(jx_is_null(jx_path(doc, "candidates[1].evidence.p95_ms")));
	assert_string_equal(jx_str(jx_path(doc, "chosen.target"), ""), "openai/dalle#k1");
	assert_string_equal(jx_str(jx_path(doc, "chosen.reason"), ""), "weighted_draw");
	assert_true(jx_num(jx_path(doc, "chosen.share"), 0) > 0.69);
	assert_string_equal(jx_str(jx_path(doc, "fallback[0]"), ""), "openai/dalle#k2");
	assert_false(jx_bool(jx_get(doc, "truncated"), true));
	str_release(&out);
	arena_release(&arena);
}

static void nothing_fits_is_a_record_too(void **state)
{
	struct world *w = *state;
	struct str out = STR_INIT;
	struct jw jw = jw_to(&out);
	w->t->feature.doc.enabled = false;
	decide(&w->t->route, &w->req, NOW, WALL, 0.25, &w->dec);
	struct decision_record *rec = decision_pack("d-x", &w->snap, &w->t->route, &w->req, &w->dec,
		"live", WALL, 1.4);
	decision_write(&jw, NULL, rec);
	decision_drop(rec);
	assert_non_null(strstr(str_text(&out), "\"chosen\":null"));
	assert_non_null(strstr(str_text(&out), "\"code\":\"feature_off\""));
	str_release(&out);
}

static void most_are_not_sampled_and_failures_always_kept(void **state)
{
	struct world *w = *state;
	char id[DECISION_ID_MAX];
	int sampled = 0, kept = 0;
	for (int i = 0; i < 1000; i++) {
		decision_id(id, WALL + i, (uint64_t)i);
		sampled += record(w, id, WALL + i, false);
		kept += record(w, id, WALL + i, true);
	}
	assert_int_equal(sampled, 1000 / DECISIONS_SAMPLE_MS);
	assert_int_equal(kept, 1000);
	struct decision_record *rec = decisions_find(w->d, slice_of(id), WALL + 1000);
	assert_non_null(rec);
	assert_true(decision_time(rec) == WALL + 999);
	decision_drop(rec);
}

static void old_ones_are_gone(void **state)
{
	struct world *w = *state;
	char id[DECISION_ID_MAX];
	decision_id(id, WALL, 1);
	record(w, id, WALL, true);
	struct decision_record *rec = decisions_find(w->d, slice_of(id), WALL + DECISIONS_KEEP_MS);
	assert_non_null(rec);
	decision_drop(rec);
	assert_null(decisions_find(w->d, slice_of(id), WALL + DECISIONS_KEEP_MS + 1));
}

static void memory_is_bounded(void **state)
{
	struct world *w = *state;
	char id[DECISION_ID_MAX];
	size_t total = 0;
	for (int i = 0; i < DECISIONS_KEPT_MAX + 100; i++) {
		decision_id(id, WALL, (uint64_t)i);
		record(w, id, WALL + i / 100, true);
	}
	struct decision_record *list[3];
	size_t n = decisions_list(w->d, SLICE("text_to_image"), true, INT64_MAX, WALL + 1000, list,
		3, &total);
	assert_int_equal(n, 3);
	assert_in_range(total, 1000, DECISIONS_KEPT_MAX);
	assert_true(decision_time(list[0]) >= decision_time(list[2]));
	for (size_t i = 0; i < n; i++)
		decision_drop(list[i]);
	assert_int_equal(decisions_list(w->d, SLICE("chat"), false, INT64_MAX, WALL, list, 3,
				 &total),
		0);
}

static void attempts_are_told_apart(void **state)
{
	struct world *w = *state;
	char id[DECISION_ID_MAX];
	struct str out = STR_INIT;
	struct jw jw = jw_to(&out);
	decision_id(id, WALL, 7);
	record(w, id, WALL, true);
	for (int i = 0; i < DECISION_ATTEMPTS_MAX + 3; i++)
		decisions_attempt(w->d, id, "openai/dalle#k1", 503, ERR_ALL_UPSTREAMS_FAILED, 12,
			"a,b");
	decisions_attempt(w->d, "d-none", "openai/dalle#k1", 200, ERR_OK, 1, NULL);
	struct decision_record *rec = decisions_find(w->d, slice_of(id), WALL);
	decision_write(&jw, NULL, rec);
	decision_drop(rec);
	assert_non_null(strstr(str_text(&out),
		"\"attempts\":[{\"n\":1,"
		"\"target\":\"openai/dalle#k1\",\"status\":503,"
		"\"code\":\"all_upstreams_failed\",\"ms\":12,\"dropped\":\"a,b\"}"));
	assert_null(strstr(str_text(&out), "\"n\":9"));
	str_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_hold_their_time_and_sort),
		cmocka_unit_test_setup_teardown(a_record_is_the_schema, up, down),
		cmocka_unit_test_setup_teardown(nothing_fits_is_a_record_too, up, down),
		cmocka_unit_test_setup_teardown(most_are_not_sampled_and_failures_always_kept, up,
			down),
		cmocka_unit_test_setup_teardown(old_ones_are_gone, up, down),
		cmocka_unit_test_setup_teardown(memory_is_bounded, up, down),
		cmocka_unit_test_setup_teardown(attempts_are_told_apart, up, down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
