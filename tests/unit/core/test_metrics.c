// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "agent/core/metrics.h"

static struct str text_of(struct metrics *m, enum service_id service)
{
	struct str out = STR_INIT;
	metrics_write(m, service, &out);
	return out;
}

static bool says(struct metrics *m, enum service_id service, const char *line)
{
	struct str out = text_of(m, service);
	bool yes = strstr(str_text(&out), line) != NULL;
	str_release(&out);
	return yes;
}

static void test_counts_and_escapes(void **state)
{
	struct metrics *m = metrics_new();
	const char *labels[] = {"a\"b\\c\nd", "2xx", NULL};
	(void)state;
	metric_add(m, MET_GW_REQUESTS, 2, labels);
	metric_cell_add(metric_cell(m, MET_GW_REQUESTS, labels), 1);
	assert_true(says(m, SVC_API_GATEWAY,
		"yijian_gateway_requests_total{feature=\"a\\\"b\\\\c\\nd\",class=\"2xx\"} 3\n"));
	assert_false(says(m, SVC_KEY_MANAGER, "yijian_gateway_requests_total"));
	metric_set(m, MET_GW_INFLIGHT, 2.5, NULL);
	assert_true(says(m, SVC_API_GATEWAY, "\nyijian_gateway_inflight_requests 2.5\n"));
	metrics_free(m);
}

static void test_each_port_its_own(void **state)
{
	struct metrics *m = metrics_new();
	const char *keys[] = {"key-manager", NULL}, *router[] = {"router-engine", NULL};
	(void)state;
	metric_set(m, MET_HTTP_CONNECTIONS, 1, keys);
	metric_set(m, MET_HTTP_CONNECTIONS, 2, router);
	assert_true(says(m, SVC_KEY_MANAGER, "{service=\"key-manager\"} 1"));
	assert_false(says(m, SVC_KEY_MANAGER, "router-engine"));
	assert_false(says(m, SVC_CONFIG_CENTER, "yijian_http_connections"));
	metrics_free(m);
}

static void test_histogram(void **state)
{
	struct metrics *m = metrics_new();
	const char *labels[] = {"config-center", NULL};
	(void)state;
	metric_observe(m, MET_HTTP_DURATION, 0.0005, labels); // a bound belongs to its bucket
	metric_observe(m, MET_HTTP_DURATION, 0.3, labels);
	metric_observe(m, MET_HTTP_DURATION, 99, labels);
	assert_true(says(m, SVC_CONFIG_CENTER, "service=\"config-center\",le=\"0.0005\"} 1\n"));
	assert_true(says(m, SVC_CONFIG_CENTER, "le=\"0.25\"} 1\n"));
	assert_true(says(m, SVC_CONFIG_CENTER, "le=\"0.5\"} 2\n"));
	assert_true(says(m, SVC_CONFIG_CENTER, "le=\"10\"} 2\n"));
	assert_true(says(m, SVC_CONFIG_CENTER, "le=\"+Inf\"} 3\n"));
	assert_true(says(m, SVC_CONFIG_CENTER, "_sum{service=\"config-center\"} 99.3005\n"));
	assert_true(says(m, SVC_CONFIG_CENTER, "_count{service=\"config-center\"} 3\n"));
	metrics_free(m);
}

static void test_forgotten_and_back(void **state)
{
	struct metrics *m = metrics_new();
	const char *labels[] = {"sd", "gpu7", NULL};
	(void)state;
	metric_set(m, MET_INSTANCE_UP, 1, labels);
	metric_forget(m, MET_INSTANCE_UP, labels);
	assert_false(says(m, SVC_SERVICE_REGISTRY, "gpu7"));
	metric_set(m, MET_INSTANCE_UP, 0, labels);
	assert_true(says(m, SVC_SERVICE_REGISTRY, "id=\"gpu7\"} 0"));
	metrics_free(m);
}

static void test_series_are_bounded(void **state)
{
	struct metrics *m = metrics_new();
	char name[32];
	const char *labels[] = {name, "2xx", NULL};
	size_t lines = 0;
	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		metric_add(m, MET_GW_REQUESTS, 1, labels);
	}
	struct str out = text_of(m, SVC_API_GATEWAY);
	for (const char *p = out.p; (p = strchr(p, '\n')); p++)
		lines++;
	assert_true(lines <= METRIC_SERIES_MAX + 8); // and what it says of those it dropped
	str_release(&out);
	metric_add(m, MET_GW_REQUESTS, 1, (const char *[]){"f0", "2xx", NULL}); // known ones go on
	assert_true(says(m, SVC_API_GATEWAY, "feature=\"f0\",class=\"2xx\"} 2"));
	metrics_free(m);
}

static bool not_gone(void *arg, const char *label, const char *value)
{
	(void)arg;
	return strcmp(label, "feature") != 0 || value[0] != 'f';
}

// Create and delete a thousand times: what comes later has its series still, and what is gone has none.
static void test_places_come_back(void **state)
{
	struct metrics *m = metrics_new();
	char name[32];
	const char *labels[] = {name, "2xx", NULL}, *key[] = {name, NULL};
	(void)state;
	for (int i = 0; i < 4 * METRIC_SERIES_MAX; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		metric_round(m, MET_KEY_USABLE);
		metric_set(m, MET_KEY_USABLE, 1, key);
		metric_round_end(m, MET_KEY_USABLE, 0);
		snprintf(name, sizeof(name), "f%d", i);
		metric_add(m, MET_GW_REQUESTS, 1, labels);
		if (i % 500 == 0)
			metrics_review(m, i, not_gone, NULL);
	}
	snprintf(name, sizeof(name), "gpt");
	metric_add(m, MET_GW_REQUESTS, 1, labels);
	assert_true(says(m, SVC_API_GATEWAY, "feature=\"gpt\",class=\"2xx\"} 1"));
	assert_false(says(m, SVC_KEY_MANAGER, "key=\"key0\""));
	assert_true(metrics_room(m).missing == 0);
	metrics_free(m);
}

static void test_what_is_gone_ends_after_its_time(void **state)
{
	struct metrics *m = metrics_new();
	const char *labels[] = {"f", "2xx", NULL};
	(void)state;
	struct metric_cell *held = metric_cell(m, MET_GW_REQUESTS, labels);
	metric_cell_add(held, 3);
	metrics_review(m, 1000, not_gone, NULL);
	metrics_review(m, 999 + METRIC_KEPT_US, not_gone, NULL);
	assert_true(says(m, SVC_API_GATEWAY, "feature=\"f\",class=\"2xx\"} 3"));
	metrics_review(m, 1000 + METRIC_KEPT_US, not_gone, NULL);
	assert_false(says(m, SVC_API_GATEWAY, "feature=\"f\""));
	assert_true(metric_cell_gone(held));
	metric_cell_add(held, 5); // a call that is under way still
	assert_false(says(m, SVC_API_GATEWAY, "feature=\"f\""));
	metric_add(m, MET_GW_REQUESTS, 1, labels);
	assert_true(says(m, SVC_API_GATEWAY, "feature=\"f\",class=\"2xx\"} 1"));
	metrics_forget_named(m, "feature", "f"); // another one of the name
	metric_add(m, MET_GW_REQUESTS, 2, labels);
	assert_true(says(m, SVC_API_GATEWAY, "feature=\"f\",class=\"2xx\"} 2"));
	metric_cell_drop(m, held);
	metrics_free(m);
}

static void test_what_has_no_place_is_said(void **state)
{
	struct metrics *m = metrics_new();
	char name[32];
	const char *labels[] = {name, "2xx", NULL};
	(void)state;
	for (int i = 0; i < METRIC_SERIES_MAX + 7; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		metric_add(m, MET_GW_REQUESTS, 1, labels);
		metric_add(m, MET_GW_REQUESTS, 1, labels);
	}
	assert_true(metrics_room(m).missing == 8); // and the gauge of dropped updates has its place
	assert_true(says(m, SVC_API_GATEWAY,
		"yijian_metrics_series_dropped{metric=\"yijian_gateway_requests_total\"} 8"));
	metric_forget(m, MET_GW_REQUESTS, (const char *[]){"g0", "2xx", NULL});
	metric_add(m, MET_GW_REQUESTS, 1, labels);
	assert_true(metrics_room(m).missing == 7);
	metric_round(m, MET_KEY_USABLE);
	metric_round_end(m, MET_KEY_USABLE, 12);
	assert_true(metrics_room(m).missing == 19);
	metrics_free(m);
}

// They are found by their place.
static void test_rows_stand_at_their_ids(void **state)
{
	(void)state;
	for (int i = 0; i < MET_COUNT; i++)
		assert_int_equal(metric_row((enum metric_id)i)->id, i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_stand_at_their_ids),
		cmocka_unit_test(test_counts_and_escapes),
		cmocka_unit_test(test_each_port_its_own),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_forgotten_and_back),
		cmocka_unit_test(test_series_are_bounded),
		cmocka_unit_test(test_places_come_back),
		cmocka_unit_test(test_what_is_gone_ends_after_its_time),
		cmocka_unit_test(test_what_has_no_place_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
