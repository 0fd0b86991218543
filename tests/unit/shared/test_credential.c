// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "shared/credential.h"

static void make(enum credential_kind kind, unsigned char first, char buf[CREDENTIAL_LEN + 1])
{
	unsigned char random[CREDENTIAL_RANDOM];
	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (unsigned char)(first + 37 * i);
	assert_true(credential_make(kind, random, buf));
}

static void test_form(void **state UNUSED)
{
	char token[CREDENTIAL_LEN + 1], client[CREDENTIAL_LEN + 1];
	make(CREDENTIAL_TOKEN, 1, token);
	make(CREDENTIAL_CLIENT, 1, client);
	assert_int_equal(strlen(token), CREDENTIAL_LEN);
	assert_memory_equal(token, "yj_a_", 5);
	assert_memory_equal(client, "yj_c_", 5);
	assert_int_equal(credential_kind_of(slice_of(token)), CREDENTIAL_TOKEN);
	assert_int_equal(credential_kind_of(slice_of(client)), CREDENTIAL_CLIENT);
	// The kind is under the checksum too.
	token[3] = 'c';
	assert_int_equal(credential_kind_of(slice_of(token)), CREDENTIAL_NONE);
}

static void test_every_single_change_is_seen(void **state UNUSED)
{
	char token[CREDENTIAL_LEN + 1];
	make(CREDENTIAL_TOKEN, 9, token);
	for (size_t i = 0; i < CREDENTIAL_LEN; i++) {
		char was = token[i];
		for (int c = 0; c < 256; c++) {
			token[i] = (char)c;
			assert_int_equal(credential_kind_of((struct slice){token, CREDENTIAL_LEN}),
				(char)c == was ? CREDENTIAL_TOKEN : CREDENTIAL_NONE);
		}
		token[i] = was;
	}
	for (size_t n = 0; n < CREDENTIAL_LEN; n++)
		assert_int_equal(credential_kind_of((struct slice){token, n}), CREDENTIAL_NONE);
}

static void test_uneven_bytes_are_thrown_away(void **state UNUSED)
{
	unsigned char random[CREDENTIAL_RANDOM];
	char buf[CREDENTIAL_LEN + 1];
	memset(random, 255, sizeof(random));
	assert_false(credential_make(CREDENTIAL_TOKEN, random, buf));
	memset(random + 64, 0, 64);
	assert_true(credential_make(CREDENTIAL_TOKEN, random, buf));
	assert_int_equal(credential_kind_of(slice_of(buf)), CREDENTIAL_TOKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_every_single_change_is_seen),
		cmocka_unit_test(test_uneven_bytes_are_thrown_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
