// SPDX-License-Identifier: MIT
// A call that served one request knows nothing of it when it serves the next.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/call/call.h"
#include "agent/call/life.h"

static struct gw_call before, after;

static void forget(void *p, size_t n)
{
	memset(p, 0, n);
}

// What may differ: the buffers, the members beyond their number, and the loop.
static void without_buffers(const struct gw_call *c, struct gw_call *ret)
{
	struct str *buffers[] = {&ret->send.path, &ret->send.headers, &ret->send.body,
		&ret->headers, &ret->chunks.text, &ret->scratch, &ret->out, &ret->instead,
		&ret->middle};
	memcpy(ret, c, sizeof(*ret));
	for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
		forget(buffers[i], sizeof(*buffers[i]));
	forget(ret->in.m, sizeof(ret->in.m));
}

static void keep_buffers(struct gw_call *c, const struct gw_call *from)
{
	c->send.path = from->send.path;
	c->send.headers = from->send.headers;
	c->send.body = from->send.body;
	c->headers = from->headers;
	c->chunks.text = from->chunks.text;
	c->scratch = from->scratch;
	c->out = from->out;
	c->instead = from->instead;
	c->middle = from->middle;
}

static void a_call_that_is_used_again_is_as_new(void **state UNUSED)
{
	static struct gw_loop gl;
	static struct gw_call used;
	struct gw_call *c = gw_call_new(&gl);
	without_buffers(c, &before);
	str_add(&c->out, "an answer");
	memcpy(&used, c, sizeof(used));
	memset(c, 0x5a, sizeof(*c)); // every bit of a request
	keep_buffers(c, &used);
	c->gl = &gl;
	c->cells = NULL; // what is owned was let go of
	c->fold = NULL;
	c->face = NULL;
	c->sse = false;
	gw_call_free(c);
	struct gw_call *again = gw_call_new(&gl);
	assert_ptr_equal(again, c);
	assert_int_equal(again->out.n, 0);
	assert_true(again->out.cap > 0);
	without_buffers(again, &after);
	assert_memory_equal(&after, &before, sizeof(after));
	gw_call_free(again);
	gw_spares_free(&gl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_call_that_is_used_again_is_as_new)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
