// SPDX-License-Identifier: MIT
#include "shared/secret.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool secret_setup(void)
{
	return sodium_init() >= 0;
}

void secret_set(struct secret *s, const void *p, size_t n)
{
	unsigned char *copy = NULL;

	if (n) {
		copy = sodium_malloc(n);
		if (!copy)
			abort(); // guarded memory is used up: going on would mean bare keys
		memcpy(copy, p, n);
	}
	secret_release(s); // last, since p may point into it
	*s = (struct secret){copy, n};
}

void secret_release(struct secret *s)
{
	if (s->p)
		sodium_free(s->p); // wipes
	s->p = NULL;
	s->n = 0;
}

struct slice secret_bytes(const struct secret *s)
{
	return (struct slice){s->p ? (const char *)s->p : "", s->n};
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	return a->n == b->n && (a->n == 0 || sodium_memcmp(a->p, b->p, a->n) == 0);
}

void secret_wipe(void *p, size_t n)
{
	if (p)
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
