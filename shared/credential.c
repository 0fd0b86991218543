// SPDX-License-Identifier: MIT
// Makes and recognises tokens and client keys: random base 62 behind a public id, closed by a
// checksum that tells a torn one before anything is looked up.
#include "shared/credential.h"

#include <string.h>

#define ID_AT 5
#define SECRET_AT 16
#define SECRET_N 32
#define CRC_AT 49
#define CRC_N 6

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567"; // RFC 4648, small letters
static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// CRC-32 as of ISO 3309 and zip, four bits at a time.
static void crc_text(const char *p, char out[CRC_N])
{
	static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
		0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < CRC_AT - 1; i++) {
		crc ^= (unsigned char)p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	crc = ~crc;
	for (int i = CRC_N - 1; i >= 0; i--, crc /= 62)
		out[i] = base62[crc % 62];
}

bool credential_make(enum credential_kind kind, const unsigned char random[CREDENTIAL_RANDOM],
	char buf[CREDENTIAL_LEN + 1])
{
	size_t at = 0, n = 0;
	memcpy(buf, kind == CREDENTIAL_TOKEN ? "yj_a_" : "yj_c_", ID_AT);
	for (; at < SECRET_AT - 1 - ID_AT; at++)
		buf[ID_AT + at] = base32[random[at] & 31];
	buf[SECRET_AT - 1] = '_';
	for (; n < SECRET_N && at < CREDENTIAL_RANDOM; at++)
		if (random[at] < 248) // 4 × 62
			buf[SECRET_AT + n++] = base62[random[at] % 62];
	if (n < SECRET_N)
		return false;
	buf[CRC_AT - 1] = '_';
	crc_text(buf, buf + CRC_AT);
	buf[CREDENTIAL_LEN] = '\0';
	return true;
}

static bool is_base32(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
}

static bool is_base62(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

enum credential_kind credential_id_kind(struct slice id)
{
	if (id.n != CREDENTIAL_ID || memcmp(id.p, "yj_", 3) != 0 || id.p[4] != '_')
		return CREDENTIAL_NONE;
	for (size_t i = ID_AT; i < CREDENTIAL_ID; i++)
		if (!is_base32(id.p[i]))
			return CREDENTIAL_NONE;
	if (id.p[3] == 'a')
		return CREDENTIAL_TOKEN;
	return id.p[3] == 'c' ? CREDENTIAL_CLIENT : CREDENTIAL_NONE;
}

enum credential_kind credential_kind_of(struct slice text)
{

	if (text.n != CREDENTIAL_LEN || text.p[SECRET_AT - 1] != '_' || text.p[CRC_AT - 1] != '_')
		return CREDENTIAL_NONE;
	for (size_t i = SECRET_AT; i < CRC_AT - 1; i++)
		if (!is_base62(text.p[i]))
			return CREDENTIAL_NONE;
	char crc[CRC_N];
	crc_text(text.p, crc);
	if (memcmp(crc, text.p + CRC_AT, CRC_N) != 0)
		return CREDENTIAL_NONE;
	return credential_id_kind((struct slice){text.p, CREDENTIAL_ID});
}
