// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>
#include "agent/core/unpack.h"
#include "shared/mem.h"

#define LIMIT ((size_t)1 << 20)

static struct str pack(enum coding c, struct slice s)
{
	struct str out = STR_INIT;
	str_reserve(&out, s.n + 1024);
	if (c == CODING_ZSTD) {
		out.n = ZSTD_compress(out.p, out.cap, s.p, s.n, 3);
		return out;
	}
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)s.p, .avail_in = (unsigned)s.n};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = (unsigned char *)out.p;
	z.avail_out = (unsigned)out.cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = z.total_out;
	deflateEnd(&z);
	return out;
}

static struct str letters(size_t n)
{
	struct str s = STR_INIT;
	uint32_t x = 7;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		str_add_c(&s, (char)('a' + (x >> 24) % 20));
	}
	return s;
}

// The first code that is not ERR_OK, of parts of that many bytes and the end.
static enum err_code unpack(enum coding c, struct slice in, size_t part, int64_t packed,
	struct str *out)
{
	struct unpack *u = unpack_new(c, packed, LIMIT);
	struct err err = {0};
	enum err_code code = ERR_OK;
	while (!code && in.n > 0) {
		size_t n = MIN_OF(part, in.n);
		code = unpack_part(u, (struct slice){in.p, n}, out, &err);
		in = (struct slice){in.p + n, in.n - n};
	}
	if (!code)
		code = unpack_end(u, &err);
	assert_int_equal(err.code, code);
	unpack_free(u);
	return code;
}

static void every_cut_gives_the_same(void **state)
{
	struct str s = letters(70000);
	(void)state;
	for (enum coding c = CODING_GZIP; c <= CODING_ZSTD; c++) {
		struct str packed = pack(c, str_slice(&s));
		for (size_t part = 1; part < 9000; part = part * 3 + 1) {
			struct str out = STR_INIT;
			assert_int_equal(unpack(c, str_slice(&packed), part, -1, &out), ERR_OK);
			assert_int_equal(out.n, s.n);
			assert_memory_equal(out.p, s.p, s.n);
			str_release(&out);
		}
		str_release(&packed);
	}
	str_release(&s);
}

// Frames (RFC 8878) that the library reads otherwise when it has the whole at once than in parts: an
// empty block, which is of no type that may be empty, and a head whose last byte begins another frame.
static void no_cut_hides_a_frame(void **state)
{
	static const char empty[] = "\x28\xb5\x2f\xfd\x20\x00" // of one segment, without content
				    "\x04\x00\x00" // an empty block, packed
				    "\x01\x00\x00"; // the last: empty, as it stands
	static const char hidden[] = "\x28\xb5\x2f\xfd\x20\x28" // of one segment, 40 bytes
				     "\xb5\x2f\xfd\x20\x28"
				     "\x41\x01\x00" // the last block: 40 bytes as they stand
				     "0123456789012345678901234567890123456789";
	const struct slice frames[] = {{empty, sizeof(empty) - 1}, {hidden, sizeof(hidden) - 1}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		struct str whole = STR_INIT;
		enum err_code code = unpack(CODING_ZSTD, frames[i], frames[i].n, -1, &whole);
		for (size_t part = 1; part < frames[i].n; part++) {
			struct str out = STR_INIT;
			assert_int_equal(unpack(CODING_ZSTD, frames[i], part, -1, &out), code);
			assert_int_equal(out.n, whole.n);
			str_release(&out);
		}
		str_release(&whole);
	}
}

static void every_beginning_is_incomplete(void **state)
{
	struct str s = letters(300);
	(void)state;
	for (enum coding c = CODING_GZIP; c <= CODING_ZSTD; c++) {
		struct str packed = pack(c, str_slice(&s));
		for (size_t n = 1; n < packed.n; n++) {
			struct str out = STR_INIT;
			assert_int_equal(unpack(c, (struct slice){packed.p, n}, 50, (int64_t)n,
						 &out),
				ERR_BAD_FRAMING);
			str_release(&out);
		}
		str_release(&packed);
	}
	str_release(&s);
}

static void no_more_than_the_limit_is_kept(void **state)
{
	struct str some = letters(64), s = STR_INIT;
	(void)state;
	while (s.n <= LIMIT)
		str_add_slice(&s, str_slice(&some));
	str_release(&some);
	for (enum coding c = CODING_GZIP; c <= CODING_ZSTD; c++) {
		for (size_t more = 0; more < 2; more++) {
			struct str packed = pack(c, (struct slice){s.p, LIMIT + more});
			struct str out = STR_INIT;
			// As if it were long enough for any growth.
			assert_int_equal(unpack(c, str_slice(&packed), 4096, 1 << 20, &out),
				more ? ERR_BODY_TOO_LARGE : ERR_OK);
			assert_true(out.n <= LIMIT + 1);
			str_release(&out);
			str_release(&packed);
		}
	}
	str_release(&s);
}

static void codings_are_read_by_name(void **state)
{
	(void)state;
	assert_int_equal(coding_read((struct slice){NULL, 0}), CODING_NONE);
	assert_int_equal(coding_read(SLICE("")), CODING_NONE);
	assert_int_equal(coding_read(SLICE(" Identity ")), CODING_NONE);
	assert_int_equal(coding_read(SLICE("GZip")), CODING_GZIP);
	assert_int_equal(coding_read(SLICE("x-gzip")), CODING_GZIP);
	assert_int_equal(coding_read(SLICE("zstd")), CODING_ZSTD);
	assert_int_equal(coding_read(SLICE("gzip, zstd")), CODING_OTHER);
	assert_int_equal(coding_read(SLICE("br")), CODING_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_gives_the_same),
		cmocka_unit_test(no_cut_hides_a_frame),
		cmocka_unit_test(every_beginning_is_incomplete),
		cmocka_unit_test(no_more_than_the_limit_is_kept),
		cmocka_unit_test(codings_are_read_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
