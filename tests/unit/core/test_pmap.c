// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/core/pmap.h"
#include "shared/map.h"
#include "shared/mem.h"

struct value {
	int refs;
};

static int alive;

static void hold(void *v)
{
	((struct value *)v)->refs++;
}

static void drop(void *v)
{
	if (--((struct value *)v)->refs == 0) {
		alive--;
		free(v);
	}
}

static const struct pmap_ops ops = {hold, drop};

static struct value *value_new(void)
{
	struct value *v = mem_zalloc(1, sizeof(*v));
	alive++;
	return v;
}

static void step(struct pmap *m, struct pmap next)
{
	pmap_release(*m, &ops);
	*m = next;
}

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void same(struct pmap m, const struct map *model)
{
	struct pmap_it it = {0};
	struct slice key;
	void *v;
	size_t n = 0;
	assert_int_equal(m.n, model->n);
	while (pmap_next(m, &it, &key, &v)) {
		assert_ptr_equal(map_get(model, key), v);
		n++;
	}
	assert_int_equal(n, model->n);
	assert_false(pmap_next(m, &it, &key, &v)); // and stays at the end
}

static void random_operations_match_a_map(void **state UNUSED)
{
	struct pmap m = {0};
	struct map model = {0};
	uint32_t seed = 7;
	for (int i = 0; i < 40000; i++) {
		char text[16];
		int n = snprintf(text, sizeof(text), "k%u", draw(&seed) % 3000);
		struct slice key = {text, (size_t)n};
		if (draw(&seed) % 3) {
			struct value *v = value_new();
			step(&m, pmap_put(m, key, v, &ops));
			map_put(&model, key, v);
		} else {
			step(&m, pmap_del(m, key, &ops));
			map_del(&model, key);
		}
		assert_ptr_equal(pmap_get(m, key), map_get(&model, key));
		if (i % 5000 == 0)
			same(m, &model);
	}
	same(m, &model);
	assert_int_equal(alive, (int)model.n);
	pmap_release(m, &ops);
	map_release(&model);
	assert_int_equal(alive, 0);
}

static void old_versions_stay_as_they_were(void **state UNUSED)
{
	struct pmap v[50];
	struct value *of[50];
	char text[16];
	v[0] = (struct pmap){0};
	for (int i = 1; i < 50; i++) {
		snprintf(text, sizeof(text), "key%d", i);
		of[i] = value_new();
		v[i] = pmap_put(v[i - 1], slice_of(text), of[i], &ops);
	}
	for (int i = 0; i < 50; i++) {
		assert_int_equal(v[i].n, i);
		for (int k = 1; k < 50; k++) {
			snprintf(text, sizeof(text), "key%d", k);
			assert_ptr_equal(pmap_get(v[i], slice_of(text)), k <= i ? of[k] : NULL);
		}
	}
	struct pmap without = pmap_del(v[49], SLICE("key7"), &ops);
	assert_null(pmap_get(without, SLICE("key7")));
	assert_ptr_equal(pmap_get(v[49], SLICE("key7")), of[7]);
	assert_int_equal(without.n, 48);
	struct pmap other = pmap_del(without, SLICE("absent"), &ops);
	assert_int_equal(other.n, 48);
	pmap_release(other, &ops);
	pmap_release(without, &ops);
	for (int i = 0; i < 50; i += 2)
		pmap_release(v[i], &ops);
	assert_ptr_equal(pmap_get(v[49], SLICE("key48")), of[48]);
	for (int i = 1; i < 50; i += 2)
		pmap_release(v[i], &ops);
	assert_int_equal(alive, 0);
}

// A version is kept now and then, with what was in it; adding in place must not reach it.
static void adding_in_place_leaves_shared_versions(void **state UNUSED)
{
	enum { KEPT = 8 };
	struct pmap m = {0}, kept[KEPT];
	struct map model = {0}, then[KEPT] = {0};
	uint32_t seed = 11;
	for (int round = 0; round < KEPT; round++) {
		for (int i = 0; i < 3000; i++) {
			char text[16];
			int n = snprintf(text, sizeof(text), "k%u", draw(&seed) % 2000);
			struct slice key = {text, (size_t)n};
			struct value *v = value_new();
			unsigned what = draw(&seed) % 8;
			if (what == 0)
				step(&m, pmap_put(m, key, v, &ops));
			else
				pmap_add(&m, key, v, &ops);
			map_put(&model, key, v);
			if (what == 1) {
				step(&m, pmap_del(m, key, &ops));
				map_del(&model, key);
			}
		}
		struct pmap_it it = {0};
		struct slice key;
		void *v;
		same(m, &model);
		kept[round] = pmap_share(m);
		while (pmap_next(m, &it, &key, &v))
			map_put(&then[round], key, v);
	}
	for (int round = 0; round < KEPT; round++) {
		same(kept[round], &then[round]);
		pmap_release(kept[round], &ops);
		map_release(&then[round]);
	}
	same(m, &model);
	assert_int_equal(alive, (int)model.n);
	pmap_release(m, &ops);
	map_release(&model);
	assert_int_equal(alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_in_place_leaves_shared_versions),
		cmocka_unit_test(random_operations_match_a_map),
		cmocka_unit_test(old_versions_stay_as_they_were),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
