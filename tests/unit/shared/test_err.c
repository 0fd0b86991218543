// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/err.h"

static void rows_are_complete(void **state UNUSED)
{
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_row *row = err_row((enum err_code)i);

		assert_int_equal(row->id, i);
		assert_true(row->status >= 200 && row->status < 600);
		assert_true(strlen(row->message) > 1 && strlen(row->message) < ERR_TEXT_MAX);
		assert_true(!row->hint || strlen(row->hint) < ERR_TEXT_MAX);
		assert_ptr_equal(err_row_named(slice_of(row->code)), row);
		assert_true(i == ERR_OK || row->exit != 0);
	}
	assert_int_equal(err_row((enum err_code)9999)->id, ERR_INTERNAL);
	assert_int_equal(err_row((enum err_code) - 1)->id, ERR_INTERNAL);
	assert_null(err_row_named(SLICE("no_such_code")));
	assert_null(err_row_named(SLICE("")));
}

static void takes_the_rows_words(void **state UNUSED)
{
	struct err e = {0};

	assert_int_equal(err_set(&e, ERR_OVERLOADED, NULL), ERR_OVERLOADED);
	assert_string_equal(e.message, err_row(ERR_OVERLOADED)->message);
	assert_string_equal(e.hint, err_row(ERR_OVERLOADED)->hint);
	err_hint(&e, "wait %d s", 3);
	assert_string_equal(e.hint, "wait 3 s");
	assert_int_equal(err_field(&e, ERR_FIELD_RANGE, "a.b", "%s", "no"), ERR_FIELD_RANGE);
	assert_string_equal(e.field, "a.b");
	assert_string_equal(e.hint, ""); // nothing is left of the error before
	err_set(&e, ERR_GONE, "%d", 1);
	assert_string_equal(e.field, "");
}

static void cuts_long_texts_and_takes_null(void **state UNUSED)
{
	struct err e;
	char text[2000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_field(&e, ERR_GONE, text, "%s", text);
	err_hint(&e, "%s", text);
	assert_int_equal(strlen(e.field), ERR_FIELD_MAX - 1);
	assert_int_equal(strlen(e.message), ERR_TEXT_MAX - 1);
	assert_int_equal(strlen(e.hint), ERR_TEXT_MAX - 1);
	err_field(&e, ERR_GONE, NULL, NULL);
	assert_string_equal(e.field, "");
	assert_int_equal(err_set(NULL, ERR_GONE, "x"), ERR_GONE);
	assert_int_equal(err_field(NULL, ERR_GONE, "f", "x"), ERR_GONE);
	err_hint(NULL, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_complete),
		cmocka_unit_test(takes_the_rows_words),
		cmocka_unit_test(cuts_long_texts_and_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
