// SPDX-License-Identifier: MIT
// The form of the agent's own credentials, as text:
//   yj_a_<id: 10 base32>_<secret: 32 base62>_<crc32: 6 base62>   token of the platform APIs
//   yj_c_…                                                       client key of the model traffic
// The prefix lets scanners find a leaked one, the checksum tells a torn one without a look-up; the
// secret has 190 bits. Pure: randomness comes from the caller.
#ifndef YJ_SHARED_CREDENTIAL_H
#define YJ_SHARED_CREDENTIAL_H

#include "shared/slice.h"

#define CREDENTIAL_ID 15 // "yj_a_" and 10 characters: public, the object's id
#define CREDENTIAL_LEN 55
#define CREDENTIAL_PREFIX "yj_" // what begins like this is meant for us

enum credential_kind { CREDENTIAL_NONE, CREDENTIAL_TOKEN, CREDENTIAL_CLIENT };

// Bytes that credential_make eats at most: what is no even share of the alphabet is thrown away.
#define CREDENTIAL_RANDOM 128
// Writes a new one into buf (NUL-terminated); false when too many bytes had to be thrown away:
// come again with other ones.
bool credential_make(enum credential_kind kind, const unsigned char random[CREDENTIAL_RANDOM],
	char buf[CREDENTIAL_LEN + 1]);
// CREDENTIAL_NONE unless length, alphabet and checksum are right. The id is the first
// CREDENTIAL_ID bytes of text.
enum credential_kind credential_kind_of(struct slice text);
// Of an id alone, by its form: CREDENTIAL_NONE when it is none.
enum credential_kind credential_id_kind(struct slice id);

#endif
