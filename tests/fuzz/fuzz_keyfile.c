// SPDX-License-Identifier: MIT
// A file of keys in any of its three forms: every key it gives is a document with what a key must have,
// and an error has words.
#include <stdlib.h>
#include <string.h>
#include "console/cmd/keyfile.h"
#include "shared/jx.h"

static void must_be_key(const struct keyfile_key *k, struct arena *a)
{
	const struct jx *doc;
	struct err err = {0};
	if (jx_parse(str_slice(&k->body), (struct jscan_limits){0}, a, &doc, &err))
		abort();
	if (!*k->vendor || !*k->service || !*k->name || k->line < 1 ||
		strcmp(jx_str(jx_get(doc, "vendor"), "?"), k->vendor) != 0 ||
		strcmp(jx_str(jx_get(doc, "key_name"), "?"), k->name) != 0 ||
		!jx_is_str(jx_get(doc, "api_key")))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = {(const char *)p, n};
	for (int form = KEYFILE_CSV; form <= KEYFILE_ENV; form++) {
		struct arena a = ARENA_INIT;
		struct keyfile f;
		struct err err = {0};
		enum err_code code = keyfile_read(text, (enum keyfile_format)form, &a, &f, &err);
		if (code != err.code || (code && !*err.message))
			abort();
		for (size_t i = 0; !code && i < f.n; i++)
			must_be_key(&f.v[i], &a);
		keyfile_release(&f);
		arena_release(&a);
	}
	keyfile_guess("x", text);
	return 0;
}
