// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/secret.h"

static int setup(void **state UNUSED)
{
	return secret_setup() ? 0 : -1;
}

static void masks(void **state UNUSED)
{
	const struct {
		const char *key, *want;
	} rows[] = {{"", "••••"}, {"short", "••••"}, {"sk-1234567890123456", "••••"},
		{"sk-12345678901234567", "sk-…4567"},
		{"sk-proj-abcdefghijklmnopqrstuv", "sk-…stuv"}, {"abcdefghijklmnopqrstuv", "…stuv"},
		{"abcdefg-hijklmnopqrstuv", "…stuv"}, {"abcdef-ghijklmnopqrstuv", "abcdef-…stuv"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secret s = {0};
		char buf[SECRET_MASK_MAX];

		secret_set(&s, rows[i].key, strlen(rows[i].key));
		assert_string_equal(secret_mask(&s, buf), rows[i].want);
		secret_release(&s);
	}
}

static void compares_and_releases(void **state UNUSED)
{
	struct secret a = {0}, b = {0};

	assert_true(secret_equal(&a, &b));
	assert_int_equal(secret_bytes(&a).n, 0);
	secret_set(&a, "one", 3);
	assert_false(secret_equal(&a, &b));
	secret_set(&b, "two", 3);
	assert_false(secret_equal(&a, &b));
	secret_set(&b, "one", 3);
	assert_true(secret_equal(&a, &b));
	secret_set(&a, a.p + 1, 2); // from itself
	assert_memory_equal(secret_bytes(&a).p, "ne", 2);
	secret_set(&a, NULL, 0);
	assert_null(a.p);
	secret_release(&a);
	secret_release(&b);
	assert_null(b.p);
}

// The memory of a released secret is used again, wiped; many at once and long ones have theirs, too.
static void uses_memory_again(void **state UNUSED)
{
	static const size_t sizes[] = {1, 40, 496, 497, 512, SECRET_MAX};
	struct secret v[300] = {0};
	unsigned char text[SECRET_MAX], *was;

	memset(text, 'x', sizeof(text));
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(v); i++) {
			text[0] = (unsigned char)i;
			secret_set(&v[i], text, sizes[i % ARRAY_LEN(sizes)]);
		}
		for (size_t i = 0; i < ARRAY_LEN(v); i++) {
			assert_int_equal(v[i].n, sizes[i % ARRAY_LEN(sizes)]);
			text[0] = (unsigned char)i;
			assert_memory_equal(v[i].p, text, v[i].n);
			secret_release(&v[i]);
		}
	}
	secret_set(&v[0], "sk-secret", 9);
	was = v[0].p;
	secret_release(&v[0]);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(was[i], 0);
}

static void wipes(void **state UNUSED)
{
	char text[] = "sk-secret";

	secret_wipe(text, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		assert_int_equal(text[i], 0);
	secret_wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks),
		cmocka_unit_test(compares_and_releases),
		cmocka_unit_test(uses_memory_again),
		cmocka_unit_test(wipes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
