// SPDX-License-Identifier: MIT
// How long one decision takes: 32 candidates in two orders, weighted, all usable but four. Prints
// the mean over the runs in microseconds.
#include "agent/decide/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CANDIDATES = 32, RUNS = 200000 };

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(void)
{
	static struct feature_obj feature;
	static struct target target;
	static struct key_obj keys[CANDIDATES];
	static struct candidate candidates[CANDIDATES];
	struct live *lives = calloc(CANDIDATES + 1, sizeof(*lives));
	if (!lives)
		return 1;
	feature.doc.enabled = target.enabled = true;
	feature.doc.strategy = STRAT_WEIGHTED;
	for (int i = 0; i <= CANDIDATES; i++)
		lives[i].weight_override = -1;
	for (int i = 0; i < CANDIDATES; i++) {
		keys[i].doc.enabled = true;
		keys[i].doc.expires_at = FIELD_NONE;
		keys[i].doc.limits.rpm = 60000;
		keys[i].live = &lives[i];
		candidates[i] = (struct candidate){.name = "openai/gpt-4#bench",
			.target = &target,
			.key = &keys[i],
			.live = &lives[i],
			.target_live = &lives[CANDIDATES],
			.order = i / 16,
			.weight = 1 + i,
			.protocol = PROTO_OPENAI_CHAT};
		lives[i].fault = i % 8 == 7 ? LIVE_KEY_INVALID : LIVE_OK;
	}
	struct route route = {.feature = &feature, .n = CANDIDATES, .v = candidates};
	struct decide_request request = {.offer = OFFER_CHAT,
		.width = FIELD_NONE,
		.height = FIELD_NONE,
		.n = FIELD_NONE,
		.deadline_us = FIELD_NONE,
		.client = &ident_local};
	struct decision decision;
	long chosen = 0;
	double begin = now_us();
	for (int i = 0; i < RUNS; i++) {
		decide(&route, &request, 1000000 + i, 1000, (double)i / RUNS, &decision);
		chosen += decision.chosen >= 0;
	}
	double each = (now_us() - begin) / RUNS;
	free(lives);
	printf("%.4f\n", each);
	return chosen == RUNS ? 0 : 1;
}
