// SPDX-License-Identifier: MIT
#include "tests/unit/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include "shared/mem.h"

struct test_route *test_route_new(enum strategy strategy)
{
	struct test_route *t = mem_zalloc(1, sizeof(*t));
	t->feature.doc.name = "text_to_image";
	t->feature.doc.enabled = true;
	t->feature.doc.endpoint = OFFER_IMAGES;
	t->feature.doc.strategy = strategy;
	t->route.feature = &t->feature;
	t->route.v = t->v;
	return t;
}

void test_route_free(struct test_route *t)
{
	free(t);
}

static struct candidate *add(struct test_route *t, int order, int weight)
{
	size_t i = t->route.n++;
	t->target[i] = (struct target){.enabled = true, .service = "s"};
	atomic_init(&t->live[i].weight_override, -1);
	atomic_init(&t->target_live[i].weight_override, -1);
	t->v[i] = (struct candidate){
		.name = t->name[i],
		.target = &t->target[i],
		.live = &t->live[i],
		.target_live = &t->target_live[0],
		.pair = &t->pair[i],
		.space = "",
		.hash = i * UINT64_C(0x9e3779b97f4a7c15),
		.order = order,
		.weight = weight,
		.protocol = PROTO_OPENAI_IMAGES,
	};
	return &t->v[i];
}

int test_route_key(struct test_route *t, int order, int tier, int weight)
{
	struct candidate *c = add(t, order, weight);
	int i = (int)(c - t->v);
	snprintf(t->name[i], sizeof(t->name[i]), "openai/dalle#k%d", i);
	t->key[i].doc.enabled = true;
	t->key[i].doc.expires_at = FIELD_NONE;
	t->key[i].doc.limits.rpm = FIELD_NONE;
	t->key[i].doc.limits.concurrency = FIELD_NONE;
	t->key[i].live = c->live;
	c->key = &t->key[i];
	c->tier = tier;
	return i;
}

int test_route_instance(struct test_route *t, int order, int weight)
{
	struct candidate *c = add(t, order, weight);
	int i = (int)(c - t->v);
	snprintf(t->name[i], sizeof(t->name[i]), "self/sd#g%d", i);
	t->target[i].kind = TARGET_SELF_HOSTED;
	t->instance[i].doc.enabled = true;
	t->instance[i].doc.ttl_s = FIELD_NONE;
	t->instance[i].doc.capacity.max_concurrency = FIELD_NONE;
	t->instance[i].live = c->live;
	c->instance = &t->instance[i];
	return i;
}

struct decide_request test_request(void)
{
	return (struct decide_request){.offer = OFFER_IMAGES,
		.width = FIELD_NONE,
		.height = FIELD_NONE,
		.n = FIELD_NONE,
		.deadline_us = FIELD_NONE,
		.client = &ident_local};
}
