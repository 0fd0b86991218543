// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "agent/registry.h"

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
	assert_true(lines <= METRIC_SERIES_MAX + 4);
	str_release(&out);
	metric_add(m, MET_GW_REQUESTS, 1, (const char *[]){"f0", "2xx", NULL}); // known ones go on
	assert_true(says(m, SVC_API_GATEWAY, "feature=\"f0\",class=\"2xx\"} 2"));
	metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_and_escapes), cmocka_unit_test(test_each_port_its_own),
		cmocka_unit_test(test_histogram), cmocka_unit_test(test_forgotten_and_back),
		cmocka_unit_test(test_series_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
