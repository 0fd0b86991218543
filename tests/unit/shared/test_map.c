// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include "shared/map.h"

#define KEYS 5000

static struct slice key_of(int i, char buf[16])
{
	return (struct slice){buf, (size_t)snprintf(buf, 16, "key%d", i)};
}

static void keeps_what_is_put(void **state UNUSED)
{
	struct map m = {0};
	static int values[KEYS];
	char buf[16];

	assert_null(map_get(&m, SLICE("none")));
	assert_null(map_del(&m, SLICE("none")));
	for (int i = 0; i < KEYS; i++)
		assert_null(map_put(&m, key_of(i, buf), &values[i]));
	assert_int_equal(m.n, KEYS);
	for (int i = 0; i < KEYS; i += 3) // every hole must leave the others findable
		assert_ptr_equal(map_del(&m, key_of(i, buf)), &values[i]);
	for (int i = 0; i < KEYS; i++)
		assert_ptr_equal(map_get(&m, key_of(i, buf)), i % 3 ? &values[i] : NULL);
	assert_ptr_equal(map_put(&m, key_of(1, buf), &values[0]), &values[1]);
	assert_ptr_equal(map_get(&m, key_of(1, buf)), &values[0]);
	map_release(&m);
	assert_int_equal(m.n, 0);
}

static void keys_are_bytes(void **state UNUSED)
{
	struct map m = {0};
	int a, b, c;

	map_put(&m, (struct slice){NULL, 0}, &a);
	map_put(&m, SLICE("x\0y"), &b);
	map_put(&m, SLICE("x"), &c);
	assert_ptr_equal(map_get(&m, SLICE("")), &a);
	assert_ptr_equal(map_get(&m, SLICE("x\0y")), &b);
	assert_ptr_equal(map_get(&m, SLICE("x")), &c);
	map_release(&m);
}

static void visits_each_once(void **state UNUSED)
{
	struct map m = {0};
	static int values[100];
	int seen[100] = {0};
	size_t it = 0, n = 0;
	struct slice key;
	void *value;
	char buf[16];

	assert_false(map_next(&m, &it, &key, &value));
	for (int i = 0; i < 100; i++)
		map_put(&m, key_of(i, buf), &values[i]);
	for (it = 0; map_next(&m, &it, &key, &value); n++)
		assert_int_equal(seen[(int *)value - values]++, 0);
	assert_int_equal(n, 100);
	map_release(&m);
}

static void *put_one(void *arg)
{
	struct map m = {0};
	bool found;

	map_put(&m, SLICE("k"), arg);
	found = map_get(&m, SLICE("k")) == arg;
	map_release(&m);
	return found ? arg : NULL;
}

static void threads_agree_on_the_seed(void **state UNUSED)
{
	pthread_t t[8];
	int mine[8];
	void *found;

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, put_one, &mine[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		pthread_join(t[i], &found);
		assert_ptr_equal(found, &mine[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_agree_on_the_seed), // first, while there is none
		cmocka_unit_test(keeps_what_is_put),
		cmocka_unit_test(keys_are_bytes),
		cmocka_unit_test(visits_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
