// SPDX-License-Identifier: MIT
// Hash map from byte strings to pointers; keys are copied. FNV-1a from a random seed: callers bound
// how many keys a stranger may put in.
#ifndef YJ_SHARED_MAP_H
#define YJ_SHARED_MAP_H

#include "shared/slice.h"

struct map {
	struct map_slot *slots;
	size_t n, cap;
};

void map_release(struct map *m);
// NULL when absent.
void *map_get(const struct map *m, struct slice key);
// Returns the value that stood there before, or NULL. value must not be NULL.
void *map_put(struct map *m, struct slice key, void *value);
void *map_del(struct map *m, struct slice key);
// Iteration in unspecified order: start with *it = 0; false at the end.
bool map_next(const struct map *m, size_t *it, struct slice *ret_key, void **ret_value);

#endif
