// SPDX-License-Identifier: MIT
// Texts are small and live in turns; everything else is on the caller's stack.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "tests/unit/wire.h"

#define TURNS 8
#define TEXT_MAX 32768

const char *wire(const char *text)
{
	static char texts[TURNS][TEXT_MAX];
	static unsigned turn;
	char *to = texts[turn++ % TURNS];
	size_t n = strlen(text);
	assert_true(n < TEXT_MAX);
	for (size_t i = 0; i <= n; i++)
		to[i] = text[i] == '\'' ? '"' : text[i];
	return to;
}

void wire_same(const char *got, const char *want)
{
	assert_string_equal(wire(got), wire(want));
}

struct adapter_call *wire_call(void)
{
	static struct adapter_call call; // large
	return &call;
}

static char *copy(const char *text, char *buf, size_t size)
{
	if (text == NULL)
		return NULL;
	assert_true(strlen(text) < size);
	return strcpy(buf, wire(text));
}

enum err_code wire_build(const struct adapter *ad, const struct wire_ask *of, const char *request,
	struct adapter_ask *ret_ask, struct err *err)
{
	static char body[TEXT_MAX];
	static struct feature feature;
	static struct target target;
	static struct instance_obj instance;
	static char texts[7][1024];
	const char *drop = copy(of->drop, texts[0], sizeof(texts[0]));
	*ret_ask = (struct adapter_ask){0};
	feature = (struct feature){.defaults = copy(of->defaults, texts[1], sizeof(texts[1]))};
	target = (struct target){.vendor = copy(of->vendor, texts[2], sizeof(texts[2])),
		.params = copy(of->params, texts[3], sizeof(texts[3])),
		.upstream_model = copy(of->model, texts[4], sizeof(texts[4])),
		.force_upstream_stream = of->force_stream,
		.drop_params = {&drop, drop != NULL ? 1 : 0}};
	instance = (struct instance_obj){
		.doc = {.engine = copy(of->engine, texts[5], sizeof(texts[5])),
			.quirks = {.embeddings_base64 = true, .stream_options = true}}};
	struct url url = {
		.path = copy(of->path != NULL ? of->path : "", texts[6], sizeof(texts[6]))};
	struct candidate cand = {.target = &target,
		.url = &url,
		.protocol = of->protocol,
		.instance = of->engine != NULL ? &instance : NULL};
	size_t n = strlen(request);
	assert_true(n + 3 < sizeof(body));
	body[0] = '{';
	memcpy(body + 1, wire(request), n);
	memcpy(body + 1 + n, "}", 2);
	enum err_code code = adapter_read(slice_of(body), of->offer, false, wire_call(), err);
	wire_call()->dialect = of->dialect;
	wire_call()->count = of->count;
	wire_call()->translated = of->translated;
	return code != ERR_OK ? code : ad->build(wire_call(), &feature, &cand, ret_ask, err);
}

void wire_release(struct adapter_ask *ask)
{
	str_release(&ask->path);
	str_release(&ask->headers);
	str_release(&ask->body);
}

void wire_asks(const struct adapter *ad, const struct wire_ask *of, const char *request,
	const char *body)
{
	struct adapter_ask ask;
	struct err err = {0};
	struct str want = STR_INIT;
	if (wire_build(ad, of, request, &ask, &err) != ERR_OK)
		fail_msg("%s: %s", request, err.message);
	str_addf(&want, "{%s}", body);
	wire_same(str_text(&ask.body), str_text(&want));
	str_release(&want);
	wire_release(&ask);
}
