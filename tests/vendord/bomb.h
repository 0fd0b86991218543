// SPDX-License-Identifier: MIT
// A valid gzip member of zero bytes, a thousand to one, made without a library.
#pragma once
#include "tests/vendord/play.h"

struct bomb {
	struct buf head, tail;
	uint64_t middle; // zero bytes between them
};

void bomb_make(struct bomb *bomb, uint64_t unpacked);
void bomb_release(struct bomb *bomb);
uint64_t bomb_size(const struct bomb *bomb);
void bomb_play(const struct bomb *bomb, struct play *play);
// CRC-32 as gzip and PNG use it; start with 0.
uint32_t crc32_add(uint32_t crc, const void *bytes, size_t len);
