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
	str_release(&c->send.path);
	str_release(&c->send.headers);
	str_release(&c->send.body);
	str_release(&c->headers);
	str_release(&c->chunks.text);
	str_release(&c->scratch);
	str_release(&c->out);
	str_release(&c->instead);
	str_release(&c->middle);
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
	struct str path = c->send.path, ask = c->send.headers, body = c->send.body,
		   headers = c->headers, text = c->chunks.text, scratch = c->scratch, out = c->out,
		   instead = c->instead, middle = c->middle;
	clear(c, offsetof(struct gw_call, in.m));
	clear(c->in.m + ARRAY_LEN(c->in.m),
		sizeof(*c) - offsetof(struct gw_call, in.m[CALL_MEMBERS_MAX]));
	c->gl = gl;
	c->send.path = path;
	c->send.headers = ask;
	c->send.body = body;
	c->headers = headers;
	c->chunks.text = text;
	c->scratch = scratch;
	c->out = out;
	c->instead = instead;
	c->middle = middle;
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
	keep_small(&c->send.path);
	keep_small(&c->send.headers);
	keep_small(&c->send.body);
	keep_small(&c->headers);
	keep_small(&c->chunks.text);
	keep_small(&c->scratch);
	keep_small(&c->out);
	keep_small(&c->instead);
	keep_small(&c->middle);
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
