// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/web/match.h"

#define EVERY ~0u

static struct match_tree *all(void)
{
	bool mounted[EP_COUNT];
	memset(mounted, true, sizeof(mounted));
	return match_new(mounted);
}

static struct match look(const char *path, enum http_method m, unsigned services)
{
	struct match_tree *t = all();
	struct match ret;
	match_path(t, slice_of(path), m, services, &ret);
	match_free(t);
	return ret;
}

static void test_rows_stand_at_their_ids(void **state)
{
	size_t n;
	(void)state;
	const struct endpoint *rows = endpoints_all(&n);
	assert_int_equal(n, EP_COUNT);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].id, i);
}

static void test_every_row_finds_itself(void **state)
{
	size_t n;
	(void)state;
	const struct endpoint *rows = endpoints_all(&n);
	for (size_t i = 0; i < n; i++) {
		struct match m = look(rows[i].path, rows[i].method, EVERY);
		assert_ptr_equal(m.ep, &rows[i]);
		assert_true(m.allow & 1u << rows[i].method);
	}
}

static void test_literals_before_parameters(void **state)
{
	(void)state;
	assert_int_equal(look("/api/v1/keys/test", HTTP_POST, EVERY).ep->id, EP_KEY_TEST_NEW);
	assert_int_equal(look("/api/v1/keys/key_1/test", HTTP_POST, EVERY).ep->id, EP_KEY_TEST);
	// what a literal does not take with this method the parameter beside it may
	struct match m = look("/api/v1/keys/test", HTTP_GET, EVERY);
	assert_null(m.ep);
	assert_true(m.path_known);
}

static void test_rest_takes_slashes(void **state)
{
	(void)state;
	struct match m = look("/api/v1/routes/chat/openai/gpt-4", HTTP_PATCH, EVERY);
	assert_int_equal(m.ep->id, EP_ROUTE_PATCH);
	assert_int_equal(m.n, 2);
	assert_true(slice_eq_str(m.param[0], "chat"));
	assert_true(slice_eq_str(m.param[1], "openai/gpt-4"));
	assert_int_equal(look("/v1/models/self/x", HTTP_GET, EVERY).ep->id, EP_MODEL_GET);
}

static void test_without_the_prefix(void **state)
{
	(void)state;
	assert_int_equal(look("/chat/completions", HTTP_POST, EVERY).ep->id, EP_CHAT);
	assert_int_equal(look("/models", HTTP_GET, EVERY).ep->id, EP_MODEL_LIST);
}

static void test_services(void **state)
{
	(void)state;
	unsigned keys = 1u << SVC_KEY_MANAGER;
	assert_false(look("/api/v1/services", HTTP_GET, keys).path_known);
	assert_int_equal(look("/api/v1/keys", HTTP_GET, keys).ep->id, EP_KEY_LIST);
	assert_int_equal(look("/healthz", HTTP_GET, keys).ep->id, EP_HEALTHZ);
	assert_int_equal(look("/", HTTP_GET, keys).ep->id, EP_ROOT);
}

static void test_nothing_there(void **state)
{
	static const char *const paths[] = {"", "x", "/x", "/api/v1", "/api/v1/", "/api/v1/keys/",
		"/api/v1/keys/a/b/c", "/v1", "/v1/", "//", "/healthz/"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_false(look(paths[i], HTTP_GET, EVERY).path_known);
}

static void test_not_mounted(void **state)
{
	bool mounted[EP_COUNT] = {[EP_ROOT] = true};
	struct match m;
	(void)state;
	struct match_tree *t = match_new(mounted);
	match_path(t, SLICE("/healthz"), HTTP_GET, EVERY, &m);
	assert_false(m.path_known);
	match_path(t, SLICE("/"), HTTP_GET, EVERY, &m);
	assert_non_null(m.ep);
	match_free(t);
}

static void test_allow(void **state)
{
	char buf[64];
	(void)state;
	struct match m = look("/api/v1/features/x", HTTP_POST, EVERY);
	assert_null(m.ep);
	match_allow(m.allow, buf, sizeof(buf));
	assert_string_equal(buf, "GET, HEAD, PUT, PATCH, DELETE");
	match_allow(m.allow, buf, 4); // cut, never beyond
	assert_true(strlen(buf) < 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_stand_at_their_ids),
		cmocka_unit_test(test_every_row_finds_itself),
		cmocka_unit_test(test_literals_before_parameters),
		cmocka_unit_test(test_rest_takes_slashes),
		cmocka_unit_test(test_without_the_prefix),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_not_mounted),
		cmocka_unit_test(test_allow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
