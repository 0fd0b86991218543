// SPDX-License-Identifier: MIT
// Persistent hash map (hash array mapped trie, Bagwell 2001): an update shares every unchanged
// node with the version before it, so a new snapshot costs what changed. One writer thread; any
// number of readers of versions the writer keeps alive. Node counts are the writer's alone.
#ifndef YJ_AGENT_CORE_PMAP_H
#define YJ_AGENT_CORE_PMAP_H

#include "shared/slice.h"

struct pmap {
	struct pmap_node *root; // NULL: empty
	size_t n;
};

// How values are counted: hold(+1) and drop(-1) run on the writer's thread.
struct pmap_ops {
	void (*hold)(void *value);
	void (*drop)(void *value);
};

void *pmap_get(struct pmap m, struct slice key); // NULL when absent
// New versions; `m` stays valid and is released on its own. The value is held.
struct pmap pmap_put(struct pmap m, struct slice key, void *value, const struct pmap_ops *ops);
// The same into *m, which must be no version that somebody reads: nodes that no other version shares
// are changed where they are, so that filling a map costs no copies.
void pmap_add(struct pmap *m, struct slice key, void *value, const struct pmap_ops *ops);
struct pmap pmap_del(struct pmap m, struct slice key, const struct pmap_ops *ops);
struct pmap pmap_share(struct pmap m); // another reference to the same version
void pmap_release(struct pmap m, const struct pmap_ops *ops);
// Iteration in a stable order (hash order); cursor starts zeroed. False at the end.
#define PMAP_DEPTH 16
struct pmap_it {
	const struct pmap_node *node[PMAP_DEPTH];
	unsigned at[PMAP_DEPTH];
	int depth; // 0: not started
};
bool pmap_next(struct pmap m, struct pmap_it *it, struct slice *ret_key, void **ret_value);

#endif
