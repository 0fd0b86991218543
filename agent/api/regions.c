// SPDX-License-Identifier: MIT
// Puts the operator's addresses of a vendor's regions over those of the catalogue.
#include "agent/api/regions.h"

#include <string.h>

static void put(struct region *v, size_t *n, const char *name, const char *url)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(v[i].name, name) == 0) {
			v[i].url = url;
			return;
		}
	}
	if (*n < REGIONS_MAX)
		v[(*n)++] = (struct region){name, url};
}

size_t regions_of(const struct settings *s, const char *vendor, struct arena *a,
	struct region ret[REGIONS_MAX])
{
	struct slice rest = slice_of(s->vendor_regions);
	size_t n = 0, rows_n;
	const struct region_row *rows = regions_all(&rows_n);
	for (size_t i = 0; i < rows_n; i++)
		if (strcmp(rows[i].vendor, vendor) == 0)
			put(ret, &n, rows[i].region, rows[i].base_url);
	struct slice v, region, url;
	while (rest.p != NULL && rest.n)
		if (region_take(&rest, &v, &region, &url) && slice_eq_str(v, vendor))
			put(ret, &n, arena_slice(a, region), arena_slice(a, url));
	return n;
}
