// SPDX-License-Identifier: MIT
// The first byte says how the rest is cut into pieces. However it is cut, the parser must come to
// the same end with the same body.
#include <stdlib.h>
#include <string.h>
#include "agent/upstream/h1.h"

struct outcome {
	enum h1_step end;
	int status;
	size_t headers;
	struct str body;
};

static void read_all(const uint8_t *p, size_t n, size_t piece, struct outcome *ret)
{
	struct h1 h = {0};
	ret->end = H1_MORE;
	for (size_t at = 0; at < n && ret->end <= H1_DATA; at += piece) {
		struct slice in = {(const char *)p + at, MIN_OF(piece, n - at)}, data;
		while ((ret->end = h1_next(&h, &in, &data)) == H1_HEAD || ret->end == H1_DATA)
			str_add_slice(&ret->body, data);
		if (ret->end == H1_MORE && in.n != 0)
			abort();
	}
	if (ret->end == H1_MORE)
		ret->end = h1_eof(&h);
	ret->status = h.status;
	ret->headers = h.headers_n;
	for (size_t i = 0; i < h.headers_n; i++) {
		if (h.headers[i].name.p < h.head.p || h.headers[i].name.n == 0)
			abort();
	}
	h1_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct outcome whole = {0}, cut = {0};
	if (n < 2)
		return 0;
	read_all(p + 1, n - 1, n, &whole);
	read_all(p + 1, n - 1, 1 + p[0] % 17, &cut);
	if (whole.end != cut.end || whole.status != cut.status || whole.headers != cut.headers ||
		whole.body.n != cut.body.n ||
		(whole.body.n > 0 && memcmp(whole.body.p, cut.body.p, whole.body.n) != 0))
		abort();
	str_release(&whole.body);
	str_release(&cut.body);
	return 0;
}
