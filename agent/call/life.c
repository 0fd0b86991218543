// SPDX-License-Identifier: MIT
// Calls from one request to the next: a finished one is kept for its buffers and begins anew, so
// that nothing of one request is known to another.
#include "agent/call/life.h"

#include <stdlib.h>
#include <string.h>
#include "agent/call/call.h"
#include "agent/call/cells.h"
#include "shared/mem.h"

#define SPARE_MAX 512 // finished calls of a loop
#define SPARE_BYTES_MAX ((size_t)128 * 1024) // of one buffer
#define CLEAR_STEP 1024 // longer ones the C library begins more slowly

// The buffers, which are all that one request leaves to the next.
#define KEPT(member) offsetof(struct gw_call, member)
static const size_t kept[] = {KEPT(send.path), KEPT(send.headers), KEPT(send.body), KEPT(headers),
	KEPT(chunks.text), KEPT(scratch), KEPT(out), KEPT(instead), KEPT(middle)};

static struct str *buffer(struct gw_call *c, size_t i)
{
	return (struct str *)(void *)((char *)c + kept[i]);
}

void gw_face_free(struct gw_call *c)
{
	if (LIKELY(c->face == NULL))
		return;
	turn_release(c->face);
	free(c->face);
	c->face = NULL;
}

static void call_delete(struct gw_call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		str_release(buffer(c, i));
	fold_free(c->fold);
	gw_face_free(c);
	sse_release(&c->reader);
	free(c);
}

static void clear(void *p, size_t n)
{
	char *at = p;
	for (; n > CLEAR_STEP; n -= CLEAR_STEP, at += CLEAR_STEP)
		explicit_bzero(at, CLEAR_STEP);
	explicit_bzero(at, n);
}

// Everything but the buffers begins anew. More than half of a call are the body's members, which
// are read up to their number alone.
static void call_reset(struct gw_call *c, struct gw_loop *gl)
{
	struct str buffers[ARRAY_LEN(kept)];
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		buffers[i] = *buffer(c, i);
	clear(c, offsetof(struct gw_call, in.m));
	clear(c->in.m + ARRAY_LEN(c->in.m),
		sizeof(*c) - offsetof(struct gw_call, in.m[CALL_MEMBERS_MAX]));
	c->gl = gl;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		*buffer(c, i) = buffers[i];
	c->usage = ADAPTER_USAGE_UNKNOWN;
	c->usage_source = COST_UNKNOWN;
	c->tries.gl = gl;
	c->tries.bill.spent = PRICE_USAGE_NONE;
}

struct gw_call *gw_call_new(struct gw_loop *gl)
{
	struct gw_call *c = gl->spare;
	if (c != NULL) {
		gl->spare = c->next;
		gl->spare_n--;
	} else {
		c = mem_zalloc(1, sizeof(*c));
	}
	call_reset(c, gl);
	return c;
}

// What passed through is not left behind in a buffer longer than its reuse.
static void keep_small(struct str *s)
{
	if (s->cap > SPARE_BYTES_MAX)
		str_release(s);
	else
		str_clear(s);
}

void gw_call_free(struct gw_call *c)
{
	struct gw_loop *gl = c->gl;
	gw_cells_drop(c);
	if (gl->spare_n >= SPARE_MAX) {
		call_delete(c);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		keep_small(buffer(c, i));
	fold_free(c->fold);
	c->fold = NULL;
	gw_face_free(c);
	if (c->sse)
		sse_release(&c->reader);
	c->next = gl->spare;
	gl->spare = c;
	gl->spare_n++;
}

void gw_spares_free(struct gw_loop *gl)
{
	while (gl->spare != NULL) {
		struct gw_call *c = gl->spare;
		gl->spare = c->next;
		call_delete(c);
	}
}
