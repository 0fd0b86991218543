// SPDX-License-Identifier: MIT
// A list that is longer than its upstream takes: the parts are asked one after the other on the
// same candidate, as one attempt, and answered together or not at all.
#include "agent/gateway_call.h"

#include <stdlib.h>
#include "shared/mem.h"

void gw_batch_begin(struct gw_call *c, const struct candidate *cand)
{
	size_t max = c->in.items > 1 ? batch_max(&c->in, cand) : 0;
	c->in.from = c->in.part = 0;
	if (LIKELY(max == 0 || c->in.items <= max))
		return;
	if (c->batch == NULL)
		c->batch = mem_zalloc(1, sizeof(*c->batch));
	batch_reset(c->batch);
	c->in.part = max;
}

enum batch_step gw_batch_take(struct gw_call *c, struct adapter_answer *answer)
{
	if (LIKELY(c->in.part == 0))
		return BATCH_DONE;
	if (!batch_add(c->batch, &c->in, answer))
		return BATCH_BAD;
	c->usage = c->batch->usage; // what is paid when a later part fails
	c->in.from += c->in.part;
	if (c->in.from < c->in.items) {
		c->in.part = MIN_OF(c->in.part, c->in.items - c->in.from);
		return BATCH_MORE;
	}
	c->in.from = c->in.part = 0;
	str_clear(&c->instead);
	batch_write(c->batch, &c->in, &c->instead);
	answer->body = str_slice(&c->instead);
	answer->usage = c->batch->usage;
	return BATCH_DONE;
}

void gw_batch_free(struct gw_call *c)
{
	if (c->batch == NULL)
		return;
	batch_release(c->batch);
	free(c->batch);
	c->batch = NULL;
}
