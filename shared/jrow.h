// SPDX-License-Identifier: MIT
// Reads a document by its rows straight from its text: no tree, one pass, strings into the arena.
// For many documents that this program wrote itself, as thousands of prices at the start.
#ifndef YJ_SHARED_JROW_H
#define YJ_SHARED_JROW_H

#include "shared/arena.h"
#include "shared/field.h"
#include "shared/jscan.h"

// True when *doc (set->size bytes) is what jx_decode in mode JX_CREATE would make of the text. False
// when that would refuse it, or when there is a member of a kind not read here: ask jx_decode
// then, which also tells what is wrong. Strings belong to the arena; some may be left in it on
// false.
bool jrow_read(const struct field_set *set, struct slice text, struct jscan_limits limits,
	struct arena *a, void *doc);

#endif
