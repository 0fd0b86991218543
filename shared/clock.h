// SPDX-License-Identifier: MIT
// Time. Deadlines use the monotonic clock, documents the wall clock (RFC 3339 UTC, ms).
#ifndef YJ_SHARED_CLOCK_H
#define YJ_SHARED_CLOCK_H

#include "shared/slice.h"

#define CLOCK_TEXT_MAX 32

int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
// "2026-11-23T10:00:00.000Z" into buf; returns buf.
const char *clock_rfc3339(int64_t wall_ms, char buf[CLOCK_TEXT_MAX]);
// The month it is in, counted from January 1970, UTC.
int64_t clock_month(int64_t wall_ms);
// RFC 3339 with zone and optional fraction to milliseconds since the epoch.
bool clock_parse_rfc3339(struct slice s, int64_t *ret_wall_ms);
// HTTP date or delta-seconds of a Retry-After header to seconds from now; false when unreadable.
bool clock_retry_after_s(struct slice s, int64_t wall_ms, int64_t *ret_s);

#endif
