// SPDX-License-Identifier: MIT
// Open addressing with a random seed, so that strangers cannot choose keys that collide; what is
// deleted leaves no gap behind.
#include "shared/map.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "shared/mem.h"

struct map_slot {
	char *key; // owned; NULL: free
	size_t n;
	uint64_t hash;
	void *value;
};

// One seed per process; threads that ask first at once must agree on it.
static uint64_t seed(void)
{
	static _Atomic uint64_t kept;
	uint64_t now = atomic_load_explicit(&kept, memory_order_relaxed);
	if (LIKELY(now != 0))
		return now;
	uint64_t fresh;
	if (getrandom(&fresh, sizeof(fresh), GRND_NONBLOCK) != sizeof(fresh))
		fresh = (uint64_t)(uintptr_t)&kept * 0x9e3779b97f4a7c15u;
	fresh |= 1;
	return atomic_compare_exchange_strong(&kept, &now, fresh) ? fresh : now;
}

// FNV-1a over the seed, mixed at the end.
static uint64_t hash_of(struct slice key)
{
	uint64_t h = slice_hash_wide(seed() ^ SLICE_HASH_BEGIN, key);
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15u;
}

// The key's slot, or the free one where it belongs.
static struct map_slot *slot_of(const struct map *m, struct slice key, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);
	for (;; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];
		if (s->key == NULL ||
			(s->hash == hash && slice_eq((struct slice){s->key, s->n}, key)))
			return s;
	}
}

static void grow(struct map *m)
{
	struct map old = *m;
	m->cap = old.cap ? old.cap * 2 : 16;
	m->slots = mem_zalloc(m->cap, sizeof(*m->slots));
	for (size_t i = 0; i < old.cap; i++) {
		struct map_slot *s = &old.slots[i];
		if (s->key != NULL)
			*slot_of(m, (struct slice){s->key, s->n}, s->hash) = *s;
	}
	free(old.slots);
}

void map_release(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slots[i].key);
	free(m->slots);
	*m = (struct map){0};
}

void *map_get(const struct map *m, struct slice key)
{
	return m->n ? slot_of(m, key, hash_of(key))->value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
	uint64_t hash = hash_of(key);
	if (m->n * 4 >= m->cap * 3)
		grow(m);
	struct map_slot *s = slot_of(m, key, hash);
	void *before = s->value;
	if (s->key == NULL) {
		*s = (struct map_slot){mem_strndup(key.p, key.n), key.n, hash, NULL};
		m->n++;
	}
	s->value = value;
	return before;
}

void *map_del(struct map *m, struct slice key)
{

	if (!m->n)
		return NULL;
	struct map_slot *s = slot_of(m, key, hash_of(key));
	if (s->key == NULL)
		return NULL;
	void *before = s->value;
	free(s->key);
	size_t hole = (size_t)(s - m->slots);
	m->slots[hole] = (struct map_slot){0};
	m->n--;
	for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i].key != NULL;
		i = (i + 1) & (m->cap - 1)) {
		size_t home = m->slots[i].hash & (m->cap - 1);
		if (((i - home) & (m->cap - 1)) < ((i - hole) & (m->cap - 1)))
			continue; // already as near to its home as it can be
		m->slots[hole] = m->slots[i];
		m->slots[i] = (struct map_slot){0};
		hole = i;
	}
	return before;
}

bool map_next(const struct map *m, size_t *it, struct slice *ret_key, void **ret_value)
{
	for (; *it < m->cap; (*it)++) {
		struct map_slot *s = &m->slots[*it];
		if (s->key == NULL)
			continue;
		if (ret_key != NULL)
			*ret_key = (struct slice){s->key, s->n};
		if (ret_value != NULL)
			*ret_value = s->value;
		(*it)++;
		return true;
	}
	return false;
}
