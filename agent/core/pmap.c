// SPDX-License-Identifier: MIT
// A tree of 32-way nodes over the bits of a hash: a put copies the few nodes on its way and shares
// the rest, which is what makes a snapshot of everything cheap after each change.
#include "agent/core/pmap.h"

#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"

// A leaf holds the keys of one whole hash (more than one only on a full collision); an inner node
// has a bitmap of 32 children. Both are immutable after they are linked.
struct entry {
	unsigned refs;
	void *value;
	uint64_t hash;
	size_t n;
	char key[];
};

struct pmap_node {
	unsigned refs;
	uint32_t bitmap; // of an inner node; 0: a leaf
	unsigned n; // children or entries
	void *v[]; // struct pmap_node * or struct entry *
};

static uint64_t hash_of(struct slice key)
{
	uint64_t h = slice_hash_wide(SLICE_HASH_BEGIN, key);
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	return h ^ h >> 29;
}

static unsigned slot(uint64_t hash, unsigned level)
{
	return (unsigned)(hash >> (level * 5)) & 31;
}

static struct pmap_node *node_new(unsigned n, uint32_t bitmap)
{
	struct pmap_node *node = mem_alloc(sizeof(*node) + n * sizeof(void *));
	node->refs = 1;
	node->bitmap = bitmap;
	node->n = n;
	return node;
}

static void entry_drop(struct entry *e, const struct pmap_ops *ops)
{
	if (--e->refs)
		return;
	if (ops->drop != NULL)
		ops->drop(e->value);
	free(e);
}

static void node_drop(struct pmap_node *node, const struct pmap_ops *ops)
{
	if (node == NULL || --node->refs)
		return;
	for (unsigned i = 0; i < node->n; i++) {
		if (node->bitmap)
			node_drop(node->v[i], ops);
		else
			entry_drop(node->v[i], ops);
	}
	free(node);
}

// A copy that shares the children; `skip` (or n) is left for the caller to fill.
static struct pmap_node *node_copy(const struct pmap_node *old, unsigned skip)
{
	struct pmap_node *node = node_new(old->n, old->bitmap);
	for (unsigned i = 0; i < old->n; i++) {
		node->v[i] = old->v[i];
		if (i == skip)
			continue;
		if (old->bitmap)
			((struct pmap_node *)old->v[i])->refs++;
		else
			((struct entry *)old->v[i])->refs++;
	}
	return node;
}

static unsigned index_of(const struct pmap_node *node, unsigned bit)
{
	return (unsigned)__builtin_popcount(node->bitmap & ((1u << bit) - 1));
}

void *pmap_get(struct pmap m, struct slice key)
{
	const struct pmap_node *node = m.root;
	uint64_t hash = hash_of(key);
	for (unsigned level = 0; node != NULL && node->bitmap; level++) {
		unsigned bit = slot(hash, level);
		if (!(node->bitmap & 1u << bit))
			return NULL;
		node = node->v[index_of(node, bit)];
	}
	for (unsigned i = 0; node != NULL && i < node->n; i++) {
		const struct entry *e = node->v[i];
		if (e->hash == hash && e->n == key.n && memcmp(e->key, key.p, key.n) == 0)
			return e->value;
	}
	return NULL;
}

static struct entry *entry_new(struct slice key, uint64_t hash, void *value,
	const struct pmap_ops *ops)
{
	struct entry *e = mem_alloc(sizeof(*e) + key.n + 1);
	*e = (struct entry){.refs = 1, .value = value, .hash = hash, .n = key.n};
	memcpy(e->key, key.p, key.n);
	e->key[key.n] = '\0';
	if (ops->hold != NULL)
		ops->hold(value);
	return e;
}

static struct pmap_node *leaf_of(struct entry *e)
{
	struct pmap_node *leaf = node_new(1, 0);
	leaf->v[0] = e;
	return leaf;
}

static bool same_key(const struct entry *a, const struct entry *b)
{
	return a->hash == b->hash && a->n == b->n && memcmp(a->key, b->key, a->n) == 0;
}

// Inner nodes down to where the old leaf and the new entry part.
static struct pmap_node *split(struct pmap_node *old, struct entry *e, unsigned level)
{
	uint64_t other = ((struct entry *)old->v[0])->hash;
	unsigned a = slot(other, level), b = slot(e->hash, level);
	struct pmap_node *node;
	if (a == b) {
		node = node_new(1, 1u << a);
		node->v[0] = split(old, e, level + 1);
		return node;
	}
	node = node_new(2, 1u << a | 1u << b);
	old->refs++;
	node->v[a > b] = old;
	node->v[b > a] = leaf_of(e);
	return node;
}

static struct pmap_node *leaf_put(struct pmap_node *leaf, struct entry *e, unsigned level,
	const struct pmap_ops *ops, bool *ret_new)
{
	struct pmap_node *node;
	for (unsigned i = 0; i < leaf->n; i++) {
		if (!same_key(leaf->v[i], e))
			continue;
		node = node_copy(leaf, i);
		node->v[i] = e;
		*ret_new = false;
		return node;
	}
	(void)ops;
	if (((struct entry *)leaf->v[0])->hash != e->hash)
		return split(leaf, e, level);
	node = node_new(leaf->n + 1, 0);
	for (unsigned i = 0; i < leaf->n; i++) {
		node->v[i] = leaf->v[i];
		((struct entry *)leaf->v[i])->refs++;
	}
	node->v[leaf->n] = e;
	return node;
}

static struct pmap_node *put(struct pmap_node *old, struct entry *e, unsigned level,
	const struct pmap_ops *ops, bool *ret_new)
{
	unsigned bit = slot(e->hash, level);
	if (old == NULL)
		return leaf_of(e);
	if (!old->bitmap)
		return leaf_put(old, e, level, ops, ret_new);
	unsigned at = index_of(old, bit);
	struct pmap_node *node;
	if (old->bitmap & 1u << bit) {
		node = node_copy(old, at);
		node->v[at] = put(old->v[at], e, level + 1, ops, ret_new);
		return node;
	}
	node = node_new(old->n + 1, old->bitmap | 1u << bit);
	for (unsigned i = 0; i < old->n; i++) {
		node->v[i + (i >= at)] = old->v[i];
		((struct pmap_node *)old->v[i])->refs++;
	}
	node->v[at] = leaf_of(e);
	return node;
}

struct pmap pmap_put(struct pmap m, struct slice key, void *value, const struct pmap_ops *ops)
{
	bool is_new = true;
	struct entry *e = entry_new(key, hash_of(key), value, ops);
	struct pmap_node *root = put(m.root, e, 0, ops, &is_new);
	return (struct pmap){root, m.n + is_new};
}

// Takes the caller's count of `old` over and gives one of the node that stands for it now.
static struct pmap_node *add(struct pmap_node *old, struct entry *e, unsigned level,
	const struct pmap_ops *ops, bool *ret_new)
{
	unsigned bit = slot(e->hash, level);
	struct pmap_node *node;
	if (old == NULL || old->refs > 1 || !old->bitmap) {
		node = put(old, e, level, ops, ret_new);
		node_drop(old, ops);
		return node;
	}
	unsigned at = index_of(old, bit);
	if (old->bitmap & 1u << bit) {
		old->v[at] = add(old->v[at], e, level + 1, ops, ret_new);
		return old;
	}
	node = mem_realloc(old, 1, sizeof(*old) + (old->n + 1) * sizeof(void *));
	memmove(node->v + at + 1, node->v + at, (node->n - at) * sizeof(void *));
	node->v[at] = leaf_of(e);
	node->bitmap |= 1u << bit;
	node->n++;
	return node;
}

void pmap_add(struct pmap *m, struct slice key, void *value, const struct pmap_ops *ops)
{
	bool is_new = true;
	struct entry *e = entry_new(key, hash_of(key), value, ops);
	m->root = add(m->root, e, 0, ops, &is_new);
	m->n += is_new;
}

// The node without its child or entry `at`; NULL when nothing is left.
static struct pmap_node *without(const struct pmap_node *old, unsigned at, uint32_t bitmap)
{

	if (old->n == 1)
		return NULL;
	struct pmap_node *node = node_new(old->n - 1, bitmap);
	for (unsigned i = 0, to = 0; i < old->n; i++) {
		if (i == at)
			continue;
		node->v[to++] = old->v[i];
		if (old->bitmap)
			((struct pmap_node *)old->v[i])->refs++;
		else
			((struct entry *)old->v[i])->refs++;
	}
	return node;
}

// *ret_found false: nothing was there and the result is NULL without meaning.
static struct pmap_node *del(struct pmap_node *old, uint64_t hash, struct slice key, unsigned level,
	bool *ret_found)
{
	unsigned bit = slot(hash, level);
	if (!old->bitmap) {
		for (unsigned i = 0; i < old->n; i++) {
			const struct entry *e = old->v[i];
			if (e->n == key.n && memcmp(e->key, key.p, key.n) == 0) {
				*ret_found = true;
				return without(old, i, 0);
			}
		}
		return NULL;
	}
	if (!(old->bitmap & 1u << bit))
		return NULL;
	unsigned at = index_of(old, bit);
	struct pmap_node *child = del(old->v[at], hash, key, level + 1, ret_found);
	if (!*ret_found)
		return NULL;
	if (child == NULL)
		return without(old, at, old->bitmap & ~(1u << bit));
	struct pmap_node *node = node_copy(old, at);
	node->v[at] = child;
	return node;
}

struct pmap pmap_del(struct pmap m, struct slice key, const struct pmap_ops *ops)
{
	bool found = false;
	(void)ops;
	if (m.root == NULL)
		return m;
	struct pmap_node *root = del(m.root, hash_of(key), key, 0, &found);
	return found ? (struct pmap){root, m.n - 1} : pmap_share(m);
}

struct pmap pmap_share(struct pmap m)
{
	if (m.root != NULL)
		m.root->refs++;
	return m;
}

void pmap_release(struct pmap m, const struct pmap_ops *ops)
{
	node_drop(m.root, ops);
}

bool pmap_next(struct pmap m, struct pmap_it *it, struct slice *ret_key, void **ret_value)
{
	if (it->depth == 0) {
		if (m.root == NULL)
			return false;
		it->node[0] = m.root;
		it->at[0] = 0;
		it->depth = 1;
	}
	while (it->depth > 0) {
		const struct pmap_node *node = it->node[it->depth - 1];
		unsigned *at = &it->at[it->depth - 1];
		if (*at == node->n) {
			it->depth--;
			continue;
		}
		if (!node->bitmap) {
			const struct entry *e = node->v[(*at)++];
			if (ret_key != NULL)
				*ret_key = (struct slice){e->key, e->n};
			if (ret_value != NULL)
				*ret_value = e->value;
			return true;
		}
		it->node[it->depth] = node->v[(*at)++];
		it->at[it->depth] = 0;
		it->depth++;
	}
	it->depth = -1;
	return false;
}
