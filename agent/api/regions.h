// SPDX-License-Identifier: MIT
// Addresses of a vendor in its regions: rows of the catalogue, and what the setting vendor_regions
// adds or replaces ("VENDOR/REGION=URL,…"). Keys are bound to one of them.
#ifndef YJ_AGENT_API_REGIONS_H
#define YJ_AGENT_API_REGIONS_H

#include "agent/core/settings.h"
#include "shared/rows/vendors.h"

#define REGIONS_MAX 16 // of one vendor

struct region {
	const char *name; // "cn-beijing"
	const char *url; // base URL without a path; belongs to the arena or the catalogue
};

// The vendor's regions into ret; returns how many.
size_t regions_of(const struct settings *s, const char *vendor, struct arena *a,
	struct region ret[REGIONS_MAX]);

#endif
