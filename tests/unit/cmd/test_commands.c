// SPDX-License-Identifier: MIT
// The command tree over its files: every command stands in one of them, once, and is found by its
// words.
#include "console/cmd/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_every_command_has_one_row(void **state)
{
	unsigned seen[CMD_COUNT] = {0};
	const struct command *row;
	(void)state;
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		assert_in_range(row->id, 0, CMD_COUNT - 1);
		seen[row->id]++;
		assert_ptr_equal(command_row(row->id), row);
	}
	for (size_t id = 0; id < CMD_COUNT; id++)
		assert_int_equal(seen[id], 1);
	assert_null(command_row(CMD_COUNT));
}

// A path that begins another's would take its words.
static void test_words_find_their_row(void **state)
{
	const struct command *row;
	(void)state;
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		char path[64];
		const char *words[4];
		size_t n = 0, used = 0;
		assert_true(strlen(row->path) < sizeof(path));
		strcpy(path, row->path);
		char *rest = path, *word;
		while ((word = strsep(&rest, " ")) != NULL && n < 4)
			words[n++] = word;
		assert_ptr_equal(command_match(words, n, &used), row);
		assert_int_equal(used, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_command_has_one_row),
		cmocka_unit_test(test_words_find_their_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
