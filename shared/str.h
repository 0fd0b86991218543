// SPDX-License-Identifier: MIT
// Growable byte string, always NUL-terminated behind its length.
#ifndef YJ_SHARED_STR_H
#define YJ_SHARED_STR_H

#include <stdarg.h>
#include "shared/slice.h"

struct str {
	char *p; // NULL until the first byte
	size_t n;
	size_t cap;
};

#define STR_INIT ((struct str){0})

void str_release(struct str *s);
// As release, and nothing of it is left in memory: for what may hold a secret. (What it grew out of
// is wiped anyhow, up to STR_MOVED_MAX.)
void str_wipe(struct str *s);
#define STR_MOVED_MAX (1024 * 1024)
// Empties, keeps the buffer.
void str_clear(struct str *s);
void str_grow(struct str *s, size_t more);

// Those that are called several times for every request are inline but for growing.
static inline void str_reserve(struct str *s, size_t more)
{
	if (UNLIKELY(s->n + more + 1 > s->cap))
		str_grow(s, more);
}

static inline void str_add_n(struct str *s, const void *p, size_t n)
{
	str_reserve(s, n);
	if (n)
		memcpy(s->p + s->n, p, n);
	s->n += n;
	s->p[s->n] = '\0';
}

static inline void str_add(struct str *s, const char *text)
{
	str_add_n(s, text, strlen(text));
}

static inline void str_add_slice(struct str *s, struct slice v)
{
	str_add_n(s, v.p, v.n);
}

static inline void str_add_c(struct str *s, char c)
{
	str_reserve(s, 1);
	s->p[s->n++] = c;
	s->p[s->n] = '\0';
}

static inline struct slice str_slice(const struct str *s)
{
	return (struct slice){s->p != NULL ? s->p : "", s->n};
}

void str_add_i64(struct str *s, int64_t v);
void str_addf(struct str *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void str_vaddf(struct str *s, const char *fmt, va_list ap);
// As a quoted JSON string; invalid UTF-8 becomes U+FFFD, and what utf8_is_unsafe() names is
// written as an escape, so that JSON shown on a terminal cannot steer it.
void str_add_json(struct str *s, struct slice v);
// Percent-encodes everything but unreserved characters (RFC 3986 2.3).
void str_add_url(struct str *s, struct slice v);
// RFC 4648 base64 with padding.
void str_add_base64(struct str *s, struct slice v);
void str_cut(struct str *s, size_t n);
// The text ("" when empty), owned by s.
const char *str_text(const struct str *s);
// Hands the buffer to the caller (free it) and empties s. Never NULL.
char *str_take(struct str *s, size_t *ret_n);

#endif
