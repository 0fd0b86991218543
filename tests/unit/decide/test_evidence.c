// SPDX-License-Identifier: MIT
// What a decision says beside its choice: the credentials of instances, what is noted with a
// reason, the edges of limits and times, and what the caller is told when nothing fits.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/decide/breaker.h"
#include "tests/unit/routes.h"

#define NOW INT64_C(1000000000)
#define WALL INT64_C(1795000000000)

static struct decision d;

static const struct decision *run(struct test_route *t, const struct decide_request *req)
{
	decide(&t->route, req, NOW, WALL, 0, &d);
	return &d;
}

static struct test_route *one_key(void)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	return t;
}

static struct test_route *one_instance(void)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_instance(t, 1, 1);
	return t;
}

static enum skip skip_of(struct test_route *t)
{
	struct decide_request req = test_request();
	return run(t, &req)->v[0].skip;
}

static void an_instance_needs_its_credential(void **state UNUSED)
{
	struct test_route *t = one_instance();
	struct live live = {0};
	struct key_obj key = {.live = &live};
	key.doc.expires_at = FIELD_NONE;
	t->v[0].grant = GRANT_KEY;
	t->v[0].credential = &key;
	assert_int_equal(skip_of(t), SKIP_NONE);
	live.fault = LIVE_KEY_INVALID;
	assert_int_equal(skip_of(t), SKIP_KEY_INVALID);
	live.fault = LIVE_OK;
	key.doc.expires_at = WALL;
	assert_int_equal(skip_of(t), SKIP_KEY_INVALID);
	assert_true(d.v[0].view.since_wall_ms == WALL);
	key.doc.expires_at = WALL + 1;
	assert_int_equal(skip_of(t), SKIP_NONE);
	t->v[0].sealed = true;
	assert_int_equal(skip_of(t), SKIP_KEY_INVALID);
	t->v[0].sealed = false;
	t->live[0].fault = LIVE_REGION_DENIED; // the credential is well, the instance is not
	assert_int_equal(skip_of(t), SKIP_REGION_DENIED);
	t->v[0].credential = NULL;
	t->v[0].grant = GRANT_GONE;
	assert_int_equal(skip_of(t), SKIP_NO_KEY);
	t->v[0].grant = GRANT_DISABLED;
	assert_int_equal(skip_of(t), SKIP_NO_KEY);
	t->v[0].grant = GRANT_ELSEWHERE;
	assert_int_equal(skip_of(t), SKIP_KEY_INVALID);
	test_route_free(t);
}

static void a_key_that_cannot_be_opened_is_not_asked(void **state UNUSED)
{
	struct test_route *t = one_key();
	t->v[0].sealed = true;
	assert_int_equal(skip_of(t), SKIP_KEY_INVALID);
	test_route_free(t);
}

// Who cools, rests or is refused: until when, since when, and what the upstream had said.
static void reasons_have_their_evidence(void **state UNUSED)
{
	struct test_route *t = one_key();
	const struct live_view *view = &d.v[0].view;
	t->live[0].cooldown_until_us = NOW + 5;
	t->live[0].cooldown_status = 429;
	assert_int_equal(skip_of(t), SKIP_COOLDOWN);
	assert_true(view->until_us == NOW + 5 && view->status == 429);
	t->live[0].cooldown_until_us = 0;
	t->live[0].breaker = BREAKER_OPEN;
	t->live[0].breaker_until_us = NOW + 9;
	t->live[0].last_error_status = 503;
	assert_int_equal(skip_of(t), SKIP_BREAKER_OPEN);
	assert_true(view->until_us == NOW + 9 && view->status == 503);
	t->live[0].breaker = BREAKER_CLOSED;
	t->live[0].fault = LIVE_KEY_INVALID;
	t->live[0].fault_since_wall_ms = WALL - 7;
	t->live[0].last_error_status = 401;
	assert_int_equal(skip_of(t), SKIP_KEY_INVALID);
	assert_true(view->since_wall_ms == WALL - 7 && view->status == 401);
	t->live[0].fault = LIVE_OK;
	t->key[0].doc.expires_at = WALL - 3;
	assert_int_equal(skip_of(t), SKIP_KEY_INVALID);
	assert_true(view->since_wall_ms == WALL - 3);
	test_route_free(t);
	t = one_instance();
	t->instance[0].doc.ttl_s = 30;
	t->live[0].last_beat_us = NOW - 31 * 1000000;
	t->live[0].health_since_wall_ms = WALL - 11;
	assert_int_equal(skip_of(t), SKIP_HEARTBEAT_EXPIRED);
	assert_true(view->until_us == NOW - 1000000 && view->since_wall_ms == WALL - 11);
	t->live[0].last_beat_us = 0; // none since the start
	assert_int_equal(skip_of(t), SKIP_NONE);
	test_route_free(t);
}

static void what_is_seen_of_one_that_fits(void **state UNUSED)
{
	struct test_route *t = one_instance();
	const struct live_view *view = &d.v[0].view;
	t->live[0].inflight = 3;
	t->live[0].told_queue = 5; // one more than it told, zero is unknown
	t->pair[0].p95_us = 1500;
	t->instance[0].doc.capacity.max_concurrency = 4;
	assert_int_equal(skip_of(t), SKIP_NONE);
	assert_true(view->inflight == 3 && view->limit == 4 && view->queue == 4);
	assert_true(view->p95_ms == 1.5 && isnan(view->ok_rate));
	assert_true(view->until_us == 0 && view->status == 0);
	assert_true(d.at_us == NOW && d.draw == 0 && d.left_out == 0 && !d.v[0].is_out &&
		!d.v[0].trial);
	t->pair[0].p95_us = 0;
	t->live[0].told_queue = 0;
	assert_int_equal(skip_of(t), SKIP_NONE);
	assert_true(isnan(view->p95_ms) && view->queue == -1);
	test_route_free(t);
	t = one_key();
	t->key[0].doc.limits.concurrency = 0;
	assert_int_equal(skip_of(t), SKIP_NONE);
	assert_true(view->limit == 0 && view->queue == -1);
	t->key[0].doc.limits.concurrency = 1;
	assert_int_equal(skip_of(t), SKIP_NONE);
	assert_int_equal(view->limit, 1);
	test_route_free(t);
}

static void limits_of_keys(void **state UNUSED)
{
	struct test_route *t = one_key();
	struct decide_request req = test_request();
	struct budget none = {.amount_pico = 0, .window = BUDGET_TOTAL};
	req.tokens = 1;
	t->key[0].limits = limits_of(0, 60, 0, 0, NULL); // one a second, 6 ahead
	t->live[0].tpm_ns = (NOW + 5 * 1000000) * 1000;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	req.tokens = 3;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_RATE_LIMITED_TPM);
	assert_true(d.v[0].view.until_us == NOW + 2 * 1000000);
	assert_true(d.v[0].is_out && decide_all_limited(&d));
	assert_true(decide_retry_at_us(&d) == NOW + 2 * 1000000);
	t->key[0].limits = limits_of(0, 0, 0, 0, &none);
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_BUDGET_EXHAUSTED);
	assert_true(d.v[0].view.until_us == 0); // a total never ends
	assert_true(decide_all_limited(&d) && decide_retry_at_us(&d) == FIELD_NONE);
	test_route_free(t);
}

static void the_last_moment_counts(void **state UNUSED)
{
	struct test_route *t = one_key();
	struct decide_request req = test_request();
	req.deadline_us = NOW + DECIDE_MIN_LEFT_US;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	t->live[0].drained = 1;
	t->live[0].override_until_us = NOW + 1;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_DRAINED);
	t->live[0].override_until_us = NOW;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	t->live[0].override_until_us = 0; // until it is lifted
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_DRAINED);
	test_route_free(t);
}

static void sizes_are_of_both_sides(void **state UNUSED)
{
	static const struct size made[] = {{512, 768}, {1024, 1024}};
	struct test_route *t = one_key();
	struct decide_request req = test_request();
	t->v[0].sizes = made;
	t->v[0].sizes_n = 2;
	req.width = req.height = 1024;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	req.width = 512;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_SIZE_UNSUPPORTED);
	req.height = 768;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	req.width = 1024;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_SIZE_UNSUPPORTED);
	req.width = FIELD_NONE; // not said: the upstream's own
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	test_route_free(t);
}

static void the_targets_model_is_asked_for(void **state UNUSED)
{
	static const char *served[] = {"sdxl", "sd15"};
	struct test_route *t = one_instance();
	struct decide_request req = test_request();
	t->instance[0].doc.models = (struct strv){served, 2};
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE); // nobody named one
	req.model = "flux";
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_MODEL_UNKNOWN);
	t->target[0].upstream_model = "sd15";
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	req.model = "sd15";
	t->target[0].upstream_model = "flux";
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_MODEL_UNKNOWN);
	test_route_free(t);
}

static void any_of_a_list_will_do(void **state UNUSED)
{
	static const char *three[] = {"a", "b", "c"};
	struct decide_request req = test_request();
	for (size_t i = 0; i < 4; i++) {
		const char *asked = i < 3 ? three[i] : "d";
		struct test_route *t = one_instance();
		t->instance[0].doc.models = (struct strv){three, 3};
		req.model = asked;
		assert_int_equal(run(t, &req)->v[0].skip, i < 3 ? SKIP_NONE : SKIP_MODEL_UNKNOWN);
		test_route_free(t);
		t = one_key();
		t->feature.doc.regions = (struct strv){three, 3};
		t->key[0].doc.region = asked;
		assert_int_equal(run(t, &req)->v[0].skip, i < 3 ? SKIP_NONE : SKIP_REGION_DENIED);
		test_route_free(t);
	}
}

// Vectors of another model would be taken for this one's.
static void of_what_is_compared_only_the_first_model_will_do(void **state UNUSED)
{
	static const char *two[] = {"a", "b"};
	struct decide_request req = test_request();
	struct test_route *t = one_instance();
	t->instance[0].doc.models = (struct strv){two, 2};
	t->v[0].pinned = true;
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	req.model = "a";
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	req.model = "b";
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_MODEL_UNKNOWN);
	t->target[0].upstream_model = "b"; // the operator's word
	assert_int_equal(run(t, &req)->v[0].skip, SKIP_NONE);
	test_route_free(t);
}

static void any_of_the_places_can_be_tried(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	struct decide_request req = test_request();
	const int tried[] = {0, 62, 64, 70, DECIDE_MAX - 1};
	for (int i = 0; i < DECIDE_MAX; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	for (size_t i = 0; i < ARRAY_LEN(tried); i++)
		decide_tried(&req, tried[i]);
	decide_tried(&req, -1);
	decide_tried(&req, DECIDE_MAX);
	run(t, &req);
	assert_int_equal(d.left_out, 0);
	size_t skipped = 0;
	for (int i = 0; i < DECIDE_MAX; i++)
		skipped += d.v[i].skip == SKIP_ALREADY_ATTEMPTED;
	assert_int_equal(skipped, ARRAY_LEN(tried));
	for (size_t i = 0; i < ARRAY_LEN(tried); i++)
		assert_int_equal(d.v[tried[i]].skip, SKIP_ALREADY_ATTEMPTED);
	assert_int_equal(d.chosen, 1);
	test_route_free(t);
}

static void what_nothing_fits_means(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	struct decide_request req = test_request();
	for (int i = 0; i < 2; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	t->v[0].sealed = true;
	t->key[1].doc.enabled = false;
	assert_int_equal(decide_refusal(&t->route, run(t, &req)), ERR_SEALED);
	t->key[1].doc.enabled = true;
	t->target_live[0].drained = 1;
	assert_int_equal(decide_refusal(&t->route, run(t, &req)), ERR_NO_HEALTHY_TARGET);
	t->target_live[0].drained = 0;
	t->live[1].fault = LIVE_KEY_INVALID; // that one was refused by its vendor
	assert_int_equal(decide_refusal(&t->route, run(t, &req)), ERR_NO_HEALTHY_TARGET);
	t->live[1].fault = LIVE_OK;
	t->live[1].cooldown_until_us = NOW + 1;
	t->v[0].sealed = false;
	t->key[0].doc.limits.concurrency = 1;
	t->live[0].inflight = 1;
	assert_int_equal(decide_refusal(&t->route, run(t, &req)), ERR_UPSTREAM_RATE_LIMITED);
	t->feature.doc.data_policy = DATA_LOCAL_ONLY;
	assert_int_equal(decide_refusal(&t->route, run(t, &req)), ERR_NO_HEALTHY_TARGET);
	t->target[1].kind = TARGET_SELF_HOSTED; // the policy leaves one, and that one cools
	assert_int_equal(decide_refusal(&t->route, run(t, &req)), ERR_UPSTREAM_RATE_LIMITED);
	test_route_free(t);
}

// The first one is as good as any: a worse one behind it does not take its place.
static void the_least_bad_may_stand_first(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	struct decide_request req = test_request();
	for (int i = 0; i < 3; i++) {
		test_route_key(t, 1, TIER_PRIMARY, 1);
		t->live[i].cooldown_until_us = NOW + 100 * (i + 1);
	}
	t->feature.doc.all_down = ALL_DOWN_LEAST_BAD;
	for (int want = 0; want < 3; want++) {
		assert_int_equal(run(t, &req)->chosen, want);
		decide_tried(&req, want);
	}
	req = test_request();
	for (int i = 0; i < 3; i++)
		t->live[i].cooldown_until_us = NOW +
			100; // of those alike the first in the plan's order
	assert_int_equal(run(t, &req)->chosen, 0);
	test_route_free(t);
}

static void a_turn_is_taken_by_one_alone_too(void **state UNUSED)
{
	struct test_route *t = one_key();
	decide_turn(&t->route);
	decide_turn(&t->route);
	assert_int_equal(t->target_live[0].rr, 2);
	test_route_free(t);
}

// From what is nearest to passing to what is furthest from it.
static void the_least_bad_by_its_reason(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	struct decide_request req = test_request();
	for (int i = 0; i < 5; i++)
		test_route_instance(t, 1, 1);
	t->feature.doc.all_down = ALL_DOWN_LEAST_BAD;
	t->instance[0].doc.ttl_s = 1;
	t->live[0].last_beat_us = NOW - 5000000;
	t->live[1].health = HEALTH_CRITICAL;
	t->live[2].breaker = BREAKER_OPEN;
	t->live[2].breaker_until_us = NOW + 1;
	t->live[3].cooldown_until_us = NOW + 1000;
	t->live[4].breaker = BREAKER_HALF_OPEN;
	t->live[4].half_open_busy = 1;
	for (int want = 4; want >= 0; want--) {
		assert_int_equal(run(t, &req)->chosen, want);
		assert_string_equal(d.reason, "least_bad");
		decide_tried(&req, want);
	}
	assert_int_equal(run(t, &req)->chosen, -1);
	test_route_free(t);
}

static void the_first_to_return_is_told(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	struct decide_request req = test_request();
	int64_t at;
	for (int i = 0; i < 3; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	t->live[0].cooldown_until_us = NOW + 90;
	t->live[1].breaker = BREAKER_OPEN;
	t->live[1].breaker_until_us = NOW + 40;
	t->live[2].cooldown_until_us = NOW + 60;
	assert_true(decide_may_return(run(t, &req), &at));
	assert_true(at == NOW + 40);
	assert_true(decide_retry_at_us(&d) == NOW + 60); // an open breaker is no promise
	t->live[1].breaker_until_us = NOW;
	t->live[1].half_open_busy = 1; // nobody knows how the trial ends
	assert_true(decide_may_return(run(t, &req), &at));
	assert_true(at == FIELD_NONE);
	test_route_free(t);
}

static void who_was_held_back_is_told_so(void **state UNUSED)
{
	struct test_route *t = one_key();
	struct decide_request req = test_request();
	run(t, &req);
	assert_string_equal(d.reason, "only_one");
	req.waited_us = 1;
	run(t, &req);
	assert_string_equal(d.reason, "waited");
	t->key[0].doc.enabled = false;
	assert_int_equal(run(t, &req)->chosen, -1);
	assert_null(d.reason);
	test_route_free(t);
}

static void shares_of_a_turn(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_ROUND_ROBIN);
	struct decide_request req = test_request();
	for (int i = 0; i < 4; i++)
		test_route_key(t, 1, TIER_PRIMARY, i == 3 ? 0 : 1);
	run(t, &req);
	for (int i = 0; i < 4; i++)
		assert_true(d.v[i].share == (i == 3 ? 0 : 1.0 / 3));
	assert_int_equal(d.fallback[2], 3); // without a share it comes last
	t->feature.doc.strategy = STRAT_PRIORITY;
	run(t, &req);
	assert_true(d.v[0].share == 1 && d.v[1].share == 0);
	test_route_free(t);
}

static void a_waiting_queue_counts_as_load(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_LEAST_INFLIGHT);
	struct decide_request req = test_request();
	for (int i = 0; i < 2; i++)
		test_route_instance(t, 1, 1);
	t->live[0].inflight = 1;
	t->live[0].told_queue = 4; // three wait there
	t->live[1].inflight = 3;
	assert_int_equal(run(t, &req)->chosen, 1);
	t->live[1].inflight = 5;
	assert_int_equal(run(t, &req)->chosen, 0);
	test_route_free(t);
}

static void overrides_of_keys_come_before_those_of_targets(void **state UNUSED)
{
	struct test_route *t = one_key();
	t->v[0].weight = 7;
	assert_int_equal(decide_weight(&t->v[0], NOW), 7);
	t->target_live[0].weight_override = 3;
	assert_int_equal(decide_weight(&t->v[0], NOW), 3);
	t->live[0].weight_override = 0;
	assert_int_equal(decide_weight(&t->v[0], NOW), 0);
	t->live[0].override_until_us = NOW;
	assert_int_equal(decide_weight(&t->v[0], NOW), 3);
	t->v[0].live = NULL;
	t->target_live[0].weight_override = -1;
	assert_int_equal(decide_weight(&t->v[0], NOW), 7);
	test_route_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instance_needs_its_credential),
		cmocka_unit_test(a_key_that_cannot_be_opened_is_not_asked),
		cmocka_unit_test(reasons_have_their_evidence),
		cmocka_unit_test(what_is_seen_of_one_that_fits),
		cmocka_unit_test(limits_of_keys),
		cmocka_unit_test(the_last_moment_counts),
		cmocka_unit_test(sizes_are_of_both_sides),
		cmocka_unit_test(the_targets_model_is_asked_for),
		cmocka_unit_test(any_of_a_list_will_do),
		cmocka_unit_test(of_what_is_compared_only_the_first_model_will_do),
		cmocka_unit_test(any_of_the_places_can_be_tried),
		cmocka_unit_test(the_least_bad_may_stand_first),
		cmocka_unit_test(a_turn_is_taken_by_one_alone_too),
		cmocka_unit_test(what_nothing_fits_means),
		cmocka_unit_test(the_least_bad_by_its_reason),
		cmocka_unit_test(the_first_to_return_is_told),
		cmocka_unit_test(who_was_held_back_is_told_so),
		cmocka_unit_test(shares_of_a_turn),
		cmocka_unit_test(a_waiting_queue_counts_as_load),
		cmocka_unit_test(overrides_of_keys_come_before_those_of_targets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
