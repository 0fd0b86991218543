// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/arena.h"
#include "shared/vec.h"

static void hands_out_aligned_memory(void **state UNUSED)
{
	struct arena a = ARENA_INIT;

	for (size_t size = 0; size < 3000; size += 7) {
		char *p = arena_alloc(&a, size);

		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, 0xaa, size);
	}
	assert_true(a.used >= 3000);
	memset(arena_alloc(&a, 1 << 20), 1, 1 << 20);
	for (int i = 0; i < 64; i++)
		assert_int_equal(((char *)arena_zalloc(&a, 64, 1))[i], 0);
	arena_release(&a);
	assert_null(a.head);
	assert_int_equal(a.used, 0);
}

static void copies_text(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	char long_text[4000];

	memset(long_text, 'z', sizeof(long_text));
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_strdup(&a, "one"), "one");
	assert_string_equal(arena_strndup(&a, "twofold", 3), "two");
	assert_string_equal(arena_slice(&a, (struct slice){NULL, 0}), "");
	assert_string_equal(arena_printf(&a, "%s %d", "three", 3), "three 3");
	assert_int_equal(strlen(arena_printf(&a, "%.4000s", long_text)), 4000);
	arena_release(&a);
}

static int order[4], ran;

static void note(void *arg)
{
	order[ran++] = *(int *)arg;
}

static void defers_run_last_first(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	int one = 1, two = 2;

	ran = 0;
	arena_defer(&a, note, &one);
	arena_defer(&a, note, &two);
	arena_reset(&a);
	assert_int_equal(ran, 2);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
	arena_release(&a);
	assert_int_equal(ran, 2); // once
}

static void reset_keeps_one_block(void **state UNUSED)
{
	struct arena a = ARENA_INIT;
	void *first = arena_alloc(&a, 100);

	for (int i = 0; i < 100; i++)
		arena_alloc(&a, 1000);
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	assert_ptr_equal(arena_alloc(&a, 100), first);
	arena_reset(&a);
	arena_reset(&a);
	arena_release(&a);
	arena_reset(&a); // of an empty one
	arena_release(&a);
}

static void reserves_just_what_is_needed(void **state UNUSED)
{
	struct arena like = ARENA_INIT, a = ARENA_INIT, none = ARENA_INIT;
	const char *first, *last = NULL;

	for (int i = 0; i < 20; i++)
		arena_strdup(&like, "seventeen letters");
	arena_reserve(&a, like.used);
	first = arena_strdup(&a, "seventeen letters");
	for (int i = 1; i < 20; i++)
		last = arena_strdup(&a, "seventeen letters");
	assert_int_equal(a.used, like.used);
	assert_ptr_equal(last, first + 19 * 32); // one block
	memset(arena_alloc(&a, 100), 1, 100); // and on in another
	arena_reserve(&a, 1 << 20); // not of one that is in use
	arena_reserve(&none, 0);
	assert_null(none.head);
	arena_release(&like);
	arena_release(&a);
}

static void vectors_grow(void **state UNUSED)
{
	VEC_OF(int) v = {0};

	for (int i = 0; i < 1000; i++)
		VEC_PUSH(&v, i);
	assert_int_equal(v.n, 1000);
	assert_int_equal(v.v[999], 999);
	VEC_RELEASE(&v);
	assert_null(v.v);
}

static void memory_helpers_copy(void **state UNUSED)
{
	char *p = mem_strdup("text"), *q = mem_strndup("text", 2), *r = mem_dup("ab", 2);
	int *zeros = mem_zalloc(10, sizeof(*zeros));

	assert_null(mem_strdup(NULL));
	assert_string_equal(p, "text");
	assert_string_equal(q, "te");
	assert_memory_equal(r, "ab", 2);
	assert_int_equal(zeros[9], 0);
	free(p);
	free(q);
	free(r);
	free(zeros);
	free(mem_alloc(0));
	free(mem_zalloc(0, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_out_aligned_memory),
		cmocka_unit_test(copies_text),
		cmocka_unit_test(defers_run_last_first),
		cmocka_unit_test(reset_keeps_one_block),
		cmocka_unit_test(reserves_just_what_is_needed),
		cmocka_unit_test(vectors_grow),
		cmocka_unit_test(memory_helpers_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
