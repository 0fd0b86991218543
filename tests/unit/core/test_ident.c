// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/core/ident.h"
#include "shared/mem.h"

static bool reads(const char *text, enum credential_kind kind)
{
	struct ident id;
	bool ok = ident_read(slice_of(text), kind, &id);
	assert_true(ok == ident_any(&id));
	assert_true(!ok || strcmp(id.text, text) == 0);
	return ok;
}

static void only_what_was_given_out_is_an_id(void **state UNUSED)
{
	static const char *const none[] = {"", "local", "root", "uid:0", "peer:0", "token:ci",
		"shop", "yj_c_", "yj_c_abcdefghi", "yj_c_abcdefghijk", "yj_c_abcdefghi1",
		"yj_c_ABCDEFGHIJ", "yj_b_abcdefghij", "yj_c-abcdefghij", "YJ_c_abcdefghij",
		" yj_c_abcdefghi"};
	assert_true(reads("yj_c_abcdefgh27", CREDENTIAL_CLIENT));
	assert_true(reads("yj_a_abcdefgh27", CREDENTIAL_TOKEN));
	assert_false(reads("yj_a_abcdefgh27", CREDENTIAL_CLIENT));
	assert_false(reads("yj_c_abcdefgh27", CREDENTIAL_TOKEN));
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_false(reads(none[i], CREDENTIAL_CLIENT));
		assert_false(reads(none[i], CREDENTIAL_TOKEN));
		assert_false(reads(none[i], CREDENTIAL_NONE));
	}
}

static void nobody_built_in_is_another(void **state UNUSED)
{
	struct ident all[] = {ident_local, ident_trusted_peer, ident_anybody, ident_health_check,
		ident_uid(0), ident_uid(4294967295u),
		ident_of_credential(SLICE("yj_a_abcdefghij_x"))};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct ident again = ident_stored(all[i].text);
		assert_true(ident_any(&all[i]) && ident_eq(&again, &all[i]));
		for (size_t k = 0; k < i; k++)
			assert_false(ident_eq(&all[i], &all[k]));
	}
}

static void what_is_too_long_is_nobody(void **state UNUSED)
{
	char text[2 * IDENT_MAX];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	struct ident id = ident_stored(text);
	assert_false(ident_any(&id)); // cut, it might be another's
	text[IDENT_MAX - 1] = '\0';
	id = ident_stored(text);
	assert_string_equal(id.text, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_was_given_out_is_an_id),
		cmocka_unit_test(nobody_built_in_is_another),
		cmocka_unit_test(what_is_too_long_is_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
