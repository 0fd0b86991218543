// SPDX-License-Identifier: MIT
// Text to numbers, whole input or nothing. No locale.
#ifndef YJ_SHARED_NUM_H
#define YJ_SHARED_NUM_H

#include "shared/slice.h"

// Decimal, optional '-', no '+', no blanks, within [min, max]. False leaves *ret untouched.
bool num_i64(struct slice s, int64_t min, int64_t max, int64_t *ret);
// "250ms", "30s", "5m", "2h", "7d", or bare seconds; result in milliseconds, >= 0.
bool num_duration_ms(struct slice s, int64_t *ret_ms);
// "512", "64k", "20M", "1G" (powers of 1024) in bytes.
bool num_bytes(struct slice s, int64_t *ret);
#define NUM_TEXT_MAX 512
// Finite decimal number of fewer than NUM_TEXT_MAX characters, sign and exponent allowed.
bool num_f64(struct slice s, double *ret);

#define NUM_I64_TEXT 24
// Decimal text of v, somewhere inside buf.
const char *num_text(int64_t v, char buf[NUM_I64_TEXT]);
#define NUM_HEX_TEXT 16
// Its hex digits from buf[0] on, without a NUL; how many there are.
size_t num_hex(uint64_t v, char buf[NUM_HEX_TEXT]);

#endif
