// SPDX-License-Identifier: MIT
// The first byte says how the rest is cut into pieces. However it is cut, the same events come out.
#include <stdlib.h>
#include "shared/sse.h"

static void read_all(const uint8_t *p, size_t n, size_t piece, struct str *ret)
{
	struct sse s = {0};
	for (size_t at = 0; at < n; at += piece) {
		struct slice in = {(const char *)p + at, MIN_OF(piece, n - at)};
		struct sse_event e;
		while (sse_next(&s, &in, &e)) {
			str_addf(ret, "%zu:%zu:%zu:", e.name.n, e.data.n, e.id.n);
			str_add_slice(ret, e.name);
			str_add_slice(ret, e.data);
			str_add_slice(ret, e.id);
		}
		if (in.n != 0 && !s.too_large)
			abort();
	}
	str_addf(ret, "%d", sse_partial(&s));
	sse_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str whole = STR_INIT, cut = STR_INIT;
	if (n < 2)
		return 0;
	read_all(p + 1, n - 1, n, &whole);
	read_all(p + 1, n - 1, 1 + p[0] % 5, &cut);
	if (!slice_eq(str_slice(&whole), str_slice(&cut)))
		abort();
	str_release(&whole);
	str_release(&cut);
	return 0;
}
