// SPDX-License-Identifier: MIT
// The days on which vendors end their models, so that a warning comes before the calls fail.
#include "shared/rows/lifecycle.h"

#include <stdio.h>
#include <string.h>

#include "shared/clock.h"

static const struct lifecycle_row rows[] = {
	{"openai", "dall-e-2", "2026-05-12", "gpt-image-2"},
	{"openai", "dall-e-3", "2026-05-12", "gpt-image-2"},
	{"openai", "gpt-3.5-turbo*", "2026-10-23", "gpt-6-luna"},
	{"openai", "gpt-4", "2026-10-23", "gpt-6-luna"},
	{"openai", "gpt-4-*", "2026-10-23", "gpt-6-luna"},
	{"openai", "gpt-4.1-nano*", "2026-10-23", "gpt-6-luna"},
	{"openai", "o1*", "2026-10-23", NULL},
	{"openai", "o3-mini*", "2026-10-23", NULL},
	{"openai", "o4-mini*", "2026-10-23", NULL},
	{"openai", "gpt-image-1", "2026-10-23", "gpt-image-2"},
	{"openai", "gpt-image-1-mini", "2026-12-01", "gpt-image-2"},
	{"openai", "gpt-image-1.5*", "2026-12-01", "gpt-image-2"},
	{"openai", "chatgpt-image-latest", "2026-12-01", "gpt-image-2"},
	{"openai", "gpt-5", "2026-12-11", "gpt-6-luna"},
	{"openai", "gpt-5-*", "2026-12-11", "gpt-6-luna"},
	{"openai", "o3", "2026-12-11", NULL},
	{"openai", "gpt-4o*", "2027-01-14", "gpt-6-luna"},
	{"openai", "gpt-4.1", "2027-01-14", "gpt-6-luna"},
	{"openai", "gpt-4.1-mini*", "2027-01-14", "gpt-6-luna"},
	{"aliyun", "gte-rerank", "2026-05-30", "qwen3-rerank"},
};

// Length of what fits, 0: it does not; an exact fit counts one more than its prefix.
static size_t fit(const char *pattern, struct slice model)
{
	size_t n = strlen(pattern);
	if (n && pattern[n - 1] == '*')
		return model.n >= n - 1 && memcmp(model.p, pattern, n - 1) == 0 ? n : 0;
	return slice_eq_str(model, pattern) ? n + 2 : 0;
}

const struct lifecycle_row *lifecycle_find(struct slice vendor, struct slice model)
{
	const struct lifecycle_row *best = NULL;
	size_t best_n = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = slice_eq_str(vendor, rows[i].vendor) ? fit(rows[i].model, model) : 0;
		if (n > best_n) {
			best_n = n;
			best = &rows[i];
		}
	}
	return best;
}

int64_t lifecycle_at(const struct lifecycle_row *row)
{
	char text[32];
	int64_t at = 0;
	snprintf(text, sizeof(text), "%sT00:00:00.000Z", row->shutdown);
	clock_parse_rfc3339(slice_of(text), &at);
	return at;
}
