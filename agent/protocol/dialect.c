// SPDX-License-Identifier: MIT
// What targets take is by vendor and protocol; of a server of one's own nothing is expected but that
// it takes its own model's reasoning back.
#include "agent/protocol/dialect.h"

#include <string.h>

unsigned dialect_takes(const struct candidate *cand)
{
	const char *vendor = cand->target->vendor;
	if (cand->protocol == PROTO_ANTHROPIC_MESSAGES)
		return TAKES_FILES | TAKES_THINKING;
	if (vendor != NULL && strcmp(vendor, "openai") == 0)
		return TAKES_FILES | TAKES_LATE_SYSTEM;
	return TAKES_REASONING;
}

void dialect_drop_slice(struct dialect_chat *c, struct slice name)
{
	struct slice rest = str_slice(c->dropped);
	while (rest.n > 0) {
		struct slice one = slice_cut(&rest, ',');
		if (slice_eq(one, name))
			return;
	}
	// It becomes a header's value.
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ',')
			return;
	if (c->dropped->n > 0)
		str_add_c(c->dropped, ',');
	str_add_slice(c->dropped, name);
}

void dialect_drop(struct dialect_chat *c, const char *name)
{
	dialect_drop_slice(c, slice_of(name));
}
