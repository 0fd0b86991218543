// SPDX-License-Identifier: MIT
// Where keys stand in clear: locked memory that no dump and no swap has, with a canary behind
// each, wiped when it goes.
#include "shared/secret.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Secrets come and go with every write and every key that is opened. One region, locked between its
// guard pages, serves those of usual length: a mapping for each would change the address space six
// times, and every other thread's processor is interrupted each time.
#define SLOTS 64
#define SLOT 512
#define CANARY 16 // behind the bytes: a write past them ends the process when they are released

static unsigned char *region; // SLOTS of SLOT; NULL before secret_setup
static unsigned char canary[CANARY];
static _Atomic uint64_t taken; // a bit for each slot

bool secret_setup(void)
{
	if (sodium_init() < 0)
		return false;
	if (region == NULL) {
		randombytes_buf(canary, sizeof(canary));
		region = sodium_malloc((size_t)SLOTS * SLOT);
	}
	return region != NULL;
}

static unsigned char *slot_take(size_t n)
{
	uint64_t now = atomic_load_explicit(&taken, memory_order_relaxed);
	int i;
	do {
		if (region == NULL || n > SLOT - CANARY || now == UINT64_MAX)
			return NULL;
		i = __builtin_ctzll(~now);
	} while (!atomic_compare_exchange_weak_explicit(&taken, &now, now | UINT64_C(1) << i,
		memory_order_acquire, memory_order_relaxed));
	unsigned char *p = region + (size_t)i * SLOT;
	memcpy(p + n, canary, CANARY);
	return p;
}

// False when p is not of the region.
static bool slot_release(unsigned char *p, size_t n)
{
	size_t at = (size_t)((uintptr_t)p - (uintptr_t)region);
	if (region == NULL || at >= (size_t)SLOTS * SLOT)
		return false;
	if (sodium_memcmp(p + n, canary, CANARY) != 0)
		abort();
	sodium_memzero(p, n + CANARY);
	atomic_fetch_and_explicit(&taken, ~(UINT64_C(1) << at / SLOT), memory_order_release);
	return true;
}

void secret_set(struct secret *s, const void *p, size_t n)
{
	unsigned char *copy = NULL;
	if (n) {
		copy = slot_take(n);
		if (copy == NULL)
			copy = sodium_malloc(n);
		if (copy == NULL)
			abort(); // guarded memory is used up: going on would mean bare keys
		memcpy(copy, p, n);
	}
	secret_release(s); // last, since p may point into it
	*s = (struct secret){copy, n};
}

void secret_release(struct secret *s)
{
	if (s->p != NULL && !slot_release(s->p, s->n))
		sodium_free(s->p); // wipes
	s->p = NULL;
	s->n = 0;
}

struct slice secret_bytes(const struct secret *s)
{
	return (struct slice){s->p != NULL ? (const char *)s->p : "", s->n};
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	return a->n == b->n && (a->n == 0 || sodium_memcmp(a->p, b->p, a->n) == 0);
}

void secret_wipe(void *p, size_t n)
{
	if (p != NULL)
		sodium_memzero(p, n);
}

const char *secret_mask(const struct secret *s, char buf[SECRET_MASK_MAX])
{
	const char *p = (const char *)s->p;
	size_t prefix = 0;
	if (s->n < 20) {
		snprintf(buf, SECRET_MASK_MAX, "••••");
		return buf;
	}
	for (size_t i = 0; i < 7; i++) {
		if (p[i] == '-') {
			prefix = i + 1;
			break;
		}
	}
	snprintf(buf, SECRET_MASK_MAX, "%.*s…%.4s", (int)prefix, p, p + s->n - 4);
	return buf;
}
