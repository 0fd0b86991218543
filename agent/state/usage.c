// SPDX-License-Identifier: MIT
// An open hash table of rows whose texts lie packed behind them, so that finding a known one
// allocates nothing.
#include "agent/state/usage.h"

#include <stdlib.h>
#include <string.h>
#include "shared/mem.h"

#define CAP_MIN 64
#define COLUMN_MAX (INT64_MAX / 2)
#define HOUR_MIN 60

const char *const usage_by_names[] = {"feature", "target", "client", "key", "model", NULL};
_Static_assert(ARRAY_LEN(usage_by_names) == USAGE_BYS + 1, "one name for each");

void usage_sum_add(struct usage_sum *to, const struct usage_sum *s)
{
	int64_t *a = usage_columns(to);
	const int64_t *b = (const int64_t *)s;
	for (size_t i = 0; i < USAGE_COLUMNS; i++) {
		if (__builtin_add_overflow(a[i], b[i], &a[i]) || a[i] > COLUMN_MAX)
			a[i] = COLUMN_MAX;
	}
}

struct usage_table usage_table(size_t max)
{
	return (struct usage_table){.max = max};
}

void usage_table_release(struct usage_table *t)
{
	for (size_t i = 0; i < t->cap; i++)
		free(t->slots[i]);
	free(t->slots);
	*t = (struct usage_table){.max = t->max, .overflow = t->overflow};
}

// ---- keys ----

// Multiply and fold, eight bytes at a time: the texts are short and their number is bounded.
static uint64_t mix(uint64_t h, const char *p, size_t n)
{
	uint64_t x;
	for (; n >= sizeof(x); p += sizeof(x), n -= sizeof(x)) {
		memcpy(&x, p, sizeof(x));
		h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	x = 0;
	memcpy(&x, p, n);
	h = (h ^ x ^ (uint64_t)n << 56) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

struct texts { // a key's texts one behind the other, each with its NUL
	char p[USAGE_BYS * (USAGE_TEXT_MAX + 1) + 4];
	size_t n;
	uint64_t hash;
};

static void add_text(struct texts *t, const char *s, size_t max)
{
	size_t n = s != NULL ? strnlen(s, max) : 0;
	memcpy(t->p + t->n, s != NULL ? s : "", n);
	t->p[t->n + n] = '\0';
	t->n += n + 1;
}

static void pack(struct texts *t, const struct usage_key *key)
{
	t->n = 0;
	for (int i = 0; i < USAGE_BYS; i++)
		add_text(t, key->by[i], USAGE_TEXT_MAX);
	add_text(t, key->currency, 3);
	t->hash = mix((uint64_t)key->minute * UINT64_C(0x2545f4914f6cdd1d), t->p, t->n);
}

static size_t packed_size(const struct usage_row *r)
{
	return (size_t)(r->key.currency - r->text) + strlen(r->key.currency) + 1;
}

// ---- rows ----

static bool is(const struct usage_row *r, int64_t minute, const struct texts *t)
{
	return r->hash == t->hash && r->key.minute == minute && packed_size(r) == t->n &&
		memcmp(r->text, t->p, t->n) == 0;
}

static size_t slot_of(const struct usage_table *t, int64_t minute, const struct texts *x)
{
	size_t i = x->hash & (t->cap - 1);
	while (t->slots[i] != NULL && !is(t->slots[i], minute, x))
		i = (i + 1) & (t->cap - 1);
	return i;
}

static void grow(struct usage_table *t)
{
	size_t cap = t->cap > 0 ? 2 * t->cap : CAP_MIN;
	struct usage_row **slots = mem_zalloc(cap, sizeof(*slots));
	for (size_t k = 0; k < t->cap; k++) {
		struct usage_row *r = t->slots[k];
		if (r == NULL)
			continue;
		size_t i = r->hash & (cap - 1);
		while (slots[i] != NULL)
			i = (i + 1) & (cap - 1);
		slots[i] = r;
	}
	free(t->slots);
	t->slots = slots;
	t->cap = cap;
}

struct usage_row *usage_table_at(struct usage_table *t, const struct usage_key *key)
{
	int64_t minute = key->minute;
	if (2 * (t->n + 1) > t->cap)
		grow(t);
	struct texts x FILLED_LATER;
	pack(&x, key);
	size_t i = slot_of(t, minute, &x);
	if (LIKELY(t->slots[i] != NULL))
		return t->slots[i];
	if (t->n >= t->max / 2 && minute % HOUR_MIN != 0) {
		struct usage_key hour = *key;
		hour.minute -= minute % HOUR_MIN;
		return usage_table_at(t, &hour);
	}
	if (t->n >= t->max) {
		t->overflow++;
		// The rows for what has no room are few: one an hour and currency. They may go
		// beyond the maximum.
		struct usage_key o = {
			.minute = key->minute - key->minute % HOUR_MIN, .currency = key->currency};
		for (int k = 0; k < USAGE_BYS; k++)
			o.by[k] = USAGE_OTHER;
		t->max += HOUR_MIN; // room for this one call
		struct usage_row *r = usage_table_at(t, &o);
		t->max -= HOUR_MIN;
		return r;
	}
	t->n++;
	struct usage_row *r = mem_zalloc(1, sizeof(*r) + x.n);
	const char *at = r->text;
	memcpy(r->text, x.p, x.n);
	for (int k = 0; k < USAGE_BYS; k++) {
		r->key.by[k] = at;
		at += strlen(at) + 1;
	}
	r->key.currency = at;
	r->key.minute = minute;
	r->hash = x.hash;
	return t->slots[i] = r;
}

struct usage_row *usage_table_find(const struct usage_table *t, const struct usage_key *key)
{
	if (t->cap == 0)
		return NULL;
	struct texts x FILLED_LATER;
	pack(&x, key);
	return t->slots[slot_of(t, key->minute, &x)];
}

void usage_table_merge(struct usage_table *t, const struct usage_table *from)
{
	size_t it = 0;
	struct usage_row *r;
	while ((r = usage_table_next(from, &it)) != NULL)
		usage_sum_add(&usage_table_at(t, &r->key)->sum, &r->sum);
	t->overflow += from->overflow;
}

struct usage_row *usage_table_next(const struct usage_table *t, size_t *it)
{
	while (*it < t->cap) {
		struct usage_row *r = t->slots[(*it)++];
		if (r != NULL)
			return r;
	}
	return NULL;
}
