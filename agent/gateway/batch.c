// SPDX-License-Identifier: MIT
// A list that is longer than its upstream takes: the parts are asked for on the same candidate, as
// one attempt, and answered together or not at all. The first goes alone and tells whether the
// upstream answers at all; the others follow several at once.
#include "agent/gateway/private.h"

#include <stdlib.h>
#include "agent/call/exchange.h"
#include "agent/protocol/batch.h"
#include "shared/mem.h"

#define PARTS_MAX 4 // asked for at once, once the first was answered

struct part { // asked for now, when up is set
	struct gw_call *c;
	struct upcall *up;
	bool slot; // counted as in flight beside the attempt itself
	size_t from, n; // its items
	struct adapter_ask ask;
	struct str headers;
};

struct gw_batch {
	const struct batch_calls *calls;
	struct batch answers;
	size_t most, next; // items of a part; the first that nobody was asked for
	struct part parts[PARTS_MAX];
};

void gw_batch_begin(struct gw_call *c, const struct candidate *cand,
	const struct batch_calls *calls)
{
	size_t max = c->in.items > 1 ? batch_max(&c->in, cand) : 0;
	c->in.from = c->in.part = 0;
	if (LIKELY(max == 0 || c->in.items <= max))
		return;
	if (c->batch == NULL)
		c->batch = mem_zalloc(1, sizeof(*c->batch));
	c->batch->calls = calls;
	batch_reset(&c->batch->answers);
	c->batch->most = c->batch->next = max;
	c->in.part = max;
}

enum batch_step gw_batch_take(struct gw_call *c, struct adapter_answer *answer)
{
	struct gw_batch *b = c->batch;
	if (LIKELY(c->in.part == 0))
		return BATCH_DONE;
	if (!batch_add(&b->answers, &c->in, answer))
		return BATCH_BAD;
	c->usage = b->answers.usage; // what is paid when another part fails
	if (b->answers.items.n < c->in.items)
		return BATCH_MORE;
	c->in.from = c->in.part = 0;
	str_clear(&c->instead);
	batch_write(&b->answers, &c->in, &c->instead);
	answer->body = str_slice(&c->instead);
	answer->usage = b->answers.usage;
	return BATCH_DONE;
}

// ---- several at once ----

static int64_t concurrency(const struct candidate *cand)
{
	return cand->key != NULL ? cand->key->doc.limits.concurrency
				 : cand->instance->doc.capacity.max_concurrency;
}

// The attempt itself is one in flight; each further part takes what is left.
static bool slot_take(const struct candidate *cand)
{
	int64_t most = concurrency(cand);
	int32_t before = atomic_fetch_add_explicit(&cand->live->inflight, 1, memory_order_relaxed);
	if (most <= 0 || before < most)
		return true;
	atomic_fetch_sub_explicit(&cand->live->inflight, 1, memory_order_relaxed);
	return false;
}

static void slot_give(struct part *p)
{
	if (p->slot)
		atomic_fetch_sub_explicit(&p->c->tries.cand->live->inflight, 1,
			memory_order_relaxed);
	p->slot = false;
}

static void on_part(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct part *p = arg;
	struct gw_call *c = p->c;
	p->up = NULL;
	slot_give(p);
	c->in.from = p->from;
	c->in.part = p->n;
	c->batch->calls->end(c, end, res, body);
}

static const struct upstream_callbacks part_callbacks = {.done = on_part};

// False when it cannot be written: the attempt is over.
static bool ask(struct gw_call *c, struct part *p)
{
	struct err err = {0};
	c->in.from = p->from = c->batch->next;
	c->in.part = p->n = MIN_OF(c->batch->most, c->in.items - p->from);
	c->batch->next += p->n;
	gw_clear_ask(&p->ask);
	if (c->adapter->build(c->call, &c->feature->doc, c->tries.cand, &p->ask, &err) == ERR_OK) {
		p->up = gw_start(c, &p->ask, &p->headers, &part_callbacks, p);
		return true;
	}
	slot_give(p);
	c->batch->calls->failed(c, &err);
	return false;
}

// Whether one more than those asked for now has to take a slot: all but one have their own.
static bool needs_slot(const struct gw_batch *b)
{
	size_t asked = 0, slots = 0;
	for (size_t i = 0; i < PARTS_MAX; i++) {
		asked += b->parts[i].up != NULL;
		slots += b->parts[i].slot;
	}
	return slots < asked;
}

void gw_batch_go_on(struct gw_call *c)
{
	struct gw_batch *b = c->batch;
	for (size_t i = 0; i < PARTS_MAX && b->next < c->in.items; i++) {
		struct part *p = &b->parts[i];
		if (p->up != NULL)
			continue;
		bool slot = needs_slot(b);
		if (slot && !slot_take(c->tries.cand))
			return;
		p->c = c;
		p->slot = slot;
		if (!ask(c, p))
			return;
	}
}

void gw_batch_stop(struct gw_call *c)
{
	for (size_t i = 0; c->batch != NULL && i < PARTS_MAX; i++) {
		struct part *p = &c->batch->parts[i];
		if (p->up == NULL)
			continue;
		upcall_abort(p->up);
		p->up = NULL;
		slot_give(p);
	}
}

void gw_batch_free(struct gw_call *c)
{
	if (c->batch == NULL)
		return;
	gw_batch_stop(c);
	for (size_t i = 0; i < PARTS_MAX; i++) {
		struct part *p = &c->batch->parts[i];
		str_release(&p->ask.path);
		str_release(&p->ask.headers);
		str_release(&p->ask.body);
		str_release(&p->headers);
	}
	batch_release(&c->batch->answers);
	free(c->batch);
	c->batch = NULL;
}
