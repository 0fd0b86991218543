// SPDX-License-Identifier: MIT
// A route built by hand for tests of the decision: no store, no snapshot.
#ifndef YJ_TESTS_UNIT_ROUTES_H
#define YJ_TESTS_UNIT_ROUTES_H

#include "agent/decide/decide.h"

#define TEST_CANDIDATES 160

struct test_route {
	struct feature_obj feature;
	struct target target[TEST_CANDIDATES];
	struct live live[TEST_CANDIDATES], target_live[TEST_CANDIDATES], pair[TEST_CANDIDATES];
	struct key_obj key[TEST_CANDIDATES];
	struct instance_obj instance[TEST_CANDIDATES];
	struct candidate v[TEST_CANDIDATES];
	char name[TEST_CANDIDATES][32];
	struct route route;
};

// An empty route of an enabled images feature.
struct test_route *test_route_new(enum strategy strategy);
void test_route_free(struct test_route *t);
// Adds a candidate that nothing speaks against; returns its place.
int test_route_key(struct test_route *t, int order, int tier, int weight);
int test_route_instance(struct test_route *t, int order, int weight);
// What a plain images request asks.
struct decide_request test_request(void);

#endif
