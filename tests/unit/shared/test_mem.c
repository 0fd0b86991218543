// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "shared/mem.h"

static void zero_sizes_are_usable(void **state UNUSED)
{
	char *a = mem_alloc(0), *b = mem_zalloc(0, 8), *c = mem_dup(NULL, 0);
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	a = mem_realloc(a, 0, 4);
	assert_non_null(a);
	free(a);
	free(b);
	free(c);
}

static void copies(void **state UNUSED)
{
	char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 3), *c = mem_strndup(NULL, 0);
	int *zeros = mem_zalloc(100, sizeof(*zeros));
	assert_null(mem_strdup(NULL));
	assert_string_equal(a, "abc");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "");
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(zeros[i], 0);
	free(a);
	free(b);
	free(c);
	free(zeros);
}

// An overflowing product ends the process instead of giving a short block.
static void overflow_ends_the_process(void **state UNUSED)
{
	volatile size_t huge = SIZE_MAX / 2;
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		free(mem_zalloc(huge, 4));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_sizes_are_usable),
		cmocka_unit_test(copies),
		cmocka_unit_test(overflow_ends_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
