// SPDX-License-Identifier: MIT
// Whatever a remote side sends, nothing that moves a cursor, hides or reorders text comes out of
// the sanitizer, and what comes out stands for itself from then on.
#include <stdlib.h>
#include <string.h>
#include "shared/jscan.h"
#include "shared/text.h"
#include "shared/utf8.h"

static void must_be_safe(const struct str *s)
{
	uint32_t cp;
	if (!utf8_valid(str_slice(s)))
		abort();
	for (size_t i = 0; i < s->n; i += utf8_decode(s->p + i, s->n - i, &cp))
		if (utf8_decode(s->p + i, s->n - i, &cp) == 0 || utf8_is_unsafe(cp))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = {(const char *)p, n};
	struct str once = STR_INIT, twice = STR_INIT, fit = STR_INIT, json = STR_INIT;
	int cells = n ? p[0] % 40 : 0;
	text_add_safe(&once, in);
	must_be_safe(&once);
	text_add_safe(&twice, str_slice(&once));
	if (!slice_eq(str_slice(&once), str_slice(&twice)))
		abort();
	text_add_fit(&fit, in, cells, true, true);
	must_be_safe(&fit);
	if (utf8_width(str_slice(&fit)) != cells)
		abort();
	str_add_json(&json, in);
	must_be_safe(&json);
	if (!memchr(in.p ? in.p : "", 0, n) &&
		jscan_check(str_slice(&json), (struct jscan_limits){0}, NULL))
		abort();
	str_release(&once);
	str_release(&twice);
	str_release(&fit);
	str_release(&json);
	return 0;
}
