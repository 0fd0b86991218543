// SPDX-License-Identifier: MIT
// What is read from YAML is JSON, one value a line, and what is written as YAML reads back as the
// same value and is safe on a terminal.
#include <stdlib.h>
#include <string.h>
#include "shared/utf8.h"
#include "shared/yamlx.h"

static const struct jscan_limits limits = {.depth = YAMLX_DEPTH_MAX + 1};

static void must_be_safe(const struct str *s)
{
	uint32_t cp;
	size_t len;
	for (size_t i = 0; i < s->n; i += len) {
		len = utf8_decode(s->p + i, s->n - i, &cp);
		if (len == 0 || (utf8_is_unsafe(cp) && cp != '\n'))
			abort();
	}
}

static void comes_back(const struct jx *v, struct arena *a)
{
	struct str before = STR_INIT, yaml = STR_INIT, json = STR_INIT, after = STR_INIT;
	const struct jx *again;
	jx_write(v, 0, &before);
	yamlx_write(v, &yaml);
	must_be_safe(&yaml);
	if (yamlx_read(str_slice(&yaml), &json, NULL) ||
		jx_parse(slice_trim(str_slice(&json)), limits, a, &again, NULL))
		abort();
	jx_write(again, 0, &after);
	if (!slice_eq(str_slice(&before), str_slice(&after)))
		abort();
	str_release(&before);
	str_release(&yaml);
	str_release(&json);
	str_release(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena a = ARENA_INIT;
	struct str json = STR_INIT;
	if (yamlx_read((struct slice){(const char *)p, n}, &json, NULL) == ERR_OK) {
		struct slice rest = str_slice(&json);
		while (rest.n) {
			const struct jx *v;
			enum err_code code = jx_parse(slice_cut(&rest, '\n'), limits, &a, &v, NULL);
			if (code == ERR_OK)
				comes_back(v, &a);
			else if (code != ERR_JSON_DUPLICATE_KEY)
				abort();
		}
	}
	str_release(&json);
	arena_release(&a);
	return 0;
}
