// SPDX-License-Identifier: MIT
// Whom a client certificate makes its holder, and when a certificate's time is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/web/tls_map.h"
#include "agent/web/tls_pair.h"

static struct tls_map *parsed(const char *text)
{
	struct err err = {0};
	struct tls_map *m = NULL;
	assert_int_equal(tls_map_parse("rows", slice_of(text), &m, &err), ERR_OK);
	return m;
}

static enum role role_of_subject(const struct tls_map *m, const char *subject, const char *turned)
{
	const struct tls_who *who = tls_map_find(m, slice_of(subject), slice_of(turned));
	return who != NULL ? who->role : ROLE_COUNT;
}

static void test_whole_subjects(void **state)
{
	(void)state;
	struct tls_map *m = parsed("# comment\n\n  CN=ops,O=Example -> role operator  \r\n"
				   "CN = spaced out , O= A + OU =B->role viewer\n"
				   "CN=a\\,b\\ ,O=C -> role admin\n"
				   "CN=-> arrow -> role service");
	assert_int_equal(role_of_subject(m, "CN=ops,O=Example", "O=Example,CN=ops"), ROLE_OPERATOR);
	assert_int_equal(role_of_subject(m, "O=Example,CN=ops", "CN=ops,O=Example"), ROLE_OPERATOR);
	assert_int_equal(role_of_subject(m, "CN=spaced out,O=A+OU=B", ""), ROLE_VIEWER);
	assert_int_equal(role_of_subject(m, "CN=a\\,b\\ ,O=C", ""), ROLE_ADMIN);
	assert_int_equal(role_of_subject(m, "CN=-> arrow", ""), ROLE_SERVICE);
	static const char *const nobodys[] = {"CN=ops", "CN=ops,O=Example,C=DE", "cn=ops,O=Example",
		"CN=ops,O=example", "O=Example", "", "CN=a,b\\ ,O=C", "CN=a\\,b,O=C",
		"CN=spacedout,O=A+OU=B"};
	for (size_t i = 0; i < ARRAY_LEN(nobodys); i++)
		assert_int_equal(role_of_subject(m, nobodys[i], nobodys[i]), ROLE_COUNT);
	tls_map_free(m);
}

static void test_clients(void **state)
{
	(void)state;
	struct tls_map *m = parsed("CN=b -> client yj_c_k3v7w2xqha");
	const struct tls_who *who = tls_map_find(m, SLICE("CN=b"), SLICE("CN=b"));
	assert_non_null(who);
	assert_int_equal(who->role, ROLE_NONE);
	assert_string_equal(who->client.text, "yj_c_k3v7w2xqha");
	tls_map_free(m);
}

static void test_rows_that_are_none(void **state)
{
	(void)state;
	static const char *const rows[] = {"CN=a", "-> role admin", "CN=a -> role",
		"CN=a -> role root", "CN=a -> roleadmin", "CN=a -> client", "CN=a -> client shop",
		"CN=a -> client yj_a_k3v7w2xqha", "CN=a -> token yj_a_k3v7w2xqha",
		"a -> role admin", "=a -> role admin", "CN=a -> role admin\nCN=a -> role admin",
		"CN=\xff -> role admin"};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		struct tls_map *m = NULL;
		assert_int_equal(tls_map_parse("rows", slice_of(rows[i]), &m, &err),
			ERR_CONFIG_INVALID);
		assert_null(m);
		assert_non_null(strstr(err.message, "line"));
	}
}

static void test_the_time_of_a_certificate(void **state)
{
	(void)state;
	const struct tls_pair p = {.begins_wall_ms = 1000, .expires_wall_ms = 2000};
	struct err err = {0};
	assert_int_equal(tls_pair_now(&p, 999, &err), ERR_CONFIG_INVALID);
	assert_non_null(strstr(err.message, "not valid before 1970-01-01T00:00:01.000Z"));
	assert_int_equal(tls_pair_now(&p, 1000, &err), ERR_OK);
	assert_int_equal(tls_pair_now(&p, 1999, &err), ERR_OK);
	assert_int_equal(tls_pair_now(&p, 2000, &err), ERR_CONFIG_INVALID);
	assert_non_null(strstr(err.message, "has expired, at 1970-01-01T00:00:02.000Z"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_subjects),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_rows_that_are_none),
		cmocka_unit_test(test_the_time_of_a_certificate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
