// SPDX-License-Identifier: MIT
// Pictures and vectors: deterministic, small, valid.
#include "tests/vendord/bomb.h"
#include "tests/vendord/vendor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SIDE 32
#define ROW (1 + SIDE * 3)

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void vector_make(struct span text, uint64_t seed, float *vector, size_t n)
{
	uint64_t state = span_hash(text) ^ seed;
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		state = mix(state);
		vector[i] = (float)((double)(int64_t)state / 9.3e18);
		sum += (double)vector[i] * (double)vector[i];
	}
	float scale = (float)(1 / sqrt(sum));
	for (size_t i = 0; i < n; i++)
		vector[i] *= scale;
}

void vector_json(struct buf *out, const float *vector, size_t n)
{
	buf_byte(out, '[');
	for (size_t i = 0; i < n; i++)
		buf_fmt(out, "%s%.9g", i ? "," : "", (double)vector[i]);
	buf_byte(out, ']');
}

uint64_t image_id(const struct call *call, struct span prompt, int64_t index)
{
	return mix(span_hash(prompt) ^ call->sim->seed ^ (uint64_t)index << 32);
}

static void put_be32(struct buf *out, uint32_t number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_byte(out, (char)(number >> shift));
}

static void put_chunk(struct buf *out, const char *type, const void *bytes, size_t len)
{
	put_be32(out, (uint32_t)len);
	size_t from = out->len;
	buf_add(out, type, 4);
	buf_add(out, bytes, len);
	put_be32(out, crc32_add(0, out->data + from, len + 4));
}

static uint32_t adler32(const unsigned char *at, size_t len)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < len; i++) {
		a = (a + at[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

void image_png(struct buf *out, uint64_t id)
{
	static const unsigned char header[] = {0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 2, 0, 0, 0};
	unsigned char pixels[SIDE * ROW];
	struct buf data = {0};

	for (size_t y = 0; y < SIDE; y++) {
		unsigned char *row = pixels + y * ROW;
		row[0] = 0;
		for (size_t x = 0; x < SIDE * 3; x++)
			row[1 + x] = (unsigned char)(mix(id + x % 3) + (x / 3 ^ y) * 8);
	}
	// zlib with one stored block
	buf_add(&data, "\x78\x01\x01", 3);
	buf_byte(&data, (char)(sizeof pixels & 255));
	buf_byte(&data, (char)(sizeof pixels >> 8));
	buf_byte(&data, (char)(~sizeof pixels & 255));
	buf_byte(&data, (char)(~sizeof pixels >> 8 & 255));
	buf_add(&data, pixels, sizeof pixels);
	put_be32(&data, adler32(pixels, sizeof pixels));
	buf_add(out, "\x89PNG\r\n\x1a\n", 8);
	put_chunk(out, "IHDR", header, sizeof header);
	put_chunk(out, "tEXt", "Source\0simulated by yijian-vendord", 34);
	put_chunk(out, "IDAT", data.data, data.len);
	put_chunk(out, "IEND", "", 0);
	buf_release(&data);
}

void image_base64(struct buf *out, uint64_t id)
{
	struct buf png = {0};

	image_png(&png, id);
	buf_base64(out, png.data, png.len);
	buf_release(&png);
}

void image_url(struct buf *out, const struct call *call, uint64_t id)
{
	buf_fmt(out, "http://127.0.0.1:%d/%s/simulated/%016llx.png", call->sim->port,
		call->vendor->name, (unsigned long long)id);
}

void image_serve(struct call *call)
{
	char digits[17] = {0};
	unsigned long long id = 0;
	struct span name = call->path;

	name.at += strlen("/simulated/");
	name.len -= strlen("/simulated/");
	memcpy(digits, name.at, name.len < 16 ? name.len : 16);
	if (sscanf(digits, "%llx", &id) != 1) {
		vendor_error(call, 404, NULL, "No such simulated picture");
		return;
	}
	call->answer->content_type = "image/png";
	image_png(&call->answer->body, id);
}
