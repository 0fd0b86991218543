// SPDX-License-Identifier: MIT
// What is accepted is exactly what could have been made: the form, and a checksum that holds.
#include <stdlib.h>
#include <string.h>
#include "shared/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char made[CREDENTIAL_LEN + 1];
	struct slice text = {(const char *)p, n};
	enum credential_kind kind = n ? credential_kind_of(text) : CREDENTIAL_NONE;
	if (kind != CREDENTIAL_NONE && (n != CREDENTIAL_LEN || memcmp(p, "yj_", 3) != 0))
		abort();
	if (n < CREDENTIAL_RANDOM || !credential_make(CREDENTIAL_CLIENT, p, made))
		return 0;
	if (credential_kind_of(slice_of(made)) != CREDENTIAL_CLIENT)
		abort();
	made[n % CREDENTIAL_LEN] ^= (char)(1 << n % 7);
	if (credential_kind_of((struct slice){made, CREDENTIAL_LEN}) != CREDENTIAL_NONE)
		abort();
	return 0;
}
