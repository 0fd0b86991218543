// SPDX-License-Identifier: MIT
// A stored document read without a tree is what the tree makes of it, or is left to the tree.
#include <stdlib.h>

#include "shared/jrow.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/rows/model.h"

#define LIMITS ((struct jscan_limits){1000, JSCAN_DEPTH})

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	struct arena a = ARENA_INIT;
	struct str x = STR_INIT, y = STR_INIT;
	struct jw row = jw_to(&x), tree = jw_to(&y);
	struct price p, q;
	struct err err = {0};
	if (jrow_read(&price_fields, text, LIMITS, &a, &p)) {
		if (jx_decode(&price_fields, text, LIMITS, JX_CREATE, &a, &q, &err) != ERR_OK)
			abort();
		jw_doc(&row, NULL, &price_fields, &p);
		jw_doc(&tree, NULL, &price_fields, &q);
		if (!slice_eq(str_slice(&x), str_slice(&y)))
			abort();
	}
	str_release(&x);
	str_release(&y);
	arena_release(&a);
	return 0;
}
