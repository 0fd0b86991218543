// SPDX-License-Identifier: MIT
// The only type that may hold a key, token or password in clear. Guarded, locked memory from
// libsodium, wiped on release; those of usual length share one region, so that most need no call to
// the system. It has no printing path on purpose.
#ifndef YJ_SHARED_SECRET_H
#define YJ_SHARED_SECRET_H

#include "shared/slice.h"

#define SECRET_MAX 4096

struct secret {
	unsigned char *p; // in guarded, locked memory; NULL when empty
	size_t n;
};

// Must run once per process before the first secret; false when the library cannot start.
bool secret_setup(void);
// Copies bytes in. The caller wipes its own copy (secret_wipe).
void secret_set(struct secret *s, const void *p, size_t n);
void secret_release(struct secret *s);
// Borrowed view for the one call that needs the bytes.
struct slice secret_bytes(const struct secret *s);
bool secret_equal(const struct secret *a, const struct secret *b);
void secret_wipe(void *p, size_t n);
// "sk-…a1b2": prefix up to the first '-' (at most 7 characters) and the last 4 when n >= 20,
// otherwise "••••". Fixed width hides the length.
#define SECRET_MASK_MAX 32
const char *secret_mask(const struct secret *s, char buf[SECRET_MASK_MAX]);

#endif
