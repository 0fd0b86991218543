// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/decide/breaker.h"
#include "tests/unit/routes.h"

#define NOW INT64_C(1000000000)
#define WALL INT64_C(1795000000000)

static struct decision d;

static const struct decision *run(struct test_route *t, double draw)
{
	struct decide_request req = test_request();
	decide(&t->route, &req, NOW, WALL, draw, &d);
	return &d;
}

// --- every reason, one at a time, on a route of one key or one instance ---

typedef void (*spoil_fn)(struct test_route *t, struct decide_request *req);

static void target_off(struct test_route *t, struct decide_request *req UNUSED)
{
	t->target[0].enabled = false;
}
static void key_off(struct test_route *t, struct decide_request *req UNUSED)
{
	t->key[0].doc.enabled = false;
}
static void instance_off(struct test_route *t, struct decide_request *req UNUSED)
{
	t->instance[0].doc.enabled = false;
}
static void instance_draining(struct test_route *t, struct decide_request *req UNUSED)
{
	t->instance[0].doc.draining = true;
}
static void live_drain(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].drained = 1;
}
static void target_drain_for_a_while(struct test_route *t, struct decide_request *req UNUSED)
{
	t->target_live[0].drained = 1;
	t->target_live[0].override_until_us = NOW + 1;
}
static void drain_ran_out(struct test_route *t, struct decide_request *req UNUSED)
{
	t->target_live[0].drained = 1;
	t->target_live[0].override_until_us = NOW;
}
static void keyless(struct test_route *t, struct decide_request *req UNUSED)
{
	t->v[0].key = NULL;
	t->v[0].live = NULL;
}
static void key_expired(struct test_route *t, struct decide_request *req UNUSED)
{
	t->key[0].doc.expires_at = WALL;
}
static void key_refused(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].fault = LIVE_KEY_INVALID;
}
static void no_quota(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].fault = LIVE_KEY_NO_QUOTA;
	t->live[0].fault_since_wall_ms = WALL - BREAKER_QUOTA_MS + 1;
}
static void quota_perhaps_back(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].fault = LIVE_KEY_NO_QUOTA;
	t->live[0].fault_since_wall_ms = WALL - BREAKER_QUOTA_MS;
}
static void model_gone(struct test_route *t, struct decide_request *req UNUSED)
{
	t->pair[0].fault = LIVE_MODEL_GONE;
	t->pair[0].fault_since_wall_ms = WALL - BREAKER_GONE_MS + 1;
}
static void region_refused(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].fault = LIVE_REGION_DENIED;
}
static void model_perhaps_back(struct test_route *t, struct decide_request *req UNUSED)
{
	t->pair[0].fault = LIVE_MODEL_GONE;
	t->pair[0].fault_since_wall_ms = WALL - BREAKER_GONE_MS;
}
static void one_model_open(struct test_route *t, struct decide_request *req UNUSED)
{
	t->pair[0].breaker = BREAKER_OPEN;
	t->pair[0].breaker_until_us = NOW + 1;
}
static void vendor_under_local_only(struct test_route *t, struct decide_request *req UNUSED)
{
	t->feature.doc.data_policy = DATA_LOCAL_ONLY;
}
static void caller_says_local_only(struct test_route *t UNUSED, struct decide_request *req)
{
	req->local_only = true;
}
static void other_space(struct test_route *t, struct decide_request *req UNUSED)
{
	t->route.space = "text-embedding-3-small";
	t->v[0].space = "text-embedding-v4";
}
static void same_space(struct test_route *t, struct decide_request *req UNUSED)
{
	t->route.space = t->v[0].space = "text-embedding-v4";
}
static const char *two_regions[] = {"cn-beijing", "eu-central-1"};
static void region_unknown(struct test_route *t, struct decide_request *req UNUSED)
{
	t->feature.doc.regions = (struct strv){two_regions, 2};
}
static void region_elsewhere(struct test_route *t, struct decide_request *req UNUSED)
{
	t->feature.doc.regions = (struct strv){two_regions, 2};
	t->key[0].doc.region = "us-east-1";
}
static void region_allowed(struct test_route *t, struct decide_request *req UNUSED)
{
	t->feature.doc.regions = (struct strv){two_regions, 2};
	t->key[0].doc.region = "eu-central-1";
}
static void region_of_ones_own(struct test_route *t, struct decide_request *req UNUSED)
{
	t->feature.doc.regions = (struct strv){two_regions, 2};
}
static const struct size one_size[] = {{512, 512}};
static void size_not_made(struct test_route *t, struct decide_request *req)
{
	t->v[0].sizes = one_size;
	t->v[0].sizes_n = 1;
	req->width = req->height = 1024;
}
static void size_made(struct test_route *t, struct decide_request *req)
{
	t->v[0].sizes = one_size;
	t->v[0].sizes_n = 1;
	req->width = req->height = 512;
}
static void tools_lacking(struct test_route *t, struct decide_request *req)
{
	t->v[0].lacks = 1u << NEED_TOOLS | 1u << NEED_N;
	req->needs = 1u << NEED_STREAM | 1u << NEED_TOOLS;
}
static void nothing_lacking(struct test_route *t, struct decide_request *req)
{
	t->v[0].lacks = 1u << NEED_TOOLS;
	req->needs = 1u << NEED_STREAM;
}
static void unspoken(struct test_route *t, struct decide_request *req UNUSED)
{
	t->v[0].unspoken = true;
}
static void other_offer(struct test_route *t UNUSED, struct decide_request *req)
{
	req->offer = OFFER_CHAT;
}
static const char *two_models[] = {"sdxl", "sd15"};
static void model_missing(struct test_route *t, struct decide_request *req)
{
	t->instance[0].doc.models = (struct strv){two_models, 2};
	req->model = "flux";
}
static void the_one_model_is_another(struct test_route *t, struct decide_request *req)
{
	t->instance[0].doc.models = (struct strv){two_models, 1};
	req->model = "sd15";
}
static void model_listed(struct test_route *t, struct decide_request *req)
{
	t->instance[0].doc.models = (struct strv){two_models, 2};
	req->model = "sd15";
}
static void beat_missed(struct test_route *t, struct decide_request *req UNUSED)
{
	t->instance[0].doc.ttl_s = 30;
	t->live[0].last_beat_us = NOW - 30 * 1000000 - 1;
}
static void beat_in_time(struct test_route *t, struct decide_request *req UNUSED)
{
	t->instance[0].doc.ttl_s = 30;
	t->live[0].last_beat_us = NOW - 30 * 1000000;
}
static void critical(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].health = HEALTH_CRITICAL;
}
static void cooling(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].cooldown_until_us = NOW + 1;
}
static void cooled_down(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].cooldown_until_us = NOW;
}
static void open_breaker(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].breaker = BREAKER_OPEN;
	t->live[0].breaker_until_us = NOW + 1;
}
static void trial_out(struct test_route *t, struct decide_request *req UNUSED)
{
	t->live[0].breaker = BREAKER_HALF_OPEN;
	t->live[0].half_open_busy = 1;
}
static void rpm_used_up(struct test_route *t, struct decide_request *req UNUSED)
{
	t->key[0].limits = limits_of(60, 0, 0, 0, NULL); // one a second, 6 ahead
	t->live[0].rpm_ns = (NOW + 6 * 1000000) * 1000;
}
static void key_full(struct test_route *t, struct decide_request *req UNUSED)
{
	t->key[0].doc.limits.concurrency = 2;
	t->live[0].inflight = 2;
}
static void instance_full(struct test_route *t, struct decide_request *req UNUSED)
{
	t->instance[0].doc.capacity.max_concurrency = 1;
	t->live[0].inflight = 1;
}
static void tried(struct test_route *t UNUSED, struct decide_request *req)
{
	decide_tried(req, 0);
}
static void tried_and_cooling(struct test_route *t, struct decide_request *req)
{
	decide_tried(req, 0);
	t->live[0].cooldown_until_us = NOW + 1;
}
static void late(struct test_route *t UNUSED, struct decide_request *req)
{
	req->deadline_us = NOW + DECIDE_MIN_LEFT_US - 1;
}
static void feature_off(struct test_route *t, struct decide_request *req UNUSED)
{
	t->feature.doc.enabled = false;
}

static const struct {
	const char *name;
	bool self_hosted;
	spoil_fn spoil;
	enum skip want;
} reasons[] = {
	{"target disabled", false, target_off, SKIP_DISABLED},
	{"key disabled", false, key_off, SKIP_DISABLED},
	{"instance disabled", true, instance_off, SKIP_DISABLED},
	{"instance draining", true, instance_draining, SKIP_DRAINED},
	{"drained live", true, live_drain, SKIP_DRAINED},
	{"target drained", false, target_drain_for_a_while, SKIP_DRAINED},
	{"drain ran out", false, drain_ran_out, SKIP_NONE},
	{"no key", false, keyless, SKIP_NO_KEY},
	{"key expired", false, key_expired, SKIP_KEY_INVALID},
	{"key refused", false, key_refused, SKIP_KEY_INVALID},
	{"no quota", false, no_quota, SKIP_KEY_NO_QUOTA},
	{"quota perhaps back", false, quota_perhaps_back, SKIP_NONE},
	{"model gone", false, model_gone, SKIP_MODEL_GONE},
	{"region refused", false, region_refused, SKIP_REGION_DENIED},
	{"model perhaps back", false, model_perhaps_back, SKIP_NONE},
	{"one model's breaker", false, one_model_open, SKIP_BREAKER_OPEN},
	{"data policy", false, vendor_under_local_only, SKIP_POLICY_DENIED},
	{"data policy, own", true, vendor_under_local_only, SKIP_NONE},
	{"caller's data policy", false, caller_says_local_only, SKIP_POLICY_DENIED},
	{"caller's data policy, own", true, caller_says_local_only, SKIP_NONE},
	{"other space", false, other_space, SKIP_POLICY_DENIED},
	{"same space", false, same_space, SKIP_NONE},
	{"region unknown", false, region_unknown, SKIP_REGION_DENIED},
	{"region elsewhere", false, region_elsewhere, SKIP_REGION_DENIED},
	{"region allowed", false, region_allowed, SKIP_NONE},
	{"region of one's own", true, region_of_ones_own, SKIP_NONE},
	{"size not made", false, size_not_made, SKIP_SIZE_UNSUPPORTED},
	{"size made", false, size_made, SKIP_NONE},
	{"tools lacking", false, tools_lacking, SKIP_CAPABILITY_MISSING},
	{"nothing lacking", false, nothing_lacking, SKIP_NONE},
	{"no adapter", false, unspoken, SKIP_CAPABILITY_MISSING},
	{"other endpoint", false, other_offer, SKIP_CAPABILITY_MISSING},
	{"model not served", true, model_missing, SKIP_MODEL_UNKNOWN},
	{"the one model is another", true, the_one_model_is_another, SKIP_MODEL_UNKNOWN},
	{"model served", true, model_listed, SKIP_NONE},
	{"heartbeat late", true, beat_missed, SKIP_HEARTBEAT_EXPIRED},
	{"heartbeat in time", true, beat_in_time, SKIP_NONE},
	{"probes fail", true, critical, SKIP_UNHEALTHY},
	{"cooling", false, cooling, SKIP_COOLDOWN},
	{"cooled down", false, cooled_down, SKIP_NONE},
	{"breaker open", false, open_breaker, SKIP_BREAKER_OPEN},
	{"trial out", false, trial_out, SKIP_HALF_OPEN_BUSY},
	{"rpm", false, rpm_used_up, SKIP_RATE_LIMITED_RPM},
	{"key concurrency", false, key_full, SKIP_CONCURRENCY_FULL},
	{"instance concurrency", true, instance_full, SKIP_CONCURRENCY_FULL},
	{"tried", false, tried, SKIP_ALREADY_ATTEMPTED},
	{"tried and cooling", false, tried_and_cooling, SKIP_COOLDOWN},
	{"late", false, late, SKIP_DEADLINE_TOO_SHORT},
	{"feature off", false, feature_off, SKIP_FEATURE_OFF},
};

static void every_reason(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		struct test_route *t = test_route_new(STRAT_PRIORITY);
		if (reasons[i].self_hosted)
			test_route_instance(t, 0, 1);
		else
			test_route_key(t, 1, TIER_PRIMARY, 1);
		struct decide_request req = test_request();
		reasons[i].spoil(t, &req);
		decide(&t->route, &req, NOW, WALL, 0, &d);
		if (d.v[0].skip != reasons[i].want)
			fail_msg("%s: %s", reasons[i].name, skip_name(d.v[0].skip));
		assert_int_equal(d.chosen, reasons[i].want == SKIP_NONE ? 0 : -1);
		test_route_free(t);
	}
}

// Of an instance that serves several models none is chosen for who named none; of one there is no
// choice to make.
static void of_several_models_one_is_named(void **state UNUSED)
{
	struct {
		struct live_models head;
		struct live_model v[2];
	} served = {.head = {.n = 1}, .v = {{.name = "sdxl"}, {.name = "sd15"}}};
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_instance(t, 0, 1);
	t->live[0].models = &served.head;
	const struct {
		size_t n;
		bool more;
		const char *named;
		enum skip want;
	} rows[] = {
		{1, false, NULL, SKIP_NONE},
		{1, false, "flux", SKIP_NONE},
		{2, false, NULL, SKIP_MODEL_UNKNOWN},
		{2, false, "flux", SKIP_MODEL_UNKNOWN},
		{2, false, "sd15", SKIP_NONE},
		{1, true, NULL, SKIP_MODEL_UNKNOWN},
		{1, true, "sdxl", SKIP_NONE},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct decide_request req = test_request();
		served.head.n = rows[i].n;
		served.head.more = rows[i].more;
		req.named = rows[i].named;
		decide(&t->route, &req, NOW, WALL, 0, &d);
		if (d.v[0].skip != rows[i].want)
			fail_msg("row %zu: %s", i, skip_name(d.v[0].skip));
	}
	t->live[0].models = NULL;
	test_route_free(t);
}

// A key that is over says since when; one that cannot be opened does not, whatever its end was.
static void the_end_of_a_key_is_told(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	t->key[0].doc.expires_at = WALL - 5;
	assert_int_equal(run(t, 0)->v[0].skip, SKIP_KEY_INVALID);
	assert_int_equal(d.v[0].view.since_wall_ms, WALL - 5);
	t->v[0].sealed = true;
	assert_int_equal(run(t, 0)->v[0].skip, SKIP_KEY_INVALID);
	assert_int_equal(d.v[0].view.since_wall_ms, 0);
	test_route_free(t);
}

static void half_open_lets_one_through(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	t->live[0].breaker = BREAKER_OPEN;
	t->live[0].breaker_until_us = NOW;
	assert_int_equal(run(t, 0)->chosen, 0);
	assert_true(d.v[0].trial);
	assert_int_equal(t->live[0].half_open_busy, 0); // a decision changes nothing
	test_route_free(t);
}

// --- order, tier, strategies ---

static void order_then_tier_then_weight(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_instance(t, 0, 1);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	test_route_key(t, 1, TIER_PRIMARY, 9);
	test_route_key(t, 1, TIER_BACKUP, 99);
	test_route_key(t, 2, TIER_PRIMARY, 99);
	run(t, 0);
	assert_int_equal(d.chosen, 0);
	assert_string_equal(d.reason, "priority");
	const int want[] = {2, 1, 3, 4};
	assert_int_equal(d.fallback_n, 4);
	assert_memory_equal(d.fallback, want, sizeof(want));
	t->live[0].health = HEALTH_CRITICAL;
	assert_int_equal(run(t, 0)->chosen, 2);
	test_route_free(t);
}

static void only_one_says_so(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	t->key[0].doc.enabled = false;
	assert_int_equal(run(t, 0.2)->chosen, 1);
	assert_string_equal(d.reason, "only_one");
	assert_true(d.v[1].share == 1.0);
	test_route_free(t);
}

static void weighted_follows_the_draw(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	test_route_key(t, 1, TIER_PRIMARY, 70);
	test_route_key(t, 1, TIER_PRIMARY, 30);
	test_route_key(t, 1, TIER_PRIMARY, 0);
	assert_int_equal(run(t, 0)->chosen, 0);
	assert_string_equal(d.reason, "weighted_draw");
	assert_true(d.v[0].share > 0.699 && d.v[0].share < 0.701);
	assert_int_equal(run(t, 0.699)->chosen, 0);
	assert_int_equal(run(t, 0.701)->chosen, 1);
	assert_int_equal(run(t, 0.999999)->chosen, 1);
	assert_int_equal(d.fallback[0], 0);
	assert_int_equal(d.fallback[1], 2); // no share: the last resort
	int again = run(t, 0.3)->chosen;
	for (int i = 0; i < 10; i++)
		assert_int_equal(run(t, 0.3)->chosen, again);
	test_route_free(t);
}

static void weighted_spreads_the_second_choice(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	test_route_key(t, 1, TIER_PRIMARY, 50);
	test_route_key(t, 1, TIER_PRIMARY, 30);
	test_route_key(t, 1, TIER_PRIMARY, 20);
	int second[3] = {0};
	for (int i = 0; i < 5000; i++) { // draws that chose the first
		assert_int_equal(run(t, i / 10000.0)->chosen, 0);
		second[d.fallback[0]]++;
	}
	assert_in_range(second[1], 2950, 3050);
	assert_in_range(second[2], 1950, 2050);
	test_route_free(t);
}

static void all_weightless_share_alike(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	test_route_key(t, 1, TIER_PRIMARY, 0);
	test_route_key(t, 1, TIER_PRIMARY, 0);
	assert_int_equal(run(t, 0.4)->chosen, 0);
	assert_int_equal(run(t, 0.6)->chosen, 1);
	test_route_free(t);
}

static void an_override_outweighs_the_plan(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	t->live[0].weight_override = 0;
	assert_int_equal(run(t, 0)->chosen, 1);
	t->live[0].override_until_us = NOW; // ran out
	assert_int_equal(run(t, 0)->chosen, 0);
	test_route_free(t);
}

static void round_robin_reads_the_turn(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_ROUND_ROBIN);
	for (int i = 0; i < 3; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(run(t, 0.5)->chosen, i % 3);
		assert_int_equal(run(t, 0.9)->chosen, i % 3); // asking does not turn it
		assert_int_equal(d.fallback[0], (i + 1) % 3);
		decide_turn(&t->route);
	}
	assert_string_equal(d.reason, "round_robin");
	test_route_free(t);
}

static void least_inflight_per_weight(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_LEAST_INFLIGHT);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	test_route_key(t, 1, TIER_PRIMARY, 4);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	t->live[0].inflight = 2;
	t->live[1].inflight = 4;
	t->live[2].inflight = 3;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(run(t, i / 10.0)->chosen, 1);
		assert_int_equal(d.fallback[0], 0);
		assert_int_equal(d.fallback[1], 2);
	}
	assert_string_equal(d.reason, "least_inflight");
	t->live[0].inflight = t->live[1].inflight = t->live[2].inflight = 0;
	int seen[3] = {0};
	for (int i = 0; i < 30; i++)
		seen[run(t, i / 30.0)->chosen]++;
	assert_int_equal(seen[0], 10); // idle: the draw spreads them
	assert_int_equal(seen[1], 10);
	test_route_free(t);
}

static void too_many_are_cut_and_said(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	for (int i = 0; i < DECIDE_MAX; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	t->route.left_out = 5;
	run(t, 0.99999);
	assert_int_equal(d.left_out, 5);
	assert_int_equal(d.n, DECIDE_MAX);
	assert_int_equal(d.chosen, DECIDE_MAX - 1);
	assert_int_equal(d.fallback_n, DECIDE_FALLBACK_MAX);
	test_route_free(t);
}

static void an_empty_route_fits_nothing(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	assert_int_equal(run(t, 0.5)->chosen, -1);
	assert_false(decide_all_limited(&d));
	t->route.v = NULL;
	decide_turn(&t->route); // nobody's turn
	test_route_free(t);
}

static void all_limited_says_when(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	for (int i = 0; i < 3; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	t->live[0].cooldown_until_us = NOW + 900;
	t->live[1].cooldown_until_us = NOW + 300;
	t->key[2].doc.enabled = false;
	run(t, 0);
	assert_true(decide_all_limited(&d));
	assert_true(decide_retry_at_us(&d) == NOW + 300);
	t->key[2].doc.enabled = true;
	t->live[2].fault = LIVE_KEY_INVALID;
	run(t, 0);
	assert_false(decide_all_limited(&d));
	test_route_free(t);
}

static void every_code_has_its_name(void **state UNUSED)
{
	for (int i = SKIP_NONE + 1; i < SKIP_COUNT; i++)
		assert_true(strlen(skip_name(i)) > 0);
}

// --- when every candidate is out ---

static void the_least_bad_is_tried_once(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	struct decide_request req = test_request();
	for (int i = 0; i < 4; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	t->live[0].fault = LIVE_KEY_INVALID; // never
	t->live[1].breaker = BREAKER_OPEN;
	t->live[1].breaker_until_us = NOW + 5;
	t->live[2].cooldown_until_us = NOW + 900;
	t->live[3].cooldown_until_us = NOW + 800;
	decide(&t->route, &req, NOW, WALL, 0, &d);
	assert_int_equal(d.chosen, -1); // fail_fast
	t->feature.doc.all_down = ALL_DOWN_LEAST_BAD;
	decide(&t->route, &req, NOW, WALL, 0, &d);
	assert_int_equal(d.chosen, 3);
	assert_string_equal(d.reason, "least_bad");
	assert_int_equal(d.v[3].skip, SKIP_COOLDOWN);
	assert_int_equal(d.fallback_n, 0);
	decide_tried(&req, 3);
	decide(&t->route, &req, NOW, WALL, 0, &d);
	assert_int_equal(d.chosen, 2);
	req.no_least_bad = true;
	decide(&t->route, &req, NOW, WALL, 0, &d);
	assert_int_equal(d.chosen, -1);
	test_route_free(t);
}

// What somebody who asks for nothing special gets, by no draw; and with one that fits none is the least bad.
static void a_plain_look_is_a_decision(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	for (int i = 0; i < 3; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	t->feature.doc.all_down = ALL_DOWN_LEAST_BAD;
	decide_plain(&t->route, NOW, WALL, &d);
	assert_int_equal(d.n, 3);
	assert_int_equal(d.chosen, 0);
	assert_string_equal(d.reason, "weighted_draw");
	t->live[0].cooldown_until_us = NOW + 1;
	decide_plain(&t->route, NOW, WALL, &d);
	assert_int_equal(d.v[0].skip, SKIP_COOLDOWN);
	assert_int_equal(d.chosen, 1);
	test_route_free(t);
}

static void the_least_bad_keeps_limits(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	t->feature.doc.all_down = ALL_DOWN_LEAST_BAD;
	t->live[0].cooldown_until_us = NOW + 900;
	t->key[0].doc.limits.concurrency = 1;
	t->live[0].inflight = 1;
	assert_int_equal(run(t, 0)->chosen, -1);
	t->live[0].cooldown_until_us = 0;
	assert_int_equal(run(t, 0)->chosen, -1);
	test_route_free(t);
}

static void what_may_return_is_waited_for(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_PRIORITY);
	struct decide_request req = test_request();
	int64_t at;
	test_route_key(t, 1, TIER_PRIMARY, 1);
	test_route_key(t, 1, TIER_PRIMARY, 1);
	t->live[0].fault = LIVE_KEY_NO_QUOTA;
	t->live[0].fault_since_wall_ms = WALL;
	t->live[1].fault = LIVE_KEY_INVALID;
	assert_false(decide_may_return(run(t, 0), &at));
	t->live[1].fault = LIVE_OK;
	t->live[1].cooldown_until_us = NOW + 70;
	assert_true(decide_may_return(run(t, 0), &at));
	assert_int_equal(at, NOW + 70);
	t->live[0].fault = LIVE_OK;
	t->key[0].doc.limits.concurrency = 1;
	t->live[0].inflight = 1;
	assert_true(decide_may_return(run(t, 0), &at));
	assert_int_equal(at, FIELD_NONE); // nobody knows when a request ends
	decide_tried(&req, 0);
	decide_tried(&req, 1);
	decide(&t->route, &req, NOW, WALL, 0, &d);
	assert_false(decide_may_return(&d, &at));
	t->live[1].cooldown_until_us = 0;
	req = test_request();
	req.waited_us = 70;
	decide(&t->route, &req, NOW, WALL, 0, &d);
	assert_int_equal(d.chosen, 1);
	assert_string_equal(d.reason, "waited");
	test_route_free(t);
}

// --- affinity ---

static void a_session_stays(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	struct decide_request req = test_request();
	int first[300], seen[3] = {0};
	t->feature.doc.affinity = AFFINITY_SESSION;
	for (int i = 0; i < 3; i++)
		test_route_key(t, 1, TIER_PRIMARY, i == 2 ? 2 : 1);
	for (int i = 0; i < 300; i++) {
		char name[16];
		snprintf(name, sizeof(name), "session-%d", i);
		req.session = decide_session(slice_of(name));
		decide(&t->route, &req, NOW, WALL, i / 300.0, &d);
		assert_string_equal(d.reason, "affinity");
		first[i] = d.chosen;
		seen[d.chosen]++;
		decide(&t->route, &req, NOW, WALL, 0.99, &d);
		assert_int_equal(d.chosen, first[i]);
	}
	assert_in_range(seen[2], 110, 190); // half by weight
	t->key[1].doc.enabled = false; // only its own sessions move
	for (int i = 0; i < 300; i++) {
		char name[16];
		snprintf(name, sizeof(name), "session-%d", i);
		req.session = decide_session(slice_of(name));
		decide(&t->route, &req, NOW, WALL, 0.5, &d);
		if (first[i] == 1)
			assert_int_not_equal(d.chosen, 1);
		else
			assert_int_equal(d.chosen, first[i]);
	}
	req.session = 0;
	decide(&t->route, &req, NOW, WALL, 0.5, &d);
	assert_string_equal(d.reason, "weighted_draw");
	test_route_free(t);
}

// A mark lies at its own place of its own list; what is no place marks nothing.
static void marks_lie_at_their_place(void **state UNUSED)
{
	static const int places[] = {-1, 0, 1, 62, 63, 64, 65, DECIDE_MAX - 1, DECIDE_MAX};
	for (size_t k = 0; k < ARRAY_LEN(places); k++) {
		struct decide_request tried = test_request(), unfit = test_request();
		unfit.unfit_why = tried.unfit_why = NULL;
		decide_tried(&tried, places[k]);
		decide_unfit(&unfit, places[k]);
		for (int i = 0; i < DECIDE_MAX; i++) {
			assert_int_equal(tried.attempted[i / 64] >> (i % 64) & 1, i == places[k]);
			assert_int_equal(unfit.unfit[i / 64] >> (i % 64) & 1, i == places[k]);
			assert_false(tried.unfit[i / 64] || unfit.attempted[i / 64]);
		}
		assert_null(unfit.unfit_why);
	}
}

static void what_is_unfit_is_passed_over(void **state UNUSED)
{
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	struct decide_request req = test_request();
	for (int i = 0; i < 3; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	const char *why[DECIDE_MAX] = {[1] = "tools"};
	req.unfit_why = why;
	decide_unfit(&req, 1);
	decide(&t->route, &req, NOW, WALL, 0, &d);
	for (int i = 0; i < 3; i++)
		assert_int_equal(d.v[i].skip, i == 1 ? SKIP_CAPABILITY_MISSING : SKIP_NONE);
	test_route_free(t);
}

// In a route of many, who was tried or is unfit is passed over, and nobody else.
static void marks_are_read_at_their_place(void **state UNUSED)
{
	static const int places[] = {0, 63, 64, 65, DECIDE_MAX - 1};
	struct test_route *t = test_route_new(STRAT_WEIGHTED);
	for (int i = 0; i < DECIDE_MAX; i++)
		test_route_key(t, 1, TIER_PRIMARY, 1);
	for (size_t k = 0; k < ARRAY_LEN(places); k++) {
		struct decide_request req = test_request();
		const char *why[DECIDE_MAX] = {NULL};
		req.unfit_why = why;
		decide_tried(&req, places[k]);
		decide(&t->route, &req, NOW, WALL, 0, &d);
		for (int i = 0; i < DECIDE_MAX; i++)
			assert_int_equal(d.v[i].skip,
				i == places[k] ? SKIP_ALREADY_ATTEMPTED : SKIP_NONE);
		req = test_request();
		req.unfit_why = why;
		why[places[k]] = "tools";
		decide_unfit(&req, places[k]);
		decide(&t->route, &req, NOW, WALL, 0, &d);
		for (int i = 0; i < DECIDE_MAX; i++)
			assert_int_equal(d.v[i].skip,
				i == places[k] ? SKIP_CAPABILITY_MISSING : SKIP_NONE);
	}
	test_route_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason),
		cmocka_unit_test(of_several_models_one_is_named),
		cmocka_unit_test(the_end_of_a_key_is_told),
		cmocka_unit_test(half_open_lets_one_through),
		cmocka_unit_test(order_then_tier_then_weight),
		cmocka_unit_test(only_one_says_so),
		cmocka_unit_test(weighted_follows_the_draw),
		cmocka_unit_test(weighted_spreads_the_second_choice),
		cmocka_unit_test(all_weightless_share_alike),
		cmocka_unit_test(an_override_outweighs_the_plan),
		cmocka_unit_test(round_robin_reads_the_turn),
		cmocka_unit_test(least_inflight_per_weight),
		cmocka_unit_test(too_many_are_cut_and_said),
		cmocka_unit_test(an_empty_route_fits_nothing),
		cmocka_unit_test(all_limited_says_when),
		cmocka_unit_test(every_code_has_its_name),
		cmocka_unit_test(the_least_bad_is_tried_once),
		cmocka_unit_test(a_plain_look_is_a_decision),
		cmocka_unit_test(the_least_bad_keeps_limits),
		cmocka_unit_test(what_may_return_is_waited_for),
		cmocka_unit_test(a_session_stays),
		cmocka_unit_test(marks_lie_at_their_place),
		cmocka_unit_test(what_is_unfit_is_passed_over),
		cmocka_unit_test(marks_are_read_at_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
