// SPDX-License-Identifier: MIT
// A packed body gives the same whole and cut at any byte, never more than its limit, and nothing of it
// is read beyond its end. First byte: coding and size of the parts.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/core/unpack.h"
#include "shared/mem.h"

#define LIMIT ((size_t)64 * 1024)

static enum err_code run(enum coding c, struct slice in, size_t part, struct str *out)
{
	struct unpack *u = unpack_new(c, (int64_t)in.n, LIMIT);
	enum err_code code = ERR_OK;
	while (!code && in.n > 0) {
		size_t n = MIN_OF(part, in.n);
		char *copy = malloc(n); // so that a read beyond it is seen
		if (copy == NULL)
			abort();
		memcpy(copy, in.p, n);
		code = unpack_part(u, (struct slice){copy, n}, out, NULL);
		free(copy);
		in = (struct slice){in.p + n, in.n - n};
	}
	if (!code)
		code = unpack_end(u, NULL);
	if (out->n > LIMIT + 1)
		abort();
	unpack_free(u);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str whole = STR_INIT, cut = STR_INIT;
	if (n == 0)
		return 0;
	enum coding c = p[0] & 1 ? CODING_GZIP : CODING_ZSTD;
	struct slice in = {(const char *)p + 1, n - 1};
	enum err_code a = run(c, in, in.n + 1, &whole),
		      b = run(c, in, (size_t)(p[0] >> 1) + 1, &cut);
	if ((a == ERR_OK) != (b == ERR_OK))
		abort();
	if (a == ERR_OK && (whole.n != cut.n || (whole.n && memcmp(whole.p, cut.p, whole.n) != 0)))
		abort();
	str_release(&whole);
	str_release(&cut);
	return 0;
}
