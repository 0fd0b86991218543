// SPDX-License-Identifier: MIT
// Price lists of every format, and the history's chunks: bytes that others wrote.
#include <stdlib.h>

#include "agent/record/history.h"
#include "agent/state/price.h"
#include "agent/api/price_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct price_list *l)
{
	struct price_usage u = {.in = 1000,
		.out = 10,
		.cached = 5,
		.cache_write = 5,
		.reasoning = 1,
		.images = 1,
		.chars = 1,
		.audio_ms = 1,
		.source = COST_REPORTED};
	for (size_t i = 0; i < l->n; i++) {
		const struct price_item *it = &l->v[i];
		if (it->ignored != NULL)
			continue;
		struct money m = price_cost(&it->price, &u, NULL);
		if (m.pico < 0 || it->price.images.n > PRICE_IMAGES_MAX ||
			it->price.tiers.n > PRICE_TIERS_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice text = {(const char *)data + 1, size - 1};
	if (data[0] % 4 == 3) {
		struct history *h = history_new(0);
		history_restore_begin(h);
		history_unpack(h, data[0] > 127, text, 0);
		history_restored(h);
		history_free(h);
		return 0;
	}
	struct arena a = ARENA_INIT;
	struct price_list list;
	struct err err = {0};
	enum price_format f = (enum price_format)(data[0] % 4);
	if (price_list_read(f, "openai", text, &a, &list, &err) == ERR_OK)
		check(&list);
	arena_release(&a);
	return 0;
}
