// SPDX-License-Identifier: MIT
// When vendors shut models down, as they announced it. Data that ages: a price row that names a
// date of its own wins.
#ifndef YJ_SHARED_ROWS_LIFECYCLE_H
#define YJ_SHARED_ROWS_LIFECYCLE_H

#include "shared/slice.h"

struct lifecycle_row {
	const char *vendor;
	const char *model; // a trailing '*' stands for any end
	const char *shutdown; // "2026-10-23"
	const char *replacement; // NULL none was named
};

// The row that fits best: an exact one, else the longest prefix. NULL when nothing is announced.
const struct lifecycle_row *lifecycle_find(struct slice vendor, struct slice model);
// Its date at midnight UTC, in wall milliseconds.
int64_t lifecycle_at(const struct lifecycle_row *row);

#endif
