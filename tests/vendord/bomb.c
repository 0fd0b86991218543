// SPDX-License-Identifier: MIT
#include "tests/vendord/bomb.h"

#include <string.h>

#define BLOCK 65536

// Deflate puts bits into bytes from the low end.
struct bits {
	struct buf *out;
	unsigned hold, n;
};

static void put(struct bits *bits, unsigned value, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bits->hold |= (value >> i & 1) << bits->n;
		if (++bits->n == 8) {
			buf_byte(bits->out, (char)bits->hold);
			bits->hold = bits->n = 0;
		}
	}
}

// Code lengths used for the lengths: symbols 0, 1, 2 and 18 have 2 bits each. Canonical codes,
// written from their high bit: 0 -> 00, 1 -> 01, 2 -> 10, 18 -> 11.
static void put_length(struct bits *bits, unsigned symbol)
{
	static const unsigned code[] = {0, 2, 1};

	put(bits, code[symbol], 2);
}

static void put_zeros(struct bits *bits, unsigned n)
{
	put(bits, 3, 2);
	put(bits, n - 11, 7);
}

// A dynamic block whose alphabet is: match of 258 (code 0), literal 0 (10), end (11); one
// distance, 1 (code 0). A match is then two zero bits: a zero byte is 4 * 258 bytes.
static void block_start(struct bits *bits)
{
	static const unsigned order_used[] = {18, 0, 1, 2};
	static const unsigned order[] = {
		16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1};

	put(bits, 1, 1);
	put(bits, 2, 2);
	put(bits, 286 - 257, 5);
	put(bits, 0, 5);
	put(bits, sizeof order / sizeof *order - 4, 4);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		bool used = false;
		for (size_t j = 0; j < 4; j++)
			used |= order[i] == order_used[j];
		put(bits, used ? 2 : 0, 3);
	}
	put_length(bits, 2); // literal 0
	put_zeros(bits, 138);
	put_zeros(bits, 117);
	put_length(bits, 2); // 256, the end
	put_zeros(bits, 28); // 257..284
	put_length(bits, 1); // 285: match of 258
	put_length(bits, 1); // distance 1
}

static uint32_t crc_table(unsigned i)
{
	uint32_t crc = i;

	for (int bit = 0; bit < 8; bit++)
		crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	return crc;
}

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t len)
{
	static uint32_t table[256];
	const unsigned char *at = bytes;

	if (table[1] == 0)
		for (unsigned i = 0; i < 256; i++)
			table[i] = crc_table(i);
	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(crc ^ at[i]) & 255];
	return ~crc;
}

// Product of two polynomials modulo the CRC's, bits reflected.
static uint32_t crc_multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? b >> 1 ^ 0xedb88320u : b >> 1;
	}
	return product;
}

// The CRC of n zero bytes: the start value times x^(8n).
static uint32_t crc32_zeros(uint64_t n)
{
	uint32_t power = 1u << 23, shift = 1u << 31;

	for (; n > 0; n >>= 1) {
		if (n & 1)
			shift = crc_multiply(shift, power);
		power = crc_multiply(power, power);
	}
	return ~crc_multiply(shift, 0xffffffffu);
}

static void put_u32(struct buf *out, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		buf_byte(out, (char)(number >> 8 * i));
}

void bomb_make(struct bomb *bomb, uint64_t unpacked)
{
	struct bits bits = {.out = &bomb->head};
	uint64_t total = 1 + 2 * 258;

	buf_add(&bomb->head, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
	block_start(&bits);
	put(&bits, 1, 2); // the literal that the matches repeat
	put(&bits, 0, 4); // two matches, which end the byte: 112 bits
	if (unpacked > total)
		bomb->middle = (unpacked - total) / (4 * 258);
	total += bomb->middle * 4 * 258;
	bits.out = &bomb->tail;
	put(&bits, 3, 8); // the end of the block, padded
	put_u32(&bomb->tail, crc32_zeros(total));
	put_u32(&bomb->tail, (uint32_t)total);
}

void bomb_release(struct bomb *bomb)
{
	buf_release(&bomb->head);
	buf_release(&bomb->tail);
}

uint64_t bomb_size(const struct bomb *bomb)
{
	return bomb->head.len + bomb->middle + bomb->tail.len;
}

static void play_zeros(struct play *play, size_t n)
{
	memset(buf_room(&play->out, n), 0, n);
	play->out.len += n;
}

void bomb_play(const struct bomb *bomb, struct play *play)
{
	buf_span(&play->out, buf_view(&bomb->head));
	play_mark(play, 1, 0, true);
	if (bomb->middle >= BLOCK) {
		play_zeros(play, BLOCK);
		play_mark(play, (int64_t)(bomb->middle / BLOCK), 0, true);
	}
	play_zeros(play, (size_t)(bomb->middle % BLOCK));
	buf_span(&play->out, buf_view(&bomb->tail));
	play_mark(play, 1, 0, true);
}
