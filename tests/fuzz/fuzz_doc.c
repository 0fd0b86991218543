// SPDX-License-Identifier: MIT
// A document that was taken is written and taken again: nothing may be lost, refused or changed on
// the way, since the store, the console and other agents all read what the agent wrote.
#include <stdlib.h>
#include <string.h>
#include "shared/rows/api.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/rows/model.h"

static const struct field_set *const sets[] = {
	&feature_fields, &key_fields, &instance_fields, &route_patch_fields};
static const struct jscan_limits limits = {.tokens = 1000};

// Without the revision and other members the agent alone writes.
static enum err_code take(const struct field_set *set, struct slice text, unsigned mode,
	struct arena *a, struct str *ret)
{
	void *doc = arena_zalloc(a, 1, set->size);
	struct err err = {0};
	enum err_code code;
	struct jw w = jw_to(ret);
	if (mode == JX_PATCH)
		field_defaults(set, doc);
	code = jx_decode(set, text, limits, mode, a, doc, &err);
	if (code != err.code || (code && !*err.message))
		abort();
	if (!code)
		jw_doc(&w, NULL, set, doc);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const unsigned modes[] = {
		JX_CREATE, JX_REPLACE, JX_PATCH, JX_CREATE | JX_ALLOW_UNKNOWN};
	struct arena a = ARENA_INIT;
	struct str once = STR_INIT, twice = STR_INIT;
	const struct field_set *set;
	unsigned mode;
	if (n < 1 || secret_setup() == false)
		return 0;
	set = sets[p[0] % ARRAY_LEN(sets)];
	mode = modes[p[0] / 16 % ARRAY_LEN(modes)];
	if (take(set, (struct slice){(const char *)p + 1, n - 1}, mode, &a, &once) == ERR_OK) {
		enum err_code code = take(set, str_slice(&once), JX_REPLACE, &a, &twice);
		// A patch need not be a whole document.
		if (code && mode != JX_PATCH)
			abort();
		if (!code && !slice_eq(str_slice(&once), str_slice(&twice)))
			abort();
	}
	str_release(&once);
	str_release(&twice);
	arena_release(&a);
	return 0;
}
